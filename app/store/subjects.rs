//! Subjects: who wants to be looked at, one claim at a time, one transaction a step.
//!
//! A wake raises `wanted_seq`; a step that commits sets `seen_seq` to what was wanted when it began, so no wake is lost.
//! Each claim raises the epoch, and a commit must still hold it: a step that slept too long changes nothing.

use super::deletions::is_overtaken;
use super::outbox::{intend, outcomes_of, withdraw};
use super::records::write_record;
use super::writer::{Queue, Shape};
use super::{LEASE_MS, Store, count_of, cut};
use anyhow::{Context, anyhow, bail};
use bowsprit_core::effect::{Hint, Intent, Outcome, Record, Wake};
use bowsprit_core::name::{CommitSha, PrNumber, RepoId};
use bowsprit_core::subject::SubjectKey;
use serde_json::Value;
use sqlx::sqlite::SqliteConnection;
use std::collections::BTreeMap;

/// Tries after which a subject is called stuck.
pub const STEP_ATTEMPTS_MAX: u32 = 8;
/// How often a stuck subject is tried. Units: milliseconds.
const STUCK_EVERY_MS: i64 = 15 * 60 * 1_000;
/// Most hints given to one step; the rest is for the next.
const HINTS_GIVEN_MAX: i64 = 500;
/// Most hints that wait for one subject.
const HINTS_WAITING_MAX: i64 = 5_000;
/// Most open pull requests listed of a repository.
const OPEN_PULLS_MAX: i64 = 5_000;

pub(super) const RINGS_SUBJECTS: Shape = Shape {
    is_single: false,
    rings: &[Queue::Subjects],
};

/// A subject to look at.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// Which.
    pub key: SubjectKey,
    /// Whose turn it is.
    pub epoch: i64,
    /// Wakes up to this one are answered by this step.
    pub seen_upto: i64,
    /// Its state, as its last step left it.
    pub state: Option<Value>,
    /// What it was told since, with the number of each.
    pub hints: Vec<(i64, Hint)>,
    /// How its effects stand, by key.
    pub outcomes: BTreeMap<String, Outcome>,
    /// Tries begun since its last commit, this one included.
    pub attempts: u32,
    /// When it was claimed. Units: milliseconds since 1970, UTC.
    pub claimed_ms: i64,
}

/// What a step did.
#[derive(Debug, Clone, PartialEq)]
pub struct Commit {
    /// The new state.
    pub state: Value,
    /// What shall happen.
    pub intents: Vec<Intent>,
    /// Keys of acts that shall not happen any more, if they have not happened yet.
    pub withdrawn: Vec<String>,
    /// Who else shall look.
    pub wakes: Vec<Wake>,
    /// What is written down.
    pub records: Vec<Record>,
    /// Look again then. Units: milliseconds since 1970, UTC.
    pub look_again_ms: Option<i64>,
    /// Hints that the step has taken.
    pub hints_taken: Vec<i64>,
}

impl Store {
    /// Says that these shall be looked at.
    pub async fn wake(&self, wakes: Vec<Wake>) -> anyhow::Result<()> {
        let work = self.write(RINGS_SUBJECTS, move |conn| {
            Box::pin(async move { wake_all(conn, &wakes).await })
        });
        Ok(work.await?)
    }

    /// Takes the subject that waited longest for its turn; it is the caller's until it commits, fails or releases it, or for [`LEASE_MS`].
    pub async fn claim_subject(&self, now_ms: i64) -> anyhow::Result<Option<Claim>> {
        let shape = Shape {
            is_single: false,
            rings: &[],
        };
        let work = self.write(shape, move |conn| Box::pin(claim(conn, now_ms)));
        Ok(work.await?)
    }

    /// Stores what a step did, all or nothing. `false`: another claim was made since, or a version was deleted or came
    /// to be served that the step saw otherwise; nothing was stored, and the subject is looked at again.
    pub async fn commit_step(&self, claim: &Claim, commit: Commit) -> anyhow::Result<bool> {
        let shape = Shape {
            is_single: false,
            rings: &[Queue::Subjects, Queue::Outbox],
        };
        let (key, epoch, seen_upto) = (claim.key.clone(), claim.epoch, claim.seen_upto);
        let at_ms = claim.claimed_ms;
        let turn = Turn {
            key,
            epoch,
            seen_upto,
            at_ms,
        };
        let work = self.write(shape, move |conn| Box::pin(step(conn, turn, commit)));
        Ok(work.await?)
    }

