//! Follows the orders: begins rollouts, switches, says what is live.
//!
//! With `revival`, the only place that changes the state of the gateway; one rollout is under way at most, the newest.

use super::answer::Turned;
use super::desk::{Kept, Stamp};
use super::door::Door;
use super::hands::Server;
use super::revival::Revival;
use super::rollout::{Attempt, Care, Miss, Progress, Ready, Shop};
use super::upstream::{Behind, Upstream};
use super::{Gateway, now_ms};
use bowsprit_core::serving::spec::{Live, RolloutPhase, ServeSpec};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;

/// The directory is looked at this often.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A server asked to end is given this long.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// The cluster is given this long to send requests elsewhere, once it has asked a pod to end.
const LEAVE_WAIT: Duration = Duration::from_secs(10);

/// Where no order says how long to drain.
const DRAIN_DEFAULT: Duration = Duration::from_secs(10);

/// The process that serves now.
pub(super) struct Current {
    /// The process.
    pub(super) server: Server,
    /// Where requests go.
    pub(super) upstream: Arc<Upstream>,
    /// When it was switched to.
    pub(super) since: Instant,
}

/// The state of the gateway.
pub(crate) struct Control {
    pub(super) shop: Shop,
    pub(super) gateway: Arc<Gateway>,
    pub(super) live: Live,
    /// The order's file as it was read last.
    stamp: Option<Stamp>,
    /// The order that is being followed.
    order: Option<ServeSpec>,
    /// The release that was switched to last.
    pub(super) kept: Option<Kept>,
    pub(super) current: Option<Current>,
    rollout: Option<Attempt>,
    pub(super) revival: Revival,
    drains: JoinSet<()>,
    is_in_pod: bool,
}

impl Control {
    /// Takes up what was served before.
    pub(crate) fn new(shop: Shop, gateway: Arc<Gateway>, addr: SocketAddr) -> Control {
        let before = known(&shop, shop.desk.live());
        let kept = known(&shop, shop.desk.kept());
        let live = Live {
            generation: before.as_ref().map_or(0, |live| live.generation),
            phase: before
                .as_ref()
                .map_or(RolloutPhase::Waiting, |live| live.phase),
            reason: before.and_then(|live| live.reason),
            serving: None,
            url: format!("http://{addr}"),
            pid: std::process::id(),
            updated_ms: now_ms(),
        };
        let mut control = Control {
            shop,
            gateway,
            live,
            stamp: None,
            order: None,
            kept,
            current: None,
            rollout: None,
            revival: Revival::default(),
            drains: JoinSet::new(),
            is_in_pod: false,
        };
        if let Some(kept) = &control.kept {
            control.gateway.set_door(Door::new(&kept.spec.door, None));
            control.gateway.slot.put(Behind::Down);
            control.revival.begin();
            if control.live.phase != RolloutPhase::Failed {
                control.live.phase = RolloutPhase::Starting;
            }
        }
        control.look();
        control.say();
        control
    }

    /// From now on a release that cannot serve is the end, and a stop is announced first.
    pub(crate) fn stand_in_pod(&mut self) {
        self.is_in_pod = true;
    }

