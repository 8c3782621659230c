//! What is sent to the cluster for a stage: its Job, and the Secret that leads the pod to its order.

use super::super::desk::{Desk, Started};
use crate::config;
use anyhow::Context as _;
use bowsprit_core::name::Digest;
use bowsprit_core::training::job::{self, JobContext, OrderSecret};
use bowsprit_core::training::remote::{BASE, order_files};
use bowsprit_core::training::spec::{RunSpec, RuntimeSpec, Trust};
use k8s_openapi::ByteString;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Secret, Toleration};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use ring::hmac;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Length of the key that tokens are made with. Units: bytes.
const KEY_BYTES: usize = 32;
/// Its file in the state directory.
const KEY_FILE: &str = "agents.key";
/// Before the name of a secret, as a key of the Secret: apart from our own keys.
const SECRET_PREFIX: &str = "secret.";

/// Where the Job of a stage is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Its namespace.
    pub(super) namespace: String,
    /// Its name.
    pub(super) name: String,
}

/// What the cluster needs to know of us, and the key that tokens are made with.
pub(super) struct Orders {
    settings: config::Cluster,
    base_image: String,
    agent_image: String,
    key: hmac::Key,
}

impl Orders {
    /// Reads the key of the state directory, made at the first start. Errors: it cannot be kept, or an image is not named.
    pub(super) fn open(settings: &config::Cluster, state_dir: &Path) -> anyhow::Result<Orders> {
        Ok(Orders {
            base_image: settings
                .base_image
                .clone()
                .context("`cluster.base_image` is missing")?,
            agent_image: settings
                .agent_image
                .clone()
                .context("`cluster.agent_image` is missing")?,
            key: hmac::Key::new(hmac::HMAC_SHA256, &key(&state_dir.join(KEY_FILE))?),
            settings: settings.clone(),
        })
    }

    /// Where the Job of an order belongs.
    pub(super) fn place(&self, spec: &RunSpec) -> Place {
        let namespace = match spec.company() {
            Trust::Trusted => &self.settings.namespace,
            Trust::Untrusted => &self.settings.untrusted_namespace,
        };
        Place {
            namespace: namespace.clone(),
            name: job::job_name(&spec.id),
        }
    }

    /// Where the agent of a stage is received.
    pub(super) fn address(&self, stage: &str) -> String {
        format!("{}{BASE}/{stage}", self.settings.bot_url)
    }

    /// The token that opens what belongs to a stage, and nothing else. Nothing keeps it here: it is made again when needed.
    pub(super) fn token(&self, stage: &str) -> String {
        hex::encode(hmac::sign(&self.key, stage.as_bytes()))
    }

    /// Whether this is the token of a stage; takes as long whatever is wrong with it.
    pub(super) fn is_token(&self, stage: &str, token: &str) -> bool {
        hex::decode(token)
            .is_ok_and(|token| hmac::verify(&self.key, stage.as_bytes(), &token).is_ok())
    }

    /// The Job of an order.
    pub(super) fn job(&self, spec: &RunSpec, started: &Started) -> Job {
        let place = self.place(spec);
        let settings = &self.settings;
        let tolerations = settings.tolerations.iter().map(|borne| Toleration {
            key: Some(borne.key.clone()),
            operator: Some(match borne.value {
                Some(_) => "Equal".to_owned(),
                None => "Exists".to_owned(),
            }),
            value: borne.value.clone(),
            effect: borne.effect.clone(),
            toleration_seconds: None,
        });
        let context = JobContext {
            order: OrderSecret {
                name: secret_name(&place, started),
                items: self.items(&names(spec)),
            },
            namespace: place.namespace,
            image: self.image(spec),
            agent_image: self.agent_image.clone(),
            service_account: settings.service_account.clone(),
            labels: BTreeMap::new(),
            has_user_namespaces: settings.has_user_namespaces,
            priority_class: settings.priority_class.clone(),
            sandbox_class: settings.sandbox_class.clone(),
            pull_secrets: settings.pull_secrets.clone(),
            node_selector: settings.node_selector.clone(),
            tolerations: tolerations.collect(),
            gpu_resource: settings.gpu_resource.clone(),
            queue: settings.queue.clone(),
        };
        job::job(spec, &context)
    }

