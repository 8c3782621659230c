//! GitHub's `CODEOWNERS`: who agrees to a file where a repository has no OWNERS.
//!
//! The last line whose pattern fits a file counts. Teams and mail addresses cannot be told here from their members:
//! where a line names one, everybody who may write stands for it.
//! Source: "About code owners" (docs.github.com, 2026-11).

use super::lower;
use crate::name::{Login, RepoPath};
use crate::text::without_mark;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Largest file, as at GitHub. Units: bytes.
pub const BYTES_MAX: usize = 3 << 20;
/// Most lines that name a pattern.
pub(super) const LINES_MAX: usize = 10_000;
/// Longest pattern; no path of git is longer. Units: bytes.
const PATTERN_BYTES_MAX: usize = 4_096;

/// The lines of the file, in their order; they are shared, as each question about them has a copy.
#[derive(Debug, Clone, Default)]
pub struct CodeOwners {
    lines: Arc<[(Pattern, CodeOwner)]>,
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
    /// Reads the file. Errors: a line, from 1, from which on it is not read, and why; the last line counts, so what is not
    /// read could name other people than what is.
    pub fn parse(text: &str) -> Result<CodeOwners, (u32, String)> {
        if text.len() > BYTES_MAX {
            return Err((1, format!("it is larger than {BYTES_MAX} bytes")));
        }
        let mut lines = Vec::new();
        for (number, text) in (1..).zip(without_mark(text).lines()) {
            let Some((glob, owner)) = line(text) else {
                continue;
            };
            if lines.len() >= LINES_MAX {
                return Err((number, format!("it has more than {LINES_MAX} patterns")));
            }
            if glob.len() > PATTERN_BYTES_MAX {
                let why = format!("a pattern is longer than {PATTERN_BYTES_MAX} bytes");
                return Err((number, why));
            }
            lines.push((Pattern::of(glob), owner));
        }
        let lines = lines.into();
        Ok(CodeOwners { lines })
    }

    /// Whether the person, in lower case, is named anywhere.
    pub fn names(&self, login: &Login) -> bool {
        self.lines
            .iter()
            .any(|(_, owner)| owner.people.contains(login))
    }

    /// Whether it names no pattern.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Who agrees to the file; `None` where no line says so.
    pub fn of(&self, path: &RepoPath) -> Option<&CodeOwner> {
        let mut last_first = self.lines.iter().rev();
        let found = last_first.find(|(pattern, _)| pattern.fits(path.as_str()));
        let owner = found.map(|(_, owner)| owner);
        owner.filter(|owner| owner.has_others || !owner.people.is_empty())
    }
}

fn line(text: &str) -> Option<(&str, CodeOwner)> {
    let text = text.split('#').next().unwrap_or_default();
    let mut words = text.split_whitespace();
    let glob = words.next()?;
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
    Some((glob, owner))
}

/// A pattern as in `.gitignore`, but `docs/*` means the files in that folder only.
///
/// It is walked and not compiled: of ten thousand compiled ones each would take more memory than all of the file.
#[derive(Debug, Clone)]
struct Pattern {
    parts: Box<[Part]>,
    end: End,
}

/// What a part of a pattern stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// This character.
    One(char),
    /// Any character of a name.
    Any,
    /// Any characters of a name, or none.
    Name,
    /// Any characters, or none.
    Path,
    /// Folders from the top of what is left, or none.
    Folders,
}

/// What may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Nothing.
    Here,
    /// More of the path below.
    Below,
    /// Nothing, or more of the path below.
    Both,
}

/// A part that can take more, and what it has left so far.
type Taken<'a> = (usize, &'a str);

impl Pattern {
    fn of(glob: &str) -> Pattern {
        let is_folder = glob.ends_with('/');
        let body = glob.trim_end_matches('/');
        let is_rooted = body.contains('/');
        let body = body.trim_start_matches('/');
        let mut parts = Vec::new();
        if !is_rooted {
            parts.push(Part::Folders);
        }
        let mut rest = body;
        let mut is_at_start = true;
        while let Some(first) = rest.chars().next() {
            let (part, bytes) = match first {
                '*' if is_at_start && rest.starts_with("**/") => (Part::Folders, 3),
                '*' if is_at_start && rest == "**" => (Part::Path, 2),
                // More of them beside a name are one.
                '*' => (Part::Name, rest.len() - rest.trim_start_matches('*').len()),
                '?' => (Part::Any, 1),
                other => (Part::One(other), other.len_utf8()),
            };
            is_at_start = matches!(part, Part::Folders | Part::One('/'));
            parts.push(part);
            rest = rest.get(bytes..).unwrap_or_default();
        }
        let is_files_only = is_rooted && (body == "*" || body.ends_with("/*"));
        Pattern {
            parts: parts.into(),
            end: match (is_folder, is_files_only) {
                (true, _) => End::Below,
                (false, true) => End::Here,
                (false, false) => End::Both,
            },
        }
    }

