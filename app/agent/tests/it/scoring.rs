//! A scoring file behind the server that stands in for `serve.run`.

use crate::order::PYTHON;
use bowsprit_core::name::RepoPath;
use bowsprit_core::serving::score;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SCORE: &str = r#"
import json, os

starts = 0
sample_input, sample_output = {"x": [1.0]}, {"y": [2.0]}

def init():
    global weight, starts
    starts += 1
    weight = json.load(open(os.environ["MODEL_DIR"] + "/weights.json"))[0]

def run(data):
    if isinstance(data, bytes):
        return data[::-1]
    if data["x"] == "odd":
        raise RuntimeError("no answer")
    return {"y": [x * weight for x in data["x"]], "starts": starts}
"#;

const PATIENCE: Duration = Duration::from_secs(20);

struct Server {
    child: Child,
    port: u16,
    _dir: tempfile::TempDir,
}

impl Server {
    fn start(text: &str) -> Server {
        let dir = tempfile::TempDir::new().unwrap();
        std::fs::write(dir.path().join("score.py"), text).unwrap();
        std::fs::write(dir.path().join("weights.json"), "[2]").unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let file = RepoPath::parse("score.py").unwrap();
        let argv = score::command(&file, "/readyz", "/v1/predict");
        let child = Command::new(PYTHON)
            .args(&argv[1..])
            .current_dir(dir.path())
            .env("PORT", port.to_string())
            .env("MODEL_DIR", dir.path())
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let _dir = dir;
        Server { child, port, _dir }
    }

    fn ready(text: &str) -> Server {
        let server = Server::start(text);
        let began = Instant::now();
        while !server.get("/readyz").starts_with("HTTP/1.1 200") {
            assert!(began.elapsed() < PATIENCE, "it does not become ready");
        }
        server
    }

    fn call(&self, request: &str, body: &[u8]) -> String {
        let Ok(mut socket) = TcpStream::connect(("127.0.0.1", self.port)) else {
            return String::new();
        };
        let head = format!("{request}\r\nHost: a\r\nConnection: close\r\n\r\n");
        let mut answer = Vec::new();
        let _ended = socket
            .write_all(&[head.as_bytes(), body].concat())
            .and_then(|()| socket.read_to_end(&mut answer));
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn get(&self, path: &str) -> String {
        self.call(&format!("GET {path} HTTP/1.1"), b"")
    }

    fn post(&self, kind: &str, body: &[u8]) -> String {
        let length = body.len();
        let head = format!(
            "POST /v1/predict HTTP/1.1\r\nContent-Type: {kind}\r\nContent-Length: {length}"
        );
        self.call(&head, body)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[track_caller]
fn check(answer: &str, status: u16, end: &str) {
    assert!(
        answer.starts_with(&format!("HTTP/1.1 {status} ")),
        "{answer}"
    );
    assert!(answer.ends_with(end), "{answer}");
}

#[test]
fn init_runs_once_and_run_for_every_request() {
    let server = Server::ready(SCORE);
    let json = "application/json";
    for _ in 0..2 {
        let answer = server.post(json, br#"{"x": [1, 2.5]}"#);
        check(&answer, 200, r#"{"y": [2, 5.0], "starts": 1}"#);
    }
    check(&server.post("application/octet-stream", b"abc"), 200, "cba");
    check(
        &server.post(json, br#"{"x": "odd"}"#),
        500,
        r#"{"error": "RuntimeError: no answer"}"#,
    );
    check(
        &server.post(json, b"{}"),
        400,
        r#"{"error": "KeyError: 'x'"}"#,
    );
    check(&server.post(json, b"{"), 400, "}");
    check(&server.get("/v1/predict"), 405, "takes POST\"}");
    let document = server.get("/openapi.json");
    check(&document, 200, "}");
    assert!(
        document.contains(r#""items": {"type": "number"}"#),
        "{document}"
    );
}

#[test]
fn a_file_without_its_functions_says_which() {
    let mut server = Server::start("def init(): pass");
    let mut said = String::new();
    let stderr = server.child.stderr.as_mut().unwrap();
    stderr.read_to_string(&mut said).unwrap();
    assert!(said.contains("score.py has no function `run`"), "{said}");
}

#[test]
fn a_body_without_end_is_refused() {
    let server = Server::ready(SCORE);
    let head = "POST /v1/predict HTTP/1.1\r\nContent-Length: 99999999999";
    check(&server.call(head, b""), 413, "says how many\"}");
    let head = "POST /v1/predict HTTP/1.1\r\nTransfer-Encoding: chunked";
    let chunks = b"6\r\n{\"x\": \r\n4\r\n[4]}\r\n0\r\n\r\n";
    check(
        &server.call(head, chunks),
        200,
        r#"{"y": [8], "starts": 1}"#,
    );
    check(&server.call(head, b"-1\r\n"), 413, "says how many\"}");
}
