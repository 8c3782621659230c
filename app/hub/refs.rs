//! The one place where moved refs become visible: compares git with what was seen last.
//!
//! A push over HTTP, a ref moved through the API and a merge all end here.  It tells the world
//! (create, push, delete), and lets pull requests follow their head or close.

use crate::events::Event;
use crate::follow;
use crate::gitstore::{self, ZERO};
use crate::hub::Hub;
use crate::state::{CheckSuite, State};
use crate::text;
use git2::{ObjectType, Oid, Repository};
use serde_json::{Value, json};

/// With more tags than this in one push, none of them gets an event.
const TAGS_MAX: usize = 3;
/// A push payload lists at most this many commits.
const PUSH_COMMITS_MAX: usize = 2_048;

/// One ref that moved.
pub(crate) struct Moved {
    pub(crate) name: String,
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
}

/// Who moved refs, and where.
#[derive(Clone, Copy)]
pub(crate) struct Push<'a> {
    pub(crate) hub: &'a Hub,
    pub(crate) repo: u64,
    pub(crate) pusher: u64,
}

/// Takes over the refs as they are in git and tells about every difference.
pub(crate) fn sync(push: Push<'_>, state: &mut State) -> Result<(), git2::Error> {
    let Some(repo) = state.repos.get(&push.repo) else {
        return Ok(());
    };
    let git = push.hub.git(state, repo)?;
    let actual = gitstore::refs(&git)?;
    let mut moved: Vec<Moved> = Vec::new();
    for (name, before) in &repo.refs {
        let after = actual.get(name);
        if after != Some(before) {
            moved.push(Moved {
                name: name.clone(),
                before: Some(before.clone()),
                after: after.cloned(),
            });
        }
    }
    for (name, after) in actual
        .iter()
        .filter(|(name, _)| !repo.refs.contains_key(*name))
    {
        moved.push(Moved {
            name: name.clone(),
            before: None,
            after: Some(after.clone()),
        });
    }
    if moved.is_empty() {
        return Ok(());
    }
    let now = text::now();
    if let Some(repo) = state.repos.get_mut(&push.repo) {
        repo.refs = actual;
        repo.pushed = now;
        repo.updated = now;
        let first = moved
            .iter()
            .filter(|one| one.after.is_some())
            .find_map(|one| one.name.strip_prefix("refs/heads/"));
        if let Some(first) = first
            && repo.branch(&repo.default_branch).is_none()
        {
            repo.default_branch = first.to_owned();
            git.set_head(&format!("refs/heads/{first}"))?;
        }
    }
    let tags = moved
        .iter()
        .filter(|one| one.name.starts_with("refs/tags/"))
        .count();
    for one in &moved {
        note(push, state, one);
        if !one.name.starts_with("refs/tags/") || tags <= TAGS_MAX {
            announce(push, state, &git, one)?;
        }
        if let Some(branch) = one.name.strip_prefix("refs/heads/") {
            follow::heads(push, state, branch, one)?;
            follow::bases(push, state, &git, (branch, one))?;
        }
    }
    push.hub.touch(state);
    Ok(())
}

fn note(push: Push<'_>, state: &State, one: &Moved) {
    let repo = state.repos.get(&push.repo);
    let name = repo.map(|repo| state.full_name(repo));
    let kind = match (&one.before, &one.after) {
        (None, _) => "ref.created",
        (Some(_), None) => "ref.deleted",
        (Some(_), Some(_)) => "ref.updated",
    };
    push.hub.note(
        kind,
        state.login(push.pusher),
        name.as_deref(),
        json!({"ref": one.name, "before": one.before, "after": one.after}),
    );
}

fn announce(
    push: Push<'_>,
    state: &mut State,
    git: &Repository,
    one: &Moved,
) -> Result<(), git2::Error> {
    let short = one
        .name
        .strip_prefix("refs/heads/")
        .map(|name| (name, "branch"))
        .or_else(|| {
            one.name
                .strip_prefix("refs/tags/")
                .map(|name| (name, "tag"))
        });
    let Some((short, ref_type)) = short else {
        return Ok(());
    };
    let emit = |state: &State, name: &'static str, payload: Value| {
        push.hub.emit(
            state,
            Event {
                name,
                action: None,
                repo: Some(push.repo),
                sender: push.pusher,
                payload,
            },
        );
    };
    let (default_branch, description) = state
        .repos
        .get(&push.repo)
        .map(|repo| (repo.default_branch.clone(), repo.description.clone()))
        .unwrap_or_default();
    if one.before.is_none() {
        emit(
            state,
            "create",
            json!({
                "ref": short, "ref_type": ref_type, "master_branch": default_branch,
                "description": description, "pusher_type": "user",
            }),
        );
    }
    if one.after.is_none() {
        emit(
            state,
            "delete",
            json!({"ref": short, "ref_type": ref_type, "pusher_type": "user"}),
        );
    }
    let payload = push_payload(push, state, git, one)?;
    emit(state, "push", payload);
    if ref_type == "branch"
        && let Some(after) = &one.after
    {
        open_suite(push, state, git, (short, one.before.as_deref(), after))?;
    }
    Ok(())
}

