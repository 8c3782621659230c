//! What an environment is made of in a cluster, as typed objects.
//!
//! The order itself never stands here: the pod fetches it, so that no text of a contract or a person can become a field, a
//! label or an environment variable. Names hang on the repository's id and the environment alone, so that address and keys
//! stay over every release. Every object carries the labels of its environment, by which alone anything is ever removed.

mod copied;
mod network;
mod pod;
mod route;
mod scale;
#[cfg(test)]
mod tests;

use super::manifests::{self, Manifests};
use super::spec::Replicas;
use crate::image::reference::Pinned;
use crate::name::{RepoId, RepoPath, Slug};
use crate::training::job::{MANAGED_BY, name_of, restricted};
use crate::training::spec::Trust;
pub use copied::{copied, copies, copyable};
use k8s_openapi::ByteString;
use k8s_openapi::api::apps::v1::{
    Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment,
};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
pub use pod::{CA_FILE, DOOR_FILE, PORT, SERVE, TOKEN_FILE};
pub(crate) use pod::{covers_ours, is_ours};
pub use route::HttpRoute;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The label that holds the service repository's id.
pub const REPO_LABEL: &str = "bowsprit.dev/repo";
/// The label that holds the environment's name.
pub const ENVIRONMENT_LABEL: &str = "bowsprit.dev/environment";
/// The label of a pod that tells its release.
pub const RELEASE_LABEL: &str = "bowsprit.dev/release";
/// The annotation that tells which order a Deployment answers.
pub const GENERATION: &str = "bowsprit.dev/generation";
/// The annotation that tells the release in full.
pub const RELEASE: &str = "bowsprit.dev/release";
/// The annotation of an account that tells the folder of its environment, where a syncer brings its objects.
const FOLDER: &str = "bowsprit.dev/folder";
/// The annotation that tells people the repository's name.
const SERVICE: &str = "bowsprit.dev/service";

/// Former pod templates that the cluster keeps.
const HISTORY: i32 = 2;
/// What pulling images and fetching may take beside preparing and starting. Units: seconds.
const SLACK_S: u64 = 600;
/// Longest that preparing a runtime in the pod takes. Units: seconds.
const PREPARE_S: u64 = 1_200;

/// Where an environment lives, for as long as it lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// The service repository.
    pub repo: RepoId,
    /// The repository's name without its owner, as it was at the first order.
    pub service: String,
    /// The environment.
    pub environment: Slug,
    /// The namespace.
    pub namespace: String,
    /// The name of every object.
    pub name: String,
    /// Whether the namespace was made for this environment alone.
    pub owns_namespace: bool,
    /// Which of the server's further clusters; the usual one where absent.
    #[serde(default)]
    pub cluster: Option<Slug>,
    /// The folder that its objects are written to, where a syncer brings them; else they are applied.
    #[serde(default)]
    pub folder: Option<RepoPath>,
}

/// How an environment is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expose {
    /// At an address of the cluster's own.
    ClusterIp,
    /// At a port of every node.
    NodePort,
    /// By a name below a domain, by the cluster's ingress controller.
    Ingress {
        /// The domain, for example `models.example.org`.
        domain: String,
        /// Which controller; the cluster's default one where absent.
        class: Option<String>,
        /// The Secret of a certificate for the domain's names; plain HTTP where absent.
        tls_secret: Option<String>,
    },
    /// By a name below a domain, by a Gateway of the cluster.
    HttpRoute {
        /// The domain, for example `models.example.org`.
        domain: String,
        /// Namespace and name of the Gateway.
        gateway: (String, String),
        /// Whether the Gateway speaks HTTPS for these names.
        has_tls: bool,
    },
}

/// What of the cluster an environment is made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServingContext {
    /// The image that the server runs in, by digest.
    pub image: String,
    /// An image with the static binary `/bowsprit-agent` and a `cp`, by digest.
    pub agent_image: String,
    /// How pods reach the bot, without a slash at the end.
    pub bot_url: String,
    /// A certificate that they trust it by, PEM.
    pub bot_ca: Option<String>,
    /// How people reach the environment.
    pub expose: Expose,
    /// Secrets by which nodes pull the images.
    pub pull_secrets: Vec<String>,
    /// What marks pods whose logs are gathered.
    pub log_marks: LogMarks,
    /// Names of the Secrets that the bot brings into namespaces that it makes.
    pub copied_secrets: Vec<String>,
    /// Whether pods get a user namespace.
    pub has_user_namespaces: bool,
    /// The runtime class of untrusted code, where the cluster has one.
    pub sandbox_class: Option<String>,
}

