//! Lines of an environment's pods, as they come, in one file on this machine.
//!
//! The gateway in a pod writes each line with its time, so that one that was written already is known.

use crate::cluster::Cluster;
use bowsprit_core::serving::objects::SERVE;
use futures_util::{AsyncBufReadExt as _, TryStreamExt as _};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, LogParams};
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::JoinHandle;

/// The file is turned over at this size. Units: bytes.
const FILE_BYTES_MAX: u64 = 10 << 20;
/// A line is cut at this size. Units: bytes.
const LINE_BYTES_MAX: usize = 8 << 10;
/// A pod's lines before it was first looked at that are fetched at most.
const LINES_MAX: i64 = 2_000;
/// The same where some are here already: those that came while nobody followed.
const LINES_AGAIN_MAX: i64 = 100_000;
/// Pods followed at once.
const PODS_MAX: usize = 50;

/// The pods that are followed, each container life for itself.
#[derive(Default)]
pub(super) struct Followers {
    tasks: BTreeMap<String, Follower>,
}

/// Who follows one life.
struct Follower {
    task: JoinHandle<()>,
    /// Whether it came to the end of a life that is over.
    is_whole: Arc<AtomicBool>,
}

/// One life of the container that serves.
struct Life<'a> {
    pod: &'a Pod,
    is_over: bool,
}

impl Followers {
    /// Follows pods that are not followed, or not any more: a way breaks sooner or later, and a quiet one is cut.
    ///
    /// Those that are gone end by themselves.
    pub(super) fn follow(&mut self, cluster: &Cluster, path: &Path, pods: &[Pod]) {
        let lives: BTreeMap<String, Life<'_>> = pods.iter().filter_map(life).collect();
        self.tasks.retain(|life, follower| {
            let is_needed = lives.contains_key(life) && follower.is_whole.load(Ordering::Relaxed);
            is_needed || !follower.task.is_finished()
        });
        for (life, Life { pod, is_over }) in lives {
            if self.tasks.contains_key(&life) || self.tasks.len() >= PODS_MAX {
                continue;
            }
            let (Some(namespace), Some(name)) = (&pod.metadata.namespace, &pod.metadata.name)
            else {
                continue;
            };
            let (api, name, path) = (cluster.all::<Pod>(namespace), name.clone(), path.to_owned());
            let is_whole = Arc::new(AtomicBool::new(false));
            let whole = Arc::clone(&is_whole);
            let task = tokio::spawn(async move {
                match lines(&api, &name, &path).await {
                    Ok(()) => whole.store(is_over, Ordering::Relaxed),
                    Err(error) => {
                        tracing::debug!("the log of pod `{name}` breaks off: {error:#}");
                    }
                }
            });
            self.tasks.insert(life, Follower { task, is_whole });
        }
    }
}

impl Drop for Followers {
    fn drop(&mut self) {
        for follower in self.tasks.values() {
            follower.task.abort();
        }
    }
}

/// The present life of our container, by a name of its own; `None` before the first.
fn life(pod: &Pod) -> Option<(String, Life<'_>)> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    let status = statuses.iter().find(|status| status.name == SERVE)?;
    let state = status.state.as_ref()?;
    let is_over = state.terminated.is_some();
    let uid = pod.metadata.uid.as_ref()?;
    let name = format!("{uid}.{}", status.restart_count);
    (state.running.is_some() || is_over).then_some((name, Life { pod, is_over }))
}

/// Follows a pod to where its log ends or breaks off, from where it was followed last.
async fn lines(api: &Api<Pod>, name: &str, path: &Path) -> anyhow::Result<()> {
    let mut known = Known::of(path, name);
    let since = known.at_ms.map(Timestamp::from_millisecond);
    let lines_max = match known.at_ms {
        Some(_) => LINES_AGAIN_MAX,
        None => LINES_MAX,
    };
    let how = LogParams {
        // A repository's manifests may bring others.
        container: Some(SERVE.to_owned()),
        follow: true,
        since_time: since.transpose().unwrap_or_default(),
        tail_lines: Some(lines_max),
        ..LogParams::default()
    };
    let mut lines = api.log_stream(name, &how).await?.lines();
    while let Some(line) = lines.try_next().await? {
        if known.has(&line) {
            continue;
        }
        let line = line.get(..LINE_BYTES_MAX).unwrap_or(&line);
        append(path, &format!("{line} [{name}]\n"))?;
    }
    Ok(())
}