fn push_payload(
    push: Push<'_>,
    state: &State,
    git: &Repository,
    one: &Moved,
) -> Result<Value, git2::Error> {
    let Some(repo) = state.repos.get(&push.repo) else {
        return Ok(json!({}));
    };
    let view = push.hub.view(state);
    let before = one.before.as_deref().unwrap_or(ZERO);
    let after = one.after.as_deref().unwrap_or(ZERO);
    let mut commits = Vec::new();
    let mut head = Value::Null;
    let mut is_forced = false;
    if let Some(tip) = commit_at(git, one.after.as_deref()) {
        let old = commit_at(git, one.before.as_deref());
        if let Some(old) = old {
            is_forced = old != tip && !git.graph_descendant_of(tip, old)?;
        }
        // A new branch lists what the default branch does not have yet.
        let known = old.or_else(|| {
            let main = repo.branch(&repo.default_branch)?;
            (repo.default_branch != one.name.trim_start_matches("refs/heads/"))
                .then(|| Oid::from_str(main).ok())
                .flatten()
        });
        for commit in gitstore::branch_commits(git, known, tip)?
            .into_iter()
            .take(PUSH_COMMITS_MAX)
        {
            commits.push(shown(view, repo, git, &commit)?);
        }
        head = shown(view, repo, git, &git.find_commit(tip)?)?;
    }
    let pusher = state.login(push.pusher);
    // In this event the owner has two more fields, and times are numbers.
    let mut repository = view.repo(repo);
    repository["owner"]["name"] = json!(state.login(repo.owner));
    repository["owner"]["email"] = Value::Null;
    repository["created_at"] = json!(repo.created);
    repository["pushed_at"] = json!(repo.pushed);
    repository["master_branch"] = json!(repo.default_branch);
    repository["stargazers"] = json!(0);
    Ok(json!({
        "ref": one.name, "before": before, "after": after,
        "created": one.before.is_none(), "deleted": one.after.is_none(), "forced": is_forced,
        "base_ref": null,
        "compare": format!("{}/compare/{before}...{after}", view.repo_html(repo)),
        "commits": commits, "head_commit": head,
        "pusher": {"name": pusher, "email": format!("{pusher}@users.noreply.hub")},
        "repository": repository,
    }))
}

fn shown(
    view: crate::json::View<'_>,
    repo: &crate::state::Repo,
    git: &Repository,
    commit: &git2::Commit<'_>,
) -> Result<Value, git2::Error> {
    let parent = commit.parents().next().map(|parent| parent.tree());
    let parent = parent.transpose()?;
    let files = gitstore::changes(git, parent.as_ref(), Some(&commit.tree()?), false)?;
    Ok(view.push_commit(repo, commit, &files))
}

/// The commit an object name leads to, through tags.
fn commit_at(git: &Repository, sha: Option<&str>) -> Option<Oid> {
    let object = git.find_object(Oid::from_str(sha?).ok()?, None).ok()?;
    object
        .peel(ObjectType::Commit)
        .ok()
        .map(|commit| commit.id())
}

/// Opens a check suite for a pushed commit when the App may write checks.
fn open_suite(
    push: Push<'_>,
    state: &mut State,
    git: &Repository,
    at: (&str, Option<&str>, &str),
) -> Result<(), git2::Error> {
    let (branch, before, sha) = at;
    let Some(repo) = state.repos.get(&push.repo) else {
        return Ok(());
    };
    let writes_checks = state
        .installation_of(repo)
        .and_then(|installation| installation.permissions.get("checks"))
        .is_some_and(|level| level == "write");
    if !writes_checks || repo.suites.values().any(|suite| suite.head_sha == sha) {
        return Ok(());
    }
    let suite = new_suite(state, Some(branch), before, sha);
    let head_commit = git
        .find_commit(Oid::from_str(sha)?)
        .map(|commit| push.hub.view(state).simple_commit(&commit))?;
    if let Some(repo) = state.repos.get_mut(&push.repo) {
        repo.suites.insert(suite.id, suite.clone());
    }
    let Some(repo) = state.repos.get(&push.repo) else {
        return Ok(());
    };
    let payload =
        json!({"check_suite": push.hub.view(state).suite_told(repo, &suite, head_commit)});
    push.hub.emit(
        state,
        Event {
            name: "check_suite",
            action: Some("requested"),
            repo: Some(push.repo),
            sender: push.pusher,
            payload,
        },
    );
    Ok(())
}

/// A fresh check suite, not stored yet.
pub(crate) fn new_suite(
    state: &mut State,
    branch: Option<&str>,
    before: Option<&str>,
    sha: &str,
) -> CheckSuite {
    let now = text::now();
    CheckSuite {
        id: state.id(),
        head_branch: branch.map(ToOwned::to_owned),
        head_sha: sha.to_owned(),
        before: before.map(ToOwned::to_owned),
        created: now,
        updated: now,
    }
}
