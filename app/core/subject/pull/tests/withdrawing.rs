//! Since when a rule stands as it does, and a merge that is taken back before it happened.

use super::landing::{after, agreed, merge, status};
use super::*;
use crate::effect::{EffectResult, EffectState, Outcome};
use crate::subject::Given;

#[test]
fn a_rule_has_the_date_since_when_it_stands_as_it_does() {
    let since = |act: &Act<Pull>, name: &str| {
        let rule = act.state.rules.iter().find(|rule| rule.name == name);
        rule.map(|rule| (rule.state, rule.since_ms - NOW_MS))
    };
    let mut change = Change::code();
    let first = change.look();
    assert_eq!(since(&first, "lgtm"), Some((Standing::Unmet, 0)));
    let still = after(&change, &first, 60_000, None);
    assert_eq!(since(&still, "lgtm"), Some((Standing::Unmet, 0)));
    change.says("rita", "/lgtm");
    let met = after(&change, &still, 120_000, None);
    assert_eq!(since(&met, "lgtm"), Some((Standing::Met, 120_000)));
    // What an older program stored has no date: it is known since now.
    let mut old = met;
    old.state
        .rules
        .iter_mut()
        .for_each(|rule| rule.since_ms = 0);
    let now = after(&change, &old, 180_000, None);
    assert_eq!(since(&now, "lgtm"), Some((Standing::Met, 180_000)));
}

#[test]
fn a_merge_that_waits_is_taken_back_by_whatever_keeps_it_from_merging() {
    let outcome = |state, result| Outcome { state, result };
    let merged = EffectResult::Merged {
        commit: sha('d'),
        tree: sha('e'),
    };
    let waits = outcome(EffectState::Intended, EffectResult::Nothing);
    let first = "merge:1:7:bbbbbbb:0";
    let look = |change: &Change, act: &Act<Pull>, outcomes: &[(&str, &Outcome)]| {
        let mut given: Given<Pull> = given(Some(act.state.clone()), vec![]);
        let outcomes = outcomes
            .iter()
            .map(|(key, one)| ((*key).to_owned(), (*one).clone()));
        given.outcomes.extend(outcomes);
        change.step(&given)
    };
    let mut change = agreed();
    let wanted = change.look();
    assert_eq!(
        merge(&wanted).map(|intent| intent.key.as_str()),
        Some(first)
    );
    let still = look(&change, &wanted, &[(first, &waits)]);
    assert_eq!(still.withdrawn, Vec::<String>::new());
    change.says("rita", "/hold");
    // One that is over cannot be taken back.
    let over = outcome(EffectState::Done, merged);
    assert_eq!(
        look(&change, &wanted, &[(first, &over)]).withdrawn,
        Vec::<String>::new()
    );
    let held = look(&change, &wanted, &[(first, &waits)]);
    assert_eq!(
        (held.withdrawn.as_slice(), merge(&held)),
        ([first.to_owned()].as_slice(), None)
    );
    let refused = EffectResult::Refused {
        reason: "it is not wanted any more".to_owned(),
    };
    let gone = outcome(EffectState::Refused, refused);
    let again = look(&change, &held, &[(first, &gone)]);
    assert_eq!(again.withdrawn, Vec::<String>::new());
    change.says("rita", "/unhold");
    let act = look(&change, &again, &[(first, &gone)]);
    let second = merge(&act).map(|intent| intent.key.as_str());
    assert_eq!(second, Some("merge:1:7:bbbbbbb:0:1"));
    assert_eq!(status(&act)["refusal"], serde_json::Value::Null);
    // It was on its way when it was taken back, and landed.
    let act = look(&change, &held, &[(first, &over)]);
    assert_eq!(
        (act.state.landed.clone(), merge(&act)),
        (Some(sha('d')), None)
    );
}

#[test]
fn a_refusal_belongs_to_its_head() {
    let mut change = agreed();
    let act = change.look();
    let mut waiting = after(&change, &act, 0, Some(refused("no")));
    change.change().head = sha('d');
    change.world.contract(TRAINING, 'd', TRAINING_TEXT);
    change
        .world
        .changes(TRAINING, ('a', 'd'), &[("train.py", 'd')]);
    waiting.state.tries = 0;
    let next = after(&change, &waiting, 0, Some(refused("no")));
    assert_eq!(status(&next)["refusal"], serde_json::Value::Null);
    assert_eq!((next.state.tries, next.state.refused_ms), (0, None));
}
