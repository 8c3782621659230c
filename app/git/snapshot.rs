//! A snapshot: the files of a repository at a commit, as one archive whose bytes depend on nothing else.
//!
//! Held-out paths and ignored files are not in it. The ignore file is the first of `.bowspritignore`, `.amlignore`, `.gitignore`
//! at the root, so that a repository can say otherwise than its `.gitignore`. No link in it leads out of it, and there are no submodules.

use crate::git::ignore::{IGNORE_BYTES_MAX, Rules};
use crate::git::mirror::Mirrors;
use crate::git::read::{digest, is_at};
use crate::git::tree::{Entry, Mode, TextAt, Walk, size, text_at, tree_at, walk};
use anyhow::Context as _;
use bowsprit_core::name::{CommitSha, Digest, RepoId, RepoPath};
use git2::{Repository, Tree};
use sha2::Digest as _;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Ignore files; the first that is there counts alone.
const IGNORE_FILES: [&str; 3] = [".bowspritignore", ".amlignore", ".gitignore"];

/// Largest sum of files. Units: bytes.
const BYTES_MAX: u64 = 2 << 30;

/// Largest file; git's hosts take none above 100 MB. Units: bytes.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// Longest target of a link. Units: bytes.
const LINK_BYTES_MAX: u64 = 1_024;

/// An archive that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Of the archive's bytes.
    pub digest: Digest,
    /// Files and links in it.
    pub entries: usize,
    /// Files, links and submodules that could not go in: a name that no path of ours has, or a link that leads out.
    pub dropped: usize,
    /// Of the archive. Units: bytes.
    pub bytes: u64,
}

/// Which files of a commit a snapshot holds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Part<'a> {
    /// Files and folders that it does not hold.
    pub leave_out: &'a [RepoPath],
    /// The only files and folders that it holds; all where none is named.
    pub only: &'a [RepoPath],
}

impl Mirrors {
    /// The digest of what a snapshot of these files and folders holds; of all where none is named. Errors: too many files.
    pub async fn snapshot_digest(
        &self,
        repo: RepoId,
        at: &CommitSha,
        only: &[RepoPath],
    ) -> anyhow::Result<Digest> {
        let (at, only) = (at.clone(), only.to_vec());
        self.with(repo, move |git| {
            let part = Part {
                only: &only,
                ..Part::default()
            };
            let mut found = held(git, &at, part)?;
            // What has no name of ours comes into no snapshot.
            found
                .entries
                .retain(|entry| RepoPath::parse(&entry.path).is_ok());
            Ok(digest(&found.entries))
        })
        .await
    }

    /// Writes the archive to `out`, whole or not at all. Errors: too many files or bytes.
    pub async fn snapshot(
        &self,
        repo: RepoId,
        at: &CommitSha,
        part: Part<'_>,
        out: &Path,
    ) -> anyhow::Result<Snapshot> {
        let (at, out) = (at.clone(), out.to_owned());
        let (leave_out, only) = (part.leave_out.to_vec(), part.only.to_vec());
        self.with(repo, move |git| {
            let part = Part {
                leave_out: &leave_out,
                only: &only,
            };
            snapshot(git, &at, part, &out)
        })
        .await
    }
}

fn snapshot(
    git: &Repository,
    at: &CommitSha,
    part: Part<'_>,
    out: &Path,
) -> anyhow::Result<Snapshot> {
    let found = held(git, at, part)?;
    let dir = out.parent().context("a snapshot needs a directory")?;
    let file = tempfile::NamedTempFile::new_in(dir)
        .with_context(|| format!("cannot write to `{}`", dir.display()))?;
    let mut archive = tar::Builder::new(Hashing::new(BufWriter::new(file)));
    let mut budget = BYTES_MAX;
    let (mut entries, mut dropped) = (0, found.unnameable);
    for entry in &found.entries {
        match append(git, &mut archive, entry, &mut budget)? {
            true => entries += 1,
            false => dropped += 1,
        }
    }
    let hashing = archive.into_inner().context("cannot end the snapshot")?;
    let (file, digest, bytes) = hashing.finish()?;
    file.persist(out)
        .with_context(|| format!("cannot write `{}`", out.display()))?;
    Ok(Snapshot {
        digest,
        entries,
        dropped,
        bytes,
    })
}

/// The files that a snapshot of a part holds, as far as they can go in.
fn held(git: &Repository, at: &CommitSha, part: Part<'_>) -> anyhow::Result<Walk> {
    let tree = tree_at(git, at)?;
    let rules = rules(git, &tree)?;
    let is_left_out = |path: &str| part.leave_out.iter().any(|left| left.as_str() == path);
    let is_named = |path: &str, is_directory: bool| {
        part.only.is_empty() || is_at(part.only, path, is_directory)
    };
    // `.git` in any spelling is never a file of a repository; git's own check may have been off where it was made.
    let is_git = |path: &str| {
        path.rsplit('/')
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case(".git"))
    };
    walk(git, &tree, |path, is_directory| {
        !is_left_out(path)
            && is_named(path, is_directory)
            && !is_git(path)
            && !rules.is_ignored(path, is_directory)
    })
}

