//! The repository's Deployment, and ours laid over it.
//!
//! Taken of theirs is what places and surrounds the pods: nodes, resources, containers beside the server, volumes.
//! Everything by which a release is verified, switched and taken back stays ours.

use crate::pod::locked;
use crate::serving::objects::{SERVE, covers_ours, is_ours};
use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec};
use k8s_openapi::api::core::v1::{Container, PodSpec, Volume};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

/// What of a Deployment would be lost or must not be. Errors: each, with what would work.
pub(super) fn check(own: &Deployment, name: &str, image: &str) -> Result<(), Vec<String>> {
    let mut problems = Vec::new();
    let spec = own.spec.clone().unwrap_or_default();
    let taken = DeploymentSpec {
        selector: spec.selector.clone(),
        template: spec.template.clone(),
        ..DeploymentSpec::default()
    };
    if spec != taken {
        problems.push("Deployment: of `spec` only `selector` and `template` are taken; how many pods there are stands in the contract's `replicas`, and how they are replaced is Bowsprit's".to_owned());
    }
    let meta = spec.template.metadata.clone().unwrap_or_default();
    let known = ObjectMeta {
        labels: meta.labels.clone(),
        annotations: meta.annotations.clone(),
        ..ObjectMeta::default()
    };
    if meta != known {
        problems.push(
            "Deployment: of the pod's `metadata` only labels and annotations are taken".to_owned(),
        );
    }
    problems.extend(super::labels(&meta).map(|why| format!("Deployment: the pod's {why}")));
    let pod = spec.template.spec.unwrap_or_default();
    if pod != taken_of(&pod) {
        problems.push("Deployment: of the pod only containers, initContainers, volumes, nodeSelector, tolerations, affinity, topologySpreadConstraints, priorityClassName and runtimeClassName are taken".to_owned());
    }
    let serve = pod
        .containers
        .iter()
        .find(|container| container.name == SERVE);
    if serve.is_some_and(|serve| !is_plain(serve, image)) {
        problems.push(format!("container `{SERVE}`: it runs what the contract's `serve` says, in `${{BOWSPRIT_IMAGE}}`; only its resources and volumeMounts are taken"));
    }
    problems.extend(mounts(&pod));
    if pod
        .priority_class_name
        .as_deref()
        .is_some_and(|class| class.starts_with("system-"))
    {
        problems.push("Deployment: a priorityClassName that begins with `system-` is the cluster's own; take one of yours".to_owned());
    }
    let volumes = pod.volumes.iter().flatten();
    let strange = volumes.filter(|volume| !is_harmless(volume, name));
    problems.extend(strange.map(|volume| {
        format!("volume `{}`: take an emptyDir, or a ConfigMap whose name begins with `${{BOWSPRIT_NAME}}-`; its name must not be `bin`, `run`, `door` or `tmp`", volume.name)
    }));
    match problems.is_empty() {
        true => Ok(()),
        false => Err(problems),
    }
}

/// Mounts by which a container would reach the gateway's program, its keys or its order.
fn mounts(pod: &PodSpec) -> Vec<String> {
    let before = pod.init_containers.iter().flatten();
    let mut problems = Vec::new();
    for container in before.chain(&pod.containers) {
        for mount in container.volume_mounts.iter().flatten() {
            let is_over = container.name == SERVE && covers_ours(&mount.mount_path);
            if is_ours(&mount.name) || is_over {
                problems.push(format!(
                    "container `{}`: volume `{}` at `{}` would reach what is the gateway's; mount a volume of your own, in `{SERVE}` not at `/opt/bowsprit`, `/run/bowsprit`, `/run/secrets/bowsprit` or `/tmp`, nor above or below them",
                    container.name, mount.name, mount.mount_path
                ));
            }
        }
    }
    problems
}

/// What of a pod is taken.
fn taken_of(pod: &PodSpec) -> PodSpec {
    PodSpec {
        containers: pod.containers.clone(),
        init_containers: pod.init_containers.clone(),
        volumes: pod.volumes.clone(),
        node_selector: pod.node_selector.clone(),
        tolerations: pod.tolerations.clone(),
        affinity: pod.affinity.clone(),
        topology_spread_constraints: pod.topology_spread_constraints.clone(),
        priority_class_name: pod.priority_class_name.clone(),
        runtime_class_name: pod.runtime_class_name.clone(),
        ..PodSpec::default()
    }
}

