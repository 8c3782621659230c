//! What came of a proposal: a version, a number that was taken, a refusal.

use super::{Model, Proposal};
use crate::effect::{EffectResult, EffectState, Hint, Record, Version, Wake};
use crate::name::{CommitSha, Digest, PrNumber};
use crate::subject::ask::Ask;
use crate::subject::run::{Run, Trigger, check};
use crate::subject::{Act, Given, SubjectKey};

/// Takes over what the proposal's effect brought back.
pub(super) fn learn(act: &mut Act<Model>, given: &Given<Model>, ask: &mut Ask) -> Option<()> {
    let Some(proposal) = act.state.proposal.clone() else {
        return Some(());
    };
    if proposal.pr.is_some() {
        return Some(());
    }
    let Some(outcome) = given.outcomes.get(&proposal.key) else {
        return Some(());
    };
    match (&outcome.state, &outcome.result) {
        (EffectState::Done, EffectResult::Proposed { pr, commit }) => {
            act.state.proposal = Some(opened(act, proposal, (*pr, commit), given, ask)?);
        }
        (_, EffectResult::Taken) => {
            act.state.taken = act.state.taken.max(proposal.version);
            act.state.proposal = None;
            act.state.dealt_with = None;
        }
        (EffectState::Refused | EffectState::Dead, result) => {
            not_opened(act, &proposal, (outcome.state, result), ask)?;
            act.state.proposal = None;
            act.state.failed = Some(proposal);
        }
        (EffectState::Intended | EffectState::Done, _) => {}
    }
    Some(())
}

/// Takes over what came of a proposal that was given up and that somebody had tried again.
pub(super) fn learn_again(act: &mut Act<Model>, given: &Given<Model>, ask: &mut Ask) -> Option<()> {
    let Some(failed) = act.state.failed.clone() else {
        return Some(());
    };
    let Some(outcome) = given.outcomes.get(&failed.key) else {
        return Some(());
    };
    match (&outcome.state, &outcome.result) {
        (EffectState::Done, EffectResult::Proposed { pr, commit }) => {
            if let Some(run) = ask.run(&failed.run)? {
                // Without the note that it could not be proposed.
                act.intents.push(check::concluded_again(&run));
            }
            let opened = opened(act, failed, (*pr, commit), given, ask)?;
            let newest = act.state.proposal.as_ref().map(|p| p.version);
            if newest.is_none_or(|newest| newest < opened.version) {
                act.state.proposal = Some(opened);
            }
            act.state.failed = None;
        }
        (_, EffectResult::Taken) => {
            act.state.taken = act.state.taken.max(failed.version);
            act.state.dealt_with.take_if(|run| *run == failed.run);
            act.state.failed = None;
        }
        (EffectState::Intended | EffectState::Done, _)
        | (EffectState::Refused | EffectState::Dead, _) => {}
    }
    Some(())
}

/// A proposal that is open now: a version.
fn opened(
    act: &mut Act<Model>,
    proposal: Proposal,
    (pr, commit): (PrNumber, &CommitSha),
    given: &Given<Model>,
    ask: &mut Ask,
) -> Option<Proposal> {
    if let Some(run) = ask.run(&proposal.run)? {
        let version = Version {
            pr: Some(pr),
            ..version_of(&act.state, &proposal, &run, commit, given.now_ms)
        };
        act.records.push(Record::Version(Box::new(version)));
    }
    act.wakes.push(Wake {
        subject: SubjectKey::Pull(act.state.repo.id, pr),
        hint: Some(Hint::Pushed {
            head: commit.clone(),
            at_ms: given.now_ms,
        }),
    });
    act.records.push(Record::Event {
        who: None,
        what: format!("{} v{} proposed", act.state.name, proposal.version),
        sha: Some(commit.clone()),
        why: format!("#{pr}"),
    });
    Some(Proposal {
        pr: Some(pr),
        head: Some(commit.clone()),
        ..proposal
    })
}

/// Tells why there is no pull request where people look for it: on the run's check, and among the events.
fn not_opened(
    act: &mut Act<Model>,
    proposal: &Proposal,
    (state, result): (EffectState, &EffectResult),
    ask: &mut Ask,
) -> Option<()> {
    let why = match result {
        EffectResult::Refused { reason } => reason.clone(),
        EffectResult::Nothing
        | EffectResult::Taken
        | EffectResult::Proposed { .. }
        | EffectResult::Merged { .. } => "given up".to_owned(),
    };
    let instead = match state {
        EffectState::Dead => "`bowsprit effects redrive` tries it again, and so does a re-run",
        EffectState::Refused | EffectState::Intended | EffectState::Done => {
            "once that is mended, a re-run proposes it"
        }
    };
    let what = format!(
        "{} v{} could not be proposed",
        act.state.name, proposal.version
    );
    if let Some(mut run) = ask.run(&proposal.run)? {
        run.note = Some(format!("{what}: {why}; {instead}"));
        act.intents.push(check::concluded_again(&run));
    }
    act.records.push(Record::Event {
        who: None,
        what,
        sha: None,
        why,
    });
    Some(())
}

fn version_of(
    model: &Model,
    proposal: &Proposal,
    run: &Run,
    commit: &CommitSha,
    now_ms: i64,
) -> Version {
    Version {
        service: model.repo.id,
        model: model.name.clone(),
        version: proposal.version,
        digest: proposal.digest.clone(),
        files: run
            .made
            .as_ref()
            .map(|made| made.files.clone())
            .unwrap_or_default(),
        run: run.id.clone(),
        training: run.repo.id,
        training_commit: run.sha.clone(),
        // Who had it run again, or by a call, did not push it.
        pushed_by: match run.cause.trigger {
            Trigger::Push { .. } => run.cause.by.clone().filter(|by| !by.is_bot()),
            Trigger::Pull { .. }
            | Trigger::Comment { .. }
            | Trigger::Again { .. }
            | Trigger::Queue { .. } => None,
        },
        judge_digest: run
            .judge_digest
            .clone()
            .unwrap_or_else(|| Digest::of(b"self-reported")),
        judge_sha: run.judge_sha.clone(),
        metrics: run.numbers(),
        self_reported: run.self_reported,
        commit: commit.clone(),
        pr: None,
        created_ms: now_ms,
        deleted: None,
    }
}