fn rules(git: &Repository, tree: &Tree<'_>) -> anyhow::Result<Rules> {
    for name in IGNORE_FILES {
        let path = RepoPath::parse(name)?;
        match text_at(git, tree, &path, IGNORE_BYTES_MAX)? {
            TextAt::Missing => {}
            TextAt::Unusable(why) => anyhow::bail!(why),
            TextAt::Text(text) => return Ok(Rules::parse(&text)),
        }
    }
    Ok(Rules::default())
}

/// Puts one file in; `false` where it cannot go in.
fn append<W: Write>(
    git: &Repository,
    archive: &mut tar::Builder<W>,
    entry: &Entry,
    budget: &mut u64,
) -> anyhow::Result<bool> {
    if RepoPath::parse(&entry.path).is_err() {
        return Ok(false);
    }
    let mode = match entry.mode {
        Mode::File | Mode::Link => 0o644,
        Mode::Executable => 0o755,
        Mode::Submodule => return Ok(false),
    };
    let bytes = size(git, entry.oid)?;
    anyhow::ensure!(
        bytes <= FILE_BYTES_MAX,
        "`{}` is larger than {FILE_BYTES_MAX} bytes",
        entry.path
    );
    *budget = budget
        .checked_sub(bytes)
        .with_context(|| format!("the files are larger than {BYTES_MAX} bytes"))?;
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    if entry.mode == Mode::Link {
        if bytes > LINK_BYTES_MAX {
            return Ok(false);
        }
        let blob = git
            .find_blob(entry.oid)
            .with_context(|| format!("cannot read `{}`", entry.path))?;
        let Some(target) = std::str::from_utf8(blob.content())
            .ok()
            .filter(|target| stays_within(&entry.path, target))
        else {
            return Ok(false);
        };
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        archive
            .append_link(&mut header, &entry.path, target)
            .with_context(|| format!("cannot write `{}`", entry.path))?;
        return Ok(true);
    }
    let blob = git
        .find_blob(entry.oid)
        .with_context(|| format!("cannot read `{}`", entry.path))?;
    header.set_size(bytes);
    archive
        .append_data(&mut header, &entry.path, blob.content())
        .with_context(|| format!("cannot write `{}`", entry.path))?;
    Ok(true)
}

/// Whether a link at `path` leads to something inside, whatever other links there are.
///
/// Steps up are taken at the start only: after a name they would go up from wherever that name's own link leads.
fn stays_within(path: &str, target: &str) -> bool {
    let depth = path.split('/').count() - 1;
    let ups = target.split('/').take_while(|part| *part == "..").count();
    let is_plain = |part: &str| {
        !part.is_empty()
            && part != ".."
            && !part.eq_ignore_ascii_case(".git")
            && !part.contains(char::is_control)
    };
    ups <= depth && target.split('/').skip(ups).all(is_plain)
}

/// A writer that knows the digest of what went through.
struct Hashing<W> {
    inner: W,
    hash: sha2::Sha256,
    bytes: u64,
}

impl<W: Write> Hashing<W> {
    fn new(inner: W) -> Hashing<W> {
        Hashing {
            inner,
            hash: sha2::Sha256::new(),
            bytes: 0,
        }
    }
}

impl Hashing<BufWriter<tempfile::NamedTempFile>> {
    fn finish(self) -> anyhow::Result<(tempfile::NamedTempFile, Digest, u64)> {
        let file = self
            .inner
            .into_inner()
            .context("cannot write the snapshot")?;
        file.as_file()
            .sync_all()
            .context("cannot write the snapshot")?;
        let digest = Digest::parse(&format!("sha256:{}", hex::encode(self.hash.finalize())))?;
        Ok((file, digest, self.bytes))
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_that_lead_out_are_told() {
        for (path, target) in [
            ("a", "b"),
            ("d/a", "../b"),
            ("d/e/a", "../../b/c"),
            ("a", "d/e"),
        ] {
            assert!(stays_within(path, target), "{path} -> {target}");
        }
        for (path, target) in [
            ("a", "/etc/passwd"),
            ("a", "../b"),
            ("d/a", "../../b"),
            ("a", "l/../../b"),
            ("a", "l/.."),
            ("a", ""),
            ("a", ".git/config"),
            ("a", "b//c"),
        ] {
            assert!(!stays_within(path, target), "{path} -> {target}");
        }
    }
}