/// How far the lines of a pod are written already.
#[derive(Debug, PartialEq, Eq)]
struct Known {
    /// When the last of them was written. Units: milliseconds since 1970, UTC.
    at_ms: Option<i64>,
    /// How many of them were written then.
    count: usize,
    /// How many without a time came after them, such as the last words of a gateway that broke down.
    untimed: usize,
}

impl Known {
    /// Reads the file, and where it has none of the pod, the one that was turned over.
    fn of(path: &Path, name: &str) -> Known {
        let ending = format!(" [{name}]");
        let known_by = |path: &Path| {
            let text = std::fs::read(path).ok()?;
            let text = String::from_utf8_lossy(&text);
            let own = text.lines().rev().filter(|line| line.ends_with(&ending));
            let mut times = own.map(written_ms);
            let mut untimed = 0;
            let at_ms = loop {
                match times.next()? {
                    Some(at_ms) => break at_ms,
                    None => untimed += 1,
                }
            };
            let earlier = times.flatten().take_while(|ms| *ms == at_ms);
            Some(Known {
                at_ms: Some(at_ms),
                count: 1 + earlier.count(),
                untimed,
            })
        };
        let nothing = Known {
            at_ms: None,
            count: 0,
            untimed: 0,
        };
        known_by(path)
            .or_else(|| known_by(&turned_over(path)))
            .unwrap_or(nothing)
    }

    /// Whether this line is one of them, which come again in their order.
    fn has(&mut self, line: &str) -> bool {
        let Some(at_ms) = self.at_ms else {
            return false;
        };
        match written_ms(line) {
            Some(ms) if ms < at_ms => true,
            Some(ms) if ms == at_ms && self.count > 0 => {
                self.count -= 1;
                true
            }
            Some(_) => {
                (self.count, self.untimed) = (0, 0);
                false
            }
            // Behind the last that is known; a container that began anew has other words.
            None if self.count == 0 && self.untimed > 0 => {
                self.untimed -= 1;
                true
            }
            None => false,
        }
    }
}

/// Where the file is laid when it is full.
fn turned_over(path: &Path) -> PathBuf {
    path.with_extension("1.txt")
}

/// When a line was written. Units: milliseconds since 1970, UTC.
fn written_ms(line: &str) -> Option<i64> {
    line.split(' ').next()?.parse().ok()
}

