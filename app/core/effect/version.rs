//! A model version, and who deleted it.

use crate::artifact::File;
use crate::name::{CommitSha, Digest, Login, PrNumber, RepoId, Slug};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A model version: a number, a digest, and where it comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Version {
    /// The service repository.
    pub service: RepoId,
    /// The model.
    pub model: Slug,
    /// 1, 2, 3 …
    pub version: u64,
    /// The model's digest.
    pub digest: Digest,
    /// Its files.
    pub files: Vec<File>,
    /// The run that made it.
    pub run: String,
    /// The training repository.
    pub training: RepoId,
    /// The training commit.
    pub training_commit: CommitSha,
    /// Who pushed it.
    pub pushed_by: Option<Login>,
    /// Digest of what judged it.
    pub judge_digest: Digest,
    /// Commit that the judge was taken from; not known of versions from before it was written down.
    #[serde(default)]
    pub judge_sha: Option<CommitSha>,
    /// What the judge measured.
    pub metrics: BTreeMap<String, f64>,
    /// Whether the training measured itself.
    pub self_reported: bool,
    /// The commit of the proposal, which the tag keeps.
    pub commit: CommitSha,
    /// The proposal.
    pub pr: Option<PrNumber>,
    /// Units: milliseconds since 1970, UTC.
    pub created_ms: i64,
    /// Who deleted it, where somebody did: the number stays taken, and nothing can serve it any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<Deleted>,
}

/// That a version was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    /// By whom.
    pub by: Login,
    /// Units: milliseconds since 1970, UTC.
    pub at_ms: i64,
}

impl Deleted {
    /// `deleted by ada on 2026-11-30 12:00 UTC`.
    pub fn shown(&self) -> String {
        // A moment that no calendar has comes from no clock of ours.
        let at = Timestamp::from_millisecond(self.at_ms).unwrap_or_default();
        let at = at.strftime("%Y-%m-%d %H:%M UTC");
        format!("deleted by {} on {at}", self.by)
    }
}
