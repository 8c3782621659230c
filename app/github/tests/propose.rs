//! Proposals, merges: cut anywhere, tried again, never doubled.

use super::{retry, sha};
use crate::github::fake::{Fake, Fault, id, repo};
use bowsprit_core::effect::{Content, Effect, EffectResult, Propose, Text};
use bowsprit_core::name::{BranchName, CommitSha, Digest, PrNumber, RepoPath};
use serde_json::json;
use std::collections::BTreeMap;

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
        body: Text::new("test/pull", json!({"message": "hello @team"})),
        replaces: None,
    }
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
    assert_eq!(done, EffectResult::Taken);
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
    let merge_into = |base: &str, head: &CommitSha| Effect::Merge {
        repo: repo(),
        pr,
        head: head.clone(),
        base: BranchName::parse(base).ok(),
        title: "t".to_owned(),
        message: "m".to_owned(),
        method: bowsprit_core::effect::MergeMethod::Merge,
    };
    let merge = |head: &CommitSha| merge_into("main", head);
    let retargeted = fake.apply("m", merge_into("release", &commit)).await;
    let reason = "it goes to another branch now".to_owned();
    assert_eq!(retargeted.unwrap(), EffectResult::Refused { reason });
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
