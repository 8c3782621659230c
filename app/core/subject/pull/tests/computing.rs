//! While GitHub has not said whether a change can be merged.

use super::landing::{agreed, merge};
use super::*;
use crate::subject::Given;

/// A change of which GitHub says nothing yet, and which merges here or not.
fn unsaid(mut change: Change, merges_here: bool) -> Change {
    change.change().is_mergeable = None;
    change.world.tell(
        Query::MergeTree(TRAINING, sha('a'), sha('b')),
        Answer::MergeTree(merges_here.then(|| sha('e'))),
    );
    change
}

#[test]
fn github_is_asked_again_only_where_its_word_is_wanted() {
    const COMPUTING: &str = "Waiting no conflict: GitHub is still computing";
    for (change, merges_here, rule) in [
        (Change::code(), true, ""),
        (Change::code(), false, COMPUTING),
        (agreed(), true, COMPUTING),
        (agreed(), false, COMPUTING),
    ] {
        let change = unsaid(change, merges_here);
        assert_eq!(change.rule("no conflict"), rule, "{merges_here}");
        let act = change.look();
        assert_eq!(merge(&act), None);
        assert_eq!(
            act.look_again_ms,
            (!rule.is_empty()).then_some(NOW_MS + 2_000)
        );
    }
}

#[test]
fn a_github_that_never_says_is_asked_to_merge() {
    for (merges_here, after_ms, is_tried) in [
        (true, 59_999, false),
        (true, 60_000, true),
        (false, 60_000, false),
    ] {
        let change = unsaid(agreed(), merges_here);
        let first = change.look();
        let later = |act: &Act<Pull>, ms: i64| {
            let mut given: Given<Pull> = given(Some(act.state.clone()), vec![]);
            given.now_ms += ms;
            change.step(&given)
        };
        let act = later(&first, after_ms);
        assert_eq!(merge(&act).is_some(), is_tried, "{merges_here} {after_ms}");
        // It is asked ever more seldom, and what was tried stays tried.
        let again = act.look_again_ms.map(|at| at - NOW_MS - after_ms);
        assert_eq!(again, (!is_tried).then_some(after_ms));
        let act = later(&act, after_ms + 1_000);
        assert_eq!(merge(&act).is_some(), merges_here);
    }
}
