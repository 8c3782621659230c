//! Cherry-picks: promised, done after the merge, one branch after the other.

use super::editing::{code, done};
use super::*;
use crate::effect::{EffectResult, EffectState, Outcome};
use crate::name::BranchName;
use crate::subject::ask::{Permission, Picked};
use expect_test::{Expect, expect};

/// `code`, with two release branches.
fn released() -> Change {
    let mut change = code();
    change.world.head(TRAINING, "rel-1", 'd');
    change.world.head(TRAINING, "rel-2", 'e');
    change
}

fn merged(change: &mut Change) -> &mut Change {
    change.view.is_open = false;
    change.change().merged = Some(sha('f'));
    change
}

/// The next look, with these effects there.
fn next(change: &Change, state: Pull, outcomes: &[(&str, Outcome)]) -> Act<Pull> {
    let mut given = given(Some(state), vec![]);
    given.outcomes = outcomes
        .iter()
        .map(|(key, outcome)| ((*key).to_owned(), outcome.clone()))
        .collect();
    change.step(&given)
}

fn proposed(pr: u64) -> Outcome {
    Outcome {
        state: EffectState::Done,
        result: EffectResult::Proposed {
            pr: PrNumber(pr),
            commit: sha('9'),
        },
    }
}

#[track_caller]
fn check(act: &Act<Pull>, want: Expect) {
    let lines: Vec<String> = done(act)
        .lines()
        .filter(|line| !line.starts_with("wake "))
        .map(str::to_owned)
        .collect();
    want.assert_eq(&lines.join("\n"));
}

