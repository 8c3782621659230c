//! The small web page: repositories, pull requests and issues to look at and to act on.
//!
//! Pages ask the same handlers as the REST API, as the person chosen in the header, and so show
//! and allow exactly what that person may see and do.  There is no password: whoever reaches
//! the page may act as any of the people, which is why the server listens on loopback.

mod act;
mod files;
mod layout;
mod parts;
mod repo;
mod talk;

use crate::answer::{Answer, Body, Refusal, Reply};
use crate::auth::Actor;
use crate::door::Head;
use crate::hub::{Hub, lock};
use crate::serve::{self, Wish};
use crate::state::{AccountKind, State};
use crate::text::{self, percent_decode};
use http::{Method, StatusCode, header};
use serde_json::Value;

/// Name of the cookie that holds the chosen person's login.
pub(super) const COOKIE: &str = "hub_person";

/// One request for a page.
pub(super) struct Page<'a> {
    pub(super) hub: &'a Hub,
    pub(super) state: &'a mut State,
    pub(super) viewer: Option<u64>,
    pub(super) segments: Vec<String>,
    pub(super) query: Vec<(String, String)>,
}

/// Answers a request for a page.
pub(crate) fn handle(hub: &Hub, head: &Head, body: &[u8]) -> Answer {
    match head.path.as_str() {
        "/_page/style.css" => return fixed("text/css; charset=utf-8", layout::STYLE),
        "/_page/page.js" => return fixed("text/javascript; charset=utf-8", layout::SCRIPT),
        _ => {}
    }
    if !is_own_host(hub, head) {
        return Refusal::forbidden("this host name does not belong to the server").into_answer();
    }
    let mut state = lock(&hub.state);
    let viewer = viewer(&state, head);
    let mut page = Page {
        hub,
        state: &mut state,
        viewer,
        segments: head
            .path
            .split('/')
            .filter(|part| !part.is_empty())
            .map(percent_decode)
            .collect(),
        query: text::parse_query(&head.query),
    };
    let reply = if head.method == Method::POST {
        if is_same_origin(head) {
            act::post(
                &mut page,
                &text::parse_query(&String::from_utf8_lossy(body)),
            )
        } else {
            Err(Refusal::forbidden("this form came from another site"))
        }
    } else {
        show(&mut page)
    };
    reply.unwrap_or_else(|refusal| layout::failure(&page, &refusal))
}

fn show(page: &mut Page<'_>) -> Reply {
    let segments = page.segments.clone();
    let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    match parts.as_slice() {
        [] => repo::list(page, None),
        [owner] => repo::list(page, Some(owner)),
        [_, _] => repo::overview(page),
        [_, _, "pulls"] => talk::list(page, true),
        [_, _, "issues"] => talk::list(page, false),
        [_, _, "pull" | "issues", number, ..] => talk::one(page, number),
        [_, _, "commit", sha] => files::commit(page, sha),
        [_, _, "compare", basehead @ ..] => files::compare(page, &basehead.join("/")),
        [_, _, "runs", id] => talk::run(page, id),
        [_, _, "deployments", ..] => repo::deployments(page),
        [_, _, "blob" | "raw" | "tree", rest @ ..] => files::at(page, rest),
        _ => Err(Refusal::not_found()),
    }
}

fn fixed(kind: &'static str, text: &str) -> Answer {
    Answer {
        status: StatusCode::OK,
        headers: vec![("cache-control", "max-age=300".into())],
        body: Body::Bytes(kind, text.as_bytes().to_vec()),
    }
}

fn header_text<'h>(head: &'h Head, name: &header::HeaderName) -> &'h str {
    head.headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

/// Refuses names that some other site made point here.
fn is_own_host(hub: &Hub, head: &Head) -> bool {
    let host = header_text(head, &header::HOST);
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let own = hub.urls.html.split("://").nth(1).unwrap_or_default();
    name == "localhost"
        || name
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok()
        || host == own
}

fn is_same_origin(head: &Head) -> bool {
    let origin = header_text(head, &header::ORIGIN);
    let host = header_text(head, &header::HOST);
    !host.is_empty() && origin.split("://").nth(1) == Some(host)
}

fn viewer(state: &State, head: &Head) -> Option<u64> {
    let cookies = header_text(head, &header::COOKIE);
    let login = cookies
        .split(';')
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)?
        .1;
    state
        .account(login)
        .filter(|account| account.kind == AccountKind::User)
        .map(|account| account.id)
}

impl Page<'_> {
    pub(super) fn actor(&self) -> Actor {
        self.viewer.map_or(Actor::Anonymous, Actor::Person)
    }

    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// `/{owner}/{repo}` of the path.
    pub(super) fn base(&self) -> String {
        match self.segments.as_slice() {
            [owner, name, ..] => format!("/{owner}/{name}"),
            [_] | [] => String::new(),
        }
    }

    /// Asks the API below the repository in the path.
    pub(super) fn get(&mut self, ending: &str) -> Result<Value, Refusal> {
        let path = format!("/repos{}{ending}", self.base());
        self.call(Method::GET, &path, Value::Null)
    }

    /// Asks for the items of a list, at most one full page.
    pub(super) fn items(&mut self, ending: &str) -> Result<Vec<Value>, Refusal> {
        let mark = if ending.contains('?') { '&' } else { '?' };
        let found = self.get(&format!("{ending}{mark}per_page=100"))?;
        Ok(match found {
            Value::Array(items) => items,
            other => other
                .as_object()
                .and_then(|object| object.values().find_map(Value::as_array))
                .cloned()
                .unwrap_or_default(),
        })
    }

    /// Calls the API as the viewer.
    pub(super) fn call(
        &mut self,
        method: Method,
        path: &str,
        body: Value,
    ) -> Result<Value, Refusal> {
        let answer = self.raw(method, path, body, "")?;
        Ok(match answer.body {
            Body::Json(value) => value,
            Body::Empty | Body::Bytes(..) => Value::Null,
        })
    }

    pub(super) fn raw(&mut self, method: Method, path: &str, body: Value, accept: &str) -> Reply {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let wish = Wish {
            actor: self.actor(),
            method,
            path,
            query,
            body,
            accept,
        };
        serve::perform(self.hub, self.state, wish)
    }
}

/// A text inside a JSON value, by pointer.
pub(super) fn at<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}
