//! Lines of environments on this machine, on their way to the operator's log service.
//!
//! Only those of services that want it, in order, each at least once: how far they are sent stands beside the log. A service
//! that is away is tried again, ever more seldom; nothing waits for it.

use super::desk::Desk;
use super::environment::environment_dirs;
use crate::files::{self, Readers};
use crate::outward;
use anyhow::{Context as _, bail};
use bowsprit_core::effect::DeployPlan;
use bowsprit_core::serving::lines::json_lines;
use http::{Method, Request, header};
use http_body_util::Full;
use hyper::body::Bytes;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Sent at once. Units: bytes of the log; short lines are ten times as long as JSON, and services take 1 MiB.
const PART_BYTES_MAX: u64 = 64 << 10;
/// Parts of one environment before the others have their turn.
const PARTS_MAX: usize = 32;
/// How often logs are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Longest wait for a service that is away.
const RETRY_MAX: Duration = Duration::from_secs(60);
/// One call may take this long.
const CALL_MAX: Duration = Duration::from_secs(20);
/// Largest note of how far a log is sent. Units: bytes.
const MARK_BYTES_MAX: u64 = 4 << 10;
/// Its name.
const MARK_FILE: &str = "push.json";

/// How far a log is sent, and whose it is. There is one where a service wants its lines sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    service: String,
    environment: String,
    /// Which file: a log that is turned over goes on in another. 0 before there is one.
    inode: u64,
    /// Units: bytes.
    offset: u64,
}

/// The notes of all environments; clones share the turn to change them.
#[derive(Clone, Default)]
pub(super) struct Marks {
    turn: Arc<Mutex<()>>,
}

impl Marks {
    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does as an order says: lines are sent from here on, or not any more. What was written before is not.
    pub(super) fn settle(&self, desk: &Desk, plan: &DeployPlan) -> anyhow::Result<()> {
        let _turn = self.turn();
        let path = desk.path(MARK_FILE);
        if !plan.logs {
            return files::remove_file(&path).context("cannot take a log from its way");
        }
        let before: Option<Mark> = files::read(&path, MARK_BYTES_MAX)?;
        let (inode, offset) = match before {
            Some(before) => (before.inode, before.offset),
            None => {
                let log = match open(&desk.path("log.txt"))? {
                    Some(log) => Some(log),
                    // It is just being turned over.
                    None => open(&desk.path("log.1.txt"))?,
                };
                log.map_or((0, 0), |log| (log.inode, log.bytes))
            }
        };
        let mark = Mark {
            service: plan.repo.name.to_string(),
            environment: plan.environment.to_string(),
            inode,
            offset,
        };
        files::write(&path, &mark, Readers::Usual)
    }

    /// Notes how far a log is sent, unless its lines are not wanted any more.
    fn advance(&self, dir: &Path, mark: &Mark) -> anyhow::Result<()> {
        let _turn = self.turn();
        let path = dir.join(MARK_FILE);
        match path.exists() {
            true => files::write(&path, mark, Readers::Usual),
            false => Ok(()),
        }
    }
}

/// Sends lines for as long as it is there.
pub(super) struct Pushing(JoinHandle<()>);

impl Drop for Pushing {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sends lines to one address.
pub(super) struct Pusher {
    dir: PathBuf,
    url: String,
    marks: Marks,
    http: outward::Client<Full<Bytes>>,
}

impl Pusher {
    /// Of the environments below `dir`. Errors: the system's certificates cannot be read.
    pub(super) fn new(dir: &Path, url: &str, marks: &Marks) -> anyhow::Result<Pusher> {
        Ok(Pusher {
            dir: dir.to_owned(),
            url: url.to_owned(),
            marks: marks.clone(),
            http: outward::client(outward::Trust::System)?,
        })
    }

    /// Sends what comes from now on, until what this gives back is dropped.
    pub(super) fn begin(self) -> Pushing {
        Pushing(tokio::spawn(async move {
            let mut wait = LOOK_EVERY;
            loop {
                match self.look().await {
                    Ok(()) => wait = LOOK_EVERY,
                    Err(error) => {
                        wait = wait.saturating_mul(2).min(RETRY_MAX);
                        let wait_s = wait.as_secs();
                        tracing::warn!("lines of environments wait {wait_s} s: {error:#}");
                    }
                }
                tokio::time::sleep(wait).await;
            }
        }))
    }

