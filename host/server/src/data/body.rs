//! Request bodies, read up to a bound.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Incoming};

use super::refusal::{Cause, Refusal};

/// Takes a whole request body, before a function is started for it: a slow client holds a connection and not an
/// instance. A body that announces its length is refused before any of it is read.
pub(crate) async fn read(
    mut body: Incoming,
    limit: usize,
    patience: Duration,
) -> Result<Bytes, Refusal> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let announced = body.size_hint().lower();
    if announced > limit as u64 {
        return Err(too_long(limit));
    }
    let read = async {
        let mut first = Bytes::new();
        let mut whole = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                Refusal::malformed(format!("the request body did not arrive whole: {error}"))
            })?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            if first.len() + whole.len() + data.len() > limit {
                return Err(too_long(limit));
            }
            if first.is_empty() && whole.is_empty() {
                first = data;
                continue;
            }
            if whole.is_empty() {
                // The first chunk is kept as it came until there is a second: most bodies are one.
                whole.reserve((announced as usize).max(first.len() + data.len()));
                whole.extend_from_slice(&std::mem::take(&mut first));
            }
            whole.extend_from_slice(&data);
        }
        Ok(if whole.is_empty() {
            first
        } else {
            whole.freeze()
        })
    };
    tokio::time::timeout(patience, read)
        .await
        .unwrap_or_else(|_elapsed| {
            Err(Refusal::new(
                Cause::Slow,
                format!(
                    "the request body did not arrive within {} seconds",
                    patience.as_secs_f32()
                ),
            ))
        })
}

fn too_long(limit: usize) -> Refusal {
    Refusal::new(
        Cause::TooLarge,
        format!(
            "the request body is longer than {limit} bytes, the limit of this function; send fewer rows at a time"
        ),
    )
}
