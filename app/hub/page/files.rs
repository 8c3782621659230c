//! Files, folders, commits and comparisons.

use super::layout::page;
use super::parts::{address, changes, commits, marked_file};
use super::repo::folder;
use super::{Page, at as text_at};
use crate::answer::{Answer, Body, Refusal, Reply};
use crate::text::{escape, percent_encode};
use http::{Method, StatusCode};
use serde_json::Value;

/// Raw files run nothing and load nothing, whatever they hold.
const RAW_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

/// A file or folder: `{ref}/{path}`, where the ref may hold slashes.
pub(super) fn at(this: &mut Page<'_>, rest: &[&str]) -> Reply {
    let (reference, path) = split(this, rest)?;
    let is_raw =
        this.segments.get(2).is_some_and(|kind| kind == "raw") || this.query("raw") == Some("true");
    if is_raw {
        let bytes = read(this, &path, &reference)?;
        return Ok(raw(&path, bytes));
    }
    let encoded: Vec<String> = path.split('/').map(percent_encode).collect();
    let found = this.get(&format!(
        "/contents/{}?ref={}",
        encoded.join("/"),
        percent_encode(&reference)
    ));
    let found = match found {
        Err(_) if path.is_empty() => {
            this.get(&format!("/contents?ref={}", percent_encode(&reference)))?
        }
        other => other?,
    };
    let title = format!("{path} at {reference}");
    let body = match found.as_array() {
        Some(entries) => folder(this, &reference, entries),
        None => file(this, (&reference, &path))?,
    };
    let content = format!("<h1>{}</h1>{body}", escape(&title));
    page(this, &title, &content)
}

/// Finds where the ref ends and the path begins.
fn split(this: &mut Page<'_>, rest: &[&str]) -> Result<(String, String), Refusal> {
    let base = this.base();
    let (owner, name) = base
        .trim_start_matches('/')
        .split_once('/')
        .ok_or_else(Refusal::not_found)?;
    let repo = this
        .state
        .repo_named(owner, name)
        .ok_or_else(Refusal::not_found)?;
    for end in 1..=rest.len() {
        let (reference, path) = rest.split_at(end);
        let reference = reference.join("/");
        let is_known = repo.branch(&reference).is_some()
            || repo.refs.contains_key(&format!("refs/tags/{reference}"));
        if is_known {
            return Ok((reference, path.join("/")));
        }
    }
    let (first, path) = rest.split_first().ok_or_else(Refusal::not_found)?;
    let reference = if *first == "HEAD" {
        repo.default_branch.clone()
    } else {
        (*first).to_owned()
    };
    Ok((reference, path.join("/")))
}

/// The bytes of a file.
pub(super) fn read(this: &mut Page<'_>, path: &str, reference: &str) -> Result<Vec<u8>, Refusal> {
    let encoded: Vec<String> = path.split('/').map(percent_encode).collect();
    let query = if reference == "HEAD" {
        String::new()
    } else {
        format!("?ref={}", percent_encode(reference))
    };
    let path = format!(
        "/repos{}/contents/{}{query}",
        this.base(),
        encoded.join("/")
    );
    let answer = this.raw(
        Method::GET,
        &path,
        Value::Null,
        "application/vnd.github.raw",
    )?;
    match answer.body {
        Body::Bytes(_, bytes) => Ok(bytes),
        Body::Empty | Body::Json(_) => Err(Refusal::not_found()),
    }
}

/// The type a file is served as; what a browser could run is served as text.
fn kind(path: &str, bytes: &[u8]) -> &'static str {
    let ending = path.rsplit('.').next().unwrap_or_default().to_lowercase();
    match ending.as_str() {
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        _ if bytes.contains(&0) => "application/octet-stream",
        _ => "text/plain; charset=utf-8",
    }
}

fn raw(path: &str, bytes: Vec<u8>) -> Answer {
    Answer {
        status: StatusCode::OK,
        headers: vec![
            ("content-security-policy", RAW_POLICY.into()),
            ("x-content-type-options", "nosniff".into()),
            ("cache-control", "private, max-age=60".into()),
        ],
        body: Body::Bytes(kind(path, &bytes), bytes),
    }
}

fn file(this: &mut Page<'_>, what: (&str, &str)) -> Result<String, Refusal> {
    let (reference, path) = what;
    let bytes = read(this, path, reference)?;
    let link = address(this, "blob", reference, path);
    let open = format!("<p><a href=\"{link}?raw=true\">Raw</a></p>");
    let shown = match kind(path, &bytes) {
        kind if kind.starts_with("image/") => {
            format!(
                "<p><img alt=\"{}\" src=\"{link}?raw=true\"></p>",
                escape(path)
            )
        }
        "application/octet-stream" => format!("<p class=\"mute\">{} bytes</p>", bytes.len()),
        _ if path.to_lowercase().ends_with(".md") => format!(
            "<div class=\"box\"><div class=\"in\">{}</div></div>",
            marked_file(this, &String::from_utf8_lossy(&bytes))
        ),
        _ => format!(
            "<pre><code>{}</code></pre>",
            escape(&String::from_utf8_lossy(&bytes))
        ),
    };
    Ok(format!("{open}{shown}"))
}

pub(super) fn commit(this: &mut Page<'_>, sha: &str) -> Reply {
    let commit = this.get(&format!("/commits/{}", percent_encode(sha)))?;
    let message = text_at(&commit, "/commit/message");
    let (title, detail) = message.split_once('\n').unwrap_or((message, ""));
    let empty = Vec::new();
    let files = commit["files"].as_array().unwrap_or(&empty);
    let content = format!(
        "<h1>{}</h1><pre>{}</pre><p class=\"mute\">{} on {}, {}</p>{}",
        escape(title),
        escape(detail.trim()),
        escape(text_at(&commit, "/commit/author/name")),
        escape(text_at(&commit, "/commit/author/date")),
        escape(text_at(&commit, "/sha")),
        changes(this, text_at(&commit, "/sha"), files),
    );
    page(this, title, &content)
}

pub(super) fn compare(this: &mut Page<'_>, basehead: &str) -> Reply {
    let parts: Vec<String> = basehead.split('/').map(percent_encode).collect();
    let found = this.get(&format!("/compare/{}", parts.join("/")))?;
    let empty = Vec::new();
    let list = |name: &str| found[name].as_array().unwrap_or(&empty).clone();
    let head = basehead.rsplit("...").next().unwrap_or_default();
    let content = format!(
        "<h1>{}</h1>{}{}",
        escape(basehead),
        commits(this, &list("commits")),
        changes(this, head, &list("files")),
    );
    page(this, basehead, &content)
}
