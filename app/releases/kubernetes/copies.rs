//! Secrets of the operator's, brought from the bot's namespace into those that it makes for environments.
//!
//! They are read by name there and nowhere else; what is brought is decided in core.

use super::yard::Yard;
use crate::cluster::{Cluster, Trouble, TroubleKind, pages};
use bowsprit_core::serving::objects::{self, Site};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where the operator's Secrets are, and what of them a cluster was brought; clones share that.
#[derive(Clone)]
pub(super) struct Home {
    cluster: Cluster,
    /// Which version of a Secret a namespace has, by namespace and name. A bot that starts again brings each once more.
    brought: Arc<Mutex<BTreeMap<(String, String), String>>>,
}

impl Home {
    /// The bot's namespace in this cluster, the usual one.
    pub(super) fn new(cluster: &Cluster) -> Home {
        Home {
            cluster: cluster.clone(),
            brought: Arc::default(),
        }
    }

    /// The same for another cluster, whose namespaces may have the same names.
    pub(super) fn of_another(&self) -> Home {
        Home::new(&self.cluster)
    }

    /// Forgets what namespaces had that are there no more.
    fn forget_all_but(&self, sites: &[Site]) {
        let is_there = |namespace: &str| sites.iter().any(|site| site.namespace == namespace);
        let mut brought = self.brought();
        brought.retain(|(namespace, _), _| is_there(namespace));
    }

    fn brought(&self) -> MutexGuard<'_, BTreeMap<(String, String), String>> {
        self.brought.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Errors: what the API server said, with what would help.
    async fn read(&self, name: &str) -> Result<Secret, Trouble> {
        let namespace = self.cluster.home();
        let all = self.cluster.all::<Secret>(&namespace);
        match all.get_opt(name).await.map_err(Trouble::of)? {
            Some(found) => Ok(found),
            None => Err(Trouble {
                kind: TroubleKind::Missing,
                message: format!(
                    "there is no Secret `{name}` in namespace `{namespace}`, which `cluster.copied_secrets` names: make it there, or take it out of the list"
                ),
            }),
        }
    }
}

impl Yard {
    /// Brings the Secrets that an environment needs into its own namespace. Errors: what the API server said; `Missing` where
    /// one is not there, `Invalid` where it is none that is copied.
    pub(super) async fn furnish(&self, site: &Site, account_uid: &str) -> Result<(), Trouble> {
        for name in objects::copies(site, &self.context) {
            let source = self.home.read(name).await?;
            self.bring(site, &source, account_uid).await?;
        }
        Ok(())
    }

    /// Brings what has changed since it was brought, as a certificate that was renewed; what cannot be is told and left.
    pub(super) async fn renew(&self, sites: &[Site]) {
        self.home.forget_all_but(sites);
        let wanted = |site| objects::copies(site, &self.context);
        let names: BTreeSet<&str> = sites.iter().flat_map(wanted).collect();
        for name in names {
            let source = match self.home.read(name).await {
                Ok(source) => source,
                Err(trouble) => {
                    tracing::warn!("Secret `{name}` is not brought to environments: {trouble}");
                    continue;
                }
            };
            for site in sites.iter().filter(|site| wanted(site).contains(&name)) {
                if let Err(trouble) = self.renew_one(site, (name, &source)).await {
                    let namespace = &site.namespace;
                    tracing::warn!("Secret `{name}` is not brought to `{namespace}`: {trouble}");
                }
            }
        }
    }

    async fn renew_one(&self, site: &Site, (name, source): (&str, &Secret)) -> Result<(), Trouble> {
        let key = (site.namespace.clone(), name.to_owned());
        let version = source.metadata.resource_version.as_ref();
        if version.is_some() && self.home.brought().get(&key) == version {
            return Ok(());
        }
        // Looked for and not made: an environment that is ending must not come back.
        let accounts = self.cluster.all::<ServiceAccount>(&site.namespace);
        let accounts = pages(&accounts, &site.selector()).await?;
        match accounts.into_iter().find_map(|one| one.metadata.uid) {
            Some(uid) => self.bring(site, source, &uid).await,
            None => Ok(()),
        }
    }

