//! A run that was removed since it is old, and whose check is still there with its button.

use super::{Cause, Phase, Run, check};
use crate::effect::{Hint, Record};
use crate::subject::{Act, Given};

/// What its check says then.
const FORGOTTEN: &str = "what is known of this run was removed, since it is old, and this commit is not the head of the default branch; push it again, or say `/retest` on an open pull request that has it";

impl Run {
    /// Whether it only tells that nobody remembers what it was.
    pub fn is_forgotten(&self) -> bool {
        self.phase == Phase::Skipped && self.note.as_deref() == Some(FORGOTTEN)
    }
}

/// Tells in the check that nobody remembers the run, each time that somebody presses its button.
pub(super) fn told(given: &Given<Run>) -> Option<Act<Run>> {
    let (id, cause) = given.hints.iter().find_map(asked)?;
    if given.state.as_ref().is_some_and(|run| !run.is_forgotten()) {
        return None;
    }
    let run = Run {
        id: id.to_owned(),
        phase: Phase::Skipped,
        note: Some(FORGOTTEN.to_owned()),
        finished_ms: Some(given.now_ms),
        ..Run::new(cause.clone(), given.now_ms)
    };
    let mut act = Act::keep(run.clone());
    act.intents.push(check::concluded(&run, Vec::new()));
    // Its row goes as those of other runs do.
    act.records.push(Record::Run(Box::new(run)));
    Some(act)
}

fn asked(hint: &Hint) -> Option<(&str, &Cause)> {
    if let Hint::RunForgotten { id, cause } = hint {
        return Some((id, cause));
    }
    None
}
