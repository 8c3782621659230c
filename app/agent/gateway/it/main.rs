//! Stories of the gateway: real processes, real connections.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod crash;
mod door;
mod house;
mod pod;
mod rollout;
mod stream;
mod switch;
