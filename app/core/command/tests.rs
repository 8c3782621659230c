mod acting;

use super::*;
use crate::habits::{Compatibility, Habits};

/// As our own habits take it.
fn in_own(body: &str) -> Vec<Heard> {
    hear(body, &Habits::of(Compatibility::Own))
}
use proptest::prelude::*;

/// What is heard in a body, one line each: `line: command` or `line: ? reason`.
#[track_caller]
fn check(body: &str, expected: &[&str]) {
    let heard: Vec<String> = in_own(body)
        .into_iter()
        .map(|heard| match heard.command {
            Ok(Command::Say(command)) => format!("{}: {command:?}", heard.line),
            Ok(Command::OnChange(command)) => format!("{}: {command:?}", heard.line),
            Ok(Command::OnThread(command)) => format!("{}: {command:?}", heard.line),
            Err(misheard) => format!("{}: ? {}", heard.line, misheard.reason),
        })
        .collect();
    assert_eq!(heard, expected, "{body:?}");
}

#[test]
fn commands_stand_at_the_start_of_a_line_of_plain_text() {
    check("/lgtm", &["1: Lgtm"]);
    check(
        "Looks good.\n/lgtm\n/approve",
        &["2: Lgtm", "3: Approve { sha: None, no_issue: false }"],
    );
    check(
        "Looks good.\r\n\r\n/lgtm \r\n/hold cancel\t\r\n",
        &["3: Lgtm", "4: Unhold"],
    );
    check(
        "/lgtm\n\n---\n\n/retest\n",
        &["1: Lgtm", "5: Retest { required_only: false }"],
    );
    check(
        "*soft* text\n/retest",
        &["2: Retest { required_only: false }"],
    );
    check(" /lgtm", &[]);
    check("please /lgtm", &[]);
    check("\\/lgtm", &[]);
    check("&#47;lgtm", &[]);
    check("", &[]);
}

#[test]
fn words_of_others_are_not_commands() {
    check("> /lgtm", &[]);
    check("> quoted\n/lgtm", &[]);
    check("> quoted\n\n/lgtm", &["3: Lgtm"]);
    check("- /lgtm\n- /hold", &[]);
    check("- item\n/lgtm", &[]);
    check("1. /lgtm", &[]);
    check("# /lgtm", &[]);
    check("/lgtm\n===", &[]);
    check("/lgtm\n---", &[]);
    check("```\n/lgtm\n```", &[]);
    check("~~~text\n/lgtm\n~~~\n/hold", &["4: Hold { reason: None }"]);
    check("```\n/lgtm", &[]);
    check("    /lgtm", &[]);
    check("\t/lgtm", &[]);
    check("`/lgtm`", &[]);
    check("a `code\n/lgtm` b", &[]);
    check("<!-- /lgtm -->", &[]);
    check("<!--\n/lgtm\n-->", &[]);
    check("text <!--\n/lgtm\n--> text", &[]);
    check("<details>\n/lgtm\n</details>", &[]);
    check("<pre>\n\n/lgtm\n\n</pre>", &[]);
    check("[/lgtm](https://example.org)", &[]);
    check("[a\n/lgtm](https://example.org)", &[]);
    check("*a\n/lgtm*", &[]);
    check("**/lgtm**", &[]);
    check("| a |\n|---|\n| /lgtm |\n", &[]);
    check("| a |\n|---|\n/lgtm\n", &[]);
    check("[^1]: note\n/lgtm\n\n[^1]", &[]);
}

#[test]
fn hidden_parts_of_a_line_do_not_count() {
    check("/lgtm <!-- cancel -->", &["1: Lgtm"]);
    check(
        "/hold <!-- cancel --> for now",
        &["1: Hold { reason: Some(\"for now\") }"],
    );
    check(
        "/train A=a*b*c B=x_y_z",
        &["1: Train { params: {\"A\": \"a*b*c\", \"B\": \"x_y_z\"} }"],
    );
    check("/lgtm\\\n/hold", &["1: Lgtm", "2: Hold { reason: None }"]);
}

