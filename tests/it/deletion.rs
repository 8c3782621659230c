//! A version is deleted: not while it serves, and for good once it does not.

use crate::both::{land, serves, train};
use crate::harness::{World, run_test};
use bowsprit::store::Scope;
use bowsprit_core::effect::Version;
use bowsprit_core::name::{Digest, Slug};
use serde_json::{Value, json};

const REPO: &str = "tiny-service";
const MODEL: &str = "ada/tiny-service/tiny";
const TOKEN: &str = "a token of the API";

/// What the command said, and whether it did what it was asked.
async fn bowsprit(t: &World, words: &[&str]) -> (bool, String) {
    let ended = tokio::process::Command::new(env!("CARGO_BIN_EXE_bowsprit"))
        .args(words)
        .env("BOWSPRIT_SERVER", format!("http://{}", t.bot().address))
        .env("BOWSPRIT_TOKEN", TOKEN)
        .output()
        .await
        .expect("it ends");
    let said = [ended.stdout, ended.stderr].concat();
    (
        ended.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

async fn versions(t: &World) -> Vec<Version> {
    let service = t.environment("production").await.repo.id;
    let model = Slug::parse("tiny").expect("a name");
    let stored = t.bot().rooms.store.versions(service, &model).await;
    stored.expect("a list")
}

/// Which files of a version are stored.
async fn stored(t: &World, version: &Version) -> Vec<bool> {
    let mut found = Vec::new();
    for file in &version.files {
        let is_stored = t.bot().rooms.artifacts.has(&file.sha256).await;
        found.push(is_stored.expect("an answer"));
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_deleted_once_nothing_serves_it_and_nobody_goes_back_to_it() {
    run_test(async |t| {
        train(t, "").await;
        land(t, "v1").await;
        train(t, "2.0,small\n").await;
        land(t, "v2").await;
        t.settle().await;
        let store = &t.bot().rooms.store;
        let hash = Digest::of(TOKEN.as_bytes());
        let kept = store.put_token("ada", &hash, Scope::Admin).await;
        kept.expect("a token");

        let needed = "`production` serves it";
        for words in [&[MODEL, "2"][..], &[MODEL]] {
            let (is_done, said) = bowsprit(t, &[&["delete", "model"], words].concat()).await;
            assert!(!is_done && said.contains(needed), "{said}");
            assert!(said.contains("`staging` serves it"), "{said}");
        }
        let all = versions(t).await;
        assert!(all.iter().all(|version| version.deleted.is_none()));

        for _ in ["the first time", "and again"] {
            let words = ["delete", "model", MODEL, "v1", "--json"];
            let (is_done, said) = bowsprit(t, &words).await;
            let rows: Value = serde_json::from_str(&said).expect("JSON");
            assert!(is_done && rows[0]["version"] == 1, "{said}");
            assert_eq!(rows[0]["deleted"]["by"], "ada", "{said}");
        }
        t.settle().await;
        let now = versions(t).await;
        let (first, second) = (&now[0], &now[1]);
        assert!(first.deleted.is_some() && second.deleted.is_none());
        let own = |file: &bowsprit_core::artifact::File| {
            second.files.iter().all(|other| other.sha256 != file.sha256)
        };
        let want: Vec<bool> = first.files.iter().map(|file| !own(file)).collect();
        assert!(want.contains(&false), "the versions differ");
        assert_eq!(stored(t, first).await, want);
        assert!(!stored(t, second).await.contains(&false));
        let (_, shown) = bowsprit(t, &["show", "model", MODEL]).await;
        assert!(
            shown.contains("v1 (deleted)") && shown.contains("by ada"),
            "{shown}"
        );

        let path = format!("/repos/ada/{REPO}/issues");
        let body = json!({"title": "Odd answers"});
        let issue = t.api("rita", "POST", &path, Some(body)).await["number"]
            .as_u64()
            .expect("a number");
        for words in ["/rollback production 1", "/rollback production"] {
            t.say(REPO, "rita", issue, words).await;
        }
        t.settle().await;
        let told = t.told(REPO, issue, "tiny v1 was deleted by ada on ").await;
        assert_eq!(told, 2);
        assert_eq!(
            t.told(REPO, issue, "use another version, or train again")
                .await,
            2
        );
        serves(t, "v2").await;
    })
    .await;
}
