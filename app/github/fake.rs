//! A small GitHub for the tests of this room: it keeps what it is given, counts calls, and fails as told.
//! A call that it does not know is a failed test.

mod world;

pub(super) use world::{Fault, World, id};

use crate::github::apply::Desk;
use crate::github::budget::Limits;
use crate::github::client::{GitHub, Settings};
use crate::github::place::Place;
use crate::text::Texts;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bowsprit_core::effect::{Effect, Intent, Priority};
use bowsprit_core::name::{Digest, Repo, RepoId, RepoName};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, MutexGuard};

/// A key made for these tests.
const KEY: &str = include_str!("fake/app.pem");

/// The server with a client to it.
pub(super) struct Fake {
    pub(super) world: Arc<Mutex<World>>,
    pub(super) github: GitHub,
    pub(super) texts: Texts,
}

impl Fake {
    pub(super) async fn start() -> Fake {
        Fake::with_limits(Limits::default()).await
    }

    pub(super) async fn with_limits(limits: Limits) -> Fake {
        let world = Arc::new(Mutex::new(World::default()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(answer).with_state(world.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let settings = Settings {
            api_url: format!("http://{address}/api/v3"),
            app_id: "12".to_owned(),
            private_key_pem: SecretString::from(KEY),
            ca_pem: None,
            user_agent: "bowsprit-test".to_owned(),
        };
        let fake = Fake {
            world,
            github: GitHub::with_limits(settings, limits).unwrap(),
            texts: texts(),
        };
        fake.world()
            .commit("base", "tree-of-base", None, "start", "a person");
        fake
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    pub(super) fn place(&self) -> Place {
        self.github.at(5, repo())
    }

    /// Applies an effect under a key, which may have been tried before.
    pub(super) async fn apply(
        &self,
        key: &str,
        effect: Effect,
    ) -> Result<bowsprit_core::effect::EffectResult, crate::github::error::ApiError> {
        self.try_to((key, false), effect).await
    }

    /// Applies an effect under a key, which was never tried before where `is_first`.
    pub(super) async fn try_to(
        &self,
        (key, is_first): (&str, bool),
        effect: Effect,
    ) -> Result<bowsprit_core::effect::EffectResult, crate::github::error::ApiError> {
        let intent = Intent {
            key: key.to_owned(),
            is_view: false,
            priority: Priority::Change,
            effect,
        };
        let desk = Desk {
            texts: &self.texts,
            public_url: "https://bot.example",
            content: &|digest: Digest| {
                Box::pin(async move { Ok(format!("{digest}\n").into_bytes()) })
            },
            is_first,
        };
        crate::github::apply::apply(&self.place(), &intent, &desk).await
    }

    pub(super) fn fail(&self, call: &str, fault: Fault) {
        self.world().faults.push((call.to_owned(), fault));
    }

    /// How many calls there were whose line begins so.
    pub(super) fn count(&self, call: &str) -> usize {
        self.world()
            .calls
            .iter()
            .filter(|line| line.starts_with(call))
            .count()
    }
}

/// Two templates of these tests' own.
fn texts() -> Texts {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("test")).unwrap();
    for (name, text) in [
        ("plain", "{{message}}\n"),
        ("pull", "{{message}}\n\nMade as {{sha commit}}.\n"),
    ] {
        std::fs::write(dir.path().join(format!("test/{name}.hbs")), text).unwrap();
    }
    Texts::load(Some(dir.path())).unwrap()
}

pub(super) fn repo() -> Repo {
    Repo {
        id: RepoId(9),
        name: RepoName::parse("o/r").unwrap(),
    }
}

async fn answer(State(world): State<Arc<Mutex<World>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let path = parts
        .uri
        .path()
        .strip_prefix("/api/v3")
        .unwrap_or("outside")
        .to_owned();
    let header = |name: &str| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    assert_eq!(
        (header("user-agent"), header("x-github-api-version")),
        ("bowsprit-test", "2022-11-28")
    );
    assert!(header("authorization").starts_with("Bearer "));
    let mut world = world.lock().unwrap();
    let line = format!("{} {path}", parts.method);
    let at = world
        .faults
        .iter()
        .position(|(call, _)| line.starts_with(call));
    let fault = at.map(|at| world.faults.remove(at).1);
    world.calls.push(line);
    world.bodies.push(body.clone());
    let build = |status: u16, headers: &[(&str, &str)], body: &Value| {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        response.body(Body::from(body.to_string())).unwrap()
    };
    if let Some(Fault::Instead(status, headers, body)) = &fault {
        return build(*status, headers, body);
    }
    let (status, value) = world.answer(
        parts.method.as_str(),
        &path,
        parts.uri.query().unwrap_or_default(),
        &body,
    );
    if let Some(Fault::After(status)) = fault {
        return build(status, &[], &json!({"message": "oops"}));
    }
    let etag = format!("\"{}\"", Digest::of(value.to_string().as_bytes()).short());
    if status == 200 && header("if-none-match") == etag {
        world.calls.last_mut().unwrap().push_str(" 304");
        return build(304, &[], &Value::Null);
    }
    build(status, &[("etag", &etag)], &value)
}
