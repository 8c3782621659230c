//! A stage as a Kubernetes Job: one pod that passes the restricted Pod Security standard.
//!
//! The pod is given an address and a token, as a Secret, and asks the bot for its order: nothing that a contract or a
//! person wrote stands in the Job, so that no text of theirs can become a field, a label or an environment variable.

pub mod phase;
pub(crate) mod pod;
pub(crate) mod restricted;
#[cfg(test)]
mod tests;

use super::parts::Part;
use super::spec::{RunSpec, StageKind, Trust};
use crate::name::Digest;
use k8s_openapi::api::batch::v1::{
    Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule,
};
use k8s_openapi::api::core::v1::{PodTemplateSpec, Toleration};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

/// What of the cluster a Job is made for.
#[derive(Debug, Clone, PartialEq)]
pub struct JobContext {
    /// The namespace; trusted and untrusted stages have one each.
    pub namespace: String,
    /// The image that the steps run in, by digest.
    pub image: String,
    /// An image with the static binary `/bowsprit-agent`, by digest.
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
    /// The Secret with the bot's address, the one-run token and the named secrets: which keys it has, beside the paths
    /// below [`ORDER_DIR`] that they are mounted at.
    pub order: OrderSecret,
    /// Secrets by which nodes pull the images.
    pub pull_secrets: Vec<String>,
    /// Nodes must carry these labels.
    pub node_selector: BTreeMap<String, String>,
    /// Taints of nodes that the pod bears.
    pub tolerations: Vec<Toleration>,
    /// The resource name of a GPU.
    pub gpu_resource: String,
    /// Kueue's queue: the Job begins suspended, and Kueue lets it go on.
    pub queue: Option<String>,
}

/// The Secret that leads a pod to its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderSecret {
    /// Its name.
    pub name: String,
    /// Its keys, each with its path below [`ORDER_DIR`].
    pub items: BTreeMap<String, String>,
}

/// Where the Secret of a pod's order is mounted.
pub const ORDER_DIR: &str = "/run/order";
/// Where the agent of a pod keeps what it works on.
pub const RUN_DIR: &str = "/run/bowsprit";
/// Kueue's label. Source: Kueue, "Run a Kubernetes Job".
pub const QUEUE_LABEL: &str = "kueue.x-k8s.io/queue-name";

/// The label by which everything of ours is found.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The label that holds the stage's id.
pub const STAGE_LABEL: &str = "bowsprit.dev/stage";
/// The label that tells what a stage is for.
pub const KIND_LABEL: &str = "bowsprit.dev/kind";
/// The label that tells trusted stages from others; network policies select by it.
pub const TRUST_LABEL: &str = "bowsprit.dev/trust";

/// The container that runs the agent to the end of the stage.
const AGENT: &str = "agent";
/// Containers that run it for an earlier part of the steps, before their number.
const EARLIER: &str = "steps-";
/// How often a pod is tried again when the cluster, not the code, made it fail.
const RETRIES: i32 = 2;
/// Exit statuses that another try would not change: the agent's own and those of sysexits.h. Source: sysexits(3).
const FINAL_EXITS: std::ops::RangeInclusive<i32> = 64..=78;
/// The agent's exit status for a failure of the user's code.
const USER_EXIT: i32 = 42;
/// What pulling images, fetching, probing and uploading may take beside the steps. Units: seconds.
const SLACK_S: u64 = 900;
/// What pulling the image of one more container may take. Units: seconds.
const PULL_SLACK_S: u64 = 600;
/// Longest name of a Job and value of a label. Source: Kubernetes, "Object Names and IDs".
const NAME_CHARS_MAX: usize = 63;
/// Digits of the digest in a name that had to be cut or changed.
const HASH_CHARS: usize = 12;

