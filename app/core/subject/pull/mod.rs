//! A pull request (or an issue with a command on it): who has said what, what is missing, and when it lands.

mod acts;
mod agreed;
mod answer;
mod approved;
mod blocked;
mod by_hand;
mod checks_told;
mod collaborators;
mod contexts;
mod dated;
mod edits;
mod enqueued;
mod failures;
mod four_eyes;
mod gone;
mod heads;
mod known;
mod labels;
mod landing;
mod lgtm;
mod noes;
mod overrides;
mod owned;
mod picks;
mod pooled;
mod promotion;
mod queued;
mod release_acts;
mod reviewers;
mod rules;
mod run_acts;
pub use rules::{Rule, Standing};
mod status;
mod step;
mod stored;
mod talk;
mod telling;
mod tested;
mod unread;
mod verdict;
mod wanted;
mod words;

#[cfg(test)]
mod tests;

pub use by_hand::ByHand;
pub use edits::{DOING_MAX, Doing};
pub use enqueued::{Enqueued, QueueEntry};
pub use failures::{FAILURES_MAX, Failure};
pub use noes::{NOES_MAX, No, NoWord};
pub use overrides::{OVERRIDES_MAX, Override};
pub use picks::{PICKS_MAX, Pick};
pub use pooled::PutOut;
pub use queued::Ready;
pub use step::step;
pub use talk::{ORIGINALS_MAX, Original};
pub use unread::unread;
pub use verdict::{NAME as MERGE_CHECK, Verdict};

use crate::name::{BranchName, CommentId, CommitSha, Digest, Login, PrNumber, Repo};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A pull request as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pull {
    /// Where.
    pub repo: Repo,
    /// Which.
    pub number: PrNumber,
    /// Whether it is open, as last seen.
    pub is_open: bool,
    /// Every head that we know of, oldest first, at most [`HEADS_MAX`].
    pub heads: Vec<HeadSeen>,
    /// The branch it goes to, as last seen.
    #[serde(default)]
    pub base: Option<BranchName>,
    /// When it was seen to go to another branch than before. Units: milliseconds since 1970, UTC.
    #[serde(default)]
    pub retargeted_ms: Option<i64>,
    /// Comments whose commands were carried out or answered, newest last, at most [`ACTED_MAX`].
    pub acted: Vec<CommentId>,
    /// Descriptions and reviews as they were first written, at most [`ORIGINALS_MAX`].
    #[serde(default)]
    pub originals: Vec<Original>,
    /// What people said against it, and for its going on, at most [`NOES_MAX`].
    #[serde(default)]
    pub noes: Vec<No>,
    /// Commands that GitHub carries out now, at most [`DOING_MAX`].
    #[serde(default)]
    pub doing: Vec<Doing>,
    /// Labels of power that people put on by hand.
    #[serde(default)]
    pub by_hand: Vec<ByHand>,
    /// Contexts that count as green, newest last, at most [`OVERRIDES_MAX`].
    #[serde(default)]
    pub overrides: Vec<Override>,
    /// Whether our list of checks stands on it.
    #[serde(default)]
    pub has_checks_told: bool,
    /// Checks whose newest result is red, of earlier heads too, at most [`FAILURES_MAX`].
    #[serde(default)]
    pub failures: Vec<Failure>,
    /// Whether reviewers were asked of our own accord.
    #[serde(default)]
    pub has_asked: bool,
    /// Branches that it is to come to as well, at most [`PICKS_MAX`].
    #[serde(default)]
    pub picks: Vec<Pick>,
    /// Merges tried on the present head.
    pub tries: u32,
    /// When the last merge was refused. Units: milliseconds since 1970, UTC.
    pub refused_ms: Option<i64>,
    /// Merges that were withdrawn before they happened.
    #[serde(default)]
    pub withdrawn: u32,
    /// Its place among those that may merge into the same branch.
    #[serde(default)]
    pub ready: Option<Ready>,
    /// Why the pool of its branch does not test it any more.
    #[serde(default)]
    pub put_out: Option<PutOut>,
    /// Where GitHub's own queue merges: how it stands there.
    #[serde(default)]
    pub enqueued: Option<Enqueued>,
    /// The tree that the merge should give.
    pub judged_tree: Option<CommitSha>,
    /// The head that was judged last.
    pub judged_head: Option<CommitSha>,
    /// What landed.
    pub landed: Option<CommitSha>,
    /// What the check of all rules said last, where it is shown.
    #[serde(default)]
    pub verdict: Option<Verdict>,
    /// Every rule, as last evaluated; none once it is closed.
    pub rules: Vec<rules::Rule>,
    /// Who had agreed when it landed.
    #[serde(default)]
    pub approved_by: Vec<Login>,
    /// Title, for pages.
    pub title: String,
}

/// A head that a pull request had, and since when; one that became another change by its base is there once more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadSeen {
    /// The head.
    pub sha: CommitSha,
    /// When it was pushed, says GitHub; when we first saw it, where nobody said. Units: milliseconds since 1970, UTC.
    pub at_ms: i64,
    /// Whether it was there when the pull request was opened: no word can be older.
    pub is_first: bool,
    /// Who pushed it, where somebody said.
    #[serde(default)]
    pub by: Option<Login>,
    /// The change's own id at this head, once computed.
    pub change: Option<Digest>,
}

/// Most heads that are remembered.
pub const HEADS_MAX: usize = 200;

/// Most comments that are remembered as carried out.
pub const ACTED_MAX: usize = 1_000;

/// A command older than this is not carried out. Units: milliseconds.
pub const ACT_AGE_MAX_MS: i64 = 24 * 3_600_000;

/// What a pull request changes, by its paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Code, or anything without a rule of its own.
    Code,
    /// A model version, on a branch of ours.
    Proposal,
    /// Only files under `environments/`.
    Promotion,
    /// Files under `environments/` and others: refused.
    Mixed,
}

impl Pull {
    /// A pull request that was just seen.
    pub fn new(repo: Repo, number: PrNumber, heads: Vec<HeadSeen>) -> Pull {
        Pull {
            repo,
            number,
            is_open: true,
            heads,
            base: None,
            retargeted_ms: None,
            acted: Vec::new(),
            originals: Vec::new(),
            noes: Vec::new(),
            doing: Vec::new(),
            by_hand: Vec::new(),
            overrides: Vec::new(),
            has_checks_told: false,
            has_asked: false,
            picks: Vec::new(),
            failures: Vec::new(),
            tries: 0,
            withdrawn: 0,
            refused_ms: None,
            ready: None,
            put_out: None,
            enqueued: None,
            judged_tree: None,
            judged_head: None,
            landed: None,
            verdict: None,
            rules: Vec::new(),
            approved_by: Vec::new(),
            title: String::new(),
        }
    }

    /// Its page, below the server's own address.
    pub(crate) fn page(&self) -> String {
        format!("/pulls/{}/{}", self.repo.name, self.number)
    }

    /// Who has agreed so far, or had when it landed.
    pub fn approvers(&self) -> Vec<Login> {
        if self.rules.is_empty() {
            return self.approved_by.clone();
        }
        let met = self
            .rules
            .iter()
            .filter(|rule| rule.name.starts_with("approved") && rule.state == Standing::Met);
        let people: BTreeSet<&Login> = met.flat_map(|rule| &rule.who).collect();
        people.into_iter().cloned().collect()
    }
}
