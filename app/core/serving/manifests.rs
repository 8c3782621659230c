//! The repository's own manifests: what may stand in them, and what they come to.
//!
//! They shape the pods of their environment and never leave it: a few kinds, names that begin with the environment's own,
//! no Secret, no account, no way past the restricted Pod Security standard. What a release must have to be verified, its
//! gateway with its probes, is laid over them and not theirs to change.

pub mod chart;
mod overlay;
#[cfg(test)]
mod tests;
mod values;

use super::objects::Site;
use crate::training::job::MANAGED_BY;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ConfigMap, Service, ServiceSpec};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

pub(crate) use overlay::{over, ports};
pub use values::Values;

/// What may stand in manifests.
pub const KINDS: [(&str, &str); 5] = [
    ("apps/v1", "Deployment"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("policy/v1", "PodDisruptionBudget"),
    ("v1", "ConfigMap"),
    ("v1", "Service"),
];
/// Most objects of one release.
const OBJECTS_MAX: usize = 50;
/// Most that all manifests of a release may hold. Units: bytes.
const BYTES_MAX: usize = 512 << 10;
/// Most values that one file may hold.
const NODES_MAX: usize = 20_000;
/// Deepest nesting in one file.
const DEPTH_MAX: usize = 32;
/// Most aliases (`*name`) in one file.
const ALIASES_MAX: usize = 50;
/// Most problems that are told at once.
const PROBLEMS_MAX: usize = 20;
/// Beginning of labels and annotations that are ours.
const OUR_PREFIX: &str = "bowsprit.dev/";

/// The manifests of a release, read and found to be harmless.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Manifests {
    /// What the pods shall be beside the gateway.
    pub deployment: Option<Deployment>,
    /// Their number by load, in place of the contract's.
    pub scaler: Option<HorizontalPodAutoscaler>,
    /// Which evictions are let happen.
    pub budget: Option<PodDisruptionBudget>,
    /// Further addresses of the pods.
    pub services: Vec<Service>,
    /// What pods may mount.
    pub config_maps: Vec<ConfigMap>,
}

impl Manifests {
    /// What is left of them where a stranger wrote them: nothing that takes place, or the cluster's care, from others.
    pub fn of_a_stranger(mut self) -> Manifests {
        let spec = self.deployment.as_mut().and_then(|own| own.spec.as_mut());
        if let Some(pod) = spec.and_then(|spec| spec.template.spec.as_mut()) {
            (pod.priority_class_name, pod.tolerations) = (None, None);
        }
        (self.scaler, self.budget) = (None, None);
        self
    }
}

/// Reads manifests: each file with its path. Errors: what is wrong in them, and what would work, for a person.
pub fn read(
    files: &[(String, String)],
    site: &Site,
    values: &Values,
) -> Result<Manifests, Vec<String>> {
    let bytes: usize = files.iter().map(|(_, text)| text.len()).sum();
    if bytes > BYTES_MAX {
        return Err(vec![format!(
            "the manifests have {bytes} bytes, at most {BYTES_MAX} are read"
        )]);
    }
    let mut reader = Reader {
        site,
        values,
        found: Manifests::default(),
        names: BTreeSet::new(),
        problems: Vec::new(),
    };
    for (path, text) in files {
        reader.file(path, text);
    }
    if reader.names.len() > OBJECTS_MAX {
        reader.problems.push(format!(
            "there are {} objects, at most {OBJECTS_MAX} are applied",
            reader.names.len()
        ));
    }
    if reader.problems.is_empty() && reader.names.is_empty() {
        reader
            .problems
            .push("there is no object in them".to_owned());
    }
    reader.problems.truncate(PROBLEMS_MAX);
    match reader.problems.is_empty() {
        true => Ok(reader.found),
        false => Err(reader.problems),
    }
}

struct Reader<'a> {
    site: &'a Site,
    values: &'a Values,
    found: Manifests,
    names: BTreeSet<(String, String)>,
    problems: Vec<String>,
}

