//! A stage as a Kubernetes Job: one pod that passes the restricted Pod Security standard.
//!
//! The order itself travels in a ConfigMap named like the Job, key `spec.json`: nothing that a contract or a person
//! wrote stands in the Job, so that no text of theirs can become a field, a label or an environment variable.

pub(crate) mod restricted;
#[cfg(test)]
mod tests;

use super::spec::{RunSpec, StageKind, Trust};
use crate::name::Digest;
use k8s_openapi::api::batch::v1::{
    Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule,
};
use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMapVolumeSource, Container, EmptyDirVolumeSource, EnvVar, KeyToPath,
    PodSecurityContext, PodSpec, PodTemplateSpec, ResourceRequirements, SeccompProfile,
    SecurityContext, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

/// What of the cluster a Job is made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobContext {
    /// The namespace; trusted and untrusted stages have one each.
    pub namespace: String,
    /// The image that the steps run in, by digest.
    pub image: String,
    /// An image with the static binary `/bowsprit-agent` and a `cp`, by digest.
    pub agent_image: String,
    /// A service account without rights.
    pub service_account: String,
    /// Further labels; what Kubernetes would refuse, and what we set ourselves, is left out.
    pub labels: BTreeMap<String, String>,
    /// Whether pods get a user namespace. Source: Kubernetes, "User Namespaces"; needs Linux 6.3 and a fitting runtime.
    pub has_user_namespaces: bool,
    /// The priority class, where the cluster has one.
    pub priority_class: Option<String>,
    /// The runtime class of untrusted stages (gVisor, Kata), where the cluster has one.
    pub sandbox_class: Option<String>,
}

/// The label by which everything of ours is found.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The label that holds the stage's id.
pub const STAGE_LABEL: &str = "bowsprit.dev/stage";
/// The label that tells what a stage is for.
pub const KIND_LABEL: &str = "bowsprit.dev/kind";
/// The label that tells trusted stages from others; network policies select by it.
pub const TRUST_LABEL: &str = "bowsprit.dev/trust";

/// The container that runs the agent.
const AGENT: &str = "agent";
/// The user and group of every process in the pod.
pub(crate) const USER: i64 = 10_001;
/// How often a pod is tried again when the cluster, not the code, made it fail.
const RETRIES: i32 = 2;
/// Exit statuses that another try would not change: the agent's own and those of sysexits.h. Source: sysexits(3).
const FINAL_EXITS: std::ops::RangeInclusive<i32> = 64..=78;
/// The agent's exit status for a failure of the user's code.
const USER_EXIT: i32 = 42;
/// What pulling images, fetching, probing and uploading may take beside the steps. Units: seconds.
const SLACK_S: u64 = 900;
/// An ended agent is given this long to end its steps. Units: seconds.
const GRACE_S: i64 = 60;
/// The least memory of a pod, for the agent and installers. Units: bytes.
const MEMORY_BYTES_MIN: u64 = 512 << 20;
/// The least CPU of a pod. Units: thousandths of a core.
const CPU_MILLIS_MIN: u32 = 250;
/// Room for temporary files. Units: bytes.
pub(crate) const TMP_BYTES: u64 = 2 << 30;
/// Room for the agent's binary. Units: bytes.
pub(crate) const BIN_BYTES: u64 = 256 << 20;
/// Longest name of a Job and value of a label. Source: Kubernetes, "Object Names and IDs".
const NAME_CHARS_MAX: usize = 63;
/// Digits of the digest in a name that had to be cut or changed.
const HASH_CHARS: usize = 12;

/// The Job of a stage. The ConfigMap of the same name must hold the order.
pub fn job(spec: &RunSpec, context: &JobContext) -> Job {
    let name = job_name(&spec.id);
    let labels = labels(spec, context);
    let metadata = ObjectMeta {
        name: Some(name.clone()),
        namespace: Some(context.namespace.clone()),
        labels: Some(labels.clone()),
        ..ObjectMeta::default()
    };
    let deadline_s = deadline_s(spec);
    let template = PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels),
            ..ObjectMeta::default()
        }),
        spec: Some(pod(spec, context, &name, deadline_s)),
    };
    Job {
        metadata,
        spec: Some(JobSpec {
            completions: Some(1),
            parallelism: Some(1),
            backoff_limit: Some(RETRIES),
            active_deadline_seconds: Some(deadline_s.saturating_mul(i64::from(RETRIES) + 1)),
            // No twin writes the same outputs while the first is still ending.
            pod_replacement_policy: Some("Failed".to_owned()),
            pod_failure_policy: Some(failure_policy()),
            template,
            ..JobSpec::default()
        }),
        status: None,
    }
}

/// The name of a stage's Job: the same stage is the same Job.
pub fn job_name(stage: &str) -> String {
    name_of("bowsprit-", stage)
}

