//! How repositories, environments and pull requests are named on the command line.

use bowsprit_core::name::{RepoName, Slug};
use std::fmt;
use std::str::FromStr;

/// `OWNER/REPO/NAME`: a model or an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) repo: RepoName,
    pub(super) name: Slug,
}

impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Named, String> {
        let wrong =
            || format!("`{text}` is not OWNER/REPO/NAME, such as ada/digits-service/staging");
        let (repo, name) = text.rsplit_once('/').ok_or_else(wrong)?;
        let repo = RepoName::parse(repo).map_err(|_| wrong())?;
        let name = Slug::parse(name).map_err(|_| wrong())?;
        Ok(Named { repo, name })
    }
}

impl Named {
    /// Where the API has it, as `models` or `environments`.
    pub(super) fn path(&self, kind: &str) -> String {
        format!("/api/v1/{kind}/{}/{}", self.repo, self.name)
    }
}

/// `OWNER/REPO`.
pub(super) fn repo(text: &str) -> Result<RepoName, String> {
    RepoName::parse(text)
        .map_err(|_| format!("`{text}` is not OWNER/REPO, such as ada/digits-training"))
}

/// `OWNER/REPO#NUMBER`: a pull request or an issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Numbered {
    pub(super) repo: RepoName,
    pub(super) number: u64,
}

impl FromStr for Numbered {
    type Err = String;

    fn from_str(text: &str) -> Result<Numbered, String> {
        let wrong = || format!("`{text}` is not OWNER/REPO#NUMBER, such as ada/digits-service#7");
        let (repo, number) = text.split_once('#').ok_or_else(wrong)?;
        let repo = RepoName::parse(repo).map_err(|_| wrong())?;
        let number = number.parse().map_err(|_| wrong())?;
        Ok(Numbered { repo, number })
    }
}

impl fmt::Display for Numbered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.repo, self.number)
    }
}

impl Numbered {
    /// Where the API has it as a pull request.
    pub(super) fn path(&self) -> String {
        format!("/api/v1/pulls/{}/{}", self.repo, self.number)
    }
}

/// Text as part of a query.
pub(super) fn query(pairs: &[(&str, Option<String>)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    let query = query.finish();
    if query.is_empty() {
        query
    } else {
        format!("?{query}")
    }
}

/// Text as one part of a path.
pub(super) fn part(text: &str) -> String {
    let mut shown = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b':' => {
                shown.push(char::from(byte))
            }
            _ => shown.push_str(&format!("%{byte:02X}")),
        }
    }
    shown
}
