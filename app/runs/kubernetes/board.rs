//! What is known of the cluster: its Jobs and pods as the watch tells them, and how far each stage of ours is.

use super::order::Place;
use bowsprit_core::training::job::phase::{Queued, Taken};
use bowsprit_core::training::spec::FailureKind;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::runtime::reflector::{ObjectRef, Store};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// First wait before a call is tried again; it doubles.
const RETRY_MIN: Duration = Duration::from_secs(1);
/// Longest such wait.
const RETRY_MAX: Duration = Duration::from_secs(60);

/// Pods of one stage that the cluster took away and that are remembered.
const TAKEN_MAX: usize = 50;

/// What is known of a namespace.
pub(super) struct Namespace {
    /// Jobs of ours.
    pub(super) jobs: Store<Job>,
    /// Their pods.
    pub(super) pods: Store<Pod>,
    /// Whether the first lists are complete.
    pub(super) is_known: [AtomicBool; 2],
    /// What the watch complains about.
    pub(super) trouble: Mutex<Option<String>>,
}

/// What is known, and what is to be done.
pub(super) struct Board {
    /// By name.
    pub(super) namespaces: BTreeMap<String, Arc<Namespace>>,
    posts: Mutex<BTreeMap<String, Post>>,
    /// Something is to be done.
    pub(super) wake: Arc<Notify>,
}

/// One stage that was sent to the cluster.
pub(super) struct Post {
    /// Where its Job is.
    pub(super) place: Place,
    /// What is to be done next.
    pub(super) want: Option<Want>,
    /// Whether somebody does it now.
    pub(super) is_busy: bool,
    /// Not before this.
    pub(super) due: Instant,
    tries: u32,
    /// When the API server took the Job, until the watch has shown it.
    pub(super) created: Option<Instant>,
    /// Whether the Job was ever there.
    pub(super) was_there: bool,
    /// Whether the Secret was taken.
    pub(super) is_handed: bool,
    /// Whether the Job is gone because we wanted it to be.
    pub(super) is_removed: bool,
    /// What went wrong last.
    pub(super) trouble: Option<String>,
    /// How the stage ends once its Job is gone.
    pub(super) ending: Option<(FailureKind, String)>,
    /// What controllers said of it, and when they were asked.
    pub(super) events: (Vec<Event>, Option<Instant>),
    /// How it stands in Kueue's queue.
    pub(super) queued: Option<Queued>,
    /// What its containers run, in words.
    pub(super) steps: BTreeMap<String, String>,
    /// Its pods that the cluster took away. A bot that starts again knows only of those that are still there.
    pub(super) taken: Vec<Taken>,
}

/// What is to be done for a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Want {
    /// Send its Job.
    Create,
    /// Ask whether its Job is there, which the watch does not show.
    Confirm,
    /// Send the Secret of the Job with this uid.
    Hand(String),
    /// Remove its Job.
    Remove,
    /// Ask what was said of it.
    Listen,
}

impl Post {
    /// A stage whose Job may or may not be there.
    pub(super) fn at(place: Place) -> Post {
        Post {
            place,
            want: None,
            is_busy: false,
            due: Instant::now(),
            tries: 0,
            created: None,
            was_there: false,
            is_handed: false,
            is_removed: false,
            trouble: None,
            ending: None,
            events: (Vec::new(), None),
            queued: None,
            steps: BTreeMap::new(),
            taken: Vec::new(),
        }
    }

    /// Remembers pods that the cluster took away, each once, and no more than the newest [`TAKEN_MAX`].
    pub(super) fn remember(&mut self, taken: Vec<Taken>) {
        for one in taken {
            if !self.taken.iter().any(|known| known.pod == one.pod) {
                self.taken.push(one);
            }
        }
        let surplus = self.taken.len().saturating_sub(TAKEN_MAX);
        self.taken.drain(..surplus);
    }

    /// Asks for something, unless something is being done.
    pub(super) fn want(&mut self, want: Want) {
        if !self.is_busy {
            self.want = Some(want);
        }
    }

    /// Something was done.
    pub(super) fn succeed(&mut self) {
        self.tries = 0;
        self.trouble = None;
        self.due = Instant::now();
    }

    /// Something could not be done yet.
    pub(super) fn fail(&mut self, why: String) {
        let wait = RETRY_MIN.saturating_mul(1 << self.tries.min(10));
        self.tries += 1;
        self.due = Instant::now() + wait.min(RETRY_MAX);
        self.trouble = Some(why);
    }
}

impl Board {
    /// Nothing is known of these namespaces yet.
    pub(super) fn new(namespaces: BTreeMap<String, Arc<Namespace>>, wake: Arc<Notify>) -> Board {
        Board {
            namespaces,
            posts: Mutex::new(BTreeMap::new()),
            wake,
        }
    }

    /// Every stage that was sent.
    pub(super) fn posts(&self) -> MutexGuard<'_, BTreeMap<String, Post>> {
        self.posts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what is known of a namespace is complete.
    pub(super) fn is_known(&self, namespace: &str) -> bool {
        self.namespaces.get(namespace).is_some_and(|namespace| {
            let known = namespace.is_known.iter();
            known.into_iter().all(|known| known.load(Ordering::Acquire))
        })
    }

    /// What keeps us from knowing a namespace.
    pub(super) fn trouble(&self, namespace: &str) -> Option<String> {
        let trouble = &self.namespaces.get(namespace)?.trouble;
        trouble
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// A Job, as the watch knows it.
    pub(super) fn job(&self, place: &Place) -> Option<Arc<Job>> {
        let jobs = &self.namespaces.get(&place.namespace)?.jobs;
        jobs.get(&ObjectRef::new(&place.name).within(&place.namespace))
    }

    /// The pods of a Job.
    pub(super) fn pods(&self, place: &Place, job: &Job) -> Vec<Pod> {
        let Some(namespace) = self.namespaces.get(&place.namespace) else {
            return Vec::new();
        };
        let uid = job.metadata.uid.as_deref();
        let is_its = |pod: &Pod| {
            let owners = pod.metadata.owner_references.iter().flatten();
            owners
                .into_iter()
                .any(|owner| Some(owner.uid.as_str()) == uid)
        };
        let pods = namespace.pods.state_filter(|pod| is_its(pod));
        pods.iter().map(|pod| Pod::clone(pod)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_that_were_taken_are_remembered_once_and_the_newest_stay() {
        let mut post = Post::at(Place {
            namespace: "n".to_owned(),
            name: "job".to_owned(),
        });
        let pod = |number: usize| Taken {
            pod: format!("p{number}"),
            why: "the node `a` went away".to_owned(),
        };
        post.remember(vec![pod(0), pod(1)]);
        post.remember(vec![pod(1), pod(2)]);
        assert_eq!(post.taken, [pod(0), pod(1), pod(2)]);
        post.remember((3..TAKEN_MAX + 2).map(pod).collect());
        assert_eq!(post.taken.len(), TAKEN_MAX);
        assert_eq!(post.taken.first(), Some(&pod(2)));
    }
}
