//! Pull requests and issues: what was said, the checks, the deployments, the changes.

use super::layout::page;
use super::parts::{changes, commit_link, commits, labels, marked, said, state, state_of};
use super::repo::{deployment_rows, issue_line};
use super::{Page, at};
use crate::answer::{Refusal, Reply};
use crate::text::escape;
use serde_json::Value;

pub(super) fn list(this: &mut Page<'_>, wants_pulls: bool) -> Reply {
    let found = this.items("/issues?state=all")?;
    let items: String = found
        .iter()
        .filter(|issue| issue.get("pull_request").is_some() == wants_pulls)
        .map(|issue| issue_line(this, issue))
        .collect();
    let title = if wants_pulls {
        "Pull requests"
    } else {
        "Issues"
    };
    let content = format!("<h1>{title}</h1><ul class=\"list\">{items}</ul>");
    page(this, title, &content)
}

pub(super) fn one(this: &mut Page<'_>, number: &str) -> Reply {
    let number: u64 = number.parse().map_err(|_| Refusal::not_found())?;
    let issue = this.get(&format!("/issues/{number}"))?;
    let title = at(&issue, "/title").to_owned();
    let mut content = format!(
        "<h1>{} <span class=\"mute\">#{number}</span></h1><p>{}{}</p>",
        escape(&title),
        state_of(&issue),
        labels(&issue),
    );
    let is_pull = issue.get("pull_request").is_some();
    let pull = if is_pull {
        let pull = this.get(&format!("/pulls/{number}"))?;
        content.push_str(&facts(this, &pull));
        Some(pull)
    } else {
        None
    };
    content.push_str(&said(
        this,
        at(&issue, "/user/login"),
        at(&issue, "/created_at"),
        at(&issue, "/body"),
    ));
    content.push_str(&talk(this, number, is_pull)?);
    content.push_str(&boxes(this, &issue, is_pull));
    if let Some(pull) = pull {
        content.push_str(&work(this, number, &pull)?);
    }
    page(this, &title, &content)
}

fn facts(this: &Page<'_>, pull: &Value) -> String {
    let asked: Vec<String> = pull["requested_reviewers"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|user| escape(at(user, "/login")))
        .collect();
    let asked = if asked.is_empty() {
        String::new()
    } else {
        format!(" · review asked from {}", asked.join(", "))
    };
    format!(
        "<p class=\"mute\">{} wants <code>{}</code> in <code>{}</code> · head {} · {}{asked}</p>",
        escape(at(pull, "/user/login")),
        escape(at(pull, "/head/label")),
        escape(at(pull, "/base/ref")),
        commit_link(this, at(pull, "/head/sha")),
        if pull["state"] == "open" {
            escape(at(pull, "/mergeable_state"))
        } else {
            escape(at(pull, "/closed_at"))
        },
    )
}

/// Comments and reviews in the order they were made.
fn talk(this: &mut Page<'_>, number: u64, is_pull: bool) -> Result<String, Refusal> {
    let mut entries: Vec<(String, u64, String)> = Vec::new();
    for comment in this.items(&format!("/issues/{number}/comments"))? {
        let html = said(
            this,
            at(&comment, "/user/login"),
            at(&comment, "/created_at"),
            at(&comment, "/body"),
        );
        let id = comment["id"].as_u64().unwrap_or_default();
        let html = format!(
            "<div id=\"issuecomment-{id}\">{html}{}</div>",
            faces(&comment)
        );
        entries.push((at(&comment, "/created_at").to_owned(), id, html));
    }
    if is_pull {
        let inline = this.items(&format!("/pulls/{number}/comments"))?;
        for review in this.items(&format!("/pulls/{number}/reviews"))? {
            let id = review["id"].as_u64().unwrap_or_default();
            let mut html = format!(
                "<p id=\"pullrequestreview-{id}\"><b>{}</b> {}</p>",
                escape(at(&review, "/user/login")),
                state(at(&review, "/state")),
            );
            let body = at(&review, "/body");
            if !body.is_empty() {
                html.push_str(&said(
                    this,
                    at(&review, "/user/login"),
                    at(&review, "/submitted_at"),
                    body,
                ));
            }
            for comment in inline
                .iter()
                .filter(|one| one["pull_request_review_id"] == review["id"])
            {
                let place = format!("{}:{}", at(comment, "/path"), comment["line"]);
                html.push_str(&said(this, &place, "", at(comment, "/body")));
            }
            entries.push((at(&review, "/submitted_at").to_owned(), id, html));
        }
    }
    entries.sort();
    Ok(entries.into_iter().map(|(_, _, html)| html).collect())
}

