//! `hyaline up --watch`: build and deploy again when what a function is made of changes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use globset::{Glob, GlobSet, GlobSetBuilder};
use hyaline_server::{Application, Applier, Component};
use notify::{RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::serve::read_manifest;

/// Editors and compilers write in bursts; a burst is over when this long nothing was written.
const QUIET: Duration = Duration::from_millis(250);

/// Runs a component's build commands, if it has any.
pub(super) fn build(component: &Component) -> Result<()> {
    let Some(build) = &component.build else {
        return Ok(());
    };
    for command in &build.commands {
        eprintln!("building `{}`: {command}", component.id);
        let status = Command::new("sh")
            .args(["-c", command])
            .current_dir(&build.directory)
            .status()
            .with_context(|| format!("cannot start `{command}`"))?;
        if !status.success() {
            bail!("`{command}` failed ({status})");
        }
    }
    Ok(())
}

/// Watches until it is aborted. What goes wrong is said and the functions stay as they are.
pub(super) fn start(manifest: PathBuf, applier: Applier) -> JoinHandle<()> {
    tokio::spawn(async move {
        if let Err(error) = watch(manifest, applier).await {
            eprintln!("error: not watching any longer: {error:#}");
        }
    })
}

async fn watch(manifest: PathBuf, applier: Applier) -> Result<()> {
    let manifest = manifest
        .canonicalize()
        .with_context(|| format!("cannot find `{}`", manifest.display()))?;
    let mut changes = Changes::new()?;
    loop {
        let application = Application::from_manifest(&manifest)?;
        let sources = Sources::of(&manifest, &application)?;
        // What changed while the last build ran waits in the queue.
        changes.look_at(&sources)?;
        let changed = changes.next(&sources).await?;
        let (manifest, applier) = (manifest.clone(), applier.clone());
        let again = tokio::task::spawn_blocking(move || again(&manifest, &changed, &applier)).await;
        match again {
            Ok(Ok(said)) => said.iter().for_each(|line| eprintln!("{line}")),
            Ok(Err(error)) => eprintln!("error: {error:#}; the functions stay as they are"),
            Err(_) => bail!("a rebuild was interrupted"),
        }
    }
}

fn again(manifest: &Path, changed: &BTreeSet<String>, applier: &Applier) -> Result<Vec<String>> {
    let application = read_manifest(manifest)?;
    for component in application.components() {
        if changed.contains(&component.id) {
            build(component)?;
        }
    }
    Ok(applier.apply(&application)?)
}

/// What the functions of an application are made of.
struct Sources {
    /// Folders to look at, and whether at all below them.
    folders: BTreeMap<PathBuf, bool>,
    manifest: PathBuf,
    /// Which files make a component be built, and which one is its result.
    components: Vec<(String, GlobSet, PathBuf)>,
}

impl Sources {
    fn of(manifest: &Path, application: &Application) -> Result<Self> {
        let folder = |path: &Path| path.parent().unwrap_or(Path::new(".")).to_path_buf();
        let mut folders = BTreeMap::from([(folder(manifest), false)]);
        let mut components = Vec::new();
        for component in application.components() {
            let mut globs = GlobSetBuilder::new();
            if let Some(build) = &component.build {
                let root = build.directory.canonicalize().with_context(|| {
                    format!("cannot find the folder `{}`", build.directory.display())
                })?;
                for pattern in &build.watch {
                    let whole = root.join(pattern).to_string_lossy().into_owned();
                    globs.add(Glob::new(&whole).with_context(|| {
                        format!(
                            "component `{}`: `{pattern}` is no pattern of files",
                            component.id
                        )
                    })?);
                    folders.insert(literal_folder(&root, pattern), true);
                }
            }
            let result = component
                .path
                .canonicalize()
                .unwrap_or(component.path.clone());
            folders.entry(folder(&result)).or_insert(false);
            components.push((component.id.clone(), globs.build()?, result));
        }
        Ok(Sources {
            folders,
            manifest: manifest.into(),
            components,
        })
    }

    /// What a change of `path` means: the components to be built because of it, and whether it means anything at all.
    fn concerns<'s>(&'s self, path: &'s Path) -> (impl Iterator<Item = &'s str>, bool) {
        let sources = move |(_, globs, result): &&(String, GlobSet, PathBuf)| {
            globs.is_match(path) && path != *result
        };
        let to_build = self.components.iter().filter(sources);
        let deployed = self.components.iter().any(|(_, _, result)| path == *result);
        let concerns =
            deployed || path == self.manifest || self.components.iter().any(|one| sources(&one));
        (to_build.map(|(id, _, _)| id.as_str()), concerns)
    }
}

/// The folder below which everything lies that a pattern can match: its parts before the first with a wildcard.
fn literal_folder(root: &Path, pattern: &str) -> PathBuf {
    let mut folder = root.to_path_buf();
    let mut parts = pattern.split('/').peekable();
    while let Some(part) = parts.next() {
        if part.contains(['*', '?', '[', '{']) || parts.peek().is_none() {
            break;
        }
        folder.push(part);
    }
    folder
}

/// Changes of files, as the system tells them.
struct Changes {
    watcher: notify::RecommendedWatcher,
    told: mpsc::UnboundedReceiver<notify::Result<notify::Event>>,
    watched: BTreeMap<PathBuf, bool>,
}

impl Changes {
    fn new() -> Result<Self> {
        let (sender, told) = mpsc::unbounded_channel();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // The receiver goes away when nobody waits any more.
            let _ = sender.send(event);
        })
        .context("cannot watch files")?;
        Ok(Changes {
            watcher,
            told,
            watched: BTreeMap::new(),
        })
    }

    fn look_at(&mut self, sources: &Sources) -> Result<()> {
        for (folder, below) in &sources.folders {
            if self.watched.get(folder) == Some(below) {
                continue;
            }
            let mode = if *below {
                RecursiveMode::Recursive
            } else {
                RecursiveMode::NonRecursive
            };
            self.watcher
                .watch(folder, mode)
                .with_context(|| format!("cannot watch `{}`", folder.display()))?;
            self.watched.insert(folder.clone(), *below);
        }
        Ok(())
    }

    /// Waits for a change, and for the burst it comes in to be over. Names the components to be built; none of them when
    /// only a result, or the manifest, has changed.
    async fn next(&mut self, sources: &Sources) -> Result<BTreeSet<String>> {
        let mut to_build = BTreeSet::new();
        let mut concerned = false;
        loop {
            let next = if concerned {
                match tokio::time::timeout(QUIET, self.told.recv()).await {
                    Ok(next) => next,
                    Err(_quiet) => return Ok(to_build),
                }
            } else {
                self.told.recv().await
            };
            let event = next.context("the system no longer tells about changes")??;
            if event.kind.is_access() {
                continue;
            }
            for path in &event.paths {
                let (ids, concerns) = sources.concerns(path);
                to_build.extend(ids.map(str::to_owned));
                concerned |= concerns;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_that_a_pattern_can_reach_are_watched() {
        let of = |pattern| literal_folder(Path::new("/r"), pattern);
        assert_eq!(of("models/credit/**"), Path::new("/r/models/credit"));
        assert_eq!(of("models/*/train.csv"), Path::new("/r/models"));
        assert_eq!(of("model.onnx"), Path::new("/r"));
        assert_eq!(of("**/*.py"), Path::new("/r"));
    }
}