    /// The image that the steps run in: the order's own, else the base image, in which the agent installs what they need.
    fn image(&self, spec: &RunSpec) -> String {
        match &spec.runtime {
            Some(RuntimeSpec::Image { image, .. }) => image.to_string(),
            Some(
                RuntimeSpec::Python { .. }
                | RuntimeSpec::Conda { .. }
                | RuntimeSpec::Rust { .. }
                | RuntimeSpec::Dockerfile { .. }
                | RuntimeSpec::Base { .. },
            )
            | None => self.base_image.clone(),
        }
    }

    fn items(&self, names: &BTreeSet<&str>) -> BTreeMap<String, String> {
        let ours = [order_files::ADDRESS, order_files::TOKEN]
            .into_iter()
            .chain(self.settings.bot_ca.as_ref().map(|_| order_files::CA))
            .map(|name| (name.to_owned(), name.to_owned()));
        let named = names.iter().map(|name| {
            let path = format!("{}/{name}", order_files::SECRETS);
            (format!("{SECRET_PREFIX}{name}"), path)
        });
        ours.chain(named).collect()
    }

    /// The Secret of an order; it goes with the Job that it is for. Errors: a named secret cannot be read any more.
    pub(super) fn secret(
        &self,
        spec: &RunSpec,
        started: &Started,
        job_uid: &str,
        desk: &Desk,
    ) -> anyhow::Result<Secret> {
        let place = self.place(spec);
        let address = self.address(&spec.id).into_bytes();
        let mut data = BTreeMap::from([
            (order_files::ADDRESS.to_owned(), address),
            (
                order_files::TOKEN.to_owned(),
                self.token(&spec.id).into_bytes(),
            ),
        ]);
        if let Some(ca) = &self.settings.bot_ca {
            data.insert(order_files::CA.to_owned(), ca.clone().into_bytes());
        }
        for name in names(spec) {
            let value = std::fs::read(desk.secrets().join(name))
                .with_context(|| format!("cannot read the secret `{name}` of a stage"))?;
            data.insert(format!("{SECRET_PREFIX}{name}"), value);
        }
        let data = data
            .into_iter()
            .map(|(key, value)| (key, ByteString(value)));
        Ok(Secret {
            metadata: ObjectMeta {
                name: Some(secret_name(&place, started)),
                namespace: Some(place.namespace),
                labels: Some([(job::MANAGED_BY.to_owned(), "bowsprit".to_owned())].into()),
                owner_references: Some(vec![OwnerReference {
                    api_version: "batch/v1".to_owned(),
                    kind: "Job".to_owned(),
                    name: place.name,
                    uid: job_uid.to_owned(),
                    controller: Some(true),
                    block_owner_deletion: None,
                }]),
                ..ObjectMeta::default()
            },
            data: Some(data.collect()),
            immutable: Some(true),
            ..Secret::default()
        })
    }
}

/// Each attempt has a Secret of its own: that of an attempt before it may still be on its way out.
fn secret_name(place: &Place, started: &Started) -> String {
    format!("{}-{}", place.name, started.attempts)
}

fn names(spec: &RunSpec) -> BTreeSet<&str> {
    let steps = spec.steps.iter();
    steps
        .flat_map(|step| step.secrets.iter().map(String::as_str))
        .collect()
}

/// The key in this file, made where there is none.
fn key(path: &Path) -> anyhow::Result<Vec<u8>> {
    let shown = path.display();
    if !path.exists() {
        let mut bytes = [0; KEY_BYTES];
        ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes)
            .map_err(|_| anyhow::anyhow!("the system gives no random bytes"))?;
        let draft = path.with_extension("draft");
        crate::files::remove_file(&draft)?;
        let mut file = std::fs::File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)
            .with_context(|| format!("cannot write `{shown}`"))?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(&draft, path).with_context(|| format!("cannot write `{shown}`"))?;
    }
    let key = std::fs::read(path).with_context(|| format!("cannot read `{shown}`"))?;
    anyhow::ensure!(
        key.len() == KEY_BYTES,
        "`{shown}` is damaged: it has {} bytes, not {KEY_BYTES}; remove it, and agents at work are lost",
        key.len()
    );
    Ok(key)
}

/// The digests of everything that an order lets its agent fetch, beside the snapshot.
pub(super) fn model_path<'a>(spec: &'a RunSpec, digest: &Digest) -> Option<&'a str> {
    let sources = spec.models.iter().flat_map(|model| &model.sources);
    let found = sources.into_iter().find(|source| source.sha256 == *digest);
    found.map(|source| source.uri.as_str())
}
