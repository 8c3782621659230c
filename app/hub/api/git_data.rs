//! Blobs, trees, commits and tags.

use super::Ctx;
use super::git_refs::resolve;
use crate::answer::{Refusal, Reply, created, ok};
use crate::gitstore;
use crate::json::git::signature;
use crate::text::{node_id, parse_time};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use git2::{FileMode, ObjectType, Oid, Repository, Signature};
use http::StatusCode;
use serde_json::{Value, json};

const TREE_MAX_ENTRIES: usize = 100_000;

fn oid(sha: &str) -> Result<Oid, Refusal> {
    Oid::from_str(sha)
        .ok()
        .filter(|_| sha.len() == 40)
        .ok_or_else(|| {
            Refusal::unprocessable(
                "The sha parameter must be exactly 40 characters and contain only [0-9a-f].",
            )
        })
}

pub(crate) fn blob(ctx: &mut Ctx<'_>) -> Reply {
    let git = ctx.git()?;
    let blob = git.find_blob(oid(ctx.param("sha"))?)?;
    if ctx.call.accept.contains("raw") {
        let mut answer = crate::answer::Answer::empty(StatusCode::OK);
        answer.body =
            crate::answer::Body::Bytes("application/vnd.github.raw", blob.content().to_vec());
        return Ok(answer);
    }
    let sha = blob.id().to_string();
    ok(json!({
        "sha": sha, "node_id": node_id(&format!("Blob:{sha}"), ctx.repo_id),
        "size": blob.size(),
        "url": format!("{}/git/blobs/{sha}", ctx.view().repo_api(ctx.repo()?)),
        "content": wrapped(blob.content()), "encoding": "base64",
    }))
}

/// Base64 with line ends, as the API gives it.
pub(crate) fn wrapped(bytes: &[u8]) -> String {
    let encoded = STANDARD.encode(bytes);
    let mut out = String::with_capacity(encoded.len() + encoded.len() / 60 + 1);
    for (index, c) in encoded.chars().enumerate() {
        out.push(c);
        if index % 60 == 59 {
            out.push('\n');
        }
    }
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
    out
}

/// Content given as text or base64.
pub(crate) fn decode(content: &str, encoding: &str) -> Result<Vec<u8>, Refusal> {
    if encoding != "base64" {
        return Ok(content.as_bytes().to_vec());
    }
    let compact: String = content.split_whitespace().collect();
    STANDARD
        .decode(compact)
        .map_err(|_| Refusal::unprocessable("content is not valid Base64"))
}

fn refuse_empty(ctx: &Ctx<'_>) -> Result<(), Refusal> {
    if ctx.repo()?.refs.is_empty() {
        return Err(Refusal::conflict("Git Repository is empty."));
    }
    Ok(())
}

pub(crate) fn create_blob(ctx: &mut Ctx<'_>) -> Reply {
    refuse_empty(ctx)?;
    let content = ctx
        .text("content")
        .ok_or_else(|| Refusal::invalid("Blob", "content", "missing_field"))?;
    let bytes = decode(content, ctx.text("encoding").unwrap_or("utf-8"))?;
    let sha = ctx.git()?.blob(&bytes)?.to_string();
    let url = format!("{}/git/blobs/{sha}", ctx.view().repo_api(ctx.repo()?));
    created(json!({"sha": sha, "url": url}))
}

pub(crate) fn tree(ctx: &mut Ctx<'_>) -> Reply {
    let git = ctx.git()?;
    let name = ctx.param("sha");
    let tree = match Oid::from_str(name).ok().filter(|_| name.len() == 40) {
        Some(id) => git.find_object(id, None)?.peel_to_tree()?,
        None => git.find_commit(resolve(ctx, &git, name)?)?.tree()?,
    };
    let recursive = ctx.query("recursive").is_some();
    let mut entries = Vec::new();
    walk(ctx, &git, (&tree, "", recursive), &mut entries)?;
    let is_cut = entries.len() > TREE_MAX_ENTRIES;
    entries.truncate(TREE_MAX_ENTRIES);
    let sha = tree.id().to_string();
    ok(json!({
        "sha": sha,
        "url": format!("{}/git/trees/{sha}", ctx.view().repo_api(ctx.repo()?)),
        "tree": entries, "truncated": is_cut,
    }))
}

