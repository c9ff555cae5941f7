//! `hyaline keys`

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use hyaline_control::{
    ApiKey, Budget, CallerName, FunctionName, IssuedKey, KeyRequest, Quota, Rate,
};
use hyaline_server::issue_key;
use jiff::Timestamp;
use ureq::http::Method;

use super::terms::{budget, period_shown, quota, rate, until};
use super::{Client, Host, dollars, moment, plain, print, print_json};
use crate::table::{Cell, Table};

#[derive(clap::Args)]
pub(crate) struct Keys {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Make a key; its secret is printed once and kept nowhere
    New(Box<New>),
    /// List the keys
    List(List),
    /// Revoke a key; it stops working at once
    Revoke(Revoke),
}

#[derive(clap::Args)]
struct New {
    /// What its calls are recorded under
    name: CallerName,
    /// Functions it may call; all when absent
    #[arg(
        long,
        value_name = "FUNCTION",
        value_delimiter = ',',
        conflicts_with = "control"
    )]
    functions: Vec<FunctionName>,
    /// Open the control plane with it: such a key may do everything
    #[arg(long)]
    control: bool,
    /// How fast it may call: requests in seconds, such as `100/60`, or `100/60+20` for 20 at once
    #[arg(long, value_name = "REQUESTS/SECONDS", value_parser = rate)]
    rate: Option<Rate>,
    /// How much it may call, such as `1000/day`; `day`, `month` or `total`
    #[arg(long, value_name = "REQUESTS/PERIOD", value_parser = quota)]
    quota: Vec<Quota>,
    /// What its calls may cost in US dollars, such as `5/month`, or `5/month@0.5` to warn at half
    #[arg(long, value_name = "USD/PERIOD", value_parser = budget)]
    budget: Option<Budget>,
    /// When it stops working, such as `90d` or `2027-01-01`
    #[arg(long, value_name = "TIME", value_parser = until)]
    expires: Option<Timestamp>,
    /// Make it in this state directory of a host that does not run, instead of asking one: the first key for a host on an
    /// open address, or one more when all that open the control plane have expired
    #[arg(long, value_name = "DIRECTORY")]
    state: Option<PathBuf>,
    /// Print the key as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    host: Host,
}

#[derive(clap::Args)]
struct List {
    /// Print the keys as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    host: Host,
}

#[derive(clap::Args)]
struct Revoke {
    /// The key
    name: CallerName,
    #[command(flatten)]
    host: Host,
}

pub(crate) fn keys(arguments: &Keys) -> Result<()> {
    match &arguments.action {
        Action::New(arguments) => new(arguments),
        Action::List(arguments) => list(arguments),
        Action::Revoke(Revoke { name, host }) => {
            Client::new(host)?.delete(&format!("/api/keys/{name}"))?;
            eprintln!("the key {name} is revoked");
            Ok(())
        }
    }
}

fn new(arguments: &New) -> Result<()> {
    let request = KeyRequest {
        name: arguments.name.clone(),
        functions: (!arguments.functions.is_empty()).then(|| arguments.functions.clone()),
        control: arguments.control,
        rate: arguments.rate,
        quotas: arguments.quota.clone(),
        budget: arguments.budget,
        expires: arguments.expires,
    };
    let issued: IssuedKey = match &arguments.state {
        Some(state) => issue_key(state, request).with_context(|| {
            format!(
                "no key was made in `{}`; while a host runs there, ask it, without `--state`",
                state.display()
            )
        })?,
        None => Client::new(&arguments.host)?.send(Method::POST, "/api/keys", &request)?,
    };
    if arguments.json {
        return print_json(&issued);
    }
    print(&format!("{}\n", plain(&issued.secret)))?;
    eprintln!(
        "the secret of {} is not kept by the host and cannot be shown again; send it as `Authorization: Bearer …` or `x-api-key`",
        issued.key.grant.name
    );
    Ok(())
}

fn list(arguments: &List) -> Result<()> {
    let keys: Vec<ApiKey> = Client::new(&arguments.host)?.get("/api/keys")?;
    if arguments.json {
        return print_json(&keys);
    }
    let mut table = Table::new([
        "key",
        "begins",
        "may call",
        "rate",
        "quotas",
        "budget",
        "made (UTC)",
        "expires (UTC)",
    ]);
    let nothing = || "-".to_owned();
    for key in &keys {
        let grant = &key.grant;
        let functions = match &grant.functions {
            _ if grant.control => "everything".into(),
            None => "all functions".into(),
            Some(names) => {
                let names: Vec<&str> = names.iter().map(FunctionName::as_str).collect();
                names.join(", ")
            }
        };
        let rate = |rate: Rate| format!("{} in {} s", rate.requests, rate.seconds);
        let quotas: Vec<String> = grant
            .quotas
            .iter()
            .map(|quota| format!("{}/{}", quota.requests, period_shown(quota.period)))
            .collect();
        let budget =
            |budget: Budget| format!("${}/{}", dollars(budget.usd), period_shown(budget.period));
        table.lines.push(vec![
            Cell::text(grant.name.as_str()),
            Cell::text(format!("{}…", plain(&key.prefix))),
            Cell::text(functions),
            Cell::text(grant.rate.map_or_else(nothing, rate)),
            Cell::text(if quotas.is_empty() {
                nothing()
            } else {
                quotas.join(", ")
            }),
            Cell::text(grant.budget.map_or_else(nothing, budget)),
            Cell::text(moment(key.created)),
            Cell::text(grant.expires.map_or_else(nothing, moment)),
        ]);
    }
    print(&table.text())
}
