//! Two judges: the one of today and the one before it.

use super::*;
use crate::contract::{Contract, Evaluate, parse};
use crate::effect::{StagePlan, Version};
use crate::subject::ask::ContractAt;
use crate::training::spec::{StageKind, Trust};

/// What the judge at a commit is known by.
pub(super) fn digest_at(at: char, text: &str) -> Digest {
    let Ok(Contract::Training(contract)) = parse(text) else {
        panic!("no training contract: {text}");
    };
    let Evaluate::Judge(judge) = &contract.evaluate else {
        panic!("no judge: {text}");
    };
    let files = super::super::evaluate::joined(
        &files_at(&sha(at), &super::super::evaluate::given(&contract)),
        &files_at(&sha(at), &[path(".bowsprit/policies")]),
    );
    super::super::evaluate::digest(&files, judge, &contract)
}

pub(super) fn lax() -> String {
    TRAINING_TEXT.replace("min: 0.9}", "min: 0.1}")
}

/// Version 2, judged by the files and the contract of `a…`.
pub(super) fn second() -> Version {
    Version {
        judge_digest: digest_at('a', TRAINING_TEXT),
        judge_sha: Some(sha('a')),
        ..version(2, "two")
    }
}

pub(super) fn versions(world: &mut World, all: &[Version]) {
    let query = Query::Versions(SERVICE, slug("digits"));
    world.tell(query, Answer::Versions(all.to_vec()));
}

/// `b…` weakens the judge of `a…`; production serves version 2, and the new judge finds both models alike.
pub(super) fn weakened() -> (World, Cause) {
    let (mut world, cause) = pushed();
    world.contract(TRAINING, 'b', &lax());
    serving(&mut world, &[("production", 2)]);
    versions(&mut world, &[version(1, "one"), second()]);
    judged(&mut world, &cause, 0.5);
    found(
        &mut world,
        &cause,
        "evaluate",
        &[("candidate", 0.5), ("live", 0.5)],
    );
    (world, cause)
}

/// A stage that measured accuracies.
pub(super) fn found(world: &mut World, cause: &Cause, stage: &str, accuracies: &[(&str, f64)]) {
    stage_done(world, cause, stage, |r| {
        let steps = accuracies.iter();
        r.steps = steps
            .map(|(name, value)| measured(name, &[("accuracy", *value)]))
            .collect();
    });
}

/// The headline, and what the old judge says.
fn said(world: &World, cause: &Cause) -> String {
    let run = wanted(world, cause).state;
    let mut lines = vec![super::super::check::headline(&run)];
    for old in run.old_judge.iter() {
        lines.push(format!("v{} retired {}", old.version, old.is_retired));
        let verdicts = old.verdicts.iter();
        lines.extend(verdicts.map(|v| format!("{} {:?}: {}", v.gate, v.outcome, v.reason)));
    }
    lines.join("\n")
}

/// The stage that is started.
pub(super) fn started(world: &World, cause: &Cause) -> StagePlan {
    let act = wanted(world, cause);
    let plan = act.intents.iter().find_map(|i| match &i.effect {
        Effect::StartStage(plan) => Some((**plan).clone()),
        _ => None,
    });
    plan.expect("a stage is started")
}

pub(super) fn names(plan: &StagePlan) -> Vec<&str> {
    let (_, stage) = plan.stage.split_once('-').expect("run and name");
    let models = plan.models.iter().map(|model| model.name.as_str());
    [stage].into_iter().chain(models).collect()
}

