//! Answers that come from a repository's objects.

use super::answer::samples;
use super::{Rooms, Trouble};
use bowsprit_core::contract;
use bowsprit_core::effect::Version;
use bowsprit_core::gate::{self, Policies};
use bowsprit_core::name::{CommitSha, Digest, Repo, RepoId, Slug};
use bowsprit_core::owners::{Owners, OwnersFile};
use bowsprit_core::subject::ask::{Answer, ContractAt, Manifest, ModelAt, Query};
use std::collections::BTreeMap;

/// Longest text file that a question may ask for. Units: bytes.
const TEXT_BYTES_MAX: usize = 256 * 1024;

impl Rooms {
    /// Brings these commits into the repository's mirror.
    pub(super) async fn ensure(&self, repo: &Repo, shas: &[&CommitSha]) -> Result<(), Trouble> {
        let place = self.place(repo).await?;
        self.mirrors.ensure(repo, shas, async || Ok(place.fetch_token().await?)).await?;
        Ok(())
    }

    async fn repo_with(&self, id: RepoId, shas: &[&CommitSha]) -> Result<Repo, Trouble> {
        let (view, _) = self.known(id).await?;
        self.ensure(&view.repo, shas).await?;
        Ok(view.repo)
    }

    pub(super) async fn git_answer(&self, query: &Query) -> Result<Answer, Trouble> {
        let git = &self.mirrors;
        Ok(match query {
            Query::Changes(id, base, head) => Answer::Changes(git.changes(&self.repo_with(*id, &[base, head]).await?, base, head).await?),
            Query::Owners(id, sha) => {
                let (files, aliases) = git.owners_files(&self.repo_with(*id, &[sha]).await?, sha).await?;
                let files: Vec<OwnersFile<'_>> = files.iter().map(|(dir, text)| OwnersFile { dir, text }).collect();
                Answer::Owners(Owners::parse(&files, aliases.as_deref()).0)
            }
            Query::Contract(id, sha) => Answer::Contract(contract_at(git.contract_text(&self.repo_with(*id, &[sha]).await?, sha).await?)),
            Query::Policies(id, sha) => Answer::Policies(policies(git.policy_texts(&self.repo_with(*id, &[sha]).await?, sha).await?)),
            Query::Text(id, sha, path) => Answer::Text(git.text(&self.repo_with(*id, &[sha]).await?, sha, path, TEXT_BYTES_MAX).await?),
            Query::Commit(id, sha) => Answer::Commit(git.commit(&self.repo_with(*id, &[sha]).await?, sha).await?),
            Query::Models(id, sha) => {
                let found = git.models(&self.repo_with(*id, &[sha]).await?, sha).await?;
                Answer::Models(found.into_iter().map(|(model, manifest, lines)| model_at(model, manifest, lines)).collect())
            }
            Query::ServiceTree(id, sha) => Answer::Digest(git.service_tree(&self.repo_with(*id, &[sha]).await?, sha).await?),
            Query::MergeTree(id, base, head) => Answer::MergeTree(git.merge_tree(&self.repo_with(*id, &[base, head]).await?, base, head).await?),
            Query::IsAncestor(id, old, new) => Answer::Flag(git.is_ancestor(&self.repo_with(*id, &[old, new]).await?, old, new).await?),
            Query::JudgeDigest(id, sha, paths) => Answer::Digest(git.judge_digest(&self.repo_with(*id, &[sha]).await?, sha, paths).await?),
            Query::Versions(id, model) => Answer::Versions(self.versions(*id, model).await?),
            Query::Repository(_)
            | Query::RepositoryNamed(_)
            | Query::Head(..)
            | Query::Pull(..)
            | Query::OpenPull(..)
            | Query::Comments(..)
            | Query::Reviews(..)
            | Query::Permission(..)
            | Query::Contexts(..)
            | Query::Required(..)
            | Query::Stage(_)
            | Query::Samples(_)
            | Query::Runs(..)
            | Query::ActiveRuns(..)
            | Query::Run(_)
            | Query::PassedRun(..)
            | Query::Live(..)
            | Query::Environment(..)
            | Query::Environments(_) => return Err(Trouble::Other(anyhow::anyhow!("not a question for git"))),
        })
    }

    /// Versions that we made, or, where the database knows none, those that tags keep.
    async fn versions(&self, id: RepoId, model: &Slug) -> Result<Vec<Version>, Trouble> {
        let stored = self.store.versions(id, model).await?;
        if !stored.is_empty() {
            return Ok(stored);
        }
        let (view, place) = self.known(id).await?;
        self.mirrors.refresh(&view.repo, async || Ok(place.fetch_token().await?)).await?;
        let tags = self.mirrors.versions(&view.repo, model).await?;
        let read = |(number, commit, manifest, made_ms): (u64, CommitSha, Option<String>, i64)| {
            let manifest: Manifest = serde_json::from_str(&manifest?).ok()?;
            (manifest.version == number && manifest.model == *model).then(|| of_tag(id, manifest, commit, made_ms))
        };
        Ok(tags.into_iter().filter_map(read).collect())
    }
}

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
        metrics: BTreeMap::new(),
        commit,
        pr: None,
        created_ms,
    }
}

fn contract_at(text: Option<String>) -> ContractAt {
    match text {
        None => ContractAt::Missing,
        Some(text) => match contract::parse(&text) {
            Ok(contract) => ContractAt::Good(Box::new(contract), Digest::of(text.as_bytes())),
            Err(problems) => ContractAt::Broken(problems),
        },
    }
}

fn policies(texts: Vec<(bowsprit_core::name::RepoPath, String)>) -> Result<Policies, String> {
    let mut own = Vec::new();
    for (path, text) in texts {
        match gate::parse_policy(&text) {
            Ok(policy) => own.push(policy),
            Err(problems) => {
                let first = problems.first().map(|p| format!("line {}: {}", p.line, p.message)).unwrap_or_default();
                return Err(format!("`{path}`: {first}"));
            }
        }
    }
    Policies::new(gate::shipped(), own).map_err(|clashes| clashes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}

fn model_at(model: Slug, manifest: Option<String>, lines: Option<String>) -> ModelAt {
    let manifest = match manifest {
        None => Err("there is no `manifest.json`".to_owned()),
        Some(text) => serde_json::from_str::<Manifest>(&text).map_err(|error| error.to_string()).and_then(|manifest| check(&model, manifest)),
    };
    ModelAt { model, manifest, samples: samples(lines.unwrap_or_default().as_bytes()) }
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
