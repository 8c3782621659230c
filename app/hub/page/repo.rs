//! Lists of repositories, a repository's first page, and its deployments.

use super::layout::page;
use super::parts::{address, commit_link, commits, labels, marked_file, state, state_of};
use super::{Page, at};
use crate::answer::Reply;
use crate::state::Role;
use crate::text::escape;
use serde_json::Value;

const COMMITS_SHOWN: usize = 15;

pub(super) fn list(this: &mut Page<'_>, owner: Option<&str>) -> Reply {
    if let Some(owner) = owner {
        this.state
            .account(owner)
            .ok_or_else(crate::answer::Refusal::not_found)?;
    }
    let items: String = this
        .state
        .repos
        .values()
        .filter(|repo| this.state.role(repo, this.viewer) >= Role::Read)
        .filter(|repo| owner.is_none_or(|owner| this.state.login(repo.owner) == owner))
        .map(|repo| {
            let name = escape(&this.state.full_name(repo));
            let kind = if repo.private { "private" } else { "public" };
            format!(
                "<li><a href=\"/{name}\"><b>{name}</b></a> {} <span class=\"mute\">{}</span></li>",
                state(kind),
                escape(repo.description.as_deref().unwrap_or_default()),
            )
        })
        .collect();
    let content = if items.is_empty() {
        "<h1>Repositories</h1><p class=\"mute\">There are none to see. Make one with \
<code>POST /user/repos</code>.</p>"
            .to_owned()
    } else {
        format!("<h1>Repositories</h1><ul class=\"list\">{items}</ul>")
    };
    page(this, "Repositories", &content)
}

pub(super) fn overview(this: &mut Page<'_>) -> Reply {
    let repo = this.get("")?;
    let title = at(&repo, "/full_name").to_owned();
    let clone = escape(at(&repo, "/clone_url"));
    let mut content = format!(
        "<h1>{}</h1><p>{}</p><p class=\"mute\">Clone from <code>{clone}</code></p>",
        escape(&title),
        escape(at(&repo, "/description")),
    );
    let branches = this.items("/branches")?;
    if branches.is_empty() {
        content.push_str("<p>The repository is empty; push to it to begin.</p>");
        return page(this, &title, &content);
    }
    let main = at(&repo, "/default_branch").to_owned();
    content.push_str(&open_pulls(this)?);
    let files = this.items("/contents")?;
    content.push_str(&format!(
        "<h2>Files on {}</h2>{}",
        escape(&main),
        folder(this, &main, &files)
    ));
    let names: String = branches
        .iter()
        .map(|branch| {
            let name = at(branch, "/name");
            format!(
                "<li><a href=\"{}\">{}</a> {}</li>",
                address(this, "tree", name, ""),
                escape(name),
                commit_link(this, at(branch, "/commit/sha")),
            )
        })
        .collect();
    content.push_str(&format!("<h2>Branches</h2><ul class=\"list\">{names}</ul>"));
    let mut found = this.items("/commits")?;
    found.truncate(COMMITS_SHOWN);
    content.push_str(&format!("<h2>Commits</h2>{}", commits(this, &found)));
    content.push_str(&readme(this, &files));
    page(this, &title, &content)
}

fn open_pulls(this: &mut Page<'_>) -> Result<String, crate::answer::Refusal> {
    let items: String = this
        .items("/pulls?state=open")?
        .iter()
        .map(|pull| issue_line(this, pull))
        .collect();
    Ok(if items.is_empty() {
        String::new()
    } else {
        format!("<h2>Open pull requests</h2><ul class=\"list\">{items}</ul>")
    })
}

/// One line of a list of issues or pull requests.
pub(super) fn issue_line(this: &Page<'_>, issue: &Value) -> String {
    let is_pull = issue.get("pull_request").is_some() || issue.get("head").is_some();
    let kind = if is_pull { "pull" } else { "issues" };
    format!(
        "<li>{} <a href=\"{}/{kind}/{number}\">{}</a> <span class=\"mute\">#{number} by {}</span>{}</li>",
        state_of(issue),
        escape(&this.base()),
        escape(at(issue, "/title")),
        escape(at(issue, "/user/login")),
        labels(issue),
        number = issue["number"],
    )
}

/// A list of files and folders.
pub(super) fn folder(this: &Page<'_>, reference: &str, entries: &[Value]) -> String {
    let items: String = entries
        .iter()
        .map(|entry| {
            let is_folder = at(entry, "/type") == "dir";
            let kind = if is_folder { "tree" } else { "blob" };
            format!(
                "<li><a href=\"{}\">{}{}</a></li>",
                address(this, kind, reference, at(entry, "/path")),
                escape(at(entry, "/name")),
                if is_folder { "/" } else { "" },
            )
        })
        .collect();
    format!("<ul class=\"list\">{items}</ul>")
}

fn readme(this: &mut Page<'_>, files: &[Value]) -> String {
    let name = files
        .iter()
        .map(|entry| at(entry, "/name"))
        .find(|name| name.eq_ignore_ascii_case("readme.md"));
    let Some(name) = name else {
        return String::new();
    };
    let text = super::files::read(this, name, "HEAD").unwrap_or_default();
    format!(
        "<div class=\"box\"><div class=\"top\">{}</div><div class=\"in\">{}</div></div>",
        escape(name),
        marked_file(this, &String::from_utf8_lossy(&text)),
    )
}

pub(super) fn deployments(this: &mut Page<'_>) -> Reply {
    let found = this.items("/deployments")?;
    let rows = deployment_rows(this, &found)?;
    let content = format!("<h1>Deployments</h1>{rows}");
    page(this, "Deployments", &content)
}

/// Deployments with their newest state and where they can be seen.
pub(super) fn deployment_rows(
    this: &mut Page<'_>,
    found: &[Value],
) -> Result<String, crate::answer::Refusal> {
    if found.is_empty() {
        return Ok("<p class=\"mute\">There are none.</p>".to_owned());
    }
    let mut rows = String::new();
    for deployment in found {
        let statuses = this.items(&format!("/deployments/{}/statuses", deployment["id"]))?;
        let newest = statuses.first().cloned().unwrap_or_default();
        let word = match at(&newest, "/state") {
            "" => "pending",
            word => word,
        };
        let place = at(&newest, "/environment_url");
        let link = if place.starts_with("http://") || place.starts_with("https://") {
            let place = escape(place);
            format!("<a href=\"{place}\">{place}</a>")
        } else {
            String::new()
        };
        rows.push_str(&format!(
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{link}</td><td>{}</td><td class=\"mute\">{}</td></tr>",
            escape(at(deployment, "/environment")),
            state(word),
            commit_link(this, at(deployment, "/sha")),
            escape(at(&newest, "/description")),
            escape(at(deployment, "/updated_at")),
        ));
    }
    Ok(format!(
        "<table><tr><th>Environment</th><th>State</th><th>Commit</th><th>Address</th><th>Description</th><th>Updated</th></tr>{rows}</table>"
    ))
}
