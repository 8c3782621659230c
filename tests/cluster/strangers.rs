//! Whom the cluster keeps apart: strangers from the trusted, and secrets from all who need not have them.

use crate::place::{Extent, play};
use crate::trust::{VALUE, push_with_secrets, train_a_fork, with_key};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};

#[tokio::test(flavor = "multi_thread")]
async fn strangers_train_apart_and_a_push_alone_has_secrets() {
    let extent = Extent {
        tune: Some(with_key),
        ..Extent::default()
    };
    play("strangers_train_apart", extent, async |t, cluster| {
        let strangers: Api<Job> = cluster.all(&cluster.untrusted);
        let before = cluster.jobs().await.len();
        train_a_fork(t).await;
        let apart = strangers.list(&ListParams::default()).await;
        assert!(!apart.expect("a list").items.is_empty());
        assert_eq!(cluster.jobs().await.len(), before, "none among the trusted");

        push_with_secrets(t).await;
        // A pod that trains has a file of it; nothing that the API server shows to others has its words.
        let jobs = cluster.jobs().await;
        let pods: Vec<Pod> = cluster.pods().await;
        assert!(jobs.len() > before && !pods.is_empty());
        let shown = serde_json::to_string(&(jobs, pods)).expect("JSON");
        assert!(!shown.contains(VALUE));
        let untrusted: Api<Pod> = cluster.all(&cluster.untrusted);
        let pods = untrusted.list(&ListParams::default()).await;
        let shown = serde_json::to_string(&pods.expect("a list")).expect("JSON");
        assert!(!shown.contains("TINY_KEY"));
    })
    .await;
}
