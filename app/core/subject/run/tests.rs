//! A run, one look: what starts it, what judges it, what ends it.

mod deleted;
mod forgetting;
mod given;
mod idling;
mod imaged;
mod judging;
mod measuring;
mod sameness;
mod unseen;

use super::*;
use crate::effect::{Effect, Hint};
use crate::name::RepoPath;
use crate::subject::ask::{Answer, Changes, PullView, Query, StageView};
use crate::subject::testing::*;
use crate::subject::{Act, Given};
use crate::training::spec::{
    FailureKind, Outcome as Ended, Phase as Doing, RunResult, RuntimeSpec, Status, StepResult,
};
use expect_test::{Expect, expect};

/// A push of `b…` to `main` of the training repository.
fn pushed() -> (World, Cause) {
    let mut world = World::pair();
    world.contract(TRAINING, 'b', TRAINING_TEXT);
    world.head(TRAINING, "main", 'b');
    world.changes(TRAINING, ('a', 'b'), &[("train.py", 'b')]);
    let trigger = Trigger::Push {
        branch: branch("main"),
    };
    (world, cause(TRAINING, 'b', What::Train, trigger))
}

/// The same commit as the head of a pull request.
fn pulled() -> (World, Cause) {
    let (mut world, cause) = pushed();
    let view = pull_view(TRAINING, 7, "topic", ('a', 'b'));
    world.tell(Query::Pull(TRAINING, PrNumber(7)), Answer::Pull(Some(view)));
    let trigger = Trigger::Pull {
        pr: PrNumber(7),
        base: sha('a'),
        retargeted_ms: None,
    };
    (world, Cause { trigger, ..cause })
}

fn look(world: &World, given: &Given<Run>) -> Act<Run> {
    drive(world, |ask| step(given, ask)).expect("a run that is wanted")
}

fn wanted(world: &World, cause: &Cause) -> Act<Run> {
    look(world, &given(None, vec![Hint::RunWanted(cause.clone())]))
}

#[track_caller]
fn check(world: &World, cause: &Cause, told_: Expect) {
    told_.assert_eq(&told(&wanted(world, cause)));
}

fn stage_done(world: &mut World, cause: &Cause, name: &str, change: impl FnOnce(&mut RunResult)) {
    let id = format!("{}-{name}", cause.run_id());
    let mut result = RunResult {
        id: id.clone(),
        outcome: Ended::Succeeded,
        failure: None,
        steps: Vec::new(),
        outputs: Vec::new(),
        probe: None,
        runtime: None,
        runtime_cached: false,
        unconfined: None,
        duration_ms: 1_000,
        tail: Vec::new(),
    };
    change(&mut result);
    world.tell(
        Query::Stage(id),
        Answer::Stage(StageView::Done(Box::new(result))),
    );
}

fn measured(name: &str, all: &[(&str, f64)]) -> StepResult {
    StepResult {
        name: name.to_owned(),
        exit_code: Some(0),
        duration_ms: 1,
        peak_rss_bytes: 0,
        metrics: metrics(all),
        searched: Vec::new(),
    }
}

/// Training wrote a model and the judge measured it.
fn judged(world: &mut World, cause: &Cause, accuracy: f64) {
    stage_done(world, cause, "train", |r| {
        r.outputs = vec![file("model/model.bin", "m")]
    });
    stage_done(world, cause, "evaluate", |r| {
        r.steps = vec![measured(
            "candidate",
            &[("accuracy", accuracy), ("n_test", 500.0)],
        )];
    });
}

