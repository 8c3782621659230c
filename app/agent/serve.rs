//! A served model's process: started confined on a port of its own, waited for, held against samples, stopped.
//!
//! It shares the system's network namespace, since its callers do; Landlock leaves it one port to listen on and none to
//! connect to. It is reached on the loopback address only.

use crate::SelfCommand;
use crate::confine::{self, Plan, Started};
use crate::diagnose::{self, Evidence};
use bowsprit_core::training::spec::{Failure, FailureKind, ProbeResult, Sample, SampleSet};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

/// Receives the server's output, line by line, without colours and control codes.
pub type Lines = Arc<dyn Fn(&str) + Send + Sync>;

/// How often readiness is asked for.
const READY_POLL: Duration = Duration::from_millis(50);
/// How long one answer may take.
const ANSWER_WAIT: Duration = Duration::from_secs(30);
/// How long all samples together may take.
const VERIFY_WAIT: Duration = Duration::from_secs(300);
/// Largest answer. Units: bytes.
const ANSWER_BYTES_MAX: usize = 8 << 20;
/// How many last lines are kept to tell why a server ended.
const LINES_KEPT: usize = 100;

/// A served model's process.
pub struct Server {
    started: Started,
    addr: SocketAddr,
    since: Instant,
    last_lines: Arc<Mutex<VecDeque<String>>>,
    pumps: Vec<tokio::task::JoinHandle<()>>,
    memory_bytes: u64,
}

/// A TCP port that nobody listens on now. Errors: the system has none.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

/// Starts the planned server; `PORT` is added to its environment. `scratch` is as for [`confine::start`].
///
/// Errors: `Agent`, when the plan names no port or the process cannot be started.
pub async fn start(
    me: &SelfCommand,
    plan: &Plan,
    scratch: &Path,
    lines: Lines,
) -> Result<Server, Failure> {
    let Some(port) = plan.bind_port else {
        return Err(failure(
            FailureKind::Agent,
            "the server's plan names no port".to_owned(),
        ));
    };
    let mut plan = plan.clone();
    plan.env.insert("PORT".to_owned(), port.to_string());
    let cannot = |error: io::Error| {
        failure(
            FailureKind::Agent,
            format!("cannot start the server: {error}"),
        )
    };
    let mut started = confine::start(me, &plan, scratch).map_err(cannot)?;
    let last_lines = Arc::new(Mutex::new(VecDeque::new()));
    let mut pumps = Vec::new();
    if let Some((stdout, stderr)) = started.output() {
        pumps.push(tokio::spawn(pump(
            stdout,
            last_lines.clone(),
            lines.clone(),
        )));
        pumps.push(tokio::spawn(pump(stderr, last_lines.clone(), lines)));
    }
    Ok(Server {
        started,
        addr: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        since: Instant::now(),
        last_lines,
        pumps,
        memory_bytes: plan.rlimits.data_bytes.unwrap_or(u64::MAX),
    })
}

impl Server {
    /// Where it listens, or will.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its keeper's process id.
    pub fn pid(&self) -> Option<u32> {
        self.started.pid()
    }

    /// Waits until GET `path` answers 2xx, and returns how long that took since the start.
    ///
    /// Errors: `NotReady`, or a better-known cause, when the process ends before or `limit` passes.
    pub async fn wait_ready(&mut self, path: &str, limit: Duration) -> Result<Duration, Failure> {
        let (client, addr) = (client(), self.addr);
        let mut last = "it does not listen on PORT".to_owned();
        while self.since.elapsed() < limit {
            tokio::select! {
                failure = self.ended() => return Err(failure),
                answer = get(&client, addr, path) => match answer {
                    Ok(status) if status.is_success() => return Ok(self.since.elapsed()),
                    Ok(status) => last = format!("{path} answers {}", status.as_u16()),
                    Err(_) => {}
                }
            }
            tokio::select! {
                failure = self.ended() => return Err(failure),
                () = tokio::time::sleep(READY_POLL) => {}
            }
        }
        let text = format!(
            "the server was not ready within {} s: {last}",
            limit.as_secs()
        );
        Err(failure(FailureKind::NotReady, text))
    }

