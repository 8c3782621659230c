//! Sends webhooks: one attempt each, in order, signed, with every attempt on record.
//!
//! There is no retry; a failed delivery stays failed until somebody asks for another attempt,
//! which keeps the GUID and gets a new numeric id.

use crate::faults::DeliveryFault;
use crate::hub::{Hub, lock};
use crate::state::Hook;
use http::{Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// A receiver must answer within this time.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Larger payloads are never sent.
const PAYLOAD_MAX_BYTES: usize = 25 * 1024 * 1024;
/// How much of a receiver's answer is kept.
const ANSWER_MAX_BYTES: usize = 64 * 1024;
/// How many deliveries are remembered.
pub(crate) const DELIVERIES_MAX: usize = 10_000;

type HttpClient = Client<HttpConnector, Full<Bytes>>;

/// A delivery to be made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Outgoing {
    /// Its place in the list of what waits.
    pub(crate) key: u64,
    pub(crate) guid: String,
    pub(crate) event: String,
    pub(crate) action: Option<String>,
    pub(crate) installation_id: Option<u64>,
    pub(crate) repository_id: Option<u64>,
    pub(crate) payload: String,
    pub(crate) is_redelivery: bool,
}

/// A delivery that was attempted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Delivery {
    pub(crate) id: u64,
    pub(crate) guid: String,
    pub(crate) delivered_at: String,
    pub(crate) redelivery: bool,
    pub(crate) duration: f64,
    pub(crate) status: String,
    pub(crate) status_code: u16,
    pub(crate) event: String,
    pub(crate) action: Option<String>,
    pub(crate) installation_id: Option<u64>,
    pub(crate) repository_id: Option<u64>,
    pub(crate) url: String,
    pub(crate) request_headers: Value,
    pub(crate) payload: String,
    pub(crate) response_headers: Value,
    pub(crate) response: String,
}

/// The deliveries on record, oldest first.
#[derive(Debug, Default)]
pub(crate) struct DeliveryLog {
    pub(crate) entries: VecDeque<Delivery>,
    pub(crate) last_id: u64,
    /// Deliveries that are not on disk yet.
    pub(crate) unsaved: Vec<Delivery>,
}

impl DeliveryLog {
    fn add(&mut self, mut delivery: Delivery) {
        self.last_id += 1;
        delivery.id = self.last_id;
        if self.entries.len() == DELIVERIES_MAX {
            self.entries.pop_front();
        }
        self.unsaved.push(delivery.clone());
        self.entries.push_back(delivery);
    }
}

/// Takes deliveries out of the outbox until the server stops.
pub(crate) async fn run(hub: Arc<Hub>, mut inbox: mpsc::UnboundedReceiver<Outgoing>) {
    let client: HttpClient = Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
    while let Some(first) = inbox.recv().await {
        let window = lock(&hub.faults).shuffle_window(&first.event);
        let Some((window, seed)) = window else {
            dispatch(&hub, &client, first).await;
            continue;
        };
        let mut batch = vec![first];
        let end = tokio::time::Instant::now() + window;
        while let Ok(Some(next)) = tokio::time::timeout_at(end, inbox.recv()).await {
            batch.push(next);
        }
        crate::faults::shuffle(&mut batch, seed);
        for outgoing in batch {
            dispatch(&hub, &client, outgoing).await;
        }
    }
}

async fn dispatch(hub: &Arc<Hub>, client: &HttpClient, outgoing: Outgoing) {
    let fault = lock(&hub.faults).for_delivery(&outgoing.event);
    match fault {
        None => attempt(hub, client, &outgoing).await,
        Some(DeliveryFault::Drop { is_silent }) => {
            if !is_silent {
                let lost = Outcome::failed("timed out", 504, Duration::ZERO);
                record(hub, &outgoing, Value::Null, lost);
            }
        }
        Some(DeliveryFault::Double) => {
            attempt(hub, client, &outgoing).await;
            attempt(hub, client, &outgoing).await;
        }
        Some(DeliveryFault::Delay(delay)) => {
            let (hub, client) = (Arc::clone(hub), client.clone());
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                attempt(&hub, &client, &outgoing).await;
                lock(&hub.waiting).remove(&outgoing.key);
            });
            return;
        }
    }
    lock(&hub.waiting).remove(&outgoing.key);
}

struct Outcome {
    status: String,
    code: u16,
    duration: Duration,
    headers: Value,
    body: String,
}

impl Outcome {
    fn failed(status: &str, code: u16, duration: Duration) -> Self {
        Self {
            status: status.to_owned(),
            code,
            duration,
            headers: json!({}),
            body: String::new(),
        }
    }
}

