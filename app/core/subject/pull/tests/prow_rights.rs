//! The rules of Prow, one row each, continued: overrides, what is skipped, and who belongs to the organisation.

use super::editing::done;
use super::prow::{Said, stands, with, with_also};
use super::*;
use crate::name::RepoId;
use crate::subject::ask::Permission;

/// `unit` is red, and of `optional` the check `lint` is, too.
fn red(preset: &str, optional: bool) -> Change {
    let mut change = with(preset);
    change.ran('b', What::Check(slug("unit")), Phase::Failed);
    if optional {
        change.ran('b', What::Check(slug("lint")), Phase::Failed);
    }
    change
}

/// Each row: the rule, whether the optional check is red, who says what, and what is done or answered.
const OVERRIDES: &[(&str, bool, &str, &str, &str)] = &[
    (
        "sticky",
        false,
        "root",
        "/override-sticky unit",
        "Overridden by root",
    ),
    (
        "whatever the case",
        false,
        "root",
        "/Override-Sticky unit",
        "Overridden by root",
    ),
    (
        "not by a collaborator",
        false,
        "walt",
        "/override-sticky unit",
        "is for administrators",
    ),
    (
        "not by the author",
        false,
        "ada",
        "/override-sticky unit",
        "is for administrators",
    ),
    (
        "of what is not red",
        false,
        "root",
        "/override-sticky lint",
        "nothing to override",
    ),
    (
        "of nothing",
        false,
        "root",
        "/override-sticky",
        "needs the name",
    ),
    (
        "one unknown refuses all",
        false,
        "root",
        "/override-sticky unit x",
        "nothing to override",
    ),
    (
        "two in one line",
        true,
        "root",
        "/override-sticky unit lint",
        "check lint Success",
    ),
    (
        "in quotes",
        false,
        "root",
        "/override-sticky \"unit\"",
        "Overridden by root",
    ),
    (
        "cancel of nothing",
        false,
        "root",
        "/override-cancel",
        "nothing of that is overridden",
    ),
    (
        "skip by anybody",
        true,
        "mallory",
        "/skip",
        "check lint Neutral: Skipped by mallory",
    ),
    (
        "skip of what is required",
        false,
        "mallory",
        "/skip",
        "no optional check is red",
    ),
    (
        "skip takes no name",
        true,
        "mallory",
        "/skip lint",
        "takes no",
    ),
    (
        "whatever the case of skip",
        true,
        "mallory",
        "/SKIP",
        "Skipped by mallory",
    ),
];

#[test]
fn override_and_skip() {
    for (rule, optional, by, body, want) in OVERRIDES {
        for preset in ["prow", "own"] {
            let mut change = red(preset, *optional);
            change.says(by, body);
            let told = done(&change.look());
            assert!(told.contains(want), "{preset}: {rule}: {want}\n{told}");
        }
    }
}

/// How long each word holds: over a base that moves, and over a push.
#[test]
fn override_holds_for_base_and_head() {
    for (word, moved, pushed) in [
        ("/override unit", "no", "soon"),
        ("/override-sticky unit", "yes", "soon"),
    ] {
        for preset in ["prow", "own"] {
            let mut change = red(preset, false);
            change.says("root", word);
            let act = change.look();
            assert_eq!(stands(&act, "check `unit`"), "yes", "{preset}: {word}");
            let text = format!("{TRAINING_TEXT}chatops: {{compatibility: {preset}}}\n");
            let files = [("train.py", 'b')];
            let mut based = red(preset, false);
            based.says("root", word);
            based.world.head(TRAINING, "main", 'c');
            based.world.changes(TRAINING, ('c', 'b'), &files);
            based.world.owners(TRAINING, 'c', OWNERS);
            based.world.contract(TRAINING, 'c', &text);
            let after = based.again(Some(act.state.clone()), vec![]);
            assert_eq!(
                stands(&after, "check `unit`"),
                moved,
                "{preset}: {word}: base"
            );
            change.change().head = sha('d');
            change.world.changes(TRAINING, ('a', 'd'), &files);
            change.world.contract(TRAINING, 'd', TRAINING_TEXT);
            change.runs.clear();
            let (head, at_ms) = (sha('d'), NOW_MS - 30_000);
            let after = change.again(Some(act.state), vec![Hint::Pushed { head, at_ms }]);
            assert_eq!(
                stands(&after, "check `unit`"),
                pushed,
                "{preset}: {word}: head"
            );
        }
    }
}

