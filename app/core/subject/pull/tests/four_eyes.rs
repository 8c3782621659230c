//! Whose change a model is, and who has to agree beside them.

use super::ruling::check;
use super::*;
use crate::subject::ask::CommitView;
use crate::subject::run::Trigger;
use expect_test::{Expect, expect};

/// The training commit `a…` has this subject.
fn subject(change: &mut Change, subject: &str) {
    let view = CommitView {
        subject: subject.to_owned(),
        ..commit(subject)
    };
    let query = Query::Commit(TRAINING, sha('a'));
    change.world.tell(query, Answer::Commit(Some(view)));
}

/// `#5` of the training repository, opened by `by`, landed as this commit.
fn landed(change: &mut Change, by: &str, at: Option<char>) {
    let mut view = pull_view(TRAINING, 5, "topic", ('9', 'b'));
    (view.author, view.is_open) = (login(by), at.is_none());
    view.change.as_mut().expect("a change").merged = at.map(sha);
    let query = Query::Pull(TRAINING, PrNumber(5));
    change.world.tell(query, Answer::Pull(Some(view)));
}

const UNKNOWN: &str = "Unmet a second pair of eyes: nobody knows whose the training commit is; somebody else approves too [";

#[test]
fn who_pushed_the_commit_is_not_the_only_approver_of_its_model() {
    let mut change = Change::proposal();
    change.says("ada", "/approve");
    let unmet = expect![
        "Unmet a second pair of eyes: ada pushed the training commit; somebody else approves too [mia root]"
    ];
    check(&change, "a second", unmet);
    change.says("mia", "/approve");
    check(&change, "a second", expect![[""]]);
    let mut alone = Change::proposal();
    alone
        .world
        .owners(SERVICE, '1', &[("", "approvers: [ada]")]);
    alone.says("ada", "/approve");
    let met = expect![
        "Met a second pair of eyes: ada pushed the training commit, and there is no other approver"
    ];
    check(&alone, "a second", met);
    // Version 8 superseded 7 in place: its commit counts.
    let mut newer = Change::proposal();
    let of = |number, at| crate::effect::Version {
        training_commit: sha(at),
        pr: Some(PrNumber(7)),
        ..version(number, "x")
    };
    newer.proposes(vec![of(7, 'b'), of(8, 'a')]);
    newer.says("ada", "/approve");
    assert!(newer.rule("a second").starts_with("Unmet"));
}

#[test]
fn who_wrote_the_pull_request_counts_and_not_who_merged_it() {
    for (subject_, at) in [
        ("Merge #5: Faster", 'a'),
        ("Merge pull request #5 from o/x", 'a'),
        ("Faster (#5)", 'a'),
    ] {
        let mut change = Change::proposal();
        change.pushed_by(Some("bowsprit[bot]"));
        subject(&mut change, subject_);
        landed(&mut change, "Ada", Some(at));
        change.says("ada", "/approve");
        let want = expect![
            "Unmet a second pair of eyes: ada wrote #5, which brought the training commit; somebody else approves too [mia root]"
        ];
        check(&change, "a second", want);
        // Whoever merged it agreed to it, and may agree to its model.
        change.pushed_by(Some("mia")).says("mia", "/approve");
        check(&change, "a second", expect![[""]]);
    }
    // A subject is anybody's word: another pull request, or one that is open, brought nothing.
    for at in [Some('f'), None] {
        let mut forged = Change::proposal();
        subject(&mut forged, "Faster (#5)");
        landed(&mut forged, "mia", at);
        forged.says("ada", "/approve");
        assert!(forged.rule("a second").contains("ada pushed"), "{at:?}");
    }
}

#[test]
fn where_nobody_is_known_two_agree() {
    let two = |change: &mut Change, want: &str| {
        change.says("ada", "/approve");
        let told = change.rule("a second");
        assert!(told.starts_with(UNKNOWN), "{want}: {told}");
        change.says("mia", "/approve");
        assert_eq!(change.rule("a second"), "", "{want}");
    };
    two(Change::proposal().pushed_by(None), "found by the tick");
    two(
        Change::proposal().pushed_by(Some("bowsprit[bot]")),
        "merged by the bot, and no pull request is known",
    );
    let mut again = Change::proposal();
    let mut run = passed('a', "x");
    run.cause.trigger = Trigger::Again {
        branch: Some(branch("main")),
        pr: None,
        nonce: "button".to_owned(),
    };
    run.cause.by = Some(login("mia"));
    let query = Query::Runs(TRAINING, sha('a'));
    again.world.tell(query, Answer::Runs(vec![run]));
    two(&mut again, "only a button is known");
    two(Change::proposal().proposes(vec![]), "no version is known");
    let mut unseen = Change::proposal();
    let query = Query::Repository(TRAINING);
    unseen.world.tell(query, Answer::Repository(None));
    two(&mut unseen, "the training repository cannot be seen");
    let mut alone = Change::proposal();
    alone
        .world
        .owners(SERVICE, '1', &[("", "approvers: [ada]")]);
    alone.pushed_by(None).says("ada", "/approve");
    let met: Expect = expect![
        "Met a second pair of eyes: nobody knows whose the training commit is, and there is no other approver"
    ];
    check(&alone, "a second", met);
}

#[test]
fn after_a_lost_database_the_tag_tells_the_version() {
    let mut change = Change::proposal();
    let of_tag = crate::effect::Version {
        pr: None,
        pushed_by: None,
        commit: sha('2'),
        ..version(7, "x")
    };
    change.proposes(vec![of_tag]).says("ada", "/approve");
    assert!(change.rule("a second").contains("ada pushed"));
}

#[test]
fn a_change_without_a_model_needs_no_second_pair() {
    let mut change = Change::proposal();
    change.files(&[("models/digits/card.md", 'b')]);
    change.pushed_by(None).says("ada", "/approve");
    check(&change, "a second", expect![[""]]);
}
