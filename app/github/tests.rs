use crate::github::budget::Limits;
use crate::github::error::{ApiError, Scope};
use crate::github::fake::{Fake, Fault, id, repo};
use bowsprit_core::effect::{
    Annotation, CheckRun, CheckStatus, Content, Deployment, DeploymentState, Effect, EffectResult,
    Propose, Text,
};
use bowsprit_core::name::{BranchName, CommentId, CommitSha, Digest, Login, PrNumber, RepoPath};
use bowsprit_core::subject::ask::{Context, ContextState, Permission};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

fn plain(message: &str) -> Text {
    Text::new("refusal/plain", json!({"message": message}))
}

fn sha(word: &str) -> CommitSha {
    CommitSha::parse(&id(word)).unwrap()
}

fn reply(message: &str) -> Effect {
    Effect::Reply {
        repo: repo(),
        pr: PrNumber(3),
        text: plain(message),
    }
}

fn propose(tag: Option<&str>) -> Propose {
    let file = |text: &str| RepoPath::parse(text).unwrap();
    Propose {
        repo: repo(),
        base: BranchName::parse("main").unwrap(),
        branch: BranchName::parse("bowsprit/digits").unwrap(),
        files: BTreeMap::from([
            (
                file("models/digits/manifest.json"),
                Content::Text("{}".to_owned()),
            ),
            (
                file("models/digits/plot.svg"),
                Content::Artifact(Digest::of(b"plot")),
            ),
        ]),
        tag: tag.map(str::to_owned),
        message: "Propose digits v8".to_owned(),
        title: "digits v8".to_owned(),
        body: Text::new("pr/plain", json!({"message": "hello @team"})),
        replaces: None,
    }
}

fn retry(error: &ApiError) -> bool {
    matches!(error, ApiError::Retry { .. })
}

#[tokio::test]
async fn twenty_who_need_a_token_make_one() {
    let fake = Fake::start().await;
    let main = BranchName::parse("main").unwrap();
    let place = fake.place();
    let all = futures_util::future::join_all((0..20).map(|_| place.head(&main))).await;
    assert!(all.iter().all(|head| head == &Ok(Some(sha("base")))));
    assert_eq!(fake.world().tokens, 1);
}

#[tokio::test]
async fn refused_token_is_replaced_once() {
    let fake = Fake::start().await;
    let main = BranchName::parse("main").unwrap();
    fake.fail(
        "GET /repos/o/r/git/ref",
        Fault::Instead(401, vec![], json!({"message": "Bad credentials"})),
    );
    assert_eq!(fake.place().head(&main).await, Ok(Some(sha("base"))));
    assert_eq!(fake.world().tokens, 2);
    for _ in 0..2 {
        fake.fail(
            "GET /repos/o/r/git/ref",
            Fault::Instead(401, vec![], json!({})),
        );
    }
    assert_eq!(fake.place().head(&main).await, Err(ApiError::Unauthorized));
}

