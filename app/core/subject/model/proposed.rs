//! What came of a proposal: a version, a number that was taken, a refusal.

use super::{Model, Proposal};
use crate::effect::{EffectResult, EffectState, Hint, Record, Version, Wake};
use crate::name::{CommitSha, Digest};
use crate::subject::ask::Ask;
use crate::subject::run::{Run, Trigger};
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
            if let Some(run) = ask.run(&proposal.run)? {
                let version = Version {
                    pr: Some(*pr),
                    ..version_of(&act.state, &proposal, &run, commit, given.now_ms)
                };
                act.records.push(Record::Version(Box::new(version)));
            }
            let (number, who) = (proposal.version, act.state.name.clone());
            if let Some(mine) = &mut act.state.proposal {
                (mine.pr, mine.head) = (Some(*pr), Some(commit.clone()));
            }
            act.wakes.push(Wake {
                subject: SubjectKey::Pull(act.state.repo.id, *pr),
                hint: Some(Hint::Pushed {
                    head: commit.clone(),
                    at_ms: given.now_ms,
                }),
            });
            act.records.push(Record::Event {
                who: None,
                what: format!("{who} v{number} proposed"),
                sha: Some(commit.clone()),
                why: format!("#{pr}"),
            });
        }
        (_, EffectResult::Taken) => {
            act.state.taken = act.state.taken.max(proposal.version);
            act.state.proposal = None;
            act.state.dealt_with = None;
        }
        (EffectState::Refused | EffectState::Dead, result) => {
            let why = match result {
                EffectResult::Refused { reason } => reason.clone(),
                EffectResult::Nothing
                | EffectResult::Taken
                | EffectResult::Proposed { .. }
                | EffectResult::Merged { .. } => "given up".to_owned(),
            };
            act.records.push(Record::Event {
                who: None,
                what: format!(
                    "{} v{} could not be proposed",
                    act.state.name, proposal.version
                ),
                sha: None,
                why,
            });
            act.state.proposal = None;
        }
        (EffectState::Intended | EffectState::Done, _) => {}
    }
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
    }
}
