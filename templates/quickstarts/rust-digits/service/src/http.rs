//! HTTP: which path says what, and how much a request may bring.

use crate::input;
use crate::model::{Model, name};
use serde_json::{Value, json};
use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tiny_http::{Header, Method, Request, Response, Server};

/// Largest body. Units: bytes.
const BODY_BYTES_MAX: u64 = 8 << 20;
/// Requests that are answered at once.
const WORKERS: usize = 4;
/// The API in OpenAPI 3.1.
const OPENAPI: &str = include_str!("openapi.json");

/// What all workers share.
struct House {
    server: Server,
    model: Option<Model>,
    answered: AtomicU64,
}

/// Listens, with or without a model, for as long as the process lives. Errors: the address is taken.
pub fn serve(model: Option<Model>, address: &str) -> Result<(), String> {
    let server = Server::http(address).map_err(|error| format!("cannot listen on {address}: {error}"))?;
    eprintln!(
        "listening on http://{address}, {}",
        if model.is_some() { "model loaded" } else { "no model yet" }
    );
    let house = Arc::new(House { server, model, answered: AtomicU64::new(0) });
    let workers: Vec<_> = (0..WORKERS)
        .map(|_| {
            let house = house.clone();
            std::thread::spawn(move || house.work())
        })
        .collect();
    for worker in workers {
        worker.join().map_err(|_| "a worker ended early".to_owned())?;
    }
    Ok(())
}

impl House {
    fn work(&self) {
        while let Ok(mut request) = self.server.recv() {
            let (status, kind, body) = self.answer(&mut request);
            let mut response = Response::from_string(body).with_status_code(status);
            if let Ok(header) = Header::from_bytes("Content-Type", kind) {
                response.add_header(header);
            }
            // Who does not wait for the answer does not need it.
            let _ = request.respond(response);
        }
    }

    /// Status, media type and body.
    fn answer(&self, request: &mut Request) -> (u16, &'static str, String) {
        let json = |status: u16, body: Value| (status, "application/json", body.to_string());
        let path = request.url().split('?').next().unwrap_or_default().to_owned();
        let is_get = matches!(request.method(), Method::Get | Method::Head);
        match (path.as_str(), is_get) {
            ("/v1/predict", _) if *request.method() == Method::Post => match self.predict(request) {
                Ok(answer) => json(200, answer),
                Err((status, why)) => json(status, json!({"error": why})),
            },
            ("/healthz", true) => json(200, json!({"status": "alive"})),
            ("/readyz", true) => match &self.model {
                Some(_) => json(200, json!({"status": "ready"})),
                None => json(503, json!({"error": "no model yet"})),
            },
            ("/version", true) => match &self.model {
                Some(model) => json(200, model.about.clone()),
                None => json(
                    200,
                    json!({"service": "digits-service", "model": name(), "version": null, "ready": false}),
                ),
            },
            ("/openapi.json", true) => (200, "application/json", OPENAPI.to_owned()),
            ("/metrics", true) => {
                let count = self.answered.load(Ordering::Relaxed);
                (
                    200,
                    "text/plain; version=0.0.4",
                    format!("# TYPE predictions_total counter\npredictions_total {count}\n"),
                )
            }
            ("/v1/predict" | "/healthz" | "/readyz" | "/version" | "/openapi.json" | "/metrics", _) => {
                json(405, json!({"error": "this path takes another method"}))
            }
            _ => json(404, json!({"error": "no such path; /openapi.json lists them"})),
        }
    }

    fn predict(&self, request: &mut Request) -> Result<Value, (u16, String)> {
        let is_binary = request.headers().iter().any(|header| {
            header.field.equiv("Content-Type")
                && header.value.as_str().starts_with("application/octet-stream")
        });
        let mut body = Vec::new();
        let read = request.as_reader().take(BODY_BYTES_MAX + 1).read_to_end(&mut body);
        read.map_err(|_| (400, "the body ends early".to_owned()))?;
        if body.len() as u64 > BODY_BYTES_MAX {
            return Err((413, format!("a body has at most {BODY_BYTES_MAX} bytes")));
        }
        let model = self.model.as_ref().ok_or((503, "no model yet".to_owned()))?;
        let rows = if is_binary { input::parse_bytes(&body) } else { input::parse(&body) };
        let rows = rows.map_err(|why| (400, why))?;
        let answer = model.answer(&rows).map_err(|why| (500, why))?;
        self.answered.fetch_add(rows.len() as u64, Ordering::Relaxed);
        Ok(answer)
    }
}