/// What tells a collector of logs which pods it should read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogMarks {
    /// Labels of these pods.
    pub labels: BTreeMap<String, String>,
    /// Annotations of these pods.
    pub annotations: BTreeMap<String, String>,
}

/// A release as far as the cluster must know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollout {
    /// The release's id.
    pub release: String,
    /// The order's number.
    pub generation: u64,
    /// Whether its code is trusted.
    pub trust: Trust,
    /// Whether the pod installs software before it serves, from outside.
    pub installs: bool,
    /// The image that it runs in, where that is not the cluster's base image.
    #[serde(default)]
    pub image: Option<Pinned>,
    /// Whether code and models lie in that image.
    #[serde(default)]
    pub is_whole: bool,
    /// Whether what it prints goes to the operator's log service.
    #[serde(default)]
    pub logs: bool,
    /// Whether its order is mounted; else the pod fetches it from the bot.
    #[serde(default)]
    pub has_order: bool,
    /// Units: thousandths of a core.
    pub cpu_millis: u32,
    /// Units: bytes.
    pub memory_bytes: u64,
    /// Units: bytes.
    pub model_bytes: u64,
    /// Units: seconds.
    pub ready_timeout_s: u64,
    /// Units: seconds.
    pub drain_timeout_s: u64,
    /// How many pods.
    pub replicas: Replicas,
}

/// Everything of an environment but its namespace, its account and its door's Secret.
#[derive(Debug, Clone, PartialEq)]
pub struct Objects {
    /// The address that stays.
    pub service: Service,
    /// Who may speak to whom.
    pub policy: NetworkPolicy,
    /// The pods; `None` while there is nothing to serve.
    pub deployment: Option<Deployment>,
    /// Their number by load, where it may change.
    pub scaler: Option<HorizontalPodAutoscaler>,
    /// Evictions one by one, where there are several.
    pub budget: Option<PodDisruptionBudget>,
    /// The name outside, where the cluster has an ingress.
    pub ingress: Option<Ingress>,
    /// The name outside, where the cluster has a Gateway.
    pub route: Option<HttpRoute>,
    /// Further addresses, from the repository's own manifests.
    pub services: Vec<Service>,
    /// What pods may mount, from the same.
    pub config_maps: Vec<ConfigMap>,
}

impl Site {
    /// The place of an environment; `namespace` is shared, and without one it gets its own, `<prefix>-<service>-<environment>`.
    pub fn new(
        (repo, service): (RepoId, &str),
        environment: &Slug,
        namespace: Option<&str>,
        prefix: &str,
    ) -> Site {
        let service = service.to_ascii_lowercase();
        let own = || name_of(&format!("{prefix}-"), &format!("{service}-{environment}"));
        Site {
            repo,
            namespace: namespace.map_or_else(own, str::to_owned),
            name: name_of("bowsprit-", &format!("{service}-{environment}-{repo}")),
            owns_namespace: namespace.is_none(),
            environment: environment.clone(),
            service,
            cluster: None,
            folder: None,
        }
    }

