//! Which runs may go, and of which the bytes are still of use.

use super::Before;
use crate::name::{BranchName, CommitSha, PrNumber, RepoId, Slug};
use crate::subject::run::{BRANCH_RUNS_MAX, Trigger};
use std::collections::{BTreeMap, BTreeSet};

/// A run, as far as its keeping hangs on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its id.
    pub id: String,
    /// Whose code.
    pub repo: RepoId,
    /// Which commit.
    pub sha: CommitSha,
    /// The branch, where it ran for one.
    pub branch: Option<BranchName>,
    /// The model, for a training run.
    pub model: Option<Slug>,
    /// Pull requests that it ran for.
    pub pulls: Vec<PrNumber>,
    /// Whether it is not over.
    pub is_active: bool,
    /// Whether it may become a version.
    pub is_proposable: bool,
    /// Whether an effect of it waits, or was given up and is kept still for somebody to look at.
    pub has_letters: bool,
    /// Units: milliseconds since 1970, UTC.
    pub created_ms: i64,
    /// When it ended; when it was made, where nobody noted that. Units: milliseconds since 1970, UTC.
    pub ended_ms: i64,
}

/// What may name a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// Every id and digest that versions, environments, models and open pull requests name, and all of `at_work`.
    pub names: BTreeSet<String>,
    /// What runs at work and effects that may yet happen name.
    pub at_work: BTreeSet<String>,
    /// What stands for deleted versions alone: of these no bytes are needed, whatever names them but work under way.
    pub deleted: BTreeSet<String>,
    /// Pull requests and issues that are open.
    pub open: BTreeSet<(RepoId, PrNumber)>,
    /// The default branch of each repository that is ours.
    pub default_branches: BTreeMap<RepoId, BranchName>,
}

impl Words {
    /// Whether a name keeps the bytes that it stands for.
    fn keeps_bytes(&self, name: &str) -> bool {
        !self.deleted.contains(name) || self.at_work.contains(name)
    }

    /// The names that keep bytes.
    pub fn of_bytes(&self) -> BTreeSet<String> {
        let names = self.names.iter();
        let kept = names.filter(|name| self.keeps_bytes(name));
        kept.cloned().collect()
    }
}

/// What becomes of runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Runs {
    /// These may go: those of one commit together.
    pub go: Vec<BTreeSet<String>>,
    /// What these made is of use.
    pub used: BTreeSet<String>,
    /// Of these nothing more is to come.
    pub over: BTreeSet<String>,
}

/// Says which runs may go, and of which the files stay. `all` is every run there is.
///
/// The runs of one commit go together: the first of them says how new the commit is, and who pushed it.
pub fn runs(all: &[Seen], words: &Words, before: &Before) -> Runs {
    let branches = newest_of_branches(all, words);
    let mut needed = newest_of_pulls(all, words);
    needed.extend(next_versions(all));
    needed.extend(branches.iter().filter_map(|ids| ids.first()).cloned());
    let is_needed =
        |run: &Seen| run.is_active || words.names.contains(&run.id) || needed.contains(&run.id);
    let looked_at: BTreeSet<&String> = branches.iter().flatten().collect();
    let stays = |run: &&Seen| {
        let is_open = |pr: &PrNumber| words.open.contains(&(run.repo, *pr));
        is_needed(run)
            || run.ended_ms >= before.runs
            || run.has_letters
            || run.pulls.iter().any(is_open)
            || looked_at.contains(&run.id)
    };
    let commit = |run: &Seen| (run.repo, run.sha.clone());
    let kept: BTreeSet<_> = all.iter().filter(stays).map(commit).collect();
    let mut gone: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for run in all.iter().filter(|run| !kept.contains(&commit(run))) {
        gone.entry(commit(run)).or_default().insert(run.id.clone());
    }
    let used = |run: &&Seen| {
        let is_of_use = is_needed(run) || run.ended_ms >= before.artifacts;
        is_of_use && (run.is_active || words.keeps_bytes(&run.id))
    };
    Runs {
        go: gone.into_values().collect(),
        over: all
            .iter()
            .filter(|run| !run.is_active)
            .map(|run| run.id.clone())
            .collect(),
        used: all.iter().filter(used).map(|run| run.id.clone()).collect(),
    }
}

/// The runs on the newest commit of each open pull request.
fn newest_of_pulls(all: &[Seen], words: &Words) -> BTreeSet<String> {
    let mut newest: BTreeMap<(RepoId, PrNumber), (i64, &CommitSha)> = BTreeMap::new();
    let of_pulls = |run: &Seen| {
        let keys = run.pulls.clone().into_iter().map(|pr| (run.repo, pr));
        keys.filter(|key| words.open.contains(key))
            .collect::<Vec<_>>()
    };
    for run in all {
        for key in of_pulls(run) {
            let best = newest.entry(key).or_insert((run.created_ms, &run.sha));
            if best.0 <= run.created_ms {
                *best = (run.created_ms, &run.sha);
            }
        }
    }
    let is_newest = |run: &&Seen| {
        let mut keys = of_pulls(run).into_iter();
        keys.any(|key| newest.get(&key).is_some_and(|(_, sha)| **sha == run.sha))
    };
    all.iter()
        .filter(is_newest)
        .map(|run| run.id.clone())
        .collect()
}

/// Of each model and branch the run that is asked for as the next version: that of the newest commit which passed.
fn next_versions(all: &[Seen]) -> BTreeSet<String> {
    type Commit<'a> = (RepoId, &'a CommitSha, &'a BranchName);
    let mut first: BTreeMap<Commit<'_>, i64> = BTreeMap::new();
    for run in all {
        if let Some(branch) = &run.branch {
            let first = first
                .entry((run.repo, &run.sha, branch))
                .or_insert(i64::MAX);
            *first = (*first).min(run.created_ms);
        }
    }
    let mut next = BTreeMap::new();
    for run in all.iter().filter(|run| run.is_proposable) {
        let (Some(branch), Some(model)) = (&run.branch, &run.model) else {
            continue;
        };
        let age = first.get(&(run.repo, &run.sha, branch));
        let rank = (age.copied(), run.created_ms, &run.id);
        let best = next.entry((run.repo, model, branch)).or_insert(rank);
        *best = (*best).max(rank);
    }
    next.into_values().map(|(_, _, id)| id.clone()).collect()
}

/// The runs of each default branch that are looked at for what was trained there, newest first.
///
/// Where no installation shows a repository now, any of its branches may be the default one.
fn newest_of_branches(all: &[Seen], words: &Words) -> Vec<Vec<String>> {
    let mut branches: BTreeMap<(RepoId, &BranchName), Vec<&Seen>> = BTreeMap::new();
    for run in all {
        let default = words.default_branches.get(&run.repo);
        if let Some(branch) = &run.branch
            && default.is_none_or(|default| default == branch)
        {
            branches.entry((run.repo, branch)).or_default().push(run);
        }
    }
    let newest = |mut runs: Vec<&Seen>| {
        runs.sort_by_key(|run| std::cmp::Reverse((run.created_ms, &run.id)));
        runs.truncate(BRANCH_RUNS_MAX);
        runs.into_iter().map(|run| run.id.clone()).collect()
    };
    branches.into_values().map(newest).collect()
}

/// The pull requests that a run with this trigger runs for.
pub fn trigger_pulls(trigger: &Trigger) -> Vec<PrNumber> {
    let members = trigger.queue().map(|(_, members)| members);
    let members = members.unwrap_or_default().iter().map(|(pr, _)| *pr);
    members.chain(trigger.pull().map(|(pr, _)| pr)).collect()
}
