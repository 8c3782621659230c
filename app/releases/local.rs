//! The `local` target: a gateway process for each environment, one directory each.
//!
//! Orders and answers are documents; the gateways outlive the bot and are found again by their locks.
//! Nothing here may let an older order replace a newer one, or write a key anywhere but into `keys.json`.

use super::desk::Desk;
use super::environment::{self, Entry, Key};
use super::keys::{Keys, Which};
use super::order;
use super::push::{Marks, Pusher, Pushing};
use crate::artifacts::Artifacts;
use crate::files;
use crate::hands::{self, Hands, StartError};
use anyhow::{Context as _, bail};
use bowsprit_core::effect::DeployPlan;
use bowsprit_core::name::{RepoId, Slug};
use bowsprit_core::serving::spec::{Live, ServerSpec};
use bowsprit_core::training::spec::{RuntimeSpec, Source};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A gateway that is told to end is waited for this long: it drains, then ends its servers.
const END_WAIT: Duration = Duration::from_secs(60);
/// How often it is looked at meanwhile.
const END_LOOK: Duration = Duration::from_millis(50);
/// The target; clones share it.
#[derive(Clone)]
pub struct Local {
    shop: Arc<Shop>,
}

struct Shop {
    dir: PathBuf,
    cache_dir: String,
    agent: Hands,
    ports: Option<RangeInclusive<u16>>,
    artifacts: Artifacts,
    book: Mutex<BTreeMap<Key, Entry>>,
    marks: Marks,
    /// Ends with the target.
    _pushing: Option<Pushing>,
}

impl Local {
    /// Opens `environments/` of the state directory and takes up what is there; lines go to `push_url`, where there is one.
    pub(super) fn open(
        (state_dir, ports): (&Path, Option<RangeInclusive<u16>>),
        artifacts: Artifacts,
        program: Vec<OsString>,
        push_url: Option<&str>,
    ) -> anyhow::Result<Local> {
        let dir = hands::directory(state_dir, "environments")?;
        let book =
            environment::load(&dir).with_context(|| format!("cannot read `{}`", dir.display()))?;
        let marks = Marks::default();
        let pusher = push_url.map(|url| Pusher::new(&dir, url, &marks));
        Ok(Local {
            shop: Arc::new(Shop {
                _pushing: pusher.transpose()?.map(Pusher::begin),
                marks,
                cache_dir: hands::text_of(&hands::directory(state_dir, "runtimes")?)?,
                agent: Hands::new(program)?,
                ports,
                book: Mutex::new(book),
                dir,
                artifacts,
            }),
        })
    }

    /// See [`super::Target::deploy`].
    pub(super) async fn deploy(
        &self,
        plan: &DeployPlan,
        snapshot: Source,
    ) -> Result<(), StartError> {
        if let Some(name) = &plan.cluster {
            hands::drop_snapshot(&snapshot);
            return Err(StartError::Refused(format!(
                "the contract puts it into cluster `{name}`, and this server serves on its own machine; leave `cluster` out, or set `releases.backend = \"kubernetes\"`"
            )));
        }
        hands::refuse(&snapshot, plan.runtime.as_ref(), RuntimeSpec::local_refusal)?;
        let models = hands::model_inputs(&self.shop.artifacts, &plan.models).await?;
        let cache_dir = self.shop.cache_dir.clone();
        let server = order::server(plan, (snapshot.clone(), models), cache_dir)?;
        let (shop, plan) = (Arc::clone(&self.shop), plan.clone());
        let ordered = tokio::task::spawn_blocking(move || shop.order(&plan, snapshot, server));
        ordered.await.context("cannot give the order")?
    }

    /// See [`super::Target::remove`].
    pub(super) async fn remove(&self, repo: RepoId, environment: &Slug) -> anyhow::Result<()> {
        let key = (repo, environment.clone());
        let desk = self.shop.desk(repo, environment);
        if !desk.dir().exists() {
            self.shop.book().remove(&key);
            return Ok(());
        }
        desk.write_stop()?;
        self.shop.set_leaving(&key, true);
        if !self
            .shop
            .has_ended(&key, &desk, Instant::now() + END_WAIT)
            .await
        {
            self.shop.set_leaving(&key, false);
            bail!("the gateway of environment `{environment}` of repository {repo} does not end");
        }
        let removed = tokio::task::spawn_blocking(move || files::remove_tree(desk.dir())).await;
        removed
            .context("cannot remove the environment")?
            .context("cannot remove the environment")?;
        self.shop.book().remove(&key);
        Ok(())
    }

    /// See [`super::Target::pause`].
    pub(super) async fn pause(&self) {
        let mut stopping = Vec::new();
        for (key, entry) in self.shop.book().iter_mut() {
            entry.is_leaving = true;
            match entry.desk.write_stop() {
                Ok(()) => stopping.push((key.clone(), entry.desk.clone())),
                Err(error) => tracing::error!("a gateway goes on: {error:#}"),
            }
        }
        let until = Instant::now() + END_WAIT;
        for (key, desk) in stopping {
            if !self.shop.has_ended(&key, &desk, until).await {
                tracing::warn!(
                    "the gateway of environment `{}` of repository {} does not end",
                    key.1,
                    key.0
                );
            } else if let Err(error) = desk.remove_stop() {
                tracing::warn!("{error:#}");
            }
        }
    }

