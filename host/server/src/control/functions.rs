//! `/api/functions`: deploying, looking, changing, deleting.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ETAG, IF_MATCH};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use hyaline_control::{EventKind, FunctionDocument, FunctionName, Settings, VersionNumber};
use hyaline_registry::{Function, Promote};
use jiff::Timestamp;

use super::problem::{self, Denied};
use super::{Answer, blocking, document, empty, json, merge_patch, parameter};
use crate::platform::{NewVersion, Platform};

pub(super) fn name(text: &str) -> Result<FunctionName, Denied> {
    FunctionName::new(text).map_err(|error| Denied::new(problem::MALFORMED, error.to_string()))
}

fn known(platform: &Platform, name: &FunctionName) -> Result<Arc<Function>, Denied> {
    platform
        .registry()
        .catalog()
        .function(name)
        .cloned()
        .ok_or_else(|| {
            Denied::new(
                problem::NOT_FOUND,
                format!("there is no function `{name}`; `hyaline functions` lists them"),
            )
        })
}

fn shown(platform: &Platform, function: &Function) -> FunctionDocument {
    function.document(platform.state(function))
}

/// A function as it is now, with its entity tag.
fn answer(platform: &Platform, name: &FunctionName) -> Answer {
    let function = known(platform, name)?;
    let mut response = json(StatusCode::OK, &shown(platform, &function))?;
    let tag = format!("\"{}\"", function.generation());
    response.headers_mut().insert(
        ETAG,
        HeaderValue::from_str(&tag).expect("a number is a header value"),
    );
    Ok(response)
}

/// The state that a change expects, of `If-Match`.
fn expected(head: &Parts) -> Result<Option<u64>, Denied> {
    let Some(tag) = head.headers.get(IF_MATCH) else {
        return Ok(None);
    };
    let tag = tag.to_str().unwrap_or_default().trim_matches('"');
    tag.parse().map(Some).map_err(|_| {
        Denied::new(
            problem::MALFORMED,
            "`If-Match` takes one entity tag, as answers about the function carry it",
        )
    })
}

pub(super) fn list(platform: &Platform) -> Answer {
    let catalog = platform.registry().catalog();
    let functions: Vec<FunctionDocument> = catalog
        .functions()
        .map(|function| shown(platform, function))
        .collect();
    json(StatusCode::OK, &functions)
}

pub(super) async fn function(
    platform: &Arc<Platform>,
    head: &Parts,
    name: &FunctionName,
) -> Answer {
    match head.method {
        Method::GET | Method::HEAD => answer(platform, name),
        Method::DELETE => {
            let (platform, name, expected) = (platform.clone(), name.clone(), expected(head)?);
            blocking(move || {
                platform.delete(&name, expected)?;
                Ok(())
            })
            .await?;
            empty()
        }
        _ => Err(Denied::method("GET, HEAD, DELETE")),
    }
}

pub(super) async fn versions(
    platform: &Arc<Platform>,
    head: &Parts,
    name: &FunctionName,
    body: Bytes,
) -> Answer {
    match head.method {
        Method::GET | Method::HEAD => {
            let function = known(platform, name)?;
            json(StatusCode::OK, &shown(platform, &function).versions)
        }
        Method::POST => {
            let promote = match parameter(head, "promote")?.as_deref() {
                None | Some("true" | "") => Promote::Live,
                Some("false") => Promote::Later,
                Some(other) => {
                    return Err(Denied::new(
                        problem::MALFORMED,
                        format!("the parameter `promote` is `{other}`; it takes `true` or `false`"),
                    ));
                }
            };
            let description = parameter(head, "description")?.filter(|text| !text.is_empty());
            let (platform, name, expected) = (platform.clone(), name.clone(), expected(head)?);
            let (status, version) = blocking(move || {
                let version = NewVersion {
                    description,
                    settings: None,
                    promote,
                    yielding: BTreeSet::new(),
                };
                let deployed = platform.deploy(&name, expected, &body, version)?;
                let function = known(&platform, &name)?;
                let version = function.version(deployed.version).ok_or_else(|| {
                    Denied::new(
                        problem::CONFLICT,
                        format!("version {} was deleted at once", deployed.version),
                    )
                })?;
                let status = if deployed.is_new {
                    StatusCode::CREATED
                } else {
                    StatusCode::OK
                };
                Ok((status, version.document()))
            })
            .await?;
            json(status, &version)
        }
        _ => Err(Denied::method("GET, HEAD, POST")),
    }
}

