//! The environments that this target knows, and the gateway process of each.

use super::desk::Desk;
use crate::files::Stamp;
use crate::hands::Hands;
use bowsprit_core::name::{RepoId, Slug};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

/// A gateway that is gone is started again after this long, twice as long after each further time.
const REVIVE_FIRST: Duration = Duration::from_millis(200);
/// At most this long.
const REVIVE_MAX: Duration = Duration::from_secs(30);
/// A gateway that lived this long begins anew with the shortest wait.
const STEADY_AFTER: Duration = Duration::from_secs(60);

/// An environment: the service repository and the name.
pub(super) type Key = (RepoId, Slug);

/// One environment, as far as its directory does not say it.
pub(super) struct Entry {
    /// Its directory.
    pub(super) desk: Desk,
    child: Option<Child>,
    told: Option<Stamp>,
    is_told: bool,
    /// Whether it is ending, so that nothing starts it again.
    pub(super) is_leaving: bool,
    revival: Revival,
}

/// Starting a gateway again and again takes longer each time.
struct Revival {
    starts: u32,
    last: Option<Instant>,
}

impl Entry {
    /// An environment of which nothing is known but its directory.
    pub(super) fn new(desk: Desk) -> Entry {
        Entry {
            desk,
            child: None,
            told: None,
            is_told: false,
            is_leaving: false,
            revival: Revival {
                starts: 0,
                last: None,
            },
        }
    }

    /// Whether the gateway that this process started is there; one that ended is taken note of.
    pub(super) fn has_child(&mut self) -> bool {
        let ended = self.child.as_mut().map(Child::try_wait);
        if matches!(ended, Some(Ok(Some(_)) | Err(_))) {
            self.child = None;
        }
        self.child.is_some()
    }

    /// Starts the gateway when it is gone and should not be.
    pub(super) fn tend(&mut self, agent: &Hands, key: &Key) {
        let is_wanted = !self.is_leaving && self.desk.is_ordered() && !self.desk.is_stopped();
        if self.has_child() || !is_wanted || !self.revival.is_due() || self.desk.is_at_work() {
            return;
        }
        self.revival.note();
        let (repo, environment) = key;
        match agent.start("gateway", self.desk.dir()) {
            Ok(child) => {
                self.child = Some(child);
                tracing::info!(
                    repo.id = repo.0,
                    "the gateway of environment `{environment}` of repository {repo} is started"
                );
            }
            Err(error) => {
                tracing::error!(
                    repo.id = repo.0,
                    "environment `{environment}` of repository {repo}: {error:#}"
                );
            }
        }
    }

    /// Whether it said something since this was asked last; the first time, it did.
    pub(super) fn has_news(&mut self) -> bool {
        let now = self.desk.live_stamp();
        let has_news = !self.is_told || self.told != now;
        (self.told, self.is_told) = (now, true);
        has_news
    }
}

impl Revival {
    fn is_due(&self) -> bool {
        let Some(last) = self.last else {
            return true;
        };
        let wait = REVIVE_FIRST
            .saturating_mul(1 << self.starts.saturating_sub(1).min(10))
            .min(REVIVE_MAX);
        last.elapsed() >= wait
    }

    fn note(&mut self) {
        let was_steady = self.last.is_some_and(|last| last.elapsed() >= STEADY_AFTER);
        self.starts = if was_steady { 1 } else { self.starts + 1 };
        self.last = Some(Instant::now());
    }
}

/// The environments that were ordered, with orders that name their keys.
pub(super) fn load(dir: &Path) -> anyhow::Result<BTreeMap<Key, Entry>> {
    let mut book = BTreeMap::new();
    for (key, dir) in environment_dirs(dir)? {
        let desk = Desk::new(dir);
        // What the bot before this one was about to end is ended by whoever still wants that.
        if let Err(error) = desk.remove_stop().and_then(|()| desk.settle_keys()) {
            tracing::error!(
                "environment `{}` of repository {} is taken up as it is: {error:#}",
                key.1,
                key.0
            );
        }
        if desk.is_ordered() {
            book.insert(key, Entry::new(desk));
        }
    }
    Ok(book)
}

/// Every directory that bears an environment's name.
pub(super) fn environment_dirs(dir: &Path) -> std::io::Result<Vec<(Key, PathBuf)>> {
    let mut found = Vec::new();
    for repo in std::fs::read_dir(dir)? {
        let repo = repo?;
        let Some(id) = repo.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        for environment in std::fs::read_dir(repo.path())? {
            let environment = environment?;
            if let Some(Ok(name)) = environment.file_name().to_str().map(Slug::parse) {
                found.push(((RepoId(id), name), environment.path()));
            }
        }
    }
    Ok(found)
}
