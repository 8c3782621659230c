//! Lists of records: what pages, API and command line show of runs, versions, environments and events.
//!
//! Every list has an end.

use super::records::{parse_all, phase_word};
use super::{Store, sql_id, sql_limit};
use anyhow::Context;
use bowsprit_core::effect::Version;
use bowsprit_core::name::{RepoId, Slug};
use bowsprit_core::subject::SubjectKey;
use bowsprit_core::subject::environment::Environment;
use bowsprit_core::subject::run::{Phase, Run};
use serde::Serialize;

/// Which runs to list; an empty filter lists all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Of this repository.
    pub repo: Option<RepoId>,
    /// In this phase.
    pub phase: Option<Phase>,
    /// Of this model.
    pub model: Option<Slug>,
}

/// Which part of a list that runs from the newest to the oldest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Rows at most.
    pub limit: usize,
    /// Only rows with a smaller id: the last one of the page before.
    pub before: Option<i64>,
}

impl From<usize> for Page {
    fn from(limit: usize) -> Page {
        let before = None;
        Page { limit, before }
    }
}

impl Page {
    pub(super) fn sql_before(&self) -> i64 {
        self.before.unwrap_or(i64::MAX)
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventRow {
    /// Ours, rising.
    pub id: i64,
    /// Units: milliseconds since 1970, UTC.
    pub at_ms: i64,
    /// To whom: the key of a subject, or `pause`.
    pub subject: String,
    /// By whom.
    pub who: Option<String>,
    /// What.
    pub what: String,
    /// On which commit.
    pub sha: Option<String>,
    /// Why.
    pub why: String,
}

type EventCells = (
    i64,
    i64,
    String,
    Option<String>,
    String,
    Option<String>,
    String,
);

/// With a subject and without are two statements: one that serves both could use no index.
macro_rules! event_list {
    ($which:literal) => {
        concat!(
            "SELECT id, at_ms, subject, who, what, sha, why FROM event WHERE ",
            $which,
            " AND id < $3 ORDER BY id DESC LIMIT $2"
        )
    };
}

impl Store {
    /// Runs, newest first; `before` is the id of the last run of the page before.
    pub async fn list_runs(
        &self,
        filter: &RunFilter,
        before: Option<&str>,
        limit: usize,
    ) -> anyhow::Result<Vec<Run>> {
        let rows = sqlx::query_as(
            "SELECT doc FROM run
            WHERE ($1 IS NULL OR repo = $1) AND ($2 IS NULL OR phase = $2) AND ($3 IS NULL OR model = $3)
                AND ($4 IS NULL OR (created_ms, id) < (SELECT created_ms, id FROM run WHERE id = $4))
            ORDER BY created_ms DESC, id DESC LIMIT $5",
        )
        .bind(filter.repo.map(|repo| sql_id(repo.0)))
        .bind(filter.phase.map(phase_word))
        .bind(filter.model.as_ref().map(|model| model.as_str()))
        .bind(before)
        .bind(sql_limit(limit))
        .fetch_all(self.reads())
        .await
        .context("cannot list runs")?;
        parse_all(rows)
    }

    /// Versions of every model, newest first.
    pub async fn list_versions(
        &self,
        service: Option<RepoId>,
        limit: usize,
    ) -> anyhow::Result<Vec<Version>> {
        let rows = sqlx::query_as(
            "SELECT doc FROM model_version WHERE ($1 IS NULL OR service = $1)
            ORDER BY created_ms DESC, service, model, version DESC LIMIT $2",
        )
        .bind(service.map(|repo| sql_id(repo.0)))
        .bind(sql_limit(limit))
        .fetch_all(self.reads())
        .await
        .context("cannot list versions")?;
        parse_all(rows)
    }

    /// Environments of every service that are not gone.
    pub async fn list_environments(&self, limit: usize) -> anyhow::Result<Vec<Environment>> {
        let rows = sqlx::query_as(
            "SELECT doc FROM environment WHERE is_gone = 0 ORDER BY repo, name LIMIT $1",
        )
        .bind(sql_limit(limit))
        .fetch_all(self.reads())
        .await
        .context("cannot list environments")?;
        parse_all(rows)
    }

    /// What happened to a subject, or to any, newest first.
    pub async fn events_of(
        &self,
        subject: Option<&SubjectKey>,
        page: impl Into<Page>,
    ) -> anyhow::Result<Vec<EventRow>> {
        let page = page.into();
        let sql = match subject {
            Some(_) => event_list!("subject = $1"),
            None => event_list!("$1 IS NULL"),
        };
        let rows: Vec<EventCells> = sqlx::query_as(sql)
            .bind(subject.map(ToString::to_string))
            .bind(sql_limit(page.limit))
            .bind(page.sql_before())
            .fetch_all(self.reads())
            .await
            .context("cannot list events")?;
        let event = |(id, at_ms, subject, who, what, sha, why): EventCells| EventRow {
            id,
            at_ms,
            subject,
            who,
            what,
            sha,
            why,
        };
        Ok(rows.into_iter().map(event).collect())
    }
}