/// Everything in a Job that the restricted Pod Security standard, or Kubernetes itself, would refuse.
///
/// Source: Kubernetes, "Pod Security Standards", profile Restricted, v1.33.
pub fn restricted_problems(job: &Job) -> Vec<String> {
    restricted::problems(job)
}

pub(crate) fn name_of(prefix: &str, text: &str) -> String {
    let plain: String = text
        .chars()
        .map(|c| match c.to_ascii_lowercase() {
            c if c.is_ascii_lowercase() || c.is_ascii_digit() => c,
            _ => '-',
        })
        .collect();
    let is_whole = plain == text
        && !text.is_empty()
        && !text.starts_with('-')
        && !text.ends_with('-')
        && prefix.len() + text.len() <= NAME_CHARS_MAX;
    if is_whole {
        return format!("{prefix}{text}");
    }
    // What was changed or cut is told apart by its digest.
    let digest = Digest::of(text.as_bytes());
    let hash = &digest.hex()[..HASH_CHARS];
    let room = NAME_CHARS_MAX - prefix.len() - HASH_CHARS - 1;
    let start: String = plain.trim_start_matches('-').chars().take(room).collect();
    match start.trim_end_matches('-') {
        "" => format!("{prefix}{hash}"),
        start => format!("{prefix}{start}-{hash}"),
    }
}

fn labels(spec: &RunSpec, context: &JobContext) -> BTreeMap<String, String> {
    let kind = match spec.kind {
        StageKind::Train => "train",
        StageKind::Evaluate => "evaluate",
        StageKind::Check => "check",
    };
    let ours = [
        (MANAGED_BY, "bowsprit".to_owned()),
        (STAGE_LABEL, name_of("", &spec.id)),
        (KIND_LABEL, kind.to_owned()),
        (TRUST_LABEL, trust(spec.trust).to_owned()),
    ];
    let further = context.labels.iter();
    further
        .filter(|(key, value)| restricted::is_label_key(key) && restricted::is_label_value(value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .chain(ours.map(|(key, value)| (key.to_owned(), value)))
        .collect()
}

pub(crate) fn trust(trust: Trust) -> &'static str {
    match trust {
        Trust::Trusted => "trusted",
        Trust::Untrusted => "untrusted",
    }
}

/// What one try may take. Units: seconds.
fn deadline_s(spec: &RunSpec) -> i64 {
    let steps = spec.steps.iter().map(|step| step.timeout_s);
    let probe = spec.serve.as_ref().map(|serve| serve.ready_timeout_s);
    let all = steps
        .chain(probe)
        .chain([spec.limits.prepare_timeout_s, SLACK_S])
        .fold(0, u64::saturating_add);
    // Kubernetes takes 32 bits of a pod's deadline.
    i64::from(i32::try_from(all).unwrap_or(i32::MAX))
}

/// An evicted pod is nobody's failure; a failure of the user's code is not tried again.
///
/// Source: Kubernetes, "Pod failure policy", stable since v1.31; rules are tried in order.
fn failure_policy() -> PodFailurePolicy {
    let disrupted = PodFailurePolicyRule {
        action: "Ignore".to_owned(),
        on_pod_conditions: Some(vec![PodFailurePolicyOnPodConditionsPattern {
            type_: "DisruptionTarget".to_owned(),
            status: "True".to_owned(),
        }]),
        on_exit_codes: None,
    };
    let ended = PodFailurePolicyRule {
        action: "FailJob".to_owned(),
        on_exit_codes: Some(PodFailurePolicyOnExitCodesRequirement {
            container_name: Some(AGENT.to_owned()),
            operator: "In".to_owned(),
            values: [USER_EXIT].into_iter().chain(FINAL_EXITS).collect(),
        }),
        on_pod_conditions: None,
    };
    PodFailurePolicy {
        rules: vec![disrupted, ended],
    }
}

fn pod(spec: &RunSpec, context: &JobContext, name: &str, deadline_s: i64) -> PodSpec {
    let sandbox = match spec.trust {
        Trust::Trusted => None,
        Trust::Untrusted => context.sandbox_class.clone(),
    };
    PodSpec {
        restart_policy: Some("Never".to_owned()),
        active_deadline_seconds: Some(deadline_s),
        termination_grace_period_seconds: Some(GRACE_S),
        service_account_name: Some(context.service_account.clone()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        host_users: context.has_user_namespaces.then_some(false),
        priority_class_name: context.priority_class.clone(),
        runtime_class_name: sandbox,
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(USER),
            run_as_group: Some(USER),
            fs_group: Some(USER),
            seccomp_profile: Some(seccomp()),
            ..PodSecurityContext::default()
        }),
        init_containers: Some(vec![install(context)]),
        containers: vec![agent(spec, context)],
        volumes: Some(volumes(spec, name)),
        ..PodSpec::default()
    }
}

