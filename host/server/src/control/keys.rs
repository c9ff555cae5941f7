//! `/api/keys`: who may call.

use std::sync::Arc;

use http::request::Parts;
use http::{Method, StatusCode};
use hyaline_control::{CallerName, EventKind, KeyRequest};
use hyaline_gateway::KeyError;
use hyaline_metering::Subject;
use jiff::Timestamp;

use super::problem::{self, Denied};
use super::{Answer, blocking, document, empty, json};
use crate::platform::Platform;

pub(super) async fn keys(platform: &Arc<Platform>, head: &Parts, body: &[u8]) -> Answer {
    match head.method {
        Method::GET | Method::HEAD => json(StatusCode::OK, &platform.keys().list()),
        Method::POST => {
            let request: KeyRequest = document(head, body)?;
            let shared = platform.clone();
            let issued = blocking(move || {
                if let Some(budget) = &request.budget {
                    hyaline_metering::check_budget(budget)
                        .map_err(|error| Denied::caused(problem::REFUSED, &error))?;
                }
                let (name, budget) = (request.name.clone(), request.budget);
                let issued = shared
                    .keys()
                    .issue(request, Timestamp::now())
                    .map_err(denied)?;
                shared
                    .set_budget(&Subject::Caller(name.as_str().into()), budget)
                    .map_err(|error| Denied::caused(problem::REFUSED, &error))?;
                let grants = if issued.key.grant.control {
                    "the control plane"
                } else {
                    "calls"
                };
                let message = format!("a key for {grants}, beginning with {}", issued.key.prefix);
                shared
                    .events()
                    .add(EventKind::KeyIssued, name.as_str(), message);
                Ok(issued)
            })
            .await?;
            json(StatusCode::CREATED, &issued)
        }
        _ => Err(Denied::method("GET, HEAD, POST")),
    }
}

pub(super) async fn revoke(platform: &Arc<Platform>, head: &Parts, name: &str) -> Answer {
    let name = CallerName::new(name)
        .map_err(|error| Denied::new(problem::MALFORMED, error.to_string()))?;
    match head.method {
        Method::GET | Method::HEAD => {
            let key = platform.keys().get(&name).map_err(denied)?;
            json(StatusCode::OK, key.api())
        }
        Method::DELETE => {
            let shared = platform.clone();
            blocking(move || {
                shared.keys().revoke(&name).map_err(denied)?;
                shared
                    .ledger()
                    .forget(&Subject::Caller(name.as_str().into()));
                shared.events().add(
                    EventKind::KeyRevoked,
                    name.as_str(),
                    "the key opens nothing any more".into(),
                );
                Ok(())
            })
            .await?;
            empty()
        }
        _ => Err(Denied::method("GET, HEAD, DELETE")),
    }
}

fn denied(error: KeyError) -> Denied {
    let kind = match &error {
        KeyError::Exists { .. } => problem::CONFLICT,
        KeyError::Unknown { .. } => problem::NOT_FOUND,
        KeyError::Expired { .. }
        | KeyError::Contradiction { .. }
        | KeyError::Rate(_)
        | KeyError::Quota(_) => problem::REFUSED,
        _ => problem::STORAGE,
    };
    Denied::caused(kind, &error)
}
