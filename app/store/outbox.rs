//! Effects: what shall happen, each under its key, until it has happened or is given up.
//!
//! A view has one row, its slot: a newer body replaces the older one, also while that is being applied.
//! An act is stored once and never again; acts of a subject happen one after the other, in the order they were intended.
//! The end of an act wakes its subject in the same transaction; the end of a view wakes nobody.

use super::subjects::{parse_key, wake_key};
use super::writer::{Queue, Shape};
use super::{LEASE_MS, Store, count_of, cut, sql_limit};
use anyhow::{Context, bail};
use bowsprit_core::effect::{Effect, EffectResult, EffectState, Intent, Outcome, Priority};
use bowsprit_core::subject::{OUTCOMES_MAX, SubjectKey};
use sqlx::sqlite::SqliteConnection;
use std::collections::BTreeMap;

/// Counted tries of an effect.
pub const EFFECT_ATTEMPTS_MAX: u32 = 12;

/// An effect to apply.
#[derive(Debug, Clone, PartialEq)]
pub struct EffectClaim {
    /// Ours.
    pub id: i64,
    /// Its key at the far end.
    pub key: String,
    /// Which text of the slot; of an act always 1.
    pub revision: i64,
    /// Whose it is.
    pub subject: SubjectKey,
    /// Whether a newer one may replace it.
    pub is_view: bool,
    /// Who goes first.
    pub priority: Priority,
    /// What.
    pub effect: Effect,
    /// Counted tries begun, this one included.
    pub attempts: u32,
    /// Whose turn it is.
    pub epoch: i64,
    /// When it was claimed. Units: milliseconds since 1970, UTC.
    pub claimed_ms: i64,
    /// When it was wanted as it is now. Units: milliseconds since 1970, UTC.
    pub wanted_ms: i64,
}

impl EffectClaim {
    /// Whether it was never claimed before, whatever its text: nothing of it can have happened.
    pub fn is_first(&self) -> bool {
        self.epoch == 1
    }
}

impl Store {
    /// Takes effects that are due, by priority, then age. Each is the caller's until it ends, is put off, or for [`LEASE_MS`].
    pub async fn claim_effects(&self, now_ms: i64, max: usize) -> anyhow::Result<Vec<EffectClaim>> {
        let shape = Shape {
            is_single: false,
            rings: &[],
        };
        let work = self.write(shape, move |conn| Box::pin(claim(conn, now_ms, max)));
        let (claimed, has_given_up) = work.await?;
        if has_given_up {
            self.subjects_changed().notify_one();
            self.outbox_changed().notify_one();
        }
        Ok(claimed)
    }

    /// Ends an effect. A view that was replaced since stays intended, with its newer text.
    pub async fn finish_effect(
        &self,
        claim: &EffectClaim,
        state: EffectState,
        result: EffectResult,
    ) -> anyhow::Result<()> {
        let end = End {
            state,
            result,
            error: None,
        };
        self.end_effect(claim, end).await
    }

    /// Puts an effect off, or gives it up after [`EFFECT_ATTEMPTS_MAX`] counted tries.
    pub async fn retry_effect(
        &self,
        claim: &EffectClaim,
        error: &str,
        not_before_ms: i64,
        count_attempt: bool,
    ) -> anyhow::Result<()> {
        let error = Some(cut(error));
        if count_attempt && claim.attempts >= EFFECT_ATTEMPTS_MAX {
            let end = End {
                state: EffectState::Dead,
                result: EffectResult::Nothing,
                error,
            };
            return self.end_effect(claim, end).await;
        }
        let shape = Shape {
            is_single: true,
            rings: &[Queue::Outbox],
        };
        let (id, epoch, revision) = (claim.id, claim.epoch, claim.revision);
        let work = self.write(shape, move |conn| {
            Box::pin(async move {
                sqlx::query(RETRY)
                    .bind(id)
                    .bind(epoch)
                    .bind(revision)
                    .bind(error)
                    .bind(not_before_ms)
                    .bind(i64::from(!count_attempt))
                    .execute(conn)
                    .await
                    .context("cannot put off effect")
            })
        });
        work.await?;
        Ok(())
    }

