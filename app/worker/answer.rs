//! Answers to core's questions: each asks one room.

use super::Trouble;
use super::looking::Looking;
use anyhow::Context as _;
use bowsprit_core::name::{BranchName, PrNumber, RepoId};
use bowsprit_core::subject::SubjectKey;
use bowsprit_core::subject::ask::{Answer, Query};
use bowsprit_core::subject::pull::Ready;
use bowsprit_core::training::spec::{SAMPLES_MAX, Sample};

/// Longest `samples.jsonl` that is read. Units: bytes.
pub(super) const SAMPLES_BYTES_MAX: u64 = 1 << 20;

impl Looking<'_> {
    #[expect(clippy::too_many_lines, reason = "one arm a question")]
    /// Answers one question. Errors: a room could not be asked now.
    pub(super) async fn answer(&self, query: &Query) -> Result<Answer, Trouble> {
        Ok(match query {
            Query::Repository(id) => {
                Answer::Repository(self.find(*id).await?.map(|(view, _)| view))
            }
            Query::RepositoryNamed(name) => Answer::Repository(
                self.rooms
                    .store
                    .repository_named(name)
                    .await?
                    .map(|(view, _)| view),
            ),
            Query::Head(id, branch) => Answer::Head(self.known(*id).await?.1.head(branch).await?),
            Query::Pull(id, number) => Answer::Pull(self.known(*id).await?.1.pull(*number).await?),
            Query::KeptPull(id, number) => {
                Answer::Pull(self.known(*id).await?.1.kept_pull(*number).await?)
            }
            Query::OpenPull(id, branch) => {
                Answer::Pull(self.known(*id).await?.1.open_pull(branch).await?)
            }
            Query::Comments(id, number) => {
                Answer::Comments(self.known(*id).await?.1.comments(*number).await?)
            }
            Query::KeptComments(id, number) => {
                Answer::Comments(self.known(*id).await?.1.kept_comments(*number).await?)
            }
            Query::DiffComments(id, number) => {
                Answer::Comments(self.known(*id).await?.1.diff_comments(*number).await?)
            }
            Query::Reviews(id, number) => {
                Answer::Reviews(self.known(*id).await?.1.reviews(*number).await?)
            }
            Query::Permission(id, login) => {
                Answer::Permission(self.known(*id).await?.1.permission(login).await?)
            }
            Query::Collaborator(id, login) => {
                Answer::Flag(self.known(*id).await?.1.is_collaborator(login).await?)
            }
            Query::OrgMember(id, login) => {
                Answer::Flag(self.known(*id).await?.1.is_org_member(login).await?)
            }
            Query::TeamMember(id, team, login) => {
                Answer::Flag(self.known(*id).await?.1.is_team_member(team, login).await?)
            }
            Query::Labels(id) => Answer::Labels(self.known(*id).await?.1.labels().await?),
            Query::Milestones(id) => {
                Answer::Milestones(self.known(*id).await?.1.milestones().await?)
            }
            Query::Contexts(id, sha) => {
                Answer::Contexts(self.known(*id).await?.1.contexts(sha).await?)
            }
            Query::Blockers(id, label) => {
                Answer::Blockers(self.known(*id).await?.1.blockers(label).await?)
            }
            Query::MergeQueue(id, branch) => {
                Answer::Flag(self.known(*id).await?.1.has_merge_queue(branch).await?)
            }
            Query::QueueEntry(id, number) => {
                Answer::QueueEntry(self.known(*id).await?.1.queue_entry(*number).await?)
            }
            Query::Pool(id, branch) => Answer::Pool(self.pool(*id, branch).await?),
            Query::Required(id, branch) => {
                Answer::Required(self.known(*id).await?.1.required(branch).await?)
            }
            Query::Stage(stage) => Answer::Stage(self.rooms.runs.view(stage)),
            Query::Samples(digest) => Answer::Samples(samples(
                &self
                    .rooms
                    .artifacts
                    .read(digest, SAMPLES_BYTES_MAX)
                    .await
                    .unwrap_or_default(),
            )),
            Query::Runs(id, sha) => Answer::Runs(self.rooms.store.runs_at(*id, sha).await?),
            Query::BranchRuns(id, branch) => {
                Answer::Runs(self.rooms.store.branch_runs(*id, branch).await?)
            }
            Query::QueueRuns(id, branch) => {
                Answer::Runs(self.rooms.store.queue_runs(*id, branch).await?)
            }
            Query::RunsOfInputs(id, inputs) => {
                Answer::Runs(self.rooms.store.runs_of_inputs(*id, inputs).await?)
            }
            Query::Run(run) => Answer::Run(self.rooms.store.run(run).await?),
            Query::PassedRun(id, branch, model) => {
                Answer::Run(self.rooms.store.passed_run(*id, branch, model).await?)
            }
            Query::Next(id, model) => {
                let key = SubjectKey::Model(*id, model.clone());
                let state = self.rooms.store.subject_state(&key).await?;
                let next = state.as_ref().and_then(|state| state["next"].as_str());
                Answer::Text(next.map(str::to_owned))
            }
            Query::StoredVersions(id, model) => {
                Answer::Versions(self.rooms.store.versions(*id, model).await?)
            }
            Query::Live(id, name) => Answer::Live(self.rooms.releases.live(*id, name)),
            Query::Environment(id, name) => {
                Answer::Environment(self.rooms.store.environment(*id, name).await?)
            }
            Query::Environments(id) => {
                Answer::Environments(self.rooms.store.environments(*id).await?)
            }
            Query::Pause => Answer::Pause(self.rooms.store.pause().await?),
            Query::Habits(id) => {
                let (view, _) = self.known(*id).await?;
                let name = view.repo.name.as_str();
                Answer::Habits(self.rooms.chatops.habits(name))
            }
            Query::Changes(..)
            | Query::Owners(..)
            | Query::Contract(..)
            | Query::Policies(..)
            | Query::Text(..)
            | Query::Commit(..)
            | Query::Models(..)
            | Query::ServiceTree(..)
            | Query::MergeTree(..)
            | Query::Picked(..)
            | Query::Chain(..)
            | Query::Landed(..)
            | Query::Inputs(..)
            | Query::IsAncestor(..)
            | Query::SnapshotDigest(..)
            | Query::JudgeDigest(..)
            | Query::Versions(..) => self.git_answer(query).await?,
        })
    }

    async fn pool(
        &self,
        id: RepoId,
        branch: &BranchName,
    ) -> Result<Vec<(PrNumber, Ready)>, Trouble> {
        let ready = self.rooms.store.ready_pulls(id).await?;
        let mut pool = Vec::with_capacity(ready.len());
        for (number, state) in ready {
            let found: Ready =
                serde_json::from_value(state).context("cannot read a place in the queue")?;
            if found.base == *branch {
                pool.push((number, found));
            }
        }
        Ok(pool)
    }
}

/// The good lines of a `samples.jsonl`.
pub(super) fn samples(bytes: &[u8]) -> Vec<Sample> {
    let text = String::from_utf8_lossy(bytes);
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .take(SAMPLES_MAX)
        .collect()
}