    /// Sends what there is. Errors: the service does not take it, or a log cannot be read.
    async fn look(&self) -> anyhow::Result<()> {
        for (_, dir) in environment_dirs(&self.dir).context("cannot look for logs")? {
            for _ in 0..PARTS_MAX {
                let from = dir.clone();
                let next = tokio::task::spawn_blocking(move || next(&from));
                let Some((text, mark)) = next.await.context("cannot read a log")?? else {
                    break;
                };
                let lines = json_lines(&text, (&mark.service, &mark.environment));
                self.send(lines).await?;
                self.marks.advance(&dir, &mark)?;
            }
        }
        Ok(())
    }

    async fn send(&self, lines: String) -> anyhow::Result<()> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(&self.url)
            .header(header::CONTENT_TYPE, "application/x-ndjson")
            .body(Full::from(lines))
            .context("cannot write to `logs.push_url`")?;
        let answered = tokio::time::timeout(CALL_MAX, self.http.request(request)).await;
        let answer = answered
            .context("`logs.push_url` does not answer")?
            .context("`logs.push_url` cannot be reached")?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => bail!("`logs.push_url` answers {}", status.as_u16()),
        }
    }
}

/// A log as it is now.
struct Log {
    file: File,
    inode: u64,
    /// Units: bytes.
    bytes: u64,
}

fn open(path: &Path) -> std::io::Result<Option<Log>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let found = file.metadata()?;
    Ok(found.is_file().then(|| Log {
        file,
        inode: found.ino(),
        bytes: found.len(),
    }))
}

/// The next whole lines of an environment, and the mark behind them; `None` where there are none, or none are wanted.
fn next(dir: &Path) -> anyhow::Result<Option<(String, Mark)>> {
    let Some(mark) = files::read::<Mark>(&dir.join(MARK_FILE), MARK_BYTES_MAX)? else {
        return Ok(None);
    };
    // Opened first: a log that is turned over in between is then the former one, and whole.
    let present = open(&dir.join("log.txt"))?;
    let former = open(&dir.join("log.1.txt"))?;
    let is_at = |log: &Log| log.inode == mark.inode;
    let is_present = present.as_ref().is_some_and(is_at);
    // A former log is read to its end first; of one that was turned over twice meanwhile the older lines are gone.
    let logs = [former.filter(|_| !is_present), present];
    for log in logs.into_iter().flatten() {
        let offset = match is_at(&log) && mark.offset <= log.bytes {
            true => mark.offset,
            false => 0,
        };
        let inode = log.inode;
        if let Some(text) = lines(log.file, offset).context("cannot read a log")? {
            let mark = Mark {
                inode,
                offset: offset + text.len() as u64,
                ..mark
            };
            return Ok(Some((String::from_utf8_lossy(&text).into_owned(), mark)));
        }
    }
    Ok(None)
}

