//! The door: who may knock, and what happens when GitHub shuts its own.

use crate::harness::{SECRET, World, run_test, run_test_with};
use bowsprit::config::Config;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use serde_json::json;

const REPO: &str = "tiny-service";

fn signature(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).expect("a key");
    mac.update(body);
    let hex: String = mac
        .finalize()
        .into_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256={hex}")
}

/// A comment in a repository that the bot does not know.
fn comment() -> Vec<u8> {
    json!({"action": "created", "comment": {"id": 1, "body": "/help"}, "issue": {"number": 1},
        "repository": {"id": 424_242, "full_name": "ada/tiny-service"}, "installation": {"id": 3}})
    .to_string()
    .into_bytes()
}

/// Knocks at the bot's real port; says the status.
async fn knock(t: &World, guid: &str, signature: &str, body: Vec<u8>) -> u16 {
    // A sender whose body is too large may be cut off after the answer.
    let answer = send(t, guid, signature, body).await;
    answer.map_or(0, |answer| answer.status().as_u16())
}

async fn send(
    t: &World,
    guid: &str,
    signature: &str,
    body: Vec<u8>,
) -> Option<http::Response<Incoming>> {
    let request = http::Request::builder()
        .method("POST")
        .uri(format!("http://{}/webhook", t.bot().address))
        .header("content-type", "application/json")
        .header("x-github-event", "issue_comment")
        .header("x-github-delivery", guid)
        .header("x-hub-signature-256", signature)
        .body(Full::new(Bytes::from(body)))
        .expect("a request");
    t.client.request(request).await.ok()
}

async fn get(t: &World, path: &str) -> u16 {
    read(t, path).await.0
}

