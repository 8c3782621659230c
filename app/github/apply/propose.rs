//! Files on a branch of ours with a pull request: blobs, tree, commit, tag, branch, pull request.
//!
//! The commit is made by the API without author and committer, so that GitHub signs it. What an earlier try left is found again:
//! the pull request by its mark, the commit by the tag or the branch, proved by building the same tree on its parent once more.
//! A commit of somebody else is never overwritten.

use super::pull::is_our_commit;
use super::{Desk, marker, refused, render};
use crate::github::auth::Access;
use crate::github::error::ApiError;
use crate::github::place::{Place, sha};
use crate::github::wire::{self, encoded_path};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bowsprit_core::effect::{Content, EffectResult, Propose};
use bowsprit_core::name::{CommitSha, Digest, PrNumber, RepoPath};
use http::Method;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

/// A text up to this size goes with the tree; larger ones and binaries as blobs of their own. Units: bytes.
const INLINE_BYTES_MAX: usize = 64 << 10;

/// Largest file that comes from an artifact. Units: bytes.
const FILE_BYTES_MAX: usize = 1 << 20;

/// Longest title of a pull request. Units: characters.
const TITLE_CHARS_MAX: usize = 250;

/// The effect, with what it is applied with.
struct Work<'a> {
    place: &'a Place,
    wanted: &'a Propose,
    desk: &'a Desk<'a>,
    mark: String,
}

/// What is to be done with our branch.
enum BranchStep {
    Keep,
    Create,
    /// From this head, which is ours.
    Replace(CommitSha),
}

/// A refusal for good.
enum No {
    /// The tag is somebody else's.
    Taken,
    Because(String),
}

impl No {
    fn result(self) -> EffectResult {
        match self {
            No::Taken => EffectResult::Taken,
            No::Because(reason) => refused(reason),
        }
    }
}

/// A commit of the repository, as far as it matters here.
struct Known {
    tree: CommitSha,
    parent: Option<CommitSha>,
    message: String,
}

/// The files are committed, tagged and on the branch, and the pull request is open.
pub(super) async fn propose(
    place: &Place,
    key: &str,
    wanted: &Propose,
    desk: &Desk<'_>,
) -> Result<EffectResult, ApiError> {
    let mark = marker("propose", key);
    let work = Work {
        place,
        wanted,
        desk,
        mark,
    };
    let pulls = place.pulls_from(&wanted.branch).await?;
    let tagged = match work.tagged().await? {
        Ok(tagged) => tagged,
        Err(no) => return Ok(no.result()),
    };
    if let Some(done) = work.finished(&pulls, tagged.as_ref()).await? {
        return Ok(done);
    }
    let at = place.head(&wanted.branch).await?;
    place.check_budget(wanted.files.len().min(10) + 5)?;
    let files = work.files().await?;
    let open = pulls.iter().find(|pull| pull.issue.state == "open");
    let adopted = match (&tagged, &at) {
        (Some(commit), _) if work.made(commit, &files).await? => Some(commit.clone()),
        (Some(_), _) => return Ok(No::Taken.result()),
        // What a closed pull request left behind may look the same, but it is on the base already or was refused.
        (None, Some(head))
            if wanted.tag.is_none()
                && !is_left(&pulls, head)
                && work.made(head, &files).await? =>
        {
            Some(head.clone())
        }
        (None, Some(_) | None) => None,
    };
    let step = match work.branch_step(at, adopted.as_ref(), open).await? {
        Ok(step) => step,
        Err(no) => return Ok(no.result()),
    };
    let commit = match adopted {
        Some(commit) => commit,
        None => match work.commit(&files).await? {
            Ok(commit) => commit,
            Err(no) => return Ok(no.result()),
        },
    };
    let commit = match work.tag(&commit, tagged.is_some(), &files).await? {
        Ok(commit) => commit,
        Err(no) => return Ok(no.result()),
    };
    if let Err(no) = work.branch(step, &commit).await? {
        return Ok(no.result());
    }
    let pr = work.pull(open, &commit).await?;
    Ok(EffectResult::Proposed { pr, commit })
}

