//! Who may come in, and how many at once.
//!
//! A key is known by its sha256 alone and compared in constant time; it is never kept, logged or passed on.

use super::answer::Turned;
use bowsprit_core::name::Digest;
use bowsprit_core::serving::spec::DoorSpec;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use subtle::{Choice, ConstantTimeEq};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A request waits this long for its turn. Units: seconds.
const QUEUE_WAIT: Duration = Duration::from_secs(30);

/// The rules of one order; replaced as a whole when they change.
#[derive(Debug)]
pub(crate) struct Door {
    keys: Vec<Digest>,
    /// Units: bytes.
    pub(crate) body_bytes_max: usize,
    /// Whether requests are counted, and figures of them shown.
    pub(crate) telemetry: bool,
    /// Requests take their turn here.
    pub(crate) queue: Arc<Queue>,
}

impl Door {
    /// The door of an order; keeps the queue of the one before where its limits are the same.
    pub(crate) fn new(spec: &DoorSpec, before: Option<&Door>) -> Door {
        let queue = before
            .map(|door| &door.queue)
            .filter(|queue| {
                queue.concurrency == spec.concurrency && queue.waiting_max == spec.queue
            })
            .map_or_else(
                || Arc::new(Queue::new(spec.concurrency, spec.queue)),
                Arc::clone,
            );
        Door {
            keys: spec.keys.clone(),
            body_bytes_max: spec.body_bytes_max,
            telemetry: spec.telemetry,
            queue,
        }
    }

    /// A door for the time before the first order: nothing stands behind it.
    pub(crate) fn empty() -> Door {
        Door {
            keys: Vec::new(),
            body_bytes_max: 0,
            // Whether it may be counted is known with the first order.
            telemetry: false,
            queue: Arc::new(Queue::new(1, 0)),
        }
    }

    /// Whether the request carries an accepted key, or none is asked for.
    pub(crate) fn lets_in(&self, headers: &HeaderMap) -> bool {
        if self.keys.is_empty() {
            return true;
        }
        let Some(key) = headers
            .get(AUTHORIZATION)
            .and_then(|value| bearer(value.as_bytes()))
        else {
            return false;
        };
        let shown = Digest::of(key);
        let mut known = Choice::from(0);
        for key in &self.keys {
            known |= key.hex().as_bytes().ct_eq(shown.hex().as_bytes());
        }
        known.into()
    }
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(7)?;
    let key = rest.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"bearer ") && !key.is_empty()).then_some(key)
}

/// A bounded queue: some at work, some waiting, the rest sent away.
#[derive(Debug)]
pub(crate) struct Queue {
    work: Arc<Semaphore>,
    concurrency: usize,
    waiting: AtomicUsize,
    waiting_max: usize,
}

impl Queue {
    fn new(concurrency: usize, waiting_max: usize) -> Queue {
        Queue {
            work: Arc::new(Semaphore::new(concurrency.clamp(1, Semaphore::MAX_PERMITS))),
            concurrency,
            waiting: AtomicUsize::new(0),
            waiting_max,
        }
    }

    /// How many wait now.
    pub(crate) fn depth(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Waits for a turn. Errors: the queue is full, or the wait took too long.
    pub(crate) async fn enter(&self) -> Result<OwnedSemaphorePermit, Turned> {
        if let Ok(turn) = Arc::clone(&self.work).try_acquire_owned() {
            return Ok(turn);
        }
        let _waiting = Waiting::begin(self).ok_or(Turned::QueueFull)?;
        match tokio::time::timeout(QUEUE_WAIT, Arc::clone(&self.work).acquire_owned()).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) | Err(_) => Err(Turned::QueueLate),
        }
    }
}

/// One place in the queue, given back when dropped.
struct Waiting<'a>(&'a Queue);

impl<'a> Waiting<'a> {
    fn begin(queue: &'a Queue) -> Option<Waiting<'a>> {
        let place = Waiting(queue);
        let before = queue.waiting.fetch_add(1, Ordering::Relaxed);
        (before < queue.waiting_max).then_some(place)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn spec(keys: &[&str], concurrency: usize, queue: usize) -> DoorSpec {
        DoorSpec {
            keys: keys.iter().map(|key| Digest::of(key.as_bytes())).collect(),
            concurrency,
            queue,
            body_bytes_max: 1,
            telemetry: true,
        }
    }

    #[test]
    fn only_an_accepted_key_opens() {
        let door = Door::new(&spec(&["old", "new"], 1, 1), None);
        let shown = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
            door.lets_in(&headers)
        };
        assert!(shown("Bearer old"));
        assert!(shown("bearer new"));
        for bad in ["Bearer other", "Bearer ", "Bearer", "old", "Basic old", ""] {
            assert!(!shown(bad), "{bad}");
        }
        assert!(!door.lets_in(&HeaderMap::new()));
        assert!(Door::new(&spec(&[], 1, 1), None).lets_in(&HeaderMap::new()));
    }

    #[tokio::test]
    async fn beyond_the_queue_is_sent_away() {
        let queue = Arc::new(Queue::new(1, 1));
        let first = queue.enter().await.unwrap();
        let second = tokio::spawn({
            let queue = Arc::clone(&queue);
            async move { queue.enter().await.map(drop) }
        });
        while queue.depth() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(queue.enter().await.map(drop), Err(Turned::QueueFull));
        drop(first);
        assert_eq!(second.await.unwrap(), Ok(()));
        assert_eq!(queue.depth(), 0);
    }

    #[test]
    fn a_change_of_keys_keeps_the_queue() {
        let door = Door::new(&spec(&["a"], 2, 2), None);
        let same = Door::new(&spec(&["b"], 2, 2), Some(&door));
        assert!(Arc::ptr_eq(&door.queue, &same.queue));
        let other = Door::new(&spec(&["b"], 3, 2), Some(&door));
        assert!(!Arc::ptr_eq(&door.queue, &other.queue));
    }
}
