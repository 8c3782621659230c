//! One repository on its way: looked for, written, committed, made on the server, pushed.
//!
//! A note in its `.git` tells a later call how far it came, so that the same command goes on after a failure.

use super::super::catalogue::{self, lay};
use super::super::git::{Access, commit_all, git};
use super::super::git_host::GitHost;
use anyhow::{Context as _, bail};
use bowsprit_core::catalogue::{Entry, Made, Names, Root, Source};
use bowsprit_core::name::{CommitSha, Login, RepoName};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The note, within `.git`.
const NOTE_FILE: &str = "bowsprit-create.json";
/// Largest note. Units: bytes.
const NOTE_BYTES_MAX: u64 = 16 << 10;
/// The branch of the first commit.
const BRANCH: &str = "main";

/// One repository that is to be.
pub(super) struct Half {
    quickstart: String,
    from: String,
    source: Source,
    root: Root,
    repo: RepoName,
    dir: PathBuf,
}

/// How far a repository came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Reached {
    /// Its folder has its first commit.
    Folder,
    /// The server was asked to make it, and has not said that it did.
    Asked,
    /// It is on the server, and empty.
    Repository,
    /// It is on the server with its first commit.
    Pushed,
}

/// How one repository stands.
pub(super) struct Standing {
    /// Its first commit.
    pub(super) commit: CommitSha,
    /// How far it came.
    pub(super) reached: Reached,
    /// The first check that the App put on it, once there is one.
    pub(super) check: Option<Value>,
}

/// What is known of an earlier call.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    quickstart: String,
    repo: RepoName,
    /// Whether the server was asked to make the repository, so that one found there is ours.
    is_asked: bool,
    /// Whether the first commit was pushed.
    #[serde(default)]
    is_pushed: bool,
}

impl Half {
    /// What `made` becomes under `root`. Errors: the owner is no name.
    pub(super) fn new(
        entry: &Entry,
        made: &Made,
        root: &Root,
        owner: &str,
        output_dir: &Path,
    ) -> anyhow::Result<Half> {
        let name = format!("{}{}", root.as_str(), made.tail.as_str());
        Ok(Half {
            quickstart: entry.name.clone(),
            from: entry.root.clone(),
            source: made.source.clone(),
            root: root.clone(),
            repo: RepoName::parse(&format!("{owner}/{name}"))?,
            dir: output_dir.join(&name),
        })
    }

    /// Its name without the owner.
    pub(super) fn name(&self) -> &str {
        self.repo.name()
    }

    /// Its whole name.
    pub(super) fn repo(&self) -> &RepoName {
        &self.repo
    }

    /// Its folder.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    fn note(&self) -> anyhow::Result<Option<Note>> {
        crate::files::read(&self.dir.join(".git").join(NOTE_FILE), NOTE_BYTES_MAX)
    }

    /// How far it is known to have come. Errors: the note cannot be read.
    fn reached(&self) -> anyhow::Result<Reached> {
        Ok(match self.note()? {
            Some(note) if note.is_pushed => Reached::Pushed,
            Some(note) if note.is_asked => Reached::Asked,
            _ => Reached::Folder,
        })
    }

    fn write_note(&self, dir: &Path, reached: Reached) -> anyhow::Result<()> {
        let note = Note {
            quickstart: self.quickstart.clone(),
            repo: self.repo.clone(),
            is_asked: reached >= Reached::Asked,
            is_pushed: reached == Reached::Pushed,
        };
        let file = dir.join(".git").join(NOTE_FILE);
        std::fs::write(&file, serde_json::to_vec(&note)?)
            .with_context(|| format!("cannot write {}", file.display()))
    }

    /// Looks whether anything of somebody else is in the way. Errors: it is.
    pub(super) async fn check(&self, host: &GitHost, is_pushed: bool) -> anyhow::Result<()> {
        let note = self.note()?;
        let is_ours = note
            .as_ref()
            .is_some_and(|note| note.quickstart == self.quickstart && note.repo == self.repo);
        if self.dir.symlink_metadata().is_ok() && !is_ours {
            bail!(
                "{} is there already, and not from this quickstart for this owner; choose another --root or --output-dir",
                self.dir.display()
            );
        }
        let was_asked = note.is_some_and(|note| note.is_asked);
        if is_pushed && !was_asked && host.repository(&self.repo).await?.is_some() {
            bail!(
                "{} is there already on {}; choose another --root or --git-owner",
                self.repo,
                host.host()
            );
        }
        Ok(())
    }

    /// Writes the folder with its first commit, whole or not at all. Errors: the source cannot be had, the disk is full, git failed.
    pub(super) async fn lay(
        &self,
        host: &GitHost,
        login: &Login,
        access: Option<&Access>,
    ) -> anyhow::Result<Standing> {
        if self.note()?.is_none() {
            let parent = self.dir.parent().unwrap_or(Path::new("."));
            std::fs::create_dir_all(parent)
                .with_context(|| format!("cannot make {}", parent.display()))?;
            let part = tempfile::Builder::new()
                .prefix(".bowsprit-create-")
                .tempdir_in(parent)
                .with_context(|| format!("cannot write in {}", parent.display()))?;
            let dir = part.path().join(self.name());
            std::fs::create_dir(&dir)?;
            let files = catalogue::source(&self.source, host, access).await?;
            let host_name = host.host();
            let names = Names {
                from: &self.from,
                root: &self.root,
                name: self.name(),
                owner: self.repo.owner(),
                host: &host_name,
            };
            lay(&files, &names, login, &dir)?;
            git(&dir, &["init", "-q", "-b", BRANCH], None).await?;
            let message = format!("Start from {}", self.quickstart);
            commit_all(&dir, login.as_str(), &message).await?;
            self.write_note(&dir, Reached::Folder)?;
            std::fs::rename(&dir, &self.dir)
                .with_context(|| format!("cannot make {}", self.dir.display()))?;
        }
        let head = git(&self.dir, &["rev-parse", "HEAD"], None).await?;
        Ok(Standing {
            commit: CommitSha::parse(&head)?,
            reached: self.reached()?,
            check: None,
        })
    }

    /// Makes the repository on the server, unless an earlier call did. Errors: the server's no.
    pub(super) async fn create(
        &self,
        host: &GitHost,
        login: &Login,
        is_private: bool,
    ) -> anyhow::Result<()> {
        if self.reached()? < Reached::Asked {
            self.write_note(&self.dir, Reached::Asked)?;
        }
        if host.repository(&self.repo).await?.is_none() {
            host.create(&self.repo, login, is_private).await?;
        }
        let url = host.git_url(&self.repo);
        let has_origin = git(&self.dir, &["remote", "get-url", "origin"], None).await;
        let verb = if has_origin.is_ok() { "set-url" } else { "add" };
        git(&self.dir, &["remote", verb, "origin", &url], None).await?;
        Ok(())
    }

    /// Pushes the first commit. Errors: git failed, or somebody else pushed something there.
    pub(super) async fn push(&self, host: &GitHost, access: Option<&Access>) -> anyhow::Result<()> {
        git(&self.dir, &["push", "-q", "-u", "origin", BRANCH], access)
            .await
            .with_context(|| format!("cannot push to {}", host.git_url(&self.repo)))?;
        self.write_note(&self.dir, Reached::Pushed)
    }
}
