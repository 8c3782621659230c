//! Each environment has a task that looks at it whenever the cluster says that something changed, and now and then anyway.
//!
//! A watch only says "look"; what is so is read anew each time, so that nothing is lost by a watch that broke.

use super::judge;
use super::logs::Followers;
use super::papers::Papers;
use super::{Post, Yard};
use crate::cluster;
use crate::releases::environment::Key;
use bowsprit_core::serving::objects::Site;
use futures_util::stream::{BoxStream, StreamExt as _, select};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// An environment is looked at this often though nothing was said of it.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// After something was said, more is waited for this long.
const GATHER: Duration = Duration::from_millis(300);
/// After a look that failed, the next is at least this much later.
const TROUBLE_WAIT: Duration = Duration::from_secs(2);

/// One environment, as far as its papers do not say it.
pub(super) struct Watched {
    /// Its papers.
    pub(super) papers: Papers,
    /// Who changes it takes a turn.
    pub(super) turn: tokio::sync::Mutex<()>,
    /// Wakes its task.
    pub(super) poke: Notify,
    has_news: AtomicBool,
    is_over: AtomicBool,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Watched {
    /// An environment of which nothing is known but its papers; what they say is news to everybody.
    pub(super) fn new(papers: Papers) -> Arc<Watched> {
        Arc::new(Watched {
            papers,
            turn: tokio::sync::Mutex::default(),
            poke: Notify::new(),
            has_news: AtomicBool::new(true),
            is_over: AtomicBool::new(false),
            task: Mutex::default(),
        })
    }

    /// Whether there was something new since this was asked last.
    pub(super) fn take_news(&self) -> bool {
        self.has_news.swap(false, Ordering::Relaxed)
    }

    /// Starts the task where there is none.
    pub(super) fn tend(self: &Arc<Watched>, post: &Arc<Post>, key: &Key) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        let is_at_work = task.as_ref().is_some_and(|task| !task.is_finished());
        if !is_at_work && !self.is_over.load(Ordering::Relaxed) {
            let watching = watch(Arc::clone(self), Arc::clone(post), key.clone());
            *task = Some(tokio::spawn(watching));
        }
    }

    /// It is wanted, whoever was about to remove it.
    pub(super) fn begin(&self) {
        self.is_over.store(false, Ordering::Relaxed);
    }

    /// Ends the task: the environment is being removed.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
        let task = self
            .task
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(task) = task {
            task.abort();
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.end();
    }
}

async fn watch(watched: Arc<Watched>, post: Arc<Post>, (repo, environment): Key) {
    let mut said: Option<BoxStream<'static, ()>> = None;
    let mut followers = Followers::default();
    let mut trouble = String::new();
    loop {
        match look(&watched, &post, &mut followers).await {
            Ok(()) => trouble.clear(),
            Err(error) => {
                let words = format!("{error:#}");
                match judge::tell_trouble(&watched.papers, &words) {
                    Ok(true) => watched.has_news.store(true, Ordering::Relaxed),
                    Ok(false) => {}
                    Err(error) => tracing::error!("that cannot be told: {error:#}"),
                }
                if words != trouble {
                    tracing::warn!(
                        repo.id = repo.0,
                        "environment `{environment}` of repository {repo} cannot be looked at: {words}"
                    );
                    trouble = words;
                }
                tokio::time::sleep(TROUBLE_WAIT).await;
            }
        }
        if said.is_none() {
            said = watched.papers.site().ok().flatten().and_then(|site| {
                Some(changes(
                    post.clusters.of(site.cluster.as_ref()).ok()?,
                    &site,
                ))
            });
        }
        tokio::select! {
            () = watched.poke.notified() => {}
            () = next(&mut said) => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        tokio::time::sleep(GATHER).await;
    }
}

async fn look(watched: &Watched, post: &Post, followers: &mut Followers) -> anyhow::Result<()> {
    let _turn = watched.turn.lock().await;
    let yard = post.clusters.of_papers(&watched.papers)?;
    if let Some(found) = judge::look(yard, &watched.papers).await? {
        if found.is_news {
            watched.has_news.store(true, Ordering::Relaxed);
        }
        let path = watched.papers.desk.path("log.txt");
        followers.follow(&yard.cluster, &path, &found.pods);
    }
    Ok(())
}

async fn next(said: &mut Option<BoxStream<'static, ()>>) {
    match said {
        Some(said) => {
            said.next().await;
        }
        None => std::future::pending().await,
    }
}

/// Says whenever something of the environment changed, or a watch broke and begins anew.
fn changes(yard: &Yard, site: &Site) -> BoxStream<'static, ()> {
    let labels = site.selector();
    let pods = cluster::changes(yard.cluster.all::<Pod>(&site.namespace), &labels);
    let deployments = cluster::changes(yard.cluster.all::<Deployment>(&site.namespace), &labels);
    select(pods.map(drop), deployments.map(drop)).boxed()
}
