//! What is over and old: listed in pages for whoever decides, and deleted in small transactions.
//!
//! Pages are read beside the writer. What was revived since a page was read stays: each deletion looks again.
//! Freed pages of the file are used again; the file itself does not shrink.

use super::outbox::parse_state;
use super::queues::{DeliveryState, parse_delivery_state};
use super::writer::Shape;
use super::{Store, rust_id, sql_limit};
use anyhow::Context;
use bowsprit_core::effect::EffectState;
use bowsprit_core::name::{BranchName, CommitSha, PrNumber, RepoId, Slug};
use bowsprit_core::retention::{Letter, Owner, Seen, trigger_pulls};
use bowsprit_core::subject::run::Cause;
use bowsprit_core::subject::{OUTCOMES_MAX, SubjectKey};
use futures_util::TryStreamExt as _;
use sqlx::sqlite::SqliteConnection;
use std::collections::BTreeSet;

/// Rows deleted in one transaction: what waits for the writer never waits for more.
pub const ROWS_AT_ONCE: usize = 200;

/// What may go, as it was listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Old<T> {
    /// Its id; lists go by it.
    pub id: i64,
    /// Units: milliseconds since 1970, UTC.
    pub at_ms: i64,
    /// What its keeping hangs on.
    pub what: T,
}

/// Of what rows are deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// Deliveries that do not wait.
    Deliveries,
    /// The payloads of deliveries that are done, not the deliveries.
    Payloads,
    /// Effects that are not intended.
    Effects,
    /// Events.
    Events,
}

type RunCells = (
    String,
    i64,
    String,
    Option<String>,
    Option<String>,
    bool,
    bool,
    bool,
    i64,
    Option<i64>,
    Option<String>,
);

impl Store {
    /// Deliveries received before this and listed after this id, oldest first.
    pub async fn old_deliveries(
        &self,
        before_ms: i64,
        after: i64,
    ) -> anyhow::Result<Vec<Old<Letter>>> {
        let rows: Vec<(i64, i64, String)> = sqlx::query_as(
            "SELECT id, received_ms, state FROM delivery
            WHERE id > $1 AND received_ms < $2 AND state <> 'new' ORDER BY id LIMIT $3",
        )
        .bind(after)
        .bind(before_ms)
        .bind(sql_limit(ROWS_AT_ONCE))
        .fetch_all(self.reads())
        .await
        .context("cannot list old deliveries")?;
        let old = |(id, at_ms, state): (i64, i64, String)| {
            let what = match parse_delivery_state(&state)? {
                DeliveryState::New => Letter::Waiting,
                DeliveryState::Done | DeliveryState::Discarded => Letter::Handled,
                DeliveryState::Dead => Letter::GivenUp,
            };
            Ok(Old { id, at_ms, what })
        };
        rows.into_iter().map(old).collect()
    }

    /// Deliveries that are done and have their payload still, received before this and listed after this id, oldest first.
    pub async fn old_payloads(&self, before_ms: i64, after: i64) -> anyhow::Result<Vec<Old<()>>> {
        self.old(OLD_PAYLOADS, before_ms, after)
            .await
            .context("cannot list old payloads")
    }

    /// Effects of pull requests, models and environments that ended before this and are listed after this id, oldest first.
    pub async fn old_effects(
        &self,
        before_ms: i64,
        after: i64,
    ) -> anyhow::Result<Vec<Old<(Letter, Owner)>>> {
        let rows: Vec<(i64, i64, String, bool, i64)> = sqlx::query_as(OLD_EFFECTS)
            .bind(after)
            .bind(before_ms)
            .bind(sql_limit(ROWS_AT_ONCE))
            .bind(sql_limit(OUTCOMES_MAX))
            .fetch_all(self.reads())
            .await
            .context("cannot list old effects")?;
        let old = |(id, at_ms, state, is_over, newer): (i64, i64, String, bool, i64)| {
            let letter = match parse_state(&state)? {
                EffectState::Intended => Letter::Waiting,
                EffectState::Done | EffectState::Refused => Letter::Handled,
                EffectState::Dead => Letter::GivenUp,
            };
            let owner = match is_over {
                true => Owner::Over,
                false => Owner::Living(usize::try_from(newer)?),
            };
            let what = (letter, owner);
            Ok(Old { id, at_ms, what })
        };
        rows.into_iter().map(old).collect()
    }

