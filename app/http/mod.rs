//! The door: webhook, API, pages, health.
