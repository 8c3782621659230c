//! Which push a word was said to.

use super::*;
use expect_test::expect;

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
