//! Open Inference Protocol V2 over HTTP, JSON and binary tensors.

mod answer;
mod input;
mod metadata;
mod tensor;

pub(crate) use metadata::{health, metadata, ready, repository_index, server};

use input::{Inference, Wanted};
use tensor::Tensor;

use crate::json::JsonWriter;
use crate::{Body, Function, Refusal, Request, Response, digest};

/// Where the JSON of a message with binary tensors ends.
const JSON_LENGTH: &str = "inference-header-content-length";

/// `POST /v2/models/{m}/infer`.
pub(crate) fn infer(
    function: &Function,
    request: &Request<'_>,
) -> Result<Response<'static>, Refusal> {
    let inference = Inference::read(function, request)?;
    let tensors = answer::tensors(function, &inference)?;
    let id = match inference.id {
        Some(id) => id,
        // The protocol's data model wants an id in every answer; this one is the same for the same request.
        None => digest::uuid(&[function.model_digest().as_bytes(), request.body]),
    };
    Ok(write(function, &id, &inference.wanted, &tensors))
}

/// The response: JSON, followed by the tensors that were asked for in binary.
fn write(
    function: &Function,
    id: &str,
    wanted: &[Wanted],
    tensors: &[Tensor],
) -> Response<'static> {
    let mut json = JsonWriter::new();
    let mut tail = Vec::new();
    json.begin_object();
    json.key("model_name")
        .text(function.name())
        .key("model_version")
        .text(function.version())
        .key("id")
        .text(id);
    json.key("outputs").begin_array();
    for (wanted, tensor) in wanted.iter().zip(tensors) {
        tensor.write(&mut json, wanted.binary.then_some(&mut tail));
    }
    json.end_array();
    json.end_object();
    let mut body = json.finish();
    if !wanted.iter().any(|wanted| wanted.binary) {
        return Response::json(200, Body::Owned(body));
    }
    let length = body.len();
    body.append(&mut tail);
    let mut response = Response::typed(200, "application/octet-stream", Body::Owned(body));
    response.headers.push((JSON_LENGTH, length.to_string()));
    response
}
