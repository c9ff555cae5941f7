//! What a function is told about the request it gets, as Spin tells it: headers whose names start with `spin-`. A
//! client's own headers of such names never reach a function.

use http::header::HOST;
use http::request::Parts;
use http::{HeaderName, HeaderValue};

use super::refusal::Refusal;
use super::route::{Matched, Route};
use crate::net::Peer;

const PREFIX: &str = "spin-";
const PATH_INFO: HeaderName = HeaderName::from_static("spin-path-info");
const FULL_URL: HeaderName = HeaderName::from_static("spin-full-url");
const MATCHED_ROUTE: HeaderName = HeaderName::from_static("spin-matched-route");
const BASE_PATH: HeaderName = HeaderName::from_static("spin-base-path");
const RAW_COMPONENT_ROUTE: HeaderName = HeaderName::from_static("spin-raw-component-route");
const COMPONENT_ROUTE: HeaderName = HeaderName::from_static("spin-component-route");
const CLIENT_ADDR: HeaderName = HeaderName::from_static("spin-client-addr");

/// The headers that are the same for every request of a route.
#[derive(Clone, Debug)]
pub(crate) struct RouteHeaders {
    matched: HeaderValue,
    component: HeaderValue,
}

impl RouteHeaders {
    pub(crate) fn new(route: &Route) -> Self {
        let value = |text: &str| HeaderValue::from_str(text).expect("a route is printable ASCII");
        let written = route.as_str();
        let matched = if written.len() > 1 {
            written.strip_suffix('/').unwrap_or(written)
        } else {
            ""
        };
        RouteHeaders {
            matched: value(matched),
            component: value(written.strip_suffix("/...").unwrap_or(written)),
        }
    }
}

/// Replaces the `spin-` headers of a request by true ones.
///
/// # Errors
///
/// 400 for a request that names no host, or another one in its URI than in its `Host` header.
pub(crate) fn set_headers(
    head: &mut Parts,
    headers: &RouteHeaders,
    matched: &Matched<'_>,
    peer: Peer,
) -> Result<(), Refusal> {
    let forged: Vec<HeaderName> = head
        .headers
        .keys()
        .filter(|name| name.as_str().starts_with(PREFIX))
        .cloned()
        .collect();
    for name in forged {
        head.headers.remove(name);
    }

    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let scheme = if peer.secure { "https" } else { "http" };
    let full_url = format!("{scheme}://{}{path}", host(head)?);
    let value = |text: &str| {
        HeaderValue::from_str(text)
            .map_err(|_| Refusal::malformed("the request's URL has characters that no URL has"))
    };
    let full_url = value(&full_url)?;
    let path_info = value(matched.path_info)?;
    let client = value(&peer.client.to_string())?;
    for (name, taken) in &matched.named {
        let name = format!("{PREFIX}path-match-{}", name.to_ascii_lowercase());
        // A name that is no header name cannot be told; Spin's clients cannot read it either.
        if let Ok(name) = HeaderName::try_from(name) {
            let taken = value(taken)?;
            head.headers.insert(name, taken);
        }
    }
    head.headers.insert(FULL_URL, full_url);
    head.headers.insert(PATH_INFO, path_info);
    head.headers.insert(CLIENT_ADDR, client);
    head.headers.insert(MATCHED_ROUTE, headers.matched.clone());
    head.headers
        .insert(RAW_COMPONENT_ROUTE, headers.matched.clone());
    head.headers
        .insert(COMPONENT_ROUTE, headers.component.clone());
    head.headers
        .insert(BASE_PATH, HeaderValue::from_static("/"));
    Ok(())
}

fn host(head: &Parts) -> Result<&str, Refusal> {
    let bad = |text: &str| Refusal::malformed(text);
    let header = match head.headers.get(HOST) {
        None => None,
        Some(value) => {
            let text = value
                .to_str()
                .ok()
                .filter(|text| text.parse::<http::uri::Authority>().is_ok());
            Some(text.ok_or_else(|| bad("the `Host` header is not a host name"))?)
        }
    };
    match (header, head.uri.authority()) {
        (Some(header), Some(authority)) if header != authority.as_str() => Err(bad(
            "the request names one host in its URL and another in its `Host` header",
        )),
        (Some(host), _) => Ok(host),
        (None, Some(authority)) => Ok(authority.as_str()),
        (None, None) => Err(bad("the request names no host; send a `Host` header")),
    }
}
