//! The artefact cache survives damage, strangers and company.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hyaline_runtime::{Engine, EngineConfig, Function, Limits, Origin, Policy};

use crate::{get, guests};

fn engine(cache: &Path, concurrency: u32) -> Engine {
    Engine::new(EngineConfig {
        concurrency,
        cache: Some(cache.into()),
        ..EngineConfig::default()
    })
    .expect("an engine starts")
}

/// Loads the guest through a cache in `directory` and has it answer.
async fn origin(directory: &Path) -> Origin {
    let function = Function::load(
        &engine(directory, 4),
        "guest",
        &guests::hello(),
        Policy::default(),
    )
    .unwrap();
    assert_eq!(get(&function).await.unwrap().status(), 200);
    function.origin()
}

fn files(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect()
}

#[tokio::test]
async fn the_second_load_comes_from_disk() {
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join("made/on/demand");
    assert_eq!(origin(&cache).await, Origin::Compiled);
    assert_eq!(origin(&cache).await, Origin::Cached);
    assert_eq!(
        files(&cache).len(),
        2,
        "nothing but the code and its engine"
    );
}

#[tokio::test]
async fn another_component_or_another_configuration_looks_for_another_file() {
    let directory = tempfile::tempdir().unwrap();
    origin(directory.path()).await;
    let load = |component: &[u8]| {
        Function::load(
            &engine(directory.path(), 4),
            "guest",
            component,
            Policy::default(),
        )
        .unwrap()
        .origin()
    };
    assert_eq!(load(&guests::echo()), Origin::Compiled);
    assert_eq!(load(&guests::echo()), Origin::Cached);
    assert_eq!(files(directory.path()).len(), 4);
}

/// The function's own code and the engine's.
#[tokio::test]
async fn any_damage_to_a_file_is_noticed_and_repaired() {
    let directory = tempfile::tempdir().unwrap();
    origin(directory.path()).await;
    for artefact in files(directory.path()) {
        let sound = fs::read(&artefact).unwrap();
        let flipped = |at: usize| {
            let mut bytes = sound.clone();
            bytes[at] ^= 1;
            bytes
        };
        let damages = [
            Vec::new(),
            sound[..20].to_vec(),
            sound[..sound.len() / 2].to_vec(),
            sound[..sound.len() - 1].to_vec(),
            flipped(0),
            flipped(sound.len() / 2),
            flipped(sound.len() - 1),
            flipped(sound.len() - 20),
            flipped(sound.len() - 40),
            [&sound[..], b"more"].concat(),
        ];
        for (index, damage) in damages.iter().enumerate() {
            fs::write(&artefact, damage).unwrap();
            assert_eq!(
                origin(directory.path()).await,
                Origin::Compiled,
                "damage {index}"
            );
            assert_eq!(
                origin(directory.path()).await,
                Origin::Cached,
                "damage {index} was repaired"
            );
        }
    }
}

#[tokio::test]
async fn a_sound_file_that_is_no_artefact_of_this_engine_is_compiled_anew() {
    let directory = tempfile::tempdir().unwrap();
    origin(directory.path()).await;
    let sheet = br#"{"engine":null,"card":null,"http_door":true,"typed_door":false,"size":1}"#;
    let foreign = [
        b"\x7fELF, but from another version",
        &sheet[..],
        &(sheet.len() as u32).to_le_bytes(),
    ]
    .concat();
    let checksum = xxhash_rust::xxh3::xxh3_128(&foreign).to_le_bytes();
    let signed = [&foreign[..], &checksum, b"hyaline2"].concat();
    for artefact in files(directory.path()) {
        fs::write(&artefact, &signed).unwrap();
        assert_eq!(origin(directory.path()).await, Origin::Compiled);
        assert_eq!(origin(directory.path()).await, Origin::Cached);
    }
}

#[tokio::test]
async fn a_cache_that_cannot_be_written_costs_only_the_compilation() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a file, not a directory");
    fs::write(&file, "").unwrap();
    assert_eq!(origin(&file.join("cache")).await, Origin::Compiled);
    assert_eq!(origin(&file.join("cache")).await, Origin::Compiled);
}

