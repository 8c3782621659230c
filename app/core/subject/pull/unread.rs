//! What an open pull request says where GitHub refuses, for good, to show what a look at it needs.
//!
//! Nothing is judged then and nothing merges; the state stays as it was, and so does what the look was to take note of.

use crate::effect::{Effect, Intent, Priority, Text};
use crate::name::{PrNumber, RepoId};
use crate::subject::ask::{Ask, ContractAt, Query};
use serde_json::json;

/// The status comment that says it in GitHub's words; `None` where the thread has nothing to do with us.
///
/// Errors: what must be asked first.
pub fn unread(
    (id, number): (RepoId, PrNumber),
    (what, words): (&Query, &str),
    public_url: &str,
    ask: &mut Ask,
) -> Result<Option<Intent>, Vec<Query>> {
    // What the look before asked in vain is not asked again for its own sake.
    ask.take_missing();
    match tell((id, number), (what, words), public_url, ask) {
        Some(told) => Ok(told),
        None => Err(ask.take_missing()),
    }
}

fn tell(
    (id, number): (RepoId, PrNumber),
    (what, words): (&Query, &str),
    public_url: &str,
    ask: &mut Ask,
) -> Option<Option<Intent>> {
    let Some(repo) = ask.repository(id)? else {
        return Some(None);
    };
    let Some(view) = ask.kept_pull(id, number)? else {
        return Some(None);
    };
    let Some(change) = view.change.filter(|_| view.is_open) else {
        return Some(None);
    };
    let Some(base) = ask.head(id, &change.base)? else {
        return Some(None);
    };
    if matches!(ask.contract(id, &base)?, ContractAt::Missing) {
        return Some(None);
    }
    let name = &repo.repo.name;
    let data = json!({
        "what": shown(what),
        "words": words,
        "page": format!("{public_url}/pulls/{name}/{number}"),
    });
    Some(Some(Intent {
        key: format!("status:{id}:{number}"),
        is_view: true,
        priority: Priority::View,
        effect: Effect::StatusComment {
            repo: repo.repo,
            pr: number,
            text: Text::new("comments/unread", data),
        },
    }))
}

/// What was asked for, as people call it.
fn shown(query: &Query) -> &'static str {
    match query {
        Query::Pull(..) | Query::KeptPull(..) | Query::OpenPull(..) => "pull requests",
        Query::Comments(..) | Query::KeptComments(..) | Query::DiffComments(..) => "comments",
        Query::Reviews(..) => "reviews",
        Query::Permission(..) | Query::Collaborator(..) => "who may do what in this repository",
        Query::OrgMember(..) | Query::TeamMember(..) => "who belongs to the organisation",
        Query::Labels(..) => "labels",
        Query::Milestones(..) => "milestones",
        Query::Contexts(..) => "check runs and commit statuses",
        Query::Blockers(..) => "issues",
        Query::MergeQueue(..) | Query::Required(..) => "the rules of the branch",
        Query::QueueEntry(..) => "the merge queue",
        Query::Repository(..)
        | Query::RepositoryNamed(..)
        | Query::Head(..)
        | Query::Changes(..)
        | Query::Owners(..)
        | Query::Contract(..)
        | Query::Policies(..)
        | Query::Text(..)
        | Query::Commit(..)
        | Query::Models(..)
        | Query::ServiceTree(..)
        | Query::MergeTree(..)
        | Query::Chain(..)
        | Query::Landed(..)
        | Query::Inputs(..)
        | Query::Picked(..)
        | Query::IsAncestor(..)
        | Query::SnapshotDigest(..)
        | Query::JudgeDigest(..)
        | Query::Versions(..) => "the repository's code",
        // These are asked of our own rooms.
        Query::Pool(..)
        | Query::Stage(..)
        | Query::Samples(..)
        | Query::Runs(..)
        | Query::BranchRuns(..)
        | Query::QueueRuns(..)
        | Query::RunsOfInputs(..)
        | Query::Run(..)
        | Query::PassedRun(..)
        | Query::Next(..)
        | Query::StoredVersions(..)
        | Query::Live(..)
        | Query::Environment(..)
        | Query::Environments(..)
        | Query::Pause
        | Query::Habits(..) => "what this needs",
    }
}
