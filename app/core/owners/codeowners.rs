//! GitHub's `CODEOWNERS`: who agrees to a file where a repository has no OWNERS.
//!
//! The last line whose pattern fits a file counts. Teams and mail addresses cannot be told here from their members:
//! where a line names one, everybody who may write stands for it.
//! Source: "About code owners" (docs.github.com, 2026-11).

use super::{FILE_BYTES_MAX, PATTERNS_MAX, lower};
use crate::contract::regex_within_limits;
use crate::name::{Login, RepoPath};
use regex::Regex;
use std::collections::BTreeSet;

/// The lines of the file that can be read, in their order.
#[derive(Debug, Clone, Default)]
pub struct CodeOwners {
    lines: Vec<(Regex, CodeOwner)>,
}

/// Who agrees to a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CodeOwner {
    /// People, in lower case.
    pub people: BTreeSet<Login>,
    /// Whether a team or a mail address is named beside them.
    pub has_others: bool,
}

impl CodeOwners {
    /// Reads the file; lines that cannot be read are left out, as GitHub leaves them out.
    pub fn parse(text: &str) -> CodeOwners {
        if text.len() > FILE_BYTES_MAX {
            return CodeOwners::default();
        }
        let lines = text.lines().filter_map(line).take(PATTERNS_MAX);
        CodeOwners {
            lines: lines.collect(),
        }
    }

    /// Whether the person, in lower case, is named anywhere.
    pub fn names(&self, login: &Login) -> bool {
        self.lines
            .iter()
            .any(|(_, owner)| owner.people.contains(login))
    }

    /// Whether no line could be read.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Who agrees to the file; `None` where no line says so.
    pub fn of(&self, path: &RepoPath) -> Option<&CodeOwner> {
        let mut last_first = self.lines.iter().rev();
        let found = last_first.find(|(pattern, _)| pattern.is_match(path.as_str()));
        let owner = found.map(|(_, owner)| owner);
        owner.filter(|owner| owner.has_others || !owner.people.is_empty())
    }
}

fn line(text: &str) -> Option<(Regex, CodeOwner)> {
    let text = text.split('#').next().unwrap_or_default();
    let mut words = text.split_whitespace();
    let pattern = regex_within_limits(&pattern(words.next()?)).ok()?;
    let mut owner = CodeOwner::default();
    for word in words {
        let person = word.strip_prefix('@').filter(|name| !name.contains('/'));
        match person.and_then(lower) {
            Some(login) => {
                owner.people.insert(login);
            }
            None => owner.has_others = true,
        }
    }
    Some((pattern, owner))
}

/// The pattern as a regular expression: as in `.gitignore`, but `docs/*` means the files in that folder only.
fn pattern(glob: &str) -> String {
    let is_folder = glob.ends_with('/');
    let body = glob.trim_end_matches('/');
    let is_rooted = body.contains('/');
    let body = body.trim_start_matches('/');
    let mut out = String::from(if is_rooted { "^" } else { "^(?:.*/)?" });
    let mut rest = body;
    while let Some(first) = rest.chars().next() {
        let (text, bytes) = if rest.starts_with("**/") {
            ("(?:.*/)?".to_owned(), 3)
        } else if rest.starts_with("**") {
            (".*".to_owned(), 2)
        } else if first == '*' {
            ("[^/]*".to_owned(), 1)
        } else if first == '?' {
            ("[^/]".to_owned(), 1)
        } else {
            (regex::escape(&first.to_string()), first.len_utf8())
        };
        out.push_str(&text);
        rest = rest.get(bytes..).unwrap_or_default();
    }
    let is_files_only = is_rooted && body.ends_with("/*");
    out.push_str(if is_folder {
        "/"
    } else if is_files_only {
        "$"
    } else {
        "(?:/|$)"
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, path: &str) -> String {
        let path = RepoPath::parse(path).unwrap();
        let owners = CodeOwners::parse(text);
        let Some(owner) = owners.of(&path) else {
            return "-".to_owned();
        };
        let mut names: Vec<String> = owner.people.iter().map(ToString::to_string).collect();
        names.extend(owner.has_others.then(|| "others".to_owned()));
        names.join(" ")
    }

    #[test]
    fn patterns_fit_as_github_says() {
        for (glob, fits, not) in [
            ("*", "a/b", ""),
            ("*.js", "a/b.js", "a/b.jsx"),
            ("/build/logs/", "build/logs/a/b", "x/build/logs/a"),
            ("docs/*", "docs/a.md", "docs/deep/a.md"),
            ("apps/", "x/apps/a", "apps"),
            ("/docs/", "docs/a", "x/docs/a"),
            ("/scripts/", "scripts/a", "scripts.py"),
            ("**/logs", "deep/build/logs/a", "logs.txt"),
            ("/a/**/z", "a/b/c/z", "b/z"),
            ("a?c", "abc", "a/c"),
            ("a.c", "a.c", "abc"),
        ] {
            let text = format!("{glob} @Ada");
            assert_eq!(of(&text, fits), "ada", "{glob} {fits}");
            if !not.is_empty() {
                assert_eq!(of(&text, not), "-", "{glob} {not}");
            }
        }
    }

    #[test]
    fn the_last_line_counts_and_one_without_people_frees() {
        let text = "# all\n* @ada @o/team\n/docs/ @bea x@y.org # words\n/docs/free/\n!bad[ @eve\n";
        assert_eq!(of(text, "a"), "ada others");
        assert_eq!(of(text, "docs/a"), "bea others");
        assert_eq!(of(text, "docs/free/a"), "-");
        assert_eq!(of("", "a"), "-");
        assert_eq!(of(&"* @ada\n".repeat(20_000), "a"), "-", "too long");
    }
}
