//! Hearing of objects: a list, then a watch; what was missed meanwhile is found by listing again.

use super::Kind;
use futures_util::stream::{BoxStream, Stream, StreamExt as _, unfold};
use kube::api::Api;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Error, Event, watcher};

/// The status by which the API server says that it has forgotten a version.
const GONE: u16 = 410;

/// Hears of the objects that the labels choose, for good; after an error it waits, each time longer, and begins again.
pub fn changes<K>(
    all: Api<K>,
    labels: &str,
) -> impl Stream<Item = Result<Event<K>, Error>> + Send + use<K>
where
    K: Kind + Send + Sync + 'static,
{
    let config = watcher::Config::default().labels(labels);
    lasting(move || watcher(all.clone(), config.clone()).boxed()).default_backoff()
}

/// A watcher that is replaced when it cannot go on: it asks for its version for ever where the answer, and not an event in
/// it, says that this is forgotten.
fn lasting<K: 'static>(
    begin: impl Fn() -> BoxStream<'static, Result<Event<K>, Error>> + Send + 'static,
) -> impl Stream<Item = Result<Event<K>, Error>> + Send + 'static {
    unfold(
        (begin, None),
        |(begin, watcher): (_, Option<BoxStream<'static, _>>)| async move {
            let mut watcher = watcher.unwrap_or_else(&begin);
            let heard = watcher.next().await?;
            let is_over = matches!(&heard, Err(error) if is_gone(error));
            Some((heard, (begin, (!is_over).then_some(watcher))))
        },
    )
}

fn is_gone(error: &Error) -> bool {
    matches!(error, Error::WatchStartFailed(kube::Error::Api(status)) if status.code == GONE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{Request, Response};
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::client::Body;
    use serde_json::{Value, json};
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// More than this is said by no watch that finds its way.
    const EVENTS_MAX: usize = 10;

    fn answer(status: u16, body: &Value) -> Response<Body> {
        let body = Body::from(format!("{body}\n").into_bytes());
        Response::builder().status(status).body(body).unwrap()
    }

    /// An API server that has forgotten the version of its first list, and says so by its status.
    fn forgetful() -> kube::Client {
        static LISTS: AtomicU64 = AtomicU64::new(0);
        let service = tower::service_fn(async |request: Request<Body>| {
            let query = request.uri().query().unwrap_or_default();
            let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "resourceVersion": "9"}});
            let answer = match query {
                query if !query.contains("watch=") => {
                    let version = LISTS.fetch_add(1, Ordering::Relaxed) + 1;
                    let list = json!({"apiVersion": "v1", "kind": "ConfigMapList", "items": [],
                        "metadata": {"resourceVersion": version.to_string()}});
                    answer(200, &list)
                }
                query if query.contains("resourceVersion=1") => {
                    let gone = json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": "Expired",
                        "code": GONE, "message": "too old resource version: 1 (2)"});
                    answer(GONE, &gone)
                }
                _ => answer(200, &json!({"type": "ADDED", "object": object})),
            };
            Ok::<_, Infallible>(answer)
        });
        kube::Client::new(service, "default")
    }

    #[tokio::test]
    async fn a_version_that_is_forgotten_is_listed_again_however_that_is_told() {
        let all: Api<ConfigMap> = Api::namespaced(forgetful(), "default");
        let begin = move || watcher(all.clone(), watcher::Config::default()).boxed();
        let mut heard = std::pin::pin!(lasting(begin).take(EVENTS_MAX));
        let (mut gone, mut found) = (0, None);
        while let Some(event) = heard.next().await {
            match event {
                Ok(Event::Apply(object)) => {
                    found = object.metadata.name;
                    break;
                }
                Ok(_) => {}
                Err(error) => {
                    assert!(is_gone(&error), "{error}");
                    gone += 1;
                }
            }
        }
        assert_eq!((gone, found.as_deref()), (1, Some("a")));
    }
}
