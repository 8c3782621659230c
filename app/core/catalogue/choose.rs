//! Choosing: filters as people type them, and the one entry that is meant.

use super::{Entry, Part};

/// Names that a refusal lists at most.
const LISTED_MAX: usize = 12;

/// What somebody wants of the catalogue; what is not given does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// Part of `owner/name` or of the framework; a whole name means that entry alone.
    pub text: Option<String>,
    /// Who offers it, whole.
    pub owner: Option<String>,
    /// The programming language, whole.
    pub language: Option<String>,
    /// The framework, whole.
    pub framework: Option<String>,
}

/// Why no entry, or more than one, is meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unclear {
    /// Nothing fits.
    #[error("no quickstart fits; there are: {}", listing(.0))]
    Nothing(Vec<String>),
    /// Several fit, not only a set and its halves.
    #[error("more than one quickstart fits; write one of these names: {}", listing(.0))]
    Several(Vec<String>),
}

fn listing(names: &[String]) -> String {
    let mut text = names
        .iter()
        .take(LISTED_MAX)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > LISTED_MAX {
        text.push_str(&format!(" and {} more", names.len() - LISTED_MAX));
    }
    text
}

fn holds(text: &str, part: &str) -> bool {
    text.to_lowercase().contains(&part.to_lowercase())
}

fn is(wanted: Option<&String>, seen: &str) -> bool {
    wanted.is_none_or(|wanted| wanted.eq_ignore_ascii_case(seen))
}

impl Wish {
    fn fits(&self, entry: &Entry) -> bool {
        let by_text = self.text.as_ref().is_none_or(|text| {
            holds(&format!("{}/{}", entry.owner, entry.name), text) || holds(&entry.framework, text)
        });
        by_text
            && is(self.owner.as_ref(), &entry.owner)
            && is(self.language.as_ref(), &entry.language)
            && is(self.framework.as_ref(), &entry.framework)
    }
}

/// What fits, by set, and each set before its halves; a name that is given whole leaves that entry alone.
pub fn listed<'e>(entries: &'e [Entry], wish: &Wish) -> Vec<&'e Entry> {
    let mut found: Vec<&Entry> = entries.iter().filter(|entry| wish.fits(entry)).collect();
    if let Some(text) = &wish.text {
        let same = |entry: &&Entry| entry.name.eq_ignore_ascii_case(text);
        if found.iter().any(same) {
            found.retain(same);
        }
    }
    found.sort_by_key(|entry| (set_of(entry), entry.owner.clone(), entry.part));
    found
}

fn set_of(entry: &Entry) -> String {
    let name = entry.name.to_lowercase();
    name.strip_suffix(entry.part.tail())
        .unwrap_or(&name)
        .to_owned()
}

/// The one entry that is meant without asking: the only one, or the set when its own halves are all else that fits.
///
/// Errors: nothing fits, or several do; both name what would work.
pub fn only<'e>(entries: &'e [Entry], wish: &Wish) -> Result<&'e Entry, Unclear> {
    let names = |found: &[&Entry]| -> Vec<String> {
        let sets = found.iter().filter(|entry| entry.part == Part::Set);
        let sets: Vec<String> = sets.map(|entry| entry.name.clone()).collect();
        if sets.is_empty() {
            found.iter().map(|entry| entry.name.clone()).collect()
        } else {
            sets
        }
    };
    let found = listed(entries, wish);
    match found.as_slice() {
        [] => Err(Unclear::Nothing(names(&listed(entries, &Wish::default())))),
        [first, rest @ ..]
            if rest.is_empty()
                || (first.part == Part::Set
                    && rest.iter().all(|entry| {
                        set_of(entry) == set_of(first) && entry.owner == first.owner
                    })) =>
        {
            Ok(first)
        }
        several => Err(Unclear::Several(names(several))),
    }
}
