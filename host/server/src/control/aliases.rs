//! `/api/functions/{name}/aliases`: where calls go.

use std::sync::Arc;

use http::request::Parts;
use http::{Method, StatusCode};
use hyaline_control::{AliasName, EventKind, FunctionName, Traffic};
use jiff::Timestamp;

use super::problem::{self, Denied};
use super::{Answer, blocking, document, empty, json};
use crate::platform::Platform;

fn alias_name(text: &str) -> Result<AliasName, Denied> {
    AliasName::new(text).map_err(|error| Denied::new(problem::MALFORMED, error.to_string()))
}

pub(super) fn list(platform: &Platform, head: &Parts, name: &FunctionName) -> Answer {
    if !matches!(head.method, Method::GET | Method::HEAD) {
        return Err(Denied::method("GET, HEAD"));
    }
    let catalog = platform.registry().catalog();
    let function = catalog
        .function(name)
        .ok_or_else(|| Denied::new(problem::NOT_FOUND, format!("there is no function `{name}`")))?;
    let aliases: std::collections::BTreeMap<_, _> = function.aliases().collect();
    json(StatusCode::OK, &aliases)
}

pub(super) async fn alias(
    platform: &Arc<Platform>,
    head: &Parts,
    name: &FunctionName,
    alias: &str,
    body: &[u8],
) -> Answer {
    let alias = alias_name(alias)?;
    match head.method {
        Method::GET | Method::HEAD => answer(platform, name, &alias),
        Method::PUT => {
            let traffic: Traffic = document(head, body)?;
            let (shared, function, changed) = (platform.clone(), name.clone(), alias.clone());
            blocking(move || {
                let message = format!("`{changed}` leads to {}", shown(&traffic));
                let target = shared.target(&function, None);
                shared
                    .registry()
                    .set_alias(target, &changed, traffic, Timestamp::now())?;
                shared
                    .events()
                    .add(EventKind::TrafficChanged, function.as_str(), message);
                Ok(())
            })
            .await?;
            answer(platform, name, &alias)
        }
        Method::DELETE => {
            let (shared, function) = (platform.clone(), name.clone());
            blocking(move || {
                let target = shared.target(&function, None);
                shared
                    .registry()
                    .delete_alias(target, &alias, Timestamp::now())?;
                shared.events().add(
                    EventKind::Deleted,
                    function.as_str(),
                    format!("the alias `{alias}` was deleted"),
                );
                Ok(())
            })
            .await?;
            empty()
        }
        _ => Err(Denied::method("GET, HEAD, PUT, DELETE")),
    }
}

pub(super) async fn rollback(
    platform: &Arc<Platform>,
    head: &Parts,
    name: &FunctionName,
    alias: &str,
) -> Answer {
    if head.method != Method::POST {
        return Err(Denied::method("POST"));
    }
    let alias = alias_name(alias)?;
    let (shared, function, changed) = (platform.clone(), name.clone(), alias.clone());
    blocking(move || {
        let target = shared.target(&function, None);
        let traffic = shared
            .registry()
            .rollback(target, &changed, Timestamp::now())?;
        let message = format!("`{changed}` leads to {} again", shown(&traffic));
        shared
            .events()
            .add(EventKind::RolledBack, function.as_str(), message);
        Ok(())
    })
    .await?;
    answer(platform, name, &alias)
}

fn answer(platform: &Platform, name: &FunctionName, alias: &AliasName) -> Answer {
    let catalog = platform.registry().catalog();
    let found = catalog
        .function(name)
        .and_then(|function| function.alias(alias));
    match found {
        Some(found) => json(StatusCode::OK, &**found),
        None => Err(Denied::new(
            problem::NOT_FOUND,
            format!("there is no function `{name}` with an alias `{alias}`"),
        )),
    }
}

/// Part of a sum in percent, to a hundredth.
fn percent(weight: u32, sum: u64) -> f64 {
    (f64::from(weight) * 10_000.0 / sum as f64).round() / 100.0
}

/// Traffic in words: `version 3 (90 %), version 4 (10 %), shadow 5`.
fn shown(traffic: &Traffic) -> String {
    let sum: u64 = traffic
        .shares()
        .iter()
        .map(|share| u64::from(share.weight))
        .sum();
    let mut parts: Vec<String> = traffic
        .shares()
        .iter()
        .map(|share| match traffic.shares().len() {
            1 => format!("version {}", share.version),
            _ => format!(
                "version {} ({} %)",
                share.version,
                percent(share.weight, sum)
            ),
        })
        .collect();
    if let Some(shadow) = traffic.shadow() {
        parts.push(format!("version {shadow} in the shadow"));
    }
    parts.join(", ")
}
