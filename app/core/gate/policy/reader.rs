//! The keys of a policy file: read strictly, tried on sample values, every fault with its place.

use super::{GATE_WORDS, Policy, PolicyProblem, list};
use crate::gate::context::Param;
use crate::gate::direction::Direction;
use crate::gate::explain::{PLACEHOLDERS, placeholders};
use crate::gate::rule::Rule;
use crate::gate::trial::trial;
use crate::name::Slug;
use serde_json::Value;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

/// Largest policy file. Units: bytes.
const POLICY_BYTES_MAX: usize = 16_384;
/// Most nodes of its YAML.
const YAML_NODES_MAX: usize = 500;
/// Most parameters.
const PARAMS_MAX: usize = 20;
/// Longest message or part of `wanted`. Units: characters.
const MESSAGE_CHARS_MAX: usize = 300;
const KEYS: &[&str] = &[
    "name",
    "params",
    "direction",
    "when",
    "skipped",
    "enough",
    "rule",
    "wanted",
    "message",
];
/// Reads a policy. Errors: everything found wrong in it, each with its place.
pub(super) fn read(text: &str) -> Result<Policy, Vec<PolicyProblem>> {
    let keys = read_yaml(text).map_err(|problem| vec![problem])?;
    let mut reader = Reader {
        text,
        keys,
        problems: Vec::new(),
    };
    let policy = reader.policy();
    match policy {
        Some(policy) if reader.problems.is_empty() => Ok(policy),
        Some(_) | None => {
            reader
                .problems
                .sort_by_key(|problem| (problem.line, problem.column));
            Err(reader.problems)
        }
    }
}

type Keys = BTreeMap<String, Spanned<Value>>;

fn read_yaml(text: &str) -> Result<Keys, PolicyProblem> {
    let start = |message: String| PolicyProblem {
        line: 1,
        column: 1,
        message,
    };
    if text.len() > POLICY_BYTES_MAX {
        return Err(start(format!(
            "a policy may have {POLICY_BYTES_MAX} bytes, not {}",
            text.len()
        )));
    }
    let options = serde_saphyr::options! {
        // `no` is a word in a message, not false.
        strict_booleans: true,
        budget: serde_saphyr::budget! {
            max_nodes: YAML_NODES_MAX,
            max_depth: 8,
            max_aliases: 0,
            flow_nesting_limit: 8,
        },
    };
    serde_saphyr::from_str_with_options::<Keys>(text, options).map_err(|error| {
        let place = error
            .location()
            .map_or((1, 1), |place| (place.line(), place.column()));
        let message = error.without_snippet().to_string();
        PolicyProblem {
            line: usize::try_from(place.0).unwrap_or(1),
            column: usize::try_from(place.1).unwrap_or(1),
            message: message
                .lines()
                .next()
                .unwrap_or_default()
                .chars()
                .take(300)
                .collect(),
        }
    })
}

struct Reader<'a> {
    text: &'a str,
    keys: Keys,
    problems: Vec<PolicyProblem>,
}

