//! Hearing: a delivery's body becomes what was seen, and where.
//!
//! Only the fields needed are read; an event that we do not know means nothing, a body that does not fit its event is an error
//! (the event's name is not signed, so a body sent again under another name must not pass).

use crate::github::wire::{self, Account, Label};
use bowsprit_core::name::{
    BranchName, CommentId, CommitSha, Login, PrNumber, Repo, RepoId, RepoName,
};
use bowsprit_core::seen::{Labeled, Said, Seen};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

/// The events that the App asks for. `installation` and `installation_repositories` come unasked.
pub const EVENTS: &[&str] = &[
    "check_run",
    "check_suite",
    "issue_comment",
    "issues",
    "pull_request",
    "pull_request_review",
    "pull_request_review_comment",
    "push",
    "repository",
    "status",
];

/// The identifier of the button that our check runs show.
pub const RERUN_BUTTON: &str = "rerun";

/// What a delivery says. Errors: the body does not fit the event.
pub fn seen(event: &str, body: &[u8]) -> Result<Vec<Seen>, String> {
    let one = match event {
        "push" => push(parse(body)?),
        "pull_request" => pull(parse(body)?),
        "issue_comment" => talk(parse(body)?),
        "issues" => issue(parse(body)?),
        "pull_request_review" => review(parse(body)?),
        "pull_request_review_comment" => diff_comment(parse(body)?),
        "check_run" => check_run(parse(body)?),
        "check_suite" => check_suite(parse(body)?),
        "status" => status(parse(body)?),
        "installation" | "installation_repositories" => {
            let _: InstallationKey = parse(body)?;
            Some(Seen::Installation)
        }
        "repository" => {
            let _: RepositoryKey = parse(body)?;
            Some(Seen::Installation)
        }
        _ => None,
    };
    Ok(vec![one.unwrap_or(Seen::Nothing)])
}

#[derive(Deserialize)]
struct Repository {
    id: u64,
    full_name: String,
}

#[derive(Deserialize)]
struct Push {
    #[serde(rename = "ref")]
    name: String,
    after: String,
    repository: Repository,
    sender: Option<Account>,
}

#[derive(Deserialize)]
struct Pull {
    action: String,
    pull_request: PullFields,
    label: Option<Label>,
    repository: Repository,
    sender: Option<Account>,
}

#[derive(Deserialize)]
struct PullFields {
    number: u64,
    head: Head,
    #[serde(default, deserialize_with = "lenient")]
    created_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient")]
    updated_at: Option<Timestamp>,
    body: Option<String>,
}

#[derive(Deserialize)]
struct Head {
    sha: String,
}

#[derive(Deserialize)]
struct Numbered {
    number: u64,
}

#[derive(Deserialize)]
struct Talk {
    comment: Written,
    issue: Numbered,
    repository: Repository,
}

#[derive(Deserialize)]
struct Issue {
    action: String,
    issue: IssueFields,
    repository: Repository,
}

#[derive(Deserialize)]
struct IssueFields {
    number: u64,
    body: Option<String>,
}

#[derive(Deserialize)]
struct Review {
    action: String,
    review: Words,
    pull_request: Numbered,
    repository: Repository,
}

#[derive(Deserialize)]
struct Written {
    user: Option<Account>,
}

#[derive(Deserialize)]
struct Words {
    id: u64,
    user: Option<Account>,
    body: Option<String>,
}

#[derive(Deserialize)]
struct DiffComment {
    action: String,
    comment: Words,
    pull_request: Numbered,
    repository: Repository,
}

#[derive(Deserialize)]
struct InstallationKey {
    #[expect(dead_code, reason = "only its presence counts")]
    installation: serde::de::IgnoredAny,
}

#[derive(Deserialize)]
struct RepositoryKey {
    #[expect(dead_code, reason = "only its presence counts")]
    repository: Repository,
}

#[derive(Deserialize)]
struct CheckRun {
    action: String,
    check_run: CheckRunFields,
    requested_action: Option<RequestedAction>,
    repository: Repository,
    sender: Option<Account>,
}

#[derive(Deserialize)]
struct CheckRunFields {
    head_sha: String,
    name: String,
    external_id: Option<String>,
}

#[derive(Deserialize)]
struct RequestedAction {
    identifier: String,
}

#[derive(Deserialize)]
struct CheckSuite {
    action: String,
    check_suite: Suite,
    repository: Repository,
    sender: Option<Account>,
}

#[derive(Deserialize)]
struct Suite {
    head_sha: String,
}

#[derive(Deserialize)]
struct Status {
    sha: String,
    #[expect(dead_code, reason = "its presence tells that this is a status")]
    context: String,
    repository: Repository,
}

/// A time that says what it means; none is better than a guess.
fn lenient<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    let found = Option::<serde_json::Value>::deserialize(from)?;
    Ok(found.and_then(|found| found.as_str()?.parse().ok()))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body)
        .map_err(|error| format!("the body does not fit its event: {error}"))
}

fn repo(found: &Repository) -> Option<Repo> {
    Some(Repo {
        id: RepoId(found.id),
        name: RepoName::parse(&found.full_name).ok()?,
    })
}

fn person(sender: Option<&Account>) -> Option<Login> {
    Login::parse(&sender?.login).ok()
}

