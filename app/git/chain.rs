//! What a merge queue would land: heads merged one after the other in the mirror alone, and which of them have landed.

use crate::git::mirror::{Mirrors, oid, sha};
use crate::git::read::digest;
use crate::git::tree::{commit, tree_at, walk};
use anyhow::Context as _;
use bowsprit_core::contract::Globs;
use bowsprit_core::name::{CommitSha, Digest, RepoId, RepoPath};
use bowsprit_core::queue::Landed;
use bowsprit_core::subject::ask::Chain;
use git2::{Repository, Signature};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Who a merge in a mirror is by.
const AUTHOR: (&str, &str) = ("merge queue", "merge-queue@localhost");

/// A branch is followed back so many commits.
const PAST_MAX: usize = 500;

/// Merges that are tried to tell what landed, at one look.
const TRIES_MAX: usize = 500;

/// Merges that are remembered.
const MERGES_MAX: usize = 10_000;

/// A commit of a branch, as far as a landing is told by it.
#[derive(Debug, Clone)]
struct Step {
    id: CommitSha,
    tree: CommitSha,
    /// What was merged.
    merged: Option<CommitSha>,
}

/// A merge in a mirror: its commit and its tree.
type Merge = (CommitSha, CommitSha);

/// Merges that were made: which head into what, and what came of it; nothing where the two conflict.
#[derive(Debug, Default)]
pub(super) struct Merges(Mutex<HashMap<(RepoId, CommitSha, CommitSha), Option<Merge>>>);

impl Merges {
    fn of(&self, key: &(RepoId, CommitSha, CommitSha)) -> Option<Option<Merge>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(key).cloned()
    }

    fn keep(&self, key: (RepoId, CommitSha, CommitSha), merge: Option<Merge>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MERGES_MAX {
            known.clear();
        }
        known.insert(key, merge);
    }
}

impl Mirrors {
    /// Merges heads into a commit, leaving out those that conflict. Errors: an object is not here, or git's.
    pub async fn chain(
        &self,
        repo: RepoId,
        base: &CommitSha,
        heads: &[CommitSha],
    ) -> anyhow::Result<Chain> {
        let (mut at, mut conflicts) = (base.clone(), Vec::new());
        for (place, head) in heads.iter().enumerate() {
            match self.merge(repo, &at, head).await? {
                Some((merged, _)) => at = merged,
                None => conflicts.push(place),
            }
        }
        Ok(Chain {
            commit: at,
            conflicts,
        })
    }

    /// Which of `heads` came to a branch, oldest first, each on the one before, since the oldest of the commits `since`
    /// that the branch holds; a commit that is no merge of one of them into the commit before begins it anew.
    ///
    /// Errors: git's.
    pub async fn landed(
        &self,
        repo: RepoId,
        since: &[CommitSha],
        now: &CommitSha,
        heads: &[CommitSha],
    ) -> anyhow::Result<Vec<Landed>> {
        let (from, to) = (since.to_vec(), now.clone());
        let past = self.with(repo, move |git| past(git, &from, &to)).await?;
        let Some((mut onto, steps)) = past else {
            return Ok(Vec::new());
        };
        let mut landed: Vec<Landed> = Vec::new();
        let (mut left, mut budget) = (steps.as_slice(), TRIES_MAX);
        while let Some(first) = left.first() {
            let is_new = |head: &&CommitSha| landed.iter().all(|one| one.head != **head);
            let is_merged =
                |head: &&CommitSha| first.merged.as_ref().is_none_or(|one| one == *head);
            let heads: Vec<&CommitSha> = heads.iter().filter(is_new).filter(is_merged).collect();
            let mut count = 1;
            match self
                .explain(repo, (&onto, left), &heads, &mut budget)
                .await?
            {
                Some((steps, head)) => {
                    count = steps;
                    landed.push(Landed { onto, head });
                }
                None => landed.clear(),
            }
            onto = left[count - 1].id.clone();
            left = &left[count..];
        }
        Ok(landed)
    }

