//! Tokens, ETags, limits, unknown outcomes, reads.

use super::{reply, retry, sha};
use crate::github::budget::Limits;
use crate::github::error::{ApiError, Scope};
use crate::github::fake::{Fake, Fault, id};
use bowsprit_core::effect::EffectResult;
use bowsprit_core::name::{BranchName, Login, PrNumber, Team};
use bowsprit_core::subject::ask::{Context, ContextState};
use serde_json::json;
use std::time::Duration;

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
                scope: Scope::Person,
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
    let context = |name: &str, app: Option<u64>| Context {
        name: name.to_owned(),
        state: ContextState::Success,
        is_ours: app == Some(12),
        is_run: name == "train",
        app,
    };
    assert_eq!(
        found,
        [
            context("ci", None),
            context("train", Some(12)),
            context("train", Some(99))
        ]
    );
}

#[tokio::test]
async fn what_a_branch_requires_names_its_app_where_it_does() {
    let fake = Fake::start().await;
    let rules = json!([
        {"type": "required_status_checks", "parameters": {"strict_required_status_checks_policy": false,
            "required_status_checks": [{"context": "both", "integration_id": 5}, {"context": "ruled", "integration_id": 6}, {"context": "any"}]}},
        {"type": "deletion"},
    ]);
    let checks = json!({"enforcement_level": "everyone", "contexts": ["both", "null", "minus", "pinned", "named"],
        "checks": [{"context": "both", "app_id": 7}, {"context": "null", "app_id": null}, {"context": "minus", "app_id": -1}, {"context": "pinned", "app_id": 8}]});
    let branch =
        json!({"name": "main", "protection": {"enabled": true, "required_status_checks": checks}});
    for (call, answer) in [
        ("GET /repos/o/r/rules/branches/main", rules),
        ("GET /repos/o/r/branches/main", branch),
    ] {
        fake.fail(call, Fault::Instead(200, vec![], answer));
    }
    let main = BranchName::parse("main").unwrap();
    let found = fake.place().required(&main).await.unwrap();
    let shown: Vec<(&str, Option<u64>)> = found
        .iter()
        .map(|one| (one.name.as_str(), one.app))
        .collect();
    assert_eq!(
        shown,
        [
            ("any", None),
            ("both", Some(5)),
            ("both", Some(7)),
            ("minus", None),
            ("named", None),
            ("null", None),
            ("pinned", Some(8)),
            ("ruled", Some(6)),
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
async fn who_has_no_place_in_the_repository_is_no_collaborator() {
    for (status, want) in [(204, Ok(true)), (404, Ok(false))] {
        let fake = Fake::start().await;
        fake.fail(
            "GET /repos/o/r/collaborators",
            Fault::Instead(status, vec![], json!({})),
        );
        let who = Login::parse("mia").unwrap();
        assert_eq!(fake.place().is_collaborator(&who).await, want);
        assert!(
            fake.world()
                .calls
                .last()
                .unwrap()
                .ends_with("/collaborators/mia")
        );
    }
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
        Access::Members,
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

#[tokio::test]
async fn repository_that_the_installation_does_not_show_is_refused() {
    let fake = Fake::start().await;
    let no = |message: &str| Fault::Instead(422, vec![], json!({"message": message}));
    let words = "There is at least one repository that does not exist or is not accessible";
    fake.fail("POST /app/installations", no(words));
    let done = fake.apply("k", reply("a")).await;
    let reason = words.to_owned();
    assert_eq!(done, Ok(EffectResult::Refused { reason }));
    let fake = Fake::start().await;
    let words = "The permissions requested are not granted to this installation.";
    fake.fail("POST /app/installations", no(words));
    assert!(retry(&fake.apply("k", reply("a")).await.unwrap_err()));
}

fn owned_by(kind: &str, login: &str) -> Fault {
    let owner = json!({"login": login, "type": kind});
    let body = json!({"id": 9, "full_name": "o/r", "default_branch": "main", "owner": owner});
    Fault::Instead(200, vec![], body)
}

/// What GitHub answers about somebody, and whether that is a member: of the organisation, or else of its team.
#[tokio::test]
async fn members_are_those_that_github_names() {
    let state = |state: &str| json!({"state": state, "role": "member"});
    for (is_org, status, body, want) in [
        (true, 204, json!(null), true),
        (true, 404, json!({}), false),
        (
            true,
            403,
            json!({"message": "Resource not accessible"}),
            false,
        ),
        (false, 200, state("active"), true),
        (false, 200, state("pending"), false),
        (false, 404, json!({}), false),
    ] {
        let fake = Fake::start().await;
        fake.fail("GET /repos/o/r", owned_by("Organization", "o"));
        fake.fail("GET /orgs/o/", Fault::Instead(status, vec![], body));
        let (place, who) = (fake.place(), Login::parse("ada").unwrap());
        let (got, path) = match is_org {
            true => (place.is_org_member(&who).await, "GET /orgs/o/members/ada"),
            false => (
                place
                    .is_team_member(&Team::parse("O/core").unwrap(), &who)
                    .await,
                "GET /orgs/o/teams/core/memberships/ada",
            ),
        };
        assert_eq!(got, Ok(want), "{path} {status}");
        assert_eq!(fake.count(path), 1);
    }
}

#[tokio::test]
async fn members_are_not_asked_for_where_there_is_no_organisation_or_no_permission() {
    let (ada, o) = (Login::parse("ada").unwrap(), Login::parse("O").unwrap());
    let team = Team::parse("elsewhere/core").unwrap();
    let fake = Fake::start().await;
    for (who, want) in [(&ada, false), (&o, true)] {
        fake.fail("GET /repos/o/r", owned_by("User", "o"));
        assert_eq!(fake.place().is_org_member(who).await, Ok(want));
    }
    fake.fail("GET /repos/o/r", owned_by("Organization", "o"));
    assert_eq!(fake.place().is_team_member(&team, &ada).await, Ok(false));
    assert_eq!(fake.count("GET /orgs"), 0);
    // Who installed the App has not let it ask: nobody is a member, and everything else goes on.
    let fake = Fake::start().await;
    fake.fail("GET /repos/o/r", owned_by("Organization", "o"));
    let _owner = fake.place().repository().await;
    fake.fail("GET /repos/o/r", owned_by("Organization", "o"));
    let words = "The permissions requested are not granted to this installation.";
    fake.fail(
        "POST /app/installations",
        Fault::Instead(422, vec![], json!({"message": words})),
    );
    assert_eq!(fake.place().is_org_member(&ada).await, Ok(false));
    assert_eq!(fake.count("GET /orgs"), 0);
    fake.fail(
        "GET /repos/o/r/labels",
        Fault::Instead(200, vec![], json!([])),
    );
    assert_eq!(fake.place().labels().await, Ok(vec![]));
}
