//! What a house's environments answer.

use super::house::{House, Http, PATIENCE, POLL};
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use std::time::Instant;

impl House {
    /// The answer to `x`; the node learns a first pod's address some time after it is ready, and refuses until then.
    async fn answered(&self, url: &str, key: Option<&SecretString>, x: i64) -> (u16, Value) {
        let began = Instant::now();
        loop {
            match ask(&self.http, url, key, x).await {
                Ok(answer) => return answer,
                Err(error) => assert!(began.elapsed() < PATIENCE, "{error}"),
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// What the service answers to `x`.
    pub(crate) async fn predict(&self, url: &str, x: i64) -> Option<i64> {
        let answer = self.answered(url, Some(&self.key()), x).await;
        assert_eq!(answer.0, 200, "{}", answer.1);
        answer.1["label"].as_i64()
    }

    pub(crate) async fn asked_without_key(&self, url: &str) -> u16 {
        self.answered(url, None, 1).await.0
    }

    /// Waits until the key is accepted no more.
    pub(crate) async fn until_refused(&self, url: &str, key: &SecretString) {
        let began = Instant::now();
        while self.answered(url, Some(key), 1).await.0 != 401 {
            assert!(
                began.elapsed() < PATIENCE,
                "the old key is accepted for ever"
            );
            tokio::time::sleep(POLL).await;
        }
    }
}

pub(super) async fn ask(
    http: &Http,
    url: &str,
    key: Option<&SecretString>,
    x: i64,
) -> Result<(u16, Value), String> {
    let mut request = Request::post(format!("{url}/v1/predict"));
    if let Some(key) = key {
        request = request.header("Authorization", format!("Bearer {}", key.expose_secret()));
    }
    let body = Full::new(Bytes::from(json!({ "x": x }).to_string()));
    let answer = http.request(request.body(body).unwrap()).await;
    let answer = answer.map_err(|error| format!("{error:?}"))?;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await;
    let bytes = body.map_err(|error| format!("{error:?}"))?.to_bytes();
    Ok((
        status,
        serde_json::from_slice(&bytes).unwrap_or(Value::Null),
    ))
}
