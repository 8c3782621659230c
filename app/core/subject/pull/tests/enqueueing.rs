//! Branches that GitHub's own queue merges into.

use super::*;
use crate::effect::{Effect, EffectResult, Outcome};
use crate::subject::Given;
use expect_test::expect;

/// Everybody has agreed, and the branch has a queue.
fn agreed() -> Change {
    let mut change = Change::code();
    change.says("rita", "/lgtm").says("root", "/approve");
    let query = Query::MergeQueue(change.id, branch("main"));
    change.world.tell(query, Answer::Flag(true));
    change
}

fn place(change: &mut Change, position: Option<u64>) {
    let entry = position.map(|position| QueueEntry {
        position,
        state: "AWAITING_CHECKS".to_owned(),
    });
    let query = Query::QueueEntry(change.id, PrNumber(7));
    change.world.tell(query, Answer::QueueEntry(entry));
}

/// What is intended for the queue or a merge.
fn moves(act: &Act<Pull>) -> Vec<String> {
    let moves = act
        .intents
        .iter()
        .filter_map(|intent| match &intent.effect {
            Effect::Enqueue { is_in, .. } => Some(format!("{is_in} {}", intent.key)),
            Effect::Merge { .. } => Some("merge".to_owned()),
            _ => None,
        });
    moves.collect()
}

fn rule(act: &Act<Pull>) -> String {
    let mut rules = act.state.rules.iter();
    let found = rules.find(|rule| rule.name == "GitHub's merge queue");
    found
        .map(|rule| format!("{:?}: {}", rule.state, rule.detail))
        .unwrap_or_default()
}

/// The next look, so much later, the queue having answered so.
fn after(change: &Change, act: &Act<Pull>, ms: i64, outcome: Option<Outcome>) -> Act<Pull> {
    let mut given: Given<Pull> = given(Some(act.state.clone()), vec![]);
    given.now_ms += ms;
    let turn = act.state.enqueued.as_ref().map_or(0, |queued| queued.turn);
    let key = format!("enqueue:1:7:bbbbbbb:{turn}");
    given.outcomes.extend(outcome.map(|outcome| (key, outcome)));
    change.step(&given)
}

fn taken() -> Option<Outcome> {
    Some(done(EffectResult::Nothing))
}

#[test]
fn it_is_put_in_once_and_shown() {
    let mut change = agreed();
    let act = change.look();
    assert_eq!(moves(&act), ["true enqueue:1:7:bbbbbbb:0"]);
    assert_eq!(act.state.ready, None, "GitHub makes the order");
    expect!["Waiting: it is being put in"].assert_eq(&rule(&act));
    let act = after(&change, &act, 0, taken());
    assert_eq!(moves(&act), Vec::<String>::new());
    expect!["Waiting: it is in; its place is not shown yet"].assert_eq(&rule(&act));
    place(&mut change, Some(3));
    let act = after(&change, &act, 0, taken());
    expect!["Waiting: at place 3: awaiting checks"].assert_eq(&rule(&act));
}

#[test]
fn a_refused_merge_tells_of_a_queue_that_no_rule_shows() {
    let mut change = agreed();
    let query = Query::MergeQueue(change.id, branch("main"));
    change.world.tell(query, Answer::Flag(false));
    let act = change.look();
    assert_eq!(moves(&act), ["merge"]);
    let mut given: Given<Pull> = given(Some(act.state.clone()), vec![]);
    let words = "Repository rule violations found. Changes must be made through the merge queue";
    given
        .outcomes
        .insert("merge:1:7:bbbbbbb:0".to_owned(), refused(words));
    assert_eq!(moves(&change.step(&given)), ["true enqueue:1:7:bbbbbbb:0"]);
}

#[test]
fn what_github_takes_out_is_put_in_once_more_and_then_told() {
    let mut change = agreed();
    place(&mut change, Some(1));
    let act = after(&change, &change.look(), 0, taken());
    place(&mut change, None);
    // Its answer may be an old one.
    let lag = after(&change, &act, 9_000, taken());
    expect!["Waiting: it is in; its place is not shown yet"].assert_eq(&rule(&lag));
    let out = after(&change, &act, 10_000, taken());
    expect!["Waiting: GitHub took it out again; it is put in once more"].assert_eq(&rule(&out));
    assert_eq!(
        moves(&after(&change, &out, 69_999, taken())),
        Vec::<String>::new()
    );
    let again = after(&change, &out, 70_000, None);
    assert_eq!(moves(&again), ["true enqueue:1:7:bbbbbbb:1"]);
    let last = after(&change, &again, 70_000, Some(refused("No")));
    expect!["Unmet: GitHub says: No, 2 times; push what it needs, or put it in by hand"]
        .assert_eq(&rule(&last));
    let later = after(&change, &last, 86_400_000, Some(refused("No")));
    assert_eq!((moves(&later), rule(&later)), (vec![], rule(&last)));
}

#[test]
fn a_hold_takes_it_out_and_its_end_puts_it_in() {
    let mut change = agreed();
    place(&mut change, Some(1));
    let act = after(&change, &change.look(), 0, taken());
    change.says("ada", "/hold");
    let held = after(&change, &act, 1_000, taken());
    assert_eq!(moves(&held), ["false enqueue:1:7:bbbbbbb:1"]);
    assert_eq!(
        moves(&after(&change, &held, 2_000, taken())),
        Vec::<String>::new()
    );
    change.says("ada", "/unhold");
    let again = after(&change, &held, 3_000, taken());
    assert_eq!(moves(&again), ["true enqueue:1:7:bbbbbbb:2"]);
}

#[test]
fn what_github_merged_is_held_against_its_head() {
    let mut change = agreed();
    place(&mut change, Some(1));
    let act = after(&change, &change.look(), 0, taken());
    change.view.is_open = false;
    change.change().merged = Some(sha('f'));
    let landed = after(&change, &act, 1_000, taken());
    assert_eq!(landed.state.landed, Some(sha('f')));
    assert!(!told(&landed).contains("alarm"));
    let tree = Query::MergeTree(change.id, sha('f'), sha('f'));
    change.world.tell(tree, Answer::MergeTree(Some(sha('9'))));
    assert!(told(&after(&change, &act, 1_000, taken())).contains("alarm"));
    // What a person merged by hand, or out of the queue, is none of ours.
    let mut by_hand = act.clone();
    by_hand.state.enqueued = None;
    let landed = after(&change, &by_hand, 1_000, None);
    assert!(!told(&landed).contains("alarm"));
    assert_eq!(landed.state.landed, Some(sha('f')));
}

#[test]
fn whatever_is_waited_for_takes_it_out_but_that_github_computes() {
    for (is_computing, is_retested, is_out) in [
        (false, false, false),
        (true, false, false),
        (false, true, true),
    ] {
        let mut change = agreed();
        let act = change.look();
        place(&mut change, Some(1));
        let act = after(&change, &act, 1_000, taken());
        assert_eq!(moves(&act), Vec::<String>::new());
        if is_computing {
            change.change().is_mergeable = None;
        }
        if is_retested {
            change.ran('b', What::Check(slug("unit")), Phase::Running);
        }
        let act = after(&change, &act, 2_000, taken());
        let out = moves(&act).iter().any(|one| one.starts_with("false"));
        assert_eq!(out, is_out, "{is_computing} {is_retested}");
    }
}
