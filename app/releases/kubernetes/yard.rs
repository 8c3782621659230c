//! Objects on their way into the cluster and out of it: applied under one name, removed by our labels alone.

use super::copies::Home;
use super::ledger::Ledger;
use crate::cluster::{Cluster, Kind, Trouble, TroubleKind, pages};
use crate::config::Serving;
use bowsprit_core::name::{RepoId, RepoPath, Slug};
use bowsprit_core::serving::gitops;
use bowsprit_core::serving::manifests::Manifests;
use bowsprit_core::serving::objects::{
    self, Door, HttpRoute, Objects, Rollout, ServingContext, Site,
};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::Api;
use std::collections::BTreeMap;

/// What the cluster shows of an environment.
pub(super) struct Sight {
    /// Its Deployment.
    pub(super) deployment: Option<Deployment>,
    /// Its pods, those of older releases too.
    pub(super) pods: Vec<Pod>,
    /// Its address.
    pub(super) service: Option<Service>,
}

/// The way to the cluster, and what is made there.
#[derive(Clone)]
pub(super) struct Yard {
    /// What the cluster is called; the usual one has no name.
    pub(super) name: Option<Slug>,
    /// The cluster.
    pub(super) cluster: Cluster,
    /// What pods are made for.
    pub(super) context: ServingContext,
    /// Where the Secrets are that environments' own namespaces get copies of.
    pub(super) home: Home,
    /// Where environments live.
    pub(super) serving: Serving,
    /// Where releases are written that are not applied.
    pub(super) ledger: Option<Ledger>,
}

