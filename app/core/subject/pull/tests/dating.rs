//! Which push a word was said to.

use super::*;
use crate::subject::ask::Permission;
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

/// Another commit whose first digits are those of the head.
const TWIN: &str = "bbbbbbbbbbcccccccccccccccccccccccccccccc";

/// What the row says, the digits that are named, when head and twin came (after the word, in seconds; `None` where it
/// never did), and whether the head is trusted and approved then.
#[test]
fn digits_name_the_head_that_was_there_when_they_were_written() {
    let whole = "b".repeat(40);
    let rows: &[(&str, &str, i64, Option<i64>, bool)] = &[
        ("the only head", "bbbbbbb", -50, None, true),
        ("a push after the word", "bbbbbbb", 5, Some(-50), false),
        ("a push in its second", "bbbbbbb", 0, Some(-50), false),
        ("alone in its second", "bbbbbbb", 0, None, true),
        ("both were there", "bbbbbbb", -20, Some(-50), false),
        (
            "both, and enough digits",
            "bbbbbbbbbbbb",
            -20,
            Some(-50),
            true,
        ),
        ("seen after the word only", "bbbbbbb", 5, None, false),
        ("the whole name", &whole, 5, Some(-50), true),
        ("another", "ccccccc", -50, None, false),
    ];
    for (rule, digits, head_s, twin_s, want) in rows {
        for (by, word, name) in [
            ("walt", "/ok-to-test", "trusted head"),
            ("root", "/approve", "approved"),
        ] {
            let mut change = Change::code();
            if word == "/ok-to-test" {
                change.view.author = login("mallory");
                change.change().head_repo = Some(crate::name::RepoId(77));
            }
            change.says(by, &format!("{word} {digits}"));
            let mut state = change.look().state;
            let word_ms = change.comments[0].created_ms;
            let seen = |sha, after_s: i64| HeadSeen {
                sha,
                at_ms: word_ms + after_s * 1_000,
                is_first: false,
                by: None,
                change: None,
            };
            let twin = CommitSha::parse(TWIN).expect("a commit");
            state.heads = twin_s.map(|at| seen(twin, at)).into_iter().collect();
            state.heads.push(seen(sha('b'), *head_s));
            change.world.may(TRAINING, "walt", Permission::Write);
            let act = change.again(Some(state), vec![]);
            let stands = super::prow::stands(&act, name);
            let is_good = matches!(stands, "yes" | "-");
            assert_eq!(is_good, *want, "{word}: {rule}");
        }
    }
}

#[test]
fn who_named_too_few_digits_is_told_so() {
    let twin = CommitSha::parse(TWIN).expect("a commit");
    for (by, word) in [("walt", "/ok-to-test"), ("root", "/approve")] {
        let mut change = Change::code();
        change.world.may(TRAINING, "walt", Permission::Write);
        change.view.author = login("mallory");
        change.change().head_repo = Some(crate::name::RepoId(77));
        let mut state = change.look().state;
        let first = HeadSeen {
            sha: twin.clone(),
            at_ms: change.view.created_ms,
            ..state.heads[0].clone()
        };
        state.heads.insert(0, first);
        change.says(by, &format!("{word} bbbbbbb"));
        let told = told(&change.again(Some(state), vec![]));
        let want = format!(
            "several commits of this pull request begin so; give more digits: `{word} {}`",
            sha('b')
        );
        assert!(told.contains(&want), "{told}");
    }
}
