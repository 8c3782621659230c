//! Logs: harmless, and taken up where a reader was.

use super::bench::{Bench, token};
use super::samples::{GOING, RUN, STAGE};
use crate::store::Scope;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use std::io::Write as _;
use tower::ServiceExt as _;

#[tokio::test]
async fn a_log_is_plain_text_without_codes() {
    let bench = Bench::sample().await;
    let got = bench
        .get(&format!("/api/v1/runs/{RUN}/log?stage=train"))
        .await;
    assert_eq!(got.status, StatusCode::OK);
    assert_eq!(got.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(got.header("x-content-type-options"), "nosniff");
    assert!(
        got.text.contains("red <script>alert(1)</script>"),
        "{}",
        got.text
    );
    for bad in ["\u{1b}", "\u{7}", "\u{202e}", "owned"] {
        assert!(!got.text.contains(bad), "{bad:?}");
    }
    assert_eq!(
        bench
            .get(&format!("/api/v1/runs/{RUN}/log?stage=..%2F.."))
            .await
            .status,
        StatusCode::NOT_FOUND
    );
}

/// Every event of a stream that ends.
async fn events(bench: &Bench, path: &str, last: Option<&str>) -> Vec<String> {
    let mut request =
        Request::get(path).header("authorization", format!("Bearer {}", token(Scope::Read)));
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    let got = bench.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(got.header("content-type"), "text/event-stream");
    got.text
        .split("\n\n")
        .filter(|event| !event.is_empty())
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn a_stream_ends_with_done_and_goes_on_after_the_last_event() {
    let bench = Bench::sample().await;
    let path = format!("/api/v1/runs/{RUN}/log/stream?stage={STAGE}");
    let all = events(&bench, &path, None).await;
    assert!(
        all[0].contains("epoch=1 ") && all[0].contains("saved outputs"),
        "{all:?}"
    );
    assert!(
        all.last()
            .is_some_and(|event| event.contains("event: done")),
        "{all:?}"
    );
    // The offset after the first line is where the second begins.
    let first = super::samples::log().find('\n').unwrap() + 1;
    let rest = events(&bench, &path, Some(&first.to_string())).await;
    assert!(
        !rest[0].contains("prepare runtime") && rest[0].contains("epoch=1 "),
        "{rest:?}"
    );
    let size = super::samples::log().len().to_string();
    assert_eq!(events(&bench, &path, Some(&size)).await.len(), 1);
    let request = Request::get(&path)
        .header("authorization", format!("Bearer {}", token(Scope::Read)))
        .header("last-event-id", "x");
    assert_eq!(
        bench
            .send(request.body(Body::empty()).unwrap())
            .await
            .status,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn lines_come_as_they_are_written() {
    let bench = Bench::sample().await;
    let dir = bench
        .dir
        .path()
        .join("state/runs")
        .join(format!("{GOING}-train"));
    std::fs::create_dir_all(&dir).unwrap();
    let mut file = std::fs::File::create(dir.join("log.txt")).unwrap();
    file.write_all(b"one\nhal").unwrap();
    let request = Request::get(format!("/api/v1/runs/{GOING}/log/stream"))
        .header("authorization", format!("Bearer {}", token(Scope::Read)));
    let response = bench
        .app
        .clone()
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap();
    let mut body = response.into_body();
    let mut next = async || {
        String::from_utf8(
            body.frame()
                .await
                .unwrap()
                .unwrap()
                .into_data()
                .unwrap()
                .to_vec(),
        )
        .unwrap()
    };
    let first = next().await;
    assert!(
        first.contains("data: one") && !first.contains("hal"),
        "{first}"
    );
    file.write_all(b"f\nthree\n").unwrap();
    let second = next().await;
    assert!(
        second.contains("data: half\ndata: three") && second.contains("id: 15"),
        "{second}"
    );
}
