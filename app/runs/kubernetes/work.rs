//! What is done at the API server: Jobs are sent and removed, their Secrets handed over, controllers heard.
//!
//! Every call may be made twice: names are those of stages, and what is there already is taken as ours.

use super::super::desk::Desk;
use super::board::{Board, Post, Want};
use super::order::{Orders, Place};
use crate::cluster::{Cluster, FIELD_MANAGER, Trouble, TroubleKind};
use bowsprit_core::training::job::{QUEUE_LABEL, phase};
use bowsprit_core::training::spec::FailureKind;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, Secret};
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Calls under way at once.
const CALLS_MAX: usize = 8;
/// The loop looks again after this long, whoever wakes it.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long a Job stays for people to look at after its verdict is kept. Units: seconds.
const KEPT_S: i32 = 60 * 60;
/// Most events of one stage that are read.
const EVENTS_MAX: u32 = 50;

/// What the loop works with.
pub(super) struct Hands {
    pub(super) cluster: Cluster,
    pub(super) board: Arc<Board>,
    pub(super) orders: Arc<Orders>,
    /// Where the desks of stages are.
    pub(super) dir: PathBuf,
}

impl Hands {
    /// Does what is wanted until this is dropped with its last holder.
    pub(super) async fn work(self: Arc<Hands>) {
        let calls = Arc::new(Semaphore::new(CALLS_MAX));
        loop {
            let woken = self.board.wake.notified();
            for (stage, place, want) in self.due() {
                let Ok(call) = Arc::clone(&calls).acquire_owned().await else {
                    return;
                };
                let hands = Arc::clone(&self);
                tokio::spawn(async move {
                    hands.carry_out(&stage, &place, want).await;
                    drop(call);
                });
            }
            tokio::select! {
                () = woken => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// What is to be done now; from here on it counts as being done.
    fn due(&self) -> Vec<(String, Place, Want)> {
        let now = Instant::now();
        let mut due = Vec::new();
        for (stage, post) in self.board.posts().iter_mut() {
            if !post.is_busy
                && post.due <= now
                && let Some(want) = post.want.take()
            {
                post.is_busy = true;
                due.push((stage.clone(), post.place.clone(), want));
            }
        }
        due
    }

    async fn carry_out(&self, stage: &str, place: &Place, want: Want) {
        let done = match &want {
            Want::Create => self.create(stage).await,
            Want::Confirm => self.confirm(place).await,
            Want::Hand(uid) => self.hand(stage, uid).await,
            Want::Remove => self.remove(place).await,
            Want::Listen => self.listen(place).await,
        };
        let mut posts = self.board.posts();
        let Some(post) = posts.get_mut(stage) else {
            return;
        };
        post.is_busy = false;
        match done {
            Ok(done) => {
                post.succeed();
                done.note(post);
            }
            Err(trouble) => {
                tracing::warn!(run.stage = %stage, "stage `{stage}`, {want:?}: {trouble}");
                note(post, &want, trouble);
            }
        }
        drop(posts);
        self.board.wake.notify_one();
    }

    fn desk(&self, stage: &str) -> Desk {
        Desk::new(self.dir.join(stage))
    }

    async fn create(&self, stage: &str) -> Result<Done, Trouble> {
        let desk = self.desk(stage);
        let spec = desk.spec().map_err(ours)?;
        let started = desk.started().map_err(ours)?;
        let Some(started) = started.filter(|_| !desk.is_cancelled()) else {
            return Ok(Done::Nothing);
        };
        let job = self.orders.job(&spec, &started);
        let namespace = self.orders.place(&spec).namespace;
        let (job, is_new) = self.cluster.create(&namespace, &job).await?;
        if !is_new {
            tracing::info!(run.stage = %stage, "the Job of stage `{stage}` is there already");
        }
        match job.metadata.uid {
            // At once: the pod cannot begin without it.
            Some(uid) => self.hand(stage, &uid).await.map(|_| Done::Created),
            None => Ok(Done::Created),
        }
    }

    async fn hand(&self, stage: &str, uid: &str) -> Result<Done, Trouble> {
        let desk = self.desk(stage);
        let spec = desk.spec().map_err(ours)?;
        let Some(started) = desk.started().map_err(ours)? else {
            return Ok(Done::Nothing);
        };
        let secret = self
            .orders
            .secret(&spec, &started, uid, &desk)
            .map_err(ours)?;
        let namespace = self.orders.place(&spec).namespace;
        // Not read back: we have no right to read Secrets.
        match self.cluster.send::<Secret>(&namespace, &secret).await {
            Ok(()) => Ok(Done::Handed),
            Err(trouble) if trouble.kind == TroubleKind::Exists => Ok(Done::Handed),
            Err(trouble) => Err(trouble),
        }
    }

    async fn confirm(&self, place: &Place) -> Result<Done, Trouble> {
        let jobs = self.cluster.all::<Job>(&place.namespace);
        let found = jobs.get_opt(&place.name).await.map_err(Trouble::of)?;
        Ok(match found {
            Some(_) => Done::Created,
            None => Done::Gone,
        })
    }

    async fn remove(&self, place: &Place) -> Result<Done, Trouble> {
        self.cluster
            .remove::<Job>(&place.namespace, &place.name)
            .await?;
        Ok(Done::Removed)
    }

    async fn listen(&self, place: &Place) -> Result<Done, Trouble> {
        let Some(job) = self.board.job(place) else {
            return Ok(Done::Nothing);
        };
        let pods = self.board.pods(place, &job);
        let names = pods.into_iter().filter_map(|pod| pod.metadata.name);
        let events = self.cluster.all::<Event>(&place.namespace);
        let mut heard = Vec::new();
        for name in std::iter::once(place.name.clone()).chain(names) {
            let about = ListParams::default()
                .fields(&format!("involvedObject.name={name}"))
                .limit(EVENTS_MAX);
            heard.extend(events.list(&about).await.map_err(Trouble::of)?.items);
        }
        let queued = match job.metadata.labels.as_ref() {
            Some(labels) if labels.contains_key(QUEUE_LABEL) => {
                Some(self.queued(place, &job).await)
            }
            Some(_) | None => None,
        };
        Ok(Done::Heard(heard, queued))
    }

    /// What Kueue says of a Job; nothing where it is not there.
    async fn queued(&self, place: &Place, job: &Job) -> phase::Queued {
        let gvk = GroupVersionKind::gvk("kueue.x-k8s.io", "v1beta1", "Workload");
        let workloads = ApiResource::from_gvk(&gvk);
        let workloads: kube::Api<DynamicObject> =
            kube::Api::namespaced_with(self.cluster.client(), &place.namespace, &workloads);
        let uid = job.metadata.uid.as_deref().unwrap_or_default();
        let about = ListParams::default().labels(&format!("kueue.x-k8s.io/job-uid={uid}"));
        let found = workloads.list(&about).await;
        let workload = found.ok().and_then(|list| list.items.into_iter().next());
        let workload = workload.and_then(|workload| serde_json::to_value(workload).ok());
        let queue = job
            .metadata
            .labels
            .as_ref()
            .and_then(|labels| labels.get(QUEUE_LABEL));
        let pending = match queue {
            Some(queue) => self.pending(&place.namespace, queue).await,
            None => None,
        };
        phase::queued(workload.as_ref(), pending.as_ref())
    }

    /// Who waits in a queue, where Kueue's on-demand view is there.
    async fn pending(&self, namespace: &str, queue: &str) -> Option<serde_json::Value> {
        let path = format!(
            "/apis/visibility.kueue.x-k8s.io/v1beta1/namespaces/{namespace}/localqueues/{queue}/pendingworkloads"
        );
        let request = http::Request::get(path).body(Vec::new()).ok()?;
        self.cluster.client().request(request).await.ok()
    }

    /// Lets Jobs go whose stages are over, or not known to anybody for long: the cluster removes them after a while.
    ///
    /// `is_over` tells of a stage; `None` where it is not known.
    pub(super) async fn let_go(&self, is_over: impl Fn(&str) -> Option<bool>) {
        for (name, namespace) in &self.board.namespaces {
            for job in namespace.jobs.state_filter(is_kept) {
                let stage = stage_of(&job);
                let (Some(stage), Some(job_name)) = (stage, job.metadata.name.as_deref()) else {
                    continue;
                };
                let (is_over, now) = (is_over(stage), jiff::Timestamp::now());
                if !phase::may_go(&job, is_over, now.as_millisecond()) {
                    continue;
                }
                if is_over.is_none() {
                    tracing::info!("Job `{job_name}` is let go: nobody knows its stage `{stage}`");
                }
                let end = serde_json::json!({"spec": {"ttlSecondsAfterFinished": KEPT_S}});
                let how = PatchParams {
                    field_manager: Some(FIELD_MANAGER.to_owned()),
                    ..PatchParams::default()
                };
                let jobs = self.cluster.all::<Job>(name);
                let patched = jobs.patch(job_name, &how, &Patch::Merge(&end)).await;
                if let Err(trouble) = patched.map_err(Trouble::of)
                    && trouble.kind != TroubleKind::Missing
                {
                    tracing::warn!("Job `{job_name}` cannot be let go yet: {trouble}");
                }
            }
        }
    }
}

/// The stage that a Job is for.
pub(super) fn stage_of(job: &Job) -> Option<&str> {
    let annotations = job.metadata.annotations.as_ref()?;
    annotations
        .get(bowsprit_core::training::job::STAGE_LABEL)
        .map(String::as_str)
}

/// Whether a Job is over and stays until it is let go.
fn is_kept(job: &Job) -> bool {
    let ttl = job
        .spec
        .as_ref()
        .and_then(|spec| spec.ttl_seconds_after_finished);
    phase::is_over(job) && ttl.is_none()
}

/// Whether a Job was let go: one of an earlier stage of this name, which must make room.
pub(super) fn is_spent(job: &Job) -> bool {
    let spec = job.spec.as_ref();
    spec.and_then(|spec| spec.ttl_seconds_after_finished)
        .is_some()
}

/// Something on our side: the desk cannot be read.
fn ours(error: anyhow::Error) -> Trouble {
    Trouble {
        kind: TroubleKind::Unreachable,
        message: format!("{error:#}"),
    }
}

/// What was done.
enum Done {
    Nothing,
    Created,
    Handed,
    Removed,
    Gone,
    Heard(Vec<Event>, Option<phase::Queued>),
}

impl Done {
    fn note(self, post: &mut Post) {
        match self {
            Done::Nothing => {}
            Done::Created => {
                post.created = Some(Instant::now());
                post.is_handed = true;
            }
            Done::Handed => post.is_handed = true,
            Done::Removed => post.is_removed = true,
            Done::Gone => {
                post.created = None;
                post.was_there = true;
            }
            Done::Heard(events, queued) => {
                post.events = (events, Some(Instant::now()));
                post.queued = queued;
            }
        }
    }
}

/// Notes what could not be done. What no waiting changes ends the stage.
fn note(post: &mut Post, want: &Want, trouble: Trouble) {
    match want {
        Want::Create if trouble.kind == TroubleKind::Invalid => {
            let why = format!("the cluster does not take its Job: {trouble}");
            post.ending = Some((FailureKind::Agent, why));
        }
        Want::Listen => {
            // What is said of a stage only explains it.
            post.events.1 = Some(Instant::now());
        }
        Want::Create | Want::Confirm | Want::Hand(_) | Want::Remove => {
            let what = match trouble.kind {
                TroubleKind::Quota => format!("waits for room: {trouble}"),
                TroubleKind::Missing => format!("cannot be sent: {trouble}; create the namespace"),
                TroubleKind::Forbidden
                | TroubleKind::Invalid
                | TroubleKind::Exists
                | TroubleKind::Conflict
                | TroubleKind::Gone
                | TroubleKind::Unreachable => trouble.to_string(),
            };
            post.fail(what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::board::Namespace;
    use super::*;
    use crate::cluster::fake;
    use kube::runtime::reflector;
    use kube::runtime::watcher::Event as Seen;
    use serde_json::json;
    use std::sync::Mutex;
    use tokio::sync::Notify;

    /// A Job of ours that ended so many days ago.
    fn ended(stage: &str, days: i64) -> Job {
        let at = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24 * days);
        let job = json!({"metadata": {"name": format!("job-{stage}"), "namespace": "n", "annotations": {"bowsprit.dev/stage": stage}},
            "status": {"conditions": [{"type": "Failed", "status": "True", "lastTransitionTime": at.to_string()}]}});
        serde_json::from_value(job).unwrap()
    }

    #[tokio::test]
    async fn jobs_go_whose_stages_are_over_or_long_unknown() {
        let (jobs, mut seen) = reflector::store();
        for job in [
            ended("over", 0),
            ended("under-way", 30),
            ended("unknown", 1),
            ended("long-unknown", 30),
        ] {
            seen.apply_watcher_event(&Seen::Apply(job));
        }
        let namespace = Namespace {
            jobs,
            pods: reflector::store().0,
            is_known: Default::default(),
            trouble: Mutex::new(None),
        };
        let fake = fake::serve(|asked| {
            let job = json!({"metadata": {"name": "any"}});
            (asked.method == "PATCH").then(|| (200, job.to_string()))
        })
        .await;
        let dir = tempfile::tempdir().unwrap();
        let mut settings = crate::config::Cluster::unused();
        settings.base_image = Some("base".to_owned());
        settings.agent_image = Some("agent".to_owned());
        let namespaces = [("n".to_owned(), Arc::new(namespace))];
        let hands = Hands {
            cluster: fake.cluster.clone(),
            board: Arc::new(Board::new(namespaces.into(), Arc::new(Notify::new()))),
            orders: Arc::new(Orders::open(&settings, dir.path()).unwrap()),
            dir: dir.path().to_owned(),
        };
        let is_over = |stage: &str| match stage {
            "over" => Some(true),
            "under-way" => Some(false),
            _ => None,
        };
        hands.let_go(is_over).await;
        let mut asked = fake.lines();
        asked.sort();
        let path = "PATCH /apis/batch/v1/namespaces/n/jobs";
        assert_eq!(
            asked,
            [
                format!("{path}/job-long-unknown"),
                format!("{path}/job-over")
            ]
        );
    }
}
