//! Commands that change the issue or pull request itself: people, labels, milestones, titles, and whether it is open.

use crate::harness::{World, run_test};
use serde_json::{Value, json};

const REPO: &str = "tiny-service";

impl World {
    /// An issue of somebody; says its number.
    async fn open_issue(&self, who: &str, body: &str) -> u64 {
        let path = format!("/repos/ada/{REPO}/issues");
        let body = json!({"title": "Wrong digits", "body": body});
        let issue = self.api(who, "POST", &path, Some(body)).await;
        issue["number"].as_u64().expect("a number")
    }

    async fn issue(&self, number: u64) -> Value {
        let path = format!("/repos/ada/{REPO}/issues/{number}");
        self.api("ada", "GET", &path, None).await
    }

    async fn make_label(&self, name: &str) {
        let path = format!("/repos/ada/{REPO}/labels");
        let body = json!({"name": name, "color": "ededed"});
        self.api("ada", "POST", &path, Some(body)).await;
    }
}

fn names(list: &Value, field: &str) -> Vec<String> {
    let all = list.as_array().expect("a list").iter();
    all.map(|one| one[field].as_str().expect("a name").to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issue_is_sorted_assigned_and_closed_by_words() {
    run_test(async |t| {
        for label in ["kind/bug", "needs-kind", "priority/high"] {
            t.make_label(label).await;
        }
        let path = format!("/repos/ada/{REPO}/milestones");
        t.api("ada", "POST", &path, Some(json!({"title": "v1"})))
            .await;
        let number = t
            .open_issue("mallory", "Look.\n\n/kind bug\n/priority high")
            .await;
        t.settle().await;
        assert_eq!(
            names(&t.issue(number).await["labels"], "name"),
            ["kind/bug", "priority/high"]
        );
        assert_eq!(t.reactions(REPO, &format!("issues/{number}")).await, 1);

        let done = t
            .say(
                REPO,
                "mallory",
                number,
                "/remove-kind bug\n/assign @linus @rita\n/unassign @rita\n/lifecycle stale",
            )
            .await;
        t.say(
            REPO,
            "linus",
            number,
            "/milestone v1\n/retitle Digits are wrong",
        )
        .await;
        t.settle().await;
        let issue = t.issue(number).await;
        let mut labels = names(&issue["labels"], "name");
        labels.sort();
        assert_eq!(labels, ["lifecycle/stale", "needs-kind", "priority/high"]);
        assert_eq!(names(&issue["assignees"], "login"), ["linus"]);
        assert_eq!(issue["milestone"]["title"], "v1");
        assert_eq!(issue["title"], "Digits are wrong");
        assert_eq!(
            t.reactions(REPO, &format!("issues/comments/{done}")).await,
            1
        );
        assert_eq!(
            t.bot_says(REPO, number).await,
            Vec::<String>::new(),
            "success is silent"
        );

        t.say(REPO, "rita", number, "/close not-planned").await;
        t.settle().await;
        let issue = t.issue(number).await;
        assert_eq!(
            (&issue["state"], &issue["state_reason"]),
            (&json!("closed"), &json!("not_planned"))
        );
        t.say(REPO, "mallory", number, "/reopen").await;
        t.settle().await;
        assert_eq!(t.issue(number).await["state"], "open");
        t.say(
            REPO,
            "mallory",
            number,
            "/retitle Mine\n/milestone clear\n/lgtm",
        )
        .await;
        t.settle().await;
        assert_eq!(
            t.told(REPO, number, "`/retitle` is for people who may write")
                .await,
            1
        );
        assert_eq!(
            t.bot_says(REPO, number).await.len(),
            1,
            "one reply for one comment"
        );
        assert_eq!(t.issue(number).await["title"], "Digits are wrong");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reviewers_are_asked_for_and_whom_github_refuses_is_told() {
    run_test(async |t| {
        let pr = t
            .change(REPO, "linus", "doc", &[("README.md", "more\n")])
            .await;
        t.say(REPO, "mallory", pr, "/cc @grace").await;
        t.say(REPO, "mallory", pr, "/cc @mallory").await;
        t.settle().await;
        assert_eq!(
            names(&t.pr(REPO, pr).await["requested_reviewers"], "login"),
            ["grace"]
        );
        assert_eq!(
            t.told(REPO, pr, "Reviews may only be requested from collaborators")
                .await,
            1
        );
        t.say(REPO, "grace", pr, "/uncc").await;
        t.say(REPO, "grace", pr, "/why").await;
        t.settle().await;
        assert_eq!(
            names(&t.pr(REPO, pr).await["requested_reviewers"], "login"),
            Vec::<String>::new()
        );
        assert_eq!(t.told(REPO, pr, "What is missing").await, 1);
        t.say(REPO, "linus", pr, "/close").await;
        t.settle().await;
        assert_eq!(t.pr(REPO, pr).await["state"], "closed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_override_lets_a_red_context_pass_and_lapses_with_the_base() {
    run_test(async |t| {
        t.require(REPO, json!({"context": "legal"})).await;
        let pr = t
            .change(REPO, "linus", "doc", &[("README.md", "more\n")])
            .await;
        t.say(REPO, "grace", pr, "/lgtm").await;
        t.say(REPO, "grace", pr, "/override legal").await;
        t.settle().await;
        assert_eq!(
            t.told(REPO, pr, "`/override` is for administrators").await,
            1
        );
        t.say(REPO, "ada", pr, "/override legal").await;
        t.settle().await;
        assert!(t.status(REPO, pr).await.contains("overridden by ada"));
        t.pull(REPO, "main").await;
        t.push(REPO, "ada", "main", "Elsewhere", &[("notes.md", "note\n")])
            .await;
        t.say(REPO, "ada", pr, "/approve").await;
        t.settle().await;
        assert!(!t.is_merged(REPO, pr).await);
        assert!(t.status(REPO, pr).await.contains("for an older base"));
        t.say(REPO, "ada", pr, "/override-sticky legal").await;
        t.until_merged(REPO, pr).await;
    })
    .await;
}
