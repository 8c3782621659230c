//! What ended a pod, and what ended a Job.

use super::super::is_at_work;
use super::{JobPhase, Scene, condition, containers, is_ended, millis, pods_known};
use crate::cluster::short;
use crate::training::spec::FailureKind;
use k8s_openapi::api::batch::v1::JobCondition;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, Pod};

/// Why the Job failed; `None` while it has not. `FailureTarget` is not the end yet: pods of it still run.
pub(super) fn failed(scene: &Scene) -> Option<JobPhase> {
    let conditions = scene.job.status.as_ref()?.conditions.as_ref()?;
    let is_failed =
        |condition: &&JobCondition| condition.type_ == "Failed" && condition.status == "True";
    let condition = conditions.iter().find(is_failed)?;
    let message = condition.message.as_deref().unwrap_or_default();
    if condition.reason.as_deref() == Some("DeadlineExceeded") {
        let spec = scene.job.spec.as_ref();
        let deadline = spec.and_then(|spec| spec.active_deadline_seconds);
        return Some(JobPhase::Failed(
            FailureKind::Timeout,
            format!(
                "waiting and working together took longer than {} s; raise `timeout` of its steps, or look why it waited",
                deadline.unwrap_or(0)
            ),
        ));
    }
    let cause = newest_ended(scene).and_then(|pod| cause(scene, pod));
    let (kind, why) =
        cause.unwrap_or_else(|| (FailureKind::Lost, "its last pod is gone".to_owned()));
    Some(JobPhase::Failed(
        kind,
        match condition.reason.as_deref() {
            Some("BackoffLimitExceeded") => format!("{why}; it was tried several times"),
            Some("PodFailurePolicy") | None => why,
            Some(_) => format!("{why} ({})", short(message)),
        },
    ))
}

/// A pod that ran out of memory or of room does so again: nobody has to wait for the next.
pub(super) fn hopeless(scene: &Scene) -> Option<JobPhase> {
    let (kind, why) = cause(scene, newest_ended(scene)?)?;
    matches!(kind, FailureKind::OutOfMemory | FailureKind::DiskQuota)
        .then_some(JobPhase::Failed(kind, why))
}

/// Why the last pod ended, as a clause; `None` where none has.
pub(super) fn last_end(scene: &Scene) -> Option<String> {
    let pod = newest_ended(scene)?;
    disruption(pod).or_else(|| Some(cause(scene, pod)?.1))
}

/// Why the cluster itself ends or ended a pod.
pub(super) fn disruption(pod: &Pod) -> Option<String> {
    let (status, reason, message) = condition(pod, "DisruptionTarget")?;
    if status != "True" {
        return None;
    }
    let node = node(pod);
    let why = match reason {
        "PreemptionByScheduler" => "its pod made room for one of higher priority".to_owned(),
        "DeletionByTaintManager" => {
            format!("{node} went away, or a taint sends its pods off")
        }
        "EvictionByEvictionAPI" => "its pod was evicted, as when a node is drained".to_owned(),
        "DeletionByPodGC" => format!("{node} went away"),
        "TerminationByKubelet" => format!("{node} was short of room or is being shut down"),
        other => format!("its pod was disrupted ({other})"),
    };
    Some(match message {
        "" => why,
        message => format!("{why} ({})", short(message)),
    })
}

/// Which try follows. Those that the cluster ended are not counted against the Job, so that there is no last one of them.
pub(super) fn try_after(scene: &Scene) -> String {
    let status = scene.job.status.as_ref();
    let failed = status.and_then(|status| status.failed).unwrap_or(0);
    let spec = scene.job.spec.as_ref();
    let limit = spec.and_then(|spec| spec.backoff_limit);
    let is_counted = newest_ended(scene).is_some_and(|pod| disruption(pod).is_none());
    match limit {
        Some(limit) if is_counted && scene.taken.is_empty() => {
            // The Job counts a pod some time after it has ended.
            let next = failed.saturating_add(1).max(2);
            format!("try {next} of {}", limit.saturating_add(1))
        }
        Some(_) | None => format!("try {}", pods_known(scene).saturating_add(1)),
    }
}

/// The node of a pod.
fn node(pod: &Pod) -> String {
    let spec = pod.spec.as_ref();
    match spec.and_then(|spec| spec.node_name.as_deref()) {
        Some(name) => format!("the node `{}`", short(name)),
        None => "its node".to_owned(),
    }
}

