//! What a body is, by its header where there is a useful one and by its first character otherwise.

use crate::Request;

/// The media type of a header value, without parameters, in lower case.
pub(crate) fn essence(value: &str) -> String {
    value
        .split(';')
        .next()
        .unwrap_or("")
        .trim()
        .to_ascii_lowercase()
}

/// A format of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Csv,
    /// A picture, PNG or another.
    Picture,
}

/// The format of a request's body. Several clients send no content type, and `curl -d` sends a wrong one, so only
/// types of JSON, CSV and pictures are believed.
pub(crate) fn format(request: &Request<'_>) -> Format {
    match request.header("content-type").map(essence).as_deref() {
        Some("text/csv" | "application/csv") => Format::Csv,
        Some(picture) if picture.starts_with("image/") => Format::Picture,
        Some(json) if json == "application/json" || json.ends_with("+json") => Format::Json,
        _ => sniff(request.body),
    }
}

/// How files of pictures start: PNG, JPEG.
const PICTURES: [&[u8]; 2] = [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"];

/// Pictures have their signatures, JSON starts with a bracket; anything else is taken for CSV.
fn sniff(body: &[u8]) -> Format {
    if PICTURES.iter().any(|start| body.starts_with(start)) {
        return Format::Picture;
    }
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    match body.trim_ascii_start().first() {
        Some(b'{' | b'[') | None => Format::Json,
        Some(_) => Format::Csv,
    }
}

/// Whether an Accept header asks for `media` by name.
pub(crate) fn accepts(request: &Request<'_>, media: &str) -> bool {
    request
        .header("accept")
        .is_some_and(|accept| accept.split(',').any(|range| essence(range) == media))
}
