//! A folder of a branch made what it should be, by one commit on top of the branch's head.
//!
//! The commit is made by the API without author and committer, so that GitHub signs it. The branch is only ever moved
//! forward: where somebody else's commit came first, the folder is looked at again on top of that.

use crate::github::auth::Access;
use crate::github::error::ApiError;
use crate::github::place::{Place, sha};
use crate::github::wire::{self, encoded_path};
use bowsprit_core::name::CommitSha;
use bowsprit_core::serving::gitops::{Committed, FolderCommit, changes};
use http::Method;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Commits of others that may come first, one after the other, before it is left for later.
const TRIES: usize = 5;
/// Calls that write one commit.
const WRITES: usize = 3;

/// What stands at a path.
#[derive(Deserialize)]
#[serde(untagged)]
enum Found {
    Folder(Vec<wire::Entry>),
    Else(IgnoredAny),
}

/// The folder is as it should be; where it was already, nothing is committed.
///
/// Errors: [`ApiError::Refused`] where it never will be, such as on a branch that is not there or is protected from us.
pub async fn write_folder(place: &Place, wanted: &FolderCommit) -> Result<Committed, ApiError> {
    for _ in 0..TRIES {
        let Some(head) = place.head(&wanted.branch).await? else {
            return Err(no(format!("there is no branch `{}`", wanted.branch)));
        };
        let found = listed(place, wanted, &head).await?;
        let changes = changes(wanted, &found, blob_id);
        if changes.is_empty() {
            return Ok(Committed {
                commit: head,
                is_new: false,
            });
        }
        place.check_budget(WRITES)?;
        let commit = commit(place, wanted, &head, &changes).await?;
        let path = format!("/git/refs/heads/{}", encoded_path(wanted.branch.as_str()));
        let body = json!({"sha": commit, "force": false});
        let moved = place.write(Access::Pushing, Method::PATCH, &path, Some(body));
        match moved.await {
            Ok(_) => {
                return Ok(Committed {
                    commit,
                    is_new: true,
                });
            }
            Err(error) if error.words().contains("fast forward") => {}
            Err(error) => return Err(error),
        }
    }
    Err(ApiError::later())
}

/// The files of the folder at a commit, with the ids of their blobs.
async fn listed(
    place: &Place,
    wanted: &FolderCommit,
    head: &CommitSha,
) -> Result<BTreeMap<String, String>, ApiError> {
    let folder = &wanted.folder;
    let path = format!("/contents/{}?ref={head}", encoded_path(folder.as_str()));
    match place.get(&path).await? {
        None => Ok(BTreeMap::new()),
        Some(Found::Folder(entries)) => Ok(entries
            .into_iter()
            .filter(|entry| entry.kind == "file")
            .map(|entry| (entry.name, entry.sha))
            .collect()),
        Some(Found::Else(_)) => Err(no(format!("`{folder}` is no folder"))),
    }
}

async fn commit(
    place: &Place,
    wanted: &FolderCommit,
    head: &CommitSha,
    changes: &BTreeMap<String, Option<String>>,
) -> Result<CommitSha, ApiError> {
    let parent: Option<wire::Commit> = place.get(&format!("/git/commits/{head}")).await?;
    // A commit that a reference names exists; a read may lag.
    let base = parent.ok_or_else(ApiError::later)?.tree.sha;
    let entries: Vec<Value> = changes
        .iter()
        .map(|(path, content)| {
            let mut entry = json!({"path": path, "mode": "100644", "type": "blob"});
            match content {
                Some(text) => entry["content"] = json!(text),
                None => entry["sha"] = Value::Null,
            }
            entry
        })
        .collect();
    let tree = made(
        place,
        "/git/trees",
        json!({"base_tree": base, "tree": entries}),
    )
    .await?;
    let body = json!({"message": wanted.message, "tree": tree, "parents": [head]});
    made(place, "/git/commits", body).await
}

async fn made(place: &Place, path: &str, body: Value) -> Result<CommitSha, ApiError> {
    let answer = place.write(Access::Pushing, Method::POST, path, Some(body));
    sha(&answer.await?.json::<wire::Sha>()?.sha)
}

/// The id that git gives to a text.
fn blob_id(text: &str) -> String {
    let id = git2::Oid::hash_object(git2::ObjectType::Blob, text.as_bytes());
    // Hashing bytes of memory does not fail; what has no id counts as changed.
    id.map(|id| id.to_string()).unwrap_or_default()
}

fn no(message: String) -> ApiError {
    ApiError::Refused {
        status: 404,
        message,
        errors: Vec::new(),
    }
}
