//! The mirrors: one bare repository for each repository id, filled on demand, one fetch at a time.
//!
//! A commit that is here is never fetched again. References are only as new as the last fetch: read by commit.

use crate::git::chain::Merges;
use crate::git::fetch::{self, Fetch, FetchLimits};
use anyhow::Context as _;
use bowsprit_core::name::{CommitSha, Repo, RepoId, RepoName};
use git2::{Oid, Repository};
use secrecy::SecretString;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Branches and tags.
const REFS: [&str; 2] = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];

/// Heads of pull requests, for a server that does not give out a commit by its id.
const PULLS: &str = "+refs/pull/*/head:refs/pull/*/head";

/// A mirror with more packs is packed anew.
const PACKS_MAX: usize = 60;

/// A repository has no such commit, or no longer.
#[derive(Debug, thiserror::Error)]
#[error("`{repo}` has no commit {sha}")]
pub struct NoCommit {
    repo: RepoName,
    sha: CommitSha,
}

/// Where the mirrors are and where they come from.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The directory that holds them.
    pub dir: PathBuf,
    /// `https://github.com`, without a slash at the end; plain http to this machine only.
    pub git_url: String,
    /// Certificates to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// The limits of a fetch.
    pub limits: FetchLimits,
}

/// The mirrors; a clone is the same mirrors.
#[derive(Debug, Clone)]
pub struct Mirrors {
    settings: Arc<Settings>,
    locks: Arc<Mutex<HashMap<RepoId, Arc<tokio::sync::Mutex<()>>>>>,
    /// Merges that were made here.
    pub(super) merges: Arc<Merges>,
}

impl Mirrors {
    /// Errors: an address that may not be used, or a directory that cannot be made.
    pub fn new(settings: Settings) -> anyhow::Result<Mirrors> {
        let url = url::Url::parse(&settings.git_url).context("cannot read the address of git")?;
        let is_loopback = match url.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        let is_allowed = url.scheme() == "https" || (url.scheme() == "http" && is_loopback);
        anyhow::ensure!(
            is_allowed
                && url.username().is_empty()
                && url.query().is_none()
                && url.fragment().is_none(),
            "cannot use the address of git: https is needed, or http to this machine"
        );
        std::fs::create_dir_all(&settings.dir)
            .with_context(|| format!("cannot make `{}`", settings.dir.display()))?;
        Ok(Mirrors {
            settings: Arc::new(settings),
            locks: Arc::default(),
            merges: Arc::default(),
        })
    }

    /// These commits are here afterwards; `token` is asked only when something must be fetched.
    ///
    /// Errors: as of `token`; git's; [`NoCommit`].
    pub async fn ensure<F, T>(
        &self,
        repo: &Repo,
        shas: &[&CommitSha],
        token: F,
    ) -> anyhow::Result<()>
    where
        F: FnOnce() -> T,
        T: Future<Output = anyhow::Result<SecretString>>,
    {
        if self.missing(repo.id, shas).await?.is_empty() {
            return Ok(());
        }
        let lock = self.lock(repo.id);
        let _held = lock.lock().await;
        // Another may have fetched them while we waited.
        if self.missing(repo.id, shas).await?.is_empty() {
            return Ok(());
        }
        let token = token().await?;
        self.fetch(repo, &REFS.map(str::to_owned), &token).await?;
        let missing = self.missing(repo.id, shas).await?;
        if missing.is_empty() {
            return Ok(());
        }
        let by_id: Vec<String> = missing
            .iter()
            .map(|sha| format!("+{sha}:refs/kept/{sha}"))
            .collect();
        if let Err(error) = self.fetch(repo, &by_id, &token).await {
            tracing::debug!(repo.name = %repo.name, "`{}` gives no commit by its id: {error:#}", repo.name);
            self.fetch(repo, &[PULLS.to_owned()], &token).await?;
        }
        match self.missing(repo.id, shas).await?.first() {
            None => Ok(()),
            Some(sha) => Err(NoCommit {
                repo: repo.name.clone(),
                sha: (*sha).clone(),
            }
            .into()),
        }
    }

    /// Branches and tags are as the repository has them now. Errors: as of `token`; git's.
    pub async fn refresh<F, T>(&self, repo: &Repo, token: F) -> anyhow::Result<()>
    where
        F: FnOnce() -> T,
        T: Future<Output = anyhow::Result<SecretString>>,
    {
        let lock = self.lock(repo.id);
        let _held = lock.lock().await;
        let token = token().await?;
        self.fetch(repo, &REFS.map(str::to_owned), &token).await
    }