    /// Waits until the process has ended by itself, and says why it may have. May be dropped and called again.
    pub async fn ended(&mut self) -> Failure {
        let ended = self.started.wait().await;
        for pump in self.pumps.drain(..) {
            let _read = tokio::time::timeout(Duration::from_secs(1), pump).await;
        }
        let lines: Vec<String> = self
            .last_lines
            .lock()
            .map(|lines| lines.iter().cloned().collect())
            .unwrap_or_default();
        let (kind, message) = diagnose::cause(&Evidence {
            ended: &ended,
            lines: &lines,
            network: false,
            may_have_network: false,
            memory_bytes: self.memory_bytes,
        });
        let kind = if kind == FailureKind::Exit {
            FailureKind::NotReady
        } else {
            kind
        };
        failure(kind, format!("the server ended: {message}"))
    }

    /// Asks it to stop, gives it `grace`, then ends whatever is left of it.
    pub async fn stop(mut self, grace: Duration) {
        self.started.ask_to_stop();
        if tokio::time::timeout(grace, self.started.wait())
            .await
            .is_err()
        {
            self.started.kill().await;
        }
    }
}

/// Sends each sample to its path and compares the answers; `ready_ms` is left at 0.
pub async fn verify(addr: SocketAddr, sets: &[SampleSet]) -> ProbeResult {
    let client = client();
    let since = Instant::now();
    let mut took_us = Vec::new();
    let mut result = ProbeResult {
        compared: 0,
        mismatched: 0,
        first_mismatch: None,
        ready_ms: 0,
        p50_us: 0,
        p95_us: 0,
        openapi: get(&client, addr, "/openapi.json")
            .await
            .is_ok_and(|status| status.is_success()),
    };
    let mut questions: Vec<(&str, usize, &Sample)> = Vec::new();
    for set in sets {
        for (index, sample) in set.samples.iter().enumerate() {
            questions.push((&set.predict, index + 1, sample));
        }
    }
    for (predict, number, sample) in questions {
        let asked = Instant::now();
        let difference = if since.elapsed() < VERIFY_WAIT {
            match post(&client, addr, predict, &sample.input).await {
                Ok(answer) => difference(&sample.output, &answer, sample.tolerance, "answer"),
                Err(error) => Some(error),
            }
        } else {
            Some("there was no time left to ask".to_owned())
        };
        took_us.push(u64::try_from(asked.elapsed().as_micros()).unwrap_or(u64::MAX));
        result.compared += 1;
        if let Some(difference) = difference {
            result.mismatched += 1;
            result.first_mismatch.get_or_insert_with(|| match sets {
                [] | [_] => format!("sample {number}: {difference}"),
                [..] => format!("sample {number} at {predict}: {difference}"),
            });
        }
    }
    took_us.sort_unstable();
    result.p50_us = percentile(&took_us, 50);
    result.p95_us = percentile(&took_us, 95);
    result
}

/// Where `got` is not what `wanted` says, in words; more keys than wanted are allowed.
fn difference(wanted: &Value, got: &Value, tolerance: f64, at: &str) -> Option<String> {
    let differ = || {
        Some(format!(
            "{at} is {} instead of {}",
            brief(got),
            brief(wanted)
        ))
    };
    match (wanted, got) {
        (Value::Number(a), Value::Number(b)) => match (a.as_f64(), b.as_f64()) {
            (Some(x), Some(y)) if a == b || (x - y).abs() <= tolerance => None,
            (Some(_) | None, Some(_) | None) => differ(),
        },
        (Value::Array(a), Value::Array(b)) => {
            if a.len() != b.len() {
                return Some(format!(
                    "{at} has {} elements instead of {}",
                    b.len(),
                    a.len()
                ));
            }
            let mut pairs = a.iter().zip(b).enumerate();
            pairs.find_map(|(index, (x, y))| difference(x, y, tolerance, &format!("{at}[{index}]")))
        }
        (Value::Object(a), Value::Object(b)) => a.iter().find_map(|(key, x)| match b.get(key) {
            Some(y) => difference(x, y, tolerance, &format!("{at}.{key}")),
            None => Some(format!("{at}.{key} is missing")),
        }),
        (
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_),
        ) => (wanted != got).then(differ).flatten(),
    }
}

fn brief(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() > 80 {
        text.chars().take(80).chain(['…']).collect()
    } else {
        text
    }
}

fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let rank = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(rank).copied().unwrap_or(0)
}

type HttpClient = Client<HttpConnector, Full<Bytes>>;

