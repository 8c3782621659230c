//! What every story needs: a server with people and an App, a client, a webhook receiver.

use crate::receiver::Receiver;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bowsprit_hub::key::KeyPair;
use bowsprit_hub::{AppConfig, Config, PersonConfig, Running, WebhookConfig};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use tempfile::TempDir;

pub(crate) const APP_ID: u64 = 77;
pub(crate) const ADMIN: &str = "admin-token";
pub(crate) const SECRET: &str = "It's a Secret to Everybody";

/// The App's key pair, made once for all stories since it takes a while.
fn key() -> &'static KeyPair {
    static KEY: OnceLock<KeyPair> = OnceLock::new();
    KEY.get_or_init(|| bowsprit_hub::key::generate().expect("a key"))
}

/// A running server and its surroundings.
pub(crate) struct World {
    pub(crate) hub: Option<Running>,
    pub(crate) url: String,
    pub(crate) receiver: Receiver,
    pub(crate) dir: TempDir,
    pub(crate) config: Config,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Got {
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

/// Where this story's traffic goes when `tests/openapi/check.sh` wants it: a file with the story's name.
fn record_file() -> Option<PathBuf> {
    let dir = PathBuf::from(std::env::var_os("BOWSPRIT_RECORD_DIR")?);
    let story = std::thread::current()
        .name()
        .expect("a story has a name")
        .replace("::", "-");
    Some(dir.join(format!("hub-{story}.jsonl")))
}

impl World {
    /// A server with the people `alice` and `bob` and the App, installed for `alice`.
    pub(crate) async fn new() -> Self {
        let dir = TempDir::new().expect("a directory");
        let receiver = Receiver::start().await;
        let mut config = Config::new(dir.path().join("state"), ADMIN);
        config.people = ["alice", "bob"]
            .map(|login| PersonConfig {
                login: login.into(),
                id: None,
                name: None,
                token: format!("{login}-token"),
            })
            .to_vec();
        config.app = Some(AppConfig {
            id: APP_ID,
            client_id: None,
            slug: "helper".into(),
            name: None,
            owner: None,
            public_key: key().public_pem.clone(),
            permissions: std::collections::BTreeMap::new(),
            events: Vec::new(),
        });
        config.webhook = Some(WebhookConfig {
            url: receiver.url.clone(),
            secret: Some(SECRET.into()),
        });
        config.record = record_file();
        let hub = bowsprit_hub::start(config.clone()).await.expect("a server");
        let world = Self {
            url: hub.url.clone(),
            hub: Some(hub),
            receiver,
            dir,
            config,
            client: Client::builder(TokioExecutor::new()).build_http(),
        };
        world
            .admin(
                "POST",
                "/_hub/installations",
                json!({"account": "alice", "id": 5}),
            )
            .await
            .is(200);
        world
    }

    /// A world with the repository `alice/demo`, which has one commit on `main`.
    pub(crate) async fn with_repo() -> Self {
        let world = Self::new().await;
        world
            .post(
                "alice",
                "/user/repos",
                json!({"name": "demo", "auto_init": true}),
            )
            .await
            .is(201);
        world
    }

    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Result<Got, hyper_util::client::legacy::Error> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let request = request
            .body(Full::new(Bytes::from(body)))
            .expect("a request");
        let answer = self.client.request(request).await?;
        let (parts, body) = answer.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Ok(Got {
            status: parts.status,
            headers: parts.headers,
            json: serde_json::from_str(&text).unwrap_or_default(),
            text,
        })
    }

    /// One API call by a person's name or by a token.
    pub(crate) async fn api(
        &self,
        method: &str,
        who: &str,
        path: &str,
        body: Option<Value>,
    ) -> Got {
        let token = match who {
            "alice" | "bob" => format!("{who}-token"),
            token => token.to_owned(),
        };
        let authorization = format!("Bearer {token}");
        let headers = [
            ("user-agent", "story"),
            ("authorization", authorization.as_str()),
        ];
        self.call(method, path, &headers, body)
            .await
            .expect("an answer")
    }

    pub(crate) async fn get(&self, who: &str, path: &str) -> Got {
        self.api("GET", who, path, None).await
    }

    pub(crate) async fn post(&self, who: &str, path: &str, body: Value) -> Got {
        self.api("POST", who, path, Some(body)).await
    }

    pub(crate) async fn put(&self, who: &str, path: &str, body: Value) -> Got {
        self.api("PUT", who, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, who: &str, path: &str, body: Value) -> Got {
        self.api("PATCH", who, path, Some(body)).await
    }

    pub(crate) async fn admin(&self, method: &str, path: &str, body: Value) -> Got {
        self.api(method, ADMIN, path, Some(body)).await
    }

    /// A fresh token of the installation for everything it may do.
    pub(crate) async fn token(&self) -> String {
        self.token_with(json!({})).await.is(201).json["token"]
            .as_str()
            .expect("a token")
            .to_owned()
    }

    pub(crate) async fn token_with(&self, body: Value) -> Got {
        let path = "/app/installations/5/access_tokens";
        self.post(&jwt(now() - 60, now() + 540), path, body).await
    }

    /// Writes a file on a branch as one commit and returns the commit.
    pub(crate) async fn write(&self, branch: &str, path: &str, text: &str) -> String {
        let old = self
            .get(
                "alice",
                &format!("/repos/alice/demo/contents/{path}?ref={branch}"),
            )
            .await;
        let mut body = json!({
            "message": format!("Write {path}"), "branch": branch,
            "content": STANDARD.encode(text),
        });
        if old.status == StatusCode::OK {
            body["sha"] = old.json["sha"].clone();
        }
        let got = self
            .put("alice", &format!("/repos/alice/demo/contents/{path}"), body)
            .await;
        assert!(got.status.is_success(), "{}", got.text);
        got.json["commit"]["sha"]
            .as_str()
            .expect("a sha")
            .to_owned()
    }

    pub(crate) async fn tip(&self, branch: &str) -> String {
        let path = format!("/repos/alice/demo/git/ref/heads/{branch}");
        self.get("alice", &path).await.is(200).json["object"]["sha"]
            .as_str()
            .expect("a sha")
            .to_owned()
    }

    pub(crate) async fn branch(&self, name: &str) -> String {
        let sha = self.tip("main").await;
        self.post(
            "alice",
            "/repos/alice/demo/git/refs",
            json!({"ref": format!("refs/heads/{name}"), "sha": sha}),
        )
        .await
        .is(201);
        sha
    }

    /// A branch with one commit and a pull request for it; returns its number.
    pub(crate) async fn pull(&self, branch: &str) -> u64 {
        self.branch(branch).await;
        self.write(branch, &format!("{branch}.txt"), "one\n").await;
        self.post(
            "alice",
            "/repos/alice/demo/pulls",
            json!({"title": branch, "head": branch, "base": "main", "body": "Why"}),
        )
        .await
        .is(201)
        .json["number"]
            .as_u64()
            .expect("a number")
    }

    /// Stops the server and starts it again on the same directory.
    pub(crate) async fn restart(&mut self) {
        let hub = self.hub.take().expect("a running server");
        hub.shutdown().await.expect("a clean end");
        let hub = bowsprit_hub::start(self.config.clone())
            .await
            .expect("a server");
        self.url.clone_from(&hub.url);
        self.hub = Some(hub);
    }

    /// Runs git in a folder of the world.
    pub(crate) fn git(&self, folder: &str, args: &[&str]) -> String {
        git_in(&self.dir.path().join(folder), args)
    }
}

pub(crate) fn git_in(folder: &Path, args: &[&str]) -> String {
    std::fs::create_dir_all(folder).expect("a folder");
    let output = Command::new("git")
        .current_dir(folder)
        .args(args)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_AUTHOR_NAME", "Alice")
        .env("GIT_AUTHOR_EMAIL", "alice@example.com")
        .env("GIT_COMMITTER_NAME", "Alice")
        .env("GIT_COMMITTER_EMAIL", "alice@example.com")
        .output()
        .expect("git runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if !output.status.success() {
        return format!("failed: {}", text(&output.stderr));
    }
    text(&output.stdout)
}

pub(crate) fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// A JWT of the App.
pub(crate) fn jwt(issued: i64, expires: i64) -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!(
        "{}.{}",
        part(json!({"typ": "JWT", "alg": "RS256"})),
        part(json!({"iat": issued, "exp": expires, "iss": APP_ID.to_string()}))
    );
    let body: String = key()
        .private_pem
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    let der = STANDARD.decode(body).expect("base64");
    let key = RsaKeyPair::from_der(&der).expect("a key");
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(
        &RSA_PKCS1_SHA256,
        &ring::rand::SystemRandom::new(),
        signed.as_bytes(),
        &mut signature,
    )
    .expect("a signature");
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}