    /// The head whose merge into `onto` the first steps after it are, and how many: a rebase makes several.
    async fn explain(
        &self,
        repo: RepoId,
        (onto, steps): (&CommitSha, &[Step]),
        heads: &[&CommitSha],
        budget: &mut usize,
    ) -> anyhow::Result<Option<(usize, CommitSha)>> {
        let is_merge = |step: &Step| step.merged.is_some();
        let own = steps.iter().position(is_merge).unwrap_or(steps.len());
        let own = &steps[..own.max(1)];
        for head in heads {
            if *budget == 0 || self.commit(repo, head).await?.is_none() {
                continue;
            }
            *budget -= 1;
            let Some((_, tree)) = self.merge(repo, onto, head).await? else {
                continue;
            };
            if let Some(last) = own.iter().position(|step| step.tree == tree) {
                return Ok(Some((last + 1, (*head).clone())));
            }
        }
        Ok(None)
    }

    /// Digest over all files but those that one of the patterns matches. Errors: too many files.
    pub async fn inputs(
        &self,
        repo: RepoId,
        at: &CommitSha,
        except: &[String],
    ) -> anyhow::Result<Digest> {
        let (at, except) = (at.clone(), Globs::of(except));
        self.with(repo, move |git| {
            let mut found = walk(git, &tree_at(git, &at)?, |_, _| true)?;
            found.entries.retain(|entry| {
                // What has no name of ours comes into no snapshot.
                RepoPath::parse(&entry.path).is_ok_and(|path| !except.any_matches(&path))
            });
            Ok(digest(&found.entries))
        })
        .await
    }

    /// Merges a head into a commit, in the mirror alone; `None` where they conflict.
    async fn merge(
        &self,
        repo: RepoId,
        onto: &CommitSha,
        head: &CommitSha,
    ) -> anyhow::Result<Option<Merge>> {
        let key = (repo, onto.clone(), head.clone());
        if let Some(known) = self.merges.of(&key) {
            let is_here = match &known {
                Some((commit, _)) => self.commit(repo, commit).await?.is_some(),
                None => true,
            };
            if is_here {
                return Ok(known);
            }
        }
        let made = match self.merge_tree(repo, onto, head).await? {
            None => None,
            Some(tree) => {
                let (onto, head) = (onto.clone(), head.clone());
                let work = move |git: &Repository| write(git, &tree, &onto, &head);
                Some(self.with(repo, work).await?)
            }
        };
        self.merges.keep(key, made.clone());
        Ok(made)
    }
}

/// Writes the merge. Its time is that of the newer parent, so that the same merge is the same commit.
fn write(
    git: &Repository,
    tree: &CommitSha,
    onto: &CommitSha,
    head: &CommitSha,
) -> anyhow::Result<Merge> {
    let (first, second) = (commit(git, onto)?, commit(git, head)?);
    let seconds = first.time().seconds().max(second.time().seconds());
    let (name, mail) = AUTHOR;
    let author = Signature::new(name, mail, &git2::Time::new(seconds, 0))?;
    let files = git.find_tree(oid(tree)?).context("git gave no tree")?;
    let words = format!("Merge {} into {}", head.short(), onto.short());
    let made = git.commit(None, &author, &author, &words, &files, &[&first, &second]);
    Ok((sha(made.context("cannot write a merge")?)?, tree.clone()))
}

/// The oldest of these commits that a branch holds in its first line, and the commits since, oldest first.
fn past(
    git: &Repository,
    since: &[CommitSha],
    now: &CommitSha,
) -> anyhow::Result<Option<(CommitSha, Vec<Step>)>> {
    let (mut at, mut steps, mut oldest) = (commit(git, now)?, Vec::new(), None);
    for _ in 0..PAST_MAX {
        let id = sha(at.id())?;
        if since.contains(&id) {
            oldest = Some((id.clone(), steps.len()));
        }
        steps.push(Step {
            id,
            tree: sha(at.tree_id())?,
            merged: at.parent_id(1).ok().map(sha).transpose()?,
        });
        match at.parent(0) {
            Ok(parent) => at = parent,
            Err(_) => break,
        }
    }
    Ok(oldest.map(|(id, count)| {
        steps.truncate(count);
        steps.reverse();
        (id, steps)
    }))
}
