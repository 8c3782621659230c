//! The `kubernetes` backend: an agent in a pod for each stage, one Job each.
//!
//! The desk of a stage is the same as for a process of this machine: what the agent in the pod says comes over HTTP and is
//! laid there (`intake.rs`), so that books, pages and checks of results need not know where a stage runs.

mod board;
mod crew;
mod intake;
mod order;
mod watch;
mod work;

use super::shop::Shop;
use crate::artifacts::Artifacts;
use crate::cluster::Cluster;
use crate::config::Config;
use crate::hands::{self, StartError};
use anyhow::Context as _;
use board::Board;
use bowsprit_core::effect::StagePlan;
use bowsprit_core::subject::ask::StageView;
use bowsprit_core::training::job::RUN_DIR;
use bowsprit_core::training::spec::Source;
use crew::Pods;
use order::Orders;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, Notify, OwnedMutexGuard};
use tokio_util::sync::{CancellationToken, DropGuard};
use work::Hands;

pub use intake::{Guest, Intake, Turned};

/// How often Jobs are looked for that may go.
const LET_GO_EVERY: Duration = Duration::from_secs(5);

/// The backend; clones share it.
#[derive(Clone)]
pub struct Jobs {
    shop: Shop,
    hands: Arc<Hands>,
    intake: Intake,
    /// When Jobs were let go last; held while that is done.
    last_let_go: Arc<Mutex<Instant>>,
    /// Ends the watches and the loop with the last clone.
    _stop: Arc<DropGuard>,
}

impl Jobs {
    /// Takes up what is there, as soon as the cluster answers; hears of it until the last clone is gone.
    ///
    /// Errors: the state directory cannot be read, or an image is not named.
    pub(super) fn open(
        config: &Config,
        artifacts: Artifacts,
        cluster: &Cluster,
    ) -> anyhow::Result<Jobs> {
        let stop = CancellationToken::new();
        let orders = Arc::new(Orders::open(&config.cluster, &config.state_dir)?);
        let wake = Arc::new(Notify::new());
        let names = [
            &config.cluster.namespace,
            &config.cluster.untrusted_namespace,
        ];
        let namespaces = names.map(|name| {
            let namespace = watch::namespace(cluster, name, &wake, &stop);
            (name.clone(), namespace)
        });
        let board = Arc::new(Board::new(namespaces.into(), wake));
        let crew = Pods::new(Arc::clone(&board), Arc::clone(&orders));
        let cache_dir = format!("{RUN_DIR}/cache");
        let shop = Shop::open(config.into(), artifacts, cache_dir, Box::new(crew))
            .context("cannot take up stages")?;
        let dir = hands::directory(&config.state_dir, "runs")?;
        let hands = Arc::new(Hands {
            cluster: cluster.clone(),
            board,
            orders: Arc::clone(&orders),
            dir: dir.clone(),
        });
        let work = Arc::clone(&hands).work();
        let stopped = stop.clone();
        tokio::spawn(async move { stopped.run_until_cancelled(work).await });
        Ok(Jobs {
            intake: Intake::new(shop.clone(), orders, dir),
            shop,
            hands,
            last_let_go: Arc::new(Mutex::new(Instant::now())),
            _stop: Arc::new(stop.drop_guard()),
        })
    }

    /// See [`super::Backend::start`].
    pub(super) async fn start(&self, plan: &StagePlan, snapshot: Source) -> Result<(), StartError> {
        self.shop.start(plan, snapshot).await
    }

    /// See [`super::Backend::view`].
    pub(super) fn view(&self, stage: &str) -> StageView {
        self.shop.view(stage)
    }

    /// See [`super::Backend::cancel`].
    pub(super) async fn cancel(&self, stage: &str) -> anyhow::Result<()> {
        self.shop.cancel(stage).await
    }

    /// See [`super::Backend::tend`].
    pub(super) async fn tend(&self) -> Vec<String> {
        let changed = self.shop.tend().await;
        if let Some(mut last) = turn(&self.last_let_go) {
            let (hands, shop) = (Arc::clone(&self.hands), self.shop.clone());
            tokio::spawn(async move {
                hands.let_go(|stage| shop.is_over(stage)).await;
                *last = Instant::now();
            });
        }
        changed
    }

    /// See [`super::Backend::log_path`].
    pub(super) fn log_path(&self, stage: &str) -> PathBuf {
        self.shop.log_path(stage)
    }

    /// See [`super::Backend::results`].
    pub(super) async fn results(
        &self,
        is_wanted: impl Fn(&str) -> bool,
    ) -> anyhow::Result<Vec<String>> {
        self.shop.results(is_wanted).await
    }

    /// See [`super::Backend::sweep`].
    pub(super) async fn sweep(&self, older_than: Duration) {
        self.shop.sweep(older_than).await;
    }

    /// Where agents in pods are received.
    pub(super) fn intake(&self) -> &Intake {
        &self.intake
    }
}

/// The turn to look for Jobs that may go: not while somebody has it, nor soon after.
fn turn(last: &Arc<Mutex<Instant>>) -> Option<OwnedMutexGuard<Instant>> {
    let last = Arc::clone(last).try_lock_owned().ok()?;
    (last.elapsed() >= LET_GO_EVERY).then_some(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_let_go_one_round_after_the_other() {
        let long_ago = Instant::now().checked_sub(LET_GO_EVERY).unwrap();
        let last = Arc::new(Mutex::new(long_ago));
        let mut first = turn(&last).unwrap();
        assert!(turn(&last).is_none(), "the first is at work");
        *first = Instant::now();
        drop(first);
        assert!(turn(&last).is_none(), "it has just ended");
    }
}