    /// Notes that a step failed, and what is to be told of that; the subject stays wanted and is not tried before
    /// `not_before_ms`.
    pub async fn fail_step(
        &self,
        claim: &Claim,
        error: &str,
        not_before_ms: i64,
        told: Option<Intent>,
    ) -> anyhow::Result<()> {
        let (key, epoch, error) = (claim.key.to_string(), claim.epoch, cut(error));
        let at_ms = claim.claimed_ms;
        let shape = Shape {
            is_single: false,
            rings: &[Queue::Subjects, Queue::Outbox],
        };
        let work = self.write(shape, move |conn| {
            Box::pin(async move {
                let noted = sqlx::query(FAIL)
                    .bind(&key)
                    .bind(epoch)
                    .bind(error)
                    .bind(not_before_ms)
                    .bind(i64::from(STEP_ATTEMPTS_MAX))
                    .execute(&mut *conn)
                    .await
                    .context("cannot put off subject")?;
                match told {
                    // Whose claim was lost says nothing.
                    Some(told) if noted.rows_affected() > 0 => {
                        intend(conn, &key, &told, at_ms).await
                    }
                    Some(_) | None => Ok(()),
                }
            })
        });
        work.await?;
        Ok(())
    }

    /// Gives a subject back as it was.
    pub async fn release(&self, claim: &Claim) -> anyhow::Result<()> {
        let (key, epoch) = (claim.key.to_string(), claim.epoch);
        let work = self.write(RINGS_SUBJECTS, move |conn| {
            Box::pin(async move { give_back(conn, &key, epoch).await })
        });
        work.await?;
        Ok(())
    }

    /// A subject's state, as its last step left it.
    pub async fn subject_state(&self, key: &SubjectKey) -> anyhow::Result<Option<Value>> {
        let found: Option<(Option<String>,)> =
            sqlx::query_as("SELECT state FROM subject WHERE key = $1")
                .bind(key.to_string())
                .fetch_optional(self.reads())
                .await
                .with_context(|| format!("cannot read subject `{key}`"))?;
        parse_state(found.and_then(|(state,)| state))
    }

    /// Open pull requests of a repository, as far as its subjects know.
    pub async fn open_pulls(&self, repo: RepoId) -> anyhow::Result<Vec<PrNumber>> {
        // `0` is the character after `/`: the range holds exactly the keys with this prefix.
        let rows: Vec<(String,)> = sqlx::query_as(
            "SELECT key FROM subject WHERE is_open = 1 AND key > $1 AND key < $2 LIMIT $3",
        )
        .bind(format!("pull/{repo}/"))
        .bind(format!("pull/{repo}0"))
        .bind(OPEN_PULLS_MAX)
        .fetch_all(self.reads())
        .await
        .with_context(|| format!("cannot list open pull requests of repository {repo}"))?;
        pull_numbers(rows)
    }

    /// Open pull requests of a repository that have, or had, this commit as their head, or are told of it just now.
    pub async fn pulls_at(&self, repo: RepoId, head: &CommitSha) -> anyhow::Result<Vec<PrNumber>> {
        let rows: Vec<(String,)> = sqlx::query_as(PULLS_AT)
            .bind(format!("pull/{repo}/"))
            .bind(format!("pull/{repo}0"))
            .bind(head.to_string())
            .bind(OPEN_PULLS_MAX)
            .fetch_all(self.reads())
            .await
            .with_context(|| format!("cannot list pull requests of repository {repo} at {head}"))?;
        pull_numbers(rows)
    }

    /// Open pull requests of a repository that are ready to merge, with what their last look left about it.
    pub async fn ready_pulls(&self, repo: RepoId) -> anyhow::Result<Vec<(PrNumber, Value)>> {
        let rows: Vec<(String, String)> = sqlx::query_as(READY)
            .bind(format!("pull/{repo}/"))
            .bind(format!("pull/{repo}0"))
            .bind(OPEN_PULLS_MAX)
            .fetch_all(self.reads())
            .await
            .with_context(|| format!("cannot list what is ready in repository {repo}"))?;
        let mut ready = Vec::with_capacity(rows.len());
        for (key, state) in rows {
            let state = parse_state(Some(state))?.unwrap_or_default();
            match parse_key(key)? {
                SubjectKey::Pull(_, pr) => ready.push((pr, state)),
                SubjectKey::Run(_) | SubjectKey::Model(..) | SubjectKey::Environment(..) => {}
            }
        }
        ready.sort_by_key(|(pr, _)| *pr);
        Ok(ready)
    }
}

fn pull_numbers(rows: Vec<(String,)>) -> anyhow::Result<Vec<PrNumber>> {
    let mut numbers = Vec::with_capacity(rows.len());
    for (key,) in rows {
        match parse_key(key)? {
            SubjectKey::Pull(_, pr) => numbers.push(pr),
            SubjectKey::Run(_) | SubjectKey::Model(..) | SubjectKey::Environment(..) => {}
        }
    }
    numbers.sort();
    Ok(numbers)
}

