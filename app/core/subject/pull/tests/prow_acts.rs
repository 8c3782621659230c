//! The rules of Prow, one row each, continued: acts, OWNERS, and whose code runs.

use super::editing::done;
use super::prow::{Said, stands, with};
use super::*;
use crate::name::RepoId;

/// What is done for one comment under each preset.
#[track_caller]
fn acts(table: &[(&str, &str, &str, &str)]) {
    for (rule, by, body, want) in table {
        for preset in ["prow", "own"] {
            let mut change = with(preset);
            change.ran('b', What::Check(slug("unit")), Phase::Failed);
            change.says(by, body);
            let told = done(&change.look());
            let is_so = match want.strip_prefix("not ") {
                Some(not) => !told.contains(not),
                None => told.contains(want),
            };
            assert!(is_so, "{preset}: {rule}: {want}\n{told}");
        }
    }
}

#[test]
fn test_and_retest() {
    acts(&[
        ("by name", "walt", "/test lint", "wake lint"),
        (
            "a green one as well",
            "walt",
            "/test lint unit",
            "wake lint",
        ),
        ("with commas", "walt", "/test lint, unit", "wake unit"),
        ("all", "walt", "/test all", "wake train"),
        ("what failed", "walt", "/retest", "wake unit"),
        ("nothing else", "walt", "/retest", "not wake lint"),
        (
            "several in one comment",
            "walt",
            "/retest\n/test lint",
            "wake lint",
        ),
        ("lower case only", "walt", "/TEST lint", "not wake lint"),
        ("an unknown name", "walt", "/test nope", "note tests"),
        ("no name", "walt", "/test", "note tests"),
        ("a question", "walt", "/test ?", "note tests"),
        ("a name after retest", "walt", "/retest unit", "note tests"),
    ]);
}

/// Each row: the rule, a key beside the preset, whom the pull request is assigned to, who says what, and whether the speaker
/// is assigned with the habits of Prow; with ours nobody is, unless the contract says so.
#[test]
fn who_gives_or_takes_back_an_lgtm_is_assigned() {
    for (rule, also, on_it, (by, body), is_assigned) in [
        ("a collaborator", "", None, ("walt", "/lgtm"), true),
        (
            "who takes it back",
            "",
            None,
            ("walt", "/lgtm cancel"),
            true,
        ),
        ("once", "", Some("Walt"), ("walt", "/lgtm"), false),
        ("beside others", "", Some("rita"), ("walt", "/lgtm"), true),
        ("never the author", "", None, ("ada", "/lgtm cancel"), false),
        ("no stranger", "", None, ("mallory", "/lgtm"), false),
        ("an lgtm only", "", None, ("walt", "/hold"), false),
        (
            "not where OWNERS alone counts",
            ", skip_collaborators: true",
            None,
            ("walt", "/lgtm"),
            false,
        ),
        (
            "not where nobody wants it",
            ", assign_on_lgtm: false",
            None,
            ("walt", "/lgtm"),
            false,
        ),
        (
            "where somebody wants it",
            ", assign_on_lgtm: true",
            None,
            ("walt", "/lgtm"),
            true,
        ),
    ] {
        for preset in ["prow", "own"] {
            let mut change = super::prow::with_also(preset, also);
            change.view.assignees = on_it.iter().map(|who| login(who)).collect();
            change.says(by, body);
            let told = done(&change.look());
            let is_habit = preset == "prow" || also.contains("assign_on_lgtm: true");
            let want = is_assigned && is_habit;
            let edit = format!("edit assignees +{by}");
            assert_eq!(told.contains(&edit), want, "{preset}: {rule}\n{told}");
        }
    }
}

/// Rows of [`acts`]: the rule, who says what, and what is done or answered.
const REST: &[(&str, &str, &str, &str)] = &[
    (
        "the speaker",
        "mallory",
        "/assign",
        "edit assignees +mallory",
    ),
    (
        "with or without @",
        "mallory",
        "/assign @rita walt",
        "+rita +walt",
    ),
    (
        "one bad name spoils the line",
        "mallory",
        "/assign a%b rita",
        "not edit",
    ),
    (
        "unassign",
        "mallory",
        "/unassign rita",
        "edit assignees -rita",
    ),
    ("a reviewer", "mallory", "/cc rita", "edit reviewers +rita"),
    ("a team", "mallory", "/cc o/core", "+team core"),
    ("uncc", "mallory", "/uncc rita", "edit reviewers -rita"),
    ("reviewers of OWNERS", "mallory", "/auto-cc", "+rita"),
    ("a kind", "mallory", "/kind bug", "edit labels +kind/bug"),
    (
        "a kind that is not there",
        "mallory",
        "/kind nope",
        "has no label",
    ),
    (
        "lifecycle",
        "mallory",
        "/lifecycle frozen",
        "lifecycle/frozen",
    ),
    (
        "close by a stranger",
        "mallory",
        "/close",
        "is for the author",
    ),
    ("close by the author", "ada", "/close", "edit close"),
    (
        "not-planned is for issues",
        "ada",
        "/close not-planned",
        "is for issues",
    ),
    ("reopen what is open", "ada", "/reopen", "it is open"),
    (
        "override by nobody else",
        "walt",
        "/override unit",
        "is for administrators",
    ),
    ("override", "root", "/override unit", "Overridden by root"),
    (
        "override what is not there",
        "root",
        "/override x",
        "nothing to override",
    ),
    (
        "skip what is required",
        "mallory",
        "/skip",
        "no optional check is red",
    ),
    (
        "milestone by a stranger",
        "mallory",
        "/milestone v1.2",
        "is for people",
    ),
    (
        "retitle by a stranger",
        "mallory",
        "/retitle x",
        "is for people",
    ),
    (
        "cherrypick by a stranger",
        "mallory",
        "/cherrypick rel",
        "is for people",
    ),
    (
        "cherrypick promises",
        "walt",
        "/cherrypick rel",
        "once this is merged",
    ),
    ("help", "mallory", "/help", "comments/help"),
    ("rebase is no command", "walt", "/rebase", "not reply"),
];

