//! The four subjects: a run, a pull request, a model, an environment.
//!
//! Every event is a hint to look at one of them. A step asks (`Look`) until it knows enough, then acts.

pub mod ask;
pub mod contexts;
pub mod environment;
pub mod model;
pub mod pause;
pub mod proposal;
pub mod pull;
pub mod route;
#[cfg(test)]
mod route_tests;
pub mod run;
#[cfg(test)]
mod testing;

use crate::effect::{Effect, Hint, Intent, Outcome, Priority, Record, Text, Wake};
use crate::name::{CommentId, PrNumber, Repo, RepoId, Slug};
use ask::Query;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Which thing is looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SubjectKey {
    /// A run, by its id.
    Run(String),
    /// A pull request or issue of a repository.
    Pull(RepoId, PrNumber),
    /// A model of a service repository.
    Model(RepoId, Slug),
    /// An environment of a service repository; previews are called `pr-<number>`.
    Environment(RepoId, Slug),
}

impl fmt::Display for SubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SubjectKey::Run(id) => write!(f, "run/{id}"),
            SubjectKey::Pull(repo, pr) => write!(f, "pull/{repo}/{pr}"),
            SubjectKey::Model(repo, model) => write!(f, "model/{repo}/{model}"),
            SubjectKey::Environment(repo, name) => write!(f, "environment/{repo}/{name}"),
        }
    }
}

impl From<SubjectKey> for String {
    fn from(key: SubjectKey) -> String {
        key.to_string()
    }
}

impl TryFrom<String> for SubjectKey {
    type Error = String;

    fn try_from(text: String) -> Result<SubjectKey, String> {
        let wrong = || format!("`{text}` is not a subject");
        let mut parts = text.splitn(3, '/');
        let (kind, first, second) = (parts.next(), parts.next(), parts.next());
        let id = |text: Option<&str>| {
            text.and_then(|t| t.parse().ok())
                .map(RepoId)
                .ok_or_else(wrong)
        };
        let slug = |text: Option<&str>| text.and_then(|t| Slug::parse(t).ok()).ok_or_else(wrong);
        match kind {
            Some("run") => first
                .map(|id| SubjectKey::Run(id.to_owned()))
                .ok_or_else(wrong),
            Some("pull") => {
                let number = second
                    .and_then(|n| n.parse().ok())
                    .map(PrNumber)
                    .ok_or_else(wrong)?;
                Ok(SubjectKey::Pull(id(first)?, number))
            }
            Some("model") => Ok(SubjectKey::Model(id(first)?, slug(second)?)),
            Some("environment") => Ok(SubjectKey::Environment(id(first)?, slug(second)?)),
            Some(_) | None => Err(wrong()),
        }
    }
}

/// What every step is given beside the answers to what it asked.
#[derive(Debug, Clone)]
pub struct Given<S> {
    /// The subject's own state, as its last step left it.
    pub state: Option<S>,
    /// What it was told since.
    pub hints: Vec<Hint>,
    /// How its effects stand, by key.
    pub outcomes: BTreeMap<String, Outcome>,
    /// Units: milliseconds since 1970, UTC.
    pub now_ms: i64,
    /// Since when it is remembered what was carried out; what people wrote before is not carried out (again).
    /// Units: milliseconds since 1970, UTC.
    pub since_ms: i64,
    /// The bot's public address, without a slash at the end.
    pub public_url: String,
}

/// What a step says.
#[derive(Debug, Clone, PartialEq)]
pub enum Step<S> {
    /// Nothing is known of this subject: there is nothing to do.
    Nothing,
    /// Ask these, then step again.
    Look(Vec<Query>),
    /// Do this.
    Act(Box<Act<S>>),
}

/// The outcome of a step: one transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Act<S> {
    /// The new state.
    pub state: S,
    /// What shall happen.
    pub intents: Vec<Intent>,
    /// Keys of acts that shall not happen any more, if they have not happened yet.
    pub withdrawn: Vec<String>,
    /// Who else shall look.
    pub wakes: Vec<Wake>,
    /// What is written down.
    pub records: Vec<Record>,
    /// Look again at this time, whatever happens. Units: milliseconds since 1970, UTC.
    pub look_again_ms: Option<i64>,
}

impl<S> Act<S> {
    /// Only a new state.
    pub fn keep(state: S) -> Act<S> {
        Act {
            state,
            intents: Vec::new(),
            withdrawn: Vec::new(),
            wakes: Vec::new(),
            records: Vec::new(),
            look_again_ms: None,
        }
    }

    /// Asks for another look at `ms` or before.
    pub fn look_by(&mut self, ms: i64) {
        self.look_again_ms = Some(self.look_again_ms.map_or(ms, |other| other.min(ms)));
    }
}

/// How often a step may ask before it must act. One question often hangs on the answer to another.
pub const ROUNDS_MAX: usize = 40;

/// How many effects of a subject are given to its step, newest first.
pub const OUTCOMES_MAX: usize = 500;

/// Answers a command with a sentence, once.
pub(crate) fn answer(repo: &Repo, pr: PrNumber, comment: CommentId, message: &str) -> Intent {
    answer_with(
        repo,
        pr,
        comment,
        Text::new("refusal/plain", serde_json::json!({ "message": message })),
    )
}

/// Answers a command with a text, once.
pub(crate) fn answer_with(repo: &Repo, pr: PrNumber, comment: CommentId, text: Text) -> Intent {
    Intent {
        key: format!("reply:{}:{comment}", repo.id),
        is_view: false,
        priority: Priority::Answer,
        effect: Effect::Reply {
            repo: repo.clone(),
            pr,
            text,
        },
    }
}

/// Shows on a command that it was carried out.
pub(crate) fn react(repo: &Repo, comment: CommentId) -> Intent {
    Intent {
        key: format!("react:{}:{comment}", repo.id),
        is_view: false,
        priority: Priority::Answer,
        effect: Effect::React {
            repo: repo.clone(),
            comment,
            content: "+1".to_owned(),
        },
    }
}
