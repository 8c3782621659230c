//! The server that requests go to, and the moment at which that changes.
//!
//! A request takes its server and is counted there under one lock, so that a server that was replaced is stopped
//! only when the last of its requests is done.

use super::answer::Turned;
use super::pool::Pool;
use bowsprit_core::artifact::File;
use bowsprit_core::name::Slug;
use bowsprit_core::serving::spec::Serving;
use hyper::header::HeaderValue;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// A request waits this long for a server that is being started again.
const RETURN_WAIT: Duration = Duration::from_secs(10);

/// A server that answers requests.
#[derive(Debug)]
pub(crate) struct Upstream {
    /// What it serves.
    pub(crate) serving: Serving,
    /// Its connections.
    pub(crate) pool: Arc<Pool>,
    /// The files of each model, as they lie on disk.
    pub(crate) models: BTreeMap<Slug, ModelFiles>,
    /// `X-Bowsprit-Release`.
    pub(crate) release: HeaderValue,
    /// `X-Model-Version`.
    pub(crate) version: HeaderValue,
    in_flight: AtomicUsize,
    done: Notify,
}

/// A model's directory and what belongs into it.
#[derive(Debug, Clone)]
pub(crate) struct ModelFiles {
    /// Where the files lie.
    pub(crate) dir: PathBuf,
    /// What they are.
    pub(crate) files: Vec<File>,
}

impl Upstream {
    /// A server that listens on `addr`.
    pub(crate) fn new(
        addr: SocketAddr,
        serving: Serving,
        models: BTreeMap<Slug, ModelFiles>,
    ) -> Arc<Upstream> {
        let header = |text: &str| {
            HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("unprintable"))
        };
        Arc::new(Upstream {
            release: header(&serving.release),
            version: header(&versions_text(&serving)),
            serving,
            pool: Pool::new(addr),
            models,
            in_flight: AtomicUsize::new(0),
            done: Notify::new(),
        })
    }

    /// Waits until no request is at work there. Returns how many were left when the time was over.
    pub(crate) async fn drain(&self, patience: Duration) -> usize {
        let until = Instant::now() + patience;
        loop {
            let done = self.done.notified();
            let left = self.in_flight.load(Ordering::SeqCst);
            if left == 0 || tokio::time::timeout_at(until, done).await.is_err() {
                self.pool.clear();
                return left;
            }
        }
    }
}

/// One model: its version. Several: `a=1, b=2`. A model without a version is known by its digest.
fn versions_text(serving: &Serving) -> String {
    let version = |name: &Slug| {
        serving.versions.get(name).map_or_else(
            || {
                serving
                    .digests
                    .get(name)
                    .map_or_else(String::new, |digest| digest.short().to_owned())
            },
            u64::to_string,
        )
    };
    let mut names = serving.digests.keys();
    match (names.next(), names.next()) {
        (Some(only), None) => version(only),
        (Some(_), Some(_)) | (None, _) => {
            let each: Vec<String> = serving
                .digests
                .keys()
                .map(|name| format!("{name}={}", version(name)))
                .collect();
            each.join(", ")
        }
    }
}

/// A request at work at a server.
#[derive(Debug)]
pub(crate) struct Hold(Arc<Upstream>);

impl Hold {
    fn new(upstream: &Arc<Upstream>) -> Hold {
        upstream.in_flight.fetch_add(1, Ordering::SeqCst);
        Hold(Arc::clone(upstream))
    }

    /// The server.
    pub(crate) fn upstream(&self) -> &Arc<Upstream> {
        &self.0
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.done.notify_one();
        }
    }
}

/// What stands behind the door.
#[derive(Debug, Clone)]
pub(crate) enum Behind {
    /// Nothing, for this reason.
    Nothing(Turned),
    /// The server died and is being started again.
    Down,
    /// This server.
    Up(Arc<Upstream>),
}

/// The place where the present server stands.
#[derive(Debug)]
pub(crate) struct Slot(watch::Sender<Behind>);

