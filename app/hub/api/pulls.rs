//! Pull requests: opening, reading, changing, and what they hold.

use super::issues::{check_title, edit, new_issue};
use super::{Ctx, check_body, merge};
use crate::answer::{Refusal, Reply, created, ok};
use crate::auth::Actor;
use crate::follow;
use crate::gitstore;
use crate::hub::Hub;
use crate::json::pull::PullSize;
use crate::refs::Push;
use crate::state::{Issue, Mergeable, Pull, Role, State};
use git2::{Oid, Repository};
use serde_json::{Value, json};

const FILES_MAX: usize = 3_000;
const COMMITS_MAX: usize = 250;

/// The pull request named in the path.
pub(crate) fn find<'c>(ctx: &'c Ctx<'_>) -> Result<(&'c Issue, &'c Pull), Refusal> {
    let number = ctx.number("number")?;
    ctx.repo()?
        .issues
        .get(&number)
        .and_then(|issue| Some((issue, issue.pull.as_ref()?)))
        .ok_or_else(Refusal::not_found)
}

/// The whole pull request as JSON, with its sizes counted in git.
pub(crate) fn pull_json(
    hub: &Hub,
    state: &State,
    repo_id: u64,
    number: u64,
) -> Result<Value, git2::Error> {
    let found = state
        .repos
        .get(&repo_id)
        .and_then(|repo| Some((repo, repo.issues.get(&number)?)));
    let Some((repo, issue)) = found else {
        return Ok(Value::Null);
    };
    let Some(pull) = &issue.pull else {
        return Ok(Value::Null);
    };
    let git = hub.git(state, repo)?;
    let size = size_of(&git, pull)?;
    let word = merge::state_word(repo, issue, pull);
    Ok(hub.view(state).pull(repo, issue, size, word))
}

fn size_of(git: &Repository, pull: &Pull) -> Result<PullSize, git2::Error> {
    let (base, head) = (
        Oid::from_str(&pull.base_sha)?,
        Oid::from_str(&pull.head_sha)?,
    );
    let files = gitstore::branch_changes(git, base, head, true)?;
    Ok(PullSize {
        commits: git.graph_ahead_behind(head, base)?.0,
        additions: files.iter().map(|file| file.additions).sum(),
        deletions: files.iter().map(|file| file.deletions).sum(),
        changed_files: files.len(),
    })
}

pub(crate) fn list(ctx: &mut Ctx<'_>) -> Reply {
    let repo = ctx.repo()?;
    let wanted = ctx.query("state").unwrap_or("open");
    let (head, base) = (ctx.query("head"), ctx.query("base"));
    let mut found: Vec<(&Issue, &Pull)> = repo
        .issues
        .values()
        .filter_map(|issue| Some((issue, issue.pull.as_ref()?)))
        .filter(|(issue, _)| wanted == "all" || issue.is_open == (wanted == "open"))
        .filter(|(_, pull)| base.is_none_or(|base| pull.base_ref == base))
        .filter(|(_, pull)| {
            let label = || format!("{}:{}", ctx.state.login(pull.head_owner), pull.head_ref);
            // A head without an owner is passed over, as the real one does.
            head.is_none_or(|head| !head.contains(':') || label().eq_ignore_ascii_case(head))
        })
        .collect();
    if ctx.query("sort") == Some("updated") {
        found.sort_by_key(|(issue, _)| (issue.updated, issue.number));
    }
    let default = if ctx.query("sort").is_some_and(|sort| sort != "created") {
        "asc"
    } else {
        "desc"
    };
    if ctx.query("direction").unwrap_or(default) == "desc" {
        found.reverse();
    }
    ctx.paged(found, |(issue, pull)| {
        ctx.view().pull_simple(repo, issue, pull)
    })
}

pub(crate) fn get(ctx: &mut Ctx<'_>) -> Reply {
    let number = find(ctx)?.0.number;
    let pull = find(ctx)?.1;
    let is_open = find(ctx)?.0.is_open;
    match pull.mergeable {
        Mergeable::Unknown if is_open => set_mergeable(ctx, number, Mergeable::Asked),
        Mergeable::Asked if is_open => merge::test(ctx, number)?,
        Mergeable::Unknown | Mergeable::Asked | Mergeable::Yes | Mergeable::No => {}
    }
    ok(pull_json(ctx.hub, ctx.state, ctx.repo_id, number)?)
}

