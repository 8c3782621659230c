//! Repositories: making, changing, forking and deleting them.

use super::Ctx;
use crate::answer::{Answer, Refusal, Reply, created, no_content, ok};
use crate::auth::Actor;
use crate::gitstore;
use crate::seed;
use crate::state::{AccountKind, Repo, Role};
use http::StatusCode;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const NAME_MAX_CHARS: usize = 100;

pub(crate) fn get(ctx: &mut Ctx<'_>) -> Reply {
    let repo = ctx.repo()?;
    let role = ctx.call.actor.role(ctx.state, repo);
    ok(ctx.view().full_repo(repo, role))
}

pub(crate) fn of_me(ctx: &mut Ctx<'_>) -> Reply {
    let me = ctx.me()?;
    let found: Vec<&Repo> = ctx
        .state
        .repos
        .values()
        .filter(|repo| {
            repo.owner == me
                || repo.collaborators.contains_key(&me)
                || ctx
                    .state
                    .accounts
                    .get(&repo.owner)
                    .is_some_and(|owner| owner.members.contains_key(&me))
        })
        .collect();
    ctx.paged(found, |repo| {
        ctx.view().own_repo(repo, ctx.state.role(repo, Some(me)))
    })
}

pub(crate) fn of_person(ctx: &mut Ctx<'_>) -> Reply {
    let owner = ctx.state.account(ctx.param("login"));
    let owner = owner.ok_or_else(Refusal::not_found)?.id;
    of_account(ctx, owner)
}

pub(crate) fn of_org(ctx: &mut Ctx<'_>) -> Reply {
    let owner = ctx
        .state
        .account(ctx.param("org"))
        .filter(|account| account.kind == AccountKind::Organization)
        .ok_or_else(Refusal::not_found)?
        .id;
    of_account(ctx, owner)
}

/// The repositories of one account that the caller sees.
fn of_account(ctx: &mut Ctx<'_>, owner: u64) -> Reply {
    let actor = &ctx.call.actor;
    let found: Vec<&Repo> = ctx
        .state
        .repos
        .values()
        .filter(|repo| repo.owner == owner && actor.role(ctx.state, repo) != Role::None)
        .collect();
    ctx.paged(found, |repo| {
        ctx.view().listed_repo(repo, actor.role(ctx.state, repo))
    })
}

pub(crate) fn create_mine(ctx: &mut Ctx<'_>) -> Reply {
    let owner = ctx.me()?;
    create(ctx, owner)
}

pub(crate) fn create_in_org(ctx: &mut Ctx<'_>) -> Reply {
    let me = ctx.me()?;
    let org = ctx
        .state
        .account(ctx.param("org"))
        .filter(|account| account.kind == AccountKind::Organization)
        .ok_or_else(Refusal::not_found)?;
    if org.members.get(&me).is_none_or(|role| role != "admin") {
        return Err(Refusal::forbidden(
            "You need admin access to the organization before adding a repository to it.",
        ));
    }
    let owner = org.id;
    create(ctx, owner)
}

fn create(ctx: &mut Ctx<'_>, owner: u64) -> Reply {
    let name = ctx.need_text("Repository", "name")?.to_owned();
    let visibility = ctx.text("visibility");
    let private = visibility.map_or(ctx.flag("private").unwrap_or(false), |word| {
        word != "public"
    });
    let login = ctx.state.login(owner).to_owned();
    check_name(ctx, &login, &name)?;
    let path = gitstore::path(&ctx.hub.config.state_dir, &format!("{login}/{name}"));
    let git = gitstore::init(&path, "main")?;
    let id = ctx.state.id();
    let mut repo = empty(ctx, id, owner, &name);
    repo.description = ctx.text("description").map(ToOwned::to_owned);
    repo.private = private;
    ctx.state.repos.insert(id, repo);
    ctx.repo_id = id;
    ctx.note("repository.created", json!({ "id": id }));
    tell_new(ctx, id);
    if ctx.flag("auto_init") == Some(true) {
        first_commit(ctx, &git, &name)?;
    }
    let repo = ctx.repo()?;
    created(ctx.view().full_repo(repo, Role::Admin))
}

