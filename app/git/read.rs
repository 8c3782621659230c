//! Looking into a commit: what changed, what its files say, what belongs to a service, what judges.
//!
//! Everything is read by commit id, so that it stays true; the commit must have been asked of [`Mirrors::ensure`] before.

use crate::git::fetch;
use crate::git::ignore::{IGNORE_BYTES_MAX, Rules};
use crate::git::mirror::{Mirrors, oid, sha};
use crate::git::tree::{Entry, TextAt, blob_text, commit, text_at, tree_at, walk};
use anyhow::Context as _;
use bowsprit_core::name::{CommitSha, Digest, RepoId, RepoPath, Slug};
use bowsprit_core::owners::{CODE_BYTES_MAX, CODE_OWNERS};
use bowsprit_core::subject::ask::{Changes, CommitView};
use git2::{Commit, DiffDelta, DiffOptions, ErrorCode, Oid, Repository};
use std::collections::BTreeMap;

/// The contract's file.
pub const CONTRACT: &str = "bowsprit.yaml";

/// Changed files that are listed; of a larger change nothing is entitled.
const CHANGES_MAX: usize = 3_000;

/// Largest contract, policy or OWNERS file. Units: bytes.
const TEXT_BYTES_MAX: usize = 256 << 10;

/// OWNERS files of a repository, at most.
pub const OWNERS_MAX: usize = 500;

/// Policies of a repository, at most.
const POLICIES_MAX: usize = 100;

/// Models of a service, at most.
pub(super) const MODELS_MAX: usize = 100;

/// Largest manifest or list of samples. Units: bytes.
pub(super) const MODEL_BYTES_MAX: usize = 4 << 20;

/// Versions of a model, at most; the newest are kept.
const VERSIONS_MAX: usize = 10_000;

/// Longest commit message that is shown. Units: bytes.
const MESSAGE_BYTES_MAX: usize = 4_096;

/// The OWNERS files of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OwnersTexts {
    /// Directory (empty for the root) and text. A file that cannot be read as text has one that no parser takes.
    pub files: Vec<(String, String)>,
    /// `OWNERS_ALIASES` of the root.
    pub aliases: Option<String>,
    /// GitHub's `CODEOWNERS`, where there is no OWNERS file: its path, and its text or why there is none.
    pub code: Option<(&'static str, Result<String, String>)>,
    /// Whether there are more files than are read: nothing may be entitled then.
    pub is_cut: bool,
}

/// `models/<model>/` of a commit, as texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelTexts {
    /// The directory's name.
    pub model: Slug,
    /// `manifest.json`.
    pub manifest_json: Option<String>,
    /// `samples.jsonl`.
    pub samples_jsonl: Option<String>,
}

/// A tag `<model>/v<N>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionTag {
    /// N.
    pub version: u64,
    /// The commit it is on.
    pub commit: CommitSha,
    /// The manifest at that commit.
    pub manifest_json: Option<String>,
    /// What the committer claims. Units: milliseconds since 1970, UTC.
    pub committed_ms: i64,
}

/// Stands for a file that cannot be read as text; no YAML parser takes it, so that nobody is entitled by it.
const UNREADABLE: &str = "unreadable: [";

impl Mirrors {
    /// What `head` changes against the commit where it left `base`.
    pub async fn changes(
        &self,
        repo: RepoId,
        base: &CommitSha,
        head: &CommitSha,
    ) -> anyhow::Result<Changes> {
        let (base, head) = (base.clone(), head.clone());
        self.with(repo, move |git| changes(git, &base, &head)).await
    }

    /// A text file, `None` where there is none of UTF-8 within that size.
    pub async fn text(
        &self,
        repo: RepoId,
        at: &CommitSha,
        path: &RepoPath,
        bytes_max: usize,
    ) -> anyhow::Result<Option<String>> {
        let (at, path) = (at.clone(), path.clone());
        let found = self
            .with(repo, move |git| {
                text_at(git, &tree_at(git, &at)?, &path, bytes_max)
            })
            .await?;
        Ok(found.text())
    }

    /// The contract's text.
    pub async fn contract_text(&self, repo: RepoId, at: &CommitSha) -> anyhow::Result<TextAt> {
        let at = at.clone();
        self.with(repo, move |git| {
            text_at(git, &tree_at(git, &at)?, &path(CONTRACT)?, TEXT_BYTES_MAX)
        })
        .await
    }

    /// All OWNERS files, with the aliases.
    pub async fn owners_files(&self, repo: RepoId, at: &CommitSha) -> anyhow::Result<OwnersTexts> {
        let at = at.clone();
        self.with(repo, move |git| owners(git, &at)).await
    }

