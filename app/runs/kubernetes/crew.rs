//! Agents in pods: what is wanted of the cluster for each stage, and how its agent stands.
//!
//! Nothing here asks the API server: it reads the board, and writes there what the loop of `work.rs` is to do.
//! The name of a Job is that of its stage, so that whoever sends it twice meets the first.

use super::super::crew::{Crew, Standing};
use super::super::desk::{Desk, Started};
use super::board::{Board, Post, Want};
use super::order::Orders;
use super::work::is_spent;
use bowsprit_core::training::job;
use bowsprit_core::training::job::phase::{self, JobPhase, Scene};
use bowsprit_core::training::spec::{FailureKind, RunSpec};
use k8s_openapi::api::batch::v1::Job;
use std::sync::Arc;
use std::time::Duration;

/// How long the watch may not show a Job that the API server took, before it is asked for.
const LAG_MAX: Duration = Duration::from_secs(30);
/// How often controllers are asked what they say of a stage that waits.
const LISTEN_EVERY: Duration = Duration::from_secs(5);

/// The crew.
pub(super) struct Pods {
    board: Arc<Board>,
    orders: Arc<Orders>,
}

impl Pods {
    /// Agents in the pods of this cluster.
    pub(super) fn new(board: Arc<Board>, orders: Arc<Orders>) -> Pods {
        Pods { board, orders }
    }
}

impl Crew for Pods {
    fn begin(&mut self, stage: &str, desk: &Desk, _: &mut Started) {
        match desk.spec() {
            Ok(spec) => {
                let mut post = self.post(&spec);
                post.want(Want::Create);
                self.board.posts().insert(stage.to_owned(), post);
                self.board.wake.notify_one();
            }
            // Looked at again with the next call.
            Err(error) => tracing::error!(run.stage = %stage, "stage `{stage}`: {error:#}"),
        }
    }

    fn look(&mut self, stage: &str, desk: &Desk, _: &Started) -> Standing {
        let mut posts = self.board.posts();
        if !posts.contains_key(stage) {
            let Ok(spec) = desk.spec() else {
                return Standing::Lost(
                    FailureKind::Agent,
                    "its order cannot be read any more; run it again".to_owned(),
                );
            };
            posts.insert(stage.to_owned(), self.post(&spec));
        }
        let Some(post) = posts.get_mut(stage) else {
            return Standing::AtWork;
        };
        let standing = self.standing(post, desk);
        if post.want.is_some() {
            self.board.wake.notify_one();
        }
        standing
    }

    fn release(&mut self, stage: &str) {
        let mut posts = self.board.posts();
        if let Some(post) = posts.get(stage)
            && !post.is_busy
        {
            posts.remove(stage);
        }
    }
}

impl Pods {
    fn post(&self, spec: &RunSpec) -> Post {
        let mut post = Post::at(self.orders.place(spec));
        post.steps = job::steps_of_containers(spec);
        post
    }

    fn standing(&self, post: &mut Post, desk: &Desk) -> Standing {
        if !self.board.is_known(&post.place.namespace) {
            let trouble = self.board.trouble(&post.place.namespace);
            return match (desk.status(), trouble) {
                // It worked when it was heard of last, and most likely still does.
                (Some(_), _) => Standing::AtWork,
                (None, Some(trouble)) => Standing::Waiting(trouble),
                (None, None) => Standing::Waiting("asks the cluster how it stands".to_owned()),
            };
        }
        match self.board.job(&post.place) {
            Some(job) => self.with_job(post, desk, &job),
            None => without_job(post, desk),
        }
    }

    fn with_job(&self, post: &mut Post, desk: &Desk, job: &Job) -> Standing {
        post.was_there = true;
        post.created = None;
        if post.ending.is_some() || desk.is_cancelled() || is_spent(job) {
            post.want(Want::Remove);
            let why = post.ending.as_ref().map(|(_, why)| why.clone());
            return Standing::Waiting(why.unwrap_or_else(|| "is being ended".to_owned()));
        }
        if !post.is_handed
            && !phase::is_over(job)
            && let Some(uid) = &job.metadata.uid
        {
            post.want(Want::Hand(uid.clone()));
        }
        let pods = self.board.pods(&post.place, job);
        post.remember(phase::taken(&pods));
        let scene = Scene {
            pods,
            job: job.clone(),
            events: post.events.0.clone(),
            queued: post.queued.clone(),
            steps: post.steps.clone(),
            taken: post.taken.clone(),
            now_ms: jiff::Timestamp::now().as_millisecond(),
        };
        match phase::phase(&scene) {
            JobPhase::Waiting(why) => {
                let asked = post.events.1;
                let is_due = asked.is_none_or(|at| at.elapsed() > LISTEN_EVERY);
                if is_due && post.want.is_none() {
                    post.want(Want::Listen);
                }
                match &post.trouble {
                    Some(trouble) if !post.is_handed => Standing::Waiting(trouble.clone()),
                    Some(_) | None => Standing::Waiting(why),
                }
            }
            JobPhase::Running => Standing::AtWork,
            // The last word comes before the agent ends; it may just have come.
            JobPhase::Complete | JobPhase::Failed(..) if desk.has_result() => Standing::AtWork,
            JobPhase::Complete => Standing::Lost(
                FailureKind::Agent,
                "its pod ended well and left no result; `cluster.agent_image` must hold the agent of this version"
                    .to_owned(),
            ),
            JobPhase::Failed(kind, why) if phase::is_over(job) => Standing::Lost(kind, why),
            JobPhase::Failed(kind, why) => {
                // No other pod may begin once the stage is over.
                post.ending = Some((kind, why.clone()));
                post.want(Want::Remove);
                Standing::Waiting(why)
            }
        }
    }
}

fn without_job(post: &mut Post, desk: &Desk) -> Standing {
    if let Some((kind, why)) = &post.ending {
        return Standing::Lost(*kind, why.clone());
    }
    if desk.is_cancelled() {
        if post.is_removed {
            return Standing::Lost(FailureKind::Lost, "it was cancelled".to_owned());
        }
        // Whether a call that got no answer made it is not known: what may be there is removed.
        post.want(Want::Remove);
        return Standing::Waiting("is being ended".to_owned());
    }
    if let Some(created) = post.created {
        if created.elapsed() > LAG_MAX {
            post.want(Want::Confirm);
        }
        return Standing::Waiting("is on its way to the cluster".to_owned());
    }
    let has_begun = !matches!(desk.attempt(), Ok(None));
    if has_begun {
        return Standing::Lost(
            FailureKind::Lost,
            "its Job was deleted in the cluster while it worked; run it again".to_owned(),
        );
    }
    if post.was_there {
        return Standing::NeverBegan(
            "its Job was deleted in the cluster each time before it began; look who does that"
                .to_owned(),
        );
    }
    post.want(Want::Create);
    let why = post.trouble.clone();
    Standing::Waiting(why.unwrap_or_else(|| "is being sent to the cluster".to_owned()))
}