#[cfg(unix)]
#[tokio::test]
async fn a_cache_that_others_can_write_is_not_used() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    origin(directory.path()).await;
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(origin(directory.path()).await, Origin::Compiled);
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(origin(directory.path()).await, Origin::Cached);
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_others_can_write_is_not_used_but_replaced() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let mode = |file: &Path| fs::metadata(file).unwrap().permissions().mode() & 0o777;
    origin(directory.path()).await;
    for artefact in files(directory.path()) {
        assert_eq!(mode(&artefact), 0o600);
        for others in [0o620, 0o602] {
            fs::set_permissions(&artefact, fs::Permissions::from_mode(others)).unwrap();
            assert_eq!(origin(directory.path()).await, Origin::Compiled);
            assert_eq!(mode(&artefact), 0o600);
            assert_eq!(origin(directory.path()).await, Origin::Cached);
        }
    }
}

#[tokio::test]
async fn what_is_forgotten_leaves_nothing_of_any_engine_and_is_compiled_again() {
    let directory = tempfile::tempdir().unwrap();
    let config = |fuel, share_code| EngineConfig {
        concurrency: 4,
        cache: Some(directory.path().into()),
        fuel,
        share_code,
    };
    let load = |config: EngineConfig, component: &[u8]| {
        let engine = Engine::new(config).unwrap();
        Function::load(&engine, "guest", component, Policy::default()).unwrap()
    };
    load(config(false, true), &guests::echo());
    let others = files(directory.path());
    let [plain, ..] = [(false, true), (true, true), (false, false)]
        .map(|(fuel, share_code)| load(config(fuel, share_code), &guests::hello()));
    // Code of its own for each of the three engines, shared code for two of them.
    assert_eq!(files(directory.path()).len(), others.len() + 5);
    let engine = Engine::new(config(false, true)).unwrap();
    engine.forget([]);
    assert_eq!(files(directory.path()).len(), others.len() + 5);
    engine.forget([plain.digest()]);
    let left = files(directory.path());
    assert_eq!(left.len(), others.len() + 2, "{left:?}");
    assert!(others.iter().all(|file| left.contains(file)));
    assert_eq!(get(&plain).await.unwrap().status(), 200, "it is loaded");
    assert_eq!(
        load(config(false, true), &guests::hello()).origin(),
        Origin::Compiled
    );
    assert_eq!(
        load(config(false, true), &guests::echo()).origin(),
        Origin::Cached
    );
}

#[test]
fn what_a_killed_process_left_is_removed_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let digest = "0123456789abcdef".repeat(4);
    let make = |name: String, hours: u64| {
        let path = directory.path().join(name);
        let age = std::time::Duration::from_secs(hours * 3600);
        let written = std::time::SystemTime::now() - age;
        fs::File::create(&path)
            .unwrap()
            .set_modified(written)
            .unwrap();
        path
    };
    let stale = make(format!("{digest}.{digest}.7.0.partial"), 2);
    let kept = [
        make(format!("{digest}.{digest}.7.1.partial"), 0),
        make(format!("{digest}.{digest}.cwasm"), 2),
        make("a stranger's.partial".into(), 2),
    ];
    engine(directory.path(), 4);
    assert!(!stale.exists());
    for file in kept {
        assert!(file.exists(), "{}", file.display());
    }
}

/// Runs this very test in processes of its own, with the directory in the environment, to have them race for the same files.
#[tokio::test]
async fn processes_at_once_leave_sound_files() {
    const SHARED: &str = "HYALINE_TEST_SHARED_CACHE";
    if let Some(shared) = std::env::var_os(SHARED) {
        origin(Path::new(&shared)).await;
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let this = std::env::current_exe().unwrap();
    let racers: Vec<_> = (0..3)
        .map(|_| {
            Command::new(&this)
                .args(["--exact", "cache::processes_at_once_leave_sound_files"])
                .env(SHARED, directory.path())
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut racer in racers {
        assert!(racer.wait().unwrap().success());
    }
    assert_eq!(files(directory.path()).len(), 2);
    assert_eq!(origin(directory.path()).await, Origin::Cached);
}

#[test]
fn limits_do_not_change_the_machine_code() {
    let directory = tempfile::tempdir().unwrap();
    let load = |concurrency, limits| {
        let policy = Policy {
            limits,
            ..Policy::default()
        };
        Function::load(
            &engine(directory.path(), concurrency),
            "guest",
            &guests::hello(),
            policy,
        )
        .unwrap()
        .origin()
    };
    assert_eq!(load(4, Limits::default()), Origin::Compiled);
    assert_eq!(
        load(
            8,
            Limits {
                memory: 1 << 20,
                ..Limits::default()
            }
        ),
        Origin::Cached
    );
}
