//! Releases that are not applied: written to a git repository, from which a syncer brings them to the cluster.
//!
//! What was written is noted, so that a look costs no call of GitHub's while the cluster shows it; the repository is
//! compared again while it does not.

use super::judge::now_ms;
use super::papers::{Papers, Written};
use crate::cluster::{Trouble, TroubleKind};
use crate::config::Gitops;
use crate::hands::StartError;
use bowsprit_core::name::{RepoName, RepoPath, Slug};
use bowsprit_core::serving::gitops::{self, Committed, FolderCommit, Unsynced};
use bowsprit_core::serving::objects::Site;
use bowsprit_core::serving::rollout::View;
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Brings a folder to a repository. Errors: `Refused` where it never will be.
pub type Commit =
    dyn Fn(FolderCommit) -> BoxFuture<'static, Result<Committed, StartError>> + Send + Sync;

/// While the cluster does not show what was written, the repository is compared this often. Units: milliseconds.
const COMPARE_EVERY_MS: i64 = 60_000;

/// The way to the repository.
#[derive(Clone)]
pub(super) struct Ledger {
    /// Which, and what is written there.
    pub(super) settings: Gitops,
    /// Who commits.
    pub(super) commit: Arc<Commit>,
}

/// What a folder should hold, and why.
pub(super) struct Wanted {
    /// Our files, by name.
    pub(super) files: BTreeMap<String, String>,
    /// The commit's message.
    pub(super) message: String,
    /// Whether the cluster does not show it, so that the repository may not have it either.
    pub(super) is_doubtful: bool,
}

impl Ledger {
    /// The folder of an environment; `None` where its objects are applied. Errors: its path is too long.
    pub(super) fn folder(
        &self,
        service: &RepoName,
        environment: &Slug,
        site: &Site,
    ) -> anyhow::Result<Option<RepoPath>> {
        if !gitops::covers(&self.settings.environments, environment) {
            return Ok(None);
        }
        Ok(Some(gitops::folder(
            &self.settings.repository,
            service,
            site,
        )?))
    }

    /// The repository has these files. Errors: a [`Trouble`] where GitHub refuses, or that it may do so later.
    pub(super) async fn put(
        &self,
        papers: &Papers,
        folder: &RepoPath,
        wanted: Wanted,
    ) -> anyhow::Result<()> {
        let now_ms = now_ms();
        let (before, moved): (Option<Written>, Option<Written>) = match papers.written()? {
            Some(before) if before.folder != *folder => (None, Some(before)),
            before => (before, None),
        };
        let before = before.filter(|before| before.files == wanted.files);
        let is_due = |before: &Written| now_ms - before.compared_ms >= COMPARE_EVERY_MS;
        if before
            .as_ref()
            .is_some_and(|before| !(wanted.is_doubtful && is_due(before)))
        {
            return Ok(());
        }
        let done = self
            .bring(folder, wanted.files.clone(), wanted.message.clone())
            .await?;
        if let Some(moved) = moved {
            // Its repository has another name now: of two folders with the same objects a syncer would take either.
            self.bring(&moved.folder, BTreeMap::new(), wanted.message)
                .await?;
        }
        let (commit, written_ms) = match before {
            Some(before) if !done.is_new => (before.commit, before.written_ms),
            Some(_) | None => (done.commit, now_ms),
        };
        papers.write_written(&Written {
            commit,
            folder: folder.clone(),
            files: wanted.files,
            written_ms,
            compared_ms: now_ms,
        })
    }

    /// The repository has nothing of an environment any more. Errors: as [`Ledger::put`].
    pub(super) async fn remove(&self, site: &Site, folder: &RepoPath) -> anyhow::Result<Committed> {
        self.bring(folder, BTreeMap::new(), gitops::removal_message(site))
            .await
    }

    async fn bring(
        &self,
        folder: &RepoPath,
        files: BTreeMap<String, String>,
        message: String,
    ) -> anyhow::Result<Committed> {
        let repository = &self.settings.repository;
        let wanted = FolderCommit {
            repository: repository.name.clone(),
            branch: repository.branch.clone(),
            folder: folder.clone(),
            files,
            message,
        };
        (self.commit)(wanted).await.map_err(|error| match error {
            StartError::Refused(message) => anyhow::Error::new(Trouble {
                kind: TroubleKind::Invalid,
                message,
            }),
            StartError::Retry(error) => error,
        })
    }

    /// How an order stands that was written and that no sync has brought yet; `None` before it was written.
    pub(super) fn view(&self, papers: &Papers, has_served: bool) -> anyhow::Result<Option<View>> {
        let wait_ms = i64::try_from(self.settings.sync_wait.as_millis()).unwrap_or(i64::MAX);
        Ok(papers.written()?.map(|written| {
            let unsynced = Unsynced {
                repository: &self.settings.repository,
                folder: &written.folder,
                commit: &written.commit,
                since_ms: written.written_ms,
                has_served,
            };
            gitops::unsynced(&unsynced, now_ms(), wait_ms)
        }))
    }
}
