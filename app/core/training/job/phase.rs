//! How a stage stands, from its Job, the pods of it, and what the cluster's controllers said.
//!
//! A pod that the cluster itself ended is not a failure: the Job starts another. Only what waiting cannot change is one.
//! Source: Kubernetes, "Jobs", "Pod Lifecycle", "Pod failure policy", "Pod disruption conditions".

mod ended;
mod queue;
#[cfg(test)]
mod tests;

use super::{AGENT, QUEUE_LABEL, is_at_work};
use crate::cluster::{Refused, short};
use crate::training::spec::FailureKind;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ContainerStateWaiting, ContainerStatus, Event, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::collections::{BTreeMap, BTreeSet};

pub use queue::{Queued, queued};

/// How long an image may fail to be pulled before the stage does: registries come back. Units: milliseconds.
const PULL_WAIT_MS: i64 = 10 * 60 * 1_000;

/// A Job that is over and whose stage nobody here knows is kept this long: its bot may be another one, which is away, and
/// reads in it how the stage ended. Units: milliseconds.
const STRAY_KEPT_MS: i64 = 7 * 24 * 60 * 60 * 1_000;

/// A pod that has not ended so long after its grace is on a node that nobody hears of. Units: milliseconds.
const STUCK_AFTER_MS: i64 = 60 * 1_000;

/// What controllers write of each pod that they make, before its name. Source: Kubernetes, `pkg/controller`, v1.34.
const CREATED: &str = "Created pod: ";

/// So many causes at the end of a chain are told.
const LAST_CAUSES: usize = 2;

/// What is known of a stage in the cluster.
#[derive(Debug, Clone, Default)]
pub struct Scene {
    /// Its Job.
    pub job: Job,
    /// The pods of that Job.
    pub pods: Vec<Pod>,
    /// What was said of the Job and its pods lately; may be incomplete.
    pub events: Vec<Event>,
    /// How it stands in Kueue's queue, where it waits in one.
    pub queued: Option<Queued>,
    /// What its containers run, in words: [`super::steps_of_containers`].
    pub steps: BTreeMap<String, String>,
    /// Pods that the cluster took away, oldest first: what [`taken`] said of them while they were there.
    pub taken: Vec<Taken>,
    /// Units: milliseconds since 1970, UTC.
    pub now_ms: i64,
}

/// A pod that the cluster itself ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Its name.
    pub pod: String,
    /// Why, as a clause for a person.
    pub why: String,
}

/// How a stage stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobPhase {
    /// It cannot begin yet, or must begin again: why, for a person.
    Waiting(String),
    /// The agent is at work.
    Running,
    /// The Job is complete.
    Complete,
    /// The Job failed, or can only fail: why, for a person.
    Failed(FailureKind, String),
}

/// How a stage stands.
pub fn phase(scene: &Scene) -> JobPhase {
    if has(scene, "Complete") {
        return JobPhase::Complete;
    }
    if let Some(failed) = ended::failed(scene) {
        return failed;
    }
    if let Some(hopeless) = ended::hopeless(scene) {
        return hopeless;
    }
    if is_suspended(scene) {
        return JobPhase::Waiting(suspended(scene));
    }
    match present(scene) {
        Some(pod) => of_pod(scene, pod),
        None => JobPhase::Waiting(without_pod(scene)),
    }
}

/// The pods among these that the cluster itself ends or ended; they are soon gone, and the memory of them with them.
pub fn taken(pods: &[Pod]) -> Vec<Taken> {
    let taken = pods.iter().filter_map(|pod| {
        Some(Taken {
            pod: pod.metadata.name.clone()?,
            why: ended::disruption(pod)?,
        })
    });
    taken.collect()
}

/// Whether the Job is over for good, so that no pod of it can begin any more.
pub fn is_over(job: &Job) -> bool {
    let conditions = job.status.iter().flat_map(|status| &status.conditions);
    conditions.flatten().any(|condition| {
        matches!(condition.type_.as_str(), "Complete" | "Failed") && condition.status == "True"
    })
}

