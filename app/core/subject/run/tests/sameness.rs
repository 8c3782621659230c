//! A test of the merge queue: whose verdict it takes, and whom it tells.

use super::*;
use crate::effect::Hint;
use crate::subject::ask::Chain;

/// A test of `b…` on `a…`, before it begins.
fn queued(what: What) -> (World, Cause) {
    let (mut world, cause) = pulled();
    let trigger = Trigger::Queue {
        branch: branch("main"),
        base: sha('a'),
        members: vec![(PrNumber(7), sha('d')), (PrNumber(8), sha('e'))],
        whats: vec![what.clone()],
        turn: 0,
        left_out: Vec::new(),
    };
    world.changes(TRAINING, ('a', 'b'), &[("train.py", 'b')]);
    let cause = Cause {
        trigger,
        what,
        ..cause
    };
    (world, cause)
}

fn unit() -> What {
    What::Check(slug("unit"))
}

/// Another run on the same inputs.
fn other(what: What, phase: Phase, change: impl FnOnce(&mut Run)) -> Run {
    let trigger = Trigger::Pull {
        pr: PrNumber(7),
        base: sha('a'),
        retargeted_ms: None,
    };
    let mut other = run(cause(TRAINING, 'd', what, trigger), phase);
    change(&mut other);
    other
}

/// What a test does beside these runs on its inputs.
fn beside(what: What, others: Vec<Run>) -> Act<Run> {
    let (mut world, cause) = queued(what);
    let inputs = wanted(&world, &cause).state.inputs.expect("inputs");
    let query = Query::RunsOfInputs(TRAINING, inputs);
    world.tell(query, Answer::Runs(others));
    wanted(&world, &cause)
}

fn at_work(run: &mut Run) {
    run.stages.push(Stage {
        id: "s".to_owned(),
        name: "train".to_owned(),
        is_done: false,
        duration_ms: None,
    });
}

fn failed(kind: FailureKind) -> impl FnOnce(&mut Run) {
    move |run| {
        run.failure = Some(crate::training::spec::Failure {
            kind,
            step: "train".to_owned(),
            message: "no".to_owned(),
        });
    }
}

#[test]
fn equal_inputs_have_their_verdict_already() {
    for what in [What::Train, unit()] {
        let is_training = what == What::Train;
        for (phase, change, wanted) in [
            (Phase::Succeeded, None, Some(Phase::Succeeded)),
            (Phase::Failed, None, is_training.then_some(Phase::Failed)),
            (
                Phase::Failed,
                Some(FailureKind::Exit),
                is_training.then_some(Phase::Failed),
            ),
            (Phase::Failed, Some(FailureKind::Lost), None),
            (Phase::Cancelled, None, None),
            (Phase::Skipped, None, None),
        ] {
            let other = other(what.clone(), phase, |run| {
                if let Some(kind) = change {
                    failed(kind)(run);
                }
            });
            let act = beside(what.clone(), vec![other.clone()]);
            let took = act.state.phase.is_final().then_some(act.state.phase);
            assert_eq!(took, wanted, "{what:?} {phase:?} {change:?}");
            assert_eq!(act.state.same_as.is_some(), wanted.is_some());
            assert_eq!(act.state.stages.is_empty(), wanted.is_some());
            assert_eq!(
                (act.state.cause.what, act.state.sha),
                (what.clone(), sha('b'))
            );
        }
    }
}

