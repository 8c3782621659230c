//! A door before rooms that hold a sample of everything, with three tokens.

use crate::artifacts::Artifacts;
use crate::config::Config;
use crate::git::fetch::FetchLimits;
use crate::git::mirror::{self, Mirrors};
use crate::github::client::{GitHub, Settings};
use crate::http::health::Readiness;
use crate::http::{Front, router};
use crate::releases::Target;
use crate::runs::Backend;
use crate::store::{Commit, NewDelivery, Scope, Store};
use crate::text::Texts;
use crate::worker::{Rooms, now_ms};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use bowsprit_core::effect::{Effect, Intent, Priority, Record, Wake};
use bowsprit_core::name::{BranchName, CommentId, Digest, Login, Repo, RepoId, RepoName};
use bowsprit_core::subject::SubjectKey;
use bowsprit_core::subject::ask::RepoView;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use std::sync::{Arc, OnceLock};
use tempfile::TempDir;
use tower::ServiceExt as _;

/// A delivery that was given up.
pub(super) const DEAD_GUID: &str = "72d3162e-cc78-11e3-81ab-4c9367dc0958";

/// A door and what stands behind it.
pub(super) struct Bench {
    pub(super) app: Router,
    pub(super) rooms: Arc<Rooms>,
    pub(super) dir: TempDir,
}

/// An answer, whole.
pub(super) struct Got {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Got {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

fn pem() -> &'static str {
    static PEM: OnceLock<String> = OnceLock::new();
    PEM.get_or_init(|| bowsprit_hub::key::generate().unwrap().private_pem)
}

/// The token of a scope, as callers have it.
pub(super) fn token(scope: Scope) -> String {
    format!("bsp_{scope:?}")
}

impl Bench {
    /// Empty rooms.
    pub(super) async fn empty(is_open: bool) -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let config = config(&dir, is_open);
        let store = Store::open(&config.store_url).await.unwrap();
        for scope in [Scope::Read, Scope::Run, Scope::Admin] {
            let name = format!("{scope:?}").to_lowercase();
            store
                .put_token(&name, &Digest::of(token(scope).as_bytes()), scope)
                .await
                .unwrap();
        }
        let rooms = Arc::new(rooms(&config, store));
        let app = router(Front {
            config: &config,
            rooms: rooms.clone(),
            readiness: Readiness::default(),
        });
        Bench { app, rooms, dir }
    }

    /// Rooms with a pair, a run, a queue with something given up.
    pub(super) async fn sample() -> Bench {
        Bench::empty(false).await.filled().await
    }

    pub(super) async fn filled(self) -> Bench {
        for (id, name) in [
            (1, "ada/digits-training"),
            (2, "ada/digits-service"),
            (3, "ada/website"),
        ] {
            let repo = Repo {
                id: RepoId(id),
                name: RepoName::parse(name).unwrap(),
            };
            let view = RepoView {
                repo,
                default_branch: BranchName::parse("main").unwrap(),
            };
            self.rooms.store.put_repository(&view, 1).await.unwrap();
        }
        super::samples::fill(&self).await;
        self.give_up_an_effect().await;
        self.give_up_a_delivery().await;
        self
    }

    /// Writes what a step of this subject would write.
    pub(super) async fn step(
        &self,
        subject: SubjectKey,
        state: Value,
        records: Vec<Record>,
        at_ms: i64,
    ) {
        let commit = Commit {
            state,
            intents: Vec::new(),
            wakes: Vec::new(),
            records,
            look_again_ms: None,
            hints_taken: Vec::new(),
            withdrawn: Vec::new(),
        };
        self.act(subject, commit, at_ms).await;
    }

    async fn act(&self, subject: SubjectKey, commit: Commit, at_ms: i64) {
        let store = &self.rooms.store;
        store
            .wake(vec![Wake {
                subject: subject.clone(),
                hint: None,
            }])
            .await
            .unwrap();
        let claim = store.claim_subject(at_ms).await.unwrap().unwrap();
        assert_eq!(claim.key, subject);
        assert!(store.commit_step(&claim, commit).await.unwrap());
    }

