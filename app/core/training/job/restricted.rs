//! Holds a Job, or a pod that serves, against the restricted Pod Security standard, as the API server will, and against our own rules.
//!
//! Source: Kubernetes, "Pod Security Standards", profile Restricted, v1.33; "Labels and Selectors"; "Object Names and IDs".

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{
    Container, PodSecurityContext, PodSpec, PodTemplateSpec, Probe, SecurityContext, Volume,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// Longest part of a name. Source: RFC 1123.
const PART_CHARS_MAX: usize = 63;

/// How long a pod is meant to live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// Until its work is done.
    Once,
    /// Until somebody ends it: it is started again, and may be probed.
    Long,
}

/// Every problem of a pod that serves, as a sentence that names the field.
pub(crate) fn serving_problems(template: &PodTemplateSpec) -> Vec<String> {
    template_problems(template, Life::Long)
}

/// Every problem of a Job, as a sentence that names the field.
pub(super) fn problems(job: &Job) -> Vec<String> {
    let mut found = Vec::new();
    check_name(&job.metadata, &mut found);
    check_labels(&job.metadata, &mut found);
    let Some(spec) = &job.spec else {
        return vec!["spec: missing".to_owned()];
    };
    let deadline = spec.active_deadline_seconds;
    must(
        deadline.is_some_and(|s| s > 0),
        "activeDeadlineSeconds: missing",
        &mut found,
    );
    found.extend(template_problems(&spec.template, Life::Once));
    found
}

fn template_problems(template: &PodTemplateSpec, life: Life) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(metadata) = &template.metadata {
        check_labels(metadata, &mut found);
    }
    match &template.spec {
        Some(pod) => check_pod(pod, life, &mut found),
        None => found.push("template.spec: missing".to_owned()),
    }
    found
}

/// Whether Kubernetes takes this as a label's key.
pub(super) fn is_label_key(key: &str) -> bool {
    match key.split_once('/') {
        Some((prefix, name)) => is_subdomain(prefix) && is_label_name(name),
        None => is_label_name(key),
    }
}

/// Whether Kubernetes takes this as a label's value.
pub(super) fn is_label_value(value: &str) -> bool {
    value.is_empty() || is_label_name(value)
}

fn is_label_name(text: &str) -> bool {
    let is_end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= PART_CHARS_MAX
        && is_end(text.chars().next())
        && is_end(text.chars().next_back())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_dns_label)
}

