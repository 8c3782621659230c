//! Looking: what GitHub shows now, as core's types.
//!
//! Names are parsed here, once; an account or branch that cannot be named gets a placeholder that may do nothing.
//! A list that is longer than we read is an error: rights must not be counted on a part.

use crate::github::auth::{Access, TokenKey};
use crate::github::client::{Call, Caller, GitHub};
use crate::github::error::ApiError;
use crate::github::place::{Place, sha};
use crate::github::wire::{self, encoded, encoded_path};
use bowsprit_core::effect::Priority;
use bowsprit_core::name::{
    BranchName, CommentId, CommitSha, Login, PrNumber, Repo, RepoId, RepoName,
};
use bowsprit_core::subject::ask::{
    ChangeView, Comment, Context, ContextState, PullView, RepoView, Review, ReviewState,
};
use http::Method;
use std::collections::{BTreeMap, BTreeSet};

/// An installation of our App.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// Its id.
    pub id: u64,
    /// The person or organisation.
    pub account: Login,
    /// Whether its owner has suspended it.
    pub is_suspended: bool,
    /// What it has granted, by name and level; empty where the server does not tell.
    pub permissions: BTreeMap<String, String>,
}

/// A delivery that we did not answer well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedDelivery {
    /// By which it is sent again.
    pub id: u64,
    /// The delivery's own id, the same for each try.
    pub guid: String,
    /// Of the newest try. Units: milliseconds since 1970, UTC.
    pub delivered_ms: i64,
}

impl GitHub {
    /// Every installation of our App. Errors: as of any call.
    pub async fn installations(&self) -> Result<Vec<Installation>, ApiError> {
        let path = "/app/installations?per_page=100";
        let (found, is_cut) = self
            .pages::<wire::Installation>(Caller::App, path, None)
            .await?;
        whole(is_cut, "installations")?;
        let show = |one: wire::Installation| Installation {
            id: one.id,
            account: wire::login(one.account.as_ref()),
            is_suspended: one.suspended_at.is_some(),
            permissions: one.permissions,
        };
        Ok(found.into_iter().map(show).collect())
    }

    /// Every repository of an installation; one without a branch yet is left out. Errors: as of any call.
    pub async fn repositories(&self, installation: u64) -> Result<Vec<RepoView>, ApiError> {
        let caller = Caller::Installation(TokenKey {
            installation,
            repo: None,
            access: Access::Listing,
        });
        let path = "/installation/repositories?per_page=100";
        let (found, is_cut) = self
            .pages::<wire::Repository>(caller, path, Some("repositories"))
            .await?;
        whole(is_cut, "repositories")?;
        Ok(found.iter().filter_map(repo_view).collect())
    }

    /// Deliveries since then of which no try was answered well. Errors: as of any call.
    pub async fn failed_deliveries(&self, since_ms: i64) -> Result<Vec<FailedDelivery>, ApiError> {
        // Newest first; a cut list only means that the oldest wait for the next look.
        let path = "/app/hook/deliveries?per_page=100";
        let (found, _) = self
            .pages::<wire::Delivery>(Caller::App, path, None)
            .await?;
        let mut done = BTreeSet::new();
        let mut failed: BTreeMap<String, FailedDelivery> = BTreeMap::new();
        for one in found {
            let delivered_ms = one.delivered_at.as_millisecond();
            if (200..300).contains(&one.status_code) {
                done.insert(one.guid);
            } else if delivered_ms >= since_ms {
                let entry = FailedDelivery {
                    id: one.id,
                    guid: one.guid.clone(),
                    delivered_ms,
                };
                failed.entry(one.guid).or_insert(entry);
            }
        }
        Ok(failed
            .into_values()
            .filter(|one| !done.contains(&one.guid))
            .collect())
    }

    /// Has a delivery sent again. Errors: as of any call.
    pub async fn redeliver(&self, id: u64) -> Result<(), ApiError> {
        let call = Call {
            method: Method::POST,
            path: format!("/app/hook/deliveries/{id}/attempts"),
            body: None,
            priority: Priority::Answer,
        };
        self.call(Caller::App, call).await.map(|_| ())
    }
}