    async fn give_up_an_effect(&self) {
        let repo = Repo {
            id: RepoId(2),
            name: RepoName::parse("ada/digits-service").unwrap(),
        };
        let effect = Effect::React {
            repo,
            comment: CommentId::Comment(9),
            content: "+1".to_owned(),
        };
        let intent = Intent {
            key: "react:2:9".to_owned(),
            is_view: false,
            priority: Priority::Answer,
            effect,
        };
        let subject = SubjectKey::Pull(RepoId(2), bowsprit_core::name::PrNumber(99));
        let commit = Commit {
            state: json!({}),
            intents: vec![intent],
            wakes: Vec::new(),
            records: Vec::new(),
            look_again_ms: None,
            hints_taken: Vec::new(),
            withdrawn: Vec::new(),
        };
        self.act(subject, commit, now_ms()).await;
        let store = &self.rooms.store;
        for _ in 0..crate::store::EFFECT_ATTEMPTS_MAX {
            let claims = store.claim_effects(now_ms(), 10).await.unwrap();
            for claim in claims {
                store
                    .retry_effect(&claim, "GitHub: 502 <b>bad</b> gateway", 0, true)
                    .await
                    .unwrap();
            }
        }
        assert_eq!(store.dead_effects(10).await.unwrap().len(), 1);
        // Whoever wanted the effect looks again; nobody steps here.
        while let Some(claim) = store.claim_subject(now_ms()).await.unwrap() {
            let commit = Commit {
                state: json!({}),
                intents: Vec::new(),
                wakes: Vec::new(),
                records: Vec::new(),
                look_again_ms: None,
                hints_taken: Vec::new(),
                withdrawn: Vec::new(),
            };
            store.commit_step(&claim, commit).await.unwrap();
        }
    }

    async fn give_up_a_delivery(&self) {
        let store = &self.rooms.store;
        let new = NewDelivery {
            guid: DEAD_GUID.to_owned(),
            event: "push".to_owned(),
            action: None,
            body: "{}".into(),
            received_ms: now_ms() - 60_000,
        };
        store.accept(new).await.unwrap();
        let mut now = now_ms();
        for _ in 0..crate::store::DELIVERY_ATTEMPTS_MAX {
            now += 3_600_000;
            for delivery in store.claim_deliveries(now, 10).await.unwrap() {
                store
                    .fail_delivery(delivery.id, "no installation shows repository 4", now)
                    .await
                    .unwrap();
            }
        }
        assert_eq!(
            store
                .deliveries(Some(crate::store::DeliveryState::Dead), 10)
                .await
                .unwrap()
                .len(),
            1
        );
    }

    /// A request with a token, where a scope is given.
    pub(super) async fn ask(
        &self,
        method: &str,
        path: &str,
        scope: Option<Scope>,
        body: &str,
    ) -> Got {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "127.0.0.1:8080");
        if let Some(scope) = scope {
            request = request.header("authorization", format!("Bearer {}", token(scope)));
        }
        self.send(request.body(Body::from(body.to_owned())).unwrap())
            .await
    }

    pub(super) async fn get(&self, path: &str) -> Got {
        self.ask("GET", path, Some(Scope::Read), "").await
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Got {
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Got {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }
}

fn config(dir: &TempDir, is_open: bool) -> Config {
    let home = dir.path().display();
    std::fs::write(dir.path().join("key.pem"), pem()).unwrap();
    std::fs::write(dir.path().join("secret"), "a secret of good length").unwrap();
    let text = format!(
        "state_dir = \"{home}/state\"\n[github]\napi_url = \"http://127.0.0.1:9\"\ngit_url = \"http://127.0.0.1:9\"\nweb_url = \"https://github.example\"\napp_id = 7\nprivate_key_file = \"{home}/key.pem\"\nwebhook_secret_files = [\"{home}/secret\"]\n[front]\nopen_reading = {is_open}\n"
    );
    let path = dir.path().join("bowsprit.toml");
    std::fs::write(&path, text).unwrap();
    Config::load(Some(&path), std::iter::empty()).unwrap()
}

fn rooms(config: &Config, store: Store) -> Rooms {
    let artifacts = Artifacts::open(&config.state_dir).unwrap();
    let program = vec!["/bin/false".into()];
    let mirrors = mirror::Settings {
        dir: config.state_dir.join("mirrors"),
        git_url: config.github.git_url.clone(),
        ca_file: None,
        limits: FetchLimits::default(),
    };
    let github = Settings {
        api_url: config.github.api_url.clone(),
        app_id: "7".to_owned(),
        private_key_pem: pem().to_owned().into(),
        ca_pem: None,
        user_agent: "bowsprit/test".to_owned(),
    };
    Rooms {
        mirrors: Mirrors::new(mirrors).unwrap(),
        runs: Backend::open(config, artifacts.clone(), program.clone(), None).unwrap(),
        releases: Target::open(config, artifacts.clone(), program, None).unwrap(),
        images: None,
        texts: Texts::load(None).unwrap(),
        snapshots: config.state_dir.join("snapshots"),
        public_url: config.public_url.clone(),
        chatops: config.chatops.clone(),
        every: config.reconcile_every,
        keep: config.retention,
        sweeping: tokio::sync::Mutex::default(),
        github: GitHub::new(github).unwrap(),
        bot: Login::parse("bowsprit[bot]").unwrap(),
        artifacts,
        store,
    }
}
