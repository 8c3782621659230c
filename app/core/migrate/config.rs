//! `config.yaml`: what is merged, and sections of jobs.

use super::known::{CONFIG_SECTIONS, TIDE_KEYS, TIDE_LABELS, TIDE_QUERY_KEYS, tell};
use super::walk::{Spot, Walk, owner};
use super::{contexts, jobs};
use crate::effect::MergeMethod;
use crate::habits::Compatibility;
use crate::queue::wishes::method_label as method_label_of;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;

/// Reads the whole file.
pub(super) fn config(walk: &mut Walk, root: &Spot<'_>) {
    for (key, spot) in walk.fields(root) {
        match key {
            "tide" => tide(walk, &spot),
            other if jobs::section(walk, other, &spot) => {}
            other => tell(walk, &spot, other, CONFIG_SECTIONS),
        }
    }
}

fn tide(walk: &mut Walk, section: &Spot<'_>) {
    for (key, spot) in walk.fields(section) {
        match key {
            "queries" => {
                for query in walk.items(&spot) {
                    self::query(walk, &query);
                }
            }
            "merge_method" => merge_method(walk, &spot),
            "merge_label" | "squash_label" | "rebase_label" => method_label(walk, key, &spot),
            "blocker_label" => {
                let label = json!(spot.text().unwrap_or_default());
                everywhere(walk, "blocker_label", &label, &spot);
            }
            "priority" => priority(walk, &spot),
            "github_merge_blocks_policy" => blocks_policy(walk, &spot),
            "context_options" => contexts::context_options(walk, &spot),
            other => tell(walk, &spot, other, TIDE_KEYS),
        }
    }
}

/// By organisation or repository; Prow knows one by branch as well.
fn merge_method(walk: &mut Walk, section: &Spot<'_>) {
    for (name, spot) in walk.fields(section) {
        match spot.text() {
            None => walk.leave(
                &spot,
                "a method holds for a repository, and not for some of its branches",
                "write `merge_method` into the contract of the branch",
            ),
            Some(method) => {
                if let Some(place) = walk.place(&spot, name) {
                    walk.set((&place, "merge_method"), json!(method), &spot);
                }
            }
        }
    }
}

/// By organisation or repository, or with `*` for all that have none.
fn blocks_policy(walk: &mut Walk, section: &Spot<'_>) {
    let (all, named): (Vec<_>, Vec<_>) = walk
        .fields(section)
        .into_iter()
        .partition(|(name, _)| *name == "*");
    for (name, spot) in named {
        let policy = json!(spot.text().unwrap_or_default());
        if let Some(place) = walk.place(&spot, name) {
            walk.set((&place, "github_blocked"), policy, &spot);
        }
    }
    for (_, spot) in all {
        let policy = json!(spot.text().unwrap_or_default());
        everywhere(walk, "github_blocked", &policy, &spot);
    }
}

fn method_label(walk: &mut Walk, key: &str, spot: &Spot<'_>) {
    let method = key.trim_end_matches("_label");
    let method = MergeMethod::ALL
        .into_iter()
        .find(|one| one.word() == method);
    let ours = method_label_of(Compatibility::Prow, method.unwrap_or_default());
    match spot.text() {
        Some(label) if label == ours => walk.carry(spot, format!("the label `{ours}`")),
        _ => walk.leave(
            spot,
            format!("the label has one name here: `{ours}`"),
            "rename the label",
        ),
    }
}

/// Labels that go first; one that must stand beside another cannot.
fn priority(walk: &mut Walk, section: &Spot<'_>) {
    let mut urgent = Vec::new();
    for item in walk.items(section) {
        let labels = item.get("labels").map(|spot| walk.texts(&spot));
        match labels.as_deref() {
            Some([label]) => urgent.push(label.clone()),
            _ => walk.leave(
                &item,
                "one label makes a pull request go first, and not several together",
                "choose one of them for `priority_labels`",
            ),
        }
    }
    if !urgent.is_empty() {
        everywhere(walk, "priority_labels", &json!(urgent), section);
    }
}

/// Sets a key for every owner that the plugins' file names and that has none of its own: Prow has it for all.
pub(super) fn everywhere(walk: &mut Walk, key: &'static str, value: &Json, spot: &Spot<'_>) {
    let owners: BTreeSet<String> = walk
        .places
        .keys()
        .map(|place| owner(place).to_owned())
        .collect();
    if owners.is_empty() {
        walk.leave(
            spot,
            "no organisation or repository is named by the plugins",
            "write it into the contract",
        );
    }
    for place in owners {
        if walk.said(&place, key).is_none() {
            walk.set((&place, key), value.clone(), spot);
        }
    }
}

fn query(walk: &mut Walk, query: &Spot<'_>) {
    let mut asked = Vec::new();
    for (key, spot) in walk.fields(query) {
        match key {
            "labels" => {
                for label in walk.items(&spot) {
                    let name = label.text().unwrap_or_default();
                    asked.push(name.to_owned());
                    match name {
                        "lgtm" => walk.carry(&label, "the rule `lgtm`"),
                        "approved" => walk.carry(&label, "the rule `approved`"),
                        _ => walk.leave(
                            &label,
                            "no label can be required",
                            "say it in OWNERS, or with a required check",
                        ),
                    }
                }
            }
            "missingLabels" => {
                for label in walk.items(&spot) {
                    tell(walk, &label, label.text().unwrap_or_default(), TIDE_LABELS);
                }
            }
            other => tell(walk, &spot, other, TIDE_QUERY_KEYS),
        }
    }
    for label in ["lgtm", "approved"] {
        if !asked.iter().any(|name| name == label) {
            let why = format!("it does not ask for `{label}`, which a merge always needs here");
            walk.leave(query, why, "tell the people who merge here");
        }
    }
}