pub(super) async fn version(
    platform: &Arc<Platform>,
    head: &Parts,
    name: &FunctionName,
    version: &str,
) -> Answer {
    let version: VersionNumber = version
        .parse()
        .map_err(|error: hyaline_control::NameError| {
            Denied::new(problem::MALFORMED, error.to_string())
        })?;
    match head.method {
        Method::GET | Method::HEAD => {
            let function = known(platform, name)?;
            let found = function.version(version).ok_or_else(|| {
                Denied::new(
                    problem::NOT_FOUND,
                    format!("`{name}` has no version {version}"),
                )
            })?;
            json(StatusCode::OK, &found.document())
        }
        Method::DELETE => {
            let (platform, name, expected) = (platform.clone(), name.clone(), expected(head)?);
            blocking(move || {
                let target = platform.target(&name, expected);
                platform
                    .registry()
                    .delete_version(target, version, Timestamp::now())?;
                platform.collect_garbage();
                platform.events().add(
                    EventKind::Deleted,
                    name.as_str(),
                    format!("version {version} was deleted"),
                );
                Ok(())
            })
            .await?;
            empty()
        }
        _ => Err(Denied::method("GET, HEAD, DELETE")),
    }
}

pub(super) async fn settings(
    platform: &Arc<Platform>,
    head: &Parts,
    name: &FunctionName,
    body: &[u8],
) -> Answer {
    let function = known(platform, name)?;
    let settings: Settings = match head.method {
        Method::GET | Method::HEAD => return json(StatusCode::OK, &**function.settings()),
        Method::PUT => document(head, body)?,
        Method::PATCH => {
            let patch = document(head, body)?;
            let mut whole = serde_json::to_value(&**function.settings())
                .map_err(|error| Denied::new(problem::INTERNAL, error.to_string()))?;
            merge_patch::apply(&mut whole, patch);
            serde_json::from_value(whole)
                .map_err(|error| Denied::new(problem::MALFORMED, error.to_string()))?
        }
        _ => return Err(Denied::method("GET, HEAD, PUT, PATCH")),
    };
    // A patch was made of the function as it was; it must not undo what others did meanwhile.
    let expected = match expected(head)? {
        None if head.method == Method::PATCH => Some(function.generation()),
        expected => expected,
    };
    let (shared, name) = (platform.clone(), name.clone());
    let settings = blocking(move || {
        shared.set_settings(&name, expected, &settings)?;
        Ok(known(&shared, &name)?.settings().clone())
    })
    .await?;
    json(StatusCode::OK, &*settings)
}

pub(super) async fn act(
    platform: &Arc<Platform>,
    head: &Parts,
    name: &FunctionName,
    action: &str,
) -> Answer {
    if head.method != Method::POST {
        return Err(Denied::method("POST"));
    }
    known(platform, name)?;
    let (shared, name, expected) = (platform.clone(), name.clone(), expected(head)?);
    let action = action.to_owned();
    let changed = name.clone();
    blocking(move || {
        match action.as_str() {
            "resume" => {
                shared.resume_function(&name).ok_or_else(|| {
                    Denied::new(
                        problem::CONFLICT,
                        format!("the function `{name}` has no budget; its settings give it one"),
                    )
                })?;
            }
            action => {
                let (kind, message) = if action == "enable" {
                    shared.enable(&name, expected, &BTreeSet::new())?;
                    (EventKind::Enabled, "it answers calls again")
                } else {
                    let target = shared.target(&name, expected);
                    shared.registry().disable(target, Timestamp::now())?;
                    (EventKind::Disabled, "calls are answered 503")
                };
                shared.events().add(kind, name.as_str(), message.into());
            }
        }
        Ok(())
    })
    .await?;
    answer(platform, &changed)
}
