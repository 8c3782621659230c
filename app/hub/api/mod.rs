//! The REST API's handlers, one file per subject, and what they all share.
//!
//! A handler runs under the state's lock with the call already admitted.  It returns an answer
//! or a refusal; on a refusal it must have changed nothing.

pub(crate) mod apps;
pub(crate) mod branches;
mod check_fields;
pub(crate) mod checks;
pub(crate) mod comments;
pub(crate) mod commits;
pub(crate) mod contents;
pub(crate) mod deployments;
pub(crate) mod git_data;
pub(crate) mod git_refs;
pub(crate) mod graphql;
pub(crate) mod hook;
pub(crate) mod issues;
pub(crate) mod labels;
pub(crate) mod merge;
pub(crate) mod milestones;
pub(crate) mod people;
pub(crate) mod pulls;
pub(crate) mod reactions;
pub(crate) mod repos;
pub(crate) mod reviews;
pub(crate) mod statuses;

use crate::answer::{Answer, Body, Refusal, Reply};
use crate::auth::Actor;
use crate::events::Event;
use crate::hub::Hub;
use crate::json::View;
use crate::state::{Repo, State};
use crate::text::percent_encode;
use http::{Method, StatusCode};
use serde_json::{Value, json};

/// Longest body of a comment, an issue or a pull request, in characters.
pub(crate) const BODY_MAX_CHARS: usize = 65_536;
const PER_PAGE: usize = 30;
const PER_PAGE_MAX: usize = 100;

/// One call, taken apart.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Address without the query, as the client sees it; for `Link`.
    pub(crate) address: String,
    pub(crate) params: Vec<(&'static str, String)>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Value,
    pub(crate) accept: String,
    pub(crate) actor: Actor,
    pub(crate) now: i64,
}

/// What a handler works with.
pub(crate) struct Ctx<'a> {
    pub(crate) hub: &'a Hub,
    pub(crate) state: &'a mut State,
    pub(crate) call: &'a Call,
    /// The repository named in the path; 0 when there is none.
    pub(crate) repo_id: u64,
}

