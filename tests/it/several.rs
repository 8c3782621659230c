//! One service, two models: each is trained, judged, proposed and served with a version of its own.

use crate::both::{Production, serves};
use crate::harness::{World, run_test};
use serde_json::{Value, json};

const REPO: &str = "tiny-service";

/// Answers for each model that is there, at a path of its own.
const SERVE: &str = r#"
import json, os, pathlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LINES = {at.parent.name: json.loads(at.read_text())["line"] for at in pathlib.Path(os.environ["MODELS_DIR"]).glob("*/model.json")} if "MODELS_DIR" in os.environ else {}

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        self.answer(200, {"ok": True})
    def do_POST(self):
        x = json.loads(self.rfile.read(int(self.headers["content-length"])))["x"]
        line = LINES.get({"/v1/predict": "tiny", "/v1/big": "big"}[self.path])
        if line is None:
            return self.answer(503, {"error": "no such model yet"})
        self.answer(200, {"label": "small" if x < line else "large"})
    def log_message(self, *_):
        pass

if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"#;

/// The open pull request of a branch whose title says so.
async fn open(t: &World, branch: &str, title: &str) -> u64 {
    t.until(title, async |t| {
        let mut all = t.proposals(branch).await.into_iter();
        let is_it = |pull: &Value| {
            pull["state"] == "open" && pull["title"].as_str().is_some_and(|is| is.contains(title))
        };
        all.find(is_it)?["number"].as_u64()
    })
    .await
}

/// Agrees to a model's open proposal and to its promotion; says when production serves `shown`.
async fn land(t: &World, branch: &str, shown: &str) {
    let proposal = open(t, branch, "Propose").await;
    t.say(REPO, "grace", proposal, "/lgtm").await;
    t.say(REPO, "ada", proposal, "/approve").await;
    t.until_merged(REPO, proposal).await;
    promote(t, shown).await;
    serves(t, shown).await;
}

/// Agrees to the open promotion.
async fn promote(t: &World, shown: &str) {
    let title = format!("Promote production to {shown}");
    let promotion = open(t, "bowsprit/promote-production", &title).await;
    t.say(REPO, "rita", promotion, "/approve").await;
    t.until_merged(REPO, promotion).await;
}

/// What production answers.
async fn asked(t: &World, path: &str, x: f64) -> (u16, Value) {
    let answer = Production::of(t).await.ask(path, x).await;
    answer.expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn two_models_share_a_service_and_keep_their_own_versions() {
    run_test(async |t| {
        t.push("tiny-training", "linus", "main", "Train", &[]).await;
        land(t, "bowsprit/tiny", "v1").await;

        let contract = t.read(REPO, "bowsprit.yaml").replace(
            "  tiny: {from: tiny-training}\n",
            "  tiny: {from: tiny-training}\n  big: {from: big-training, predict: /v1/big}\n",
        );
        let files = [("bowsprit.yaml", &contract[..]), ("serve.py", SERVE)];
        t.pull(REPO, "main").await;
        let pr = t.change(REPO, "linus", "zoo", &files).await;
        t.say(REPO, "grace", pr, "/lgtm").await;
        t.say(REPO, "ada", pr, "/approve").await;
        t.until_merged(REPO, pr).await;
        promote(t, "v1").await;
        t.settle().await;

        t.add_repository("big-training", "training").await;
        let contract = t.read("big-training", "bowsprit.yaml");
        let contract = contract.replace("model: tiny", "model: big");
        let rows = (60..140).map(|x| format!("{x},{}\n", if x < 100 { "small" } else { "large" }));
        let rows: String = rows.collect();
        let files = [
            ("bowsprit.yaml", &contract[..]),
            ("data.csv", &rows),
            ("holdout/rows.csv", &rows),
        ];
        t.push("big-training", "linus", "main", "Train", &files)
            .await;
        land(t, "bowsprit/big", "big v1, tiny v1").await;

        assert_eq!(
            asked(t, "/v1/predict", 60.0).await,
            (200, json!({"label": "large"}))
        );
        assert_eq!(
            asked(t, "/v1/big", 60.0).await,
            (200, json!({"label": "small"}))
        );

        let issue = json!({"title": "Odd answers"});
        let path = format!("/repos/ada/{REPO}/issues");
        let issue = t.api("rita", "POST", &path, Some(issue)).await["number"]
            .as_u64()
            .expect("a number");
        t.say(REPO, "rita", issue, "/rollback production 1").await;
        t.settle().await;
        assert_eq!(t.told(REPO, issue, "`big/v1` or `tiny/v1`").await, 1);
        t.say(REPO, "rita", issue, "/rollback production").await;
        serves(t, "v1").await;
        assert_eq!(asked(t, "/v1/big", 60.0).await.0, 503);
    })
    .await;
}