/// Of a push that nobody has looked at yet, only a hint tells; both are read at one moment.
const PULLS_AT: &str = "SELECT key FROM subject
    WHERE is_open = 1 AND key > $1 AND key < $2
    AND EXISTS (SELECT 1 FROM json_each(state, '$.heads') WHERE json_extract(value, '$.sha') = $3)
    UNION SELECT subject FROM hint WHERE subject > $1 AND subject < $2 AND instr(body, $3) > 0 LIMIT $4";

/// One row a pull request: its key, and where it stands in the queue.
const READY: &str = "SELECT key, json_extract(state, '$.ready') FROM subject
    WHERE is_open = 1 AND key > $1 AND key < $2 AND json_extract(state, '$.ready') IS NOT NULL LIMIT $3";

const WAKE: &str = "INSERT INTO subject (key, wanted_seq) VALUES ($1, 1)
    ON CONFLICT (key) DO UPDATE SET wanted_seq = subject.wanted_seq + 1";

const TELL: &str = "INSERT INTO hint (subject, body)
    SELECT $1, $2 WHERE NOT EXISTS (SELECT 1 FROM hint WHERE subject = $1 AND body = $2)";

/// Each half has an index of its own, and the first stops at its first row.
const FIND: &str = "SELECT key FROM (
        SELECT key, claimed_ms FROM (
            SELECT key, claimed_ms FROM subject
            WHERE wanted_seq > seen_seq AND not_before_ms <= $1 AND leased_until_ms <= $1
            ORDER BY claimed_ms LIMIT 1) AS wanted
        UNION ALL
        SELECT key, claimed_ms FROM (
            SELECT key, claimed_ms FROM subject
            WHERE look_at_ms IS NOT NULL AND look_at_ms <= $1
                AND not_before_ms <= $1 AND leased_until_ms <= $1
            ORDER BY claimed_ms LIMIT 1) AS timed
    ) AS due ORDER BY claimed_ms LIMIT 1";

/// A subject that was tried too often is put off before it is tried again: the try may end the process.
const TAKE: &str = "UPDATE subject SET epoch = epoch + 1, attempts = attempts + 1,
        claimed_ms = $2, leased_until_ms = $3,
        is_stuck = CASE WHEN attempts >= $5 THEN 1 ELSE is_stuck END,
        not_before_ms = CASE WHEN attempts >= $5 THEN $4 ELSE not_before_ms END
    WHERE key = $1 RETURNING epoch, wanted_seq, state, attempts";

const FAIL: &str = "UPDATE subject SET error = $3, leased_until_ms = 0,
        is_stuck = CASE WHEN attempts >= $5 THEN 1 ELSE is_stuck END,
        not_before_ms = CASE WHEN not_before_ms > $4 THEN not_before_ms ELSE $4 END,
        wanted_seq = CASE WHEN wanted_seq > seen_seq THEN wanted_seq ELSE seen_seq + 1 END
    WHERE key = $1 AND epoch = $2";

const COMMIT: &str = "UPDATE subject SET state = $3, is_open = $4, seen_seq = $5, look_at_ms = $6,
        attempts = 0, is_stuck = 0, error = NULL, not_before_ms = 0, leased_until_ms = 0
    WHERE key = $1 AND epoch = $2";

/// Whose step it is.
struct Turn {
    key: SubjectKey,
    epoch: i64,
    seen_upto: i64,
    at_ms: i64,
}

