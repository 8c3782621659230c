//! What served models print, on its way to the operator's log service, and services that are not counted.

use crate::both::{open, train};
use crate::harness::{Place, World, run_test_at};
use axum::Router;
use axum::routing::post;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use std::sync::{Arc, Mutex};

const REPO: &str = "tiny-service";

/// A log service that keeps the lines that it is sent.
struct Service {
    url: String,
    lines: Arc<Mutex<Vec<Value>>>,
}

impl Service {
    async fn begin() -> Service {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        let hear = async move |body: String| {
            let told = body
                .lines()
                .map(|line| serde_json::from_str(line).expect("JSON"));
            kept.lock().expect("the lines").extend(told);
        };
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await;
        let listener = listener.expect("a port");
        let url = format!(
            "http://{}/insert",
            listener.local_addr().expect("an address")
        );
        let routes = Router::new().route("/insert", post(hear));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Service { url, lines }
    }

    /// Where this line came from, once it came.
    fn source_of(&self, environment: &str, text: &str) -> Option<Value> {
        let lines = self.lines.lock().expect("the lines");
        let mut lines = lines.iter();
        let line = lines.find(|line| line["environment"] == environment && line["line"] == text)?;
        assert_eq!(line["service"], "ada/tiny-service");
        Some(line["source"].clone())
    }
}

/// The service's main branch with these lines in its contract, and a server that says so when it starts.
async fn say(t: &World, lines: &str, text: &str) {
    let contract = include_str!("pair/service/bowsprit.yaml").to_owned() + lines;
    let loaded = "    MODEL = load()\n";
    let print = format!("{loaded}    print({text:?}, flush=True)\n");
    let server = include_str!("pair/service/serve.py").replace(loaded, &print);
    let files = [("bowsprit.yaml", contract.as_str()), ("serve.py", &server)];
    t.pull(REPO, "main").await;
    t.push(REPO, "ada", "main", text, &files).await;
    t.settle().await;
}

/// Status and text of a page of staging's gateway.
async fn page(t: &World, page: &str) -> (u16, String) {
    let staging = t.environment("staging").await;
    let keys = t.bot().rooms.releases.keys(staging.repo.id, &staging.name);
    let keys = keys.expect("keys");
    let url = format!("{}/.bowsprit/{page}", staging.url.expect("an address"));
    let request = http::Request::get(url)
        .header(
            "authorization",
            format!("Bearer {}", keys.primary.expose_secret()),
        )
        .body(Empty::<Bytes>::new())
        .expect("a request");
    let http = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new());
    let answer = http.build_http().request(request).await.expect("an answer");
    let status = answer.status().as_u16();
    let body = answer
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_searched_and_requests_counted_as_a_service_wants_it() {
    let service = Service::begin().await;
    let push_url = service.url.clone();
    let amend = move |text: String, _: &str| format!("{text}[logs]\npush_url = \"{push_url}\"\n");
    let place = Place {
        amend: Box::new(amend),
        ..Place::here()
    };
    run_test_at(
        place,
        |_| {},
        async |t| {
            say(t, "logs: true\ntelemetry: false\n", "it is heard").await;
            train(t, "").await;
            let proposal = open(t, "bowsprit/tiny").await;
            t.say(REPO, "grace", proposal, "/lgtm").await;
            t.say(REPO, "ada", proposal, "/approve").await;
            t.until_merged(REPO, proposal).await;
            t.settle().await;
            let heard = async |_: &World| service.source_of("staging", "it is heard");
            assert_eq!(t.until("the line", heard).await, "server");
            let (status, told) = page(t, "metrics").await;
            assert!(
                status == 404 && told.contains("telemetry: false"),
                "{status} {told}"
            );
            assert_eq!(page(t, "health").await.0, 200);

            say(t, "telemetry: true\n", "it is not heard").await;
            let staging = t.environment("staging").await;
            let bot = t.dir.path().join("bot/environments");
            let dir = bot.join(staging.repo.id.to_string()).join("staging");
            let log = std::fs::read_to_string(dir.join("log.txt")).expect("a log");
            assert!(log.contains(" server it is not heard"), "{log}");
            assert!(!dir.join("push.json").exists());
            assert_eq!(service.source_of("staging", "it is not heard"), None);
            let (status, told) = page(t, "metrics").await;
            assert!(
                status == 200 && told.contains("bowsprit_gateway_requests_total"),
                "{told}"
            );
        },
    )
    .await;
}
