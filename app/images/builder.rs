//! Builds in a cluster: a Job for each, found again by its name.

use anyhow::Context as _;
use bowsprit_core::image::build::{self, Build};
use bowsprit_core::image::job::{self, AUTH_KEY, BuildContext, BuildOrder, TOKEN_KEY};
use bowsprit_core::name::Digest;
use bowsprit_core::training::job::MANAGED_BY;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Pod, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use std::collections::BTreeMap;

/// Pods of one Job that are looked at.
const PODS_MAX: u32 = 20;
/// Status of the API for something that is there already.
const CONFLICT: u16 = 409;
/// Status of the API for something that is not there.
const NOT_FOUND: u16 = 404;

/// The namespace of builds.
#[derive(Clone)]
pub(super) struct Builder {
    jobs: Api<Job>,
    pods: Api<Pod>,
    secrets: Api<Secret>,
    context: BuildContext,
}

/// What a build is let know.
pub(super) struct Confided {
    /// Opens the context.
    pub(super) token: String,
    /// The registry's credential, where there is one.
    pub(super) auth: Option<String>,
}

impl Builder {
    pub(super) fn new(client: kube::Client, context: BuildContext) -> Builder {
        let namespace = context.namespace.as_str();
        Builder {
            jobs: Api::namespaced(client.clone(), namespace),
            pods: Api::namespaced(client.clone(), namespace),
            secrets: Api::namespaced(client, namespace),
            context,
        }
    }

    /// How the build of this key stands; `None` where there is none.
    pub(super) async fn see(&self, key: &Digest) -> anyhow::Result<Option<Build>> {
        let name = job::job_name(key);
        let found = self.jobs.get_opt(&name).await;
        let Some(job) = found.with_context(|| format!("cannot look at Job `{name}`"))? else {
            return Ok(None);
        };
        let chosen = ListParams::default()
            .labels(&format!("batch.kubernetes.io/job-name={name}"))
            .limit(PODS_MAX);
        let pods = self.pods.list(&chosen).await;
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
            has_auth: confided.auth.is_some(),
            ..self.context.clone()
        };
        let job = job::job(order, &context);
        let name = job::job_name(&order.key);
        match self.jobs.create(&PostParams::default(), &job).await {
            Ok(made) => {
                self.confide(&order.key, &made, confided).await?;
                Ok(true)
            }
            Err(error) if is_status(&error, CONFLICT) => Ok(false),
            Err(error) => Err(error).with_context(|| format!("cannot create Job `{name}`")),
        }
    }

    /// Gives a build that this bot began its Secret, should the bot have been ended before it could.
    pub(super) async fn confide_again(
        &self,
        key: &Digest,
        confided: Confided,
    ) -> anyhow::Result<()> {
        let name = job::job_name(key);
        let found = self.jobs.get_opt(&name).await;
        match found.with_context(|| format!("cannot look at Job `{name}`"))? {
            Some(job) => self.confide(key, &job, confided).await,
            None => Ok(()),
        }
    }

    /// The pod waits until its Secret is there; the Secret goes with the Job.
    async fn confide(&self, key: &Digest, job: &Job, confided: Confided) -> anyhow::Result<()> {
        let name = job::job_name(key);
        let mut texts: BTreeMap<String, String> = [(TOKEN_KEY.to_owned(), confided.token)].into();
        texts.extend(confided.auth.map(|auth| (AUTH_KEY.to_owned(), auth)));
        let owner = OwnerReference {
            api_version: "batch/v1".to_owned(),
            kind: "Job".to_owned(),
            name: name.clone(),
            uid: job.metadata.uid.clone().unwrap_or_default(),
            ..OwnerReference::default()
        };
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                labels: Some([(MANAGED_BY.to_owned(), "bowsprit".to_owned())].into()),
                owner_references: Some(vec![owner]),
                ..ObjectMeta::default()
            },
            immutable: Some(true),
            string_data: Some(texts),
            ..Secret::default()
        };
        match self.secrets.create(&PostParams::default(), &secret).await {
            Ok(_) => Ok(()),
            Err(error) if is_status(&error, CONFLICT) => Ok(()),
            // The error of the API does not show the Secret.
            Err(error) => Err(error).with_context(|| format!("cannot create Secret `{name}`")),
        }
    }

    /// Takes a build away with all that it made, so that the next wish for it builds again.
    pub(super) async fn remove(&self, key: &Digest) -> anyhow::Result<()> {
        let name = job::job_name(key);
        match self.jobs.delete(&name, &DeleteParams::background()).await {
            Ok(_) => Ok(()),
            Err(error) if is_status(&error, NOT_FOUND) => Ok(()),
            Err(error) => Err(error).with_context(|| format!("cannot remove Job `{name}`")),
        }
    }
}

fn is_status(error: &kube::Error, code: u16) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == code)
}
