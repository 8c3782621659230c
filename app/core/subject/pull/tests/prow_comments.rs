//! The rules of Prow, one row each, continued: several commands in one comment, and pull requests that are closed or
//! drafts.

use super::editing::done;
use super::prow::{Said, stands, with};
use super::*;
use crate::name::RepoId;

const PRESETS: [&str; 2] = ["prow", "own"];

/// A pull request on which these checks are red, of which `lint` is optional.
fn red(preset: &str, checks: &[&str]) -> Change {
    let mut change = with(preset);
    for name in checks {
        change.ran('b', What::Check(slug(name)), Phase::Failed);
    }
    change
}

/// A row of [`SKIPS`].
type Skip = (
    &'static str,
    &'static [&'static str],
    &'static str,
    &'static str,
    bool,
    &'static str,
);

/// Each row: the rule, what is red, who says what, whether `lint` is shown as skipped, and what else is done or not.
#[rustfmt::skip]
const SKIPS: &[Skip] = &[
    ("what is red", &["lint"], "walt", "/skip", true, "not wake"),
    ("not what it starts", &["lint"], "walt", "/skip\n/test lint", false, "wake lint"),
    ("in whatever order", &["lint"], "walt", "/test lint\n/skip", false, "wake lint"),
    ("by any of its words", &["lint"], "walt", "/skip\n/retest", false, "wake lint"),
    ("all of them", &["lint"], "walt", "/test all\n/skip", false, "wake lint"),
    ("nothing is said to it", &["lint"], "walt", "/skip\n/test lint", false, "not reply"),
    ("another is started", &["lint", "unit"], "walt", "/skip\n/test unit", true, "wake unit"),
    ("only what is required is", &["lint", "unit"], "walt", "/retest-required\n/skip", true, "wake unit"),
    ("nor when all is green", &[], "walt", "/skip", false, "no optional check is red"),
    ("nor what is started then", &[], "walt", "/skip\n/test lint", false, "no optional check is red"),
    ("nor what is required", &["unit"], "walt", "/skip", false, "no optional check is red"),
];

#[test]
fn skip_leaves_what_the_same_comment_starts() {
    for (rule, checks, by, body, is_skipped, want) in SKIPS {
        for preset in PRESETS {
            let mut change = red(preset, checks);
            change.says(by, body);
            let told = done(&change.look());
            let shown = told.contains("check lint Neutral: Skipped by walt");
            assert_eq!(shown, *is_skipped, "{preset}: {rule}\n{told}");
            let is_so = match want.strip_prefix("not ") {
                Some(not) => !told.contains(not),
                None => told.contains(want),
            };
            assert!(is_so, "{preset}: {rule}: {want}\n{told}");
        }
    }
    // What another comment started, or a refused word did not, is skipped.
    for (preset, words) in [
        ("prow", [("walt", "/test lint"), ("mallory", "/skip")]),
        ("own", [("walt", "/test lint"), ("mallory", "/skip")]),
        ("own", [("walt", "/cc"), ("mallory", "/test lint\n/skip")]),
    ] {
        let mut change = red(preset, &["lint"]);
        for (by, body) in words {
            change.says(by, body);
        }
        let told = done(&change.look());
        assert!(told.contains("Skipped by mallory"), "{preset}\n{told}");
    }
}

/// Words on a closed pull request: nobody is told, and what was said holds once it is open again.
#[test]
fn hold_on_a_closed_pull_request() {
    for (rule, said, want) in [
        ("nothing was said", &[][..], "-"),
        ("hold", &[("mallory", "/hold")], "no"),
        ("with a reason", &[("walt", "/hold until noon")], "no"),
        (
            "and its lifting",
            &[("walt", "/hold"), ("rita", "/unhold")],
            "-",
        ),
    ] as [(&str, Said, &str); 4]
    {
        for preset in PRESETS {
            let mut change = with(preset);
            change.view.is_open = false;
            for (by, body) in said {
                change.says(by, body);
            }
            let closed = change.look();
            let told = done(&closed);
            assert_eq!(told, "", "{preset}: {rule}");
            assert!(
                !super::told(&closed).contains("do-not-merge/hold"),
                "{preset}: {rule}"
            );
            change.view.is_open = true;
            let act = change.again(Some(closed.state), vec![]);
            assert_eq!(stands(&act, "not held"), want, "{preset}: {rule}");
        }
    }
}