impl Place {
    /// The repository now; `None` when it is gone, or its name is another's by now. Errors: as of any call.
    pub async fn repository(&self) -> Result<Option<RepoView>, ApiError> {
        let found: Option<wire::Repository> = self.get("").await?;
        let view = found.as_ref().and_then(repo_view);
        Ok(view.filter(|view| view.repo.id == self.repo().id))
    }

    /// The head of a branch; `None` where there is no such branch. Errors: as of any call.
    pub async fn head(&self, branch: &BranchName) -> Result<Option<CommitSha>, ApiError> {
        let found = self.reference(&format!("heads/{branch}")).await?;
        found.map(|object| sha(&object.sha)).transpose()
    }

    /// A pull request or issue. Errors: as of any call.
    pub async fn pull(&self, number: PrNumber) -> Result<Option<PullView>, ApiError> {
        let (memory, key) = (self.github().memory(), (self.repo().id, number));
        let began = memory.moment(key);
        let view = self.read_pull(number).await?;
        memory.keep_pull(key, began, view.as_ref());
        Ok(view)
    }

    /// A pull request as it was read last, where nothing says that it changed since. Errors: as of any call.
    pub async fn kept_pull(&self, number: PrNumber) -> Result<Option<PullView>, ApiError> {
        match self.github().memory().pull((self.repo().id, number)) {
            Some(view) => Ok(Some(view)),
            None => self.pull(number).await,
        }
    }

    async fn read_pull(&self, number: PrNumber) -> Result<Option<PullView>, ApiError> {
        if let Some(pull) = self.get::<wire::Pull>(&format!("/pulls/{number}")).await? {
            return pull_view(&pull).map(Some);
        }
        let issue: Option<wire::Issue> = self.get(&format!("/issues/{number}")).await?;
        Ok(issue.map(|issue| issue_view(&issue, None)))
    }

    /// Numbers of the open pull requests. Errors: as of any call.
    pub async fn open_pulls(&self) -> Result<Vec<PrNumber>, ApiError> {
        let pulls: Vec<wire::Pull> = self.list("/pulls?state=open&per_page=100", None).await?;
        Ok(pulls
            .iter()
            .map(|pull| PrNumber(pull.issue.number))
            .collect())
    }

    /// The open pull request from a branch of this repository. Errors: as of any call.
    pub async fn open_pull(&self, branch: &BranchName) -> Result<Option<PullView>, ApiError> {
        let pulls = self.pulls_from(branch).await?;
        match pulls.iter().find(|pull| pull.issue.state == "open") {
            // The list does not say whether it can be merged.
            Some(pull) => self.pull(PrNumber(pull.issue.number)).await,
            None => Ok(None),
        }
    }

    /// All comments of an issue or pull request, oldest first. Errors: as of any call.
    pub async fn comments(&self, number: PrNumber) -> Result<Vec<Comment>, ApiError> {
        let (memory, key) = (self.github().memory(), (self.repo().id, number));
        let began = memory.moment(key);
        let path = format!("/issues/{number}/comments?per_page=100");
        let found: Vec<wire::Comment> = self.list(&path, None).await?;
        let comments: Vec<Comment> = found.into_iter().map(comment).collect();
        memory.keep_comments(key, began, &comments);
        Ok(comments)
    }

    /// All comments as they were read last and told of since, where nothing says that they changed otherwise.
    /// Errors: as of any call.
    pub async fn kept_comments(&self, number: PrNumber) -> Result<Vec<Comment>, ApiError> {
        match self.github().memory().comments((self.repo().id, number)) {
            Some(comments) => Ok(comments),
            None => self.comments(number).await,
        }
    }

    /// All comments on lines of the change, oldest first. Errors: as of any call.
    pub async fn diff_comments(&self, number: PrNumber) -> Result<Vec<Comment>, ApiError> {
        let path = format!("/pulls/{number}/comments?per_page=100");
        let found: Vec<wire::DiffComment> = self.list(&path, None).await?;
        let show = |found: wire::DiffComment| Comment {
            id: CommentId::Diff(found.comment.id),
            head: CommitSha::parse(&found.original_commit_id).ok(),
            // The submission of its review touches it.
            is_edited: false,
            ..comment(found.comment)
        };
        Ok(found.into_iter().map(show).collect())
    }

