//! The stories on a real Kubernetes: the same hub, the same pair, and stages as Jobs.
//!
//! `tests/cluster/run.sh` brings a cluster up, makes the images and runs them. On any other cluster: set `KUBECONFIG` and
//! what `place.rs` names. Without `KUBECONFIG` every story says loudly that it was not told.

#[path = "../it/alike.rs"]
mod alike;
mod bench;
#[path = "../it/both.rs"]
mod both;
mod clusters;
mod crash;
mod disruption;
mod expiry;
mod front;
mod gitops;
#[path = "../it/harness.rs"]
#[expect(dead_code, reason = "the other stories use all of it, these some")]
mod harness;
#[expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod images;
mod passage;
#[path = "../it/people.rs"]
#[expect(dead_code, reason = "the other stories use all of it, these some")]
mod people;
mod place;
mod queue;
#[path = "../it/crash/reaper.rs"]
#[expect(dead_code, reason = "the other stories use all of it, these some")]
mod reaper;
mod same;
#[expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod serving;
mod steps;
mod strangers;
mod syncer;
mod takeover;
mod training;
#[path = "../it/trust.rs"]
mod trust;
#[path = "../it/unrest.rs"]
mod unrest;
mod waiting;
mod whole;
