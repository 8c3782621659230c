//! Commands in comments: heard at the door, answered on the pull request.

use crate::harness::run_test;

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
