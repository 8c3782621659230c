//! Answers that come from a repository's objects.

use super::answer::samples;
use super::looking::Looking;
use super::{Rooms, Trouble};
use crate::git::mirror::NoCommit;
use crate::git::read::{ModelTexts, OWNERS_MAX, OwnersTexts, VersionTag};
use crate::git::tree::TextAt;
use bowsprit_core::contract;
use bowsprit_core::effect::Version;
use bowsprit_core::gate::{self, Policies};
use bowsprit_core::name::{CommitSha, Digest, Repo, RepoId, Slug};
use bowsprit_core::owners::{Owners, OwnersFile};
use bowsprit_core::subject::ask::{Answer, ContractAt, Manifest, ModelAt, Query};
use std::collections::BTreeMap;

/// Longest text file that a question may ask for. Units: bytes.
pub(super) const TEXT_BYTES_MAX: usize = 256 * 1024;

impl Rooms {
    /// Brings these commits into the repository's mirror.
    pub(super) async fn ensure(&self, repo: &Repo, shas: &[&CommitSha]) -> Result<(), Trouble> {
        let place = self.place(repo).await?;
        self.mirrors
            .ensure(repo, shas, async || Ok(place.fetch_token().await?))
            .await?;
        Ok(())
    }
}

impl Looking<'_> {
    #[expect(clippy::too_many_lines, reason = "a table: an arm a question")]
    pub(super) async fn git_answer(&self, query: &Query) -> Result<Answer, Trouble> {
        Ok(match query {
            Query::Changes(id, base, head) => Answer::Changes(
                self.git_with(*id, &[base, head])
                    .await?
                    .changes(*id, base, head)
                    .await?,
            ),
            Query::Owners(id, sha) => Answer::Owners(owners(
                &self
                    .git_with(*id, &[sha])
                    .await?
                    .owners_files(*id, sha)
                    .await?,
            )),
            Query::Contract(id, sha) => Answer::Contract(contract_at(
                self.git_with(*id, &[sha])
                    .await?
                    .contract_text(*id, sha)
                    .await?,
            )),
            Query::Policies(id, sha) => Answer::Policies(policies(
                self.git_with(*id, &[sha])
                    .await?
                    .policy_texts(*id, sha)
                    .await?,
            )),
            Query::Text(id, sha, path) => Answer::Text(
                self.git_with(*id, &[sha])
                    .await?
                    .text(*id, sha, path, TEXT_BYTES_MAX)
                    .await?,
            ),
            Query::Commit(id, sha) => match self.git_with(*id, &[sha]).await {
                Ok(git) => Answer::Commit(git.commit(*id, sha).await?),
                // Rewritten histories lose commits; that is an answer, and no reason to ask for ever.
                Err(Trouble::Other(error)) if error.is::<NoCommit>() => Answer::Commit(None),
                Err(trouble) => return Err(trouble),
            },
            Query::Models(id, sha) => {
                let found = self.git_with(*id, &[sha]).await?.models(*id, sha).await?;
                Answer::Models(found.into_iter().map(model_at).collect())
            }
            Query::ServiceTree(id, sha) => Answer::Digest(
                self.git_with(*id, &[sha])
                    .await?
                    .service_tree(*id, sha)
                    .await?,
            ),
            Query::MergeTree(id, base, head) => Answer::MergeTree(
                self.git_with(*id, &[base, head])
                    .await?
                    .merge_tree(*id, base, head)
                    .await?,
            ),
            Query::Chain(id, base, heads) => {
                let shas: Vec<&CommitSha> = heads.iter().chain([base]).collect();
                let git = self.git_with(*id, &shas).await?;
                Answer::Chain(git.chain(*id, base, heads).await?)
            }
            Query::Landed(id, since, now, heads) => {
                let git = self.git_with(*id, &[now]).await?;
                Answer::Landed(git.landed(*id, since, now, heads).await?)
            }
            Query::Inputs(id, sha, except) => Answer::Digest(
                self.git_with(*id, &[sha])
                    .await?
                    .inputs(*id, sha, except)
                    .await?,
            ),
            Query::Picked(id, commit, onto) => Answer::Picked(
                self.git_with(*id, &[commit, onto])
                    .await?
                    .picked(*id, commit, onto)
                    .await?,
            ),
            Query::IsAncestor(id, old, new) => Answer::Flag(
                self.git_with(*id, &[old, new])
                    .await?
                    .is_ancestor(*id, old, new)
                    .await?,
            ),
            Query::SnapshotDigest(id, sha, only) => Answer::Digest(
                self.git_with(*id, &[sha])
                    .await?
                    .snapshot_digest(*id, sha, only)
                    .await?,
            ),
            Query::JudgeDigest(id, sha, paths) => Answer::Digest(
                self.git_with(*id, &[sha])
                    .await?
                    .judge_digest(*id, sha, paths)
                    .await?,
            ),
            Query::Versions(id, model) => Answer::Versions(self.versions(*id, model).await?),
            Query::Repository(_)
            | Query::RepositoryNamed(_)
            | Query::Head(..)
            | Query::Pull(..)
            | Query::KeptPull(..)
            | Query::KeptComments(..)
            | Query::OpenPull(..)
            | Query::Comments(..)
            | Query::DiffComments(..)
            | Query::Reviews(..)
            | Query::Habits(_)
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
            | Query::Stage(_)
            | Query::Samples(_)
            | Query::Runs(..)
            | Query::BranchRuns(..)
            | Query::QueueRuns(..)
            | Query::RunsOfInputs(..)
            | Query::Run(_)
            | Query::PassedRun(..)
            | Query::Next(..)
            | Query::StoredVersions(..)
            | Query::Live(..)
            | Query::Environment(..)
            | Query::Environments(_)
            | Query::Pause => {
                return Err(Trouble::Other(anyhow::anyhow!("not a question for git")));
            }
        })
    }

    /// Versions that we made, and, where the database was lost since the first, those that tags keep.
    async fn versions(&self, id: RepoId, model: &Slug) -> Result<Vec<Version>, Trouble> {
        let stored = self.rooms.store.versions(id, model).await?;
        let first = stored.first().map(|version| version.version);
        if first == Some(FIRST_VERSION) {
            return Ok(stored);
        }
        if first.is_none() {
            let (view, place) = self.known(id).await?;
            self.rooms
                .mirrors
                .refresh(&view.repo, async || Ok(place.fetch_token().await?))
                .await?;
        }
        let mut tags = self.rooms.mirrors.versions(id, model).await?;
        tags.retain(|tag| first.is_none_or(|first| tag.version < first));
        let read = |tag: VersionTag| {
            let manifest: Manifest = serde_json::from_str(&tag.manifest_json?).ok()?;
            (manifest.version == tag.version && manifest.model == *model)
                .then(|| of_tag(id, manifest, tag.commit, tag.committed_ms))
        };
        let lost = tags.into_iter().filter_map(read);
        Ok(lost.chain(stored).collect())
    }
}