/// Wakes these inside the caller's transaction.
pub(super) async fn wake_all(conn: &mut SqliteConnection, wakes: &[Wake]) -> anyhow::Result<()> {
    for wake in wakes {
        let key = wake.subject.to_string();
        wake_key(conn, &key).await?;
        let Some(hint) = &wake.hint else { continue };
        let (waiting,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM hint WHERE subject = $1")
            .bind(&key)
            .fetch_one(&mut *conn)
            .await?;
        if waiting >= HINTS_WAITING_MAX {
            bail!("too many hints wait for `{key}`");
        }
        sqlx::query(TELL)
            .bind(&key)
            .bind(serde_json::to_string(hint)?)
            .execute(&mut *conn)
            .await
            .with_context(|| format!("cannot tell `{key}`"))?;
    }
    Ok(())
}

/// Wakes one subject, with nothing to say.
pub(super) async fn wake_key(conn: &mut SqliteConnection, key: &str) -> anyhow::Result<()> {
    sqlx::query(WAKE)
        .bind(key)
        .execute(conn)
        .await
        .with_context(|| format!("cannot wake `{key}`"))?;
    Ok(())
}

/// Reads a key that was stored before.
pub(super) fn parse_key(text: String) -> anyhow::Result<SubjectKey> {
    SubjectKey::try_from(text).map_err(|error| anyhow!(error))
}

fn parse_state(text: Option<String>) -> anyhow::Result<Option<Value>> {
    text.map(|text| serde_json::from_str(&text).context("cannot read state of subject"))
        .transpose()
}

async fn claim(conn: &mut SqliteConnection, now_ms: i64) -> anyhow::Result<Option<Claim>> {
    let found: Option<(String,)> = sqlx::query_as(FIND)
        .bind(now_ms)
        .fetch_optional(&mut *conn)
        .await
        .context("cannot find a subject to look at")?;
    let Some((key,)) = found else {
        return Ok(None);
    };
    let (epoch, wanted_seq, state, attempts): (i64, i64, Option<String>, i64) =
        sqlx::query_as(TAKE)
            .bind(&key)
            .bind(now_ms)
            .bind(now_ms + LEASE_MS)
            .bind(now_ms + STUCK_EVERY_MS)
            .bind(i64::from(STEP_ATTEMPTS_MAX))
            .fetch_one(&mut *conn)
            .await
            .with_context(|| format!("cannot claim subject `{key}`"))?;
    let told: Vec<(i64, String)> =
        sqlx::query_as("SELECT id, body FROM hint WHERE subject = $1 ORDER BY id LIMIT $2")
            .bind(&key)
            .bind(HINTS_GIVEN_MAX + 1)
            .fetch_all(&mut *conn)
            .await
            .with_context(|| format!("cannot read hints of `{key}`"))?;
    let given = usize::try_from(HINTS_GIVEN_MAX)?;
    // With more to say, the subject stays wanted.
    let seen_upto = wanted_seq - i64::from(told.len() > given);
    let mut hints = Vec::with_capacity(told.len().min(given));
    for (id, body) in told.into_iter().take(given) {
        match serde_json::from_str(&body) {
            Ok(hint) => hints.push((id, hint)),
            Err(error) => {
                // Nobody will ever understand it, and it would take the place of others.
                tracing::error!("cannot read hint {id} of subject `{key}`, dropped: {error}");
                forget_hint(conn, &key, id).await?;
            }
        }
    }
    Ok(Some(Claim {
        outcomes: outcomes_of(conn, &key).await?,
        key: parse_key(key)?,
        epoch,
        seen_upto,
        state: parse_state(state)?,
        hints,
        attempts: count_of(attempts),
        claimed_ms: now_ms,
    }))
}

async fn give_back(conn: &mut SqliteConnection, key: &str, epoch: i64) -> anyhow::Result<()> {
    sqlx::query(
        "UPDATE subject SET leased_until_ms = 0, attempts = attempts - 1
        WHERE key = $1 AND epoch = $2 AND leased_until_ms > 0",
    )
    .bind(key)
    .bind(epoch)
    .execute(conn)
    .await
    .context("cannot release subject")?;
    Ok(())
}

async fn step(conn: &mut SqliteConnection, turn: Turn, commit: Commit) -> anyhow::Result<bool> {
    let key = turn.key.to_string();
    let is_open = commit.state.get("is_open") == Some(&Value::Bool(true));
    if is_overtaken(conn, &commit.records).await? {
        give_back(conn, &key, turn.epoch).await?;
        return Ok(false);
    }
    let done = sqlx::query(COMMIT)
        .bind(&key)
        .bind(turn.epoch)
        .bind(serde_json::to_string(&commit.state)?)
        .bind(i64::from(is_open))
        .bind(turn.seen_upto)
        .bind(commit.look_again_ms)
        .execute(&mut *conn)
        .await
        .with_context(|| format!("cannot store subject `{key}`"))?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    for id in &commit.hints_taken {
        forget_hint(conn, &key, *id).await?;
    }
    for withdrawn in &commit.withdrawn {
        withdraw(conn, &key, withdrawn, turn.at_ms).await?;
    }
    for intent in &commit.intents {
        intend(conn, &key, intent, turn.at_ms).await?;
    }
    for record in &commit.records {
        write_record(conn, &key, record, turn.at_ms).await?;
    }
    wake_all(conn, &commit.wakes).await?;
    Ok(true)
}

async fn forget_hint(conn: &mut SqliteConnection, key: &str, id: i64) -> anyhow::Result<()> {
    sqlx::query("DELETE FROM hint WHERE id = $1 AND subject = $2")
        .bind(id)
        .bind(key)
        .execute(conn)
        .await
        .with_context(|| format!("cannot take hint of `{key}`"))?;
    Ok(())
}