    async fn end_effect(&self, claim: &EffectClaim, end: End) -> anyhow::Result<()> {
        let shape = Shape {
            is_single: false,
            rings: &[Queue::Subjects, Queue::Outbox],
        };
        let ended = Ended {
            id: claim.id,
            epoch: claim.epoch,
            revision: claim.revision,
            // Nobody asks what became of a view, a reaction or a reply: they wake nobody.
            is_awaited: !claim.is_view
                && !matches!(claim.effect, Effect::React { .. } | Effect::Reply { .. }),
            subject: claim.subject.to_string(),
            at_ms: claim.claimed_ms,
        };
        let work = self.write(shape, move |conn| Box::pin(finish(conn, ended, end)));
        Ok(work.await?)
    }
}

/// A refusal stands until the text changes; a view that was given up is tried again when it is wanted again.
const SHOW: &str = "INSERT INTO effect (key, subject, is_view, priority, kind, body, state, result, updated_ms)
    VALUES ($1, $2, 1, $3, $4, $5, 'intended', $6, $7)
    ON CONFLICT (key) DO UPDATE SET subject = excluded.subject, priority = excluded.priority, kind = excluded.kind,
        body = excluded.body, revision = effect.revision + 1, state = 'intended', result = excluded.result,
        attempts = 0, not_before_ms = 0, error = NULL, updated_ms = excluded.updated_ms
    WHERE effect.is_view = 1 AND (effect.body <> excluded.body OR effect.state = 'dead')";

const ACT: &str =
    "INSERT INTO effect (key, subject, is_view, priority, kind, body, state, result, updated_ms)
    VALUES ($1, $2, 0, $3, $4, $5, 'intended', $6, $7)
    ON CONFLICT (key) DO NOTHING";

const CLAIM: &str =
    "UPDATE effect SET epoch = epoch + 1, attempts = attempts + 1, leased_until_ms = $1
    WHERE id IN (
        SELECT id FROM effect AS e
        WHERE e.state = 'intended' AND e.not_before_ms <= $2 AND e.leased_until_ms <= $2
            AND (e.is_view = 1 OR NOT EXISTS (
                SELECT 1 FROM effect AS before
                WHERE before.subject = e.subject AND before.is_view = 0
                    AND before.state = 'intended' AND before.id < e.id))
        ORDER BY e.priority, e.id LIMIT $3)
    RETURNING id, key, revision, subject, is_view, priority, body, attempts, epoch, updated_ms";

const RETRY: &str = "UPDATE effect SET leased_until_ms = 0,
        error = CASE WHEN revision = $3 THEN $4 ELSE error END,
        not_before_ms = CASE WHEN revision = $3 THEN $5 ELSE not_before_ms END,
        attempts = CASE WHEN revision = $3 THEN attempts - $6 ELSE attempts END
    WHERE id = $1 AND epoch = $2 AND state = 'intended'";

const FINISH: &str =
    "UPDATE effect SET state = $3, result = $4, error = $5, updated_ms = $6, leased_until_ms = 0
    WHERE id = $1 AND revision = $2 AND (state IN ('intended', 'dead') OR (state = 'refused' AND $3 = 'done'))";

/// One under way may happen all the same: then that is noted.
const WITHDRAW: &str =
    "UPDATE effect SET state = 'refused', result = $3, error = NULL, updated_ms = $4
    WHERE key = $1 AND subject = $2 AND is_view = 0 AND state = 'intended'";

/// How an effect ended.
struct End {
    state: EffectState,
    result: EffectResult,
    error: Option<String>,
}

/// Which effect ended.
struct Ended {
    id: i64,
    epoch: i64,
    revision: i64,
    is_awaited: bool,
    subject: String,
    at_ms: i64,
}

