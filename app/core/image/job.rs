//! The Job that builds an image: four containers, each with what it needs and no more.
//!
//! `fetch` has the one-run token and gets the context; `pull` has the registry's credential and gets the base; `build`
//! has neither and runs what the contract and its Dockerfile say; `push` has the credential, and sees nothing of the build
//! but the finished archive. Only `build` needs user namespaces and with them more than the restricted Pod Security
//! standard gives, so builds have a namespace of their own.
//! Source: buildah(1) 1.28, "rootless mode"; skopeo-copy(1) 1.9; Kubernetes, "Pod failure policy", v1.33.

#[cfg(test)]
mod tests;

use super::recipe::{Kind, trust_name};
use super::reference::{Pinned, Tagged};
use crate::name::Digest;
use crate::pod::{empty, locked, mount, nobody, pull_secrets, seccomp, variable};
use crate::training::job::{MANAGED_BY, TRUST_LABEL};
use crate::training::spec::{Source, Trust};
use k8s_openapi::api::batch::v1::{
    Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule,
};
use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMapVolumeSource, Container, KeyToPath, PodSpec, PodTemplateSpec,
    ResourceRequirements, SecretVolumeSource, SecurityContext, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

/// What is built, and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildOrder {
    /// The recipe's key: the same key is the same Job.
    pub key: Digest,
    /// What kind of image.
    pub kind: Kind,
    /// Whether everything in it comes from a trusted commit.
    pub trust: Trust,
    /// The context: a tar archive at an address of the bot.
    pub context: Source,
    /// What it begins with, where that is known by its digest.
    pub base: Option<Pinned>,
    /// Where it is pushed.
    pub target: Tagged,
}

/// What of the cluster a build is made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildContext {
    /// The namespace of builds; it must let `build` have user namespaces.
    pub namespace: String,
    /// An image with buildah, skopeo, curl and tar.
    pub builder: Pinned,
    /// A service account without rights.
    pub service_account: String,
    /// Secrets by which nodes pull the builder's image.
    pub pull_secrets: Vec<String>,
    /// The Secret with the token: one of this Job alone, since that of a build before it may still be on its way out.
    pub secret: String,
    /// Whether the registry is given a credential, in the same Secret.
    pub has_auth: bool,
    /// Registries that speak plain HTTP.
    pub insecure: Vec<String>,
    /// A ConfigMap with what this network's builds need: `pip.conf`, `ca-certificates.crt`, `registries.conf`, `sources.list`, `apt.conf`.
    pub settings: Option<String>,
    /// Sandbox of builds of untrusted heads, where the cluster has one.
    pub sandbox_class: Option<String>,
}

/// The label that holds the first digits of the key.
pub const KEY_LABEL: &str = "bowsprit.dev/image";
/// Name of the container that runs what the contract says.
pub const BUILD: &str = "build";
/// Exit status of `build` where a text could not be built.
pub const EXIT_TEXT: i32 = 42;
/// Exit status of `build` where the tests failed in the finished image.
pub const EXIT_TEST: i32 = 43;
/// Name of the container whose last word is the digest.
pub const PUSH: &str = "push";
/// Key of the one-run token in the Secret.
pub const TOKEN_KEY: &str = "token";
/// Key of the registry's credential in the Secret.
pub const AUTH_KEY: &str = "config.json";

/// The user and group of every container; the builder's image knows it in `/etc/subuid` and `/etc/subgid`.
const USER: i64 = 1_000;
/// How often a build is tried again when the cluster or the network made it fail.
const RETRIES: i32 = 2;
/// One try may take so long. Units: seconds.
const DEADLINE_S: i64 = 3_600;
/// What is left of a build that nobody asked about goes after this. Units: seconds.
const TTL_S: i32 = 3_600;
/// An ended build is given this long. Units: seconds.
const GRACE_S: i64 = 10;
/// Digits of the key in names: more than two builds of one project will ever share.
const NAME_DIGITS: usize = 40;
/// Memory of the build. Units: bytes.
const BUILD_MEMORY_BYTES: u64 = 4 << 30;
/// Memory of the other containers. Units: bytes.
const COPY_MEMORY_BYTES: u64 = 512 << 20;
/// Room for a context, a base, layers and the archive together. Units: bytes.
const WORK_BYTES: u64 = 40 << 30;
/// Longest last word that is read. Units: bytes. Source: Kubernetes, "Determine the Reason for Pod Failure": 4096.
const LAST_WORD_BYTES_MAX: usize = 4_096;

/// The scripts of the containers.
const FETCH: &str = include_str!("job/fetch.sh");
const PULL: &str = include_str!("job/pull.sh");
const BUILD_SCRIPT: &str = include_str!("job/build.sh");
const PUSH_SCRIPT: &str = include_str!("job/push.sh");

