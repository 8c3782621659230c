//! `[cluster]`: the Kubernetes that trains, builds and serves, as an operator describes it.
//!
//! Nothing here is asked of the cluster; what it refuses is told when it is used.

use super::read::Reader;
use super::read_secret;
use bowsprit_core::doctor::Purpose;
use bowsprit_core::serving::objects::Expose;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Longest name of a namespace, an account, a class or a queue. Source: Kubernetes, "Object Names and IDs".
const NAME_CHARS_MAX: usize = 63;
/// The key of Secrets that are copied.
const COPIED: &str = "cluster.copied_secrets";
/// Longest part of a label's key that names its domain. Source: Kubernetes, "Labels and Selectors".
const DOMAIN_CHARS_MAX: usize = 253;

/// The cluster, and what of it is ours to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// How it is reached; the pod's own service account, or the user's usual file, where absent.
    pub kubeconfig: Option<PathBuf>,
    /// Which context of that file; its current one where absent.
    pub context: Option<String>,
    /// How pods reach this server, without a slash at the end.
    pub bot_url: String,
    /// A certificate that pods trust when they call this server, PEM.
    pub bot_ca: Option<String>,
    /// Where trusted commits train.
    pub namespace: String,
    /// Where all others do.
    pub untrusted_namespace: String,
    /// Where images are built.
    pub build_namespace: String,
    /// The image that steps run in where no image was built for them, by digest.
    pub base_image: Option<String>,
    /// The image that holds the agent, by digest.
    pub agent_image: Option<String>,
    /// The account of our pods; it has no rights.
    pub service_account: String,
    /// Secrets by which nodes pull the images.
    pub pull_secrets: Vec<String>,
    /// Names of Secrets in the bot's namespace that are copied into namespaces which it makes.
    pub copied_secrets: Vec<String>,
    /// What the cluster is for.
    pub purpose: Purpose,
    /// Nodes must carry these labels.
    pub node_selector: BTreeMap<String, String>,
    /// Taints of nodes that our pods bear.
    pub tolerations: Vec<Toleration>,
    /// The priority class of training.
    pub priority_class: Option<String>,
    /// The runtime class of untrusted code, such as gVisor's.
    pub sandbox_class: Option<String>,
    /// The program that renders charts; looked for in `PATH` where absent.
    pub helm: Option<PathBuf>,
    /// Whether pods get a user namespace.
    pub has_user_namespaces: bool,
    /// The resource name of a GPU.
    pub gpu_resource: String,
    /// Kueue's queue that training waits in.
    pub queue: Option<String>,
}