/// Brings the agent into an image that does not have it.
fn install(context: &JobContext) -> Container {
    Container {
        name: "install".to_owned(),
        image: Some(context.agent_image.clone()),
        command: Some(words(&[
            "cp",
            "/bowsprit-agent",
            "/opt/bowsprit/bowsprit-agent",
        ])),
        resources: Some(resources(CPU_MILLIS_MIN, MEMORY_BYTES_MIN, BIN_BYTES)),
        security_context: Some(locked()),
        volume_mounts: Some(vec![mount("bin", "/opt/bowsprit", false)]),
        ..Container::default()
    }
}

fn agent(spec: &RunSpec, context: &JobContext) -> Container {
    let env = [("HOME", "/tmp"), ("TMPDIR", "/tmp"), ("LANG", "C.UTF-8")];
    let order = VolumeMount {
        sub_path: Some("spec.json".to_owned()),
        ..mount("order", "/run/bowsprit/spec.json", true)
    };
    Container {
        name: AGENT.to_owned(),
        image: Some(context.image.clone()),
        command: Some(words(&[
            "/opt/bowsprit/bowsprit-agent",
            "run",
            "--dir",
            "/run/bowsprit",
            "--contained",
        ])),
        env: Some(env.map(|(name, value)| variable(name, value)).to_vec()),
        resources: Some(resources(
            cpu_millis(spec),
            memory_bytes(spec),
            disk_bytes(spec),
        )),
        security_context: Some(locked()),
        volume_mounts: Some(vec![
            mount("bin", "/opt/bowsprit", true),
            mount("run", "/run/bowsprit", false),
            order,
            mount("tmp", "/tmp", false),
        ]),
        working_dir: Some("/run/bowsprit".to_owned()),
        ..Container::default()
    }
}

fn volumes(spec: &RunSpec, name: &str) -> Vec<Volume> {
    let empty = |name: &str, bytes: u64| Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            size_limit: Some(Quantity(bytes.to_string())),
            ..EmptyDirVolumeSource::default()
        }),
        ..Volume::default()
    };
    let order = Volume {
        name: "order".to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: name.to_owned(),
            default_mode: Some(0o444),
            items: Some(vec![KeyToPath {
                key: "spec.json".to_owned(),
                path: "spec.json".to_owned(),
                mode: None,
            }]),
            optional: None,
        }),
        ..Volume::default()
    };
    vec![
        empty("bin", BIN_BYTES),
        empty("run", run_bytes(spec)),
        order,
        empty("tmp", TMP_BYTES),
    ]
}

fn cpu_millis(spec: &RunSpec) -> u32 {
    let steps = spec.steps.iter().map(|step| step.cpu_millis);
    let all = steps.chain(spec.serve.as_ref().map(|serve| serve.cpu_millis));
    all.fold(CPU_MILLIS_MIN, u32::max)
}

fn memory_bytes(spec: &RunSpec) -> u64 {
    let steps = spec.steps.iter().map(|step| step.memory_bytes);
    let all = steps.chain(spec.serve.as_ref().map(|serve| serve.memory_bytes));
    quantity(all.fold(MEMORY_BYTES_MIN, u64::max))
}

fn run_bytes(spec: &RunSpec) -> u64 {
    quantity(spec.limits.disk_bytes.saturating_add(spec.limits.log_bytes))
}

fn disk_bytes(spec: &RunSpec) -> u64 {
    quantity(run_bytes(spec).saturating_add(TMP_BYTES + BIN_BYTES))
}

/// Kubernetes counts in 63 bits.
fn quantity(value: u64) -> u64 {
    value.min(i64::MAX.unsigned_abs())
}

/// CPU is asked for and not capped: a capped process waits while cores are idle. What cannot be taken back is capped.
pub(crate) fn resources(
    cpu_millis: u32,
    memory_bytes: u64,
    disk_bytes: u64,
) -> ResourceRequirements {
    let hard = [("memory", memory_bytes), ("ephemeral-storage", disk_bytes)];
    let hard: BTreeMap<String, Quantity> = hard
        .map(|(name, bytes)| (name.to_owned(), Quantity(bytes.to_string())))
        .into();
    let mut requests = hard.clone();
    requests.insert("cpu".to_owned(), Quantity(format!("{cpu_millis}m")));
    ResourceRequirements {
        requests: Some(requests),
        limits: Some(hard),
        ..ResourceRequirements::default()
    }
}

pub(crate) fn locked() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        privileged: Some(false),
        read_only_root_filesystem: Some(true),
        run_as_non_root: Some(true),
        capabilities: Some(Capabilities {
            drop: Some(words(&["ALL"])),
            add: None,
        }),
        seccomp_profile: Some(seccomp()),
        ..SecurityContext::default()
    }
}

pub(crate) fn seccomp() -> SeccompProfile {
    SeccompProfile {
        type_: "RuntimeDefault".to_owned(),
        localhost_profile: None,
    }
}

pub(crate) fn mount(name: &str, path: &str, is_read_only: bool) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: Some(is_read_only),
        ..VolumeMount::default()
    }
}

pub(crate) fn variable(name: &str, value: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        value_from: None,
    }
}

pub(crate) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
