//! Comments: the status comment, answers, reactions.

use super::marker;
use crate::github::auth::Access;
use crate::github::error::ApiError;
use crate::github::place::Place;
use crate::github::read::is_ours;
use crate::github::wire;
use bowsprit_core::effect::EffectResult;
use bowsprit_core::name::{CommentId, PrNumber};
use http::Method;
use serde_json::json;

/// The mark of the one status comment of a pull request.
const STATUS_MARKER: &str = "<!-- bowsprit:status -->";

/// The status comment says `body`; made once, then edited.
pub(super) async fn status_comment(
    place: &Place,
    pr: PrNumber,
    body: &str,
) -> Result<EffectResult, ApiError> {
    let body = format!("{STATUS_MARKER}\n{body}");
    match find(place, pr, STATUS_MARKER).await? {
        None => create(place, pr, &body).await?,
        Some(found) if found.body.as_deref().is_some_and(|old| is_same(old, &body)) => {}
        Some(found) => {
            let path = format!("/issues/comments/{}", found.id);
            place
                .write(
                    Access::Writing,
                    Method::PATCH,
                    &path,
                    Some(json!({"body": body})),
                )
                .await?;
        }
    }
    Ok(EffectResult::Nothing)
}

/// A comment answers a person; one for each key.
pub(super) async fn reply(
    place: &Place,
    pr: PrNumber,
    key: &str,
    body: &str,
) -> Result<EffectResult, ApiError> {
    let marker = marker("reply", key);
    if find(place, pr, &marker).await?.is_none() {
        create(place, pr, &format!("{marker}\n{body}")).await?;
    }
    Ok(EffectResult::Nothing)
}

/// A comment carries our reaction; GitHub holds one of each kind an account, so a second try changes nothing.
/// A review takes none.
pub(super) async fn react(
    place: &Place,
    comment: CommentId,
    content: &str,
) -> Result<EffectResult, ApiError> {
    let path = match comment {
        CommentId::Description(number) => format!("/issues/{number}/reactions"),
        CommentId::Comment(id) => format!("/issues/comments/{id}/reactions"),
        CommentId::Diff(id) => format!("/pulls/comments/{id}/reactions"),
        CommentId::Review(_) => return Ok(EffectResult::Nothing),
    };
    let body = json!({"content": content});
    match place
        .write(Access::Writing, Method::POST, &path, Some(body))
        .await
    {
        // Deleted meanwhile.
        Ok(_) | Err(ApiError::NotFound) => Ok(EffectResult::Nothing),
        Err(error) => Err(error),
    }
}

/// Our oldest comment that begins with the marker. A person can copy a marker, but not our account.
async fn find(
    place: &Place,
    pr: PrNumber,
    marker: &str,
) -> Result<Option<wire::Comment>, ApiError> {
    let ours = &place.github().app().await?.login;
    let path = format!("/issues/{pr}/comments?per_page=100");
    let comments: Vec<wire::Comment> = place.list(&path, None).await?;
    Ok(comments.into_iter().find(|comment| {
        let body = comment.body.as_deref().unwrap_or_default();
        is_ours(comment.user.as_ref(), ours) && body.starts_with(marker)
    }))
}

async fn create(place: &Place, pr: PrNumber, body: &str) -> Result<(), ApiError> {
    let path = format!("/issues/{pr}/comments");
    place
        .write(
            Access::Writing,
            Method::POST,
            &path,
            Some(json!({"body": body})),
        )
        .await?;
    Ok(())
}

/// GitHub may give line ends and trailing space back differently.
fn is_same(old: &str, new: &str) -> bool {
    let plain = |text: &str| text.replace("\r\n", "\n").trim_end().to_owned();
    plain(old) == plain(new)
}
