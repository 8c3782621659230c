//! Looks at the cluster as the server sees it: with the server's own account, so that it finds what the server would.

#[cfg(test)]
mod tests;

use crate::cli::client::Client as Http;
use crate::cluster::{Cluster, Trouble, TroubleKind};
use crate::config::{self, Backend, Config, OtherCluster};
use crate::images::Credentials;
use crate::images::registry::Client as Registry;
use bowsprit_core::doctor::{self, Borne, Finding, NamespaceSeen, QuotaSeen};
use bowsprit_core::image::recipe::Kind;
use bowsprit_core::image::reference::Place as At;
use bowsprit_core::rbac::{self, Place, Rule, Uses};
use bowsprit_core::serving::objects::Expose;
use bowsprit_core::training::spec::Trust;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::Method;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use k8s_openapi::api::core::v1::{Namespace, Node, ResourceQuota, Secret};
use k8s_openapi::api::networking::v1::IngressClass;
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::{Api, ListParams, ObjectMeta, PostParams};
use kube::{Client, ResourceExt as _};
use std::collections::BTreeSet;

/// Questions to the API server at once.
const QUESTIONS_AT_ONCE: usize = 8;
/// The annotations of default classes. Source: Kubernetes, "Storage Classes" and "Ingress".
const DEFAULTS: [&str; 2] = [
    "storageclass.kubernetes.io/is-default-class",
    "ingressclass.kubernetes.io/is-default-class",
];

/// Everything of the clusters.
pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let mut findings = usual(config).await;
    if config.releases.backend == Backend::Kubernetes {
        for (name, other) in &config.clusters {
            let of_other = further(config, other).await.into_iter();
            findings.extend(of_other.map(|finding| Finding {
                about: format!("{name}: {}", finding.about),
                ..finding
            }));
        }
    }
    findings
}

/// What serving needs of a further cluster.
async fn further(config: &Config, other: &OtherCluster) -> Vec<Finding> {
    let cluster = match Cluster::open(&other.way).await {
        Ok(cluster) => cluster,
        Err(error) => return vec![doctor::version(Err(&format!("{error:#}")))],
    };
    let client = cluster.client();
    let (version, is_there) = answers(&client).await;
    let mut findings = vec![version];
    if !is_there {
        return findings;
    }
    let expose = &other.serving.expose;
    let uses = uses(None, Some(expose));
    match &other.serving.namespace {
        Some(name) => {
            let seen = namespace(&client, name).await;
            findings.push(doctor::namespace(name, Place::Environments, &seen));
            let is_synced = other.gitops_path.is_some() && is_synced(config);
            let asked = asked(Place::Environments, is_synced, uses);
            findings.push(rights(&client, name, asked).await);
            findings.push(quota(&cluster, name).await);
        }
        None => {
            let asked = asked(Place::Cluster, false, uses);
            findings.push(rights(&client, "", asked).await);
        }
    }
    findings.extend(ingress_class(&client, expose).await);
    findings.push(room(&client, &other.way).await);
    findings
}

/// Whether the cluster has room for what it is for.
async fn room(client: &Client, settings: &config::Cluster) -> Finding {
    let borne: Vec<Borne<'_>> = settings
        .tolerations
        .iter()
        .map(|one| {
            (
                one.key.as_str(),
                one.value.as_deref(),
                one.effect.as_deref(),
            )
        })
        .collect();
    let nodes = Api::<Node>::all(client.clone());
    match nodes.list(&ListParams::default()).await {
        Ok(found) => doctor::room(settings.purpose, &borne, Ok(&found.items)),
        Err(error) => doctor::room(settings.purpose, &borne, Err(&unlisted(error))),
    }
}

/// Why objects of no namespace cannot be listed.
fn unlisted(error: kube::Error) -> String {
    match Trouble::of(error) {
        trouble if trouble.kind == TroubleKind::Forbidden => {
            "this account may not list them".to_owned()
        }
        trouble => trouble.message,
    }
}

/// The Secrets that are copied into environments' own namespaces, where they are copied from.
async fn copied(cluster: &Cluster, config: &Config) -> Vec<Finding> {
    let namespace = cluster.home();
    let secrets = cluster.all::<Secret>(&namespace);
    let mut findings = Vec::new();
    for name in &config.cluster.copied_secrets {
        let found = secrets.get_opt(name).await.map_err(words);
        let seen = found.as_ref().map(Option::as_ref).map_err(String::as_str);
        findings.push(doctor::copied(&namespace, name, seen));
    }
    findings
}

/// What is used of Kueue and the Gateway API, where stages queue and environments are exposed like this.
fn uses(queue: Option<&str>, expose: Option<&Expose>) -> Uses {
    Uses {
        queue: queue.is_some(),
        routes: matches!(expose, Some(Expose::HttpRoute { .. })),
    }
}

