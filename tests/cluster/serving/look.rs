//! What the cluster has of an environment.

use super::house::{House, NAME, PATIENCE, POLL, Release};
use bowsprit_core::contract::{Chart, Deploy};
use bowsprit_core::name::RepoPath;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ListParams;
use std::collections::BTreeMap;
use std::time::Instant;

impl Release {
    /// What its contract says that it brings.
    pub(super) fn brings(&self) -> Option<Deploy> {
        let folder = RepoPath::parse("deploy").unwrap();
        match self.manifests {
            [] => None,
            [("Chart.yaml", _), ..] => Some(Deploy::Chart(Chart {
                folder,
                values: Some(RepoPath::parse("deploy/live.yaml").unwrap()),
            })),
            [_, ..] => Some(Deploy::Manifests(folder)),
        }
    }
}

impl House {
    /// The one Deployment.
    pub(crate) async fn deployment(&self) -> Deployment {
        let found = self.all::<Deployment>().list(&ListParams::default()).await;
        let mut found = found.unwrap().items;
        assert_eq!(found.len(), 1);
        found.remove(0)
    }

    /// What the ConfigMap whose name ends so holds.
    pub(crate) async fn config_map(&self, end: &str) -> BTreeMap<String, String> {
        let found = self.all::<ConfigMap>().get(&format!("{NAME}{end}")).await;
        found.unwrap().data.unwrap_or_default()
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