fn append(path: &Path, line: &str) -> std::io::Result<()> {
    if std::fs::metadata(path).is_ok_and(|about| about.len() >= FILE_BYTES_MAX) {
        std::fs::rename(path, turned_over(path))?;
    }
    // One write a line: lines of several pods do not mix.
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(line.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::fake::{self, Asked};
    use serde_json::json;
    use std::sync::Mutex;

    fn known(at_ms: i64, count: usize) -> Known {
        Known {
            at_ms: Some(at_ms),
            count,
            untimed: 0,
        }
    }

    #[test]
    fn lines_of_one_pod_are_known_again_among_others() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.txt");
        assert_eq!(Known::of(&path, "a").at_ms, None);
        for line in [
            "1 server x [a]\n",
            "3 server x [b]\n",
            "2 gateway y [a]\n",
            "2 gateway z [a]\n",
            "torn [c]\n",
        ] {
            append(&path, line).unwrap();
        }
        assert_eq!(Known::of(&path, "a"), known(2, 2));
        assert_eq!(Known::of(&path, "b"), known(3, 1));
        assert_eq!(Known::of(&path, "c").at_ms, None);
        let mut known = Known::of(&path, "a");
        let lines = ["1 x", "2 y", "2 z", "2 new", "not timed", "3 x"];
        assert_eq!(
            lines.map(|line| known.has(line)),
            [true, true, true, false, false, false]
        );
        append(&path, "last words [a]\n").unwrap();
        let mut known = Known::of(&path, "a");
        let lines = ["2 y", "2 z", "last words", "more", "3 x", "last words"];
        assert_eq!(
            lines.map(|line| known.has(line)),
            [true, true, true, false, false, false]
        );
        let mut known = Known::of(&path, "a");
        let anew = ["last words", "3 x"];
        assert_eq!(anew.map(|line| known.has(line)), [false, false]);
    }

    #[test]
    fn a_full_log_is_turned_over_and_known_yet() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.txt");
        append(&path, "7 old [b]\n").unwrap();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(&vec![b'x'; usize::try_from(FILE_BYTES_MAX).unwrap()])
            .unwrap();
        append(&path, "1 new [a]\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "1 new [a]\n");
        assert!(dir.path().join("log.1.txt").exists());
        assert_eq!(Known::of(&path, "a"), known(1, 1));
        assert_eq!(Known::of(&path, "b"), known(7, 1));
    }

    fn pod(restarts: i32, state: &serde_json::Value) -> Pod {
        let sidecar = json!({"name": "proxy", "image": "p", "imageID": "", "ready": true, "restartCount": 9,
            "state": {"running": {}}});
        let ours = json!({"name": SERVE, "image": "s", "imageID": "", "ready": true, "restartCount": restarts,
            "state": state});
        let pod = json!({"metadata": {"name": "a", "namespace": "n", "uid": "u"},
            "status": {"containerStatuses": [sidecar, ours]}});
        serde_json::from_value(pod).unwrap()
    }

    #[test]
    fn a_life_is_that_of_our_container_whatever_stands_beside_it() {
        let found = |state: serde_json::Value| {
            let pod = pod(2, &state);
            life(&pod).map(|(name, life)| (name, life.is_over))
        };
        assert_eq!(found(json!({"waiting": {}})), None);
        let name = || "u.2".to_owned();
        assert_eq!(found(json!({"running": {}})), Some((name(), false)));
        let over = json!({"terminated": {"exitCode": 0}});
        assert_eq!(found(over), Some((name(), true)));
    }

    /// Follows until whoever follows is done.
    async fn follow(followers: &mut Followers, fake: &fake::Fake, path: &Path, pod: &Pod) {
        followers.follow(&fake.cluster, path, std::slice::from_ref(pod));
        while followers.tasks.values().any(|one| !one.task.is_finished()) {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_log_that_broke_off_goes_on_from_where_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.txt");
        let texts = Mutex::new(vec![
            "1000 server a\n2000 server b\n2000 server c\n2000 server d\n3000 server e\n",
            "2000 server b\n2000 server c\n2000 server d\n",
            "1000 server a\n2000 server b\n",
        ]);
        let fake = fake::serve(move |asked: &Asked| {
            let is_log = asked.line() == "GET /api/v1/namespaces/n/pods/a/log";
            let is_ours = asked.query.get("container").map(String::as_str) == Some(SERVE);
            let text = (is_log && is_ours).then(|| texts.lock().unwrap().pop())??;
            Some((200, text.to_owned()))
        })
        .await;
        let mut followers = Followers::default();
        let running = pod(0, &json!({"running": {}}));
        follow(&mut followers, &fake, &path, &running).await;
        follow(&mut followers, &fake, &path, &running).await;
        let over = pod(0, &json!({"terminated": {"exitCode": 0}}));
        follow(&mut followers, &fake, &path, &over).await;
        let whole = "1000 server a [a]\n2000 server b [a]\n2000 server c [a]\n2000 server d [a]\n3000 server e [a]\n";
        assert_eq!(std::fs::read_to_string(&path).unwrap(), whole);
        let since: Vec<Option<String>> = fake
            .asked()
            .iter()
            .map(|asked| asked.query.get("sinceTime").cloned())
            .collect();
        let at_2000 = || Some("1970-01-01T00:00:02Z".to_owned());
        assert_eq!(since, [None, at_2000(), at_2000()]);
        // A life that is over was read to its end.
        follow(&mut followers, &fake, &path, &over).await;
        assert_eq!(fake.lines(), Vec::<String>::new());
    }
}