impl Yard {
    /// Where an environment is written, and in which folder; `None` where it is applied.
    pub(super) fn ledger<'a>(&'a self, site: &'a Site) -> Option<(&'a Ledger, &'a RepoPath)> {
        self.ledger.as_ref().zip(site.folder.as_ref())
    }

    /// What there is of an environment. Errors: what the API server said.
    pub(super) async fn look(&self, site: &Site) -> Result<Sight, Trouble> {
        let deployment = self.cluster.all::<Deployment>(&site.namespace);
        let service = self.cluster.all::<Service>(&site.namespace);
        Ok(Sight {
            deployment: deployment.get_opt(&site.name).await.map_err(Trouble::of)?,
            pods: self.list(&site.namespace, &site.selector()).await?,
            service: service.get_opt(&site.name).await.map_err(Trouble::of)?,
        })
    }

    /// What an environment should be made of, and room for it. Errors: what the API server said; `Invalid` where something
    /// that is not ours stands in the way.
    pub(super) async fn make(
        &self,
        site: &Site,
        rollout: Option<&Rollout>,
        manifests: &Manifests,
    ) -> Result<Objects, Trouble> {
        self.make_room(site).await?;
        let now = self.own::<Deployment>(site).await?;
        self.own::<Service>(site).await?;
        let replicas = now.and_then(|now| now.spec?.replicas);
        let context = &self.context;
        Ok(objects::objects(
            site, rollout, context, replicas, manifests,
        ))
    }

    /// Makes everything of an environment what it should be; what it should no longer have goes.
    ///
    /// Errors: what the API server said.
    pub(super) async fn put(
        &self,
        site: &Site,
        made: &Objects,
        door: &Door,
    ) -> Result<(), Trouble> {
        self.put_door(site, door).await?;
        self.put_objects(site, made).await
    }

    /// The same without its door. The Deployment comes last: where it is there, so is what belongs to it. Errors: as [`Yard::put`].
    pub(super) async fn put_objects(&self, site: &Site, made: &Objects) -> Result<(), Trouble> {
        let (cluster, namespace) = (&self.cluster, site.namespace.as_str());
        cluster.apply(namespace, &made.service).await?;
        cluster.apply(namespace, &made.policy).await?;
        self.put_each(site, &made.config_maps).await?;
        self.put_each(site, &made.services).await?;
        self.put_or_end(site, made.scaler.as_ref()).await?;
        self.put_or_end(site, made.budget.as_ref()).await?;
        self.put_or_end(site, made.ingress.as_ref()).await?;
        match &made.route {
            Some(route) => cluster.apply(namespace, route).await.map(drop)?,
            None => self.end_route(site).await?,
        }
        self.put_or_end(site, made.deployment.as_ref()).await
    }

    /// Ends the route, where the cluster knows such and lets us.
    async fn end_route(&self, site: &Site) -> Result<(), Trouble> {
        let selector = site.selector();
        match self.end::<HttpRoute>(&site.namespace, &selector).await {
            // An account from before there were routes has made none.
            Err(trouble) if trouble.kind == TroubleKind::Forbidden => Ok(()),
            ended => ended,
        }
    }

    /// Ends what no manifest wants any more. Errors: as [`Yard::put`].
    pub(super) async fn prune(&self, site: &Site, manifests: &Manifests) -> Result<(), Trouble> {
        self.prune_to(site, &manifests.config_maps).await?;
        self.prune_to(site, &manifests.services).await
    }

    /// Ends what was applied and is not among the files that a syncer brings from now on.
    ///
    /// An account that may no longer do so leaves it. Errors: what the API server said.
    pub(super) async fn hand_over(
        &self,
        site: &Site,
        manifests: &Manifests,
        files: &BTreeMap<String, String>,
    ) -> Result<(), Trouble> {
        match self.end_unwritten(site, manifests, files).await {
            Err(trouble) if trouble.kind == TroubleKind::Forbidden => {
                tracing::warn!(
                    "what was applied of environment `{}` before its releases were written, and is not written, stays: {trouble}",
                    site.name
                );
                Ok(())
            }
            ended => ended,
        }
    }

    async fn end_unwritten(
        &self,
        site: &Site,
        manifests: &Manifests,
        files: &BTreeMap<String, String>,
    ) -> Result<(), Trouble> {
        let (namespace, selector) = (site.namespace.as_str(), site.selector());
        let is_written = |kind: &str| files.contains_key(&gitops::file(kind));
        self.prune(site, manifests).await?;
        if !is_written("horizontalpodautoscaler") {
            self.end::<HorizontalPodAutoscaler>(namespace, &selector)
                .await?;
        }
        if !is_written("poddisruptionbudget") {
            self.end::<PodDisruptionBudget>(namespace, &selector)
                .await?;
        }
        if !is_written("ingress") {
            self.end::<Ingress>(namespace, &selector).await?;
        }
        if !is_written("httproute") {
            self.end_route(site).await?;
        }
        Ok(())
    }

    async fn prune_to<K: Kind>(&self, site: &Site, wanted: &[K]) -> Result<(), Trouble> {
        let namespace = site.namespace.as_str();
        for found in self.list::<K>(namespace, &site.selector()).await? {
            let name = found.meta().name.as_deref().unwrap_or_default();
            let mut wanted = wanted.iter().map(|wanted| wanted.meta().name.as_deref());
            if name != site.name && !wanted.any(|wanted| wanted == Some(name)) {
                self.cluster.remove::<K>(namespace, name).await?;
            }
        }
        Ok(())
    }

    async fn put_each<K: Kind>(&self, site: &Site, wanted: &[K]) -> Result<(), Trouble> {
        for object in wanted {
            let name = object.meta().name.as_deref().unwrap_or_default();
            self.own_named::<K>(site, name).await?;
            self.cluster.apply(&site.namespace, object).await?;
        }
        Ok(())
    }

    /// Gives the pods what they are handed, with the account that it belongs to.
    pub(super) async fn put_door(&self, site: &Site, door: &Door) -> Result<(), Trouble> {
        let namespace = site.namespace.as_str();
        let account = self
            .cluster
            .apply(namespace, &objects::account(site))
            .await?;
        let uid = account.metadata.uid.unwrap_or_default();
        self.furnish(site, &uid).await?;
        let made = objects::door(site, door, &self.context, &uid);
        self.cluster.apply(namespace, &made).await.map(drop)
    }

    /// Brings a Deployment back with what its manifests want beside it; all else stays. Errors: as [`Yard::put`].
    pub(super) async fn restore(&self, site: &Site, made: &Objects) -> Result<(), Trouble> {
        self.put_each(site, &made.config_maps).await?;
        self.put_each(site, &made.services).await?;
        self.put_or_end(site, made.deployment.as_ref()).await
    }

    /// Ends the pods, with what says how many they are, and keeps the address.
    pub(super) async fn end_pods(&self, site: &Site) -> Result<(), Trouble> {
        let (namespace, selector) = (site.namespace.as_str(), site.selector());
        self.end::<HorizontalPodAutoscaler>(namespace, &selector)
            .await?;
        self.end::<PodDisruptionBudget>(namespace, &selector)
            .await?;
        self.end::<Deployment>(namespace, &selector).await
    }

    async fn put_or_end<K: Kind>(&self, site: &Site, made: Option<&K>) -> Result<(), Trouble> {
        match made {
            Some(object) => self.cluster.apply(&site.namespace, object).await.map(drop),
            None => self.end::<K>(&site.namespace, &site.selector()).await,
        }
    }

    /// What bears our name, unless it is somebody else's.
    async fn own<K: Kind>(&self, site: &Site) -> Result<Option<K>, Trouble> {
        self.own_named(site, &site.name).await
    }

    async fn own_named<K: Kind>(&self, site: &Site, name: &str) -> Result<Option<K>, Trouble> {
        let found = self.cluster.all::<K>(&site.namespace).get_opt(name).await;
        let found = found.map_err(Trouble::of)?;
        let is_foreign = found
            .as_ref()
            .is_some_and(|found| !is_of(found.meta(), site));
        if is_foreign {
            return Err(foreign(&K::kind(&()), name, &site.namespace));
        }
        Ok(found)
    }

    /// Ends everything of an environment, and its namespace where that holds nothing else.
    ///
    /// What was written goes from the repository, and the syncer takes it out of the cluster. Errors: it is there yet.
    pub(super) async fn clear(&self, site: &Site) -> anyhow::Result<()> {
        match self.ledger(site) {
            None => self.end_applied(site).await?,
            Some((ledger, folder)) => {
                let gone = ledger.remove(site, folder).await?.commit;
                let deployment = self.own::<Deployment>(site).await?;
                anyhow::ensure!(
                    deployment.is_none(),
                    "`{folder}` is out of `{}` as of commit `{}`, and the cluster has Deployment `{}` yet: the syncer must prune what has gone",
                    ledger.settings.repository.name,
                    gone.short(),
                    site.name
                );
            }
        }
        // The Secret belongs to the account and goes with it.
        self.end::<ServiceAccount>(&site.namespace, &site.selector())
            .await?;
        if site.owns_namespace {
            self.leave_room(site).await?;
        }
        Ok(())
    }

    /// Ends every object that carries the environment's labels, but its account.
    async fn end_applied(&self, site: &Site) -> Result<(), Trouble> {
        let (namespace, selector) = (site.namespace.as_str(), site.selector());
        self.end_route(site).await?;
        self.end::<Ingress>(namespace, &selector).await?;
        self.end::<HorizontalPodAutoscaler>(namespace, &selector)
            .await?;
        self.end::<Deployment>(namespace, &selector).await?;
        self.end::<PodDisruptionBudget>(namespace, &selector)
            .await?;
        self.end::<Service>(namespace, &selector).await?;
        self.end::<ConfigMap>(namespace, &selector).await?;
        self.end::<NetworkPolicy>(namespace, &selector).await
    }

    /// Ends every object of a kind that the selector finds.
    async fn end<K: Kind>(&self, namespace: &str, selector: &str) -> Result<(), Trouble> {
        for found in self.list::<K>(namespace, selector).await? {
            if let Some(name) = &found.meta().name {
                self.cluster.remove::<K>(namespace, name).await?;
            }
        }
        Ok(())
    }

    async fn list<K: Kind>(&self, namespace: &str, selector: &str) -> Result<Vec<K>, Trouble> {
        pages(&self.cluster.all::<K>(namespace), selector).await
    }

    /// Every environment of which the cluster still has something, by its place.
    pub(super) async fn standing(&self) -> Result<Vec<(Site, u64)>, Trouble> {
        let mut found = Vec::new();
        for namespace in self.namespaces().await? {
            let accounts = self
                .list::<ServiceAccount>(&namespace, crate::cluster::OURS)
                .await?;
            let deployments = self
                .list::<Deployment>(&namespace, crate::cluster::OURS)
                .await?;
            for account in accounts {
                let Some((repo, environment)) = objects::owner(&account.metadata) else {
                    continue;
                };
                let site = self.site_of((repo, environment), &namespace, &account);
                let order = deployments
                    .iter()
                    .find(|found| is_of(&found.metadata, &site));
                let order = order.and_then(bowsprit_core::serving::rollout::answers);
                found.push((site, order.unwrap_or(0)));
            }
        }
        Ok(found)
    }

    fn site_of(
        &self,
        (repo, environment): (RepoId, Slug),
        namespace: &str,
        account: &ServiceAccount,
    ) -> Site {
        Site {
            repo,
            environment,
            service: objects::service_name(&account.metadata),
            namespace: namespace.to_owned(),
            name: account.metadata.name.clone().unwrap_or_default(),
            owns_namespace: self.serving.namespace.is_none(),
            cluster: self.name.clone(),
            folder: objects::folder(account),
        }
    }

    async fn namespaces(&self) -> Result<Vec<String>, Trouble> {
        if let Some(namespace) = &self.serving.namespace {
            return Ok(vec![namespace.clone()]);
        }
        let all: Api<Namespace> = Api::all(self.cluster.client());
        let found = pages(&all, crate::cluster::OURS).await?;
        let ours = found.into_iter().map(|found| found.metadata);
        Ok(ours
            .filter(|metadata| objects::owner(metadata).is_some())
            .filter_map(|metadata| metadata.name)
            .collect())
    }
}

/// Whether an object is this environment's.
pub(super) fn is_of(metadata: &ObjectMeta, site: &Site) -> bool {
    let owner = objects::owner(metadata);
    owner.is_some_and(|(repo, environment)| repo == site.repo && environment == site.environment)
}

/// That something stands where ours should.
pub(super) fn foreign(kind: &str, name: &str, place: &str) -> Trouble {
    Trouble {
        kind: TroubleKind::Invalid,
        message: format!(
            "{kind} `{name}` is there already in {place} and is not this environment's; remove or rename it"
        ),
    }
}
