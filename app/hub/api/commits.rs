//! Lists of commits, one commit with its files, and comparisons.

use super::Ctx;
use super::git_refs::resolve;
use crate::answer::{Refusal, Reply, ok};
use crate::gitstore::{self, FileChange};
use crate::text::parse_time;
use git2::{Commit, Oid, Repository};
use http::StatusCode;
use serde_json::{Value, json};

const COMPARE_COMMITS_MAX: usize = 250;
const FILES_MAX: usize = 300;
const WALK_MAX: usize = 10_000;

pub(crate) fn list(ctx: &mut Ctx<'_>) -> Reply {
    let repo = ctx.repo()?;
    let git = ctx.git()?;
    let start = ctx.query("sha").unwrap_or(&repo.default_branch);
    let start = resolve(ctx, &git, start)?;
    let path = ctx.query("path");
    let since = ctx.query("since").and_then(parse_time);
    let until = ctx.query("until").and_then(parse_time);
    let mut walk = git.revwalk()?;
    walk.set_sorting(git2::Sort::TOPOLOGICAL | git2::Sort::TIME)?;
    walk.push(start)?;
    let mut found = Vec::new();
    for id in walk.take(WALK_MAX) {
        let commit = git.find_commit(id?)?;
        let when = commit.time().seconds();
        let is_in_time = since.is_none_or(|from| when >= from) && until.is_none_or(|to| when <= to);
        if is_in_time && path.is_none_or(|path| touches(&commit, path)) {
            found.push(commit);
        }
    }
    ctx.paged(found, |commit| ctx.view().commit(repo, &commit))
}

fn touches(commit: &Commit<'_>, path: &str) -> bool {
    let entry = |commit: &Commit<'_>| {
        let tree = commit.tree().ok()?;
        tree.get_path(std::path::Path::new(path))
            .ok()
            .map(|entry| entry.id())
    };
    let mine = entry(commit);
    let parent = commit.parents().next().and_then(|parent| entry(&parent));
    mine != parent
}

pub(crate) fn get(ctx: &mut Ctx<'_>) -> Reply {
    let git = ctx.git()?;
    let id = resolve(ctx, &git, ctx.param("ref"))?;
    if ctx.call.accept.contains(".sha") {
        let mut answer = crate::answer::Answer::empty(StatusCode::OK);
        let bytes = id.to_string().into_bytes();
        answer.body =
            crate::answer::Body::Bytes("application/vnd.github.sha; charset=utf-8", bytes);
        return Ok(answer);
    }
    let commit = git.find_commit(id)?;
    let files = files_of(&git, &commit)?;
    let mut body = ctx.view().commit(ctx.repo()?, &commit);
    add_files(ctx, &mut body, (&id.to_string(), &files))?;
    body["stats"] = stats(&files);
    ok(body)
}

fn stats(files: &[FileChange]) -> Value {
    let additions: usize = files.iter().map(|file| file.additions).sum();
    let deletions: usize = files.iter().map(|file| file.deletions).sum();
    json!({"additions": additions, "deletions": deletions, "total": additions + deletions})
}

/// What a commit changes against its first parent.
pub(crate) fn files_of(
    git: &Repository,
    commit: &Commit<'_>,
) -> Result<Vec<FileChange>, git2::Error> {
    let parent = commit.parents().next().map(|parent| parent.tree());
    let parent = parent.transpose()?;
    gitstore::changes(git, parent.as_ref(), Some(&commit.tree()?), true)
}

fn add_files(ctx: &Ctx<'_>, body: &mut Value, what: (&str, &[FileChange])) -> Result<(), Refusal> {
    let (sha, files) = what;
    let repo = ctx.repo()?;
    body["files"] = files
        .iter()
        .take(FILES_MAX)
        .map(|file| ctx.view().file(repo, sha, file))
        .collect();
    Ok(())
}

pub(crate) fn pulls(ctx: &mut Ctx<'_>) -> Reply {
    let repo = ctx.repo()?;
    let git = ctx.git()?;
    let id = resolve(ctx, &git, ctx.param("ref"))?;
    let sha = id.to_string();
    let found: Vec<_> = repo
        .issues
        .values()
        .filter_map(|issue| Some((issue, issue.pull.as_ref()?)))
        .filter(|(_, pull)| {
            let merged = pull.merged.as_ref().is_some_and(|merged| merged.sha == sha);
            merged || holds(&git, &pull.base_sha, &pull.head_sha, id)
        })
        .collect();
    ctx.paged(found, |(issue, pull)| {
        ctx.view().pull_simple(repo, issue, pull)
    })
}

/// Tells whether a commit lies on a branch but not on its base.
fn holds(git: &Repository, base: &str, head: &str, id: Oid) -> bool {
    let (Ok(base), Ok(head)) = (Oid::from_str(base), Oid::from_str(head)) else {
        return false;
    };
    let below = |tip: Oid| tip == id || git.graph_descendant_of(tip, id).unwrap_or(false);
    below(head) && !below(base)
}

pub(crate) fn compare(ctx: &mut Ctx<'_>) -> Reply {
    let git = ctx.git()?;
    let repo = ctx.repo()?;
    let whole = ctx.param("basehead");
    let (base, head) = whole.split_once("...").ok_or_else(Refusal::not_found)?;
    let side = |name: &str| -> Result<Oid, Refusal> {
        let name = name.rsplit_once(':').map_or(name, |(_, branch)| branch);
        resolve(ctx, &git, name).map_err(|_| Refusal::not_found())
    };
    let (base_id, head_id) = (side(base)?, side(head)?);
    let fork_point = gitstore::merge_base(&git, base_id, head_id)?.ok_or_else(|| {
        Refusal::new(
            StatusCode::NOT_FOUND,
            format!("No common ancestor between {base} and {head}."),
        )
    })?;
    let (ahead, behind) = git.graph_ahead_behind(head_id, base_id)?;
    let status = match (ahead, behind) {
        (0, 0) => "identical",
        (0, _) => "behind",
        (_, 0) => "ahead",
        (_, _) => "diverged",
    };
    let commits = gitstore::branch_commits(&git, Some(base_id), head_id)?;
    let files = gitstore::branch_changes(&git, base_id, head_id, true)?;
    let view = ctx.view();
    let shown: Vec<Value> = commits
        .iter()
        .take(COMPARE_COMMITS_MAX)
        .map(|commit| view.commit(repo, commit))
        .collect();
    let html = format!("{}/compare/{whole}", view.repo_html(repo));
    let mut body = json!({
        "url": format!("{}/compare/{whole}", view.repo_api(repo)),
        "html_url": html, "permalink_url": html,
        "diff_url": format!("{html}.diff"), "patch_url": format!("{html}.patch"),
        "base_commit": view.commit(repo, &git.find_commit(base_id)?),
        "merge_base_commit": view.commit(repo, &git.find_commit(fork_point)?),
        "status": status, "ahead_by": ahead, "behind_by": behind,
        "total_commits": commits.len(), "commits": shown,
    });
    add_files(ctx, &mut body, (&head_id.to_string(), &files))?;
    ok(body)
}