/// Every verb of a place's rules that is used; where a syncer brings objects, those are only looked at.
fn asked(place: Place, is_synced: bool, uses: Uses) -> Vec<(&'static Rule, &'static str)> {
    let rules = rbac::rules(place).filter(|rule| uses.needs(rule));
    let asked = rules.flat_map(|rule| {
        let verbs: Vec<&str> = match is_synced {
            true => rbac::synced(rule).collect(),
            false => rule.verbs.to_vec(),
        };
        verbs.into_iter().map(move |verb| (rule, verb))
    });
    asked.collect()
}

/// The class of ingresses, where environments are reached by one.
async fn ingress_class(client: &Client, expose: &Expose) -> Option<Finding> {
    match expose {
        Expose::Ingress { class, .. } => {
            let wanted = class.as_deref();
            Some(classes::<IngressClass>(client, "ingress classes", wanted).await)
        }
        Expose::ClusterIp | Expose::NodePort | Expose::HttpRoute { .. } => None,
    }
}

/// How environments of the usual cluster are reached, where there are any.
fn exposed(config: &Config) -> Option<&Expose> {
    let is_served = config.releases.backend == Backend::Kubernetes;
    is_served.then_some(&config.releases.serving.expose)
}

/// Whether a syncer brings the objects of every environment.
fn is_synced(config: &Config) -> bool {
    let gitops = config.releases.gitops.as_ref();
    gitops.is_some_and(|gitops| gitops.environments.is_empty())
}

/// The version of an API server, and whether there is one.
async fn answers(client: &Client) -> (Finding, bool) {
    let version = client.apiserver_version().await.map_err(words);
    let finding = doctor::version(match &version {
        Ok(found) => Ok((found.major.as_str(), found.minor.as_str())),
        Err(error) => Err(error),
    });
    (finding, version.is_ok())
}

async fn usual(config: &Config) -> Vec<Finding> {
    let cluster = match Cluster::open(&config.cluster).await {
        Ok(cluster) => cluster,
        Err(error) => return vec![doctor::version(Err(&format!("{error:#}")))],
    };
    let client = cluster.client();
    let (finding, is_there) = answers(&client).await;
    if !is_there {
        // Everything else would only say the same again.
        return vec![finding];
    }
    let mut findings = vec![finding];
    let uses = uses(config.cluster.queue.as_deref(), exposed(config));
    for (name, place) in namespaces(config) {
        findings.push(doctor::namespace(
            name,
            place,
            &namespace(&client, name).await,
        ));
        let is_synced = place == Place::Environments && is_synced(config);
        findings.push(rights(&client, name, asked(place, is_synced, uses)).await);
        findings.push(quota(&cluster, name).await);
    }
    if makes_namespaces(config) {
        let asked = asked(Place::Cluster, false, uses);
        findings.push(rights(&client, "", asked).await);
    }
    if config.releases.backend == Backend::Kubernetes {
        findings.extend(copied(&cluster, config).await);
    }
    findings.push(room(&client, &config.cluster).await);
    findings.push(classes::<StorageClass>(&client, "storage classes", None).await);
    if let Some(expose) = exposed(config) {
        findings.extend(ingress_class(&client, expose).await);
    }
    for host in registries(config) {
        findings.push(registry(&host, is_plain(config, &host)).await);
    }
    if let Some(images) = &config.images {
        findings.push(kept(images).await);
    }
    findings
}

/// Whether images can be kept where the configuration says.
async fn kept(images: &config::Images) -> Finding {
    let tried = async {
        let credentials = match &images.auth_file {
            Some(path) => Credentials::read(path)?,
            None => Credentials::default(),
        };
        let client = Registry::new(credentials, images.insecure.clone())?;
        let place = At::of_ours(
            &images.registry,
            &images.prefix,
            Kind::Runtime,
            Trust::Trusted,
        )?;
        client.try_to_write(&place).await
    };
    let tried = tried.await.map_err(|error| format!("{error:#}"));
    doctor::kept(
        &images.registry,
        tried.as_ref().copied().map_err(String::as_str),
    )
}

/// The namespaces that are used, each with what happens in it.
fn namespaces(config: &Config) -> Vec<(&str, Place)> {
    let cluster = &config.cluster;
    let mut all = Vec::new();
    if config.runs.backend == Backend::Kubernetes {
        all.push((cluster.namespace.as_str(), Place::Runs));
        all.push((cluster.untrusted_namespace.as_str(), Place::Runs));
    }
    if config.images.is_some() {
        all.push((cluster.build_namespace.as_str(), Place::Builds));
    }
    if config.releases.backend == Backend::Kubernetes
        && let Some(name) = &config.releases.serving.namespace
    {
        all.push((name.as_str(), Place::Environments));
    }
    all
}

/// Whether each environment gets a namespace of its own, for which rights must reach everywhere.
fn makes_namespaces(config: &Config) -> bool {
    config.releases.backend == Backend::Kubernetes && config.releases.serving.namespace.is_none()
}

async fn namespace(client: &Client, name: &str) -> NamespaceSeen {
    match Api::<Namespace>::all(client.clone()).get(name).await {
        Ok(found) => NamespaceSeen::There(found.metadata.labels.unwrap_or_default()),
        Err(error) => match Trouble::of(error) {
            trouble if trouble.kind == TroubleKind::Missing => NamespaceSeen::Missing,
            trouble => NamespaceSeen::Hidden(trouble.message),
        },
    }
}

