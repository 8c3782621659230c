//! Commands that GitHub carries out, overrides, and answers with facts.

use super::*;
use crate::effect::{EffectResult, EffectState, Outcome};
use crate::habits::{Chatops, Compatibility};
use crate::subject::ask::Permission;
use expect_test::{Expect, expect};
use std::collections::BTreeMap;

/// `walt` may write here, `root` may all; the repository knows some labels.
pub(super) fn code() -> Change {
    let mut change = Change::code();
    change.world.may(TRAINING, "walt", Permission::Write);
    change.world.may(TRAINING, "root", Permission::Admin);
    let labels = [
        "kind/bug",
        "kind/feature",
        "needs-kind",
        "Good One",
        "secret",
    ];
    let labels = labels.map(str::to_owned).to_vec();
    change
        .world
        .tell(Query::Labels(TRAINING), Answer::Labels(labels));
    let milestones = vec![(3, "v1.2".to_owned())];
    change
        .world
        .tell(Query::Milestones(TRAINING), Answer::Milestones(milestones));
    change
}

/// The same pull request as an issue.
pub(super) fn issue() -> (World, Change) {
    let change = code();
    let mut world = change.world();
    let view = PullView {
        change: None,
        ..change.view.clone()
    };
    world.tell(Query::Pull(TRAINING, PrNumber(7)), Answer::Pull(Some(view)));
    (world, change)
}

/// What is done beside the views, as one text.
pub(super) fn done(act: &Act<Pull>) -> String {
    let is_view = |line: &&str| {
        ["status ", "labels ", "event ", "check bowsprit/merge "]
            .iter()
            .any(|view| line.starts_with(view))
    };
    let told = told(act);
    let lines: Vec<&str> = told.lines().filter(|line| !is_view(line)).collect();
    lines.join("\n")
}

#[track_caller]
pub(super) fn check(change: &Change, by: &str, body: &str, want: Expect) {
    want.assert_eq(&done(&said(change, by, body)));
}

pub(super) fn said(change: &Change, by: &str, body: &str) -> Act<Pull> {
    let mut change = Change {
        world: change.world.clone(),
        id: change.id,
        view: change.view.clone(),
        comments: change.comments.clone(),
        runs: change.runs.clone(),
    };
    change.says(by, body);
    change.look()
}

/// With this under `chatops` of the contract.
fn with_chatops(change: &mut Change, lines: &str) {
    change.chatops(&format!("\n{lines}"));
}

