//! How pull requests follow the branches they are about: new heads, new bases, the end.

use crate::api::pulls::pull_json;
use crate::events::Event;
use crate::gitstore;
use crate::refs::{Moved, Push};
use crate::state::{Mergeable, Merged, State};
use crate::text;
use git2::{Oid, Repository};
use serde_json::{Value, json};

/// Lets open pull requests follow their head branch, or close when it is gone.
pub(crate) fn heads(
    push: Push<'_>,
    state: &mut State,
    branch: &str,
    one: &Moved,
) -> Result<(), git2::Error> {
    let found: Vec<(u64, u64)> = state
        .repos
        .values()
        .flat_map(|repo| {
            repo.open_pulls()
                .map(|(issue, pull)| (repo.id, issue.number, pull))
        })
        .filter(|(_, _, pull)| pull.head_repo == Some(push.repo) && pull.head_ref == branch)
        .map(|(repo, number, _)| (repo, number))
        .collect();
    for (base_repo, number) in found {
        match &one.after {
            Some(after) => {
                keep_head(push, state, base_repo, (number, after))?;
                if let Some(pull) = pull_mut(state, base_repo, number) {
                    pull.head_sha = after.clone();
                    pull.is_queued = false;
                    pull.mergeable = Mergeable::Unknown;
                }
                refresh_base(state, base_repo, number);
                touch_issue(state, base_repo, number);
                let mut payload = pull_payload(push, state, base_repo, number)?;
                payload["before"] = json!(one.before);
                payload["after"] = json!(after);
                emit_pull(push, state, base_repo, ("synchronize", payload));
            }
            None => close(push, state, (base_repo, number), None)?,
        }
    }
    Ok(())
}

/// Brings a pull request's head into the base repository and names it there.
pub(crate) fn keep_head(
    push: Push<'_>,
    state: &State,
    base_repo: u64,
    head: (u64, &str),
) -> Result<(), git2::Error> {
    let (Some(base), Some(from)) = (state.repos.get(&base_repo), state.repos.get(&push.repo))
    else {
        return Ok(());
    };
    let to = push.hub.git(state, base)?;
    let (number, sha) = head;
    let reference = format!("refs/pull/{number}/head");
    let from = push.hub.git_path(state, from);
    gitstore::bring(&from, &to, sha, &reference)
}

fn refresh_base(state: &mut State, repo_id: u64, number: u64) {
    let tip = state.repos.get(&repo_id).and_then(|repo| {
        let pull = repo.issues.get(&number)?.pull.as_ref()?;
        repo.branch(&pull.base_ref).cloned()
    });
    if let (Some(tip), Some(pull)) = (tip, pull_mut(state, repo_id, number)) {
        pull.base_sha = tip;
    }
}

/// Lets pull requests into a branch forget their test merge, or count as merged.
pub(crate) fn bases(
    push: Push<'_>,
    state: &mut State,
    git: &Repository,
    at: (&str, &Moved),
) -> Result<(), git2::Error> {
    let (branch, one) = at;
    let Some(repo) = state.repos.get(&push.repo) else {
        return Ok(());
    };
    let found: Vec<(u64, String)> = repo
        .open_pulls()
        .filter(|(_, pull)| pull.base_ref == branch)
        .map(|(issue, pull)| (issue.number, pull.head_sha.clone()))
        .collect();
    for (number, head) in found {
        if let Some(pull) = pull_mut(state, push.repo, number) {
            pull.mergeable = Mergeable::Unknown;
        }
        let Some(after) = &one.after else {
            close(push, state, (push.repo, number), None)?;
            continue;
        };
        let (tip, head) = (Oid::from_str(after)?, Oid::from_str(&head)?);
        if tip == head || git.graph_descendant_of(tip, head).unwrap_or(false) {
            let sha = after.clone();
            close(push, state, (push.repo, number), Some(sha))?;
        }
    }
    Ok(())
}

/// Closes a pull request, merged when a commit is given.
pub(crate) fn close(
    push: Push<'_>,
    state: &mut State,
    which: (u64, u64),
    merged: Option<String>,
) -> Result<(), git2::Error> {
    let (repo_id, number) = which;
    let now = text::now();
    let is_merged = merged.is_some();
    if let Some(pull) = pull_mut(state, repo_id, number)
        && let Some(sha) = merged
    {
        pull.is_queued = false;
        pull.merged = Some(Merged {
            at: now,
            by: push.pusher,
            sha,
        });
    }
    let issue = state
        .repos
        .get_mut(&repo_id)
        .and_then(|repo| repo.issues.get_mut(&number));
    if let Some(issue) = issue {
        issue.is_open = false;
        issue.closed = Some(now);
        issue.closed_by = Some(push.pusher);
        issue.updated = now;
    }
    let name = state.repos.get(&repo_id).map(|repo| state.full_name(repo));
    push.hub.note(
        if is_merged {
            "pull.merged"
        } else {
            "pull.closed"
        },
        state.login(push.pusher),
        name.as_deref(),
        json!({ "number": number }),
    );
    let payload = pull_payload(push, state, repo_id, number)?;
    emit_pull(push, state, repo_id, ("closed", payload));
    Ok(())
}

fn pull_payload(
    push: Push<'_>,
    state: &State,
    repo_id: u64,
    number: u64,
) -> Result<Value, git2::Error> {
    Ok(json!({
        "number": number,
        "pull_request": pull_json(push.hub, state, repo_id, number)?,
    }))
}

fn emit_pull(push: Push<'_>, state: &State, repo: u64, what: (&'static str, Value)) {
    push.hub.emit(
        state,
        Event {
            name: "pull_request",
            action: Some(what.0),
            repo: Some(repo),
            sender: push.pusher,
            payload: what.1,
        },
    );
}

/// Takes a pull request out of the merge queue without merging it.
pub(crate) fn dequeue(
    push: Push<'_>,
    state: &mut State,
    (repo_id, number): (u64, u64),
    reason: &str,
) -> Result<(), git2::Error> {
    if let Some(pull) = pull_mut(state, repo_id, number) {
        pull.is_queued = false;
    }
    let mut payload = pull_payload(push, state, repo_id, number)?;
    payload["reason"] = json!(reason);
    emit_pull(push, state, repo_id, ("dequeued", payload));
    Ok(())
}

fn touch_issue(state: &mut State, repo: u64, number: u64) {
    let issue = state
        .repos
        .get_mut(&repo)
        .and_then(|repo| repo.issues.get_mut(&number));
    if let Some(issue) = issue {
        issue.updated = text::now();
    }
}

/// The pull request side of an issue.
pub(crate) fn pull_mut(
    state: &mut State,
    repo: u64,
    number: u64,
) -> Option<&mut crate::state::Pull> {
    state
        .repos
        .get_mut(&repo)?
        .issues
        .get_mut(&number)?
        .pull
        .as_mut()
}
