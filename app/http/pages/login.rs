//! The login: a token for a session, and back.

use super::{About, page};
use crate::http::Desk;
use crate::http::access;
use crate::http::answer::{Answer, No};
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use bowsprit_core::name::Digest;
use serde_json::json;
use std::sync::Arc;

/// Largest form. Units: bytes.
const FORM_BYTES_MAX: usize = 4 * 1024;

pub(super) async fn form(State(desk): State<Arc<Desk>>, RawQuery(query): RawQuery) -> Answer {
    let next = field(query.unwrap_or_default().as_bytes(), "next");
    show(&desk, &next.unwrap_or_default(), false)
}

pub(super) async fn enter(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    form: Bytes,
) -> Answer {
    if !access::is_own_origin(&desk, &headers) {
        return Err(No::FOREIGN);
    }
    if form.len() > FORM_BYTES_MAX {
        return Err(No::bad("send one token"));
    }
    let next = field(&form, "next").unwrap_or_default();
    let token = field(&form, "token").unwrap_or_default();
    let digest = Digest::of(token.trim().as_bytes());
    if access::by_token(&desk, &digest).await?.is_none() {
        let mut again = show(&desk, &next, true)?;
        *again.status_mut() = StatusCode::FORBIDDEN;
        return Ok(again);
    }
    let cookie = desk.sessions.open(digest, is_https(&desk))?;
    with_cookie(Redirect::to(inside(&next)).into_response(), &cookie)
}

pub(super) async fn leave(State(desk): State<Arc<Desk>>, headers: HeaderMap) -> Answer {
    if !access::is_own_origin(&desk, &headers) {
        return Err(No::FOREIGN);
    }
    let cookie = desk.sessions.close(&headers, is_https(&desk));
    with_cookie(Redirect::to("/login").into_response(), &cookie)
}

fn show(desk: &Desk, next: &str, is_wrong: bool) -> Answer {
    let data = json!({"next": inside(next), "is_wrong": is_wrong});
    page(desk, None, &About::new("login", "Log in", ""), data)
}

fn is_https(desk: &Desk) -> bool {
    desk.rooms.public_url.starts_with("https:")
}

/// A path of this server; anything that leads elsewhere becomes the first page.
fn inside(next: &str) -> &str {
    let is_path = next.starts_with('/')
        && !next.starts_with("//")
        && next
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_path { next } else { "/" }
}

fn field(form: &[u8], name: &str) -> Option<String> {
    url::form_urlencoded::parse(form)
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

fn with_cookie(mut response: Response, cookie: &str) -> Answer {
    let cookie = HeaderValue::from_str(cookie).map_err(anyhow::Error::from)?;
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_stays_here() {
        for good in ["/", "/runs/r1?stage=train"] {
            assert_eq!(inside(good), good);
        }
        for bad in [
            "",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/a b",
            "/\t/evil",
        ] {
            assert_eq!(inside(bad), "/", "{bad}");
        }
    }
}
