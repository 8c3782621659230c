//! The style, the script and the mark, from memory, with a tag by which a browser knows that it has them.

use crate::http::answer::{Answer, No};
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::IntoResponse as _;
use bowsprit_core::name::Digest;
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "templates/pages/assets/"]
struct Assets;

pub(super) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Answer {
    let file = Assets::get(&name).ok_or(No::missing("there is no such file"))?;
    let kind = match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some(_) | None => "application/octet-stream",
    };
    let tag = format!("\"{}\"", Digest::of(&file.data).short());
    let has_it = headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|given| given.as_bytes() == tag.as_bytes());
    let tag = HeaderValue::from_str(&tag).map_err(anyhow::Error::from)?;
    let mut response = match has_it {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => ([(header::CONTENT_TYPE, kind)], file.data.into_owned()).into_response(),
    };
    response.headers_mut().insert(header::ETAG, tag);
    response.headers_mut().insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, no-cache"),
    );
    Ok(response)
}