    /// Takes a mirror away, for good.
    pub async fn forget(&self, repo: RepoId) -> anyhow::Result<()> {
        let lock = self.lock(repo);
        let _held = lock.lock().await;
        let path = self.path(repo);
        match tokio::fs::remove_dir_all(&path).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove `{}`", path.display()))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Runs `work` on the mirror, where blocking does not hurt. Errors: there is no mirror yet; the work's own.
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        repo: RepoId,
        work: impl FnOnce(&Repository) -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<T> {
        let path = self.path(repo);
        let task = tokio::task::spawn_blocking(move || {
            let opened = Repository::open_bare(&path);
            work(&opened.with_context(|| format!("cannot open the mirror of repository {repo}"))?)
        });
        task.await.context("reading a mirror ended early")?
    }

    pub(crate) fn path(&self, repo: RepoId) -> PathBuf {
        self.settings.dir.join(format!("{repo}.git"))
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.settings.dir
    }

    pub(crate) fn limits(&self) -> &FetchLimits {
        &self.settings.limits
    }

    async fn missing(&self, repo: RepoId, shas: &[&CommitSha]) -> anyhow::Result<Vec<CommitSha>> {
        let wanted: Vec<CommitSha> = shas.iter().map(|sha| (*sha).clone()).collect();
        if !tokio::fs::try_exists(self.path(repo).join("HEAD")).await? {
            return Ok(wanted);
        }
        self.with(repo, move |git| {
            let is_here = |sha: &CommitSha| oid(sha).is_ok_and(|oid| git.find_commit(oid).is_ok());
            Ok(wanted.into_iter().filter(|sha| !is_here(sha)).collect())
        })
        .await
    }

    /// Fetches; the caller holds the mirror's lock.
    async fn fetch(
        &self,
        repo: &Repo,
        refspecs: &[String],
        token: &SecretString,
    ) -> anyhow::Result<()> {
        let git_dir = self.path(repo.id);
        make(&git_dir).await?;
        fetch::remove_unfinished(&git_dir).await?;
        let url = format!(
            "{}/{}.git",
            self.settings.git_url.trim_end_matches('/'),
            repo.name
        );
        let one = Fetch {
            git_dir: &git_dir,
            url: &url,
            refspecs,
            is_mirror: refspecs == REFS,
            ca_file: self.settings.ca_file.as_deref(),
            token,
            limits: &self.settings.limits,
        };
        fetch::fetch(&one)
            .await
            .with_context(|| format!("cannot fetch `{}`", repo.name))?;
        if packs(&git_dir) > PACKS_MAX {
            // Readers open packs as they need them; git2 looks again when one has gone.
            fetch::repack(&git_dir, &self.settings.limits).await?;
        }
        Ok(())
    }

    fn lock(&self, repo: RepoId) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        locks.entry(repo).or_default().clone()
    }
}

/// A commit's id for git2.
pub(crate) fn oid(sha: &CommitSha) -> anyhow::Result<Oid> {
    Oid::from_str(sha.as_str()).with_context(|| format!("cannot use the commit id {sha}"))
}

/// A git2 id as a name of core.
pub(crate) fn sha(oid: Oid) -> anyhow::Result<CommitSha> {
    CommitSha::parse(&oid.to_string()).context("git gave an id of another length")
}

async fn make(git_dir: &Path) -> anyhow::Result<()> {
    if tokio::fs::try_exists(git_dir.join("HEAD")).await? {
        return Ok(());
    }
    let path = git_dir.to_owned();
    let task = tokio::task::spawn_blocking(move || {
        let mut options = git2::RepositoryInitOptions::new();
        options
            .bare(true)
            .external_template(false)
            .initial_head("main");
        Repository::init_opts(&path, &options).map(|_| ())
    });
    let made = task.await.context("making a mirror ended early")?;
    made.with_context(|| format!("cannot make `{}`", git_dir.display()))
}

fn packs(git_dir: &Path) -> usize {
    let entries = std::fs::read_dir(git_dir.join("objects/pack"))
        .into_iter()
        .flatten()
        .flatten();
    entries
        .filter(|entry| {
            entry
                .path()
                .extension()
                .is_some_and(|ending| ending == "pack")
        })
        .count()
}