#[test]
fn people_are_assigned_and_asked_by_anybody() {
    let change = code();
    check(
        &change,
        "mallory",
        "/assign",
        expect!["edit assignees +mallory"],
    );
    check(
        &change,
        "mallory",
        "/assign @ada walt\n/unassign rita",
        expect![[r#"
            edit assignees +ada +walt
            edit assignees -rita"#]],
    );
    check(
        &change,
        "mallory",
        "/cc @rita o/core\n/uncc",
        expect![[r#"
            edit reviewers +rita +team core
            edit reviewers -mallory"#]],
    );
    check(
        &change,
        "mallory",
        "/auto-cc",
        expect!["edit reviewers +rita +root"],
    );
    let mut alone = code();
    alone
        .world
        .owners(TRAINING, 'a', &[("", "approvers: [ada]")]);
    check(
        &alone,
        "mallory",
        "/auto-cc",
        expect!["reply on #7: OWNERS names nobody but the author for the changed files"],
    );
}

#[test]
fn labels_must_be_there_and_be_allowed() {
    let mut change = code();
    check(
        &change,
        "mallory",
        "/kind bug nope",
        expect![[r#"
            edit labels +kind/bug
            reply on #7: this repository has no label `kind/nope`; somebody who may write here can make it"#]],
    );
    check(
        &change,
        "mallory",
        "/remove-kind bug",
        expect!["reply on #7: the label `kind/bug` is not on it"],
    );
    check(
        &change,
        "mallory",
        "/label good one",
        expect![
            "reply on #7: `/label` takes the labels under `chatops.labels` of `bowsprit.yaml` on the base branch: it lists none"
        ],
    );
    change.view.labels = vec!["needs-kind".to_owned()];
    check(
        &change,
        "mallory",
        "/kind bug",
        expect!["edit labels +kind/bug -needs-kind"],
    );
    change.view.labels = vec!["Kind/Bug".to_owned(), "kind/feature".to_owned()];
    check(
        &change,
        "mallory",
        "/remove-kind bug",
        expect!["edit labels -kind/bug"],
    );
    check(
        &change,
        "mallory",
        "/remove-kind bug feature",
        expect!["edit labels +needs-kind -kind/bug -kind/feature"],
    );
    with_chatops(
        &mut change,
        "  labels: [Good One, lgtm]\n  restricted_labels: {secret: [Rita]}\n",
    );
    check(
        &change,
        "mallory",
        "/label good one",
        expect!["edit labels +good one"],
    );
    check(
        &change,
        "mallory",
        "/label secret\n/label lgtm\n/label other",
        expect![[r#"
            reply on #7: `secret` is for: rita

            `lgtm` is put on and taken off by Bowsprit itself

            `/label` takes the labels under `chatops.labels` of `bowsprit.yaml` on the base branch: `good one`, `lgtm`"#]],
    );
    check(
        &change,
        "rita",
        "/label secret",
        expect!["edit labels +secret"],
    );
}

#[test]
fn lifecycles_exclude_each_other() {
    let mut change = code();
    check(
        &change,
        "mallory",
        "/lifecycle stale",
        expect!["edit labels +lifecycle/stale"],
    );
    change.view.labels = vec!["lifecycle/stale".to_owned()];
    check(
        &change,
        "mallory",
        "/lifecycle frozen\n/remove-lifecycle stale",
        expect![[r#"
            edit labels +lifecycle/frozen -lifecycle/stale
            edit labels -lifecycle/stale"#]],
    );
    check(
        &change,
        "mallory",
        "/remove-lifecycle rotten",
        expect!["reply on #7: the label `lifecycle/rotten` is not on it"],
    );
}

#[test]
fn only_some_may_close_and_open_again() {
    let mut change = code();
    for (by, body, want) in [
        ("ada", "/close", expect!["edit closed, not planned false"]),
        ("walt", "/close", expect!["edit closed, not planned false"]),
        (
            "mallory",
            "/close",
            expect![
                "reply on #7: `/close` is for the author and people who may write in this repository; anybody may close what is labelled `lifecycle/stale` or `lifecycle/rotten`"
            ],
        ),
        (
            "walt",
            "/close not-planned",
            expect![
                "reply on #7: `/close not-planned` is for issues; `/close` closes this pull request"
            ],
        ),
        ("walt", "/reopen", expect!["reply on #7: it is open"]),
    ] {
        check(&change, by, body, want);
    }
    change.view.labels = vec!["lifecycle/rotten".to_owned()];
    check(
        &change,
        "mallory",
        "/close",
        expect!["edit closed, not planned false"],
    );
    change.view.is_open = false;
    for (by, body, want) in [
        (
            "walt",
            "/close",
            expect!["reply on #7: it is closed already"],
        ),
        ("ada", "/reopen", expect!["edit open"]),
        (
            "mallory",
            "/reopen",
            expect![
                "reply on #7: `/reopen` is for the author and people who may write in this repository"
            ],
        ),
        ("ada", "/assign", expect!["edit assignees +ada"]),
        ("ada", "/auto-cc", expect![[""]]),
    ] {
        check(&change, by, body, want);
    }
    change.change().merged = Some(sha('c'));
    check(
        &change,
        "ada",
        "/reopen",
        expect!["reply on #7: it is merged; open another pull request"],
    );
}

#[test]
fn only_writers_title_and_date() {
    let change = code();
    for (by, body, want) in [
        ("walt", "/retitle Better", expect!["edit title Better"]),
        (
            "ada",
            "/retitle Better",
            expect!["reply on #7: `/retitle` is for people who may write in this repository"],
        ),
        ("walt", "/milestone v1.2", expect!["edit milestone Some(3)"]),
        ("walt", "/milestone clear", expect!["edit milestone None"]),
        (
            "walt",
            "/milestone v9",
            expect!["reply on #7: there is no open milestone `v9` here; there are: `v1.2`"],
        ),
        (
            "ada",
            "/milestone v1.2",
            expect!["reply on #7: `/milestone` is for people who may write in this repository"],
        ),
        (
            "walt",
            "/help-wanted",
            expect!["reply on #7: an invitation to others works on an issue"],
        ),
    ] {
        check(&change, by, body, want);
    }
}

#[test]
fn an_issue_takes_what_works_anywhere() {
    let told = |body: &str| {
        let (mut world, _) = issue();
        let comments = Answer::Comments(vec![comment(1, "ada", body)]);
        world.tell(Query::Comments(TRAINING, PrNumber(7)), comments);
        let given = given(None, vec![]);
        let act = drive(&world, |ask| step(&given, (TRAINING, PrNumber(7)), ask));
        done(&act.expect("an issue"))
    };
    expect![[r#"
        edit labels +good first issue +help wanted
        edit labels -good first issue -help wanted
        edit closed, not planned true"#]]
    .assert_eq(&told(
        "/good-first-issue\n/remove-help-wanted\n/close not-planned",
    ));
    expect!["reply on #7: `/cc @rita` works on a pull request"].assert_eq(&told("/cc @rita"));
    let (mut bare, _) = issue();
    bare.contract(TRAINING, 'a', "");
    let comments = Answer::Comments(vec![comment(1, "ada", "/close")]);
    bare.tell(Query::Comments(TRAINING, PrNumber(7)), comments);
    let given = given(None, vec![]);
    let act = drive(&bare, |ask| step(&given, (TRAINING, PrNumber(7)), ask));
    assert_eq!(done(&act.expect("an issue")), "", "nobody asked us here");
}

#[test]
fn a_command_is_answered_when_github_has_done_it() {
    let change = code();
    let first = said(&change, "mallory", "/assign\n/kind bug");
    let keys: Vec<String> = first.state.doing[0].keys.clone();
    assert_eq!(keys.len(), 2);
    let after = |states: [(EffectState, EffectResult); 2]| {
        let mut later = Change {
            world: change.world.clone(),
            id: change.id,
            view: change.view.clone(),
            comments: Vec::new(),
            runs: change.runs.clone(),
        };
        later.says("mallory", "/assign\n/kind bug");
        let mut given = given(Some(first.state.clone()), vec![]);
        let outcomes = keys.iter().cloned().zip(states);
        given.outcomes = outcomes
            .map(|(key, (state, result))| (key, Outcome { state, result }))
            .collect::<BTreeMap<_, _>>();
        let act = later.step(&given);
        (done(&act), act.state.doing.len())
    };
    let good = || (EffectState::Done, EffectResult::Nothing);
    let wait = || (EffectState::Intended, EffectResult::Nothing);
    let bad = || {
        let reason = "no".to_owned();
        (EffectState::Refused, EffectResult::Refused { reason })
    };
    let dead = || (EffectState::Dead, EffectResult::Nothing);
    assert_eq!(after([good(), wait()]), (String::new(), 1));
    assert_eq!(after([good(), good()]), ("react to 1".to_owned(), 0));
    assert_eq!(
        after([bad(), good()]),
        ("reply on #7: GitHub says: no".to_owned(), 0)
    );
    let later = "reply on #7: GitHub did not take it; please say it again later";
    assert_eq!(after([dead(), good()]), (later.to_owned(), 0));
    let half = said(&change, "mallory", "/assign\n/kind nope");
    assert!(half.state.doing[0].is_refused, "a reply is there already");
}

#[test]
fn a_contract_leaves_commands_to_another_bot() {
    let mut change = code();
    with_chatops(&mut change, "  not_ours: [/assign]\n");
    check(&change, "mallory", "/assign\n/unassign ada", expect![[""]]);
    let chatops = Chatops::default();
    assert_eq!(chatops.compatibility, None::<Compatibility>);
}
