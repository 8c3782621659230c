//! What the cluster has of an environment.

use super::house::{House, NAME, PATIENCE, POLL};
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::ListParams;
use std::time::Instant;

impl House {
    /// The one Deployment.
    pub(crate) async fn deployment(&self) -> Deployment {
        let found = self.all::<Deployment>().list(&ListParams::default()).await;
        let mut found = found.unwrap().items;
        assert_eq!(found.len(), 1);
        found.remove(0)
    }

    /// Waits until these are the names of the objects of a kind that end so.
    pub(crate) async fn until_named<K>(&self, wanted: &[&str])
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + serde::de::DeserializeOwned,
    {
        let began = Instant::now();
        loop {
            let names = self.names::<K>().await;
            let own = names.iter().filter_map(|name| name.strip_prefix(NAME));
            if own.clone().eq(wanted.iter().copied()) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{names:?}");
            tokio::time::sleep(POLL).await;
        }
    }
}
