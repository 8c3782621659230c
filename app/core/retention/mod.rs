//! What may be forgotten: things that are over, old enough, and that nothing still names.
//!
//! Rows and bytes are looked at apart: a run's row may stay long after the model that it made, and nobody proposed, is gone.
//! Whoever sweeps hands over what was found; what is not known to be of no use stays.

mod runs;
#[cfg(test)]
mod tests;
mod turns;
mod unseen;
mod versions;

pub use runs::{Runs, Seen, Words, runs, trigger_pulls};
pub use turns::{AGAIN_MS, EVERY_MS, Sweeps, Turn, turn};
pub use unseen::Unseen;
pub use versions::{Made, only_deleted};

use crate::subject::OUTCOMES_MAX;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Hexadecimal digits of a sha256.
const DIGEST_DIGITS: usize = 64;
/// Characters of a run's id: `r` and twelve hexadecimal digits.
const RUN_CHARS: usize = 13;
/// Payloads of deliveries that are done are kept this long at most; that they came is known for longer. Units: milliseconds.
const PAYLOADS_MS: i64 = 7 * DAY_MS;
/// A day. Units: milliseconds.
pub const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// How long things are kept; `None` keeps them for ever. Units: milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Finished runs, and effects that are done.
    pub runs: Option<i64>,
    /// Deliveries that were handled.
    pub deliveries: Option<i64>,
    /// Deliveries and effects that were given up.
    pub dead_letters: Option<i64>,
    /// What happened, as pages list it.
    pub events: Option<i64>,
    /// Bytes that nothing names.
    pub artifacts_unused: Option<i64>,
}

/// The moments before which things may go. Units: milliseconds since 1970, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Before {
    /// Finished runs, and effects that are done.
    pub runs: i64,
    /// Deliveries that were handled.
    pub deliveries: i64,
    /// The payloads of those.
    pub payloads: i64,
    /// Deliveries and effects that were given up.
    pub dead_letters: i64,
    /// What happened.
    pub events: i64,
    /// Bytes that nothing names.
    pub artifacts: i64,
}

impl Keep {
    /// What may go now: what ended before these moments.
    pub fn before(&self, now_ms: i64) -> Before {
        // Nothing ended before the earliest moment there is.
        let moment = |kept: Option<i64>| kept.map_or(i64::MIN, |kept| now_ms.saturating_sub(kept));
        let payloads = self.deliveries.map(|kept| kept.min(PAYLOADS_MS));
        Before {
            runs: moment(self.runs),
            deliveries: moment(self.deliveries),
            payloads: moment(payloads),
            dead_letters: moment(self.dead_letters),
            events: moment(self.events),
            artifacts: moment(self.artifacts_unused),
        }
    }
}

/// How far a delivery or an effect is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Letter {
    /// It waits, or is at work.
    Waiting,
    /// It is over, and nobody need look at it.
    Handled,
    /// It was given up; somebody may have it tried again.
    GivenUp,
}

/// Whether a delivery may go. Its id tells a repetition, which GitHub sends for days.
pub fn delivery_may_go(letter: Letter, received_ms: i64, before: &Before) -> bool {
    may_go(letter, received_ms, before.deliveries, before)
}

/// Whose effect it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// One that goes on; so many of its effects are newer.
    Living(usize),
    /// A closed pull request or issue with nothing left to bring about, an environment that is gone.
    Over,
}

/// Whether an effect of a pull request, a model or an environment may go. Those of a run go with it.
///
/// The newest ones are what a step is told of, and by those it knows what it has done.
pub fn effect_may_go(letter: Letter, owner: Owner, updated_ms: i64, before: &Before) -> bool {
    let is_told = match owner {
        Owner::Living(newer) => newer < OUTCOMES_MAX,
        Owner::Over => false,
    };
    !is_told && may_go(letter, updated_ms, before.runs, before)
}

fn may_go(letter: Letter, at_ms: i64, handled: i64, before: &Before) -> bool {
    match letter {
        Letter::Waiting => false,
        Letter::Handled => at_ms < handled,
        Letter::GivenUp => at_ms < before.dead_letters,
    }
}

/// Whether bytes may go: `hex` is their digest, `named` every digest that is named, `stored_ms` when they were last stored.
pub fn artifact_may_go(
    hex: &str,
    stored_ms: i64,
    named: &BTreeSet<String>,
    before: &Before,
) -> bool {
    stored_ms < before.artifacts && !named.contains(hex)
}

/// Whether a store can tell what bytes are named by: one that is younger than they are may never have known.
///
/// It was lost and made anew, or another one is configured.
pub fn can_vouch(born_ms: i64, before: &Before) -> bool {
    born_ms <= before.artifacts
}

/// The digests and the ids of runs that stand anywhere in a text; a document is a text.
pub fn names(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter(|word| {
        let is_hex = |digits: &str| {
            digits
                .bytes()
                .all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'))
        };
        match word.len() {
            DIGEST_DIGITS => is_hex(word),
            RUN_CHARS => word.strip_prefix('r').is_some_and(is_hex),
            _ => false,
        }
    })
}

/// What went, or would go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swept {
    /// Deliveries.
    pub deliveries: u64,
    /// Payloads of deliveries that stay.
    pub payloads: u64,
    /// Effects of pull requests, models and environments.
    pub effects: u64,
    /// Runs, with their effects.
    pub runs: u64,
    /// Events.
    pub events: u64,
    /// Files of the artifact store.
    pub artifacts: u64,
    /// Of these files. Units: bytes.
    pub artifact_bytes: u64,
}

impl Swept {
    /// Whether there was nothing to do.
    pub fn is_nothing(&self) -> bool {
        *self == Swept::default()
    }

    /// In one line.
    pub fn shown(&self) -> String {
        format!(
            "{} runs, {} effects, {} deliveries, {} payloads of deliveries, {} events, {} artifacts of {} bytes",
            self.runs,
            self.effects,
            self.deliveries,
            self.payloads,
            self.events,
            self.artifacts,
            self.artifact_bytes
        )
    }
}
