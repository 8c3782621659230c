//! Files and folders by path: reading, and writing one file as one commit.

use super::Ctx;
use super::git_data::{decode, signatures, wrapped};
use super::git_refs::{resolve, sync};
use crate::answer::{Answer, Body, Refusal, Reply, ok};
use crate::text::percent_encode;
use git2::{FileMode, ObjectType, Oid};
use http::StatusCode;
use serde_json::{Value, json};
use std::path::Path;

/// Above this size the content is left out, in bytes.
const CONTENT_MAX_BYTES: usize = 1024 * 1024;

pub(crate) fn get(ctx: &mut Ctx<'_>) -> Reply {
    let repo = ctx.repo()?;
    if repo.refs.is_empty() {
        return Err(Refusal::new(
            StatusCode::NOT_FOUND,
            "This repository is empty.",
        ));
    }
    let git = ctx.git()?;
    let reference = ctx.query("ref").unwrap_or(&repo.default_branch);
    let commit = resolve(ctx, &git, reference).map_err(|_| {
        Refusal::new(
            StatusCode::NOT_FOUND,
            format!("No commit found for the ref {reference}"),
        )
    })?;
    let tree = git.find_commit(commit)?.tree()?;
    let path = ctx.param("path").trim_matches('/');
    if path.is_empty() {
        return Ctx::list(folder(ctx, (&tree, "", reference))?);
    }
    let entry = tree.get_path(Path::new(path))?;
    match entry.kind() {
        Some(ObjectType::Tree) => {
            let below = git.find_tree(entry.id())?;
            Ctx::list(folder(ctx, (&below, path, reference))?)
        }
        Some(ObjectType::Blob) => {
            let blob = git.find_blob(entry.id())?;
            if ctx.call.accept.contains("raw") {
                let mut answer = Answer::empty(StatusCode::OK);
                answer.body = Body::Bytes("application/vnd.github.raw", blob.content().to_vec());
                return Ok(answer);
            }
            let mut body = item(ctx, path, (reference, "file", entry.id(), blob.size()))?;
            if blob.size() <= CONTENT_MAX_BYTES {
                body["content"] = json!(wrapped(blob.content()));
                body["encoding"] = json!("base64");
            } else {
                body["content"] = json!("");
                body["encoding"] = json!("none");
            }
            ok(body)
        }
        Some(ObjectType::Commit | ObjectType::Any | ObjectType::Tag) | None => {
            ok(item(ctx, path, (reference, "submodule", entry.id(), 0))?)
        }
    }
}

fn folder(ctx: &Ctx<'_>, at: (&git2::Tree<'_>, &str, &str)) -> Result<Value, Refusal> {
    let (tree, prefix, reference) = at;
    let git = ctx.git()?;
    let odb = git.odb()?;
    let mut items = Vec::new();
    for entry in tree {
        let name = String::from_utf8_lossy(entry.name_bytes()).into_owned();
        let path = if prefix.is_empty() {
            name
        } else {
            format!("{prefix}/{name}")
        };
        let (kind, size) = match entry.kind() {
            Some(ObjectType::Tree) => ("dir", 0),
            Some(ObjectType::Commit) => ("submodule", 0),
            Some(ObjectType::Blob | ObjectType::Any | ObjectType::Tag) | None => {
                let header = odb.read_header(entry.id());
                ("file", header.map_or(0, |(size, _)| size))
            }
        };
        items.push(item(ctx, &path, (reference, kind, entry.id(), size))?);
    }
    Ok(Value::Array(items))
}

fn item(ctx: &Ctx<'_>, path: &str, what: (&str, &str, Oid, usize)) -> Result<Value, Refusal> {
    let (reference, kind, id, size) = what;
    let repo = ctx.repo()?;
    let (api, html) = (ctx.view().repo_api(repo), ctx.view().repo_html(repo));
    let encoded: Vec<String> = path.split('/').map(percent_encode).collect();
    let encoded = encoded.join("/");
    let url = format!("{api}/contents/{encoded}?ref={}", percent_encode(reference));
    let (folder, page) = if kind == "dir" {
        ("trees", "tree")
    } else {
        ("blobs", "blob")
    };
    let git_url = format!("{api}/git/{folder}/{id}");
    let page = format!("{html}/{page}/{reference}/{encoded}");
    let download = (kind == "file").then(|| format!("{html}/raw/{reference}/{encoded}"));
    Ok(json!({
        "name": path.rsplit('/').next().unwrap_or(path), "path": path,
        "sha": id.to_string(), "size": size, "type": kind, "url": url,
        "html_url": page, "git_url": git_url, "download_url": download,
        "_links": {"self": url, "git": git_url, "html": page},
    }))
}

pub(crate) fn put(ctx: &mut Ctx<'_>) -> Reply {
    let path = ctx.param("path").to_owned();
    let text = ctx.need_text("Content", "message")?;
    let content = ctx
        .text("content")
        .ok_or_else(|| Refusal::invalid("Content", "content", "missing_field"))?;
    let bytes = decode(content, "base64")?;
    let git = ctx.git()?;
    let branch = ctx
        .text("branch")
        .unwrap_or(&ctx.repo()?.default_branch)
        .to_owned();
    let tip = ctx.repo()?.branch(&branch).cloned();
    let is_empty = ctx.repo()?.refs.is_empty();
    let parent = match tip {
        Some(sha) => Some(git.find_commit(Oid::from_str(&sha)?)?),
        None if is_empty => None,
        None => {
            return Err(Refusal::new(
                StatusCode::NOT_FOUND,
                format!("Branch {branch} not found"),
            ));
        }
    };
    let base = match &parent {
        Some(parent) => parent.tree()?,
        None => git.find_tree(git.treebuilder(None)?.write()?)?,
    };
    let old = base.get_path(Path::new(&path)).ok();
    let mode = match (&old, ctx.text("sha")) {
        (Some(_), None) => {
            return Err(Refusal::unprocessable(
                "Invalid request.\n\n\"sha\" wasn't supplied.",
            ));
        }
        (Some(entry), Some(sha)) if entry.id().to_string() != sha => {
            return Err(Refusal::conflict(format!("{path} does not match {sha}")));
        }
        (Some(entry), Some(_)) if entry.filemode() == i32::from(FileMode::BlobExecutable) => {
            FileMode::BlobExecutable
        }
        (Some(_) | None, _) => FileMode::Blob,
    };
    let blob = git.blob(&bytes)?;
    let tree = git2::build::TreeUpdateBuilder::new()
        .upsert(path.as_str(), blob, mode)
        .create_updated(&git, &base)
        .map_err(|_| Refusal::unprocessable("path contains a malformed path component"))?;
    let (author, committer) = signatures(ctx)?;
    let parents: Vec<&git2::Commit<'_>> = parent.iter().collect();
    let tree = git.find_tree(tree)?;
    let id = git.commit(None, &author, &committer, text, &tree, &parents)?;
    super::git_refs::move_ref(&git, &format!("refs/heads/{branch}"), id)?;
    sync(ctx)?;
    let commit = git.find_commit(id)?;
    let status = if old.is_some() {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    Ok(Answer::json(
        status,
        json!({
            "content": item(ctx, &path, (&branch, "file", blob, bytes.len()))?,
            "commit": ctx.view().git_commit(ctx.repo()?, &commit),
        }),
    ))
}
