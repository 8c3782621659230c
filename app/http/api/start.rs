//! The start of a run by a call.
//!
//! Only commits of a branch are taken: what a fork's pull request holds must not run as trusted code.

use super::{accepted, body, runs};
use crate::http::Desk;
use crate::http::access::{self, Caller};
use crate::http::answer::{Answer, No};
use crate::http::params;
use axum::body::Bytes;
use axum::extract::State;
use bowsprit_core::effect::{Hint, Wake};
use bowsprit_core::name::{BranchName, CommitSha, RepoName};
use bowsprit_core::subject::SubjectKey;
use bowsprit_core::subject::ask::RepoView;
use bowsprit_core::subject::run::{Cause, Trigger, What};
use bowsprit_core::training::spec::Trust;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Start {
    repo: RepoName,
    branch: Option<BranchName>,
    sha: Option<CommitSha>,
}

const SHAPE: &str = "send `{\"repo\": \"owner/name\"}`, perhaps with `branch`, or with the 40 digits of a `sha` on it";

pub(crate) async fn start(State(desk): State<Arc<Desk>>, caller: Caller, bytes: Bytes) -> Answer {
    let wanted: Start = body(&bytes, SHAPE)?;
    let view = params::repository(&desk, wanted.repo.owner(), wanted.repo.name()).await?;
    let branch = wanted.branch.unwrap_or_else(|| view.default_branch.clone());
    let sha = commit(&desk, &view, &branch, wanted.sha).await?;
    let cause = Cause {
        repo: view.repo.clone(),
        sha: sha.clone(),
        what: What::Train,
        trigger: Trigger::Again {
            branch: Some(branch.clone()),
            pr: None,
            nonce: access::random_text()?,
        },
        trust: Trust::Trusted,
        params: BTreeMap::new(),
        by: Some(runs::person(&desk, &caller)),
    };
    let id = cause.run_id();
    let wake = Wake {
        subject: SubjectKey::Run(id.clone()),
        hint: Some(Hint::RunWanted(cause)),
    };
    desk.rooms.store.wake(vec![wake]).await?;
    tracing::info!(run.id = %id, repo.name = %view.repo.name, "run `{id}` of `{}` is wanted, says the API", view.repo.name);
    let page = format!("{}/runs/{id}", desk.rooms.public_url);
    Ok(accepted(
        json!({"id": id, "repo": view.repo.name, "branch": branch, "sha": sha, "page": page}),
    ))
}

/// The commit to run: the head of the branch, or a commit that the branch holds.
async fn commit(
    desk: &Desk,
    view: &RepoView,
    branch: &BranchName,
    sha: Option<CommitSha>,
) -> Result<CommitSha, No> {
    let head = desk.rooms.head(&view.repo, branch).await?;
    let head = head.ok_or(No::missing(
        "the repository has no such branch; push it first",
    ))?;
    match sha {
        None => Ok(head),
        Some(sha) if sha == head => Ok(sha),
        Some(sha) => match desk.rooms.is_on(&view.repo, &head, &sha).await? {
            true => Ok(sha),
            false => Err(No::conflict(
                "the commit is not on this branch; name the branch that holds it",
            )),
        },
    }
}