fn set_mergeable(ctx: &mut Ctx<'_>, number: u64, mergeable: Mergeable) {
    if let Some(pull) = follow::pull_mut(ctx.state, ctx.repo_id, number) {
        pull.mergeable = mergeable;
    }
}

/// Where a new pull request comes from.
struct Head {
    repo: u64,
    owner: u64,
    branch: String,
    sha: String,
}

fn head_of(ctx: &Ctx<'_>, head: &str) -> Result<Head, Refusal> {
    let repo = ctx.repo()?;
    let invalid = || Refusal::invalid("PullRequest", "head", "invalid");
    let (owner, branch) = match head.split_once(':') {
        Some((login, branch)) => (ctx.state.account(login).ok_or_else(invalid)?.id, branch),
        None => (repo.owner, head),
    };
    let branch = branch.rsplit_once(':').map_or(branch, |(_, last)| last);
    let network = repo.fork_of.unwrap_or(repo.id);
    let source = ctx
        .state
        .repos
        .values()
        .filter(|one| one.owner == owner)
        .filter(|one| one.id == repo.id || one.id == network || one.fork_of == Some(network))
        .find(|one| one.branch(branch).is_some())
        .ok_or_else(invalid)?;
    Ok(Head {
        repo: source.id,
        owner,
        branch: branch.to_owned(),
        sha: source.branch(branch).cloned().unwrap_or_default(),
    })
}

pub(crate) fn create(ctx: &mut Ctx<'_>) -> Reply {
    let title = ctx.text("title").unwrap_or_default();
    check_title("PullRequest", title)?;
    check_body("PullRequest", ctx.text("body").unwrap_or_default())?;
    let head = head_of(ctx, ctx.need_text("PullRequest", "head")?)?;
    let base = ctx.need_text("PullRequest", "base")?.to_owned();
    let base_sha = ctx
        .repo()?
        .branch(&base)
        .cloned()
        .ok_or_else(|| Refusal::invalid("PullRequest", "base", "invalid"))?;
    may_open(ctx, &head)?;
    let number = check_new(ctx, &head, (&base, &base_sha))?;
    let mut issue = new_issue(ctx, title)?;
    issue.pull = Some(Pull {
        id: ctx.state.id(),
        head_repo: Some(head.repo),
        head_owner: head.owner,
        head_ref: head.branch,
        head_sha: head.sha,
        base_ref: base,
        base_sha,
        draft: ctx.flag("draft").unwrap_or(false),
        maintainer_can_modify: ctx.flag("maintainer_can_modify").unwrap_or(true)
            && head.repo != ctx.repo_id,
        merged: None,
        mergeable: Mergeable::Unknown,
        test_merge: None,
        is_queued: false,
        requested: Vec::new(),
        reviews: Vec::new(),
        review_comments: Vec::new(),
    });
    ctx.repo_mut()?.issues.insert(number, issue);
    let body = pull_json(ctx.hub, ctx.state, ctx.repo_id, number)?;
    ctx.note(
        "pull.created",
        json!({
            "number": number, "title": title, "head": body["head"]["sha"],
            "base": body["base"]["ref"], "body": body["body"],
        }),
    );
    ctx.emit(
        "pull_request",
        Some("opened"),
        json!({"number": number, "pull_request": body}),
    );
    created(body)
}

