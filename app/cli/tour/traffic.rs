//! Requests that flow while releases are switched: none may fail.

use super::wire::Caller;
use http::Method;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::task::JoinSet;

/// Requests open at once.
const AT_ONCE: usize = 8;

/// A stream of requests to one environment.
pub(super) struct Traffic {
    counters: Arc<Counters>,
    workers: JoinSet<()>,
}

#[derive(Default)]
struct Counters {
    sent: AtomicU64,
    failed: AtomicU64,
    is_over: AtomicBool,
}

impl Traffic {
    /// Begins to send `body` to `path`, [`AT_ONCE`] at a time.
    pub(super) fn begin(caller: &Caller, path: &str, body: &Value) -> Traffic {
        let counters = Arc::new(Counters::default());
        let mut workers = JoinSet::new();
        for _ in 0..AT_ONCE {
            let (caller, path, body, counters) = (
                caller.clone(),
                path.to_owned(),
                body.clone(),
                counters.clone(),
            );
            workers.spawn(async move {
                while !counters.is_over.load(Ordering::Relaxed) {
                    let answer = caller.call(Method::POST, &path, Some(&body)).await;
                    counters.sent.fetch_add(1, Ordering::Relaxed);
                    match answer {
                        Ok(answer) if answer.status == 200 => {}
                        Ok(answer) => {
                            counters.failed.fetch_add(1, Ordering::Relaxed);
                            tracing::warn!("a request was answered {}", answer.status);
                        }
                        Err(error) => {
                            counters.failed.fetch_add(1, Ordering::Relaxed);
                            tracing::warn!("a request failed: {error:#}");
                        }
                    }
                }
            });
        }
        Traffic { counters, workers }
    }

    /// How many were sent so far, and how many of them failed.
    pub(super) fn counts(&self) -> (u64, u64) {
        (
            self.counters.sent.load(Ordering::Relaxed),
            self.counters.failed.load(Ordering::Relaxed),
        )
    }

    /// Ends the stream once at least `least` requests were sent; says how many were, and how many failed.
    pub(super) async fn end(mut self, least: u64) -> (u64, u64) {
        while self.counts().0 < least {
            tokio::task::yield_now().await;
        }
        self.counters.is_over.store(true, Ordering::Relaxed);
        while self.workers.join_next().await.is_some() {}
        self.counts()
    }
}
