use super::super::connections;
use super::super::health::{self, Health};
use super::*;
use crate::store::DeliveryState;
use axum::http::Request as HttpRequest;
use http_body_util::BodyExt;
use tempfile::TempDir;
use tower::ServiceExt;

const SECRET: &str = "It's a Secret to Everybody";
const OTHER: &str = "another secret of some length";
const PUSH: &[u8] = br#"{"ref": "refs/heads/main", "after": "0"}"#;

struct Bench {
    app: Router,
    store: Store,
    readiness: Readiness,
    _dir: TempDir,
}

async fn bench(secrets: &[&str]) -> Bench {
    bench_in(secrets, Duration::from_secs(30)).await
}

async fn bench_in(secrets: &[&str], read_limit: Duration) -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bowsprit.db");
    let store = Store::open(path.to_str().unwrap()).await.unwrap();
    let readiness = Readiness::default();
    readiness.set_started();
    let door = Door {
        store: store.clone(),
        secrets: secrets.iter().map(|s| SecretString::from(*s)).collect(),
        readiness: readiness.clone(),
        bodies_at_once: 64,
    };
    let health = Health {
        store: store.clone(),
        readiness: readiness.clone(),
    };
    Bench {
        app: timed(door, read_limit).merge(health::router(health)),
        store,
        readiness,
        _dir: dir,
    }
}

fn sign(secret: &str, body: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    let bytes = mac.chain_update(body).finalize().into_bytes();
    format!("sha256={}", hex::encode(bytes))
}

fn request(event: &str, guid: &str, body: &[u8]) -> HttpRequest<Body> {
    HttpRequest::post("/webhook")
        .header("content-type", "application/json")
        .header("x-github-event", event)
        .header("x-github-delivery", guid)
        .header("x-hub-signature-256", sign(SECRET, body))
        .body(Body::from(body.to_vec()))
        .unwrap()
}

async fn send(bench: &Bench, request: HttpRequest<Body>) -> (u16, String) {
    let response = bench.app.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn get(bench: &Bench, path: &str) -> (u16, String) {
    let request = HttpRequest::get(path).body(Body::empty()).unwrap();
    send(bench, request).await
}

async fn stored(bench: &Bench) -> u64 {
    bench.store.counts().await.unwrap().deliveries_new
}

#[test]
fn the_published_signature_is_ours() {
    let published = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    assert_eq!(
        sign(SECRET, b"Hello, World!"),
        format!("sha256={published}")
    );
    let mut bytes = [0; 32];
    hex::decode_to_slice(published, &mut bytes).unwrap();
    let secrets = [SecretString::from(SECRET)];
    assert!(is_signed(&secrets, &bytes, b"Hello, World!"));
    assert!(!is_signed(&secrets, &bytes, b"Hello, World"));
    assert!(!is_signed(&[], &bytes, b"Hello, World!"));
}

#[tokio::test]
async fn a_delivery_is_on_disk_when_it_is_answered_and_a_second_one_is_a_duplicate() {
    let bench = bench(&[SECRET]).await;
    let body = br#"{"action": "opened", "pull_request": {}, "number": 1}"#;
    let (status, answer) = send(&bench, request("pull_request", "a-1", body)).await;
    assert_eq!(status, 202);
    assert!(answer.contains("stored"), "{answer}");
    let (status, answer) = send(&bench, request("pull_request", "a-1", body)).await;
    assert_eq!(status, 200);
    assert!(answer.contains("duplicate"), "{answer}");
    let rows = bench
        .store
        .deliveries(Some(DeliveryState::New), 9)
        .await
        .unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].action.as_deref(), Some("opened"));
    let kept = bench.store.delivery("a-1").await.unwrap().unwrap();
    assert_eq!(kept.body, body);
}

#[tokio::test]
async fn either_secret_signs_and_no_other_does() {
    let both = bench(&[OTHER, SECRET]).await;
    assert_eq!(send(&both, request("push", "a", PUSH)).await.0, 202);
    let wrong = bench(&[OTHER]).await;
    let (status, answer) = send(&wrong, request("push", "a", PUSH)).await;
    assert_eq!(status, 403);
    assert!(answer.contains("sign the body"), "{answer}");
    assert_eq!(stored(&wrong).await, 0);
}

#[tokio::test]
async fn what_is_wrong_is_said_and_nothing_is_stored() {
    let bench = bench(&[SECRET]).await;
    let with = |name: &'static str, value: &'static str| {
        let mut changed = request("push", "a", PUSH);
        changed.headers_mut().insert(name, value.parse().unwrap());
        changed
    };
    let without = |name: &str| {
        let mut changed = request("push", "a", PUSH);
        changed.headers_mut().remove(name);
        changed
    };
    let mut twice = request("push", "a", PUSH);
    twice
        .headers_mut()
        .append("x-github-event", "ping".parse().unwrap());
    let long = Box::leak("x".repeat(101).into_boxed_str());
    let cases = [
        (
            415,
            with("content-type", "application/x-www-form-urlencoded"),
        ),
        (415, without("content-type")),
        (400, with("x-github-event", "Push; drop")),
        (400, without("x-github-event")),
        (400, twice),
        (400, with("x-github-delivery", "a b")),
        (400, with("x-github-delivery", long)),
        (400, without("x-github-delivery")),
        (403, without("x-hub-signature-256")),
        (403, with("x-hub-signature-256", "sha256=00")),
        (403, with("x-hub-signature-256", "sha1=00")),
        (400, request("push", "a", b"[]")),
        (400, request("push", "a", b"{\"ref\": 1} x")),
        (400, request("push", "a", b"")),
        (413, with("content-length", "30000000")),
    ];
    for (number, (expected, request)) in cases.into_iter().enumerate() {
        let (status, answer) = send(&bench, request).await;
        assert_eq!(status, expected, "case {number}: {answer}");
        assert!(answer.starts_with("{\"error\":\""), "{answer}");
    }
    assert_eq!(get(&bench, "/webhook").await.0, 405);
    assert_eq!(stored(&bench).await, 0);
}

