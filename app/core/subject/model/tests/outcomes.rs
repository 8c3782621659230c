//! What came of a proposal: opened, refused, given up and tried again.

use super::*;
use crate::artifact::{EVIDENCE_BYTES_MAX, File};
use crate::effect::Effect;

#[test]
fn what_a_proposal_brings_back_is_taken_over() {
    let run = passed('a', "new");
    let world = world(&run, &[]);
    let first = look(&world, &given(None, vec![]));
    let proposal = first.state.proposal.clone().expect("a proposal");
    let after = |outcome: Outcome| {
        let mut given = given(Some(first.state.clone()), vec![]);
        given.outcomes.insert(proposal.key.clone(), outcome);
        look(&world, &given)
    };
    let result = EffectResult::Proposed {
        pr: PrNumber(5),
        commit: sha('c'),
    };
    let act = after(done(result));
    expect![[r#"
        wake pull/2/5: pushed ccccccc 0
        event digits v1 proposed (#5)"#]]
    .assert_eq(&told(&act));
    assert_eq!(
        act.state.proposal.as_ref().and_then(|p| p.pr),
        Some(PrNumber(5))
    );
    expect![[""]].assert_eq(&told(&after(Outcome {
        state: EffectState::Intended,
        result: EffectResult::Nothing,
    })));
    let act = after(Outcome {
        state: EffectState::Refused,
        result: EffectResult::Taken,
    });
    expect!["propose Propose digits v2 on bowsprit/digits"].assert_eq(&told(&act));
    assert_eq!(act.state.taken, 1);
    let act = after(refused("Resource not accessible by integration"));
    expect![[r#"
        check train Success: trained; nothing judged it
        event digits v1 could not be proposed (Resource not accessible by integration)"#]]
    .assert_eq(&told(&act));
    assert_eq!(
        note(&act),
        "digits v1 could not be proposed: Resource not accessible by integration; once that is mended, a re-run proposes it"
    );
    check(&world, Some(act.state), vec![], expect![[""]]);
}

/// What the check of the run says beside its gates.
fn note(act: &Act<Model>) -> String {
    let checks = act
        .intents
        .iter()
        .filter_map(|intent| match &intent.effect {
            crate::effect::Effect::CheckRun(check) => check.summary.data["run"]["note"].as_str(),
            _ => None,
        });
    checks.map(str::to_owned).collect()
}

#[test]
fn a_rerun_of_what_was_not_proposed_proposes_it() {
    let run = passed('a', "new");
    let first = world(&run, &[]);
    let state = look(&first, &given(None, vec![])).state;
    let key = state.proposal.clone().expect("a proposal").key;
    let mut refusal = given(Some(state), vec![]);
    refusal.outcomes.insert(key, refused("no"));
    let state = look(&first, &refusal).state;
    let mut cause = run.cause.clone();
    cause.trigger = crate::subject::run::Trigger::Again {
        branch: Some(branch("main")),
        pr: None,
        nonce: "button".to_owned(),
    };
    let again = crate::subject::run::Run {
        id: cause.run_id(),
        cause,
        ..run
    };
    let state = check(
        &world(&again, &[]),
        Some(state),
        vec![],
        expect!["propose Propose digits v1 on bowsprit/digits"],
    );
    assert_eq!(state.dealt_with, Some(again.id));
}

#[test]
fn a_proposal_that_was_given_up_and_tried_again_is_known() {
    let run = passed('a', "new");
    let world = world(&run, &[]);
    let state = look(&world, &given(None, vec![])).state;
    let key = state.proposal.clone().expect("a proposal").key;
    let after = |state: &Model, outcome: Outcome| {
        let mut given = given(Some(state.clone()), vec![]);
        given.outcomes.insert(key.clone(), outcome);
        look(&world, &given)
    };
    let outcome = |state, result| Outcome { state, result };
    let dead = after(&state, outcome(EffectState::Dead, EffectResult::Nothing));
    assert_eq!(
        note(&dead),
        "digits v1 could not be proposed: given up; `bowsprit effects redrive` tries it again, and so does a re-run"
    );
    let still = after(
        &dead.state,
        outcome(EffectState::Dead, EffectResult::Nothing),
    );
    expect![[""]].assert_eq(&told(&still));
    let tried = after(
        &still.state,
        outcome(EffectState::Intended, EffectResult::Nothing),
    );
    expect![[""]].assert_eq(&told(&tried));
    let result = EffectResult::Proposed {
        pr: PrNumber(5),
        commit: sha('c'),
    };
    let act = after(&tried.state, done(result.clone()));
    expect![[r#"
        check train Success: trained; nothing judged it
        wake pull/2/5: pushed ccccccc 0
        event digits v1 proposed (#5)"#]]
    .assert_eq(&told(&act));
    assert_eq!(note(&act), "");
    let proposal = act.state.proposal.clone().expect("a proposal");
    assert_eq!(
        (proposal.pr, proposal.head.clone()),
        (Some(PrNumber(5)), Some(sha('c')))
    );
    assert!(matches!(&act.records[0], crate::effect::Record::Version(v) if v.version == 1));
    assert_eq!(act.state.failed, None);
    expect![[""]].assert_eq(&told(&after(&act.state, done(result.clone()))));
    // What was proposed since stays the newest.
    let newer = Model {
        proposal: Some(Proposal {
            version: 2,
            pr: Some(PrNumber(6)),
            ..proposal
        }),
        ..tried.state.clone()
    };
    let kept = after(&newer, done(result)).state;
    assert_eq!(kept.proposal.and_then(|p| p.pr), Some(PrNumber(6)));
    // Its number was taken meanwhile: the next one.
    let taken = outcome(EffectState::Refused, EffectResult::Taken);
    expect!["propose Propose digits v2 on bowsprit/digits"]
        .assert_eq(&told(&after(&tried.state, taken)));
}

/// What is too large for a commit would be refused for good, with everything else of the version.
#[test]
fn evidence_that_is_too_large_is_left_out_and_named() {
    let mut run = passed('a', "new");
    let sized = |name: &str, bytes: u64| File {
        bytes,
        ..file(name, name)
    };
    run.evidence = vec![
        sized("samples.jsonl", EVIDENCE_BYTES_MAX),
        sized("plots/roc.svg", EVIDENCE_BYTES_MAX + 1),
        sized("notes.txt", EVIDENCE_BYTES_MAX + 1),
    ];
    let act = look(&world(&run, &[]), &given(None, vec![]));
    let Some(Effect::Propose(propose)) = act.intents.into_iter().map(|one| one.effect).next()
    else {
        panic!("no proposal")
    };
    let is_there = |name: &str| {
        propose
            .files
            .contains_key(&path(&format!("models/digits/{name}")))
    };
    assert_eq!(
        (is_there("samples.jsonl"), is_there("plots/roc.svg")),
        (true, false)
    );
    assert_eq!(
        propose.body.data["left_out"],
        serde_json::json!(["plots/roc.svg"])
    );
}
