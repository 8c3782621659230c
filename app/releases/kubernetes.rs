//! The `kubernetes` target: a Deployment, an address and rules for each environment, in a namespace of its own or a shared one.
//!
//! Orders and keys are kept on this machine as by every target; the cluster runs, verifies and switches by itself, so that
//! environments outlive the bot. Nothing here removes what does not carry the environment's labels.

mod chart;
mod clusters;
mod copies;
mod judge;
mod ledger;
mod logs;
mod manifests;
mod papers;
mod room;
mod strays;
#[cfg(test)]
mod tests;
mod watch;
mod yard;

use super::environment::{Key, environment_dirs};
use super::keys::{Keys, Which};
use super::order;
use crate::artifacts::Artifacts;
use crate::cluster::Trouble;
use crate::config::Config;
use crate::files;
use crate::hands::{self, StartError};
use anyhow::Context as _;
use bowsprit_core::effect::DeployPlan;
use bowsprit_core::name::{RepoId, Slug};
use bowsprit_core::serving::gitops;
use bowsprit_core::serving::manifests::Manifests;
use bowsprit_core::serving::objects::{Rollout, Site, release_label};
use bowsprit_core::serving::spec::{Live, ServeSpec, ServerSpec};
use bowsprit_core::training::spec::{RuntimeSpec, Source};
use chart::Helm;
use clusters::Clusters;
pub use clusters::Ways;
pub use ledger::Commit;
use manifests::Files;
use papers::{Papers, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use strays::Strays;
use watch::Watched;
use yard::Yard;

/// Where runtimes are prepared in a pod.
const CACHE_DIR: &str = "/run/bowsprit/cache";

/// Largest order that is mounted; a Secret holds 1 MiB, and two orders beside the rules. Units: bytes.
const MOUNTED_BYTES_MAX: usize = 400 << 10;

/// The target; clones share it.
#[derive(Clone)]
pub struct Kubernetes {
    post: Arc<Post>,
}

/// What the target and its watchers share.
struct Post {
    dir: PathBuf,
    artifacts: Artifacts,
    helm: Helm,
    clusters: Clusters,
    book: Mutex<BTreeMap<Key, Arc<Watched>>>,
    strays: Strays,
}

impl Kubernetes {
    /// Opens `environments/` of the state directory and takes up what is there. Errors: an image is not named.
    pub(super) fn open(
        config: &Config,
        artifacts: Artifacts,
        ways: Ways,
        program: Vec<OsString>,
    ) -> anyhow::Result<Kubernetes> {
        let dir = hands::directory(&config.state_dir, "environments")?;
        let clusters = Clusters::new(config, ways)?;
        let found =
            environment_dirs(&dir).with_context(|| format!("cannot read `{}`", dir.display()))?;
        let known = found.into_iter().filter_map(|(key, dir)| {
            let papers = Papers::new(dir);
            papers
                .desk
                .is_ordered()
                .then(|| (key, Watched::new(papers)))
        });
        Ok(Kubernetes {
            post: Arc::new(Post {
                book: Mutex::new(known.collect()),
                strays: Strays::default(),
                dir,
                artifacts,
                helm: Helm::new(program, config)?,
                clusters,
            }),
        })
    }

    /// See [`super::Target::deploy`].
    pub(super) async fn deploy(
        &self,
        plan: &DeployPlan,
        snapshot: Source,
    ) -> Result<(), StartError> {
        let post = &self.post;
        if plan.image.is_none() {
            let runtime = plan.runtime.as_ref();
            hands::refuse(&snapshot, runtime, RuntimeSpec::unbuilt_refusal)?;
        }
        let models = hands::model_inputs(&post.artifacts, &plan.models).await?;
        let server = order::server(plan, (snapshot.clone(), models), CACHE_DIR.to_owned())?;
        let files = manifests::gather(plan, &snapshot, &post.helm)
            .await
            .inspect_err(|_| hands::drop_snapshot(&snapshot))?;
        let key = (plan.repo.id, plan.environment.clone());
        let papers = post.papers(&key);
        let yard = match post.clusters.for_order(&papers, plan.cluster.as_ref()) {
            Ok(yard) => yard.clone(),
            Err(refused) => {
                hands::drop_snapshot(&snapshot);
                return Err(refused);
            }
        };
        let watched = post.watched(&key);
        watched.begin();
        let turn = watched.turn.lock().await;
        let (papers, order) = (watched.papers.clone(), plan.clone());
        let place = yard.clone();
        let written = tokio::task::spawn_blocking(move || {
            write_order(&papers, &order, (snapshot, files, server), &place)
        });
        written.await.context("cannot give the order")??;
        if watched.papers.verdict(plan.generation)?.is_some() {
            // It was tried in vain already, and what served before is back.
            return Ok(());
        }
        let applied = judge::apply(&yard, &watched.papers).await;
        let outcome = match applied {
            Ok(()) => Ok(()),
            Err(error) => match error.downcast::<Trouble>() {
                Ok(trouble) if !trouble.is_passing() => {
                    // The cluster will not take it: what served before goes on.
                    let verdict = Verdict::new(plan.generation, trouble.message.clone());
                    watched.papers.write_verdict(&verdict)?;
                    Err(StartError::Refused(trouble.message))
                }
                // The order is written: whoever watches the environment goes on with it, however long the cluster is away.
                Ok(trouble) => {
                    tracing::warn!("the release of `{}` waits: {trouble}", plan.environment);
                    Ok(())
                }
                Err(error) => Err(StartError::Retry(error)),
            },
        };
        drop(turn);
        watched.poke.notify_one();
        post.strays.forget(&key);
        outcome
    }

    /// See [`super::Target::remove`].
    pub(super) async fn remove(&self, repo: RepoId, environment: &Slug) -> anyhow::Result<()> {
        let key = (repo, environment.clone());
        let watched = self.post.book().get(&key).cloned();
        if let Some(watched) = &watched {
            watched.end();
            let _turn = watched.turn.lock().await;
            let was_written = watched.papers.written()?.is_some();
            if let Some(mut site) = watched.papers.site()? {
                // The end may take long, and a start of the server meanwhile must not bring it back.
                watched.papers.write_ending(true)?;
                // What was never written need not be taken out.
                site.folder = site.folder.filter(|_| was_written);
                let yard = self.post.clusters.of(site.cluster.as_ref())?;
                yard.clear(&site).await?;
            }
            let dir = watched.papers.desk.dir().to_owned();
            let removed = tokio::task::spawn_blocking(move || files::remove_tree(&dir)).await;
            removed
                .context("cannot remove the environment")?
                .context("cannot remove the environment")?;
        }
        let mut stray = self.post.strays.site(&key);
        if watched.is_none() && stray.is_none() {
            // Its papers may be lost, and nobody may have looked since.
            stray = self.post.clusters.find(&key).await?;
        }
        if let Some(site) = stray {
            let yard = self.post.clusters.of(site.cluster.as_ref())?;
            yard.clear(&site).await?;
        }
        self.post.strays.forget(&key);
        self.post.book().remove(&key);
        Ok(())
    }

    /// See [`super::Target::live`].
    pub(super) fn live(&self, repo: RepoId, environment: &Slug) -> Option<Live> {
        let key = (repo, environment.clone());
        let told = self.post.papers(&key).live();
        told.or_else(|| self.post.strays.live(&key))
    }

    /// See [`super::Target::tend`].
    pub(super) fn tend(&self) -> Vec<Key> {
        let mut changed = BTreeSet::new();
        for (key, watched) in self.post.book().iter() {
            watched.tend(&self.post, key);
            if watched.take_news() {
                changed.insert(key.clone());
            }
        }
        changed.extend(self.post.strays.take_news());
        changed.into_iter().collect()
    }

    /// Looks for environments that only the cluster knows; the next [`Kubernetes::tend`] tells of them.
    pub(super) async fn sweep(&self) {
        for (site, generation) in self.post.clusters.standing().await {
            let key = (site.repo, site.environment.clone());
            if !self.post.book().contains_key(&key) {
                self.post.strays.note(key, site, generation);
            }
        }
        self.renew_copies().await;
    }

    /// Brings Secrets that have changed to the environments that have copies of them.
    async fn renew_copies(&self) {
        let mut sites = Vec::new();
        for watched in self.post.book().values() {
            if !watched.papers.is_ending()
                && let Ok(Some(site)) = watched.papers.site()
            {
                sites.push(site);
            }
        }
        self.post.clusters.renew(sites).await;
    }

    /// See [`super::Target::keys`].
    pub(super) fn keys(&self, repo: RepoId, environment: &Slug) -> Option<Keys> {
        let desk = self.post.papers(&(repo, environment.clone())).desk;
        desk.readable_keys(repo, environment)
    }

    /// See [`super::Target::rotate`]. The cluster brings the new key to the pods within a minute or two.
    pub(super) async fn rotate(
        &self,
        repo: RepoId,
        environment: &Slug,
        which: Which,
    ) -> anyhow::Result<Keys> {
        let found = self.post.book().get(&(repo, environment.clone())).cloned();
        let watched = found.context("there is no such environment")?;
        let _turn = watched.turn.lock().await;
        let keys = watched.papers.desk.rotate(which)?;
        let yard = self.post.clusters.of_papers(&watched.papers)?;
        judge::apply_door(yard, &watched.papers).await?;
        Ok(keys)
    }

    /// See [`super::Target::log_path`].
    pub(super) fn log_path(&self, repo: RepoId, environment: &Slug) -> PathBuf {
        self.post
            .papers(&(repo, environment.clone()))
            .desk
            .path("log.txt")
    }

    /// The order of a release for a pod that shows its environment's token: sources without their places here.
    pub(super) fn order(&self, key: &Key, release: &str, token: &str) -> Option<ServeSpec> {
        self.post.order(key, release, token).map(for_pods)
    }

    /// Where a file of that release lies.
    pub(super) fn file(
        &self,
        key: &Key,
        (release, digest): (&str, &str),
        token: &str,
    ) -> Option<PathBuf> {
        let mut order = self.post.order(key, release, token)?;
        let mut sources = order.server.iter_mut().flat_map(sources_of);
        let found = sources.find(|source| source.sha256.hex() == digest)?;
        Some(PathBuf::from(&found.uri))
    }
}

/// An order as pods see it: the rules come by their Secret, and sources without their places here.
fn for_pods(mut order: ServeSpec) -> ServeSpec {
    order.door.keys.clear();
    let server = order.server.iter_mut();
    for source in server.flat_map(sources_of) {
        source.uri = String::new();
    }
    order
}

fn sources_of(server: &mut ServerSpec) -> impl Iterator<Item = &mut Source> {
    let models = server
        .models
        .iter_mut()
        .flat_map(|model| &mut model.sources);
    models.chain([&mut server.snapshot])
}

impl Post {
    fn book(&self) -> MutexGuard<'_, BTreeMap<Key, Arc<Watched>>> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn papers(&self, (repo, environment): &Key) -> Papers {
        Papers::new(self.dir.join(repo.to_string()).join(environment.as_str()))
    }

    fn watched(&self, key: &Key) -> Arc<Watched> {
        let mut book = self.book();
        let new = || Watched::new(self.papers(key));
        Arc::clone(book.entry(key.clone()).or_insert_with(new))
    }

    fn order(&self, key: &Key, release: &str, token: &str) -> Option<ServeSpec> {
        let papers = self.papers(key);
        if !papers.knows(token) {
            return None;
        }
        papers.order_of(|order| release_label(&order.release) == release)
    }
}

