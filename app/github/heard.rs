//! Hearing once more: what a delivery says about a conversation that we may remember.

use crate::github::read;
use crate::github::wire::{self, Account};
use bowsprit_core::name::{BranchName, CommitSha, Login, PrNumber, RepoId};
use bowsprit_core::subject::ask::{Comment, PullView};
use serde::Deserialize;

/// What a delivery says about what we may remember of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Where.
    pub repo: RepoId,
    /// Which issue or pull request; `None` for a branch.
    pub number: Option<PrNumber>,
    /// What.
    pub what: What,
}

/// What happened to a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A person wrote this.
    Comment(Box<Comment>),
    /// It has this head; with the pull request as it was then, where that can be read.
    Head(CommitSha, Option<Box<PullView>>),
    /// A branch was pushed.
    Branch(BranchName),
    /// It is assigned to these people.
    Assignees(Vec<Login>),
    /// Anything else: it must be read again.
    Other,
}

#[derive(Deserialize)]
struct Repository {
    id: u64,
}

#[derive(Deserialize)]
struct Push {
    #[serde(rename = "ref")]
    name: String,
    repository: Repository,
}

#[derive(Deserialize)]
struct Pull {
    action: String,
    pull_request: Headed,
    repository: Repository,
    sender: Option<Account>,
}

#[derive(Deserialize)]
struct Whole {
    pull_request: wire::Pull,
}

#[derive(Deserialize)]
struct Headed {
    number: u64,
    head: wire::Sha,
    #[serde(default)]
    assignees: Vec<Account>,
}

#[derive(Deserialize)]
struct Talk {
    action: String,
    comment: wire::Comment,
    issue: Numbered,
    repository: Repository,
}

#[derive(Deserialize)]
struct Issue {
    issue: Numbered,
    repository: Repository,
}

#[derive(Deserialize)]
struct Numbered {
    number: u64,
}

/// What a delivery says about a conversation; `None` where nothing of it can have changed, or we changed it ourselves.
pub fn heard(event: &str, body: &[u8], ours: &Login) -> Option<Heard> {
    match event {
        "push" => {
            let push: Push = serde_json::from_slice(body).ok()?;
            let branch = BranchName::parse(push.name.strip_prefix("refs/heads/")?).ok()?;
            Some(Heard {
                repo: RepoId(push.repository.id),
                number: None,
                what: What::Branch(branch),
            })
        }
        "pull_request" => pull(body, ours),
        "issue_comment" => talk(serde_json::from_slice(body).ok()?),
        "issues" => {
            let issue: Issue = serde_json::from_slice(body).ok()?;
            Some(Heard {
                repo: RepoId(issue.repository.id),
                number: Some(PrNumber(issue.issue.number)),
                what: What::Other,
            })
        }
        _ => None,
    }
}

fn pull(body: &[u8], ours: &Login) -> Option<Heard> {
    let event: Pull = serde_json::from_slice(body).ok()?;
    let is_label = matches!(event.action.as_str(), "labeled" | "unlabeled");
    if is_label && wire::is_ours(event.sender.as_ref(), ours) {
        return None;
    }
    let what = match event.action.as_str() {
        "assigned" | "unassigned" => What::Assignees(wire::logins(&event.pull_request.assignees)),
        "synchronize" | "reopened" => {
            let whole: Option<Whole> = serde_json::from_slice(body).ok();
            let view = whole.and_then(|whole| read::pull_view(&whole.pull_request).ok());
            What::Head(
                CommitSha::parse(&event.pull_request.head.sha).ok()?,
                view.map(Box::new),
            )
        }
        _ => What::Other,
    };
    Some(Heard {
        repo: RepoId(event.repository.id),
        number: Some(PrNumber(event.pull_request.number)),
        what,
    })
}

fn talk(event: Talk) -> Option<Heard> {
    // What an App wrote is no word.
    if wire::is_bot(event.comment.user.as_ref()) {
        return None;
    }
    let is_new = event.action == "created" && event.comment.created_at == event.comment.updated_at;
    Some(Heard {
        repo: RepoId(event.repository.id),
        number: Some(PrNumber(event.issue.number)),
        what: match is_new {
            true => What::Comment(Box::new(read::comment(event.comment))),
            false => What::Other,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn of(event: &str, body: Value) -> Option<What> {
        let ours = Login::parse("bowsprit[bot]").unwrap();
        heard(event, body.to_string().as_bytes(), &ours).map(|heard| heard.what)
    }

    fn said(action: &str, by: &str, updated: &str) -> Option<What> {
        let comment = json!({
            "id": 5, "user": {"login": by, "type": "User"}, "body": "/hold",
            "created_at": "2026-11-01T00:00:00Z", "updated_at": updated,
        });
        let body = json!({"action": action, "comment": comment, "issue": {"number": 7}, "repository": {"id": 1}});
        of("issue_comment", body)
    }

    fn pull(action: &str, by: &str) -> Option<What> {
        let pull = json!({"number": 7, "head": {"sha": "b".repeat(40)}, "assignees": [{"login": "ada", "type": "User"}]});
        let sender = json!({"login": by, "type": "User"});
        let body = json!({"action": action, "pull_request": pull, "repository": {"id": 1}, "sender": sender});
        of("pull_request", body)
    }

    #[test]
    fn only_a_new_comment_of_a_person_is_taken_as_it_is() {
        let at = "2026-11-01T00:00:00Z";
        assert!(matches!(said("created", "ada", at), Some(What::Comment(_))));
        let edited = said("created", "ada", "2026-11-01T00:00:09Z");
        assert_eq!(edited, Some(What::Other));
        assert_eq!(said("edited", "ada", at), Some(What::Other));
        assert_eq!(said("deleted", "ada", at), Some(What::Other));
        assert_eq!(said("created", "other[bot]", at), None);
    }

    #[test]
    fn our_own_labels_change_nothing_and_those_of_others_do() {
        assert_eq!(pull("labeled", "bowsprit[bot]"), None);
        assert_eq!(pull("labeled", "other[bot]"), Some(What::Other));
        let people = vec![Login::parse("ada").unwrap()];
        assert_eq!(pull("assigned", "ada"), Some(What::Assignees(people)));
        assert_eq!(pull("closed", "bowsprit[bot]"), Some(What::Other));
        assert!(matches!(pull("synchronize", "ada"), Some(What::Head(..))));
    }
}
