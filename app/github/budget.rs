//! What an installation may still ask of GitHub: open calls, points a minute, writes a minute and an hour, and pauses
//! imposed by GitHub.
//!
//! GitHub allows about 80 content-creating calls a minute and 500 an hour per installation; these are our scarcest good.
//! What is over the budget is told when to come again; only a call that has to wait a few seconds for points waits here.
//! Source: "Rate limits for the REST API", secondary limits (docs.github.com, 2026-11).

use crate::github::error::{ApiError, Scope};
use bowsprit_core::effect::Priority;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, SemaphorePermit};

/// The limits of the client; the default is what GitHub allows, with some distance.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Calls open at once, per installation.
    pub open_max: usize,
    /// How long a call waits for its turn among the open ones.
    pub open_wait: Duration,
    /// Writes that may follow each other at once.
    pub write_burst: u32,
    /// Writes a second, in the long run.
    pub writes_per_second: f64,
    /// Writes within any minute.
    pub writes_per_minute: usize,
    /// Writes within any hour.
    pub writes_per_hour: usize,
    /// Points within any minute; a read costs [`READ_POINTS`], a write [`WRITE_POINTS`].
    pub points_per_minute: usize,
    /// The share of the three above that only merges and changes may use. Units: per cent.
    pub reserve_percent: usize,
    /// Pages read of one list.
    pub pages_max: usize,
    /// Until a connection stands.
    pub connect_timeout: Duration,
    /// For a whole call, body included.
    pub call_timeout: Duration,
    /// After a write of which nobody knows whether it took place, so that reads show it.
    /// Source: reads may lag behind writes by seconds (seen by several bots, 2023 to 2026).
    pub unknown_wait: Duration,
    /// Largest answer. Units: bytes.
    pub body_bytes_max: usize,
    /// Answers kept for their ETag.
    pub cache_entries_max: usize,
    /// Their size in sum. Units: bytes.
    pub cache_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            open_max: 20,
            open_wait: Duration::from_secs(10),
            write_burst: 20,
            writes_per_second: 1.0,
            writes_per_minute: 60,
            writes_per_hour: 400,
            points_per_minute: 900,
            reserve_percent: 20,
            pages_max: 30,
            connect_timeout: Duration::from_secs(5),
            call_timeout: Duration::from_secs(20),
            unknown_wait: Duration::from_secs(30),
            body_bytes_max: 32 << 20,
            cache_entries_max: 2_000,
            cache_bytes_max: 64 << 20,
        }
    }
}

/// What a read costs of GitHub's points.
const READ_POINTS: usize = 1;

/// What a write costs of GitHub's points.
const WRITE_POINTS: usize = 5;

/// Calls within this share an entry of the list of points.
const MOMENT: Duration = Duration::from_millis(250);

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

impl Limits {
    /// The part that a call of this priority may use. Units: per cent.
    fn percent(&self, priority: Priority) -> usize {
        match priority {
            Priority::Merge | Priority::Change => 100,
            Priority::Answer | Priority::View | Priority::Progress => {
                100 - self.reserve_percent.min(100)
            }
        }
    }
}

/// The budget of one installation.
#[derive(Debug)]
pub struct Budget {
    limits: Limits,
    open: Semaphore,
    spent: Mutex<Spent>,
}

#[derive(Debug)]
struct Spent {
    /// When writes of the last hour were made, oldest first.
    writes: VecDeque<Instant>,
    /// Points of the last minute, oldest first.
    points: VecDeque<(Instant, usize)>,
    /// What is left of the burst, at `filled`.
    burst: f64,
    filled: Instant,
    paused_until: Option<Instant>,
}

impl Budget {
    /// A budget of which nothing is spent.
    pub fn new(limits: Limits, now: Instant) -> Budget {
        Budget {
            open: Semaphore::new(limits.open_max),
            spent: Mutex::new(Spent {
                writes: VecDeque::new(),
                points: VecDeque::new(),
                burst: f64::from(limits.write_burst),
                filled: now,
                paused_until: None,
            }),
            limits,
        }
    }

