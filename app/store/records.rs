//! Records: runs, versions, environments as JSON documents under the columns they are found by, and the list of events.
//!
//! Written only as part of a step. git and the far ends are the truth; these rows are an index that may be rebuilt.

use super::{LIST_MAX, Store, sql_id, sql_limit};
use anyhow::Context;
use bowsprit_core::effect::{Record, Version};
use bowsprit_core::name::{BranchName, CommitSha, Digest, RepoId, Slug};
use bowsprit_core::queue::RUNS_MAX;
use bowsprit_core::subject::environment::Environment;
use bowsprit_core::subject::run::{BRANCH_RUNS_MAX, Phase, Run, What};
use bowsprit_core::training::spec::Trust;
use serde::de::DeserializeOwned;
use sqlx::sqlite::SqliteConnection;

/// Runs on equal inputs that are looked at.
const EQUALS_MAX: usize = 50;

impl Store {
    /// Runs on a commit, oldest first.
    pub async fn runs_at(&self, repo: RepoId, sha: &CommitSha) -> anyhow::Result<Vec<Run>> {
        let rows = sqlx::query_as(
            "SELECT doc FROM run WHERE repo = $1 AND sha = $2 ORDER BY created_ms, id LIMIT $3",
        )
        .bind(sql_id(repo.0))
        .bind(sha.as_str())
        .bind(sql_limit(LIST_MAX))
        .fetch_all(self.reads())
        .await
        .with_context(|| format!("cannot list runs of `{sha}`"))?;
        parse_all(rows)
    }

    /// Unfinished runs of a branch, oldest first.
    pub async fn active_runs(&self, repo: RepoId, branch: &BranchName) -> anyhow::Result<Vec<Run>> {
        let rows = sqlx::query_as(
            "SELECT doc FROM run WHERE repo = $1 AND branch = $2 AND is_active = 1 ORDER BY created_ms, id LIMIT $3",
        )
        .bind(sql_id(repo.0))
        .bind(branch.as_str())
        .bind(sql_limit(LIST_MAX))
        .fetch_all(self.reads())
        .await
        .with_context(|| format!("cannot list active runs of branch `{branch}`"))?;
        parse_all(rows)
    }

    /// Runs of a branch, newest first.
    pub async fn branch_runs(&self, repo: RepoId, branch: &BranchName) -> anyhow::Result<Vec<Run>> {
        let rows = sqlx::query_as(
            "SELECT doc FROM run WHERE repo = $1 AND branch = $2 ORDER BY created_ms DESC, id DESC LIMIT $3",
        )
        .bind(sql_id(repo.0))
        .bind(branch.as_str())
        .bind(sql_limit(BRANCH_RUNS_MAX))
        .fetch_all(self.reads())
        .await
        .with_context(|| format!("cannot list runs of branch `{branch}`"))?;
        parse_all(rows)
    }

    /// Runs of the tests of a branch's merge queue, the newest ones, oldest first.
    pub async fn queue_runs(&self, repo: RepoId, branch: &BranchName) -> anyhow::Result<Vec<Run>> {
        let rows = sqlx::query_as(
            "SELECT doc FROM run WHERE repo = $1 AND queue = $2 ORDER BY created_ms DESC, id DESC LIMIT $3",
        )
        .bind(sql_id(repo.0))
        .bind(branch.as_str())
        .bind(sql_limit(RUNS_MAX))
        .fetch_all(self.reads())
        .await
        .with_context(|| format!("cannot list tests of branch `{branch}`"))?;
        let mut runs: Vec<Run> = parse_all(rows)?;
        runs.reverse();
        Ok(runs)
    }

    /// The newest runs on inputs of this digest.
    pub async fn runs_of_inputs(&self, repo: RepoId, inputs: &Digest) -> anyhow::Result<Vec<Run>> {
        let rows = sqlx::query_as(
            "SELECT doc FROM run WHERE repo = $1 AND inputs = $2 ORDER BY created_ms DESC, id DESC LIMIT $3",
        )
        .bind(sql_id(repo.0))
        .bind(inputs.as_str())
        .bind(sql_limit(EQUALS_MAX))
        .fetch_all(self.reads())
        .await
        .context("cannot list runs by their inputs")?;
        parse_all(rows)
    }

