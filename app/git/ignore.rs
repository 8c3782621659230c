//! Ignore files in the manner of `.gitignore`: later lines win, `!` takes back, a directory left out takes all below it along.
//!
//! Lines become regular expressions that run in linear time, since a repository may be anybody's.
//! Source: gitignore(5), git 2.39.

use bowsprit_core::text::without_mark;
use regex::Regex;

/// Longest ignore file that is read. Units: bytes.
pub(crate) const IGNORE_BYTES_MAX: usize = 64 << 10;

/// Lines that count, at most.
const LINES_MAX: usize = 500;

/// Longest line that counts. Units: bytes.
const LINE_BYTES_MAX: usize = 400;

/// The rules of one ignore file, or of several one after another.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    shape: Regex,
    is_negated: bool,
    only_directories: bool,
}

impl Rules {
    /// Reads rules; a line that makes no sense is as good as none, as with git.
    pub(crate) fn parse(text: &str) -> Rules {
        let rules = without_mark(text)
            .lines()
            .filter_map(rule)
            .take(LINES_MAX)
            .collect();
        Rules { rules }
    }

    /// Whether the path itself is left out; whether a directory above it is, the walk knows.
    pub(crate) fn is_ignored(&self, path: &str, is_directory: bool) -> bool {
        let fits =
            |rule: &&Rule| (is_directory || !rule.only_directories) && rule.shape.is_match(path);
        self.rules
            .iter()
            .rev()
            .find(fits)
            .is_some_and(|rule| !rule.is_negated)
    }
}

fn rule(line: &str) -> Option<Rule> {
    let line = line.trim_end_matches('\r');
    if line.starts_with('#') || line.len() > LINE_BYTES_MAX {
        return None;
    }
    let line = without_trailing_space(line);
    let (is_negated, line) = match line.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let (only_directories, line) = match line.strip_suffix('/') {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    if line.is_empty() {
        return None;
    }
    let is_anchored = line.contains('/');
    let line = line.strip_prefix('/').unwrap_or(line);
    let start = if is_anchored { "" } else { "(?:.*/)?" };
    let shape = Regex::new(&format!("(?s)^{start}{}$", shape(line))).ok()?;
    Some(Rule {
        shape,
        is_negated,
        only_directories,
    })
}

/// Spaces at the end do not count unless a backslash stands before them.
fn without_trailing_space(line: &str) -> &str {
    let trimmed = line.trim_end_matches(' ');
    match trimmed.ends_with('\\') && trimmed.len() < line.len() {
        true => &line[..trimmed.len() + 1],
        false => trimmed,
    }
}

fn shape(pattern: &str) -> String {
    let chars: Vec<char> = pattern.chars().collect();
    let mut out = String::new();
    let mut at = 0;
    while let Some(c) = chars.get(at) {
        let rest = chars.get(at..).unwrap_or_default();
        let is_segment_start = at == 0 || chars.get(at - 1) == Some(&'/');
        at += match c {
            '*' if is_segment_start && rest.starts_with(&['*', '*', '/']) => {
                out.push_str("(?:.*/)?");
                3
            }
            '*' if is_segment_start && rest == ['*', '*'] => {
                out.push_str(".+");
                2
            }
            '*' => {
                out.push_str("[^/]*");
                rest.iter().take_while(|c| **c == '*').count()
            }
            '?' => {
                out.push_str("[^/]");
                1
            }
            '[' => class(rest, &mut out),
            '\\' => {
                out.push_str(&regex::escape(
                    &rest.get(1).copied().unwrap_or('\\').to_string(),
                ));
                2
            }
            c => {
                out.push_str(&regex::escape(&c.to_string()));
                1
            }
        };
    }
    out
}

/// A character class; gives the characters taken. One that does not end is a plain bracket.
fn class(rest: &[char], out: &mut String) -> usize {
    let is_negated = matches!(rest.get(1), Some('!' | '^'));
    let first = if is_negated { 2 } else { 1 };
    // A closing bracket right at the start is a member.
    let end = (first + 1..rest.len()).find(|at| rest.get(*at) == Some(&']'));
    let Some(end) = end else {
        out.push_str("\\[");
        return 1;
    };
    out.push_str(if is_negated { "[^/" } else { "[" });
    let members = rest.get(first..end).unwrap_or_default();
    for (at, c) in members.iter().enumerate() {
        match c {
            '-' if at > 0 && at + 1 < members.len() => out.push('-'),
            c if c.is_alphanumeric() => out.push(*c),
            c => out.push_str(&format!("\\x{{{:x}}}", u32::from(*c))),
        }
    }
    out.push(']');
    end + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rules: &str, path: &str, want: bool) {
        let is_directory = path.ends_with('/');
        let got = Rules::parse(rules).is_ignored(path.trim_end_matches('/'), is_directory);
        assert_eq!(got, want, "{rules:?} {path}");
    }

    #[test]
    fn patterns_mean_what_git_says() {
        check("*.log", "a/b.log", true);
        check("\u{feff}*.log", "a/b.log", true);
        check("/*.log", "a/b.log", false);
        check("/*.log", "b.log", true);
        check("build/", "build/", true);
        check("build/", "build", false);
        check("build/", "a/build/", true);
        check("a/b", "a/b", true);
        check("a/b", "x/a/b", false);
        check("**/b", "x/a/b", true);
        check("a/**", "a/x/y", true);
        check("a/**", "a/", false);
        check("a/**/b", "a/b", true);
        check("a/**/b", "a/x/y/b", true);
        check("*.log\n!keep.log", "keep.log", false);
        check("!keep.log\n*.log", "keep.log", true);
        check("# x\n\n", "x", false);
        check("\\#x", "#x", true);
        check("[ab].txt", "b.txt", true);
        check("[!ab].txt", "b.txt", false);
        check("[a-c]x", "bx", true);
        check("[", "[", true);
        check("a?c", "abc", true);
        check("a?c", "a/c", false);
        check("x ", "x", true);
        check("x\\ ", "x ", true);
        check("foo.bar", "fooxbar", false);
        check("(a+)+$", "aaaa", false);
    }
}
