//! The `local` crew: agents as processes of this machine, one directory each.
//!
//! Agents outlive the bot: a later one finds them by their locks.

use super::crew::{Crew, Standing};
use super::desk::{Desk, Started};
use crate::hands::Hands;
use bowsprit_core::training::spec::FailureKind;
use std::collections::BTreeMap;
use std::process::Child;

/// The processes, and how more are started.
pub(super) struct Processes {
    agent: Hands,
    children: BTreeMap<String, Child>,
}

impl Processes {
    /// A crew of agents that are started so.
    pub(super) fn new(agent: Hands) -> Processes {
        Processes {
            agent,
            children: BTreeMap::new(),
        }
    }

    /// A child that is never asked how it ended stays in the process table.
    fn is_child(&mut self, stage: &str) -> bool {
        let Some(child) = self.children.get_mut(stage) else {
            return false;
        };
        match child.try_wait() {
            Ok(None) => true,
            Ok(Some(_)) => {
                self.children.remove(stage);
                false
            }
            Err(error) => {
                tracing::warn!(run.stage = %stage, "cannot look after the agent of stage `{stage}`: {error}");
                true
            }
        }
    }
}

impl Crew for Processes {
    fn begin(&mut self, stage: &str, desk: &Desk, started: &mut Started) {
        match self.agent.start("run", desk.dir()) {
            Ok(child) => {
                started.pid = Some(child.id());
                started.born = bowsprit_agent::tree::born(child.id());
                self.children.insert(stage.to_owned(), child);
            }
            // Looked at again with the next call, as an agent that ended at once.
            Err(error) => tracing::error!("{error:#}"),
        }
    }

    fn look(&mut self, stage: &str, desk: &Desk, started: &Started) -> Standing {
        let is_same =
            |pid: u32| started.born.is_some() && bowsprit_agent::tree::born(pid) == started.born;
        if self.is_child(stage) || started.pid.is_some_and(is_same) || desk.is_at_work() {
            return Standing::AtWork;
        }
        if desk.has_begun() {
            return Standing::Lost(
                FailureKind::Lost,
                "the agent ended without a result: it was killed, or the machine was restarted; run it again"
                    .to_owned(),
            );
        }
        Standing::NeverBegan(
            "no agent could be started for this stage; the server's log says why".to_owned(),
        )
    }

    fn release(&mut self, stage: &str) {
        // The agent may still be at its very end; it is waited for, so that it does not stay in the process table.
        self.is_child(stage);
    }
}
