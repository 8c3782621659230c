//! Commands in comments: heard at the door, answered on the pull request.

use crate::harness::run_test;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn help_is_answered_once_and_a_slip_gets_a_suggestion() {
    run_test(async |t| {
        t.push(
            "tiny-service",
            "linus",
            "doc",
            "Say more",
            &[("README.md", "more\n")],
        )
        .await;
        let pr = t
            .open_pull("tiny-service", "linus", "doc", "Say more")
            .await;
        t.say("tiny-service", "grace", pr, "/help").await;
        t.say("tiny-service", "grace", pr, "/aprove").await;
        t.settle().await;
        let said = t.bot_says("tiny-service", pr).await;
        assert_eq!(
            said.iter()
                .filter(|body| body.contains("/rollback"))
                .count(),
            1,
            "{said:#?}"
        );
        assert_eq!(
            said.iter()
                .filter(|body| body.contains("did you mean `/approve`"))
                .count(),
            1,
            "{said:#?}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quoted_command_is_not_heard() {
    run_test(async |t| {
        t.push(
            "tiny-service",
            "linus",
            "doc",
            "Say more",
            &[("README.md", "more\n")],
        )
        .await;
        let pr = t
            .open_pull("tiny-service", "linus", "doc", "Say more")
            .await;
        t.settle().await;
        let before = t.bot_says("tiny-service", pr).await.len();
        t.say("tiny-service", "grace", pr, "> /help\n\n```\n/help\n```")
            .await;
        t.settle().await;
        assert_eq!(t.bot_says("tiny-service", pr).await.len(), before);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_are_heard_wherever_people_write() {
    run_test(async |t| {
        let repo = "tiny-service";
        t.branch(repo, "linus", "doc", &[("README.md", "more\n")])
            .await;
        let body = json!({"title": "Doc", "head": "doc", "base": "main", "body": "More.\n\n/hold for rita"});
        let opened = t
            .api("linus", "POST", &format!("/repos/ada/{repo}/pulls"), Some(body))
            .await;
        let pr = opened["number"].as_u64().expect("a number");
        let line = t.say_on_line(repo, "grace", pr, "/lgtm").await;
        t.send_review(repo, "ada", pr, json!({"event": "COMMENT", "body": "/approve\n/help"}))
            .await;
        t.settle().await;
        assert!(!t.is_merged(repo, pr).await);
        assert!(t.status(repo, pr).await.contains("held by linus"));
        assert_eq!(t.reactions(repo, &format!("issues/{pr}")).await, 1);
        assert_eq!(t.reactions(repo, &format!("pulls/comments/{line}")).await, 1);
        assert_eq!(t.told(repo, pr, "/rollback").await, 1, "the review is answered");

        let path = format!("/repos/ada/{repo}/pulls/{pr}");
        t.api("linus", "PATCH", &path, Some(json!({"body": "More."})))
            .await;
        t.settle().await;
        assert!(!t.is_merged(repo, pr).await, "an edit takes nothing back");
        t.say_on_line(repo, "rita", pr, "/unhold").await;
        t.until_merged(repo, pr).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_of_an_issue_is_heard() {
    run_test(async |t| {
        let repo = "tiny-service";
        let path = format!("/repos/ada/{repo}/issues");
        let body = json!({"title": "How?", "body": "/help"});
        let issue = t.api("mallory", "POST", &path, Some(body)).await;
        let number = issue["number"].as_u64().expect("a number");
        t.settle().await;
        assert_eq!(t.told(repo, number, "/rollback").await, 1);
        let path = format!("{path}/{number}");
        t.api("ada", "PATCH", &path, Some(json!({"body": "/hlep"})))
            .await;
        t.say(repo, "ada", number, "Look above.").await;
        t.settle().await;
        assert_eq!(t.told(repo, number, "did you mean").await, 0);
    })
    .await;
}