fn newest_ended(scene: &Scene) -> Option<&Pod> {
    let ended = scene.pods.iter().filter(|pod| is_ended(pod));
    ended.max_by_key(|pod| pod.metadata.creation_timestamp.as_ref().map(millis))
}

/// The class and the words of what ended a pod.
fn cause(scene: &Scene, pod: &Pod) -> Option<(FailureKind, String)> {
    if let Some(why) = disruption(pod) {
        return Some((FailureKind::Lost, why));
    }
    let status = pod.status.as_ref()?;
    match status.reason.as_deref() {
        Some("DeadlineExceeded") => {
            let deadline = pod
                .spec
                .as_ref()
                .and_then(|spec| spec.active_deadline_seconds);
            return Some((
                FailureKind::Timeout,
                format!(
                    "it took longer than {} s; raise `timeout` of its steps",
                    deadline.unwrap_or(0)
                ),
            ));
        }
        Some("Evicted") => {
            let message = status.message.as_deref().unwrap_or_default();
            // A pod that filled its own room does so again; the node's need is nobody's failure.
            let kind = match message.contains("ephemeral") || message.contains("emptyDir") {
                true => FailureKind::DiskQuota,
                false => FailureKind::Lost,
            };
            return Some((kind, format!("its pod was evicted: {}", short(message))));
        }
        Some(
            reason @ ("NodeLost" | "UnexpectedAdmissionError" | "NodeShutdown" | "Terminated"),
        ) => {
            let what = match reason {
                "NodeLost" => "went away",
                "NodeShutdown" | "Terminated" => "is being shut down",
                _ => "gave it up",
            };
            let message = status.message.as_deref().unwrap_or_default();
            return Some((
                FailureKind::Lost,
                match message {
                    "" => format!("{} {what}", node(pod)),
                    message => format!("{} {what}: {}", node(pod), short(message)),
                },
            ));
        }
        Some(_) | None => {}
    }
    let ends = containers(pod).filter_map(|container| {
        let end = container.state.as_ref()?.terminated.as_ref()?;
        (end.exit_code != 0).then_some((container.name.as_str(), end))
    });
    // The agent's end tells more than that of what brought it.
    let ends: Vec<_> = ends.collect();
    let (name, end) = ends
        .iter()
        .find(|(name, _)| is_at_work(name))
        .or(ends.first())?;
    let steps = scene.steps.get(*name).map(String::as_str);
    Some(of_container(pod, (name, steps), end))
}

fn of_container(
    pod: &Pod,
    (name, steps): (&str, Option<&str>),
    end: &ContainerStateTerminated,
) -> (FailureKind, String) {
    if end.reason.as_deref() == Some("OOMKilled") {
        let limit = memory(pod, name).unwrap_or_else(|| "its limit".to_owned());
        return (
            FailureKind::OutOfMemory,
            format!(
                "{} needed more memory than {limit}; raise `memory` in `resources`, or use less",
                steps.unwrap_or("it")
            ),
        );
    }
    let said = match end.message.as_deref().map(short) {
        Some(said) if !said.is_empty() => format!(": {said}"),
        Some(_) | None => String::new(),
    };
    match end.exit_code {
        137 => (
            FailureKind::Lost,
            format!("its pod was killed from outside{said}"),
        ),
        143 => (
            FailureKind::Lost,
            format!("its pod was ended from outside{said}"),
        ),
        code => (
            FailureKind::Agent,
            match steps {
                Some(steps) => format!("the container of {steps} ended with status {code}{said}"),
                None => format!("container `{name}` ended with status {code}{said}"),
            },
        ),
    }
}

/// The cap of a container, in MiB where it is one.
fn memory(pod: &Pod, name: &str) -> Option<String> {
    let spec = pod.spec.as_ref()?;
    let early = spec.init_containers.iter().flatten();
    let mut containers = early.chain(&spec.containers);
    let container = containers.find(|container| container.name == name)?;
    let limits = container.resources.as_ref()?.limits.as_ref()?;
    let limit = &limits.get("memory")?.0;
    Some(match limit.parse::<u64>() {
        Ok(bytes) => format!("{} MiB", bytes >> 20),
        Err(_) => limit.clone(),
    })
}