#[test]
fn a_promise_is_kept_after_the_merge() {
    let mut change = released();
    change.view.labels = vec!["kind/bug".to_owned(), "other".to_owned()];
    change.says("walt", "/cherrypick rel-1");
    let open = change.look();
    check(
        &open,
        expect!["reply on #7: @walt: once this is merged, a pull request brings it to `rel-1`."],
    );
    let act = next(merged(&mut change), open.state, &[]);
    check(
        &act,
        expect!["propose [rel-1] Change on cherry-pick-7-to-rel-1"],
    );
    let key = "pick:1:7:rel-1";
    let handed = next(&change, act.state.clone(), &[(key, proposed(30))]);
    check(
        &handed,
        expect![[r#"
        edit assignees +walt
        edit labels +kind/bug"#]],
    );
    assert_eq!(handed.state.picks, [], "that was all");
    let waiting = Outcome {
        state: EffectState::Intended,
        result: EffectResult::Nothing,
    };
    let still = next(&change, act.state, &[(key, waiting)]);
    assert_eq!(done(&still), "", "not twice");
}

#[test]
fn several_branches_follow_one_another() {
    let mut change = released();
    merged(&mut change).says("walt", "/cherry-pick rel-1 rel-2");
    let act = change.look();
    check(
        &act,
        expect![[r#"
        react to 1
        propose [rel-1] Change on cherry-pick-7-to-rel-1"#]],
    );
    let first = ("pick:1:7:rel-1", proposed(30));
    let mut copy = pull_view(TRAINING, 30, "cherry-pick-7-to-rel-1", ('d', '9'));
    let query = Query::Pull(TRAINING, PrNumber(30));
    change
        .world
        .tell(query.clone(), Answer::Pull(Some(copy.clone())));
    let open = next(&change, act.state, std::slice::from_ref(&first));
    assert_eq!(open.state.picks.len(), 1, "it waits");
    assert!(!done(&open).contains("rel-2"));
    copy.is_open = false;
    change
        .world
        .tell(query.clone(), Answer::Pull(Some(copy.clone())));
    let gone = next(&change, open.state.clone(), std::slice::from_ref(&first));
    assert_eq!(gone.state.picks, [], "closed without a merge ends it");
    copy.change.as_mut().expect("a change").merged = Some(sha('8'));
    change.world.tell(query, Answer::Pull(Some(copy)));
    let follows = next(&change, open.state, std::slice::from_ref(&first));
    assert_eq!(follows.look_again_ms, Some(NOW_MS));
    check(
        &next(&change, follows.state, &[first]),
        expect!["propose [rel-2] Change on cherry-pick-7-to-rel-2"],
    );
}

#[test]
fn what_cannot_be_picked_is_told() {
    let told = |picked: Picked| {
        let mut change = released();
        change.world.tell(
            Query::Picked(TRAINING, sha('f'), sha('d')),
            Answer::Picked(picked),
        );
        merged(&mut change).says("walt", "/cherrypick rel-1");
        let act = change.look();
        assert_eq!(act.state.picks, []);
        done(&act)
    };
    let conflict = told(Picked::Conflict(vec!["a.py".to_owned()]));
    expect!["reply on #7: this was not brought to `rel-1`: it conflicts in `a.py`; by hand, on a branch from it: `git cherry-pick -m 1 fffffff`"]
        .assert_eq(conflict.lines().last().unwrap_or_default());
    let cannot = told(Picked::Cannot(
        "the branch has all of it already".to_owned(),
    ));
    assert!(cannot.contains("has all of it already"), "{cannot}");
    let mut change = released();
    change.world.tell(
        Query::Head(TRAINING, BranchName::parse("nope").unwrap()),
        Answer::Head(None),
    );
    merged(&mut change).says("walt", "/cherrypick nope");
    assert!(done(&change.look()).contains("there is no such branch"));
    let refused = Outcome {
        state: EffectState::Refused,
        result: EffectResult::Refused {
            reason: "no".to_owned(),
        },
    };
    let mut change = released();
    merged(&mut change).says("walt", "/cherrypick rel-1");
    let act = change.look();
    let act = next(&change, act.state, &[("pick:1:7:rel-1", refused)]);
    assert!(done(&act).contains("GitHub says: no"), "{}", done(&act));
    assert_eq!(act.state.picks, []);
}

#[test]
fn only_who_may_write_and_only_what_may_be_merged() {
    let mut change = released();
    change.world.may(TRAINING, "mallory", Permission::Read);
    change.says("mallory", "/cherrypick rel-1");
    change.says("walt", "/cherrypick main");
    change.says("walt", "/cherrypick");
    let act = change.look();
    assert_eq!(act.state.picks, []);
    check(
        &act,
        expect![[r#"
        reply on #7: `/cherrypick` is for people who may write in this repository
        reply on #7: it goes to `main` anyway
        reply on #7: `/cherrypick` needs the name of a branch. Usage: `/cherrypick <branch>...`"#]],
    );
    let mut closed = released();
    closed.view.is_open = false;
    closed.says("walt", "/cherrypick rel-1");
    let act = closed.look();
    check(
        &act,
        expect!["reply on #7: it was closed without a merge; there is nothing to pick"],
    );
    // A promise of what is then closed is void.
    let mut change = released();
    change.says("walt", "/cherrypick rel-1");
    let open = change.look();
    change.view.is_open = false;
    assert_eq!(next(&change, open.state, &[]).state.picks, []);
}

#[test]
fn a_label_asks_for_the_same_when_it_is_merged_or_put_on_later() {
    let mut change = released();
    change.view.labels = vec!["cherrypick/rel-1".to_owned()];
    let open = change.look();
    assert_eq!(open.state.picks, []);
    let act = next(merged(&mut change), open.state, &[]);
    check(
        &act,
        expect!["propose [rel-1] Change on cherry-pick-7-to-rel-1"],
    );
    let later = change.again(
        Some(Pull {
            is_open: false,
            ..act.state.clone()
        }),
        vec![],
    );
    assert_eq!(later.state.picks.len(), 1, "no second one");
    // What was merged long ago is left alone, until somebody puts the label on.
    let old = Pull {
        is_open: false,
        picks: Vec::new(),
        ..act.state
    };
    assert_eq!(change.again(Some(old.clone()), vec![]).state.picks, []);
    let hint = Hint::Labeled {
        label: "cherrypick/rel-1".to_owned(),
        by: login("walt"),
        head: sha('b'),
        is_on: true,
    };
    assert_eq!(change.again(Some(old), vec![hint]).state.picks.len(), 1);
}

#[test]
fn a_copy_that_is_closed_wakes_what_it_came_from() {
    let mut copy = released();
    copy.change().branch = branch("cherry-pick-5-to-rel-1");
    merged(&mut copy);
    let wakes = copy.look().wakes;
    let source = crate::subject::SubjectKey::Pull(TRAINING, PrNumber(5));
    assert!(wakes.iter().any(|wake| wake.subject == source), "{wakes:?}");
    copy.change().head_repo = Some(crate::name::RepoId(77));
    let wakes = copy.look().wakes;
    assert!(
        !wakes.iter().any(|wake| wake.subject == source),
        "of a fork"
    );
}