impl Reader<'_> {
    fn file(&mut self, path: &str, text: &str) {
        match serde_saphyr::from_multiple_with_options::<Value>(text, yaml()) {
            Ok(objects) => {
                for object in objects {
                    if let Err(why) = self.object(object) {
                        self.problems
                            .extend(why.into_iter().map(|why| format!("`{path}`: {why}")));
                    }
                }
            }
            Err(error) => self
                .problems
                .push(format!("`{path}` is not YAML: {}", error.without_snippet())),
        }
    }

    fn object(&mut self, mut object: Value) -> Result<(), Vec<String>> {
        self.values.fill(&mut object).map_err(one)?;
        let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
        let (version, kind) = (text("apiVersion").to_owned(), text("kind").to_owned());
        if !KINDS.contains(&(version.as_str(), kind.as_str())) {
            return Err(one(not_taken(&version, &kind)));
        }
        match kind.as_str() {
            "Deployment" => {
                let mut made: Deployment = typed(&object)?;
                self.settle(&kind, &mut made.metadata, Name::Own)?;
                overlay::check(&made, &self.site.name, &self.values.image)?;
                made.status = None;
                self.found.deployment = Some(made);
            }
            "HorizontalPodAutoscaler" => {
                let mut made: HorizontalPodAutoscaler = typed(&object)?;
                self.settle(&kind, &mut made.metadata, Name::Own)?;
                let target = made.spec.as_ref().map(|spec| &spec.scale_target_ref);
                let is_own = target.is_some_and(|target| {
                    target.kind == "Deployment" && target.name == self.site.name
                });
                if !is_own {
                    return Err(one(
                        "its `scaleTargetRef` must be Deployment `${BOWSPRIT_NAME}`",
                    ));
                }
                made.status = None;
                self.found.scaler = Some(made);
            }
            "PodDisruptionBudget" => {
                let mut made: PodDisruptionBudget = typed(&object)?;
                self.settle(&kind, &mut made.metadata, Name::Own)?;
                made.spec.get_or_insert_default().selector = Some(self.site.pods());
                made.status = None;
                self.found.budget = Some(made);
            }
            "ConfigMap" => {
                let mut made: ConfigMap = typed(&object)?;
                self.settle(&kind, &mut made.metadata, Name::Further)?;
                self.found.config_maps.push(made);
            }
            _ => {
                let mut made: Service = typed(&object)?;
                self.settle(&kind, &mut made.metadata, Name::Further)?;
                made.spec = Some(self.address(made.spec.unwrap_or_default())?);
                made.status = None;
                self.found.services.push(made);
            }
        }
        Ok(())
    }

    /// Holds name and labels to the environment's, and adds our own.
    fn settle(&mut self, kind: &str, meta: &mut ObjectMeta, name: Name) -> Result<(), Vec<String>> {
        let (site, found) = (self.site, meta.name.clone().unwrap_or_default());
        let mut problems = Vec::new();
        let further = found.strip_prefix(&site.name);
        let is_fine = match name {
            Name::Own => further == Some(""),
            Name::Further => further.is_some_and(|rest| rest.starts_with('-') && rest.len() > 1),
        };
        if !is_fine {
            let wanted = match name {
                Name::Own => "${BOWSPRIT_NAME}",
                Name::Further => "${BOWSPRIT_NAME}-something",
            };
            problems.push(format!("{kind} `{found}`: its name must be `{wanted}`"));
        }
        if meta
            .namespace
            .as_ref()
            .is_some_and(|other| *other != site.namespace)
        {
            problems.push(format!(
                "{kind} `{found}`: leave `namespace` out, or write `${{BOWSPRIT_NAMESPACE}}`"
            ));
        }
        if !self.names.insert((kind.to_owned(), found.clone())) {
            problems.push(format!("{kind} `{found}` stands there twice"));
        }
        problems.extend(labels(meta).map(|why| format!("{kind} `{found}`: {why}")));
        let taken = ObjectMeta {
            name: meta.name.clone(),
            namespace: Some(site.namespace.clone()),
            labels: meta.labels.clone(),
            annotations: meta.annotations.clone(),
            ..ObjectMeta::default()
        };
        meta.namespace = taken.namespace.clone();
        if *meta != taken {
            problems.push(format!("{kind} `{found}`: of `metadata` only name, namespace, labels and annotations are taken"));
        }
        meta.labels.get_or_insert_default().extend(site.labels());
        match problems.is_empty() {
            true => Ok(()),
            false => Err(problems),
        }
    }

    /// An address inside the cluster, of this environment's pods alone.
    fn address(&self, spec: ServiceSpec) -> Result<ServiceSpec, Vec<String>> {
        let taken = ServiceSpec {
            ports: spec.ports.clone(),
            session_affinity: spec.session_affinity.clone(),
            ..ServiceSpec::default()
        };
        let is_inside = spec.type_.as_deref().is_none_or(|kind| kind == "ClusterIP");
        let rest = ServiceSpec {
            selector: None,
            type_: None,
            ..spec
        };
        if !is_inside || rest != taken {
            return Err(one(
                "a Service takes `ports` and `sessionAffinity`, and is of type ClusterIP; the server's `cluster.expose` opens the way from outside",
            ));
        }
        Ok(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            selector: Some(self.site.labels()),
            ..taken
        })
    }
}

