//! The bare repositories on disk: opening, creating, comparing and merging.
//!
//! Only git is touched here, never the state.  A merge is made in memory and leaves objects
//! only; refs are moved by the caller.

use git2::{Commit, Delta, DiffFindOptions, ErrorCode, Oid, Patch, Repository, Signature, Tree};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Address of the committer of signed commits.
pub(crate) const SIGNER_EMAIL: &str = "noreply@hub";
/// The object name that stands for "nothing".
pub(crate) const ZERO: &str = "0000000000000000000000000000000000000000";
/// A patch above this size is left out, in bytes.
const PATCH_MAX_BYTES: usize = 256 * 1024;

/// One changed file of a comparison.
#[derive(Clone, Debug)]
pub(crate) struct FileChange {
    pub(crate) path: String,
    pub(crate) previous: Option<String>,
    pub(crate) status: &'static str,
    pub(crate) blob: Option<String>,
    pub(crate) additions: usize,
    pub(crate) deletions: usize,
    pub(crate) patch: Option<String>,
}

/// Where the repository of a full name lies.
pub(crate) fn path(state_dir: &Path, full_name: &str) -> PathBuf {
    state_dir.join("repos").join(format!("{full_name}.git"))
}

/// Creates an empty bare repository whose HEAD names `branch`.
pub(crate) fn init(path: &Path, branch: &str) -> Result<Repository, git2::Error> {
    let mut options = git2::RepositoryInitOptions::new();
    options
        .bare(true)
        .mkpath(true)
        .external_template(false)
        .initial_head(branch);
    let repo = Repository::init_opts(path, &options)?;
    let mut config = repo.config()?;
    for name in [
        "http.receivepack",
        "uploadpack.allowFilter",
        "uploadpack.allowAnySHA1InWant",
        "uploadpack.allowReachableSHA1InWant",
    ] {
        config.set_bool(name, true)?;
    }
    config.set_str("receive.hideRefs", "refs/pull")?;
    config.set_str("receive.denyDeleteCurrent", "ignore")?;
    config.set_i32("gc.auto", 0)?;
    config.set_bool("receive.autogc", false)?;
    Ok(repo)
}

/// Copies a repository for a fork, without its pull request refs.
pub(crate) fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            if entry.path().ends_with("refs/pull") {
                continue;
            }
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// All refs but the ones of pull requests, with the object each names.
pub(crate) fn refs(repo: &Repository) -> Result<BTreeMap<String, String>, git2::Error> {
    let mut found = BTreeMap::new();
    for reference in repo.references()? {
        let reference = reference?;
        let Ok(name) = reference.name() else {
            continue;
        };
        if name.starts_with("refs/pull/") {
            continue;
        }
        if let Some(target) = reference.target() {
            found.insert(name.to_owned(), target.to_string());
        }
    }
    Ok(found)
}

/// Makes `to` hold the commit `sha` of `from`, and keeps it there under `reference`.
pub(crate) fn bring(
    from: &Path,
    to: &Repository,
    sha: &str,
    reference: &str,
) -> Result<(), git2::Error> {
    let id = Oid::from_str(sha)?;
    if to.path() != from && !to.odb()?.exists(id) {
        let source = Repository::open(from)?;
        let mut walk = source.revwalk()?;
        walk.push(id)?;
        for known in to.references()?.flatten() {
            if let Some(target) = known.target()
                && source.odb()?.exists(target)
            {
                // A ref of the target that is no commit cannot be hidden and does no harm.
                let _ = walk.hide(target);
            }
        }
        let mut builder = source.packbuilder()?;
        builder.insert_walk(&mut walk)?;
        let odb = to.odb()?;
        let mut writer = odb.packwriter()?;
        builder.foreach(|bytes| std::io::Write::write_all(&mut writer, bytes).is_ok())?;
        writer.commit()?;
    }
    to.reference(reference, id, true, "pull request head")?;
    Ok(())
}

/// Resolves a branch, tag, full ref or (short) object name to a commit.
pub(crate) fn resolve<'a>(repo: &'a Repository, name: &str) -> Option<Commit<'a>> {
    let hex = name.len() >= 7 && name.len() <= 40 && name.bytes().all(|b| b.is_ascii_hexdigit());
    for candidate in [
        format!("refs/heads/{name}"),
        format!("refs/tags/{name}"),
        format!("refs/{name}"),
        name.to_owned(),
    ] {
        if candidate.starts_with("refs/")
            && let Ok(reference) = repo.find_reference(&candidate)
        {
            return reference.peel_to_commit().ok();
        }
    }
    if hex {
        let object = repo.find_object_by_prefix(name, None).ok()?;
        return object.peel_to_commit().ok();
    }
    if name == "HEAD" {
        return repo.head().ok()?.peel_to_commit().ok();
    }
    None
}

