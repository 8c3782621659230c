//! One look at a run: what to start next, what to conclude.

use super::plan;
use super::stage::{Found, broken, failed, skipped, stage};
use super::train::{held_out, service_repo, train};
use super::{BY_HAND, Cause, DRAFT, Phase, READY, Run, Trigger, What, forgotten, idle, same};
use crate::contract::{Contract, Service};
use crate::effect::{Annotation, Effect, Hint, Intent, Priority, Record, Wake};
use crate::subject::ask::{Ask, ContractAt, PullView};
use crate::subject::model::deletion;
use crate::subject::{Act, Given, Step, SubjectKey};
use crate::training::spec::FailureKind;

/// How often the check of a run under way is written anew though its phase is the same. Units: milliseconds.
const PROGRESS_MS: i64 = 60_000;

/// A run is looked at again after this, whatever happens. Units: milliseconds.
const LOOK_MS: i64 = 60_000;

/// A run that waits for the verdict of another looks for it this often. Units: milliseconds.
const FOLLOW_MS: i64 = 2_000;

/// Says what to do for a run now.
pub fn step(given: &Given<Run>, ask: &mut Ask) -> Step<Run> {
    if let Some(act) = forgotten::told(given) {
        return Step::Act(Box::new(act));
    }
    let Some(run) = begin(given) else {
        return Step::Nothing;
    };
    if run.phase.is_final() {
        let is_news = given
            .state
            .as_ref()
            .is_some_and(|old| old.cause != run.cause);
        let record = is_news.then(|| Record::Run(Box::new(run.clone())));
        let mut act = Act::keep(run);
        act.records.extend(record);
        return Step::Act(Box::new(act));
    }
    match advance(run, given, ask) {
        Some(act) => Step::Act(Box::new(act)),
        None => Step::Look(ask.take_missing()),
    }
}

fn begin(given: &Given<Run>) -> Option<Run> {
    let mut causes = given.hints.iter().filter_map(|hint| match hint {
        Hint::RunWanted(cause) => Some(cause),
        Hint::Pushed { .. }
        | Hint::PushedBy { .. }
        | Hint::Said { .. }
        | Hint::Labeled { .. }
        | Hint::RunForgotten { .. }
        | Hint::CancelRun { .. }
        | Hint::RunUnneeded
        | Hint::Supersede { .. }
        | Hint::DeleteVersions { .. }
        | Hint::Promote { .. }
        | Hint::Rollback { .. }
        | Hint::Unhold
        | Hint::Gone
        | Hint::Removed
        | Hint::Shown { .. } => None,
    });
    match given.state.clone() {
        Some(mut run) => {
            // The tick found it before the delivery came that says who pushed it.
            let by = &mut run.cause.by;
            *by = by
                .take()
                .or_else(|| causes.find_map(|cause| cause.by.clone()));
            Some(run)
        }
        None => causes
            .next()
            .map(|cause| Run::new(cause.clone(), given.now_ms)),
    }
}

fn advance(mut run: Run, given: &Given<Run>, ask: &mut Ask) -> Option<Act<Run>> {
    if let Some(why) = ended_from_outside(&run, given, ask)? {
        run.phase = Phase::Cancelled;
        run.cancelled = Some(why);
        let mut act = conclude(run, given, ask, Vec::new())?;
        let open: Vec<String> = act
            .state
            .stages
            .iter()
            .filter(|s| !s.is_done)
            .map(|s| s.id.clone())
            .collect();
        act.intents.extend(open.into_iter().map(|stage| Intent {
            key: format!("cancel:{stage}"),
            is_view: false,
            priority: Priority::Change,
            effect: Effect::CancelStage { stage },
        }));
        return Some(act);
    }
    let found = match same::verdict(&mut run, ask)? {
        Some(found) => found,
        None => match run.cause.what.clone() {
            What::Train => train(&mut run, given, ask)?,
            What::Service => service(&mut run, given, ask)?,
            What::Check(name) => check(&mut run, &name, given, ask)?,
        },
    };
    match found {
        Found::Over(annotations) => conclude(run, given, ask, annotations),
        Found::Going {
            intents,
            word,
            progress,
            tail,
        } => {
            run.phase = Phase::Running;
            let due = run
                .shown
                .as_ref()
                .is_none_or(|(last, at)| *last != word || given.now_ms - at >= PROGRESS_MS);
            let mut act = Act::keep(run);
            act.intents = intents;
            let is_first = act.state.shown.is_none();
            if due {
                act.state.shown = Some((word.clone(), given.now_ms));
            }
            match act.state.cause.trigger.queue() {
                // Its commit is not at GitHub; those who wait for it say how it stands.
                Some(_) if is_first => act.wakes = waiting(&act.state),
                None if due => {
                    let check = super::check::going(&act.state, &word, progress, &tail);
                    act.intents.push(check);
                }
                Some(_) | None => {}
            }
            act.records.push(Record::Run(Box::new(act.state.clone())));
            let look_ms = match act.state.same_as {
                Some(_) => FOLLOW_MS,
                None => LOOK_MS,
            };
            act.look_by(given.now_ms + look_ms);
            Some(act)
        }
    }
}