/// What an object must be called.
#[derive(Clone, Copy)]
enum Name {
    /// As the environment.
    Own,
    /// With something behind that.
    Further,
}

/// `no` is a word, not false; nothing is repeated without end.
fn yaml() -> serde_saphyr::Options {
    serde_saphyr::options! {
        strict_booleans: true,
        budget: serde_saphyr::budget! {
            max_nodes: NODES_MAX,
            max_depth: DEPTH_MAX,
            max_aliases: ALIASES_MAX,
            flow_nesting_limit: DEPTH_MAX,
        },
    }
}

fn one(why: impl Into<String>) -> Vec<String> {
    vec![why.into()]
}

fn not_taken(version: &str, kind: &str) -> String {
    let kinds = KINDS.map(|(version, kind)| format!("{kind} ({version})"));
    format!(
        "`{kind}` of `{version}` is not applied; what may stand here: {}",
        kinds.join(", ")
    )
}

/// What a label or an annotation says that only we may say. What charts say of their tool is written over.
fn labels(meta: &ObjectMeta) -> impl Iterator<Item = String> {
    let keys = meta
        .labels
        .iter()
        .flatten()
        .chain(meta.annotations.iter().flatten());
    let ours = keys.filter(|(key, value)| {
        key.starts_with(OUR_PREFIX) || (*key == MANAGED_BY && *value != "Helm")
    });
    ours.map(|(key, _)| format!("`{key}` is Bowsprit's own; leave it out"))
}

/// An object as its type has it; what the type does not know is a mistake, most likely of spelling.
fn typed<K: DeserializeOwned + Serialize>(object: &Value) -> Result<K, Vec<String>> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let kind = object["kind"].as_str().unwrap_or_default();
    let told = |why: String| one(format!("{kind} `{name}`: {why}"));
    let made: K = serde_json::from_value(object.clone())
        .map_err(|error| told(format!("{error}; numbers that are texts need quotes")))?;
    let again = serde_json::to_value(&made).map_err(|error| told(error.to_string()))?;
    match unknown(object, &again, "") {
        Some(path) => Err(told(format!("there is no field `{path}`"))),
        None => Ok(made),
    }
}

/// The first field that only the first of the two has.
fn unknown(written: &Value, read: &Value, path: &str) -> Option<String> {
    match (written, read) {
        (Value::Object(written), Value::Object(read)) => written
            .iter()
            .filter(|(_, value)| !value.is_null())
            .find_map(|(key, value)| {
                let path = format!("{path}{}{key}", if path.is_empty() { "" } else { "." });
                match read.get(key) {
                    Some(read) => unknown(value, read, &path),
                    None => Some(path),
                }
            }),
        (Value::Array(written), Value::Array(read)) => written
            .iter()
            .zip(read)
            .enumerate()
            .find_map(|(at, (written, read))| unknown(written, read, &format!("{path}[{at}]"))),
        (_, _) => None,
    }
}
