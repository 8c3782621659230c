//! Stories on a real cluster, the one that KUBECONFIG describes.
//!
//! Without KUBECONFIG they are skipped, and say so; `tests/cluster/bed/up` starts a cluster.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod serving;
