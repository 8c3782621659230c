//! A GitHub that knows one repository and its issues, answers late, and counts the calls open at once.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Json, Response};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const TOKEN: &str = "ghs_of_the_figures";

/// What it counts and remembers.
pub(crate) struct World {
    delay: Duration,
    /// Comments that each issue had from the start.
    comments: usize,
    now: String,
    /// Calls of the installation, and those of them open now and at most.
    pub(crate) calls: AtomicUsize,
    open: AtomicUsize,
    pub(crate) open_max: AtomicUsize,
    /// Comments that were made, by issue.
    made: Mutex<BTreeMap<usize, Vec<Value>>>,
    /// Calls that it does not know.
    pub(crate) unknown: Mutex<Vec<String>>,
}

/// Starts it; says its address.
pub(crate) async fn start(
    delay: Duration,
    comments: usize,
) -> anyhow::Result<(String, Arc<World>)> {
    let world = Arc::new(World {
        delay,
        comments,
        now: jiff::Timestamp::now()
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .to_string(),
        calls: AtomicUsize::new(0),
        open: AtomicUsize::new(0),
        open_max: AtomicUsize::new(0),
        made: Mutex::new(BTreeMap::new()),
        unknown: Mutex::new(Vec::new()),
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let app = Router::new().fallback(answer).with_state(world.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok((format!("http://{address}"), world))
}

impl World {
    /// Comments made so far.
    pub(crate) fn made(&self) -> usize {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.values().map(Vec::len).sum()
    }
}

async fn answer(
    State(world): State<Arc<World>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let caller = headers
        .get("authorization")
        .and_then(|value| value.to_str().ok());
    let is_counted = caller.is_some_and(|caller| caller.ends_with(TOKEN));
    if is_counted {
        world.calls.fetch_add(1, Ordering::Relaxed);
        let open = world.open.fetch_add(1, Ordering::SeqCst) + 1;
        world.open_max.fetch_max(open, Ordering::SeqCst);
    }
    tokio::time::sleep(world.delay).await;
    let found = found(&world, &method, uri.path(), &body);
    if is_counted {
        world.open.fetch_sub(1, Ordering::SeqCst);
    }
    found.unwrap_or_else(|| {
        (StatusCode::NOT_FOUND, Json(json!({"message": "Not Found"}))).into_response()
    })
}

fn found(world: &World, method: &Method, path: &str, body: &Bytes) -> Option<Response> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let value = match (method.as_str(), parts.as_slice()) {
        ("GET", ["app"]) => json!({"id": 7, "slug": "bowsprit"}),
        ("GET", ["app", "installations"]) => {
            json!([{"id": 3, "account": {"login": "ada", "type": "User"}}])
        }
        ("GET", ["app", "hook", "deliveries"]) => json!([]),
        ("POST", ["app", "installations", _, "access_tokens"]) => {
            json!({"token": TOKEN, "expires_at": "2099-01-01T00:00:00Z"})
        }
        ("GET", ["installation", "repositories"]) => {
            json!({"total_count": 1, "repositories": [{"id": 1, "full_name": "ada/busy", "default_branch": "main"}]})
        }
        ("GET", ["repos", "ada", "busy", "issues", number, "comments"]) => {
            comments(world, number.parse().ok()?)
        }
        ("POST", ["repos", "ada", "busy", "issues", number, "comments"]) => {
            return Some(
                (
                    StatusCode::CREATED,
                    Json(create(world, number.parse().ok()?, body)?),
                )
                    .into_response(),
            );
        }
        ("GET", ["repos", "ada", "busy", "issues", number]) => json!({
            "number": number.parse::<usize>().ok()?, "state": "open", "title": "Odd", "body": "",
            "user": {"login": "grace", "type": "User"}, "created_at": world.now, "labels": [],
        }),
        ("GET", ["repos", "ada", "busy", "pulls"]) => json!([]),
        (
            "GET",
            ["repos", "ada", "busy", "pulls", _] | ["repos", "ada", "busy", "git", "ref", ..],
        ) => return None,
        (method, _) => {
            let mut unknown = world.unknown.lock().unwrap_or_else(PoisonError::into_inner);
            if unknown.len() < 20 {
                unknown.push(format!("{method} {path}"));
            }
            return None;
        }
    };
    Some(Json(value).into_response())
}

fn comments(world: &World, issue: usize) -> Value {
    let of_people = (0..world.comments).map(|number| {
        json!({
            "id": issue * 1_000 + number, "user": {"login": "grace", "type": "User"}, "body": "/help",
            "created_at": world.now, "updated_at": world.now,
        })
    });
    let made = world.made.lock().unwrap_or_else(PoisonError::into_inner);
    let of_bot = made.get(&issue).cloned().unwrap_or_default();
    of_people.chain(of_bot).collect()
}

fn create(world: &World, issue: usize, body: &Bytes) -> Option<Value> {
    let asked: Value = serde_json::from_slice(body).ok()?;
    let mut made = world.made.lock().unwrap_or_else(PoisonError::into_inner);
    let own = made.entry(issue).or_default();
    let comment = json!({
        "id": 100_000_000 + issue * 1_000 + own.len(), "user": {"login": "bowsprit[bot]", "type": "Bot"}, "body": asked["body"],
        "created_at": world.now, "updated_at": world.now,
    });
    own.push(comment.clone());
    Some(comment)
}