    /// See [`super::Target::live`].
    pub(super) fn live(&self, repo: RepoId, environment: &Slug) -> Option<Live> {
        self.shop.desk(repo, environment).live()
    }

    /// See [`super::Target::tend`].
    pub(super) async fn tend(&self) -> Vec<Key> {
        let shop = Arc::clone(&self.shop);
        let tended = tokio::task::spawn_blocking(move || {
            let mut changed = Vec::new();
            for (key, entry) in shop.book().iter_mut() {
                entry.tend(&shop.agent, key);
                if entry.has_news() {
                    changed.push(key.clone());
                }
            }
            changed
        });
        tended.await.unwrap_or_else(|error| {
            tracing::error!("cannot look after environments: {error}");
            Vec::new()
        })
    }

    /// See [`super::Target::keys`].
    pub(super) fn keys(&self, repo: RepoId, environment: &Slug) -> Option<Keys> {
        let desk = self.shop.desk(repo, environment);
        desk.readable_keys(repo, environment)
    }

    /// See [`super::Target::rotate`].
    pub(super) async fn rotate(
        &self,
        repo: RepoId,
        environment: &Slug,
        which: Which,
    ) -> anyhow::Result<Keys> {
        let (shop, desk) = (Arc::clone(&self.shop), self.shop.desk(repo, environment));
        let rotated = tokio::task::spawn_blocking(move || {
            // Held meanwhile, so that no order is written with the keys before.
            let _book = shop.book();
            desk.rotate(which)
        });
        rotated.await.context("cannot replace a key")?
    }

    /// See [`super::Target::log_path`].
    pub(super) fn log_path(&self, repo: RepoId, environment: &Slug) -> PathBuf {
        self.shop.desk(repo, environment).path("log.txt")
    }
}

impl Shop {
    fn book(&self) -> MutexGuard<'_, BTreeMap<Key, Entry>> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn desk(&self, repo: RepoId, environment: &Slug) -> Desk {
        Desk::new(self.dir.join(repo.to_string()).join(environment.as_str()))
    }

    fn set_leaving(&self, key: &Key, is_leaving: bool) {
        if let Some(entry) = self.book().get_mut(key) {
            entry.is_leaving = is_leaving;
        }
    }

    fn order(
        &self,
        plan: &DeployPlan,
        snapshot: Source,
        server: Option<ServerSpec>,
    ) -> Result<(), StartError> {
        let key = (plan.repo.id, plan.environment.clone());
        let desk = self.desk(plan.repo.id, &plan.environment);
        let mut book = self.book();
        if book.get(&key).is_some_and(|entry| entry.is_leaving) {
            return Err(
                anyhow::anyhow!("environment `{}` is being removed", plan.environment).into(),
            );
        }
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
        } else {
            if desk.listen()?.is_none() {
                desk.write_listen(self.free_address()?)?;
            }
            self.marks.settle(&desk, plan)?;
            let wanted = order::write(plan, &desk, snapshot, server)?;
            desk.write_wanted(&wanted)?;
            if let Err(error) = desk.sweep_snapshots(before.as_ref()) {
                tracing::warn!("old snapshots stay for now: {error:#}");
            }
        }
        desk.remove_stop()?;
        let entry = book.entry(key.clone()).or_insert_with(|| Entry::new(desk));
        entry.tend(&self.agent, &key);
        Ok(())
    }

    /// An address for a new gateway. Errors: `Refused` when all configured ports are taken.
    fn free_address(&self) -> Result<SocketAddr, StartError> {
        let on = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let Some(ports) = &self.ports else {
            return Ok(on(0));
        };
        let taken = self.taken_ports();
        let is_free = |port: &u16| !taken.contains(port) && TcpListener::bind(on(*port)).is_ok();
        let found = ports.clone().find(is_free);
        found.map(on).ok_or_else(|| {
            StartError::Refused(format!(
                "every port from {} to {} is taken; widen `releases.ports`",
                ports.start(),
                ports.end()
            ))
        })
    }

    fn taken_ports(&self) -> BTreeSet<u16> {
        let dirs = environment::environment_dirs(&self.dir).unwrap_or_default();
        let listens = dirs.into_iter().map(|(_, dir)| Desk::new(dir).listen());
        listens
            .filter_map(|listen| Some(listen.ok()??.port()))
            .collect()
    }

    /// Waits for a gateway's end.
    async fn has_ended(&self, key: &Key, desk: &Desk, until: Instant) -> bool {
        while self.is_at_work(key, desk) {
            if Instant::now() >= until {
                return false;
            }
            tokio::time::sleep(END_LOOK).await;
        }
        true
    }

    fn is_at_work(&self, key: &Key, desk: &Desk) -> bool {
        let has_child = self.book().get_mut(key).is_some_and(Entry::has_child);
        has_child || desk.is_at_work()
    }
}
