//! A test of a pool as its stored runs tell of it.

use super::Ready;
use crate::name::{CommitSha, PrNumber};
use crate::queue::{RUNS_MAX, Test, Verdict};
use crate::subject::run::{Phase, Run, Trigger, What};

/// A test as its runs tell of it.
pub(super) struct Stored {
    pub(super) base: CommitSha,
    pub(super) heads: Vec<CommitSha>,
    pub(super) turn: u32,
    pub(super) runs: Vec<Run>,
    pub(super) whats: Vec<What>,
    left_out: Vec<(PrNumber, String)>,
}

impl Stored {
    pub(super) fn test(&self) -> Option<Test> {
        Some(Test {
            base: self.base.clone(),
            heads: self.heads.clone(),
            verdict: self.verdict()?,
        })
    }

    /// Tests, the oldest first, of runs in that order.
    pub(super) fn all(runs: Vec<Run>) -> Vec<Stored> {
        let mut all: Vec<Stored> = Vec::new();
        let is_cut = runs.len() >= RUNS_MAX;
        for run in runs {
            let Trigger::Queue {
                base,
                members,
                whats,
                turn,
                left_out,
                ..
            } = &run.cause.trigger
            else {
                continue;
            };
            let heads: Vec<CommitSha> = members.iter().map(|(_, head)| head.clone()).collect();
            let is_it =
                |one: &&mut Stored| one.base == *base && one.heads == heads && one.turn == *turn;
            match all.iter_mut().find(is_it) {
                Some(test) => test.runs.push(run),
                None => all.push(Stored {
                    base: base.clone(),
                    heads,
                    turn: *turn,
                    whats: whats.clone(),
                    left_out: left_out.clone(),
                    runs: vec![run],
                }),
            }
        }
        let is_partial = |test: &Stored| test.runs.len() < test.whats.len();
        if is_cut && all.first().is_some_and(is_partial) {
            // Its older runs are not seen, so it would seem to wait for them for ever.
            all.remove(0);
        }
        all
    }

    /// What came of it; `None` where somebody ended it before.
    pub(super) fn verdict(&self) -> Option<Verdict> {
        let has = |phase: Phase| self.runs.iter().any(|run| run.phase == phase);
        let is_good = |what: &What| {
            let mut runs = self.runs.iter().filter(|run| run.cause.what == *what);
            runs.any(|run| matches!(run.phase, Phase::Succeeded | Phase::Skipped))
        };
        match () {
            () if has(Phase::Failed) => Some(Verdict::Red),
            () if self.whats.iter().all(is_good) => Some(Verdict::Green),
            () if has(Phase::Cancelled) => None,
            () => Some(Verdict::Running),
        }
    }

    /// Whether it is about a member, no member is to be tested anew since, and what it leaves out is overridden still.
    pub(super) fn counts(&self, members: &[(PrNumber, Ready)]) -> bool {
        let began_ms = self.runs.iter().map(|run| run.created_ms).min();
        let is_overridden = |number: PrNumber, ready: &Ready| {
            let own = self.left_out.iter().filter(|(of, _)| *of == number);
            own.into_iter()
                .all(|(_, name)| ready.overridden.contains(name))
        };
        let mut own = members
            .iter()
            .filter(|(_, ready)| self.heads.contains(&ready.head))
            .peekable();
        own.peek().is_some()
            && own.all(|(number, ready)| {
                began_ms > Some(ready.forgets_ms) && is_overridden(*number, ready)
            })
    }
}