    /// `.bowsprit/policies/*.yaml`.
    pub async fn policy_texts(
        &self,
        repo: RepoId,
        at: &CommitSha,
    ) -> anyhow::Result<Vec<(RepoPath, TextAt)>> {
        let at = at.clone();
        self.with(repo, move |git| policies(git, &at)).await
    }

    /// A commit's first words; `None` where it is not here.
    pub async fn commit(&self, repo: RepoId, at: &CommitSha) -> anyhow::Result<Option<CommitView>> {
        let at = at.clone();
        self.with(repo, move |git| match git.find_commit(oid(&at)?) {
            Ok(found) => commit_view(&found).map(Some),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read commit {at}")),
        })
        .await
    }

    /// What lies under `models/`; directories whose name is no model's are left out.
    pub async fn models(&self, repo: RepoId, at: &CommitSha) -> anyhow::Result<Vec<ModelTexts>> {
        let at = at.clone();
        self.with(repo, move |git| models(git, &at)).await
    }

    /// The id of the service's own files: without models, environments, documentation, OWNERS and what `.bowspritignore` names.
    pub async fn service_tree(&self, repo: RepoId, at: &CommitSha) -> anyhow::Result<Digest> {
        let at = at.clone();
        self.with(repo, move |git| service_tree(git, &at)).await
    }

    /// The tree of the merge of `head` into `base`; `None` where they conflict.
    pub async fn merge_tree(
        &self,
        repo: RepoId,
        base: &CommitSha,
        head: &CommitSha,
    ) -> anyhow::Result<Option<CommitSha>> {
        // The system git merges as GitHub does (ort); libgit2's own merge differs where directories are renamed.
        let found = fetch::merge_tree(
            &self.path(repo),
            base.as_str(),
            head.as_str(),
            self.limits(),
        )
        .await?;
        found
            .map(|tree| CommitSha::parse(&tree).context("git gave no tree"))
            .transpose()
    }

    /// The tree of a commit.
    pub async fn tree_of(&self, repo: RepoId, at: &CommitSha) -> anyhow::Result<CommitSha> {
        let at = at.clone();
        self.with(repo, move |git| sha(tree_at(git, &at)?.id()))
            .await
    }

    /// Whether `old` is `new` or an ancestor of it.
    pub async fn is_ancestor(
        &self,
        repo: RepoId,
        old: &CommitSha,
        new: &CommitSha,
    ) -> anyhow::Result<bool> {
        let (old, new) = (old.clone(), new.clone());
        self.with(repo, move |git| {
            let (old, new) = (commit(git, &old)?.id(), commit(git, &new)?.id());
            Ok(old == new
                || git
                    .graph_descendant_of(new, old)
                    .context("cannot compare two commits")?)
        })
        .await
    }

    /// The digest of everything at these paths.
    pub async fn judge_digest(
        &self,
        repo: RepoId,
        at: &CommitSha,
        paths: &[RepoPath],
    ) -> anyhow::Result<Digest> {
        let (at, paths) = (at.clone(), paths.to_vec());
        self.with(repo, move |git| judge_digest(git, &at, &paths))
            .await
    }

    /// The versions of a model by its tags, lowest first; as new as the last [`Mirrors::refresh`].
    pub async fn versions(&self, repo: RepoId, model: &Slug) -> anyhow::Result<Vec<VersionTag>> {
        let model = model.clone();
        self.with(repo, move |git| versions(git, &model)).await
    }
}

fn path(text: &str) -> anyhow::Result<RepoPath> {
    RepoPath::parse(text).map_err(anyhow::Error::from)
}

fn changes(git: &Repository, base: &CommitSha, head: &CommitSha) -> anyhow::Result<Changes> {
    let (base_id, head_id) = (commit(git, base)?.id(), commit(git, head)?.id());
    let (start, mut is_cut) = match git.merge_base(base_id, head_id) {
        Ok(start) => (start, false),
        // Histories that never met: no change of the base can be told.
        Err(error) if error.code() == ErrorCode::NotFound => (base_id, true),
        Err(error) => return Err(error).context("cannot find where two commits parted"),
    };
    let merge_base = sha(start)?;
    let (old, new) = (tree_at(git, &merge_base)?, tree_at(git, head)?);
    let mut options = DiffOptions::new();
    // Renames are not looked for: each is a path that goes and a path that comes.
    options.include_typechange(true);
    let diff = git
        .diff_tree_to_tree(Some(&old), Some(&new), Some(&mut options))
        .context("cannot compare two trees")?;
    let mut files = BTreeMap::new();
    for delta in diff.deltas() {
        match change(&delta)? {
            Some((path, blobs)) if files.len() < CHANGES_MAX => {
                files.insert(path, blobs);
            }
            Some(_) | None => is_cut = true,
        }
    }
    Ok(Changes {
        merge_base,
        files,
        is_cut,
    })
}

