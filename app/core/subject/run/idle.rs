//! Whether a commit is trained by itself.
//!
//! A push is held against every commit before it that was dealt with: where it differs from one of them in ignored paths
//! only, there is nothing to train. Neither its first parent nor the head before the push would do: a push has several
//! commits, and what a delivery that was lost should have trained is in none of the later pushes.

use super::train::service_repo;
use super::{BY_HAND, Phase, Run, Trigger, What};
use crate::contract::{Contract, Training};
use crate::name::{BranchName, CommitSha, RepoPath};
use crate::subject::ask::{Ask, Changes, ContractAt};

/// Words of a commit's message that keep it from being trained.
const SKIP: &str = "[skip train]";

/// Most commits that were dealt with which a push is held against, the newest ones.
const DEALT_MAX: usize = 10;

/// Why a commit is not trained; without words where nobody expects that it is.
pub(super) struct Idle(pub(super) Option<&'static str>);

/// Why this run's commit is not trained, where it is not.
pub(super) fn idle(run: &Run, contract: &Training, ask: &mut Ask) -> Option<Option<Idle>> {
    let repo = run.repo.id;
    let is_wanted = match &run.cause.trigger {
        Trigger::Push { branch } => contract.triggers.push.contains(branch),
        Trigger::Pull { .. } => contract.triggers.pull_request,
        Trigger::Queue { .. } => true,
        Trigger::Comment { .. } | Trigger::Again { .. } => return Some(None),
    };
    if !is_wanted {
        return Some(Some(Idle(None)));
    }
    let Some(commit) = ask.commit(repo, &run.sha)? else {
        return Some(Some(Idle(Some("the commit is gone"))));
    };
    if commit.message.contains(SKIP) {
        return Some(Some(Idle(Some("the commit message says `[skip train]`"))));
    }
    let is_idle = match (&run.cause.trigger, run.cause.trigger.base()) {
        (_, Some(base)) => ignores(contract, &ask.changes(repo, base, &run.sha)?),
        (Trigger::Push { branch }, None) => {
            let dealt = dealt(run, branch, &run.sha, ask)?;
            is_dealt(run, &dealt, (contract, &run.sha), ask)?
        }
        (_, None) => false,
    };
    let why = "only paths changed that `triggers.paths-ignore` names";
    Some(is_idle.then_some(Idle(Some(why))))
}

/// Whether the newer head of a run's branch has nothing of its own to train, so that the run goes on.
pub(super) fn leaves(
    run: &Run,
    branch: &BranchName,
    head: &CommitSha,
    ask: &mut Ask,
) -> Option<bool> {
    let repo = run.repo.id;
    let ContractAt::Good(contract, _) = ask.contract(repo, head)? else {
        return Some(false);
    };
    let Contract::Training(contract) = *contract else {
        return Some(false);
    };
    let ours = ask.branch_runs(repo, branch)?;
    if ours.iter().any(|other| other.sha == *head && trains(other)) {
        return Some(false);
    }
    let commit = ask.commit(repo, head)?;
    if !contract.triggers.push.contains(branch)
        || commit.is_some_and(|commit| commit.message.contains(SKIP))
    {
        return Some(true);
    }
    let mut dealt = dealt(run, branch, head, ask)?;
    dealt.push(run.sha.clone());
    is_dealt(run, &dealt, (&contract, head), ask)
}

/// Commits that were dealt with, on the branch or the default one, and by the tags those that made a version.
fn dealt(run: &Run, branch: &BranchName, sha: &CommitSha, ask: &mut Ask) -> Option<Vec<CommitSha>> {
    let repo = run.repo.id;
    let mut runs = ask.branch_runs(repo, branch)?;
    if let Some(view) = ask.repository(repo)?
        && view.default_branch != *branch
    {
        runs.extend(ask.branch_runs(repo, &view.default_branch)?);
    }
    let runs = runs.into_iter().filter(is_dealt_with).map(|run| run.sha);
    let mut dealt: Vec<CommitSha> = runs.collect();
    if let (Some(service), Some(model)) = (service_repo(run, ask)?, &run.model) {
        let versions = ask.versions(service.id, model)?.into_iter().rev();
        let own = versions.filter(|version| version.training == repo);
        dealt.extend(own.map(|version| version.training_commit));
    }
    let mut seen = std::collections::BTreeSet::from([sha.clone()]);
    dealt.retain(|commit| seen.insert(commit.clone()));
    dealt.truncate(DEALT_MAX);
    Some(dealt)
}

/// Whether nothing of a run's commit has to be trained any more. What a newer head took the place of still has.
fn is_dealt_with(run: &Run) -> bool {
    let is_plain = run.cause.what == What::Train && run.cause.params.is_empty();
    let is_over = match run.phase {
        Phase::Pending | Phase::Running | Phase::Succeeded | Phase::Failed => true,
        Phase::Cancelled => run
            .cancelled
            .as_ref()
            .is_some_and(|why| why.starts_with(BY_HAND)),
        // Without words nobody looked at what it changes.
        Phase::Skipped => run.note.is_some(),
    };
    is_plain && is_over
}

fn trains(run: &Run) -> bool {
    let is_plain = run.cause.what == What::Train && run.cause.params.is_empty();
    is_plain
        && match run.phase {
            Phase::Running | Phase::Succeeded | Phase::Failed => true,
            Phase::Pending | Phase::Cancelled | Phase::Skipped => false,
        }
}

/// Whether a commit differs from one of these, which it comes after, in ignored paths only.
fn is_dealt(
    run: &Run,
    dealt: &[CommitSha],
    (contract, sha): (&Training, &CommitSha),
    ask: &mut Ask,
) -> Option<bool> {
    let repo = run.repo.id;
    // All are asked for at once: each look costs a round.
    let there: Vec<_> = dealt.iter().map(|old| ask.commit(repo, old)).collect();
    let there: Vec<_> = there.into_iter().collect::<Option<_>>()?;
    let known = dealt.iter().zip(there).filter(|(_, there)| there.is_some());
    let changes: Vec<_> = known
        .map(|(old, _)| Some((old, ask.changes(repo, old, sha)?)))
        .collect();
    let changes: Vec<_> = changes.into_iter().collect::<Option<_>>()?;
    Some(
        changes
            .iter()
            .any(|(old, changes)| changes.merge_base == **old && ignores(contract, changes)),
    )
}

fn ignores(contract: &Training, changes: &Changes) -> bool {
    let paths: Vec<RepoPath> = changes.files.keys().cloned().collect();
    !changes.is_cut && !paths.is_empty() && contract.triggers.ignores(&paths)
}
