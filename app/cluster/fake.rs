//! An API server for tests, on this machine: it answers what its test knows, refuses all else, and remembers what it was asked.

use super::Cluster;
use axum::Router;
use axum::body::Bytes;
use axum::http::{Method, StatusCode, Uri};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// A call.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// In capitals.
    pub(crate) method: String,
    /// Without the query.
    pub(crate) path: String,
    /// What stands behind the path.
    pub(crate) query: BTreeMap<String, String>,
    /// `null` where there is none.
    pub(crate) body: Value,
}

impl Asked {
    /// Method and path.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// The server; it ends with the test's runtime.
pub(crate) struct Fake {
    /// The way to it.
    pub(crate) cluster: Cluster,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Fake {
    /// What was asked since this was called last.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    /// The same, as lines.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked().iter().map(Asked::line).collect()
    }
}

/// Answers with a status and a text; `None` refuses a call that the test does not know.
pub(crate) async fn serve(
    answer: impl Fn(&Asked) -> Option<(u16, String)> + Send + Sync + 'static,
) -> Fake {
    let (asked, answer) = (Arc::new(Mutex::new(Vec::new())), Arc::new(answer));
    let heard = Arc::clone(&asked);
    let hear = move |method: Method, uri: Uri, body: Bytes| {
        let (heard, answer) = (Arc::clone(&heard), Arc::clone(&answer));
        async move {
            let query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
            let one = Asked {
                method: method.to_string(),
                path: uri.path().to_owned(),
                query: query.into_owned().collect(),
                body: serde_json::from_slice(&body).unwrap_or_default(),
            };
            heard.lock().unwrap().push(one.clone());
            let (status, text) = answer(&one).unwrap_or_else(|| {
                let message = format!("the fake does not know {}", one.line());
                refused(501, "NotImplemented", &message)
            });
            (StatusCode::from_u16(status).unwrap(), text)
        }
    };
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(hear)).await });
    let config = kube::Config::new(url.parse().unwrap());
    Fake {
        cluster: Cluster {
            client: kube::Client::try_from(config).unwrap(),
        },
        asked,
    }
}

/// What an API server keeps, by path; a test reads and changes it.
#[derive(Clone, Default)]
pub(crate) struct Shelf {
    /// The objects.
    pub(crate) objects: Arc<Mutex<BTreeMap<String, Value>>>,
    /// Objects whose path has this in it are not taken.
    pub(crate) refused: Arc<Mutex<Option<&'static str>>>,
}

impl Shelf {
    /// Answers as an API server that applies, gets, lists and deletes.
    pub(crate) fn answer(&self, asked: &Asked) -> Option<(u16, String)> {
        let mut objects = self.objects.lock().unwrap();
        let found = objects.get(&asked.path);
        match asked.method.as_str() {
            "PATCH" => {
                let refused = *self.refused.lock().unwrap();
                if refused.is_some_and(|refused| asked.path.contains(refused)) {
                    return Some(self::refused(422, "Invalid", "it is not valid"));
                }
                let mut object = asked.body.clone();
                object["metadata"]["uid"] = "uid".into();
                let text = object.to_string();
                objects.insert(asked.path.clone(), object);
                Some((200, text))
            }
            "GET" if found.is_some() => found.map(|found| (200, found.to_string())),
            // The last part of a path is a name, or the resource of a list.
            "GET" if asked.query.contains_key("limit") => {
                let below = format!("{}/", asked.path);
                let of_kind = objects.iter().filter(|(path, object)| {
                    path.starts_with(&below) && is_selected(object, &asked.query)
                });
                let items: Vec<Value> = of_kind.map(|(_, object)| object.clone()).collect();
                Some(list(&items))
            }
            "GET" => Some(missing()),
            "DELETE" => Some(match objects.remove(&asked.path) {
                Some(object) => (200, object.to_string()),
                None => missing(),
            }),
            _ => None,
        }
    }
}

fn is_selected(object: &Value, query: &BTreeMap<String, String>) -> bool {
    let selector = query.get("labelSelector").map(String::as_str);
    let pairs = selector.unwrap_or_default().split(',');
    pairs
        .filter_map(|pair| pair.split_once('='))
        .all(|(key, value)| object["metadata"]["labels"][key] == value)
}

/// A list with these objects.
pub(crate) fn list(items: &[Value]) -> (u16, String) {
    let list = json!({"kind": "List", "apiVersion": "v1", "metadata": {}, "items": items});
    (200, list.to_string())
}

/// That there is no such object.
pub(crate) fn missing() -> (u16, String) {
    refused(404, "NotFound", "there is none")
}

/// That it is not done: a status, its reason in one word, and words for people.
pub(crate) fn refused(code: u16, reason: &str, message: &str) -> (u16, String) {
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "code": code, "reason": reason, "message": message});
    (code, status.to_string())
}