/// The reactions to a comment.
fn faces(comment: &Value) -> String {
    let shown: String = [
        ("+1", "👍"),
        ("-1", "👎"),
        ("laugh", "😄"),
        ("hooray", "🎉"),
        ("confused", "😕"),
        ("heart", "❤️"),
        ("rocket", "🚀"),
        ("eyes", "👀"),
    ]
    .into_iter()
    .filter_map(|(name, face)| {
        let count = comment["reactions"][name]
            .as_u64()
            .filter(|count| *count > 0)?;
        Some(format!("<span class=\"badge\">{face} {count}</span> "))
    })
    .collect();
    if shown.is_empty() {
        shown
    } else {
        format!("<p>{shown}</p>")
    }
}

/// Where the viewer writes and decides.
fn boxes(this: &Page<'_>, issue: &Value, is_pull: bool) -> String {
    if this.viewer.is_none() {
        return "<p class=\"mute\">Choose a person at the top to take part.</p>".into();
    }
    let kind = if is_pull { "pull" } else { "issues" };
    let action = escape(&format!("{}/{kind}/{}", this.base(), issue["number"]));
    let mut buttons = String::from("<button name=\"do\" value=\"comment\">Comment</button>");
    if is_pull {
        buttons.push_str(
            "<button name=\"do\" value=\"APPROVE\">Approve</button>\
<button name=\"do\" value=\"REQUEST_CHANGES\">Request changes</button>",
        );
    }
    let word = if issue["state"] == "open" {
        ("closed", "Close")
    } else {
        ("open", "Reopen")
    };
    buttons.push_str(&format!(
        "<button name=\"do\" value=\"{}\">{}</button>",
        word.0, word.1
    ));
    format!(
        "<form method=\"post\" action=\"{action}\"><textarea name=\"body\" aria-label=\"Comment\" \
placeholder=\"Write Markdown\"></textarea><div class=\"row\">{buttons}</div></form>\
<form class=\"row\" method=\"post\" action=\"{action}\"><label>Label \
<input type=\"text\" name=\"label\"></label><button name=\"do\" value=\"label\">Add</button>\
<button name=\"do\" value=\"unlabel\">Remove</button></form>"
    )
}

/// Checks, deployments, commits and changes of a pull request.
fn work(this: &mut Page<'_>, number: u64, pull: &Value) -> Result<String, Refusal> {
    let sha = at(pull, "/head/sha").to_owned();
    let mut html = checks(this, &sha)?;
    let mut found = this.items(&format!("/deployments?sha={sha}"))?;
    let reference = at(pull, "/head/ref").to_owned();
    for one in this.items(&format!(
        "/deployments?ref={}",
        crate::text::percent_encode(&reference)
    ))? {
        if found.iter().all(|seen| seen["id"] != one["id"]) {
            found.push(one);
        }
    }
    html.push_str(&format!(
        "<h2>Deployments</h2>{}",
        deployment_rows(this, &found)?
    ));
    let listed = this.items(&format!("/pulls/{number}/commits"))?;
    html.push_str(&format!("<h2>Commits</h2>{}", commits(this, &listed)));
    let files = this.items(&format!("/pulls/{number}/files"))?;
    html.push_str(&format!("<h2>Changes</h2>{}", changes(this, &sha, &files)));
    Ok(html)
}