/// Writes an order onto the desk; one that is not newer than the present one is left.
fn write_order(
    papers: &Papers,
    plan: &DeployPlan,
    (snapshot, files, server): (Source, Files, Option<ServerSpec>),
    yard: &Yard,
) -> Result<(), StartError> {
    let desk = &papers.desk;
    std::fs::create_dir_all(desk.dir())
        .with_context(|| format!("cannot create `{}`", desk.dir().display()))?;
    let before = desk.wanted().unwrap_or_else(|error| {
        tracing::warn!("a damaged order is replaced: {error:#}");
        None
    });
    if before
        .as_ref()
        .is_some_and(|before| before.generation >= plan.generation)
    {
        hands::drop_snapshot(&snapshot);
        return Ok(());
    }
    let site = settle(papers, plan, yard)?;
    papers.write_message(&gitops::release_message(plan))?;
    let rollout = server.as_ref().map(|server| rollout(plan, server));
    let manifests = match &rollout {
        Some(rollout) => manifests::read(plan, rollout, (&files, &site), &yard.context)
            .inspect_err(|_| hands::drop_snapshot(&snapshot))?,
        None => Manifests::default(),
    };
    papers.write_manifests(&manifests)?;
    papers.write_ending(false)?;
    let order = order::write(plan, desk, snapshot, server)?;
    let has_order = mounted(&order)?.is_some();
    let rollout = rollout.map(|rollout| Rollout {
        has_order,
        ..rollout
    });
    papers.write_rollout(rollout.as_ref())?;
    desk.write_wanted(&order)?;
    if let Err(error) = desk.sweep_snapshots(before.as_ref()) {
        tracing::warn!("old snapshots stay for now: {error:#}");
    }
    Ok(())
}