/// Whether somebody ended it, or a newer push made it pointless.
fn ended_from_outside(run: &Run, given: &Given<Run>, ask: &mut Ask) -> Option<Option<String>> {
    for hint in &given.hints {
        if let Hint::CancelRun { by } = hint {
            return Some(Some(format!("{BY_HAND}{by}")));
        }
        if matches!(hint, Hint::RunUnneeded) {
            return Some(Some("the merge queue needs it no longer".to_owned()));
        }
    }
    let repo = run.repo.id;
    let now = match &run.cause.trigger {
        Trigger::Push { branch } => ask.head(repo, branch)?,
        Trigger::Pull { pr, .. }
        | Trigger::Comment { pr, .. }
        | Trigger::Again {
            pr: Some((pr, _)), ..
        } => {
            let began_by_itself = match &run.cause.trigger {
                Trigger::Again { nonce, .. } => nonce.starts_with(READY),
                Trigger::Pull { .. } => true,
                Trigger::Push { .. } | Trigger::Comment { .. } | Trigger::Queue { .. } => false,
            };
            let is_draft = |view: &PullView| view.change.as_ref().is_some_and(|c| c.is_draft);
            match ask.kept_pull(repo, *pr)? {
                // What somebody asked for on a draft goes on.
                Some(view) if is_draft(&view) && began_by_itself => {
                    return Some(Some(DRAFT.to_owned()));
                }
                Some(view) if view.is_open => view.change.map(|change| change.head),
                Some(_) | None => return Some(Some("the pull request is closed".to_owned())),
            }
        }
        Trigger::Queue { .. } => return same::lost(run, ask),
        Trigger::Again { pr: None, .. } => return Some(None),
    };
    let Some(head) = now else {
        return Some(Some("its branch is gone".to_owned()));
    };
    // GitHub may answer with the head before this push: an ancestor does not supersede.
    if head == run.sha || ask.is_ancestor(repo, &head, &run.sha)? {
        return Some(None);
    }
    if let Trigger::Push { branch } = &run.cause.trigger
        && idle::leaves(run, branch, &head, ask)?
    {
        return Some(None);
    }
    Some(Some(format!("superseded by `{}`", head.short())))
}

fn service(run: &mut Run, given: &Given<Run>, ask: &mut Ask) -> Option<Found> {
    let contract = match service_contract(run, ask)? {
        Ok(contract) => contract,
        Err(found) => return Some(found),
    };
    let models = ask.models(run.repo.id, &run.sha)?;
    if let Some(wrong) = models.iter().find_map(|m| {
        m.manifest
            .as_ref()
            .err()
            .map(|why| (m.model.clone(), why.clone()))
    }) {
        let message = format!(
            "`models/{}/manifest.json` cannot be used: {}",
            wrong.0, wrong.1
        );
        return Some(failed(run, FailureKind::Corrupt, "models", message));
    }
    // A stage that has begun has its bytes.
    let named = models.iter().filter(|_| run.stages.is_empty());
    let named = named.filter_map(|m| Some((&m.model, m.manifest.as_ref().ok()?)));
    for (model, manifest) in named {
        let versions = ask.stored_versions(run.repo.id, model)?;
        if let Some(why) = deletion::gone(&versions, (manifest.version, &manifest.digest)) {
            let message = format!(
                "`models/{model}/manifest.json`: {why}; a branch that is only behind is brought up to date"
            );
            return Some(failed(run, FailureKind::Corrupt, "models", message));
        }
    }
    let plan = plan::service(run, &contract, &models);
    match stage(run, "service", plan, given, ask)? {
        Err(found) => Some(found),
        Ok(done) => {
            run.unconfined = done.unconfined.clone();
            run.probe = done.probe.clone();
            run.phase = Phase::Succeeded;
            Some(Found::Over(Vec::new()))
        }
    }
}