/// A taint that is borne.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toleration {
    /// The taint's key.
    pub key: String,
    /// Its value; any where absent.
    pub value: Option<String>,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`; any where absent.
    pub effect: Option<String>,
}

#[cfg(test)]
impl Cluster {
    /// A section that nobody uses.
    pub(crate) fn unused() -> Cluster {
        let mut reader = Reader::new("", std::iter::empty()).expect("an empty file is one");
        cluster(&mut reader, "http://127.0.0.1", false).expect("its defaults are right")
    }
}

/// Reads the section. `is_used` says that training or serving happens there, so that its images must be named.
pub(super) fn cluster(reader: &mut Reader, public_url: &str, is_used: bool) -> Option<Cluster> {
    let bot_url = reader.url("cluster.bot_url", public_url);
    let namespace = name_or(reader, "cluster.namespace", "bowsprit-training");
    let untrusted = name_or(reader, "cluster.untrusted_namespace", "bowsprit-untrusted");
    let build = name_or(reader, "cluster.build_namespace", "bowsprit-build");
    let account = name_or(reader, "cluster.service_account", "bowsprit-stage");
    let base_image = image(reader, "cluster.base_image", is_used);
    let agent_image = image(reader, "cluster.agent_image", is_used);
    let tolerations = tolerations(reader);
    let node_selector = node_selector(reader);
    let has_user_namespaces = flag(reader, "cluster.user_namespaces");
    let pull_secrets = reader.text_or("cluster.pull_secrets", "");
    let purpose = purpose(reader);
    let copied_secrets = copied_secrets(reader);
    let gpu_resource = reader.text_or("cluster.gpu_resource", "nvidia.com/gpu");
    if !is_label_key(&gpu_resource) {
        let message = format!("`{gpu_resource}` is not a resource such as `nvidia.com/gpu`");
        reader.complain("cluster.gpu_resource", message);
    }
    let named = |reader: &mut Reader, key: &str| {
        let text = reader.text(key)?;
        checked_name(reader, key, &text);
        Some(text)
    };
    Some(Cluster {
        kubeconfig: reader.text("cluster.kubeconfig").map(PathBuf::from),
        helm: reader.text("cluster.helm").map(PathBuf::from),
        context: reader.text("cluster.context"),
        bot_ca: bot_ca(reader)?,
        priority_class: named(reader, "cluster.priority_class"),
        sandbox_class: named(reader, "cluster.sandbox_class"),
        queue: named(reader, "cluster.queue"),
        bot_url: bot_url?,
        namespace: namespace?,
        untrusted_namespace: untrusted?,
        build_namespace: build?,
        base_image: base_image?,
        agent_image: agent_image?,
        service_account: account?,
        pull_secrets: words(&pull_secrets),
        copied_secrets: copied_secrets?,
        purpose: purpose?,
        node_selector: node_selector?,
        tolerations: tolerations?,
        has_user_namespaces: has_user_namespaces?,
        gpu_resource,
    })
}

fn bot_ca(reader: &mut Reader) -> Option<Option<String>> {
    let key = "cluster.bot_ca_file";
    let Some(path) = reader.text(key) else {
        return Some(None);
    };
    match read_secret(Path::new(&path)) {
        Ok(text) if text.contains("BEGIN CERTIFICATE") => return Some(Some(text)),
        Ok(_) => reader.complain(key, format!("`{path}` holds no certificate in PEM form")),
        Err(error) => reader.complain(key, error),
    }
    None
}

fn purpose(reader: &mut Reader) -> Option<Purpose> {
    let key = "cluster.purpose";
    let text = reader.text_or(key, Purpose::Development.word());
    let purpose = Purpose::parse(&text);
    if purpose.is_none() {
        let message = format!("`{text}` is neither `development` nor `production`");
        reader.complain(key, message);
    }
    purpose
}

fn copied_secrets(reader: &mut Reader) -> Option<Vec<String>> {
    let named = words(&reader.text_or(COPIED, ""));
    // A Secret may be called like a host, with dots.
    let is_secret = |name: &String| name.len() <= DOMAIN_CHARS_MAX && name.split('.').all(is_name);
    let wrong = named.iter().find(|name| !is_secret(name)).cloned();
    if let Some(name) = &wrong {
        reader.complain(COPIED, format!("`{name}` is not the name of a Secret"));
    }
    wrong.is_none().then_some(named)
}

/// Every Secret that is copied is for something: one that pulls images, or a certificate of one of these.
pub(super) fn check_copied(reader: &mut Reader, cluster: &Cluster, exposed: &[&Expose]) {
    let tls = exposed.iter().filter_map(|expose| match expose {
        Expose::Ingress { tls_secret, .. } => tls_secret.as_ref(),
        Expose::ClusterIp | Expose::NodePort | Expose::HttpRoute { .. } => None,
    });
    let used: Vec<&String> = tls.chain(&cluster.pull_secrets).collect();
    let idle = cluster
        .copied_secrets
        .iter()
        .find(|name| !used.contains(name));
    if let Some(name) = idle {
        reader.complain(
            COPIED,
            format!("nothing uses `{name}`: name it in `cluster.pull_secrets` or as `ingress_tls_secret` too, or take it out"),
        );
    }
}

fn words(text: &str) -> Vec<String> {
    let words = text.split(',').map(str::trim);
    words
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

fn name_or(reader: &mut Reader, key: &str, default: &str) -> Option<String> {
    let text = reader.text_or(key, default);
    checked_name(reader, key, &text).then_some(text)
}

pub(super) fn checked_name(reader: &mut Reader, key: &str, text: &str) -> bool {
    let is_name = is_name(text);
    if !is_name {
        reader.complain(
            key,
            format!("`{text}` is not a name in Kubernetes: small letters, digits and `-`, {NAME_CHARS_MAX} at most"),
        );
    }
    is_name
}

pub(super) fn is_name(text: &str) -> bool {
    (1..=NAME_CHARS_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// An image by digest: what is run tomorrow is what is run today.
fn image(reader: &mut Reader, key: &str, is_needed: bool) -> Option<Option<String>> {
    let text = match is_needed {
        true => Some(reader.required(key, "an image by digest, `registry/name@sha256:…`")?),
        false => reader.text(key),
    };
    let Some(text) = text else {
        return Some(None);
    };
    let is_pinned = text.split_once("@sha256:").is_some_and(|(name, hex)| {
        !name.is_empty() && hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit())
    });
    if !is_pinned {
        reader.complain(
            key,
            format!("`{text}` is not an image by digest, `registry/name@sha256:…`"),
        );
        return None;
    }
    Some(Some(text))
}

fn flag(reader: &mut Reader, key: &str) -> Option<bool> {
    match reader.text_or(key, "false").as_str() {
        "false" => Some(false),
        "true" => Some(true),
        other => {
            reader.complain(key, format!("`{other}` is neither `true` nor `false`"));
            None
        }
    }
}

fn node_selector(reader: &mut Reader) -> Option<BTreeMap<String, String>> {
    const PREFIX: &str = "cluster.node_selector.";
    let mut labels = BTreeMap::new();
    for key in reader.keys_below(PREFIX) {
        let value = reader.text(&key)?;
        let label = key.trim_start_matches(PREFIX).to_owned();
        if !is_label_key(&label) || !is_label_value(&value) {
            reader.complain(
                &key,
                format!("`{label}={value}` is not a label of Kubernetes"),
            );
            return None;
        }
        labels.insert(label, value);
    }
    Some(labels)
}

/// `key=value:Effect`, the value and the effect as wanted, separated by commas.
fn tolerations(reader: &mut Reader) -> Option<Vec<Toleration>> {
    let key = "cluster.tolerations";
    let mut found = Vec::new();
    for word in words(&reader.text_or(key, "")) {
        let (taint, effect) = match word.split_once(':') {
            Some((taint, effect)) => (taint, Some(effect)),
            None => (word.as_str(), None),
        };
        let (name, value) = match taint.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (taint, None),
        };
        let is_effect =
            |effect: &str| matches!(effect, "NoSchedule" | "PreferNoSchedule" | "NoExecute");
        if !is_label_key(name) || !value.is_none_or(is_label_value) || !effect.is_none_or(is_effect)
        {
            let message = format!(
                "`{word}` is not a taint such as `gpu=yes:NoSchedule`, `gpu:NoExecute` or `gpu`"
            );
            reader.complain(key, message);
            return None;
        }
        found.push(Toleration {
            key: name.to_owned(),
            value: value.map(str::to_owned),
            effect: effect.map(str::to_owned),
        });
    }
    Some(found)
}

pub(super) fn is_label_key(text: &str) -> bool {
    match text.split_once('/') {
        Some((domain, name)) => {
            (1..=DOMAIN_CHARS_MAX).contains(&domain.len())
                && domain.split('.').all(is_name)
                && !name.is_empty()
                && is_label_value(name)
        }
        None => !text.is_empty() && is_label_value(text),
    }
}

pub(super) fn is_label_value(text: &str) -> bool {
    let is_edge = |b: Option<u8>| b.is_none_or(|b| b.is_ascii_alphanumeric());
    text.len() <= NAME_CHARS_MAX
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && is_edge(text.bytes().next())
        && is_edge(text.bytes().last())
}
