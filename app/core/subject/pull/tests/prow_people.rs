//! The rules of Prow, one row each, continued: whose word counts as that of a collaborator, and who has what is trusted
//! tested.
//!
//! `walt` may write, `tess` may triage, `sam` is a collaborator who may read, `mallory` is nobody.

use super::editing::done;
use super::prow::{Said, stands, with, with_also};
use super::*;
use crate::name::RepoId;
use crate::subject::ask::Permission;

const FORK: RepoId = RepoId(77);

fn people(preset: &str) -> Change {
    let mut change = with(preset);
    change.world.may(TRAINING, "tess", Permission::Triage);
    change
}

#[test]
fn who_may_triage_gives_and_takes_back_an_lgtm() {
    const GIVEN: Said = &[("rita", "/lgtm")];
    for (who, said, prow, own) in [
        ("walt", &[("walt", "/lgtm")][..], "yes", "yes"),
        ("tess", &[("tess", "/lgtm")], "yes", "no"),
        // Prow lets him; to us he is as anybody in a public repository.
        ("sam", &[("sam", "/lgtm")], "no", "no"),
        ("mallory", &[("mallory", "/lgtm")], "no", "no"),
        ("walt", &[GIVEN[0], ("walt", "/lgtm cancel")], "no", "no"),
        ("tess", &[GIVEN[0], ("tess", "/lgtm cancel")], "no", "yes"),
        ("sam", &[GIVEN[0], ("sam", "/lgtm cancel")], "yes", "yes"),
    ] {
        for (preset, want) in [("prow", prow), ("own", own)] {
            let mut change = people(preset);
            for (by, body) in said {
                change.says(by, body);
            }
            let act = change.look();
            let told = done(&act);
            let what = format!("{preset}: {who} {said:?}\n{told}");
            assert_eq!(stands(&act, "lgtm"), want, "{what}");
            let counts = (want == "yes") == (said.len() == 1);
            let body = said.last().expect("a word").1;
            let no = told.contains(&format!("`{body}` counts from "));
            assert_eq!(no, !counts, "{what}");
            if no {
                let is_wider = told.contains("people who may triage or write here");
                assert_eq!(is_wider, preset == "prow", "{what}");
            }
            let is_assigned = told.contains(&format!("edit assignees +{who}"));
            assert_eq!(is_assigned, counts && preset == "prow", "{what}");
        }
    }
}

#[test]
fn who_may_triage_closes_and_opens_again() {
    for (who, prow, own) in [
        ("ada", true, true),
        ("walt", true, true),
        ("tess", true, false),
        ("sam", false, false),
        ("mallory", false, false),
    ] {
        for (preset, want) in [("prow", prow), ("own", own)] {
            for (is_open, body, edit) in [
                (true, "/close", "edit close"),
                (false, "/reopen", "edit open"),
            ] {
                let mut change = people(preset);
                change.view.is_open = is_open;
                change.says(who, body);
                let told = done(&change.look());
                assert_eq!(told.contains(edit), want, "{preset}: {who} {body}\n{told}");
                let no = format!("`{body}` is for the author and people who may");
                assert_eq!(told.contains(&no), !want, "{preset}: {who} {body}\n{told}");
            }
        }
    }
}

/// A pull request of a stranger's fork where `unit` is red.
fn foreign(preset: &str, also: &str) -> Change {
    let mut change = with_also(preset, also);
    change.view.author = login("eve");
    change
        .world
        .may(TRAINING, "eve", Permission::Read)
        .left(TRAINING, "eve");
    change.change().head_repo = Some(FORK);
    change.ran('b', What::Check(slug("unit")), Phase::Failed);
    change
}

/// Each row: the rule, what was said before, what a stranger says of a fork, and what comes of it with Prow's habits and ours.
#[rustfmt::skip]
const STRANGERS: &[(&str, Said, &str, &str, &str)] = &[
    ("test of what is not trusted", &[], "/test lint", "is for people", "is for people"),
    ("test", OK, "/test lint", "wake lint", "is for people"),
    ("retest", OK, "/retest", "wake unit", "is for people"),
    ("what is required", OK, "/retest-required", "wake unit", "is for people"),
    ("what runs by hand", OK, "/test-manual-required", "no check here", "is for people"),
    ("what there is", OK, "/test ?", "note tests", "is for people"),
    ("trust itself", OK, "/ok-to-test bbbbbbb", "is for people", "is for people"),
    ("a trial", OK, "/train", "is for people", "is for people"),
    ("the end of what runs", OK, "/cancel", "is for people", "is for people"),
    ("another head is trusted", &[("walt", "/ok-to-test ccccccc")], "/test lint", "wake lint", "is for people"),
    ("trust that was taken back", &[OK[0], ("walt", "/ok-to-test cancel")], "/test lint", "is for people", "is for people"),
];

