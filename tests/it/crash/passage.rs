//! A passage between the bot and the hub: what goes through it is a moment at which the bot may die.
//!
//! Each request has a name and a side. The first of a name is held: before the far end has it, or when the far end
//! has done it and the answer is still to come. Whoever watches kills the bot then; later ones go through.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinHandle;

/// Where in its way a request is held.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Side {
    Before,
    After,
}

/// Names a request by its parts and body, and says where it is held; `None` lets it through.
pub(super) type Naming = fn(&http::request::Parts, &[u8]) -> Option<(Side, String)>;

/// An open passage; closed when dropped.
pub(super) struct Passage {
    pub(super) url: String,
    inner: Arc<Inner>,
    moments: UnboundedReceiver<()>,
    task: JoinHandle<()>,
}

struct Inner {
    to: String,
    name: Naming,
    seen: Mutex<BTreeSet<String>>,
    moments: UnboundedSender<()>,
    death: Notify,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Passage {
    /// Opens a passage to the address `to`.
    pub(super) async fn open(to: &str, name: Naming) -> Passage {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (tell, moments) = mpsc::unbounded_channel();
        let inner = Arc::new(Inner {
            to: to.to_owned(),
            name,
            seen: Mutex::default(),
            moments: tell,
            death: Notify::new(),
            client: Client::builder(TokioExecutor::new()).build_http(),
        });
        let router = Router::new().fallback(pass).with_state(inner.clone());
        let task = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("it serves");
        });
        Passage {
            url,
            inner,
            moments,
            task,
        }
    }

    /// How many requests were held.
    pub(super) fn held(&self) -> usize {
        self.inner.seen.lock().expect("nobody panicked").len()
    }

    /// The next moment at which the bot shall die; what was held when it last died is given up.
    pub(super) async fn next(&mut self) {
        self.inner.death.notify_waiters();
        // Two requests may have been held at once: that life has died at both.
        while self.moments.try_recv().is_ok() {}
        self.moments.recv().await.expect("the passage is open")
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
    else {
        // Its sender died while it spoke.
        return StatusCode::BAD_REQUEST.into_response();
    };
    let held = (inner.name)(&parts, &body).filter(|(_, name)| {
        let mut seen = inner.seen.lock().expect("nobody panicked");
        seen.insert(name.clone())
    });
    match held {
        Some((Side::Before, _)) => hold(&inner).await,
        Some((Side::After, _)) => {
            inner.forward(parts, body).await;
            hold(&inner).await
        }
        None => inner.forward(parts, body).await,
    }
}

/// Tells the moment and answers nothing while the bot lives.
async fn hold(inner: &Inner) -> Response {
    let death = inner.death.notified();
    // Nobody listens once the story is over, and then nobody waits for an answer either.
    let _ = inner.moments.send(());
    death.await;
    StatusCode::BAD_GATEWAY.into_response()
}

impl Inner {
    async fn forward(&self, parts: http::request::Parts, body: Bytes) -> Response {
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = http::Request::builder()
            .method(parts.method)
            .uri(format!("{}{path}", self.to))
            .body(Full::new(body))
            .expect("a request");
        *request.headers_mut() = parts.headers;
        request.headers_mut().remove(http::header::HOST);
        match self.client.request(request).await {
            Ok(answer) => answer.map(Body::new),
            Err(_) => StatusCode::BAD_GATEWAY.into_response(),
        }
    }
}
