//! The body of a request on its way to the server.
//!
//! A small one is taken in whole, so that it can be sent twice; any other passes through, and is counted.

use super::answer::{BodyError, Turned};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

/// Bodies up to this size are taken in whole. Units: bytes.
const WHOLE_BYTES_MAX: u64 = 64 << 10;

/// A small body arrives within this time.
const WHOLE_WAIT: Duration = Duration::from_secs(30);

/// This much of a refused body is read. Units: bytes.
const DISCARD_BYTES_MAX: usize = 4 << 20;

/// For at most this long.
const DISCARD_WAIT: Duration = Duration::from_secs(2);

/// The body of a request to the server.
#[derive(Debug)]
pub(crate) enum Upload {
    /// All of it; may be sent again.
    Whole(Option<Bytes>),
    /// Passed on as it comes.
    Stream {
        /// What still comes.
        body: Incoming,
        /// How much more is allowed. Units: bytes.
        left: usize,
        /// Set when more than that came.
        is_over: Arc<AtomicBool>,
    },
}

impl Upload {
    /// Takes in a small body, prepares any other. Errors: too slow, broken off.
    pub(crate) async fn take(body: Incoming, bytes_max: usize) -> Result<Upload, Turned> {
        let hint = body.size_hint();
        if hint.exact().is_none_or(|bytes| bytes > WHOLE_BYTES_MAX) {
            return Ok(Upload::Stream {
                body,
                left: bytes_max,
                is_over: Arc::default(),
            });
        }
        let whole = Limited::new(body, bytes_max).collect();
        match tokio::time::timeout(WHOLE_WAIT, whole).await {
            Ok(Ok(collected)) => Ok(Upload::Whole(Some(collected.to_bytes()))),
            Ok(Err(_)) => Err(Turned::BrokenBody),
            Err(_) => Err(Turned::SlowBody),
        }
    }

    /// Reads what a refused request still sends.
    pub(crate) async fn discard(self) {
        match self {
            Upload::Whole(_) => {}
            Upload::Stream { body, .. } => discard(body).await,
        }
    }

    /// The same body once more, where that is possible.
    pub(crate) fn again(&self) -> Option<Upload> {
        match self {
            Upload::Whole(bytes) => Some(Upload::Whole(bytes.clone())),
            Upload::Stream { .. } => None,
        }
    }

    /// Tells whether more came than is allowed, also after the body was given away.
    pub(crate) fn over(&self) -> Option<Arc<AtomicBool>> {
        match self {
            Upload::Whole(_) => None,
            Upload::Stream { is_over, .. } => Some(Arc::clone(is_over)),
        }
    }
}

/// Reads some of a refused body: a peer that is still sending when the connection closes may never see the answer.
pub(crate) async fn discard(body: Incoming) {
    let some = Limited::new(body, DISCARD_BYTES_MAX).collect();
    // However it ends, the answer goes out now.
    let _ = tokio::time::timeout(DISCARD_WAIT, some).await;
}

impl Body for Upload {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Upload::Whole(bytes) => Poll::Ready(
                bytes
                    .take()
                    .filter(|b| !b.is_empty())
                    .map(|b| Ok(Frame::data(b))),
            ),
            Upload::Stream {
                body,
                left,
                is_over,
            } => match Pin::new(body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    let bytes = frame.data_ref().map_or(0, Bytes::len);
                    let Some(rest) = left.checked_sub(bytes) else {
                        is_over.store(true, Ordering::Relaxed);
                        return Poll::Ready(Some(Err("the body is too large".into())));
                    };
                    *left = rest;
                    Poll::Ready(Some(Ok(frame)))
                }
                Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error.into()))),
                Poll::Ready(None) => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Upload::Whole(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Upload::Stream { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Upload::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64))
            }
            Upload::Stream { body, .. } => body.size_hint(),
        }
    }
}