/// Whether a Job that is over may go. `is_stage_over` is what is known of its stage; `None` where nobody here knows such.
///
/// A stage is unknown after its bot took up an older copy of its state, and where it is another bot's in the same namespace.
pub fn may_go(job: &Job, is_stage_over: Option<bool>, now_ms: i64) -> bool {
    let conditions = job.status.iter().flat_map(|status| &status.conditions);
    let times = conditions.flatten().filter_map(|condition| {
        let at = condition.last_transition_time.as_ref()?;
        Some(at.0.as_millisecond())
    });
    is_over(job)
        && match is_stage_over {
            Some(is_stage_over) => is_stage_over,
            None => times.max().is_some_and(|at| now_ms - at > STRAY_KEPT_MS),
        }
}

fn has(scene: &Scene, kind: &str) -> bool {
    let status = scene.job.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.as_ref());
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition.type_ == kind && condition.status == "True")
}

fn is_suspended(scene: &Scene) -> bool {
    let spec = scene.job.spec.as_ref();
    spec.and_then(|spec| spec.suspend).unwrap_or(false)
}

fn suspended(scene: &Scene) -> String {
    let labels = scene.job.metadata.labels.as_ref();
    match labels.and_then(|labels| labels.get(QUEUE_LABEL)) {
        Some(queue) => match &scene.queued {
            Some(queued) => queued.in_words(queue),
            None => format!("waits in queue `{queue}`, of which Kueue has said nothing yet"),
        },
        None => {
            let name = scene.job.metadata.name.as_deref().unwrap_or_default();
            format!("its Job `{name}` is suspended by somebody; it goes on when that is taken back")
        }
    }
}

/// The newest pod that may still do the work.
fn present(scene: &Scene) -> Option<&Pod> {
    let pods = scene.pods.iter().filter(|pod| !is_ended(pod));
    pods.max_by_key(|pod| pod.metadata.creation_timestamp.as_ref().map(millis))
}

fn is_ended(pod: &Pod) -> bool {
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

fn without_pod(scene: &Scene) -> String {
    // Of several events the last one counts: a quota may have been raised since.
    let refused = newest(scene, "FailedCreate");
    let created = newest(scene, "SuccessfulCreate");
    if let Some((at, message)) = refused
        && created.is_none_or(|(created, _)| created < at)
    {
        return match Refused::of(message) {
            Refused::Rule(rule) => format!("the cluster does not take its pod: {rule}"),
            refused => format!("waits for room: {refused}"),
        };
    }
    let taken = scene.taken.last().map(|taken| taken.why.clone());
    match ended::last_end(scene).or(taken) {
        Some(why) => again(scene, &why),
        None => "waits for its pod to be made".to_owned(),
    }
}

/// That another pod follows, and which try that is.
fn again(scene: &Scene, why: &str) -> String {
    format!("{why}; it is started again, {}", ended::try_after(scene))
}

/// How many pods the Job is known to have had: those that are there, those that went, and those that were told of.
fn pods_known(scene: &Scene) -> usize {
    let here = scene.pods.iter();
    let here = here.filter_map(|pod| pod.metadata.name.as_deref());
    let went = scene.taken.iter().map(|taken| taken.pod.as_str());
    let told = scene.events.iter();
    let told = told.filter_map(|event| event.message.as_deref()?.strip_prefix(CREATED));
    let names: BTreeSet<&str> = here.chain(went).chain(told).collect();
    names.len()
}

/// When something was said last, and how.
fn newest<'a>(scene: &'a Scene, reason: &str) -> Option<(i64, &'a str)> {
    let events = scene.events.iter();
    let said = events.filter(|event| event.reason.as_deref() == Some(reason));
    said.filter_map(|event| Some((moment(event), event.message.as_deref()?)))
        .max_by_key(|(at, _)| *at)
}

