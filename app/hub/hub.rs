//! The server's shared parts: the state and its lock, the logs, the outbox for webhooks.
//!
//! One lock guards the state; a call holds it from start to end, so that every call sees and
//! leaves a consistent whole.  The lock is never held across an await.

use crate::config::Config;
use crate::deliver::{DeliveryLog, Outgoing};
use crate::faults::Faults;
use crate::gitstore;
use crate::journal::Journal;
use crate::json::{Urls, View};
use crate::record::Recorder;
use crate::state::{Repo, State};
use crate::text;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc};

/// How far back stale reads can look.
const SNAPSHOTS_MAX_AGE: Duration = Duration::from_secs(120);

/// Everything a handler can reach.
#[derive(Debug)]
pub(crate) struct Hub {
    pub(crate) config: Config,
    pub(crate) urls: Urls,
    pub(crate) state: Mutex<State>,
    pub(crate) journal: Mutex<Journal>,
    pub(crate) recorder: Recorder,
    pub(crate) faults: Mutex<Faults>,
    pub(crate) deliveries: Mutex<DeliveryLog>,
    pub(crate) outbox: mpsc::UnboundedSender<Outgoing>,
    /// Deliveries queued or under way; they outlive a restart.
    pub(crate) waiting: Mutex<BTreeMap<u64, Outgoing>>,
    pub(crate) dirty: Notify,
    /// Held while the state is saved; true once that was done for the last time.
    pub(crate) is_closed: Mutex<bool>,
    /// Calls used in the running hour, and when it ends, by caller.
    pub(crate) used: Mutex<HashMap<String, (u32, i64)>>,
    pub(crate) snapshots: Mutex<Vec<(Instant, Arc<State>)>>,
    /// One push at a time per repository.
    pub(crate) pushing: Mutex<HashMap<u64, Arc<tokio::sync::Mutex<()>>>>,
}

/// Locks, also after a panic elsewhere: the data are plain and stay usable.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    pub(crate) fn view<'a>(&'a self, state: &'a State) -> View<'a> {
        View {
            state,
            urls: &self.urls,
        }
    }

    /// Marks the state as changed: it gets saved, and remembered for stale reads.
    pub(crate) fn touch(&self, state: &State) {
        self.dirty.notify_one();
        let reads_stale = lock(&self.faults).reads_stale();
        let mut snapshots = lock(&self.snapshots);
        if !reads_stale {
            snapshots.clear();
            return;
        }
        let now = Instant::now();
        snapshots.push((now, Arc::new(state.clone())));
        let old = snapshots
            .iter()
            .take_while(|(at, _)| now.duration_since(*at) > SNAPSHOTS_MAX_AGE)
            .count();
        // The newest of the old ones still answers for the oldest moment.
        snapshots.drain(..old.saturating_sub(1));
    }

    /// The state as it was some time ago, or `None` when nothing that old is remembered.
    pub(crate) fn state_before(&self, age: Duration) -> Option<State> {
        let then = Instant::now().checked_sub(age)?;
        let snapshots = lock(&self.snapshots);
        snapshots
            .iter()
            .rev()
            .find(|(at, _)| *at <= then)
            .or_else(|| snapshots.first())
            .map(|(_, state)| State::clone(state))
    }

    /// Writes one line of the transcript of changes.
    pub(crate) fn note(&self, kind: &str, actor: &str, repo: Option<&str>, mut detail: Value) {
        if !detail.is_object() {
            detail = json!({ "value": detail });
        }
        detail["kind"] = json!(kind);
        detail["actor"] = json!(actor);
        detail["repo"] = json!(repo);
        detail["time"] = json!(jiff::Timestamp::now().to_string());
        lock(&self.journal).write(detail);
    }

    /// Opens the git side of a repository.
    pub(crate) fn git(&self, state: &State, repo: &Repo) -> Result<git2::Repository, git2::Error> {
        git2::Repository::open_bare(self.git_path(state, repo))
    }

    pub(crate) fn git_path(&self, state: &State, repo: &Repo) -> std::path::PathBuf {
        gitstore::path(&self.config.state_dir, &state.full_name(repo))
    }

    /// Puts a delivery into the outbox.
    pub(crate) fn queue(&self, mut outgoing: Outgoing) {
        {
            let mut waiting = lock(&self.waiting);
            outgoing.key = waiting.last_key_value().map_or(1, |(key, _)| key + 1);
            waiting.insert(outgoing.key, outgoing.clone());
        }
        // The receiving end is gone only while the server stops; what waits is saved then.
        let _ = self.outbox.send(outgoing);
    }

    /// Counts one call of a caller: limit, used, and when the hour ends.
    pub(crate) fn count_call(&self, caller: &str, limit: u32, is_free: bool) -> (u32, u32, i64) {
        let now = text::now();
        let mut used = lock(&self.used);
        let entry = used.entry(caller.to_owned()).or_insert((0, now + 3600));
        if entry.1 <= now {
            *entry = (0, now + 3600);
        }
        if !is_free {
            entry.0 = entry.0.saturating_add(1);
        }
        (limit, entry.0, entry.1)
    }
}