#[test]
fn assign_cc_labels_and_the_rest() {
    acts(REST);
}

/// Files and OWNERS, who approves, and whether that is enough; under both presets alike.
#[test]
fn owners() {
    const TREE: &[(&str, &str)] = &[
        ("", "approvers: [root]"),
        ("a", "approvers: [ann]"),
        ("a/b", "approvers: [bob]"),
        (
            "shut",
            "options: {no_parent_owners: true}\napprovers: [sue]",
        ),
        (
            "free",
            "options: {auto_approve_unowned_subfolders: true}\napprovers: [fay]",
        ),
        ("free/kept", "approvers: [kim]"),
        ("py", "filters: {'\\.py$': {approvers: [pat]}}"),
    ];
    for (rule, files, by, want) in [
        ("approvers of all levels", "a/b/x", "bob", "yes"),
        ("from above", "a/b/x", "ann", "yes"),
        ("from the root", "a/b/x", "root", "yes"),
        ("not from below", "a/x", "bob", "no"),
        ("every folder", "a/x c/y", "ann", "no"),
        ("two together", "a/x c/y", "ann root", "yes"),
        ("one above both", "a/x a/b/y", "ann", "yes"),
        ("no parent owners", "shut/x", "root", "no"),
        ("but their own", "shut/x", "sue", "yes"),
        ("below them as well", "shut/deep/x", "root", "no"),
        (
            "an unowned folder that is free",
            "free/deep/x",
            "ada",
            "yes",
        ),
        ("not the folder itself", "free/x", "ada", "no"),
        ("nor an owned one below", "free/kept/x", "ada", "no"),
        ("a filter that matches", "py/x.py", "pat", "yes"),
        ("one that does not", "py/x.txt", "pat", "no"),
        ("then those above", "py/x.txt", "root", "yes"),
        ("whatever the case", "a/x", "ANN", "yes"),
        ("without a file nobody approves", "", "root", "no"),
    ] {
        for preset in ["prow", "own"] {
            let mut change = with(preset);
            change.world.owners(TRAINING, 'a', TREE);
            let files: Vec<(&str, char)> = files.split_whitespace().map(|f| (f, 'b')).collect();
            change.world.changes(TRAINING, ('a', 'b'), &files);
            for who in by.split_whitespace() {
                change.says(who, "/approve");
            }
            assert_eq!(stands(&change.look(), "approved"), want, "{preset}: {rule}");
        }
    }
}

const FORK: RepoId = RepoId(77);

/// The rule, the head's repository, the author, what was said, and how trust stands with the habits of Prow and ours.
const TRUST: &[(&str, RepoId, &str, Said, &str, &str)] = &[
    (
        "a branch of the repository",
        TRAINING,
        "mallory",
        &[],
        "-",
        "-",
    ),
    ("a fork of a collaborator", FORK, "walt", &[], "-", "-"),
    ("a fork of a stranger", FORK, "mallory", &[], "no", "no"),
    ("a fork of a bot", FORK, "other[bot]", &[], "no", "no"),
    (
        "ok-to-test by a collaborator",
        FORK,
        "mallory",
        &[("walt", "/ok-to-test")],
        "-",
        "no",
    ),
    (
        "for the head that was looked at",
        FORK,
        "mallory",
        &[("walt", "/ok-to-test bbbbbbb")],
        "-",
        "-",
    ),
    (
        "not by a stranger",
        FORK,
        "mallory",
        &[("mallory", "/ok-to-test bbbbbbb")],
        "no",
        "no",
    ),
    (
        "cancelled by a collaborator",
        FORK,
        "mallory",
        &[
            ("walt", "/ok-to-test bbbbbbb"),
            ("walt", "/ok-to-test cancel"),
        ],
        "no",
        "-",
    ),
];

/// Whose code runs: the head's repository, the author, and what was said.
#[test]
fn trust() {
    for (rule, head_repo, author, said, prow, own) in TRUST {
        for (preset, want) in [("prow", prow), ("own", own)] {
            let mut change = with(preset);
            change.view.author = login(author);
            change.change().head_repo = Some(*head_repo);
            for (by, body) in *said {
                change.says(by, body);
            }
            change.runs.clear();
            let act = change.look();
            assert_eq!(stands(&act, "trusted head"), *want, "{preset}: {rule}");
            let starts = act.wakes.iter().any(|wake| wake.hint.is_some());
            assert_eq!(
                starts,
                *want == "-",
                "{preset}: {rule}: nothing runs before"
            );
        }
    }
}
