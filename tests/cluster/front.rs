//! What answers the bot in place of the API server: it passes all on, and does not know versions that a story has it forget.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use http::StatusCode;
use http::header::{AUTHORIZATION, HOST, TRANSFER_ENCODING};
use http_body_util::BodyExt as _;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How the API server says that a watch asks for a version which it has forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forgotten {
    /// An event in an answer of status 200.
    Event,
    /// The status of the answer.
    Status,
}

/// The front.
pub(crate) struct Front {
    inner: Arc<Inner>,
}

struct Inner {
    client: kube::Client,
    state: Mutex<Memory>,
}

struct Memory {
    /// The newest version that is forgotten, and how that is told.
    forgotten: (u64, Forgotten),
    /// How many watches of each resource were told so.
    told: BTreeMap<String, usize>,
    /// Ends the watches of now.
    cut: CancellationToken,
}

impl Front {
    /// Stands before what a kubeconfig leads to; the file leads here from now on.
    pub(crate) async fn open(kubeconfig: &Path) -> Front {
        let whole = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
        let how = KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(whole, &how).await;
        let client = kube::Client::try_from(config.expect("a configuration"));
        let inner = Arc::new(Inner {
            client: client.expect("a client"),
            state: Mutex::new(Memory {
                forgotten: (0, Forgotten::Event),
                told: BTreeMap::new(),
                cut: CancellationToken::new(),
            }),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let router = Router::new().fallback(pass).with_state(Arc::clone(&inner));
        tokio::spawn(async { axum::serve(listener, router).await });
        let text = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "front",
            "clusters": [{"name": "front", "cluster": {"server": format!("http://{address}")}}],
            "users": [{"name": "front", "user": {}}],
            "contexts": [{"name": "front", "context": {"cluster": "front", "user": "front"}}],
        });
        std::fs::write(kubeconfig, text.to_string()).expect("a file");
        Front { inner }
    }

    /// Forgets every version up to that of a list, and ends the watches of now, which saw older ones.
    pub(crate) fn forget(&self, version: &str, how: Forgotten) {
        let mut state = self.inner.state.lock().expect("no panic");
        state.forgotten = (version.parse().expect("a version"), how);
        std::mem::take(&mut state.cut).cancel();
    }

    /// How many watches of a resource asked in vain for what was forgotten.
    pub(crate) fn told(&self, resource: &str) -> usize {
        let state = self.inner.state.lock().expect("no panic");
        state.told.get(resource).copied().unwrap_or_default()
    }
}

impl Inner {
    /// How a watch is told that its version is forgotten, where it is.
    fn refusal(&self, uri: &http::Uri) -> Option<Forgotten> {
        let mut state = self.state.lock().expect("no panic");
        let pairs = url::form_urlencoded::parse(uri.query()?.as_bytes());
        let version = pairs
            .filter(|(key, _)| key == "resourceVersion")
            .find_map(|(_, value)| value.parse::<u64>().ok())?;
        let (last, how) = state.forgotten;
        if version > last {
            return None;
        }
        let resource = uri.path().rsplit('/').next().unwrap_or_default();
        *state.told.entry(resource.to_owned()).or_default() += 1;
        Some(how)
    }
}

async fn pass(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let is_watch = parts.uri.query().is_some_and(|q| q.contains("watch=true"));
    if is_watch && let Some(how) = inner.refusal(&parts.uri) {
        let event = json!({"type": "ERROR", "object": expired()});
        return match how {
            Forgotten::Event => (StatusCode::OK, format!("{event}\n")).into_response(),
            Forgotten::Status => (StatusCode::GONE, expired().to_string()).into_response(),
        };
    }
    let cut = inner.state.lock().expect("no panic").cut.clone();
    for name in [HOST, AUTHORIZATION, TRANSFER_ENCODING] {
        parts.headers.remove(name);
    }
    let body = body.collect().await.expect("a body").to_bytes();
    let asked = http::Request::from_parts(parts, kube::client::Body::from(body));
    let (mut parts, body) = match inner.client.send(asked).await {
        Ok(answer) => answer.into_parts(),
        Err(error) => return (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    };
    parts.headers.remove(TRANSFER_ENCODING);
    let body = match is_watch {
        true => Body::from_stream(body.into_data_stream().take_until(cut.cancelled_owned())),
        false => Body::new(body),
    };
    Response::from_parts(parts, body)
}

fn expired() -> Value {
    json!({"apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure", "reason": "Expired", "code": 410,
        "message": "too old resource version"})
}