async fn attempt(hub: &Arc<Hub>, client: &HttpClient, outgoing: &Outgoing) {
    let (hook, app_id) = {
        let state = lock(&hub.state);
        let (Some(hook), Some(app)) = (state.hook.clone(), &state.app) else {
            return;
        };
        (hook, app.id)
    };
    if outgoing.payload.len() > PAYLOAD_MAX_BYTES {
        tracing::warn!("a `{}` payload is too large to be sent", outgoing.event);
        return;
    }
    hub.recorder.delivery(outgoing);
    let headers = request_headers(&hook, app_id, outgoing);
    let start = Instant::now();
    let outcome =
        match tokio::time::timeout(ANSWER_MAX, send(client, &hook.url, &headers, outgoing)).await {
            Err(_) => Outcome::failed("timed out", 504, start.elapsed()),
            Ok(Err(_)) => Outcome::failed("failed to connect to host", 502, start.elapsed()),
            Ok(Ok(mut outcome)) => {
                outcome.duration = start.elapsed();
                outcome
            }
        };
    record(hub, outgoing, json!(headers), outcome);
}

fn request_headers(hook: &Hook, app_id: u64, outgoing: &Outgoing) -> Map<String, Value> {
    let mut headers = Map::new();
    let mut put = |name: &str, value: String| {
        headers.insert(name.to_owned(), Value::String(value));
    };
    put("Accept", "*/*".into());
    put("Content-Type", "application/json".into());
    put("User-Agent", "GitHub-Hookshot/hub0001".into());
    put("X-GitHub-Delivery", outgoing.guid.clone());
    put("X-GitHub-Event", outgoing.event.clone());
    put("X-GitHub-Hook-ID", hook.id.to_string());
    put("X-GitHub-Hook-Installation-Target-ID", app_id.to_string());
    put(
        "X-GitHub-Hook-Installation-Target-Type",
        "integration".into(),
    );
    if let Some(secret) = &hook.secret {
        let sign = |algorithm| {
            let key = ring::hmac::Key::new(algorithm, secret.as_bytes());
            hex::encode(ring::hmac::sign(&key, outgoing.payload.as_bytes()))
        };
        let legacy = sign(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY);
        put("X-Hub-Signature", format!("sha1={legacy}"));
        let signature = sign(ring::hmac::HMAC_SHA256);
        put("X-Hub-Signature-256", format!("sha256={signature}"));
    }
    headers
}

async fn send(
    client: &HttpClient,
    url: &str,
    headers: &Map<String, Value>,
    outgoing: &Outgoing,
) -> Result<Outcome, Box<dyn std::error::Error + Send + Sync>> {
    let mut request = Request::post(url);
    for (name, value) in headers {
        request = request.header(name, value.as_str().unwrap_or_default());
    }
    let body = Full::new(Bytes::from(outgoing.payload.clone()));
    let answer = client.request(request.body(body)?).await?;
    let code = answer.status();
    let headers: Map<String, Value> = answer
        .headers()
        .iter()
        .filter(|(name, _)| *name != header::SET_COOKIE)
        .map(|(name, value)| (name.to_string(), json!(value.to_str().unwrap_or_default())))
        .collect();
    let body = match Limited::new(answer.into_body(), ANSWER_MAX_BYTES)
        .collect()
        .await
    {
        Ok(body) => String::from_utf8_lossy(&body.to_bytes()).into_owned(),
        Err(_) => String::new(),
    };
    let status = if code.is_success() {
        "OK".to_owned()
    } else {
        format!("Invalid HTTP Response: {}", code.as_u16())
    };
    Ok(Outcome {
        status,
        code: code.as_u16(),
        duration: Duration::ZERO,
        headers: Value::Object(headers),
        body,
    })
}

fn record(hub: &Arc<Hub>, outgoing: &Outgoing, headers: Value, outcome: Outcome) {
    let url = lock(&hub.state)
        .hook
        .as_ref()
        .map(|hook| hook.url.clone())
        .unwrap_or_default();
    tracing::info!(
        delivery.id = outgoing.guid,
        status = outcome.code,
        "delivered `{}` as {}: {}",
        outgoing.event,
        outgoing.guid,
        outcome.status
    );
    lock(&hub.deliveries).add(Delivery {
        id: 0,
        guid: outgoing.guid.clone(),
        delivered_at: jiff::Timestamp::now().to_string(),
        redelivery: outgoing.is_redelivery,
        duration: outcome.duration.as_secs_f64(),
        status: outcome.status,
        status_code: outcome.code,
        event: outgoing.event.clone(),
        action: outgoing.action.clone(),
        installation_id: outgoing.installation_id,
        repository_id: outgoing.repository_id,
        url,
        request_headers: headers,
        payload: outgoing.payload.clone(),
        response_headers: outcome.headers,
        response: outcome.body,
    });
    hub.dirty.notify_one();
}