fn service_contract(run: &mut Run, ask: &mut Ask) -> Option<Result<Service, Found>> {
    Some(match ask.contract(run.repo.id, &run.sha)? {
        ContractAt::Missing => Err(skipped(run, None)),
        ContractAt::Broken(problems) => Err(broken(run, &problems)),
        ContractAt::Good(contract, _) => match *contract {
            Contract::Service(service) => Ok(service),
            Contract::Training(_) => Err(skipped(run, None)),
        },
    })
}

fn check(
    run: &mut Run,
    name: &crate::name::Slug,
    given: &Given<Run>,
    ask: &mut Ask,
) -> Option<Found> {
    let contract = match ask.contract(run.repo.id, &run.sha)? {
        ContractAt::Missing => return Some(skipped(run, None)),
        ContractAt::Broken(problems) => return Some(broken(run, &problems)),
        ContractAt::Good(contract, _) => contract,
    };
    let held_out = held_out(run, &contract, ask)?;
    let Some(plan) = plan::check(run, &contract, name, held_out) else {
        return Some(skipped(
            run,
            Some("the contract no longer names this check"),
        ));
    };
    Some(match stage(run, "check", plan, given, ask)? {
        Err(found) => found,
        Ok(done) => {
            run.unconfined = done.unconfined.clone();
            run.phase = Phase::Succeeded;
            Found::Over(Vec::new())
        }
    })
}

/// Writes the last word, and wakes whom it concerns.
fn conclude(
    mut run: Run,
    given: &Given<Run>,
    ask: &mut Ask,
    annotations: Vec<Annotation>,
) -> Option<Act<Run>> {
    let mut wakes = waiting(&run);
    if let Some((pr, _)) = run.cause.trigger.pull() {
        wakes.push(Wake {
            subject: SubjectKey::Pull(run.repo.id, pr),
            hint: None,
        });
    }
    if run.cause.what == What::Train
        && run.phase == Phase::Succeeded
        && let (Some(model), Some(service)) = (run.model.clone(), service_repo(&run, ask)?)
        && !run.is_aside
        && registers(&run.cause, ask)?
    {
        wakes.push(Wake {
            subject: SubjectKey::Model(service.id, model),
            hint: None,
        });
    }
    run.finished_ms = Some(given.now_ms);
    let is_silent = run.phase == Phase::Skipped && run.note.is_none();
    let is_of_queue = run.cause.trigger.queue().is_some();
    let mut act = Act::keep(run);
    act.wakes = wakes;
    if !is_silent {
        if !is_of_queue {
            act.intents
                .push(super::check::concluded(&act.state, annotations));
        }
        act.records.push(Record::Event {
            who: act.state.cause.by.clone(),
            what: format!(
                "run {} {:?}",
                act.state.cause.what.check_name(),
                act.state.phase
            )
            .to_lowercase(),
            sha: Some(act.state.sha.clone()),
            why: act
                .state
                .failure
                .as_ref()
                .map(|f| f.message.clone())
                .or_else(|| act.state.cancelled.clone())
                .unwrap_or_default(),
        });
    }
    act.records.push(Record::Run(Box::new(act.state.clone())));
    Some(act)
}

/// Pull requests that wait for a test of the merge queue.
fn waiting(run: &Run) -> Vec<Wake> {
    let members = run.cause.trigger.queue().map(|(_, members)| members);
    let members = members.unwrap_or_default().iter();
    let wake = |(pr, _): &(_, _)| Wake {
        subject: SubjectKey::Pull(run.repo.id, *pr),
        hint: None,
    };
    members.map(wake).collect()
}

/// Whether a run may become a model version: a trusted commit of the default branch, with the contract's own parameters.
fn registers(cause: &Cause, ask: &mut Ask) -> Option<bool> {
    let default = ask
        .repository(cause.repo.id)?
        .map(|view| view.default_branch);
    Some(
        default.is_some()
            && cause.trigger.branch() == default.as_ref()
            && cause.params.is_empty()
            && cause.trust == crate::training::spec::Trust::Trusted,
    )
}
