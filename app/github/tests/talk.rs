//! Comments, labels, reactions, checks, deployments.

use super::{plain, reply, retry, sha};
use crate::github::fake::{Fake, Fault, repo};
use bowsprit_core::effect::{
    Annotation, CheckRun, CheckStatus, Deployment, DeploymentState, Effect, EffectResult,
};
use bowsprit_core::name::{CommentId, PrNumber, RepoPath};
use serde_json::json;
use std::collections::BTreeSet;

#[tokio::test]
async fn reply_is_one_for_each_key_and_a_copied_mark_is_not_ours() {
    let fake = Fake::start().await;
    fake.apply("k", reply("a")).await.unwrap();
    fake.apply("k", reply("a")).await.unwrap();
    assert_eq!(fake.world().comments.len(), 1);
    fake.world().comments[0]["user"] = json!({"login": "mallory", "type": "User"});
    fake.apply("k", reply("a")).await.unwrap();
    fake.apply("l", reply("a")).await.unwrap();
    assert_eq!(fake.world().comments.len(), 3);
}

#[tokio::test]
async fn status_comment_is_edited_in_place_and_only_when_it_differs() {
    let fake = Fake::start().await;
    let status = |message: &str| Effect::StatusComment {
        repo: repo(),
        pr: PrNumber(3),
        text: plain(message),
    };
    for message in ["a", "a", "b", "b"] {
        fake.apply("status", status(message)).await.unwrap();
    }
    assert_eq!(fake.world().comments.len(), 1);
    assert_eq!(
        fake.world().comments[0]["body"],
        "<!-- bowsprit:status -->\nb\n"
    );
    assert_eq!(fake.count("PATCH /repos/o/r/issues/comments/1"), 1);
}

fn check(status: CheckStatus, title: &str) -> Effect {
    let path = RepoPath::parse("bowsprit.yaml").unwrap();
    Effect::CheckRun(Box::new(CheckRun {
        repo: repo(),
        sha: sha("head"),
        name: "train".to_owned(),
        external_id: "r1".to_owned(),
        status,
        title: title.to_owned(),
        summary: plain("s"),
        annotations: vec![
            Annotation {
                path,
                line: 0,
                message: "bad".to_owned()
            };
            60
        ],
        page: "/runs/r1".to_owned(),
        started_ms: 1_700_000_000_123,
        completed_ms: Some(1_700_000_001_000),
    }))
}

#[tokio::test]
async fn check_run_is_looked_for_unless_it_was_never_tried() {
    let fake = Fake::start().await;
    let looks = "GET /repos/o/r/commits/";
    for (is_first, looked, made) in [(true, 0, 1), (false, 1, 1)] {
        let queued = check(CheckStatus::Queued, "queued");
        fake.try_to(("c", is_first), queued).await.unwrap();
        assert_eq!(
            (fake.count(looks), fake.world().checks.len()),
            (looked, made)
        );
    }
    let fake = Fake::start().await;
    fake.fail("POST /repos/o/r/check-runs", Fault::After(500));
    for (is_first, looked, is_good) in [(true, 0, false), (false, 1, true)] {
        let queued = check(CheckStatus::Queued, "queued");
        let done = fake.try_to(("c", is_first), queued).await;
        assert_eq!((fake.count(looks), done.is_ok()), (looked, is_good));
        assert_eq!(fake.world().checks.len(), 1, "an answer was lost");
    }
}

#[tokio::test]
async fn check_run_is_adopted_by_its_external_id() {
    let fake = Fake::start().await;
    fake.fail("POST /repos/o/r/check-runs", Fault::After(500));
    assert!(retry(
        &fake
            .apply("c", check(CheckStatus::InProgress, "at work"))
            .await
            .unwrap_err()
    ));
    for (status, title) in [
        (CheckStatus::InProgress, "at work"),
        (CheckStatus::Failure, "no"),
        (CheckStatus::Failure, "no"),
    ] {
        fake.apply("c", check(status, title)).await.unwrap();
    }
    let world = fake.world();
    assert_eq!(world.checks.len(), 1);
    let run = &world.checks[0];
    assert_eq!(
        (&run["status"], &run["conclusion"]),
        (&json!("completed"), &json!("failure"))
    );
    assert_eq!(run["details_url"], "https://bot.example/runs/r1");
    assert_eq!(run["started_at"], "2023-11-14T22:13:20Z");
    let sent: Vec<_> = world
        .bodies
        .iter()
        .filter_map(|body| body["output"]["annotations"].as_array())
        .collect();
    // The fake does not keep the count over a PATCH; what counts is that no request holds more than fifty.
    assert!(sent.iter().all(|list| list.len() == 50));
    assert_eq!(sent[0][0]["start_line"], 1);
}

#[tokio::test]
async fn labels_of_others_stay() {
    let fake = Fake::start().await;
    fake.world().labels = vec!["theirs".to_owned(), "lgtm".to_owned()];
    let set = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<BTreeSet<_>>()
    };
    let effect = || Effect::Labels {
        repo: repo(),
        pr: PrNumber(3),
        set: set(&["approved"]),
        managed: set(&["approved", "lgtm", "hold"]),
        found: set(&["lgtm"]),
    };
    fake.apply("l", effect()).await.unwrap();
    fake.apply("l", effect()).await.unwrap();
    assert_eq!(fake.world().labels, ["theirs", "approved"]);
    assert_eq!(
        fake.count("GET /repos/o/r/issues/3/labels"),
        0,
        "it is known what is on"
    );
}

#[tokio::test]
async fn deployment_is_one_for_each_generation_with_the_newest_status() {
    let fake = Fake::start().await;
    let deployment = |generation: u64, state: DeploymentState| {
        Effect::Deployment(Box::new(Deployment {
            repo: repo(),
            commit: sha("base"),
            environment: "production".to_owned(),
            release: "rel".to_owned(),
            generation,
            state,
            description: "ö".repeat(100),
            url: Some("https://x".to_owned()),
            transient: false,
        }))
    };
    for state in [
        DeploymentState::InProgress,
        DeploymentState::InProgress,
        DeploymentState::Success,
        DeploymentState::Success,
    ] {
        fake.apply("d", deployment(1, state)).await.unwrap();
    }
    {
        let world = fake.world();
        assert_eq!((world.deployments.len(), world.statuses.len()), (1, 2));
        let sent = &world.deployments[0]["sent"];
        assert_eq!(
            (&sent["auto_merge"], &sent["required_contexts"]),
            (&json!(false), &json!([]))
        );
        assert_eq!(world.statuses[1]["state"], "success");
    }
    fake.apply("d2", deployment(2, DeploymentState::InProgress))
        .await
        .unwrap();
    assert_eq!(fake.world().deployments.len(), 2);
}

#[tokio::test]
async fn reaction_to_what_is_gone_is_no_failure() {
    let fake = Fake::start().await;
    fake.fail(
        "POST /repos/o/r/issues/comments/8/reactions",
        Fault::Instead(404, vec![], json!({"message": "Not Found"})),
    );
    let effect = Effect::React {
        repo: repo(),
        comment: CommentId::Comment(8),
        content: "eyes".to_owned(),
    };
    assert_eq!(fake.apply("r", effect).await, Ok(EffectResult::Nothing));
}
