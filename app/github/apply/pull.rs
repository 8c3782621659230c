//! Pull requests: merged at exactly the judged head.

use super::refused;
use crate::github::auth::Access;
use crate::github::error::ApiError;
use crate::github::place::{Place, sha};
use crate::github::wire;
use bowsprit_core::effect::{EffectResult, MergeMethod};
use bowsprit_core::name::{BranchName, CommitSha, PrNumber};
use http::Method;
use serde_json::json;

/// How it is merged, and what the commit says.
pub(super) struct Words<'a> {
    pub(super) method: MergeMethod,
    pub(super) title: &'a str,
    pub(super) message: &'a str,
}

/// Merges this head into this branch and no other; a merge that took place is read, never repeated.
pub(super) async fn merge(
    place: &Place,
    pr: PrNumber,
    (head, base): (&CommitSha, Option<&BranchName>),
    words: &Words<'_>,
) -> Result<EffectResult, ApiError> {
    let Some(pull) = place.get::<wire::Pull>(&format!("/pulls/{pr}")).await? else {
        return Err(ApiError::NotFound);
    };
    let is_head = pull.head.sha == head.as_str();
    if let (Some(_), Some(commit)) = (&pull.merged_at, &pull.merge_commit_sha) {
        return match is_head {
            true => merged(place, commit).await,
            false => Ok(refused("it was merged at another head")),
        };
    }
    if pull.issue.state != "open" {
        return Ok(refused("it is closed"));
    }
    if !is_head {
        return Ok(refused("its head was pushed to"));
    }
    if base.is_some_and(|base| pull.base.name != base.as_str()) {
        return Ok(refused("it goes to another branch now"));
    }
    let mut body = json!({"sha": head, "merge_method": words.method.word()});
    match words.method {
        MergeMethod::Merge | MergeMethod::Squash => {
            body["commit_title"] = words.title.into();
            body["commit_message"] = words.message.into();
        }
        MergeMethod::Rebase => {}
    }
    let path = format!("/pulls/{pr}/merge");
    match place
        .write(Access::Pushing, Method::PUT, &path, Some(body))
        .await
    {
        Ok(answer) => merged(place, &answer.json::<wire::MergeDone>()?.sha).await,
        // A push to the base just now; the head is still the judged one. Seen 2026-11.
        Err(ApiError::Refused {
            status: 405,
            message,
            ..
        }) if message.starts_with("Base branch was modified") => Err(ApiError::later()),
        Err(error) => Err(error),
    }
}

async fn merged(place: &Place, commit: &str) -> Result<EffectResult, ApiError> {
    let commit = sha(commit)?;
    let found: Option<wire::Commit> = place.get(&format!("/git/commits/{commit}")).await?;
    // A read may lag behind the merge.
    let found = found.ok_or_else(ApiError::later)?;
    Ok(EffectResult::Merged {
        tree: sha(&found.tree.sha)?,
        commit,
    })
}

/// Whether our App wrote the commit. A person who takes our name only exposes their own commit to us.
pub(super) async fn is_our_commit(place: &Place, commit: &CommitSha) -> Result<bool, ApiError> {
    let ours = &place.github().app().await?.login;
    let found: Option<wire::Commit> = place.get(&format!("/git/commits/{commit}")).await?;
    Ok(found.is_some_and(|found| found.author.name.eq_ignore_ascii_case(ours.as_str())))
}
