//! `/ping` and `/invocations`: the container contract of MLflow's scoring server and of SageMaker.

use crate::json::JsonWriter;
use crate::media::essence;
use crate::native::read_rows;
use crate::v1::write_outcomes;
use crate::{Body, Function, Refusal, Request, Response};

/// What `/invocations` reads.
const MEDIA: [&str; 3] = ["application/json", "text/csv", "application/csv"];

/// `{"predictions": […]}` of labels or values.
pub(crate) fn invocations(function: &Function, request: &Request<'_>) -> Response<'static> {
    answer(function, request).unwrap_or_else(|refusal| refuse(&refusal))
}

fn answer(function: &Function, request: &Request<'_>) -> Result<Response<'static>, Refusal> {
    if let Some(given) = request.header("content-type").map(essence)
        && !MEDIA.contains(&given.as_str())
    {
        return Err(Refusal::wrong_media_type(format!(
            "the content type `{given}` is not taken here; send `application/json` or `text/csv`"
        )));
    }
    let rows = read_rows(function, request)?;
    let predictions = function.predict(&rows)?;
    let mut json = JsonWriter::new();
    json.begin_object();
    write_outcomes(&mut json, function.model(), &predictions);
    json.end_object();
    Ok(Response::json(200, Body::Owned(json.finish())))
}

/// MLflow's `error_code` and `message`, and our own members beside them.
fn refuse(refusal: &Refusal) -> Response<'static> {
    let code = match refusal.status() {
        415 => "UNSUPPORTED_MEDIA_TYPE",
        413 => "REQUEST_LIMIT_EXCEEDED",
        _ => "BAD_REQUEST",
    };
    let mut json = JsonWriter::new();
    json.begin_object();
    json.key("error_code")
        .text(code)
        .key("message")
        .text(&refusal.to_string());
    refusal.write_members(&mut json);
    json.end_object();
    refusal.respond_with(json)
}