    /// Waits for the points of a call. Errors: [`ApiError::Retry`] when there are none in time.
    pub async fn pace(&self, is_read: bool, priority: Priority) -> Result<(), ApiError> {
        let end = Instant::now() + self.limits.open_wait;
        while let Err(wait) = self.take_points(is_read, priority, Instant::now()) {
            if Instant::now() + wait > end {
                return Err(ApiError::installation_after(millis(wait)));
            }
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }

    /// Waits for a turn among the open calls. Errors: [`ApiError::Retry`] when there is none in time.
    pub async fn enter(&self) -> Result<SemaphorePermit<'_>, ApiError> {
        self.check_pause(Instant::now())?;
        match tokio::time::timeout(self.limits.open_wait, self.open.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(ApiError::installation_after(1_000)),
        }
    }

    /// Takes the points of one call. Errors: how long until they are there; none are taken.
    fn take_points(&self, is_read: bool, priority: Priority, now: Instant) -> Result<(), Duration> {
        let cost = if is_read { READ_POINTS } else { WRITE_POINTS };
        let max = self.limits.points_per_minute * self.limits.percent(priority) / 100;
        let mut spent = self.spent();
        let is_past = |(at, _): &(Instant, usize)| now.duration_since(*at) >= MINUTE;
        while spent.points.front().is_some_and(is_past) {
            spent.points.pop_front();
        }
        let used: usize = spent.points.iter().map(|(_, points)| points).sum();
        let mut over = (used + cost).saturating_sub(max);
        if over == 0 {
            match spent.points.back_mut() {
                // Calls of one moment are one entry: the list stays short.
                Some((at, points)) if now.duration_since(*at) < MOMENT => *points += cost,
                Some(_) | None => spent.points.push_back((now, cost)),
            }
            return Ok(());
        }
        for (at, points) in &spent.points {
            over = over.saturating_sub(*points);
            if over == 0 {
                // An entry holds what was spent within a moment after it.
                return Err((MINUTE + MOMENT).saturating_sub(now.duration_since(*at)));
            }
        }
        Err(MINUTE)
    }

    /// Whether `count` writes may be made now; spends nothing. Errors: [`ApiError::Retry`] with the time to wait.
    pub fn check(&self, count: usize, priority: Priority, now: Instant) -> Result<(), ApiError> {
        self.check_pause(now)?;
        let mut spent = self.spent();
        spent.refill(&self.limits, now);
        match spent.wait(&self.limits, count, priority, now) {
            None => Ok(()),
            Some(wait) => Err(ApiError::installation_after(millis(wait))),
        }
    }

    /// Spends one write. Errors: [`ApiError::Retry`] with the time to wait, and nothing is spent.
    pub fn spend(&self, priority: Priority, now: Instant) -> Result<(), ApiError> {
        self.check(1, priority, now)?;
        let mut spent = self.spent();
        spent.burst -= 1.0;
        spent.writes.push_back(now);
        Ok(())
    }

    /// Takes note of an answer: a limit that was hit pauses the whole installation.
    pub fn learn(&self, error: &ApiError, now: Instant) {
        if let ApiError::Retry {
            after_ms: Some(after_ms),
            scope: Scope::Installation | Scope::Person | Scope::All,
        } = error
        {
            let until = now + Duration::from_millis(u64::try_from(*after_ms).unwrap_or(0));
            let mut spent = self.spent();
            spent.paused_until = Some(spent.paused_until.map_or(until, |old| old.max(until)));
        }
    }

