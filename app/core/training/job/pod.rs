//! The pod of a stage: an agent in each image that the steps need, one after the other, and nothing that could be turned
//! against the cluster.

use super::{AGENT, JobContext, ORDER_DIR, RUN_DIR, earlier};
use crate::pod::{
    BIN_BYTES, TMP_BYTES, empty, install, locked, mount, nobody, pull_secrets, quantity, resources,
    variable, words,
};
use crate::training::spec::{RunSpec, Trust};
use k8s_openapi::api::core::v1::{Container, KeyToPath, PodSpec, SecretVolumeSource, Volume};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use std::collections::BTreeMap;

/// The user and group of every process in the pod.
pub(crate) const USER: i64 = 10_001;
/// An ended agent is given this long to end its steps. Units: seconds.
const GRACE_S: i64 = 60;
/// The least memory of a pod, for the agent and installers. Units: bytes.
const MEMORY_BYTES_MIN: u64 = 512 << 20;
/// The least CPU of a pod. Units: thousandths of a core.
const CPU_MILLIS_MIN: u32 = 250;
/// Who may read the files of an order: the pod's group, and nobody changes them.
const ORDER_MODE: i32 = 0o440;

/// The pod of a stage that may take so long.
pub(super) fn pod(spec: &RunSpec, context: &JobContext, deadline_s: i64) -> PodSpec {
    let sandbox = match spec.company() {
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
        security_context: Some(nobody(USER)),
        init_containers: Some(early(spec, context)),
        containers: vec![agent(spec, context)],
        image_pull_secrets: some(pull_secrets(&context.pull_secrets)),
        node_selector: match context.node_selector.is_empty() {
            true => None,
            false => Some(context.node_selector.clone()),
        },
        tolerations: some(context.tolerations.clone()),
        volumes: Some(volumes(spec, context)),
        ..PodSpec::default()
    }
}

/// What ends before the agent's last container begins: the agent's way into the images, and all parts of the steps but the last.
fn early(spec: &RunSpec, context: &JobContext) -> Vec<Container> {
    let install = install(&context.agent_image, (CPU_MILLIS_MIN, MEMORY_BYTES_MIN));
    let mut parts = spec.parts();
    parts.pop();
    let parts = parts.into_iter().enumerate().map(|(index, part)| {
        let mut container = agent(spec, context);
        container.name = earlier(index);
        if let Some(image) = part.image {
            container.image = Some(image.to_string());
        }
        let number = (index + 1).to_string();
        let words = words(&["--part", number.as_str()]);
        container.command.get_or_insert_default().extend(words);
        container
    });
    std::iter::once(install).chain(parts).collect()
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

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn volumes(spec: &RunSpec, context: &JobContext) -> Vec<Volume> {
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
