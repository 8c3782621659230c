//! Repositories that cannot be read now: which bytes they may name.

use super::Made;
use crate::name::{Repo, RepoId};
use crate::subject::run::Run;
use std::collections::BTreeSet;

/// Repositories that cannot be read, and the trainings that have made versions for them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unseen {
    repos: Vec<Repo>,
    trainings: BTreeSet<RepoId>,
}

impl Unseen {
    /// These repositories, by the versions that there are.
    pub fn new(repos: Vec<Repo>, made: &[Made]) -> Unseen {
        let is_for_one = |made: &&Made| repos.iter().any(|repo| repo.id == made.service);
        let trainings = made.iter().filter(is_for_one).map(|made| made.training);
        Unseen {
            trainings: trainings.collect(),
            repos,
        }
    }

    /// Whether everything can be read.
    pub fn is_empty(&self) -> bool {
        self.repos.is_empty()
    }

    /// Whether one of them may name what a run made: its own repository, its service, or one that it has made a version for.
    ///
    /// A manifest elsewhere names nothing that counts: no change lands that names what was not proposed there.
    pub fn may_name(&self, run: &Run) -> bool {
        let service = run.service.as_ref();
        let service = service.and_then(|name| run.repo.name.sibling(name).ok());
        let is_one = |repo: &Repo| repo.id == run.repo.id || service.as_ref() == Some(&repo.name);
        self.trainings.contains(&run.repo.id) || self.repos.iter().any(is_one)
    }
}