/// The Job of a build. Its Secret must hold the token, and the credential where there is one.
pub fn job(order: &BuildOrder, context: &BuildContext) -> Job {
    let name = job_name(&order.key);
    let labels: BTreeMap<String, String> = [
        (MANAGED_BY, "bowsprit"),
        (KEY_LABEL, &order.key.hex()[..NAME_DIGITS]),
        (TRUST_LABEL, trust_name(order.trust)),
        ("bowsprit.dev/kind", order.kind.word()),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into();
    let template = PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels.clone()),
            ..ObjectMeta::default()
        }),
        spec: Some(pod(order, context)),
    };
    Job {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: Some(context.namespace.clone()),
            labels: Some(labels),
            ..ObjectMeta::default()
        },
        spec: Some(JobSpec {
            completions: Some(1),
            parallelism: Some(1),
            backoff_limit: Some(RETRIES),
            active_deadline_seconds: Some(DEADLINE_S * (i64::from(RETRIES) + 1)),
            ttl_seconds_after_finished: Some(TTL_S),
            pod_replacement_policy: Some("Failed".to_owned()),
            pod_failure_policy: Some(failure_policy()),
            template,
            ..JobSpec::default()
        }),
        status: None,
    }
}

/// The name of a build's Job.
pub fn job_name(key: &Digest) -> String {
    format!("bowsprit-image-{}", &key.hex()[..NAME_DIGITS])
}

/// The Secret that the pods of a build wait for.
pub fn secret_of(job: &Job) -> Option<&str> {
    let pod = job.spec.as_ref()?.template.spec.as_ref()?;
    let mut volumes = pod.volumes.iter().flatten();
    let token = volumes.find(|volume| volume.name == TOKEN_KEY)?;
    token.secret.as_ref()?.secret_name.as_deref()
}

/// The digest that `push` said last. It is a claim: the registry is asked for it before it is believed.
pub fn claimed_digest(last_word: &str) -> Option<Digest> {
    Digest::parse(last_word.trim_end_matches(['\n', '\r'])).ok()
}

