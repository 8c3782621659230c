//! The client of the API: one caller of one server, with sentences for what can go wrong.
//!
//! The token is never an argument and never printed.

use crate::outward;
use anyhow::{Context as _, anyhow, bail};
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use std::time::Duration;

/// A call may take this long, a live log aside.
const CALL_MAX: Duration = Duration::from_secs(60);
/// Largest answer that is read. Units: bytes.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Longest line of a live log. Units: bytes.
const LINE_BYTES_MAX: usize = 1 << 20;
/// A live log that breaks off is taken up again so often.
const FOLLOW_TRIES: u32 = 10;

/// A caller of one server.
#[derive(Clone)]
pub struct Client {
    http: outward::Client<Full<Bytes>>,
    base: String,
    token: Option<SecretString>,
}

/// An answer, whole.
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl Client {
    /// A caller of `base`, with a token where one is had. Errors: `base` is no address; the system's certificates cannot be read.
    pub fn new(base: &str, token: Option<SecretString>) -> anyhow::Result<Client> {
        let url = url::Url::parse(base)
            .with_context(|| format!("`{base}` is not an address such as http://127.0.0.1:8080"))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            bail!("`{base}` is not an address such as http://127.0.0.1:8080");
        }
        // The system's certificates are read only where they are needed.
        let trust = match url.scheme() {
            "https" => outward::Trust::System,
            _ => outward::Trust::Nobody,
        };
        Ok(Client {
            http: outward::client(trust)?,
            base: base.trim_end_matches('/').to_owned(),
            token,
        })
    }

    /// The server's address.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// One call, whatever it answers; `path` may be an address of another server. Errors: no answer came.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Answer> {
        let work = async {
            let response = self.request(method, path, body, &[]).await?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
            let body = body
                .map_err(|error| anyhow!("cannot read the answer of {}: {error}", self.base))?
                .to_bytes();
            Ok(Answer {
                status: parts.status,
                headers: parts.headers,
                body,
            })
        };
        let late = || {
            format!(
                "{} does not answer within {} s",
                self.base,
                CALL_MAX.as_secs()
            )
        };
        tokio::time::timeout(CALL_MAX, work)
            .await
            .with_context(late)?
    }

    /// Asks for JSON. Errors: no answer came, or a refusal, in the server's words.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.send(Method::GET, path, None).await
    }

    /// Calls and takes only success. Errors: as of [`Client::get`].
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        self.taken(&self.call(method, path, body).await?)
    }

    /// The JSON of an answer that is a success. Errors: it is a refusal, in the server's words.
    pub fn taken(&self, answer: &Answer) -> anyhow::Result<Value> {
        match answer.status.is_success() {
            true => Ok(answer.json()),
            false => Err(self.refused(answer.status, &answer.json())),
        }
    }

    /// Asks for a text. Errors: as of [`Client::get`].
    pub async fn text(&self, path: &str) -> anyhow::Result<Answer> {
        let answer = self.call(Method::GET, path, None).await?;
        match answer.status.is_success() {
            true => Ok(answer),
            false => Err(self.refused(answer.status, &answer.json())),
        }
    }

    /// Follows a live log until it is done; each line is given to `show`. Errors: as of [`Client::get`].
    pub async fn follow(&self, path: &str, mut show: impl FnMut(&str)) -> anyhow::Result<()> {
        let mut place = String::from("0");
        let mut broken = 0;
        loop {
            let before = place.clone();
            match self.follow_once(path, &mut place, &mut show).await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) if broken >= FOLLOW_TRIES || error.is::<Refused>() => return Err(error),
                Err(_) => {}
            }
            broken = if place == before { broken + 1 } else { 0 };
            if broken > FOLLOW_TRIES {
                bail!("the live log of {} breaks off again and again", self.base);
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Whether the log is done; `place` is the id of the last event seen.
    async fn follow_once(
        &self,
        path: &str,
        place: &mut String,
        show: &mut impl FnMut(&str),
    ) -> anyhow::Result<bool> {
        let headers = [("last-event-id", place.as_str())];
        let response = self.request(Method::GET, path, None, &headers).await?;
        if !response.status().is_success() {
            let status = response.status();
            let body = Limited::new(response.into_body(), LINE_BYTES_MAX)
                .collect()
                .await;
            let body = body.map(|body| body.to_bytes()).unwrap_or_default();
            return Err(self.refused(status, &serde_json::from_slice(&body).unwrap_or_default()));
        }
        let mut body = response.into_body();
        let mut events = Events::default();
        while let Some(frame) = body.frame().await {
            let frame =
                frame.with_context(|| format!("the live log of {} broke off", self.base))?;
            events.feed(frame.data_ref().map_or(&[][..], |data| data));
            if events.waiting.len() > LINE_BYTES_MAX {
                bail!("a line of the live log is too long");
            }
            while let Some(event) = events.next() {
                if event.is_done {
                    return Ok(true);
                }
                event.lines.iter().for_each(|line| show(line));
                if let Some(id) = event.id {
                    *place = id;
                }
            }
        }
        Ok(false)
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> anyhow::Result<http::Response<Incoming>> {
        let is_other = path.starts_with("http://") || path.starts_with("https://");
        let uri = if is_other {
            path.to_owned()
        } else {
            format!("{}{path}", self.base)
        };
        let mut request = Request::builder().method(method).uri(&uri);
        request = request.header(
            header::USER_AGENT,
            concat!("bowsprit/", env!("CARGO_PKG_VERSION")),
        );
        if let Some(token) = &self.token {
            request = request.header(
                header::AUTHORIZATION,
                format!("Bearer {}", token.expose_secret()),
            );
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let bytes = body.map(ToString::to_string).unwrap_or_default();
        let request = request
            .body(Full::new(Bytes::from(bytes)))
            .with_context(|| format!("`{uri}` cannot be asked"))?;
        let server = if is_other { uri } else { self.base.clone() };
        self.http
            .request(request)
            .await
            .map_err(|error| unreachable_server(&server, &error))
    }

    fn refused(&self, status: StatusCode, body: &Value) -> anyhow::Error {
        let said = body["error"]["message"]
            .as_str()
            .map(bowsprit_core::text::clean_line);
        let message = match (status, said) {
            (StatusCode::UNAUTHORIZED, _) if self.token.is_none() => {
                format!(
                    "{} wants a token: set BOWSPRIT_TOKEN or --token-file",
                    self.base
                )
            }
            (StatusCode::UNAUTHORIZED, _) => format!(
                "{} does not know this token: set BOWSPRIT_TOKEN or --token-file to one that it made",
                self.base
            ),
            (_, Some(said)) => said,
            (status, None) => format!(
                "{} answers {status} and no word that this program knows: is it a Bowsprit server?",
                self.base
            ),
        };
        anyhow::Error::new(Refused {
            message,
            status: status.as_u16(),
        })
    }
}

/// The server's no.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    /// In words.
    pub message: String,
    /// As HTTP has it.
    pub status: u16,
}

fn unreachable_server(server: &str, error: &hyper_util::client::legacy::Error) -> anyhow::Error {
    if error.is_connect() {
        return anyhow!(root(error)).context(format!(
            "cannot reach {server}: is `bowsprit server` running? set --server or BOWSPRIT_SERVER"
        ));
    }
    anyhow!("{server} broke off: {}", root(error))
}

/// The innermost cause.
fn root(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// Server-sent events, cut out of the bytes as they come.
///
/// Source: <https://html.spec.whatwg.org/multipage/server-sent-events.html> (2026-11).
#[derive(Default)]
struct Events {
    waiting: Vec<u8>,
}

/// One event.
struct Event {
    id: Option<String>,
    lines: Vec<String>,
    is_done: bool,
}

impl Events {
    fn feed(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
    }

    fn next(&mut self) -> Option<Event> {
        let end = self.waiting.windows(2).position(|pair| pair == b"\n\n")?;
        let bytes: Vec<u8> = self.waiting.drain(..end + 2).collect();
        let mut event = Event {
            id: None,
            lines: Vec::new(),
            is_done: false,
        };
        for line in String::from_utf8_lossy(&bytes).lines() {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match name {
                "id" => event.id = Some(value.to_owned()),
                "data" => event.lines.push(value.to_owned()),
                "event" => event.is_done = value == "done",
                _ => {}
            }
        }
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_cut_out_of_any_pieces() {
        let mut events = Events::default();
        events.feed(b": keep\n\nid: 7\nda");
        assert!(events.next().is_some_and(|event| event.lines.is_empty()));
        assert!(events.next().is_none());
        events.feed(b"ta: a\ndata: b\n\nevent: done\ndata: done\n\n");
        let event = events.next().unwrap();
        assert_eq!(
            (event.id.as_deref(), event.lines),
            (Some("7"), vec!["a".to_owned(), "b".to_owned()])
        );
        assert!(events.next().is_some_and(|event| event.is_done));
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_told_with_what_to_do() {
        let client = Client::new("http://127.0.0.1:1", None).unwrap();
        let error = client.get("/api/v1/status").await.unwrap_err().to_string();
        assert!(
            error.starts_with(
                "cannot reach http://127.0.0.1:1: is `bowsprit server` running? set --server"
            ),
            "{error}"
        );
        assert!(Client::new("ftp://x", None).is_err());
    }
}
