//! Versions that were deleted: they need no bytes, and neither does what stands for them alone.

use crate::name::{Digest, RepoId};
use std::collections::BTreeSet;

/// A version, as far as the keeping of bytes hangs on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The model's digest.
    pub digest: Digest,
    /// The run that made it.
    pub run: String,
    /// For which service.
    pub service: RepoId,
    /// By which training repository.
    pub training: RepoId,
    /// Whether somebody deleted it.
    pub is_deleted: bool,
}

/// The digests, as hexadecimal digits, and the runs of versions that were deleted, but for those of versions that were not.
pub fn only_deleted(all: &[Made]) -> BTreeSet<String> {
    let names = |is_deleted: bool| {
        let made = all.iter().filter(move |made| made.is_deleted == is_deleted);
        made.flat_map(|made| [made.digest.hex().to_owned(), made.run.clone()])
    };
    let kept: BTreeSet<String> = names(false).collect();
    names(true).filter(|name| !kept.contains(name)).collect()
}