async fn read(t: &World, path: &str) -> (u16, String) {
    let url = format!("http://{}{path}", t.bot().address)
        .parse()
        .expect("an address");
    let answer = t.client.get(url).await.expect("an answer");
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.expect("a body");
    (
        status,
        String::from_utf8_lossy(&body.to_bytes()).into_owned(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_github_signed_comes_in() {
    run_test(async |t| {
        let body = comment();
        for wrong in [
            "",
            "sha256=00",
            "sha1=757107ea",
            &signature("another secret", &body),
        ] {
            assert_eq!(knock(t, "g-1", wrong, body.clone()).await, 403, "`{wrong}`");
        }
        let mut other = body.clone();
        other.push(b' ');
        assert_eq!(knock(t, "g-2", &signature(SECRET, &body), other).await, 403);
        let large = vec![b' '; 30 << 20];
        assert!(
            [413, 0].contains(&knock(t, "g-3", &signature(SECRET, &large), large.clone()).await)
        );

        let good = signature(SECRET, &body);
        assert!((200..300).contains(&knock(t, "g-4", &good, body.clone()).await));
        assert!(
            (200..300).contains(&knock(t, "g-4", &good, body.clone()).await),
            "again"
        );
        let broken = b"{".to_vec();
        assert!(
            (400..500)
                .contains(&knock(t, "g-5", &signature(SECRET, &broken), broken.clone()).await)
        );
        t.settle().await;
        let rooms = &t.bot().rooms;
        let counts = rooms.store.counts().await.expect("counts");
        assert_eq!(
            (counts.deliveries_dead, counts.effects_dead),
            (0, 0),
            "an unknown repository is nobody's failure"
        );
        for guid in ["g-1", "g-2", "g-3", "g-5"] {
            assert!(
                !rooms.store.has_delivery(guid).await.expect("an answer"),
                "{guid}"
            );
        }
        assert!(rooms.store.has_delivery("g-4").await.expect("an answer"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_is_no_longer_shown_keeps_nobody_else_from_the_tick() {
    run_test(async |t| {
        let pr = t
            .change(REPO, "linus", "doc", &[("README.md", "more\n")])
            .await;
        t.settle().await;
        let all = t.bot().rooms.store.repositories().await.expect("a list");
        let shown = json!({"id": 3, "account": "ada", "repositories": [format!("ada/{REPO}")]});
        t.admin("POST", "/_hub/installations", Some(shown)).await;
        t.settle().await;
        let left = t.bot().rooms.store.repositories().await.expect("a list");
        assert_eq!((all.len(), left.len()), (2, 1), "{left:?}");
        let counts = t.bot().rooms.store.counts().await.expect("counts");
        assert_eq!((counts.deliveries_dead, counts.effects_dead), (0, 0));
        // Nobody tells of this one: the tick of a new start looks.
        let address = t.halt().await;
        t.say(REPO, "grace", pr, "/help").await;
        t.resume(address).await;
        t.until("the answer", async |t| {
            (t.told(REPO, pr, "/rollback").await > 0).then_some(())
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_was_taken_away_stays_healthy_and_comes_back() {
    run_test(async |t| {
        let pr = t
            .change(REPO, "linus", "doc", &[("README.md", "more\n")])
            .await;
        t.settle().await;
        let before = t.bot_says(REPO, pr).await.len();
        t.admin("DELETE", "/_hub/installations/3", None).await;
        t.settle().await;
        t.say(REPO, "grace", pr, "/help").await;
        t.settle().await;
        assert_eq!(
            (get(t, "/healthz").await, get(t, "/readyz").await),
            (200, 200)
        );
        assert_eq!(t.bot_says(REPO, pr).await.len(), before);
        assert_eq!(
            t.bot()
                .rooms
                .store
                .installations()
                .await
                .expect("a list")
                .len(),
            0
        );

        t.admin(
            "POST",
            "/_hub/installations",
            Some(json!({"id": 3, "account": "ada"})),
        )
        .await;
        t.settle().await;
        t.say(REPO, "grace", pr, "/help").await;
        t.until("the answer", async |t| {
            (t.told(REPO, pr, "/rollback").await > 0).then_some(())
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_and_a_busy_github_are_got_over() {
    run_test(async |t| {
        let pr = t.change(REPO, "linus", "doc", &[("README.md", "more\n")]).await;
        t.settle().await;
        // What people say is on its way while GitHub goes wrong.
        t.fault(json!({"kind": "delay_delivery", "ms": 300, "match": {"event": "issue_comment"}})).await;
        t.say(REPO, "grace", pr, "/help").await;
        t.say(REPO, "grace", pr, "/lgtm").await;
        t.say(REPO, "ada", pr, "/approve").await;
        let bad = json!({"message": "Bad credentials"});
        t.fault(json!({"kind": "status", "code": 401, "count": 2, "body": bad, "match": {"path_contains": "/reviews"}})).await;
        for part in ["/comments", "/merge"] {
            let matches = json!({"method": if part == "/merge" { "PUT" } else { "POST" }, "path_contains": part});
            t.fault(json!({"kind": "status", "code": 502, "count": 2, "match": matches})).await;
        }
        t.fault(json!({"kind": "secondary_rate_limit", "count": 1, "retry_after": 1, "match": {"method": "POST", "path_contains": "/reactions"}})).await;
        t.until_merged(REPO, pr).await;
        t.until("the answer", async |t| (t.told(REPO, pr, "/rollback").await > 0).then_some(())).await;
        t.settle().await;
        assert_eq!(t.told(REPO, pr, "/rollback").await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_nearly_full_shuts_the_door_until_there_is_room() {
    let demanding = |config: &mut Config| {
        // More than any disk has.
        config.limits.disk_free_percent = 100;
        config.limits.disk_free_bytes = u64::MAX;
    };
    run_test_with(demanding, async |t| {
        let signature = signature(SECRET, &comment());
        let reason = "the disk is nearly full\n".to_owned();
        assert_eq!(read(t, "/readyz").await, (503, reason));
        assert_eq!(get(t, "/healthz").await, 200);
        let answer = send(t, "g-1", &signature, comment())
            .await
            .expect("an answer");
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.headers()["retry-after"], "30");
        let store = &t.bot().rooms.store;
        assert!(!store.has_delivery("g-1").await.expect("an answer"));

        t.tune = |_| {};
        t.restart().await;
        assert_eq!(get(t, "/readyz").await, 200);
        assert_eq!(knock(t, "g-1", &signature, comment()).await, 202);
    })
    .await;
}
