//! The gateway's own pages under `/.bowsprit/`: health, what is live, its model files, metrics where there are some.
//!
//! Everything but the pages on health asks for a key. Nothing here reaches the server.

use super::Gateway;
use super::answer::{Body, BodyError, Turned, json, typed, whole};
use super::upstream::Upstream;
use bowsprit_core::artifact::File;
use bowsprit_core::name::{RepoPath, Slug};
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use std::path::PathBuf;
use tokio::io::AsyncReadExt;

/// Read from disk at once. Units: bytes.
const CHUNK_BYTES: usize = 64 << 10;

/// The page that was asked for, or `None` where the request is for the server.
pub(crate) async fn own(gateway: &Gateway, request: &Request<Incoming>) -> Option<Response<Body>> {
    let page = request.uri().path().strip_prefix("/.bowsprit/")?;
    Some(
        own_page(gateway, request, page)
            .await
            .unwrap_or_else(Turned::answer),
    )
}

async fn own_page(
    gateway: &Gateway,
    request: &Request<Incoming>,
    page: &str,
) -> Result<Response<Body>, Turned> {
    let is_read = request.method() == Method::GET || request.method() == Method::HEAD;
    if page == "health" || page == "alive" {
        return match (is_read, page) {
            (false, _) => Err(Turned::Method),
            (true, "health") => health(gateway),
            (true, _) => Ok(json(StatusCode::OK, "{\"alive\":true}\n".to_owned())),
        };
    }
    let door = gateway.door();
    if !door.lets_in(request.headers()) {
        return Err(Turned::Stranger);
    }
    if page == "reload" {
        if request.method() != Method::POST {
            return Err(Turned::Method);
        }
        gateway.reload.notify_one();
        return Ok(json(StatusCode::ACCEPTED, "{\"reload\":true}\n".to_owned()));
    }
    let file = page.strip_prefix("models/");
    if file.is_none() && page != "live" && page != "metrics" {
        return Err(Turned::Unknown);
    }
    if !is_read {
        return Err(Turned::Method);
    }
    if page == "metrics" && !door.telemetry {
        return Err(Turned::Uncounted);
    }
    if page == "metrics" {
        let text = gateway.metrics.text(door.queue.depth());
        return Ok(typed(StatusCode::OK, "text/plain; version=0.0.4", text));
    }
    let upstream = gateway.slot.look()?;
    match file {
        Some(path) => model_file(&upstream, path, request.method() == Method::HEAD).await,
        None => live(&upstream),
    }
}

fn health(gateway: &Gateway) -> Result<Response<Body>, Turned> {
    if gateway.is_leaving() {
        return Err(Turned::Leaving);
    }
    gateway.slot.look()?;
    Ok(json(StatusCode::OK, "{\"serving\":true}\n".to_owned()))
}

fn live(upstream: &Upstream) -> Result<Response<Body>, Turned> {
    let text = serde_json::to_string(&upstream.serving).map_err(|_| Turned::Unknown)?;
    Ok(json(StatusCode::OK, text))
}

async fn model_file(
    upstream: &Upstream,
    path: &str,
    is_head: bool,
) -> Result<Response<Body>, Turned> {
    let (path, file) = find(upstream, path).ok_or(Turned::Unknown)?;
    let opened = tokio::fs::File::open(&path)
        .await
        .map_err(|_| Turned::Unknown)?;
    let body = if is_head {
        whole(Bytes::new())
    } else {
        stream_file(opened, file.bytes)
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(file.bytes));
    for (name, value) in [
        (CONTENT_TYPE, file.media_type.clone()),
        (ETAG, format!("\"{}\"", file.sha256)),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    Ok(response)
}

/// A file is found by the list of the model, never by what lies on disk.
fn find<'a>(upstream: &'a Upstream, path: &str) -> Option<(PathBuf, &'a File)> {
    let (model, path) = path.split_once('/')?;
    let model = upstream.models.get(&Slug::parse(model).ok()?)?;
    let path = RepoPath::parse(&decode(path)?).ok()?;
    let file = model.files.iter().find(|file| file.path == path)?;
    Some((model.dir.join(path.as_str()), file))
}

/// Undoes percent-encoding. `None` for a broken one, or for bytes that are not UTF-8.
fn decode(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        bytes.extend(hex::decode(digits).ok()?);
        bytes.extend(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

fn stream_file(file: tokio::fs::File, bytes: u64) -> Body {
    let frames = stream::unfold(file.take(bytes), |mut file| async move {
        let mut chunk = vec![0; CHUNK_BYTES];
        match file.read(&mut chunk).await {
            Ok(0) => None,
            Ok(count) => {
                chunk.truncate(count);
                Some((Ok(Frame::data(Bytes::from(chunk))), file))
            }
            Err(error) => Some((Err(BodyError::from(error)), file)),
        }
    });
    StreamBody::new(frames).boxed_unsync()
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn percent_encoding_is_undone() {
        assert_eq!(decode("a%20b/c%2fd").as_deref(), Some("a b/c/d"));
        assert_eq!(decode("plain").as_deref(), Some("plain"));
        for bad in ["%", "%2", "%zz", "%ff", "%c3%"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
