//! The door: webhook, API, pages, health.
//!
//! It checks, stores and answers; it must never decide, and its answers never carry an error's own text.
//! What pages and API show is read from the store; what they move is a lever of the store or a wake of a subject.

mod access;
mod agent;
mod answer;
mod api;
pub mod builds;
pub mod connections;
pub mod disk;
pub mod health;
mod logs;
mod openapi;
mod pages;
mod params;
mod queries;
mod read;
mod routes;
mod shelf;
#[cfg(test)]
mod tests;
pub mod webhook;

use crate::config::Config;
use crate::worker::Rooms;
use access::Sessions;
use axum::Router;
use health::{Health, Readiness};
use std::sync::Arc;
use tokio::sync::Semaphore;
use webhook::Door;

/// Live logs followed at once.
const STREAMS_MAX: usize = 128;

/// What the door is given.
pub struct Front<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// Every room; pages and API read the store, the logs and the keys.
    pub rooms: Arc<Rooms>,
    /// Shared with whoever starts and stops the server.
    pub readiness: Readiness,
}

/// What pages and API work with.
struct Desk {
    rooms: Arc<Rooms>,
    /// GitHub's pages for people, without a slash at the end.
    web_url: String,
    /// Whether pages can be read without a token; only on this machine.
    is_open: bool,
    sessions: Sessions,
    engine: pages::Engine,
    streams: Arc<Semaphore>,
}

/// A token that nobody has yet; the store keeps its digest alone. Errors: the system gives no random bytes.
pub(crate) fn new_token() -> anyhow::Result<String> {
    access::new_token()
}

/// Every route of the server.
///
/// # Panics
/// A page's template does not parse; a test holds that they do.
pub fn router(front: Front<'_>) -> Router {
    let Front {
        config,
        rooms,
        readiness,
    } = front;
    let door = Door {
        store: rooms.store.clone(),
        secrets: config.github.webhook_secrets.clone(),
        readiness: readiness.clone(),
        bodies_at_once: config.limits.bodies_at_once,
    };
    let health = Health {
        store: rooms.store.clone(),
        readiness,
    };
    let images = rooms.images.clone();
    let agents = match rooms.runs.intake() {
        Some(intake) => agent::router(intake.clone()),
        None => Router::new(),
    };
    let desk = Arc::new(Desk {
        web_url: config.github.web_url.clone(),
        is_open: config.open_reading && config.listen.ip().is_loopback(),
        sessions: Sessions::default(),
        engine: pages::Engine::load()
            .expect("the pages' templates are constant and parsed by a test"),
        streams: Arc::new(Semaphore::new(STREAMS_MAX)),
        rooms,
    });
    webhook::router(door)
        .merge(health::router(health))
        .merge(agents)
        .merge(api::router(&desk))
        .merge(pages::router(&desk))
        .merge(shelf::router(&desk))
        .merge(images.map(builds::router).unwrap_or_default())
}
