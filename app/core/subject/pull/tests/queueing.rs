//! Turns: who goes first into a branch, how, and what blocks it.

use super::*;
use crate::effect::{Effect, EffectResult, MergeMethod, Outcome};
use crate::subject::{Given, SubjectKey};
use crate::training::spec::Trust;
use expect_test::expect;

/// Everybody has agreed.
fn agreed() -> Change {
    let mut change = Change::code();
    change.says("rita", "/lgtm").says("root", "/approve");
    change
}

/// Another pull request in the pool, ready so long before.
pub(super) fn other(number: u64, before_ms: i64) -> (PrNumber, Ready) {
    let ready = Ready {
        head: sha('c'),
        base: branch("main"),
        priority: 0,
        attempts: 0,
        since_ms: NOW_MS - before_ms,
        at_ms: NOW_MS,
        is_merging: false,
        is_tested: false,
        trust: Trust::Trusted,
        overridden: Vec::new(),
        forgets_ms: 0,
    };
    (PrNumber(number), ready)
}

pub(super) fn pool(change: &mut Change, others: &[(PrNumber, Ready)]) {
    let query = Query::Pool(change.id, branch("main"));
    change.world.tell(query, Answer::Pool(others.to_vec()));
}

fn method(act: &Act<Pull>) -> Option<MergeMethod> {
    act.intents.iter().find_map(|intent| match &intent.effect {
        Effect::Merge { method, .. } => Some(*method),
        _ => None,
    })
}

fn turn(act: &Act<Pull>) -> String {
    let mut rules = act.state.rules.iter();
    let found = rules.find(|rule| rule.name == "its turn");
    found.map(|rule| rule.detail.clone()).unwrap_or_default()
}

fn woken(act: &Act<Pull>) -> Vec<u64> {
    let pulls = act.wakes.iter().filter_map(|wake| match wake.subject {
        SubjectKey::Pull(_, number) => Some(number.0),
        _ => None,
    });
    pulls.collect()
}

/// The next look, with this outcome of the merge tried before.
fn after(change: &Change, act: &Act<Pull>, outcome: Option<Outcome>) -> Act<Pull> {
    let mut given: Given<Pull> = given(Some(act.state.clone()), vec![]);
    let key = format!("merge:1:7:bbbbbbb:{}", act.state.tries);
    given.outcomes.extend(outcome.map(|outcome| (key, outcome)));
    change.step(&given)
}

#[test]
fn one_merges_and_the_others_wait_for_their_turn() {
    let merging = |mut other: (PrNumber, Ready)| {
        other.1.is_merging = true;
        other
    };
    let urgent = |mut other: (PrNumber, Ready)| {
        other.1.priority = 1;
        other
    };
    let refused = |mut other: (PrNumber, Ready)| {
        other.1.attempts = 1;
        other
    };
    let forgotten = |mut other: (PrNumber, Ready)| {
        other.1.at_ms = NOW_MS - 3_600_000;
        other
    };
    for (others, wanted) in [
        (vec![], ""),
        (vec![other(8, -1)], ""),
        (vec![other(8, 0)], ""),
        (vec![other(6, 0)], "after #6"),
        (vec![other(8, 1)], "after #8"),
        (vec![merging(other(8, -1))], "after #8 (merging)"),
        (
            vec![other(3, 9), merging(other(8, -1))],
            "after #8 (merging), #3",
        ),
        (vec![urgent(other(8, -1))], "after #8"),
        (vec![refused(other(8, 1))], ""),
        (vec![forgotten(other(8, 1))], ""),
        (vec![forgotten(merging(other(8, 1)))], ""),
        (
            (1..6).map(|number| other(number, 1)).collect(),
            "after #1, #2, #3 and 2 more",
        ),
    ] {
        let mut change = agreed();
        pool(&mut change, &others);
        let act = change.look();
        assert_eq!(turn(&act), wanted, "{others:?}");
        assert_eq!(method(&act).is_some(), wanted.is_empty(), "{others:?}");
        let ready = act.state.ready.expect("a place");
        assert_eq!(ready.is_merging, wanted.is_empty());
    }
}

#[test]
fn what_github_calls_blocked_waits_or_is_tried_as_the_repository_wants() {
    let wait =
        "Unmet a rule of the branch asks for more, such as a review or a resolved conversation";
    let tried = "Met GitHub calls it blocked; merging is tried, for the App may pass the rule by";
    for (policy, was_blocked, is_blocked, wanted, merges) in [
        ("", true, true, tried, true),
        ("permit", true, true, tried, true),
        ("ignore", true, true, "", true),
        ("block", true, true, wait, false),
        ("block", false, false, "", true),
        // What was kept is from before: it is read again, and a merge waits for the next look.
        ("block", true, false, "", true),
        ("block", false, true, "", false),
        ("permit", false, true, "", true),
    ] {
        let mut change = agreed();
        if !policy.is_empty() {
            let text = format!("{TRAINING_TEXT}chatops: {{github_blocked: {policy}}}\n");
            change.world.contract(TRAINING, 'a', &text);
        }
        // People's words are taken in; GitHub computes still.
        change.change().is_mergeable = None;
        let before = change.look().state;
        change.change().is_mergeable = Some(true);
        let view = |is_blocked: bool| {
            let mut view = change.view.clone();
            view.change.as_mut().expect("a change").is_blocked = is_blocked;
            Answer::Pull(Some(view))
        };
        let (kept, now) = (view(was_blocked), view(is_blocked));
        let number = change.view.number;
        let mut world = change.world();
        world.tell(Query::KeptPull(TRAINING, number), kept);
        world.tell(Query::Pull(TRAINING, number), now);
        let act = change.step_in(&world, &given(Some(before), vec![]));
        let mut rules = act.state.rules.iter();
        let rule = rules.find(|rule| rule.name == "not blocked at GitHub");
        let told = rule.map_or_else(String::new, |rule| {
            format!("{:?} {}", rule.state, rule.detail)
        });
        let case = format!("{policy} {was_blocked} {is_blocked}");
        assert_eq!(
            (told.as_str(), method(&act).is_some()),
            (wanted, merges),
            "{case}"
        );
        if wanted == wait {
            assert_eq!(act.state.ready, None, "{case}");
            assert!(act.look_again_ms.is_some(), "{case}");
        }
    }
}

