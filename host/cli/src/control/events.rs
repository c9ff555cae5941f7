//! `hyaline events`

use std::time::Duration;

use anyhow::{Context, Result};
use hyaline_control::Event;
use serde_json::Value;

use super::{Client, Host, moment, plain, print};

/// How often the host is asked while events are followed.
const INTERVAL: Duration = Duration::from_secs(1);

#[derive(clap::Args)]
pub(crate) struct Events {
    /// Go on printing events as they come, until interrupted
    #[arg(long, short)]
    follow: bool,
    /// Only events after the one with this number
    #[arg(long, value_name = "ID", default_value_t = 0)]
    after: u64,
    /// Print events as JSON, one a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    host: Host,
}

pub(crate) fn events(arguments: &Events) -> Result<()> {
    let client = Client::new(&arguments.host)?;
    let mut after = arguments.after;
    show(&client, &mut after, arguments.json)?;
    if !arguments.follow {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no timer to follow events with")?;
    runtime.block_on(async {
        let mut tick = tokio::time::interval(INTERVAL);
        loop {
            tokio::select! {
                interrupted = tokio::signal::ctrl_c() => return Ok(interrupted?),
                _ = tick.tick() => show(&client, &mut after, arguments.json)?,
            }
        }
    })
}

/// Prints the events after the one with the number `after`, and moves that on.
fn show(client: &Client, after: &mut u64, json: bool) -> Result<()> {
    let events: Vec<Event> = client.get(&format!("/api/events?after={after}"))?;
    for event in events {
        *after = (*after).max(event.id);
        if json {
            print(&format!("{}\n", serde_json::to_string(&event)?))?;
            continue;
        }
        let kind = match serde_json::to_value(event.kind)? {
            Value::String(kind) => kind,
            other => other.to_string(),
        };
        print(&format!(
            "{}  {kind:<16}  {}  {}\n",
            moment(event.time),
            plain(&event.subject),
            plain(&event.message)
        ))?;
    }
    Ok(())
}
