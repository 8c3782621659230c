//! `projectset`: the file that makes a repository a set, as Jenkins X reads it, in JSON or YAML.
//!
//! Source: the file in the repositories of its machine-learning quickstarts: a list of `Repo` and `Tail`.

use super::{Made, SERVICE, Source, TRAINING, Tail};
use crate::name::RepoName;
use serde::Deserialize;

/// The file, at the root of a repository named by the set.
pub const PROJECTSET_FILE: &str = "projectset";
/// Largest file. Units: bytes.
pub const PROJECTSET_BYTES_MAX: usize = 64 << 10;
/// Repositories that a set may make.
const MEMBERS_MAX: usize = 8;

/// One line of the file.
#[derive(Debug, Deserialize)]
struct Member {
    /// The repository that holds the files: a name of the same owner, `owner/name`, or an address that ends so.
    #[serde(rename = "Repo", alias = "repo")]
    repo: String,
    /// What follows the root in the new repository's name.
    #[serde(rename = "Tail", alias = "tail")]
    tail: String,
}

/// What a set of `owner` on `server` makes, the service first. Errors: a sentence that says what is wrong.
pub fn projectset(text: &str, owner: &str, server: &str) -> Result<Vec<Made>, String> {
    if text.len() > PROJECTSET_BYTES_MAX {
        return Err(format!(
            "{PROJECTSET_FILE} is larger than {PROJECTSET_BYTES_MAX} bytes"
        ));
    }
    // YAML holds JSON, so that one reader takes both.
    let members: Vec<Member> = serde_saphyr::from_str(text).map_err(|error| {
        format!(
            "{PROJECTSET_FILE} should be a list such as [{{\"Repo\": \"ML-x-service\", \"Tail\": \"-service\"}}]: {error}"
        )
    })?;
    if !(1..=MEMBERS_MAX).contains(&members.len()) {
        return Err(format!(
            "{PROJECTSET_FILE} should name 1 to {MEMBERS_MAX} repositories; it names {}",
            members.len()
        ));
    }
    let mut made = members
        .iter()
        .map(|member| {
            Ok(Made {
                tail: Tail::parse(&member.tail)?,
                source: Source::Repository {
                    server: server.to_owned(),
                    name: repository(&member.repo, owner)?,
                },
            })
        })
        .collect::<Result<Vec<Made>, String>>()?;
    made.sort_by_key(|made| match made.tail.as_str() {
        SERVICE => 0,
        TRAINING => 2,
        _ => 1,
    });
    let mut tails: Vec<&str> = made.iter().map(|made| made.tail.as_str()).collect();
    tails.sort_unstable();
    tails.dedup();
    if tails.len() < made.len() {
        return Err(format!(
            "two repositories of {PROJECTSET_FILE} have the same Tail"
        ));
    }
    Ok(made)
}

fn repository(text: &str, owner: &str) -> Result<RepoName, String> {
    let path = text.trim_end_matches('/').trim_end_matches(".git");
    let mut parts = path.rsplit('/');
    let name = parts.next().unwrap_or_default();
    let owner = parts.next().unwrap_or(owner);
    RepoName::parse(&format!("{owner}/{name}"))
        .map_err(|error| format!("a Repo of {PROJECTSET_FILE} is wrong: {error}"))
}