/// Whether a pull request that is closed now had this head.
fn is_left(pulls: &[wire::Pull], head: &CommitSha) -> bool {
    pulls
        .iter()
        .any(|pull| pull.issue.state != "open" && pull.head.sha == head.as_str())
}

impl Work<'_> {
    /// What the tag points to; an annotated one is never ours.
    async fn tagged(&self) -> Result<Result<Option<CommitSha>, No>, ApiError> {
        let Some(tag) = &self.wanted.tag else {
            return Ok(Ok(None));
        };
        Ok(match self.place.reference(&format!("tags/{tag}")).await? {
            None => Ok(None),
            Some(object) if object.kind == "commit" => Ok(Some(sha(&object.sha)?)),
            Some(_) => Err(No::Taken),
        })
    }

    /// The outcome, where a pull request carries our mark: that was the last thing to do.
    async fn finished(
        &self,
        pulls: &[wire::Pull],
        tagged: Option<&CommitSha>,
    ) -> Result<Option<EffectResult>, ApiError> {
        let ours = &self.place.github().app().await?.login;
        let is_it = |pull: &&wire::Pull| {
            let body = pull.issue.body.as_deref().unwrap_or_default();
            wire::is_ours(pull.issue.user.as_ref(), ours) && body.contains(&self.mark)
        };
        let Some(pull) = pulls.iter().find(is_it) else {
            return Ok(None);
        };
        Ok(Some(EffectResult::Proposed {
            pr: PrNumber(pull.issue.number),
            commit: match tagged {
                Some(commit) => commit.clone(),
                None => sha(&pull.head.sha)?,
            },
        }))
    }

    /// The files as entries of a tree; blobs are made where needed, which changes nothing when done again.
    async fn files(&self) -> Result<Vec<(RepoPath, Value)>, ApiError> {
        let mut entries = Vec::new();
        for (path, content) in &self.wanted.files {
            let entry = |member: &str, value: Value| json!({"path": path, "mode": "100644", "type": "blob", member: value});
            let entry = match content {
                Content::Delete => entry("sha", Value::Null),
                Content::Text(text) if text.len() <= INLINE_BYTES_MAX => {
                    entry("content", json!(text))
                }
                Content::Text(text) => entry("sha", self.blob(text.as_bytes()).await?),
                Content::Artifact(digest) => {
                    let bytes = self.artifact(digest).await?;
                    match std::str::from_utf8(&bytes) {
                        Ok(text) if text.len() <= INLINE_BYTES_MAX => entry("content", json!(text)),
                        Ok(_) | Err(_) => entry("sha", self.blob(&bytes).await?),
                    }
                }
            };
            entries.push((path.clone(), entry));
        }
        Ok(entries)
    }

    async fn artifact(&self, digest: &Digest) -> Result<Vec<u8>, ApiError> {
        let bytes = (self.desk.content)(digest.clone()).await;
        let bytes = bytes.map_err(|error| {
            ApiError::Broken(format!(
                "cannot read artifact {}: {error:#}",
                digest.short()
            ))
        })?;
        if bytes.len() > FILE_BYTES_MAX {
            return Err(ApiError::Broken(format!(
                "artifact {} is too large for a commit",
                digest.short()
            )));
        }
        Ok(bytes)
    }

    async fn blob(&self, bytes: &[u8]) -> Result<Value, ApiError> {
        let body = json!({"content": STANDARD.encode(bytes), "encoding": "base64"});
        Ok(json!(self.made_by("/git/blobs", body).await?))
    }

    /// The tree of these files on top of another.
    async fn tree(
        &self,
        parent: &CommitSha,
        base: &CommitSha,
        files: &[(RepoPath, Value)],
    ) -> Result<CommitSha, ApiError> {
        let mut entries = Vec::new();
        for (path, entry) in files {
            // GitHub refuses to delete what is not there.
            let is_delete = entry.get("sha").is_some_and(Value::is_null);
            let at = format!("/contents/{}?ref={parent}", encoded_path(path.as_str()));
            if !is_delete || self.place.get::<IgnoredAny>(&at).await?.is_some() {
                entries.push(entry);
            }
        }
        if entries.is_empty() {
            return Ok(base.clone());
        }
        self.made_by("/git/trees", json!({"base_tree": base, "tree": entries}))
            .await
    }

    /// Whether this commit is what an earlier try made: the same files on its parent, the same message.
    async fn made(
        &self,
        commit: &CommitSha,
        files: &[(RepoPath, Value)],
    ) -> Result<bool, ApiError> {
        let known = self.known(commit).await?;
        let Some(parent) = known
            .parent
            .filter(|_| known.message.trim_end() == self.wanted.message.trim_end())
        else {
            return Ok(false);
        };
        let base = self.known(&parent).await?.tree;
        Ok(self.tree(&parent, &base, files).await? == known.tree)
    }

    async fn commit(&self, files: &[(RepoPath, Value)]) -> Result<Result<CommitSha, No>, ApiError> {
        let Some(parent) = self.place.head(&self.wanted.base).await? else {
            let why = format!("there is no branch `{}`", self.wanted.base);
            return Ok(Err(No::Because(why)));
        };
        let base = self.known(&parent).await?.tree;
        let tree = self.tree(&parent, &base, files).await?;
        if tree == base {
            return Ok(Err(No::Because("it would change nothing".to_owned())));
        }
        let body = json!({"message": self.wanted.message, "tree": tree, "parents": [parent]});
        self.made_by("/git/commits", body).await.map(Ok)
    }

    /// The tag is on the commit; gives the commit it is on, which another try may have made meanwhile.
    async fn tag(
        &self,
        commit: &CommitSha,
        is_there: bool,
        files: &[(RepoPath, Value)],
    ) -> Result<Result<CommitSha, No>, ApiError> {
        let Some(tag) = self.wanted.tag.as_ref().filter(|_| !is_there) else {
            return Ok(Ok(commit.clone()));
        };
        match self.create_ref(&format!("refs/tags/{tag}"), commit).await {
            Ok(()) => Ok(Ok(commit.clone())),
            Err(error) if error.is_already_there() => match self.tagged().await? {
                Ok(Some(other)) if self.made(&other, files).await? => Ok(Ok(other)),
                Ok(Some(_)) | Err(_) => Ok(Err(No::Taken)),
                Ok(None) => Err(ApiError::later()),
            },
            Err(error) => Err(error),
        }
    }

    /// What to do with our branch; the inner error says why nothing may be done.
    async fn branch_step(
        &self,
        at: Option<CommitSha>,
        adopted: Option<&CommitSha>,
        open: Option<&wire::Pull>,
    ) -> Result<Result<BranchStep, No>, ApiError> {
        let (replaced, expected) = self.wanted.replaces.clone().unzip();
        if let Some(pr) = replaced
            && open.map(|pull| pull.issue.number) != Some(pr.0)
        {
            let why = format!("pull request #{pr} is no longer open");
            return Ok(Err(No::Because(why)));
        }
        let Some(head) = at else {
            return Ok(Ok(BranchStep::Create));
        };
        if adopted == Some(&head) {
            return Ok(Ok(BranchStep::Keep));
        }
        let may_replace = match (&expected, open) {
            (Some(expected), _) => *expected == head,
            (None, Some(pull)) => {
                let why = format!(
                    "pull request #{} is open from this branch",
                    pull.issue.number
                );
                return Ok(Err(No::Because(why)));
            }
            // What an earlier proposal left behind.
            (None, None) => is_our_commit(self.place, &head).await?,
        };
        Ok(match may_replace {
            true => Ok(BranchStep::Replace(head)),
            false => Err(self.foreign()),
        })
    }

    async fn branch(
        &self,
        step: BranchStep,
        commit: &CommitSha,
    ) -> Result<Result<(), No>, ApiError> {
        let branch = &self.wanted.branch;
        match step {
            BranchStep::Keep => Ok(Ok(())),
            BranchStep::Create => match self
                .create_ref(&format!("refs/heads/{branch}"), commit)
                .await
            {
                Ok(()) => Ok(Ok(())),
                // Made since we looked: the next try sees by whom.
                Err(error) if error.is_already_there() => Err(ApiError::later()),
                Err(error) => Err(error),
            },
            BranchStep::Replace(old) => {
                // GitHub cannot compare and set together with a force; so the look is the last thing before.
                if self.place.head(branch).await? != Some(old) {
                    return Ok(Err(self.foreign()));
                }
                let path = format!("/git/refs/heads/{}", encoded_path(branch.as_str()));
                let body = json!({"sha": commit, "force": true});
                self.place
                    .write(Access::Pushing, Method::PATCH, &path, Some(body))
                    .await?;
                Ok(Ok(()))
            }
        }
    }

    fn foreign(&self) -> No {
        No::Because(format!(
            "branch `{}` has a foreign commit",
            self.wanted.branch
        ))
    }

    /// The pull request says what it should; made where there is none.
    async fn pull(
        &self,
        open: Option<&wire::Pull>,
        commit: &CommitSha,
    ) -> Result<PrNumber, ApiError> {
        let text = render(self.desk, &self.wanted.body, json!({"commit": commit}))?;
        let title: String = self.wanted.title.chars().take(TITLE_CHARS_MAX).collect();
        let mut body = json!({"title": title, "body": format!("{text}\n\n{}", self.mark)});
        if let Some(pull) = open {
            let path = format!("/pulls/{}", pull.issue.number);
            self.place
                .write(Access::Pushing, Method::PATCH, &path, Some(body))
                .await?;
            return Ok(PrNumber(pull.issue.number));
        }
        body["head"] = json!(self.wanted.branch);
        body["base"] = json!(self.wanted.base);
        let made = self
            .place
            .write(Access::Pushing, Method::POST, "/pulls", Some(body))
            .await;
        match made {
            Ok(answer) => Ok(PrNumber(answer.json::<wire::Issue>()?.number)),
            Err(error) if error.is_already_there() => Err(ApiError::later()),
            // The branch was made a moment ago; GitHub does not see it everywhere yet.
            Err(error) if error.words().contains("head invalid") => Err(ApiError::later()),
            Err(error) => Err(error),
        }
    }

    async fn create_ref(&self, name: &str, commit: &CommitSha) -> Result<(), ApiError> {
        let body = json!({"ref": name, "sha": commit});
        let made = self
            .place
            .write(Access::Pushing, Method::POST, "/git/refs", Some(body))
            .await;
        match made {
            Ok(_) => Ok(()),
            // The commit was made a moment ago.
            Err(error) if error.words().contains("Object does not exist") => Err(ApiError::later()),
            Err(error) => Err(error),
        }
    }

    async fn made_by(&self, path: &str, body: Value) -> Result<CommitSha, ApiError> {
        let answer = self
            .place
            .write(Access::Pushing, Method::POST, path, Some(body))
            .await?;
        sha(&answer.json::<wire::Sha>()?.sha)
    }

    async fn known(&self, commit: &CommitSha) -> Result<Known, ApiError> {
        let found: Option<wire::Commit> = self.place.get(&format!("/git/commits/{commit}")).await?;
        // A commit that a reference names exists; a read may lag.
        let found = found.ok_or_else(ApiError::later)?;
        Ok(Known {
            tree: sha(&found.tree.sha)?,
            parent: found
                .parents
                .first()
                .map(|parent| sha(&parent.sha))
                .transpose()?,
            message: found.message,
        })
    }
}