#[test]
fn it_waits_for_a_run_at_work_and_begins_itself_where_that_one_ends_without_a_word() {
    let waits = beside(
        What::Train,
        vec![other(What::Train, Phase::Running, at_work)],
    );
    expect![[r#"
        wake pull/1/7
        wake pull/1/8
        look after 2 s"#]]
    .assert_eq(&told(&waits));
    assert_eq!(waits.state.stages, []);
    // Another that waits itself is nobody to wait for.
    let idle = beside(
        What::Train,
        vec![other(What::Train, Phase::Running, |_| ())],
    );
    expect![[r#"
        start train
        wake pull/1/7
        wake pull/1/8
        look after 60 s"#]]
    .assert_eq(&told(&idle));
    let gone = beside(
        What::Train,
        vec![other(What::Train, Phase::Cancelled, at_work)],
    );
    assert_eq!(gone.state.stages.len(), 1);
}

#[test]
fn inputs_are_the_files_the_contract_and_the_judge_and_not_the_base() {
    let inputs = |change: &dyn Fn(&mut World)| {
        let (mut world, cause) = queued(What::Train);
        change(&mut world);
        wanted(&world, &cause).state.inputs
    };
    let usual = inputs(&|_| ());
    assert!(usual.is_some());
    let ignored = vec!["**.md".to_owned()];
    let digest = |text: &str| Answer::Digest(Digest::of(text.as_bytes()));
    let files = Query::Inputs(TRAINING, sha('b'), ignored);
    let moved = inputs(&|world| {
        world.tell(files.clone(), digest("other"));
    });
    assert_ne!(moved, usual);
    let strict = TRAINING_TEXT.replace("min: 0.9", "min: 0.95");
    let judged = inputs(&|world| {
        world.contract(TRAINING, 'a', &strict);
    });
    assert_ne!(judged, usual);
    // Where no queue tests, nobody asks.
    let (world, cause) = pulled();
    assert_eq!(wanted(&world, &cause).state.inputs, None);
    let (mut world, cause) = pulled();
    let text = format!("{TRAINING_TEXT}chatops: {{merge_tests: 1}}\n");
    world.contract(TRAINING, 'b', &text);
    assert!(wanted(&world, &cause).state.inputs.is_some());
}

#[test]
fn it_tells_its_members_and_never_github() {
    let (mut world, cause) = queued(unit());
    let begun = wanted(&world, &cause);
    expect![[r#"
        start check
        wake pull/1/7
        wake pull/1/8
        look after 60 s"#]]
    .assert_eq(&told(&begun));
    stage_done(&mut world, &cause, "check", |_| ());
    let later = |world: &World, hints| look(world, &given(Some(begun.state.clone()), hints));
    expect![[r#"
        wake pull/1/7
        wake pull/1/8
        event ada: run unit succeeded ()"#]]
    .assert_eq(&told(&later(&world, vec![])));
    let (world, _) = queued(unit());
    expect![[r#"
        cancel check
        wake pull/1/7
        wake pull/1/8
        event ada: run unit cancelled (the merge queue needs it no longer)"#]]
    .assert_eq(&told(&later(&world, vec![Hint::RunUnneeded])));
}

#[test]
fn a_test_never_becomes_a_version() {
    let (mut world, cause) = queued(What::Train);
    judged(&mut world, &cause, 0.95);
    let act = wanted(&world, &cause);
    assert_eq!(act.state.phase, Phase::Succeeded);
    assert!(act.state.is_aside || act.state.cause.trigger.branch().is_none());
    assert_eq!(act.state.judge_sha, Some(sha('a')));
    expect![[r#"
        wake pull/1/7
        wake pull/1/8
        event ada: run train succeeded ()"#]]
    .assert_eq(&told(&act));
}

#[test]
fn a_merge_that_a_mirror_lost_is_made_again() {
    for (commit, wanted_phase) in [('b', Phase::Running), ('f', Phase::Cancelled)] {
        let (mut world, cause) = queued(unit());
        world.tell(Query::Commit(TRAINING, sha('b')), Answer::Commit(None));
        let chain = Chain {
            commit: sha(commit),
            conflicts: Vec::new(),
        };
        let query = Query::Chain(TRAINING, sha('a'), vec![sha('d'), sha('e')]);
        world.tell(query, Answer::Chain(chain));
        assert_eq!(wanted(&world, &cause).state.phase, wanted_phase);
    }
}