fn check_name(ctx: &Ctx<'_>, login: &str, name: &str) -> Result<(), Refusal> {
    let is_name = name.len() <= NAME_MAX_CHARS
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        && !name.starts_with('.')
        && !name.ends_with(".git");
    if !is_name {
        return Err(Refusal::custom("Repository", "name", "name is invalid"));
    }
    if ctx.state.repo_named(login, name).is_some() {
        return Err(Refusal::custom(
            "Repository",
            "name",
            "name already exists on this account",
        ));
    }
    Ok(())
}

fn empty(ctx: &Ctx<'_>, id: u64, owner: u64, name: &str) -> Repo {
    let now = ctx.call.now;
    Repo {
        id,
        owner,
        name: name.to_owned(),
        description: None,
        homepage: None,
        private: false,
        archived: false,
        default_branch: "main".into(),
        fork_of: None,
        delete_branch_on_merge: false,
        created: now,
        updated: now,
        pushed: now,
        collaborators: BTreeMap::new(),
        refs: BTreeMap::new(),
        labels: Vec::new(),
        milestones: Vec::new(),
        rules: BTreeMap::new(),
        last_number: 0,
        issues: BTreeMap::new(),
        comments: BTreeMap::new(),
        suites: BTreeMap::new(),
        runs: BTreeMap::new(),
        statuses: Vec::new(),
        deployments: BTreeMap::new(),
        environments: BTreeMap::new(),
    }
}

/// A new repository reaches the App by its event and, when all are installed, by another.
fn tell_new(ctx: &Ctx<'_>, id: u64) {
    ctx.emit("repository", Some("created"), json!({}));
    let installation = ctx
        .state
        .repos
        .get(&id)
        .and_then(|repo| ctx.state.installation_of(repo));
    if let Some(installation) = installation {
        let one = BTreeSet::from([id]);
        seed::announce_repos(ctx.hub, ctx.state, installation.id, ("added", &one));
    }
}

fn first_commit(ctx: &mut Ctx<'_>, git: &git2::Repository, name: &str) -> Result<(), Refusal> {
    let me = ctx.me()?;
    let login = ctx.state.login(me).to_owned();
    let blob = git.blob(format!("# {name}\n").as_bytes())?;
    let mut builder = git.treebuilder(None)?;
    builder.insert("README.md", blob, 0o100_644)?;
    let tree = git.find_tree(builder.write()?)?;
    let author = gitstore::author(me, &login, &login, ctx.call.now)?;
    git.commit(
        Some("refs/heads/main"),
        &author,
        &author,
        "Initial commit",
        &tree,
        &[],
    )?;
    super::git_refs::sync(ctx)
}

pub(crate) fn update(ctx: &mut Ctx<'_>) -> Reply {
    let branch = ctx.text("default_branch");
    if let Some(branch) = branch {
        if ctx.repo()?.branch(branch).is_none() {
            return Err(Refusal::custom(
                "Repository",
                "default_branch",
                format!(
                    "The branch {branch} was not found. Please push that ref first or create it via the Git Data API."
                ),
            ));
        }
        ctx.git()?.set_head(&format!("refs/heads/{branch}"))?;
    }
    if let Some(name) = ctx.text("name").filter(|name| *name != ctx.param("repo")) {
        rename(ctx, name)?;
    }
    let (private, archived) = (ctx.flag("private"), ctx.flag("archived"));
    let delete_branch = ctx.flag("delete_branch_on_merge");
    let (description, homepage) = (ctx.text("description"), ctx.text("homepage"));
    let now = ctx.call.now;
    let repo = ctx.repo_mut()?;
    repo.private = private.unwrap_or(repo.private);
    repo.archived = archived.unwrap_or(repo.archived);
    repo.delete_branch_on_merge = delete_branch.unwrap_or(repo.delete_branch_on_merge);
    repo.updated = now;
    if let Some(branch) = branch {
        repo.default_branch = branch.to_owned();
    }
    if let Some(text) = description {
        repo.description = Some(text.to_owned());
    }
    if let Some(text) = homepage {
        repo.homepage = Some(text.to_owned());
    }
    ctx.note("repository.edited", ctx.call.body.clone());
    let action = match archived {
        Some(true) => "archived",
        Some(false) => "unarchived",
        None => "edited",
    };
    ctx.emit("repository", Some(action), json!({"changes": {}}));
    get(ctx)
}

