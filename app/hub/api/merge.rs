//! Merging: whether a pull request can be merged, the merge itself, and updating its branch.

use super::pulls::find;
use super::{Ctx, git_refs};
use crate::answer::{Answer, Refusal, Reply, no_content, ok};
use crate::follow;
use crate::gitstore;
use crate::json::check::latest_statuses;
use crate::json::git::message;
use crate::refs::{self, Push};
use crate::state::{Issue, Mergeable, Pull, Repo};
use git2::{Oid, Repository};
use http::StatusCode;
use serde_json::{Value, json};

const NOT_ALLOWED: StatusCode = StatusCode::METHOD_NOT_ALLOWED;

/// The status contexts that a branch's rules require.
pub(crate) fn required_contexts(repo: &Repo, branch: &str) -> Vec<String> {
    rules(repo, branch, "required_status_checks")
        .filter_map(|rule| rule["parameters"]["required_status_checks"].as_array())
        .flatten()
        .filter_map(|check| check["context"].as_str())
        .map(ToOwned::to_owned)
        .collect()
}

fn rules<'r>(repo: &'r Repo, branch: &str, kind: &str) -> impl Iterator<Item = &'r Value> {
    repo.rules
        .get(branch)
        .into_iter()
        .flatten()
        .filter(move |rule| rule["type"] == kind)
}

/// The required contexts that have not succeeded at a commit.
fn missing_contexts(repo: &Repo, branch: &str, sha: &str) -> Vec<String> {
    let statuses = latest_statuses(repo, sha);
    required_contexts(repo, branch)
        .into_iter()
        .filter(|context| {
            let status = statuses
                .iter()
                .any(|one| one.context == *context && one.state == "success");
            let run = repo
                .runs
                .values()
                .rev()
                .find(|run| run.head_sha == sha && run.name == *context)
                .and_then(|run| run.conclusion.as_deref())
                .is_some_and(|end| ["success", "neutral", "skipped"].contains(&end));
            !status && !run
        })
        .collect()
}

/// How many approvals of the present head are missing.
fn missing_approvals(repo: &Repo, pull: &Pull) -> u64 {
    let needed = rules(repo, &pull.base_ref, "pull_request")
        .filter_map(|rule| rule["parameters"]["required_approving_review_count"].as_u64())
        .max()
        .unwrap_or(0);
    let mut latest = std::collections::BTreeMap::new();
    for review in &pull.reviews {
        if review.state != "COMMENTED" && review.state != "PENDING" {
            latest.insert(review.user, review.state.as_str());
        }
    }
    let approvals = latest
        .values()
        .filter(|state| **state == "APPROVED")
        .count();
    needed.saturating_sub(u64::try_from(approvals).unwrap_or(u64::MAX))
}

/// The word in `mergeable_state`.
pub(crate) fn state_word(repo: &Repo, issue: &Issue, pull: &Pull) -> &'static str {
    match pull.mergeable {
        Mergeable::Unknown | Mergeable::Asked => return "unknown",
        Mergeable::No => return "dirty",
        Mergeable::Yes => {}
    }
    if !issue.is_open {
        return "unknown";
    }
    if pull.draft {
        return "draft";
    }
    let is_blocked = !missing_contexts(repo, &pull.base_ref, &pull.head_sha).is_empty()
        || missing_approvals(repo, pull) > 0;
    if is_blocked {
        return "blocked";
    }
    let is_unstable = latest_statuses(repo, &pull.head_sha)
        .iter()
        .any(|one| one.state != "success")
        || repo
            .runs
            .values()
            .filter(|run| run.head_sha == pull.head_sha)
            .any(|run| {
                !matches!(
                    run.conclusion.as_deref(),
                    Some("success" | "neutral" | "skipped")
                )
            });
    if is_unstable { "unstable" } else { "clean" }
}

/// Makes the test merge of a pull request.
pub(crate) fn test(ctx: &mut Ctx<'_>, number: u64) -> Result<(), Refusal> {
    let git = ctx.git()?;
    let pull = find(ctx)?.1;
    let base = ctx
        .repo()?
        .branch(&pull.base_ref)
        .ok_or_else(Refusal::not_found)?;
    let (base, head) = (Oid::from_str(base)?, Oid::from_str(&pull.head_sha)?);
    let tree = gitstore::merge_tree(&git, base, head)?;
    let test_merge = match tree {
        Some(tree) => {
            let signer = gitstore::signer(ctx.call.now)?;
            let text = format!("Merge {head} into {base}");
            let tree = git.find_tree(tree)?;
            let parents = [&git.find_commit(base)?, &git.find_commit(head)?];
            let id = git.commit(None, &signer, &signer, &text, &tree, &parents)?;
            git.reference(&format!("refs/pull/{number}/merge"), id, true, "test merge")?;
            Some(id.to_string())
        }
        None => None,
    };
    if let Some(pull) = follow::pull_mut(ctx.state, ctx.repo_id, number) {
        pull.mergeable = if test_merge.is_some() {
            Mergeable::Yes
        } else {
            Mergeable::No
        };
        pull.test_merge = test_merge;
    }
    Ok(())
}

