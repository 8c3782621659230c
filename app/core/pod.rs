//! The parts that pods of ours are made of, whatever runs in them.

use k8s_openapi::api::core::v1::{
    Capabilities, Container, EmptyDirVolumeSource, EnvVar, LocalObjectReference,
    PodSecurityContext, ResourceRequirements, SeccompProfile, SecurityContext, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use std::collections::BTreeMap;

/// Room for temporary files. Units: bytes.
pub(crate) const TMP_BYTES: u64 = 2 << 30;
/// Room for the agent's binary. Units: bytes.
pub(crate) const BIN_BYTES: u64 = 256 << 20;

/// Every process of a pod belongs to this user and group, who is nobody.
pub(crate) fn nobody(user: i64) -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(user),
        run_as_group: Some(user),
        fs_group: Some(user),
        seccomp_profile: Some(seccomp("RuntimeDefault")),
        ..PodSecurityContext::default()
    }
}

/// Brings the agent into an image that does not have it.
pub(crate) fn install(agent_image: &str, (cpu_millis, memory_bytes): (u32, u64)) -> Container {
    Container {
        name: "install".to_owned(),
        image: Some(agent_image.to_owned()),
        command: Some(words(&[
            "/bowsprit-agent",
            "install",
            "/opt/bowsprit/bowsprit-agent",
        ])),
        resources: Some(resources(cpu_millis, memory_bytes, BIN_BYTES)),
        security_context: Some(locked()),
        volume_mounts: Some(vec![mount("bin", "/opt/bowsprit", false)]),
        ..Container::default()
    }
}

/// Secrets by which nodes pull images.
pub(crate) fn pull_secrets(names: &[String]) -> Vec<LocalObjectReference> {
    let names = names.iter().cloned();
    names.map(|name| LocalObjectReference { name }).collect()
}

/// A folder that goes with its pod.
pub(crate) fn empty(name: &str, bytes: u64) -> Volume {
    Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            size_limit: Some(Quantity(bytes.to_string())),
            ..EmptyDirVolumeSource::default()
        }),
        ..Volume::default()
    }
}

/// Kubernetes counts in 63 bits.
pub(crate) fn quantity(value: u64) -> u64 {
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

/// What the restricted standard asks of a container. Source: Kubernetes, "Pod Security Standards".
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
        seccomp_profile: Some(seccomp("RuntimeDefault")),
        ..SecurityContext::default()
    }
}

/// A profile of system calls by its kind.
pub(crate) fn seccomp(kind: &str) -> SeccompProfile {
    SeccompProfile {
        type_: kind.to_owned(),
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
