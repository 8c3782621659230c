//! Files of OWNERS with something wrong in them.

use super::*;
use crate::effect::Effect;
use expect_test::expect;
use serde_json::json;

#[test]
fn a_change_of_owners_must_be_readable_and_those_of_the_base_are_told() {
    const RULE: &str = "OWNERS can be read";
    const LABEL: &str = "do-not-merge/invalid-owners-file";
    let good = ("", "approvers: [root]\nreviewers: [rita]\n");
    let mut change = Change::code();
    assert!(!change.rules().contains(RULE));
    change.files(&[("lib/OWNERS", 'b')]);
    change
        .world
        .owners(TRAINING, 'b', &[good, ("lib", "approvers: [mia]\n")]);
    ruling::check(
        &change,
        RULE,
        expect!["Met OWNERS can be read: nothing is wrong in the files it changes"],
    );
    assert!(!told(&change.look()).contains(LABEL));
    // What is wrong in a file that it does not touch is not its fault.
    let broken = ("docs", "aprovers: [mia]\n");
    change.world.owners(TRAINING, 'b', &[good, broken]);
    assert!(change.rule(RULE).starts_with("Met"));
    change.world.owners(
        TRAINING,
        'b',
        &[good, ("lib", "aprovers: [mia]\nreviewers: 7\n")],
    );
    ruling::check(
        &change,
        RULE,
        expect![
            "Unmet OWNERS can be read: `lib/OWNERS` line 1: unknown key `aprovers` in OWNERS, did you mean `approvers`? (allowed: approvers, reviewers, required_reviewers, labels, emeritus_approvers, emeritus_reviewers, options, filters) (and 1 more)"
        ],
    );
    assert!(told(&change.look()).contains(LABEL));

    let beyond = Answer::Owners(crate::owners::Owners::beyond(5));
    change.world.tell(Query::Owners(TRAINING, sha('b')), beyond);
    assert!(
        change
            .rule(RULE)
            .starts_with("Unmet OWNERS can be read: `OWNERS` line 1: there are more")
    );
    let mut change = Change::code();
    let status = |change: &Change| status_data(&change.look());
    assert!(status(&change)["owners"].is_null());
    let all = [
        good,
        ("docs", "aprovers: [mia]\n"),
        ("a", "x: 1\n"),
        ("b", "x: 1\n"),
    ];
    let more = [("c", "x: 1\n"), ("d", "x: 1\n"), ("e", "x: 1\n")];
    change
        .world
        .owners(TRAINING, 'a', &[&all[..], &more[..]].concat());
    let told = status(&change)["owners"].clone();
    assert_eq!(told["shown"].as_array().map(Vec::len), Some(5), "{told}");
    assert_eq!((&told["more"], &told["base"]), (&json!(1), &json!("main")));
    assert_eq!(told["shown"][0]["path"], "docs/OWNERS");
}

#[test]
fn where_nobody_can_approve_the_rule_says_why() {
    let mut change = Change::code();
    change.says("root", "/approve");
    assert!(change.rule("approved").starts_with("Met"));
    let beyond = Answer::Owners(crate::owners::Owners::beyond(5));
    change.world.tell(Query::Owners(TRAINING, sha('a')), beyond);
    let rule = change.rule("approved");
    assert!(
        rule.starts_with("Unmet approved: `OWNERS` line 1: there are more"),
        "{rule}"
    );
}

/// The text of `CODEOWNERS`, and how the approval of its owner and of who may write stands.
#[test]
fn code_owners_beyond_the_limits_close_and_a_change_to_such_does_not_merge() {
    let many = "* @ann\n".repeat(10_001);
    for (text, by, want) in [
        ("* @ann\n", "ann", "Met"),
        ("* @ann\n", "walt", "Unmet"),
        (many.as_str(), "ann", "Unmet"),
        (many.as_str(), "walt", "Unmet"),
        (many.as_str(), "root", "Unmet"),
    ] {
        let mut change = editing::code();
        change.world.code_owners(TRAINING, 'a', text);
        change.says(by, "/approve");
        let rule = change.rule("approved");
        assert!(rule.starts_with(want), "{by}: {rule}");
        let told = status_data(&change.look())["owners"].to_string();
        assert_eq!(told.contains("nobody can approve"), text == many, "{told}");
    }
    for (text, want) in [("* @ann\n", "Met"), (many.as_str(), "Unmet")] {
        let mut change = Change::code();
        change.files(&[("CODEOWNERS", 'b')]);
        change.world.code_owners(TRAINING, 'a', "* @ann\n");
        change.world.code_owners(TRAINING, 'b', text);
        let rule = change.rule("OWNERS can be read");
        assert!(rule.starts_with(want), "{rule}");
    }
}

/// What the status comment is made of.
fn status_data(act: &crate::subject::Act<Pull>) -> serde_json::Value {
    let status = act.intents.iter().find_map(|intent| match &intent.effect {
        Effect::StatusComment { text, .. } => Some(text.data.clone()),
        _ => None,
    });
    status.expect("a status comment")
}
