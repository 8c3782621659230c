//! Builds in a cluster: a Job for each, found again by its name.

use crate::cluster::{Cluster, Trouble, TroubleKind};
use anyhow::Context as _;
use bowsprit_core::image::build::{self, Build};
use bowsprit_core::image::job::{self, AUTH_KEY, BuildContext, BuildOrder, TOKEN_KEY};
use bowsprit_core::name::Digest;
use bowsprit_core::training::job::MANAGED_BY;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Pod, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::{ListParams, PostParams};
use std::collections::BTreeMap;

/// Digits of its token's digest in the name of a Secret.
const SECRET_DIGITS: usize = 12;

/// Pods of one Job that are looked at.
const PODS_MAX: u32 = 20;

/// The namespace of builds.
#[derive(Clone)]
pub(super) struct Builder {
    cluster: Cluster,
    context: BuildContext,
}

/// What a build is let know.
pub(super) struct Confided {
    /// Opens the context.
    pub(super) token: String,
    /// The registry's credential, where there is one.
    pub(super) auth: Option<String>,
}

/// The name of the Secret of a Job that is about to begin.
fn secret_name(key: &Digest, confided: &Confided) -> String {
    let token = Digest::of(confided.token.as_bytes());
    format!("{}-{}", job::job_name(key), &token.hex()[..SECRET_DIGITS])
}

impl Builder {
    pub(super) fn new(cluster: Cluster, context: BuildContext) -> Builder {
        Builder { cluster, context }
    }

    /// How the build of this key stands; `None` where there is none.
    pub(super) async fn see(&self, key: &Digest) -> anyhow::Result<Option<Build>> {
        let Some(job) = self.job(key).await? else {
            return Ok(None);
        };
        let name = job::job_name(key);
        let chosen = ListParams::default()
            .labels(&format!("batch.kubernetes.io/job-name={name}"))
            .limit(PODS_MAX);
        let pods = self.cluster.all::<Pod>(self.namespace());
        let pods = pods.list(&chosen).await.map_err(Trouble::of);
        let pods = pods.with_context(|| format!("cannot look at the pods of Job `{name}`"))?;
        Ok(Some(build::build(&job, &pods.items)))
    }

    /// Begins a build. `false` where another bot was faster, which leads it then.
    pub(super) async fn begin(
        &self,
        order: &BuildOrder,
        confided: Confided,
    ) -> anyhow::Result<bool> {
        let context = BuildContext {
            secret: secret_name(&order.key, &confided),
            has_auth: confided.auth.is_some(),
            ..self.context.clone()
        };
        let job = job::job(order, &context);
        let made = self.cluster.create(self.namespace(), &job).await;
        let (made, is_ours) = made.context("cannot create the Job of a build")?;
        if is_ours {
            self.confide(&made, confided).await?;
        }
        Ok(is_ours)
    }

    /// Gives a build that this bot began its Secret, should the bot have been ended before it could.
    pub(super) async fn confide_again(
        &self,
        key: &Digest,
        confided: Confided,
    ) -> anyhow::Result<()> {
        match self.job(key).await? {
            Some(job) => self.confide(&job, confided).await,
            None => Ok(()),
        }
    }

    /// Takes a build away with all that it made, so that the next wish for it builds again.
    pub(super) async fn remove(&self, key: &Digest) -> anyhow::Result<()> {
        let name = job::job_name(key);
        let removed = self.cluster.remove::<Job>(self.namespace(), &name).await;
        removed.with_context(|| format!("cannot remove Job `{name}`"))
    }

    async fn job(&self, key: &Digest) -> anyhow::Result<Option<Job>> {
        let name = job::job_name(key);
        let jobs = self.cluster.all::<Job>(self.namespace());
        let found = jobs.get_opt(&name).await.map_err(Trouble::of);
        found.with_context(|| format!("cannot look at Job `{name}`"))
    }

    /// The pod waits until its Secret is there; the Secret goes with the Job.
    async fn confide(&self, job: &Job, confided: Confided) -> anyhow::Result<()> {
        let name = job::secret_of(job).context("the Job of a build waits for no Secret")?;
        let mut texts: BTreeMap<String, String> = [(TOKEN_KEY.to_owned(), confided.token)].into();
        texts.extend(confided.auth.map(|auth| (AUTH_KEY.to_owned(), auth)));
        let owner = OwnerReference {
            api_version: "batch/v1".to_owned(),
            kind: "Job".to_owned(),
            name: job.metadata.name.clone().unwrap_or_default(),
            uid: job.metadata.uid.clone().unwrap_or_default(),
            ..OwnerReference::default()
        };
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                labels: Some([(MANAGED_BY.to_owned(), "bowsprit".to_owned())].into()),
                owner_references: Some(vec![owner]),
                ..ObjectMeta::default()
            },
            immutable: Some(true),
            string_data: Some(texts),
            ..Secret::default()
        };
        // Created and never read, which is no right of ours: one that is there already was made for this very Job.
        let how = PostParams::default();
        let secrets = self.cluster.all::<Secret>(self.namespace());
        match secrets.create(&how, &secret).await.map_err(Trouble::of) {
            Ok(_) => Ok(()),
            Err(trouble) if trouble.kind == TroubleKind::Exists => Ok(()),
            Err(trouble) => Err(trouble).with_context(|| format!("cannot create Secret `{name}`")),
        }
    }

    fn namespace(&self) -> &str {
        &self.context.namespace
    }
}