#[tokio::test]
async fn a_body_under_another_events_name_is_refused() {
    let bench = bench(&[SECRET]).await;
    let comment = br#"{"action": "created", "comment": {}, "issue": {}, "repository": {}}"#;
    let pull = br#"{"action": "opened", "number": 1, "pull_request": {}, "repository": {}, "installation": {}}"#;
    for (event, body) in [
        ("push", &comment[..]),
        ("issues", comment),
        ("pull_request", comment),
        ("repository", comment),
        ("issue_comment", PUSH),
        ("installation", pull),
        ("check_run", pull),
        ("push", br#"{"ref": "v1", "ref_type": "tag"}"#),
    ] {
        let (status, _) = send(&bench, request(event, "a", body)).await;
        assert_eq!(status, 400, "{event}");
    }
    assert_eq!(stored(&bench).await, 0);
    for (event, body) in [
        ("issue_comment", &comment[..]),
        ("pull_request", pull),
        ("push", PUSH),
        ("never_heard_of", b"{}"),
    ] {
        let (status, _) = send(&bench, request(event, event, body)).await;
        assert_eq!(status, 202, "{event}");
    }
}

#[tokio::test]
async fn thirty_megabytes_are_refused_with_and_without_a_declared_length() {
    let bench = bench(&[SECRET]).await;
    let chunks = (0..30).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 1_000_000])));
    let mut streamed = request("push", "a", PUSH);
    *streamed.body_mut() = Body::from_stream(futures_util::stream::iter(chunks));
    let (status, answer) = send(&bench, streamed).await;
    assert_eq!((status, answer.contains("25 MiB")), (413, true));
}

#[tokio::test]
async fn twenty_megabytes_are_taken() {
    let bench = bench(&[SECRET]).await;
    let mut body = PUSH.to_vec();
    body.resize(20_000_000, b' ');
    assert_eq!(send(&bench, request("push", "a", &body)).await.0, 202);
    assert_eq!(stored(&bench).await, 1);
}

#[tokio::test]
async fn a_sender_that_stops_in_the_middle_is_let_go() {
    let bench = bench_in(&[SECRET], Duration::from_millis(20)).await;
    let parts = futures_util::stream::once(async { Ok::<_, std::io::Error>(&PUSH[..5]) });
    let never = futures_util::StreamExt::chain(parts, futures_util::stream::pending());
    let mut slow = request("push", "a", PUSH);
    *slow.body_mut() = Body::from_stream(never);
    let (status, answer) = send(&bench, slow).await;
    assert_eq!((status, answer.contains("9 seconds")), (408, true));
}

#[tokio::test]
async fn a_connection_whose_body_drips_is_answered_and_closed() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let bench = bench_in(&[SECRET], Duration::from_millis(50)).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(connections::serve(
        listener,
        bench.app.clone(),
        connections::Limits::default(),
        tokio_util::sync::CancellationToken::new(),
    ));
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let head = format!(
        "POST /webhook HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\nx-github-event: push\r\nx-github-delivery: a\r\nx-hub-signature-256: {}\r\ncontent-length: 1000\r\n\r\n",
        sign(SECRET, PUSH)
    );
    write.write_all(head.as_bytes()).await.unwrap();
    let drip = tokio::spawn(async move {
        while write.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let mut answer = [0; 12];
    read.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
    drip.await.unwrap();
    assert_eq!(stored(&bench).await, 0);
}

#[tokio::test]
async fn a_store_that_cannot_take_more_turns_readiness_off_and_on_again() {
    let bench = bench(&[SECRET]).await;
    assert_eq!(get(&bench, "/readyz").await.0, 200);
    bench.readiness.set_full(true);
    assert_eq!(
        get(&bench, "/readyz").await.0,
        200,
        "it can be written again"
    );
    bench.store.close().await.unwrap();
    let (status, answer) = send(&bench, request("push", "a", PUSH)).await;
    assert_eq!(status, 503, "{answer}");
    assert_eq!(get(&bench, "/readyz").await.0, 503);
    assert_eq!(get(&bench, "/healthz").await.0, 200);
}

#[tokio::test]
async fn readiness_is_off_before_the_start_and_while_stopping() {
    let bench = bench(&[SECRET]).await;
    let starting = Health {
        store: bench.store.clone(),
        readiness: Readiness::default(),
    };
    let request = HttpRequest::get("/readyz").body(Body::empty()).unwrap();
    let answer = health::router(starting).oneshot(request).await.unwrap();
    assert_eq!(answer.status(), 503);
    bench.readiness.set_stopping();
    assert_eq!(get(&bench, "/readyz").await.0, 503);
}

#[tokio::test]
async fn figures_are_shown() {
    let bench = bench(&[SECRET]).await;
    send(&bench, request("push", "a", PUSH)).await;
    let (status, text) = get(&bench, "/metrics").await;
    assert_eq!(status, 200);
    assert!(
        text.contains("bowsprit_deliveries_total{result=\"stored\"}"),
        "{text}"
    );
    assert!(
        text.contains("bowsprit_queue_length{queue=\"deliveries_new\"}"),
        "{text}"
    );
}
