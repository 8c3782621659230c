//! The rules of promotions, rollbacks and returns, from both sides.

use super::ruling::check;
use super::*;
use crate::subject::environment::{
    self, ChangeCause, Environment, Hold, ModelRef, Release, Verified, file,
};
use crate::subject::pause::Pause;
use expect_test::expect;
use std::collections::BTreeMap;

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

pub(super) fn production() -> Environment {
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
        asked: None,
        is_lost: false,
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
fn a_pause_holds_everything_but_what_is_past_the_rules() {
    let pause = |change: &mut Change| {
        let pause = Pause {
            by: login("ada"),
            why: "the cluster moves".to_owned(),
            at_ms: 0,
        };
        change.world.tell(Query::Pause, Answer::Pause(Some(pause)));
        change.rule("not paused")
    };
    assert_eq!(Change::code().rule("not paused"), "");
    expect!["Unmet not paused: paused by ada: the cluster moves; `bowsprit resume` ends it"]
        .assert_eq(&pause(&mut Change::code()));
    let state = production();
    let held = pause(&mut promotion(&state, ChangeCause::Promotion));
    assert!(held.starts_with("Unmet"), "{held}");
    let past = pause(&mut promotion(&state, ChangeCause::BreakGlass));
    assert_eq!(past, "");
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
    expect![[r#"
        Unmet approved for `environments/OWNERS`: an approver of that folder says `/approve` [eda eve]
        Met OWNERS can be read: nothing is wrong in the files it changes"#]].assert_eq(&kind(&[("environments/OWNERS", 'b')]));
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
fn an_unreadable_contract_guards_environments_all_the_same() {
    let mut change = promotion(&production(), ChangeCause::Promotion);
    change.world.contract(SERVICE, '1', "kind: service\n");
    let rule = "environment `production`";
    let unreadable = "Unmet environment `production`: `bowsprit.yaml` of the base cannot be read; mend it first, in a pull request of its own";
    assert_eq!(change.rule(rule), unreadable);
    change.says("eve", "/approve").says("root", "/lgtm");
    assert_eq!(change.rule(rule), unreadable, "nobody's word helps");
    // Its author may own the files, and is not asked as the author of code.
    change.view.author = login("eve");
    assert_eq!(change.rule(rule), unreadable);
    let both = [
        ("environments/production.yaml", 'b'),
        ("bowsprit.yaml", 'b'),
    ];
    change.files(&both);
    assert!(change.rule("one thing at a time").starts_with("Unmet"));
    // What mends it is code, and goes its way.
    change.files(&[("bowsprit.yaml", 'b')]);
    assert_eq!(change.rule(rule), "");
    assert_eq!(change.rule("one thing at a time"), "");
    assert!(change.rule("lgtm").starts_with("Met"));
    // A training repository's folder of that name is code.
    change.files(&[("environments/production.yaml", 'b')]);
    change.world.contract(SERVICE, '1', TRAINING_TEXT);
    assert_eq!(change.rule(rule), "");
}
