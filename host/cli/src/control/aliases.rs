//! `hyaline alias`, `traffic` and `rollback`

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use hyaline_control::{
    Alias as AliasDocument, AliasName, FunctionName, Share, StickyKey, Traffic as Split,
    VersionNumber,
};
use ureq::http::Method;

use super::terms::{share, sticky, traffic_shown, version};
use super::{Client, Host, print, print_json};
use crate::table::{Cell, Table};

#[derive(clap::Args)]
pub(crate) struct Alias {
    /// The function
    function: FunctionName,
    /// The alias, such as `canary`; every alias is listed when absent
    alias: Option<AliasName>,
    /// The version that all its calls go to; the alias is printed when absent
    #[arg(value_parser = version)]
    version: Option<VersionNumber>,
    /// Print documents as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    host: Host,
}

#[derive(clap::Args)]
pub(crate) struct Traffic {
    /// The function
    function: FunctionName,
    /// Versions and their weights, such as `3=90 4=10`; the traffic is printed when absent
    #[arg(value_name = "VERSION=WEIGHT", value_parser = share)]
    shares: Vec<Share>,
    /// What keeps calls together: `caller`, `address` or `header:NAME`
    #[arg(long, value_name = "KEY", value_parser = sticky, requires = "shares")]
    sticky: Option<StickyKey>,
    /// A version that every call is repeated to; its answers are compared, never returned
    #[arg(long, value_name = "VERSION", value_parser = version, requires = "shares")]
    shadow: Option<VersionNumber>,
    /// The alias whose calls are split
    #[arg(long, default_value = "live")]
    alias: AliasName,
    /// Print the alias as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    host: Host,
}

#[derive(clap::Args)]
pub(crate) struct Rollback {
    /// The function
    function: FunctionName,
    /// The alias that goes back to where it led before
    #[arg(long, default_value = "live")]
    alias: AliasName,
    /// Print the alias as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    host: Host,
}

type Aliases = BTreeMap<AliasName, AliasDocument>;

pub(crate) fn alias(arguments: &Alias) -> Result<()> {
    let client = Client::new(&arguments.host)?;
    let path = format!("/api/functions/{}/aliases", arguments.function);
    if let (Some(name), Some(version)) = (&arguments.alias, arguments.version) {
        let path = format!("{path}/{name}");
        let document: AliasDocument = client.send(Method::PUT, &path, &Split::all_to(version))?;
        return show(&arguments.function, name, &document, arguments.json);
    }
    let aliases: Aliases = client.get(&path)?;
    match &arguments.alias {
        Some(name) => {
            let document = known(&aliases, &arguments.function, name)?;
            show(&arguments.function, name, document, arguments.json)
        }
        None if arguments.json => print_json(&aliases),
        None => {
            let mut table = Table::new(["alias", "calls go to", "before"]);
            for (name, document) in &aliases {
                let before = document.earlier.first();
                table.lines.push(vec![
                    Cell::text(name.as_str()),
                    Cell::text(traffic_shown(&document.traffic)),
                    Cell::text(before.map_or("-".into(), traffic_shown)),
                ]);
            }
            print(&table.text())
        }
    }
}

pub(crate) fn traffic(arguments: &Traffic) -> Result<()> {
    let client = Client::new(&arguments.host)?;
    let (function, name) = (&arguments.function, &arguments.alias);
    if arguments.shares.is_empty() {
        let aliases: Aliases = client.get(&format!("/api/functions/{function}/aliases"))?;
        return show(
            function,
            name,
            known(&aliases, function, name)?,
            arguments.json,
        );
    }
    let split = Split::new(
        arguments.shares.clone(),
        arguments.sticky.clone(),
        arguments.shadow,
    )?;
    let path = format!("/api/functions/{function}/aliases/{name}");
    let document: AliasDocument = client.send(Method::PUT, &path, &split)?;
    show(function, name, &document, arguments.json)
}

pub(crate) fn rollback(arguments: &Rollback) -> Result<()> {
    let (function, name) = (&arguments.function, &arguments.alias);
    let path = format!("/api/functions/{function}/aliases/{name}/rollback");
    let document: AliasDocument = Client::new(&arguments.host)?.act(&path)?;
    show(function, name, &document, arguments.json)
}

fn known<'a>(
    aliases: &'a Aliases,
    function: &FunctionName,
    name: &AliasName,
) -> Result<&'a AliasDocument> {
    let Some(document) = aliases.get(name) else {
        let names: Vec<&str> = aliases.keys().map(AliasName::as_str).collect();
        bail!(
            "{function} has no alias `{name}`; it has: {}",
            names.join(", ")
        );
    };
    Ok(document)
}

fn show(
    function: &FunctionName,
    name: &AliasName,
    document: &AliasDocument,
    json: bool,
) -> Result<()> {
    if json {
        return print_json(document);
    }
    print(&format!(
        "{function}@{name} goes to {}\n",
        traffic_shown(&document.traffic)
    ))
}
