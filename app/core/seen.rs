//! What a delivery says, reduced to what matters: something was seen at a place.
//!
//! A delivery is only a hint; the present state is read afterwards.

use crate::name::{BranchName, CommentId, CommitSha, Login, PrNumber, Repo};
use serde::{Deserialize, Serialize};

/// One delivery, understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seen {
    /// A branch was pushed, created or deleted.
    Push {
        /// Where.
        repo: Repo,
        /// Which branch.
        branch: BranchName,
        /// Its new head; `None` when it was deleted.
        head: Option<CommitSha>,
        /// Who.
        by: Option<Login>,
    },
    /// A pull request was opened, pushed to, closed, labelled …
    Pull {
        /// Where.
        repo: Repo,
        /// Which.
        number: PrNumber,
        /// When its head was pushed (opened, synchronize) and to what. Units: milliseconds since 1970, UTC.
        pushed: Option<(CommitSha, i64)>,
        /// Who did that, where it was a person.
        by: Option<Login>,
        /// Its description, when it was opened just now.
        said: Option<Said>,
        /// A label that a person put on or took off just now.
        labeled: Option<Labeled>,
    },
    /// A comment or review was written, edited, deleted, dismissed, or an issue opened.
    Talk {
        /// Where.
        repo: Repo,
        /// On which issue or pull request.
        number: PrNumber,
        /// What was written, where it cannot be told later whether it was edited since.
        said: Option<Said>,
    },
    /// The re-run button of one of our check runs, or of all of them on a commit.
    Rerun {
        /// Where.
        repo: Repo,
        /// On which commit.
        sha: CommitSha,
        /// Our run's id and the name of its check; `None` for all.
        run: Option<(String, String)>,
        /// Who.
        by: Login,
    },
    /// A status or check run that is not ours changed.
    Context {
        /// Where.
        repo: Repo,
        /// On which commit.
        sha: CommitSha,
    },
    /// An issue was closed, opened again, renamed or labelled: it may block merges, or no longer.
    Issue {
        /// Where.
        repo: Repo,
    },
    /// The installation gained, lost or changed repositories, or was suspended or removed.
    Installation,
    /// Nothing that matters.
    Nothing,
}

/// What a person did to a label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labeled {
    /// Its name.
    pub label: String,
    /// Who.
    pub by: Login,
    /// The head that was there.
    pub head: CommitSha,
    /// Whether it was put on, else taken off.
    pub is_on: bool,
}

/// A text as it was first written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Which.
    pub id: CommentId,
    /// The text.
    pub body: String,
}