/// Asks for rights in a namespace, or everywhere where its name is empty.
async fn rights(
    client: &Client,
    namespace: &str,
    questions: Vec<(&'static Rule, &'static str)>,
) -> Finding {
    let asked: Result<Vec<_>, kube::Error> =
        stream::iter(questions)
            .map(|(rule, verb)| async move {
                Ok((rule, verb, may(client, namespace, rule, verb).await?))
            })
            .buffered(QUESTIONS_AT_ONCE)
            .try_collect()
            .await;
    match asked {
        Ok(asked) => doctor::rights(namespace, Ok(&asked)),
        Err(error) => doctor::rights(namespace, Err(&words(error))),
    }
}

async fn may(
    client: &Client,
    namespace: &str,
    rule: &Rule,
    verb: &str,
) -> Result<bool, kube::Error> {
    let (resource, subresource) = match rule.resource.split_once('/') {
        Some((resource, below)) => (resource, Some(below.to_owned())),
        None => (rule.resource, None),
    };
    let review = SelfSubjectAccessReview {
        metadata: ObjectMeta::default(),
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                namespace: Some(namespace.to_owned()),
                group: Some(rule.group.to_owned()),
                resource: Some(resource.to_owned()),
                subresource,
                verb: Some(verb.to_owned()),
                ..ResourceAttributes::default()
            }),
            non_resource_attributes: None,
        },
        status: None,
    };
    let answer = Api::<SelfSubjectAccessReview>::all(client.clone())
        .create(&PostParams::default(), &review)
        .await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

async fn quota(cluster: &Cluster, namespace: &str) -> Finding {
    let all = cluster.all::<ResourceQuota>(namespace);
    let found = all.list(&ListParams::default()).await;
    let lines = match found {
        Ok(found) => found.items.into_iter().flat_map(lines).collect::<Vec<_>>(),
        Err(error) => return doctor::quota(namespace, Err(&words(error))),
    };
    doctor::quota(namespace, Ok(&lines))
}

fn lines(quota: ResourceQuota) -> Vec<QuotaSeen> {
    let status = quota.status.unwrap_or_default();
    let used = status.used.unwrap_or_default();
    let hard = status.hard.unwrap_or_default().into_iter();
    hard.map(|(resource, hard)| QuotaSeen {
        used: used
            .get(&resource)
            .map_or("0".to_owned(), |used| used.0.clone()),
        resource,
        hard: hard.0,
    })
    .collect()
}

async fn classes<K>(client: &Client, what: &str, wanted: Option<&str>) -> Finding
where
    K: kube::Resource<DynamicType = (), Scope = k8s_openapi::ClusterResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned,
{
    let found = Api::<K>::all(client.clone())
        .list(&ListParams::default())
        .await;
    match found {
        Ok(found) => {
            let shown = found.items.iter().map(|one| {
                let notes = one.annotations();
                let is_default = |key| notes.get(key).is_some_and(|value| value == "true");
                (one.name_any(), DEFAULTS.iter().any(|key| is_default(*key)))
            });
            doctor::classes(what, Ok(&shown.collect::<Vec<_>>()), wanted)
        }
        Err(error) => doctor::classes(what, Err(&unlisted(error)), wanted),
    }
}

/// The registries of the images that are configured.
fn registries(config: &Config) -> BTreeSet<String> {
    let cluster = &config.cluster;
    let images = [&cluster.base_image, &cluster.agent_image];
    images
        .into_iter()
        .flatten()
        .map(|image| host(image).to_owned())
        .collect()
}

/// The registry in an image's name. Source: the distribution project, "reference" (a first part with a dot or a port is a host).
fn host(image: &str) -> &str {
    match image.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => first,
        Some(_) | None => "registry-1.docker.io",
    }
}

/// Whether a registry speaks plain HTTP: on this machine, or as the configuration says.
fn is_plain(config: &Config, host: &str) -> bool {
    let is_here = ["127.", "localhost", "[::1]"]
        .iter()
        .any(|start| host.starts_with(start));
    let images = config.images.as_ref();
    is_here || images.is_some_and(|images| images.insecure.iter().any(|plain| plain == host))
}

async fn registry(host: &str, is_plain: bool) -> Finding {
    let scheme = if is_plain { "http" } else { "https" };
    let answered = async {
        let http = Http::new(&format!("{scheme}://{host}"), None)?;
        let answer = http.call(Method::GET, "/v2/", None).await?;
        anyhow::Ok(answer.status.as_u16())
    };
    match answered.await {
        Ok(status) => doctor::registry(host, Ok(status)),
        // What is said above the cause is meant for callers of a server of ours.
        Err(error) => doctor::registry(host, Err(&error.root_cause().to_string())),
    }
}

fn words(error: kube::Error) -> String {
    Trouble::of(error).message
}
