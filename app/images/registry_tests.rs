//! The client against registries that answer well, badly and maliciously, over loopback.

use super::*;
use axum::Router;
use axum::extract::Request as Asked;
use axum::response::{IntoResponse as _, Response as Given};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

const MANIFEST: &str = r#"{"schemaVersion": 2, "layers": []}"#;

/// What a registry was asked: path and `Authorization`.
type Heard = Arc<Mutex<Vec<(String, String)>>>;

struct House {
    address: SocketAddr,
    heard: Heard,
}

/// A registry that answers as `answer` says; it gets the path with its query, `Authorization`, and its own address.
async fn house(answer: fn(&str, &str, SocketAddr) -> Given) -> House {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Heard::default();
    let ears = heard.clone();
    let router = Router::new().fallback(move |asked: Asked| {
        let path = asked.uri().to_string();
        let header = asked.headers().get(header::AUTHORIZATION);
        let authorization = header
            .map_or("", |value| value.to_str().unwrap())
            .to_owned();
        ears.lock()
            .unwrap()
            .push((path.clone(), authorization.clone()));
        async move { answer(&path, &authorization, address) }
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    House { address, heard }
}

impl House {
    fn place(&self) -> Place {
        Place::new(&self.address.to_string(), "team/runtime").unwrap()
    }

    fn client(&self) -> Client {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.json");
        // robot:secret
        let text = format!(
            r#"{{"auths": {{"{}": {{"auth": "cm9ib3Q6c2VjcmV0"}}}}}}"#,
            self.address
        );
        std::fs::write(&path, text).unwrap();
        let credentials = Credentials::read(&path).unwrap();
        Client::new(credentials, vec![self.address.to_string()]).unwrap()
    }

    async fn find(&self) -> Result<Option<Pinned>, String> {
        let image = self.place().tagged(&Digest::of(b"key"));
        let found = self.client().find(&image).await;
        found.map_err(|error| format!("{error:#}"))
    }

    fn heard(&self) -> Vec<(String, String)> {
        self.heard.lock().unwrap().clone()
    }
}

fn status(code: u16) -> Given {
    StatusCode::from_u16(code).unwrap().into_response()
}

fn challenge(value: String) -> Given {
    let headers = [(header::WWW_AUTHENTICATE, value)];
    (StatusCode::UNAUTHORIZED, headers).into_response()
}

#[tokio::test]
async fn an_image_is_found_by_its_tag_and_known_by_its_bytes() {
    let house = house(|_, _, _| {
        // A digest of its own that is not believed.
        let headers = [(
            "docker-content-digest",
            format!("sha256:{}", "0".repeat(64)),
        )];
        (headers, MANIFEST).into_response()
    })
    .await;
    let found = house.find().await.unwrap().unwrap();
    assert_eq!(found.digest, Digest::of(MANIFEST.as_bytes()));
    let (path, _) = &house.heard()[0];
    let key = Digest::of(b"key");
    assert_eq!(path, &format!("/v2/team/runtime/manifests/{}", key.hex()));
    let client = house.client();
    assert!(client.holds(&found).await.unwrap());
    let other = house.place().at(Digest::of(b"other"));
    let error = client.holds(&other).await.unwrap_err();
    assert!(
        format!("{error:#}").contains("gave other bytes"),
        "{error:#}"
    );
}

#[tokio::test]
async fn an_image_that_is_not_there_is_none_and_no_error() {
    let house = house(|_, _, _| status(404)).await;
    assert_eq!(house.find().await, Ok(None));
    let image = house.place().at(Digest::of(b"x"));
    assert!(!house.client().holds(&image).await.unwrap());
}

#[tokio::test]
async fn a_registry_gets_name_and_password_when_it_asks() {
    let house = house(|_, authorization, _| match authorization {
        "Basic cm9ib3Q6c2VjcmV0" => MANIFEST.into_response(),
        _ => challenge("Basic realm=\"x\"".to_owned()),
    })
    .await;
    assert!(house.find().await.unwrap().is_some());
    // Nothing is shown before it was asked for.
    assert_eq!(house.heard()[0].1, "");
}

#[tokio::test]
async fn a_token_is_had_where_the_registry_says() {
    let house = house(|path, authorization, own| match (path, authorization) {
        (path, "Basic cm9ib3Q6c2VjcmV0") if path.starts_with("/token?") => {
            assert!(
                path.contains("scope=repository%3Ateam%2Fruntime%3Apull"),
                "{path}"
            );
            r#"{"access_token": "t0ken"}"#.into_response()
        }
        (_, "Bearer t0ken") => MANIFEST.into_response(),
        _ => challenge(format!("Bearer realm=\"http://{own}/token\",service=\"r\"")),
    })
    .await;
    assert!(house.find().await.unwrap().is_some());
}

#[tokio::test]
async fn a_registry_that_refuses_says_what_would_work() {
    let house = house(|_, _, _| status(403)).await;
    let error = house.find().await.unwrap_err();
    assert!(error.contains("images.auth_file"), "{error}");
    assert!(!error.contains("cm9ib3Q6c2VjcmV0"), "{error}");
}

/// How a hostile registry answers: by path, by method, by its own address.
type Answering = fn(&str, &str, SocketAddr) -> Given;

#[tokio::test]
async fn hostile_answers_are_errors_and_soon() {
    let answers: [(Answering, &str); 8] = [
        (|_, _, _| "not json".into_response(), "no manifest"),
        (
            |_, _, _| "{\"schemaVersion\": 1}".into_response(),
            "no manifest",
        ),
        (|_, _, _| vec![b' '; 5 << 20].into_response(), "larger than"),
        (|_, _, _| status(500), "answers 500"),
        (|_, _, _| status(302), "answers 302"),
        (|_, _, _| challenge("Negotiate".to_owned()), "do not know"),
        (
            |_, _, _| challenge("Bearer realm=\"ftp://x/\"".to_owned()),
            "does not speak HTTPS",
        ),
        (
            |path, _, own| match path.starts_with("/token") {
                true => "{}".into_response(),
                false => challenge(format!("Bearer realm=\"http://{own}/token\"")),
            },
            "no token",
        ),
    ];
    for (answer, told) in answers {
        let error = house(answer).await.find().await.unwrap_err();
        assert!(error.contains(told), "{told}: {error}");
    }
}

#[tokio::test]
async fn plain_http_is_for_registries_that_are_named_alone() {
    let house = house(|_, _, _| MANIFEST.into_response()).await;
    let client = Client::new(Credentials::default(), Vec::new()).unwrap();
    let image = house.place().tagged(&Digest::of(b"key"));
    assert!(client.find(&image).await.is_err());
    assert!(house.heard().is_empty());
    // Nor does a registry with HTTPS send our password to a token server without.
    let url = client.token_url("registry.example", "http://auth.example/token", None, "x");
    assert!(url.is_err());
}

#[tokio::test]
async fn a_registry_that_is_not_there_is_named() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let client = Client::new(Credentials::default(), vec![address.to_string()]).unwrap();
    let place = Place::new(&address.to_string(), "x").unwrap();
    let error = client
        .find(&place.tagged(&Digest::of(b"x")))
        .await
        .unwrap_err();
    let error = format!("{error:#}");
    assert!(
        error.contains(&address.to_string()) && error.contains("cannot be reached"),
        "{error}"
    );
}

#[tokio::test]
async fn writing_is_tried_with_our_credential_and_taken_back() {
    let house = house(|path, authorization, own| {
        if path.starts_with("/token") {
            return "{\"token\": \"writer\"}".into_response();
        }
        match authorization {
            "" => challenge(format!("Bearer realm=\"http://{own}/token\"")),
            _ => {
                let mut begun = status(202);
                let upload = http::HeaderValue::from_static("/v2/team/runtime/blobs/uploads/1?x=y");
                begun.headers_mut().insert(header::LOCATION, upload);
                begun
            }
        }
    })
    .await;
    house.client().try_to_write(&house.place()).await.unwrap();
    let heard: Vec<String> = house.heard().into_iter().map(|(path, _)| path).collect();
    let [first, token, again, back] = heard.try_into().unwrap();
    assert_eq!((&first, &again), (&again, &first));
    assert!(token.contains("pull%2Cpush"), "{token}");
    assert_eq!(back, "/v2/team/runtime/blobs/uploads/1?x=y");
}

#[tokio::test]
async fn where_we_may_not_write_is_told_with_what_would_help() {
    let answers: [(Answering, &str); 3] = [
        (
            |_, _, _| status(403),
            "`images.auth_file` needs a credential that may write there",
        ),
        (|_, _, _| status(404), "answers 404"),
        (|_, _, _| status(200), "answers 200"),
    ];
    for (answer, told) in answers {
        let house = house(answer).await;
        let error = house.client().try_to_write(&house.place()).await;
        let error = format!("{:#}", error.unwrap_err());
        assert!(
            error.contains(told) && error.contains("team/runtime"),
            "{error}"
        );
    }
}
