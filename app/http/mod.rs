//! The door: webhook, API, pages, health.
//!
//! It checks, stores and answers; it must never decide, and its answers never carry an error's own text.

pub mod health;
pub mod webhook;
