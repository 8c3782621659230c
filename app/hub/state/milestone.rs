//! Milestones, which issues and pull requests belong to.

use super::Repo;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Milestone {
    pub(crate) id: u64,
    pub(crate) number: u64,
    pub(crate) title: String,
    pub(crate) description: Option<String>,
    pub(crate) creator: u64,
    pub(crate) is_open: bool,
    pub(crate) created: i64,
}

impl Repo {
    pub(crate) fn milestone(&self, number: u64) -> Option<&Milestone> {
        self.milestones.iter().find(|one| one.number == number)
    }
}
