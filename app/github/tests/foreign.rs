//! What other servers and other plans answer than the usual: rules, suspensions, permissions, pages, new addresses.

use super::{reply, retry, sha};
use crate::github::error::ApiError;
use crate::github::fake::{Fake, Fault, repo};
use bowsprit_core::effect::EffectResult;
use bowsprit_core::name::{BranchName, PrNumber};
use serde_json::json;

#[tokio::test]
async fn a_suspended_installation_keeps_no_other_from_its_calls() {
    let fake = Fake::start().await;
    let main = BranchName::parse("main").unwrap();
    let no = json!({"message": "This installation has been suspended"});
    fake.fail(
        "POST /app/installations/6/access_tokens",
        Fault::Instead(403, vec![], no.clone()),
    );
    let suspended = fake.github.at(6, repo());
    let error = suspended.head(&main).await.unwrap_err();
    assert_eq!(error, ApiError::for_a_person());
    assert_eq!(fake.place().head(&main).await, Ok(Some(sha("base"))));
    assert!(fake.github.app().await.is_ok());

    // One that is suspended while its token lives is told so by any call.
    fake.fail("GET /repos/o/r/git/ref", Fault::Instead(403, vec![], no));
    assert_eq!(
        fake.place().head(&main).await,
        Err(ApiError::for_a_person())
    );
    assert!(fake.github.app_in_full().await.is_ok());
}

#[tokio::test]
async fn one_permission_that_is_not_granted_keeps_no_other_from_use() {
    const TOKENS: &str = "POST /app/installations/5/access_tokens";
    let fake = Fake::start().await;
    let main = BranchName::parse("main").unwrap();
    let no = json!({"message": "The permissions requested are not granted to this installation."});
    fake.fail(TOKENS, Fault::Instead(422, vec![], no.clone()));
    let granted = json!({"metadata": "read", "contents": "write", "issues": "write"});
    let shown = json!({"id": 5, "account": null, "suspended_at": null, "permissions": granted});
    fake.fail(
        "GET /app/installations/5",
        Fault::Instead(200, vec![], shown),
    );
    assert_eq!(fake.place().head(&main).await, Ok(Some(sha("base"))));
    assert_eq!(fake.count(TOKENS), 2);
    let asked = fake.world().bodies[2]["permissions"].clone();
    let held = json!({"metadata": "read", "contents": "read", "issues": "read"});
    assert_eq!(asked, held);

    // Where nobody may be fetched for, or a repository is not shown, a part is of no use.
    fake.fail(TOKENS, Fault::Instead(422, vec![], no));
    let fetching = fake.place().fetch_token().await;
    assert_eq!(fetching.err(), Some(ApiError::for_a_person()));
    assert_eq!(fake.count(TOKENS), 3);
}

#[tokio::test]
async fn a_limit_of_the_app_itself_pauses_whatever_needs_a_new_token() {
    let fake = Fake::start().await;
    let main = BranchName::parse("main").unwrap();
    let limit = json!({"message": "You have exceeded a secondary rate limit"});
    fake.fail(
        "POST /app/installations/6/access_tokens",
        Fault::Instead(403, vec![("retry-after", "60")], limit),
    );
    assert!(retry(
        &fake.github.at(6, repo()).head(&main).await.unwrap_err()
    ));
    let before = fake.world().calls.len();
    assert!(retry(&fake.place().head(&main).await.unwrap_err()));
    assert_eq!(fake.world().calls.len(), before);
}

#[tokio::test]
async fn rules_that_nobody_lets_us_read_are_none_and_a_limit_is_a_limit() {
    let main = BranchName::parse("main").unwrap();
    let upgrade = "Upgrade to GitHub Pro or make this repository public to enable this feature.";
    for (status, message) in [
        (403, upgrade),
        (403, "Resource not accessible by integration"),
        (405, "Method Not Allowed"),
        (451, "Repository access blocked"),
        (501, "Not Implemented"),
    ] {
        let fake = Fake::start().await;
        for _ in 0..2 {
            for call in ["rules/branches/main", "branches/main"] {
                let no = Fault::Instead(status, vec![], json!({"message": message}));
                fake.fail(&format!("GET /repos/o/r/{call}"), no);
            }
            assert_eq!(fake.place().required(&main).await, Ok(vec![]), "{status}");
        }
        let no = Fault::Instead(status, vec![], json!({"message": message}));
        fake.fail("GET /repos/o/r/rules/branches/main", no);
        assert_eq!(fake.place().has_merge_queue(&main).await, Ok(false));
    }
    for (status, headers, message) in [
        (403, vec![("retry-after", "9")], "wait"),
        (
            403,
            vec![],
            "You have triggered an abuse detection mechanism",
        ),
        (429, vec![], "Too many requests"),
        (502, vec![], "Bad gateway"),
        (422, vec![], "Validation Failed"),
    ] {
        let fake = Fake::start().await;
        let no = Fault::Instead(status, headers, json!({"message": message}));
        fake.fail("GET /repos/o/r/rules/branches/main", no);
        assert!(fake.place().required(&main).await.is_err(), "{message}");
    }
}

