//! Names that must not be swapped, parsed once at the door.
//!
//! Each newtype holds only text that passed its check, so that no other room checks it again.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a text is not the name it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {what}: {rule}")]
pub struct NameError {
    /// What the text should have been.
    pub what: &'static str,
    /// The text, cut to 80 characters.
    pub text: String,
    /// The rule that it broke, as a phrase.
    pub rule: &'static str,
}

macro_rules! text_name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks the text. Errors: [`NameError`] with the rule that it broke.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(NameError { what: $what, text: text.chars().take(80).collect(), rule: $rule })
                }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_name!(
    /// `owner/name` of a repository.
    RepoName,
    "repository name",
    "owner and name joined by one slash, of letters, digits, `-`, `_` and `.`",
    |text| text.split_once('/').is_some_and(|(owner, name)| is_repo_part(owner) && is_repo_part(name))
);
text_name!(
    /// A git commit, tree or blob id: 40 lower-case hex digits.
    CommitSha,
    "commit sha",
    "40 lower-case hex digits",
    |text| text.len() == 40 && is_lower_hex(text)
);
text_name!(
    /// The sha256 of some bytes, written `sha256:` and 64 lower-case hex digits.
    Digest,
    "digest",
    "`sha256:` and 64 lower-case hex digits",
    |text| text.strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64 && is_lower_hex(hex))
);
text_name!(
    /// A model, step, check, gate or environment name.
    Slug,
    "name",
    "1 to 40 lower-case letters, digits and `-`, first a letter",
    |text| {
        (1..=40).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    }
);
text_name!(
    /// A path inside a repository or an artifact: relative, no `..`, no empty part, no control character.
    RepoPath,
    "path",
    "relative, at most 400 characters, without `..`, empty parts, backslashes or control characters",
    |text| {
        (1..=400).contains(&text.len())
            && !text.chars().any(|c| c.is_control() || c == '\\')
            && text.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
    }
);
text_name!(
    /// A branch name that git takes and that holds no surprise for a command line.
    BranchName,
    "branch name",
    "as git allows, at most 200 characters, not starting with `-`",
    is_branch
);
text_name!(
    /// A GitHub login, `name[bot]` included; kept as written, compared by [`Login::is`].
    Login,
    "login",
    "1 to 64 letters, digits, `-` and `_`, perhaps followed by `[bot]`",
    |text| {
        let plain = text.strip_suffix("[bot]").unwrap_or(text);
        (1..=64).contains(&plain.len()) && plain.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    }
);

text_name!(
    /// A team of an organisation, `organisation/team`, as its address writes it.
    Team,
    "team",
    "organisation and team joined by one slash, of letters, digits, `-` and `_`",
    |text| text.split_once('/').is_some_and(|(org, team)| is_team_part(org) && is_team_part(team))
);

fn is_team_part(text: &str) -> bool {
    (1..=100).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

impl Team {
    /// The organisation, and the team's own name there.
    pub fn parts(&self) -> (&str, &str) {
        self.0.split_once('/').unwrap_or_default()
    }
}

/// Which version is meant: `8`, `v8`, or `digits/v8` where a service has several models.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VersionRef {
    /// The model, where it is named.
    pub model: Option<Slug>,
    /// From 1.
    pub number: u64,
}

impl VersionRef {
    /// Reads it. Errors: [`NameError`] with the rule that it broke.
    pub fn parse(text: &str) -> Result<VersionRef, NameError> {
        let (model, number) = match text.split_once('/') {
            Some((model, number)) => (Some(Slug::parse(model)?), number),
            None => (None, text),
        };
        let digits = number.strip_prefix(['v', 'V']).unwrap_or(number);
        let is_number = digits.bytes().all(|b| b.is_ascii_digit());
        let number = digits
            .parse()
            .ok()
            .filter(|number| is_number && *number > 0);
        let number = number.ok_or_else(|| NameError {
            what: "version number",
            text: text.chars().take(80).collect(),
            rule: "a number from 1, such as `8`, `v8` or `digits/v8`",
        })?;
        Ok(VersionRef { model, number })
    }
}

impl TryFrom<String> for VersionRef {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        VersionRef::parse(&text)
    }
}

impl From<VersionRef> for String {
    fn from(version: VersionRef) -> String {
        version.to_string()
    }
}

impl fmt::Display for VersionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.model {
            Some(model) => write!(f, "{model}/v{}", self.number),
            None => write!(f, "v{}", self.number),
        }
    }
}

impl RepoName {
    /// The part before the slash.
    pub fn owner(&self) -> &str {
        self.0.split_once('/').map_or("", |(owner, _)| owner)
    }

    /// The part after the slash.
    pub fn name(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, name)| name)
    }

    /// The repository of the same owner called `name`. Errors: as [`RepoName::parse`].
    pub fn sibling(&self, name: &str) -> Result<RepoName, NameError> {
        RepoName::parse(&format!("{}/{name}", self.owner()))
    }
}

impl CommitSha {
    /// The first seven digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..7]
    }

    /// The first twelve digits, for people who name it in a command: seven are soon made to fit.
    pub fn digits(&self) -> &str {
        &self.0[..12]
    }
}

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Digest {
        use sha2::Digest as _;
        Digest(format!(
            "sha256:{}",
            hex::encode(sha2::Sha256::digest(bytes))
        ))
    }

    /// The 64 hex digits without the prefix.
    pub fn hex(&self) -> &str {
        &self.0[7..]
    }

    /// Twelve hex digits, for people.
    pub fn short(&self) -> &str {
        &self.0[7..19]
    }
}

