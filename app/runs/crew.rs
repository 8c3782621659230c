//! Who does the work of stages: processes of this machine, or Jobs of a cluster.
//!
//! A crew sends for an agent and says how it stands. What a stage's order is, whose turn it is, and what its last word
//! is worth, is the book's and the shop's.

use super::desk::{Desk, Started};
use bowsprit_core::training::spec::FailureKind;

/// How an agent that was sent for stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// It works, or may begin at any moment.
    AtWork,
    /// It cannot begin yet, or must begin again: why, for a person.
    Waiting(String),
    /// There is none and there never was: another may be sent for.
    NeverBegan(String),
    /// It ended without a last word, and nobody goes on with its stage: why, for a person.
    Lost(FailureKind, String),
}

/// Does the work of stages.
pub(super) trait Crew: Send {
    /// Sends for an agent. What fails here shows when the crew is asked how it stands.
    fn begin(&mut self, stage: &str, desk: &Desk, started: &mut Started);

    /// How the agent of a stage stands that was begun and has left no last word.
    fn look(&mut self, stage: &str, desk: &Desk, started: &Started) -> Standing;

    /// The stage is over and its result is kept: nothing of the crew's own is needed any more.
    fn release(&mut self, stage: &str);
}
