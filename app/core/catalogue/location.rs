//! Locations: whose repositories are offered beside the quickstarts of this program.

use super::{Entry, Made, Part, Source, Tail};
use crate::name::RepoName;
use serde::{Deserialize, Serialize};

/// What is offered where a location does not say.
const INCLUDES: &str = "ML-*";
/// What is left out where a location does not say: work in progress.
const EXCLUDES: &str = "WIP-*";
/// Patterns that a location may give, of each kind.
const PATTERNS_MAX: usize = 50;
/// Longest pattern. Units: bytes.
const PATTERN_BYTES_MAX: usize = 100;

/// Locations that are kept for one person or team.
pub const LOCATIONS_MAX: usize = 100;

/// Whose repositories are offered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Location {
    /// The server, such as `https://github.com`; empty for the one that the person works with.
    #[serde(default)]
    pub url: String,
    /// The organisation or person.
    pub owner: String,
    /// Names that are offered; `*` stands for any text.
    #[serde(default)]
    pub includes: Vec<String>,
    /// Names that are left out of these.
    #[serde(default)]
    pub excludes: Vec<String>,
}

/// A repository as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// Its full name.
    pub name: RepoName,
    /// Its main language; empty where the server does not know.
    pub language: String,
    /// Its description; empty where it has none.
    pub about: String,
}

impl Location {
    /// All of an owner that is offered where nothing else is said; an empty `url` is the person's own server.
    pub fn of(url: &str, owner: &str) -> Location {
        Location {
            url: url.to_owned(),
            owner: owner.to_owned(),
            includes: Vec::new(),
            excludes: Vec::new(),
        }
    }

    /// Whether both mean the repositories of the same owner on the same server.
    pub fn is_same(&self, other: &Location) -> bool {
        self.url == other.url && self.owner.eq_ignore_ascii_case(&other.owner)
    }

    /// Checks and completes what somebody gave. Errors: a sentence that says what is wrong.
    pub fn checked(mut self) -> Result<Location, String> {
        if RepoName::parse(&format!("{}/x", self.owner)).is_err() {
            return Err(format!(
                "`{}` is no owner of repositories: give the name of an organisation or person",
                self.owner
            ));
        }
        let is_address = ["https://", "http://"]
            .iter()
            .any(|scheme| self.url.starts_with(scheme));
        if !self.url.is_empty() && !is_address {
            return Err(format!(
                "`{}` is no address: write it like https://github.com",
                self.url
            ));
        }
        self.url = self.url.trim_end_matches('/').to_lowercase();
        for patterns in [&self.includes, &self.excludes] {
            if patterns.len() > PATTERNS_MAX
                || patterns
                    .iter()
                    .any(|pattern| pattern.is_empty() || pattern.len() > PATTERN_BYTES_MAX)
            {
                return Err(format!(
                    "give at most {PATTERNS_MAX} patterns of 1 to {PATTERN_BYTES_MAX} characters, such as `ML-*`"
                ));
            }
        }
        Ok(self)
    }

    /// Whether a repository of this name is offered.
    pub fn offers(&self, name: &str) -> bool {
        let any = |patterns: &[String], default: &str| {
            if patterns.is_empty() {
                matches(default, name)
            } else {
                patterns.iter().any(|pattern| matches(pattern, name))
            }
        };
        any(&self.includes, INCLUDES) && !any(&self.excludes, EXCLUDES)
    }
}

/// Whether `*` of a pattern can stand for text such that the whole name is met; case does not matter.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.to_lowercase(), name.to_lowercase());
    let Some((head, tail)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut rest) = name.strip_prefix(head) else {
        return false;
    };
    let mut pieces: Vec<&str> = tail.split('*').collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        match rest.find(piece) {
            Some(at) => rest = rest.get(at + piece.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// The entries that a location's repositories make; a repository named by the root alone is a set.
pub fn sets(location: &Location, seen: &[Sight]) -> Vec<Entry> {
    seen.iter()
        .filter(|sight| location.offers(sight.name.name()))
        .map(|sight| {
            let name = sight.name.name();
            let part = Part::of(name);
            let root = name.strip_suffix(part.tail()).unwrap_or(name);
            // The name's order is the lint's: ML, language, framework, …, hardware.
            let words: Vec<&str> = root.split('-').collect();
            let word = |at: usize| words.get(at).copied().unwrap_or_default().to_lowercase();
            let hardware = words.last().map(|word| word.to_lowercase());
            Entry {
                name: name.to_owned(),
                part,
                owner: sight.name.owner().to_owned(),
                server: location.url.clone(),
                language: if sight.language.is_empty() {
                    word(1)
                } else {
                    sight.language.to_lowercase()
                },
                framework: word(2),
                hardware: hardware
                    .filter(|word| ["cpu", "gpu"].contains(&word.as_str()))
                    .unwrap_or_default(),
                about: sight.about.clone(),
                download: String::new(),
                root: String::new(),
                makes: match part {
                    Part::Set => Vec::new(),
                    half => vec![Made {
                        tail: Tail::of(half),
                        source: Source::Repository {
                            server: location.url.clone(),
                            name: sight.name.clone(),
                        },
                    }],
                },
            }
        })
        .collect()
}
