//! A function whose budget is used up while it is called: how many calls more are answered.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use ureq::http::Method;

use super::{Goal, count, figure, section};
use crate::arguments::Arguments;
use crate::host::{Client, Host, share};
use crate::report::Report;

const MODEL: &str = "credit";
/// Calls that the budget is made for, by what a call of another function of the same component costs.
const CALLS: u32 = 100;
/// Calls that are tried: many more.
const TRIED: usize = 400;
const CLIENTS: usize = 8;
const PATIENCE: Duration = Duration::from_secs(60);

/// What a call is answered when there is no money: payment required.
const SPENT: u16 = 402;

/// Spends one budget by one client that looks at it before every call, another by eight at once.
pub fn measure(arguments: &Arguments, report: &mut Report) -> Result<()> {
    let folder = arguments.scratch()?;
    let host = Host::up(&arguments.hyaline, folder.path(), &[])?;
    let client = Client::new();
    let (component, body) = (arguments.component(MODEL)?, arguments.golden_body(MODEL)?);
    for name in ["measure", "one", "many"] {
        host.deploy(&client, name, &component)?;
    }
    for _ in 0..CALLS {
        ask(&client, &host, "measure", &body)?;
    }
    let (calls, cost) = used(&host, &client, "measure")?;
    let money = cost / calls * f64::from(CALLS);
    let budget = json!({"budget": {"usd": money, "period": "total"}});
    host.set(&client, "one", &budget)?;
    host.set(&client, "many", &budget)?;

    section(report, "A budget of the money of 100 calls");
    let (mut answered, mut late) = (0, 0);
    for _ in 0..TRIED {
        let spent = state(&host, &client, "one")? == "spent";
        if ask(&client, &host, "one", &body)? {
            answered += 1;
            late += u32::from(spent);
        }
    }
    if state(&host, &client, "one")? != "spent" {
        bail!("{TRIED} calls did not use up the money of {CALLS}");
    }
    figure(
        report,
        "one client: calls answered",
        Goal::Open,
        f64::from(answered),
        count,
    );
    let most = Goal::AtMost(1.0);
    figure(
        report,
        "one client: calls answered after the budget was used up",
        most,
        f64::from(late),
        count,
    );

    let answered = AtomicUsize::new(0);
    share(TRIED, CLIENTS, Instant::now() + PATIENCE, |client, _| {
        if ask(client, &host, "many", &body)? {
            answered.fetch_add(1, Relaxed);
        }
        Ok(())
    })?;
    let (calls, cost) = used(&host, &client, "many")?;
    let over = ((cost - money) / (cost / calls)).max(0.0);
    let what = format!("{CLIENTS} clients at once: calls answered");
    figure(
        report,
        what,
        Goal::Open,
        answered.into_inner() as f64,
        count,
    );
    // Those under way when the money ran out had been let in before.
    let what = format!(
        "{CLIENTS} clients at once: calls beyond the budget, {} of them under way",
        CLIENTS - 1
    );
    figure(
        report,
        what,
        Goal::AtMost(CLIENTS as f64),
        over.floor(),
        count,
    );
    host.stop()
}

/// Whether a call is answered; the other thing that can happen is that there is no money for it.
fn ask(client: &Client, host: &Host, function: &str, body: &str) -> Result<bool> {
    let reply = client.ask(
        Method::POST,
        &host.url(function, "/predict"),
        body.as_bytes(),
    )?;
    if reply.status == SPENT {
        return Ok(false);
    }
    reply.good().map(|_| true)
}

/// How the function's budget stands.
fn state(host: &Host, client: &Client, function: &str) -> Result<String> {
    let budgets = host.document(client, "budgets")?;
    let subject = format!("function:{function}");
    let mut budgets = budgets.as_array().into_iter().flatten();
    let budget = budgets.find(|budget| budget["subject"] == subject.as_str());
    let state = budget.and_then(|budget| budget["state"].as_str());
    state
        .map(str::to_owned)
        .with_context(|| format!("{function} has a budget"))
}

/// A function's calls, and what they cost.
fn used(host: &Host, client: &Client, function: &str) -> Result<(f64, f64)> {
    let usage = host.document(client, &format!("usage?function={function}"))?;
    let row = usage.get(0).unwrap_or(&Value::Null);
    let number = |name: &str| {
        row[name]
            .as_f64()
            .with_context(|| format!("the usage of {function} tells its {name}"))
    };
    Ok((number("invocations")?, number("billed_usd")?))
}
