//! Walking the tree of a commit, bounded in entries and depth: a tree of a few objects can have billions of paths.

use crate::git::mirror::oid;
use anyhow::Context as _;
use bowsprit_core::name::{CommitSha, RepoPath};
use git2::{Commit, ObjectType, Oid, Repository, Tree};

/// Entries that are looked at in one walk, directories included.
pub const ENTRIES_MAX: usize = 100_000;

/// Directories within each other.
const DEPTH_MAX: usize = 60;

/// A file of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) path: String,
    pub(crate) mode: Mode,
    pub(crate) oid: Oid,
}

/// What git knows of a file beside its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    File,
    Executable,
    Link,
    Submodule,
}

impl Mode {
    fn of(filemode: i32) -> Mode {
        match filemode {
            0o100_755 => Mode::Executable,
            0o120_000 => Mode::Link,
            0o160_000 => Mode::Submodule,
            _ => Mode::File,
        }
    }

    /// As git writes it.
    pub(crate) fn digits(self) -> &'static str {
        match self {
            Mode::File => "100644",
            Mode::Executable => "100755",
            Mode::Link => "120000",
            Mode::Submodule => "160000",
        }
    }
}

/// The files of a tree, sorted by path, and how many were left out because their path is not UTF-8.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    pub(crate) entries: Vec<Entry>,
    pub(crate) unnameable: usize,
}

/// Walks all paths for which `keep` says so; what it says of a directory holds for everything below.
///
/// Errors: more than [`ENTRIES_MAX`] entries, or too deep.
pub(crate) fn walk(
    git: &Repository,
    tree: &Tree<'_>,
    mut keep: impl FnMut(&str, bool) -> bool,
) -> anyhow::Result<Walk> {
    let mut found = Walk::default();
    let mut seen = 0;
    let mut waiting = vec![(String::new(), 0, tree.id())];
    while let Some((prefix, depth, id)) = waiting.pop() {
        anyhow::ensure!(depth <= DEPTH_MAX, "directories are nested too deeply");
        let tree = git.find_tree(id).context("cannot read a tree")?;
        for entry in &tree {
            seen += 1;
            anyhow::ensure!(
                seen <= ENTRIES_MAX,
                "there are more than {ENTRIES_MAX} files"
            );
            let Ok(name) = entry.name() else {
                found.unnameable += 1;
                continue;
            };
            let path = format!("{prefix}{name}");
            let is_directory = entry.kind() == Some(ObjectType::Tree);
            if !keep(&path, is_directory) {
                continue;
            }
            match is_directory {
                true => waiting.push((format!("{path}/"), depth + 1, entry.id())),
                false => found.entries.push(Entry {
                    path,
                    mode: Mode::of(entry.filemode()),
                    oid: entry.id(),
                }),
            }
        }
    }
    found.entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// The commit. Errors: it is not here.
pub(crate) fn commit<'git>(git: &'git Repository, sha: &CommitSha) -> anyhow::Result<Commit<'git>> {
    git.find_commit(oid(sha)?)
        .with_context(|| format!("cannot find commit {sha}"))
}

/// The tree of a commit. Errors: it is not here.
pub(crate) fn tree_at<'git>(git: &'git Repository, sha: &CommitSha) -> anyhow::Result<Tree<'git>> {
    commit(git, sha)?
        .tree()
        .with_context(|| format!("cannot read the tree of {sha}"))
}

/// A file at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextAt {
    /// There is nothing.
    Missing,
    /// There is something that cannot be used as text, and why.
    Unusable(String),
    /// The text.
    Text(String),
}

impl TextAt {
    /// The text, where there is one.
    pub fn text(self) -> Option<String> {
        match self {
            TextAt::Text(text) => Some(text),
            TextAt::Missing | TextAt::Unusable(_) => None,
        }
    }
}

/// The text at a path: a regular file of UTF-8 and at most that size.
pub(crate) fn text_at(
    git: &Repository,
    tree: &Tree<'_>,
    path: &RepoPath,
    bytes_max: usize,
) -> anyhow::Result<TextAt> {
    let entry = match tree.get_path(std::path::Path::new(path.as_str())) {
        Ok(entry) => entry,
        Err(error) if error.code() == git2::ErrorCode::NotFound => return Ok(TextAt::Missing),
        Err(error) => return Err(error).with_context(|| format!("cannot look up `{path}`")),
    };
    if entry.kind() != Some(ObjectType::Blob) {
        return Ok(TextAt::Unusable(format!("`{path}` is not a file")));
    }
    match Mode::of(entry.filemode()) {
        Mode::File | Mode::Executable => blob_text(git, entry.id(), path.as_str(), bytes_max),
        Mode::Link | Mode::Submodule => Ok(TextAt::Unusable(format!("`{path}` is a link"))),
    }
}

/// The text of a blob.
pub(crate) fn blob_text(
    git: &Repository,
    oid: Oid,
    path: &str,
    bytes_max: usize,
) -> anyhow::Result<TextAt> {
    let bytes = size(git, oid)?;
    if bytes > bytes_max as u64 {
        return Ok(TextAt::Unusable(format!(
            "`{path}` is larger than {bytes_max} bytes"
        )));
    }
    let blob = git
        .find_blob(oid)
        .with_context(|| format!("cannot read `{path}`"))?;
    Ok(match std::str::from_utf8(blob.content()) {
        Ok(text) => TextAt::Text(text.to_owned()),
        Err(_) => TextAt::Unusable(format!("`{path}` is not UTF-8")),
    })
}

/// The size of a blob, without reading it. Units: bytes.
pub(crate) fn size(git: &Repository, oid: Oid) -> anyhow::Result<u64> {
    let (bytes, _) = git
        .odb()?
        .read_header(oid)
        .context("cannot read the size of a file")?;
    Ok(bytes as u64)
}
