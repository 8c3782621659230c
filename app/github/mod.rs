//! GitHub: hears (events), looks (reads) and acts (effects), all through one client.
//!
//! Nothing is decided here. Every write looks before it creates, no call is repeated blindly,
//! and a limit that is near or reached becomes "try again at T", never a long wait.
//! No token, header or body may reach a log line.

pub mod apply;
pub mod auth;
mod branch_rules;
pub mod budget;
pub mod cache;
pub mod calls;
pub mod client;
pub mod error;
pub mod event;
mod granted;
pub mod heard;
mod members;
pub mod memory;
pub mod own;
pub mod place;
pub mod read;
mod transport;
mod wire;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;
