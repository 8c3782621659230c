//! The policies at hand: those that ship with the bot, and a repository's own.

use super::policy::{Policy, parse_policy};
use crate::name::Slug;
use std::collections::BTreeMap;

/// Every policy that a contract's gates may name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Policies(BTreeMap<Slug, Policy>);

/// A policy whose name is taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("policy `{name}` {}", if *.shipped { "ships with Bowsprit and may not be replaced; give yours another name" } else { "is there twice" })]
pub struct NameClash {
    /// The name.
    pub name: Slug,
    /// Whether a shipped policy has it.
    pub shipped: bool,
}

impl Policies {
    /// Both kinds together. Errors: every name that is there twice; a repository may not replace a shipped policy.
    pub fn new(shipped: Vec<Policy>, repository: Vec<Policy>) -> Result<Policies, Vec<NameClash>> {
        let mut clashes = Vec::new();
        let mut all = BTreeMap::new();
        let names: Vec<Slug> = shipped.iter().map(|policy| policy.name.clone()).collect();
        for policy in shipped.into_iter().chain(repository) {
            if all.contains_key(&policy.name) {
                let is_shipped = names.contains(&policy.name);
                clashes.push(NameClash {
                    name: policy.name,
                    shipped: is_shipped,
                });
            } else {
                all.insert(policy.name.clone(), policy);
            }
        }
        if clashes.is_empty() {
            Ok(Policies(all))
        } else {
            Err(clashes)
        }
    }

    /// The policy of this name.
    pub fn get(&self, name: &Slug) -> Option<&Policy> {
        self.0.get(name)
    }

    /// Every name, sorted.
    pub fn names(&self) -> impl Iterator<Item = &Slug> {
        self.0.keys()
    }
}

/// The policies that ship with the bot.
pub fn shipped() -> Vec<Policy> {
    [
        include_str!("../../../policies/threshold.yaml"),
        include_str!("../../../policies/no-regression.yaml"),
        include_str!("../../../policies/better-than-baseline.yaml"),
        include_str!("../../../policies/min-test-rows.yaml"),
        include_str!("../../../policies/parity.yaml"),
    ]
    .into_iter()
    .map(|text| parse_policy(text).expect("a test parses every shipped policy"))
    .collect()
}