impl Reader<'_> {
    fn policy(&mut self) -> Option<Policy> {
        let unknown: Vec<String> = self
            .keys
            .keys()
            .filter(|key| !KEYS.contains(&key.as_str()))
            .cloned()
            .collect();
        for key in unknown {
            self.problem(
                &key,
                format!(
                    "unknown key `{}`; a policy has `{}`",
                    shown(&key),
                    KEYS.join("`, `")
                ),
            );
        }
        let params = self.params();
        let name = self.name();
        let rule = self.needed("rule", 4_096);
        let message = self.needed("message", MESSAGE_CHARS_MAX);
        let direction = self.direction();
        let [when, enough] = ["when", "enough"].map(|key| self.text(key, 4_096));
        let skipped = self.text("skipped", MESSAGE_CHARS_MAX);
        let wanted = self.wanted();
        // Every key is read before the first `?`, so that every problem is told.
        let (name, rule, message) = (name?, rule?, message?);
        let policy = Policy {
            name,
            params,
            direction,
            when,
            skipped,
            enough,
            rule,
            wanted,
            message,
        };
        self.check_placeholders(&policy);
        self.check_rules(&policy);
        Some(policy)
    }

    fn problem(&mut self, key: &str, message: String) {
        let place = self.keys.get(key).map_or((1, 1), |value| {
            (value.referenced.line(), value.referenced.column())
        });
        self.problems.push(PolicyProblem {
            line: usize::try_from(place.0).unwrap_or(1).max(1),
            column: usize::try_from(place.1).unwrap_or(1).max(1),
            message,
        });
    }

    fn name(&mut self) -> Option<Slug> {
        let name = self.needed("name", 80)?;
        Slug::parse(&name)
            .map_err(|error| self.problem("name", error.to_string()))
            .ok()
    }

    fn needed(&mut self, key: &str, chars_max: usize) -> Option<String> {
        if !self.keys.contains_key(key) {
            self.problem(key, format!("`{key}` is missing"));
        }
        self.text(key, chars_max)
    }

    fn text(&mut self, key: &str, chars_max: usize) -> Option<String> {
        let value = self.keys.get(key)?.value.clone();
        match value {
            Value::String(text) if text.trim().is_empty() => {
                self.problem(key, format!("`{key}` is empty"))
            }
            Value::String(text) if text.chars().count() > chars_max => {
                self.problem(key, format!("`{key}` may have {chars_max} characters"));
            }
            Value::String(text) => return Some(text),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => {
                self.problem(key, format!("`{key}` must be a text"));
            }
        }
        None
    }

    fn direction(&mut self) -> Option<Direction> {
        let word = self.text("direction", 80)?;
        let direction = Direction::parse(&word);
        if direction.is_none() {
            self.problem("direction", "`direction` is `up` or `down`".to_owned());
        }
        direction
    }

    fn wanted(&mut self) -> Vec<String> {
        let Some(value) = self.keys.get("wanted") else {
            return Vec::new();
        };
        let parts = value
            .value
            .as_array()
            .cloned()
            .unwrap_or_else(|| vec![value.value.clone()]);
        let texts: Option<Vec<String>> = parts
            .iter()
            .map(|part| {
                part.as_str()
                    .filter(|text| text.chars().count() <= MESSAGE_CHARS_MAX)
                    .map(str::to_owned)
            })
            .collect();
        if texts.is_none() {
            self.problem(
                "wanted",
                "`wanted` is a short text or a list of them".to_owned(),
            );
        }
        texts.unwrap_or_default()
    }

    fn params(&mut self) -> BTreeMap<String, Value> {
        let Some(value) = self.keys.get("params") else {
            return BTreeMap::new();
        };
        let Value::Object(map) = value.value.clone() else {
            self.problem(
                "params",
                "`params` is a map of names to defaults".to_owned(),
            );
            return BTreeMap::new();
        };
        if map.len() > PARAMS_MAX {
            self.problem(
                "params",
                format!("a policy may have {PARAMS_MAX} parameters"),
            );
        }
        for (name, default) in &map {
            if !is_param_name(name) {
                self.problem(
                    "params",
                    format!("`{}` is not a parameter's name", shown(name)),
                );
            }
            if let Some(why) = Param::of(default).err().filter(|_| !default.is_null()) {
                self.problem("params", format!("the default of `{}` {why}", shown(name)));
            }
            if name == "metric" && !(default.is_string() || default.is_null()) {
                self.problem(
                    "params",
                    "`metric` must be the name of a metric, or null".to_owned(),
                );
            }
        }
        map.into_iter().collect()
    }

    fn check_placeholders(&mut self, policy: &Policy) {
        let texts = policy
            .wanted
            .iter()
            .map(|text| ("wanted", text))
            .chain([("message", &policy.message)]);
        let texts: Vec<(&str, String)> = texts.map(|(key, text)| (key, text.clone())).collect();
        for (key, text) in texts {
            for name in placeholders(&text) {
                if !policy.params.contains_key(name) && !PLACEHOLDERS.contains(&name) {
                    let known = PLACEHOLDERS.join("`, `");
                    let name = shown(name);
                    self.problem(
                        key,
                        format!("unknown placeholder `{name}`; known: the parameters, `{known}`"),
                    );
                }
            }
        }
    }

    fn check_rules(&mut self, policy: &Policy) {
        let rules = [
            ("when", policy.when.as_ref()),
            ("enough", policy.enough.as_ref()),
            ("rule", Some(&policy.rule)),
        ];
        for (key, source) in rules {
            let Some(source) = source else { continue };
            match Rule::compile(source) {
                Err(found) => {
                    for problem in found {
                        self.problem_inside(key, problem.line, problem.column, &problem.message);
                    }
                }
                Ok(rule) => {
                    let unknown = rule
                        .uses
                        .params
                        .iter()
                        .find(|name| !policy.params.contains_key(*name));
                    if let Some(name) = unknown {
                        let known = list(policy.params.keys());
                        self.problem(
                            key,
                            format!("`{key}` uses `params.{name}`; `params` has {known}"),
                        );
                    } else if let Some(why) = trial(&rule, policy) {
                        self.problem(key, format!("`{key}` cannot be computed: {why}"));
                    }
                }
            }
        }
    }

    /// A problem at a place inside a value; where the file folds the value's lines, only the value's own place is told.
    fn problem_inside(&mut self, key: &str, line: usize, column: usize, message: &str) {
        self.problem(key, format!("`{key}`: {message}"));
        let (Some(problem), Some(value)) = (self.problems.last_mut(), self.keys.get(key)) else {
            return;
        };
        let inner = value
            .value
            .as_str()
            .and_then(|text| text.lines().nth(line - 1));
        let outer = self.text.lines().nth(problem.line + line - 2);
        if let (Some(inner), Some(outer)) = (inner, outer)
            && let Some((before, _)) = outer.split_once(inner.trim_end())
        {
            problem.line += line - 1;
            problem.column = before.chars().count() + column;
        }
    }
}

fn is_param_name(name: &str) -> bool {
    name.len() <= 40
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && !GATE_WORDS.contains(&name)
}

pub(super) fn shown(text: &str) -> String {
    crate::text::truncate(&crate::text::clean_line(text), 80)
}
