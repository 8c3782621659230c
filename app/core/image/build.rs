//! How a build stands, read from its Job and the pods of that.
//!
//! Pods are foreign from the moment that code of users ran in them: their words are cut and shown, and never believed.

#[cfg(test)]
mod tests;

use super::job::{BUILD, EXIT_TEST, EXIT_TEXT, PUSH, claimed_digest, last_lines};
use crate::name::Digest;
use k8s_openapi::api::batch::v1::{Job, JobStatus};
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod};

/// How a build stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Build {
    /// It goes on.
    Active {
        /// Why it does not move, where the cluster says so.
        waiting: Option<String>,
    },
    /// The image was pushed, by its own word.
    Pushed {
        /// The digest that the registry must be asked for.
        digest: Digest,
        /// From the Job's start to its end. Units: seconds.
        seconds: u64,
    },
    /// There will be no image.
    Failed {
        /// Why, for a person: what failed, then the last lines.
        reason: String,
    },
}

/// Reasons of a waiting container that mean trouble, not a beginning. Source: kubelet, images/types.go, v1.33.
const TROUBLES: [&str; 6] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
];

/// How the build of this Job stands; `pods` are the Job's own.
pub fn build(job: &Job, pods: &[Pod]) -> Build {
    let status = job.status.clone().unwrap_or_default();
    if is_condition(&status, "Complete").is_some() {
        return pushed(&status, pods);
    }
    match is_condition(&status, "Failed") {
        Some(cause) => Build::Failed {
            reason: reason(&cause, pods),
        },
        None => Build::Active {
            waiting: waiting(pods),
        },
    }
}

/// The reason of a condition that holds. `FailureTarget` and `SuccessCriteriaMet` come before an end and are none.
fn is_condition(status: &JobStatus, kind: &str) -> Option<String> {
    let conditions = status.conditions.iter().flatten();
    conditions
        .into_iter()
        .find(|condition| condition.type_ == kind && condition.status == "True")
        .map(|condition| condition.reason.clone().unwrap_or_default())
}

fn pushed(status: &JobStatus, pods: &[Pod]) -> Build {
    let claimed = pods
        .iter()
        .flat_map(ended)
        .filter(|(name, end)| *name == PUSH && end.exit_code == 0)
        .find_map(|(_, end)| claimed_digest(end.message.as_deref().unwrap_or_default()));
    let seconds = match (&status.start_time, &status.completion_time) {
        (Some(start), Some(end)) => end.0.as_second().saturating_sub(start.0.as_second()),
        (Some(_) | None, Some(_) | None) => 0,
    };
    match claimed {
        Some(digest) => Build::Pushed {
            digest,
            seconds: u64::try_from(seconds).unwrap_or_default(),
        },
        None => Build::Failed {
            reason: "the build ended well, but did not say which image it pushed".to_owned(),
        },
    }
}

/// The end of each container that has ended, initial ones first.
fn ended(pod: &Pod) -> Vec<(&str, &ContainerStateTerminated)> {
    statuses(pod)
        .filter_map(|status| {
            let end = status.state.as_ref()?.terminated.as_ref()?;
            Some((status.name.as_str(), end))
        })
        .collect()
}

fn statuses(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let status = pod.status.iter();
    status.flat_map(|status| {
        let first = status.init_container_statuses.iter().flatten();
        first.chain(status.container_statuses.iter().flatten())
    })
}

fn reason(cause: &str, pods: &[Pod]) -> String {
    if cause == "DeadlineExceeded" {
        return "the build took too long and was ended".to_owned();
    }
    // The pod made last tells why no other follows.
    let mut pods: Vec<&Pod> = pods.iter().collect();
    pods.sort_by_key(|pod| {
        let made = pod.metadata.creation_timestamp.as_ref();
        std::cmp::Reverse(made.map(|time| time.0))
    });
    let failed = pods
        .into_iter()
        .flat_map(ended)
        .find(|(_, end)| end.exit_code != 0);
    let Some((name, end)) = failed else {
        return format!("the build failed and its pod is gone ({cause})");
    };
    let what = match (name, end.exit_code, end.reason.as_deref()) {
        (_, _, Some("OOMKilled")) => "the build ran out of memory",
        (_, _, Some("Evicted")) => "the node ran out of disk or memory during the build",
        (BUILD, EXIT_TEXT, _) => "the image could not be built",
        (BUILD, EXIT_TEST, _) => "the tests failed in the finished image, so it was not pushed",
        (BUILD, _, _) => "the builder could not begin",
        (PUSH, _, _) => "the image was built, but could not be pushed",
        ("pull", _, _) => "the base image could not be pulled",
        ("fetch", _, _) => "the files of the build could not be fetched",
        _ => "the build failed",
    };
    match last_lines(end.message.as_deref().unwrap_or_default()) {
        lines if lines.is_empty() => what.to_owned(),
        lines => format!("{what}:\n{lines}"),
    }
}

fn waiting(pods: &[Pod]) -> Option<String> {
    let stuck = pods.iter().flat_map(statuses).find_map(|status| {
        let waiting = status.state.as_ref()?.waiting.as_ref()?;
        let reason = waiting.reason.as_deref()?;
        let message = waiting.message.as_deref().unwrap_or_default();
        TROUBLES
            .contains(&reason)
            .then(|| last_lines(&format!("{reason}: {message}")))
    });
    stuck.or_else(|| pods.iter().find_map(unschedulable))
}

fn unschedulable(pod: &Pod) -> Option<String> {
    let conditions = pod.status.as_ref()?.conditions.iter().flatten();
    let found = conditions
        .into_iter()
        .find(|condition| condition.type_ == "PodScheduled" && condition.status == "False")?;
    let message = found.message.as_deref().unwrap_or("no node has room");
    Some(format!("no node takes it: {}", last_lines(message)))
}
