//! Deleting versions of models by the API.

use super::bench::Bench;
use crate::store::Scope;
use axum::http::StatusCode;
use bowsprit_core::effect::Hint;

#[tokio::test]
async fn a_version_that_is_needed_is_not_deleted_and_another_is_asked_of_its_model() {
    let bench = Bench::sample().await;
    let ask = async |path: &str| {
        let path = format!("/api/v1/models/ada/digits-service/{path}");
        bench.ask("DELETE", &path, Some(Scope::Admin), "").await
    };
    for (path, why) in [
        (
            "digits",
            "digits v3 is needed: `production` serves it; digits v4 is needed",
        ),
        (
            "digits/versions/3",
            "digits v3 is needed: `production` serves it;",
        ),
        (
            "digits/versions/4",
            "`production` is to serve it, #15 brings it to `production`",
        ),
    ] {
        let got = ask(path).await;
        assert_eq!(got.status, StatusCode::CONFLICT, "{path}");
        assert!(got.text.contains(why), "{}", got.text);
    }
    for path in [
        "digits/versions/9",
        "digits/versions/x",
        "cats",
        "cats/versions/1",
    ] {
        assert_eq!(ask(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    // One that is gone is answered as one that goes.
    for number in [1, 2] {
        let got = ask(&format!("digits/versions/{number}")).await;
        assert_eq!(got.status, StatusCode::ACCEPTED, "{}", got.text);
        let told = format!("digits v{number} will be deleted");
        assert!(got.text.contains(&told), "{}", got.text);
    }
    let now_ms = crate::worker::now_ms();
    let claim = bench
        .rooms
        .store
        .claim_subject(now_ms)
        .await
        .unwrap()
        .unwrap();
    let asked: Vec<(&str, Option<u64>)> = claim
        .hints
        .iter()
        .filter_map(|(_, hint)| match hint {
            Hint::DeleteVersions { by, version } => Some((by.as_str(), *version)),
            _ => None,
        })
        .collect();
    assert_eq!(asked, [("admin", Some(1)), ("admin", Some(2))]);
}