fn moment(event: &Event) -> i64 {
    let series = event.series.as_ref();
    let seen = series.and_then(|series| series.last_observed_time.as_ref());
    seen.or(event.event_time.as_ref())
        .map(|time| time.0.as_millisecond())
        .or(event.last_timestamp.as_ref().map(millis))
        .or(event.metadata.creation_timestamp.as_ref().map(millis))
        .unwrap_or(0)
}

fn millis(time: &Time) -> i64 {
    time.0.as_millisecond()
}

fn of_pod(scene: &Scene, pod: &Pod) -> JobPhase {
    let status = pod.status.clone().unwrap_or_default();
    let node = pod
        .spec
        .as_ref()
        .and_then(|spec| spec.node_name.as_deref())
        .unwrap_or("?");
    if let Some(ending_ms) = pod.metadata.deletion_timestamp.as_ref().map(millis) {
        let why = ended::disruption(pod).unwrap_or_else(|| "its pod is being deleted".to_owned());
        // The Job makes no twin of a pod that may still work: on a node that is silent nobody can say that it ended.
        return JobPhase::Waiting(match scene.now_ms - ending_ms > STUCK_AFTER_MS {
            true => format!(
                "{why}; node `{node}` does not say that its pod has ended, and no twin starts beside it: it is started again when that node answers, is removed from the cluster or gets the taint `node.kubernetes.io/out-of-service`"
            ),
            false => again(scene, &why),
        });
    }
    match status.phase.as_deref() {
        Some("Running") if is_unheard(pod) => JobPhase::Waiting(unheard(node)),
        Some("Running") => JobPhase::Running,
        Some("Unknown") => JobPhase::Waiting(unheard(node)),
        // A pod whose init containers are not all over yet counts as pending.
        _ if has_begun(pod) => JobPhase::Running,
        _ => after_loss(
            scene,
            match unscheduled(pod) {
                Some(why) => JobPhase::Waiting(why),
                None => starting(scene, pod, node),
            },
        ),
    }
}

/// Whether steps are being run before the last container has begun.
fn has_begun(pod: &Pod) -> bool {
    containers(pod).any(|container| {
        let state = container.state.as_ref();
        is_at_work(&container.name) && state.is_some_and(|state| state.running.is_some())
    })
}

fn unheard(node: &str) -> String {
    format!(
        "node `{node}` does not answer; when it stays silent, the cluster starts the stage elsewhere"
    )
}

/// What a pod waits for that follows one which the cluster took away.
fn after_loss(scene: &Scene, phase: JobPhase) -> JobPhase {
    match (phase, scene.taken.last()) {
        (JobPhase::Waiting(what), Some(taken)) => {
            JobPhase::Waiting(format!("{what} (try {}: {})", pods_known(scene), taken.why))
        }
        (phase, _) => phase,
    }
}

/// The node controller takes readiness from the pods of a node that it does not hear of; their containers keep theirs.
fn is_unheard(pod: &Pod) -> bool {
    let Some(status) = &pod.status else {
        return false;
    };
    let is_unready = condition(pod, "Ready").is_some_and(|(status, _, _)| status == "False");
    let agent = containers(pod).find(|container| container.name == AGENT);
    let is_up = agent.is_some_and(|agent| {
        let state = agent.state.as_ref();
        agent.ready && state.is_some_and(|state| state.running.is_some())
    });
    (is_unready && is_up) || status.reason.as_deref() == Some("NodeLost")
}

/// A condition of a pod: its status, reason and message.
fn condition<'a>(pod: &'a Pod, kind: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let found = conditions
        .iter()
        .find(|condition| condition.type_ == kind)?;
    Some((
        found.status.as_str(),
        found.reason.as_deref().unwrap_or_default(),
        found.message.as_deref().unwrap_or_default(),
    ))
}

fn unscheduled(pod: &Pod) -> Option<String> {
    let (status, reason, message) = condition(pod, "PodScheduled")?;
    match (status, reason) {
        ("False", "SchedulingGated") => {
            Some("is held back by a gate that somebody must open".to_owned())
        }
        ("False", _) => Some(format!("no node takes it: {}", short(message))),
        _ => None,
    }
}

