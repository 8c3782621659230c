//! Versions that were deleted: a deletion and a release that begin at the same moment, and the bytes afterwards.
//!
//! Steps decide by what they have read, and another may have been committed since.
//! Both kinds of writing are held against the rows in the transaction that writes them, so that the second one sees the first.

use super::records::parse_all;
use super::{Store, rust_id, sql_id};
use anyhow::Context;
use bowsprit_core::effect::{Record, Version};
use bowsprit_core::name::{Digest, RepoId, Slug};
use bowsprit_core::retention::Made;
use bowsprit_core::subject::environment::Environment;
use bowsprit_core::subject::model::deletion::{holders, needed};
use sqlx::sqlite::SqliteConnection;

impl Store {
    /// A run that may have been given a version's bytes before it was deleted, and is not over.
    pub async fn run_with_bytes(&self, version: &Version) -> anyhow::Result<Option<String>> {
        let at_ms = version
            .deleted
            .as_ref()
            .map_or(i64::MIN, |deleted| deleted.at_ms);
        let row: Option<(String,)> = sqlx::query_as(
            "SELECT id FROM run WHERE is_active = 1 AND repo IN ($1, $2) AND created_ms <= $3 LIMIT 1",
        )
        .bind(sql_id(version.service.0))
        .bind(sql_id(version.training.0))
        .bind(at_ms)
        .fetch_optional(self.reads())
        .await
        .context("cannot list active runs")?;
        Ok(row.map(|(id,)| id))
    }

    /// Every version, as far as the keeping of bytes hangs on it.
    pub async fn versions_made(&self) -> anyhow::Result<Vec<Made>> {
        let rows: Vec<(String, String, i64, i64, bool)> = sqlx::query_as(
            "SELECT digest, json_extract(doc, '$.run'), service, json_extract(doc, '$.training'),
                json_extract(doc, '$.deleted') IS NOT NULL
            FROM model_version",
        )
        .fetch_all(self.reads())
        .await
        .context("cannot list versions")?;
        let made = |(digest, run, service, training, is_deleted): (String, _, _, _, _)| {
            let digest = Digest::parse(&digest)?;
            Ok(Made {
                digest,
                run,
                service: RepoId(rust_id(service)),
                training: RepoId(rust_id(training)),
                is_deleted,
            })
        };
        rows.into_iter().map(made).collect()
    }
}

/// Whether what is to be written stands against what was written since the step read:
/// a deleted version that something needs now, or a release of a version that is deleted now.
pub(super) async fn is_overtaken(
    conn: &mut SqliteConnection,
    records: &[Record],
) -> anyhow::Result<bool> {
    for record in records {
        let is_overtaken = match record {
            Record::Version(version) if version.deleted.is_some() => {
                is_needed(conn, version).await?
            }
            Record::Environment(environment) if !environment.is_gone => {
                is_deleted(conn, environment).await?
            }
            Record::Version(_) | Record::Environment(_) | Record::Run(_) | Record::Event { .. } => {
                false
            }
        };
        if is_overtaken {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn is_needed(conn: &mut SqliteConnection, version: &Version) -> anyhow::Result<bool> {
    let rows = sqlx::query_as("SELECT doc FROM environment WHERE repo = $1 AND is_gone = 0")
        .bind(sql_id(version.service.0))
        .fetch_all(conn)
        .await
        .context("cannot see who serves a version")?;
    let environments: Vec<Environment> = parse_all(rows)?;
    Ok(!holders(&version.model, version.version, &environments).is_empty())
}

async fn is_deleted(
    conn: &mut SqliteConnection,
    environment: &Environment,
) -> anyhow::Result<bool> {
    let named: Vec<(&Slug, u64)> = needed(environment).into_iter().collect();
    for (model, version) in named {
        let (is_deleted,): (bool,) = sqlx::query_as(
            "SELECT EXISTS (SELECT 1 FROM model_version
            WHERE service = $1 AND model = $2 AND version = $3 AND json_extract(doc, '$.deleted') IS NOT NULL)",
        )
        .bind(sql_id(environment.repo.id.0))
        .bind(model.as_str())
        .bind(sql_id(version))
        .fetch_one(&mut *conn)
        .await
        .context("cannot see whether a version is deleted")?;
        if is_deleted {
            return Ok(true);
        }
    }
    Ok(false)
}
