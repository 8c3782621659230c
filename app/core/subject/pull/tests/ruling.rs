//! Every rule, from both sides.

use super::*;
use crate::subject::ask::{Context, ContextState, Permission, Review, ReviewState};
use crate::subject::environment::{
    self, ChangeCause, Environment, Hold, ModelRef, Release, Verified, file,
};
use expect_test::{Expect, expect};
use std::collections::BTreeMap;

#[track_caller]
fn check(change: &Change, name: &str, want: Expect) {
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
        Unmet approved: an approver of `models/` says `/approve` [ada]
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
        expect!["Unmet approved: an approver of `models/` says `/approve` [ada]"],
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
        expect!["Unmet approved: an approver of `models/` says `/approve` [ada]"],
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
fn who_pushed_the_commit_is_not_the_only_approver_of_its_model() {
    let mut change = Change::proposal();
    let pushed = |pusher: &str, number: u64| crate::effect::Version {
        pushed_by: Some(login(pusher)),
        pr: Some(PrNumber(7)),
        ..version(number, "x")
    };
    let versions = Query::Versions(SERVICE, slug("digits"));
    change
        .world
        .tell(versions.clone(), Answer::Versions(vec![pushed("ada", 7)]));
    change.says("ada", "/approve");
    check(
        &change,
        "a second",
        expect![
            "Unmet a second pair of eyes: ada pushed the training commit; somebody else approves too [mia root]"
        ],
    );
    change.says("mia", "/approve");
    check(&change, "a second", expect![[""]]);
    let mut alone = Change::proposal();
    alone
        .world
        .owners(SERVICE, '1', &[("", "approvers: [ada]")]);
    alone
        .world
        .tell(versions.clone(), Answer::Versions(vec![pushed("ada", 7)]));
    alone.says("ada", "/approve");
    check(
        &alone,
        "a second",
        expect![
            "Met a second pair of eyes: ada pushed the training commit and is the only approver there is"
        ],
    );
    // Version 8 superseded 7 in place: its pusher counts.
    let mut newer = Change::proposal();
    newer.world.tell(
        versions,
        Answer::Versions(vec![pushed("mia", 7), pushed("ada", 8)]),
    );
    newer.says("ada", "/approve");
    check(
        &newer,
        "a second",
        expect![
            "Unmet a second pair of eyes: ada pushed the training commit; somebody else approves too [mia root]"
        ],
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
fn a_held_promotion_goes_on_by_its_approvers_only() {
    let mut change = promotion(&production(), ChangeCause::Promotion);
    change.says("mallory", "/hold").says("root", "/unhold");
    check(
        &change,
        "not held",
        expect!["Unmet not held: held by mallory; `/unhold` lifts it"],
    );
    change.says("eve", "/unhold");
    check(&change, "not held", expect![[""]]);
}

#[test]
fn drafts_conflicts_and_cut_lists_do_not_land() {
    let mut change = Change::code();
    change.change().is_draft = true;
    check(
        &change,
        "ready for review",
        expect!["Unmet ready for review: it is a draft"],
    );
    change.change().is_mergeable = Some(false);
    check(
        &change,
        "no conflict",
        expect!["Unmet no conflict: it conflicts with `main`; merge or rebase"],
    );
    change.change().is_mergeable = None;
    check(
        &change,
        "no conflict",
        expect!["Waiting no conflict: GitHub is still computing"],
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
            "Unmet trusted head: code of this head runs after `/ok-to-test bbbbbbb` by somebody who may write here"
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
            "Unmet trusted head: code of this head runs after `/ok-to-test bbbbbbb` by somebody who may write here"
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
            "Unmet trusted head: code of this head runs after `/ok-to-test bbbbbbb` by somebody who may write here"
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
fn contexts_that_the_branch_requires_must_be_green() {
    let mut change = Change::code();
    change.world.tell(
        Query::Required(TRAINING, branch("main")),
        Answer::Required(vec!["ci".to_owned()]),
    );
    check(
        &change,
        "required",
        expect!["Waiting required `ci`: required by the branch's rules, not reported yet"],
    );
    for (state, want) in [
        (ContextState::Pending, "Waiting"),
        (ContextState::Failure, "Unmet"),
        (ContextState::Success, "Met"),
    ] {
        let contexts = ["ci", "other"].map(|name| Context {
            name: name.to_owned(),
            state: if name == "ci" {
                state
            } else {
                ContextState::Failure
            },
            is_ours: false,
        });
        change.world.tell(
            Query::Contexts(TRAINING, sha('b')),
            Answer::Contexts(contexts.to_vec()),
        );
        assert!(
            change.rule("required").starts_with(want),
            "{state:?}: {}",
            change.rule("required")
        );
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

#[test]
fn the_word_of_an_opening_may_come_after_the_first_look() {
    let mut change = Change::code();
    change.view.created_ms = NOW_MS - 400;
    let looked = change.again(None, vec![]).state;
    change.says("root", "/approve").says("rita", "/lgtm");
    for comment in &mut change.comments {
        comment.created_ms = NOW_MS;
    }
    let lgtm = |state: &Pull, hints| {
        let rule = &change.again(Some(state.clone()), hints).state.rules[0];
        format!("{:?} {}: {}", rule.state, rule.name, rule.detail)
    };
    let told = |at_ms| Hint::Pushed {
        head: sha('b'),
        at_ms,
    };
    assert!(lgtm(&looked, vec![]).starts_with("Unmet lgtm"));
    assert!(lgtm(&looked, vec![told(NOW_MS - 400)]).starts_with("Met lgtm"));
    // A push of a later second, seen before it was told of, is no opening.
    change.view.created_ms = NOW_MS - 60_000;
    let rule = &change.again(Some(looked), vec![told(NOW_MS)]).state.rules[0];
    assert_eq!(rule.state, rules::Standing::Unmet);
}

#[test]
fn a_push_nobody_saw_makes_words_void() {
    let mut change = Change::code();
    change.says("root", "/approve").says("rita", "/lgtm");
    let seen = change.look().state;
    assert!(change.rule("lgtm").starts_with("Met"));
    change.change().head = sha('d');
    change.world.contract(TRAINING, 'd', TRAINING_TEXT);
    change
        .world
        .changes(TRAINING, ('a', 'd'), &[("train.py", 'd')]);
    let act = change.again(Some(seen.clone()), vec![]);
    let rules: Vec<String> = act
        .state
        .rules
        .iter()
        .take(2)
        .map(|rule| format!("{:?} {}: {}", rule.state, rule.name, rule.detail))
        .collect();
    expect![[r#"
        Unmet lgtm: the change is another since rita spoke; please look again
        Unmet approved: the change is another since root spoke; please look again"#]]
    .assert_eq(&rules.join("\n"));
    // The same change on a new base keeps them.
    change
        .world
        .changes(TRAINING, ('a', 'd'), &[("train.py", 'b')]);
    let act = change.again(Some(seen), vec![]);
    assert_eq!(act.state.rules[0].state, rules::Standing::Met);
}

fn release(number: u64, at: char) -> Release {
    let models = BTreeMap::from([(
        slug("digits"),
        ModelRef {
            version: number,
            digest: version(number, "x").digest,
        },
    )]);
    Release {
        id: format!("rel-{number}"),
        commit: sha(at),
        models,
    }
}

fn production() -> Environment {
    let mut state = Environment::new(repo(SERVICE), slug("production"), 0);
    state.verified.push(Verified {
        release: release(1, 'c'),
        at_ms: 0,
    });
    state.live = Some(release(1, 'c'));
    state
}

/// `#7` pins production to version 2 at `d…`, which staging verified.
pub(super) fn promotion(state: &Environment, cause: ChangeCause) -> Change {
    let mut change = Change::of(SERVICE, "bowsprit/promote-production", ('1', '2'));
    change.view.author = login("bowsprit[bot]");
    change.files(&[("environments/production.yaml", 'b')]);
    let target = if cause == ChangeCause::Promotion {
        release(2, 'd')
    } else {
        release(1, 'c')
    };
    pin(&mut change, &target, cause);
    let world = &mut change.world;
    for at in ['c', 'd'] {
        world.contract(SERVICE, at, SERVICE_TEXT);
        world.tell(
            Query::IsAncestor(SERVICE, sha(at), sha('1')),
            Answer::Flag(true),
        );
    }
    world.tell(
        Query::Versions(SERVICE, slug("digits")),
        Answer::Versions(vec![version(1, "x"), version(2, "x")]),
    );
    let mut staging = Environment::new(repo(SERVICE), slug("staging"), 0);
    let found = drive(world, |ask| {
        match environment::validate::target_of(
            SERVICE,
            &sha('1'),
            &file::write(&release(2, 'd'), ChangeCause::Promotion),
            ask,
        ) {
            None => crate::subject::Step::Look(ask.take_missing()),
            Some(found) => crate::subject::Step::Act(Box::new(Act::keep(found))),
        }
    });
    let (release, _) = found
        .expect("an act")
        .state
        .expect("a release that is there");
    staging.verified.push(Verified { release, at_ms: 0 });
    world.tell(
        Query::Environment(SERVICE, slug("staging")),
        Answer::Environment(Some(staging)),
    );
    world.tell(
        Query::Environment(SERVICE, slug("production")),
        Answer::Environment(Some(state.clone())),
    );
    change
}

fn pin(change: &mut Change, release: &Release, cause: ChangeCause) {
    let text = file::write(release, cause);
    change.world.tell(
        Query::Text(SERVICE, sha('2'), file::path(&slug("production"))),
        Answer::Text(Some(text)),
    );
}

fn ours(cause: ChangeCause, release: Release, by: Option<&str>) -> environment::Change {
    environment::Change {
        branch: branch("bowsprit/promote-production"),
        key: "k".to_owned(),
        pr: Some(PrNumber(7)),
        head: Some(sha('2')),
        cause,
        release,
        by: by.map(login),
        is_over: false,
    }
}

#[test]
fn a_promotion_needs_its_environments_approvers() {
    let mut change = promotion(&production(), ChangeCause::Promotion);
    expect![[r#"
        Met verified in staging: v2
        Unmet approved for production: 0 of 1; an approver of the environment says `/approve` [eda eve]"#]].assert_eq(&change.rules());
    change.says("root", "/approve").says("root", "/lgtm");
    check(
        &change,
        "approved",
        expect![
            "Unmet approved for production: 0 of 1; an approver of the environment says `/approve` [eda eve]"
        ],
    );
    change.says("eve", "/approve");
    check(
        &change,
        "approved",
        expect!["Met approved for production: by eve [eve]"],
    );
    change
        .world
        .owners(SERVICE, '1', &[("", "approvers: [root]")]);
    check(
        &change,
        "approved",
        expect![
            "Unmet approved for production: `environments/OWNERS` names nobody who may approve this; add one"
        ],
    );
}

#[test]
fn a_quorum_is_of_distinct_people_and_a_command_is_one_of_them() {
    let two = SERVICE_TEXT.replace("approvals: 1", "approvals: 2");
    let mut change = promotion(&production(), ChangeCause::Promotion);
    change.world.contract(SERVICE, '1', &two);
    change.says("eve", "/approve").says("eve", "/approve");
    check(
        &change,
        "approved",
        expect![
            "Unmet approved for production: 1 of 2; an approver of the environment says `/approve` [eda]"
        ],
    );
    change.says("eda", "/approve");
    check(
        &change,
        "approved",
        expect!["Met approved for production: by eda, eve [eda eve]"],
    );
    for (by, met) in [("eve", false), ("eda", true), ("root", false)] {
        let mut state = production();
        state
            .changes
            .push(ours(ChangeCause::Rollback, release(1, 'c'), Some(by)));
        let mut change = promotion(&state, ChangeCause::Rollback);
        change.world.contract(SERVICE, '1', &two);
        change.says("eve", "/approve");
        assert_eq!(change.rule("approved").starts_with("Met"), met, "{by}");
    }
}

#[test]
fn a_return_after_a_failed_rollout_needs_nobody() {
    let mut state = production();
    state
        .changes
        .push(ours(ChangeCause::Revert, release(1, 'c'), None));
    expect![[r#"
        Met served in production before: v1
        Met approved: a return after a failed rollout needs no approval"#]]
    .assert_eq(&promotion(&state, ChangeCause::Rollback).rules());
    // The same file from somebody else, or the branch with another content, is a rollback by hand.
    expect!["Unmet approved for production: 0 of 1; an approver of the environment says `/approve` [eda eve]"].assert_eq(&promotion(&production(), ChangeCause::Rollback).rule("approved"));
    let mut forged = promotion(&state, ChangeCause::Rollback);
    pin(&mut forged, &release(2, 'd'), ChangeCause::Rollback);
    expect![[r#"
        Unmet served in production before: v2
        Unmet approved for production: 0 of 1; an approver of the environment says `/approve` [eda eve]"#]].assert_eq(&forged.rules());
}

#[test]
fn promotions_wait_after_a_rollback() {
    let mut state = production();
    state.hold = Some(Hold {
        by: login("eve"),
        why: "rolled back by eve".to_owned(),
        at_ms: 0,
    });
    check(
        &promotion(&state, ChangeCause::Promotion),
        "not held",
        expect!["Unmet not held: production is held: rolled back by eve; `/unhold` lifts it"],
    );
    check(
        &promotion(&state, ChangeCause::Rollback),
        "not held",
        expect![[""]],
    );
}

#[test]
fn a_promotion_keeps_to_windows_and_to_independent_figures() {
    let mut change = promotion(&production(), ChangeCause::Promotion);
    change.world.contract(
        SERVICE,
        '1',
        &SERVICE_TEXT.replace("soak: 10m", "windows: ['Sat-Sun 09:00-16:00 UTC']"),
    );
    check(
        &change,
        "inside a window",
        expect!["Waiting inside a window: Sat-Sun 09:00-16:00 UTC"],
    );
    change.world.contract(
        SERVICE,
        '1',
        &SERVICE_TEXT.replace("soak: 10m", "windows: ['Mon-Thu 09:00-16:00 UTC']"),
    );
    check(&change, "inside a window", expect![[""]]);
    let own = crate::effect::Version {
        self_reported: true,
        ..version(2, "x")
    };
    change.world.tell(
        Query::Versions(SERVICE, slug("digits")),
        Answer::Versions(vec![own]),
    );
    check(
        &change,
        "independently",
        expect![
            "Unmet independently evaluated: digits v2 was measured by its own training only; the environment may say `allow_self_reported: true`"
        ],
    );
    change.world.contract(
        SERVICE,
        '1',
        &SERVICE_TEXT.replace("soak: 10m", "allow_self_reported: true"),
    );
    check(&change, "independently", expect![[""]]);
}

#[test]
fn files_of_environments_change_alone_and_by_rule() {
    let kind = |files: &[(&str, char)]| {
        let mut change = promotion(&production(), ChangeCause::Promotion);
        change.files(files);
        change.runs.clear();
        change.ran('2', What::Service, Phase::Succeeded);
        change.rules()
    };
    expect![[r#"
        Unmet one thing at a time: files under `environments/` change only in a pull request of their own
        Met check `bowsprit/service`: tests passed"#]].assert_eq(&kind(&[
        ("environments/production.yaml", 'b'),
        ("app.py", 'b'),
    ]));
    expect!["Unmet approved for `environments/OWNERS`: an approver of that folder says `/approve` [eda eve]"].assert_eq(&kind(&[("environments/OWNERS", 'b')]));
    expect!["Unmet environment `staging`: it follows a branch and is not pinned by a file"]
        .assert_eq(&kind(&[("environments/staging.yaml", 'b')]));
    expect!["Unmet environment `moon`: the contract names no such environment"]
        .assert_eq(&kind(&[("environments/moon.yaml", 'b')]));
    let mut removed = promotion(&production(), ChangeCause::Promotion);
    removed.world.tell(
        Query::Text(SERVICE, sha('2'), file::path(&slug("production"))),
        Answer::Text(None),
    );
    expect!["Unmet `production` stays pinned: an environment's file cannot be removed"]
        .assert_eq(&removed.rules());
    let mut unknown = promotion(&production(), ChangeCause::Promotion);
    pin(&mut unknown, &release(9, 'd'), ChangeCause::Promotion);
    expect!["Unmet release can run: `digits` has no version 9"].assert_eq(&unknown.rules());
}