/// A page of comments from this number on.
fn page(first: u64, count: u64) -> serde_json::Value {
    let at = "2026-11-01T00:00:00Z";
    (first..first + count)
        .map(|id| json!({"id": id, "user": null, "body": "x", "created_at": at, "updated_at": at}))
        .collect()
}

#[tokio::test]
async fn pages_are_asked_for_by_any_spelling_of_the_address_and_by_none() {
    const COMMENTS: &str = "GET /repos/o/r/issues/3/comments";
    for link in [
        "</api/v3/repos/o/r/issues/3/comments?page=2>; rel=\"next\"",
        "<?page=2>; rel=\"next\"",
    ] {
        let fake = Fake::start().await;
        for answer in [
            Fault::Instead(200, vec![("link", link)], page(1, 2)),
            Fault::Instead(200, vec![], page(3, 1)),
        ] {
            fake.fail(COMMENTS, answer);
        }
        let found = fake.place().comments(PrNumber(3)).await.unwrap();
        assert_eq!((found.len(), fake.count(COMMENTS)), (3, 2), "{link}");
    }
    // Who says nothing of pages is asked for the next while pages are full, and is believed when it says that it was the last.
    let last = "</api/v3/x?page=1>; rel=\"first\"";
    for (pages, wanted) in [
        (
            vec![(vec![], page(1, 100)), (vec![], page(101, 5))],
            (105, 2),
        ),
        (vec![(vec![], page(1, 100)), (vec![], json!([]))], (100, 2)),
        (
            vec![(vec![], page(1, 100)), (vec![], page(1, 100))],
            (100, 2),
        ),
        (vec![(vec![("link", last)], page(1, 100))], (100, 1)),
        (vec![(vec![], page(1, 99))], (99, 1)),
    ] {
        let fake = Fake::start().await;
        for (headers, body) in pages {
            fake.fail(COMMENTS, Fault::Instead(200, headers, body));
        }
        let found = fake.place().comments(PrNumber(3)).await.unwrap();
        assert_eq!((found.len(), fake.count(COMMENTS)), wanted);
    }
}

#[tokio::test]
async fn a_write_follows_a_renamed_repository_and_nothing_follows_abroad() {
    for status in [301, 302, 307, 308] {
        let fake = Fake::start().await;
        let moved = vec![("location", "/api/v3/repos/o/r/issues/3/comments")];
        fake.fail(
            "POST /repos/o/r/issues/3/comments",
            Fault::Instead(status, moved, json!({})),
        );
        assert_eq!(fake.apply("k", reply("a")).await, Ok(EffectResult::Nothing));
        assert_eq!(fake.count("POST /repos/o/r/issues/3/comments"), 2);
        assert_eq!(fake.world().comments.len(), 1, "{status}");
    }
    for (status, location) in [
        (307, "https://evil.example/api/v3/x"),
        (301, "//evil.example/api/v3/x"),
        (303, "/api/v3/repos/o/r/issues/3/comments"),
    ] {
        let fake = Fake::start().await;
        fake.fail(
            "POST /repos/o/r/issues/3/comments",
            Fault::Instead(status, vec![("location", location)], json!({})),
        );
        let refused = fake.try_to(("k", true), reply("a")).await;
        assert!(matches!(refused, Err(ApiError::Broken(_))), "{refused:?}");
        assert_eq!(fake.count("POST /repos/o/r/issues/3/comments"), 1);
        assert!(fake.world().comments.is_empty());
    }
}
