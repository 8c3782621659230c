//! What a verdict says in words: the bound, the figures, and what was looked for in vain.

use super::context::{Param, Values};
use super::direction::Direction;
use super::policy::{Policy, list};
use crate::text;
use std::collections::BTreeMap;

/// Placeholders beside the policy's parameters.
pub(super) const PLACEHOLDERS: &[&str] = &[
    "metric",
    "observed",
    "live",
    "baseline",
    "delta",
    "n_test",
    "at_least",
    "beyond",
    "slack",
    "surplus",
    "compared",
    "mismatched",
];

/// The names between `{{` and `}}`.
pub(super) fn placeholders(template: &str) -> Vec<&str> {
    template
        .split("{{")
        .skip(1)
        .filter_map(|rest| rest.split_once("}}"))
        .map(|(name, _)| name.trim())
        .collect()
}

/// The text for every placeholder that has one.
pub(super) fn words(
    values: &Values,
    metric: Option<&str>,
    direction: Option<Direction>,
) -> BTreeMap<String, String> {
    let mut words = BTreeMap::new();
    let mut put = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            words.insert(name.to_owned(), value);
        }
    };
    for (name, param) in &values.params {
        put(name, Some(param_text(param)));
    }
    let observed = metric.and_then(|name| values.metrics.get(name).copied());
    let live = metric.and_then(|name| values.live.as_ref()?.get(name).copied());
    put("metric", metric.map(shown));
    put("observed", observed.map(figure));
    put("live", live.map(figure));
    put(
        "baseline",
        metric
            .and_then(|name| values.baseline.get(name))
            .map(|value| figure(*value)),
    );
    put(
        "delta",
        observed
            .zip(live)
            .map(|(candidate, live)| text::signed(candidate - live)),
    );
    put("n_test", values.n_test.map(figure));
    put(
        "compared",
        values.probe.map(|(compared, _)| figure(compared)),
    );
    put(
        "mismatched",
        values.probe.map(|(_, mismatched)| figure(mismatched)),
    );
    let (at_least, beyond, worse, better) = match direction {
        Some(Direction::Up) => ("≥", ">", "−", "+"),
        Some(Direction::Down) => ("≤", "<", "+", "−"),
        None => ("better or equal to", "better than", "by", "by"),
    };
    put("at_least", Some(at_least.to_owned()));
    put("beyond", Some(beyond.to_owned()));
    let margin = match values.params.get("margin") {
        Some(Param::Number(margin)) if *margin != 0.0 => Some(*margin),
        Some(_) | None => None,
    };
    let term = |plus: &str, minus: &str| {
        margin.map_or_else(String::new, |margin| {
            format!(
                "{} {}",
                if margin < 0.0 { minus } else { plus },
                figure(margin.abs())
            )
        })
    };
    put("slack", Some(term(worse, better)));
    put("surplus", Some(term(better, worse)));
    words
}

/// The policy's bound: the parts whose placeholders all have a text; with none, all parts without what is missing.
pub(super) fn wanted(policy: &Policy, words: &BTreeMap<String, String>) -> String {
    if policy.wanted.is_empty() {
        return policy.rule.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    let is_full = |part: &&String| {
        placeholders(part)
            .iter()
            .all(|name| words.contains_key(*name))
    };
    let full: Vec<String> = policy
        .wanted
        .iter()
        .filter(is_full)
        .map(|part| fill(part, words))
        .collect();
    if full.is_empty() {
        let parts: Vec<String> = policy.wanted.iter().map(|part| fill(part, words)).collect();
        parts.join(" and ")
    } else {
        full.join(" and ")
    }
}

/// The template with its placeholders replaced, in one pass, and runs of blanks joined.
pub(super) fn fill(template: &str, words: &BTreeMap<String, String>) -> String {
    let mut parts = template.split("{{");
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once("}}") {
            Some((name, rest)) => {
                filled.push_str(words.get(name.trim()).map_or("", String::as_str));
                filled.push_str(rest);
            }
            None => {
                filled.push_str("{{");
                filled.push_str(part);
            }
        }
    }
    filled.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Why a name was not found: what is there instead, the nearest, and where it was searched.
pub(super) fn not_found(what: &str, name: &str, seen: &[String], searched: &[String]) -> String {
    let nearest = text::nearest(name, seen.iter().map(String::as_str));
    let hint = nearest
        .map(|near| format!("; did you mean `{}`?", shown(near)))
        .unwrap_or_default();
    let shown_names = seen.iter().take(NAMES_SHOWN);
    let more = seen.len().saturating_sub(NAMES_SHOWN);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    let searched = list(searched.iter().take(NAMES_SHOWN));
    format!(
        "{what} `{}`{hint}; seen: {}{more}; searched: {searched}",
        shown(name),
        list(shown_names)
    )
}

/// Most names that a reason lists.
const NAMES_SHOWN: usize = 20;

/// A number as a person compares it: as written when short, else rounded.
pub(super) fn figure(value: f64) -> String {
    if value.abs() >= 1e15 && value.is_finite() {
        return if value > 0.0 {
            "over 10^15"
        } else {
            "under -10^15"
        }
        .to_owned();
    }
    let exact = format!("{value}");
    if exact.len() <= 8 {
        exact
    } else {
        text::number(value)
    }
}

/// Foreign text on one line, cut.
pub(super) fn shown(text: &str) -> String {
    text::truncate(&text::clean_line(text), 80)
}

fn param_text(param: &Param) -> String {
    match param {
        Param::Number(number) => figure(*number),
        Param::Text(text) => shown(text),
        Param::Flag(flag) => flag.to_string(),
    }
}