/// The Job of a stage. The Secret of its order may come after it: the pod waits until it is there.
pub fn job(spec: &RunSpec, context: &JobContext) -> Job {
    let name = job_name(&spec.id);
    let labels = labels(spec, context);
    let metadata = ObjectMeta {
        name: Some(name.clone()),
        namespace: Some(context.namespace.clone()),
        labels: Some(with_queue(labels.clone(), context)),
        annotations: Some([(STAGE_LABEL.to_owned(), stage_text(&spec.id))].into()),
        ..ObjectMeta::default()
    };
    let deadline_s = deadline_s(spec);
    let template = PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels),
            ..ObjectMeta::default()
        }),
        spec: Some(pod::pod(spec, context, deadline_s)),
    };
    Job {
        metadata,
        spec: Some(JobSpec {
            // Where Kueue is asked, it decides when the Job begins; one that it does not know would wait for ever.
            suspend: context.queue.as_ref().map(|_| true),
            completions: Some(1),
            parallelism: Some(1),
            backoff_limit: Some(RETRIES),
            active_deadline_seconds: Some(deadline_s.saturating_mul(i64::from(RETRIES) + 1)),
            // No twin writes the same outputs while the first is still ending.
            pod_replacement_policy: Some("Failed".to_owned()),
            pod_failure_policy: Some(failure_policy(&spec.parts())),
            template,
            ..JobSpec::default()
        }),
        status: None,
    }
}

/// Which steps the containers of a stage run, in words by their names; of a stage in one container, nothing has to be told.
pub fn steps_of_containers(spec: &RunSpec) -> BTreeMap<String, String> {
    let parts = spec.parts();
    let last = parts.len() - 1;
    let named = parts.iter().enumerate().map(|(index, part)| {
        let steps = spec.steps[part.steps.clone()].iter();
        let names: Vec<String> = steps.map(|step| format!("`{}`", step.name)).collect();
        let container = match index == last {
            true => AGENT.to_owned(),
            false => earlier(index),
        };
        let word = if names.len() == 1 { "step" } else { "steps" };
        (
            container,
            format!("{word} {}", names.join(", ")),
            names.len(),
        )
    });
    let told = named.filter(|(_, _, count)| last > 0 && *count > 0);
    told.map(|(container, words, _)| (container, words))
        .collect()
}

/// The name of the container for the part of this index.
fn earlier(index: usize) -> String {
    format!("{EARLIER}{}", index + 1)
}

/// Whether a container of this name runs an agent, and with it steps.
fn is_at_work(container: &str) -> bool {
    container == AGENT || container.starts_with(EARLIER)
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
        (TRUST_LABEL, trust(spec.company()).to_owned()),
    ];
    let further = context.labels.iter();
    further
        .filter(|(key, value)| restricted::is_label_key(key) && restricted::is_label_value(value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .chain(ours.map(|(key, value)| (key.to_owned(), value)))
        .collect()
}

fn with_queue(
    mut labels: BTreeMap<String, String>,
    context: &JobContext,
) -> BTreeMap<String, String> {
    if let Some(queue) = &context.queue
        && restricted::is_label_value(queue)
    {
        labels.insert(QUEUE_LABEL.to_owned(), queue.clone());
    }
    labels
}

/// The stage's id as it stands in an annotation: of ids that are none, nothing.
fn stage_text(stage: &str) -> String {
    let is_id = stage
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'-');
    match is_id && stage.len() <= 2 * NAME_CHARS_MAX {
        true => stage.to_owned(),
        false => String::new(),
    }
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
    let pulls = spec.parts().into_iter().skip(1).map(|_| PULL_SLACK_S);
    let all = steps
        .chain(probe)
        .chain(pulls)
        .chain([spec.limits.prepare_timeout_s, SLACK_S])
        .fold(0, u64::saturating_add);
    // Kubernetes takes 32 bits of a pod's deadline.
    i64::from(i32::try_from(all).unwrap_or(i32::MAX))
}

/// An evicted pod is nobody's failure; a failure of the user's code is not tried again, in whichever container it was.
///
/// Source: Kubernetes, "Pod failure policy", stable since v1.31; rules are tried in order, and one that names no container
/// is about all of them, init containers too.
fn failure_policy(parts: &[Part]) -> PodFailurePolicy {
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
            container_name: (parts.len() == 1).then(|| AGENT.to_owned()),
            operator: "In".to_owned(),
            values: [USER_EXIT].into_iter().chain(FINAL_EXITS).collect(),
        }),
        on_pod_conditions: None,
    };
    PodFailurePolicy {
        rules: vec![disrupted, ended],
    }
}