    /// Events before this and listed after this id, oldest first.
    pub async fn old_events(&self, before_ms: i64, after: i64) -> anyhow::Result<Vec<Old<()>>> {
        self.old(OLD_EVENTS, before_ms, after)
            .await
            .context("cannot list old events")
    }

    async fn old(
        &self,
        sql: &'static str,
        before_ms: i64,
        after: i64,
    ) -> anyhow::Result<Vec<Old<()>>> {
        let rows: Vec<(i64, i64)> = sqlx::query_as(sql)
            .bind(after)
            .bind(before_ms)
            .bind(sql_limit(ROWS_AT_ONCE))
            .fetch_all(self.reads())
            .await?;
        let old = |(id, at_ms)| Old {
            id,
            at_ms,
            what: (),
        };
        Ok(rows.into_iter().map(old).collect())
    }

    /// Every run, as far as its keeping hangs on it; what stands in its document is read of those made before this alone.
    /// An effect that was given up before `dead_before_ms` keeps no run.
    pub async fn runs_seen(
        &self,
        before_ms: i64,
        dead_before_ms: i64,
    ) -> anyhow::Result<Vec<Seen>> {
        let mut rows = sqlx::query_as::<_, RunCells>(RUNS)
            .bind(before_ms)
            .bind(dead_before_ms)
            .fetch(self.reads());
        let mut runs = Vec::new();
        while let Some(row) = rows.try_next().await.context("cannot list runs")? {
            runs.push(seen(row)?);
        }
        Ok(runs)
    }

    /// The documents of runs after this id: id, document.
    pub async fn run_documents(&self, after: &str) -> anyhow::Result<Vec<(String, String)>> {
        sqlx::query_as("SELECT id, doc FROM run WHERE id > $1 ORDER BY id LIMIT $2")
            .bind(after)
            .bind(sql_limit(ROWS_AT_ONCE))
            .fetch_all(self.reads())
            .await
            .context("cannot read runs")
    }

    /// Calls `read` with every text that may name a run or bytes: versions, environments and models, open pull requests,
    /// runs at work, and effects that may yet happen; and with whether it is one of the last two.
    pub async fn each_naming_text(&self, mut read: impl FnMut(&str, bool)) -> anyhow::Result<()> {
        for (sql, is_at_work) in NAMING {
            let mut rows = sqlx::query_as::<_, (String,)>(sql).fetch(self.reads());
            let next = || "cannot read what names runs and artifacts";
            while let Some((text,)) = rows.try_next().await.with_context(next)? {
                read(&text, is_at_work);
            }
        }
        Ok(())
    }

    /// Pull requests and issues that are open, as far as their subjects know.
    pub async fn all_open(&self) -> anyhow::Result<BTreeSet<(RepoId, PrNumber)>> {
        let rows: Vec<(String,)> =
            sqlx::query_as("SELECT key FROM subject WHERE is_open = 1 AND key LIKE 'pull/%'")
                .fetch_all(self.reads())
                .await
                .context("cannot list what is open")?;
        let mut open = BTreeSet::new();
        for (key,) in rows {
            if let SubjectKey::Pull(repo, pr) = super::subjects::parse_key(key)? {
                open.insert((repo, pr));
            }
        }
        Ok(open)
    }

    /// Deletes rows by their ids, as far as they are still over. Says how many went.
    pub async fn forget(&self, rows: Rows, ids: Vec<i64>) -> anyhow::Result<u64> {
        let sql = match rows {
            Rows::Deliveries => {
                "DELETE FROM delivery WHERE state <> 'new' AND id IN (SELECT value FROM json_each($1))"
            }
            Rows::Payloads => {
                "UPDATE delivery SET body = x''
                WHERE state IN ('done', 'discarded') AND id IN (SELECT value FROM json_each($1))"
            }
            Rows::Effects => {
                "DELETE FROM effect WHERE state <> 'intended' AND id IN (SELECT value FROM json_each($1))"
            }
            Rows::Events => "DELETE FROM event WHERE id IN (SELECT value FROM json_each($1))",
        };
        let shape = Shape {
            is_single: true,
            rings: &[],
        };
        let ids = serde_json::to_string(&ids)?;
        let work = self.write(shape, move |conn| {
            Box::pin(async move {
                let done = sqlx::query(sql).bind(ids).execute(conn).await;
                Ok(done.context("cannot delete old rows")?.rows_affected())
            })
        });
        Ok(work.await?)
    }