    /// A run.
    pub async fn run(&self, id: &str) -> anyhow::Result<Option<Run>> {
        let row = sqlx::query_as("SELECT doc FROM run WHERE id = $1")
            .bind(id)
            .fetch_optional(self.reads())
            .await
            .with_context(|| format!("cannot read run `{id}`"))?;
        parse_one(row)
    }

    /// The newest training run of this branch that passed, with nothing changed by a command, and made this model.
    ///
    /// A commit is as new as its first run on the branch: running an old one again does not make it the newest.
    pub async fn passed_run(
        &self,
        training: RepoId,
        branch: &BranchName,
        model: &Slug,
    ) -> anyhow::Result<Option<Run>> {
        let row = sqlx::query_as(
            "SELECT doc FROM run WHERE repo = $1 AND model = $2 AND branch = $3 AND is_proposable = 1
            ORDER BY (
                SELECT MIN(first.created_ms) FROM run AS first
                WHERE first.repo = run.repo AND first.sha = run.sha AND first.branch = run.branch
            ) DESC, created_ms DESC, id DESC LIMIT 1",
        )
        .bind(sql_id(training.0))
        .bind(model.as_str())
        .bind(branch.as_str())
        .fetch_optional(self.reads())
        .await
        .with_context(|| format!("cannot find a passed run of model `{model}`"))?;
        parse_one(row)
    }

    /// Versions of a model, oldest first.
    pub async fn versions(&self, service: RepoId, model: &Slug) -> anyhow::Result<Vec<Version>> {
        let rows = sqlx::query_as(
            "SELECT doc FROM (
                SELECT version, doc FROM model_version WHERE service = $1 AND model = $2
                ORDER BY version DESC LIMIT $3
            ) AS newest ORDER BY version",
        )
        .bind(sql_id(service.0))
        .bind(model.as_str())
        .bind(sql_limit(LIST_MAX))
        .fetch_all(self.reads())
        .await
        .with_context(|| format!("cannot list versions of model `{model}`"))?;
        parse_all(rows)
    }

    /// An environment.
    pub async fn environment(
        &self,
        repo: RepoId,
        name: &Slug,
    ) -> anyhow::Result<Option<Environment>> {
        let row = sqlx::query_as("SELECT doc FROM environment WHERE repo = $1 AND name = $2")
            .bind(sql_id(repo.0))
            .bind(name.as_str())
            .fetch_optional(self.reads())
            .await
            .with_context(|| format!("cannot read environment `{name}`"))?;
        parse_one(row)
    }

    /// Environments of a service that are not gone, by name.
    pub async fn environments(&self, repo: RepoId) -> anyhow::Result<Vec<Environment>> {
        let rows = sqlx::query_as(
            "SELECT doc FROM environment WHERE repo = $1 AND is_gone = 0 ORDER BY name LIMIT $2",
        )
        .bind(sql_id(repo.0))
        .bind(sql_limit(LIST_MAX))
        .fetch_all(self.reads())
        .await
        .with_context(|| format!("cannot list environments of repository {repo}"))?;
        parse_all(rows)
    }
}

/// Writes a record inside the caller's transaction.
pub(super) async fn write_record(
    conn: &mut SqliteConnection,
    subject: &str,
    record: &Record,
    at_ms: i64,
) -> anyhow::Result<()> {
    match record {
        Record::Run(run) => write_run(conn, run).await,
        Record::Version(version) => write_version(conn, version).await,
        Record::Environment(environment) => write_environment(conn, environment).await,
        Record::Event {
            who,
            what,
            sha,
            why,
        } => {
            sqlx::query(
                "INSERT INTO event (at_ms, subject, who, what, sha, why) VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(at_ms)
            .bind(subject)
            .bind(who.as_ref().map(|login| login.as_str()))
            .bind(what)
            .bind(sha.as_ref().map(|sha| sha.as_str()))
            .bind(why)
            .execute(conn)
            .await
            .context("cannot store event")?;
            Ok(())
        }
    }
}

/// The word that stands in the table.
pub(super) fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Pending => "pending",
        Phase::Running => "running",
        Phase::Succeeded => "succeeded",
        Phase::Failed => "failed",
        Phase::Cancelled => "cancelled",
        Phase::Skipped => "skipped",
    }
}

