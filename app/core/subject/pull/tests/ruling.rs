//! Every rule, from both sides.

use super::*;
use crate::subject::ask::{Permission, Review, ReviewState};
use expect_test::{Expect, expect};
use std::collections::BTreeMap;

#[track_caller]
pub(super) fn check(change: &Change, name: &str, want: Expect) {
    want.assert_eq(&change.rule(name));
}

#[test]
fn a_change_waits_for_lgtm_and_approval() {
    expect![[r#"
        Unmet lgtm: a reviewer says `/lgtm` [rita root]
        Unmet approved: an approver of the root says `/approve` [root]
        Met check `train`: trained; nothing judged it
        Met check `unit`: passed
        Met check `lint`: passed"#]]
    .assert_eq(&Change::code().rules());
    expect![[r#"
        Unmet lgtm: a reviewer says `/lgtm` [ada mia rita root]
        Unmet approved: an approver of `models/` says `/approve` [mia]
        Met check `bowsprit/service`: tests passed"#]]
    .assert_eq(&Change::proposal().rules());
    let mut root = Change::code();
    root.view.author = login("root");
    expect![[r#"
        Unmet lgtm: a reviewer says `/lgtm` [rita]
        Met approved: by root [root]
        Met check `train`: trained; nothing judged it
        Met check `unit`: passed
        Met check `lint`: passed"#]]
    .assert_eq(&root.rules());
}

#[test]
fn lgtm_counts_from_owners_and_writers_but_never_from_the_author() {
    for (by, permission, is_met) in [
        ("rita", Permission::Read, true),
        ("root", Permission::Read, true),
        ("walt", Permission::Write, true),
        ("Rita", Permission::None, true),
        ("mia", Permission::Read, false),
        ("mallory", Permission::Read, false),
        ("ada", Permission::Admin, false),
        ("helper[bot]", Permission::Admin, false),
    ] {
        let mut change = Change::code();
        change.world.may(TRAINING, by, permission);
        change.says(by, "/lgtm");
        assert_eq!(change.rule("lgtm").starts_with("Met"), is_met, "{by}");
    }
    let mut taken_back = Change::code();
    taken_back
        .says("rita", "/lgtm")
        .says("rita", "/lgtm cancel");
    assert!(taken_back.rule("lgtm").starts_with("Unmet"));
}

#[test]
fn approval_is_counted_by_folder() {
    let mut change = Change::proposal();
    change.files(&[("models/digits/manifest.json", 'b'), ("app.py", 'b')]);
    check(
        &change,
        "approved",
        expect!["Unmet approved: an approver of the root says `/approve` [root]"],
    );
    change.says("mia", "/approve");
    check(
        &change,
        "approved",
        expect!["Unmet approved: an approver of the root says `/approve` [root]"],
    );
    change.says("root", "/approve");
    check(
        &change,
        "approved",
        expect!["Met approved: by mia, root [mia root]"],
    );
    change.says("root", "/approve cancel");
    check(
        &change,
        "approved",
        expect!["Unmet approved: an approver of the root says `/approve` [root]"],
    );
    let mut stranger = Change::proposal();
    stranger.says("mallory", "/approve");
    check(
        &stranger,
        "approved",
        expect!["Unmet approved: an approver of `models/` says `/approve` [mia]"],
    );
}

#[test]
fn an_author_approves_code_without_a_word_and_may_take_it_back() {
    let mut change = Change::code();
    change.view.author = login("root");
    check(&change, "approved", expect!["Met approved: by root [root]"]);
    change.says("root", "/approve cancel");
    check(
        &change,
        "approved",
        expect!["Unmet approved: an approver of the root says `/approve` [root]"],
    );
    let mut own = Change::proposal();
    own.view.author = login("mia");
    check(
        &own,
        "approved",
        expect!["Unmet approved: an approver of `models/` says `/approve` [mia]"],
    );
}

#[test]
fn where_nobody_is_named_those_who_may_write_approve() {
    let mut change = Change::code();
    change.world.owners(TRAINING, 'a', &[]);
    check(
        &change,
        "approved",
        expect![
            "Unmet approved: somebody who may write here says `/approve` (there is no OWNERS file)"
        ],
    );
    change.says("walt", "/approve");
    check(
        &change,
        "approved",
        expect![
            "Unmet approved: somebody who may write here says `/approve` (there is no OWNERS file)"
        ],
    );
    change.world.may(TRAINING, "walt", Permission::Write);
    check(
        &change,
        "approved",
        expect!["Met approved: by walt, who may write here (there is no OWNERS file) [walt]"],
    );
}

#[test]
fn a_hold_stands_until_it_is_lifted() {
    let mut change = Change::code();
    check(&change, "not held", expect![[""]]);
    change.says("mallory", "/hold until the audit");
    check(
        &change,
        "not held",
        expect!["Unmet not held: held by mallory: until the audit; `/unhold` lifts it"],
    );
    change.says("walt", "/unhold");
    check(&change, "not held", expect![[""]]);
}

#[test]
fn drafts_conflicts_and_cut_lists_do_not_land() {
    let mut change = Change::code();
    change.change().is_draft = true;
    check(
        &change,
        "ready for review",
        expect![
            "Unmet ready for review: it is a draft: nothing runs by itself until it is ready; `/test all` runs what it calls for"
        ],
    );
    change.change().is_mergeable = Some(false);
    check(
        &change,
        "no conflict",
        expect!["Unmet no conflict: it conflicts with `main`; merge or rebase"],
    );
    let mut list = Changes {
        merge_base: sha('a'),
        files: BTreeMap::new(),
        is_cut: false,
    };
    let query = Query::Changes(TRAINING, sha('a'), sha('b'));
    change
        .world
        .tell(query.clone(), Answer::Changes(list.clone()));
    check(
        &change,
        "approved",
        expect!["Unmet approved: it changes no file"],
    );
    cut(&mut list);
    change.world.tell(query, Answer::Changes(list));
    check(
        &change,
        "change can",
        expect![
            "Unmet change can be read: it changes more files than can be checked, or a path that cannot be named"
        ],
    );
}

#[test]
fn code_from_elsewhere_runs_once_its_head_is_named() {
    let from_fork = || {
        let mut change = Change::code();
        change.change().head_repo = Some(crate::name::RepoId(77));
        change.world.may(TRAINING, "walt", Permission::Write);
        change
    };
    let mut change = from_fork();
    check(
        &change,
        "trusted head",
        expect![
            "Unmet trusted head: code of this head runs after `/ok-to-test bbbbbbbbbbbb` by somebody who may write here"
        ],
    );
    change
        .says("mallory", "/ok-to-test bbbbbbb")
        .says("walt", "/ok-to-test")
        .says("walt", "/ok-to-test aaaaaaa");
    check(
        &change,
        "trusted head",
        expect![
            "Unmet trusted head: code of this head runs after `/ok-to-test bbbbbbbbbbbb` by somebody who may write here"
        ],
    );
    change.says("walt", "/ok-to-test bbbbbbb");
    check(&change, "trusted head", expect![[""]]);
    let mut writer = from_fork();
    writer.view.author = login("walt");
    check(&writer, "trusted head", expect![[""]]);
    let mut gone = Change::code();
    gone.change().head_repo = None;
    check(
        &gone,
        "trusted head",
        expect![
            "Unmet trusted head: code of this head runs after `/ok-to-test bbbbbbbbbbbb` by somebody who may write here"
        ],
    );
}

#[test]
fn runs_decide_and_optional_ones_only_help() {
    let with = |what: What, phase: Option<Phase>| {
        let mut change = Change::code();
        change.runs.retain(|run| run.cause.what != what);
        if let Some(phase) = phase {
            change.ran('b', what.clone(), phase);
        }
        change.rule(&format!("check `{}`", what.check_name()))
    };
    let (train, lint) = (What::Train, What::Check(slug("lint")));
    expect!["Waiting check `train`: about to start"].assert_eq(&with(train.clone(), None));
    expect!["Waiting check `train`: under way"]
        .assert_eq(&with(train.clone(), Some(Phase::Running)));
    expect!["Unmet check `train`: there are no gates, so nothing can pass"]
        .assert_eq(&with(train.clone(), Some(Phase::Failed)));
    expect!["Unmet check `train`: cancelled"]
        .assert_eq(&with(train.clone(), Some(Phase::Cancelled)));
    expect!["Met check `train`: nothing to do"]
        .assert_eq(&with(train.clone(), Some(Phase::Skipped)));
    expect!["Met check `train`: trained; nothing judged it"]
        .assert_eq(&with(train, Some(Phase::Succeeded)));
    expect![[""]].assert_eq(&with(lint.clone(), Some(Phase::Failed)));
    expect!["Met check `lint`: passed"].assert_eq(&with(lint, Some(Phase::Succeeded)));
}

#[test]
fn a_base_whose_contract_is_broken_lets_nothing_pass_but_its_repair() {
    for (base, files, head, is_kept) in [
        (TRAINING_TEXT, "train.py", TRAINING_TEXT, false),
        ("kind: [", "train.py", TRAINING_TEXT, true),
        ("kind: [", "bowsprit.yaml", "kind: [", true),
        ("kind: [", "bowsprit.yaml", TRAINING_TEXT, false),
    ] {
        let mut change = Change::code();
        change.says("rita", "/lgtm").says("root", "/approve");
        change.world.contract(TRAINING, 'a', base);
        change.world.contract(TRAINING, 'b', head);
        change.files(&[(files, 'b')]);
        let rule = change.rule("contract can be read");
        assert_eq!(rule.starts_with("Unmet"), is_kept, "{base} {files}: {rule}");
    }
}

#[test]
fn the_review_box_is_lgtm_and_approval_of_its_commit() {
    let said = |state: ReviewState, head: char| {
        let mut change = Change::code();
        let all: Vec<Review> = vec![review(1, "root", state, head)];
        change
            .world
            .tell(Query::Reviews(TRAINING, PrNumber(7)), Answer::Reviews(all));
        format!("{}\n{}", change.rule("lgtm"), change.rule("approved"))
    };
    expect![[r#"
        Met lgtm: by root [root]
        Met approved: by root [root]"#]]
    .assert_eq(&said(ReviewState::Approved, 'b'));
    expect![[r#"
        Unmet lgtm: a push came too close to what root said to know which came first; please say it again [rita root]
        Unmet approved: a push came too close to what root said to know which came first; please say it again [root]"#]].assert_eq(&said(ReviewState::Approved, 'f'));
    for state in [
        ReviewState::Commented,
        ReviewState::Dismissed,
        ReviewState::ChangesRequested,
    ] {
        assert!(said(state, 'b').starts_with("Unmet lgtm"), "{state:?}");
    }
}
