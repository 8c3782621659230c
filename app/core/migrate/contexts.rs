//! `context_options` of tide: which contexts of others must be green.
//!
//! There what an organisation, a repository and a branch say adds up; here a list of one place replaces that of the place
//! before, so each place gets the sum.

use super::config::everywhere;
use super::known::{CONTEXT_KEYS, tell};
use super::walk::{Spot, Walk};
use crate::contexts::Unknown;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;

/// The key of `chatops`.
const KEY: &str = "contexts";

/// What one place says, and those above it.
#[derive(Clone, Default, PartialEq, Eq)]
struct Policy {
    skips_unknown: Option<bool>,
    required: BTreeSet<String>,
    if_present: BTreeSet<String>,
    optional: BTreeSet<String>,
}

impl Policy {
    fn told(&self) -> Json {
        let unknown = match self.skips_unknown {
            Some(true) => Unknown::Skip,
            Some(false) | None => Unknown::Require,
        };
        let mut told = json!({"unknown": unknown.word()});
        for (key, names) in [
            ("required", &self.required),
            ("required_if_present", &self.if_present),
            ("optional", &self.optional),
        ] {
            if !names.is_empty() {
                told[key] = json!(names);
            }
        }
        told
    }
}

/// Reads the section: for all, by organisation, by repository; what is said by branch is left.
pub(super) fn context_options(walk: &mut Walk, section: &Spot<'_>) {
    let (all, orgs) = policy(walk, section, &Policy::default(), "orgs");
    let (says_more, has_orgs) = (all != Policy::default(), !orgs.is_empty());
    for (org, spot) in orgs {
        let place = walk.place(&spot, org);
        let (of_org, repos) = policy(walk, &spot, &all, "repos");
        let Some(place) = place else { continue };
        walk.set((&place, KEY), of_org.told(), &spot);
        for (repo, spot) in repos {
            let (of_repo, branches) = policy(walk, &spot, &of_org, "branches");
            for (_, branch) in branches {
                walk.leave(
                    &branch,
                    "contexts hold for a repository, and not for some of its branches",
                    "write `contexts` under `chatops` into the contract of the branch",
                );
            }
            if let Some(place) = walk.place(&spot, &format!("{place}/{repo}")) {
                walk.set((&place, KEY), of_repo.told(), &spot);
            }
        }
    }
    if says_more && has_orgs {
        walk.carry(section, "part of each `contexts`");
    }
    if says_more {
        everywhere(walk, KEY, &all.told(), section);
    }
}

/// What a place says over those above it, and the places below it.
fn policy<'a>(
    walk: &mut Walk,
    place: &Spot<'a>,
    above: &Policy,
    below: &str,
) -> (Policy, Vec<(&'a str, Spot<'a>)>) {
    let (mut said, mut places) = (above.clone(), Vec::new());
    for (key, spot) in walk.fields(place) {
        match key {
            "skip-unknown-contexts" => said.skips_unknown = walk.flag(&spot).or(said.skips_unknown),
            "required-contexts" => said.required.extend(walk.texts(&spot)),
            "required-if-present-contexts" => said.if_present.extend(walk.texts(&spot)),
            "optional-contexts" => said.optional.extend(walk.texts(&spot)),
            key if key == below => places = walk.fields(&spot),
            other => tell(walk, &spot, other, CONTEXT_KEYS),
        }
    }
    (said, places)
}
