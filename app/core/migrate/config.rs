//! `config.yaml`: what is merged, and sections of jobs.

use super::jobs;
use super::known::{CONFIG_SECTIONS, TIDE_KEYS, TIDE_LABELS, TIDE_QUERY_KEYS, tell};
use super::walk::{Spot, Walk};

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
            other => tell(walk, &spot, other, TIDE_KEYS),
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