async fn write_run(conn: &mut SqliteConnection, run: &Run) -> anyhow::Result<()> {
    let is_proposable = run.cause.what == What::Train
        && run.cause.trigger.branch().is_some()
        && run.cause.trust == Trust::Trusted
        && !run.is_aside
        && run.phase == Phase::Succeeded
        && run.cause.params.is_empty()
        && run.made.is_some();
    sqlx::query(
        "INSERT INTO run (id, repo, sha, branch, model, phase, is_active, is_proposable, created_ms, doc, queue, inputs)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        ON CONFLICT (id) DO UPDATE SET repo = excluded.repo, sha = excluded.sha, branch = excluded.branch,
            model = excluded.model, phase = excluded.phase, is_active = excluded.is_active,
            is_proposable = excluded.is_proposable, created_ms = excluded.created_ms, doc = excluded.doc,
            queue = excluded.queue, inputs = excluded.inputs",
    )
    .bind(&run.id)
    .bind(sql_id(run.repo.id.0))
    .bind(run.sha.as_str())
    .bind(run.cause.trigger.branch().map(|branch| branch.as_str()))
    .bind(run.model.as_ref().map(|model| model.as_str()))
    .bind(phase_word(run.phase))
    .bind(i64::from(!run.phase.is_final()))
    .bind(i64::from(is_proposable))
    .bind(run.created_ms)
    .bind(serde_json::to_string(run)?)
    .bind(run.cause.trigger.queue().map(|(branch, _)| branch.as_str()))
    .bind(run.inputs.as_ref().map(|inputs| inputs.as_str()))
    .execute(conn)
    .await
    .with_context(|| format!("cannot store run `{}`", run.id))?;
    Ok(())
}

async fn write_version(conn: &mut SqliteConnection, version: &Version) -> anyhow::Result<()> {
    sqlx::query(
        "INSERT INTO model_version (service, model, version, digest, created_ms, doc)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (service, model, version) DO UPDATE SET digest = excluded.digest,
            created_ms = excluded.created_ms, doc = excluded.doc",
    )
    .bind(sql_id(version.service.0))
    .bind(version.model.as_str())
    .bind(sql_id(version.version))
    .bind(version.digest.as_str())
    .bind(version.created_ms)
    .bind(serde_json::to_string(version)?)
    .execute(conn)
    .await
    .with_context(|| {
        format!(
            "cannot store version {} of `{}`",
            version.version, version.model
        )
    })?;
    Ok(())
}

async fn write_environment(conn: &mut SqliteConnection, env: &Environment) -> anyhow::Result<()> {
    sqlx::query(
        "INSERT INTO environment (repo, name, is_gone, updated_ms, doc) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (repo, name) DO UPDATE SET is_gone = excluded.is_gone,
            updated_ms = excluded.updated_ms, doc = excluded.doc",
    )
    .bind(sql_id(env.repo.id.0))
    .bind(env.name.as_str())
    .bind(i64::from(env.is_gone))
    .bind(env.updated_ms)
    .bind(serde_json::to_string(env)?)
    .execute(conn)
    .await
    .with_context(|| format!("cannot store environment `{}`", env.name))?;
    Ok(())
}

/// Reads documents that were stored before.
pub(super) fn parse_all<T: DeserializeOwned>(rows: Vec<(String,)>) -> anyhow::Result<Vec<T>> {
    rows.iter()
        .map(|(doc,)| serde_json::from_str(doc).context("cannot read stored document"))
        .collect()
}

fn parse_one<T: DeserializeOwned>(row: Option<(String,)>) -> anyhow::Result<Option<T>> {
    row.map(|(doc,)| serde_json::from_str(&doc).context("cannot read stored document"))
        .transpose()
}
