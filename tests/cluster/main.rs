//! Stories on a real cluster, the one that KUBECONFIG describes.
//!
//! Each makes a namespace of its own. Without KUBECONFIG they are skipped, and say so; `tests/cluster/bed/up` starts a cluster.

mod images;
