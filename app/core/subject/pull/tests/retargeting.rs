//! A pull request that goes to another branch than before, or is another change by its base: what was said and run is of
//! what it was.

use super::*;
use crate::subject::ask::{Review, ReviewState};

/// How much later than the first look. Units: milliseconds.
const LATER_MS: i64 = 10_000;

/// Agreed on `main`, and then looked at again with another base; `file` is what it changes there.
fn moved(change: &mut Change, name: &str, file: (&str, char)) -> Act<Pull> {
    let first = change.look();
    assert_eq!(standing(&first, "lgtm"), Standing::Met);
    change.change().base = branch(name);
    change.world.head(TRAINING, name, 'e');
    change.world.contract(TRAINING, 'e', TRAINING_TEXT);
    change.world.owners(TRAINING, 'e', OWNERS);
    change.world.changes(TRAINING, ('e', 'b'), &[file]);
    later(change, &first, LATER_MS)
}

fn later(change: &Change, act: &Act<Pull>, ms: i64) -> Act<Pull> {
    let mut given = given(Some(act.state.clone()), vec![]);
    given.now_ms += ms;
    change.step(&given)
}

#[track_caller]
fn standing(act: &Act<Pull>, name: &str) -> Standing {
    let rule = act.state.rules.iter().find(|rule| rule.name == name);
    rule.unwrap_or_else(|| panic!("no rule {name}")).state
}

fn agreed() -> Change {
    let mut change = Change::code();
    change.says("rita", "/lgtm").says("root", "/approve");
    change
}

#[test]
fn words_to_another_change_are_void_and_said_again() {
    for words in ["comments", "reviews of the commit", "digits"] {
        let mut change = Change::code();
        match words {
            "comments" => {
                change.says("rita", "/lgtm").says("root", "/approve");
            }
            "digits" => {
                change
                    .says("rita", "/lgtm")
                    .says("root", "/approve bbbbbbb");
            }
            _ => {
                let review = |id, by| super::review(id, by, ReviewState::Approved, 'b');
                let all: Vec<Review> = vec![review(1, "rita"), review(2, "root")];
                let query = Query::Reviews(TRAINING, PrNumber(7));
                change.world.tell(query, Answer::Reviews(all));
            }
        }
        let act = moved(&mut change, "release", ("else.py", 'b'));
        assert_eq!(standing(&act, "lgtm"), Standing::Unmet, "{words}");
        assert_eq!(standing(&act, "approved"), Standing::Unmet, "{words}");
        for (by, body) in [("rita", "/lgtm"), ("root", "/approve bbbbbbb")] {
            change.says(by, body);
            change.comments.last_mut().expect("it").created_ms = NOW_MS + 2 * LATER_MS;
        }
        let act = later(&change, &act, 3 * LATER_MS);
        assert_eq!(standing(&act, "lgtm"), Standing::Met, "{words}");
        assert_eq!(standing(&act, "approved"), Standing::Met, "{words}");
        assert_eq!(act.state.heads.len(), 2, "{words}: each change once");
    }
}

#[test]
fn words_to_an_equal_change_stand() {
    let act = moved(&mut agreed(), "release", ("train.py", 'b'));
    assert_eq!(standing(&act, "lgtm"), Standing::Met);
    assert_eq!(standing(&act, "approved"), Standing::Met);
}

#[test]
fn a_base_that_becomes_another_one_makes_another_change() {
    let mut change = agreed();
    let first = change.look();
    change
        .world
        .changes(TRAINING, ('a', 'b'), &[("more.py", 'b')]);
    let act = later(&change, &first, LATER_MS);
    assert_eq!(standing(&act, "lgtm"), Standing::Unmet);
    // Its own runs are none the worse for it.
    assert_eq!(standing(&act, "check `train`"), Standing::Met);
}

#[test]
fn what_ran_for_another_branch_runs_once_more() {
    let mut change = agreed();
    let act = moved(&mut change, "release", ("train.py", 'b'));
    assert_eq!(standing(&act, "check `train`"), Standing::Waiting);
    let wanted: Vec<&Cause> = act
        .wakes
        .iter()
        .filter_map(|wake| match &wake.hint {
            Some(Hint::RunWanted(cause)) => Some(cause),
            _ => None,
        })
        .collect();
    let mut ids: Vec<String> = wanted.iter().map(|cause| cause.run_id()).collect();
    assert!(!ids.is_empty());
    ids.retain(|id| change.runs.iter().any(|run| run.id == *id));
    assert_eq!(ids, Vec::<String>::new(), "these are over");
    let train = wanted.iter().find(|cause| cause.what == What::Train);
    let mut run = run((*train.expect("a training")).clone(), Phase::Succeeded);
    run.created_ms = NOW_MS + 2 * LATER_MS;
    change.runs.push(run);
    let act = later(&change, &act, 3 * LATER_MS);
    assert_eq!(standing(&act, "check `train`"), Standing::Met);
}
