//! Everything the server remembers, apart from git objects and logs.
//!
//! Plain data with small lookups.  All changes happen under one lock; whatever refs are stored
//! here are the refs as last seen, and `refs.rs` compares them with the real ones.

mod milestone;

pub(crate) use milestone::Milestone;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Sections of the state: accounts, the App, repositories.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct State {
    pub(crate) next_id: u64,
    pub(crate) accounts: BTreeMap<u64, Account>,
    /// Personal access tokens.
    pub(crate) people_tokens: BTreeMap<String, u64>,
    pub(crate) app: Option<App>,
    pub(crate) hook: Option<Hook>,
    pub(crate) installations: BTreeMap<u64, Installation>,
    pub(crate) tokens: BTreeMap<String, Token>,
    pub(crate) repos: BTreeMap<u64, Repo>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum AccountKind {
    User,
    Organization,
    Bot,
}

impl AccountKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Organization => "Organization",
            Self::Bot => "Bot",
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) id: u64,
    pub(crate) login: String,
    pub(crate) name: Option<String>,
    pub(crate) kind: AccountKind,
    pub(crate) created: i64,
    /// Of an organisation: its members, `admin` or `member`.
    #[serde(default)]
    pub(crate) members: BTreeMap<u64, String>,
    /// Of an organisation: its teams by their name in addresses, and who belongs to each.
    #[serde(default)]
    pub(crate) teams: BTreeMap<String, BTreeSet<u64>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct App {
    pub(crate) id: u64,
    pub(crate) client_id: String,
    pub(crate) slug: String,
    pub(crate) name: String,
    pub(crate) owner: u64,
    pub(crate) bot: u64,
    pub(crate) public_key: String,
    pub(crate) permissions: BTreeMap<String, String>,
    pub(crate) events: Vec<String>,
    pub(crate) created: i64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Hook {
    pub(crate) id: u64,
    pub(crate) url: String,
    pub(crate) secret: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Installation {
    pub(crate) id: u64,
    pub(crate) account: u64,
    /// `None` is every repository of the account.
    pub(crate) repos: Option<BTreeSet<u64>>,
    pub(crate) permissions: BTreeMap<String, String>,
    pub(crate) created: i64,
    pub(crate) suspended: Option<i64>,
}

/// One installation access token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Token {
    pub(crate) installation: u64,
    /// `None` is every repository of the installation.
    pub(crate) repos: Option<BTreeSet<u64>>,
    pub(crate) permissions: BTreeMap<String, String>,
    pub(crate) expires: i64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Repo {
    pub(crate) id: u64,
    pub(crate) owner: u64,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) homepage: Option<String>,
    pub(crate) private: bool,
    pub(crate) archived: bool,
    pub(crate) default_branch: String,
    pub(crate) fork_of: Option<u64>,
    pub(crate) delete_branch_on_merge: bool,
    pub(crate) created: i64,
    pub(crate) updated: i64,
    pub(crate) pushed: i64,
    pub(crate) collaborators: BTreeMap<u64, String>,
    /// Refs as last seen, without `refs/pull/`.
    pub(crate) refs: BTreeMap<String, String>,
    pub(crate) labels: Vec<Label>,
    #[serde(default)]
    pub(crate) milestones: Vec<Milestone>,
    /// Rules by branch name.
    pub(crate) rules: BTreeMap<String, Vec<Value>>,
    pub(crate) last_number: u64,
    pub(crate) issues: BTreeMap<u64, Issue>,
    pub(crate) comments: BTreeMap<u64, Comment>,
    pub(crate) suites: BTreeMap<u64, CheckSuite>,
    pub(crate) runs: BTreeMap<u64, CheckRun>,
    pub(crate) statuses: Vec<CommitStatus>,
    pub(crate) deployments: BTreeMap<u64, Deployment>,
    pub(crate) environments: BTreeMap<String, (u64, i64)>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Label {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) color: String,
    pub(crate) description: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Issue {
    pub(crate) id: u64,
    pub(crate) number: u64,
    pub(crate) title: String,
    pub(crate) body: Option<String>,
    pub(crate) user: u64,
    /// The App that wrote it, when one did.
    pub(crate) via_app: bool,
    /// Label ids.
    pub(crate) labels: Vec<u64>,
    pub(crate) assignees: Vec<u64>,
    /// Its milestone's number.
    #[serde(default)]
    pub(crate) milestone: Option<u64>,
    pub(crate) is_open: bool,
    pub(crate) state_reason: Option<String>,
    pub(crate) locked: bool,
    pub(crate) created: i64,
    pub(crate) updated: i64,
    pub(crate) closed: Option<i64>,
    pub(crate) closed_by: Option<u64>,
    pub(crate) reactions: Vec<Reaction>,
    pub(crate) pull: Option<Pull>,
}

/// What an issue has on top when it is a pull request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Pull {
    pub(crate) id: u64,
    /// `None` when the fork is gone.
    pub(crate) head_repo: Option<u64>,
    pub(crate) head_owner: u64,
    pub(crate) head_ref: String,
    pub(crate) head_sha: String,
    pub(crate) base_ref: String,
    pub(crate) base_sha: String,
    pub(crate) draft: bool,
    pub(crate) maintainer_can_modify: bool,
    pub(crate) merged: Option<Merged>,
    pub(crate) mergeable: Mergeable,
    pub(crate) test_merge: Option<String>,
    /// Whether it waits in the merge queue of its branch.
    #[serde(default)]
    pub(crate) is_queued: bool,
    pub(crate) requested: Vec<u64>,
    pub(crate) reviews: Vec<Review>,
    pub(crate) review_comments: Vec<ReviewComment>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Merged {
    pub(crate) at: i64,
    pub(crate) by: u64,
    pub(crate) sha: String,
}

/// What is known about a test merge: nothing, being computed, or its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Mergeable {
    Unknown,
    Asked,
    Yes,
    No,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Review {
    pub(crate) id: u64,
    pub(crate) user: u64,
    pub(crate) body: String,
    /// `APPROVED`, `CHANGES_REQUESTED`, `COMMENTED`, `DISMISSED` or `PENDING`.
    pub(crate) state: String,
    pub(crate) commit: String,
    pub(crate) submitted: Option<i64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ReviewComment {
    pub(crate) id: u64,
    pub(crate) review: u64,
    pub(crate) user: u64,
    pub(crate) body: String,
    pub(crate) path: String,
    pub(crate) line: Option<u64>,
    pub(crate) side: String,
    pub(crate) commit: String,
    pub(crate) in_reply_to: Option<u64>,
    pub(crate) created: i64,
    #[serde(default)]
    pub(crate) reactions: Vec<Reaction>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Comment {
    pub(crate) id: u64,
    pub(crate) issue: u64,
    pub(crate) user: u64,
    pub(crate) via_app: bool,
    pub(crate) body: String,
    pub(crate) created: i64,
    pub(crate) updated: i64,
    pub(crate) reactions: Vec<Reaction>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Reaction {
    pub(crate) id: u64,
    pub(crate) user: u64,
    pub(crate) content: String,
    pub(crate) created: i64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CheckSuite {
    pub(crate) id: u64,
    pub(crate) head_branch: Option<String>,
    pub(crate) head_sha: String,
    pub(crate) before: Option<String>,
    pub(crate) created: i64,
    pub(crate) updated: i64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CheckRun {
    pub(crate) id: u64,
    pub(crate) suite: u64,
    pub(crate) name: String,
    pub(crate) head_sha: String,
    pub(crate) external_id: Option<String>,
    pub(crate) details_url: Option<String>,
    pub(crate) status: String,
    pub(crate) conclusion: Option<String>,
    pub(crate) started: Option<i64>,
    pub(crate) completed: Option<i64>,
    pub(crate) title: Option<String>,
    pub(crate) summary: Option<String>,
    pub(crate) text: Option<String>,
    pub(crate) annotations: Vec<Value>,
    pub(crate) images: Vec<Value>,
    pub(crate) actions: Vec<Value>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CommitStatus {
    pub(crate) id: u64,
    pub(crate) sha: String,
    pub(crate) state: String,
    pub(crate) context: String,
    pub(crate) description: Option<String>,
    pub(crate) target_url: Option<String>,
    pub(crate) creator: u64,
    pub(crate) created: i64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Deployment {
    pub(crate) id: u64,
    pub(crate) sha: String,
    pub(crate) reference: String,
    pub(crate) task: String,
    pub(crate) environment: String,
    pub(crate) original_environment: String,
    pub(crate) description: Option<String>,
    pub(crate) payload: Value,
    pub(crate) transient: bool,
    pub(crate) production: bool,
    pub(crate) creator: u64,
    pub(crate) via_app: bool,
    pub(crate) created: i64,
    pub(crate) updated: i64,
    pub(crate) statuses: Vec<DeploymentStatus>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DeploymentStatus {
    pub(crate) id: u64,
    pub(crate) state: String,
    pub(crate) description: String,
    pub(crate) environment: String,
    pub(crate) environment_url: String,
    pub(crate) log_url: String,
    pub(crate) creator: u64,
    pub(crate) created: i64,
}

/// What a person may do in a repository, lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    None,
    Read,
    Triage,
    Write,
    Maintain,
    Admin,
}

impl Role {
    /// Reads a role's name; `pull` and `push` are the older names of read and write.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "none" => Some(Self::None),
            "read" | "pull" => Some(Self::Read),
            "triage" => Some(Self::Triage),
            "write" | "push" => Some(Self::Write),
            "maintain" => Some(Self::Maintain),
            "admin" => Some(Self::Admin),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read => "read",
            Self::Triage => "triage",
            Self::Write => "write",
            Self::Maintain => "maintain",
            Self::Admin => "admin",
        }
    }

    /// The older, coarser name: maintain reads as write, triage as read.
    pub(crate) fn permission(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read | Self::Triage => "read",
            Self::Write | Self::Maintain => "write",
            Self::Admin => "admin",
        }
    }
}

impl State {
    /// Takes the next number of the one counter for all ids.
    pub(crate) fn id(&mut self) -> u64 {
        self.next_id = self.next_id.max(10_000) + 1;
        self.next_id
    }

    pub(crate) fn account(&self, login: &str) -> Option<&Account> {
        self.accounts
            .values()
            .find(|account| account.login.eq_ignore_ascii_case(login))
    }

    pub(crate) fn login(&self, id: u64) -> &str {
        self.accounts
            .get(&id)
            .map_or("ghost", |account| account.login.as_str())
    }

    pub(crate) fn repo_named(&self, owner: &str, name: &str) -> Option<&Repo> {
        let owner = self.account(owner)?.id;
        self.repos
            .values()
            .find(|repo| repo.owner == owner && repo.name.eq_ignore_ascii_case(name))
    }

    pub(crate) fn full_name(&self, repo: &Repo) -> String {
        format!("{}/{}", self.login(repo.owner), repo.name)
    }

    /// The role of an account in a repository; a public repository can be read by anyone.
    pub(crate) fn role(&self, repo: &Repo, account: Option<u64>) -> Role {
        let floor = if repo.private { Role::None } else { Role::Read };
        let Some(account) = account else {
            return floor;
        };
        if repo.owner == account {
            return Role::Admin;
        }
        let of_org = self
            .accounts
            .get(&repo.owner)
            .and_then(|owner| owner.members.get(&account))
            .map_or(Role::None, |role| match role.as_str() {
                "admin" => Role::Admin,
                _ => Role::Read,
            });
        let direct = repo
            .collaborators
            .get(&account)
            .and_then(|name| Role::parse(name))
            .unwrap_or(Role::None);
        floor.max(of_org).max(direct)
    }

    /// The installation that reaches a repository, if any.
    pub(crate) fn installation_of(&self, repo: &Repo) -> Option<&Installation> {
        self.installations
            .values()
            .find(|installation| installation.reaches(repo))
    }
}

impl Installation {
    pub(crate) fn reaches(&self, repo: &Repo) -> bool {
        self.account == repo.owner
            && self
                .repos
                .as_ref()
                .is_none_or(|chosen| chosen.contains(&repo.id))
    }
}

impl Repo {
    /// The commit a branch points to.
    pub(crate) fn branch(&self, name: &str) -> Option<&String> {
        self.refs.get(&format!("refs/heads/{name}"))
    }

    pub(crate) fn label_named(&self, name: &str) -> Option<&Label> {
        self.labels
            .iter()
            .find(|label| label.name.to_lowercase() == name.to_lowercase())
    }

    /// Open pull requests, by number.
    pub(crate) fn open_pulls(&self) -> impl Iterator<Item = (&Issue, &Pull)> {
        self.issues
            .values()
            .filter(|issue| issue.is_open)
            .filter_map(|issue| issue.pull.as_ref().map(|pull| (issue, pull)))
    }
}
