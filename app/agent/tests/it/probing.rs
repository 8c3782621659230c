//! A server held against its samples.

use crate::order::{Order, PYTHON, any_process_in, assert_succeeded};
use bowsprit_core::training::spec::{FailureKind, Sample, SampleSet, ServeProbe};
use serde_json::json;
use std::collections::BTreeMap;

const SERVER: &str = r#"
import http.server, json, os
weights = json.load(open(os.environ["MODEL_DIR"] + "/weights.json"))
class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        self.answer(200 if self.path in ("/readyz", "/openapi.json") else 404, {})
    def do_POST(self):
        x = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["x"]
        factor = weights[0] * (10 if self.path == "/tens" else 1)
        self.answer(200, {"y": x * factor + 0.0001, "model": os.environ["MODEL_NAME"]})
    def log_message(self, *args):
        pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"#;

/// Numbers and what becomes of them.
fn set(predict: &str, pairs: &[(f64, f64)]) -> SampleSet {
    let samples = pairs.iter().map(|(x, y)| Sample {
        input: json!({ "x": x }),
        output: json!({ "y": y }),
        tolerance: 0.001,
    });
    SampleSet::new(predict, samples.collect())
}

fn order(expected: f64, run: &[&str]) -> Order {
    let mut order = Order::new(&[("server.py", SERVER)]).model("digits", b"[2]");
    order.spec.serve = Some(ServeProbe {
        run: run.iter().map(|word| (*word).to_owned()).collect(),
        ready: "/readyz".to_owned(),
        env: BTreeMap::new(),
        sample_sets: vec![set("/predict", &[(1.0, 2.0), (2.0, expected)])],
        ready_timeout_s: 20,
        cpu_millis: 500,
        memory_bytes: 256 << 20,
        model: Some("digits".to_owned()),
    });
    order
}

#[test]
fn a_server_that_answers_as_its_samples_passes() {
    let order = order(4.0, &[PYTHON, "server.py"]);
    let result = order.run();
    assert_succeeded(&order, &result);
    let probe = result.probe.unwrap();
    assert_eq!(
        (probe.compared, probe.mismatched, probe.openapi),
        (2, 0, true)
    );
    assert!(probe.p50_us > 0 && probe.p95_us >= probe.p50_us);
    assert!(!any_process_in(&order.path("work")));
}

#[test]
fn a_server_that_answers_otherwise_fails_with_the_first_difference() {
    let order = order(5.0, &[PYTHON, "server.py"]);
    let result = order.run();
    let failure = result.failure.unwrap();
    assert_eq!(failure.kind, FailureKind::Mismatch, "{failure:?}");
    assert!(
        failure.message.contains("1 of 2 answers differ"),
        "{failure:?}"
    );
    assert!(
        failure
            .message
            .contains("sample 2: answer.y is 4.0001 instead of 5.0"),
        "{failure:?}"
    );
    assert_eq!(result.probe.unwrap().mismatched, 1);
}

#[test]
fn each_set_of_samples_is_asked_at_its_path() {
    for (expected, told) in [
        (40.0, None),
        (
            4.0,
            Some("sample 1 at /tens: answer.y is 40.0001 instead of 4.0"),
        ),
    ] {
        let mut order = order(4.0, &[PYTHON, "server.py"]);
        let sets = &mut order.spec.serve.as_mut().unwrap().sample_sets;
        sets.push(set("/tens", &[(2.0, expected)]));
        let result = order.run();
        assert_eq!(result.probe.unwrap().compared, 3);
        let message = result.failure.map(|failure| failure.message);
        assert_eq!(message.is_some(), told.is_some(), "{message:?}");
        assert!(
            message
                .unwrap_or_default()
                .contains(told.unwrap_or_default())
        );
    }
}

#[test]
fn a_server_that_ends_or_never_listens_is_not_ready() {
    let mut silent = order(4.0, &["sleep", "600"]);
    silent.spec.serve.as_mut().unwrap().ready_timeout_s = 1;
    for (order, kind, words) in [
        (
            order(4.0, &[PYTHON, "-c", "print('bye')"]),
            FailureKind::NotReady,
            "it last said: bye",
        ),
        (
            order(4.0, &[PYTHON, "-c", "import fastapi_absent"]),
            FailureKind::MissingPackage,
            "`fastapi_absent`",
        ),
        (silent, FailureKind::NotReady, "not ready within 1 s"),
    ] {
        let failure = order.run().failure.unwrap();
        assert_eq!(failure.kind, kind, "{failure:?}");
        assert!(failure.message.contains(words), "{failure:?}");
        assert!(!any_process_in(&order.path("work")));
    }
}