fn starting(scene: &Scene, pod: &Pod, node: &str) -> JobPhase {
    let waits = containers(pod).find_map(|container| {
        let waiting = container.state.as_ref()?.waiting.as_ref()?;
        let reason = waiting.reason.as_deref()?;
        (!matches!(reason, "ContainerCreating" | "PodInitializing"))
            .then_some((container, waiting, reason))
    });
    if let Some((container, waiting, reason)) = waits {
        return held_up(scene, pod, container, waiting, reason);
    }
    if let Some((at, message)) = newest(scene, "FailedMount")
        && newest(scene, "Started").is_none_or(|(started, _)| started < at)
    {
        return JobPhase::Waiting(format!("its order is not there yet: {}", short(message)));
    }
    let pulling = newest(scene, "Pulling");
    let pulled = newest(scene, "Pulled");
    match pulling {
        Some((at, message)) if pulled.is_none_or(|(pulled, _)| pulled < at) => {
            let image = message.split('"').nth(1).unwrap_or("its image");
            JobPhase::Waiting(format!("node `{node}` pulls `{}`", short(image)))
        }
        Some(_) | None => JobPhase::Waiting(format!("starts on node `{node}`")),
    }
}

/// The end of a chain of causes, which tells most: runtimes put what they were doing before it, each time with the image's name.
fn last_words(message: &str) -> String {
    let causes: Vec<&str> = message.split(": ").collect();
    let first = causes.len().saturating_sub(LAST_CAUSES);
    causes[first..].join(": ")
}

fn containers(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let status = pod.status.as_ref();
    let early = status.and_then(|status| status.init_container_statuses.as_ref());
    let late = status.and_then(|status| status.container_statuses.as_ref());
    early
        .into_iter()
        .flatten()
        .chain(late.into_iter().flatten())
}

fn held_up(
    scene: &Scene,
    pod: &Pod,
    container: &ContainerStatus,
    waiting: &ContainerStateWaiting,
    reason: &str,
) -> JobPhase {
    let message = waiting.message.as_deref().unwrap_or_default();
    let is_image = matches!(
        reason,
        "ErrImagePull"
            | "ImagePullBackOff"
            | "InvalidImageName"
            | "ErrImageNeverPull"
            | "ImageInspectError"
            | "RegistryUnavailable"
    );
    let whose = scene.steps.get(&container.name);
    if !is_image {
        let what = whose.map_or("its container".to_owned(), |steps| {
            format!("the container of {steps}")
        });
        return JobPhase::Waiting(format!(
            "{what} cannot be started ({reason}): {}",
            short(message)
        ));
    }
    // While it waits between two tries, the reason of the last stands in an event only.
    let cause = newest(scene, "Failed").filter(|(_, text)| text.starts_with("Failed to pull"));
    let message = cause.map_or(message, |(_, text)| text);
    let what = format!(
        "image `{}`{} cannot be pulled: {}",
        short(&container.image),
        whose.map_or(String::new(), |steps| format!(" of {steps}")),
        short(&last_words(message))
    );
    match pulling_since(pod) {
        Some(since) if scene.now_ms - since > PULL_WAIT_MS => JobPhase::Failed(
            FailureKind::Agent,
            format!("{what}; it was tried for {} min", PULL_WAIT_MS / 60_000),
        ),
        Some(_) | None => JobPhase::Waiting(format!("{what}; it is tried again")),
    }
}

/// Since when the image of the next container may be pulled: the end of the one before it, else the start of the pod.
fn pulling_since(pod: &Pod) -> Option<i64> {
    let ended = containers(pod).filter_map(|container| {
        let end = container.state.as_ref()?.terminated.as_ref()?;
        end.finished_at.as_ref().map(millis)
    });
    let started = pod.status.as_ref()?.start_time.as_ref().map(millis);
    ended.chain(started).max()
}
