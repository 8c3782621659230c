//! A repository to fetch from, over smart HTTP on this machine, that asks for a token and writes down what it saw.

use crate::git::fetch::FetchLimits;
use crate::git::mirror::{Mirrors, Settings};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bowsprit_core::name::{CommitSha, Repo, RepoId, RepoName};
use git2::{FileMode, Oid, Repository, Signature, Time};
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;

pub(super) const TOKEN: &str = "ghs_1_canary.of+the/fetch";

/// What the server was asked, and what it saw of the token elsewhere than in the header.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) requests: Vec<String>,
    pub(super) leaks: Vec<String>,
}

/// A remote repository with its mirrors.
pub(super) struct Fixture {
    pub(super) mirrors: Mirrors,
    pub(super) repo: Repo,
    pub(super) log: Arc<Mutex<Log>>,
    remote: Repository,
    dir: TempDir,
}

#[derive(Clone)]
struct Server {
    remote: PathBuf,
    log: Arc<Mutex<Log>>,
}

impl Fixture {
    pub(super) async fn start() -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let remote_path = dir.path().join("remote.git");
        let remote = Repository::init_bare(&remote_path).unwrap();
        let log = Arc::new(Mutex::new(Log::default()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let git_url = format!("http://{}", listener.local_addr().unwrap());
        let server = Server {
            remote: remote_path,
            log: log.clone(),
        };
        let router = Router::new().fallback(answer).with_state(server);
        tokio::spawn(async move { axum::serve(listener, router).await });
        let settings = Settings {
            dir: dir.path().join("mirrors"),
            git_url,
            ca_file: None,
            limits: FetchLimits::default(),
        };
        Fixture {
            mirrors: Mirrors::new(settings).unwrap(),
            repo: Repo {
                id: RepoId(7),
                name: RepoName::parse("o/r").unwrap(),
            },
            log,
            remote,
            dir,
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Commits exactly these files; a text beginning with `->` is a link, `+x` makes it executable.
    pub(super) fn commit(&self, files: &[(&str, &str)], parents: &[&CommitSha]) -> CommitSha {
        let named: BTreeMap<Vec<u8>, &str> = files
            .iter()
            .map(|(path, text)| (path.as_bytes().to_vec(), *text))
            .collect();
        let tree = self.remote.find_tree(self.tree(&named)).unwrap();
        let who = Signature::new("a", "a@example.org", &Time::new(1_700_000_000, 0)).unwrap();
        let parents: Vec<_> = parents
            .iter()
            .map(|sha| {
                self.remote
                    .find_commit(Oid::from_str(sha.as_str()).unwrap())
                    .unwrap()
            })
            .collect();
        let parents: Vec<_> = parents.iter().collect();
        let id = self
            .remote
            .commit(None, &who, &who, "A change\n\nWhy.", &tree, &parents)
            .unwrap();
        CommitSha::parse(&id.to_string()).unwrap()
    }

    /// An object of exactly these bytes, whatever git thinks of them; says its id.
    pub(super) fn raw(&self, kind: git2::ObjectType, bytes: &[u8]) -> Oid {
        self.remote.odb().unwrap().write(kind, bytes).unwrap()
    }

    pub(super) fn reference(&self, name: &str, sha: &CommitSha) {
        self.remote
            .reference(name, Oid::from_str(sha.as_str()).unwrap(), true, "")
            .unwrap();
    }

    pub(super) async fn ensure(&self, shas: &[&CommitSha]) -> anyhow::Result<()> {
        self.mirrors
            .ensure(&self.repo, shas, || async { Ok(SecretString::from(TOKEN)) })
            .await
    }

    /// The server's branch `main` is at these files, and the mirror has it.
    pub(super) async fn with(files: &[(&str, &str)]) -> (Fixture, CommitSha) {
        let fixture = Fixture::start().await;
        let sha = fixture.commit(files, &[]);
        fixture.reference("refs/heads/main", &sha);
        fixture.ensure(&[&sha]).await.unwrap();
        (fixture, sha)
    }

    fn tree(&self, files: &BTreeMap<Vec<u8>, &str>) -> Oid {
        let mut builder = self.remote.treebuilder(None).unwrap();
        let mut below: BTreeMap<Vec<u8>, BTreeMap<Vec<u8>, &str>> = BTreeMap::new();
        for (path, text) in files {
            if let Some(at) = path.iter().position(|byte| *byte == b'/') {
                below
                    .entry(path[..at].to_vec())
                    .or_default()
                    .insert(path[at + 1..].to_vec(), text);
                continue;
            }
            let (mode, text) = match text.strip_prefix("->") {
                Some(target) => (FileMode::Link, target),
                None if text.starts_with("+x") => (FileMode::BlobExecutable, *text),
                None => (FileMode::Blob, *text),
            };
            let blob = self.remote.blob(text.as_bytes()).unwrap();
            builder.insert(&path[..], blob, mode.into()).unwrap();
        }
        for (name, files) in below {
            builder
                .insert(&name[..], self.tree(&files), FileMode::Tree.into())
                .unwrap();
        }
        builder.write().unwrap()
    }
}

async fn answer(State(server): State<Server>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let header = |name: &str| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    let wanted = format!(
        "Basic {}",
        STANDARD.encode(format!("x-access-token:{TOKEN}"))
    );
    let is_allowed = header("authorization") == wanted;
    {
        let mut log = server.log.lock().unwrap();
        log.requests
            .push(format!("{} {} {is_allowed}", parts.method, parts.uri));
        log.leaks.extend(leaks());
    }
    let respond = |status: u16, kind: &str, body: Vec<u8>| {
        let response = Response::builder()
            .status(status)
            .header("content-type", kind);
        response
            .header("www-authenticate", "Basic realm=\"git\"")
            .body(Body::from(body))
            .unwrap()
    };
    if !is_allowed {
        return respond(401, "text/plain", Vec::new());
    }
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    if parts.uri.path().ends_with("/info/refs") {
        let mut out = b"001e# service=git-upload-pack\n0000".to_vec();
        out.extend(
            upload_pack(
                &server,
                &["--http-backend-info-refs"],
                &header("git-protocol"),
                Bytes::new(),
            )
            .await,
        );
        return respond(200, "application/x-git-upload-pack-advertisement", out);
    }
    let out = upload_pack(&server, &[], &header("git-protocol"), body).await;
    respond(200, "application/x-git-upload-pack-result", out)
}

async fn upload_pack(server: &Server, options: &[&str], protocol: &str, body: Bytes) -> Vec<u8> {
    let mut child = tokio::process::Command::new("git")
        .args(["upload-pack", "--stateless-rpc"])
        .args(options)
        .arg(&server.remote)
        .env("GIT_PROTOCOL", protocol)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&body).await.unwrap();
    drop(stdin);
    child.wait_with_output().await.unwrap().stdout
}

/// Processes whose arguments or environment hold the token.
fn leaks() -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        for name in ["cmdline", "environ"] {
            let bytes = std::fs::read(entry.path().join(name)).unwrap_or_default();
            if bytes
                .windows(TOKEN.len())
                .any(|window| window == TOKEN.as_bytes())
            {
                found.push(format!("{} {name}", entry.path().display()));
            }
        }
    }
    found
}
