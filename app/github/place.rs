//! A repository as one installation of the App sees it, and the calls within it.

use crate::github::auth::{Access, TokenKey};
use crate::github::client::{Call, Caller, GitHub, Response};
use crate::github::error::ApiError;
use crate::github::wire;
use bowsprit_core::effect::Priority;
use bowsprit_core::name::{CommitSha, Repo};
use http::Method;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The other API, beside the one that everything else goes to.
pub(crate) const GRAPHQL: &str = "/graphql";

/// Longest words of a refusal that are kept. Units: characters.
const WORDS_MAX: usize = 500;

/// A repository of an installation.
#[derive(Debug, Clone)]
pub struct Place {
    github: GitHub,
    installation: u64,
    repo: Repo,
    priority: Priority,
}

impl Place {
    pub(crate) fn new(github: GitHub, installation: u64, repo: Repo) -> Place {
        Place {
            github,
            installation,
            repo,
            priority: Priority::View,
        }
    }

    /// The same place, its writes going at this priority.
    pub fn with_priority(&self, priority: Priority) -> Place {
        Place {
            priority,
            ..self.clone()
        }
    }

    /// The repository.
    pub fn repo(&self) -> &Repo {
        &self.repo
    }

    /// The client.
    pub fn github(&self) -> &GitHub {
        &self.github
    }

    /// A token that can fetch this repository and nothing else. Errors: as of any call.
    pub async fn fetch_token(&self) -> Result<SecretString, ApiError> {
        self.github.token(self.key(Access::Fetching)).await
    }

    /// Whether that many writes fit into the budget now. Errors: [`ApiError::Retry`].
    pub(crate) fn check_budget(&self, writes: usize) -> Result<(), ApiError> {
        self.github
            .check_budget(self.installation, writes, self.priority)
    }

    /// Reads `path` below the repository; `None` where there is nothing.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, ApiError> {
        let call = Call::get(self.path(path));
        match self.github.call(self.caller(Access::Reading), call).await {
            Ok(answer) => answer.json().map(Some),
            Err(ApiError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether there is something at a path that answers without a body. Errors: as of any call.
    pub(crate) async fn has(&self, path: &str) -> Result<bool, ApiError> {
        let call = Call::get(self.path(path));
        match self.github.call(self.caller(Access::Reading), call).await {
            Ok(answer) => Ok(answer.status == 204),
            Err(ApiError::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads a path outside of the repository about members; `None` where there is nothing, or an owner has not let us ask.
    pub(crate) async fn ask_members(&self, path: String) -> Result<Option<Response>, ApiError> {
        let key = self.key(Access::Members);
        match self.github.token(key).await {
            Ok(_) => {}
            // Said in the log by who makes tokens; nobody is trusted for a permission that is not there.
            Err(error) if error.is_for_a_person() => return Ok(None),
            Err(error) => return Err(error),
        }
        let caller = Caller::Installation(key);
        match self.github.call(caller, Call::get(path)).await {
            Ok(answer) => Ok(Some(answer)),
            Err(ApiError::NotFound | ApiError::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads a whole list; empty where there is nothing. Errors: [`ApiError::Broken`] for one longer than we read.
    pub(crate) async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        key: Option<&str>,
    ) -> Result<Vec<T>, ApiError> {
        let pages = self
            .github
            .pages(self.caller(Access::Reading), &self.path(path), key)
            .await;
        match pages {
            Ok((items, false)) => Ok(items),
            Ok((_, true)) => Err(ApiError::Broken(format!(
                "`{path}` of `{}` has too many pages",
                self.repo.name
            ))),
            Err(ApiError::NotFound) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Writes to `path` below the repository.
    pub(crate) async fn write(
        &self,
        access: Access,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Response, ApiError> {
        let call = Call {
            method,
            path: self.path(path),
            body,
            priority: self.priority,
        };
        self.github.call(self.caller(access), call).await
    }

    /// Asks or changes what only the other API of GitHub's knows. Errors: [`ApiError::Refused`] in its words.
    pub(crate) async fn graphql<T: DeserializeOwned>(
        &self,
        access: Access,
        query: &str,
        variables: Value,
    ) -> Result<T, ApiError> {
        let call = Call {
            method: Method::POST,
            path: GRAPHQL.to_owned(),
            body: Some(json!({"query": query, "variables": variables})),
            priority: self.priority,
        };
        let answer = self.github.call(self.caller(access), call).await?;
        let answer: wire::GraphQl<T> = answer.json()?;
        if let Some(first) = answer.errors.into_iter().next() {
            return Err(match first.kind.as_deref() {
                Some("RATE_LIMITED" | "INTERNAL" | "SERVICE_UNAVAILABLE") => ApiError::later(),
                Some(_) | None => ApiError::Refused {
                    status: 200,
                    message: first.message.chars().take(WORDS_MAX).collect(),
                    errors: Vec::new(),
                },
            });
        }
        answer
            .data
            .ok_or_else(|| ApiError::Broken("an answer without data".to_owned()))
    }

    fn path(&self, below: &str) -> String {
        format!("/repos/{}{below}", self.repo.name)
    }

    fn caller(&self, access: Access) -> Caller {
        Caller::Installation(self.key(access))
    }

    fn key(&self, access: Access) -> TokenKey {
        TokenKey {
            installation: self.installation,
            repo: Some(self.repo.id),
            access,
        }
    }
}

/// A commit, tree or blob id of GitHub's. Errors: [`ApiError::Broken`].
pub(crate) fn sha(text: &str) -> Result<CommitSha, ApiError> {
    CommitSha::parse(text).map_err(|error| ApiError::Broken(error.to_string()))
}