    /// Whether it fits a path. Each part takes as little as it can; where the rest does not fit then, the last one that can
    /// take more does. A part that takes folders is reached at their start, so that those before it need not take more.
    fn fits<'a>(&self, path: &'a str) -> bool {
        let (mut at, mut rest) = (0, path);
        let (mut name, mut wide): (Option<Taken<'a>>, Option<Taken<'a>>) = (None, None);
        loop {
            match self.parts.get(at) {
                Some(Part::Name) => {
                    name = Some((at, rest));
                    at += 1;
                    continue;
                }
                Some(Part::Path | Part::Folders) => {
                    (name, wide) = (None, Some((at, rest)));
                    at += 1;
                    continue;
                }
                Some(part @ (Part::One(_) | Part::Any)) => {
                    let mut chars = rest.chars();
                    if chars.next().is_some_and(|c| part.takes(c)) {
                        (at, rest) = (at + 1, chars.as_str());
                        continue;
                    }
                }
                None if self.end.is_at(rest) => return true,
                None => {}
            }
            let longer = |(from, rest): Taken<'a>| {
                let left = rest.strip_prefix(|c| Part::Any.takes(c))?;
                Some((from, left))
            };
            if let Some((from, left)) = name.and_then(longer) {
                (at, rest, name) = (from + 1, left, Some((from, left)));
                continue;
            }
            let wider = |(from, rest): Taken<'a>| {
                let left = match self.parts.get(from) {
                    Some(Part::Folders) => rest.split_once('/')?.1,
                    Some(_) | None => rest.strip_prefix(|_| true)?,
                };
                Some((from, left))
            };
            let Some((from, left)) = wide.and_then(wider) else {
                return false;
            };
            (at, rest, name, wide) = (from + 1, left, None, Some((from, left)));
        }
    }
}

impl Part {
    /// Whether it is for one character, and this is one.
    fn takes(self, c: char) -> bool {
        match self {
            Part::One(one) => one == c,
            Part::Any => c != '/',
            Part::Name | Part::Path | Part::Folders => false,
        }
    }
}

impl End {
    fn is_at(self, rest: &str) -> bool {
        match self {
            End::Here => rest.is_empty(),
            End::Below => rest.starts_with('/'),
            End::Both => rest.is_empty() || rest.starts_with('/'),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use regex::Regex;

    fn of(text: &str, path: &str) -> String {
        let path = RepoPath::parse(path).unwrap();
        let owners = CodeOwners::parse(text).unwrap();
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
            ("/*", "a", "a/b"),
            ("/a/**/z", "a/z", "az"),
            ("/a/**", "a/b/c", "a"),
            ("**", "a/b", ""),
            ("a**b", "x/a-b/c", "a/b"),
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
        // A mark before the first line is no part of its pattern.
        assert_eq!(of("\u{feff}*.md @ada\n", "a.md"), "ada");
    }

    #[test]
    fn beyond_a_limit_nothing_is_read() {
        let lines = |count: usize| "* @ada\n".repeat(count);
        let long = |bytes: usize| format!("{} @ada", "a".repeat(bytes));
        let padded = |bytes: usize| format!("* @ada\n{}", "#".repeat(bytes - 7));
        for (text, want) in [
            (lines(LINES_MAX), None),
            (lines(LINES_MAX) + "# no pattern\n\n", None),
            (lines(LINES_MAX + 1), Some(LINES_MAX + 1)),
            (long(PATTERN_BYTES_MAX), None),
            (lines(2) + &long(PATTERN_BYTES_MAX + 1), Some(3)),
            (padded(BYTES_MAX), None),
            (padded(BYTES_MAX + 1), Some(1)),
        ] {
            let read = CodeOwners::parse(&text).err();
            let line = read.map(|(line, _)| line as usize);
            assert_eq!(line, want, "{} bytes", text.len());
        }
    }

    /// The same pattern as a regular expression.
    fn expression(glob: &str) -> Regex {
        let body = glob.trim_end_matches('/');
        let is_rooted = body.contains('/');
        let body = body.trim_start_matches('/');
        let mut out = String::from(if is_rooted { "^" } else { "^(?:.*/)?" });
        let names: Vec<&str> = body.split('/').collect();
        for (at, name) in names.iter().enumerate() {
            let is_last = at + 1 == names.len();
            if *name == "**" {
                out += if is_last { ".*" } else { "(?:.*/)?" };
                continue;
            }
            for c in name.chars() {
                match c {
                    '*' => out += "[^/]*",
                    '?' => out += "[^/]",
                    other => out += &regex::escape(&other.to_string()),
                }
            }
            out += if is_last { "" } else { "/" };
        }
        out += match (
            glob.ends_with('/'),
            is_rooted && (body == "*" || body.ends_with("/*")),
        ) {
            (true, _) => "/",
            (false, true) => "$",
            (false, false) => "(?:/|$)",
        };
        Regex::new(&out).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_pattern_fits_as_its_regular_expression_does(
            glob in "/?([ab?*]|/[ab]|/\\*\\*/){1,6}/?",
            path in "[ab]{1,3}(/[ab]{1,3}){0,3}",
        ) {
            let fits = Pattern::of(&glob).fits(&path);
            prop_assert_eq!(fits, expression(&glob).is_match(&path), "{} {}", glob, path);
        }
    }
}