    /// All submitted reviews, oldest first. Errors: as of any call.
    pub async fn reviews(&self, number: PrNumber) -> Result<Vec<Review>, ApiError> {
        let path = format!("/pulls/{number}/reviews?per_page=100");
        let found: Vec<wire::Review> = self.list(&path, None).await?;
        Ok(found.into_iter().filter_map(review).collect())
    }

    /// Labels that the repository has. Errors: as of any call.
    pub async fn labels(&self) -> Result<Vec<String>, ApiError> {
        let found: Vec<wire::Label> = self.list("/labels?per_page=100", None).await?;
        Ok(found.into_iter().map(|label| label.name).collect())
    }

    /// Open issues with a label, by number and title. Errors: as of any call.
    pub async fn blockers(&self, label: &str) -> Result<Vec<(PrNumber, String)>, ApiError> {
        let path = format!("/issues?state=open&labels={}&per_page=100", encoded(label));
        let found: Vec<wire::Issue> = self.list(&path, None).await?;
        let issues = found.into_iter().filter(|one| one.pull_request.is_none());
        let shown = issues.map(|one| (PrNumber(one.number), one.title));
        Ok(shown.collect())
    }

    /// Open milestones, by number and title. Errors: as of any call.
    pub async fn milestones(&self) -> Result<Vec<(u64, String)>, ApiError> {
        let path = "/milestones?state=open&per_page=100";
        let found: Vec<wire::Milestone> = self.list(path, None).await?;
        let shown = found.into_iter().map(|one| (one.number, one.title));
        Ok(shown.collect())
    }

    /// Statuses and check runs of a commit; of one name and writer, the best. Errors: as of any call.
    pub async fn contexts(&self, commit: &CommitSha) -> Result<Vec<Context>, ApiError> {
        let app = self.github().app().await?.clone();
        let path = format!("/commits/{commit}/check-runs?filter=latest&per_page=100");
        let runs: Vec<wire::CheckRun> = self.list(&path, Some("check_runs")).await?;
        let path = format!("/commits/{commit}/status?per_page=100");
        let statuses: Vec<wire::Status> = self.list(&path, Some("statuses")).await?;
        let of_runs = runs.iter().map(|run| {
            let owner = run.app.as_ref().map(|owner| owner.id);
            ((run.name.clone(), true, owner), run_state(run))
        });
        let of_statuses = statuses.iter().map(|status| {
            let is_ours = wire::is_ours(status.creator.as_ref(), &app.login);
            let owner = is_ours.then_some(app.id);
            (
                (status.context.clone(), false, owner),
                status_state(&status.state),
            )
        });
        let mut best: BTreeMap<(String, bool, Option<u64>), ContextState> = BTreeMap::new();
        for (key, state) in of_runs.chain(of_statuses) {
            let entry = best.entry(key).or_insert(state);
            *entry = (*entry).max(state);
        }
        let show = |((name, is_run, owner), state)| Context {
            name,
            state,
            is_ours: owner == Some(app.id),
            is_run,
            app: owner,
        };
        Ok(best.into_iter().map(show).collect())
    }

    /// Pull requests from a branch of this repository, newest first, at most a page.
    pub(crate) async fn pulls_from(
        &self,
        branch: &BranchName,
    ) -> Result<Vec<wire::Pull>, ApiError> {
        let head = encoded(&format!("{}:{branch}", self.repo().name.owner()));
        let path = format!("/pulls?state=all&head={head}&sort=created&direction=desc&per_page=50");
        let found: Option<Vec<wire::Pull>> = self.get(&path).await?;
        // An owner may have two repositories of one network; GitHub filters by owner only.
        let is_here = |side: &wire::Side| {
            side.name == branch.as_str()
                && side
                    .repo
                    .as_ref()
                    .is_some_and(|repo| RepoId(repo.id) == self.repo().id)
        };
        Ok(found
            .unwrap_or_default()
            .into_iter()
            .filter(|pull| is_here(&pull.head))
            .collect())
    }