    async fn bring(&self, site: &Site, source: &Secret, account_uid: &str) -> Result<(), Trouble> {
        let name = source.metadata.name.clone().unwrap_or_default();
        let copy = objects::copied(site, source, account_uid).map_err(|why| Trouble {
            kind: TroubleKind::Invalid,
            message: format!("Secret `{name}`, which `cluster.copied_secrets` names, {why}"),
        })?;
        self.cluster.apply(&site.namespace, &copy).await?;
        if let Some(version) = &source.metadata.resource_version {
            let key = (site.namespace.clone(), name);
            self.home.brought().insert(key, version.clone());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::fake::{self, Shelf};
    use crate::releases::kubernetes::tests::{staging, yard};
    use serde_json::{Value, json};

    const SOURCE: &str = "/api/v1/namespaces/default/secrets/registry";

    fn site(namespace: Option<&str>) -> Site {
        let (repo, environment) = staging();
        Site::new((repo, "digits-service"), &environment, namespace, "own")
    }

    fn source(version: &str, kind: &str) -> Value {
        json!({"metadata": {"name": "registry", "resourceVersion": version}, "type": kind, "data": {"k": "dg=="}})
    }

    /// A yard on this shelf that copies the credential of a registry.
    async fn copying(shelf: &Shelf) -> (fake::Fake, Yard) {
        let answers = shelf.clone();
        let fake = fake::serve(move |asked| answers.answer(asked)).await;
        let mut yard = yard(&fake.cluster);
        yard.context.pull_secrets = vec!["registry".to_owned()];
        yard.context.copied_secrets = vec!["registry".to_owned()];
        (fake, yard)
    }

    #[tokio::test]
    async fn a_secret_comes_with_the_namespace_and_again_when_it_changed() {
        let shelf = Shelf::default();
        let put = |value: Value| {
            shelf
                .objects
                .lock()
                .unwrap()
                .insert(SOURCE.to_owned(), value)
        };
        let (fake, yard) = copying(&shelf).await;
        let site = site(None);
        let copy = format!(
            "PATCH /api/v1/namespaces/{}/secrets/registry",
            site.namespace
        );
        let account = format!("/api/v1/namespaces/{}/serviceaccounts", site.namespace);
        let its = json!({"metadata": {"name": site.name, "uid": "u", "labels": site.labels()}});
        let path = format!("{account}/{}", site.name);
        shelf.objects.lock().unwrap().insert(path.clone(), its);
        put(source("1", "kubernetes.io/dockerconfigjson"));
        yard.furnish(&site, "u").await.unwrap();
        let asked = fake.asked();
        assert_eq!(asked.len(), 2);
        assert_eq!(
            (asked[1].line(), &asked[1].body["data"]["k"]),
            (copy.clone(), &json!("dg=="))
        );
        // Nothing has changed: it is looked at once, for however many environments.
        let sites = [site.clone(), site.clone()];
        yard.renew(&sites).await;
        assert_eq!(fake.lines(), [format!("GET {SOURCE}")]);
        put(source("2", "kubernetes.io/dockerconfigjson"));
        yard.renew(&sites).await;
        let renewed = [format!("GET {SOURCE}"), format!("GET {account}"), copy];
        assert_eq!(fake.lines(), renewed);
        // What is gone is forgotten, and another cluster knows nothing of this one.
        yard.renew(&[]).await;
        assert!(yard.home.brought().is_empty());
        yard.renew(&sites).await;
        assert_eq!(fake.lines(), renewed);
        assert!(yard.home.of_another().brought().is_empty());
        // One that is ending is given nothing more.
        shelf.objects.lock().unwrap().remove(&path);
        put(source("3", "kubernetes.io/dockerconfigjson"));
        yard.renew(&sites).await;
        let asked = fake.lines();
        assert!(
            !asked.iter().any(|line| line.starts_with("PATCH")),
            "{asked:?}"
        );
    }

    #[tokio::test]
    async fn what_cannot_be_brought_stops_the_release_with_its_reason() {
        let shelf = Shelf::default();
        let (fake, yard) = copying(&shelf).await;
        let missing = yard.furnish(&site(None), "u").await.unwrap_err();
        assert_eq!(missing.kind, TroubleKind::Missing);
        assert!(
            missing.message.contains("in namespace `default`"),
            "{missing}"
        );
        let opaque = source("1", "Opaque");
        shelf
            .objects
            .lock()
            .unwrap()
            .insert(SOURCE.to_owned(), opaque);
        let refused = yard.furnish(&site(None), "u").await.unwrap_err();
        assert_eq!(refused.kind, TroubleKind::Invalid);
        assert!(refused.message.contains("is of type `Opaque`"), "{refused}");
        // Neither stops the sweep, and no namespace of others is furnished.
        yard.renew(&[site(None)]).await;
        fake.asked();
        yard.furnish(&site(Some("shared")), "u").await.unwrap();
        yard.renew(&[site(Some("shared"))]).await;
        assert_eq!(fake.lines(), Vec::<String>::new());
    }
}