/// A row of a claim.
type Claimed = (i64, String, i64, String, i64, i64, String, i64, i64, i64);

/// Stores what shall happen, inside the caller's transaction.
pub(super) async fn intend(
    conn: &mut SqliteConnection,
    subject: &str,
    intent: &Intent,
    at_ms: i64,
) -> anyhow::Result<()> {
    let body = serde_json::to_string(&intent.effect)?;
    sqlx::query(if intent.is_view { SHOW } else { ACT })
        .bind(&intent.key)
        .bind(subject)
        .bind(priority_number(intent.priority))
        .bind(kind_of(&intent.effect))
        .bind(body)
        .bind(serde_json::to_string(&EffectResult::Nothing)?)
        .bind(at_ms)
        .execute(conn)
        .await
        .with_context(|| format!("cannot store effect `{}`", intent.key))?;
    Ok(())
}

/// Takes back what shall not happen any more, inside the caller's transaction.
pub(super) async fn withdraw(
    conn: &mut SqliteConnection,
    subject: &str,
    key: &str,
    at_ms: i64,
) -> anyhow::Result<()> {
    let result = EffectResult::Refused {
        reason: "it is not wanted any more".to_owned(),
    };
    sqlx::query(WITHDRAW)
        .bind(key)
        .bind(subject)
        .bind(serde_json::to_string(&result)?)
        .bind(at_ms)
        .execute(conn)
        .await
        .with_context(|| format!("cannot withdraw effect `{key}`"))?;
    Ok(())
}

/// How the newest effects of a subject stand.
pub(super) async fn outcomes_of(
    conn: &mut SqliteConnection,
    subject: &str,
) -> anyhow::Result<BTreeMap<String, Outcome>> {
    let rows: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT key, state, result FROM effect WHERE subject = $1 ORDER BY id DESC LIMIT $2",
    )
    .bind(subject)
    .bind(sql_limit(OUTCOMES_MAX))
    .fetch_all(conn)
    .await
    .with_context(|| format!("cannot read effects of `{subject}`"))?;
    let mut outcomes = BTreeMap::new();
    for (key, state, result) in rows {
        let state = parse_state(&state)?;
        let result = serde_json::from_str(&result)
            .with_context(|| format!("cannot read result of effect `{key}`"))?;
        outcomes.insert(key, Outcome { state, result });
    }
    Ok(outcomes)
}

/// The kind of an effect, as it is written in its body.
pub fn kind_of(effect: &Effect) -> &'static str {
    match effect {
        Effect::StatusComment { .. } => "status-comment",
        Effect::CheckRun(_) => "check-run",
        Effect::Labels { .. } => "labels",
        Effect::React { .. } => "react",
        Effect::Reply { .. } => "reply",
        Effect::Note { .. } => "note",
        Effect::Edit { .. } => "edit",
        Effect::Status(_) => "status",
        Effect::Propose(_) => "propose",
        Effect::Merge { .. } => "merge",
        Effect::Enqueue { .. } => "enqueue",
        Effect::StartStage(_) => "start-stage",
        Effect::CancelStage { .. } => "cancel-stage",
        Effect::Deploy(_) => "deploy",
        Effect::Remove { .. } => "remove",
        Effect::RemoveBytes { .. } => "remove-bytes",
        Effect::Deployment(_) => "deployment",
    }
}

/// The word that stands in the table.
pub(super) fn state_word(state: EffectState) -> &'static str {
    match state {
        EffectState::Intended => "intended",
        EffectState::Done => "done",
        EffectState::Refused => "refused",
        EffectState::Dead => "dead",
    }
}

/// Reads the word back.
pub(super) fn parse_state(word: &str) -> anyhow::Result<EffectState> {
    match word {
        "intended" => Ok(EffectState::Intended),
        "done" => Ok(EffectState::Done),
        "refused" => Ok(EffectState::Refused),
        "dead" => Ok(EffectState::Dead),
        other => bail!("`{other}` is not the state of an effect"),
    }
}