impl Login {
    /// Whether both name the same account: GitHub compares without case.
    pub fn is(&self, other: &Login) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }

    /// The login in lower case, as sets of people hold it.
    pub fn lower(&self) -> Login {
        Login(self.0.to_ascii_lowercase())
    }

    /// Whether this is an App's account.
    pub fn is_bot(&self) -> bool {
        self.0.ends_with("[bot]")
    }
}

/// GitHub's numeric repository id, which survives renames and transfers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RepoId(pub u64);

/// The number of a pull request in its repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PrNumber(pub u64);

/// Something that a person wrote, by GitHub's id: each kind is counted by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "CommentIdText", into = "CommentIdText")]
pub enum CommentId {
    /// The description of the issue or pull request of this number.
    Description(u64),
    /// A comment of the conversation.
    Comment(u64),
    /// A comment on a line of the change.
    Diff(u64),
    /// A review's own words.
    Review(u64),
}

/// As it is stored: a comment of the conversation is a plain number, as it was when there were no others.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum CommentIdText {
    Number(u64),
    Named(String),
}

impl From<CommentId> for CommentIdText {
    fn from(id: CommentId) -> CommentIdText {
        match id {
            CommentId::Comment(number) => CommentIdText::Number(number),
            CommentId::Description(_) | CommentId::Diff(_) | CommentId::Review(_) => {
                CommentIdText::Named(id.to_string())
            }
        }
    }
}

impl TryFrom<CommentIdText> for CommentId {
    type Error = String;

    fn try_from(text: CommentIdText) -> Result<CommentId, String> {
        let name = match text {
            CommentIdText::Number(number) => return Ok(CommentId::Comment(number)),
            CommentIdText::Named(name) => name,
        };
        let parsed = name.split_once('-').and_then(|(kind, number)| {
            let number = number.parse().ok()?;
            match kind {
                "description" => Some(CommentId::Description(number)),
                "diff" => Some(CommentId::Diff(number)),
                "review" => Some(CommentId::Review(number)),
                _ => None,
            }
        });
        parsed.ok_or_else(|| format!("`{name}` is not the id of a comment"))
    }
}

impl fmt::Display for CommentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommentId::Description(number) => write!(f, "description-{number}"),
            CommentId::Comment(number) => write!(f, "{number}"),
            CommentId::Diff(number) => write!(f, "diff-{number}"),
            CommentId::Review(number) => write!(f, "review-{number}"),
        }
    }
}

impl fmt::Display for RepoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for PrNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A repository as both its lasting id and its present name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Repo {
    /// The id, by which everything is stored.
    pub id: RepoId,
    /// The name at the time of reading, by which the API is called.
    pub name: RepoName,
}

fn is_lower_hex(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn is_repo_part(text: &str) -> bool {
    (1..=100).contains(&text.len())
        && text != "."
        && text != ".."
        && !text.starts_with('-')
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn is_branch(text: &str) -> bool {
    (1..=200).contains(&text.len())
        && !text.starts_with(['-', '/'])
        && !text.ends_with(['/', '.'])
        && !text.contains("..")
        && !text.contains("//")
        && !text.contains("@{")
        && text != "@"
        && !text
            .chars()
            .any(|c| c.is_control() || c == ' ' || "~^:?*[\\".contains(c))
        && !text
            .split('/')
            .any(|part| part.starts_with('.') || part.ends_with(".lock"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_a_number_perhaps_of_a_model() {
        for (text, shown) in [
            ("8", "v8"),
            ("V8", "v8"),
            ("digits/8", "digits/v8"),
            ("digits/v8", "digits/v8"),
        ] {
            let version = VersionRef::parse(text).map(|version| version.to_string());
            assert_eq!(version.as_deref(), Ok(shown), "{text}");
        }
        for bad in [
            "",
            "0",
            "+1",
            "v",
            "v-1",
            "digits",
            "digits/",
            "/8",
            "Digits/8",
            "a/b/8",
            "99999999999999999999",
        ] {
            assert!(VersionRef::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_are_taken_or_refused() {
        for good in ["a/b", "octo-org/digits-training", "A.b/c_d"] {
            assert!(RepoName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "a", "a/b/c", "../x", "a/..", "a/-x", "a b/c", "a/b\n"] {
            assert!(RepoName::parse(bad).is_err(), "{bad}");
        }
        for bad in [
            "", "-x", "a..b", "a b", "x.lock", "a//b", "/a", "a\u{7}", "@{u}", "@",
        ] {
            assert!(BranchName::parse(bad).is_err(), "{bad}");
        }
        assert!(BranchName::parse("bowsprit/digits").is_ok());
        for bad in ["/etc/passwd", "a/../b", "a//b", "", "a\\b", "./a"] {
            assert!(RepoPath::parse(bad).is_err(), "{bad}");
        }
        assert!(Login::parse("bowsprit[bot]").is_ok_and(|login| login.is_bot()));
        assert!(Slug::parse("Digits").is_err());
    }

    #[test]
    fn digest_of_nothing_is_the_known_one() {
        assert_eq!(
            Digest::of(b"").as_str(),
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
