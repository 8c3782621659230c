//! GitHub's answers, cut down to the fields that are read. Unknown fields are ignored.
//!
//! Source: GitHub's OpenAPI description of 2022-11-28.

use crate::github::client::Response;
use crate::github::error::ApiError;
use bowsprit_core::name::{BranchName, Login};
use http::{HeaderMap, header};
use jiff::Timestamp;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Deserialize)]
pub(crate) struct App {
    pub(crate) id: u64,
    pub(crate) slug: String,
}

#[derive(Deserialize)]
pub(crate) struct AppInFull {
    pub(crate) slug: String,
    #[serde(default)]
    pub(crate) permissions: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) events: BTreeSet<String>,
}

#[derive(Deserialize)]
pub(crate) struct Hook {
    pub(crate) url: Option<String>,
    /// `json` or `form`; a server that does not tell it sends JSON, as we need.
    #[serde(default)]
    pub(crate) content_type: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Token {
    pub(crate) token: SecretString,
    pub(crate) expires_at: Timestamp,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Installation {
    pub(crate) id: u64,
    pub(crate) account: Option<Account>,
    pub(crate) suspended_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) permissions: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Account {
    pub(crate) login: String,
    #[serde(rename = "type", default, deserialize_with = "or_default")]
    pub(crate) kind: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Repository {
    pub(crate) id: u64,
    pub(crate) full_name: String,
    pub(crate) default_branch: Option<String>,
    #[serde(default)]
    pub(crate) owner: Option<Account>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Membership {
    pub(crate) state: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Delivery {
    pub(crate) id: u64,
    pub(crate) guid: String,
    pub(crate) delivered_at: Timestamp,
    pub(crate) status_code: i64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Reference {
    pub(crate) object: Object,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Object {
    #[serde(rename = "type", default)]
    pub(crate) kind: String,
    pub(crate) sha: String,
}

/// What stands in a folder.
#[derive(Debug, Deserialize)]
pub(crate) struct Entry {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) sha: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Sha {
    pub(crate) sha: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Commit {
    pub(crate) tree: Sha,
    #[serde(default)]
    pub(crate) parents: Vec<Sha>,
    pub(crate) message: String,
    pub(crate) author: Signature,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Signature {
    pub(crate) name: String,
}

#[derive(Debug, Deserialize)]
#[serde(from = "LabelAs")]
pub(crate) struct Label {
    pub(crate) name: String,
}

/// GitHub documents both: labels of an issue may be their names alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum LabelAs {
    Named { name: String },
    Name(String),
}

impl From<LabelAs> for Label {
    fn from(found: LabelAs) -> Label {
        let (LabelAs::Named { name } | LabelAs::Name(name)) = found;
        Label { name }
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Issue {
    pub(crate) number: u64,
    pub(crate) state: String,
    pub(crate) title: String,
    pub(crate) body: Option<String>,
    pub(crate) user: Option<Account>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) labels: Vec<Label>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) assignees: Vec<Account>,
    #[serde(default)]
    pub(crate) milestone: Option<Milestone>,
    /// There in a list of issues, where it is none.
    #[serde(default)]
    pub(crate) pull_request: Option<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Milestone {
    pub(crate) number: u64,
    pub(crate) title: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Requested {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) users: Vec<Account>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) teams: Vec<Team>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Team {
    pub(crate) slug: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Pull {
    #[serde(flatten)]
    pub(crate) issue: Issue,
    pub(crate) head: Side,
    pub(crate) base: Side,
    #[serde(default)]
    pub(crate) draft: Option<bool>,
    #[serde(default)]
    pub(crate) mergeable: Option<bool>,
    pub(crate) mergeable_state: Option<String>,
    #[serde(default)]
    pub(crate) merged_at: Option<Timestamp>,
    #[serde(default)]
    pub(crate) merge_commit_sha: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Side {
    #[serde(rename = "ref")]
    pub(crate) name: String,
    pub(crate) sha: String,
    pub(crate) repo: Option<RepositoryId>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RepositoryId {
    pub(crate) id: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Comment {
    pub(crate) id: u64,
    pub(crate) user: Option<Account>,
    pub(crate) body: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

#[derive(Debug, Deserialize)]
pub(crate) struct DiffComment {
    #[serde(flatten)]
    pub(crate) comment: Comment,
    pub(crate) original_commit_id: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Review {
    pub(crate) id: u64,
    pub(crate) user: Option<Account>,
    pub(crate) body: Option<String>,
    pub(crate) state: String,
    pub(crate) commit_id: Option<String>,
    pub(crate) submitted_at: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Collaborator {
    pub(crate) permission: String,
    /// Not every server tells it.
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) role_name: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Status {
    pub(crate) context: String,
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) description: Option<String>,
    pub(crate) creator: Option<Account>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct CheckRun {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) external_id: Option<String>,
    pub(crate) status: String,
    pub(crate) conclusion: Option<String>,
    pub(crate) details_url: Option<String>,
    pub(crate) app: Option<AppId>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) output: CheckOutput,
}

#[derive(Debug, Deserialize)]
pub(crate) struct AppId {
    pub(crate) id: u64,
}

#[derive(Debug, Deserialize, Default)]
pub(crate) struct CheckOutput {
    pub(crate) title: Option<String>,
    pub(crate) summary: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) annotations_count: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Rule {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) parameters: Option<RuleParameters>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RuleParameters {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) required_status_checks: Vec<RequiredCheck>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RequiredCheck {
    pub(crate) context: String,
    /// The App that must report it; any where absent, or no number of an App. Rulesets and branch protection call it differently.
    #[serde(default, alias = "app_id")]
    pub(crate) integration_id: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub(crate) struct GraphQl<T> {
    pub(crate) data: Option<T>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) errors: Vec<GraphQlError>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct GraphQlError {
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) message: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Branch {
    #[serde(default)]
    pub(crate) protection: Option<Protection>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Protection {
    #[serde(default)]
    pub(crate) required_status_checks: Option<ProtectionChecks>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct ProtectionChecks {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) contexts: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) checks: Vec<RequiredCheck>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Deployment {
    pub(crate) id: u64,
    #[serde(default)]
    pub(crate) payload: Value,
}

#[derive(Debug, Deserialize)]
pub(crate) struct DeploymentStatus {
    pub(crate) id: u64,
    pub(crate) state: String,
    pub(crate) description: Option<String>,
    pub(crate) environment_url: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct MergeDone {
    pub(crate) sha: String,
}

/// What is null counts as what is not there.
pub(crate) fn or_default<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// The items of a page: the answer itself, or its member `key`; none where that is null.
pub(crate) fn list<T: DeserializeOwned>(
    answer: &Response,
    key: Option<&str>,
) -> Result<Vec<T>, ApiError> {
    let Some(key) = key else {
        return Ok(answer.json::<Option<Vec<T>>>()?.unwrap_or_default());
    };
    let mut whole: Value = answer.json()?;
    let Some(member) = whole.get_mut(key).map(Value::take) else {
        return Err(ApiError::Broken(format!(
            "unexpected answer: there is no `{key}`"
        )));
    };
    serde_json::from_value::<Option<Vec<T>>>(member)
        .map(Option::unwrap_or_default)
        .map_err(|error| ApiError::Broken(format!("unexpected answer: {error}")))
}

/// The address of the next page, from the header `Link`.
pub(crate) fn next_link(headers: &HeaderMap) -> Option<String> {
    let links = headers.get(header::LINK)?.to_str().ok()?;
    links.split(',').find_map(|link| {
        let (address, parameters) = link.split_once(';')?;
        let is_next = parameters
            .split(';')
            .any(|one| matches!(one.trim(), "rel=\"next\"" | "rel=next"));
        let address = address.trim().strip_prefix('<')?.strip_suffix('>')?;
        is_next.then(|| address.to_owned())
    })
}

/// The login of an account; a deleted one reads as GitHub's placeholder, which may do nothing.
pub(crate) fn login(account: Option<&Account>) -> Login {
    let named = account.and_then(|account| Login::parse(&account.login).ok());
    named.unwrap_or_else(|| Login::parse("ghost").expect("the placeholder is a login"))
}

/// The logins of accounts.
pub(crate) fn logins(accounts: &[Account]) -> Vec<Login> {
    accounts.iter().map(|one| login(Some(one))).collect()
}

/// Whether an App owns the account; GitHub alone gives out the type and the ending.
pub(crate) fn is_bot(account: Option<&Account>) -> bool {
    account.is_some_and(|account| account.kind == "Bot" || account.login.ends_with("[bot]"))
}

/// Whether the account is our App's.
pub(crate) fn is_ours(account: Option<&Account>, ours: &Login) -> bool {
    account.is_some_and(|account| account.login.eq_ignore_ascii_case(ours.as_str()))
}

/// A branch name of somebody's choosing: one that cannot be named gets a name that no branch of ours has.
pub(crate) fn branch(name: &str) -> BranchName {
    BranchName::parse(name).unwrap_or_else(|_| {
        let plain: String = name
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(40)
            .collect();
        BranchName::parse(&format!("unnameable/{plain}")).unwrap_or_else(|_| {
            BranchName::parse("unnameable/branch").expect("the placeholder is a branch name")
        })
    })
}

/// One segment of a path, or the value of a query parameter.
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Several segments of a path: slashes stay.
pub(crate) fn encoded_path(text: &str) -> String {
    text.split('/').map(encoded).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests;
