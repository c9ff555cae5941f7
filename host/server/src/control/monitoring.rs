//! What monitoring asks: is it alive, does it take calls, what did it do.

use std::sync::Arc;

use http::header::ACCEPT;
use http::request::Parts;
use http::{Method, StatusCode};
use hyaline_telemetry::Format;

use super::problem::Denied;
use super::{Answer, blocking, of_type};
use crate::platform::Platform;

fn get(head: &Parts) -> Result<(), Denied> {
    match head.method {
        Method::GET | Method::HEAD => Ok(()),
        _ => Err(Denied::method("GET, HEAD")),
    }
}

pub(super) fn health(head: &Parts) -> Answer {
    get(head)?;
    Ok(of_type(
        StatusCode::OK,
        "text/plain; charset=utf-8",
        "OK".into(),
    ))
}

/// Whether new calls are welcome: not while the host is about to stop.
pub(super) fn readiness(platform: &Platform, head: &Parts) -> Answer {
    get(head)?;
    let (status, text) = match platform.is_draining() {
        false => (StatusCode::OK, "ready"),
        true => (StatusCode::SERVICE_UNAVAILABLE, "about to stop"),
    };
    Ok(of_type(status, "text/plain; charset=utf-8", text.into()))
}

pub(super) async fn metrics(platform: &Arc<Platform>, head: &Parts) -> Answer {
    get(head)?;
    let accept = head
        .headers
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok());
    let format = Format::from_accept(accept);
    let shared = platform.clone();
    // A host of a thousand versions has a megabyte to say.
    let text = blocking(move || Ok(shared.telemetry().render(format))).await?;
    Ok(of_type(StatusCode::OK, format.content_type(), text.into()))
}
