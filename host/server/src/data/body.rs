//! Request bodies, read up to a bound.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::refusal::{Cause, Refusal};
use crate::net::RequestBody;

/// Takes a whole request body of an operator, who needs no room: see [`read_within`].
pub(crate) async fn read(
    body: RequestBody,
    limit: usize,
    patience: Duration,
) -> Result<Bytes, Refusal> {
    gather(body, limit, patience, |_length| Ok(())).await
}

/// Takes a whole request body, before a function is started for it: a slow client holds a connection and not an
/// instance. A body that announces its length is refused before any of it is read. It takes room as it grows, and gives
/// it back when the last of its bytes is dropped.
pub(crate) async fn read_within(
    body: RequestBody,
    limit: usize,
    patience: Duration,
    room: &Room,
) -> Result<Bytes, Refusal> {
    let mut taken = None;
    let body = gather(body, limit, patience, |length| {
        room.grow(&mut taken, length)
    })
    .await?;
    Ok(match taken {
        None => body,
        Some(permit) => Bytes::from_owner(Held {
            body,
            _permit: permit,
        }),
    })
}

/// Room for request bodies, of the whole host.
pub(crate) struct Room {
    mib: u64,
    /// A permit for each KiB.
    free: Arc<Semaphore>,
}

/// A body and its room.
struct Held {
    body: Bytes,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

impl Room {
    /// Room for so many MiB.
    pub(crate) fn new(mib: u64) -> Self {
        let kib = usize::try_from(mib << 10).unwrap_or(usize::MAX);
        Room {
            mib,
            free: Arc::new(Semaphore::new(kib.min(Semaphore::MAX_PERMITS))),
        }
    }

    /// Makes what a body has taken enough for its length.
    fn grow(&self, taken: &mut Option<OwnedSemaphorePermit>, length: usize) -> Result<(), Refusal> {
        let has = taken.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let wants = length.div_ceil(1 << 10).saturating_sub(has);
        if wants == 0 {
            return Ok(());
        }
        let more = u32::try_from(wants)
            .ok()
            .and_then(|wants| self.free.clone().try_acquire_many_owned(wants).ok())
            .ok_or_else(|| self.refusal())?;
        match taken {
            None => *taken = Some(more),
            Some(taken) => taken.merge(more),
        }
        Ok(())
    }

    fn refusal(&self) -> Refusal {
        Refusal::brief(
            Cause::Full,
            format!(
                "the request bodies that this server holds take the {} MiB that they may; try again in a second, or have its \
                 operator raise `connections.bodies_mib`",
                self.mib
            ),
        )
    }
}

/// Takes a whole body, and asks `grow` before each time it gets longer.
async fn gather(
    mut body: RequestBody,
    limit: usize,
    patience: Duration,
    mut grow: impl FnMut(usize) -> Result<(), Refusal>,
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
            let length = first.len() + whole.len() + data.len();
            if length > limit {
                return Err(too_long(limit));
            }
            grow(length)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_take_room_as_they_grow_and_give_it_back() {
        let room = Room::new(1);
        let (mut one, mut other) = (None, None);
        room.grow(&mut one, 1).unwrap();
        room.grow(&mut one, 1024).unwrap();
        assert_eq!(room.free.available_permits(), 1023);
        room.grow(&mut one, 512 << 10).unwrap();
        room.grow(&mut other, 512 << 10).unwrap();
        let refused = room.grow(&mut other, (512 << 10) + 1).unwrap_err();
        assert_eq!(refused.status(), 503);
        assert_eq!(
            refused.text,
            "the request bodies that this server holds take the 1 MiB that they may; try again in a second, or have its \
             operator raise `connections.bodies_mib`"
        );
        drop(one);
        room.grow(&mut other, 1 << 20).unwrap();
        drop(other);
        assert_eq!(room.free.available_permits(), 1024);
        assert!(
            Room::new(u64::MAX >> 10)
                .grow(&mut None, usize::MAX)
                .is_err()
        );
    }
}
