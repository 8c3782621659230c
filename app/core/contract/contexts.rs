//! Reads which contexts of others must be green: `chatops.contexts`.

use super::reader::{Fields, Problems, checked, each, list};
use super::tree::{Node, shown};
use crate::contexts::{Contexts, Unknown};
use std::collections::BTreeSet;

pub(crate) const CONTEXTS_KEYS: [&str; 4] =
    ["required", "required_if_present", "optional", "unknown"];

/// Those of them that are lists.
pub(super) const LISTS: [&str; 3] = ["required", "required_if_present", "optional"];

/// Most names of one list.
const NAMES_MAX: usize = 100;
/// GitHub's limit of a status's name. Units: characters.
const NAME_CHARS_MAX: usize = 255;

pub(super) fn contexts(node: &Node, problems: &mut Problems) -> Contexts {
    let Some(fields) = Fields::of(node, "`contexts`", &CONTEXTS_KEYS, problems) else {
        return Contexts::default();
    };
    let word = |text: &str| {
        let found = Unknown::ALL.into_iter().find(|one| one.word() == text);
        found.ok_or_else(|| format!("`{}` is neither `require` nor `skip`", shown(text)))
    };
    let mut seen = BTreeSet::new();
    let [required, if_present, optional] = LISTS.map(|key| {
        let node = fields.get(key)?;
        let items = list(node, &format!("`{key}`"), NAMES_MAX, problems)?;
        let names = each(items, |one| {
            let name = checked(one, "a context", name, problems)?;
            if seen.contains(&name) {
                let twice = format!(
                    "the context `{}` stands in another list too; leave it in one",
                    shown(&name)
                );
                problems.add(one.at, twice);
            }
            Some(name)
        });
        let names: BTreeSet<String> = names.into_iter().collect();
        seen.extend(names.iter().cloned());
        Some(names)
    });
    Contexts {
        required,
        if_present,
        optional,
        unknown: fields
            .get("unknown")
            .and_then(|node| checked(node, "`unknown`", word, problems)),
    }
}

fn name(text: &str) -> Result<String, String> {
    let is_good =
        (1..=NAME_CHARS_MAX).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    is_good.then(|| text.to_owned()).ok_or_else(|| {
        format!("must have 1 to {NAME_CHARS_MAX} characters, none of them a control character")
    })
}