    /// What a reference (`heads/…`, `tags/…`) points to.
    pub(crate) async fn reference(&self, name: &str) -> Result<Option<wire::Object>, ApiError> {
        match self
            .get::<wire::Reference>(&format!("/git/ref/{}", encoded_path(name)))
            .await
        {
            Ok(found) => Ok(found.map(|found| found.object)),
            // "Git Repository is empty."
            Err(ApiError::Refused { status: 409, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn whole(is_cut: bool, what: &str) -> Result<(), ApiError> {
    match is_cut {
        true => Err(ApiError::Broken(format!("there are too many {what}"))),
        false => Ok(()),
    }
}

fn repo_view(found: &wire::Repository) -> Option<RepoView> {
    let branch = found.default_branch.as_deref()?;
    Some(RepoView {
        repo: Repo {
            id: RepoId(found.id),
            name: RepoName::parse(&found.full_name).ok()?,
        },
        default_branch: BranchName::parse(branch).ok()?,
    })
}

/// GitHub's word in `mergeable_state`; its other words are not relied on.
const BLOCKED: &str = "blocked";

pub(crate) fn pull_view(pull: &wire::Pull) -> Result<PullView, ApiError> {
    let merged = match (&pull.merged_at, &pull.merge_commit_sha) {
        // Before the merge the field holds a test merge.
        (Some(_), Some(commit)) => Some(sha(commit)?),
        (Some(_), None) | (None, _) => None,
    };
    let change = ChangeView {
        head: sha(&pull.head.sha)?,
        branch: wire::branch(&pull.head.name),
        head_repo: pull.head.repo.as_ref().map(|repo| RepoId(repo.id)),
        base: wire::branch(&pull.base.name),
        base_sha: sha(&pull.base.sha)?,
        is_draft: pull.draft.unwrap_or(false),
        is_mergeable: pull.mergeable,
        is_blocked: pull.mergeable_state.as_deref() == Some(BLOCKED),
        merged,
    };
    Ok(issue_view(&pull.issue, Some(change)))
}

fn issue_view(issue: &wire::Issue, change: Option<ChangeView>) -> PullView {
    PullView {
        number: PrNumber(issue.number),
        change,
        author: wire::login(issue.user.as_ref()),
        is_open: issue.state == "open",
        title: issue.title.clone(),
        body: issue.body.clone().unwrap_or_default(),
        created_ms: issue.created_at.as_millisecond(),
        is_untouched: issue.updated_at == issue.created_at,
        labels: issue
            .labels
            .iter()
            .map(|label| label.name.clone())
            .collect(),
        assignees: wire::logins(&issue.assignees),
    }
}

pub(crate) fn comment(found: wire::Comment) -> Comment {
    Comment {
        id: CommentId::Comment(found.id),
        author: wire::login(found.user.as_ref()),
        is_bot: wire::is_bot(found.user.as_ref()),
        body: found.body.unwrap_or_default(),
        created_ms: found.created_at.as_millisecond(),
        is_edited: found.created_at != found.updated_at,
        head: None,
    }
}

/// A review; `None` for one that is not submitted.
fn review(found: wire::Review) -> Option<Review> {
    let state = match found.state.to_ascii_uppercase().as_str() {
        "APPROVED" => ReviewState::Approved,
        "CHANGES_REQUESTED" => ReviewState::ChangesRequested,
        "COMMENTED" => ReviewState::Commented,
        "DISMISSED" => ReviewState::Dismissed,
        _ => return None,
    };
    Some(Review {
        id: CommentId::Review(found.id),
        author: wire::login(found.user.as_ref()),
        is_bot: wire::is_bot(found.user.as_ref()),
        state,
        commit: found
            .commit_id
            .and_then(|commit| CommitSha::parse(&commit).ok()),
        body: found.body.unwrap_or_default(),
        submitted_ms: found.submitted_at?.as_millisecond(),
    })
}

fn run_state(run: &wire::CheckRun) -> ContextState {
    match (run.status.as_str(), run.conclusion.as_deref()) {
        ("completed", Some("success" | "neutral" | "skipped")) => ContextState::Success,
        ("completed", _) => ContextState::Failure,
        _ => ContextState::Pending,
    }
}

fn status_state(state: &str) -> ContextState {
    match state {
        "success" => ContextState::Success,
        "failure" | "error" => ContextState::Failure,
        _ => ContextState::Pending,
    }
}
