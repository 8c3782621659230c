//! A request on its way through: in by the door, to the present server, and its answer back.
//!
//! A switch never costs a request: it is counted at its server before it is sent there, and one that no server
//! took goes to the next. An answer that has begun is never asked for again.

use super::answer::{Body, BodyError, Turned};
use super::door::Door;
use super::headers::{self, MODEL_VERSION, RELEASE};
use super::metrics::AtWork;
use super::pool::{Lease, Lost};
use super::upload::{self, Upload};
use super::upstream::{Hold, Upstream};
use super::{Gateway, pages};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{CONNECTION, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, Uri, Version};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::sync::OwnedSemaphorePermit;

/// A server begins its answer within this time.
const FIRST_BYTE_WAIT: Duration = Duration::from_secs(120);

/// Servers tried for one request: the present one and those that come after it.
const SERVERS_MAX: usize = 3;

/// Answers one request.
pub(crate) async fn answer(
    gateway: Arc<Gateway>,
    peer: IpAddr,
    request: Request<Incoming>,
) -> Response<Body> {
    let began = Instant::now();
    let is_counted = gateway.door().telemetry;
    let at_work = is_counted.then(|| gateway.metrics.begin());
    let mut response = match pages::own(&gateway, &request).await {
        Some(response) => response,
        None => forward(&gateway, peer, request, at_work)
            .await
            .unwrap_or_else(Turned::answer),
    };
    if gateway.is_leaving() {
        // Whoever keeps the connection would find it shut at their next request.
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if is_counted {
        gateway.metrics.answered(response.status(), began.elapsed());
    }
    response
}

async fn forward(
    gateway: &Gateway,
    peer: IpAddr,
    request: Request<Incoming>,
    at_work: Option<AtWork>,
) -> Result<Response<Body>, Turned> {
    let door = gateway.door();
    let (mut head, body) = request.into_parts();
    if let Err(turned) = admit(gateway, &door, &head, &body) {
        upload::discard(body).await;
        return Err(turned);
    }
    let upload = Upload::take(body, door.body_bytes_max).await?;
    head.uri = origin(&head.uri);
    headers::onward(&mut head.headers, peer);
    let turn = match door.queue.enter().await {
        Ok(turn) => turn,
        Err(turned) => {
            upload.discard().await;
            return Err(turned);
        }
    };
    let (response, lease, hold) = deliver(gateway, &door, (&head, upload)).await?;
    Ok(back(
        response,
        lease,
        Burden {
            hold,
            _turn: turn,
            _at_work: at_work,
        },
    ))
}

/// Whether the request may wait for its turn, as far as its head tells.
fn admit(gateway: &Gateway, door: &Door, head: &Parts, body: &Incoming) -> Result<(), Turned> {
    if !door.lets_in(&head.headers) {
        return Err(Turned::Stranger);
    }
    if head.method == Method::CONNECT {
        return Err(Turned::Method);
    }
    if body.size_hint().lower() > door.body_bytes_max as u64 {
        return Err(Turned::TooLarge);
    }
    match gateway.slot.look() {
        // A server that is started again is worth waiting for.
        Ok(_) | Err(Turned::Down) => Ok(()),
        Err(reason) => Err(reason),
    }
}

/// Sends the request to the present server, and to the next where that one took nothing.
async fn deliver(
    gateway: &Gateway,
    door: &Door,
    (head, upload): (&Parts, Upload),
) -> Result<(Response<Incoming>, Lease, Hold), Turned> {
    let over = upload.over();
    let mut upload = Some(upload);
    let mut refused: Option<Arc<Upstream>> = None;
    let mut is_fresh = over.is_some();
    for _ in 0..=SERVERS_MAX {
        let hold = gateway.slot.hold(refused.as_ref()).await?;
        let mut lease = match hold.upstream().pool.lease(is_fresh).await {
            Ok(lease) => lease,
            Err(Lost::Unsent | Lost::Stale | Lost::Broken) => {
                refused = Some(Arc::clone(hold.upstream()));
                continue;
            }
        };
        let Some(body) = upload.take() else {
            return Err(Turned::Broken);
        };
        upload = body.again();
        let sent = tokio::time::timeout(FIRST_BYTE_WAIT, lease.send(assemble(head, body))).await;
        match sent {
            Ok(Ok(response)) => return Ok((response, lease, hold)),
            // A connection that lay idle was closed by the server: that says nothing of this request.
            Ok(Err(Lost::Stale | Lost::Unsent)) if !is_fresh => {
                is_fresh = true;
                if door.telemetry {
                    gateway.metrics.retries.fetch_add(1, Ordering::Relaxed);
                }
            }
            Ok(Err(_))
                if over
                    .as_ref()
                    .is_some_and(|flag| flag.load(Ordering::Relaxed)) =>
            {
                return Err(Turned::TooLarge);
            }
            Ok(Err(_)) => return Err(Turned::Broken),
            Err(_) => return Err(Turned::Silent),
        }
    }
    Err(Turned::Down)
}

fn assemble(head: &Parts, body: Upload) -> Request<Upload> {
    let mut request = Request::new(body);
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = head.uri.clone();
    *request.headers_mut() = head.headers.clone();
    *request.version_mut() = Version::HTTP_11;
    request
}

/// The path and query alone, as a server expects them.
fn origin(uri: &Uri) -> Uri {
    uri.path_and_query()
        .map_or_else(|| Uri::from_static("/"), |path| Uri::from(path.clone()))
}

fn back(response: Response<Incoming>, lease: Lease, burden: Burden) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    headers::strip_hop(&mut head.headers);
    let upstream = burden.hold.upstream();
    head.headers.insert(RELEASE, upstream.release.clone());
    head.headers.insert(MODEL_VERSION, upstream.version.clone());
    head.version = Version::HTTP_11;
    let relay = Relay {
        body,
        is_done: false,
        lease: Some(lease),
        _burden: burden,
    };
    Response::from_parts(head, relay.boxed_unsync())
}

/// What a request holds until the last byte of its answer is gone.
struct Burden {
    hold: Hold,
    _turn: OwnedSemaphorePermit,
    _at_work: Option<AtWork>,
}

/// The body of an answer, passed on frame by frame as it comes.
struct Relay {
    body: Incoming,
    is_done: bool,
    lease: Option<Lease>,
    _burden: Burden,
}

impl hyper::body::Body for Relay {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(None) = polled {
            self.is_done = true;
        }
        polled.map(|frame| frame.map(|result| result.map_err(BodyError::from)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take()
            && (self.is_done || self.body.is_end_stream())
        {
            lease.give_back();
        }
    }
}