const OK: Said = &[("walt", "/ok-to-test bbbbbbb")];

#[test]
fn anybody_has_what_is_trusted_tested() {
    for (rule, before, body, prow, own) in STRANGERS {
        for (preset, want) in [("prow", prow), ("own", own)] {
            let mut change = foreign(preset, "");
            for (by, body) in *before {
                change.says(by, body);
            }
            change.says("mallory", body);
            let told = done(&change.look());
            assert!(told.contains(want), "{preset}: {rule}: {want}\n{told}");
            let starts = told.contains("wake lint") || told.contains("wake unit");
            assert_eq!(starts, want.starts_with("wake"), "{preset}: {rule}\n{told}");
        }
    }
    // What its author may run by itself is trusted as well.
    for (preset, want) in [("prow", "wake lint"), ("own", "is for people")] {
        let mut change = with(preset);
        change.says("mallory", "/test lint");
        let told = done(&change.look());
        assert!(told.contains(want), "{preset}\n{told}");
    }
}

/// Each row: the rule, a key of the contract, what was said, and whether the stranger's code runs with Prow's habits; with
/// ours it never does.
#[test]
fn an_lgtm_runs_code_of_a_stranger_once() {
    for (rule, also, said, runs) in [
        ("nobody has looked", "", &[][..], false),
        ("a reviewer", "", &[("rita", "/lgtm")], true),
        ("who may write", "", &[("walt", "/lgtm")], true),
        ("a stranger", "", &[("mallory", "/lgtm")], false),
        ("the author", "", &[("eve", "/lgtm")], false),
        ("an approval is none", "", &[("root", "/approve")], false),
        (
            "one that was taken back",
            "",
            &[("rita", "/lgtm"), ("walt", "/lgtm cancel")],
            false,
        ),
        (
            "not where nothing makes it run",
            ", ignore_ok_to_test: true",
            &[("rita", "/lgtm")],
            false,
        ),
        (
            "not of a collaborator where members are trusted",
            ", only_org_members: true",
            &[("walt", "/lgtm")],
            false,
        ),
        (
            "not where it outlives a push",
            ", sticky_lgtm: [eve]",
            &[("rita", "/lgtm")],
            false,
        ),
    ] {
        for preset in ["prow", "own"] {
            let mut change = foreign(preset, also);
            change.runs.clear();
            for (by, body) in said {
                change.says(by, body);
            }
            let act = change.look();
            let told = done(&act);
            let what = format!("{preset}: {rule}\n{told}");
            assert_eq!(stands(&act, "trusted head"), "no", "{what}");
            let starts = |told: &str| told.contains("wake train") && told.contains("wake unit");
            let want = runs && preset == "prow";
            assert_eq!(starts(&told), want, "{what}");
            assert_eq!(told.contains("wake"), want, "{what}");
            change.change().is_draft = true;
            let told = done(&change.look());
            assert!(!told.contains("wake"), "{preset}: {rule}: a draft\n{told}");
        }
    }
}

#[test]
fn what_an_lgtm_started_does_not_start_again() {
    let mut change = foreign("prow", "");
    change.says("rita", "/lgtm");
    let act = change.look();
    let told = done(&act);
    assert!(!told.contains("wake"), "all has run on this head\n{told}");
    let head = sha('d');
    change.change().head = head.clone();
    change.files(&[("train.py", 'b')]);
    change
        .world
        .changes(TRAINING, ('a', 'd'), &[("train.py", 'd')]);
    change.world.contract(TRAINING, 'd', TRAINING_TEXT);
    change.runs.clear();
    let at_ms = NOW_MS - 30_000;
    let told = done(&change.again(Some(act.state), vec![Hint::Pushed { head, at_ms }]));
    assert!(
        !told.contains("wake"),
        "nobody has looked at the push\n{told}"
    );
}
