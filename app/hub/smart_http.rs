//! Git over HTTP: admits the caller and streams to and from `git http-backend`.
//!
//! Pushes to one repository run one after another; after each the refs are compared and the
//! events sent before the client hears that the push is done.

use crate::answer::Refusal;
use crate::auth::{self, Actor};
use crate::door::{self, Head, OutBody};
use crate::hub::{Hub, lock};
use crate::refs::{self, Push};
use crate::state::{Role, State};
use anyhow::Context;
use futures_util::StreamExt;
use http::{HeaderMap, Response, StatusCode, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use std::process::Stdio;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio_util::io::ReaderStream;

const SERVICES: [&str; 3] = ["/info/refs", "/git-upload-pack", "/git-receive-pack"];
/// Longest header block of the backend's answer, in bytes.
const HEADERS_MAX_BYTES: u64 = 64 * 1024;

/// Tells whether a path belongs to git over HTTP.
pub(crate) fn is_git(path: &str) -> bool {
    SERVICES.iter().any(|service| path.ends_with(service)) || path.ends_with(".git/HEAD")
}

/// An admitted request.
struct Admitted {
    repo: u64,
    /// Path under the folder of repositories.
    path_info: String,
    person: Option<u64>,
    login: String,
    is_push: bool,
}

/// Serves one request.
pub(crate) async fn serve(hub: Arc<Hub>, head: Head, body: Incoming) -> Response<OutBody> {
    let admitted = {
        let state = lock(&hub.state);
        admit(&state, &head)
    };
    let admitted = match admitted {
        Ok(admitted) => admitted,
        Err(status) => return refuse(status),
    };
    match backend(&hub, &head, body, &admitted).await {
        Ok(response) => response,
        Err(error) => {
            tracing::error!("cannot serve git for `{}`: {error:#}", head.path);
            refuse(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

fn refuse(status: StatusCode) -> Response<OutBody> {
    let mut answer = Refusal::new(status, status.canonical_reason().unwrap_or_default());
    if status == StatusCode::UNAUTHORIZED {
        answer.message = "Authentication required".into();
    }
    let answer = answer.into_answer();
    door::respond(if status == StatusCode::UNAUTHORIZED {
        answer.with("www-authenticate", "Basic realm=\"GitHub\"")
    } else {
        answer
    })
}

fn admit(state: &State, head: &Head) -> Result<Admitted, StatusCode> {
    let service = SERVICES
        .into_iter()
        .find(|service| head.path.ends_with(service))
        .unwrap_or("/HEAD");
    let base = head.path.strip_suffix(service).unwrap_or(&head.path);
    let mut parts = base.trim_matches('/').splitn(2, '/');
    let owner = parts.next().unwrap_or_default();
    let name = parts.next().unwrap_or_default();
    let name = name.strip_suffix(".git").unwrap_or(name);
    let is_push = service == "/git-receive-pack" || head.query.contains("git-receive-pack");
    let actor = auth::authenticate(state, &head.headers).map_err(|_| StatusCode::UNAUTHORIZED)?;
    let hidden = || match actor {
        Actor::Anonymous => StatusCode::UNAUTHORIZED,
        Actor::App | Actor::Installation { .. } | Actor::Person(_) => StatusCode::NOT_FOUND,
    };
    let repo = state.repo_named(owner, name).ok_or_else(hidden)?;
    let role = match &actor {
        Actor::Installation { token, .. } if !auth::token_reaches(state, token, repo) => Role::None,
        Actor::Installation { token, .. } if token.grants(("contents", "write")) => Role::Write,
        Actor::Installation { token, .. } if token.grants(("contents", "read")) => Role::Read,
        Actor::Installation { .. } => Role::None,
        Actor::App | Actor::Anonymous | Actor::Person(_) => actor.role(state, repo),
    };
    if role < Role::Read {
        return Err(hidden());
    }
    if is_push && (role < Role::Write || repo.archived) {
        return Err(match actor {
            Actor::Anonymous => StatusCode::UNAUTHORIZED,
            Actor::App | Actor::Installation { .. } | Actor::Person(_) => StatusCode::FORBIDDEN,
        });
    }
    let person = actor.account(state);
    Ok(Admitted {
        repo: repo.id,
        path_info: format!("/{}.git{service}", state.full_name(repo)),
        person,
        login: person.map_or_else(|| "anonymous".into(), |id| state.login(id).to_owned()),
        is_push,
    })
}

async fn backend(
    hub: &Arc<Hub>,
    head: &Head,
    body: Incoming,
    admitted: &Admitted,
) -> anyhow::Result<Response<OutBody>> {
    let is_receiving = admitted.is_push && head.path.ends_with("/git-receive-pack");
    let turn = {
        let mut pushing = lock(&hub.pushing);
        Arc::clone(pushing.entry(admitted.repo).or_default())
    };
    let turn = if is_receiving {
        Some(turn.lock_owned().await)
    } else {
        None
    };
    let mut child = spawn(hub, head, admitted)?;
    let mut stdin = child.stdin.take().context("git has no input")?;
    let feeder = tokio::spawn(async move {
        let mut body = body;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else {
                break;
            };
            if let Some(bytes) = frame.data_ref()
                && stdin.write_all(bytes).await.is_err()
            {
                break;
            }
        }
    });
    let stdout = child.stdout.take().context("git has no output")?;
    let mut stdout = BufReader::new(stdout);
    let (status, headers) = read_headers(&mut stdout).await?;
    let mut response = Response::builder().status(status);
    if let Some(map) = response.headers_mut() {
        *map = headers;
    }
    if !is_receiving {
        return Ok(response.body(streamed(stdout, child))?);
    }
    let mut answer = Vec::new();
    stdout
        .read_to_end(&mut answer)
        .await
        .context("cannot read git's answer")?;
    child.wait().await.context("cannot wait for git")?;
    feeder.abort();
    finish_push(hub, admitted).await;
    drop(turn);
    Ok(response.body(door::full(answer))?)
}

async fn finish_push(hub: &Arc<Hub>, admitted: &Admitted) {
    let (hub, repo) = (Arc::clone(hub), admitted.repo);
    let pusher = admitted.person.unwrap_or_default();
    let done = tokio::task::spawn_blocking(move || {
        let push = Push {
            hub: &hub,
            repo,
            pusher,
        };
        refs::sync(push, &mut lock(&hub.state))
    })
    .await;
    match done {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!("cannot take over a push: {error}"),
        Err(error) => tracing::error!("taking over a push broke off: {error}"),
    }
}

fn spawn(hub: &Hub, head: &Head, admitted: &Admitted) -> anyhow::Result<Child> {
    let header = |name: &str| {
        head.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let mut command = Command::new("git");
    command
        .arg("http-backend")
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", &hub.config.state_dir)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_PROJECT_ROOT", hub.config.state_dir.join("repos"))
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_COMMITTER_NAME", &admitted.login)
        .env(
            "GIT_COMMITTER_EMAIL",
            format!("{}@users.noreply.hub", admitted.login),
        )
        .env("REQUEST_METHOD", head.method.as_str())
        .env("PATH_INFO", &admitted.path_info)
        .env("QUERY_STRING", &head.query)
        .env("REMOTE_ADDR", "127.0.0.1")
        .env("CONTENT_TYPE", header("content-type"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    if admitted.person.is_some() {
        command.env("REMOTE_USER", &admitted.login);
    }
    for (name, variable) in [
        ("content-length", "CONTENT_LENGTH"),
        ("content-encoding", "HTTP_CONTENT_ENCODING"),
        ("git-protocol", "GIT_PROTOCOL"),
    ] {
        if !header(name).is_empty() {
            command.env(variable, header(name));
        }
    }
    command.spawn().context("cannot run git http-backend")
}

/// Reads the header block of a CGI answer.
async fn read_headers(
    stdout: &mut (impl AsyncBufReadExt + Unpin),
) -> anyhow::Result<(StatusCode, HeaderMap)> {
    let mut status = StatusCode::OK;
    let mut headers = HeaderMap::new();
    let mut limited = stdout.take(HEADERS_MAX_BYTES);
    loop {
        let mut line = String::new();
        let read = limited.read_line(&mut line).await?;
        anyhow::ensure!(read > 0, "git ended without an answer");
        let line = line.trim_end();
        if line.is_empty() {
            return Ok((status, headers));
        }
        let (name, value) = line.split_once(':').context("git sent a broken header")?;
        let value = value.trim();
        if name.eq_ignore_ascii_case("status") {
            let code = value.split(' ').next().unwrap_or_default();
            status = StatusCode::from_bytes(code.as_bytes()).context("git sent a broken status")?;
        } else {
            headers.append(
                header::HeaderName::from_bytes(name.as_bytes())?,
                header::HeaderValue::from_str(value)?,
            );
        }
    }
}

/// The rest of the answer; the process lives until all of it is read.
fn streamed(stdout: impl AsyncRead + Send + Sync + 'static, child: Child) -> OutBody {
    let stream = ReaderStream::new(Box::pin(stdout)).map(move |chunk| {
        let _running = &child;
        chunk.map(Frame::data)
    });
    BodyExt::boxed(StreamBody::new(stream))
}
