//! The check run that sums up all rules: what it says, when, and where it is shown.

use super::contexts::{reported, required, run};
use super::landing::{agreed, merge};
use super::*;
use crate::effect::{CheckStatus, Effect};
use crate::habits::{Chatops, Compatibility, Habits, Switch};
use crate::subject::ask::{Context, ContextState, RequiredContext};
use expect_test::expect;

const NAME: &str = super::super::MERGE_CHECK;

/// What the check says, and since when; nothing where it is not shown.
fn sum(act: &Act<Pull>) -> Option<(CheckStatus, i64)> {
    act.intents.iter().find_map(|intent| match &intent.effect {
        Effect::CheckRun(check) if check.name == NAME => Some((check.status, check.started_ms)),
        _ => None,
    })
}

fn status(act: &Act<Pull>) -> Option<CheckStatus> {
    sum(act).map(|(status, _)| status)
}

/// A change with such habits, and with what the branch requires and GitHub shows.
fn with(
    mut change: Change,
    is_on: bool,
    (wanted, shown): (&[RequiredContext], &[Context]),
) -> Change {
    let said = Chatops {
        switches: [(Switch::MergeCheck, is_on)].into(),
        ..Chatops::default()
    };
    let habits = Habits::of(Compatibility::Own).with(&said);
    change
        .world
        .tell(Query::Habits(TRAINING), Answer::Habits(habits));
    change.world.tell(
        Query::Required(TRAINING, branch("main")),
        Answer::Required(wanted.to_vec()),
    );
    change.world.tell(
        Query::Contexts(TRAINING, sha('b')),
        Answer::Contexts(shown.to_vec()),
    );
    change
}

#[test]
fn it_is_green_with_the_last_rule_and_keeps_its_date() {
    let waiting = Change::code().look();
    let first = sum(&waiting).expect("shown");
    assert_eq!(first.0, CheckStatus::InProgress);
    // Other rules come and go: it says the same, so GitHub is not called.
    let mut change = Change::code();
    change.says("walt", "/hold");
    let held = change.again(Some(waiting.state), vec![]);
    assert_eq!(sum(&held), Some(first));
    assert_eq!(status(&agreed().look()), Some(CheckStatus::Success));
    let mut held = agreed();
    held.says("walt", "/hold");
    assert_eq!(status(&held.look()), Some(CheckStatus::InProgress));
    // What comes by itself is not waited for.
    let mut computing = agreed();
    computing.change().is_mergeable = None;
    let act = computing.look();
    assert_eq!(
        (status(&act), merge(&act)),
        (Some(CheckStatus::Success), None)
    );
}

#[test]
fn it_is_shown_where_somebody_looks_for_it() {
    let demand = [required(NAME, None)];
    for (is_on, wanted, is_shown) in [
        (true, &[][..], true),
        (false, &[], false),
        (true, &demand, true),
        (false, &demand, true),
    ] {
        let act = with(agreed(), is_on, (wanted, &[])).look();
        assert_eq!(sum(&act).is_some(), is_shown, "{is_on} {}", wanted.len());
        assert_eq!(merge(&act).is_some(), wanted.is_empty());
    }
}

#[test]
fn where_the_branch_requires_it_the_merge_waits_until_github_shows_it() {
    use ContextState::{Failure, Pending, Success};
    let demand = [required(NAME, None)];
    for (shown, is_merged) in [
        (vec![], false),
        (vec![run(NAME, 1, Pending)], false),
        (vec![run(NAME, 1, Failure)], false),
        (vec![run(NAME, 1, Success)], true),
    ] {
        let act = with(agreed(), true, (&demand, &shown)).look();
        assert_eq!(merge(&act).is_some(), is_merged, "{shown:?}");
        assert_eq!(status(&act), Some(CheckStatus::Success), "{shown:?}");
        assert_eq!(act.look_again_ms.is_some(), !is_merged, "{shown:?}");
    }
    expect!["Waiting required `bowsprit/merge`: green once every other rule is met"]
        .assert_eq(&reported(&demand, &[]).rule("required"));
    let pinned = [required(NAME, Some(2))];
    expect!["Waiting required `bowsprit/merge`: green once every other rule is met by App 2; a check run of another App does not count"]
        .assert_eq(&reported(&pinned, &[run(NAME, 1, Success)]).rule("required"));
}

#[test]
fn the_sum_of_another_of_our_kind_is_not_waited_for() {
    let said = Chatops {
        compatibility: Some(Compatibility::Prow),
        ..Chatops::default()
    };
    let mut change = with(
        agreed(),
        true,
        (&[], &[run(NAME, 2, ContextState::Pending)]),
    );
    let habits = Habits::of(Compatibility::Own).with(&said);
    change
        .world
        .tell(Query::Habits(TRAINING), Answer::Habits(habits));
    assert_eq!(change.rule("contexts of others"), "");
}

#[test]
fn nobody_overrides_the_sum() {
    let mut change = with(agreed(), true, (&[required(NAME, None)], &[]));
    change.says("ada", &format!("/override {NAME}"));
    let act = change.look();
    assert!(act.state.overrides.is_empty());
    assert_eq!(merge(&act), None);
}

#[test]
fn what_is_closed_is_not_left_waiting() {
    for (merged, want) in [
        (None, CheckStatus::Cancelled),
        (Some(sha('c')), CheckStatus::Success),
    ] {
        let mut change = Change::code();
        let before = change.look().state;
        change.view.is_open = false;
        change.change().merged = merged;
        let act = change.again(Some(before), vec![]);
        assert_eq!(status(&act), Some(want));
        assert_eq!(
            sum(&act).map(|one| one.1),
            sum(&Change::code().look()).map(|one| one.1)
        );
    }
    // Of one that was never shown, nothing is said.
    let mut never = Change::code();
    never.view.is_open = false;
    assert_eq!(status(&never.look()), None);
}
