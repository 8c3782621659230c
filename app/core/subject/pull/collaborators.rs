//! Whose word counts as that of a collaborator: who may write, and with Prow's habits who may triage.
//!
//! Prow asks GitHub whether somebody is a collaborator. What a person may do is asked here anyway and says the same, but
//! of those who may only read: in a public repository that is everybody, and a further call for each stranger's word at
//! each look would tell them apart.

use crate::habits::{Compatibility, Habits};
use crate::name::{Login, RepoId};
use crate::subject::ask::{Ask, Permission};

/// Whether somebody's word counts as that of a collaborator.
pub(super) fn is_one(who: &Login, (id, habits): (RepoId, &Habits), ask: &mut Ask) -> Option<bool> {
    let least = match habits.preset {
        Compatibility::Own => Permission::Write,
        Compatibility::Prow => Permission::Triage,
    };
    Some(ask.permission(id, who)? >= least)
}

/// Who that is, for people.
pub(super) fn people(habits: &Habits) -> &'static str {
    match habits.preset {
        Compatibility::Own => "people who may write",
        Compatibility::Prow => "people who may triage or write",
    }
}