fn walk(
    ctx: &Ctx<'_>,
    git: &Repository,
    at: (&git2::Tree<'_>, &str, bool),
    out: &mut Vec<Value>,
) -> Result<(), Refusal> {
    let (tree, prefix, recursive) = at;
    let api = ctx.view().repo_api(ctx.repo()?);
    let odb = git.odb()?;
    for entry in tree {
        if out.len() > TREE_MAX_ENTRIES {
            return Ok(());
        }
        let path = format!("{prefix}{}", String::from_utf8_lossy(entry.name_bytes()));
        let sha = entry.id().to_string();
        let mode = format!("{:06o}", entry.filemode());
        match entry.kind() {
            Some(ObjectType::Tree) => {
                out.push(json!({
                    "path": path, "mode": mode, "type": "tree", "sha": sha,
                    "url": format!("{api}/git/trees/{sha}"),
                }));
                if recursive {
                    let below = git.find_tree(entry.id())?;
                    walk(ctx, git, (&below, &format!("{path}/"), true), out)?;
                }
            }
            Some(ObjectType::Commit) => out.push(json!({
                "path": path, "mode": mode, "type": "commit", "sha": sha,
            })),
            Some(ObjectType::Blob | ObjectType::Any | ObjectType::Tag) | None => {
                let size = odb.read_header(entry.id()).map_or(0, |(size, _)| size);
                out.push(json!({
                    "path": path, "mode": mode, "type": "blob", "sha": sha, "size": size,
                    "url": format!("{api}/git/blobs/{sha}"),
                }));
            }
        }
    }
    Ok(())
}

pub(crate) fn create_tree(ctx: &mut Ctx<'_>) -> Reply {
    refuse_empty(ctx)?;
    let git = ctx.git()?;
    let entries = ctx
        .call
        .body
        .get("tree")
        .and_then(Value::as_array)
        .ok_or_else(|| Refusal::invalid("Tree", "tree", "missing_field"))?;
    let base = match ctx.text("base_tree") {
        Some(sha) => git
            .find_object(oid(sha)?, None)
            .and_then(|object| object.peel_to_tree())
            .map_err(|_| Refusal::unprocessable("base_tree is not a valid tree oid"))?,
        None => git.find_tree(git.treebuilder(None)?.write()?)?,
    };
    let mut update = git2::build::TreeUpdateBuilder::new();
    for entry in entries {
        apply_entry(&git, &base, entry, &mut update)?;
    }
    let id = update
        .create_updated(&git, &base)
        .map_err(|_| Refusal::unprocessable("tree.path contains a malformed path component"))?;
    let tree = git.find_tree(id)?;
    let mut shown = Vec::new();
    walk(ctx, &git, (&tree, "", false), &mut shown)?;
    let url = format!("{}/git/trees/{id}", ctx.view().repo_api(ctx.repo()?));
    created(json!({"sha": id.to_string(), "url": url, "tree": shown, "truncated": false}))
}

fn apply_entry(
    git: &Repository,
    base: &git2::Tree<'_>,
    entry: &Value,
    update: &mut git2::build::TreeUpdateBuilder,
) -> Result<(), Refusal> {
    let text = |name: &str| entry.get(name).and_then(Value::as_str);
    let path = text("path").ok_or_else(|| Refusal::invalid("Tree", "path", "missing_field"))?;
    let is_deletion =
        entry.get("sha").is_some_and(Value::is_null) && entry.get("content").is_none();
    if is_deletion {
        base.get_path(std::path::Path::new(path))
            .map_err(|_| Refusal::unprocessable("GitRPC::BadObjectState"))?;
        update.remove(path);
        return Ok(());
    }
    let mode = match text("mode").unwrap_or("100644") {
        "100644" => FileMode::Blob,
        "100755" => FileMode::BlobExecutable,
        "040000" => FileMode::Tree,
        "120000" => FileMode::Link,
        "160000" => FileMode::Commit,
        _ => return Err(Refusal::unprocessable("tree.mode is not a valid mode")),
    };
    let id = match (text("content"), text("sha")) {
        (Some(_), Some(_)) => {
            return Err(Refusal::unprocessable(
                "Must supply either tree.sha or tree.content",
            ));
        }
        (Some(content), None) => git.blob(content.as_bytes())?,
        (None, Some(sha)) => {
            let id = oid(sha)?;
            if mode != FileMode::Commit && !git.odb()?.exists(id) {
                return Err(Refusal::unprocessable("tree.sha is not a valid blob"));
            }
            id
        }
        (None, None) => return Err(Refusal::invalid("Tree", "sha", "missing_field")),
    };
    update.upsert(path, id, mode);
    Ok(())
}

pub(crate) fn commit(ctx: &mut Ctx<'_>) -> Reply {
    let git = ctx.git()?;
    let commit = git.find_commit(oid(ctx.param("sha"))?)?;
    ok(ctx.view().git_commit(ctx.repo()?, &commit))
}

pub(crate) fn create_commit(ctx: &mut Ctx<'_>) -> Reply {
    refuse_empty(ctx)?;
    let git = ctx.git()?;
    let text = ctx
        .text("message")
        .ok_or_else(|| Refusal::invalid("Commit", "message", "missing_field"))?;
    let tree = ctx.need_text("Commit", "tree")?;
    let tree = git
        .find_tree(oid(tree)?)
        .map_err(|_| Refusal::unprocessable("Tree SHA does not exist"))?;
    let mut parents = Vec::new();
    let given = ctx.call.body.get("parents").and_then(Value::as_array);
    for sha in given.into_iter().flatten() {
        let parent = oid(sha.as_str().unwrap_or_default())?;
        parents.push(git.find_commit(parent).map_err(|_| {
            Refusal::unprocessable("Parent SHA does not exist or is not a commit object")
        })?);
    }
    let parents: Vec<&git2::Commit<'_>> = parents.iter().collect();
    let (author, committer) = signatures(ctx)?;
    let id = git.commit(None, &author, &committer, text, &tree, &parents)?;
    let commit = git.find_commit(id)?;
    ctx.note("commit.created", json!({"sha": id.to_string()}));
    created(ctx.view().git_commit(ctx.repo()?, &commit))
}

/// Author and committer of a commit made through the API; an App's own are signed when it
/// names neither.
pub(crate) fn signatures(
    ctx: &Ctx<'_>,
) -> Result<(Signature<'static>, Signature<'static>), Refusal> {
    let me = ctx.me()?;
    let login = ctx.state.login(me);
    let name = ctx
        .state
        .accounts
        .get(&me)
        .and_then(|account| account.name.as_deref())
        .unwrap_or(login);
    let mine = gitstore::author(me, login, name, ctx.call.now)?;
    let author = given(ctx, "author")?;
    let committer = given(ctx, "committer")?;
    match (author, committer) {
        (None, None) if ctx.via_app() => Ok((mine, gitstore::signer(ctx.call.now)?)),
        (None, None) => Ok((mine.clone(), mine)),
        (Some(author), None) => Ok((author.clone(), author)),
        (None, Some(committer)) => Ok((mine, committer)),
        (Some(author), Some(committer)) => Ok((author, committer)),
    }
}

fn given(ctx: &Ctx<'_>, field: &str) -> Result<Option<Signature<'static>>, Refusal> {
    let Some(person) = ctx.call.body.get(field).filter(|one| one.is_object()) else {
        return Ok(None);
    };
    let text = |name: &str| person.get(name).and_then(Value::as_str);
    let (Some(name), Some(email)) = (text("name"), text("email")) else {
        return Err(Refusal::invalid("Commit", field, "invalid"));
    };
    let when = text("date").and_then(parse_time).unwrap_or(ctx.call.now);
    Signature::new(name, email, &git2::Time::new(when, 0))
        .map(Some)
        .map_err(|_| Refusal::invalid("Commit", field, "invalid"))
}

pub(crate) fn tag(ctx: &mut Ctx<'_>) -> Reply {
    let git = ctx.git()?;
    let tag = git.find_tag(oid(ctx.param("sha"))?)?;
    ok(shown_tag(ctx, &tag)?)
}

fn shown_tag(ctx: &Ctx<'_>, tag: &git2::Tag<'_>) -> Result<Value, Refusal> {
    let api = ctx.view().repo_api(ctx.repo()?);
    let sha = tag.id().to_string();
    let target = tag.target_id().to_string();
    let kind = tag.target_type().unwrap_or(ObjectType::Commit).str();
    Ok(json!({
        "node_id": node_id(&format!("Tag:{sha}"), ctx.repo_id), "sha": sha,
        "url": format!("{api}/git/tags/{sha}"),
        "tag": String::from_utf8_lossy(tag.name_bytes()),
        "message": String::from_utf8_lossy(tag.message_bytes().unwrap_or_default()),
        "tagger": tag.tagger().map(|tagger| signature(&tagger)),
        "object": {"type": kind, "sha": target, "url": format!("{api}/git/{kind}s/{target}")},
    }))
}

pub(crate) fn create_tag(ctx: &mut Ctx<'_>) -> Reply {
    let git = ctx.git()?;
    let name = ctx.need_text("Tag", "tag")?;
    let text = ctx.need_text("Tag", "message")?;
    let target = git
        .find_object(oid(ctx.need_text("Tag", "object")?)?, None)
        .map_err(|_| Refusal::unprocessable("Object does not exist"))?;
    let tagger = match given(ctx, "tagger")? {
        Some(tagger) => tagger,
        None => signatures(ctx)?.0,
    };
    let id = git.tag_annotation_create(name, &target, &tagger, text)?;
    let tag = git.find_tag(id)?;
    created(shown_tag(ctx, &tag)?)
}
