//! What a branch asks of a merge: its rulesets, and its protection.
//!
//! A server that does not let us read them counts as one that has none: GitHub holds a merge against them itself,
//! so nothing lands that they forbid. That is said once in the log.

use crate::github::error::ApiError;
use crate::github::place::Place;
use crate::github::wire::{self, encoded_path};
use bowsprit_core::name::BranchName;
use bowsprit_core::subject::ask::RequiredContext;
use std::collections::BTreeSet;

/// Answers that mean "there is nothing here to read for you", today and tomorrow. A plan without rules answers 403
/// ("Upgrade to GitHub Pro or make this repository public to enable this feature."), a server without rulesets the others.
///
/// Source: "Get rules for a branch", GitHub's REST API (docs.github.com, 2026-11).
const NO_RULES: [u16; 4] = [403, 405, 451, 501];

impl Place {
    /// Whether GitHub's own queue merges into a branch. Errors: as of any call.
    pub async fn has_merge_queue(&self, branch: &BranchName) -> Result<bool, ApiError> {
        let rules = self.rules(branch).await?;
        Ok(rules.iter().any(|rule| rule.kind == "merge_queue"))
    }

    /// The contexts that rulesets and branch protection require, and of which App. Errors: as of any call.
    pub async fn required(&self, branch: &BranchName) -> Result<Vec<RequiredContext>, ApiError> {
        let of_rulesets = self.rules(branch).await?.into_iter();
        let of_rulesets = of_rulesets
            .filter(|rule| rule.kind == "required_status_checks")
            .filter_map(|rule| rule.parameters)
            .flat_map(|all| all.required_status_checks);
        let protection = self.protection(branch).await?;
        let mut all: BTreeSet<RequiredContext> = of_rulesets
            .chain(protection.checks)
            .map(|check| RequiredContext {
                name: check.context,
                app: check
                    .integration_id
                    .and_then(|id| u64::try_from(id).ok())
                    .filter(|id| *id > 0),
            })
            .collect();
        let names = protection.contexts.into_iter();
        all.extend(names.map(RequiredContext::of_anybody));
        // Protection names each context a second time without its App.
        let pinned = all.iter().filter(|one| one.app.is_some());
        let pinned: BTreeSet<String> = pinned.map(|one| one.name.clone()).collect();
        all.retain(|one| one.app.is_some() || !pinned.contains(&one.name));
        Ok(all.into_iter().collect())
    }

    /// The rules of a branch, those of rulesets.
    async fn rules(&self, branch: &BranchName) -> Result<Vec<wire::Rule>, ApiError> {
        let name = encoded_path(branch.as_str());
        let path = format!("/rules/branches/{name}?per_page=100");
        let found = self.list(&path, None).await;
        self.or_none(found, "the rules of its branches")
    }

    /// The checks that a branch's protection requires.
    async fn protection(&self, branch: &BranchName) -> Result<wire::ProtectionChecks, ApiError> {
        let name = encoded_path(branch.as_str());
        let found = self.get(&format!("/branches/{name}")).await;
        let found: Option<wire::Branch> = self.or_none(found, "the protection of its branches")?;
        Ok(found
            .and_then(|found| found.protection)
            .and_then(|all| all.required_status_checks)
            .unwrap_or_default())
    }

    /// Nothing, where we are refused for good.
    fn or_none<T: Default>(&self, found: Result<T, ApiError>, what: &str) -> Result<T, ApiError> {
        match found {
            Err(ApiError::Refused {
                status, message, ..
            }) if NO_RULES.contains(&status) => {
                if self
                    .github()
                    .is_first(format!("{}: {what}", self.repo().id))
                {
                    tracing::warn!(repo.name = %self.repo().name, http.status = status, "`{}` does not let us read {what}, which count as none; GitHub still holds a merge against them: {message}", self.repo().name);
                }
                Ok(T::default())
            }
            other => other,
        }
    }
}
