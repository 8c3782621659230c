//! Walking through foreign files: where a value stands, and what became of it.

use super::{Carried, Left, Origin, Unreadable};
use crate::contract::tree::{Mark, Node, Value};
use crate::contract::{Said, Setting, Told, chatops_of};
use crate::name::{Login, RepoName};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

/// A value, where it stands and the keys that lead there.
#[derive(Debug, Clone)]
pub(super) struct Spot<'a> {
    file: &'a str,
    key: String,
    at: Mark,
    node: &'a Node,
}

impl<'a> Spot<'a> {
    pub(super) fn root(file: &'a str, node: &'a Node) -> Spot<'a> {
        Spot {
            file,
            key: String::new(),
            at: node.at,
            node,
        }
    }

    /// The entries of a mapping; none where it is no mapping.
    pub(super) fn fields(&self) -> Vec<(&'a str, Spot<'a>)> {
        let Value::Map(entries) = &self.node.value else {
            return Vec::new();
        };
        let entries = entries.iter().map(|(key, node)| {
            let path = match self.key.is_empty() {
                true => key.text.clone(),
                false => format!("{}.{}", self.key, key.text),
            };
            let spot = Spot {
                file: self.file,
                key: path,
                at: key.at,
                node,
            };
            (key.text.as_str(), spot)
        });
        entries.collect()
    }

    /// The items of a list; none where it is no list.
    pub(super) fn items(&self) -> Vec<Spot<'a>> {
        let Value::List(items) = &self.node.value else {
            return Vec::new();
        };
        let items = items.iter().enumerate().map(|(number, node)| Spot {
            file: self.file,
            key: format!("{}[{number}]", self.key),
            at: node.at,
            node,
        });
        items.collect()
    }

    /// The entry of that name.
    pub(super) fn get(&self, name: &str) -> Option<Spot<'a>> {
        let found = self.fields().into_iter().find(|(key, _)| *key == name);
        found.map(|(_, spot)| spot)
    }

    /// A single value as it was written.
    pub(super) fn text(&self) -> Option<&'a str> {
        match &self.node.value {
            Value::Scalar { text, .. } => Some(text),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The keys that lead to it.
    #[cfg(test)]
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self.node.value, Value::List(_))
    }

    /// Nothing, an empty list, an empty mapping or an empty text: it says nothing.
    pub(super) fn is_empty(&self) -> bool {
        match &self.node.value {
            Value::Null => true,
            Value::Scalar { text, .. } => text.is_empty(),
            Value::List(items) => items.is_empty(),
            Value::Map(entries) => entries.is_empty(),
        }
    }

    fn origin(&self) -> Origin {
        Origin {
            file: self.file.to_owned(),
            line: self.at.line,
            column: self.at.column,
            key: match self.key.is_empty() {
                true => "(the file)".to_owned(),
                false => self.key.clone(),
            },
        }
    }
}

/// Settings of one place, by key of `chatops`.
pub(super) type Settings = BTreeMap<&'static str, Json>;

/// A check of a repository.
pub(super) struct Job {
    /// Its name here.
    pub(super) name: String,
    /// As it stands in a contract.
    pub(super) check: Told,
}

/// What has been found so far.
#[derive(Default)]
pub(super) struct Walk {
    pub(super) carried: Vec<Carried>,
    pub(super) left: Vec<Left>,
    /// By lower-case owner, or `owner/name`.
    pub(super) places: BTreeMap<String, Settings>,
    /// By lower-case `owner/name`.
    pub(super) checks: BTreeMap<String, Vec<Job>>,
    /// Names of Prow's jobs that were carried over, by repository.
    pub(super) jobs: BTreeSet<(String, String)>,
}

impl Walk {
    /// It holds here, too.
    pub(super) fn carry(&mut self, spot: &Spot<'_>, to: impl Into<String>) {
        let (from, to) = (spot.origin(), to.into());
        self.carried.push(Carried { from, to });
    }

    /// It was not carried over.
    pub(super) fn leave(
        &mut self,
        spot: &Spot<'_>,
        why: impl Into<String>,
        instead: impl Into<String>,
    ) {
        self.left.push(Left {
            from: spot.origin(),
            why: why.into(),
            instead: instead.into(),
        });
    }