fn checks(this: &mut Page<'_>, sha: &str) -> Result<String, Refusal> {
    let runs: String = this
        .items(&format!("/commits/{sha}/check-runs"))?
        .iter()
        .map(|run| check(this, run))
        .collect();
    let statuses: String = this
        .get(&format!("/commits/{sha}/status"))?["statuses"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|status| {
            format!(
                "<div class=\"box\"><div class=\"top\">{} <b>{}</b> <span class=\"mute\">{}</span></div></div>",
                state(at(status, "/state")),
                escape(at(status, "/context")),
                escape(at(status, "/description")),
            )
        })
        .collect();
    if runs.is_empty() && statuses.is_empty() {
        return Ok("<h2>Checks</h2><p class=\"mute\">There are none.</p>".into());
    }
    Ok(format!("<h2>Checks</h2>{runs}{statuses}"))
}

fn check(this: &Page<'_>, run: &Value) -> String {
    let word = match at(run, "/conclusion") {
        "" => at(run, "/status"),
        conclusion => conclusion,
    };
    let id = run["id"].as_u64().unwrap_or_default();
    let mut buttons = String::new();
    if this.viewer.is_some() {
        let stored = this
            .state
            .repos
            .values()
            .find_map(|repo| repo.runs.get(&id));
        let action = escape(&format!("{}/runs/{id}", this.base()));
        for offered in stored.iter().flat_map(|run| &run.actions) {
            buttons.push_str(&format!(
                "<form class=\"inline\" method=\"post\" action=\"{action}\"><button name=\"identifier\" value=\"{}\" title=\"{}\">{}</button></form> ",
                escape(at(offered, "/identifier")),
                escape(at(offered, "/description")),
                escape(at(offered, "/label")),
            ));
        }
        buttons.push_str(&format!(
            "<form class=\"inline\" method=\"post\" action=\"{action}\"><button name=\"rerun\" value=\"1\">Run again</button></form>"
        ));
    }
    format!(
        "<details class=\"box\" id=\"run-{id}\"><summary class=\"top\">{} <b>{}</b> <span class=\"mute\">{}</span></summary>\
<div class=\"in\"><p class=\"row\">{buttons}</p>{}{}{}</div></details>",
        state(word),
        escape(at(run, "/name")),
        escape(at(run, "/output/title")),
        marked(this, at(run, "/output/summary")),
        marked(this, at(run, "/output/text")),
        details_link(run),
    )
}

fn details_link(run: &Value) -> String {
    let url = at(run, "/details_url");
    if url.is_empty() || url == at(run, "/html_url") || !url.starts_with("http") {
        return String::new();
    }
    format!("<p><a href=\"{}\">Details</a></p>", escape(url))
}

/// One check run on a page of its own, with its annotations.
pub(super) fn run(this: &mut Page<'_>, id: &str) -> Reply {
    let id: u64 = id.parse().map_err(|_| Refusal::not_found())?;
    let run = this.get(&format!("/check-runs/{id}"))?;
    let notes: String = this
        .items(&format!("/check-runs/{id}/annotations"))?
        .iter()
        .map(|note| {
            format!(
                "<li><code>{}:{}</code> {} {}</li>",
                escape(at(note, "/path")),
                note["start_line"],
                escape(at(note, "/annotation_level")),
                escape(at(note, "/message")),
            )
        })
        .collect();
    let content = format!(
        "<h1>{}</h1><p>at {}</p>{}<ul class=\"list\">{notes}</ul>",
        escape(at(&run, "/name")),
        commit_link(this, at(&run, "/head_sha")),
        check(this, &run).replacen("<details", "<details open", 1),
    );
    page(this, at(&run, "/name"), &content)
}
