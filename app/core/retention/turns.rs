//! When it is a sweep's turn, and whether the clock can be believed.

use super::DAY_MS;
use serde::{Deserialize, Serialize};

/// How often what is old is looked for. Units: milliseconds.
pub const EVERY_MS: i64 = DAY_MS;
/// How soon again, where something could not be asked or the clock is doubted. Units: milliseconds.
pub const AGAIN_MS: i64 = 60 * 60 * 1_000;
/// A clock that is farther beyond the last sweep may have jumped, or nobody was here so long. Units: milliseconds.
const JUMP_MS: i64 = 2 * EVERY_MS;

/// What is remembered of sweeps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sweeps {
    /// When one ended last. Units: milliseconds since 1970, UTC.
    pub done_ms: Option<i64>,
    /// What the clock said when it was doubted first, since then. Units: milliseconds since 1970, UTC.
    pub doubted_ms: Option<i64>,
}

/// Whether it is a sweep's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It is.
    Now,
    /// It is in so long. Units: milliseconds.
    In(i64),
    /// The clock is so far beyond the last moment known that nothing goes before a later look agrees. Units: milliseconds.
    Doubted(i64),
}

/// Says whether it is a sweep's turn; a store that knows of none knows when it was made.
pub fn turn(sweeps: &Sweeps, born_ms: i64, now_ms: i64) -> Turn {
    let since_ms = now_ms.saturating_sub(sweeps.done_ms.unwrap_or(born_ms));
    if since_ms <= JUMP_MS {
        let wait_ms = sweeps.done_ms.map_or(0, |_| EVERY_MS - since_ms);
        return match wait_ms {
            ..=0 => Turn::Now,
            // A clock that was set back would have it wait for years.
            wait_ms => Turn::In(wait_ms.min(EVERY_MS)),
        };
    }
    let doubted_for_ms = sweeps.doubted_ms.map(|at_ms| now_ms.saturating_sub(at_ms));
    match doubted_for_ms {
        Some(AGAIN_MS..=JUMP_MS) => Turn::Now,
        Some(for_ms @ 0..AGAIN_MS) => Turn::In(AGAIN_MS - for_ms),
        Some(_) | None => Turn::Doubted(since_ms),
    }
}