/// Refuses a second pull request and one without commits; returns the number it will have.
///
/// The head is brought into the repository on the way, since only then the two compare.
fn check_new(ctx: &Ctx<'_>, head: &Head, base: (&str, &str)) -> Result<u64, Refusal> {
    let (base, base_sha) = base;
    let label = format!("{}:{}", ctx.state.login(head.owner), head.branch);
    let is_open_already = ctx.repo()?.open_pulls().any(|(_, pull)| {
        pull.head_repo == Some(head.repo) && pull.head_ref == head.branch && pull.base_ref == base
    });
    if is_open_already {
        return Err(whole(format!("A pull request already exists for {label}.")));
    }
    let number = ctx.repo()?.last_number + 1;
    let source = Push {
        hub: ctx.hub,
        repo: head.repo,
        pusher: ctx.me()?,
    };
    follow::keep_head(source, ctx.state, ctx.repo_id, (number, &head.sha))?;
    let git = ctx.git()?;
    let (base_id, head_id) = (Oid::from_str(base_sha)?, Oid::from_str(&head.sha)?);
    if git.graph_ahead_behind(head_id, base_id)?.0 == 0 {
        return Err(whole(format!("No commits between {base} and {label}")));
    }
    Ok(number)
}

/// A refusal that names the pull request as a whole and no field.
fn whole(message: String) -> Refusal {
    Refusal::validation(json!({
        "resource": "PullRequest", "code": "custom", "message": message,
    }))
}

fn may_open(ctx: &Ctx<'_>, head: &Head) -> Result<(), Refusal> {
    let Actor::Person(me) = ctx.call.actor else {
        return Ok(());
    };
    let role = ctx
        .state
        .repos
        .get(&head.repo)
        .map_or(Role::None, |repo| ctx.state.role(repo, Some(me)));
    if role >= Role::Write {
        return Ok(());
    }
    Err(Refusal::forbidden("Must have push access to Repository."))
}

pub(crate) fn update(ctx: &mut Ctx<'_>) -> Reply {
    let number = find(ctx)?.0.number;
    if let Some(base) = ctx.text("base").filter(|base| !base.is_empty()) {
        change_base(ctx, number, base)?;
    }
    edit(ctx)?;
    // The real one changes this through GraphQL only; here `draft` may be patched.
    if let Some(draft) = ctx.flag("draft")
        && find(ctx)?.1.draft != draft
    {
        if let Some(pull) = follow::pull_mut(ctx.state, ctx.repo_id, number) {
            pull.draft = draft;
        }
        let action = if draft {
            "converted_to_draft"
        } else {
            "ready_for_review"
        };
        super::issues::emit_changed(ctx, action, json!({}))?;
    }
    ok(pull_json(ctx.hub, ctx.state, ctx.repo_id, number)?)
}

fn change_base(ctx: &mut Ctx<'_>, number: u64, base: &str) -> Result<(), Refusal> {
    let old = find(ctx)?.1.base_ref.clone();
    if old == base {
        return Ok(());
    }
    let sha = ctx
        .repo()?
        .branch(base)
        .cloned()
        .ok_or_else(|| Refusal::invalid("PullRequest", "base", "invalid"))?;
    if let Some(pull) = follow::pull_mut(ctx.state, ctx.repo_id, number) {
        pull.base_ref = base.to_owned();
        pull.base_sha = sha;
        pull.mergeable = Mergeable::Unknown;
    }
    let changes = json!({"changes": {"base": {"ref": {"from": old}}}});
    super::issues::emit_changed(ctx, "edited", changes)
}

pub(crate) fn files(ctx: &mut Ctx<'_>) -> Reply {
    let (_, pull) = find(ctx)?;
    let git = ctx.git()?;
    let (base, head) = (
        Oid::from_str(&pull.base_sha)?,
        Oid::from_str(&pull.head_sha)?,
    );
    let mut files = gitstore::branch_changes(&git, base, head, true)?;
    files.truncate(FILES_MAX);
    let repo = ctx.repo()?;
    ctx.paged(files, |file| ctx.view().file(repo, &pull.head_sha, &file))
}

pub(crate) fn commits(ctx: &mut Ctx<'_>) -> Reply {
    let (_, pull) = find(ctx)?;
    let git = ctx.git()?;
    let (base, head) = (
        Oid::from_str(&pull.base_sha)?,
        Oid::from_str(&pull.head_sha)?,
    );
    let mut found = gitstore::branch_commits(&git, Some(base), head)?;
    found.truncate(COMMITS_MAX);
    let repo = ctx.repo()?;
    ctx.paged(found, |commit| ctx.view().commit(repo, &commit))
}
