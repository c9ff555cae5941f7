//! `hyaline functions`, `versions`, `rm`, `disable`, `enable` and `resume`

use std::str::FromStr;

use anyhow::{Result, bail};
use hyaline_control::{
    AliasName, CallerName, FunctionDocument, FunctionName, FunctionState, Qualifier,
    VersionDocument,
};

use super::terms::{Subject, traffic_shown};
use super::{Client, Host, moment, plain, print, print_json};
use crate::table::{Cell, Table, bytes};

#[derive(clap::Args)]
pub(crate) struct Functions {
    /// Print the documents as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    host: Host,
}

#[derive(clap::Args)]
pub(crate) struct Versions {
    /// The function
    function: FunctionName,
    /// Print the documents as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    host: Host,
}

#[derive(clap::Args)]
pub(crate) struct Remove {
    /// A function, `FUNCTION@VERSION` or `FUNCTION@ALIAS`
    #[arg(value_name = "FUNCTION[@VERSION]")]
    subject: Subject,
    #[command(flatten)]
    host: Host,
}

#[derive(clap::Args)]
pub(crate) struct Named {
    /// The function
    function: FunctionName,
    #[command(flatten)]
    host: Host,
}

#[derive(clap::Args)]
pub(crate) struct Resume {
    /// A function, or `caller:NAME`
    #[arg(value_name = "FUNCTION|caller:NAME")]
    spender: Spender,
    #[command(flatten)]
    host: Host,
}

/// Who may have spent a budget.
#[derive(Clone, Debug)]
enum Spender {
    Function(FunctionName),
    Caller(CallerName),
}

impl FromStr for Spender {
    type Err = anyhow::Error;
    fn from_str(text: &str) -> Result<Self> {
        Ok(match text.split_once(':') {
            Some(("caller", name)) => Spender::Caller(name.parse()?),
            Some(("function", name)) => Spender::Function(name.parse()?),
            Some((other, _)) => bail!("functions and callers have budgets, not `{other}`s"),
            None => Spender::Function(text.parse()?),
        })
    }
}

pub(crate) fn functions(arguments: &Functions) -> Result<()> {
    let documents: Vec<FunctionDocument> = Client::new(&arguments.host)?.get("/api/functions")?;
    if arguments.json {
        return print_json(&documents);
    }
    if documents.is_empty() {
        eprintln!("no functions yet; `hyaline deploy NAME FILE` makes one");
        return Ok(());
    }
    let mut table = Table::new([
        "function",
        "state",
        "live",
        "versions",
        "size",
        "changed (UTC)",
    ]);
    for document in &documents {
        let live = document.aliases.get(&AliasName::live());
        let versions = &document.versions;
        // Of the version that most calls go to.
        let main = live
            .and_then(|live| {
                live.traffic
                    .shares()
                    .iter()
                    .max_by_key(|share| share.weight)
            })
            .and_then(|share| versions.iter().find(|known| known.version == share.version))
            .or(versions.last());
        table.lines.push(vec![
            Cell::text(document.name.as_str()),
            Cell::text(state(&document.state)),
            Cell::text(live.map_or("-".into(), |live| traffic_shown(&live.traffic))),
            Cell::Number(versions.len() as f64),
            Cell::text(main.map_or("-".into(), |version| bytes(version.size))),
            Cell::text(moment(document.changed)),
        ]);
    }
    print(&table.text())
}

fn state(state: &FunctionState) -> &'static str {
    match state {
        FunctionState::Enabled => "enabled",
        FunctionState::Disabled => "disabled",
        FunctionState::OutOfBudget => "out of budget",
    }
}

pub(crate) fn versions(arguments: &Versions) -> Result<()> {
    let client = Client::new(&arguments.host)?;
    if arguments.json {
        let path = format!("/api/functions/{}/versions", arguments.function);
        return print_json(&client.get::<Vec<VersionDocument>>(&path)?);
    }
    let function: FunctionDocument =
        client.get(&format!("/api/functions/{}", arguments.function))?;
    let mut table = Table::new([
        "version",
        "aliases",
        "size",
        "deployed (UTC)",
        "sha256",
        "description",
    ]);
    for version in &function.versions {
        let aliases: Vec<&str> = function
            .aliases
            .iter()
            .filter(|(_, alias)| {
                alias
                    .traffic
                    .versions()
                    .any(|other| other == version.version)
            })
            .map(|(name, _)| name.as_str())
            .collect();
        let digest = version.digest.to_string();
        let digest = digest.strip_prefix("sha256:").unwrap_or(&digest);
        table.lines.push(vec![
            Cell::text(version.version.to_string()),
            Cell::text(if aliases.is_empty() {
                "-".into()
            } else {
                aliases.join(", ")
            }),
            Cell::text(bytes(version.size)),
            Cell::text(moment(version.created)),
            Cell::text(digest.chars().take(12).collect::<String>()),
            Cell::text(plain(version.description.as_deref().unwrap_or(""))),
        ]);
    }
    print(&table.text())
}

pub(crate) fn remove(arguments: &Remove) -> Result<()> {
    let client = Client::new(&arguments.host)?;
    let function = &arguments.subject.function;
    let base = format!("/api/functions/{function}");
    match &arguments.subject.qualifier {
        None => {
            client.delete(&base)?;
            eprintln!("{function} removed, with all its versions");
        }
        Some(Qualifier::Version(version)) => {
            client.delete(&format!("{base}/versions/{version}"))?;
            eprintln!("{function} version {version} removed");
        }
        Some(Qualifier::Alias(alias)) => {
            client.delete(&format!("{base}/aliases/{alias}"))?;
            eprintln!("{function} alias {alias} removed");
        }
    }
    Ok(())
}

pub(crate) fn disable(arguments: &Named) -> Result<()> {
    turn(arguments, "disable")
}

pub(crate) fn enable(arguments: &Named) -> Result<()> {
    turn(arguments, "enable")
}

fn turn(arguments: &Named, verb: &str) -> Result<()> {
    let path = format!("/api/functions/{}/{verb}", arguments.function);
    let document: FunctionDocument = Client::new(&arguments.host)?.act(&path)?;
    eprintln!("{} is {}", document.name, state(&document.state));
    Ok(())
}

pub(crate) fn resume(arguments: &Resume) -> Result<()> {
    let client = Client::new(&arguments.host)?;
    match &arguments.spender {
        Spender::Function(name) => {
            let path = format!("/api/functions/{name}/resume");
            let document: FunctionDocument = client.act(&path)?;
            eprintln!("{name} is {}", state(&document.state));
        }
        Spender::Caller(name) => {
            client.order(&format!("/api/callers/{name}/resume"))?;
            eprintln!("{name} may spend again");
        }
    }
    Ok(())
}
