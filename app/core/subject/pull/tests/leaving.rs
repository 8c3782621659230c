//! Whom OWNERS names and who is no collaborator any more: their words count no longer.

use super::promoting::{production, promotion};
use super::prow::{Said, stands, with_also};
use super::*;
use crate::subject::ask::Permission;
use crate::subject::environment::ChangeCause;

/// What the row says, more keys, the file that changes, what is said, the rule, and how it stands without those who left.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    Said,
    &'static str,
    &'static str,
);

const ROWS: &[Row] = &[
    (
        "an approver",
        "",
        "train.py",
        &[("root", "/approve")],
        "approved",
        "no",
    ),
    (
        "a reviewer",
        "",
        "train.py",
        &[("rita", "/lgtm")],
        "lgtm",
        "no",
    ),
    (
        "a reviewer's cancel",
        "",
        "train.py",
        &[("walt", "/lgtm"), ("rita", "/lgtm cancel")],
        "lgtm",
        "yes",
    ),
    (
        "the author, who approves without a word",
        "",
        "models/x",
        &[],
        "approved",
        "no",
    ),
    (
        "whom the files are taken from as they are",
        ", skip_collaborators: true",
        "train.py",
        &[("root", "/approve")],
        "approved",
        "yes",
    ),
    (
        "an lgtm of such",
        ", skip_collaborators: true",
        "train.py",
        &[("rita", "/lgtm")],
        "lgtm",
        "yes",
    ),
    (
        "who waives an issue",
        ", require_issue: true",
        "train.py",
        &[("root", "/approve no-issue")],
        "an issue",
        "no",
    ),
];

#[test]
fn a_name_in_owners_counts_while_its_person_is_a_collaborator() {
    for (rule, also, file, said, name, want) in ROWS {
        for has_left in [false, true] {
            let mut change = with_also("own", also);
            change.files(&[(file, 'b')]);
            for (by, body) in *said {
                change.says(by, body);
            }
            for who in ["root", "rita", "ada"].into_iter().filter(|_| has_left) {
                change.world.may(TRAINING, who, Permission::Read);
                change.world.left(TRAINING, who);
            }
            let stands = stands(&change.look(), name);
            match has_left {
                true => assert_eq!(stands, *want, "{rule}"),
                false if rule.contains("cancel") => assert_eq!(stands, "no", "{rule}"),
                false => assert_eq!(stands, "yes", "{rule}"),
            }
        }
    }
}

#[test]
fn who_left_is_named_and_told_and_asked_no_more() {
    let mut change = with_also("own", "");
    change.world.may(TRAINING, "root", Permission::Read);
    change.says("root", "/approve");
    change.world.left(TRAINING, "root");
    assert_eq!(
        change.rule("approved"),
        "Unmet approved: an approver of the root says `/approve`; root is named, but no collaborator any more, and does not count"
    );
    let told = told(&change.look());
    assert!(
        told.contains("you are no collaborator of this repository any more"),
        "{told}"
    );
    // Who may write is one, whatever else is said.
    change.world.may(TRAINING, "root", Permission::Write);
    assert!(change.rule("approved").starts_with("Met"));
    // Where the repository is private, who left may not even read.
    change.world.may(TRAINING, "root", Permission::None);
    change.world.tell(
        Query::Collaborator(TRAINING, login("root")),
        Answer::Flag(true),
    );
    assert!(change.rule("approved").starts_with("Unmet"));
}

#[test]
fn code_owners_who_left_agree_no_more() {
    for (has_left, want) in [(false, "yes"), (true, "no")] {
        let mut change = with_also("own", "");
        change.world.code_owners(TRAINING, 'a', "*.py @ann\n").may(
            TRAINING,
            "ann",
            Permission::Read,
        );
        change.says("ann", "/approve");
        if has_left {
            change.world.left(TRAINING, "ann");
        }
        assert_eq!(stands(&change.look(), "approved"), want);
    }
}

#[test]
fn who_left_promotes_nothing_and_lifts_no_hold() {
    for (has_left, want, held) in [(false, "yes", "-"), (true, "no", "no")] {
        let mut change = promotion(&production(), ChangeCause::Promotion);
        change
            .says("eve", "/approve")
            .says("mallory", "/hold")
            .says("eve", "/unhold");
        if has_left {
            change.world.left(SERVICE, "eve");
        }
        let act = change.look();
        assert_eq!(stands(&act, "approved for production"), want);
        assert_eq!(stands(&act, "not held"), held);
        let told = told(&act);
        assert_eq!(told.contains("is for its approvers"), has_left, "{told}");
    }
}
