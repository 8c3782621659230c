//! The pod of a stage: an agent in the image that the steps need, and nothing that could be turned against the cluster.

use super::{AGENT, JobContext, ORDER_DIR, RUN_DIR};
use crate::training::spec::{RunSpec, Trust};
use k8s_openapi::api::core::v1::{
    Capabilities, Container, EmptyDirVolumeSource, EnvVar, KeyToPath, LocalObjectReference,
    PodSecurityContext, PodSpec, ResourceRequirements, SeccompProfile, SecretVolumeSource,
    SecurityContext, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use std::collections::BTreeMap;

/// The user and group of every process in the pod.
const USER: i64 = 10_001;
/// An ended agent is given this long to end its steps. Units: seconds.
const GRACE_S: i64 = 60;
/// The least memory of a pod, for the agent and installers. Units: bytes.
const MEMORY_BYTES_MIN: u64 = 512 << 20;
/// The least CPU of a pod. Units: thousandths of a core.
const CPU_MILLIS_MIN: u32 = 250;
/// Room for temporary files. Units: bytes.
const TMP_BYTES: u64 = 2 << 30;
/// Room for the agent's binary. Units: bytes.
const BIN_BYTES: u64 = 256 << 20;
/// Who may read the files of an order: the pod's group, and nobody changes them.
const ORDER_MODE: i32 = 0o440;

/// The pod of a stage that may take so long.
pub(super) fn pod(spec: &RunSpec, context: &JobContext, deadline_s: i64) -> PodSpec {
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
        image_pull_secrets: some(pull_secrets(context)),
        node_selector: match context.node_selector.is_empty() {
            true => None,
            false => Some(context.node_selector.clone()),
        },
        tolerations: some(context.tolerations.clone()),
        volumes: Some(volumes(spec, context)),
        ..PodSpec::default()
    }
}

/// Brings the agent into an image that does not have it.
fn install(context: &JobContext) -> Container {
    Container {
        name: "install".to_owned(),
        image: Some(context.agent_image.clone()),
        command: Some(words(&[
            "/bowsprit-agent",
            "install",
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
    let mut resources = resources(cpu_millis(spec), memory_bytes(spec), disk_bytes(spec));
    let gpus = spec.steps.iter().map(|step| step.gpu).max().unwrap_or(0);
    if gpus > 0 {
        // Devices are not shared: what is asked for is what is given.
        for list in [&mut resources.requests, &mut resources.limits] {
            let list = list.get_or_insert_with(BTreeMap::new);
            list.insert(context.gpu_resource.clone(), Quantity(gpus.to_string()));
        }
    }
    Container {
        name: AGENT.to_owned(),
        image: Some(context.image.clone()),
        command: Some(words(&[
            "/opt/bowsprit/bowsprit-agent",
            "run",
            "--order",
            ORDER_DIR,
            "--dir",
            RUN_DIR,
            "--contained",
        ])),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        env: Some(env.map(|(name, value)| variable(name, value)).to_vec()),
        resources: Some(resources),
        security_context: Some(locked()),
        volume_mounts: Some(vec![
            mount("bin", "/opt/bowsprit", true),
            mount("run", RUN_DIR, false),
            mount("order", ORDER_DIR, true),
            mount("tmp", "/tmp", false),
        ]),
        working_dir: Some(RUN_DIR.to_owned()),
        ..Container::default()
    }
}

fn pull_secrets(context: &JobContext) -> Vec<LocalObjectReference> {
    let names = context.pull_secrets.iter();
    names
        .map(|name| LocalObjectReference { name: name.clone() })
        .collect()
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn volumes(spec: &RunSpec, context: &JobContext) -> Vec<Volume> {
    let empty = |name: &str, bytes: u64| Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            size_limit: Some(Quantity(bytes.to_string())),
            ..EmptyDirVolumeSource::default()
        }),
        ..Volume::default()
    };
    let items = context.order.items.iter().map(|(key, path)| KeyToPath {
        key: key.clone(),
        path: path.clone(),
        mode: None,
    });
    let order = Volume {
        name: "order".to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(context.order.name.clone()),
            default_mode: Some(ORDER_MODE),
            items: Some(items.collect()),
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
fn resources(cpu_millis: u32, memory_bytes: u64, disk_bytes: u64) -> ResourceRequirements {
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

fn locked() -> SecurityContext {
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

fn seccomp() -> SeccompProfile {
    SeccompProfile {
        type_: "RuntimeDefault".to_owned(),
        localhost_profile: None,
    }
}

fn mount(name: &str, path: &str, is_read_only: bool) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: Some(is_read_only),
        ..VolumeMount::default()
    }
}

fn variable(name: &str, value: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        value_from: None,
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