fn is_dns_label(text: &str) -> bool {
    (1..=PART_CHARS_MAX).contains(&text.len())
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Source: Kubernetes, validation `IsCIdentifier`, the narrowest that every version takes.
fn is_variable_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn must(holds: bool, sentence: &str, found: &mut Vec<String>) {
    if !holds {
        found.push(sentence.to_owned());
    }
}

fn check_name(metadata: &ObjectMeta, found: &mut Vec<String>) {
    let name = metadata.name.as_deref().unwrap_or_default();
    must(
        is_dns_label(name),
        &format!("metadata.name: `{name}` is no name"),
        found,
    );
    let namespace = metadata.namespace.as_deref().unwrap_or_default();
    must(
        is_dns_label(namespace),
        &format!("metadata.namespace: `{namespace}` is no name"),
        found,
    );
}

fn check_labels(metadata: &ObjectMeta, found: &mut Vec<String>) {
    for (key, value) in metadata.labels.iter().flatten() {
        must(
            is_label_key(key),
            &format!("labels: `{key}` is no key"),
            found,
        );
        must(
            is_label_value(value),
            &format!("labels: `{value}` is no value of `{key}`"),
            found,
        );
    }
}

fn check_pod(pod: &PodSpec, life: Life, found: &mut Vec<String>) {
    for (name, is_shared) in [
        ("hostNetwork", pod.host_network),
        ("hostPID", pod.host_pid),
        ("hostIPC", pod.host_ipc),
        (
            "automountServiceAccountToken",
            pod.automount_service_account_token.or(Some(true)),
        ),
        (
            "enableServiceLinks",
            pod.enable_service_links.or(Some(true)),
        ),
    ] {
        must(
            is_shared != Some(true),
            &format!("{name}: must be off"),
            found,
        );
    }
    let (policy, sentence) = match life {
        Life::Once => ("Never", "restartPolicy: must be Never"),
        Life::Long => ("Always", "restartPolicy: must be Always"),
    };
    must(
        pod.restart_policy.as_deref() == Some(policy),
        sentence,
        found,
    );
    let containers: Vec<&Container> = pod
        .init_containers
        .iter()
        .flatten()
        .chain(&pod.containers)
        .collect();
    must(!pod.containers.is_empty(), "containers: none", found);
    must(
        pod.ephemeral_containers.is_none(),
        "ephemeralContainers: must be none",
        found,
    );
    let shared = pod.security_context.clone().unwrap_or_default();
    check_shared(&shared, found);
    for container in containers {
        check_container(container, &shared, found);
        check_probes(container, life, found);
    }
    for volume in pod.volumes.iter().flatten() {
        check_volume(volume, found);
    }
}

fn check_shared(shared: &PodSecurityContext, found: &mut Vec<String>) {
    must(shared.sysctls.is_none(), "sysctls: must be none", found);
    must(
        shared.se_linux_options.is_none(),
        "seLinuxOptions: must be none",
        found,
    );
    must(
        shared.windows_options.is_none(),
        "windowsOptions: must be none",
        found,
    );
    must(
        shared.app_armor_profile.is_none(),
        "appArmorProfile: must be the default",
        found,
    );
    must(
        shared.run_as_user != Some(0),
        "runAsUser: must not be root",
        found,
    );
}

fn check_container(container: &Container, shared: &PodSecurityContext, found: &mut Vec<String>) {
    let own = container.security_context.clone().unwrap_or_default();
    let mut check = |holds: bool, sentence: &str| {
        must(
            holds,
            &format!("container `{}`: {sentence}", container.name),
            found,
        );
    };
    check(is_dns_label(&container.name), "its name is no name");
    check(
        is_pinned(container.image.as_deref()),
        "image must be named by its digest",
    );
    check(
        own.allow_privilege_escalation == Some(false),
        "allowPrivilegeEscalation must be false",
    );
    check(own.privileged != Some(true), "privileged must be off");
    check(
        own.read_only_root_filesystem == Some(true),
        "readOnlyRootFilesystem must be true",
    );
    check(
        own.run_as_non_root.or(shared.run_as_non_root) == Some(true),
        "runAsNonRoot must be true",
    );
    check(own.run_as_user != Some(0), "runAsUser must not be root");
    check(own.proc_mount.is_none(), "procMount must be the default");
    check(
        own.se_linux_options.is_none() && own.app_armor_profile.is_none(),
        "its profiles must be the default",
    );
    check(own.windows_options.is_none(), "windowsOptions must be none");
    check(drops_all(&own), "capabilities must drop ALL and add none");
    let seccomp = own
        .seccomp_profile
        .as_ref()
        .or(shared.seccomp_profile.as_ref());
    check(
        seccomp.is_some_and(|profile| profile.type_ == "RuntimeDefault"),
        "seccompProfile must be RuntimeDefault",
    );
    check_surroundings(container, found);
}

/// Only what is to live long is probed, by HTTP at its own address. Source: the standard's baseline since v1.34.
fn check_probes(container: &Container, life: Life, found: &mut Vec<String>) {
    let probes = [
        &container.liveness_probe,
        &container.readiness_probe,
        &container.startup_probe,
    ];
    let is_own = |probe: &Probe| {
        let asked = probe.http_get.as_ref();
        asked.is_some_and(|http| http.host.is_none()) && probe.exec.is_none()
    };
    let mut probes = probes.into_iter().flatten();
    let is_fine = match life {
        Life::Once => probes.next().is_none(),
        Life::Long => probes.all(is_own),
    };
    must(
        is_fine,
        &format!(
            "container `{}`: its probes must be none or its own by HTTP",
            container.name
        ),
        found,
    );
}

/// What stands around a container's process: ports, hooks, environment, resources.
fn check_surroundings(container: &Container, found: &mut Vec<String>) {
    let mut check = |holds: bool, sentence: &str| {
        must(
            holds,
            &format!("container `{}`: {sentence}", container.name),
            found,
        );
    };
    let ports = container.ports.iter().flatten();
    check(
        ports
            .into_iter()
            .all(|port| port.host_port.is_none_or(|port| port == 0)),
        "hostPort must be none",
    );
    check(container.lifecycle.is_none(), "it must have no hook");
    check(
        container.env_from.is_none(),
        "its environment must be written out",
    );
    for variable in container.env.iter().flatten() {
        check(
            is_variable_name(&variable.name),
            &format!("`{}` is no environment variable", variable.name),
        );
        check(
            variable.value_from.is_none(),
            &format!("`{}` must have a plain value", variable.name),
        );
    }
    let resources = container.resources.clone().unwrap_or_default();
    let (asked, capped) = (
        resources.requests.unwrap_or_default(),
        resources.limits.unwrap_or_default(),
    );
    for name in ["memory", "ephemeral-storage"] {
        let is_capped = asked.contains_key(name) && asked.get(name) == capped.get(name);
        check(
            is_capped,
            &format!("{name} must be asked for and capped alike"),
        );
    }
}

fn drops_all(own: &SecurityContext) -> bool {
    own.capabilities.as_ref().is_some_and(|capabilities| {
        let drops = capabilities.drop.iter().flatten();
        drops.into_iter().any(|name| name == "ALL")
            && capabilities.add.as_ref().is_none_or(Vec::is_empty)
    })
}

fn is_pinned(image: Option<&str>) -> bool {
    let hex = image
        .and_then(|image| image.rsplit_once("@sha256:"))
        .map(|(_, hex)| hex);
    hex.is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Of the volumes that the standard allows, those that we use.
fn check_volume(volume: &Volume, found: &mut Vec<String>) {
    let limited = volume
        .empty_dir
        .as_ref()
        .map(|dir| dir.size_limit.is_some());
    let is_ours = limited.unwrap_or(volume.secret.is_some() || volume.config_map.is_some());
    let only = Volume {
        name: volume.name.clone(),
        empty_dir: volume.empty_dir.clone(),
        secret: volume.secret.clone(),
        config_map: volume.config_map.clone(),
        ..Volume::default()
    };
    must(
        is_ours && *volume == only,
        &format!(
            "volume `{}`: must be a Secret, a ConfigMap or a bounded emptyDir",
            volume.name
        ),
        found,
    );
}