impl<'a> Ctx<'a> {
    pub(crate) fn param(&self, name: &str) -> &'a str {
        let call: &'a Call = self.call;
        call.params
            .iter()
            .find(|(key, _)| *key == name)
            .map_or("", |(_, value)| value.as_str())
    }

    /// A number in the path; anything else names nothing.
    pub(crate) fn number(&self, name: &str) -> Result<u64, Refusal> {
        self.param(name).parse().map_err(|_| Refusal::not_found())
    }

    pub(crate) fn query(&self, name: &str) -> Option<&'a str> {
        let call: &'a Call = self.call;
        call.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// A text field of the body.
    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        let call: &'a Call = self.call;
        call.body.get(name).and_then(Value::as_str)
    }

    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        self.call.body.get(name).and_then(Value::as_bool)
    }

    /// A text field of the body that must be there and not be empty.
    pub(crate) fn need_text(&self, resource: &str, name: &str) -> Result<&'a str, Refusal> {
        self.text(name)
            .filter(|text| !text.is_empty())
            .ok_or_else(|| Refusal::invalid(resource, name, "missing_field"))
    }

    pub(crate) fn view(&self) -> View<'_> {
        self.hub.view(self.state)
    }

    pub(crate) fn repo(&self) -> Result<&Repo, Refusal> {
        self.state
            .repos
            .get(&self.repo_id)
            .ok_or_else(Refusal::not_found)
    }

    pub(crate) fn repo_mut(&mut self) -> Result<&mut Repo, Refusal> {
        self.state
            .repos
            .get_mut(&self.repo_id)
            .ok_or_else(Refusal::not_found)
    }

    pub(crate) fn git(&self) -> Result<git2::Repository, Refusal> {
        Ok(self.hub.git(self.state, self.repo()?)?)
    }

    /// The account that acts.
    pub(crate) fn me(&self) -> Result<u64, Refusal> {
        self.call
            .actor
            .account(self.state)
            .ok_or_else(crate::auth::requires_authentication)
    }

    pub(crate) fn via_app(&self) -> bool {
        self.call.actor.is_installation()
    }

    /// Records a change in the transcript.
    pub(crate) fn note(&self, kind: &str, detail: Value) {
        let actor = self.call.actor.label(self.state);
        let repo = self
            .state
            .repos
            .get(&self.repo_id)
            .map(|repo| self.state.full_name(repo));
        self.hub.note(kind, &actor, repo.as_deref(), detail);
    }

    /// Queues an event about the repository in the path.
    pub(crate) fn emit(&self, name: &'static str, action: Option<&'static str>, payload: Value) {
        let sender = self.call.actor.account(self.state).unwrap_or_default();
        self.hub.emit(
            self.state,
            Event {
                name,
                action,
                repo: Some(self.repo_id),
                sender,
                payload,
            },
        );
    }

    /// One page of a list.
    pub(crate) fn paged<T>(&self, items: Vec<T>, show: impl FnMut(T) -> Value) -> Reply {
        let (values, link) = self.cut(items, show);
        Ok(with_link(
            Answer::json(StatusCode::OK, Value::Array(values)),
            link,
        ))
    }

    /// One page of a list that is wrapped together with its total.
    pub(crate) fn paged_in<T>(
        &self,
        key: &str,
        items: Vec<T>,
        show: impl FnMut(T) -> Value,
    ) -> Reply {
        let total = items.len();
        let (values, link) = self.cut(items, show);
        let body = json!({"total_count": total, key: values});
        Ok(with_link(Answer::json(StatusCode::OK, body), link))
    }

    fn cut<T>(&self, items: Vec<T>, show: impl FnMut(T) -> Value) -> (Vec<Value>, Option<String>) {
        let number = |name: &str, otherwise: usize| {
            self.query(name)
                .and_then(|text| text.parse::<usize>().ok())
                .filter(|number| *number > 0)
                .unwrap_or(otherwise)
        };
        let per_page = number("per_page", PER_PAGE).min(PER_PAGE_MAX);
        let page = number("page", 1);
        let last = items.len().div_ceil(per_page).max(1);
        let values = items
            .into_iter()
            .skip((page - 1).saturating_mul(per_page))
            .take(per_page)
            .map(show)
            .collect();
        let mut links = Vec::new();
        if page > 1 {
            links.push(self.page_link((page - 1).min(last), "prev"));
        }
        if page < last {
            links.push(self.page_link(page + 1, "next"));
            links.push(self.page_link(last, "last"));
        }
        if page > 1 {
            links.push(self.page_link(1, "first"));
        }
        (values, (!links.is_empty()).then(|| links.join(", ")))
    }

    fn page_link(&self, page: usize, rel: &str) -> String {
        let mut query: Vec<String> = self
            .call
            .query
            .iter()
            .filter(|(key, _)| key != "page")
            .map(|(key, value)| format!("{}={}", percent_encode(key), percent_encode(value)))
            .collect();
        query.push(format!("page={page}"));
        format!("<{}?{}>; rel=\"{rel}\"", self.call.address, query.join("&"))
    }

    /// Does with a list what `GET` does with it, for handlers that answer a list after a change.
    pub(crate) fn list(values: Value) -> Reply {
        Ok(Answer {
            status: StatusCode::OK,
            headers: Vec::new(),
            body: Body::Json(values),
        })
    }
}

fn with_link(answer: Answer, link: Option<String>) -> Answer {
    match link {
        Some(link) => answer.with("link", link),
        None => answer,
    }
}

/// Refuses a text that is longer than an issue, pull request or comment may be.
pub(crate) fn check_body(resource: &str, text: &str) -> Result<(), Refusal> {
    if text.chars().count() <= BODY_MAX_CHARS {
        return Ok(());
    }
    Err(Refusal::custom(
        resource,
        "body",
        format!("body is too long (maximum is {BODY_MAX_CHARS} characters)"),
    ))
}