    /// Deletes the runs of a commit, all of them or none, with their effects and what their subjects know. Says how many went:
    /// none where one of them is at work, shall look, has an effect that waits or was given up since `dead_before_ms`,
    /// or is not among these.
    pub async fn forget_runs(
        &self,
        ids: &BTreeSet<String>,
        dead_before_ms: i64,
    ) -> anyhow::Result<u64> {
        let shape = Shape {
            is_single: false,
            rings: &[],
        };
        let ids = ids.clone();
        let work = self.write(shape, move |conn| {
            Box::pin(forget_runs(conn, ids, dead_before_ms))
        });
        Ok(work.await?)
    }

    /// Deletes notes of deliveries that were asked for again before this, and of which nobody noted when.
    pub async fn forget_asked(&self, before_ms: i64) -> anyhow::Result<u64> {
        let shape = Shape {
            is_single: true,
            rings: &[],
        };
        let work = self.write(shape, move |conn| {
            Box::pin(async move {
                let done = sqlx::query(FORGET_ASKED).bind(before_ms);
                let done = done.execute(conn).await;
                Ok(done
                    .context("cannot delete notes of deliveries")?
                    .rows_affected())
            })
        });
        Ok(work.await?)
    }
}

const OLD_PAYLOADS: &str = "SELECT id, received_ms FROM delivery
    WHERE id > $1 AND received_ms < $2 AND state IN ('done', 'discarded') AND length(body) > 0
    ORDER BY id LIMIT $3";

const OLD_EVENTS: &str =
    "SELECT id, at_ms FROM event WHERE id > $1 AND at_ms < $2 ORDER BY id LIMIT $3";

/// An environment that is gone looks at old effects no more, nor does a pull request that is not open and has nothing under way.
const OLD_EFFECTS: &str = "SELECT e.id, e.updated_ms, e.state,
        CASE WHEN e.subject LIKE 'pull/%' THEN
            NOT EXISTS (SELECT 1 FROM subject AS s WHERE s.key = e.subject AND (s.is_open = 1
                OR json_array_length(s.state, '$.picks') > 0 OR json_array_length(s.state, '$.doing') > 0))
        WHEN e.subject LIKE 'environment/%' THEN EXISTS (
            SELECT 1 FROM environment AS v
            WHERE v.is_gone = 1 AND 'environment/' || v.repo || '/' || v.name = e.subject)
        ELSE 0 END,
        (SELECT COUNT(*) FROM (
            SELECT 1 FROM effect AS n WHERE n.subject = e.subject AND n.id > e.id LIMIT $4))
    FROM effect AS e
    WHERE e.id > $1 AND e.updated_ms < $2 AND e.state <> 'intended' AND e.subject NOT LIKE 'run/%'
    ORDER BY e.id LIMIT $3";

/// Younger documents are not opened: nothing hangs on what stands there.
const RUNS: &str = "SELECT id, repo, sha, branch, model, is_active = 1, is_proposable = 1,
        EXISTS (SELECT 1 FROM effect WHERE subject = 'run/' || run.id
            AND (state = 'intended' OR state = 'dead' AND updated_ms >= $2)),
        created_ms,
        CASE WHEN created_ms < $1 THEN json_extract(doc, '$.finished_ms') END,
        CASE WHEN created_ms < $1 OR branch IS NULL THEN json_extract(doc, '$.cause') END
    FROM run";

