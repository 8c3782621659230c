//! Answers to the questions of a run and of a model where there are two folders and nothing else.

use super::{Alone, Pair, SERVICE};
use crate::worker::answer::{SAMPLES_BYTES_MAX, samples};
use crate::worker::git_answer::{TEXT_BYTES_MAX, contract_at, model_at, policies};
use bowsprit_core::habits::Habits;
use bowsprit_core::name::{BranchName, Repo};
use bowsprit_core::subject::ask::{Answer, Query, RepoView};

impl Alone {
    /// Errors: a folder that cannot be read, or a question that neither asks.
    #[expect(clippy::too_many_lines, reason = "a table: an arm a question")]
    pub(super) async fn answer(&self, query: &Query, pair: &Pair) -> anyhow::Result<Answer> {
        let git = &self.mirrors;
        let service = |is_it: bool| -> anyhow::Result<Answer> {
            let found = pair.service.as_ref().filter(|_| is_it);
            let view = found.map(|(repo, _)| view(repo));
            Ok(Answer::Repository(view.transpose()?))
        };
        Ok(match query {
            // A run does not see the training's own repository: the folder judges itself, as a push to the default branch does.
            Query::Repository(id) => service(*id == SERVICE)?,
            Query::RepositoryNamed(name)
                if pair.passed.is_some() && *name == pair.training.name =>
            {
                Answer::Repository(Some(view(&pair.training)?))
            }
            // A folder that stands alone has a service of which nothing is there yet.
            Query::RepositoryNamed(name) if pair.service.is_none() => {
                let repo = Repo {
                    id: SERVICE,
                    name: name.clone(),
                };
                Answer::Repository(Some(view(&repo)?))
            }
            Query::RepositoryNamed(name) => {
                let named = pair.service.as_ref().map(|(repo, _)| &repo.name);
                service(named == Some(name))?
            }
            Query::Head(..) => Answer::Head(pair.service.as_ref().map(|(_, sha)| sha.clone())),
            Query::Contract(id, sha) => {
                Answer::Contract(contract_at(git.contract_text(*id, sha).await?))
            }
            Query::Policies(id, sha) => {
                Answer::Policies(policies(git.policy_texts(*id, sha).await?))
            }
            Query::Text(id, sha, path) => {
                Answer::Text(git.text(*id, sha, path, TEXT_BYTES_MAX).await?)
            }
            Query::Commit(id, sha) => Answer::Commit(git.commit(*id, sha).await?),
            Query::Models(id, sha) => {
                let found = git.models(*id, sha).await?;
                Answer::Models(found.into_iter().map(model_at).collect())
            }
            Query::SnapshotDigest(id, sha, only) => {
                Answer::Digest(git.snapshot_digest(*id, sha, only).await?)
            }
            Query::JudgeDigest(id, sha, paths) => {
                Answer::Digest(git.judge_digest(*id, sha, paths).await?)
            }
            Query::Stage(stage) => Answer::Stage(self.runs.view(stage)),
            Query::Samples(digest) => {
                let read = self.artifacts.read(digest, SAMPLES_BYTES_MAX).await;
                Answer::Samples(samples(&read.unwrap_or_default()))
            }
            // The judge of the version that the service's folder holds is at a commit that is not here: a folder judges alone.
            Query::Versions(..) if pair.passed.is_none() => Answer::Versions(Vec::new()),
            Query::Versions(id, model) => Answer::Versions(self.versions(*id, model, pair).await?),
            Query::Environments(_) => Answer::Environments(Vec::new()),
            Query::PassedRun(..) => Answer::Run(pair.passed.clone()),
            Query::OpenPull(..) => Answer::Pull(None),
            Query::Run(_) => Answer::Run(None),
            Query::Runs(..) | Query::BranchRuns(..) => Answer::Runs(Vec::new()),
            // Nothing is merged from a folder.
            Query::Habits(_) => Answer::Habits(Habits::default()),
            Query::Pull(..)
            | Query::KeptPull(..)
            | Query::KeptComments(..)
            | Query::Comments(..)
            | Query::DiffComments(..)
            | Query::Reviews(..)
            | Query::Labels(_)
            | Query::Milestones(_)
            | Query::Blockers(..)
            | Query::Pool(..)
            | Query::MergeQueue(..)
            | Query::QueueEntry(..)
            | Query::Permission(..)
            | Query::Collaborator(..)
            | Query::OrgMember(..)
            | Query::TeamMember(..)
            | Query::Contexts(..)
            | Query::Required(..)
            | Query::Changes(..)
            | Query::Owners(..)
            | Query::ServiceTree(..)
            | Query::MergeTree(..)
            | Query::Picked(..)
            | Query::Chain(..)
            | Query::Landed(..)
            | Query::Inputs(..)
            | Query::QueueRuns(..)
            | Query::RunsOfInputs(..)
            | Query::IsAncestor(..)
            | Query::Next(..)
            | Query::StoredVersions(..)
            | Query::Live(..)
            | Query::Environment(..)
            | Query::Pause => anyhow::bail!("a run of a folder does not ask {query:?}"),
        })
    }
}

fn view(repo: &Repo) -> anyhow::Result<RepoView> {
    Ok(RepoView {
        repo: repo.clone(),
        default_branch: BranchName::parse("main")?,
    })
}