    /// Works until told to stop; then lets requests finish and ends the servers.
    ///
    /// Returns why the release cannot serve, where that ended it.
    pub(crate) async fn run(mut self) -> Option<String> {
        let mut tick = tokio::time::interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut hangup = signal(SignalKind::hangup()).ok();
        let mut ends = [
            signal(SignalKind::terminate()).ok(),
            signal(SignalKind::interrupt()).ok(),
        ];
        let gateway = Arc::clone(&self.gateway);
        let [term, interrupt] = &mut ends;
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = gateway.reload.notified() => self.stamp = None,
                () = heard(&mut hangup) => self.stamp = None,
                () = heard(term) => {
                    self.leave().await;
                    break;
                }
                () = heard(interrupt) => break,
                reason = ended(&mut self.current) => self.server_died(&reason),
                progress = next(&mut self.rollout) => self.rollout_went(progress),
                progress = next(&mut self.revival.attempt) => self.revival_went(progress),
            }
            if self.shop.desk.is_stopped() || self.is_unfit() {
                break;
            }
            self.look();
            self.revive_when_due();
            while self.drains.try_join_next().is_some() {}
        }
        let unfit = self.is_unfit().then(|| self.live.reason.clone());
        self.stop().await;
        unfit.map(Option::unwrap_or_default)
    }

    fn is_unfit(&self) -> bool {
        self.is_in_pod && self.live.phase == RolloutPhase::Failed
    }

    /// Goes on to answer while the cluster learns that requests shall go elsewhere.
    async fn leave(&self) {
        if self.is_in_pod {
            self.note("leaving");
            self.gateway.is_leaving.store(true, Ordering::Relaxed);
            tokio::time::sleep(LEAVE_WAIT).await;
        }
    }

    /// Reads the order when its file has changed.
    fn look(&mut self) {
        let stamp = self.shop.desk.wanted_stamp();
        if stamp == self.stamp {
            return;
        }
        self.stamp = stamp;
        match self.shop.desk.wanted() {
            Ok(Some(order)) if self.order.as_ref() != Some(&order) => self.follow(order),
            Ok(Some(_) | None) => {}
            Err(error) => self.note(&format!("the order is not followed: {error:#}")),
        }
    }

    fn follow(&mut self, order: ServeSpec) {
        let door = Door::new(&order.door, Some(&self.gateway.door()));
        self.gateway.set_door(door);
        let is_answered =
            self.live.phase == RolloutPhase::Failed && self.live.generation == order.generation;
        let under_way = self.order.as_ref().filter(|_| self.rollout.is_some());
        let is_under_way = under_way.is_some_and(|other| other.release == order.release);
        let is_kept = self
            .kept
            .as_ref()
            .is_some_and(|kept| kept.spec.release == order.release);
        self.live.generation = order.generation;
        self.order = Some(order.clone());
        if order.server.is_none() {
            self.serve_nothing();
        } else if is_kept {
            self.rollout = None;
            let is_up = self.current.is_some();
            self.set_phase(
                if is_up {
                    RolloutPhase::Live
                } else {
                    RolloutPhase::Starting
                },
                None,
            );
            if !is_up {
                self.revival.begin();
            }
        } else if is_under_way {
            self.say();
        } else if !is_answered {
            self.note(&format!(
                "rolling out release {}, order {}",
                order.release, order.generation
            ));
            // The one before ends first: its server goes with it.
            self.rollout = None;
            self.rollout = Some(Attempt::begin(&self.shop, &order, Care::Verify));
            if self.kept.is_none() {
                self.gateway.slot.put(Behind::Nothing(Turned::FirstStart));
            }
            self.set_phase(RolloutPhase::Starting, None);
        }
    }

    fn serve_nothing(&mut self) {
        self.rollout = None;
        self.revival = Revival::default();
        self.gateway.slot.put(Behind::Nothing(Turned::NoModel));
        self.retire_current();
        self.keep(None);
        self.live.serving = None;
        self.set_phase(RolloutPhase::Waiting, None);
    }

    fn rollout_went(&mut self, progress: Progress) {
        match progress {
            Progress::Verifying => self.set_phase(RolloutPhase::Verifying, None),
            Progress::Over(result) => {
                self.rollout = None;
                match (result, self.order.clone()) {
                    (Ok(ready), Some(order)) => self.switch(*ready, order),
                    (Ok(_), None) => {}
                    (Err(miss), _) => self.fail(&miss),
                }
            }
        }
    }

    fn switch(&mut self, ready: Ready, spec: ServeSpec) {
        let Ready {
            server,
            mut serving,
            models,
        } = ready;
        serving.since_ms = now_ms();
        self.note(&format!("switched to release {}", serving.release));
        self.keep(Some(Kept {
            spec,
            serving: serving.clone(),
        }));
        let upstream = Upstream::new(server.addr(), serving.clone(), models);
        self.gateway.slot.put(Behind::Up(Arc::clone(&upstream)));
        self.gateway
            .metrics
            .switches
            .fetch_add(1, Ordering::Relaxed);
        self.retire_current();
        self.revival = Revival::default();
        self.current = Some(Current {
            server,
            upstream,
            since: Instant::now(),
        });
        self.live.serving = Some(serving);
        self.set_phase(RolloutPhase::Live, None);
    }

    fn fail(&mut self, miss: &Miss) {
        self.gateway
            .metrics
            .failures
            .fetch_add(1, Ordering::Relaxed);
        if self.kept.is_none() {
            self.gateway.slot.put(Behind::Nothing(Turned::NoRelease));
        }
        self.set_phase(RolloutPhase::Failed, Some(miss.reason.clone()));
    }

    /// Lets the present server finish its requests, then ends it.
    fn retire_current(&mut self) {
        let Some(old) = self.current.take() else {
            return;
        };
        let patience = drain_patience(self.kept.as_ref());
        let log = Arc::clone(&self.shop.log);
        self.drains.spawn(async move {
            let left = old.upstream.drain(patience).await;
            if left > 0 {
                log.note(&format!(
                    "{left} requests of release {} were cut off",
                    old.upstream.serving.release
                ));
            }
            old.server.stop(STOP_GRACE).await;
        });
    }

    /// Whether the order asks for the release that was switched to last.
    pub(super) fn is_order_kept(&self) -> bool {
        match (&self.order, &self.kept) {
            (Some(order), Some(kept)) => order.release == kept.spec.release,
            (None, Some(_)) => true,
            (_, None) => false,
        }
    }

    fn keep(&mut self, kept: Option<Kept>) {
        if let Err(error) = self.shop.desk.write_kept(kept.as_ref()) {
            self.note(&format!("a restart will not find this release: {error:#}"));
        }
        let dirs: Vec<_> = [&kept, &self.kept]
            .into_iter()
            .flatten()
            .map(|kept| self.shop.desk.release_dir(&kept.spec.release))
            .collect();
        self.kept = kept;
        self.shop.desk.sweep(&dirs);
    }

    pub(super) fn set_phase(&mut self, phase: RolloutPhase, reason: Option<String>) {
        if let Some(reason) = &reason {
            self.note(&format!("{phase:?}: {reason}"));
        }
        self.live.phase = phase;
        self.live.reason = reason;
        self.say();
    }

    pub(super) fn note(&self, text: &str) {
        self.shop.log.note(text);
    }

    pub(super) fn say(&mut self) {
        self.live.updated_ms = now_ms();
        if let Err(error) = self.shop.desk.write_live(&self.live) {
            self.note(&format!("what is live cannot be told: {error:#}"));
        }
    }

    async fn stop(mut self) {
        self.note("stopping");
        self.rollout = None;
        self.revival = Revival::default();
        let patience = drain_patience(self.kept.as_ref());
        if !self.gateway.close(patience).await {
            self.note("some connections were cut off");
        }
        self.gateway.slot.put(Behind::Nothing(Turned::NoRelease));
        if let Some(current) = self.current.take() {
            current.server.stop(STOP_GRACE).await;
        }
        let drains = async { while self.drains.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(patience + STOP_GRACE, drains).await;
        self.live.serving = None;
        match self.live.phase {
            // The answer to an order stays: a restart does not try it again.
            RolloutPhase::Failed => self.say(),
            RolloutPhase::Waiting
            | RolloutPhase::Starting
            | RolloutPhase::Verifying
            | RolloutPhase::Live => {
                self.set_phase(
                    RolloutPhase::Waiting,
                    Some("the gateway was stopped".to_owned()),
                );
            }
        }
    }
}

fn known<T>(shop: &Shop, document: anyhow::Result<Option<T>>) -> Option<T> {
    document.unwrap_or_else(|error| {
        shop.log
            .note(&format!("what was before is not known: {error:#}"));
        None
    })
}

fn drain_patience(kept: Option<&Kept>) -> Duration {
    kept.and_then(|kept| kept.spec.server.as_ref())
        .map_or(DRAIN_DEFAULT, |server| {
            Duration::from_secs(server.drain_timeout_s)
        })
}

async fn next(attempt: &mut Option<Attempt>) -> Progress {
    match attempt {
        Some(attempt) => attempt.next().await,
        None => std::future::pending().await,
    }
}

async fn ended(current: &mut Option<Current>) -> String {
    match current {
        Some(current) => current.server.ended().await,
        None => std::future::pending().await,
    }
}

async fn heard(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}
