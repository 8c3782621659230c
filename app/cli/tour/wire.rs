//! The public doors, as any client sees them: HTTP with JSON, and the system's git.

use anyhow::{Context as _, bail};
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// A single call may take this long.
const CALL_MAX: Duration = Duration::from_secs(30);

/// A caller of one server as one person.
#[derive(Clone)]
pub(crate) struct Caller {
    client: Client<HttpConnector, Full<Bytes>>,
    base: String,
    token: String,
}

/// An answer, whole.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The body as JSON; null where it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl Caller {
    pub(crate) fn new(base: &str, token: &str) -> Caller {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Caller {
            client,
            base: base.trim_end_matches('/').to_owned(),
            token: token.to_owned(),
        }
    }

    /// One call, whatever it answers. Errors: no answer came.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Answer> {
        let uri = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}{path}", self.base)
        };
        let mut request = Request::builder()
            .method(method)
            .uri(&uri)
            .header("user-agent", "bowsprit-tour");
        if !self.token.is_empty() {
            request = request.header("authorization", format!("Bearer {}", self.token));
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let bytes = body.map(ToString::to_string).unwrap_or_default();
        let request = request.body(Full::new(Bytes::from(bytes)))?;
        let work = async {
            let answer = self.client.request(request).await?;
            let status = answer.status().as_u16();
            Ok::<Answer, anyhow::Error>(Answer {
                status,
                body: answer.into_body().collect().await?.to_bytes(),
            })
        };
        tokio::time::timeout(CALL_MAX, work)
            .await
            .with_context(|| format!("no answer from {uri}"))?
            .with_context(|| format!("cannot reach {uri}"))
    }

    /// A read that must succeed.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let answer = self.call(Method::GET, path, None).await?;
        if answer.status >= 300 {
            bail!(
                "GET {path} answered {}: {}",
                answer.status,
                String::from_utf8_lossy(&answer.body)
            );
        }
        Ok(answer.json())
    }

    /// A write that must succeed.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let answer = self.call(Method::POST, path, Some(body)).await?;
        if answer.status >= 300 {
            bail!(
                "POST {path} answered {}: {}",
                answer.status,
                String::from_utf8_lossy(&answer.body)
            );
        }
        Ok(answer.json())
    }
}

/// Runs the system's git in `dir` with nothing of this machine's configuration. Errors: it failed, with its words.
pub(crate) async fn git(dir: &Path, words: &[&str]) -> anyhow::Result<String> {
    let output = tokio::process::Command::new("git")
        .args([
            "-c",
            "user.name=Tour",
            "-c",
            "user.email=tour@localhost",
            "-c",
            "init.defaultBranch=main",
            "-c",
            "commit.gpgsign=false",
        ])
        .args(words)
        .current_dir(dir)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .stdin(Stdio::null())
        .output()
        .await
        .context("cannot run git; is it installed?")?;
    if !output.status.success() {
        bail!(
            "git {} failed: {}",
            words.first().unwrap_or(&""),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Points a working copy at a server with a person's token, kept in a 0600 file beside it and out of every argument list.
pub(crate) async fn sign_in(
    dir: &Path,
    server: &str,
    login: &str,
    token: &str,
) -> anyhow::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let (scheme, host) = server
        .split_once("://")
        .context("a server's address begins with http://")?;
    let file = dir.join(".git").join("tour-credentials");
    let mut open = std::fs::OpenOptions::new();
    let mut opened = open
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&file)?;
    std::io::Write::write_all(
        &mut opened,
        format!("{scheme}://{login}:{token}@{host}\n").as_bytes(),
    )?;
    git(
        dir,
        &[
            "config",
            "credential.helper",
            &format!("store --file={}", file.display()),
        ],
    )
    .await?;
    Ok(())
}
