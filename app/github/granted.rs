//! Tokens of an installation that has not granted all that our App asks for: they hold what it has granted.
//!
//! One permission that waits to be accepted would else keep everything from going on. What lacks is said once in the log;
//! a call that needs it is refused by GitHub in its own words.

use crate::github::auth::{Access, Token, TokenKey};
use crate::github::client::{Call, Caller, GitHub};
use crate::github::error::ApiError;
use crate::github::wire;
use bowsprit_core::effect::Priority;
use bowsprit_core::name::RepoId;
use http::Method;
use serde_json::json;
use std::collections::BTreeMap;

/// Permissions by name, each with its level.
type Permissions = BTreeMap<String, String>;

impl GitHub {
    /// Makes a token, with what the installation grants of what the use needs. Errors: as of any call; who must act first.
    pub(crate) async fn mint(&self, key: TokenKey) -> Result<Token, ApiError> {
        let needed = key.access.permissions().iter();
        let needed: Permissions = needed
            .map(|(name, level)| ((*name).to_owned(), (*level).to_owned()))
            .collect();
        let refusal = match self.ask_token(key, &needed).await {
            Ok(token) => return Ok(token),
            Err(refusal) => refusal,
        };
        if is_of_permissions(&refusal) && key.access.is_of_use_in_part() {
            let granted = self.granted(key.installation).await?;
            let (held, lacking) = split(&needed, &granted);
            if !held.is_empty() && !lacking.is_empty() {
                let lacking = lacking.join(", ");
                let said = format!("installation {} lacks {lacking}", key.installation);
                if self.is_first(said) {
                    tracing::warn!(
                        installation.id = key.installation,
                        "installation {} has not granted {lacking}: what needs it is refused until its owner accepts it",
                        key.installation
                    );
                }
                let token = self.ask_token(key, &held).await;
                return token.map_err(|error| no_token(key.installation, error));
            }
        }
        Err(no_token(key.installation, refusal))
    }

    async fn ask_token(&self, key: TokenKey, wanted: &Permissions) -> Result<Token, ApiError> {
        let mut body = json!({"permissions": wanted});
        if let Some(RepoId(id)) = key.repo {
            body["repository_ids"] = json!([id]);
        }
        let call = Call {
            method: Method::POST,
            path: format!("/app/installations/{}/access_tokens", key.installation),
            body: Some(body),
            priority: Priority::Merge,
        };
        // The call of a token needs no token, yet the compiler sees a circle.
        let answer = Box::pin(self.call(Caller::App, call)).await;
        let token: wire::Token = answer?.json()?;
        Ok(Token {
            secret: token.token,
            expires_ms: token.expires_at.as_millisecond(),
        })
    }

    /// What an installation has granted.
    async fn granted(&self, installation: u64) -> Result<Permissions, ApiError> {
        let call = Call::get(format!("/app/installations/{installation}"));
        let answer = Box::pin(self.call(Caller::App, call)).await;
        let found: wire::Installation = answer?.json()?;
        Ok(found.permissions)
    }
}

impl Access {
    /// Whether a token that lacks something is better than none. Who belongs to an organisation cannot be half known, and
    /// nothing can be fetched without the right to read code.
    fn is_of_use_in_part(self) -> bool {
        match self {
            Access::Reading | Access::Writing | Access::Pushing => true,
            Access::Listing | Access::Fetching | Access::Members => false,
        }
    }
}

/// What of the needed permissions is granted, at the level at which it is, and what is not.
fn split(needed: &Permissions, granted: &Permissions) -> (Permissions, Vec<String>) {
    let (mut held, mut lacking) = (Permissions::new(), Vec::new());
    for (name, level) in needed {
        let has = granted.get(name).map(String::as_str);
        match (level.as_str(), has) {
            (_, Some("write" | "admin")) | ("read", Some("read")) => {
                held.insert(name.clone(), level.clone());
            }
            (_, has) => {
                lacking.push(format!("{name}: {level}"));
                if has == Some("read") {
                    held.insert(name.clone(), "read".to_owned());
                }
            }
        }
    }
    (held, lacking)
}

/// Whether a token was refused since it asked for more than is granted.
fn is_of_permissions(error: &ApiError) -> bool {
    matches!(error, ApiError::Refused { status: 422, .. }) && error.words().contains("permission")
}

/// Why there is no token. An installation that is gone must not read as "the branch is not there",
/// and one that is suspended, or has not accepted a permission yet, may do so later; a repository that it does not show is refused.
fn no_token(installation: u64, error: ApiError) -> ApiError {
    let is_for_a_person = match &error {
        ApiError::NotFound => true,
        ApiError::Refused { status, .. } => *status != 422 || is_of_permissions(&error),
        ApiError::Retry { .. } | ApiError::Unauthorized | ApiError::Broken(_) => false,
    };
    if !is_for_a_person {
        return error;
    }
    tracing::warn!(installation.id = installation, %error, "cannot get a token of installation {installation}");
    ApiError::for_a_person()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(all: &[(&str, &str)]) -> Permissions {
        let all = all.iter();
        all.map(|(name, level)| ((*name).to_owned(), (*level).to_owned()))
            .collect()
    }

    #[test]
    fn what_is_granted_is_asked_for_at_its_level() {
        let needed = of(&[
            ("checks", "write"),
            ("issues", "read"),
            ("metadata", "read"),
        ]);
        for (granted, held, lacking) in [
            (needed.clone(), needed.clone(), ""),
            (
                of(&[
                    ("checks", "read"),
                    ("issues", "write"),
                    ("metadata", "read"),
                ]),
                of(&[("checks", "read"), ("issues", "read"), ("metadata", "read")]),
                "checks: write",
            ),
            (
                of(&[("metadata", "read"), ("other", "write")]),
                of(&[("metadata", "read")]),
                "checks: write, issues: read",
            ),
            (
                of(&[]),
                of(&[]),
                "checks: write, issues: read, metadata: read",
            ),
        ] {
            let (found, lack) = split(&needed, &granted);
            assert_eq!((found, lack.join(", ").as_str()), (held, lacking));
        }
    }
}