fn push(event: Push) -> Option<Seen> {
    let branch = event.name.strip_prefix("refs/heads/")?;
    let is_deleted = event.after.bytes().all(|byte| byte == b'0');
    Some(Seen::Push {
        repo: repo(&event.repository)?,
        branch: BranchName::parse(branch).ok()?,
        head: match is_deleted {
            true => None,
            false => Some(CommitSha::parse(&event.after).ok()?),
        },
        by: person(event.sender.as_ref()),
    })
}

fn pull(event: Pull) -> Option<Seen> {
    let pull = &event.pull_request;
    let pushed_at = match event.action.as_str() {
        // A head of which nobody says when it came is dated by the look that finds it, which lets no older word count.
        "opened" => pull.created_at,
        // A push to a closed pull request is heard when it is opened again.
        "synchronize" | "reopened" => pull.updated_at,
        _ => None,
    };
    let is_label = matches!(event.action.as_str(), "labeled" | "unlabeled");
    if matches!(event.action.as_str(), "assigned" | "unassigned") {
        // Nothing hangs on whom it is assigned to.
        return None;
    }
    if is_label && wire::is_bot(event.sender.as_ref()) {
        // A label that a bot puts on has no power; ours come back to us with each look that changes them.
        return None;
    }
    let head = CommitSha::parse(&pull.head.sha).ok()?;
    let label = event.label.filter(|_| is_label);
    let by = person(event.sender.as_ref());
    let is_on = event.action == "labeled";
    Some(Seen::Pull {
        by: by.clone(),
        labeled: label.zip(by).map(|(label, by)| Labeled {
            label: label.name,
            by,
            head: head.clone(),
            is_on,
        }),
        repo: repo(&event.repository)?,
        number: PrNumber(pull.number),
        pushed: pushed_at.map(|at| (head, at.as_millisecond())),
        said: said(
            event.action == "opened",
            CommentId::Description(pull.number),
            &pull.body,
        ),
    })
}

fn talk(event: Talk) -> Option<Seen> {
    // What an App wrote is no word, whoever edits it: nobody need look, least of all after each of our own.
    if wire::is_bot(event.comment.user.as_ref()) {
        return None;
    }
    talk_at(&event.repository, event.issue.number, None)
}

fn issue(event: Issue) -> Option<Seen> {
    let issue = &event.issue;
    match event.action.as_str() {
        "opened" => {
            let said = said(true, CommentId::Description(issue.number), &issue.body);
            talk_at(&event.repository, issue.number, said)
        }
        "closed" | "reopened" | "edited" | "deleted" | "transferred" | "labeled" | "unlabeled" => {
            Some(Seen::Issue {
                repo: repo(&event.repository)?,
            })
        }
        _ => None,
    }
}

fn review(event: Review) -> Option<Seen> {
    let review = &event.review;
    if wire::is_bot(review.user.as_ref()) {
        return None;
    }
    let said = said(
        event.action == "submitted",
        CommentId::Review(review.id),
        &review.body,
    );
    talk_at(&event.repository, event.pull_request.number, said)
}

fn diff_comment(event: DiffComment) -> Option<Seen> {
    let comment = &event.comment;
    if wire::is_bot(comment.user.as_ref()) {
        return None;
    }
    let said = said(
        event.action == "created",
        CommentId::Diff(comment.id),
        &comment.body,
    );
    talk_at(&event.repository, event.pull_request.number, said)
}

fn talk_at(repository: &Repository, number: u64, said: Option<Said>) -> Option<Seen> {
    Some(Seen::Talk {
        repo: repo(repository)?,
        number: PrNumber(number),
        said,
    })
}

/// A text that was written just now: later nothing would tell whether it was edited.
fn said(is_new: bool, id: CommentId, body: &Option<String>) -> Option<Said> {
    is_new.then(|| Said {
        id,
        body: body.clone().unwrap_or_default(),
    })
}

fn check_run(event: CheckRun) -> Option<Seen> {
    let repo = repo(&event.repository)?;
    let sha = CommitSha::parse(&event.check_run.head_sha).ok()?;
    let is_button = event
        .requested_action
        .is_some_and(|action| action.identifier == RERUN_BUTTON);
    match event.action.as_str() {
        // GitHub sends these two to the App that made the run, and to no other.
        "rerequested" => {}
        "requested_action" if is_button => {}
        "created" | "completed" => return Some(Seen::Context { repo, sha }),
        _ => return None,
    }
    let id = event.check_run.external_id.filter(|id| !id.is_empty())?;
    Some(Seen::Rerun {
        repo,
        sha,
        run: Some((id, event.check_run.name)),
        by: person(event.sender.as_ref())?,
    })
}

fn check_suite(event: CheckSuite) -> Option<Seen> {
    match event.action.as_str() {
        "rerequested" => Some(Seen::Rerun {
            repo: repo(&event.repository)?,
            sha: CommitSha::parse(&event.check_suite.head_sha).ok()?,
            run: None,
            by: person(event.sender.as_ref())?,
        }),
        _ => None,
    }
}

fn status(event: Status) -> Option<Seen> {
    Some(Seen::Context {
        repo: repo(&event.repository)?,
        sha: CommitSha::parse(&event.sha).ok()?,
    })
}

#[cfg(test)]
mod tests;
