//! The page: one static document, the same for every function.

use std::sync::OnceLock;

use crate::{Body, Response, digest};

/// The document. Its form, title and examples come from `schema` at run time.
const PAGE: &str = include_str!("page.html");

/// The page with a policy that lets nothing run, load or connect but what it brings along.
pub(crate) fn response() -> Response<'static> {
    let mut response = Response::typed(
        200,
        "text/html; charset=utf-8",
        Body::Borrowed(PAGE.as_bytes()),
    );
    response
        .headers
        .push(("content-security-policy", policy().to_owned()));
    response
        .headers
        .push(("x-content-type-options", "nosniff".to_owned()));
    response
        .headers
        .push(("referrer-policy", "no-referrer".to_owned()));
    response
}

/// The Content Security Policy; computed once, at load.
pub(super) fn policy() -> &'static str {
    static POLICY: OnceLock<String> = OnceLock::new();
    POLICY.get_or_init(|| {
        let between = |open: &str, close: &str| {
            let start = PAGE.find(open).map_or(PAGE.len(), |at| at + open.len());
            let end = PAGE[start..].find(close).map_or(PAGE.len(), |at| start + at);
            digest::csp_source(&PAGE[start..end])
        };
        format!(
            "default-src 'none'; connect-src 'self'; img-src data:; style-src {}; script-src {}; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'self'",
            between("<style>", "</style>"),
            between("<script>", "</script>")
        )
    })
}
