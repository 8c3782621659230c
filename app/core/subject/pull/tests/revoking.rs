//! What was taken back stays so, and what nobody said is not implied.

use super::*;
use crate::subject::ask::{Permission, Review, ReviewState};

/// Each row: who pushed a second time, whether that made another change, and whether the author, who owns all, still approves
/// without a word, with our habits and with those of Prow.
#[test]
fn what_somebody_else_pushed_its_author_has_not_approved() {
    for (by, file, own) in [
        (Some("ada"), 'c', true),
        (Some("walt"), 'c', false),
        (Some("walt"), 'b', true),
        (None, 'c', true),
    ] {
        for prow in [false, true] {
            let mut change = Change::code();
            let preset = if prow { "prow" } else { "own" };
            let text = format!("{TRAINING_TEXT}chatops: {{compatibility: {preset}}}\n");
            change.world.contract(TRAINING, 'a', &text);
            change
                .world
                .owners(TRAINING, 'a', &[("", "approvers: [ada]")]);
            let first = change.look().state;
            change.change().head = sha('c');
            change.world.contract(TRAINING, 'c', TRAINING_TEXT);
            change
                .world
                .changes(TRAINING, ('a', 'c'), &[("train.py", file)]);
            let head = sha('c');
            let mut hints = vec![Hint::Pushed {
                head: head.clone(),
                at_ms: NOW_MS - 30_000,
            }];
            hints.extend(by.map(|by| Hint::PushedBy {
                head,
                by: login(by),
            }));
            let act = change.again(Some(first), hints);
            let later = change.again(Some(act.state), vec![]);
            let rule = later
                .state
                .rules
                .iter()
                .find(|rule| rule.name == "approved");
            let is = rule.map(|rule| rule.state) == Some(Standing::Met);
            assert_eq!(is, own || prow, "{by:?} {file} {preset}");
        }
    }
}

/// Each row: what was said and to which head, oldest first; the head is `b…` at last.
#[test]
fn what_was_taken_back_is_not_given_again_by_a_word_to_another_head() {
    for (said, is_met) in [
        (&[("rita", "/lgtm", 'b')][..], true),
        (
            &[("rita", "/lgtm", 'b'), ("walt", "/lgtm cancel", 'b')],
            false,
        ),
        (
            &[
                ("rita", "/lgtm", 'b'),
                ("walt", "/lgtm cancel", 'b'),
                ("walt", "/lgtm", 'c'),
            ],
            false,
        ),
        (
            &[
                ("rita", "/lgtm", 'b'),
                ("walt", "/lgtm cancel", 'b'),
                ("walt", "/lgtm", 'b'),
            ],
            true,
        ),
        (
            &[("walt", "/lgtm cancel", 'b'), ("rita", "/lgtm", 'b')],
            true,
        ),
    ] {
        let mut change = Change::code();
        change.world.may(TRAINING, "walt", Permission::Write);
        let first = change.look().state;
        change.change().head = sha('c');
        change.world.contract(TRAINING, 'c', TRAINING_TEXT);
        change
            .world
            .changes(TRAINING, ('a', 'c'), &[("train.py", 'c')]);
        let pushed = |head, at_ms| Hint::Pushed {
            head: sha(head),
            at_ms,
        };
        let hint = pushed('c', NOW_MS - 30_000);
        let other = change.again(Some(first), vec![hint]).state;
        change.change().head = sha('b');
        for (by, body, head) in said {
            change.says(by, body);
            change.comments.last_mut().expect("it").head = Some(sha(*head));
        }
        let hint = pushed('b', NOW_MS - 20_000);
        let act = change.again(Some(other), vec![hint]);
        let lgtm = act.state.rules.iter().find(|rule| rule.name == "lgtm");
        let is = lgtm.map(|rule| rule.state) == Some(Standing::Met);
        assert_eq!(is, is_met, "{said:?}");
    }
}

#[test]
fn a_review_that_asked_for_changes_counts_though_it_is_dismissed() {
    let mut change = Change::code();
    change.world.may(TRAINING, "walt", Permission::Write);
    change.says("rita", "/lgtm").says("root", "/approve");
    change.comments[0].created_ms -= 1_000;
    let box_of = |change: &mut Change, state| {
        let all: Vec<Review> = vec![review(9, "walt", state, 'b')];
        let query = Query::Reviews(TRAINING, PrNumber(7));
        change.world.tell(query, Answer::Reviews(all));
    };
    let lgtm = |act: &Act<Pull>| {
        let rule = act.state.rules.iter().find(|rule| rule.name == "lgtm");
        rule.map(|rule| rule.state)
    };
    box_of(&mut change, ReviewState::Dismissed);
    assert_eq!(
        lgtm(&change.look()),
        Some(Standing::Met),
        "nobody saw it ask"
    );
    box_of(&mut change, ReviewState::ChangesRequested);
    let asked = change.look();
    assert_eq!(lgtm(&asked), Some(Standing::Unmet));
    box_of(&mut change, ReviewState::Dismissed);
    let dismissed = change.again(Some(asked.state), vec![]);
    assert_eq!(lgtm(&dismissed), Some(Standing::Unmet));
    change.says("rita", "/lgtm");
    change.comments.last_mut().expect("it").created_ms = NOW_MS;
    let again = change.again(Some(dismissed.state), vec![]);
    assert_eq!(lgtm(&again), Some(Standing::Met));
}