type Blobs = (Option<CommitSha>, Option<CommitSha>);

/// A changed path; `None` where it cannot be named, or became a link with the bytes it had as a file.
fn change(delta: &DiffDelta<'_>) -> anyhow::Result<Option<(RepoPath, Blobs)>> {
    let file = match delta.new_file().path_bytes() {
        Some(bytes) => Some(bytes),
        None => delta.old_file().path_bytes(),
    };
    let named = file
        .and_then(|bytes| std::str::from_utf8(bytes).ok())
        .and_then(|text| RepoPath::parse(text).ok());
    let blob = |oid: Oid| match oid.is_zero() {
        true => Ok(None),
        false => sha(oid).map(Some),
    };
    let (old, new) = (delta.old_file(), delta.new_file());
    let is_same_bytes = old.id() == new.id();
    let is_other_kind = matches!(delta.status(), git2::Delta::Typechange);
    let blobs = (blob(old.id())?, blob(new.id())?);
    Ok(named
        .filter(|_| !(is_same_bytes && is_other_kind))
        .map(|path| (path, blobs)))
}

fn owners(git: &Repository, at: &CommitSha) -> anyhow::Result<OwnersTexts> {
    let tree = tree_at(git, at)?;
    let is_owners = |path: &str| path.rsplit('/').next() == Some("OWNERS");
    let found = walk(git, &tree, |path, is_directory| {
        is_directory || is_owners(path)
    })?;
    let mut texts = OwnersTexts {
        is_cut: found.entries.len() > OWNERS_MAX,
        ..OwnersTexts::default()
    };
    for entry in found.entries.iter().take(OWNERS_MAX) {
        let dir = entry.path.rsplit_once('/').map_or("", |(dir, _)| dir);
        let text = plain_text(git, entry)?
            .text()
            .unwrap_or_else(|| UNREADABLE.to_owned());
        texts.files.push((dir.to_owned(), text));
    }
    texts.aliases = match text_at(git, &tree, &path("OWNERS_ALIASES")?, TEXT_BYTES_MAX)? {
        TextAt::Missing => None,
        TextAt::Unusable(_) => Some(UNREADABLE.to_owned()),
        TextAt::Text(text) => Some(text),
    };
    if texts.files.is_empty() && !texts.is_cut {
        for name in CODE_OWNERS {
            let found = match text_at(git, &tree, &path(name)?, CODE_BYTES_MAX)? {
                TextAt::Missing => continue,
                TextAt::Unusable(why) => Err(why),
                TextAt::Text(text) => Ok(text),
            };
            texts.code = Some((name, found));
            break;
        }
    }
    Ok(texts)
}

/// The text of an entry that is a file, not a link.
fn plain_text(git: &Repository, entry: &Entry) -> anyhow::Result<TextAt> {
    use crate::git::tree::Mode;
    match entry.mode {
        Mode::File | Mode::Executable => blob_text(git, entry.oid, &entry.path, TEXT_BYTES_MAX),
        Mode::Link | Mode::Submodule => Ok(TextAt::Unusable(format!("`{}` is a link", entry.path))),
    }
}

fn policies(git: &Repository, at: &CommitSha) -> anyhow::Result<Vec<(RepoPath, TextAt)>> {
    const DIR: &str = ".bowsprit/policies";
    let tree = tree_at(git, at)?;
    let is_policy = |path: &str| {
        let name = path
            .strip_prefix(DIR)
            .and_then(|rest| rest.strip_prefix('/'));
        name.is_some_and(|name| {
            !name.contains('/') && (name.ends_with(".yaml") || name.ends_with(".yml"))
        })
    };
    let keep = |path: &str, is_directory: bool| match is_directory {
        true => path == ".bowsprit" || path == DIR,
        false => is_policy(path),
    };
    let found = walk(git, &tree, keep)?;
    anyhow::ensure!(
        found.entries.len() <= POLICIES_MAX,
        "there are more than {POLICIES_MAX} policies"
    );
    found
        .entries
        .iter()
        .map(|entry| Ok((path(&entry.path)?, plain_text(git, entry)?)))
        .collect()
}

fn commit_view(found: &Commit<'_>) -> anyhow::Result<CommitView> {
    let text = String::from_utf8_lossy(found.message_bytes()).into_owned();
    let end = (0..=MESSAGE_BYTES_MAX.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end))
        .unwrap_or(0);
    Ok(CommitView {
        subject: text
            .lines()
            .next()
            .unwrap_or_default()
            .trim()
            .chars()
            .take(200)
            .collect(),
        message: text[..end].to_owned(),
        committed_ms: found.time().seconds().saturating_mul(1000),
        parents: found.parent_ids().map(sha).collect::<anyhow::Result<_>>()?,
    })
}