    fn check_pause(&self, now: Instant) -> Result<(), ApiError> {
        let mut spent = self.spent();
        match spent.paused_until {
            Some(until) if until > now => Err(ApiError::installation_after(millis(until - now))),
            Some(_) => {
                spent.paused_until = None;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn spent(&self) -> MutexGuard<'_, Spent> {
        // The numbers stay usable when a holder panicked.
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spent {
    fn refill(&mut self, limits: &Limits, now: Instant) {
        let gained = now.duration_since(self.filled).as_secs_f64() * limits.writes_per_second;
        self.burst = (self.burst + gained).min(f64::from(limits.write_burst));
        self.filled = now;
        while self
            .writes
            .front()
            .is_some_and(|at| now.duration_since(*at) >= HOUR)
        {
            self.writes.pop_front();
        }
    }

    /// How long until `count` writes of this priority fit; `None` when they fit now.
    fn wait(
        &self,
        limits: &Limits,
        count: usize,
        priority: Priority,
        now: Instant,
    ) -> Option<Duration> {
        let percent = limits.percent(priority);
        let hour = self.window(HOUR, limits.writes_per_hour * percent / 100, count, now);
        let minute = self.window(MINUTE, limits.writes_per_minute * percent / 100, count, now);
        let missing = (count as f64).min(f64::from(limits.write_burst)) - self.burst;
        let burst =
            (missing > 0.0).then(|| Duration::from_secs_f64(missing / limits.writes_per_second));
        [hour, minute, burst].into_iter().flatten().max()
    }

    /// How long until at most `max` writes, `count` new ones included, lie within `length`.
    fn window(&self, length: Duration, max: usize, count: usize, now: Instant) -> Option<Duration> {
        let recent = self
            .writes
            .iter()
            .rev()
            .take_while(|at| now.duration_since(**at) < length)
            .count();
        // An outcome that needs more writes than the window holds must still be possible once.
        let room = max.saturating_sub(count.min(max));
        if recent <= room {
            return None;
        }
        let leaves = self.writes.len() - recent + (recent - room - 1);
        let at = self.writes.get(leaves)?;
        Some(
            length
                .saturating_sub(now.duration_since(*at))
                .max(Duration::from_millis(1)),
        )
    }
}

fn millis(wait: Duration) -> i64 {
    i64::try_from(wait.as_millis()).unwrap_or(i64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget() -> (Budget, Instant) {
        let now = Instant::now();
        let limits = Limits {
            write_burst: 1_000,
            writes_per_second: 1_000.0,
            ..Limits::default()
        };
        (Budget::new(limits, now), now)
    }

    #[test]
    fn last_fifth_of_a_minute_is_kept_for_merges() {
        let (budget, now) = budget();
        for _ in 0..48 {
            budget.spend(Priority::Answer, now).unwrap();
        }
        let later = now + Duration::from_secs(10);
        assert_eq!(
            budget.spend(Priority::Progress, later),
            Err(ApiError::installation_after(50_000))
        );
        for _ in 0..12 {
            budget.spend(Priority::Merge, later).unwrap();
        }
        assert!(budget.spend(Priority::Merge, later).is_err());
        assert!(budget.spend(Priority::Merge, now + MINUTE).is_ok());
    }

    #[test]
    fn hour_is_full_at_four_hundred() {
        let (budget, start) = budget();
        for minute in 0..8 {
            for _ in 0..50 {
                budget
                    .spend(Priority::Change, start + MINUTE * minute)
                    .unwrap();
            }
        }
        let wait = budget.spend(Priority::Change, start + MINUTE * 10);
        assert_eq!(wait, Err(ApiError::installation_after(50 * 60_000)));
    }

    #[test]
    fn points_of_a_minute_are_nine_hundred_and_the_last_fifth_is_for_merges() {
        let (budget, now) = budget();
        for _ in 0..720 {
            budget.take_points(true, Priority::View, now).unwrap();
        }
        let later = now + Duration::from_secs(20);
        let wait = budget.take_points(true, Priority::View, later);
        assert_eq!(wait, Err(Duration::from_millis(40_250)));
        for _ in 0..36 {
            budget.take_points(false, Priority::Merge, later).unwrap();
        }
        let wait = budget.take_points(true, Priority::Merge, later);
        assert_eq!(wait, Err(Duration::from_millis(40_250)));
        let end = later + Duration::from_millis(40_250);
        assert_eq!(budget.take_points(true, Priority::View, end), Ok(()));
    }

    #[test]
    fn burst_is_followed_by_one_a_second() {
        let now = Instant::now();
        let budget = Budget::new(Limits::default(), now);
        for _ in 0..20 {
            budget.spend(Priority::Merge, now).unwrap();
        }
        assert_eq!(
            budget.spend(Priority::Merge, now),
            Err(ApiError::installation_after(1_000))
        );
        assert!(
            budget
                .spend(Priority::Merge, now + Duration::from_secs(1))
                .is_ok()
        );
    }

    #[test]
    fn pause_holds_everything_until_its_end() {
        let (budget, now) = budget();
        budget.learn(&ApiError::installation_after(5_000), now);
        budget.learn(&ApiError::installation_after(2_000), now);
        assert_eq!(
            budget.check(1, Priority::Merge, now),
            Err(ApiError::installation_after(5_000))
        );
        assert!(
            budget
                .check(1, Priority::Merge, now + Duration::from_secs(5))
                .is_ok()
        );
    }
}
