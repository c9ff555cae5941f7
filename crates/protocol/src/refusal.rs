//! What a caller is told when there is no answer.

use std::fmt;

use crate::json::JsonWriter;
use crate::{Body, Response};

/// Why a request has no answer, in words for its sender: the value seen, the place and the remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Refusal {
    cause: Cause,
    text: String,
    place: Option<Place>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Invalid,
    UnknownPath,
    WrongMethod { allow: &'static str },
    TooLarge,
    WrongMediaType,
    Unsupported,
    Unavailable,
}

/// The value a refusal speaks about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Row of the request, from 0.
    pub row: usize,
    /// Name of the feature as the request or the schema has it.
    pub feature: String,
}

impl Refusal {
    /// 400: the request is not what the function takes.
    pub fn bad_request(text: impl Into<String>) -> Refusal {
        Refusal::new(Cause::Invalid, text)
    }

    /// 400, about one value.
    pub(crate) fn at(row: usize, feature: &str, text: impl fmt::Display) -> Refusal {
        Refusal {
            cause: Cause::Invalid,
            text: format!("row {row}, feature `{feature}`: {text}"),
            place: Some(Place {
                row,
                feature: feature.to_owned(),
            }),
        }
    }

    /// 404: nothing is there.
    pub(crate) fn unknown_path(text: impl Into<String>) -> Refusal {
        Refusal::new(Cause::UnknownPath, text)
    }

    /// 405 with the methods that the path takes.
    pub(crate) fn wrong_method(method: &str, path: &str, allow: &'static str) -> Refusal {
        Refusal::new(
            Cause::WrongMethod { allow },
            format!("`{path}` does not take {method}, only {allow}"),
        )
    }

    /// 413: the body is longer than `limit` bytes.
    pub fn too_large(limit: usize) -> Refusal {
        Refusal::new(
            Cause::TooLarge,
            format!("the body is longer than {limit} bytes; send the rows in several requests"),
        )
    }

    /// 413: one request asks for too much.
    pub(crate) fn too_much(text: impl Into<String>) -> Refusal {
        Refusal::new(Cause::TooLarge, text)
    }

    /// 415: a media type the protocol does not have.
    pub(crate) fn wrong_media_type(text: impl Into<String>) -> Refusal {
        Refusal::new(Cause::WrongMediaType, text)
    }

    /// 501: a sound request that this function cannot answer.
    pub(crate) fn unsupported(text: impl Into<String>) -> Refusal {
        Refusal::new(Cause::Unsupported, text)
    }

    /// 503: there is no model to ask.
    pub fn unavailable(text: impl Into<String>) -> Refusal {
        Refusal::new(Cause::Unavailable, text)
    }

    fn new(cause: Cause, text: impl Into<String>) -> Refusal {
        Refusal {
            cause,
            text: text.into(),
            place: None,
        }
    }

    /// The status of the response.
    pub fn status(&self) -> u16 {
        match self.cause {
            Cause::Invalid => 400,
            Cause::UnknownPath => 404,
            Cause::WrongMethod { .. } => 405,
            Cause::TooLarge => 413,
            Cause::WrongMediaType => 415,
            Cause::Unsupported => 501,
            Cause::Unavailable => 503,
        }
    }

    /// Whether the request was sound and only this function cannot answer it.
    pub fn is_unsupported(&self) -> bool {
        self.cause == Cause::Unsupported
    }

    /// The value it speaks about, when it speaks about one.
    pub fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// The response: exactly `application/json` (some clients compare the whole header) with the text under `error`,
    /// and `row` and `feature` beside it where there is a place.
    pub fn into_response(self) -> Response<'static> {
        let mut body = JsonWriter::new();
        body.begin_object();
        self.write_members(&mut body);
        body.end_object();
        self.respond_with(body)
    }

    /// The members `error`, `row` and `feature` of an open object.
    pub(crate) fn write_members(&self, body: &mut JsonWriter) {
        body.key("error").text(&self.text);
        if let Some(place) = &self.place {
            body.key("row")
                .integer(place.row as u64)
                .key("feature")
                .text(&place.feature);
        }
    }

    /// The response with a body made elsewhere.
    pub(crate) fn respond_with(&self, body: JsonWriter) -> Response<'static> {
        let mut response = Response::json(self.status(), Body::Owned(body.finish()));
        if let Cause::WrongMethod { allow } = self.cause {
            response.headers.push(("allow", allow.to_owned()));
        }
        response
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
