//! Commands about people, labels, threads and contexts.

use super::*;
use crate::habits::Chatops;

#[test]
fn people_are_named_with_or_without_an_at() {
    let (ada, grace) = ("Login(\"ada\")", "Login(\"Grace\")");
    check(
        "/assign\n/ASSIGN @ada Grace ADA\n/unassign ada",
        &[
            "1: Assign { add: true, logins: [] }",
            &format!("2: Assign {{ add: true, logins: [{ada}, {grace}] }}"),
            &format!("3: Assign {{ add: false, logins: [{ada}] }}"),
        ],
    );
    check("/assign ada, grace", &["1: ? `ada,` is not a login"]);
    check("/assign o/team", &["1: ? `o/team` is not a login"]);
    let many = (0..21).map(|n| format!(" p{n}")).collect::<String>();
    check(
        &format!("/unassign{many}"),
        &["1: ? `/unassign` takes at most 20 names"],
    );
    check(
        "/cc\n/cc @ada @o/Core\n/uncc ada",
        &[
            "1: Cc { add: true, logins: [], teams: [] }",
            &format!("2: Cc {{ add: true, logins: [{ada}], teams: [Slug(\"core\")] }}"),
            &format!("3: Cc {{ add: false, logins: [{ada}], teams: [] }}"),
        ],
    );
    check("/cc a/b/c", &["1: ? `a/b/c` is not a team"]);
    check("/auto-cc", &["1: AutoCc"]);
    check("/auto-cc ada", &["1: ? `/auto-cc` takes no argument"]);
}

#[test]
fn labels_come_in_families_or_alone() {
    check(
        "/kind bug Feature\n/remove-area web\n/label Good One\n/remove-label x",
        &[
            "1: Label { add: true, family: Some(\"kind\"), names: [\"kind/bug\", \"kind/feature\"] }",
            "2: Label { add: false, family: Some(\"area\"), names: [\"area/web\"] }",
            "3: Label { add: true, family: None, names: [\"good one\"] }",
            "4: Label { add: false, family: None, names: [\"x\"] }",
        ],
    );
    check("/kind", &["1: ? `/kind` needs the name of a label"]);
    check("/label", &["1: ? `/label` needs the name of a label"]);
    check(
        "/Kind bug",
        &["1: ? `/Kind` is not a command, this one is written in lower case"],
    );
    check(
        &format!("/kind {}", "x".repeat(46)),
        &["1: ? a label has at most 50 characters"],
    );
    check(
        "/lifecycle Stale\n/remove-lifecycle stale",
        &[
            "1: Lifecycle { add: true, state: \"stale\" }",
            "2: Lifecycle { add: false, state: \"stale\" }",
        ],
    );
    check(
        "/lifecycle dead",
        &["1: ? `/lifecycle` takes one of: active, frozen, stale, rotten"],
    );
    check(
        "/help-wanted\n/remove-help\n/good-first-issue\n/remove-good-first-issue",
        &[
            "1: Invite { add: true, is_first: false }",
            "2: Invite { add: false, is_first: false }",
            "3: Invite { add: true, is_first: true }",
            "4: Invite { add: false, is_first: true }",
        ],
    );
    check(
        "/help-wanted now",
        &["1: ? `/help-wanted` takes no argument"],
    );
}

#[test]
fn threads_are_titled_closed_and_dated() {
    check(
        "/milestone v1.2\n/milestone clear\n/retitle Two  words",
        &[
            "1: Milestone { title: Some(\"v1.2\") }",
            "2: Milestone { title: None }",
            "3: Retitle { title: \"Two  words\" }",
        ],
    );
    check(
        "/milestone",
        &["1: ? `/milestone` needs the title of a milestone, or `clear`"],
    );
    check(
        &format!("/retitle {}", "x".repeat(257)),
        &["1: ? `/retitle` needs a title of at most 256 characters"],
    );
    check(
        "/close\n/Close Not-Planned\n/reopen",
        &[
            "1: Close { not_planned: false }",
            "2: Close { not_planned: true }",
            "3: Reopen",
        ],
    );
    check(
        "/close now",
        &["1: ? `/close` takes nothing, or `not-planned`"],
    );
    check("/reopen now", &["1: ? `/reopen` takes no argument"]);
}

#[test]
fn contexts_are_overridden_by_name() {
    check(
        "/override unit \"legal review\"\n/override-sticky unit\n/override-cancel",
        &[
            "1: Override { how: Once, names: [\"unit\", \"legal review\"] }",
            "2: Override { how: Sticky, names: [\"unit\"] }",
            "3: Override { how: Cancel, names: [] }",
        ],
    );
    check(
        "/override",
        &["1: ? `/override` needs the name of a check or context"],
    );
    check("/override \"unit", &["1: ? a quote is not closed"]);
    check("/override \"\"", &["1: ? `` is not the name of a context"]);
    check(
        "/skip\n/refresh\n/why\n/compare\n/compare v7\n/compare all",
        &[
            "1: Skip",
            "2: Refresh",
            "3: Why",
            "4: Compare { version: None }",
            "5: Compare { version: Some(7) }",
            "6: ? `/compare` takes nothing, or a version such as `v7`",
        ],
    );
}

#[test]
fn commands_of_another_bot_are_left_to_it() {
    let chatops = Chatops {
        not_ours: Some(["/label".to_owned()].into()),
        ..Chatops::default()
    };
    let habits = Habits::of(Compatibility::Own).with(&chatops);
    let heard = |body: &str| hear(body, &habits).len();
    assert_eq!(
        (heard("/kind bug"), heard("/label x"), heard("/label")),
        (0, 0, 0)
    );
    assert_eq!((heard("/assign"), in_own("/kind bug").len()), (1, 1));
}
