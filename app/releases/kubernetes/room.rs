//! An environment's own namespace: made for it, and gone with it unless somebody else lives there.

use super::yard::{Yard, foreign, is_of};
use crate::cluster::{FIELD_MANAGER, Kind, Trouble, TroubleKind, pages};
use bowsprit_core::serving::objects::{self, Site};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, PersistentVolumeClaim, Pod, Service};
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{Api, DeleteParams, Patch, PatchParams};

/// ConfigMaps that a cluster itself puts into every namespace. Source: Kubernetes, Istio and OpenShift, of the same order.
const INJECTED: [&str; 3] = [
    "kube-root-ca.crt",
    "istio-ca-root-cert",
    "openshift-service-ca.crt",
];

/// Looks for something of others, kind by kind.
macro_rules! stranger {
    ($yard:expr, $site:expr, [$($kind:ty),*]) => {{
        $(if let Some(found) = $yard.stranger::<$kind>($site).await? {
            return Ok(Some(found));
        })*
        Ok(None)
    }};
}

impl Yard {
    /// Makes the environment's own namespace. Errors: what the API server said; `Invalid` where it is somebody else's.
    pub(super) async fn make_room(&self, site: &Site) -> Result<(), Trouble> {
        if !site.owns_namespace {
            return Ok(());
        }
        let all: Api<Namespace> = Api::all(self.cluster.client());
        let found = all.get_opt(&site.namespace).await.map_err(Trouble::of)?;
        if found.is_some_and(|found| !is_of(&found.metadata, site)) {
            return Err(foreign("Namespace", &site.namespace, "the cluster"));
        }
        let how = PatchParams::apply(FIELD_MANAGER).force();
        let made = objects::namespace(site);
        let applied = all.patch(&site.namespace, &how, &Patch::Apply(&made)).await;
        applied.map(drop).map_err(Trouble::of)
    }

    /// Removes the environment's own namespace, where nobody else has anything in it. Errors: what the API server said.
    pub(super) async fn leave_room(&self, site: &Site) -> Result<(), Trouble> {
        let all: Api<Namespace> = Api::all(self.cluster.client());
        let found = all.get_opt(&site.namespace).await.map_err(Trouble::of)?;
        if !found.is_some_and(|found| is_of(&found.metadata, site)) {
            return Ok(());
        }
        if let Some(why) = self.lodger(site).await? {
            tracing::warn!("namespace `{}` stays: {why}", site.namespace);
            return Ok(());
        }
        let deleted = all.delete(&site.namespace, &DeleteParams::default()).await;
        match deleted.map_err(Trouble::of) {
            Err(trouble) if trouble.kind != TroubleKind::Missing => Err(trouble),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Why the namespace must stay: something in it that is not of the environment.
    ///
    /// Secrets are not looked at, since we may read none, nor are kinds that Kubernetes itself does not have.
    async fn lodger(&self, site: &Site) -> Result<Option<String>, Trouble> {
        stranger!(
            self,
            site,
            [
                Pod,
                Deployment,
                StatefulSet,
                DaemonSet,
                Job,
                CronJob,
                Service,
                Ingress,
                PersistentVolumeClaim,
                ConfigMap
            ]
        )
    }

    async fn stranger<K: Kind>(&self, site: &Site) -> Result<Option<String>, Trouble> {
        let kind = K::kind(&());
        let all = match pages(&self.cluster.all::<K>(&site.namespace), "").await {
            Ok(all) => all,
            // An account from before this was looked at. What cannot be seen may be there.
            Err(trouble) if trouble.kind == TroubleKind::Forbidden => {
                return Ok(Some(format!(
                    "whether others have a {kind} in it is not known, since {trouble}"
                )));
            }
            Err(trouble) => return Err(trouble),
        };
        let strange = all.iter().map(|found| found.meta()).find(|found| {
            let is_injected = found
                .name
                .as_deref()
                .is_some_and(|name| kind == "ConfigMap" && INJECTED.contains(&name));
            !is_of(found, site) && !is_injected
        });
        let name = strange.and_then(|found| found.name.as_deref());
        Ok(name.map(|name| format!("{kind} `{name}` in it is not ours")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::fake::{self, Asked, Fake};
    use crate::releases::kubernetes::tests::yard;
    use serde_json::{Value, json};

    fn site() -> Site {
        let environment = bowsprit_core::name::Slug::parse("staging").unwrap();
        let repo = bowsprit_core::name::RepoId(7);
        Site::new((repo, "digits-service"), &environment, None, "own")
    }

    fn named(name: &str) -> Value {
        json!({"metadata": {"name": name}})
    }

    /// A cluster with the environment's namespace, with its Deployment and these further objects of one resource.
    async fn with(resource: &'static str, further: Vec<Value>) -> Fake {
        let site = site();
        let path = format!("/api/v1/namespaces/{}", site.namespace);
        fake::serve(move |asked: &Asked| {
            let labels = json!({"metadata": {"name": "own", "labels": site.labels()}});
            let of = asked.path.rsplit('/').next().unwrap_or_default();
            match asked.method.as_str() {
                "GET" if asked.path == path => Some((200, labels.to_string())),
                "DELETE" if asked.path == path => Some((200, labels.to_string())),
                "GET" if of == resource => Some(fake::list(&further)),
                "GET" if of == "deployments" => Some(fake::list(&[labels])),
                "GET" => Some(fake::list(&[])),
                _ => None,
            }
        })
        .await
    }

    /// Whether the namespace is removed.
    async fn goes(fake: &Fake) -> bool {
        let yard = yard(&fake.cluster);
        yard.leave_room(&site()).await.unwrap();
        fake.lines().iter().any(|line| line.starts_with("DELETE "))
    }

    #[tokio::test]
    async fn a_namespace_goes_with_what_the_cluster_put_into_it() {
        let injected = INJECTED.map(named).to_vec();
        assert!(goes(&with("configmaps", injected).await).await);
    }

    #[tokio::test]
    async fn a_namespace_stays_where_others_live() {
        for resource in [
            "pods",
            "deployments",
            "statefulsets",
            "daemonsets",
            "jobs",
            "cronjobs",
            "services",
            "ingresses",
            "persistentvolumeclaims",
            "configmaps",
        ] {
            let fake = with(resource, vec![named("theirs")]).await;
            assert!(!goes(&fake).await, "{resource}");
        }
        // Its name excuses a ConfigMap alone.
        assert!(!goes(&with("pods", vec![named(INJECTED[0])]).await).await);
    }

    #[tokio::test]
    async fn a_namespace_stays_where_it_cannot_be_looked_through() {
        let (site, refused) = (
            site(),
            "jobs.batch is forbidden: User \"bot\" cannot list resource \"jobs\" in API group \"batch\" in the namespace \"n\"",
        );
        let fake = fake::serve(move |asked: &Asked| match asked.path.ends_with("/jobs") {
            true => Some(fake::refused(403, "Forbidden", refused)),
            false if asked.path.ends_with(&site.namespace) => {
                let labels = json!({"metadata": {"name": "own", "labels": site.labels()}});
                Some((200, labels.to_string()))
            }
            false => Some(fake::list(&[])),
        })
        .await;
        assert!(!goes(&fake).await);
    }
}
