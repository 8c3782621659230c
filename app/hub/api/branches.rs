//! Branches, tags and the rules of branches.

use super::Ctx;
use crate::answer::{Refusal, Reply, ok};
use git2::Oid;
use serde_json::json;

pub(crate) fn list(ctx: &mut Ctx<'_>) -> Reply {
    let repo = ctx.repo()?;
    let wants_protected = ctx.query("protected").map(|word| word == "true");
    let found: Vec<(&str, &String)> = repo
        .refs
        .iter()
        .filter_map(|(name, sha)| Some((name.strip_prefix("refs/heads/")?, sha)))
        .filter(|(name, _)| {
            wants_protected.is_none_or(|wanted| wanted == repo.rules.contains_key(*name))
        })
        .collect();
    let api = ctx.view().repo_api(repo);
    ctx.paged(found, |(name, sha)| {
        json!({
            "name": name, "protected": repo.rules.contains_key(name),
            "commit": {"sha": sha, "url": format!("{api}/commits/{sha}")},
        })
    })
}

pub(crate) fn get(ctx: &mut Ctx<'_>) -> Reply {
    let repo = ctx.repo()?;
    let name = ctx.param("branch");
    let missing = || Refusal::new(http::StatusCode::NOT_FOUND, "Branch not found");
    let sha = repo.branch(name).ok_or_else(missing)?;
    let git = ctx.git()?;
    let commit = git.find_commit(Oid::from_str(sha)?)?;
    let api = format!("{}/branches/{name}", ctx.view().repo_api(repo));
    let is_protected = repo.rules.contains_key(name);
    let contexts = super::merge::required_contexts(repo, name);
    ok(json!({
        "name": name, "commit": ctx.view().commit(repo, &commit),
        "_links": {
            "self": api,
            "html": format!("{}/tree/{name}", ctx.view().repo_html(repo)),
        },
        "protected": is_protected,
        "protection": {
            "enabled": is_protected,
            "required_status_checks": {
                "enforcement_level": if contexts.is_empty() { "off" } else { "everyone" },
                "contexts": contexts, "checks": [],
            },
        },
        "protection_url": format!("{api}/protection"),
    }))
}

pub(crate) fn rules(ctx: &mut Ctx<'_>) -> Reply {
    let repo = ctx.repo()?;
    let found = repo
        .rules
        .get(ctx.param("branch"))
        .cloned()
        .unwrap_or_default();
    let name = ctx.state.full_name(repo);
    ctx.paged(found, |mut rule| {
        if rule.get("ruleset_id").is_none() {
            rule["ruleset_source_type"] = json!("Repository");
            rule["ruleset_source"] = json!(name);
            rule["ruleset_id"] = json!(1);
        }
        rule
    })
}

pub(crate) fn tags(ctx: &mut Ctx<'_>) -> Reply {
    let repo = ctx.repo()?;
    let git = ctx.git()?;
    let api = ctx.view().repo_api(repo);
    let found: Vec<&str> = repo
        .refs
        .keys()
        .filter_map(|name| name.strip_prefix("refs/tags/"))
        .rev()
        .collect();
    ctx.paged(found, |name| {
        let sha = crate::gitstore::resolve(&git, &format!("tags/{name}"))
            .map(|commit| commit.id().to_string())
            .unwrap_or_default();
        json!({
            "name": name, "node_id": crate::text::node_id(&format!("Tag:{name}"), repo.id),
            "commit": {"sha": sha, "url": format!("{api}/commits/{sha}")},
            "zipball_url": format!("{api}/zipball/refs/tags/{name}"),
            "tarball_url": format!("{api}/tarball/refs/tags/{name}"),
        })
    })
}
