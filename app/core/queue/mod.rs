//! The merge queue: which tests a pool of ready pull requests wants, who may merge, and who is put out.
//!
//! A test is made over a base and an ordered list of heads merged into it. A green one lets exactly that list land, in
//! that order. The members of a pool stand in one order, and every test of it is over a prefix of that order, as far as
//! nothing is under suspicion: so a test that came out green serves whatever the others do. What red tests have in
//! common, and no green one clears, is under suspicion; it is moved to the end and split until one member is left.
//!
//! Nothing is remembered here: the same pool with the same tests gives the same decision.

mod evidence;
mod order;
mod plan;
mod view;
pub mod wishes;

#[cfg(test)]
mod tests;

use crate::name::{CommitSha, PrNumber};
use evidence::Evidence;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use view::View;

pub use order::Rank;

/// A member that was red so often, with nobody else to blame, is put out: once, and once again.
pub const REDS_MAX: usize = 2;

/// Heads that one test merges, where pools are really tested.
pub const BATCH_MAX: usize = 64;

/// Runs of a branch's tests that are looked at; what is older is forgotten.
pub const RUNS_MAX: usize = 600;

/// Merges of one head that GitHub refuses before people are left to it.
pub const TRIES_MAX: u32 = 6;

/// A pull request that meets every rule but its turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Which.
    pub number: PrNumber,
    /// The head that is ready.
    pub head: CommitSha,
    /// Higher goes first.
    pub priority: u32,
    /// Since when it is ready. Units: milliseconds since 1970, UTC.
    pub ready_ms: i64,
    /// Merges of this head that GitHub refused.
    pub attempts: u32,
}

impl Member {
    /// Its place among the others.
    pub fn rank(&self) -> Rank {
        Rank::new(self.attempts, self.priority, self.ready_ms, self.number)
    }
}

/// A head that came to the branch as a test would merge it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landed {
    /// The base before.
    pub onto: CommitSha,
    /// What was merged into it.
    pub head: CommitSha,
}

/// Everything that wants to land on one branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// Head of the branch now.
    pub base: CommitSha,
    /// What landed since the oldest test, oldest first, each on the one before. A push of anybody else begins it anew.
    pub landed: Vec<Landed>,
    /// In any order.
    pub members: Vec<Member>,
}

/// Heads merged in their order into a base, tested together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Test {
    /// The base.
    pub base: CommitSha,
    /// The heads.
    pub heads: Vec<CommitSha>,
    /// What came of it.
    pub verdict: Verdict,
}

/// What came of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It is under way.
    Running,
    /// All may land together.
    Green,
    /// Something in it is bad, or the test is.
    Red,
    /// The head at this place does not merge with those before it.
    Conflict(usize),
}

/// What a pool may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Tests under way at once; at least one.
    pub at_once: usize,
    /// Heads that one test merges; at least one.
    pub batch: usize,
}

/// What to do now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// These merge, one after the other. One that is refused ends the row: the tree of the rest was never tested.
    pub merge: Vec<PrNumber>,
    /// Tests to start.
    pub start: Vec<Start>,
    /// Tests that can no longer help, by their place in the list.
    pub cancel: Vec<usize>,
    /// These leave the pool.
    pub out: Vec<Out>,
}

/// A test to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The base.
    pub base: CommitSha,
    /// Heads to merge into it, in this order.
    pub heads: Vec<CommitSha>,
}

/// A member that leaves the pool. Who lets it in again forgets the tests that it was in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Out {
    /// Which.
    pub number: PrNumber,
    /// Why.
    pub why: Why,
}

/// Why a member is put out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// Tests were red, and everything else in them has landed.
    Red {
        /// How many.
        times: usize,
    },
    /// It does not merge into the branch as it is.
    Conflict,
    /// GitHub refused to merge it.
    Refused {
        /// How often.
        times: u32,
    },
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Why::Red { times } => write!(
                f,
                "{times} tests with it were red, and everything else in them has landed; push a fix, or `/retest`"
            ),
            Why::Conflict => write!(
                f,
                "it conflicts with what landed before it; merge or rebase"
            ),
            Why::Refused { times } => write!(f, "GitHub refused to merge it {times} times"),
        }
    }
}

/// Says what a pool does now.
pub fn decide(pool: &Pool, tests: &[Test], limits: Limits) -> Decision {
    let mut view = View::of(pool, tests);
    let out = put_out(&view);
    view.leave(&out.iter().map(|(seat, _)| *seat).collect());
    let merge = view.longest_green();
    // Those merge within seconds: whatever starts now is made on top of them.
    view.land(&merge);
    let doomed: BTreeSet<usize> = put_out(&view).into_iter().map(|(seat, _)| seat).collect();
    view.leave(&doomed);
    let evidence = Evidence::of(&view);
    let cancel = view.useless(&evidence);
    let start = plan::starts(&view, &evidence, &cancel, limits);
    let head = |seat: &usize| view.members[*seat].head.clone();
    let number = |seat: usize| view.members[seat].number;
    let start = start.iter().map(|seats| Start {
        base: pool.base.clone(),
        heads: merge.iter().chain(seats).map(head).collect(),
    });
    let out = out.into_iter().map(|(seat, why)| Out {
        number: number(seat),
        why,
    });
    Decision {
        start: start.collect(),
        merge: merge.iter().map(|seat| number(*seat)).collect(),
        cancel,
        out: out.collect(),
    }
}

/// Members that nothing more is tried with.
fn put_out(view: &View<'_>) -> Vec<(usize, Why)> {
    let mut out = Vec::new();
    for seat in view.present.iter().copied() {
        let attempts = view.members[seat].attempts;
        let times = view.reds_alone(seat);
        if attempts >= TRIES_MAX {
            out.push((seat, Why::Refused { times: attempts }));
        } else if times >= REDS_MAX {
            out.push((seat, Why::Red { times }));
        } else if view.conflicts_alone(seat) {
            out.push((seat, Why::Conflict));
        }
    }
    out
}