/// The end of what a container said, fit to be shown: plain lines, no more than a screen.
pub fn last_lines(text: &str) -> String {
    const LINES: usize = 12;
    const LINE_CHARS: usize = 300;
    let start = text.len().saturating_sub(LAST_WORD_BYTES_MAX);
    let start = (start..=text.len()).find(|at| text.is_char_boundary(*at));
    let lines: Vec<String> = text[start.unwrap_or(text.len())..]
        .lines()
        .map(|line| {
            line.chars()
                .filter(|c| !c.is_control())
                .take(LINE_CHARS)
                .collect()
        })
        .filter(|line: &String| !line.trim().is_empty())
        .collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

/// A build that failed by its own text is not tried again; what the cluster or the network broke is.
fn failure_policy() -> PodFailurePolicy {
    let disrupted = PodFailurePolicyRule {
        action: "Ignore".to_owned(),
        on_pod_conditions: Some(vec![PodFailurePolicyOnPodConditionsPattern {
            type_: "DisruptionTarget".to_owned(),
            status: "True".to_owned(),
        }]),
        on_exit_codes: None,
    };
    let built = PodFailurePolicyRule {
        action: "FailJob".to_owned(),
        on_exit_codes: Some(PodFailurePolicyOnExitCodesRequirement {
            container_name: Some(BUILD.to_owned()),
            operator: "NotIn".to_owned(),
            values: vec![0],
        }),
        on_pod_conditions: None,
    };
    PodFailurePolicy {
        rules: vec![disrupted, built],
    }
}

fn pod(order: &BuildOrder, context: &BuildContext) -> PodSpec {
    let sandbox = match order.trust {
        Trust::Trusted => None,
        Trust::Untrusted => context.sandbox_class.clone(),
    };
    let pull = order.base.as_ref().map(|base| pull(base, context));
    let before = [
        Some(fetch(order, context)),
        pull,
        Some(build(order, context)),
    ];
    PodSpec {
        restart_policy: Some("Never".to_owned()),
        active_deadline_seconds: Some(DEADLINE_S),
        termination_grace_period_seconds: Some(GRACE_S),
        service_account_name: Some(context.service_account.clone()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        image_pull_secrets: Some(pull_secrets(&context.pull_secrets)),
        runtime_class_name: sandbox,
        security_context: Some(nobody(USER)),
        init_containers: Some(before.into_iter().flatten().collect()),
        containers: vec![push(order, context)],
        volumes: Some(volumes(context)),
        ..PodSpec::default()
    }
}

fn fetch(order: &BuildOrder, context: &BuildContext) -> Container {
    Container {
        env: Some(vec![
            variable("CONTEXT_URL", &order.context.uri),
            variable("CONTEXT_SHA256", order.context.sha256.hex()),
        ]),
        volume_mounts: Some(vec![
            mount("context", "/build/context", false),
            mount("token", "/run/bowsprit", true),
            mount("tmp", "/tmp", false),
        ]),
        ..container("fetch", FETCH, context)
    }
}

fn pull(base: &Pinned, context: &BuildContext) -> Container {
    let tls = is_secure(base.place.registry(), context);
    Container {
        env: Some(vec![
            variable("BASE", &base.to_string()),
            variable("BASE_TLS", tls),
            variable("AUTH", &auth(context, "--src-authfile")),
            variable("HOME", "/tmp"),
        ]),
        volume_mounts: Some(with_credential(
            vec![
                mount("base", "/build/base", false),
                mount("tmp", "/tmp", false),
            ],
            context,
        )),
        ..container("pull", PULL, context)
    }
}

fn build(order: &BuildOrder, context: &BuildContext) -> Container {
    let base = order.base.as_ref().map(ToString::to_string);
    let mut mounts = vec![
        mount("context", "/build/context", false),
        mount("base", "/build/base", false),
        mount("storage", "/build/storage", false),
        mount("out", "/build/out", false),
        mount("build-tmp", "/tmp", false),
        // Archives pass through here, whatever TMPDIR says.
        mount("build-tmp", "/var/tmp", false),
    ];
    mounts.extend(settings_mount(context));
    Container {
        env: Some(vec![
            variable("BASE", base.as_deref().unwrap_or_default()),
            variable("HOME", "/tmp"),
            variable("TMPDIR", "/tmp"),
        ]),
        resources: Some(resources(1_000, BUILD_MEMORY_BYTES)),
        security_context: Some(SecurityContext {
            // newuidmap and newgidmap give the build its user namespace; they are file capabilities.
            allow_privilege_escalation: Some(true),
            capabilities: Some(Capabilities {
                drop: Some(vec!["ALL".to_owned()]),
                add: Some(vec!["SETGID".to_owned(), "SETUID".to_owned()]),
            }),
            seccomp_profile: Some(seccomp("Unconfined")),
            ..locked()
        }),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(mounts),
        ..container(BUILD, BUILD_SCRIPT, context)
    }
}

fn push(order: &BuildOrder, context: &BuildContext) -> Container {
    let tls = is_secure(order.target.place.registry(), context);
    Container {
        env: Some(vec![
            variable("TARGET", &order.target.to_string()),
            variable("TARGET_TLS", tls),
            variable("AUTH", &auth(context, "--dest-authfile")),
            variable("HOME", "/tmp"),
        ]),
        volume_mounts: Some(with_credential(
            vec![
                mount("out", "/build/out", true),
                mount("tmp", "/tmp", false),
            ],
            context,
        )),
        ..container(PUSH, PUSH_SCRIPT, context)
    }
}

/// What all containers have: the builder's image, a script of ours, and the restricted standard.
fn container(name: &str, script: &str, context: &BuildContext) -> Container {
    Container {
        name: name.to_owned(),
        image: Some(context.builder.to_string()),
        command: Some(["sh", "-c", script].map(str::to_owned).to_vec()),
        resources: Some(resources(100, COPY_MEMORY_BYTES)),
        security_context: Some(locked()),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        ..Container::default()
    }
}

fn volumes(context: &BuildContext) -> Vec<Volume> {
    let secret = |volume: &str, key: &str| Volume {
        name: volume.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(context.secret.clone()),
            default_mode: Some(0o440),
            items: Some(vec![KeyToPath {
                key: key.to_owned(),
                path: key.to_owned(),
                mode: None,
            }]),
            optional: None,
        }),
        ..Volume::default()
    };
    let mut volumes: Vec<Volume> = ["context", "base", "storage", "out", "tmp", "build-tmp"]
        .map(|name| empty(name, WORK_BYTES))
        .into();
    volumes.push(secret(TOKEN_KEY, TOKEN_KEY));
    if context.has_auth {
        volumes.push(secret("auth", AUTH_KEY));
    }
    if let Some(settings) = &context.settings {
        volumes.push(Volume {
            name: "settings".to_owned(),
            config_map: Some(ConfigMapVolumeSource {
                name: settings.clone(),
                ..ConfigMapVolumeSource::default()
            }),
            ..Volume::default()
        });
    }
    volumes
}

fn with_credential(mut mounts: Vec<VolumeMount>, context: &BuildContext) -> Vec<VolumeMount> {
    if context.has_auth {
        mounts.push(mount("auth", "/run/auth", true));
    }
    mounts
}

fn settings_mount(context: &BuildContext) -> Option<VolumeMount> {
    let is_set = context.settings.is_some();
    is_set.then(|| mount("settings", "/etc/bowsprit", true))
}

/// The option that names the credential's file, where there is one.
fn auth(context: &BuildContext, option: &str) -> String {
    if context.has_auth {
        format!("{option}=/run/auth/{AUTH_KEY}")
    } else {
        String::new()
    }
}

fn is_secure(registry: &str, context: &BuildContext) -> &'static str {
    if context.insecure.iter().any(|plain| plain == registry) {
        "false"
    } else {
        "true"
    }
}

fn resources(cpu_millis: u32, memory_bytes: u64) -> ResourceRequirements {
    let hard = [("memory", memory_bytes), ("ephemeral-storage", WORK_BYTES)];
    let limits: BTreeMap<String, Quantity> = hard
        .map(|(name, bytes)| (name.to_owned(), Quantity(bytes.to_string())))
        .into();
    let requests = [
        ("memory".to_owned(), Quantity(COPY_MEMORY_BYTES.to_string())),
        ("cpu".to_owned(), Quantity(format!("{cpu_millis}m"))),
    ];
    ResourceRequirements {
        requests: Some(requests.into()),
        limits: Some(limits),
        ..ResourceRequirements::default()
    }
}