pub(crate) fn is_merged(ctx: &mut Ctx<'_>) -> Reply {
    if find(ctx)?.1.merged.is_some() {
        return no_content();
    }
    Err(Refusal::not_found())
}

/// Whether a merge queue is the only way into a branch.
pub(crate) fn has_queue(repo: &Repo, branch: &str) -> bool {
    rules(repo, branch, "merge_queue").next().is_some()
}

pub(crate) fn merge(ctx: &mut Ctx<'_>) -> Reply {
    let (issue, pull) = find(ctx)?;
    check(ctx, issue, pull)?;
    if has_queue(ctx.repo()?, &pull.base_ref) {
        return Err(Refusal::new(
            NOT_ALLOWED,
            "Repository rule violations found\n\nChanges must be made through the merge queue",
        ));
    }
    now(ctx)
}

/// Merges what may be merged.
pub(crate) fn now(ctx: &mut Ctx<'_>) -> Reply {
    let (issue, pull) = find(ctx)?;
    let number = issue.number;
    let git = ctx.git()?;
    let branch = pull.base_ref.clone();
    let base = ctx.repo()?.branch(&branch).ok_or_else(Refusal::not_found)?;
    let (base, head) = (Oid::from_str(base)?, Oid::from_str(&pull.head_sha)?);
    let made = match ctx.text("merge_method").unwrap_or("merge") {
        "merge" => by_merge(ctx, &git, (base, head))?,
        "squash" => by_squash(ctx, &git, (base, head))?,
        "rebase" => {
            let commits = gitstore::branch_commits(&git, Some(base), head)?;
            gitstore::rebase(&git, base, &commits)?
        }
        _ => return Err(Refusal::invalid("PullRequest", "merge_method", "invalid")),
    };
    let Some(id) = made else {
        return Err(Refusal::new(NOT_ALLOWED, "Pull Request is not mergeable"));
    };
    git_refs::move_ref(&git, &format!("refs/heads/{branch}"), id)?;
    finish(ctx, number, id)?;
    ok(json!({
        "sha": id.to_string(), "merged": true, "message": "Pull Request successfully merged",
    }))
}

/// Closes the pull request first, so that the moved branch does not close it a second time.
fn finish(ctx: &mut Ctx<'_>, number: u64, id: Oid) -> Result<(), Refusal> {
    let push = Push {
        hub: ctx.hub,
        repo: ctx.repo_id,
        pusher: ctx.me()?,
    };
    let (source, head_ref) = {
        let pull = find(ctx)?.1;
        (pull.head_repo, pull.head_ref.clone())
    };
    follow::close(push, ctx.state, (ctx.repo_id, number), Some(id.to_string()))?;
    refs::sync(push, ctx.state)?;
    if ctx.repo()?.delete_branch_on_merge && source == Some(ctx.repo_id) {
        let git = ctx.git()?;
        if let Ok(mut reference) = git.find_reference(&format!("refs/heads/{head_ref}")) {
            reference.delete()?;
        }
        refs::sync(push, ctx.state)?;
    }
    Ok(())
}

pub(crate) fn check(ctx: &Ctx<'_>, issue: &Issue, pull: &Pull) -> Result<(), Refusal> {
    let refuse = |message: &str| Err(Refusal::new(NOT_ALLOWED, message));
    if !issue.is_open {
        return refuse("Pull Request is not mergeable");
    }
    if let Some(sha) = ctx.text("sha")
        && sha != pull.head_sha
    {
        return Err(Refusal::conflict(
            "Head branch was modified. Review and try the merge again.",
        ));
    }
    if pull.draft {
        return refuse("Pull Request is still a draft");
    }
    let repo = ctx.repo()?;
    let missing = missing_contexts(repo, &pull.base_ref, &pull.head_sha);
    match missing.as_slice() {
        [] => {}
        [one] => {
            return refuse(&format!(
                "Repository rule violations found\n\nRequired status check \"{one}\" is expected."
            ));
        }
        many => {
            return refuse(&format!(
                "Repository rule violations found\n\n{} of {} required status checks are expected.",
                many.len(),
                required_contexts(repo, &pull.base_ref).len()
            ));
        }
    }
    if missing_approvals(repo, pull) > 0 {
        return refuse(
            "Repository rule violations found\n\nAt least 1 approving review is required by reviewers with write access.",
        );
    }
    Ok(())
}

