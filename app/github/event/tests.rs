use super::*;
use serde_json::{Value, json};

macro_rules! recorded {
    ($name:literal) => {
        include_str!(concat!("../../../tests/it/data/github/", $name, ".json"))
    };
}

/// The body with members replaced, each named by its pointer.
fn with(body: &str, changes: &[(&str, Value)]) -> Vec<u8> {
    let mut value: Value = serde_json::from_str(body).unwrap();
    for (pointer, new) in changes {
        *value.pointer_mut(pointer).unwrap() = new.clone();
    }
    value.to_string().into_bytes()
}

#[track_caller]
fn check(event: &str, body: &str, changes: &[(&str, Value)], want: &str) {
    let seen = seen(event, &with(body, changes)).unwrap();
    let text = serde_json::to_value(&seen[0]).unwrap().to_string();
    assert_eq!(text, want, "{event} {changes:?}");
}

const ZEROS: &str = "0000000000000000000000000000000000000000";

#[test]
fn pushes_are_of_branches() {
    let repo = r#"{"id":186853002,"name":"Codertocat/Hello-World"}"#;
    let push = |head: &str| {
        format!(r#"{{"Push":{{"branch":"master","by":"Codertocat","head":{head},"repo":{repo}}}}}"#)
    };
    let head = "\"6113728f27ae82c7b1a177c8d03f9e96e0adf246\"";
    check("push", recorded!("push"), &[], &push(head));
    check(
        "push",
        recorded!("push"),
        &[("/after", json!(ZEROS))],
        &push("null"),
    );
    check("push", recorded!("push-tag"), &[], "\"Nothing\"");
    for hostile in [
        "refs/heads/-x",
        "refs/heads/a b",
        "refs/heads/a\nb",
        "refs/heads/",
    ] {
        check(
            "push",
            recorded!("push"),
            &[("/ref", json!(hostile))],
            "\"Nothing\"",
        );
    }
}

#[test]
fn pull_requests_tell_when_they_were_pushed() {
    let pull = |pushed: &str, said: &str| {
        format!(
            r#"{{"Pull":{{"by":"Codertocat","labeled":null,"number":2,"pushed":{pushed},"repo":{{"id":186853002,"name":"Codertocat/Hello-World"}},"said":{said}}}}}"#
        )
    };
    let at = |ms: i64, said: &str| {
        let head = format!("[\"ec26c3e57ca3a959ca5aad62de7213c562f8c821\",{ms}]");
        pull(&head, said)
    };
    let opened = r#"{"body":"This is a pretty simple change that we need to pull into master.","id":"description-2"}"#;
    let body = recorded!("pull_request");
    check("pull_request", body, &[], &at(1_557_933_633_000, "null"));
    check(
        "pull_request",
        body,
        &[
            ("/action", json!("opened")),
            ("/pull_request/created_at", json!("2019-05-15T15:20:32Z")),
        ],
        &at(1_557_933_632_000, opened),
    );
    check(
        "pull_request",
        body,
        &[("/action", json!("labeled"))],
        &pull("null", "null"),
    );
    // Nobody says when: then no time is made up.
    for when in [json!(null), json!(1_557_933_633), json!("yesterday")] {
        let fields = [("/pull_request/updated_at", when)];
        check("pull_request", body, &fields, &pull("null", "null"));
    }
}

#[test]
fn talk_is_heard_wherever_it_is() {
    let talk = |number: u64, said: &str| {
        format!(
            r#"{{"Talk":{{"number":{number},"repo":{{"id":186853002,"name":"Codertocat/Hello-World"}},"said":{said}}}}}"#
        )
    };
    let comment = recorded!("issue_comment");
    check("issue_comment", comment, &[], &talk(1, "null"));
    let issue = recorded!("issues");
    let opened = [("/issue/body", json!("/kind bug"))];
    let said = r#"{"body":"/kind bug","id":"description-1"}"#;
    check("issues", issue, &opened, &talk(1, said));
    // It may block merges now, or no longer; who works on it does not matter.
    let place = r#"{"Issue":{"repo":{"id":186853002,"name":"Codertocat/Hello-World"}}}"#;
    check("issues", issue, &[("/action", json!("labeled"))], place);
    check("issues", issue, &[("/action", json!("closed"))], place);
    check(
        "issues",
        issue,
        &[("/action", json!("assigned"))],
        "\"Nothing\"",
    );
    // Only what was just written is taken as it was written.
    let review = recorded!("pull_request_review");
    let body = [("/review/body", json!("/lgtm"))];
    let said = r#"{"body":"/lgtm","id":"review-237895671"}"#;
    check("pull_request_review", review, &body, &talk(2, said));
    let edited = [("/action", json!("edited"))];
    check("pull_request_review", review, &edited, &talk(2, "null"));
    let diff = recorded!("pull_request_review_comment");
    let said = r#"{"body":"Maybe you should use more emoji on this line.","id":"diff-284312630"}"#;
    check("pull_request_review_comment", diff, &[], &talk(2, said));
    check(
        "pull_request_review_comment",
        diff,
        &edited,
        &talk(2, "null"),
    );
}

#[test]
fn what_a_bot_writes_or_labels_is_nothing_to_look_at() {
    let bot = json!({"login": "bowsprit[bot]", "type": "Bot"});
    for (event, body, author) in [
        ("issue_comment", recorded!("issue_comment"), "/comment/user"),
        (
            "pull_request_review",
            recorded!("pull_request_review"),
            "/review/user",
        ),
        (
            "pull_request_review_comment",
            recorded!("pull_request_review_comment"),
            "/comment/user",
        ),
    ] {
        check(event, body, &[(author, bot.clone())], "\"Nothing\"");
    }
    let body = recorded!("pull_request");
    let by_bot = |action: &str| [("/action", json!(action)), ("/sender", bot.clone())];
    check("pull_request", body, &by_bot("labeled"), "\"Nothing\"");
    check("pull_request", body, &by_bot("unlabeled"), "\"Nothing\"");
    let seen = seen("pull_request", &with(body, &by_bot("synchronize"))).unwrap();
    assert!(
        matches!(
            &seen[..],
            [Seen::Pull {
                pushed: Some(_),
                ..
            }]
        ),
        "a push by a bot counts"
    );
}

#[test]
fn checks_are_run_again_or_looked_at() {
    let ours = [("/check_run/external_id", json!("r1"))];
    let rerun = r#"{"Rerun":{"by":"octocat","repo":{"id":526,"name":"github/hello-world"},"run":["r1","randscape"],"sha":"d6fde92930d4715a2b49857d24b940956b26d2d3"}}"#;
    check(
        "check_run",
        recorded!("check_run-rerequested"),
        &ours,
        rerun,
    );
    check(
        "check_run",
        recorded!("check_run-rerequested"),
        &[],
        "\"Nothing\"",
    );
    let at = r#""repo":{"id":186853002,"name":"Codertocat/Hello-World"}"#;
    let sha = r#""sha":"ec26c3e57ca3a959ca5aad62de7213c562f8c821""#;
    let context = format!(r#"{{"Context":{{{at},{sha}}}}}"#);
    check("check_run", recorded!("check_run-completed"), &[], &context);
    let all = format!(r#"{{"Rerun":{{"by":"octocoders-linter[bot]",{at},"run":null,{sha}}}}}"#);
    check("check_suite", recorded!("check_suite"), &[], &all);
    check(
        "check_suite",
        recorded!("check_suite"),
        &[("/action", json!("completed"))],
        "\"Nothing\"",
    );
    let status = r#"{"Context":{"repo":{"id":186853002,"name":"Codertocat/Hello-World"},"sha":"6113728f27ae82c7b1a177c8d03f9e96e0adf246"}}"#;
    check("status", recorded!("status"), &[], status);
}

#[test]
fn button_of_ours_runs_again_and_another_does_not() {
    let press = |identifier: &str| {
        let mut body: Value = serde_json::from_str(recorded!("check_run-rerequested")).unwrap();
        body["action"] = json!("requested_action");
        body["check_run"]["external_id"] = json!("r1");
        body["requested_action"] = json!({"identifier": identifier});
        seen("check_run", body.to_string().as_bytes()).unwrap()
    };
    assert!(
        matches!(&press(RERUN_BUTTON)[..], [Seen::Rerun { run: Some((run, _)), .. }] if run == "r1")
    );
    assert_eq!(press("merge"), [Seen::Nothing]);
}

#[test]
fn installations_and_unknown_events() {
    check(
        "installation",
        recorded!("installation"),
        &[],
        "\"Installation\"",
    );
    check(
        "installation_repositories",
        recorded!("installation_repositories"),
        &[],
        "\"Installation\"",
    );
    check(
        "repository",
        recorded!("repository"),
        &[],
        "\"Installation\"",
    );
    assert_eq!(seen("ping", b"{}"), Ok(vec![Seen::Nothing]));
    assert_eq!(seen("sponsorship", b"no json"), Ok(vec![Seen::Nothing]));
}

#[test]
fn body_under_another_name_is_refused() {
    let bodies = [
        ("push", recorded!("push")),
        ("pull_request", recorded!("pull_request")),
        ("issue_comment", recorded!("issue_comment")),
        ("check_suite", recorded!("check_suite")),
        ("status", recorded!("status")),
    ];
    for (name, _) in bodies {
        for (other, body) in bodies {
            assert_eq!(
                seen(name, body.as_bytes()).is_ok(),
                name == other,
                "{other} as {name}"
            );
        }
    }
    assert!(seen("push", b"").is_err());
    assert!(seen("push", b"[]").is_err());
}

#[test]
fn names_that_do_not_parse_mean_nothing() {
    let body = recorded!("issue_comment");
    for name in ["a/b/c", "../x", "a\n/b", ""] {
        check(
            "issue_comment",
            body,
            &[("/repository/full_name", json!(name))],
            "\"Nothing\"",
        );
    }
}
