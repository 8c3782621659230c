//! Edits of issues and pull requests, and statuses: done once, told when they cannot be.

use super::sha;
use crate::github::fake::{Fake, repo};
use bowsprit_core::effect::{Edit, Effect, EffectResult, Status};
use bowsprit_core::name::{Login, PrNumber};
use serde_json::{Value, json};
use std::collections::BTreeSet;

async fn fake() -> Fake {
    let fake = Fake::start().await;
    fake.world().issue = json!({
        "number": 3, "state": "open", "title": "Old", "body": null, "assignees": [], "milestone": null,
        "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
    });
    fake.world().assignable = vec!["ada".to_owned()];
    fake
}

/// Applied twice; how many writes that took, and what came of it.
async fn twice(fake: &Fake, edit: Edit) -> (usize, EffectResult) {
    let effect = Effect::Edit {
        repo: repo(),
        pr: PrNumber(3),
        edit,
    };
    let writes = |fake: &Fake| {
        let world = fake.world();
        let is_write = |call: &&String| !call.starts_with("GET") && !call.contains("access_tokens");
        world.calls.iter().filter(is_write).count()
    };
    let before = writes(fake);
    let first = fake.apply("e", effect.clone()).await.unwrap();
    fake.apply("e", effect).await.unwrap();
    (writes(fake) - before, first)
}

fn logins(names: &[&str]) -> BTreeSet<Login> {
    names
        .iter()
        .map(|name| Login::parse(name).unwrap())
        .collect()
}

#[tokio::test]
async fn what_is_so_already_is_left_alone() {
    let fake = fake().await;
    for (edit, field, want) in [
        (Edit::Title("New".to_owned()), "/title", json!("New")),
        (Edit::Milestone(Some(4)), "/milestone/number", json!(4)),
        (Edit::Milestone(None), "/milestone", Value::Null),
        (
            Edit::Closed { not_planned: true },
            "/state_reason",
            json!("not_planned"),
        ),
        (Edit::Open, "/state", json!("open")),
    ] {
        let (writes, result) = twice(&fake, edit.clone()).await;
        assert_eq!(result, EffectResult::Nothing, "{edit:?}");
        assert_eq!(writes, 1, "{edit:?}");
        assert_eq!(fake.world().issue.pointer(field), Some(&want), "{edit:?}");
    }
}

/// One call, and no other where it is said again: it changes nothing then.
#[tokio::test]
async fn people_are_assigned_without_a_look_before() {
    let fake = fake().await;
    for (add, remove, want) in [
        (logins(&["ada"]), logins(&[]), json!(["ada"])),
        (logins(&[]), logins(&["ada"]), json!([])),
    ] {
        let reads = |fake: &Fake| {
            let world = fake.world();
            let issue = world.calls.iter().filter(|call| call.starts_with("GET"));
            issue.count()
        };
        let before = reads(&fake);
        let (writes, result) = twice(&fake, Edit::Assignees { add, remove }).await;
        assert_eq!((writes, result), (2, EffectResult::Nothing));
        assert_eq!(reads(&fake), before);
        let people = fake.world().issue["assignees"].clone();
        let people: Vec<&Value> = people.as_array().into_iter().flatten().collect();
        let people: Vec<&Value> = people.iter().map(|one| &one["login"]).collect();
        assert_eq!(json!(people), want);
    }
}

#[tokio::test]
async fn whom_github_does_not_take_is_told() {
    let fake = fake().await;
    let add = logins(&["ada", "mallory"]);
    let remove = logins(&[]);
    let (_, result) = twice(&fake, Edit::Assignees { add, remove }).await;
    let EffectResult::Refused { reason } = result else {
        panic!("{result:?}");
    };
    assert!(
        reason.starts_with("it cannot be assigned to mallory:"),
        "{reason}"
    );
    assert_eq!(fake.world().issue["assignees"][0]["login"], "ada");
}

#[tokio::test]
async fn whom_github_has_no_room_for_is_told() {
    let names: Vec<String> = (10..22).map(|at| format!("p{at}")).collect();
    for (count, left) in [(10, None), (11, Some("p20")), (12, Some("p20, p21"))] {
        let fake = fake().await;
        fake.world().assignable = names.clone();
        let names: Vec<&str> = names.iter().take(count).map(String::as_str).collect();
        let (add, remove) = (logins(&names), logins(&[]));
        let (_, result) = twice(&fake, Edit::Assignees { add, remove }).await;
        let want =
            left.map(|left| format!("it cannot be assigned to {left}: there are at most ten"));
        match (result, want) {
            (EffectResult::Nothing, None) => {}
            (EffectResult::Refused { reason }, Some(want)) => {
                assert!(reason.starts_with(&want), "{reason}");
            }
            (result, want) => panic!("{count}: {result:?}, not {want:?}"),
        }
    }
}

#[tokio::test]
async fn reviews_are_asked_for_once_and_no_longer() {
    let fake = fake().await;
    let edit = |add| Edit::Reviewers {
        add,
        logins: logins(&["grace"]),
        teams: BTreeSet::new(),
    };
    assert_eq!(twice(&fake, edit(true)).await.0, 1);
    assert_eq!(fake.world().requested, ["grace"]);
    assert_eq!(twice(&fake, edit(false)).await.0, 1);
    assert!(fake.world().requested.is_empty());
}

#[tokio::test]
async fn a_status_is_posted() {
    let fake = fake().await;
    let status = Effect::Status(Box::new(Status {
        repo: repo(),
        sha: sha("head"),
        context: "legal".to_owned(),
        is_success: true,
        description: "x".repeat(200),
    }));
    fake.apply("s", status).await.unwrap();
    let posted = fake.world().statuses[0].clone();
    assert_eq!(
        (&posted["state"], &posted["context"]),
        (&json!("success"), &json!("legal"))
    );
    assert_eq!(posted["description"].as_str().map(str::len), Some(140));
}
