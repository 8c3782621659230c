//! How a repository wants its merges: by which method, what goes first, and what blocks a branch.

use crate::effect::MergeMethod;
use crate::habits::Compatibility;
use crate::name::BranchName;
use std::collections::BTreeSet;

/// What a contract, or the server's file, says of merges; each key has a default of its preset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wishes {
    /// How changes are merged that no label says otherwise of; a merge commit where absent.
    pub method: Option<MergeMethod>,
    /// Labels that go first, the most urgent first, in lower case.
    pub priority_labels: Option<Vec<String>>,
    /// An open issue with this label blocks merges, in lower case.
    pub blocker_label: Option<String>,
    /// Tests of a branch's pool under way at once, at most [`TESTS_MAX`]; with none, each change merges by its own checks.
    pub tests: Option<u32>,
    /// What is done where GitHub calls a change blocked that meets every rule here; tried where absent.
    pub blocked: Option<Blocked>,
}

/// What is done where GitHub calls a change blocked though every rule here is met.
///
/// A rule of the branch asks for more then, such as a review or a resolved conversation; GitHub refuses the merge, unless
/// the App may pass the rule by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Blocked {
    /// It waits.
    Block,
    /// It is merged if GitHub takes it, and that is said.
    #[default]
    Permit,
    /// The same, and nothing is said.
    Ignore,
}

impl Blocked {
    /// Every one.
    pub const ALL: [Blocked; 3] = [Blocked::Block, Blocked::Permit, Blocked::Ignore];

    /// Its word in a contract.
    pub fn word(self) -> &'static str {
        match self {
            Blocked::Block => "block",
            Blocked::Permit => "permit",
            Blocked::Ignore => "ignore",
        }
    }
}

/// Most tests of a pool at once.
pub const TESTS_MAX: u32 = 10;

/// Labels that block, where no contract names another.
pub const BLOCKER_LABELS: [&str; 2] = ["merge-blocker", "tide/merge-blocker"];

/// The label that goes first, where no contract names others.
const URGENT: &str = "priority/critical-urgent";

impl Wishes {
    /// What one more place says, over this.
    pub fn with(self, said: &Wishes) -> Wishes {
        Wishes {
            method: said.method.or(self.method),
            priority_labels: said.priority_labels.clone().or(self.priority_labels),
            blocker_label: said.blocker_label.clone().or(self.blocker_label),
            tests: said.tests.or(self.tests),
            blocked: said.blocked.or(self.blocked),
        }
    }

    /// The method for a change with these labels. Errors: the labels, where two ask for different ones.
    pub fn method(
        &self,
        preset: Compatibility,
        labels: &[String],
    ) -> Result<MergeMethod, Vec<String>> {
        let asked: BTreeSet<(MergeMethod, String)> = MergeMethod::ALL
            .into_iter()
            .map(|method| (method, method_label(preset, method)))
            .filter(|(_, wanted)| labels.iter().any(|label| label.to_lowercase() == *wanted))
            .collect();
        let mut asked = asked.into_iter();
        match (asked.next(), asked.next()) {
            (None, _) => Ok(self.method.unwrap_or_default()),
            (Some((method, _)), None) => Ok(method),
            (Some((_, first)), Some((_, second))) => Err([first, second]
                .into_iter()
                .chain(asked.map(|(_, label)| label))
                .collect()),
        }
    }

    /// Higher goes first.
    pub fn priority(&self, preset: Compatibility, labels: &[String]) -> u32 {
        let usual = match preset {
            Compatibility::Own => vec![URGENT.to_owned()],
            Compatibility::Prow => Vec::new(),
        };
        let urgent = self.priority_labels.as_ref().unwrap_or(&usual);
        let has = |wanted: &&String| labels.iter().any(|label| label.to_lowercase() == **wanted);
        let ranked = urgent.iter().rev().zip(1..);
        let mine = ranked.filter(|(label, _)| has(label)).map(|(_, rank)| rank);
        mine.max().unwrap_or_default()
    }

    /// The label of issues that block.
    pub fn blocker_label(&self, preset: Compatibility) -> &str {
        let [own, prow] = BLOCKER_LABELS;
        let usual = match preset {
            Compatibility::Own => own,
            Compatibility::Prow => prow,
        };
        self.blocker_label.as_deref().unwrap_or(usual)
    }
}

/// The label that asks for a method.
pub fn method_label(preset: Compatibility, method: MergeMethod) -> String {
    match preset {
        Compatibility::Own => format!("merge/{}", method.word()),
        Compatibility::Prow => format!("tide/merge-method-{}", method.word()),
    }
}

