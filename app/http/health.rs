//! Whether the server lives, whether it should be sent anything, and its figures.

use super::disk::Disk;
use crate::store::Store;
use crate::telemetry;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the server should be sent anything; clones share it. Begins as "starting".
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    flags: Arc<Flags>,
}

#[derive(Debug, Default)]
struct Flags {
    is_started: AtomicBool,
    is_stopping: AtomicBool,
    is_full: AtomicBool,
    disk: Option<Disk>,
}

impl Readiness {
    /// One that also needs room on this disk.
    pub fn needing(disk: Disk) -> Readiness {
        Readiness {
            flags: Arc::new(Flags {
                disk: Some(disk),
                ..Flags::default()
            }),
        }
    }

    /// Everything is up.
    pub fn set_started(&self) {
        self.flags.is_started.store(true, Ordering::Relaxed);
    }

    /// Nothing new shall be taken.
    pub fn set_stopping(&self) {
        self.flags.is_stopping.store(true, Ordering::Relaxed);
    }

    /// Deliveries cannot be stored, or can be again.
    pub fn set_full(&self, is_full: bool) {
        self.flags.is_full.store(is_full, Ordering::Relaxed);
    }

    /// Whether deliveries could not be stored when one last came.
    pub fn is_full(&self) -> bool {
        self.flags.is_full.load(Ordering::Relaxed)
    }

    /// Whether the disk has less room than shall stay free.
    pub fn is_disk_low(&self) -> bool {
        self.flags.disk.as_ref().is_some_and(Disk::is_low)
    }

    fn is_started(&self) -> bool {
        self.flags.is_started.load(Ordering::Relaxed)
    }

    fn is_stopping(&self) -> bool {
        self.flags.is_stopping.load(Ordering::Relaxed)
    }
}

/// What the answers are made from.
#[derive(Clone)]
pub struct Health {
    /// Asked for counts, and whether it can write.
    pub store: Store,
    /// Shared with the door.
    pub readiness: Readiness,
}

/// `GET /healthz`, `GET /readyz`, `GET /metrics`.
pub fn router(health: Health) -> Router {
    Router::new()
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(health)
}

async fn ready(State(health): State<Health>) -> Response {
    let readiness = &health.readiness;
    // Whoever is not ready is sent nothing, so the end of a shortage must be found here.
    if readiness.is_full() && health.store.probe().await.is_ok() {
        readiness.set_full(false);
    }
    let reason = if !readiness.is_started() {
        "starting\n"
    } else if readiness.is_stopping() || health.store.is_stopped() {
        "stopping\n"
    } else if readiness.is_disk_low() {
        "the disk is nearly full\n"
    } else if readiness.is_full() {
        "cannot store deliveries\n"
    } else {
        return "ready\n".into_response();
    };
    (StatusCode::SERVICE_UNAVAILABLE, reason).into_response()
}

async fn metrics(State(health): State<Health>) -> Response {
    match health.store.counts().await {
        Ok(counts) => telemetry::set_queues(&counts),
        Err(error) => tracing::warn!("cannot count the queues: {error:#}"),
    }
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], telemetry::render()).into_response()
}
