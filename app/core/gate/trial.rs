//! A rule tried on sample values when its policy is read, so that operands that never fit are told before any training.

use super::context::{Param, Values};
use super::policy::Policy;
use super::rule::{Rule, Trouble};
use super::uses::{Name, Place, Uses};
use std::collections::{BTreeMap, BTreeSet};

/// Tries a rule on sample values, to find operands that never fit. A rule that only lacks a value is fine.
pub(super) fn trial(rule: &Rule, policy: &Policy) -> Option<String> {
    let mut last = None;
    for unset in [
        Param::Number(0.5),
        Param::Text("x".to_owned()),
        Param::Flag(true),
    ] {
        match rule.holds(&sample(&rule.uses, policy, &unset).context()) {
            Err(Trouble::Types(why)) => last = Some(why),
            Ok(_) | Err(Trouble::Value(_)) => return None,
        }
    }
    last
}

fn sample(uses: &Uses, policy: &Policy, unset: &Param) -> Values {
    let params: BTreeMap<String, Param> = policy
        .params
        .iter()
        .map(|(name, default)| {
            let unset = if name == "metric" {
                Param::Text("accuracy".to_owned())
            } else {
                unset.clone()
            };
            (name.clone(), Param::of(default).unwrap_or(unset))
        })
        .collect();
    let of = |place: Place| {
        let named: BTreeSet<&Name> = uses
            .reads
            .iter()
            .chain(&uses.guards)
            .filter(|(at, _)| *at == place)
            .map(|(_, name)| name)
            .collect();
        named
            .into_iter()
            .filter_map(|name| match name {
                Name::Fixed(name) => Some((name.clone(), 0.5)),
                Name::Param(param) => match params.get(param) {
                    Some(Param::Text(name)) => Some((name.clone(), 0.5)),
                    Some(Param::Number(_) | Param::Flag(_)) | None => None,
                },
            })
            .collect::<BTreeMap<String, f64>>()
    };
    Values {
        metrics: of(Place::Candidate),
        live: Some(of(Place::Live)),
        baseline: of(Place::Baseline),
        n_test: Some(100.0),
        sign: Some(1.0),
        probe: Some((20.0, 0.0)),
        params,
    }
}
