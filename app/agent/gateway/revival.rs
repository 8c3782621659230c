//! Starting a server again that died, with longer and longer waits.
//!
//! It was verified before it went live, so it is not verified again; its model's bytes are hashed as always.

use super::answer::Turned;
use super::control::{Control, Current};
use super::now_ms;
use super::rollout::{Attempt, Care, Progress, Ready};
use super::upstream::{Behind, Upstream};
use bowsprit_core::serving::spec::{RolloutPhase, Serving};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// A dead server is started again after this long, twice as long after each further death.
const WAIT_FIRST: Duration = Duration::from_millis(100);

/// At most this long.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// A server that lived this long begins anew with the shortest wait.
const STEADY_AFTER: Duration = Duration::from_secs(60);

/// After so many deaths in a row the environment counts as failed; requests are no longer kept waiting.
const DEATHS_MAX: u32 = 5;

/// How often the server died lately, and what is done about it.
#[derive(Default)]
pub(super) struct Revival {
    deaths: u32,
    due: Option<Instant>,
    /// The start under way.
    pub(super) attempt: Option<Attempt>,
}

impl Revival {
    /// Asks for a start at once, unless one is under way or waits for its time.
    pub(super) fn begin(&mut self) {
        if self.attempt.is_none() && self.due.is_none() {
            self.due = Some(Instant::now());
        }
    }

    /// Counts a death and returns the wait until the next start.
    fn after_death(&mut self) -> Duration {
        let factor = 1 << self.deaths.min(10);
        let wait = WAIT_FIRST.saturating_mul(factor).min(WAIT_MAX);
        self.deaths += 1;
        self.due = Some(Instant::now() + wait);
        wait
    }
}

impl Control {
    /// Notes that the present server is gone.
    pub(super) fn server_died(&mut self, reason: &str) {
        let Some(dead) = self.current.take() else {
            return;
        };
        self.gateway.slot.put(Behind::Down);
        if dead.since.elapsed() >= STEADY_AFTER {
            self.revival.deaths = 0;
        }
        self.server_lost(reason);
    }

    /// Starts the server again when its wait is over.
    pub(super) fn revive_when_due(&mut self) {
        if self.revival.due.is_some_and(|due| due <= Instant::now())
            && let Some(kept) = &self.kept
        {
            self.revival.due = None;
            self.revival.attempt = Some(Attempt::begin(&self.shop, &kept.spec, Care::Trust));
        }
    }

    /// Notes a death or a start that failed, and when to try again.
    fn server_lost(&mut self, reason: &str) {
        let wait = self.revival.after_death();
        self.live.serving = None;
        self.note(&format!(
            "{reason}; it is started again in {} ms",
            wait.as_millis()
        ));
        let has_given_up = self.revival.deaths > DEATHS_MAX;
        if has_given_up {
            self.gateway.slot.put(Behind::Nothing(Turned::Down));
        }
        match (self.is_order_kept(), has_given_up) {
            (true, true) => self.set_phase(RolloutPhase::Failed, Some(reason.to_owned())),
            (true, false) => self.set_phase(RolloutPhase::Starting, Some(reason.to_owned())),
            (false, _) => self.say(),
        }
    }

    /// Takes the news of a start.
    pub(super) fn revival_went(&mut self, progress: Progress) {
        let Progress::Over(result) = progress else {
            return;
        };
        self.revival.attempt = None;
        match result {
            Ok(ready) => self.revive(*ready),
            Err(miss) if miss.is_final => {
                self.gateway.slot.put(Behind::Nothing(Turned::NoRelease));
                self.note(&format!("the server is not started again: {}", miss.reason));
                if self.is_order_kept() {
                    self.set_phase(RolloutPhase::Failed, Some(miss.reason));
                }
            }
            Err(miss) => self.server_lost(&miss.reason),
        }
    }

    fn revive(&mut self, ready: Ready) {
        let Some(kept) = &self.kept else {
            return;
        };
        // What was down has not been answering since the switch.
        let serving = Serving {
            since_ms: now_ms(),
            ..kept.serving.clone()
        };
        self.note(&format!("release {} is served again", serving.release));
        let upstream = Upstream::new(ready.server.addr(), serving.clone(), ready.models);
        self.gateway.slot.put(Behind::Up(Arc::clone(&upstream)));
        self.gateway
            .metrics
            .revivals
            .fetch_add(1, Ordering::Relaxed);
        self.current = Some(Current {
            server: ready.server,
            upstream,
            since: Instant::now(),
        });
        self.live.serving = Some(serving);
        if self.is_order_kept() {
            self.set_phase(RolloutPhase::Live, None);
        } else {
            self.say();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_their_limit() {
        let mut revival = Revival::default();
        let waits_ms: Vec<u128> = (0..12).map(|_| revival.after_death().as_millis()).collect();
        assert_eq!(waits_ms[..4], [100, 200, 400, 800]);
        assert_eq!(waits_ms[11], 30_000);
    }
}
