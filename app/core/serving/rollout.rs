//! What a cluster's objects say of an order: how far it is, and in words why it goes no further.
//!
//! A pod that cannot serve its release ends with [`UNFIT`] and its reason as last words; that alone is final. Everything
//! else may pass (a registry that is down, a full node, a quota), so it is told as long as it lasts and fails only when
//! the Deployment has made no headway for its time.

#[cfg(test)]
mod tests;

use super::objects::{GENERATION, RELEASE_LABEL, SERVE, release_label};
use super::spec::RolloutPhase;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition, DeploymentStatus};
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod};

/// The exit status of a gateway whose release cannot serve. Source: sysexits(3), `EX_DATAERR`.
pub const UNFIT: u8 = 65;
/// The exit status of a gateway that could not fetch its release, which may pass. Source: sysexits(3), `EX_TEMPFAIL`.
pub const UNFETCHED: u8 = 75;

/// A container that ended so often without a reason of its own will not do better.
const RESTARTS_MAX: i32 = 3;
/// Longest reason. Units: characters.
const REASON_CHARS_MAX: usize = 2_000;

/// The order that is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// Its release.
    pub release: &'a str,
    /// Its number.
    pub generation: u64,
    /// Whether this release served here before: then it is not on trial.
    pub has_served: bool,
}

/// How an order stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// How far it is.
    pub phase: RolloutPhase,
    /// Why it goes no further, for a person.
    pub reason: Option<String>,
}

/// How the order stands by what the cluster shows: its Deployment and the pods that the environment's labels select.
pub fn view(order: &Order<'_>, deployment: Option<&Deployment>, pods: &[Pod]) -> View {
    let Some(deployment) = deployment.filter(|found| answers(found) == Some(order.generation))
    else {
        return starting(None);
    };
    let status = deployment.status.clone().unwrap_or_default();
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas);
    let is_seen = status.observed_generation >= deployment.metadata.generation;
    if is_seen && has_arrived(&status, wanted.unwrap_or(1)) {
        return View {
            phase: RolloutPhase::Live,
            reason: None,
        };
    }
    let own: Vec<&Pod> = pods
        .iter()
        .filter(|pod| is_of(pod, order.release))
        .collect();
    if order.has_served {
        let is_up = is_seen && status.available_replicas.unwrap_or(0) > 0;
        return View {
            phase: if is_up {
                RolloutPhase::Live
            } else {
                RolloutPhase::Starting
            },
            reason: hindrance(&status, &own),
        };
    }
    let reason = hindrance(&status, &own);
    if !is_seen {
        return starting(reason);
    }
    if let Some(reason) = own.iter().find_map(|pod| unfit(pod)) {
        return failed(reason);
    }
    if is_stuck(&status) {
        let usual = "no pod became ready in time".to_owned();
        return failed(reason.unwrap_or(usual));
    }
    starting(reason)
}

/// The order that a Deployment answers.
pub fn answers(deployment: &Deployment) -> Option<u64> {
    let annotations = deployment.metadata.annotations.as_ref()?;
    annotations.get(GENERATION)?.parse().ok()
}

fn starting(reason: Option<String>) -> View {
    View {
        phase: RolloutPhase::Starting,
        reason,
    }
}

fn failed(reason: String) -> View {
    View {
        phase: RolloutPhase::Failed,
        reason: Some(cut(&reason)),
    }
}

/// Every pod is of the new template and ready, and none of an older one is left.
fn has_arrived(status: &DeploymentStatus, wanted: i32) -> bool {
    let updated = status.updated_replicas.unwrap_or(0);
    updated >= wanted
        && status.available_replicas.unwrap_or(0) >= wanted
        && status.replicas.unwrap_or(0) == updated
}

fn condition<'a>(status: &'a DeploymentStatus, kind: &str) -> Option<&'a DeploymentCondition> {
    let mut conditions = status.conditions.iter().flatten();
    conditions.find(|condition| condition.type_ == kind)
}

/// Source: Kubernetes, "Deployments", "Failed Deployment".
fn is_stuck(status: &DeploymentStatus) -> bool {
    condition(status, "Progressing").is_some_and(|progress| {
        progress.status == "False" && progress.reason.as_deref() == Some("ProgressDeadlineExceeded")
    })
}

