//! Lines of an environment's pods, as they come, in one file on this machine.
//!
//! The gateway in a pod writes each line with its time, so that one that was written already is known.

use crate::cluster::Cluster;
use futures_util::{AsyncBufReadExt as _, TryStreamExt as _};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, LogParams};
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use tokio::task::JoinHandle;

/// The file is turned over at this size. Units: bytes.
const FILE_BYTES_MAX: u64 = 10 << 20;
/// A line is cut at this size. Units: bytes.
const LINE_BYTES_MAX: usize = 8 << 10;
/// A pod's lines before it was first looked at that are fetched at most.
const LINES_MAX: i64 = 2_000;
/// Pods followed at once.
const PODS_MAX: usize = 50;

/// The pods that are followed, each container life for itself.
#[derive(Default)]
pub(super) struct Followers {
    tasks: BTreeMap<String, JoinHandle<()>>,
}

impl Followers {
    /// Follows pods that are not followed yet; those that are gone end by themselves.
    pub(super) fn follow(&mut self, cluster: &Cluster, path: &Path, pods: &[Pod]) {
        let lives: BTreeMap<String, &Pod> = pods
            .iter()
            .filter_map(|pod| Some((life(pod)?, pod)))
            .collect();
        self.tasks
            .retain(|life, task| lives.contains_key(life) || !task.is_finished());
        for (life, pod) in lives {
            if self.tasks.contains_key(&life) || self.tasks.len() >= PODS_MAX {
                continue;
            }
            let (Some(namespace), Some(name)) = (&pod.metadata.namespace, &pod.metadata.name)
            else {
                continue;
            };
            let (api, name, path) = (cluster.all::<Pod>(namespace), name.clone(), path.to_owned());
            self.tasks
                .insert(life, tokio::spawn(follow(api, name, path)));
        }
    }
}

impl Drop for Followers {
    fn drop(&mut self) {
        for task in self.tasks.values() {
            task.abort();
        }
    }
}

/// One life of a pod's container; `None` before the first.
fn life(pod: &Pod) -> Option<String> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    let status = statuses.first()?;
    let state = status.state.as_ref()?;
    let has_begun = state.running.is_some() || state.terminated.is_some();
    let uid = pod.metadata.uid.as_ref()?;
    has_begun.then(|| format!("{uid}.{}", status.restart_count))
}

async fn follow(api: Api<Pod>, name: String, path: PathBuf) {
    if let Err(error) = lines(&api, &name, &path).await {
        tracing::debug!("the log of pod `{name}` ends here: {error:#}");
    }
}

async fn lines(api: &Api<Pod>, name: &str, path: &Path) -> anyhow::Result<()> {
    let known_ms = last_ms(path, name);
    let since = known_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let how = LogParams {
        follow: true,
        since_time: since,
        tail_lines: Some(LINES_MAX),
        ..LogParams::default()
    };
    let mut lines = api.log_stream(name, &how).await?.lines();
    while let Some(line) = lines.try_next().await? {
        if written_ms(&line)
            .zip(known_ms)
            .is_some_and(|(ms, known)| ms <= known)
        {
            continue;
        }
        let line = line.get(..LINE_BYTES_MAX).unwrap_or(&line);
        append(path, &format!("{line} [{name}]\n"))?;
    }
    Ok(())
}

/// When a line was written. Units: milliseconds since 1970, UTC.
fn written_ms(line: &str) -> Option<i64> {
    line.split(' ').next()?.parse().ok()
}

/// When the last line of a pod in the file was written.
fn last_ms(path: &Path, name: &str) -> Option<i64> {
    let text = std::fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&text);
    let ending = format!(" [{name}]");
    let line = text.lines().rev().find(|line| line.ends_with(&ending))?;
    written_ms(line)
}

fn append(path: &Path, line: &str) -> std::io::Result<()> {
    if std::fs::metadata(path).is_ok_and(|about| about.len() >= FILE_BYTES_MAX) {
        std::fs::rename(path, path.with_extension("1.txt"))?;
    }
    // One write a line: lines of several pods do not mix.
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(line.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_one_pod_are_known_again_among_others() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.txt");
        assert_eq!(last_ms(&path, "a"), None);
        for line in [
            "1 server x [a]\n",
            "3 server x [b]\n",
            "2 gateway y [a]\n",
            "torn [b]\n",
        ] {
            append(&path, line).unwrap();
        }
        assert_eq!(last_ms(&path, "a"), Some(2));
        assert_eq!(last_ms(&path, "b"), None);
        assert_eq!(last_ms(&path, "c"), None);
    }

    #[test]
    fn a_full_log_is_turned_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.txt");
        std::fs::write(&path, vec![b'x'; usize::try_from(FILE_BYTES_MAX).unwrap()]).unwrap();
        append(&path, "1 new [a]\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "1 new [a]\n");
        assert!(dir.path().join("log.1.txt").exists());
    }
}
