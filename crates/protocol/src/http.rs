//! Requests and responses, whatever carried them.

use std::borrow::Cow;

/// The request headers, in lower case, that an answer can depend on. What carries a request may leave out all others.
pub const HEADERS: [&str; 4] = [
    "accept",
    "content-type",
    "inference-header-content-length",
    "spin-path-info",
];

/// A request.
#[derive(Clone, Copy, Debug)]
pub struct Request<'r> {
    /// Upper-case method name.
    pub method: &'r str,
    /// Path and query, e.g. `/credit/explain?top=3`.
    pub path: &'r str,
    /// Names in any case, and values; those of [`HEADERS`] are enough.
    pub headers: &'r [(String, Vec<u8>)],
    /// The whole body.
    pub body: &'r [u8],
}

impl<'r> Request<'r> {
    /// The value of the first header called `name` (in lower case), where it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&'r str> {
        debug_assert!(
            HEADERS.contains(&name),
            "`{name}` is not brought by every carrier"
        );
        let (_, value) = self
            .headers
            .iter()
            .find(|(given, _)| given.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }
}

/// The bytes of a response; the function's fixed documents are borrowed from it.
pub type Body<'f> = Cow<'f, [u8]>;

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response<'f> {
    /// Status code.
    pub status: u16,
    /// Lower-case names, and values.
    pub headers: Vec<(&'static str, String)>,
    /// The body; empty for HEAD.
    pub body: Body<'f>,
}

impl<'f> Response<'f> {
    /// `body` as exactly `application/json`: kserve's client compares the whole header.
    pub(crate) fn json(status: u16, body: Body<'f>) -> Response<'f> {
        Response::typed(status, "application/json", body)
    }

    pub(crate) fn typed(status: u16, content_type: &str, body: Body<'f>) -> Response<'f> {
        Response {
            status,
            headers: vec![
                ("content-type", content_type.to_owned()),
                ("content-length", body.len().to_string()),
            ],
            body,
        }
    }
}