fn is_of(pod: &Pod, release: &str) -> bool {
    let labels = pod.metadata.labels.as_ref();
    let label = labels.and_then(|labels| labels.get(RELEASE_LABEL));
    label.is_some_and(|label| *label == release_label(release))
        && pod.metadata.deletion_timestamp.is_none()
}

fn containers(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let status = pod.status.iter();
    status.flat_map(|status| {
        let init = status.init_container_statuses.iter().flatten();
        init.chain(status.container_statuses.iter().flatten())
    })
}

/// How a container ended last.
fn end(container: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    let states = [&container.state, &container.last_state];
    let mut states = states.into_iter().flatten();
    states.find_map(|state| state.terminated.as_ref())
}

/// Why a pod will never serve, if so.
fn unfit(pod: &Pod) -> Option<String> {
    containers(pod).find_map(|container| {
        let end = end(container)?;
        if end.exit_code == i32::from(UNFIT) && container.name == SERVE {
            let words = end.message.as_deref().unwrap_or_default().trim();
            let usual = "the release cannot serve";
            return Some(if words.is_empty() { usual } else { words }.to_owned());
        }
        (container.restart_count >= RESTARTS_MAX && end.exit_code != i32::from(UNFETCHED)).then(
            || {
                format!(
                    "{} ended {} times: {}",
                    the(container),
                    container.restart_count,
                    ended(end)
                )
            },
        )
    })
}

/// What keeps an order from going on, as far as it shows: the cluster first, then each pod.
fn hindrance(status: &DeploymentStatus, pods: &[&Pod]) -> Option<String> {
    let refused = condition(status, "ReplicaFailure").filter(|failure| failure.status == "True");
    let refused = refused.map(|failure| {
        let message = failure.message.clone().unwrap_or_default();
        let is_quota = message.contains("exceeded quota");
        let cause = if is_quota {
            "the namespace's quota is used up"
        } else {
            "the cluster refuses its pods"
        };
        format!("{cause}: {message}")
    });
    let reason = refused.or_else(|| pods.iter().find_map(|pod| obstacle(pod)));
    reason.map(|reason| cut(&reason))
}

fn obstacle(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    if status.reason.as_deref() == Some("Evicted") {
        let message = status.message.clone().unwrap_or_default();
        return Some(format!("its node evicted the pod: {message}"));
    }
    let unplaced = status
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.type_ == "PodScheduled" && condition.status == "False");
    if let Some(unplaced) = unplaced {
        let message = unplaced.message.clone().unwrap_or_default();
        return Some(format!("no node takes the pod: {message}"));
    }
    containers(pod).find_map(|container| {
        let waiting = container
            .state
            .as_ref()
            .and_then(|state| state.waiting.as_ref());
        let message = waiting
            .and_then(|waiting| waiting.message.clone())
            .unwrap_or_default();
        match waiting.and_then(|waiting| waiting.reason.as_deref()) {
            Some(
                "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull",
            ) => Some(format!(
                "the image `{}` cannot be pulled: {message}",
                container.image
            )),
            Some("CreateContainerConfigError" | "CreateContainerError" | "RunContainerError") => {
                Some(format!("{} cannot be started: {message}", the(container)))
            }
            Some(_) | None => end(container)
                .filter(|end| end.exit_code != 0)
                .map(|end| format!("{} ended: {}", the(container), ended(end))),
        }
    })
}

fn the(container: &ContainerStatus) -> String {
    match container.name.as_str() {
        SERVE => "the gateway".to_owned(),
        other => format!("the container `{other}`"),
    }
}

/// How a container ended, in words. 137 is SIGKILL, 139 SIGSEGV.
fn ended(end: &ContainerStateTerminated) -> String {
    let words = end
        .message
        .as_deref()
        .map(str::trim)
        .filter(|words| !words.is_empty());
    match (end.reason.as_deref(), words) {
        (Some("OOMKilled"), _) => {
            "it needed more memory than it has; raise `resources.memory` of `serve`".to_owned()
        }
        (_, Some(words)) => words.to_owned(),
        (_, None) => format!("exit status {}", end.exit_code),
    }
}

fn cut(text: &str) -> String {
    text.chars().take(REASON_CHARS_MAX).collect()
}
