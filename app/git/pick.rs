//! A merged change put onto another branch, as files: nothing is written to the mirror.

use crate::git::mirror::Mirrors;
use crate::git::tree::{commit, tree_at};
use anyhow::Context as _;
use bowsprit_core::name::{CommitSha, RepoId, RepoPath};
use bowsprit_core::subject::ask::Picked;
use git2::{Delta, FileMode, MergeOptions, Repository};
use std::collections::BTreeMap;

/// Most files of a pick.
const FILES_MAX: usize = 300;

/// Most bytes of all files together. Units: bytes.
const BYTES_MAX: usize = 2 << 20;

/// Most conflicting files that are told.
const CONFLICTS_MAX: usize = 20;

impl Mirrors {
    /// What `merged` changes against its first parent, on top of `onto`. Errors: an object is not here.
    pub async fn picked(
        &self,
        repo: RepoId,
        merged: &CommitSha,
        onto: &CommitSha,
    ) -> anyhow::Result<Picked> {
        let (merged, onto) = (merged.clone(), onto.clone());
        self.with(repo, move |git| pick(git, &merged, &onto)).await
    }
}

fn pick(git: &Repository, merged: &CommitSha, onto: &CommitSha) -> anyhow::Result<Picked> {
    let (source, target) = (commit(git, merged)?, commit(git, onto)?);
    let mainline = u32::from(source.parent_count() > 1);
    if source.parent_count() == 0 {
        return Ok(Picked::Cannot("it is the first commit there is".to_owned()));
    }
    let options = MergeOptions::new();
    let index = git
        .cherrypick_commit(&source, &target, mainline, Some(&options))
        .context("cannot pick a commit")?;
    if index.has_conflicts() {
        return conflicts(&index).map(Picked::Conflict);
    }
    let old = tree_at(git, onto)?;
    let diff = git
        .diff_tree_to_index(Some(&old), Some(&index), None)
        .context("cannot compare a tree and what was picked")?;
    let (mut files, mut bytes) = (BTreeMap::new(), 0);
    for delta in diff.deltas() {
        let (was, is) = (delta.old_file(), delta.new_file());
        let name = is.path().or(was.path()).and_then(|path| path.to_str());
        let Some(path) = name.and_then(|name| RepoPath::parse(name).ok()) else {
            return Ok(Picked::Cannot("a path of it cannot be named".to_owned()));
        };
        if files.len() >= FILES_MAX {
            return Ok(Picked::Cannot(format!(
                "it changes more than {FILES_MAX} files"
            )));
        }
        if delta.status() == Delta::Deleted {
            files.insert(path, None);
            continue;
        }
        if is.mode() != FileMode::Blob {
            return Ok(Picked::Cannot(format!(
                "`{path}` is executable, or no plain file"
            )));
        }
        let blob = git
            .find_blob(is.id())
            .context("cannot read what was picked")?;
        bytes += blob.size();
        if bytes > BYTES_MAX {
            return Ok(Picked::Cannot(format!(
                "it has more than {BYTES_MAX} bytes"
            )));
        }
        let Ok(text) = std::str::from_utf8(blob.content()) else {
            return Ok(Picked::Cannot(format!("`{path}` is not text")));
        };
        files.insert(path, Some(text.to_owned()));
    }
    Ok(match files.is_empty() {
        true => Picked::Cannot("the branch has all of it already".to_owned()),
        false => Picked::Files(files),
    })
}

fn conflicts(index: &git2::Index) -> anyhow::Result<Vec<String>> {
    let mut paths = Vec::new();
    for conflict in index.conflicts().context("cannot list conflicts")? {
        let conflict = conflict.context("cannot read a conflict")?;
        let entry = conflict.our.or(conflict.their).or(conflict.ancestor);
        let path = entry.map(|entry| String::from_utf8_lossy(&entry.path).into_owned());
        paths.extend(path.filter(|path| !paths.contains(path)));
        if paths.len() >= CONFLICTS_MAX {
            break;
        }
    }
    Ok(paths)
}
