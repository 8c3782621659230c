//! Which contexts must be green that others report on a change, beside those that GitHub's rules of the branch require.

use crate::habits::Compatibility;
use crate::subject::pull::MERGE_CHECK;
use std::collections::BTreeSet;

/// What a merge queue says of a change as a whole, Tide's and that of another of our kind: it waits for all others, so
/// none of the others waits for it.
const SUMS: [&str; 2] = ["tide", MERGE_CHECK];

/// What a contract, or the server's file, says of contexts; each key has a default of its preset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contexts {
    /// These must be reported, and be green.
    pub required: Option<BTreeSet<String>>,
    /// These must be green where they are reported.
    pub if_present: Option<BTreeSet<String>>,
    /// These do not matter.
    pub optional: Option<BTreeSet<String>>,
    /// Whether all others that are reported must be green.
    pub unknown: Option<Unknown>,
}

/// What is done with a context that no list names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// It must be green.
    Require,
    /// It does not matter.
    Skip,
}

impl Unknown {
    /// Every one.
    pub const ALL: [Unknown; 2] = [Unknown::Require, Unknown::Skip];

    /// Its word in a contract.
    pub fn word(self) -> &'static str {
        match self {
            Unknown::Require => "require",
            Unknown::Skip => "skip",
        }
    }

    /// What holds where nobody says.
    pub fn preset(preset: Compatibility) -> Unknown {
        match preset {
            Compatibility::Own => Unknown::Skip,
            Compatibility::Prow => Unknown::Require,
        }
    }
}

impl Contexts {
    /// What one more place says, over this; a list replaces the list before.
    pub fn with(self, said: &Contexts) -> Contexts {
        Contexts {
            required: said.required.clone().or(self.required),
            if_present: said.if_present.clone().or(self.if_present),
            optional: said.optional.clone().or(self.optional),
            unknown: said.unknown.or(self.unknown),
        }
    }

    /// Names that must be reported.
    pub fn required(&self) -> impl Iterator<Item = &String> {
        self.required.iter().flatten()
    }

    /// Whether anything that is reported could matter.
    pub fn is_asking(&self, preset: Compatibility) -> bool {
        let has =
            |list: &Option<BTreeSet<String>>| list.as_ref().is_some_and(|all| !all.is_empty());
        has(&self.required) || has(&self.if_present) || self.unknown(preset) == Unknown::Require
    }

    /// Whether a context that was reported must be green. One that two places name differently must.
    pub fn must_be_green(&self, preset: Compatibility, name: &str) -> bool {
        let names =
            |list: &Option<BTreeSet<String>>| list.as_ref().is_some_and(|all| all.contains(name));
        if names(&self.required) || names(&self.if_present) {
            return true;
        }
        !names(&self.optional) && !SUMS.contains(&name) && self.unknown(preset) == Unknown::Require
    }

    fn unknown(&self, preset: Compatibility) -> Unknown {
        self.unknown.unwrap_or_else(|| Unknown::preset(preset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Compatibility::{Own, Prow};

    fn names(all: &[&str]) -> Option<BTreeSet<String>> {
        Some(all.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn a_name_is_looked_for_in_the_lists_and_then_the_preset_says() {
        let nothing = Contexts::default();
        let lists = Contexts {
            required: names(&["need"]),
            if_present: names(&["seen"]),
            optional: names(&["free", "need"]),
            unknown: None,
        };
        let with = |unknown| Contexts {
            unknown: Some(unknown),
            ..lists.clone()
        };
        for (contexts, preset, wanted) in [
            (nothing.clone(), Own, ""),
            (nothing, Prow, "need seen free other"),
            (lists.clone(), Own, "need seen"),
            (lists.clone(), Prow, "need seen other"),
            (with(Unknown::Require), Own, "need seen other"),
            (with(Unknown::Skip), Prow, "need seen"),
        ] {
            let all = ["need", "seen", "free", "other", "tide"];
            let found = all
                .into_iter()
                .filter(|name| contexts.must_be_green(preset, name));
            assert_eq!(found.collect::<Vec<_>>().join(" "), wanted, "{contexts:?}");
            assert_eq!(contexts.is_asking(preset), !wanted.is_empty());
        }
    }

    #[test]
    fn a_later_place_replaces_what_it_says_alone() {
        let first = Contexts {
            required: names(&["a"]),
            unknown: Some(Unknown::Skip),
            ..Contexts::default()
        };
        let second = Contexts {
            required: names(&[]),
            optional: names(&["b"]),
            ..Contexts::default()
        };
        let both = first.clone().with(&second);
        assert_eq!(both.required, names(&[]));
        assert_eq!(
            (both.optional, both.unknown),
            (names(&["b"]), Some(Unknown::Skip))
        );
        assert_eq!(first.clone().with(&Contexts::default()), first);
    }
}