impl Slot {
    /// A place where nothing stands.
    pub(crate) fn new(reason: Turned) -> Slot {
        Slot(watch::Sender::new(Behind::Nothing(reason)))
    }

    /// Puts something else there and returns what stood there before.
    pub(crate) fn put(&self, behind: Behind) -> Behind {
        self.0.send_replace(behind)
    }

    /// The present server, not counted as a request.
    pub(crate) fn look(&self) -> Result<Arc<Upstream>, Turned> {
        match &*self.0.borrow() {
            Behind::Nothing(reason) => Err(*reason),
            Behind::Down => Err(Turned::Down),
            Behind::Up(upstream) => Ok(Arc::clone(upstream)),
        }
    }

    /// Takes a server for a request: any but `refused`, which took no connection. Waits while it is being started
    /// again. Errors: nothing stands there, or it did not come back in time.
    pub(crate) async fn hold(&self, refused: Option<&Arc<Upstream>>) -> Result<Hold, Turned> {
        let until = Instant::now() + RETURN_WAIT;
        let mut changes = self.0.subscribe();
        loop {
            match &*changes.borrow_and_update() {
                Behind::Nothing(reason) => return Err(*reason),
                Behind::Down => {}
                Behind::Up(upstream)
                    if refused.is_some_and(|other| Arc::ptr_eq(upstream, other)) => {}
                // Counted while the lock is held: a switch comes before or after, never between.
                Behind::Up(upstream) => return Ok(Hold::new(upstream)),
            }
            if !matches!(
                tokio::time::timeout_at(until, changes.changed()).await,
                Ok(Ok(()))
            ) {
                return Err(Turned::Down);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bowsprit_core::name::Digest;

    fn serving(models: &[(&str, Option<u64>)]) -> Serving {
        let name = |text: &str| Slug::parse(text).unwrap();
        Serving {
            release: "r1".to_owned(),
            since_ms: 0,
            versions: models
                .iter()
                .filter_map(|(text, version)| Some((name(text), (*version)?)))
                .collect(),
            digests: models
                .iter()
                .map(|(text, _)| (name(text), Digest::of(b"")))
                .collect(),
            p50_us: 0,
            p95_us: 0,
        }
    }

    fn upstream() -> Arc<Upstream> {
        Upstream::new(
            SocketAddr::from(([127, 0, 0, 1], 1)),
            serving(&[]),
            BTreeMap::new(),
        )
    }

    #[test]
    fn versions_are_one_number_or_a_list() {
        assert_eq!(versions_text(&serving(&[("digits", Some(8))])), "8");
        assert_eq!(versions_text(&serving(&[("digits", None)])), "e3b0c44298fc");
        assert_eq!(
            versions_text(&serving(&[("a", Some(1)), ("b", Some(2))])),
            "a=1, b=2"
        );
    }

    #[tokio::test]
    async fn a_replaced_server_is_drained_of_its_requests() {
        let slot = Slot::new(Turned::FirstStart);
        assert_eq!(
            slot.hold(None).await.map(|_| ()).unwrap_err(),
            Turned::FirstStart
        );
        let old = upstream();
        slot.put(Behind::Up(Arc::clone(&old)));
        let hold = slot.hold(None).await.unwrap();
        let new = upstream();
        slot.put(Behind::Up(Arc::clone(&new)));
        assert!(Arc::ptr_eq(slot.hold(None).await.unwrap().upstream(), &new));
        assert_eq!(old.drain(Duration::ZERO).await, 1);
        let (left, ()) = tokio::join!(old.drain(Duration::from_secs(60)), async { drop(hold) });
        assert_eq!(left, 0);
    }

    #[tokio::test]
    async fn a_request_waits_for_the_server_to_come_back() {
        let slot = Slot::new(Turned::FirstStart);
        slot.put(Behind::Down);
        let back = upstream();
        let (hold, ()) = tokio::join!(slot.hold(None), async {
            slot.put(Behind::Up(Arc::clone(&back)));
        });
        assert!(Arc::ptr_eq(hold.unwrap().upstream(), &back));
    }
}