/// The number of a model's first version.
const FIRST_VERSION: u64 = 1;

fn of_tag(service: RepoId, manifest: Manifest, commit: CommitSha, created_ms: i64) -> Version {
    Version {
        service,
        model: manifest.model,
        version: manifest.version,
        digest: manifest.digest,
        files: manifest.files,
        run: manifest.run,
        training: manifest.training.repo_id,
        training_commit: manifest.training.commit,
        pushed_by: None,
        self_reported: manifest.judge_digest == Digest::of(b"self-reported"),
        judge_digest: manifest.judge_digest,
        judge_sha: manifest.judge_sha,
        metrics: BTreeMap::new(),
        commit,
        pr: None,
        created_ms,
        deleted: None,
    }
}

fn owners(texts: &OwnersTexts) -> Owners {
    if texts.is_cut {
        return Owners::beyond(OWNERS_MAX);
    }
    match &texts.code {
        None => {}
        Some((path, Ok(text))) => return Owners::of_code(path, text),
        Some((path, Err(why))) => return Owners::of_unreadable_code(path, why),
    }
    let files: Vec<OwnersFile<'_>> = texts
        .files
        .iter()
        .map(|(dir, text)| OwnersFile { dir, text })
        .collect();
    Owners::parse(&files, texts.aliases.as_deref())
}

pub(super) fn contract_at(text: TextAt) -> ContractAt {
    match text {
        TextAt::Missing => ContractAt::Missing,
        TextAt::Unusable(why) => ContractAt::Broken(vec![contract::Problem {
            line: 1,
            column: 1,
            message: why,
        }]),
        TextAt::Text(text) => match contract::parse(&text) {
            Ok(contract) => ContractAt::Good(Box::new(contract), Digest::of(text.as_bytes())),
            Err(problems) => ContractAt::Broken(problems),
        },
    }
}

pub(super) fn policies(
    texts: Vec<(bowsprit_core::name::RepoPath, TextAt)>,
) -> Result<Policies, String> {
    let mut own = Vec::new();
    for (path, text) in texts {
        let text = match text {
            TextAt::Missing => continue,
            TextAt::Unusable(why) => return Err(format!("`{path}`: {why}")),
            TextAt::Text(text) => text,
        };
        match gate::parse_policy(&text) {
            Ok(policy) => own.push(policy),
            Err(problems) => {
                let first = problems
                    .first()
                    .map(|p| format!("line {}: {}", p.line, p.message))
                    .unwrap_or_default();
                return Err(format!("`{path}`: {first}"));
            }
        }
    }
    Policies::new(gate::shipped(), own).map_err(|clashes| {
        clashes
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; ")
    })
}

pub(super) fn model_at(texts: ModelTexts) -> ModelAt {
    let model = texts.model;
    let manifest = match texts.manifest_json {
        None => Err("there is no `manifest.json`".to_owned()),
        Some(text) => serde_json::from_str::<Manifest>(&text)
            .map_err(|error| error.to_string())
            .and_then(|manifest| check(&model, manifest)),
    };
    ModelAt {
        model,
        manifest,
        samples: samples(texts.samples_jsonl.unwrap_or_default().as_bytes()),
    }
}

/// A manifest must speak of its own folder, and its digest must be that of its files.
fn check(model: &Slug, manifest: Manifest) -> Result<Manifest, String> {
    if manifest.schema != 1 {
        return Err(format!("schema {} is not known; 1 is", manifest.schema));
    }
    if manifest.model != *model {
        return Err(format!("it speaks of `{}`", manifest.model));
    }
    if bowsprit_core::artifact::digest(&manifest.files) != manifest.digest {
        return Err("its digest is not that of its files".to_owned());
    }
    Ok(manifest)
}