fn models(git: &Repository, at: &CommitSha) -> anyhow::Result<Vec<ModelTexts>> {
    let tree = tree_at(git, at)?;
    let Some(dir) = tree
        .get_name("models")
        .and_then(|entry| git.find_tree(entry.id()).ok())
    else {
        return Ok(Vec::new());
    };
    let names: Vec<Slug> = dir
        .iter()
        .filter_map(|entry| Slug::parse(entry.name().ok()?).ok())
        .collect();
    anyhow::ensure!(
        names.len() <= MODELS_MAX,
        "there are more than {MODELS_MAX} models"
    );
    let mut found = Vec::new();
    for model in names {
        let text = |name: &str| {
            let path = path(&format!("models/{model}/{name}"))?;
            text_at(git, &tree, &path, MODEL_BYTES_MAX).map(TextAt::text)
        };
        found.push(ModelTexts {
            manifest_json: text("manifest.json")?,
            samples_jsonl: text("samples.jsonl")?,
            model: model.clone(),
        });
    }
    Ok(found)
}

fn service_tree(git: &Repository, at: &CommitSha) -> anyhow::Result<Digest> {
    let tree = tree_at(git, at)?;
    let rules = text_at(git, &tree, &path(".bowspritignore")?, IGNORE_BYTES_MAX)?;
    let rules = Rules::parse(&rules.text().unwrap_or_default());
    let keep = |path: &str, is_directory: bool| {
        let name = path.rsplit('/').next().unwrap_or_default();
        let is_record = is_directory && matches!(path, "environments" | "models" | ".github");
        let is_words =
            !is_directory && (name.ends_with(".md") || matches!(name, "OWNERS" | "OWNERS_ALIASES"));
        !is_record && !is_words && !rules.is_ignored(path, is_directory)
    };
    let found = walk(git, &tree, keep)?;
    anyhow::ensure!(found.unnameable == 0, "a file's name is not UTF-8");
    Ok(digest(&found.entries))
}

fn judge_digest(git: &Repository, at: &CommitSha, paths: &[RepoPath]) -> anyhow::Result<Digest> {
    let tree = tree_at(git, at)?;
    let found = walk(git, &tree, |path, is_directory| {
        is_at(paths, path, is_directory)
    })?;
    anyhow::ensure!(found.unnameable == 0, "a file's name is not UTF-8");
    Ok(digest(&found.entries))
}

/// Whether a path is one of these or below one, or a directory on the way to one.
pub(crate) fn is_at(tops: &[RepoPath], path: &str, is_directory: bool) -> bool {
    let within = |path: &str, top: &str| {
        path.strip_prefix(top)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    tops.iter()
        .map(RepoPath::as_str)
        .any(|top| within(path, top) || (is_directory && within(top, path)))
}

/// Over mode, blob and path of each file.
pub(crate) fn digest(entries: &[Entry]) -> Digest {
    let line = |entry: &Entry| format!("{} {} {}\n", entry.mode.digits(), entry.oid, entry.path);
    let text: String = entries.iter().map(line).collect();
    Digest::of(text.as_bytes())
}

fn versions(git: &Repository, model: &Slug) -> anyhow::Result<Vec<VersionTag>> {
    let prefix = format!("refs/tags/{model}/v");
    let mut tags: BTreeMap<u64, Oid> = BTreeMap::new();
    for reference in git
        .references_glob(&format!("{prefix}*"))
        .context("cannot list tags")?
    {
        let reference = reference.context("cannot list tags")?;
        let digits = reference
            .name()
            .ok()
            .and_then(|name| name.strip_prefix(&prefix));
        let number = digits.and_then(|digits| {
            digits
                .parse::<u64>()
                .ok()
                .filter(|number| number.to_string() == digits)
        });
        if let (Some(number), Ok(commit)) = (number, reference.peel_to_commit()) {
            tags.insert(number, commit.id());
        }
        if tags.len() > VERSIONS_MAX {
            tags.pop_first();
        }
    }
    let manifest = path(&format!("models/{model}/manifest.json"))?;
    let mut found = Vec::new();
    for (version, id) in tags {
        let commit = git.find_commit(id).context("cannot read a tagged commit")?;
        found.push(VersionTag {
            version,
            commit: sha(id)?,
            manifest_json: text_at(git, &commit.tree()?, &manifest, MODEL_BYTES_MAX)?.text(),
            committed_ms: commit.time().seconds().saturating_mul(1000),
        });
    }
    Ok(found)
}
