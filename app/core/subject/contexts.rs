//! What others report on a commit, and what GitHub's rules of a branch require of it.

use serde::{Deserialize, Serialize};

/// A status or check run of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// Its name.
    pub name: String,
    /// How it stands; of duplicates the best.
    pub state: ContextState,
    /// Whether our App wrote it.
    pub is_ours: bool,
    /// Whether it is a check run; else a status.
    pub is_run: bool,
    /// The App that reported it, by GitHub's number; a status tells none, unless it is ours.
    pub app: Option<u64>,
}

/// How a context stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ContextState {
    /// Red.
    Failure,
    /// Not finished.
    Pending,
    /// Green; neutral and skipped count.
    Success,
}

/// A context that the rules of a branch require.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RequiredContext {
    /// Its name.
    pub name: String,
    /// The App that must report it, by GitHub's number; anybody where absent.
    pub app: Option<u64>,
}

impl RequiredContext {
    /// One that anybody may report.
    pub fn of_anybody(name: String) -> RequiredContext {
        RequiredContext { name, app: None }
    }

    /// How it stands by what was reported; nothing where nobody who counts has.
    ///
    /// Where anybody counts, what others reported goes before what we did. A status does not tell its App, so it counts where
    /// that App has no check run: whether it came from there is for GitHub to say when it is asked to merge.
    pub fn state(&self, reported: &[Context]) -> Option<ContextState> {
        let best = |all: Vec<&Context>| all.into_iter().map(|one| one.state).max();
        let named = reported.iter().filter(|one| one.name == self.name);
        match self.app {
            Some(app) => {
                let (of_app, others): (Vec<_>, Vec<_>) =
                    named.partition(|one| one.app == Some(app));
                let statuses = others.into_iter().filter(|one| !one.is_run && !one.is_ours);
                best(of_app).or_else(|| best(statuses.collect()))
            }
            None => {
                let (ours, others): (Vec<_>, Vec<_>) = named.partition(|one| one.is_ours);
                best(others).or_else(|| best(ours))
            }
        }
    }
}