#[test]
fn a_run_starts_only_when_the_contract_wants_one() {
    let (world, cause) = pushed();
    check(
        &world,
        &cause,
        expect![[r#"
        start train
        check train InProgress: train: starting
        look after 60 s"#]],
    );
    let elsewhere = |name: &str| Cause {
        trigger: Trigger::Push {
            branch: branch(name),
        },
        ..cause.clone()
    };
    let mut other = world.clone();
    other
        .head(TRAINING, "topic", 'b')
        .head(TRAINING, "dev", 'b');
    check(&other, &elsewhere("topic"), expect![[""]]);
    check(
        &other,
        &elsewhere("dev"),
        expect![[r#"
        start train
        check train InProgress: train: starting
        look after 60 s"#]],
    );
}

#[test]
fn a_commit_message_skips_unless_a_person_asks() {
    let (world, cause) = pushed();
    let mut skips = world.clone();
    skips.tell(
        Query::Commit(TRAINING, sha('b')),
        Answer::Commit(Some(commit("Tidy [skip train]"))),
    );
    check(
        &skips,
        &cause,
        expect![[r#"
        check train Neutral: the commit message says `[skip train]`
        event ada: run train skipped ()"#]],
    );
    let asked = Trigger::Comment {
        pr: PrNumber(7),
        comment: CommentId::Comment(1),
        base: sha('a'),
    };
    let (mut world, pull) = pulled();
    world.tell(
        Query::Commit(TRAINING, sha('b')),
        Answer::Commit(Some(commit("Tidy [skip train]"))),
    );
    check(
        &world,
        &Cause {
            trigger: asked,
            ..pull
        },
        expect![[r#"
            start train
            check train InProgress: train: starting
            look after 60 s"#]],
    );
}

#[test]
fn pull_requests_train_only_where_the_contract_says_so() {
    let (mut world, cause) = pulled();
    assert_eq!(wanted(&world, &cause).state.phase, Phase::Running);
    world.contract(
        TRAINING,
        'b',
        &TRAINING_TEXT.replace("pull_request: true", "pull_request: false"),
    );
    check(&world, &cause, expect!["wake pull/1/7"]);
}

#[test]
fn a_broken_contract_fails_with_its_lines_and_a_missing_one_says_nothing() {
    let (mut world, cause) = pushed();
    world.contract(TRAINING, 'b', "kind: training\nmodle: digits\n");
    let act = wanted(&world, &cause);
    assert_eq!(act.state.phase, Phase::Failed);
    expect![[r#"
        check train Failure: contract: `bowsprit.yaml` has 5 problems, the first in line 1 [bowsprit.yaml:1 `model` is missing in the training contract: the name of the model, such as `model: digits`] [bowsprit.yaml:1 `service` is missing in the training contract: the repository that serves the model, such as `service: digits-service`] [bowsprit.yaml:1 `steps` is missing in the training contract: at least one, such as `- {name: train, run: [python, train.py]}`] [bowsprit.yaml:1 `evaluate` is missing in the training contract: write `evaluate: {run: [python, evaluate.py], data: [holdout/]}` for an independent evaluation on held-out data, or `evaluate: self` to trust the figures that training reports] [bowsprit.yaml:2 unknown key `modle` in the training contract, did you mean `model`? (allowed: kind, model, service, runtime, steps, evaluate, gates, retire_judge, checks, triggers, chatops)]
        event ada: run train failed (`bowsprit.yaml` has 5 problems, the first in line 1)"#]].assert_eq(&told(&act));
    world.contract(TRAINING, 'b', "");
    check(&world, &cause, expect![[""]]);
    world.contract(TRAINING, 'b', SERVICE_TEXT);
    check(&world, &cause, expect![[""]]);
}

#[test]
fn a_draft_ends_what_began_by_itself_and_not_what_somebody_asked_for() {
    let again = |nonce: &str| Trigger::Again {
        branch: None,
        pr: Some((PrNumber(7), sha('a'))),
        nonce: nonce.to_owned(),
    };
    let asked = Trigger::Comment {
        pr: PrNumber(7),
        comment: crate::name::CommentId::Comment(1),
        base: sha('a'),
    };
    for (trigger, ends) in [
        (None, true),
        (Some(again("ready after r1")), true),
        (Some(again("button")), false),
        (Some(asked), false),
    ] {
        let (mut world, mut cause) = pulled();
        cause.trigger = trigger.unwrap_or(cause.trigger);
        for (is_draft, phase) in [
            (false, Phase::Running),
            (
                true,
                if ends {
                    Phase::Cancelled
                } else {
                    Phase::Running
                },
            ),
        ] {
            let mut view = pull_view(TRAINING, 7, "topic", ('a', 'b'));
            view.change.as_mut().expect("a change").is_draft = is_draft;
            let query = Query::Pull(TRAINING, PrNumber(7));
            world.tell(query, Answer::Pull(Some(view)));
            let run = wanted(&world, &cause).state;
            assert_eq!(run.phase, phase, "{:?} {is_draft}", cause.trigger);
        }
    }
}

#[test]
fn a_newer_head_supersedes_and_an_older_answer_does_not() {
    let (mut world, cause) = pushed();
    world.head(TRAINING, "main", 'c');
    world.contract(TRAINING, 'c', TRAINING_TEXT);
    world.changes(TRAINING, ('b', 'c'), &[("train.py", 'c')]);
    check(
        &world,
        &cause,
        expect![[r#"
        check train Cancelled: superseded by `ccccccc`
        event ada: run train cancelled (superseded by `ccccccc`)"#]],
    );
    world.tell(
        Query::IsAncestor(TRAINING, sha('c'), sha('b')),
        Answer::Flag(true),
    );
    assert_eq!(wanted(&world, &cause).state.phase, Phase::Running);
    world.tell(Query::Head(TRAINING, branch("main")), Answer::Head(None));
    check(
        &world,
        &cause,
        expect![[r#"
        check train Cancelled: its branch is gone
        event ada: run train cancelled (its branch is gone)"#]],
    );
    let (mut world, cause) = pulled();
    let closed = PullView {
        is_open: false,
        ..pull_view(TRAINING, 7, "topic", ('a', 'b'))
    };
    world.tell(
        Query::Pull(TRAINING, PrNumber(7)),
        Answer::Pull(Some(closed)),
    );
    check(
        &world,
        &cause,
        expect![[r#"
        check train Cancelled: the pull request is closed
        wake pull/1/7
        event ada: run train cancelled (the pull request is closed)"#]],
    );
    let again = Trigger::Again {
        branch: Some(branch("main")),
        pr: None,
        nonce: "n".to_owned(),
    };
    let (mut world, cause) = pushed();
    world.head(TRAINING, "main", 'c');
    world.contract(TRAINING, 'c', TRAINING_TEXT);
    let act = wanted(
        &world,
        &Cause {
            trigger: again,
            ..cause
        },
    );
    assert_eq!(
        act.state.phase,
        Phase::Running,
        "a run that a person asked for again goes on"
    );
    assert_eq!(
        act.state.judge_sha,
        Some(sha('c')),
        "it meets the judge of today"
    );
}

#[test]
fn a_cancelled_run_ends_its_stage() {
    let (world, cause) = pushed();
    let act = wanted(&world, &cause);
    let hint = Hint::CancelRun { by: login("grace") };
    let act = look(&world, &given(Some(act.state), vec![hint.clone()]));
    expect![[r#"
        check train Cancelled: cancelled by grace
        cancel train
        event ada: run train cancelled (cancelled by grace)"#]]
    .assert_eq(&told(&act));
    let act = look(&world, &given(Some(act.state), vec![hint]));
    assert_eq!(
        (act.intents.len(), act.state.phase),
        (0, Phase::Cancelled),
        "what is over stays over"
    );
}

#[test]
fn stages_come_one_after_another() {
    let (mut world, cause) = pushed();
    let parity = TRAINING_TEXT.replace("  - no-regression\n", "  - parity\n");
    world.contract(TRAINING, 'b', &parity);
    check(
        &world,
        &cause,
        expect![[r#"
        start train
        check train InProgress: train: starting
        look after 60 s"#]],
    );
    judged(&mut world, &cause, 0.95);
    let evaluate = Query::Stage(format!("{}-evaluate", cause.run_id()));
    let mut early = world.clone();
    early.tell(evaluate, Answer::Stage(StageView::Unknown));
    check(
        &early,
        &cause,
        expect![[r#"
        start evaluate
        check train InProgress: evaluate: starting
        look after 60 s"#]],
    );
    let act = wanted(&world, &cause);
    assert_eq!(
        act.state.phase,
        Phase::Failed,
        "no samples, so parity cannot be tried"
    );
    expect![[r#"
        check train Failure: not good enough: parity
        event ada: run train failed ()"#]]
    .assert_eq(&told(&act));
    stage_done(&mut world, &cause, "evaluate", |r| {
        r.steps = vec![measured("candidate", &[("accuracy", 0.95)])];
        r.outputs = vec![
            file("candidate/samples.jsonl", "s"),
            file("live/samples.jsonl", "t"),
        ];
    });
    check(
        &world,
        &cause,
        expect![[r#"
        start parity
        check train InProgress: parity: starting
        look after 60 s"#]],
    );
    stage_done(&mut world, &cause, "parity", |r| {
        r.outcome = Ended::Failed;
        r.failure = Some(Failure {
            kind: FailureKind::Mismatch,
            step: "serve".to_owned(),
            message: "3 of 20 answers differ".to_owned(),
        });
    });
    let act = wanted(&world, &cause);
    assert_eq!(
        (act.state.phase, act.state.failure),
        (Phase::Failed, None),
        "a verdict of the gate, not a failure"
    );
    assert_eq!(act.state.note.as_deref(), Some("3 of 20 answers differ"));
}

#[test]
fn the_candidate_answers_beside_the_other_models_of_the_service() {
    let (mut world, cause) = pushed();
    let parity = TRAINING_TEXT.replace("  - no-regression\n", "  - parity\n");
    world.contract(TRAINING, 'b', &parity);
    let two = SERVICE_TEXT.replace(
        "models:\n",
        "models:\n  cats: {from: cats-training, predict: /v1/cats}\n",
    );
    world.contract(SERVICE, '1', &two);
    let there = ["birds", "cats", "digits"].map(|name| model_at(name, 3, name));
    world.tell(
        Query::Models(SERVICE, sha('1')),
        Answer::Models(there.to_vec()),
    );
    judged(&mut world, &cause, 0.95);
    stage_done(&mut world, &cause, "evaluate", |r| {
        r.steps = vec![measured("candidate", &[("accuracy", 0.95)])];
        r.outputs = vec![file("candidate/samples.jsonl", "s")];
    });
    let plan = judging::started(&world, &cause);
    let names: Vec<_> = plan
        .models
        .iter()
        .map(|m| (&m.name[..], m.version))
        .collect();
    assert_eq!(names, [("cats", Some(3)), ("digits", None)]);
    let sets = plan.serve.unwrap().sample_sets;
    let paths: Vec<&str> = sets.iter().map(|set| set.predict.as_str()).collect();
    assert_eq!(paths, ["/v1/predict"]);
}

#[test]
fn the_verdict_decides_the_phase() {
    for (accuracy, phase) in [(0.95, Phase::Succeeded), (0.85, Phase::Failed)] {
        let (mut world, cause) = pushed();
        judged(&mut world, &cause, accuracy);
        let act = wanted(&world, &cause);
        assert_eq!(act.state.phase, phase);
        let wakes_model = told(&act).contains("wake model/2/digits");
        assert_eq!(wakes_model, phase == Phase::Succeeded);
    }
    let (mut world, cause) = pushed();
    judged(&mut world, &cause, 0.95);
    check(
        &world,
        &cause,
        expect![[r#"
        check train Success: all 2 gates passed
        wake model/2/digits
        event ada: run train succeeded ()"#]],
    );
}

#[test]
fn a_pull_request_is_judged_by_its_base() {
    let (mut world, cause) = pulled();
    let lax = TRAINING_TEXT
        .replace("min: 0.9}", "min: 0.1}")
        .replace("data: [holdout/]", "data: [easy/]");
    world.contract(TRAINING, 'b', &lax);
    judged(&mut world, &cause, 0.5);
    let act = wanted(&world, &cause);
    assert_eq!(
        (act.state.phase, act.state.judge_sha),
        (Phase::Failed, Some(sha('a')))
    );
    let start = Query::Stage(format!("{}-train", cause.run_id()));
    world.tell(start, Answer::Stage(StageView::Unknown));
    let left_out: Vec<RepoPath> = wanted(&world, &cause)
        .intents
        .iter()
        .filter_map(|i| match &i.effect {
            Effect::StartStage(plan) => Some(plan.leave_out.clone()),
            _ => None,
        })
        .flatten()
        .collect();
    assert_eq!(
        left_out,
        [path("easy"), path("holdout")],
        "the base's held-out data is never trained on"
    );
    world.contract(TRAINING, 'a', "");
    judged(&mut world, &cause, 0.5);
    check(
        &world,
        &cause,
        expect![[r#"
        check train Success: trained; nothing judged it
        wake pull/1/7
        event ada: run train succeeded ()"#]],
    );
}

/// A world where `staging` serves v1 and `production` v2.
fn serving(world: &mut World, live: &[(&str, u64)]) {
    use crate::subject::environment::{Environment, ModelRef, Release};
    let environments = live.iter().map(|(name, number)| {
        let mut state = Environment::new(repo(SERVICE), slug(name), 0);
        let reference = ModelRef {
            version: *number,
            digest: version(*number, "x").digest,
        };
        state.live = Some(Release {
            id: "rel".to_owned(),
            commit: sha('1'),
            models: BTreeMap::from([(slug("digits"), reference)]),
        });
        state
    });
    world.tell(
        Query::Environments(SERVICE),
        Answer::Environments(environments.collect()),
    );
    let versions = vec![version(1, "one"), version(2, "two")];
    world.tell(
        Query::Versions(SERVICE, slug("digits")),
        Answer::Versions(versions),
    );
}

#[test]
fn the_live_model_is_that_of_the_last_environment() {
    for (live, want) in [
        (&[("production", 2), ("staging", 1)][..], Some(2)),
        (&[("production", 1), ("staging", 2)][..], Some(1)),
        (&[("staging", 1)][..], Some(1)),
        (&[][..], None),
    ] {
        let (mut world, cause) = pushed();
        serving(&mut world, live);
        judged(&mut world, &cause, 0.95);
        let act = wanted(&world, &cause);
        assert_eq!(act.state.live.map(|(number, _)| number), want, "{live:?}");
    }
}

#[test]
fn a_live_model_that_cannot_be_measured_does_not_fail_the_candidate() {
    let fail = |step: &'static str, candidate: bool| {
        let (mut world, cause) = pushed();
        serving(&mut world, &[("production", 2)]);
        judged(&mut world, &cause, 0.95);
        stage_done(&mut world, &cause, "evaluate", |r| {
            r.outcome = Ended::Failed;
            r.failure = Some(Failure {
                kind: FailureKind::Exit,
                step: step.to_owned(),
                message: "it ended with 1".to_owned(),
            });
            r.tail = vec!["KeyError: scaler".to_owned()];
            if candidate {
                r.steps = vec![measured("candidate", &[("accuracy", 0.95)])];
            }
        });
        let act = wanted(&world, &cause);
        let verdicts = act
            .state
            .verdicts
            .iter()
            .map(|v| format!("\n{} {:?}: {}", v.gate, v.outcome, v.reason));
        format!(
            "{}{}",
            super::check::headline(&act.state),
            verdicts.collect::<String>()
        )
    };
    expect![[r#"
        not good enough: no-regression
        accuracy Passed: accuracy is 0.95, wanted ≥ 0.9
        no-regression Error: no metric of the live model `accuracy`; seen: nothing; searched: nothing"#]].assert_eq(&fail("live", true));
    expect!["live: it ended with 1"].assert_eq(&fail("live", false));
    expect!["candidate: it ended with 1"].assert_eq(&fail("candidate", true));
}

#[test]
fn a_training_that_measures_itself_is_marked() {
    let (mut world, cause) = pushed();
    let own = TRAINING_TEXT.replace(
        "evaluate: {run: [python, evaluate.py], data: [holdout/]}",
        "evaluate: self",
    );
    world.contract(TRAINING, 'b', &own);
    stage_done(&mut world, &cause, "train", |r| {
        r.outputs = vec![file("model/model.bin", "m")];
        r.steps = vec![measured("train", &[("accuracy", 0.95)])];
    });
    let act = wanted(&world, &cause);
    assert_eq!(
        (act.state.phase, act.state.self_reported),
        (Phase::Succeeded, true)
    );
    assert_eq!(act.state.stages.len(), 1, "nothing else measures it");
}

#[test]
fn a_run_without_a_model_says_what_it_saw() {
    let (mut world, cause) = pushed();
    stage_done(&mut world, &cause, "train", |r| {
        r.outputs = vec![file("weights.bin", "m")]
    });
    check(
        &world,
        &cause,
        expect![[r#"
        check train Failure: train: the steps wrote no model; write it to `$OUTPUTS_DIR/model/` (seen instead: weights.bin)
        event ada: run train failed (the steps wrote no model; write it to `$OUTPUTS_DIR/model/` (seen instead: weights.bin))"#]],
    );
    stage_done(&mut world, &cause, "train", |_| {});
    check(
        &world,
        &cause,
        expect![[r#"
        check train Failure: train: the steps wrote no model; write it to `$OUTPUTS_DIR/model/` (seen instead: nothing)
        event ada: run train failed (the steps wrote no model; write it to `$OUTPUTS_DIR/model/` (seen instead: nothing))"#]],
    );
}

#[test]
fn only_the_default_branch_as_it_is_registers() {
    let registers = |change: fn(&mut Cause)| {
        let (mut world, mut cause) = pushed();
        world.head(TRAINING, "dev", 'b');
        change(&mut cause);
        judged(&mut world, &cause, 0.95);
        let act = wanted(&world, &cause);
        assert_eq!(act.state.phase, Phase::Succeeded);
        told(&act).contains("wake model/2/digits")
    };
    assert!(registers(|_| {}));
    assert!(!registers(|cause| cause.trigger = Trigger::Push {
        branch: branch("dev")
    }));
    assert!(!registers(|cause| cause.trust = Trust::Untrusted));
    assert!(!registers(
        |cause| cause.params = BTreeMap::from([("EPOCHS".to_owned(), "1".to_owned())])
    ));
    let again = |name: Option<&str>| Trigger::Again {
        branch: name.map(branch),
        pr: None,
        nonce: "n".to_owned(),
    };
    assert_eq!(again(Some("main")).branch(), Some(&branch("main")));
    assert!(registers(|cause| cause.trigger = Trigger::Again {
        branch: Some(branch("main")),
        pr: None,
        nonce: "n".to_owned()
    }));
    assert!(!registers(|cause| cause.trigger = Trigger::Again {
        branch: None,
        pr: None,
        nonce: "n".to_owned()
    }));
    let (mut world, cause) = pulled();
    judged(&mut world, &cause, 0.95);
    let act = wanted(&world, &cause);
    expect![[r#"
        check train Success: all 2 gates passed
        wake pull/1/7
        event ada: run train succeeded ()"#]]
    .assert_eq(&told(&act));
}

#[test]
fn parameters_reach_the_steps() {
    let (world, cause) = pushed();
    let params = BTreeMap::from([("EPOCHS".to_owned(), "1".to_owned())]);
    let act = wanted(&world, &Cause { params, ..cause });
    let epochs = act.intents.iter().find_map(|i| match &i.effect {
        Effect::StartStage(plan) => plan.steps[0].env.get("EPOCHS").cloned(),
        _ => None,
    });
    assert_eq!(epochs.as_deref(), Some("1"));
}

#[test]
fn the_same_cause_is_the_same_run() {
    let (_, cause) = pulled();
    let id = cause.run_id();
    let with = |change: fn(&mut Cause)| {
        let mut other = cause.clone();
        change(&mut other);
        other.run_id() == id
    };
    assert!(with(|_| {}));
    assert!(with(|cause| cause.by = None));
    assert!(
        with(|cause| cause.trigger = Trigger::Pull {
            pr: PrNumber(7),
            base: sha('f'),
            retargeted_ms: None
        }),
        "a base that moves on is no new cause"
    );
    assert!(!with(|cause| cause.sha = sha('f')));
    assert!(!with(|cause| cause.what = What::Service));
    assert!(!with(|cause| cause.trigger = Trigger::Pull {
        pr: PrNumber(8),
        base: sha('a'),
        retargeted_ms: None
    }));
    assert!(!with(|cause| cause.trigger = Trigger::Comment {
        pr: PrNumber(7),
        comment: CommentId::Comment(1),
        base: sha('a')
    }));
    assert!(!with(
        |cause| cause.params = BTreeMap::from([("A".to_owned(), "1".to_owned())])
    ));
}

#[test]
fn progress_is_written_once_a_minute() {
    let (mut world, cause) = pushed();
    let id = format!("{}-train", cause.run_id());
    let status = Status {
        phase: Doing::Running,
        step: Some("train".to_owned()),
        started_ms: 0,
        updated_ms: 0,
        progress: Some(0.4),
        tail: Vec::new(),
    };
    world.tell(
        Query::Stage(id.clone()),
        Answer::Stage(StageView::Running(Box::new(status))),
    );
    let first = wanted(&world, &cause);
    expect![[r#"
        check train InProgress: train: train (40 %)
        look after 60 s"#]]
    .assert_eq(&told(&first));
    let after = |world: &World, ms: i64| {
        let mut given = given(Some(first.state.clone()), Vec::new());
        given.now_ms += ms;
        look(world, &given).intents.len()
    };
    assert_eq!((after(&world, 59_999), after(&world, 60_000)), (0, 1));
    world.tell(Query::Stage(id), Answer::Stage(StageView::Queued(2)));
    assert!(after(&world, 1) > 0, "another word is shown at once");
}

#[test]
fn a_stage_that_cannot_be_started_fails_the_run() {
    let (world, cause) = pushed();
    let mut given = given(None, vec![Hint::RunWanted(cause.clone())]);
    given.outcomes.insert(
        format!("stage:{}-train", cause.run_id()),
        refused("an untrusted commit cannot run here"),
    );
    expect![[r#"
        check train Failure: train: an untrusted commit cannot run here
        event ada: run train failed (an untrusted commit cannot run here)"#]]
    .assert_eq(&told(&look(&world, &given)));
}

#[test]
fn service_tests_and_named_checks_follow_the_contract_of_the_commit() {
    let mut world = World::pair();
    world.contract(SERVICE, '2', SERVICE_TEXT);
    world.tell(
        Query::Pull(SERVICE, PrNumber(7)),
        Answer::Pull(Some(pull_view(SERVICE, 7, "topic", ('1', '2')))),
    );
    let trigger = Trigger::Pull {
        pr: PrNumber(7),
        base: sha('1'),
        retargeted_ms: None,
    };
    let tests = cause(SERVICE, '2', What::Service, trigger.clone());
    check(
        &world,
        &tests,
        expect![[r#"
        start service
        check bowsprit/service InProgress: service: starting
        look after 60 s"#]],
    );
    let unit = cause(SERVICE, '2', What::Check(slug("unit")), trigger);
    check(
        &world,
        &unit,
        expect![[r#"
        check unit Neutral: the contract no longer names this check
        wake pull/2/7
        event ada: run unit skipped ()"#]],
    );
    stage_done(&mut world, &tests, "service", |_| {});
    check(
        &world,
        &tests,
        expect![[r#"
        check bowsprit/service Success: tests passed
        wake pull/2/7
        event ada: run bowsprit/service succeeded ()"#]],
    );
    world.contract(SERVICE, '2', "kind: service\n");
    assert_eq!(wanted(&world, &tests).state.phase, Phase::Failed);
}

#[test]
fn a_check_runs_in_its_own_runtime_or_else_in_the_contracts() {
    let planned = |repo, text: &str, contracts: &str, own: &str| {
        let mut world = World::pair();
        let text = format!("{text}{contracts}checks: [{{name: own, run: [x]{own}}}]\n");
        world.contract(repo, '1', &text);
        world.contract(repo, '2', &text);
        let view = pull_view(repo, 7, "topic", ('1', '2'));
        world.tell(Query::Pull(repo, PrNumber(7)), Answer::Pull(Some(view)));
        let trigger = Trigger::Pull {
            pr: PrNumber(7),
            base: sha('1'),
            retargeted_ms: None,
        };
        let act = wanted(&world, &cause(repo, '2', What::Check(slug("own")), trigger));
        let runtime = act.intents.iter().find_map(|intent| match &intent.effect {
            Effect::StartStage(plan) => Some(plan.runtime.clone()),
            _ => None,
        });
        match runtime.expect("a stage") {
            Some(RuntimeSpec::Python { minimum, .. }) => Some(minimum.to_string()),
            Some(other) => panic!("{other:?}"),
            None => None,
        }
    };
    let training = TRAINING_TEXT.replace(
        "checks:\n  - {name: unit, run: [pytest]}\n  - {name: lint, run: [ruff], optional: true}\n",
        "",
    );
    let (contracts, own) = ("runtime: {python: '3.11'}\n", ", runtime: {python: '3.12'}");
    for (repo, text) in [(TRAINING, training.as_str()), (SERVICE, SERVICE_TEXT)] {
        assert_eq!(planned(repo, text, "", ""), None);
        assert_eq!(planned(repo, text, contracts, "").as_deref(), Some("3.11"));
        assert_eq!(planned(repo, text, contracts, own).as_deref(), Some("3.12"));
        assert_eq!(planned(repo, text, "", own).as_deref(), Some("3.12"));
    }
}

#[test]
fn a_delivery_that_came_after_the_tick_says_who_pushed() {
    let (world, cause) = pushed();
    let found = Cause {
        by: None,
        ..cause.clone()
    };
    let run = wanted(&world, &found).state;
    assert_eq!(run.cause.by, None);
    let hint = || vec![Hint::RunWanted(cause.clone())];
    let known = look(&world, &given(Some(run.clone()), hint())).state;
    assert_eq!(known.cause.by, Some(login("ada")));
    let over = Run {
        phase: Phase::Failed,
        ..run
    };
    let act = look(&world, &given(Some(over), hint()));
    assert_eq!(act.state.cause.by, Some(login("ada")));
    assert_eq!(act.records.len(), 1, "it is written down");
    let other = Cause {
        by: Some(login("mia")),
        ..cause
    };
    let act = look(
        &world,
        &given(Some(act.state), vec![Hint::RunWanted(other)]),
    );
    assert_eq!(
        act.state.cause.by,
        Some(login("ada")),
        "the first word stands"
    );
    assert_eq!(act.records, vec![]);
}