/// Texts that name what must stay, as far as what they stand in goes on, and whether that is work under way.
/// A version that was deleted keeps its run and not its files.
const NAMING: [(&str, bool); 5] = [
    (
        "SELECT CASE WHEN json_extract(doc, '$.deleted') IS NULL THEN doc ELSE json_extract(doc, '$.run') END
        FROM model_version",
        false,
    ),
    ("SELECT doc FROM environment WHERE is_gone = 0", false),
    (
        "SELECT state FROM subject
        WHERE state IS NOT NULL AND (key LIKE 'model/%' OR key LIKE 'pull/%' AND is_open = 1)",
        false,
    ),
    ("SELECT doc FROM run WHERE is_active = 1", true),
    (
        "SELECT body FROM effect WHERE state IN ('intended', 'dead')",
        true,
    ),
];

/// `redelivered:<guid>` holds three words, the last of which says when.
const FORGET_ASKED: &str = "DELETE FROM kv WHERE key LIKE 'redelivered:%' AND CAST(
        substr(value, instr(value, ' ') + 1 + instr(substr(value, instr(value, ' ') + 1), ' ')) AS INTEGER) < $1";

fn seen(row: RunCells) -> anyhow::Result<Seen> {
    let (
        id,
        repo,
        sha,
        branch,
        model,
        is_active,
        is_proposable,
        has_letters,
        created_ms,
        finished_ms,
        cause,
    ) = row;
    let cause: Option<Cause> = cause
        .map(|cause| serde_json::from_str(&cause))
        .transpose()
        .with_context(|| format!("cannot read why run `{id}` is there"))?;
    Ok(Seen {
        repo: RepoId(rust_id(repo)),
        sha: CommitSha::parse(&sha)?,
        branch: branch.map(|name| BranchName::parse(&name)).transpose()?,
        model: model.map(|name| Slug::parse(&name)).transpose()?,
        pulls: cause.map_or_else(Vec::new, |cause| trigger_pulls(&cause.trigger)),
        is_active,
        is_proposable,
        has_letters,
        created_ms,
        ended_ms: finished_ms.unwrap_or(created_ms),
        id,
    })
}

async fn forget_runs(
    conn: &mut SqliteConnection,
    ids: BTreeSet<String>,
    dead_before_ms: i64,
) -> anyhow::Result<u64> {
    let keys: Vec<String> = ids.iter().map(|id| format!("run/{id}")).collect();
    let (ids, keys) = (serde_json::to_string(&ids)?, serde_json::to_string(&keys)?);
    // Whoever looks at one now, or shall look, may know more than was listed.
    let (is_busy,): (bool,) = sqlx::query_as(BUSY)
        .bind(&ids)
        .bind(&keys)
        .bind(dead_before_ms)
        .fetch_one(&mut *conn)
        .await
        .context("cannot look at old runs")?;
    if is_busy {
        return Ok(0);
    }
    for sql in [
        "DELETE FROM hint WHERE subject IN (SELECT value FROM json_each($1))",
        "DELETE FROM subject WHERE key IN (SELECT value FROM json_each($1))",
        "DELETE FROM effect WHERE subject IN (SELECT value FROM json_each($1))",
    ] {
        let done = sqlx::query(sql).bind(&keys).execute(&mut *conn).await;
        done.context("cannot delete what old runs left")?;
    }
    let done = sqlx::query("DELETE FROM run WHERE id IN (SELECT value FROM json_each($1))")
        .bind(&ids)
        .execute(conn)
        .await;
    Ok(done.context("cannot delete old runs")?.rows_affected())
}

/// Whether one of these runs goes on, or is not all that there is of its commit.
const BUSY: &str = "SELECT
    EXISTS (SELECT 1 FROM run WHERE id IN (SELECT value FROM json_each($1)) AND is_active = 1)
    OR EXISTS (
        SELECT 1 FROM run AS one JOIN run AS other ON other.repo = one.repo AND other.sha = one.sha
        WHERE one.id IN (SELECT value FROM json_each($1))
            AND other.id NOT IN (SELECT value FROM json_each($1)))
    OR EXISTS (SELECT 1 FROM subject WHERE key IN (SELECT value FROM json_each($2))
        AND (wanted_seq > seen_seq OR leased_until_ms > 0))
    OR EXISTS (SELECT 1 FROM effect WHERE subject IN (SELECT value FROM json_each($2))
        AND (state = 'intended' OR state = 'dead' AND updated_ms >= $3))";
