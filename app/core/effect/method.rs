//! How a change comes to its branch, in GitHub's three ways.

use serde::{Deserialize, Serialize};

/// How a change comes to its branch.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum MergeMethod {
    /// By a commit that joins both.
    #[default]
    Merge,
    /// As one commit.
    Squash,
    /// Its commits are made anew on top of the branch; words for a merge commit have no place then.
    Rebase,
}

impl MergeMethod {
    /// Every method.
    pub const ALL: [MergeMethod; 3] =
        [MergeMethod::Merge, MergeMethod::Squash, MergeMethod::Rebase];

    /// GitHub's word for it.
    pub fn word(self) -> &'static str {
        match self {
            MergeMethod::Merge => "merge",
            MergeMethod::Squash => "squash",
            MergeMethod::Rebase => "rebase",
        }
    }
}
