//! Orders that are followed, and orders that are not.

use crate::house::{House, KEY, Release, eventually};
use bowsprit_core::serving::spec::RolloutPhase;
use bowsprit_core::training::spec::{RuntimeSpec, Trust};
use hyper::Method;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn an_order_becomes_live() {
    let house = House::new();
    assert_eq!(house.get("/which").await.0, 503);
    let order = house.order(1, &Release::good("r1", 10));
    let live = house.want_live(&order).await;
    let serving = live.serving.unwrap();
    assert_eq!(serving.release, "r1");
    assert_eq!(serving.digests, order.server.unwrap().digests);
    assert!(serving.p95_us >= serving.p50_us && serving.p50_us > 0);

    let response = house
        .send(Method::POST, "/v1/predict", br#"{"x": 5}"#)
        .await;
    assert_eq!(response.headers()["x-bowsprit-release"], "r1");
    assert_eq!(response.headers()["x-model-version"], "1");
    assert_eq!(
        crate::house::read(response).await,
        (200, json!({"label": 15}))
    );

    let (status, page) = house.get("/.bowsprit/live").await;
    assert_eq!(
        (status, &page["release"], &page["versions"]),
        (200, &json!("r1"), &json!({"adder": 1}))
    );
    assert_eq!(house.metric("switches_total").await, 1);
    assert!(
        house
            .log()
            .lines()
            .any(|line| line.ends_with(" server r1 is starting")),
        "{}",
        house.log()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_other_answers_never_goes_live() {
    let house = House::new();
    house
        .want_live(&house.order(1, &Release::good("r1", 10)))
        .await;
    let wrong = Release {
        expected: 99,
        ..Release::good("r2", 20)
    };
    house.want(&house.order(2, &wrong));
    let live = house.settled(2, RolloutPhase::Failed).await;
    let reason = live.reason.unwrap();
    assert!(
        reason.contains("3 of 3 samples") && reason.contains("99") && reason.contains("20"),
        "{reason}"
    );
    assert_eq!(live.serving.unwrap().release, "r1");
    assert_eq!(
        house.post("/v1/predict", br#"{"x": 1}"#).await,
        (200, json!({"label": 11}))
    );
    assert_eq!(house.metric("rollouts_failed_total").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_ready_or_ends_is_told_with_its_last_lines() {
    let house = House::new();
    let crashes = Release {
        env: &[("CRASH_AT_START", "1")],
        ..Release::good("r1", 1)
    };
    house.want(&house.order(1, &crashes));
    let live = house.settled(1, RolloutPhase::Failed).await;
    assert!(
        live.reason.clone().unwrap().contains("no weights today"),
        "{live:?}"
    );
    assert_eq!(
        house.get("/which").await,
        (503, json!({"error": "no release is live"}))
    );

    let late = Release {
        env: &[("NEVER_READY", "1")],
        ..Release::good("r2", 1)
    };
    let mut order = house.order(2, &late);
    order.server.as_mut().unwrap().ready_timeout_s = 1;
    house.want(&order);
    let live = house.settled(2, RolloutPhase::Failed).await;
    assert!(
        live.reason.clone().unwrap().contains("r2 is starting"),
        "{live:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_model_byte_stops_the_release() {
    let house = House::new();
    let order = house.order(1, &Release::good("r1", 10));
    std::fs::write(house.path("r1-offset.txt"), "11").unwrap();
    house.want(&order);
    let live = house.settled(1, RolloutPhase::Failed).await;
    assert!(
        live.reason.clone().unwrap().contains("offset.txt"),
        "{live:?}"
    );

    std::fs::write(house.path("r1-offset.txt"), "10").unwrap();
    let order = house.order(2, &Release::good("r1", 10));
    house.want_live(&order).await;

    // The release is there already: what lies on disk is hashed before its server starts again.
    let laid_out = house.path("releases/r1/models/adder/offset.txt");
    std::fs::remove_file(&laid_out).unwrap();
    std::fs::write(&laid_out, "77").unwrap();
    let live = crate::crash::kill_server_until(&house, RolloutPhase::Failed).await;
    assert!(
        live.reason
            .clone()
            .unwrap()
            .contains("file `offset.txt` of model `adder` has changed"),
        "{live:?}"
    );
    assert_eq!(house.get("/which").await.0, 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_another_digest_than_agreed_stop_the_release() {
    let house = House::new();
    let mut order = house.order(1, &Release::good("r1", 10));
    let other = house
        .order(1, &Release::good("r2", 20))
        .server
        .unwrap()
        .digests;
    order.server.as_mut().unwrap().digests = other;
    house.want(&order);
    let live = house.settled(1, RolloutPhase::Failed).await;
    assert!(
        live.reason
            .clone()
            .unwrap()
            .contains("the file list of model `adder` has digest"),
        "{live:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_model_the_gateway_waits() {
    let house = House::new();
    let mut order = house.order(1, &Release::good("r1", 10));
    order.server = None;
    house.want(&order);
    let live = house.settled(1, RolloutPhase::Waiting).await;
    assert_eq!(live.serving, None);
    assert_eq!(
        house.get("/which").await,
        (503, json!({"error": "waiting for a model"}))
    );
    assert_eq!(house.get("/.bowsprit/health").await.0, 503);
    house
        .want_live(&house.order(2, &Release::good("r2", 10)))
        .await;
    assert_eq!(house.get("/.bowsprit/health").await.0, 200);

    order.generation = 3;
    house.want(&order);
    house.settled(3, RolloutPhase::Waiting).await;
    assert_eq!(
        house.get("/which").await,
        (503, json!({"error": "waiting for a model"}))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_order_supersedes_the_one_under_way() {
    let house = House::new();
    let late = Release {
        env: &[("NEVER_READY", "1")],
        ..Release::good("r1", 1)
    };
    house.want(&house.order(1, &late));
    eventually("r1 is being started", || {
        house.log().contains("server r1 is starting").then_some(())
    })
    .await;
    let live = house
        .want_live(&house.order(2, &Release::good("r2", 20)))
        .await;
    assert_eq!(live.serving.unwrap().release, "r2");
    assert_eq!(house.metric("rollouts_failed_total").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_cannot_be_read_changes_nothing() {
    let house = House::new();
    house
        .want_live(&house.order(1, &Release::good("r1", 1)))
        .await;
    house.write("wanted.json", "{\"release\": ");
    eventually("it is noted", || {
        house
            .log()
            .contains("the order is not followed")
            .then_some(())
    })
    .await;
    assert_eq!(house.get("/which").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn model_files_are_given_to_who_has_a_key() {
    let house = House::new();
    house
        .want_live(&house.order(1, &Release::good("r1", 42)))
        .await;
    assert_eq!(
        house.get("/.bowsprit/models/adder/offset.txt").await,
        (200, json!(42))
    );
    for path in [
        "/.bowsprit/models/adder/other.txt",
        "/.bowsprit/models/adder/..%2f..%2fsnapshot%2fservice.py",
        "/.bowsprit/models/other/offset.txt",
        "/.bowsprit/models/adder",
        "/.bowsprit/nothing",
    ] {
        assert_eq!(house.get(path).await.0, 404, "{path}");
    }
    let stranger = house
        .send_as(None, Method::GET, "/.bowsprit/models/adder/offset.txt", b"")
        .await;
    assert_eq!(stranger.status(), 401);
    assert_eq!(house.post("/.bowsprit/live", b"").await.0, 405);
    assert_ne!(KEY, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_untrusted_release_never_writes_what_trusted_ones_run_in() {
    let house = House::new();
    let built = |trust: &str| {
        let shelf = std::fs::read_dir(house.path("cache").join(trust));
        let entries = shelf.into_iter().flatten().flatten();
        entries.filter(|entry| entry.path().is_dir()).count()
    };
    let order = |generation, id, trust| {
        let mut order = house.order(generation, &Release::good(id, 10));
        let server = order.server.as_mut().unwrap();
        server.trust = trust;
        server.runtime = Some(RuntimeSpec::Python {
            minimum: "3.9".to_owned(),
            requirements: None,
        });
        order
    };
    house.want_live(&order(1, "r1", Trust::Untrusted)).await;
    assert_eq!((built("trusted"), built("untrusted")), (0, 1));
    house.want_live(&order(2, "r2", Trust::Trusted)).await;
    assert_eq!((built("trusted"), built("untrusted")), (1, 1));
    // It may run in what a trusted one built.
    std::fs::remove_dir_all(house.path("cache/untrusted")).unwrap();
    house.want_live(&order(3, "r3", Trust::Untrusted)).await;
    assert_eq!((built("trusted"), built("untrusted")), (1, 0));
}