    /// A file of which nothing was.
    pub(super) fn unreadable(&mut self, file: Unreadable) {
        for problem in file.problems {
            self.left.push(Left {
                from: Origin {
                    file: file.file.clone(),
                    line: problem.line,
                    column: problem.column,
                    key: "(the file)".to_owned(),
                },
                why: format!("the file cannot be read: {}", problem.message),
                instead: "repair the line and run the command again".to_owned(),
            });
        }
    }

    /// The entries of a mapping; anything else that says something is left.
    pub(super) fn fields<'a>(&mut self, spot: &Spot<'a>) -> Vec<(&'a str, Spot<'a>)> {
        if !matches!(spot.node.value, Value::Map(_)) && !spot.is_empty() {
            self.leave(spot, "it is no mapping", "correct it");
        }
        spot.fields()
    }

    /// The items of a list; anything else that says something is left.
    pub(super) fn items<'a>(&mut self, spot: &Spot<'a>) -> Vec<Spot<'a>> {
        if !spot.is_list() && !spot.is_empty() {
            self.leave(spot, "it is no list", "correct it");
        }
        spot.items()
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, spot: &Spot<'_>) -> Option<bool> {
        let value = match spot.text() {
            Some("true") => Some(true),
            Some("false") => Some(false),
            Some(_) | None => None,
        };
        if value.is_none() && !spot.is_empty() {
            self.leave(spot, "it is neither `true` nor `false`", "correct it");
        }
        value
    }

    /// A list of texts, or one text.
    pub(super) fn texts(&mut self, spot: &Spot<'_>) -> Vec<String> {
        if let Some(text) = spot.text() {
            return vec![text.to_owned()];
        }
        if !spot.is_list() && !spot.is_empty() {
            self.leave(spot, "it is no list of texts", "correct it");
        }
        let mut texts = Vec::new();
        for item in spot.items() {
            match item.text() {
                Some(text) => texts.push(text.to_owned()),
                None => self.leave(&item, "it is no text", "correct it"),
            }
        }
        texts
    }

    /// The place that a name is for: an organisation, or a repository.
    pub(super) fn place(&mut self, spot: &Spot<'_>, name: &str) -> Option<String> {
        let is_good = match name.contains('/') {
            true => RepoName::parse(name).map(drop),
            false => Login::parse(name).map(drop),
        };
        if let Err(error) = is_good {
            self.leave(spot, error.to_string(), "correct it");
            return None;
        }
        Some(name.to_ascii_lowercase())
    }

    /// Sets a key of `chatops` for a place, if our own reader takes it.
    pub(super) fn set(&mut self, (place, key): (&str, &'static str), value: Json, spot: &Spot<'_>) {
        let mut settings = Vec::new();
        flatten(&mut settings, vec![key.to_owned()], &value);
        if let Err(problems) = chatops_of(&settings) {
            let told: Vec<String> = problems.into_iter().map(|(_, message)| message).collect();
            return self.leave(spot, told.join("; "), "write it by hand");
        }
        let of_place = self.places.entry(place.to_owned()).or_default();
        if of_place.contains_key(key) {
            let why = format!("`{key}` of `{place}` was said before, and Prow takes the first");
            return self.leave(spot, why, "");
        }
        let shown = format!("`{key}` of `{place}`");
        of_place.insert(key, value);
        self.carry(spot, shown);
    }

    /// What a place says about a key, or nothing.
    pub(super) fn said(&self, place: &str, key: &str) -> Option<&Json> {
        self.places.get(place).and_then(|all| all.get(key))
    }
}

/// The owner of a place.
pub(super) fn owner(place: &str) -> &str {
    place.split('/').next().unwrap_or_default()
}

fn flatten(into: &mut Vec<Setting>, keys: Vec<String>, value: &Json) {
    let text = |one: &Json| match one {
        Json::String(text) => text.clone(),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => {
            one.to_string()
        }
    };
    let said = match value {
        Json::Object(fields) if fields.is_empty() => Said::Empty,
        Json::Object(fields) => {
            for (key, value) in fields {
                let mut keys = keys.clone();
                keys.push(key.clone());
                flatten(into, keys, value);
            }
            return;
        }
        Json::Array(items) => Said::Many(items.iter().map(text).collect()),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => Said::One(text(value)),
    };
    into.push(Setting { keys, said });
}
