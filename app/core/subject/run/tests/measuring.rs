//! What a judge need not measure twice, and what it must.

use super::judging::{digest_at, found, lax, names, second, started, versions};
use super::*;
use crate::effect::Version;

/// The run that made version 2, measured by the judge at `a…` in this software.
fn known(world: &mut World, runtime: Option<&str>) {
    let run = Run {
        made: Some(model_files("two")),
        metrics: metrics(&[("accuracy", 0.94)]),
        judge_digest: Some(digest_at('a', TRAINING_TEXT)),
        judged_in: runtime.map(|text| Digest::of(text.as_bytes())),
        ..passed('a', "two")
    };
    world.tell(Query::Run("r2".to_owned()), Answer::Run(Some(run)));
}

/// `main` is still judged as version 2 was, which serves.
fn unchanged() -> (World, Cause) {
    let (mut world, cause) = pulled();
    serving(&mut world, &[("production", 2)]);
    versions(&mut world, &[version(1, "one"), second()]);
    stage_done(&mut world, &cause, "train", |r| {
        r.outputs = vec![file("model/model.bin", "m")]
    });
    (world, cause)
}

#[test]
fn a_live_model_that_this_judge_has_measured_is_not_measured_again() {
    let (mut world, cause) = unchanged();
    assert_eq!(
        names(&started(&world, &cause)),
        ["evaluate", "candidate", "live"]
    );
    known(&mut world, None);
    assert_eq!(names(&started(&world, &cause)), ["evaluate", "candidate"]);
    found(&mut world, &cause, "evaluate", &[("candidate", 0.95)]);
    let run = wanted(&world, &cause).state;
    assert_eq!(
        (run.phase, run.live_run.as_deref()),
        (Phase::Succeeded, Some("r2"))
    );
    let (number, figures) = run.live.expect("a live model");
    assert_eq!(
        (number, figures["accuracy"].origin.as_str()),
        (2, "metrics.json of run r2")
    );
    assert_eq!(run.verdicts[1].live, Some(0.94), "it is compared with it");
    found(&mut world, &cause, "evaluate", &[("candidate", 0.92)]);
    assert_eq!(
        wanted(&world, &cause).state.phase,
        Phase::Failed,
        "and found worse"
    );
}

#[test]
fn another_judge_another_model_or_other_software_measures_again() {
    let (mut world, cause) = unchanged();
    known(&mut world, None);
    let mut other = world.clone();
    other.contract(TRAINING, 'a', &lax());
    assert_eq!(
        names(&started(&other, &cause)),
        ["evaluate", "candidate", "live"]
    );
    let mut other = world.clone();
    let bytes = Version {
        digest: model_files("three").digest,
        ..second()
    };
    versions(&mut other, &[bytes]);
    assert_eq!(
        names(&started(&other, &cause)),
        ["evaluate", "candidate", "live"]
    );

    known(&mut world, Some("python 3.11"));
    found(&mut world, &cause, "evaluate", &[("candidate", 0.95)]);
    assert_eq!(
        names(&started(&world, &cause)),
        ["live", "live"],
        "alone, in the software of today"
    );
    found(&mut world, &cause, "live", &[("live", 0.90)]);
    let run = wanted(&world, &cause).state;
    assert_eq!((run.verdicts[1].live, run.live_run), (Some(0.90), None));
    stage_done(&mut world, &cause, "evaluate", |r| {
        r.steps = vec![measured("candidate", &[("accuracy", 0.95)])];
        r.runtime = Some(Digest::of(b"python 3.11"));
    });
    assert_eq!(wanted(&world, &cause).state.verdicts[1].live, Some(0.94));
}

#[test]
fn a_run_is_compared_with_what_was_live_when_its_judge_began() {
    let (mut world, cause) = unchanged();
    let begun = wanted(&world, &cause).state;
    serving(&mut world, &[("production", 1)]);
    versions(&mut world, &[version(1, "one"), second()]);
    found(
        &mut world,
        &cause,
        "evaluate",
        &[("candidate", 0.95), ("live", 0.94)],
    );
    let act = look(&world, &given(Some(begun), Vec::new()));
    assert_eq!(act.state.live.map(|(number, _)| number), Some(2));
}

#[test]
fn samples_that_are_too_large_are_told_of() {
    let (mut world, cause) = pushed();
    let parity = TRAINING_TEXT.replace("  - no-regression\n", "  - parity\n");
    world.contract(TRAINING, 'b', &parity);
    judged(&mut world, &cause, 0.95);
    stage_done(&mut world, &cause, "evaluate", |r| {
        r.steps = vec![measured("candidate", &[("accuracy", 0.95)])];
        r.outputs = vec![crate::artifact::File {
            bytes: 2 << 20,
            ..file("candidate/samples.jsonl", "s")
        }];
    });
    let note = wanted(&world, &cause).state.note.unwrap_or_default();
    assert!(
        note.contains("`samples.jsonl` has 2097152 bytes, at most 1048576"),
        "{note}"
    );
}
