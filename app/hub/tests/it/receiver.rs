//! A webhook receiver that keeps what arrives and can be waited on.

use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

/// No story waits longer than this for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// One delivery as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Arrived {
    pub(crate) event: String,
    pub(crate) guid: String,
    pub(crate) headers: HeaderMap,
    pub(crate) raw: Bytes,
    pub(crate) json: Value,
}

impl Arrived {
    pub(crate) fn is(&self, event: &str, action: &str) -> bool {
        self.event == event && (action.is_empty() || self.json["action"] == action)
    }
}

/// A webhook receiver that keeps everything.
#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) url: String,
    pub(crate) arrived: Arc<Mutex<Vec<Arrived>>>,
    pub(crate) status: Arc<Mutex<u16>>,
    news: Arc<Notify>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = listener.local_addr().expect("an address");
        let receiver = Self {
            url: format!("http://{address}/hook"),
            arrived: Arc::default(),
            status: Arc::new(Mutex::new(200)),
            news: Arc::default(),
        };
        let shared = receiver.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = shared.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| take(shared.clone(), request));
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        receiver
    }

    pub(crate) fn answer_with(&self, status: u16) {
        *self.status.lock().expect("a lock") = status;
    }

    pub(crate) fn all(&self) -> Vec<Arrived> {
        self.arrived.lock().expect("a lock").clone()
    }

    pub(crate) fn count(&self, event: &str, action: &str) -> usize {
        self.all()
            .iter()
            .filter(|one| one.is(event, action))
            .count()
    }

    /// Waits for an event and returns the newest of its kind.
    #[track_caller]
    pub(crate) fn expect(
        &self,
        event: &'static str,
        action: &'static str,
    ) -> impl Future<Output = Arrived> + '_ {
        self.expect_times(event, action, 1)
    }

    pub(crate) async fn expect_times(&self, event: &str, action: &str, times: usize) -> Arrived {
        let wait = async {
            loop {
                let news = self.news.notified();
                let found: Vec<Arrived> = self
                    .all()
                    .into_iter()
                    .filter(|one| one.is(event, action))
                    .collect();
                if found.len() >= times {
                    return found.last().cloned().expect("at least one");
                }
                news.await;
            }
        };
        match tokio::time::timeout(PATIENCE, wait).await {
            Ok(found) => found,
            Err(_) => {
                let seen: Vec<String> = self
                    .all()
                    .iter()
                    .map(|one| format!("{}.{}", one.event, one.json["action"]))
                    .collect();
                panic!("no {event}.{action}; seen: {seen:?}");
            }
        }
    }
}

async fn take(
    receiver: Receiver,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let raw = body.collect().await.expect("a body").to_bytes();
    let text = |name: &str| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    let arrived = Arrived {
        event: text("x-github-event"),
        guid: text("x-github-delivery"),
        headers: parts.headers.clone(),
        json: serde_json::from_slice(&raw).expect("JSON"),
        raw,
    };
    receiver.arrived.lock().expect("a lock").push(arrived);
    receiver.news.notify_waiters();
    let status = *receiver.status.lock().expect("a lock");
    Ok(Response::builder()
        .status(status)
        .body(Full::default())
        .expect("an answer"))
}
