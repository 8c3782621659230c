//! Runs on equal inputs: a test of the merge queue takes the verdict that is there, and waits for one that is coming.
//!
//! So nothing is trained again only because the base moved. A red check or test of a service may be a bad day's, and is
//! tried once more where the queue asks for it; a red training is not.

use super::evaluate;
use super::stage::Found;
use super::{Phase, Run, What};
use crate::contract::{Contract, Training};
use crate::name::{CommitSha, Digest, RepoPath};
use crate::subject::ask::{Ask, ContractAt};
use crate::training::spec::FailureKind;

/// Why a test ends whose merge cannot be made again.
const LOST: &str = "the merge that it tests cannot be made again";

/// Learns the inputs of a run that has not begun, and what another run with equal ones says; `None` inside where this
/// one has to find out itself.
pub(super) fn verdict(run: &mut Run, ask: &mut Ask) -> Option<Option<Found>> {
    if !run.stages.is_empty() {
        return Some(None);
    }
    if run.inputs.is_none() {
        run.inputs = inputs(run, ask)?;
    }
    let inputs = run.inputs.clone();
    let Some(inputs) = inputs.filter(|_| run.cause.trigger.queue().is_some()) else {
        return Some(None);
    };
    let others = ask.runs_of_inputs(run.repo.id, &inputs)?;
    let Some(other) = choose(run, others) else {
        run.same_as = None;
        return Some(None);
    };
    run.same_as = Some(other.id.clone());
    Some(Some(match other.phase.is_final() {
        true => take_over(run, other),
        false => Found::Going {
            intents: Vec::new(),
            word: format!("run {} has the same inputs, and is under way", other.id),
            progress: None,
            tail: Vec::new(),
        },
    }))
}

/// The newest with a verdict, else the one that is at work longest.
fn choose(run: &Run, mut others: Vec<Run>) -> Option<Run> {
    others.retain(|other| other.id != run.id && other.cause.what == run.cause.what);
    others.sort_by(|a, b| (b.created_ms, &b.id).cmp(&(a.created_ms, &a.id)));
    let with_verdict = others.iter().position(has_verdict);
    let at_work = others
        .iter()
        .rposition(|other| !other.phase.is_final() && !other.stages.is_empty());
    with_verdict
        .or(at_work)
        .map(|place| others.swap_remove(place))
}

fn has_verdict(run: &Run) -> bool {
    let is_judged = run.cause.what == What::Train
        && run
            .failure
            .as_ref()
            .is_none_or(|failure| !matches!(failure.kind, FailureKind::Agent | FailureKind::Lost));
    match run.phase {
        Phase::Succeeded => true,
        Phase::Failed => is_judged,
        Phase::Pending | Phase::Running | Phase::Cancelled | Phase::Skipped => false,
    }
}

fn take_over(run: &mut Run, other: Run) -> Found {
    let note = format!(
        "the inputs are those of run {}, and so is the verdict",
        other.id
    );
    *run = Run {
        id: run.id.clone(),
        repo: run.repo.clone(),
        sha: run.sha.clone(),
        cause: run.cause.clone(),
        is_aside: run.is_aside,
        stages: Vec::new(),
        inputs: run.inputs.clone(),
        same_as: run.same_as.clone(),
        shown: run.shown.clone(),
        created_ms: run.created_ms,
        finished_ms: None,
        note: Some(note),
        ..other
    };
    Found::Over(Vec::new())
}

/// Makes the merge of a test again where a mirror was lost; says why where that cannot be.
pub(super) fn lost(run: &Run, ask: &mut Ask) -> Option<Option<String>> {
    if ask.commit(run.repo.id, &run.sha)?.is_some() {
        return Some(None);
    }
    let (Some(base), Some((_, members))) = (run.cause.trigger.base(), run.cause.trigger.queue())
    else {
        return Some(None);
    };
    let heads: Vec<CommitSha> = members.iter().map(|(_, head)| head.clone()).collect();
    let made = ask.chain(run.repo.id, base, &heads)?;
    Some((made.commit != run.sha).then(|| LOST.to_owned()))
}

/// Digest of all that the verdict hangs on; `None` inside where nobody would ask for it.
fn inputs(run: &Run, ask: &mut Ask) -> Option<Option<Digest>> {
    let id = run.repo.id;
    let ContractAt::Good(contract, text) = ask.contract(id, &run.sha)? else {
        return Some(None);
    };
    let merges = ask.habits(id)?.with(contract.chatops()).merges;
    let is_wanted = run.cause.trigger.queue().is_some() || merges.tests.is_some_and(|n| n > 0);
    if !is_wanted || !run.cause.params.is_empty() {
        return Some(None);
    }
    let files = match (&run.cause.what, &*contract) {
        (What::Check(_), _) => Some(ask.inputs(id, &run.sha, &[])?.to_string()),
        (What::Service, Contract::Service(_)) => Some(of_service(run, ask)?),
        (What::Train, Contract::Training(training)) => of_training(run, training, ask)?,
        (What::Service, Contract::Training(_)) | (What::Train, Contract::Service(_)) => None,
    };
    let name = run.cause.what.check_name();
    Some(files.map(|files| Digest::of(format!("{name}\n{text}\n{files}").as_bytes())))
}

/// What a release is made of.
fn of_service(run: &Run, ask: &mut Ask) -> Option<String> {
    let models: Vec<RepoPath> = RepoPath::parse("models").into_iter().collect();
    let own = ask.service_tree(run.repo.id, &run.sha);
    let models = ask.judge_digest(run.repo.id, &run.sha, &models);
    Some(format!("{}\n{}", own?, models?))
}

/// All files but those that never start a training, and what judges; `None` inside where nothing of a base does.
fn of_training(run: &Run, contract: &Training, ask: &mut Ask) -> Option<Option<String>> {
    let id = run.repo.id;
    let Some(base) = run.cause.trigger.base() else {
        return Some(None);
    };
    let files = ask.inputs(id, &run.sha, &contract.triggers.paths_ignore);
    let (files, judge) = (files?, ask.contract(id, base)?);
    let ContractAt::Good(judge, text) = judge else {
        return Some(None);
    };
    let Contract::Training(judge) = *judge else {
        return Some(None);
    };
    let judges = evaluate::files(run, base, &judge, ask)?;
    Some(Some(format!("{files}\n{text}\n{judges}")))
}