#[test]
fn lgtm_and_approve_take_what_they_say() {
    check("/LGTM", &["1: Lgtm"]);
    check("/lgtm no-issue", &["1: Lgtm"]);
    check(
        "/lgtm cancel\n/remove-lgtm\n/Lgtm CANCEL",
        &["1: LgtmCancel", "2: LgtmCancel", "3: LgtmCancel"],
    );
    check(
        "/lgtm please",
        &["1: ? `/lgtm` takes no argument but `cancel`"],
    );
    check(
        "/Approve\n/approve no-issue",
        &[
            "1: Approve { sha: None, no_issue: false }",
            "2: Approve { sha: None, no_issue: true }",
        ],
    );
    check(
        "/approve 4F2A91C",
        &["1: Approve { sha: Some(\"4f2a91c\"), no_issue: false }"],
    );
    check(
        "/approve cancel\n/remove-approve",
        &["1: ApproveCancel", "2: ApproveCancel"],
    );
    for rest in ["4f2a91", "don't cancel", "looks fine", &"a".repeat(41)] {
        check(
            &format!("/approve {rest}"),
            &["1: ? `/approve` takes nothing, `cancel`, or a commit of 7 to 40 hex digits"],
        );
    }
    check(
        "/remove-approve now",
        &["1: ? `/remove-approve` takes no argument"],
    );
}

#[test]
fn hold_keeps_its_reason() {
    check("/hold", &["1: Hold { reason: None }"]);
    check(
        "/hold until *Monday*",
        &["1: Hold { reason: Some(\"until *Monday*\") }"],
    );
    check(
        "/hold cancel now\n/HOLD  Cancel\n/unhold\n/remove-hold please",
        &["1: Unhold", "2: Unhold", "3: Unhold", "4: Unhold"],
    );
    check("/hold\ncancel", &["1: Hold { reason: None }"]);
    check(
        "/hold cancelled?",
        &["1: Hold { reason: Some(\"cancelled?\") }"],
    );
}

#[test]
fn tests_are_named_in_lower_case_words() {
    check(
        "/test unit, lint unit\n/test all",
        &[
            "1: Test { names: [\"unit\", \"lint\"] }",
            "2: Test { names: [\"all\"] }",
        ],
    );
    check(
        "/test bowsprit/service",
        &["1: Test { names: [\"bowsprit/service\"] }"],
    );
    check("/test", &["1: Tests { why: None }"]);
    check("/test ?", &["1: Tests { why: None }"]);
    check(
        "/test `unit`",
        &["1: ? `'unit'` is not the name of a check"],
    );
    check(
        "/TEST unit",
        &["1: ? `/TEST` is not a command, this one is written in lower case"],
    );
    check(
        "/retest\n/retest-required\n/test-manual-required",
        &[
            "1: Retest { required_only: false }",
            "2: Retest { required_only: true }",
            "3: TestByHand",
        ],
    );
    check(
        "/retest unit",
        &["1: Tests { why: Some(\"`/retest` takes no argument; `/test <name>` runs one check\") }"],
    );
    check(
        "/ok-to-test\n/ok-to-test abcdef1",
        &[
            "1: OkToTest { sha: None }",
            "2: OkToTest { sha: Some(\"abcdef1\") }",
        ],
    );
    check(
        "/ok-to-test cancel",
        &[
            "1: ? `/ok-to-test` is for one head and ends with the next push; `/cancel` stops what runs",
        ],
    );
    check(
        "/ok-to-test please",
        &["1: ? `/ok-to-test` takes a commit of 7 to 40 hex digits"],
    );
}

#[test]
fn train_takes_keys_and_values() {
    check("/train", &["1: Train { params: {} }"]);
    check(
        "/train lr=0.1 name='a b' x.y= z==",
        &["1: Train { params: {\"lr\": \"0.1\", \"name\": \"a b\", \"x.y\": \"\", \"z\": \"=\"} }"],
    );
    check("/train fast", &["1: ? `fast` is not `key=value`"]);
    check(
        "/train 1x=2",
        &["1: ? `1x` is not a key: letters, digits, `_` and `.`, first a letter or `_`"],
    );
    check("/train a=1 a=2", &["1: ? `a` is given twice"]);
    check("/train a='1", &["1: ? a quote is not closed"]);
    check(
        &format!("/train a={}", "x".repeat(201)),
        &["1: ? the value of `a` has more than 200 characters or control characters"],
    );
    assert!(
        in_own(&format!("/train a={}", "x".repeat(200)))[0]
            .command
            .is_ok()
    );
}