/// Whole lines from an offset on; `None` where there are none yet.
fn lines(mut file: File, offset: u64) -> std::io::Result<Option<Vec<u8>>> {
    file.seek(SeekFrom::Start(offset))?;
    let mut text = Vec::new();
    file.take(PART_BYTES_MAX).read_to_end(&mut text)?;
    let end = text.iter().rposition(|byte| *byte == b'\n');
    text.truncate(end.map_or(0, |end| end + 1));
    Ok((!text.is_empty()).then_some(text))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{plan, staging};
    use super::*;
    use axum::Router;
    use axum::http::StatusCode;
    use std::io::Write as _;
    use std::sync::atomic::{AtomicU16, Ordering};

    /// A log service that answers what it is told to, and the environment whose lines it is sent.
    struct Scene {
        dir: tempfile::TempDir,
        desk: Desk,
        marks: Marks,
        pusher: Pusher,
        taken: Arc<Mutex<String>>,
        status: Arc<AtomicU16>,
    }

    impl Scene {
        async fn new() -> Scene {
            let dir = tempfile::tempdir().unwrap();
            let desk = Desk::new(dir.path().join("7").join(staging().as_str()));
            std::fs::create_dir_all(desk.dir()).unwrap();
            let (taken, status) = (
                Arc::new(Mutex::new(String::new())),
                Arc::new(AtomicU16::new(200)),
            );
            let (heard, answer) = (Arc::clone(&taken), Arc::clone(&status));
            let hear = move |body: String| {
                let status = StatusCode::from_u16(answer.load(Ordering::Relaxed)).unwrap();
                if status.is_success() {
                    heard.lock().unwrap().push_str(&body);
                }
                async move { status }
            };
            let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
                .await
                .unwrap();
            let url = format!(
                "http://{}/insert?_msg_field=line",
                listener.local_addr().unwrap()
            );
            let routes = Router::new().route("/insert", axum::routing::post(hear));
            tokio::spawn(async move { axum::serve(listener, routes).await });
            let marks = Marks::default();
            Scene {
                pusher: Pusher::new(dir.path(), &url, &marks).unwrap(),
                dir,
                desk,
                marks,
                taken,
                status,
            }
        }

        fn want(&self, logs: bool) {
            let plan = DeployPlan { logs, ..plan(1) };
            self.marks.settle(&self.desk, &plan).unwrap();
        }

        fn print(&self, text: &str) {
            let mut file = File::options()
                .create(true)
                .append(true)
                .open(self.desk.path("log.txt"))
                .unwrap();
            write!(file, "{text}").unwrap();
        }

        fn turn_over(&self) {
            std::fs::rename(self.desk.path("log.txt"), self.desk.path("log.1.txt")).unwrap();
        }

        /// The texts of the lines that were taken since this was asked last.
        async fn sent(&self) -> Vec<String> {
            self.pusher.look().await.unwrap();
            let taken = std::mem::take(&mut *self.taken.lock().unwrap());
            let line = |line: &str| {
                let told: serde_json::Value = serde_json::from_str(line).unwrap();
                assert_eq!(
                    (&told["service"], &told["environment"]),
                    (&"octo/digits-service".into(), &"staging".into())
                );
                told["line"].as_str().unwrap().to_owned()
            };
            taken.lines().map(line).collect()
        }
    }

    #[tokio::test]
    async fn lines_are_sent_from_when_they_are_wanted_until_they_are_not() {
        let scene = Scene::new().await;
        scene.print("1 server before\n");
        assert_eq!(scene.sent().await, Vec::<String>::new());
        scene.want(true);
        scene.print("2 server one\n2 gateway two\n3 server ha");
        assert_eq!(scene.sent().await, ["one", "two"]);
        // The same order again changes nothing, and half a line is not sent.
        scene.want(true);
        assert_eq!(scene.sent().await, Vec::<String>::new());
        scene.print("lf\n");
        assert_eq!(scene.sent().await, ["half"]);
        scene.want(false);
        scene.print("4 server after\n");
        assert_eq!(scene.sent().await, Vec::<String>::new());
        // A part that was on its way meanwhile does not bring it back.
        let mark = Mark {
            service: String::new(),
            environment: String::new(),
            inode: 1,
            offset: 1,
        };
        scene.marks.advance(scene.desk.dir(), &mark).unwrap();
        assert!(!scene.desk.path(MARK_FILE).exists());
    }

    #[tokio::test]
    async fn no_line_is_lost_while_the_service_is_away_and_the_log_is_turned_over() {
        let scene = Scene::new().await;
        scene.want(true);
        scene.print("1 server one\n");
        for status in [503, 404] {
            scene.status.store(status, Ordering::Relaxed);
            let refused = scene.pusher.look().await.unwrap_err().to_string();
            assert!(refused.contains(&status.to_string()), "{refused}");
        }
        scene.print("1 server two\n");
        scene.turn_over();
        scene.print("1 server three\n");
        scene.status.store(204, Ordering::Relaxed);
        assert_eq!(scene.sent().await, ["one", "two", "three"]);
        scene.turn_over();
        assert_eq!(scene.sent().await, Vec::<String>::new());
        scene.print("1 server four\n");
        assert_eq!(scene.sent().await, ["four"]);
        let long: String = (0..40_000)
            .map(|number| format!("1 server {number}\n"))
            .collect();
        scene.print(&long);
        assert_eq!(scene.sent().await.len(), 40_000);
        assert!(scene.dir.path().exists());
    }
}
