//! Path patterns: `*` within one part of a path, `**` across parts, `?` one character.

use crate::name::RepoPath;
use regex::{Regex, RegexBuilder};

/// Longest pattern. Units: bytes.
const PATTERN_BYTES_MAX: usize = 200;
/// Most memory that a compiled pattern may take. Units: bytes.
const COMPILED_BYTES_MAX: usize = 1 << 18;

/// Patterns of a contract, ready to match.
#[derive(Debug)]
pub struct Globs(Vec<Regex>);

impl Globs {
    /// Those of these texts that are patterns: a contract with another one was refused.
    pub fn of(globs: &[String]) -> Globs {
        Globs(globs.iter().filter_map(|glob| compile(glob).ok()).collect())
    }

    /// Whether one of them matches the whole of `path`.
    pub fn any_matches(&self, path: &RepoPath) -> bool {
        self.0.iter().any(|glob| glob.is_match(path.as_str()))
    }

    /// Whether every path is matched by one of them; no paths are never all matched.
    pub fn all_match(&self, paths: &[RepoPath]) -> bool {
        !paths.is_empty() && paths.iter().all(|path| self.any_matches(path))
    }
}

/// The pattern as a regular expression. A trailing slash means everything in the folder.
///
/// Errors: a phrase that says what is wrong.
pub(crate) fn compile(glob: &str) -> Result<Regex, String> {
    if glob.is_empty() || glob.starts_with('/') {
        return Err(
            "write a path pattern such as `docs/**` or `**.md`, relative to the repository"
                .to_owned(),
        );
    }
    if let Some(wrong) = glob.chars().find(|c| "[]{}!\\".contains(*c)) {
        return Err(format!(
            "`{wrong}` has no meaning in a path pattern; `*`, `**` and `?` have"
        ));
    }
    let mut pattern = String::from("^");
    let mut rest = glob;
    while let Some(first) = rest.chars().next() {
        let taken = if rest.starts_with("**/") {
            pattern.push_str("(?:.*/)?");
            3
        } else if rest.starts_with("**") {
            pattern.push_str(".*");
            2
        } else {
            match first {
                '*' => pattern.push_str("[^/]*"),
                '?' => pattern.push_str("[^/]"),
                plain => pattern.push_str(&regex::escape(plain.encode_utf8(&mut [0; 4]))),
            }
            first.len_utf8()
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    pattern.push_str(if glob.ends_with('/') { ".*$" } else { "$" });
    regex_within_limits(&pattern)
}

/// A regular expression that is short and compiles to little.
///
/// Errors: a phrase that says what is wrong.
pub(crate) fn regex_within_limits(pattern: &str) -> Result<Regex, String> {
    if pattern.is_empty() || pattern.len() > PATTERN_BYTES_MAX * 4 {
        return Err(format!("a pattern has 1 to {PATTERN_BYTES_MAX} characters"));
    }
    RegexBuilder::new(pattern)
        .size_limit(COMPILED_BYTES_MAX)
        .build()
        .map_err(|error| {
            // The library draws the pattern over several lines; the last line is the sentence.
            let text = error.to_string();
            let reason = text
                .lines()
                .last()
                .unwrap_or_default()
                .trim_start_matches("error: ");
            format!("not a regular expression: {reason}")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(glob: &str, matched: &[&str], not: &[&str]) {
        let regex = compile(glob).expect("test glob");
        for path in matched {
            assert!(regex.is_match(path), "{glob} {path}");
        }
        for path in not {
            assert!(!regex.is_match(path), "{glob} {path}");
        }
    }

    #[test]
    fn globs_match_whole_paths() {
        check("**.md", &["a.md", "docs/b/c.md"], &["a.mdx", "md"]);
        check("*.md", &["a.md"], &["docs/a.md"]);
        check("docs/**", &["docs/a", "docs/b/c"], &["docs", "xdocs/a"]);
        check("docs/", &["docs/a", "docs/b/c"], &["docs"]);
        check(
            "**/test_?.py",
            &["test_a.py", "x/y/test_b.py"],
            &["test_ab.py", "xtest_a.py"],
        );
        check("a.b", &["a.b"], &["axb"]);
    }

    #[test]
    fn broken_patterns_are_refused() {
        for glob in ["", "/a", "[a]", "{a,b}", "!a", "a\\b"] {
            assert!(compile(glob).is_err(), "{glob}");
        }
        assert_eq!(
            regex_within_limits("a(").expect_err("not closed"),
            "not a regular expression: unclosed group"
        );
        assert!(regex_within_limits("(?:a{1000}){1000}").is_err());
    }
}