/// Whom GitHub leaves out of them is named once it has answered: `github/tests/edit.rs`.
#[test]
fn more_people_are_assigned_than_there_is_room_for() {
    let names: Vec<String> = (10..31).map(|at| format!("p{at}")).collect();
    for (count, want) in [
        (10, "+p19"),
        (11, "+p20"),
        (20, "+p29"),
        (21, "at most 20 names"),
    ] {
        for preset in PRESETS {
            let mut change = with(preset);
            change.says("mallory", &format!("/assign {}", names[..count].join(" ")));
            let told = done(&change.look());
            assert!(told.contains(want), "{preset}: {count}\n{told}");
            assert_eq!(
                told.lines().count(),
                1,
                "{preset}: {count}: one call\n{told}"
            );
        }
    }
}

const FORK: RepoId = RepoId(77);

/// Each row: the rule, whose draft it is, who says what, what is done, and whether it is trusted.
#[rustfmt::skip]
const DRAFTS: &[(&str, RepoId, &str, Said, &str, bool)] = &[
    ("a trusted draft", TRAINING, "ada", &[], "not wake", true),
    ("test all", TRAINING, "ada", &[("walt", "/test all")], "wake train", true),
    ("one by name", TRAINING, "ada", &[("walt", "/test lint")], "wake lint", true),
    ("a stranger's draft", FORK, "mallory", &[], "not wake", false),
    ("test all of it", FORK, "mallory", &[("walt", "/test all")], "wake train", false),
    ("by a stranger", FORK, "mallory", &[("mallory", "/test all")], "not wake", false),
];

#[test]
fn drafts_run_nothing_by_themselves() {
    for (rule, head_repo, author, said, want, is_trusted) in DRAFTS {
        for preset in PRESETS {
            let mut change = with(preset);
            change.view.author = login(author);
            change.change().head_repo = Some(*head_repo);
            change.change().is_draft = true;
            change.runs.clear();
            for (by, body) in *said {
                change.says(by, body);
            }
            let act = change.look();
            let told = done(&act);
            let is_so = match want.strip_prefix("not ") {
                Some(not) => !told.contains(not),
                None => told.contains(want),
            };
            assert!(is_so, "{preset}: {rule}: {want}\n{told}");
            let told = change.rule("ready for review");
            assert!(
                told.contains("`/test all` runs what it calls for"),
                "{preset}: {rule}\n{told}"
            );
            let trust = stands(&act, "trusted head");
            assert_eq!(trust == "-", *is_trusted, "{preset}: {rule}");
            change.change().is_draft = false;
            assert_eq!(change.rule("ready for review"), "", "{preset}: {rule}");
        }
    }
}

/// Verbs of one comment are done from line to line; Prow has its cancel first, then sticky, then plain.
#[test]
fn verbs_of_override_in_one_comment() {
    for (body, now, once_moved) in [
        ("/override unit", "yes", "no"),
        ("/override-sticky unit", "yes", "yes"),
        ("/override unit\n/override-cancel", "no", "no"),
        ("/override-sticky unit\n/override-cancel unit", "no", "no"),
        ("/override-cancel\n/override unit", "yes", "no"),
        ("/override unit\n/override-sticky unit", "yes", "yes"),
        ("/override-sticky unit\n/override unit", "yes", "no"),
        (
            "/override-sticky unit\n/override-cancel\n/override unit",
            "yes",
            "no",
        ),
    ] {
        for preset in PRESETS {
            let mut change = red(preset, &["unit"]);
            change.says("root", body);
            let act = change.look();
            let told = done(&act);
            assert_eq!(
                stands(&act, "check `unit`"),
                now,
                "{preset}: {body}\n{told}"
            );
            let text = format!("{TRAINING_TEXT}chatops: {{compatibility: {preset}}}\n");
            change.world.head(TRAINING, "main", 'c');
            change
                .world
                .changes(TRAINING, ('c', 'b'), &[("train.py", 'b')]);
            change.world.owners(TRAINING, 'c', OWNERS);
            change.world.contract(TRAINING, 'c', &text);
            let act = change.again(Some(act.state), vec![]);
            assert_eq!(
                stands(&act, "check `unit`"),
                once_moved,
                "{preset}: {body}: base"
            );
        }
    }
}