fn by_merge(ctx: &Ctx<'_>, git: &Repository, at: (Oid, Oid)) -> Result<Option<Oid>, Refusal> {
    let (issue, pull) = find(ctx)?;
    let (base, head) = at;
    let Some(tree) = gitstore::merge_tree(git, base, head)? else {
        return Ok(None);
    };
    let owner = ctx.state.login(pull.head_owner);
    let title = ctx.text("commit_title").map_or_else(
        || {
            format!(
                "Merge pull request #{} from {owner}/{}",
                issue.number, pull.head_ref
            )
        },
        ToOwned::to_owned,
    );
    let detail = ctx.text("commit_message").unwrap_or(&issue.title);
    let parents = [&git.find_commit(base)?, &git.find_commit(head)?];
    commit(ctx, git, (ctx.me()?, tree, &title, detail), &parents)
}

fn by_squash(ctx: &Ctx<'_>, git: &Repository, at: (Oid, Oid)) -> Result<Option<Oid>, Refusal> {
    let (issue, _) = find(ctx)?;
    let (base, head) = at;
    let Some(tree) = gitstore::merge_tree(git, base, head)? else {
        return Ok(None);
    };
    let commits = gitstore::branch_commits(git, Some(base), head)?;
    let listed: Vec<String> = commits
        .iter()
        .map(|commit| format!("* {}", message(commit)))
        .collect();
    let title = ctx.text("commit_title").map_or_else(
        || format!("{} (#{})", issue.title, issue.number),
        ToOwned::to_owned,
    );
    let listed = listed.join("\n\n");
    let detail = ctx.text("commit_message").unwrap_or(&listed);
    let by = issue.user;
    commit(
        ctx,
        git,
        (by, tree, &title, detail),
        &[&git.find_commit(base)?],
    )
}

fn commit(
    ctx: &Ctx<'_>,
    git: &Repository,
    what: (u64, Oid, &str, &str),
    parents: &[&git2::Commit<'_>],
) -> Result<Option<Oid>, Refusal> {
    let (by, tree, title, detail) = what;
    let login = ctx.state.login(by);
    let author = gitstore::author(by, login, login, ctx.call.now)?;
    let committer = gitstore::signer(ctx.call.now)?;
    let text = if detail.is_empty() {
        title.to_owned()
    } else {
        format!("{title}\n\n{detail}")
    };
    let tree = git.find_tree(tree)?;
    Ok(Some(git.commit(
        None, &author, &committer, &text, &tree, parents,
    )?))
}

pub(crate) fn update_branch(ctx: &mut Ctx<'_>) -> Reply {
    let (_, pull) = find(ctx)?;
    if let Some(sha) = ctx.text("expected_head_sha")
        && sha != pull.head_sha
    {
        return Err(Refusal::unprocessable(
            "expected head sha didn’t match current head ref.",
        ));
    }
    let source = pull.head_repo.ok_or_else(Refusal::not_found)?;
    let base_name = pull.base_ref.clone();
    let head_name = pull.head_ref.clone();
    let git = ctx.git()?;
    let base = ctx
        .repo()?
        .branch(&base_name)
        .ok_or_else(Refusal::not_found)?;
    let (base, head) = (Oid::from_str(base)?, Oid::from_str(&pull.head_sha)?);
    if base == head || git.graph_descendant_of(head, base)? {
        return Err(Refusal::unprocessable(
            "There are no new commits on the base branch.",
        ));
    }
    let tree = gitstore::merge_tree(&git, head, base)?
        .ok_or_else(|| Refusal::unprocessable("merge conflict between base and head"))?;
    let parents = [&git.find_commit(head)?, &git.find_commit(base)?];
    let title = format!("Merge branch '{base_name}' into {head_name}");
    let id = commit(ctx, &git, (ctx.me()?, tree, &title, ""), &parents)?
        .ok_or_else(Refusal::not_found)?;
    let from = ctx.hub.git_path(ctx.state, ctx.repo()?);
    let target = ctx
        .state
        .repos
        .get(&source)
        .ok_or_else(Refusal::not_found)?;
    let target = ctx.hub.git(ctx.state, target)?;
    gitstore::bring(
        &from,
        &target,
        &id.to_string(),
        &format!("refs/heads/{head_name}"),
    )?;
    let push = Push {
        hub: ctx.hub,
        repo: source,
        pusher: ctx.me()?,
    };
    refs::sync(push, ctx.state)?;
    let number = find(ctx)?.0.number;
    Ok(Answer::json(
        StatusCode::ACCEPTED,
        json!({
            "message": "Updating pull request branch.",
            "url": format!("{}/pulls/{number}", ctx.view().repo_api(ctx.repo()?)),
        }),
    ))
}
