//! A "no" that was heard stands, whatever becomes of the comment that it stood in.

use super::prow::{Said, stands, with, with_also};
use super::*;

/// What becomes of a comment: its author, or somebody who may write here, does this to it.
fn undone(change: &mut Change, at: usize, how: &str) {
    match how {
        "deleted" => drop(change.comments.remove(at)),
        _ => {
            change.comments[at].is_edited = true;
            change.comments[at].body = "Never mind.".to_owned();
        }
    }
}

/// What the row says, what was said, which of it is undone then, and how which rule stands before and after.
type Row = (
    &'static str,
    Said,
    usize,
    &'static str,
    (&'static str, &'static str),
);

const ROWS: &[Row] = &[
    ("a hold", &[("walt", "/hold")], 0, "not held", ("no", "no")),
    (
        "a hold that was lifted",
        &[("walt", "/hold"), ("rita", "/unhold")],
        0,
        "not held",
        ("-", "-"),
    ),
    (
        "what lifted a hold",
        &[("walt", "/hold"), ("rita", "/unhold")],
        1,
        "not held",
        ("-", "-"),
    ),
    (
        "the first of two holds",
        &[("walt", "/hold"), ("rita", "/hold")],
        1,
        "not held",
        ("no", "no"),
    ),
    (
        "a cancelled lgtm",
        &[("rita", "/lgtm"), ("walt", "/lgtm cancel")],
        1,
        "lgtm",
        ("no", "no"),
    ),
    (
        "one that was given again",
        &[
            ("rita", "/lgtm"),
            ("walt", "/lgtm cancel"),
            ("rita", "/lgtm"),
        ],
        1,
        "lgtm",
        ("yes", "yes"),
    ),
    (
        "a cancel that never counted",
        &[("rita", "/lgtm"), ("mallory", "/lgtm cancel")],
        1,
        "lgtm",
        ("yes", "yes"),
    ),
    ("an lgtm", &[("rita", "/lgtm")], 0, "lgtm", ("yes", "no")),
    (
        "a cancelled approval",
        &[("root", "/approve"), ("root", "/approve cancel")],
        1,
        "approved",
        ("no", "no"),
    ),
    (
        "an approval",
        &[("root", "/approve")],
        0,
        "approved",
        ("yes", "no"),
    ),
];

#[test]
fn what_keeps_it_back_stands_when_its_comment_is_edited_or_deleted() {
    for (rule, said, at, name, (before, after)) in ROWS {
        for (preset, how) in [("prow", "edited"), ("own", "edited"), ("own", "deleted")] {
            let mut change = with(preset);
            for (by, body) in *said {
                change.says(by, body);
            }
            let state = change.look().state;
            let text = serde_json::to_string(&state).expect("a state is text");
            let first = change.again(Some(state), vec![]);
            assert_eq!(stands(&first, name), *before, "{preset}: {rule}");
            undone(&mut change, *at, how);
            let kept = serde_json::from_str(&text).expect("it was one");
            let mut act = change.again(Some(kept), vec![]);
            for _ in 0..2 {
                assert_eq!(stands(&act, name), *after, "{preset}: {rule}, {how}");
                act = change.again(Some(act.state), vec![]);
            }
        }
    }
}

#[test]
fn a_hold_whose_comment_is_gone_is_lifted_by_a_word() {
    let mut change = with("own");
    change.says("walt", "/hold until noon");
    let state = change.look().state;
    undone(&mut change, 0, "deleted");
    let held = change.again(Some(state), vec![]).state;
    let rule = held.rules.iter().find(|rule| rule.name == "not held");
    assert_eq!(
        rule.map(|rule| rule.detail.as_str()),
        Some("held by walt: until noon; `/unhold` lifts it")
    );
    change.comments.push(comment(5, "rita", "/unhold"));
    assert_eq!(stands(&change.again(Some(held), vec![]), "not held"), "-");
}

#[test]
fn what_was_edited_before_anybody_heard_it_is_not_heard() {
    let mut change = with("own");
    change.says("walt", "/hold");
    change.comments[0].is_edited = true;
    let act = change.look();
    assert_eq!((stands(&act, "not held"), act.state.noes.len()), ("-", 0));
}

#[test]
fn of_each_person_the_newest_of_each_kind_is_remembered_and_no_more_than_the_limit() {
    let mut change = with("own");
    for reason in ["one", "two", "three"] {
        change.says("walt", &format!("/hold {reason}\n/lgtm cancel"));
    }
    let state = change.look().state;
    let kept: Vec<&NoWord> = state.noes.iter().map(|no| &no.word).collect();
    assert_eq!(
        kept,
        [&NoWord::Hold(Some("three".to_owned())), &NoWord::LgtmCancel]
    );
    for person in 0..NOES_MAX {
        change.says(&format!("m{person}"), "/hold");
    }
    let full = change.again(Some(state), vec![]).state;
    assert_eq!(full.noes.len(), NOES_MAX);
    change.comments.clear();
    assert_eq!(stands(&change.again(Some(full), vec![]), "not held"), "no");
}

#[test]
fn what_takes_everybodys_lgtm_back_takes_back_that_of_a_required_reviewer() {
    for (by, want) in [("rita", "no"), ("sue", "no"), ("mallory", "yes")] {
        let mut change = with_also("own", ", required_reviewers_block: true");
        let owners = "approvers: [root]\nreviewers: [rita, sue]\nrequired_reviewers: [sue]";
        change.world.owners(TRAINING, 'a', &[("", owners)]);
        change.says("sue", "/lgtm").says(by, "/lgtm cancel");
        let stands = stands(&change.look(), "required reviewers");
        assert_eq!(stands, want, "{by}");
    }
}
