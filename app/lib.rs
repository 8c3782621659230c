//! Bowsprit: takes machine-learning models from a push to production by pull requests and comments.
//!
//! The rooms, and what each may do: *hear* (`http`, `worker::watch`, `worker::tick`, `github::event`), *look* (`github::read`, `git`),
//! *think* (the crate `bowsprit-core`), *remember* (`store`), *act* (`github::apply`, `runs`, `releases`, the agent).
//!
//! Invariants:
//! 1. Core never waits, reads or writes; same input, same output.
//! 2. A delivery is answered only after its row is on disk; nothing is decided before the answer.
//! 3. "Delivery done", the state change and its effect intents are one transaction.
//! 4. Every effect may be applied twice: its key is looked for at the far end before it is tried again.
//! 5. At most one step at work per subject; subjects go on in parallel; every claim carries a fencing epoch.
//! 6. Approval belongs to the change itself (paths, old and new blobs), never to a push that it did not see; the landed tree is compared with the judged one.
//! 7. What judges a change comes from the protected base, never from the change.
//! 8. git is the record, the database an index.
//! 9. One digest from gate to pull request to every environment; bytes are hashed again before every start; the bot never loads a model.
//! 10. No secret in a log line, comment, argument list, address, pod or HTTP answer; user code runs confined and gets no credential of ours.
//! 11. Everything has a stated limit.

pub mod app;
pub mod artifacts;
pub mod cli;
pub mod cluster;
pub mod config;
mod files;
pub mod git;
pub mod github;
mod group;
pub mod hands;
pub mod http;
pub mod images;
mod outward;
pub mod releases;
pub mod runs;
pub mod store;
pub mod telemetry;
pub mod text;
pub mod worker;