#[test]
fn promotions_and_rollbacks_name_an_environment() {
    let production = "Slug(\"production\")";
    check(
        "/promote production",
        &[&format!(
            "1: Promote {{ environment: {production}, version: None }}"
        )],
    );
    check(
        "/promote production v8",
        &[&format!(
            "1: Promote {{ environment: {production}, version: Some(VersionRef {{ model: None, number: 8 }}) }}"
        )],
    );
    check(
        "/promote",
        &["1: ? `/promote` needs the name of an environment"],
    );
    check(
        "/promote Production",
        &["1: ? `Production` is not the name of an environment"],
    );
    check(
        "/promote production 0",
        &["1: ? `0` is not a version such as `8` or `digits/v8`"],
    );
    check(
        "/promote production +1",
        &["1: ? `+1` is not a version such as `8` or `digits/v8`"],
    );
    check(
        "/promote a 1 2",
        &["1: ? `/promote` takes an environment and a version, nothing more"],
    );
    check(
        "/rollback production --model-only 7",
        &[&format!(
            "1: Rollback {{ environment: {production}, version: Some(VersionRef {{ model: None, number: 7 }}), model_only: true }}"
        )],
    );
    check(
        "/rollback production",
        &[&format!(
            "1: Rollback {{ environment: {production}, version: None, model_only: false }}"
        )],
    );
    check(
        "/rollback production --force",
        &["1: ? `/rollback` knows one option, `--model-only`"],
    );
    check(
        "/supersede\n/cancel\n/help",
        &["1: Supersede", "2: Cancel", "3: Help"],
    );
    check("/cancel all", &["1: ? `/cancel` takes no argument"]);
}

#[test]
fn slips_are_answered_and_foreign_words_are_not() {
    for (slip, meant) in [
        ("/ltgm", "/lgtm"),
        ("/aprove", "/approve"),
        ("/retset", "/retest"),
        ("/lgtm.", "/lgtm"),
        ("/rolback x", "/rollback"),
        ("/unhodl", "/unhold"),
        ("/removehold", "/remove-hold"),
        ("/oktotest", "/ok-to-test"),
    ] {
        let heard = in_own(slip);
        let suggestion = heard
            .first()
            .and_then(|heard| heard.command.as_ref().err())
            .and_then(|misheard| misheard.suggestion);
        assert_eq!(suggestion, Some(meant), "{slip}");
    }
    for foreign in [
        "/rebase",
        "/lable x",
        "/wh",
        "/clone",
        "/skips",
        "/etc/hosts",
        "/tmp",
        "/",
        "//",
        "/ lgtm",
        "/best",
        "/rest/api",
        "/run",
        "/merge",
        "/deploy",
        "/sync",
    ] {
        check(foreign, &[]);
    }
}

#[test]
fn a_comment_has_at_most_twenty_commands() {
    let heard = in_own(&"/lgtm\n".repeat(100));
    assert_eq!(heard.len(), COMMANDS_MAX);
    assert!(speaks(&heard) && !speaks(&in_own("thanks")));
    assert_eq!(
        in_own(&format!("{}\n\n/lgtm", "é".repeat(BODY_BYTES_MAX))),
        []
    );
}

#[test]
fn every_entry_is_complete_and_its_example_works() {
    let names: Vec<&str> = help(&Habits::default())
        .iter()
        .map(|entry| entry.name)
        .collect();
    for entry in help(&Habits::default()) {
        assert_eq!(entry.words.first(), Some(&entry.name));
        assert!(entry.usage.starts_with(entry.name) && entry.example.starts_with(entry.name));
        let heard = in_own(entry.example);
        assert!(
            matches!(&heard[..], [Heard { command: Ok(_), .. }]),
            "{}",
            entry.name
        );
        assert!(help_markdown().contains(&format!("\n## {}\n", entry.name)));
    }
    let words: Vec<&str> = TABLE
        .iter()
        .flat_map(|entry| entry.words.iter().copied())
        .collect();
    let distinct: std::collections::BTreeSet<&str> = words.iter().copied().collect();
    assert_eq!((words.len(), names.len()), (distinct.len(), TABLE.len()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hearing_any_text_ends_without_panic(body in "([\\PC\n\t]|/lgtm|/test |/train a=|```|<!--|> ){0,40}") {
        for heard in in_own(&body) {
            prop_assert!(body.lines().nth(heard.line - 1).is_some_and(|line| line.starts_with('/')));
        }
    }

    #[test]
    fn nothing_is_heard_in_fences_quotes_and_comments(lines in prop::collection::vec("(/lgtm|/hold x|/approve|text|)", 0..8)) {
        let block = lines.join("\n");
        prop_assert_eq!(in_own(&format!("~~~\n{block}\n~~~\n")), vec![]);
        prop_assert_eq!(in_own(&format!("text\n\n```sh\n{block}\n```\n")), vec![]);
        prop_assert_eq!(in_own(&format!("<!--\n{block}\n-->\n")), vec![]);
        let quoted: String = lines.iter().map(|line| format!("> {line}\n")).collect();
        prop_assert_eq!(in_own(&quoted), vec![]);
        let indented: String = lines.iter().map(|line| format!("    {line}\n")).collect();
        prop_assert_eq!(in_own(&indented), vec![]);
    }
}
