//! Hearing of Jobs and pods: a list, then a watch with bookmarks; after a gap that cannot be closed, a list again.
//!
//! The watch only ever fills the board. Whoever looks there finds either what is, or what was when the cluster was last heard.

use super::board::Namespace;
use crate::cluster::{self, Cluster, Kind, OURS, Trouble};
use futures_util::{FutureExt as _, StreamExt as _};
use kube::Resource;
use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt as _, reflector};
use std::hash::Hash;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Where a kind's place is in [`Namespace::is_known`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Jobs,
    Pods,
}

/// Begins to hear of a namespace.
pub(super) fn namespace(
    cluster: &Cluster,
    name: &str,
    wake: &Arc<Notify>,
    stop: &CancellationToken,
) -> Arc<Namespace> {
    let (jobs, jobs_writer) = reflector::store();
    let (pods, pods_writer) = reflector::store();
    let namespace = Arc::new(Namespace {
        jobs,
        pods,
        is_known: Default::default(),
        trouble: Mutex::new(None),
    });
    let hear = |which| Hearing {
        namespace: Arc::clone(&namespace),
        wake: Arc::clone(wake),
        which,
        name: name.to_owned(),
    };
    let jobs = hear(Which::Jobs).listen(cluster.clone(), jobs_writer);
    let pods = hear(Which::Pods).listen(cluster.clone(), pods_writer);
    for listening in [jobs.boxed(), pods.boxed()] {
        let stop = stop.clone();
        tokio::spawn(async move { stop.run_until_cancelled(listening).await });
    }
    namespace
}

struct Hearing {
    namespace: Arc<Namespace>,
    wake: Arc<Notify>,
    which: Which,
    name: String,
}

impl Hearing {
    async fn listen<K>(self, cluster: Cluster, writer: Writer<K>)
    where
        K: Kind + Send + Sync + 'static,
        <K as Resource>::DynamicType: Eq + Hash + Clone + Default,
    {
        let events = cluster::changes(cluster.all::<K>(&self.name), OURS)
            // Who set which field is of no use here, and the larger half of an object in memory.
            .modify(|object: &mut K| object.meta_mut().managed_fields = None);
        let mut events = std::pin::pin!(reflector(writer, events));
        // The watcher begins again by itself after every error, and waits longer each time.
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => self.hear(&event),
                Err(error) => self.complain(error),
            }
        }
    }

    fn hear<K>(&self, event: &Event<K>) {
        let is_whole = match event {
            Event::InitDone => true,
            Event::Apply(_) | Event::Delete(_) => true,
            Event::Init | Event::InitApply(_) => false,
        };
        if is_whole {
            self.namespace.is_known[self.which as usize].store(true, Ordering::Release);
            *self.trouble() = None;
            self.wake.notify_one();
        }
    }

    fn complain(&self, error: watcher::Error) {
        let cause = match error {
            watcher::Error::InitialListFailed(error)
            | watcher::Error::WatchStartFailed(error)
            | watcher::Error::WatchFailed(error) => Trouble::of(error).message,
            watcher::Error::WatchError(status) => Trouble::of(kube::Error::Api(status)).message,
            watcher::Error::NoResourceVersion => "the list has no version".to_owned(),
        };
        tracing::warn!(
            "{:?} of namespace `{}` are not heard of for now: {cause}",
            self.which,
            self.name
        );
        *self.trouble() = Some(cause);
    }

    fn trouble(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        let trouble = &self.namespace.trouble;
        trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
