//! The cluster: how it is reached, and how objects of ours get there.
//!
//! Rooms that act on Kubernetes share this client, the name under which we own fields, and the words for what the
//! API server refuses. What is wanted there is theirs to say.

#[cfg(test)]
pub(crate) mod fake;
mod pages;
mod trouble;
mod watch;

use crate::config;
use anyhow::Context as _;
use k8s_openapi::NamespaceResourceScope;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, PropagationPolicy};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::time::Duration;

pub use pages::pages;
pub use trouble::{Trouble, TroubleKind};
pub use watch::changes;

/// The name under which we own the fields that we set. Source: Kubernetes, "Server-Side Apply".
pub const FIELD_MANAGER: &str = "bowsprit";
/// The label by which everything of ours is found.
pub const OURS: &str = "app.kubernetes.io/managed-by=bowsprit";
/// How long the API server may take to open a connection.
const CONNECT_WAIT: Duration = Duration::from_secs(10);
/// How long it may say nothing; it says something about every minute while it is watched.
const READ_WAIT: Duration = Duration::from_secs(295);

/// Kinds of objects in namespaces that we send and read.
pub trait Kind:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Serialize
    + DeserializeOwned
    + Clone
    + Debug
{
}

impl<K> Kind for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Serialize
        + DeserializeOwned
        + Clone
        + Debug
{
}

/// A way to the cluster; clones share it.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
}

impl Cluster {
    /// Reads how the cluster is reached; it is not asked yet. Errors: there is no such description.
    pub async fn open(settings: &config::Cluster) -> anyhow::Result<Cluster> {
        let options = KubeConfigOptions {
            context: settings.context.clone(),
            ..KubeConfigOptions::default()
        };
        let found = match &settings.kubeconfig {
            Some(path) => {
                let file = Kubeconfig::read_from(path).with_context(|| {
                    format!("cannot read `cluster.kubeconfig`, `{}`", path.display())
                })?;
                kube::Config::from_custom_kubeconfig(file, &options)
                    .await
                    .context("cannot use `cluster.kubeconfig`")
            }
            None if settings.context.is_some() => kube::Config::from_kubeconfig(&options)
                .await
                .context("cannot use the kubeconfig of this user"),
            None => kube::Config::infer().await.context(
                "no cluster is described: run in a pod with a service account, or set `cluster.kubeconfig`",
            ),
        };
        let mut found = found?;
        found.connect_timeout = Some(CONNECT_WAIT);
        found.read_timeout = Some(READ_WAIT);
        let client = Client::try_from(found).context("cannot make a client of the cluster")?;
        Ok(Cluster { client })
    }

    /// The client, for what is not below.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The namespace that we are at home in: that of our pod, else that of the kubeconfig's context.
    pub fn home(&self) -> String {
        self.client.default_namespace().to_owned()
    }

    /// Objects of a kind in a namespace.
    pub fn all<K: Kind>(&self, namespace: &str) -> Api<K> {
        Api::namespaced(self.client(), namespace)
    }

    /// Makes an object what it should be; fields that others own are left to them, those that we set are ours again.
    ///
    /// Errors: what the API server said, in words. An object without a name is `Invalid`.
    pub async fn apply<K: Kind>(&self, namespace: &str, object: &K) -> Result<K, Trouble> {
        let name = name_of(object)?;
        let how = PatchParams::apply(FIELD_MANAGER).force();
        let all = self.all(namespace);
        let applied = all.patch(name, &how, &Patch::Apply(object)).await;
        applied.map_err(Trouble::of)
    }

    /// Sends an object that must be new, and does not read it back.
    ///
    /// Errors: as [`Cluster::apply`]; `Exists` where there is one of that name.
    pub async fn send<K: Kind>(&self, namespace: &str, object: &K) -> Result<(), Trouble> {
        let created = self.all(namespace).create(&ours(), object).await;
        created.map(|_| ()).map_err(Trouble::of)
    }

    /// Creates an object once; one of that name that is there already is given back as it is, with `false`.
    ///
    /// Errors: as [`Cluster::apply`].
    pub async fn create<K: Kind>(&self, namespace: &str, object: &K) -> Result<(K, bool), Trouble> {
        let name = name_of(object)?.to_owned();
        let api = self.all(namespace);
        match api.create(&ours(), object).await.map_err(Trouble::of) {
            Ok(created) => Ok((created, true)),
            Err(trouble) if trouble.kind == TroubleKind::Exists => {
                let found = api.get(&name).await.map_err(Trouble::of)?;
                Ok((found, false))
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// Removes an object with everything that it owns, which goes after it. One that is gone is no error.
    pub async fn remove<K: Kind>(&self, namespace: &str, name: &str) -> Result<(), Trouble> {
        let how = DeleteParams {
            propagation_policy: Some(PropagationPolicy::Background),
            ..DeleteParams::default()
        };
        match self.all::<K>(namespace).delete(name, &how).await {
            Ok(_) => Ok(()),
            Err(error) => match Trouble::of(error) {
                trouble if trouble.kind == TroubleKind::Missing => Ok(()),
                trouble => Err(trouble),
            },
        }
    }
}

fn ours() -> PostParams {
    PostParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PostParams::default()
    }
}

fn name_of<K: Kind>(object: &K) -> Result<&str, Trouble> {
    let name = object.meta().name.as_deref();
    name.ok_or_else(|| Trouble {
        kind: TroubleKind::Invalid,
        message: format!("this {} has no name", K::kind(&())),
    })
}
