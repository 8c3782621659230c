//! What a run that passed would be proposed as, were its folders pushed.

use super::{Alone, Folder, Pair, SERVICE};
use crate::text::Texts;
use crate::worker::git_answer::{TEXT_BYTES_MAX, model_at};
use crate::worker::now_ms;
use anyhow::Context as _;
use bowsprit_core::effect::{Content, Effect, Record, Version};
use bowsprit_core::name::{CommitSha, RepoId, RepoPath, Slug};
use bowsprit_core::subject::ask::Manifest;
use bowsprit_core::subject::run::Run;
use bowsprit_core::subject::{Given, model};
use serde_json::json;
use std::collections::BTreeMap;

/// The repository of a version that the service has.
const ELSEWHERE: RepoId = RepoId(0);

/// The pull request that the bot would open, or why it would open none.
#[derive(Debug)]
pub enum Proposed {
    /// This one.
    Pull {
        /// Its title.
        title: String,
        /// Its text. Markdown.
        body: String,
        /// Its files.
        files: BTreeMap<RepoPath, Content>,
    },
    /// None, with the reason.
    Nothing(String),
}

impl Alone {
    /// Asks the bot's own decision what it proposes for a run that passed, against the service's folder as it is.
    ///
    /// Errors: folders that cannot be read, a text that cannot be rendered.
    pub async fn propose(&self, run: &Run, service: &Folder) -> anyhow::Result<Proposed> {
        let pair = Pair {
            training: run.repo.clone(),
            sha: run.sha.clone(),
            service: Some(self.take_in_service(service).await?),
            passed: Some(run.clone()),
        };
        let name = run.model.clone().context("the run made no model")?;
        let given = Given {
            state: None,
            hints: Vec::new(),
            outcomes: BTreeMap::new(),
            now_ms: now_ms(),
            since_ms: 0,
            public_url: String::new(),
        };
        let act = self
            .look(&pair, |ask| model::step(&given, (SERVICE, &name), ask))
            .await?;
        for intent in act.intents {
            if let Effect::Propose(wanted) = intent.effect {
                // Its commit is not made.
                let extra = json!({"commit": "HEAD"});
                return Ok(Proposed::Pull {
                    body: Texts::load(None)?.render(&wanted.body, extra)?,
                    title: wanted.title,
                    files: wanted.files,
                });
            }
        }
        let why = act.records.into_iter().find_map(|record| match record {
            Record::Event { why, .. } => Some(why),
            Record::Run(_) | Record::Version(_) | Record::Environment(_) => None,
        });
        Ok(Proposed::Nothing(why.context(
            "the service's contract names no training that made this model",
        )?))
    }

    /// The version that the service's folder holds, the only one that it knows of.
    pub(super) async fn versions(
        &self,
        id: RepoId,
        model: &Slug,
        pair: &Pair,
    ) -> anyhow::Result<Vec<Version>> {
        let Some((_, sha)) = pair.service.as_ref().filter(|_| id == SERVICE) else {
            return Ok(Vec::new());
        };
        let found = self.mirrors.models(id, sha).await?;
        let found = found
            .into_iter()
            .map(model_at)
            .find(|at| at.model == *model);
        let Some(at) = found else {
            return Ok(Vec::new());
        };
        let manifest = match at.manifest {
            Ok(manifest) => manifest,
            Err(why) => anyhow::bail!("the service's `models/{model}/` cannot be read: {why}"),
        };
        let path = RepoPath::parse(&format!("models/{model}/metrics.json"))?;
        let text = self.mirrors.text(id, sha, &path, TEXT_BYTES_MAX).await?;
        let metrics = text.and_then(|text| serde_json::from_str(&text).ok());
        Ok(vec![version(manifest, metrics.unwrap_or_default(), sha)])
    }
}

fn version(manifest: Manifest, metrics: BTreeMap<String, f64>, commit: &CommitSha) -> Version {
    Version {
        service: SERVICE,
        model: manifest.model,
        version: manifest.version,
        digest: manifest.digest,
        files: manifest.files,
        run: manifest.run,
        // Its history is not here, so neither is what came before what.
        training: ELSEWHERE,
        training_commit: manifest.training.commit,
        pushed_by: None,
        judge_digest: manifest.judge_digest,
        judge_sha: manifest.judge_sha,
        metrics,
        self_reported: false,
        commit: commit.clone(),
        pr: None,
        created_ms: 0,
        deleted: None,
    }
}
