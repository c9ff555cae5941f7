//! The HTTP door: `wasi:http/incoming-handler` over the pure router.

use hyaline_protocol::{HEADERS, Refusal, Request, Response, respond};

use crate::bindings::exports::wasi::http::incoming_handler::Guest;
use crate::bindings::wasi::http::types::{
    Fields, IncomingBody, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use crate::bindings::wasi::io::streams::{InputStream, OutputStream, StreamError};
use crate::{Engine, slot};

/// Longest request body, in bytes. What a body becomes in memory stays a small multiple of it.
pub const BODY_LIMIT: usize = 16 << 20;

/// How much is asked of the body stream at once.
const READ: u64 = 64 << 10;

/// The status of a response of which nothing else is said.
const OK: u16 = 200;

impl Guest for Engine {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let method = method_name(&request.method());
        let path = request.path_with_query().unwrap_or_else(|| "/".to_owned());
        let headers = wanted(&request.headers());
        let body = request
            .consume()
            .map_err(|()| Refusal::bad_request("the request has no body to read"))
            .and_then(read);
        match (slot::function(), body) {
            (Ok(function), Ok(body)) => {
                let request = Request {
                    method: &method,
                    path: &path,
                    headers: &headers,
                    body: &body,
                };
                send(&respond(function, &request), out);
            }
            (Err(missing), _) => send(&Refusal::unavailable(missing).into_response(), out),
            (_, Err(refusal)) => send(&refusal.into_response(), out),
        }
    }
}

fn method_name(method: &Method) -> String {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Connect => "CONNECT",
        Method::Options => "OPTIONS",
        Method::Trace => "TRACE",
        Method::Patch => "PATCH",
        Method::Other(name) => name,
    }
    .to_owned()
}

/// The headers that count. A host tells each one at a price, and most of those that it has count for nothing here.
fn wanted(headers: &Fields) -> Vec<(String, Vec<u8>)> {
    let value = |name: &str| Some((name.to_owned(), headers.get(name).into_iter().next()?));
    HEADERS.into_iter().filter_map(value).collect()
}

/// The whole body, or a refusal as soon as it is longer than [`BODY_LIMIT`].
fn read(body: IncomingBody) -> Result<Vec<u8>, Refusal> {
    let stream = body
        .stream()
        .map_err(|()| Refusal::bad_request("the request body is already taken"))?;
    let read = read_stream(&stream);
    // Children of a resource are dropped before it.
    drop(stream);
    drop(body);
    read
}

fn read_stream(stream: &InputStream) -> Result<Vec<u8>, Refusal> {
    let mut whole = Vec::new();
    loop {
        match stream.blocking_read(READ) {
            Ok(chunk) if whole.is_empty() => whole = chunk,
            Ok(chunk) => whole.extend_from_slice(&chunk),
            Err(StreamError::Closed) => return Ok(whole),
            Err(StreamError::LastOperationFailed(error)) => {
                return Err(Refusal::bad_request(format!(
                    "the request body broke off: {}",
                    error.to_debug_string()
                )));
            }
        }
        if whole.len() > BODY_LIMIT {
            return Err(Refusal::too_large(BODY_LIMIT));
        }
    }
}

fn send(response: &Response<'_>, out: ResponseOutparam) {
    let outgoing = OutgoingResponse::new(fields(&response.headers));
    if response.status != OK {
        let _ = outgoing.set_status_code(response.status);
    }
    let Ok(body) = outgoing.body() else {
        return;
    };
    ResponseOutparam::set(out, Ok(outgoing));
    if !response.body.is_empty() {
        let Ok(stream) = body.write() else {
            return;
        };
        // The client may be gone; nobody is left to tell.
        let _ = write_all(&stream, &response.body);
    }
    let _ = OutgoingBody::finish(body, None);
}

fn fields(headers: &[(&str, String)]) -> Fields {
    let entry = |(name, value): &(&str, String)| (name.to_string(), value.as_bytes().to_vec());
    let entries: Vec<_> = headers.iter().map(entry).collect();
    Fields::from_list(&entries).unwrap_or_else(|_| {
        let fields = Fields::new();
        for (name, value) in &entries {
            // A value the host refuses costs the header, not the answer.
            let _ = fields.append(name, value);
        }
        fields
    })
}

fn write_all(stream: &OutputStream, mut bytes: &[u8]) -> Result<(), StreamError> {
    while !bytes.is_empty() {
        let permitted = stream.check_write()? as usize;
        if permitted == 0 {
            stream.subscribe().block();
            continue;
        }
        let (now, later) = bytes.split_at(permitted.min(bytes.len()));
        stream.write(now)?;
        bytes = later;
    }
    Ok(())
}