#[test]
fn urgent_goes_first() {
    let mut change = agreed();
    change.view.labels = vec!["priority/critical-urgent".to_owned()];
    pool(&mut change, &[other(6, 1)]);
    assert!(method(&change.look()).is_some());
}

#[test]
fn a_place_is_kept_while_github_computes_and_lost_by_a_rule() {
    let mut change = agreed();
    pool(&mut change, &[other(6, 1)]);
    let act = change.look();
    let since_ms = act.state.ready.as_ref().map(|ready| ready.since_ms);
    assert_eq!(woken(&act), Vec::<u64>::new());
    change.change().is_mergeable = None;
    let computing = after(&change, &act, None);
    let ready = computing.state.ready.as_ref();
    assert_eq!(ready.map(|ready| ready.since_ms), since_ms);
    change.change().is_mergeable = Some(false);
    let conflict = after(&change, &act, None);
    assert_eq!(
        (conflict.state.ready.clone(), woken(&conflict)),
        (None, vec![6])
    );
    // Who had no place leaves none.
    assert_eq!(woken(&after(&change, &conflict, None)), Vec::<u64>::new());
}

#[test]
fn those_behind_look_when_one_landed_or_was_refused() {
    let mut change = agreed();
    let act = change.look();
    pool(&mut change, &[other(8, -1)]);
    let landed = EffectResult::Merged {
        commit: sha('f'),
        tree: sha('e'),
    };
    assert_eq!(woken(&after(&change, &act, Some(done(landed)))), [8]);
    let waiting = after(&change, &act, Some(refused("no")));
    assert_eq!(
        (waiting.state.ready.clone(), woken(&waiting)),
        (None, vec![8])
    );
    // Back again, it goes behind those that nobody refused.
    let mut given: Given<Pull> = given(Some(waiting.state), vec![]);
    given.now_ms += 15_000;
    assert_eq!(turn(&change.step(&given)), "after #8");
    pool(&mut change, &[]);
    let again = change.step(&given);
    assert_eq!(method(&again), Some(MergeMethod::Merge));
    assert_eq!(again.state.ready.map(|ready| ready.attempts), Some(1));
}

#[test]
fn a_label_says_how_and_two_say_nothing() {
    let mut change = agreed();
    change.view.labels = vec!["merge/squash".to_owned()];
    assert_eq!(method(&change.look()), Some(MergeMethod::Squash));
    change.view.labels.push("merge/rebase".to_owned());
    assert_eq!(method(&change.look()), None);
    expect!["Unmet one way to merge: `merge/squash` and `merge/rebase` ask for different ones; take off all but one"]
        .assert_eq(&change.rule("one way"));
    let text = format!("{TRAINING_TEXT}chatops: {{merge_method: rebase, compatibility: prow}}\n");
    change.world.contract(TRAINING, 'a', &text);
    change.view.labels.clear();
    assert_eq!(method(&change.look()), Some(MergeMethod::Rebase));
    change.view.labels = vec!["tide/merge-method-merge".to_owned()];
    assert_eq!(method(&change.look()), Some(MergeMethod::Merge));
    // The merge commit of a proposal is its record.
    let mut proposal = Change::proposal();
    proposal.says("rita", "/lgtm").says("mia", "/approve");
    proposal.view.labels = vec!["merge/squash".to_owned()];
    assert_eq!(method(&proposal.look()), Some(MergeMethod::Merge));
}

#[test]
fn an_open_blocker_keeps_a_branch_still() {
    let blocked = |issues: &[(u64, &str)]| {
        let mut change = agreed();
        let issues = issues
            .iter()
            .map(|(number, title)| (PrNumber(*number), (*title).to_owned()));
        let query = Query::Blockers(TRAINING, "merge-blocker".to_owned());
        change.world.tell(query, Answer::Blockers(issues.collect()));
        change
    };
    assert!(method(&blocked(&[(3, "Down branch:dev")]).look()).is_some());
    let change = blocked(&[(3, "Down branch:dev"), (4, "Down\n`all`"), (5, "Down")]);
    let act = change.look();
    assert_eq!(method(&act), None);
    assert!(
        act.state.ready.is_some_and(|ready| !ready.is_merging),
        "it looks again once the branch is free"
    );
    expect![
        "Unmet branch not blocked: #4 (Down `all`) is open and labelled `merge-blocker`, and 1 more"
    ]
    .assert_eq(&change.rule("branch not"));
}