const FORK: RepoId = RepoId(77);

/// The rule, the head's repository, the author, what was said, and how trust stands: with Prow's habits and with ours
/// where `only_org_members` is on, then both where it is off.
type Trusted = (&'static str, RepoId, &'static str, Said, [&'static str; 4]);

#[rustfmt::skip]
const MEMBERS: &[Trusted] = &[
    ("a member", FORK, "olga", &[], ["-", "-", "-", "no"]),
    ("a member who may write", FORK, "otto", &[], ["-", "-", "-", "-"]),
    ("a collaborator who may write", FORK, "walt", &[], ["no", "no", "-", "-"]),
    ("a collaborator who may read", FORK, "sam", &[], ["no", "no", "-", "no"]),
    ("on a branch here neither", TRAINING, "walt", &[], ["no", "no", "-", "-"]),
    ("a stranger", FORK, "mallory", &[], ["no", "no", "no", "no"]),
    ("an App that can push here", TRAINING, "other[bot]", &[], ["-", "-", "-", "-"]),
    ("an App from elsewhere", FORK, "other[bot]", &[], ["no", "no", "no", "no"]),
    ("a trusted App", FORK, "renovate[bot]", &[], ["-", "-", "-", "-"]),
    ("the word of a member who may write", FORK, "mallory", &[("otto", "/ok-to-test bbbbbbb")], ["-", "-", "-", "-"]),
    ("a member's word", FORK, "mallory", &[("olga", "/ok-to-test bbbbbbb")], ["-", "no", "-", "no"]),
    ("a collaborator's word", FORK, "mallory", &[("walt", "/ok-to-test bbbbbbb")], ["no", "no", "-", "-"]),
    ("the word of one who may read", FORK, "mallory", &[("sam", "/ok-to-test bbbbbbb")], ["no", "no", "-", "no"]),
    ("a stranger's word", FORK, "mallory", &[("mallory", "/ok-to-test bbbbbbb")], ["no", "no", "no", "no"]),
];

#[test]
fn only_members_of_the_organisation_are_trusted() {
    const APPS: &str = ", trusted_apps: [renovate]";
    for (rule, head_repo, author, said, [on_prow, on_own, off_prow, off_own]) in MEMBERS {
        for (preset, also, want) in [
            ("prow", ", only_org_members: true", on_prow),
            ("own", ", only_org_members: true", on_own),
            ("prow", "", off_prow),
            ("own", "", off_own),
        ] {
            let mut change = with_also(preset, &format!("{also}{APPS}"));
            change
                .world
                .member(TRAINING, "olga")
                .left(TRAINING, "olga")
                .member(TRAINING, "otto")
                .may(TRAINING, "otto", Permission::Write);
            change.view.author = login(author);
            change.change().head_repo = Some(*head_repo);
            for (by, body) in *said {
                change.says(by, body);
            }
            change.runs.clear();
            let act = change.look();
            let told = done(&act);
            let what = format!("{preset}{also}: {rule}\n{told}");
            assert_eq!(stands(&act, "trusted head"), *want, "{what}");
        }
    }
}

#[test]
fn a_collaborator_is_told_whose_word_counts() {
    let mut change = with_also("own", ", only_org_members: true");
    change.view.author = login("mallory");
    change.change().head_repo = Some(FORK);
    change.says("walt", "/ok-to-test bbbbbbb");
    let told = done(&change.look());
    assert!(
        told.contains("is for members of the organisation"),
        "{told}"
    );
}