#[tokio::test]
async fn installation_that_gives_no_token_is_not_an_absent_branch() {
    let fake = Fake::start().await;
    fake.fail(
        "POST /app/installations",
        Fault::Instead(404, vec![], json!({"message": "Not Found"})),
    );
    let error = fake
        .place()
        .head(&BranchName::parse("main").unwrap())
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            ApiError::Retry {
                scope: Scope::Installation,
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn second_look_is_answered_304() {
    let fake = Fake::start().await;
    let main = BranchName::parse("main").unwrap();
    for _ in 0..2 {
        assert_eq!(fake.place().head(&main).await, Ok(Some(sha("base"))));
    }
    assert_eq!(
        fake.world().calls.last().unwrap(),
        "GET /repos/o/r/git/ref/heads/main 304"
    );
    let moved = fake.world().commit("base", "x", None, "moved", "p");
    fake.world()
        .refs
        .insert("heads/main".to_owned(), id("moved"));
    assert_ne!(
        fake.place().head(&main).await.unwrap().unwrap().as_str(),
        moved
    );
}

#[tokio::test]
async fn secondary_limit_pauses_the_installation_without_a_call() {
    let fake = Fake::start().await;
    let main = BranchName::parse("main").unwrap();
    let limit = json!({"message": "You have exceeded a secondary rate limit"});
    fake.fail(
        "GET /repos",
        Fault::Instead(403, vec![("retry-after", "60")], limit),
    );
    let first = fake.place().head(&main).await;
    assert_eq!(first, Err(ApiError::installation_after(60_000)));
    let before = fake.world().calls.len();
    assert!(retry(&fake.place().head(&main).await.unwrap_err()));
    assert_eq!(fake.world().calls.len(), before);
}

#[tokio::test]
async fn post_is_never_repeated_and_what_it_did_is_found() {
    let fake = Fake::start().await;
    fake.fail("POST /repos/o/r/issues/3/comments", Fault::After(502));
    let error = fake.apply("k", reply("a")).await.unwrap_err();
    assert_eq!(
        error,
        ApiError::Retry {
            after_ms: Some(30_000),
            scope: Scope::Request
        }
    );
    assert_eq!(fake.count("POST /repos/o/r/issues/3/comments"), 1);
    assert_eq!(fake.apply("k", reply("a")).await, Ok(EffectResult::Nothing));
    assert_eq!(fake.world().comments.len(), 1);
}

#[tokio::test]
async fn slow_answer_is_an_unknown_outcome() {
    let limits = Limits {
        call_timeout: Duration::ZERO,
        ..Limits::default()
    };
    let fake = Fake::with_limits(limits).await;
    assert!(retry(&fake.apply("k", reply("a")).await.unwrap_err()));
}

#[tokio::test]
async fn writes_above_the_budget_are_put_off() {
    let limits = Limits {
        writes_per_minute: 1,
        ..Limits::default()
    };
    let fake = Fake::with_limits(limits).await;
    assert_eq!(fake.apply("a", reply("a")).await, Ok(EffectResult::Nothing));
    let error = fake.apply("b", reply("b")).await.unwrap_err();
    assert!(
        matches!(
            error,
            ApiError::Retry {
                after_ms: Some(59_000..=60_000),
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(fake.world().comments.len(), 1);
}

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

#[tokio::test]
async fn check_run_is_adopted_by_its_external_id() {
    let fake = Fake::start().await;
    let check = |status: CheckStatus, title: &str| {
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
    };
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
    };
    fake.apply("l", effect()).await.unwrap();
    fake.apply("l", effect()).await.unwrap();
    assert_eq!(fake.world().labels, ["theirs", "approved"]);
    assert_eq!(fake.count("POST /repos/o/r/issues/3/labels"), 1);
}

#[tokio::test]
async fn proposing_twice_makes_one_commit_tag_and_pull_request() {
    let fake = Fake::start().await;
    let effect = || Effect::Propose(Box::new(propose(Some("digits/v8"))));
    let first = fake.apply("p", effect()).await.unwrap();
    let second = fake.apply("p", effect()).await.unwrap();
    assert_eq!(first, second);
    let EffectResult::Proposed { pr, commit } = first else {
        panic!("{first:?}")
    };
    let world = fake.world();
    assert_eq!((pr, world.pulls.len()), (PrNumber(1), 1));
    assert_eq!(world.refs["tags/digits/v8"], commit.as_str());
    assert_eq!(world.refs["heads/bowsprit/digits"], commit.as_str());
    let body = world.pulls[0]["body"].as_str().unwrap();
    assert!(body.starts_with("hello @\u{200b}team\n"), "{body}");
    assert!(body.contains(commit.short()), "{body}");
    let commit_call = world
        .calls
        .iter()
        .position(|line| line == "POST /repos/o/r/git/commits")
        .unwrap();
    assert!(world.bodies[commit_call].get("author").is_none());
}

#[tokio::test]
async fn proposal_goes_on_wherever_it_was_cut() {
    for (call, made) in [
        ("POST /repos/o/r/git/commits", 2),
        ("POST /repos/o/r/git/refs", 1),
        ("POST /repos/o/r/pulls", 1),
    ] {
        let fake = Fake::start().await;
        let effect = || Effect::Propose(Box::new(propose(Some("digits/v8"))));
        fake.fail(call, Fault::After(502));
        assert!(
            retry(&fake.apply("p", effect()).await.unwrap_err()),
            "{call}"
        );
        // Meanwhile the base moves: what was made stays what it is.
        fake.world()
            .commit("newer", "tree-newer", Some("base"), "n", "p");
        fake.world()
            .refs
            .insert("heads/main".to_owned(), id("newer"));
        let done = fake.apply("p", effect()).await.unwrap();
        assert!(
            matches!(
                done,
                EffectResult::Proposed {
                    pr: PrNumber(1),
                    ..
                }
            ),
            "{call}: {done:?}"
        );
        assert_eq!(fake.world().pulls.len(), 1, "{call}");
        assert_eq!(fake.count("POST /repos/o/r/git/commits"), made, "{call}");
    }
}

#[tokio::test]
async fn tag_of_another_is_taken() {
    let fake = Fake::start().await;
    let other = fake.world().commit(
        "other",
        "tree-other",
        Some("base"),
        "Propose digits v8",
        "p",
    );
    fake.world().refs.insert("tags/digits/v8".to_owned(), other);
    let done = fake
        .apply("p", Effect::Propose(Box::new(propose(Some("digits/v8")))))
        .await
        .unwrap();
    assert_eq!(
        done,
        EffectResult::Refused {
            reason: "tag `digits/v8` is taken".to_owned()
        }
    );
    assert!(fake.world().pulls.is_empty());
}

#[tokio::test]
async fn foreign_commit_on_our_branch_is_never_overwritten() {
    let fake = Fake::start().await;
    let foreign = fake
        .world()
        .commit("foreign", "tree-foreign", Some("base"), "mine", "a person");
    fake.world()
        .refs
        .insert("heads/bowsprit/digits".to_owned(), foreign.clone());
    let done = fake
        .apply("p", Effect::Propose(Box::new(propose(Some("digits/v8")))))
        .await
        .unwrap();
    assert_eq!(
        done,
        EffectResult::Refused {
            reason: "branch `bowsprit/digits` has a foreign commit".to_owned()
        }
    );
    assert_eq!(fake.world().refs["heads/bowsprit/digits"], foreign);
    assert!(!fake.world().refs.contains_key("tags/digits/v8"));
    assert_eq!(fake.count("PATCH"), 0);
}

#[tokio::test]
async fn newer_version_replaces_an_untouched_proposal_in_place() {
    let fake = Fake::start().await;
    let done = fake
        .apply("v8", Effect::Propose(Box::new(propose(Some("digits/v8")))))
        .await
        .unwrap();
    let EffectResult::Proposed { pr, commit } = done else {
        panic!("{done:?}")
    };
    let newer = |expected: &CommitSha| {
        let mut newer = propose(Some("digits/v9"));
        newer.message = "Propose digits v9".to_owned();
        newer.title = "digits v9".to_owned();
        newer.replaces = Some((pr, expected.clone()));
        Effect::Propose(Box::new(newer))
    };
    let wrong = fake.apply("v9", newer(&sha("other"))).await.unwrap();
    assert!(matches!(wrong, EffectResult::Refused { .. }), "{wrong:?}");
    fake.fail(
        "PATCH /repos/o/r/pulls/1",
        Fault::Instead(502, vec![], json!({})),
    );
    assert!(retry(&fake.apply("v9", newer(&commit)).await.unwrap_err()));
    let done = fake.apply("v9", newer(&commit)).await.unwrap();
    assert!(
        matches!(
            done,
            EffectResult::Proposed {
                pr: PrNumber(1),
                ..
            }
        ),
        "{done:?}"
    );
    let world = fake.world();
    assert_eq!(world.pulls.len(), 1);
    assert_eq!(world.pulls[0]["title"], "digits v9");
    assert_eq!(world.refs["tags/digits/v8"], commit.as_str());
    assert_eq!(
        world.refs["tags/digits/v9"],
        world.refs["heads/bowsprit/digits"]
    );
}

#[tokio::test]
async fn merge_takes_exactly_the_judged_head_and_is_never_repeated() {
    let fake = Fake::start().await;
    let done = fake
        .apply("p", Effect::Propose(Box::new(propose(None))))
        .await
        .unwrap();
    let EffectResult::Proposed { pr, commit } = done else {
        panic!("{done:?}")
    };
    let merge = |head: &CommitSha| Effect::Merge {
        repo: repo(),
        pr,
        head: head.clone(),
        title: "t".to_owned(),
        message: "m".to_owned(),
    };
    let moved = fake.apply("m", merge(&sha("other"))).await.unwrap();
    assert_eq!(
        moved,
        EffectResult::Refused {
            reason: "its head was pushed to".to_owned()
        }
    );
    let no = json!({"message": "At least 1 approving review is required."});
    fake.fail("PUT", Fault::Instead(405, vec![], no));
    let refused = fake.apply("m", merge(&commit)).await.unwrap();
    assert_eq!(
        refused,
        EffectResult::Refused {
            reason: "At least 1 approving review is required.".to_owned()
        }
    );
    fake.fail("PUT", Fault::After(502));
    assert!(retry(&fake.apply("m", merge(&commit)).await.unwrap_err()));
    let merged = EffectResult::Merged {
        commit: sha("merge"),
        tree: sha("tree-of-merge"),
    };
    assert_eq!(fake.apply("m", merge(&commit)).await, Ok(merged));
    assert_eq!(fake.count("PUT"), 2);
}

#[tokio::test]
async fn closing_deletes_our_branch_and_no_other() {
    let fake = Fake::start().await;
    fake.apply("p", Effect::Propose(Box::new(propose(None))))
        .await
        .unwrap();
    let branch = BranchName::parse("bowsprit/digits").unwrap();
    let close = || Effect::Close {
        repo: repo(),
        pr: PrNumber(1),
        branch: Some(branch.clone()),
    };
    let ours = fake.world().refs["heads/bowsprit/digits"].clone();
    let foreign = fake
        .world()
        .commit("foreign", "tree-foreign", Some("base"), "mine", "a person");
    fake.world()
        .refs
        .insert("heads/bowsprit/digits".to_owned(), foreign);
    fake.apply("c", close()).await.unwrap();
    assert_eq!(fake.world().pulls[0]["state"], "closed");
    assert_eq!(fake.count("DELETE"), 0);
    fake.world()
        .refs
        .insert("heads/bowsprit/digits".to_owned(), ours.clone());
    fake.world().pulls[0]["last_head"] = json!(ours);
    fake.apply("c", close()).await.unwrap();
    fake.apply("c", close()).await.unwrap();
    assert_eq!(fake.count("DELETE"), 1);
    assert_eq!(fake.count("PATCH"), 1);
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
        comment: CommentId(8),
        content: "eyes".to_owned(),
    };
    assert_eq!(fake.apply("r", effect).await, Ok(EffectResult::Nothing));
}

#[tokio::test]
async fn refusal_for_good_is_a_result_in_githubs_words() {
    let fake = Fake::start().await;
    let no = json!({"message": "Resource not accessible by integration"});
    fake.fail(
        "POST /repos/o/r/issues/3/comments",
        Fault::Instead(403, vec![("x-ratelimit-remaining", "9")], no),
    );
    let done = fake.apply("k", reply("a")).await;
    assert_eq!(
        done,
        Ok(EffectResult::Refused {
            reason: "Resource not accessible by integration".to_owned()
        })
    );
}

#[tokio::test]
async fn contexts_keep_the_best_of_a_name_and_tell_ours() {
    let fake = Fake::start().await;
    let run = |app: u64, conclusion: &str| json!({"id": 1, "name": "train", "status": "completed", "conclusion": conclusion, "app": {"id": app}, "output": {}});
    fake.world().checks = vec![run(12, "failure"), run(99, "success"), run(12, "neutral")];
    let found = fake.place().contexts(&sha("head")).await.unwrap();
    let context = |name: &str, is_ours: bool| Context {
        name: name.to_owned(),
        state: ContextState::Success,
        is_ours,
    };
    assert_eq!(
        found,
        [
            context("ci", false),
            context("train", false),
            context("train", true)
        ]
    );
}

#[tokio::test]
async fn list_that_goes_on_too_long_is_an_error() {
    let fake = Fake::with_limits(Limits {
        pages_max: 2,
        ..Limits::default()
    })
    .await;
    for _ in 0..3 {
        let next = "</elsewhere>; rel=\"next\"";
        fake.fail(
            "GET /repos/o/r/issues/3/comments",
            Fault::Instead(200, vec![("link", next)], json!([])),
        );
    }
    let error = fake.place().comments(PrNumber(3)).await.unwrap_err();
    assert_eq!(
        error,
        ApiError::Broken("an address leads away from the API".to_owned())
    );
}

#[tokio::test]
async fn person_unknown_to_github_may_do_nothing() {
    let fake = Fake::start().await;
    fake.fail(
        "GET /repos/o/r/collaborators",
        Fault::Instead(404, vec![], json!({})),
    );
    let who = Login::parse("dependabot[bot]").unwrap();
    assert_eq!(fake.place().permission(&who).await, Ok(Permission::None));
    assert!(
        fake.world()
            .calls
            .last()
            .unwrap()
            .ends_with("/collaborators/dependabot%5Bbot%5D/permission")
    );
}

#[test]
fn calls_need_no_more_than_the_tokens_have() {
    use crate::github::auth::Access;
    use crate::github::calls::CALLS;
    let all = [
        Access::Listing,
        Access::Reading,
        Access::Writing,
        Access::Pushing,
    ];
    for call in CALLS {
        let Some(permission) = call.permission else {
            continue;
        };
        let is_held = all
            .iter()
            .any(|access| access.permissions().contains(&(permission, call.level)));
        assert!(is_held, "{} {}", call.method, call.path);
    }
}
