//! `/api/overview`, `/api/events`: everything a dashboard shows.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use http::StatusCode;
use http::request::Parts;
use hyaline_control::{
    AliasName, Budget, Digest, Event, FunctionName, FunctionState, UsageFilter, UsageGroup,
    VersionNumber,
};
use hyaline_telemetry::{Figures, Snapshot};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::problem::{self, Denied};
use super::usage::{self, BudgetDocument};
use super::{Answer, blocking, json, parameter};
use crate::platform::{Live, Platform, cpu_seconds, resident};

/// Events in the overview.
const EVENTS: usize = 50;
/// Functions in the overview: those that were called, then the others by name.
const FUNCTIONS: usize = 500;

/// The time whose costs are shown: adding up all that was ever used would take the longer the older the host is.
const COSTS: SignedDuration = SignedDuration::from_hours(24);

#[derive(Serialize)]
struct Overview {
    host: Host,
    window_seconds: f64,
    cost_hours: i64,
    functions: Vec<Function>,
    /// Functions that are not listed.
    more_functions: usize,
    budgets: Vec<BudgetDocument>,
    events: Vec<Event>,
}

#[derive(Serialize)]
struct Host {
    version: &'static str,
    started: Timestamp,
    listen: String,
    pid: u32,
    rss_bytes: Option<u64>,
    cpu_seconds: Option<f64>,
    loaded: usize,
    registered: usize,
    running: u32,
    waiting: u32,
    connections: u32,
    prices: String,
}

#[derive(Serialize)]
struct Function {
    name: FunctionName,
    state: FunctionState,
    route: String,
    description: String,
    loaded: bool,
    versions: Vec<Version>,
    calls: u64,
    errors: u64,
    cold: u64,
    per_second: f64,
    p50_us: Option<f64>,
    p90_us: Option<f64>,
    p99_us: Option<f64>,
    spent_usd: f64,
    exact_usd: f64,
    budget: Option<Budget>,
    shadow: Shadow,
}

#[derive(Serialize)]
struct Version {
    version: VersionNumber,
    digest: Digest,
    weight: u32,
    shadow: bool,
    loaded: bool,
    recent: Option<Figures>,
}

#[derive(Default, Serialize)]
struct Shadow {
    equal: u64,
    different: u64,
}

pub(super) async fn overview(platform: &Arc<Platform>) -> Answer {
    let shared = platform.clone();
    let overview = blocking(move || collect(&shared)).await?;
    json(StatusCode::OK, &overview)
}

fn collect(platform: &Platform) -> Result<Overview, Denied> {
    let view = platform.view();
    let snapshot = platform.telemetry().snapshot(Instant::now());
    let latest = UsageFilter {
        from: Timestamp::now().checked_sub(COSTS).ok(),
        ..UsageFilter::default()
    };
    let costs: HashMap<String, (f64, f64)> = platform
        .ledger()
        .usage(&latest, &[UsageGroup::Function])
        .map_err(|error| Denied::caused(problem::STORAGE, &error))?
        .into_iter()
        .filter_map(|row| Some((row.function?, (row.billed_usd, row.exact_usd))))
        .collect();
    let called: HashSet<&str> = snapshot
        .functions
        .iter()
        .map(|figures| figures.function.as_str())
        .collect();
    let mut functions: Vec<&Arc<Live>> = view.functions().collect();
    functions.sort_by_cached_key(|live| {
        let name = live.name();
        (!called.contains(name.as_str()), name.clone())
    });
    let more_functions = functions.len().saturating_sub(FUNCTIONS);
    let functions = functions
        .into_iter()
        .take(FUNCTIONS)
        .map(|live| {
            let costs = costs.get(live.name().as_str()).copied().unwrap_or_default();
            function(platform, live, &snapshot, costs)
        })
        .collect();
    Ok(Overview {
        host: Host {
            version: env!("CARGO_PKG_VERSION"),
            started: platform.started(),
            listen: platform.base_url(),
            pid: std::process::id(),
            rss_bytes: resident(),
            cpu_seconds: cpu_seconds(),
            loaded: platform.loader().count_loaded(),
            registered: view.len(),
            running: platform.admission().running(),
            waiting: platform.admission().waiting(),
            connections: platform.connections(),
            prices: platform.ledger().prices().name().to_owned(),
        },
        window_seconds: snapshot.window_seconds,
        cost_hours: COSTS.as_hours(),
        functions,
        more_functions,
        budgets: usage::documents(platform),
        events: platform.events().latest(EVENTS),
    })
}

fn function(
    platform: &Platform,
    live: &Live,
    snapshot: &Snapshot,
    (spent_usd, exact_usd): (f64, f64),
) -> Function {
    let of_function: Vec<_> = snapshot
        .functions
        .iter()
        .filter(|figures| figures.function == live.name().as_str())
        .collect();
    // Percentiles cannot be added up; those of the version with most calls stand for the function.
    let main = of_function
        .iter()
        .max_by_key(|figures| figures.recent.calls);
    let sum = |of: fn(&Figures) -> u64| of_function.iter().map(|figures| of(&figures.total)).sum();
    let recent: u64 = of_function.iter().map(|figures| figures.recent.calls).sum();
    let traffic = live.traffic(&AliasName::live());
    let versions = live.function().versions().rev().map(|version| {
        let number = version.number();
        let figures = of_function
            .iter()
            .find(|figures| figures.version == number.get());
        Version {
            version: number,
            digest: *version.digest(),
            weight: traffic
                .and_then(|traffic| {
                    traffic
                        .shares()
                        .iter()
                        .find(|share| share.version == number)
                })
                .map_or(0, |share| share.weight),
            shadow: traffic.is_some_and(|traffic| traffic.shadow() == Some(number)),
            loaded: live.slot(number).is_some_and(|slot| slot.is_loaded()),
            recent: figures.map(|figures| figures.recent.clone()),
        }
    });
    let described = live
        .settings()
        .description
        .clone()
        .or(live.summary().description);
    Function {
        name: live.name().clone(),
        state: platform.state(live.function()),
        route: live
            .rules
            .routes
            .first()
            .map_or("/".into(), |route| format!("{}/", route.prefix())),
        description: described.unwrap_or_default(),
        loaded: live.slots().iter().any(|slot| slot.is_loaded()),
        versions: versions.collect(),
        calls: sum(|figures| figures.calls),
        errors: sum(|figures| figures.errors),
        cold: sum(|figures| figures.cold_starts),
        per_second: recent as f64 / snapshot.window_seconds.max(1.0),
        p50_us: main.and_then(|figures| figures.recent.p50_us),
        p90_us: main.and_then(|figures| figures.recent.p90_us),
        p99_us: main.and_then(|figures| figures.recent.p99_us),
        spent_usd,
        exact_usd,
        budget: live.settings().budget,
        shadow: of_function
            .iter()
            .fold(Shadow::default(), |shadow, figures| Shadow {
                equal: shadow.equal + figures.shadow_equal,
                different: shadow.different + figures.shadow_different,
            }),
    }
}

pub(super) fn events(platform: &Platform, head: &Parts) -> Answer {
    let after = match parameter(head, "after")? {
        None => 0,
        Some(text) => text.parse().map_err(|_| {
            Denied::new(
                problem::MALFORMED,
                format!("`after` is `{text}`; it takes the id of an event"),
            )
        })?,
    };
    json(StatusCode::OK, &platform.events().after(after))
}