#[test]
fn a_judge_that_changed_does_not_judge_alone() {
    let (mut world, cause) = weakened();
    let plan = started(&world, &cause);
    assert_eq!(names(&plan), ["old-evaluate", "candidate", "live"]);
    assert_eq!(plan.sha, sha('a'), "with its own code and data");
    found(
        &mut world,
        &cause,
        "old-evaluate",
        &[("candidate", 0.5), ("live", 0.94)],
    );
    expect![[r#"
        not good enough for the old judge: accuracy, no-regression
        v2 retired false
        accuracy Failed: accuracy is out of bounds: accuracy is 0.5, live 0.94, wanted ≥ 0.9
        no-regression Failed: accuracy is worse than the live model's: accuracy is 0.5, live 0.94, wanted ≥ live 0.94 − 0.005"#]].assert_eq(&said(&world, &cause));
    assert!(!told(&wanted(&world, &cause)).contains("wake model"));
    found(
        &mut world,
        &cause,
        "old-evaluate",
        &[("candidate", 0.95), ("live", 0.94)],
    );
    expect![[r#"
        all 2 gates passed, and the 2 of the old judge
        v2 retired false
        accuracy Passed: accuracy is 0.95, live 0.94, wanted ≥ 0.9
        no-regression Passed: accuracy is 0.95, live 0.94, wanted ≥ live 0.94 − 0.005"#]]
    .assert_eq(&said(&world, &cause));
    assert!(told(&wanted(&world, &cause)).contains("wake model/2/digits"));
}

#[test]
fn what_the_new_judge_refuses_is_not_shown_to_the_old_one() {
    let (mut world, cause) = weakened();
    found(
        &mut world,
        &cause,
        "evaluate",
        &[("candidate", 0.05), ("live", 0.05)],
    );
    expect!["not good enough: accuracy"].assert_eq(&said(&world, &cause));
}

#[test]
fn the_old_judge_is_that_of_the_live_model_else_of_the_newest() {
    let (world, cause) = weakened();
    let old = |change: &dyn Fn(&mut World)| {
        let mut world = world.clone();
        change(&mut world);
        let old = wanted(&world, &cause).state.old_judge;
        old.map(|old| (old.version, old.sha))
    };
    let third = || Version {
        judge_sha: Some(sha('d')),
        ..version(3, "three")
    };
    assert_eq!(old(&|_| {}), Some((2, sha('a'))));
    assert_eq!(
        old(&|world| versions(world, &[second(), third()])),
        Some((2, sha('a'))),
        "the live one before the newest"
    );
    assert_eq!(
        old(&|world| {
            world.contract(TRAINING, 'd', TRAINING_TEXT);
            serving(world, &[]);
            versions(world, &[second(), third()]);
        }),
        Some((3, sha('d')))
    );
    assert_eq!(
        old(&|world| versions(
            world,
            &[Version {
                judge_sha: None,
                ..second()
            }]
        )),
        Some((2, sha('a'))),
        "where it was not written down, the commit that was trained"
    );
    assert_eq!(
        old(&|world| versions(world, &[])),
        None,
        "nothing was judged before"
    );
    assert_eq!(
        old(&|world| versions(
            world,
            &[Version {
                self_reported: true,
                ..second()
            }]
        )),
        None,
        "nobody judged it"
    );
    let today = || Version {
        judge_digest: digest_at('b', &lax()),
        ..second()
    };
    assert_eq!(
        old(&|world| versions(world, &[today()])),
        None,
        "the judge is the same"
    );
}

#[test]
fn a_contract_that_gives_up_its_judge_still_meets_it() {
    let (mut world, cause) = weakened();
    let own = lax().replace(
        "evaluate: {run: [python, evaluate.py], data: [holdout/]}",
        "evaluate: self",
    );
    world.contract(TRAINING, 'b', &own);
    stage_done(&mut world, &cause, "train", |r| {
        r.outputs = vec![file("model/model.bin", "m")];
        r.steps = vec![measured("train", &[("accuracy", 0.95)])];
    });
    assert_eq!(names(&started(&world, &cause))[0], "old-evaluate");
}

#[test]
fn only_the_protected_contract_retires_a_judge() {
    let old = digest_at('a', TRAINING_TEXT);
    let with = |digits: &str| format!("{}retire_judge: {digits}\n", lax());
    let (mut world, cause) = weakened();
    for digits in [old.short(), old.hex(), old.as_str()] {
        world.contract(TRAINING, 'b', &with(digits));
        let told = said(&world, &cause);
        assert_eq!(
            told,
            "all 2 gates passed; the old judge is retired
v2 retired true"
        );
    }
    let other = digest_at('b', TRAINING_TEXT);
    world.contract(TRAINING, 'b', &with(other.short()));
    assert_eq!(
        names(&started(&world, &cause))[0],
        "old-evaluate",
        "another judge is retired"
    );

    // A pull request that retires it is judged by its base, which does not.
    let (mut world, cause) = pulled();
    world.contract(TRAINING, 'a', &lax());
    world.contract(TRAINING, 'd', TRAINING_TEXT);
    world.contract(TRAINING, 'b', &with(digest_at('d', TRAINING_TEXT).short()));
    serving(&mut world, &[("production", 2)]);
    let judged_at_d = Version {
        judge_digest: digest_at('d', TRAINING_TEXT),
        judge_sha: Some(sha('d')),
        ..version(2, "two")
    };
    versions(&mut world, &[judged_at_d]);
    judged(&mut world, &cause, 0.5);
    found(
        &mut world,
        &cause,
        "evaluate",
        &[("candidate", 0.5), ("live", 0.5)],
    );
    assert_eq!(names(&started(&world, &cause))[0], "old-evaluate");
    world.contract(TRAINING, 'a', &with(digest_at('d', TRAINING_TEXT).short()));
    assert_eq!(wanted(&world, &cause).state.phase, Phase::Succeeded);
}

#[test]
fn an_old_judge_that_cannot_judge_is_an_error() {
    let because = |change: &dyn Fn(&mut World, &Cause)| {
        let (mut world, cause) = weakened();
        change(&mut world, &cause);
        let run = wanted(&world, &cause).state;
        assert_eq!((run.phase, run.failure), (Phase::Failed, None));
        let old = run.old_judge.expect("an old judge");
        assert!(old.blocks());
        old.verdicts[0].reason.clone()
    };
    let contract = |answer: ContractAt| {
        move |world: &mut World, _: &Cause| {
            let query = Query::Contract(TRAINING, sha('a'));
            world.tell(query, Answer::Contract(answer.clone()));
        }
    };
    let gone = |world: &mut World, _: &Cause| {
        world.tell(Query::Commit(TRAINING, sha('a')), Answer::Commit(None));
    };
    let policies = |world: &mut World, _: &Cause| {
        let answer = Answer::Policies(Err("`a.yaml`: line 1".to_owned()));
        world.tell(Query::Policies(TRAINING, sha('a')), answer);
    };
    let changed = |world: &mut World, _: &Cause| {
        world.contract(TRAINING, 'a', &lax());
    };
    let fails = |world: &mut World, cause: &Cause| {
        stage_done(world, cause, "old-evaluate", |r| {
            r.outcome = Ended::Failed;
            r.failure = Some(Failure {
                kind: FailureKind::Exit,
                step: "candidate".to_owned(),
                message: "it ended with 1".to_owned(),
            });
        });
    };
    let problem = crate::contract::Problem {
        line: 1,
        column: 1,
        message: "unknown key `gate`".to_owned(),
    };
    let told = [
        because(&gone),
        because(&contract(ContractAt::Missing)),
        because(&contract(ContractAt::Broken(vec![problem]))),
        because(&policies),
        because(&changed),
        because(&fails),
    ];
    expect![[r#"
        the old judge cannot judge: its commit `aaaaaaa` is gone
        the old judge cannot judge: its commit `aaaaaaa` has no contract
        the old judge cannot judge: the contract of its commit `aaaaaaa` cannot be read: unknown key `gate`
        the old judge cannot judge: its policies cannot be used: `a.yaml`: line 1
        the old judge cannot judge: commit `aaaaaaa` does not hold the judge that judged v2
        the old judge cannot judge: its evaluation of the candidate failed: it ended with 1"#]]
    .assert_eq(&told.join("\n"));
}

#[test]
fn the_old_judge_asks_the_service_with_samples_of_its_own() {
    let (mut world, cause) = weakened();
    let strict = TRAINING_TEXT.replace("  - no-regression\n", "  - parity\n");
    world.contract(TRAINING, 'a', &strict);
    let judged_by_it = Version {
        judge_digest: digest_at('a', &strict),
        ..second()
    };
    versions(&mut world, &[judged_by_it]);
    stage_done(&mut world, &cause, "old-evaluate", |r| {
        r.steps = vec![measured("candidate", &[("accuracy", 0.95)])];
        r.outputs = vec![file("candidate/samples.jsonl", "old")];
    });
    assert_eq!(names(&started(&world, &cause)), ["old-parity", "digits"]);
    stage_done(&mut world, &cause, "old-parity", |r| {
        r.outcome = Ended::Failed;
        r.failure = Some(Failure {
            kind: FailureKind::Mismatch,
            step: "serve".to_owned(),
            message: "3 of 20 answers differ".to_owned(),
        });
    });
    let run = wanted(&world, &cause).state;
    assert_eq!(
        (run.phase, run.failure, run.probe),
        (Phase::Failed, None, None)
    );
    assert_eq!(
        run.note.as_deref(),
        Some("the old judge: 3 of 20 answers differ")
    );
}

#[test]
fn a_judge_that_loads_a_strangers_model_is_trusted_among_strangers() {
    use Trust::{Trusted, Untrusted};
    for trust in [Trusted, Untrusted] {
        let (mut world, mut cause) = pushed();
        cause.trust = trust;
        stage_done(&mut world, &cause, "train", |r| {
            r.outputs = vec![file("model/digits.onnx", "m")];
        });
        let act = wanted(&world, &cause);
        let plans = act
            .intents
            .iter()
            .filter_map(|intent| match &intent.effect {
                Effect::StartStage(plan) => Some((plan.kind, plan.trust, plan.model_trust)),
                _ => None,
            });
        let plans: Vec<_> = plans.collect();
        assert_eq!(plans, [(StageKind::Evaluate, Trusted, trust)]);
    }
}
