//! Reads a body into memory, with a bound on what all bodies together may take.
//!
//! The first 64 KiB of each are free, so that slow senders of nothing keep nobody out; then a body needs
//! a place among the middle ones, and above 1 MiB also one among the few big ones.

use super::Refusal;
use axum::body::{Body, Bytes, HttpBody};
use http_body_util::BodyExt;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// What needs no place. Units: bytes.
const SMALL_BYTES_MAX: usize = 64 * 1024;
/// What needs no place among the big ones. Units: bytes.
const MIDDLE_BYTES_MAX: usize = 1024 * 1024;
/// Big bodies at once.
const BIG_AT_ONCE: usize = 8;

/// Places for bodies.
pub(super) struct Gates {
    middle: Arc<Semaphore>,
    big: Arc<Semaphore>,
}

impl Gates {
    pub(super) fn new(middle: usize) -> Gates {
        Gates {
            middle: Arc::new(Semaphore::new(middle)),
            big: Arc::new(Semaphore::new(BIG_AT_ONCE)),
        }
    }

    /// Reads all of a body. Errors: it is larger than `max`, or ends early.
    pub(super) async fn read(&self, mut body: Body, max: usize) -> Result<Bytes, Refusal> {
        let hint = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        let mut held = Vec::with_capacity(hint.min(SMALL_BYTES_MAX));
        let (mut middle, mut big) = (None, None);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Refusal::Broken)?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            let size = held.len() + data.len();
            if size > max {
                return Err(Refusal::TooLarge);
            }
            if size > SMALL_BYTES_MAX && middle.is_none() {
                middle = Some(place(&self.middle).await?);
            }
            if size > MIDDLE_BYTES_MAX && big.is_none() {
                big = Some(place(&self.big).await?);
                held.reserve(hint.min(max).saturating_sub(held.len()));
            }
            held.extend_from_slice(&data);
        }
        Ok(held.into())
    }
}

async fn place(gate: &Semaphore) -> Result<tokio::sync::SemaphorePermit<'_>, Refusal> {
    gate.acquire().await.map_err(|_| Refusal::Crowded)
}
