//! What a judge is made of: all that its evaluation is given.

use super::judging::{found, names, second, started, versions, weakened};
use super::*;
use crate::contract::{Contract, Evaluate, parse};
use crate::effect::Version;

/// A push of `b…` with these contracts, where nothing but these answers tells one judge's files from the other's.
fn with_code(code: &str) -> (World, Cause, String) {
    let (mut world, cause) = pushed();
    let text = TRAINING_TEXT.replace("data: [holdout/]}", &format!("data: [holdout/]{code}}}"));
    for at in ['a', 'b'] {
        world.contract(TRAINING, at, &text);
        let query = Query::JudgeDigest(TRAINING, sha(at), vec![path(".bowsprit/policies")]);
        world.tell(query, Answer::Digest(Digest::of(b"policies")));
    }
    serving(&mut world, &[("production", 2)]);
    judged(&mut world, &cause, 0.95);
    let both = [("candidate", 0.95), ("live", 0.95)];
    found(&mut world, &cause, "evaluate", &both);
    (world, cause, text)
}

#[test]
fn a_judge_is_all_that_it_is_given() {
    let asks_the_old_one = |code: &str, only: &[&str], changed: bool| {
        let (mut world, cause, text) = with_code(code);
        let only: Vec<RepoPath> = only.iter().map(|name| path(name)).collect();
        for (at, bytes) in [('a', "same"), ('b', if changed { "other" } else { "same" })] {
            let query = Query::SnapshotDigest(TRAINING, sha(at), only.clone());
            world.tell(query, Answer::Digest(Digest::of(bytes.as_bytes())));
        }
        let Ok(Contract::Training(contract)) = parse(&text) else {
            panic!("no training contract: {text}");
        };
        let Evaluate::Judge(judge) = &contract.evaluate else {
            panic!("no judge: {text}");
        };
        let files = evaluate::joined(&Digest::of(b"same"), &Digest::of(b"policies"));
        let judged_by_a = Version {
            judge_digest: evaluate::digest(&files, judge, &contract),
            ..second()
        };
        versions(&mut world, &[judged_by_a]);
        let act = wanted(&world, &cause);
        act.state.old_judge.is_some()
    };
    // Whatever it may import counts, unless the contract names its code; then nothing else is there to be imported.
    assert!(asks_the_old_one("", &[], true));
    assert!(!asks_the_old_one("", &[], false));
    let narrow = ["evaluate.py", "holdout", "python", "scoring.py"];
    assert!(asks_the_old_one(", code: [scoring.py]", &narrow, true));
    assert!(!asks_the_old_one(", code: [scoring.py]", &narrow, false));
}

#[test]
fn an_evaluation_is_given_what_its_digest_covers() {
    let given = |code: &str, runtime: &str| {
        let (mut world, cause) = pushed();
        let text = TRAINING_TEXT.replace("data: [holdout/]}", &format!("data: [holdout/]{code}}}"));
        world.contract(TRAINING, 'b', &format!("{text}{runtime}"));
        stage_done(&mut world, &cause, "train", |r| {
            r.outputs = vec![file("model/model.bin", "m")]
        });
        let only = started(&world, &cause).only;
        let names: Vec<String> = only.iter().map(ToString::to_string).collect();
        names.join(" ")
    };
    let code = ", code: [lib/, evaluate.py]";
    assert_eq!(given("", ""), "", "everything");
    assert_eq!(given(code, ""), "evaluate.py holdout lib python");
    let python = "runtime: {python: '3.11', requirements: requirements.lock}\n";
    assert_eq!(given("", python), "");
    assert_eq!(
        given(code, python),
        "evaluate.py holdout lib python requirements.lock"
    );
    assert_eq!(
        given(code, "runtime: {rust: tools/Cargo.lock}\n"),
        "evaluate.py holdout lib python tools/Cargo.lock"
    );
}

#[test]
fn a_judge_that_misses_a_file_is_told_what_it_was_given() {
    for (code, kind, is_told) in [
        (", code: evaluate.py", FailureKind::MissingPackage, true),
        (", code: evaluate.py", FailureKind::MissingFile, true),
        (", code: evaluate.py", FailureKind::Exit, false),
        ("", FailureKind::MissingPackage, false),
    ] {
        let (mut world, cause, _) = with_code(code);
        stage_done(&mut world, &cause, "evaluate", |r| {
            r.outcome = Ended::Failed;
            r.failure = Some(Failure {
                kind,
                step: "candidate".to_owned(),
                message: "no module `scoring`".to_owned(),
            });
        });
        let failure = wanted(&world, &cause).state.failure.expect("a failure");
        assert_eq!(failure.message.contains("`code`"), is_told, "{failure:?}");
    }
}

#[test]
fn a_judge_known_by_the_narrow_digest_of_its_time_is_found() {
    let (mut world, cause) = weakened();
    let Ok(Contract::Training(contract)) = parse(TRAINING_TEXT) else {
        panic!("no training contract");
    };
    let Evaluate::Judge(judge) = &contract.evaluate else {
        panic!("no judge");
    };
    let paths = ["holdout", "python", "evaluate.py", ".bowsprit/policies"].map(path);
    let said = serde_json::json!([judge.run, judge.data, judge.env, contract.gates]);
    let files = files_at(&sha('a'), &paths);
    let of_that_time = Version {
        judge_digest: Digest::of(format!("{files}\n{said}").as_bytes()),
        ..second()
    };
    versions(&mut world, &[of_that_time]);
    assert_eq!(
        names(&started(&world, &cause)),
        ["old-evaluate", "candidate", "live"]
    );
}