/// Whether an issue of this title blocks merges into a branch: `branch:x` in it narrows it to those that it names.
pub fn blocks(title: &str, branch: &BranchName) -> bool {
    let quotes = ['"', '\'', '`', ',', '.', ';', ')', ']'];
    let mut named = title
        .split_whitespace()
        .filter_map(|word| {
            word.trim_start_matches(['(', '[', '`', '"'])
                .strip_prefix("branch:")
        })
        .map(|name| name.trim_matches(quotes))
        .filter(|name| !name.is_empty())
        .peekable();
    named.peek().is_none() || named.any(|name| name == branch.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Said, Setting, chatops_of};
    use Compatibility::{Own, Prow};

    fn all(labels: &[&str]) -> Vec<String> {
        labels.iter().map(|label| (*label).to_owned()).collect()
    }

    #[test]
    fn a_label_goes_before_the_contract_and_two_are_none() {
        let none = Wishes::default();
        let squash = Wishes {
            method: Some(MergeMethod::Squash),
            ..Wishes::default()
        };
        for (wishes, preset, labels, wanted) in [
            (&none, Own, all(&["bug"]), Ok(MergeMethod::Merge)),
            (&squash, Own, all(&["bug"]), Ok(MergeMethod::Squash)),
            (
                &squash,
                Own,
                all(&["Merge/Rebase"]),
                Ok(MergeMethod::Rebase),
            ),
            (&squash, Own, all(&["merge/merge"]), Ok(MergeMethod::Merge)),
            (
                &squash,
                Own,
                all(&["tide/merge-method-rebase"]),
                Ok(MergeMethod::Squash),
            ),
            (
                &none,
                Prow,
                all(&["tide/merge-method-rebase"]),
                Ok(MergeMethod::Rebase),
            ),
            (&none, Prow, all(&["merge/squash"]), Ok(MergeMethod::Merge)),
            (
                &none,
                Own,
                all(&["merge/squash", "merge/rebase"]),
                Err(all(&["merge/squash", "merge/rebase"])),
            ),
        ] {
            assert_eq!(wishes.method(preset, &labels), wanted, "{labels:?}");
        }
    }

    #[test]
    fn a_pool_has_up_to_ten_tests_and_none_where_nobody_says() {
        for (said, wanted) in [
            (None, Some(None)),
            (Some("0"), Some(Some(0))),
            (Some("10"), Some(Some(10))),
            (Some("11"), None),
            (Some("-1"), None),
            (Some("many"), None),
        ] {
            let settings: Vec<Setting> = said
                .iter()
                .map(|text| Setting {
                    keys: vec!["merge_tests".to_owned()],
                    said: Said::One((*text).to_owned()),
                })
                .collect();
            let read = chatops_of(&settings).ok().map(|read| read.merges.tests);
            assert_eq!(read, wanted, "{said:?}");
        }
        let three = Wishes {
            tests: Some(3),
            ..Wishes::default()
        };
        assert_eq!(three.clone().with(&Wishes::default()).tests, Some(3));
        let none = Wishes {
            tests: Some(0),
            ..Wishes::default()
        };
        assert_eq!(three.with(&none).tests, Some(0));
    }

    #[test]
    fn urgent_labels_go_first_in_their_order() {
        let none = Wishes::default();
        assert_eq!(none.priority(Own, &all(&["Priority/Critical-Urgent"])), 1);
        assert_eq!(none.priority(Own, &all(&["priority/low"])), 0);
        assert_eq!(none.priority(Prow, &all(&["priority/critical-urgent"])), 0);
        let own = Wishes {
            priority_labels: Some(all(&["now", "soon"])),
            ..Wishes::default()
        };
        assert_eq!(own.priority(Prow, &all(&["soon"])), 1);
        assert_eq!(own.priority(Own, &all(&["soon", "now"])), 2);
        assert_eq!(own.priority(Own, &all(&["priority/critical-urgent"])), 0);
    }

    #[test]
    fn a_blocker_blocks_the_branches_that_its_title_names() {
        let main = BranchName::parse("main").unwrap();
        for (title, wanted) in [
            ("CI is down", true),
            ("CI is down branch:main", true),
            ("CI is down branch:dev", false),
            ("CI is down (branch:dev, branch:main)", true),
            ("branch:\"main\" is broken", true),
            ("`branch:main` is broken", true),
            ("branch: main", true),
            ("branch:maintenance", false),
        ] {
            assert_eq!(blocks(title, &main), wanted, "{title}");
        }
    }
}
