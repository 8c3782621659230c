//! Pieces that several pages show: people, states, labels, changed files, texts.

use super::{Page, at};
use crate::markdown;
use crate::text::escape;
use serde_json::Value;

/// A Markdown text in the frame of its author.
pub(super) fn said(page: &Page<'_>, who: &str, when: &str, text: &str) -> String {
    format!(
        "<div class=\"box\"><div class=\"top\"><b>{}</b> <span class=\"mute\">{}</span></div><div class=\"in\">{}</div></div>",
        escape(who),
        escape(when),
        marked(page, text),
    )
}

/// What somebody wrote on an issue or pull request: its relative links start from that page, as in a browser.
pub(super) fn marked(page: &Page<'_>, text: &str) -> String {
    markdown::render(text, &format!("{}/pull", page.base()))
}

/// A Markdown file: its relative links lead to files.
pub(super) fn marked_file(page: &Page<'_>, text: &str) -> String {
    markdown::render(text, &format!("{}/blob/HEAD", page.base()))
}

/// A word for a state, in its colour.
pub(super) fn state(word: &str) -> String {
    let class = match word {
        "open" | "success" | "approved" | "APPROVED" => "good",
        "closed" | "failure" | "error" | "timed_out" | "CHANGES_REQUESTED" => "bad",
        "merged" => "done",
        "queued" | "pending" | "in_progress" | "action_required" | "draft" => "wait",
        _ => "mute",
    };
    format!(
        "<span class=\"badge {class}\">{}</span>",
        escape(&word.replace('_', " ").to_lowercase())
    )
}

/// The state of a pull request or issue.
pub(super) fn state_of(issue: &Value) -> String {
    let merged = [
        issue.pointer("/merged_at"),
        issue.pointer("/pull_request/merged_at"),
    ];
    if merged.into_iter().flatten().any(|at| !at.is_null()) {
        return state("merged");
    }
    if issue["draft"] == true && issue["state"] == "open" {
        return state("draft");
    }
    state(at(issue, "/state"))
}

/// The labels of an issue.
pub(super) fn labels(issue: &Value) -> String {
    issue["labels"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|label| {
            format!(
                " <span class=\"badge\">{}</span>",
                escape(at(label, "/name"))
            )
        })
        .collect()
}

/// A short object name that leads to its commit.
pub(super) fn commit_link(page: &Page<'_>, sha: &str) -> String {
    format!(
        "<a href=\"{}/commit/{sha}\"><code>{}</code></a>",
        escape(&page.base()),
        sha.get(..7).unwrap_or(sha),
        sha = escape(sha),
    )
}

/// A list of commits.
pub(super) fn commits(page: &Page<'_>, commits: &[Value]) -> String {
    let items: String = commits
        .iter()
        .map(|commit| {
            let title = at(commit, "/commit/message").lines().next();
            format!(
                "<li>{} {} <span class=\"mute\">{}, {}</span></li>",
                commit_link(page, at(commit, "/sha")),
                escape(title.unwrap_or_default()),
                escape(at(commit, "/commit/author/name")),
                escape(at(commit, "/commit/author/date")),
            )
        })
        .collect();
    format!("<ul class=\"list\">{items}</ul>")
}

/// Changed files with their patches.
pub(super) fn changes(page: &Page<'_>, sha: &str, files: &[Value]) -> String {
    files.iter().map(|file| change(page, sha, file)).collect()
}

fn change(page: &Page<'_>, sha: &str, file: &Value) -> String {
    let name = at(file, "/filename");
    let lines: String = at(file, "/patch")
        .lines()
        .map(|line| {
            let class = match line.as_bytes().first() {
                Some(b'+') => "add",
                Some(b'-') => "del",
                Some(b'@') => "hunk",
                Some(_) | None => "same",
            };
            format!("<span class=\"{class}\">{}</span>", escape(line))
        })
        .collect();
    let link = address(page, "blob", sha, name);
    let is_picture = [".svg", ".png", ".jpg", ".jpeg", ".gif", ".webp"]
        .iter()
        .any(|ending| name.to_lowercase().ends_with(ending));
    let picture = if is_picture && at(file, "/status") != "removed" {
        format!(
            "<div class=\"in\"><img alt=\"{}\" src=\"{link}?raw=true\"></div>",
            escape(name)
        )
    } else {
        String::new()
    };
    format!(
        "<details class=\"box\" open><summary class=\"top\"><a href=\"{link}\">{}</a> \
<span class=\"mute\">{}</span> <span class=\"good\">+{}</span> <span class=\"bad\">-{}</span></summary>\
{picture}<pre class=\"diff\"><code>{lines}</code></pre></details>",
        escape(name),
        escape(at(file, "/status")),
        file["additions"],
        file["deletions"],
    )
}

/// The address of a file's page, escaped for an attribute.
pub(super) fn address(page: &Page<'_>, kind: &str, reference: &str, path: &str) -> String {
    let encode = |text: &str| {
        let parts: Vec<String> = text.split('/').map(crate::text::percent_encode).collect();
        parts.join("/")
    };
    escape(&format!(
        "{}/{kind}/{}/{}",
        page.base(),
        encode(reference),
        encode(path)
    ))
}
