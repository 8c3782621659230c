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
    #[serde(default, deserialize_with = "wire::or_default")]
    assignees: Vec<Account>,
}

#[derive(Deserialize)]
struct Talk {
    action: String,
    comment: wire::Comment,
    issue: Numbered,
    repository: Repository,
}

/// As much as tells which thread a delivery is about.
#[derive(Deserialize)]
struct Thread {
    #[serde(alias = "pull_request")]
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
        "pull_request" => match serde_json::from_slice(body) {
            Ok(event) => pull(event, body, ours),
            Err(_) => doubt(body),
        },
        "issue_comment" => match serde_json::from_slice(body) {
            Ok(event) => talk(event),
            Err(_) => doubt(body),
        },
        "issues" => doubt(body),
        _ => None,
    }
}

/// Something was said of a thread that is not taken as it is, or cannot be read whole.
fn doubt(body: &[u8]) -> Option<Heard> {
    let thread: Thread = serde_json::from_slice(body).ok()?;
    Some(Heard {
        repo: RepoId(thread.repository.id),
        number: Some(PrNumber(thread.issue.number)),
        what: What::Other,
    })
}

fn pull(event: Pull, body: &[u8], ours: &Login) -> Option<Heard> {
    let is_label = matches!(event.action.as_str(), "labeled" | "unlabeled");
    if is_label && wire::is_ours(event.sender.as_ref(), ours) {
        return None;
    }
    let what = match event.action.as_str() {
        "assigned" | "unassigned" => What::Assignees(wire::logins(&event.pull_request.assignees)),
        "synchronize" | "reopened" => {
            let whole: Option<Whole> = serde_json::from_slice(body).ok();
            let view = whole.and_then(|whole| read::pull_view(&whole.pull_request).ok());
            match CommitSha::parse(&event.pull_request.head.sha) {
                Ok(head) => What::Head(head, view.map(Box::new)),
                Err(_) => What::Other,
            }
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
    fn a_thread_of_which_something_cannot_be_read_is_doubted() {
        let repository = json!({"id": 1});
        let comment = |fields: Value| {
            let mut comment =
                json!({"id": 5, "user": {"login": "ada", "type": "User"}, "body": "/hold"});
            let fields = fields.as_object().unwrap().clone();
            comment.as_object_mut().unwrap().extend(fields);
            let issue = json!({"number": 7});
            let body = json!({"action": "created", "comment": comment, "issue": issue, "repository": repository});
            of("issue_comment", body)
        };
        let at = "2026-11-01T00:00:00Z";
        for lean in [
            json!({}),
            json!({"created_at": at}),
            json!({"created_at": at, "updated_at": null}),
            json!({"created_at": 1, "updated_at": 1}),
        ] {
            assert_eq!(comment(lean), Some(What::Other));
        }
        let whole = comment(json!({"created_at": at, "updated_at": at}));
        assert!(matches!(whole, Some(What::Comment(_))));

        let pull = |pull: Value| {
            let body =
                json!({"action": "synchronize", "pull_request": pull, "repository": repository});
            of("pull_request", body)
        };
        assert_eq!(pull(json!({"number": 7})), Some(What::Other));
        let odd = json!({"number": 7, "head": {"sha": "no commit"}, "assignees": null});
        assert_eq!(pull(odd), Some(What::Other));
        let head = json!({"number": 7, "head": {"sha": "b".repeat(40)}, "assignees": null});
        assert!(matches!(pull(head), Some(What::Head(..))));
        assert_eq!(
            of("issues", json!({"issue": {}, "repository": repository})),
            None
        );
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