/// Where the environment lives, now and at every later order.
fn settle(papers: &Papers, plan: &DeployPlan, yard: &Yard) -> anyhow::Result<Site> {
    let before = papers.site()?;
    let serving = &yard.serving;
    let mut site = before.clone().unwrap_or_else(|| {
        let named = (plan.repo.id, plan.repo.name.name());
        let namespace = serving.namespace.as_deref();
        Site::new(named, &plan.environment, namespace, &serving.prefix)
    });
    site.cluster = yard.name.clone();
    // Whether it is written or applied is asked anew: an operator may have begun with either.
    let ledger = yard.ledger.as_ref();
    let folder = ledger.map(|ledger| ledger.folder(&plan.repo.name, &plan.environment, &site));
    site.folder = folder.transpose()?.flatten();
    if before.as_ref() != Some(&site) {
        papers.write_site(&site)?;
    }
    Ok(site)
}

/// The order of a release whose image has everything else, as its pods are handed it.
///
/// `None` for every other, and for one that is too large for a Secret: its pods fetch it.
fn mounted(order: &ServeSpec) -> anyhow::Result<Option<Vec<u8>>> {
    let server = order.server.as_ref();
    if server.is_none_or(|server| server.in_image.is_none()) {
        return Ok(None);
    }
    let text = serde_json::to_vec(&for_pods(order.clone())).context("cannot write the order")?;
    Ok((text.len() <= MOUNTED_BYTES_MAX).then_some(text))
}

fn rollout(plan: &DeployPlan, server: &ServerSpec) -> Rollout {
    let fetched = server.models.iter().filter(|_| plan.image.is_none());
    let files = fetched.flat_map(|model| &model.files);
    let image = match &server.runtime {
        Some(RuntimeSpec::Image { image, .. }) => Some(image.clone()),
        Some(_) | None => None,
    };
    Rollout {
        release: plan.release.clone(),
        generation: plan.generation,
        trust: plan.trust,
        installs: server.runtime.is_some() && image.is_none(),
        image,
        is_whole: plan.image.is_some(),
        has_order: false,
        logs: plan.logs,
        cpu_millis: server.cpu_millis,
        memory_bytes: server.memory_bytes,
        model_bytes: files.map(|file| file.bytes).fold(0, u64::saturating_add),
        ready_timeout_s: server.ready_timeout_s,
        drain_timeout_s: server.drain_timeout_s,
        replicas: plan.replicas,
    }
}
