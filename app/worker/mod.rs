//! The corridor: inbox, steps, outbox, watch, tick, retention. The only rooms that know all others.
//!
//! Each loop sleeps until something arrives or is due, takes a bounded amount of work, and never decides a rule of the product.

pub mod alone;
mod answer;
mod front;
mod git_answer;
pub mod gitops;
mod inbox;
mod looking;
mod outbox;
pub mod retention;
mod software;
mod steps;
mod tick;
mod watch;

use crate::artifacts::Artifacts;
use crate::git::mirror::Mirrors;
use crate::git::snapshot::Part;
use crate::github::client::GitHub;
use crate::github::error::{ApiError, Scope};
use crate::github::place::Place;
use crate::images::Images;
use crate::releases::Target;
use crate::runs::Backend;
use crate::store::Store;
use crate::text::Texts;
use bowsprit_core::effect::StagePlan;
use bowsprit_core::name::{CommitSha, Login, Repo, RepoId};
use bowsprit_core::retention::Keep;
use bowsprit_core::subject::ask::RepoView;
use bowsprit_core::training::spec::Source;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Every room, as the corridor walks them.
pub struct Rooms {
    /// What is remembered.
    pub store: Store,
    /// GitHub.
    pub github: GitHub,
    /// Repositories.
    pub mirrors: Mirrors,
    /// Bytes by digest.
    pub artifacts: Artifacts,
    /// Training.
    pub runs: Backend,
    /// Serving.
    pub releases: Target,
    /// Images, where a registry is configured.
    pub images: Option<Images>,
    /// Texts.
    pub texts: Texts,
    /// Where snapshots lie until a stage or release has taken them.
    pub snapshots: PathBuf,
    /// The bot's public address, without a slash at the end.
    pub public_url: String,
    /// The bot's own account.
    pub bot: Login,
    /// Whose habits commands follow, and where.
    pub chatops: crate::config::Chatops,
    /// How often everything is looked at again.
    pub every: Duration,
    /// How long what is over is kept.
    pub keep: Keep,
    /// Held by whoever looks for what may go: it reads all that there is.
    pub sweeping: tokio::sync::Mutex<()>,
}

/// Starts every loop; they end when `stop` is cancelled, after the work at hand.
pub fn start(rooms: &Arc<Rooms>, stop: &CancellationToken) -> TaskTracker {
    let tasks = TaskTracker::new();
    tasks.spawn(inbox::run(rooms.clone(), stop.clone()));
    tasks.spawn(steps::run(rooms.clone(), stop.clone()));
    tasks.spawn(outbox::run(rooms.clone(), stop.clone()));
    tasks.spawn(watch::run(rooms.clone(), stop.clone()));
    tasks.spawn(tick::run(rooms.clone(), stop.clone()));
    tasks.spawn(retention::run(rooms.clone(), stop.clone()));
    tasks.close();
    tasks
}

/// Milliseconds since 1970, UTC.
pub fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

impl Rooms {
    /// A repository that an installation of ours shows. Errors: it is not known, or the database fails.
    async fn known(&self, id: RepoId) -> Result<(RepoView, Place), Trouble> {
        let (view, installation) = self
            .store
            .repository(id)
            .await?
            .ok_or(Trouble::Unknown(id))?;
        let place = self.github.at(installation, view.repo.clone());
        Ok((view, place))
    }

    async fn place(&self, repo: &Repo) -> Result<Place, Trouble> {
        Ok(self.known(repo.id).await?.1)
    }
}

/// Why a question could not be answered or an effect not be tried.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    /// No installation shows this repository.
    #[error("no installation shows repository {0}")]
    Unknown(RepoId),
    /// GitHub said something else than an answer.
    #[error("GitHub: {0}")]
    Api(#[from] ApiError),
    /// Something is being made first, which is nobody's failure: what.
    #[error("{0}")]
    Waiting(String),
    /// Anything else.
    #[error("{0:#}")]
    Other(#[from] anyhow::Error),
}

/// Least wait after a passing trouble. Units: milliseconds.
const RETRY_MS: i64 = 1_000;
/// Longest wait between two tries of an effect that GitHub does not answer. Units: milliseconds.
const GROWN_MS: i64 = 15 * 60_000;
/// What is being made is looked at again after this. Units: milliseconds.
const WAITING_MS: i64 = 2_000;

impl Trouble {
    /// When to try again, if GitHub said so or the fault passes. Units: milliseconds from now.
    fn retry_after_ms(&self, attempts: u32) -> i64 {
        let own = crate::store::backoff_ms(attempts);
        match self {
            Trouble::Api(ApiError::Retry {
                after_ms: Some(after),
                ..
            }) => (*after).max(RETRY_MS),
            Trouble::Waiting(_) => WAITING_MS,
            Trouble::Api(_) | Trouble::Unknown(_) | Trouble::Other(_) => own,
        }
    }
}

impl Trouble {
    /// An effect that such a trouble has kept for so long waits at least this: half as long as before, so that a GitHub
    /// that is away for hours is asked ever more seldom. Units: milliseconds.
    fn growing_ms(&self, age_ms: i64) -> i64 {
        match self {
            Trouble::Api(ApiError::Retry {
                scope: Scope::Request,
                ..
            }) => (age_ms / 2).clamp(0, GROWN_MS),
            Trouble::Api(_) | Trouble::Unknown(_) | Trouble::Waiting(_) | Trouble::Other(_) => 0,
        }
    }
}

/// Waits until a queue has changed, something is due, or the bot stops; `false` when it stops.
async fn wait(changed: &tokio::sync::Notify, longest: Duration, stop: &CancellationToken) -> bool {
    tokio::select! {
        () = stop.cancelled() => false,
        () = changed.notified() => true,
        () = tokio::time::sleep(longest) => true,
    }
}

/// The files that a stage gets.
fn part(plan: &StagePlan) -> Part<'_> {
    Part {
        leave_out: &plan.leave_out,
        only: &plan.only,
    }
}

/// Writes the files of a commit that is in the mirrors as `<name>.tar` of a directory. Errors: too many files or bytes.
async fn snapshot(
    mirrors: &Mirrors,
    (repo, sha): (RepoId, &CommitSha),
    part: Part<'_>,
    (dir, name): (&Path, &str),
) -> anyhow::Result<Source> {
    tokio::fs::create_dir_all(dir).await?;
    let path = dir.join(format!("{name}.tar"));
    let written = mirrors.snapshot(repo, sha, part, &path).await?;
    Ok(Source {
        uri: path.display().to_string(),
        sha256: written.digest,
    })
}