    /// The labels of everything in it.
    pub fn labels(&self) -> BTreeMap<String, String> {
        [
            (MANAGED_BY, "bowsprit".to_owned()),
            (REPO_LABEL, self.repo.to_string()),
            (ENVIRONMENT_LABEL, self.environment.to_string()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    }

    /// The same as a selector of the API.
    pub fn selector(&self) -> String {
        let pairs = self.labels().into_iter();
        let pairs: Vec<String> = pairs.map(|(key, value)| format!("{key}={value}")).collect();
        pairs.join(",")
    }

    /// The name that an ingress gives it below its domain: with the repository's id, since two owners may choose one name.
    pub fn host(&self, domain: &str) -> String {
        let label = self.name.strip_prefix("bowsprit-").unwrap_or(&self.name);
        format!("{label}.{domain}")
    }

    fn metadata(&self) -> ObjectMeta {
        ObjectMeta {
            name: Some(self.name.clone()),
            namespace: Some(self.namespace.clone()),
            labels: Some(self.labels()),
            annotations: Some([(SERVICE.to_owned(), self.service.clone())].into()),
            ..ObjectMeta::default()
        }
    }

    pub(super) fn pods(&self) -> LabelSelector {
        LabelSelector {
            match_labels: Some(self.labels()),
            match_expressions: None,
        }
    }
}

/// Whose an object is; `None` for what is not ours.
pub fn owner(metadata: &ObjectMeta) -> Option<(RepoId, Slug)> {
    let labels = metadata.labels.as_ref()?;
    if labels.get(MANAGED_BY)? != "bowsprit" {
        return None;
    }
    let repo = labels.get(REPO_LABEL)?.parse().ok()?;
    let environment = Slug::parse(labels.get(ENVIRONMENT_LABEL)?).ok()?;
    Some((RepoId(repo), environment))
}

/// The folder that an account names; `None` where its environment's objects are applied.
pub fn folder(account: &ServiceAccount) -> Option<RepoPath> {
    let annotations = account.metadata.annotations.as_ref()?;
    RepoPath::parse(annotations.get(FOLDER)?).ok()
}

/// The repository that an object's annotation tells people; empty where it has none.
pub fn service_name(metadata: &ObjectMeta) -> String {
    let annotations = metadata.annotations.as_ref();
    let name = annotations.and_then(|annotations| annotations.get(SERVICE));
    name.cloned().unwrap_or_default()
}

/// The value of [`RELEASE_LABEL`] for a release.
pub fn release_label(release: &str) -> String {
    name_of("", release)
}

/// The objects of an environment; without a rollout those that keep its address. `own` are the repository's manifests.
///
/// `replicas_now` is what the cluster has: a number that follows the load is left as it is, within its limits.
pub fn objects(
    site: &Site,
    rollout: Option<&Rollout>,
    context: &ServingContext,
    replicas_now: Option<i32>,
    own: &Manifests,
) -> Objects {
    let mut made = Objects {
        service: network::service(site, &context.expose),
        policy: network::policy(site, rollout, context),
        deployment: rollout.map(|rollout| deployment(site, rollout, context, replicas_now)),
        scaler: rollout.and_then(|rollout| scale::scaler(site, rollout.replicas)),
        budget: rollout.and_then(|rollout| scale::budget(site, rollout.replicas)),
        ingress: network::ingress(site, &context.expose),
        route: route::route(site, &context.expose, network::SERVICE_PORT),
        services: Vec::new(),
        config_maps: Vec::new(),
    };
    if let Some(ours) = made.deployment.take() {
        made.deployment = Some(lay_over(own, ours, replicas_now));
        made.scaler = own.scaler.clone().or(made.scaler);
        made.budget = own.budget.clone().or(made.budget);
        made.services = own.services.clone();
        made.config_maps = own.config_maps.clone();
        let ports = own.deployment.as_ref().map(manifests::ports);
        network::open(&mut made.policy, &ports.unwrap_or_default());
    }
    made
}

/// The objects of an environment as they were for a release that served: its Deployment as it was sent, with what the
/// cluster was told of it. Where that is not known, its manifests say what was beside the Deployment.
pub fn former(
    site: &Site,
    (deployment, rollout): (&Deployment, Option<&Rollout>),
    context: &ServingContext,
    replicas_now: Option<i32>,
    own: &Manifests,
) -> Objects {
    let made = objects(site, rollout, context, replicas_now, own);
    let mut former = deployment.clone();
    let replicas = made
        .deployment
        .as_ref()
        .and_then(|made| made.spec.as_ref()?.replicas);
    if let (Some(spec), Some(replicas)) = (&mut former.spec, replicas)
        && replicas_now.is_some()
    {
        spec.replicas = Some(replicas);
    }
    Objects {
        deployment: Some(former),
        scaler: made.scaler.or_else(|| own.scaler.clone()),
        budget: made.budget.or_else(|| own.budget.clone()),
        services: own.services.clone(),
        config_maps: own.config_maps.clone(),
        ..made
    }
}

fn lay_over(own: &Manifests, ours: Deployment, replicas_now: Option<i32>) -> Deployment {
    let mut made = match &own.deployment {
        Some(own) => manifests::over(own, ours),
        None => ours,
    };
    // A number that the repository's own scaler sets is left to it.
    if own.scaler.is_some()
        && let (Some(spec), Some(now)) = (&mut made.spec, replicas_now)
    {
        spec.replicas = Some(now);
    }
    made
}

/// An account without rights, under which the pods run.
pub fn account(site: &Site) -> ServiceAccount {
    let mut metadata = site.metadata();
    if let (Some(annotations), Some(folder)) = (&mut metadata.annotations, &site.folder) {
        annotations.insert(FOLDER.to_owned(), folder.to_string());
    }
    ServiceAccount {
        metadata,
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}

/// A namespace for one environment, which holds its pods to the restricted Pod Security standard.
pub fn namespace(site: &Site) -> Namespace {
    let levels = ["enforce", "audit", "warn"];
    let security = levels.map(|level| {
        (
            format!("pod-security.kubernetes.io/{level}"),
            "restricted".to_owned(),
        )
    });
    let labels = site.labels().into_iter().chain(security).collect();
    Namespace {
        metadata: ObjectMeta {
            name: Some(site.namespace.clone()),
            labels: Some(labels),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
    }
}

/// What the pods of an environment are handed by their Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// The token by which they fetch.
    pub token: String,
    /// What the gateway lets in: a `DoorSpec`, in JSON.
    pub rules: Vec<u8>,
    /// Orders of releases whose pods need not fetch theirs, by the release's id: a `ServeSpec` each, in JSON.
    pub orders: BTreeMap<String, Vec<u8>>,
}

/// The name under which the order of a release is mounted.
pub fn order_file(release: &str) -> String {
    format!("order-{}.json", release_label(release))
}

/// The Secret that pods mount: the token by which they fetch, what the gateway lets in, and orders.
///
/// It goes with the account, whose `uid` the cluster told: the bot may write Secrets and neither read nor list them.
pub fn door(site: &Site, door: &Door, context: &ServingContext, account_uid: &str) -> Secret {
    let mut files: BTreeMap<String, ByteString> = [
        (TOKEN_FILE, door.token.as_bytes()),
        (DOOR_FILE, &door.rules),
    ]
    .into_iter()
    .chain(context.bot_ca.as_ref().map(|pem| (CA_FILE, pem.as_bytes())))
    .map(|(name, bytes)| (name.to_owned(), ByteString(bytes.to_vec())))
    .collect();
    let orders = door.orders.iter();
    files.extend(orders.map(|(release, order)| (order_file(release), ByteString(order.clone()))));
    Secret {
        metadata: ObjectMeta {
            owner_references: Some(vec![owner_account(site, account_uid)]),
            ..site.metadata()
        },
        data: Some(files),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    }
}

/// What goes when an environment's account does, whose `uid` the cluster told.
fn owner_account(site: &Site, account_uid: &str) -> OwnerReference {
    OwnerReference {
        api_version: "v1".to_owned(),
        kind: "ServiceAccount".to_owned(),
        name: site.name.clone(),
        uid: account_uid.to_owned(),
        ..OwnerReference::default()
    }
}

/// Everything in a Deployment's pods that the restricted Pod Security standard, or Kubernetes itself, would refuse.
///
/// Source: Kubernetes, "Pod Security Standards", profile Restricted, v1.33.
pub fn restricted_problems(deployment: &Deployment) -> Vec<String> {
    match &deployment.spec {
        Some(spec) => restricted::serving_problems(&spec.template),
        None => vec!["spec: missing".to_owned()],
    }
}

/// Longest that a rollout makes no headway before it has failed. Units: seconds.
fn deadline_s(rollout: &Rollout) -> i32 {
    let prepare_s = if rollout.installs { PREPARE_S } else { 0 };
    let all = SLACK_S
        .saturating_add(prepare_s)
        .saturating_add(rollout.ready_timeout_s);
    i32::try_from(all).unwrap_or(i32::MAX)
}

fn deployment(
    site: &Site,
    rollout: &Rollout,
    context: &ServingContext,
    replicas_now: Option<i32>,
) -> Deployment {
    let mut metadata = site.metadata();
    if let Some(annotations) = &mut metadata.annotations {
        annotations.insert(GENERATION.to_owned(), rollout.generation.to_string());
        annotations.insert(RELEASE.to_owned(), rollout.release.clone());
    }
    Deployment {
        metadata,
        spec: Some(DeploymentSpec {
            replicas: Some(scale::replicas(rollout.replicas, replicas_now)),
            revision_history_limit: Some(HISTORY),
            progress_deadline_seconds: Some(deadline_s(rollout)),
            selector: site.pods(),
            // A pod goes only when another one has shown that it answers rightly.
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: Some(RollingUpdateDeployment {
                    max_unavailable: Some(IntOrString::Int(0)),
                    max_surge: Some(IntOrString::Int(1)),
                }),
            }),
            template: pod::template(site, rollout, context),
            ..DeploymentSpec::default()
        }),
        status: None,
    }
}