/// The changes between two trees; `None` is the empty tree.
pub(crate) fn changes(
    repo: &Repository,
    from: Option<&Tree<'_>>,
    to: Option<&Tree<'_>>,
    with_patch: bool,
) -> Result<Vec<FileChange>, git2::Error> {
    let mut diff = repo.diff_tree_to_tree(from, to, None)?;
    if with_patch {
        diff.find_similar(Some(DiffFindOptions::new().renames(true)))?;
    }
    let mut files = Vec::new();
    for index in 0..diff.deltas().len() {
        let Some(delta) = diff.get_delta(index) else {
            continue;
        };
        let status = match delta.status() {
            Delta::Added => "added",
            Delta::Deleted => "removed",
            Delta::Renamed => "renamed",
            Delta::Copied => "copied",
            Delta::Modified
            | Delta::Unmodified
            | Delta::Ignored
            | Delta::Untracked
            | Delta::Typechange
            | Delta::Unreadable
            | Delta::Conflicted => "modified",
        };
        let text = |file: git2::DiffFile<'_>| {
            file.path()
                .map(|path| path.to_string_lossy().into_owned())
                .unwrap_or_default()
        };
        let side = if status == "removed" {
            delta.old_file()
        } else {
            delta.new_file()
        };
        let blob = side.id().to_string();
        let mut change = FileChange {
            path: text(side),
            previous: (status == "renamed").then(|| text(delta.old_file())),
            status,
            blob: Some(blob),
            additions: 0,
            deletions: 0,
            patch: None,
        };
        if with_patch {
            add_patch(&diff, index, &mut change)?;
        }
        files.push(change);
    }
    Ok(files)
}

fn add_patch(
    diff: &git2::Diff<'_>,
    index: usize,
    change: &mut FileChange,
) -> Result<(), git2::Error> {
    let Some(mut patch) = Patch::from_diff(diff, index)? else {
        return Ok(());
    };
    let (_, additions, deletions) = patch.line_stats()?;
    change.additions = additions;
    change.deletions = deletions;
    if patch.num_hunks() == 0 || patch.size(true, true, true) > PATCH_MAX_BYTES {
        return Ok(());
    }
    let buffer = patch.to_buf()?;
    let text = String::from_utf8_lossy(&buffer).into_owned();
    // The API leaves the file headers out and starts at the first hunk.
    change.patch = text
        .find("\n@@")
        .and_then(|at| text.get(at + 1..))
        .map(|hunks| hunks.trim_end_matches('\n').to_owned());
    Ok(())
}

/// The changes a branch makes since it left its base.
pub(crate) fn branch_changes(
    repo: &Repository,
    base: Oid,
    head: Oid,
    with_patch: bool,
) -> Result<Vec<FileChange>, git2::Error> {
    let fork_point = merge_base(repo, base, head)?.unwrap_or(base);
    let from = repo.find_commit(fork_point)?.tree()?;
    let to = repo.find_commit(head)?.tree()?;
    changes(repo, Some(&from), Some(&to), with_patch)
}

/// The commits of a branch that its base lacks, oldest first.
pub(crate) fn branch_commits(
    repo: &Repository,
    base: Option<Oid>,
    head: Oid,
) -> Result<Vec<Commit<'_>>, git2::Error> {
    let mut walk = repo.revwalk()?;
    walk.set_sorting(git2::Sort::TOPOLOGICAL | git2::Sort::REVERSE)?;
    walk.push(head)?;
    if let Some(base) = base {
        walk.hide(base)?;
    }
    walk.map(|id| repo.find_commit(id?)).collect()
}

pub(crate) fn merge_base(
    repo: &Repository,
    one: Oid,
    other: Oid,
) -> Result<Option<Oid>, git2::Error> {
    match repo.merge_base(one, other) {
        Ok(id) => Ok(Some(id)),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The tree of a merge, or `None` when the two sides conflict.
pub(crate) fn merge_tree(
    repo: &Repository,
    ours: Oid,
    theirs: Oid,
) -> Result<Option<Oid>, git2::Error> {
    let ours = repo.find_commit(ours)?;
    let theirs = repo.find_commit(theirs)?;
    let mut index = match repo.merge_commits(&ours, &theirs, None) {
        Ok(index) => index,
        Err(error) if error.code() == ErrorCode::MergeConflict => return Ok(None),
        Err(error) => return Err(error),
    };
    if index.has_conflicts() {
        return Ok(None);
    }
    index.write_tree_to(repo).map(Some)
}

/// The commits of a branch put one by one onto `onto`; `None` on a conflict.
pub(crate) fn rebase(
    repo: &Repository,
    onto: Oid,
    commits: &[Commit<'_>],
) -> Result<Option<Oid>, git2::Error> {
    let mut tip = onto;
    for commit in commits.iter().filter(|commit| commit.parent_count() < 2) {
        let base = repo.find_commit(tip)?;
        let mut index = match repo.cherrypick_commit(commit, &base, 0, None) {
            Ok(index) => index,
            Err(error) if error.code() == ErrorCode::MergeConflict => return Ok(None),
            Err(error) => return Err(error),
        };
        if index.has_conflicts() {
            return Ok(None);
        }
        let tree = repo.find_tree(index.write_tree_to(repo)?)?;
        let committer = signer(crate::text::now())?;
        let message = String::from_utf8_lossy(commit.message_bytes()).into_owned();
        tip = repo.commit(
            None,
            &commit.author(),
            &committer,
            &message,
            &tree,
            &[&base],
        )?;
    }
    Ok(Some(tip))
}

/// The committer of commits that the server makes itself.
pub(crate) fn signer(now: i64) -> Result<Signature<'static>, git2::Error> {
    Signature::new("Hub", SIGNER_EMAIL, &git2::Time::new(now, 0))
}

/// The author that stands for an account.
pub(crate) fn author(
    id: u64,
    login: &str,
    name: &str,
    now: i64,
) -> Result<Signature<'static>, git2::Error> {
    let email = format!("{id}+{login}@users.noreply.hub");
    Signature::new(name, &email, &git2::Time::new(now, 0))
}