fn rename(ctx: &mut Ctx<'_>, name: &str) -> Result<(), Refusal> {
    let old = ctx.repo()?.name.clone();
    let login = ctx.state.login(ctx.repo()?.owner).to_owned();
    check_name(ctx, &login, name)?;
    let from = ctx.hub.git_path(ctx.state, ctx.repo()?);
    let to = gitstore::path(&ctx.hub.config.state_dir, &format!("{login}/{name}"));
    std::fs::rename(from, to).map_err(|error| Refusal::internal(&error))?;
    ctx.repo_mut()?.name = name.to_owned();
    ctx.emit(
        "repository",
        Some("renamed"),
        json!({"changes": {"repository": {"name": {"from": old}}}}),
    );
    Ok(())
}

pub(crate) fn delete(ctx: &mut Ctx<'_>) -> Reply {
    let path = ctx.hub.git_path(ctx.state, ctx.repo()?);
    ctx.emit("repository", Some("deleted"), json!({}));
    ctx.note("repository.deleted", json!({"id": ctx.repo_id}));
    std::fs::remove_dir_all(path).map_err(|error| Refusal::internal(&error))?;
    let id = ctx.repo_id;
    ctx.state.repos.remove(&id);
    for repo in ctx.state.repos.values_mut() {
        if repo.fork_of == Some(id) {
            repo.fork_of = None;
        }
        for pull in repo.issues.values_mut().filter_map(|one| one.pull.as_mut()) {
            if pull.head_repo == Some(id) {
                pull.head_repo = None;
            }
        }
    }
    no_content()
}

pub(crate) fn forks(ctx: &mut Ctx<'_>) -> Reply {
    let found: Vec<&Repo> = ctx
        .state
        .repos
        .values()
        .filter(|repo| repo.fork_of == Some(ctx.repo_id))
        .collect();
    ctx.paged(found, |repo| ctx.view().repo(repo))
}

pub(crate) fn fork(ctx: &mut Ctx<'_>) -> Reply {
    let Actor::Person(me) = ctx.call.actor else {
        return Err(crate::auth::not_accessible());
    };
    let source = ctx.repo()?.clone();
    let owner = match ctx.text("organization") {
        Some(org) => ctx.state.account(org).ok_or_else(Refusal::not_found)?.id,
        None => me,
    };
    let earlier = ctx
        .state
        .repos
        .values()
        .find(|repo| repo.fork_of == Some(source.id) && repo.owner == owner);
    if let Some(earlier) = earlier {
        let body = ctx.view().full_repo(earlier, Role::Admin);
        return Ok(Answer::json(StatusCode::ACCEPTED, body));
    }
    let login = ctx.state.login(owner).to_owned();
    let name = ctx.text("name").unwrap_or(&source.name).to_owned();
    check_name(ctx, &login, &name)?;
    let to = gitstore::path(&ctx.hub.config.state_dir, &format!("{login}/{name}"));
    gitstore::copy(&ctx.hub.git_path(ctx.state, &source), &to)
        .map_err(|error| Refusal::internal(&error))?;
    let id = ctx.state.id();
    let mut repo = empty(ctx, id, owner, &name);
    repo.description = source.description;
    repo.private = source.private;
    repo.default_branch = source.default_branch;
    repo.refs = source.refs;
    repo.fork_of = Some(source.id);
    ctx.state.repos.insert(id, repo);
    ctx.note("repository.forked", json!({ "fork": id }));
    let fork = ctx.state.repos.get(&id).ok_or_else(Refusal::not_found)?;
    let body: Value = ctx.view().full_repo(fork, Role::Admin);
    ctx.emit("fork", None, json!({"forkee": ctx.view().repo(fork)}));
    Ok(Answer::json(StatusCode::ACCEPTED, body))
}
