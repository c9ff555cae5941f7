//! The dashboard: one page without any outside resource.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::CONTENT_SECURITY_POLICY;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use sha2::{Digest as _, Sha256};

use super::problem::Denied;
use super::{Answer, of_type};

const PAGE: &str = include_str!("../../dashboard/index.html");

/// Only what the page itself holds may run or style it, and it may talk to this host alone.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let policy = format!(
        "default-src 'none'; script-src {}; style-src {}; connect-src 'self'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        hashes("script"),
        hashes("style"),
    );
    HeaderValue::try_from(policy).expect("a policy is printable ASCII")
});

/// The hashes of all elements of a name, as a content security policy writes them.
fn hashes(element: &str) -> String {
    let (open, close) = (format!("<{element}"), format!("</{element}>"));
    let mut hashes = Vec::new();
    let mut rest = PAGE;
    while let Some(start) = rest.find(&open) {
        let Some(inner) = rest[start..].find('>').map(|end| start + end + 1) else {
            break;
        };
        let Some(end) = rest[inner..].find(&close).map(|end| inner + end) else {
            break;
        };
        let digest = Sha256::digest(&rest.as_bytes()[inner..end]);
        hashes.push(format!("'sha256-{}'", STANDARD.encode(digest)));
        rest = &rest[end..];
    }
    hashes.join(" ")
}

pub(super) fn page(head: &Parts) -> Answer {
    if !matches!(head.method, Method::GET | Method::HEAD) {
        return Err(Denied::method("GET, HEAD"));
    }
    let body = Bytes::from_static(PAGE.as_bytes());
    let mut response = of_type(StatusCode::OK, "text/html; charset=utf-8", body);
    response
        .headers_mut()
        .insert(CONTENT_SECURITY_POLICY, POLICY.clone());
    Ok(response)
}