fn client() -> HttpClient {
    Client::builder(TokioExecutor::new()).build_http()
}

async fn get(
    client: &HttpClient,
    addr: SocketAddr,
    path: &str,
) -> Result<http::StatusCode, String> {
    let request = http::Request::get(address(addr, path))
        .body(Full::default())
        .map_err(|error| error.to_string())?;
    let (status, _) = send(client, request).await?;
    Ok(status)
}

async fn post(
    client: &HttpClient,
    addr: SocketAddr,
    path: &str,
    input: &Value,
) -> Result<Value, String> {
    let request = http::Request::post(address(addr, path))
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(Full::from(input.to_string()))
        .map_err(|error| error.to_string())?;
    let (status, body) = send(client, request).await?;
    if !status.is_success() {
        let text = String::from_utf8_lossy(&body);
        let text: String = text.chars().filter(|c| !c.is_control()).take(120).collect();
        return Err(format!("{path} answers {}: {text}", status.as_u16()));
    }
    serde_json::from_slice(&body).map_err(|error| format!("the answer is not JSON: {error}"))
}

fn address(addr: SocketAddr, path: &str) -> String {
    format!("http://{addr}/{}", path.trim_start_matches('/'))
}

async fn send(
    client: &HttpClient,
    request: http::Request<Full<Bytes>>,
) -> Result<(http::StatusCode, Bytes), String> {
    let exchange = async {
        let response = client
            .request(request)
            .await
            .map_err(|error| format!("no answer: {error}"))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
            .collect()
            .await;
        let body = body.map_err(|error| format!("the answer broke off: {error}"))?;
        Ok((status, body.to_bytes()))
    };
    tokio::time::timeout(ANSWER_WAIT, exchange)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {} s", ANSWER_WAIT.as_secs())))
}

async fn pump(from: impl AsyncRead + Unpin, kept: Arc<Mutex<VecDeque<String>>>, lines: Lines) {
    let mut reader = BufReader::new(from);
    let mut buffer = Vec::new();
    while let Ok(true) = next_line(&mut reader, &mut buffer).await {
        let line = crate::files::plain_line(&buffer);
        lines(&line);
        if let Ok(mut kept) = kept.lock() {
            kept.push_back(line);
            if kept.len() > LINES_KEPT {
                kept.pop_front();
            }
        }
    }
}

/// Reads the next line, its end included; what is longer than the cap comes in pieces. False at the end.
pub(crate) async fn next_line(
    reader: &mut (impl tokio::io::AsyncBufRead + Unpin),
    line: &mut Vec<u8>,
) -> io::Result<bool> {
    use tokio::io::AsyncReadExt as _;
    line.clear();
    let cap = crate::files::LINE_BYTES_MAX as u64;
    Ok(reader.take(cap).read_until(b'\n', line).await? > 0)
}

fn failure(kind: FailureKind, message: String) -> Failure {
    Failure {
        kind,
        step: "serve".to_owned(),
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn answers_are_compared_as_far_as_the_sample_goes() {
        let check = |wanted: Value, got: Value, tolerance: f64| {
            difference(&wanted, &got, tolerance, "answer")
        };
        assert_eq!(
            check(json!({"y": 1.0}), json!({"y": 1.0005, "extra": 1}), 0.001),
            None
        );
        assert_eq!(check(json!([1, 2.5]), json!([1.0, 2.5]), 0.0), None);
        assert_eq!(
            check(json!({"y": [1, 2]}), json!({"y": [1, 3]}), 0.5).as_deref(),
            Some("answer.y[1] is 3 instead of 2")
        );
        assert!(check(json!([1]), json!([1, 2]), 9.0).is_some());
        assert!(check(json!({"y": 1}), json!({}), 9.0).is_some());
        assert!(check(json!("a"), json!("b"), 9.0).is_some());
        assert!(check(json!(1), json!("1"), 9.0).is_some());
        assert!(check(json!(1.0), json!(2.0), f64::NAN).is_some());
    }

    #[test]
    fn percentiles_are_taken_from_what_was_seen() {
        let seen: Vec<u64> = (1..=100).collect();
        assert_eq!((percentile(&seen, 50), percentile(&seen, 95)), (50, 95));
        assert_eq!(percentile(&[7], 95), 7);
        assert_eq!(percentile(&[], 50), 0);
    }
}