fn is_plain(serve: &Container, image: &str) -> bool {
    let plain = Container {
        name: serve.name.clone(),
        image: serve.image.clone(),
        resources: serve.resources.clone(),
        volume_mounts: serve.volume_mounts.clone(),
        ..Container::default()
    };
    *serve == plain && serve.image.as_deref().is_none_or(|other| other == image)
}

/// Secrets of a namespace may be another environment's, and so no pod mounts one.
fn is_harmless(volume: &Volume, name: &str) -> bool {
    let own = format!("{name}-");
    let is_own = |map: &str| map.starts_with(&own);
    let only = Volume {
        name: volume.name.clone(),
        empty_dir: volume.empty_dir.clone(),
        config_map: volume.config_map.clone(),
        ..Volume::default()
    };
    let is_known = volume
        .config_map
        .as_ref()
        .is_none_or(|map| is_own(&map.name));
    !is_ours(&volume.name) && is_known && *volume == only
}

/// Ours over the repository's own.
pub(crate) fn over(own: &Deployment, mut ours: Deployment) -> Deployment {
    merge(&mut ours.metadata, &own.metadata);
    let Some(spec) = &mut ours.spec else {
        return ours;
    };
    let template = own.spec.clone().unwrap_or_default().template;
    merge(
        spec.template.metadata.get_or_insert_default(),
        &template.metadata.unwrap_or_default(),
    );
    let theirs = template.spec.unwrap_or_default();
    let pod = spec.template.spec.get_or_insert_default();
    let (serve, beside): (Vec<Container>, Vec<Container>) = theirs
        .containers
        .into_iter()
        .partition(|container| container.name == SERVE);
    for (our, their) in pod.containers.iter_mut().zip(serve) {
        our.resources = their.resources.or(our.resources.take());
        let mounts = our.volume_mounts.get_or_insert_default();
        mounts.extend(their.volume_mounts.unwrap_or_default());
    }
    pod.containers.extend(beside.into_iter().map(guarded));
    let before = theirs.init_containers.unwrap_or_default();
    pod.init_containers
        .get_or_insert_default()
        .extend(before.into_iter().map(guarded));
    pod.volumes
        .get_or_insert_default()
        .extend(theirs.volumes.unwrap_or_default());
    pod.node_selector = theirs.node_selector;
    pod.tolerations = theirs.tolerations;
    pod.affinity = theirs.affinity;
    pod.priority_class_name = theirs.priority_class_name;
    if theirs.topology_spread_constraints.is_some() {
        pod.topology_spread_constraints = theirs.topology_spread_constraints;
    }
    // Untrusted code stays in its sandbox.
    pod.runtime_class_name = pod.runtime_class_name.take().or(theirs.runtime_class_name);
    ours
}

/// A container that says nothing of its security has the restricted standard's.
fn guarded(mut container: Container) -> Container {
    container.security_context.get_or_insert_with(locked);
    container
}

fn merge(ours: &mut ObjectMeta, theirs: &ObjectMeta) {
    let under = |ours: &mut Option<BTreeMap<String, String>>, theirs: &Option<BTreeMap<_, _>>| {
        let mut all = theirs.clone().unwrap_or_default();
        all.extend(ours.take().unwrap_or_default());
        *ours = (!all.is_empty()).then_some(all);
    };
    under(&mut ours.labels, &theirs.labels);
    under(&mut ours.annotations, &theirs.annotations);
}

/// The ports that containers beside the server say they listen on.
pub(crate) fn ports(own: &Deployment) -> Vec<i32> {
    let pod = own
        .spec
        .as_ref()
        .and_then(|spec| spec.template.spec.as_ref());
    let containers = pod.into_iter().flat_map(|pod| &pod.containers);
    let ports = containers.flat_map(|container| container.ports.iter().flatten());
    ports.map(|port| port.container_port).collect()
}
