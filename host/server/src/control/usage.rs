//! `/api/usage`, `/api/budgets`: what was used, what it costs, what may be spent.

use std::sync::Arc;

use http::header::ACCEPT;
use http::request::Parts;
use http::{Method, StatusCode};
use hyaline_control::{Budget, CallerName, FunctionName, UsageFilter, UsageGroup};
use hyaline_metering::{BudgetState, BudgetStatus, Subject};
use jiff::Timestamp;
use serde::Serialize;

use super::problem::{self, Denied};
use super::{Answer, blocking, json, of_type, parameter};
use crate::platform::Platform;

fn malformed(text: impl Into<String>) -> Denied {
    Denied::new(problem::MALFORMED, text)
}

pub(super) async fn usage(platform: &Arc<Platform>, head: &Parts) -> Answer {
    if !matches!(head.method, Method::GET | Method::HEAD) {
        return Err(Denied::method("GET, HEAD"));
    }
    let groups = groups(parameter(head, "by")?.unwrap_or_else(|| "function".into()))?;
    let time = |name: &str| -> Result<Option<Timestamp>, Denied> {
        let Some(text) = parameter(head, name)?.filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|_| {
            malformed(format!(
                "`{name}` is `{text}`; it takes a time such as 2026-11-27T09:00:00Z"
            ))
        })
    };
    let function = parameter(head, "function")?.filter(|text| !text.is_empty());
    let filter = UsageFilter {
        function: function
            .map(|text| FunctionName::new(&text))
            .transpose()
            .map_err(|error| malformed(error.to_string()))?,
        caller: parameter(head, "caller")?,
        from: time("from")?,
        to: time("to")?,
    };
    let (shared, by) = (platform.clone(), groups.clone());
    let rows = blocking(move || {
        shared
            .ledger()
            .usage(&filter, &by)
            .map_err(|error| Denied::caused(problem::STORAGE, &error))
    })
    .await?;
    let accept = head
        .headers
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let wants_csv = match parameter(head, "format")?.as_deref() {
        None => accept
            .split(',')
            .any(|range| range.trim().starts_with("text/csv")),
        Some("csv") => true,
        Some("json") => false,
        Some(other) => {
            return Err(malformed(format!(
                "`format` is `{other}`; it takes `csv` or `json`"
            )));
        }
    };
    if wants_csv {
        let text = hyaline_metering::csv(&rows, &groups);
        return Ok(of_type(
            StatusCode::OK,
            "text/csv; charset=utf-8",
            text.into(),
        ));
    }
    json(StatusCode::OK, &rows)
}

fn groups(text: String) -> Result<Vec<UsageGroup>, Denied> {
    let mut groups = Vec::new();
    for part in text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty() && *part != "total")
    {
        let group = match part {
            "function" => UsageGroup::Function,
            "version" => UsageGroup::Version,
            "caller" => UsageGroup::Caller,
            "hour" => UsageGroup::Hour,
            other => {
                return Err(malformed(format!(
                    "`by` names `{other}`; it takes function, version, caller and hour, or total"
                )));
            }
        };
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    Ok(groups)
}

/// How a budget stands, as the control API shows it.
#[derive(Serialize)]
pub(super) struct BudgetDocument {
    subject: String,
    budget: Budget,
    spent_usd: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
    state: BudgetState,
}

impl BudgetDocument {
    pub(super) fn of(status: BudgetStatus) -> Self {
        BudgetDocument {
            subject: match &status.subject {
                Subject::Function(name) => format!("function:{name}"),
                Subject::Caller(name) => format!("caller:{name}"),
            },
            budget: status.budget,
            spent_usd: status.spent_usd,
            since: status.period_start,
            until: status.period_end,
            state: status.state,
        }
    }
}

pub(super) fn documents(platform: &Platform) -> Vec<BudgetDocument> {
    let budgets = platform.ledger().budgets(Timestamp::now());
    budgets.into_iter().map(BudgetDocument::of).collect()
}

pub(super) fn budgets(platform: &Platform) -> Answer {
    json(StatusCode::OK, &documents(platform))
}

pub(super) async fn resume_caller(platform: &Arc<Platform>, head: &Parts, name: &str) -> Answer {
    if head.method != Method::POST {
        return Err(Denied::method("POST"));
    }
    let name = CallerName::new(name).map_err(|error| malformed(error.to_string()))?;
    let shared = platform.clone();
    let status = blocking(move || {
        shared.resume_caller(&name).ok_or_else(|| {
            Denied::new(
                problem::CONFLICT,
                format!("the caller `{name}` has no budget"),
            )
        })
    })
    .await?;
    json(StatusCode::OK, &BudgetDocument::of(status))
}
