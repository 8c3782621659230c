//! The door: webhook, API, pages, health.
//!
//! It checks, stores and answers; it must never decide, and its answers never carry an error's own text.

pub mod health;
pub mod webhook;

/// What.
pub struct Front<'a> {
    /// c
    pub config: &'a crate::config::Config,
    /// r
    pub rooms: std::sync::Arc<crate::worker::Rooms>,
    /// r
    pub readiness: health::Readiness,
}
/// Router.
pub fn router(front: Front<'_>) -> axum::Router {
    let door = webhook::Door {
        store: front.rooms.store.clone(),
        secrets: front.config.github.webhook_secrets.clone(),
        readiness: front.readiness.clone(),
        bodies_at_once: front.config.limits.bodies_at_once,
    };
    webhook::router(door).merge(health::router(health::Health {
        store: front.rooms.store.clone(),
        readiness: front.readiness,
    }))
}
