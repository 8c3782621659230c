//! Comments: the status comment, answers, reactions.

use super::marker;
use crate::github::auth::Access;
use crate::github::error::ApiError;
use crate::github::place::Place;
use crate::github::wire;
use bowsprit_core::effect::EffectResult;
use bowsprit_core::name::{CommentId, Digest, Login, PrNumber};
use http::Method;
use serde_json::json;

/// The mark of the one status comment of a pull request.
const STATUS_MARKER: &str = "<!-- bowsprit:status -->";

/// The status comment says `body`; made once, then edited.
/// `may_trust`: it is there and says what we wrote last, as far as we remember.
pub(super) async fn status_comment(
    place: &Place,
    pr: PrNumber,
    body: &str,
    may_trust: bool,
) -> Result<EffectResult, ApiError> {
    let body = format!("{STATUS_MARKER}\n{body}");
    let (memory, key) = (place.github().memory(), (place.repo().id, pr));
    let digest = Digest::of(body.as_bytes());
    if let Some((id, last)) = memory.status_comment(key).filter(|_| may_trust) {
        if last == digest {
            return Ok(EffectResult::Nothing);
        }
        match amend(place, id, &body).await {
            Ok(()) => {
                memory.keep_status_comment(key, Some((id, digest)));
                return Ok(EffectResult::Nothing);
            }
            // Somebody deleted it: it is made anew.
            Err(ApiError::NotFound) => memory.keep_status_comment(key, None),
            Err(error) => return Err(error),
        }
    }
    let id = match find(place, pr, STATUS_MARKER).await? {
        None => create(place, pr, &body).await?,
        Some(found) => {
            let old = found.body.as_deref();
            if !old.is_some_and(|old| is_same(old, &body)) {
                amend(place, found.id, &body).await?;
            }
            found.id
        }
    };
    memory.keep_status_comment(key, Some((id, digest)));
    Ok(EffectResult::Nothing)
}

async fn amend(place: &Place, id: u64, body: &str) -> Result<(), ApiError> {
    let path = format!("/issues/comments/{id}");
    let body = json!({"body": body});
    place
        .write(Access::Writing, Method::PATCH, &path, Some(body))
        .await?;
    Ok(())
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

/// The comment of this name says `body`, and is the last on the page; or there is none.
/// One that is not the last any more goes, and a new one is written where people look.
pub(super) async fn note(
    place: &Place,
    pr: PrNumber,
    name: &str,
    body: Option<&str>,
) -> Result<EffectResult, ApiError> {
    let marker = marker("note", name);
    let body = body.map(|body| format!("{marker}\n{body}"));
    let comments = all(place, pr).await?;
    let last = comments.last().map(|one| one.id);
    let ours = &place.github().app().await?.login;
    let mut is_there = false;
    for one in comments.iter().filter(|one| is_marked(one, ours, &marker)) {
        let is_same = |body: &String| is_same(one.body.as_deref().unwrap_or_default(), body);
        match &body {
            Some(body) if is_same(body) => is_there = true,
            Some(body) if last == Some(one.id) => {
                amend(place, one.id, body).await?;
                is_there = true;
            }
            Some(_) | None => {
                let path = format!("/issues/comments/{}", one.id);
                let gone = place.write(Access::Writing, Method::DELETE, &path, None);
                match gone.await {
                    Ok(_) | Err(ApiError::NotFound) => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
    if let (Some(body), false) = (&body, is_there) {
        create(place, pr, body).await?;
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
    let mut comments = all(place, pr).await?.into_iter();
    Ok(comments.find(|comment| is_marked(comment, ours, marker)))
}

async fn all(place: &Place, pr: PrNumber) -> Result<Vec<wire::Comment>, ApiError> {
    let path = format!("/issues/{pr}/comments?per_page=100");
    place.list(&path, None).await
}

fn is_marked(comment: &wire::Comment, ours: &Login, marker: &str) -> bool {
    let body = comment.body.as_deref().unwrap_or_default();
    wire::is_ours(comment.user.as_ref(), ours) && body.starts_with(marker)
}

async fn create(place: &Place, pr: PrNumber, body: &str) -> Result<u64, ApiError> {
    let path = format!("/issues/{pr}/comments");
    let body = json!({"body": body});
    let answer = place
        .write(Access::Writing, Method::POST, &path, Some(body))
        .await?;
    Ok(answer.json::<wire::Comment>()?.id)
}

/// GitHub may give line ends and trailing space back differently.
fn is_same(old: &str, new: &str) -> bool {
    let plain = |text: &str| text.replace("\r\n", "\n").trim_end().to_owned();
    plain(old) == plain(new)
}