fn priority_number(priority: Priority) -> i64 {
    match priority {
        Priority::Merge => 0,
        Priority::Change => 1,
        Priority::Answer => 2,
        Priority::View => 3,
        Priority::Progress => 4,
    }
}

fn parse_priority(number: i64) -> anyhow::Result<Priority> {
    match number {
        0 => Ok(Priority::Merge),
        1 => Ok(Priority::Change),
        2 => Ok(Priority::Answer),
        3 => Ok(Priority::View),
        4 => Ok(Priority::Progress),
        other => bail!("{other} is not a priority"),
    }
}

async fn claim(
    conn: &mut SqliteConnection,
    now_ms: i64,
    max: usize,
) -> anyhow::Result<(Vec<EffectClaim>, bool)> {
    let mut rows: Vec<Claimed> = sqlx::query_as(CLAIM)
        .bind(now_ms + LEASE_MS)
        .bind(now_ms)
        .bind(sql_limit(max))
        .fetch_all(&mut *conn)
        .await
        .context("cannot claim effects")?;
    rows.sort_by_key(|row| (row.5, row.0));
    let (mut claims, mut has_given_up) = (Vec::with_capacity(rows.len()), false);
    for row in rows {
        let (id, subject, is_view) = (row.0, row.3.clone(), row.4 == 1);
        match read(row, now_ms) {
            Ok(claim) => claims.push(claim),
            Err(error) => {
                tracing::error!("effect {id} is given up: {error:#}");
                bury(conn, id, &format!("{error:#}")).await?;
                has_given_up = true;
                if !is_view {
                    wake_key(conn, &subject).await?;
                }
            }
        }
    }
    Ok((claims, has_given_up))
}

fn read(row: Claimed, now_ms: i64) -> anyhow::Result<EffectClaim> {
    let (id, key, revision, subject, is_view, priority, body, attempts, epoch, wanted_ms) = row;
    if count_of(attempts) > EFFECT_ATTEMPTS_MAX {
        // Each try ended the process: nobody was left to say so.
        bail!("each try of effect `{key}` ended without a word");
    }
    Ok(EffectClaim {
        id,
        revision,
        subject: parse_key(subject)?,
        is_view: is_view == 1,
        priority: parse_priority(priority)?,
        effect: serde_json::from_str(&body)
            .with_context(|| format!("cannot read body of effect `{key}`"))?,
        attempts: count_of(attempts),
        epoch,
        claimed_ms: now_ms,
        wanted_ms,
        key,
    })
}

async fn bury(conn: &mut SqliteConnection, id: i64, error: &str) -> anyhow::Result<()> {
    sqlx::query("UPDATE effect SET state = 'dead', error = $2, leased_until_ms = 0 WHERE id = $1")
        .bind(id)
        .bind(cut(error))
        .execute(conn)
        .await
        .context("cannot give up effect")?;
    Ok(())
}

async fn finish(conn: &mut SqliteConnection, ended: Ended, end: End) -> anyhow::Result<()> {
    let done = sqlx::query(FINISH)
        .bind(ended.id)
        .bind(ended.revision)
        .bind(state_word(end.state))
        .bind(serde_json::to_string(&end.result)?)
        .bind(end.error)
        .bind(ended.at_ms)
        .execute(&mut *conn)
        .await
        .context("cannot finish effect")?;
    if done.rows_affected() > 0 && ended.is_awaited {
        return wake_key(conn, &ended.subject).await;
    }
    // Replaced since: the newer text may go now that the older one is out of the way.
    sqlx::query("UPDATE effect SET leased_until_ms = 0 WHERE id = $1 AND epoch = $2")
        .bind(ended.id)
        .bind(ended.epoch)
        .execute(conn)
        .await
        .context("cannot give back effect")?;
    Ok(())
}
