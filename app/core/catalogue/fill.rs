//! Making a quickstart's files somebody's own: names and owners.

use super::{Part, SERVICE, TRAINING};
use crate::name::Login;
use serde::Serialize;
use serde_json::{Map, Value};

/// Longest root: `-training` and `-pr-12345` still fit a Kubernetes name. Units: characters.
const ROOT_CHARS_MAX: usize = 30;
/// Longest tail. Units: characters.
const TAIL_CHARS_MAX: usize = 30;

/// The root of a pair: what `demo-training` and `demo-service` share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Root(String);

/// What follows the root in the name of one repository, such as `-training`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tail(String);

/// Whose the files become.
#[derive(Debug, Clone, Copy)]
pub struct Names<'n> {
    /// The root that the quickstart's files name; empty where they name none.
    pub from: &'n str,
    /// The root that they shall name.
    pub root: &'n Root,
    /// The whole name of this repository, without its owner.
    pub name: &'n str,
    /// Who will own it.
    pub owner: &'n str,
    /// The git server's host, such as `github.com`.
    pub host: &'n str,
}

impl Root {
    /// Checks a root. Errors: a sentence that says what would work.
    pub fn parse(text: &str) -> Result<Root, String> {
        let is_root = (1..=ROOT_CHARS_MAX).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let has_tail = text.ends_with(SERVICE) || text.ends_with(TRAINING);
        match (is_root, has_tail) {
            (true, false) => Ok(Root(text.to_owned())),
            (true, true) => Err(format!(
                "`{text}` already ends like a half; give the root alone, and `-training` and `-service` are added"
            )),
            (false, _) => Err(format!(
                "`{text}` cannot be the root of a pair: 1 to {ROOT_CHARS_MAX} lower-case letters, digits and `-`, first a letter"
            )),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Tail {
    /// Checks a tail. Errors: a sentence that says what would work.
    pub fn parse(text: &str) -> Result<Tail, String> {
        let is_tail = text.len() <= TAIL_CHARS_MAX
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if is_tail {
            Ok(Tail(text.to_owned()))
        } else {
            Err(format!(
                "`{text}` cannot follow a root: at most {TAIL_CHARS_MAX} lower-case letters, digits and `-`"
            ))
        }
    }

    /// The tail of a part.
    pub fn of(part: Part) -> Tail {
        Tail(part.tail().to_owned())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text of a quickstart with the new names in it, paths of files as well.
///
/// Takes the place of `<from>-training` and `<from>-service` where they stand as whole words, and of
/// Jenkins X's `REPLACE_ME_…`.
pub fn filled(text: &str, names: &Names<'_>) -> String {
    let mut text = text.to_owned();
    if !names.from.is_empty() && names.from != names.root.as_str() {
        for tail in [SERVICE, TRAINING] {
            let old = format!("{}{tail}", names.from);
            text = words_replaced(&text, &old, &format!("{}{tail}", names.root.as_str()));
        }
    }
    for (mark, value) in [
        ("REPLACE_ME_APP_NAME", names.name),
        ("REPLACE_ME_GIT_PROVIDER", names.host),
        ("REPLACE_ME_DOCKER_REGISTRY_ORG", names.owner),
        ("REPLACE_ME_ORG", names.owner),
    ] {
        if text.contains(mark) {
            text = text.replace(mark, &value.to_lowercase());
        }
    }
    text
}

/// Puts `new` in place of `old` where neither a letter, a digit, `-` nor `_` touches it.
fn words_replaced(text: &str, old: &str, new: &str) -> String {
    let joins = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(old) {
        let (before, from) = rest.split_at(at);
        let after = from.get(old.len()..).unwrap_or_default();
        // What was put out before counts as well: `old` may follow itself.
        let is_joined = before
            .chars()
            .next_back()
            .or_else(|| out.chars().next_back())
            .is_some_and(joins)
            || after.starts_with(joins);
        out.push_str(before);
        out.push_str(if is_joined { old } else { new });
        rest = after;
    }
    out.push_str(rest);
    out
}

/// `OWNERS_ALIASES` with the same aliases, each held by `person` alone; none where the text is no such file.
pub fn owned(aliases: &str, person: &Login) -> Option<String> {
    let file: Value = serde_saphyr::from_str(aliases).ok()?;
    let names = file.get("aliases")?.as_object()?;
    let mine: Map<String, Value> = names
        .keys()
        .map(|name| (name.clone(), Value::from(vec![person.as_str().to_owned()])))
        .collect();
    serde_saphyr::to_string(&serde_json::json!({ "aliases": mine })).ok()
}
