//! Typed values out of a located tree, with every problem collected.
//!
//! A reading function answers `None` only after it has written down why.

use super::Problem;
use super::tree::{Key, Mark, Node, Value, problem, shown};
use crate::command::near;

/// Most problems that are told at once; a check run takes 50 annotations in one request.
const PROBLEMS_MAX: usize = 50;

/// What has been found wrong so far.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<Problem>);

impl Problems {
    /// Writes a problem down.
    pub(crate) fn add(&mut self, at: Mark, message: impl Into<String>) {
        if self.0.len() < PROBLEMS_MAX {
            self.0.push(problem(at, message));
        }
    }

    /// The value if nothing was found, else everything found, in the order of the file.
    pub(crate) fn or<T>(self, value: Option<T>) -> Result<T, Vec<Problem>> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            Some(_) | None => Err(self.into_list()),
        }
    }

    /// Everything found, in the order of the file.
    pub(crate) fn into_list(mut self) -> Vec<Problem> {
        self.0.sort_by_key(|problem| (problem.line, problem.column));
        self.0
    }
}

/// A mapping whose keys are known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a> {
    entries: &'a [(Key, Node)],
    /// Where the mapping starts.
    pub(crate) at: Mark,
    /// How messages call the mapping: `a step`, `serve`.
    pub(crate) what: &'a str,
}

impl<'a> Fields<'a> {
    /// The mapping at `node`; other keys than `keys` are problems.
    pub(crate) fn of(
        node: &'a Node,
        what: &'a str,
        keys: &[&'static str],
        problems: &mut Problems,
    ) -> Option<Fields<'a>> {
        let Value::Map(entries) = &node.value else {
            problems.add(
                node.at,
                format!(
                    "{what} must be a mapping of {}, not {}",
                    listed(keys),
                    node.kind()
                ),
            );
            return None;
        };
        for (key, _) in entries
            .iter()
            .filter(|(key, _)| !keys.contains(&key.text.as_str()))
        {
            let guess = near::nearest(&key.text, keys)
                .map(|word| format!(", did you mean `{word}`?"))
                .unwrap_or_default();
            let message = format!(
                "unknown key `{}` in {what}{guess} (allowed: {})",
                shown(&key.text),
                listed(keys)
            );
            problems.add(key.at, message);
        }
        Some(Fields {
            entries,
            at: node.at,
            what,
        })
    }

    /// The switch `key`, or what it is where it does not stand there; `None` after a problem.
    pub(crate) fn flag(&self, key: &str, default: bool, problems: &mut Problems) -> Option<bool> {
        self.get(key).map_or(Some(default), |node| {
            boolean(node, &format!("`{key}`"), problems)
        })
    }

    /// The value of `key`, if it stands there.
    pub(crate) fn get(&self, key: &str) -> Option<&'a Node> {
        self.entries
            .iter()
            .find(|(known, _)| known.text == key)
            .map(|(_, node)| node)
    }

    /// The value of `key`; its absence is a problem that says what to write.
    pub(crate) fn need(&self, key: &str, hint: &str, problems: &mut Problems) -> Option<&'a Node> {
        let found = self.get(key);
        if found.is_none() {
            problems.add(
                self.at,
                format!("`{key}` is missing in {}: {hint}", self.what),
            );
        }
        found
    }
}

fn listed(keys: &[&str]) -> String {
    keys.join(", ")
}

/// The entries of a mapping with free keys.
pub(crate) fn entries<'a>(
    node: &'a Node,
    what: &str,
    problems: &mut Problems,
) -> Option<&'a [(Key, Node)]> {
    match &node.value {
        Value::Map(entries) => Some(entries),
        Value::Null | Value::Scalar { .. } | Value::List(_) => {
            problems.add(
                node.at,
                format!("{what} must be a mapping, not {}", node.kind()),
            );
            None
        }
    }
}

/// The items of a list of at most `most`.
pub(crate) fn list<'a>(
    node: &'a Node,
    what: &str,
    most: usize,
    problems: &mut Problems,
) -> Option<&'a [Node]> {
    let Value::List(items) = &node.value else {
        problems.add(
            node.at,
            format!("{what} must be a list, not {}", node.kind()),
        );
        return None;
    };
    if items.len() > most {
        problems.add(
            node.at,
            format!(
                "{what} has {} entries, at most {most} are allowed",
                items.len()
            ),
        );
        return None;
    }
    Some(items)
}

/// A single value as it was written, quotes or not.
pub(crate) fn text<'a>(node: &'a Node, what: &str, problems: &mut Problems) -> Option<&'a str> {
    match &node.value {
        Value::Scalar { text, .. } => Some(text),
        Value::Null | Value::List(_) | Value::Map(_) => {
            problems.add(
                node.at,
                format!("{what} must be a text, not {}", node.kind()),
            );
            None
        }
    }
}

/// `true` or `false`, without quotes.
pub(crate) fn boolean(node: &Node, what: &str, problems: &mut Problems) -> Option<bool> {
    let value = match &node.value {
        Value::Scalar { text, plain: true } => match text.as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        },
        Value::Scalar { plain: false, .. } | Value::Null | Value::List(_) | Value::Map(_) => None,
    };
    if value.is_none() {
        problems.add(node.at, format!("{what} must be true or false"));
    }
    value
}

/// A whole number between two bounds, without quotes.
pub(crate) fn whole(
    node: &Node,
    what: &str,
    (least, most): (u32, u32),
    problems: &mut Problems,
) -> Option<u32> {
    let value = match &node.value {
        Value::Scalar { text, plain: true } => text
            .parse::<u32>()
            .ok()
            .filter(|value| (least..=most).contains(value)),
        Value::Scalar { plain: false, .. } | Value::Null | Value::List(_) | Value::Map(_) => None,
    };
    if value.is_none() {
        problems.add(
            node.at,
            format!("{what} must be a whole number from {least} to {most}"),
        );
    }
    value
}

/// A text that `check` takes; what it answers is added to the message.
pub(crate) fn checked<T, E: std::fmt::Display>(
    node: &Node,
    what: &str,
    check: impl Fn(&str) -> Result<T, E>,
    problems: &mut Problems,
) -> Option<T> {
    match check(text(node, what, problems)?) {
        Ok(value) => Some(value),
        Err(error) => {
            problems.add(node.at, format!("{what}: {error}"));
            None
        }
    }
}

/// A value, or a list of them: each read by `read`, the bad ones left out after their problem.
pub(crate) fn each<T>(nodes: &[Node], mut read: impl FnMut(&Node) -> Option<T>) -> Vec<T> {
    nodes.iter().filter_map(&mut read).collect()
}
