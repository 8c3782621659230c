//! The clusters that environments live in: the usual one, and those that contracts name.
//!
//! A cluster that cannot be used stops its own environments and no others.

use super::copies::Home;
use super::ledger::{Commit, Ledger};
use super::papers::Papers;
use super::yard::Yard;
use crate::cluster::{Cluster, Trouble, TroubleKind};
use crate::config::{Config, Gitops};
use crate::hands::StartError;
use crate::releases::environment::Key;
use anyhow::Context as _;
use bowsprit_core::name::Slug;
use bowsprit_core::serving::gitops::Repository;
use bowsprit_core::serving::objects::{ServingContext, Site};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How the clusters are reached, and who commits releases that are not applied.
pub struct Ways {
    /// The usual cluster.
    pub cluster: Cluster,
    /// The others by name, or why there is no way to one.
    pub others: BTreeMap<Slug, Result<Cluster, String>>,
    /// Who commits.
    pub commit: Arc<Commit>,
}

/// The clusters, and what is made there.
pub(super) struct Clusters {
    usual: Yard,
    others: BTreeMap<Slug, Result<Yard, String>>,
}

impl Clusters {
    /// Says what is made where. Errors: an image is not named.
    pub(super) fn new(config: &Config, ways: Ways) -> anyhow::Result<Clusters> {
        let settings = &config.cluster;
        let image = |image: &Option<String>, key: &str| {
            let missing = || format!("`cluster.{key}` is missing: an image by digest");
            image.clone().with_context(missing)
        };
        let gitops = &config.releases.gitops;
        let ledger = |settings: Gitops| Ledger {
            settings,
            commit: Arc::clone(&ways.commit),
        };
        let usual = Yard {
            name: None,
            home: Home::new(&ways.cluster),
            cluster: ways.cluster,
            context: ServingContext {
                image: image(&settings.base_image, "base_image")?,
                agent_image: image(&settings.agent_image, "agent_image")?,
                bot_url: settings.bot_url.clone(),
                bot_ca: settings.bot_ca.clone(),
                expose: config.releases.serving.expose.clone(),
                pull_secrets: settings.pull_secrets.clone(),
                log_marks: config.logs.marks.clone(),
                copied_secrets: settings.copied_secrets.clone(),
                has_user_namespaces: settings.has_user_namespaces,
                sandbox_class: settings.sandbox_class.clone(),
            },
            serving: config.releases.serving.clone(),
            ledger: gitops.clone().map(ledger),
        };
        let mut others = BTreeMap::new();
        for (name, found) in ways.others {
            let Some(settings) = config.clusters.get(&name) else {
                continue;
            };
            let written = gitops.clone().zip(settings.gitops_path.clone());
            let written = written.map(|(gitops, path)| Gitops {
                repository: Repository {
                    path: Some(path),
                    ..gitops.repository
                },
                ..gitops
            });
            let yard = found.map(|cluster| Yard {
                name: Some(name.clone()),
                home: usual.home.of_another(),
                cluster,
                context: ServingContext {
                    bot_url: settings.way.bot_url.clone(),
                    expose: settings.serving.expose.clone(),
                    ..usual.context.clone()
                },
                serving: settings.serving.clone(),
                ledger: written.map(ledger),
            });
            others.insert(name, yard);
        }
        Ok(Clusters { usual, others })
    }

    /// What is made in a cluster, the usual one where none is named.
    ///
    /// Errors: `Invalid`, with what would work, where there is no such cluster or no way to it.
    pub(super) fn of(&self, name: Option<&Slug>) -> Result<&Yard, Trouble> {
        let Some(name) = name else {
            return Ok(&self.usual);
        };
        let message = match self.others.get(name) {
            Some(Ok(yard)) => return Ok(yard),
            Some(Err(why)) => format!("there is no way to cluster `{name}`: {why}"),
            None => {
                let names: Vec<String> =
                    self.others.keys().map(|name| format!("`{name}`")).collect();
                let known = match names.is_empty() {
                    true => "it knows the usual one alone".to_owned(),
                    false => format!("it knows {}", names.join(", ")),
                };
                format!(
                    "this server knows no cluster `{name}` (`[clusters.{name}]` of its configuration); {known}"
                )
            }
        };
        Err(Trouble {
            kind: TroubleKind::Invalid,
            message,
        })
    }

    /// What is made for an environment, by its papers. Errors: as [`Clusters::of`], or they cannot be read.
    pub(super) fn of_papers(&self, papers: &Papers) -> anyhow::Result<&Yard> {
        let site = papers.site()?;
        let name = site.as_ref().and_then(|site| site.cluster.as_ref());
        Ok(self.of(name)?)
    }

    /// What is made for an order: where its environment lives already, and nowhere else.
    ///
    /// Errors: `Refused`, with what would work, where that is not what is wanted, or as [`Clusters::of`].
    pub(super) fn for_order(
        &self,
        papers: &Papers,
        wanted: Option<&Slug>,
    ) -> Result<&Yard, StartError> {
        if let Some(site) = papers.site()?
            && site.cluster.as_ref() != wanted
        {
            let word = |name: Option<&Slug>| match name {
                Some(name) => format!("cluster `{name}`"),
                None => "the usual cluster".to_owned(),
            };
            return Err(StartError::Refused(format!(
                "it lives in {}, and the contract says {}: take the environment out of the contract first, so that it ends there, and bring it back then",
                word(site.cluster.as_ref()),
                word(wanted)
            )));
        }
        let yard = self.of(wanted);
        yard.map_err(|trouble| StartError::Refused(trouble.message))
    }

    /// Every environment of which a cluster has something, with the order that it answers; a cluster that cannot be asked is
    /// passed over.
    pub(super) async fn standing(&self) -> Vec<(Site, u64)> {
        let mut found = Vec::new();
        for yard in self.all() {
            match yard.standing().await {
                Ok(standing) => found.extend(standing),
                Err(trouble) => {
                    let name = yard.name.as_ref().map(|name| format!(" `{name}`"));
                    let name = name.unwrap_or_default();
                    tracing::warn!(
                        "environments in the cluster{name} are not looked through: {trouble}"
                    );
                }
            }
        }
        found
    }

    /// Brings Secrets that have changed to these environments, where they have copies; what cannot be is told and left.
    pub(super) async fn renew(&self, sites: Vec<Site>) {
        for yard in self.all() {
            let its = sites.iter().filter(|site| site.cluster == yard.name);
            let its: Vec<Site> = its.cloned().collect();
            yard.renew(&its).await;
        }
    }

    /// Where a cluster has something of an environment. Errors: one cannot be asked, and none of the others has it.
    pub(super) async fn find(&self, (repo, environment): &Key) -> Result<Option<Site>, Trouble> {
        let mut unasked = None;
        for yard in self.all() {
            match yard.standing().await {
                Ok(standing) => {
                    let mut sites = standing.into_iter().map(|(site, _)| site);
                    let it = |site: &Site| site.repo == *repo && site.environment == *environment;
                    if let Some(site) = sites.find(it) {
                        return Ok(Some(site));
                    }
                }
                Err(trouble) => unasked = Some(trouble),
            }
        }
        unasked.map_or(Ok(None), Err)
    }

    /// Those that there is a way to.
    fn all(&self) -> impl Iterator<Item = &Yard> {
        let others = self.others.values().filter_map(|yard| yard.as_ref().ok());
        [&self.usual].into_iter().chain(others)
    }
}
