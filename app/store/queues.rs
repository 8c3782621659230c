//! The queues as an operator sees them: lists, counts, and levers for what was given up.
//!
//! A lever moves only what was given up; it never makes something happen by itself.

use super::inbox::Delivery;
use super::lists::Page;
use super::outbox::{parse_state, state_word};
use super::subjects::{parse_key, wake_key};
use super::writer::{Queue, Shape};
use super::{Store, count_of, rust_id, sql_limit};
use anyhow::{Context, bail};
use bowsprit_core::effect::{EffectResult, EffectState};
use bowsprit_core::subject::SubjectKey;
use serde::Serialize;
use std::sync::atomic::Ordering;

/// How far a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeliveryState {
    /// Waiting or at work.
    New,
    /// Understood.
    Done,
    /// Given up.
    Dead,
    /// Given up, and an operator agreed.
    Discarded,
}

/// A delivery without its payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeliveryRow {
    /// Ours.
    pub id: i64,
    /// GitHub's.
    pub guid: String,
    /// The event's name.
    pub event: String,
    /// The payload's `action`.
    pub action: Option<String>,
    /// How far.
    pub state: DeliveryState,
    /// Tries begun.
    pub attempts: u32,
    /// Units: milliseconds since 1970, UTC.
    pub received_ms: i64,
    /// Not tried before. Units: milliseconds since 1970, UTC.
    pub not_before_ms: i64,
    /// Why the last try failed.
    pub error: Option<String>,
    /// What was understood.
    pub note: Option<String>,
}

/// An effect without its body.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EffectRow {
    /// Ours.
    pub id: i64,
    /// Its key.
    pub key: String,
    /// Whose.
    pub subject: SubjectKey,
    /// Whether a newer one may replace it.
    pub is_view: bool,
    /// Its kind.
    pub kind: String,
    /// How far.
    pub state: EffectState,
    /// What the far end gave back.
    pub result: EffectResult,
    /// Counted tries begun.
    pub attempts: u32,
    /// Not tried before. Units: milliseconds since 1970, UTC.
    pub not_before_ms: i64,
    /// Why the last try failed.
    pub error: Option<String>,
    /// Units: milliseconds since 1970, UTC.
    pub updated_ms: i64,
}

/// How long the queues are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Deliveries waiting or at work.
    pub deliveries_new: u64,
    /// Deliveries given up.
    pub deliveries_dead: u64,
    /// Subjects that want to be looked at.
    pub subjects_wanted: u64,
    /// Subjects that failed again and again.
    pub subjects_stuck: u64,
    /// Effects waiting or at work.
    pub effects_intended: u64,
    /// Effects given up.
    pub effects_dead: u64,
}

type DeliveryCells = (
    i64,
    String,
    String,
    Option<String>,
    String,
    i64,
    i64,
    i64,
    Option<String>,
    Option<String>,
);

type EffectCells = (
    i64,
    String,
    String,
    i64,
    String,
    String,
    String,
    i64,
    i64,
    Option<String>,
    i64,
);

/// With a state and without are two statements: one that serves both could use no index.
macro_rules! delivery_list {
    ($which:literal) => {
        concat!(
            "SELECT id, guid, event, action, state, attempts, received_ms, not_before_ms, error, note
            FROM delivery WHERE ",
            $which,
            " AND id < $3 ORDER BY id DESC LIMIT $2"
        )
    };
}

macro_rules! effect_list {
    ($which:literal) => {
        concat!(
            "SELECT id, key, subject, is_view, kind, state, result, attempts, not_before_ms, error, updated_ms
            FROM effect WHERE ",
            $which,
            " AND id < $3 ORDER BY id DESC LIMIT $2"
        )
    };
}

impl Store {
    /// Deliveries, newest first.
    pub async fn deliveries(
        &self,
        state: Option<DeliveryState>,
        page: impl Into<Page>,
    ) -> anyhow::Result<Vec<DeliveryRow>> {
        let page = page.into();
        let sql = match state {
            Some(_) => delivery_list!("state = $1"),
            None => delivery_list!("$1 IS NULL"),
        };
        let rows: Vec<DeliveryCells> = sqlx::query_as(sql)
            .bind(state.map(delivery_word))
            .bind(sql_limit(page.limit))
            .bind(page.sql_before())
            .fetch_all(self.reads())
            .await
            .context("cannot list deliveries")?;
        rows.into_iter().map(delivery_row).collect()
    }

    /// A delivery with its payload, by its id or guid.
    pub async fn delivery(&self, which: &str) -> anyhow::Result<Option<Delivery>> {
        let row: Option<(i64, String, String, Vec<u8>, i64)> = sqlx::query_as(
            "SELECT id, guid, event, body, attempts FROM delivery WHERE guid = $1 OR id = $2",
        )
        .bind(which)
        .bind(number(which))
        .fetch_optional(self.reads())
        .await
        .with_context(|| format!("cannot read delivery `{which}`"))?;
        Ok(row.map(|(id, guid, event, body, attempts)| Delivery {
            id,
            guid,
            event,
            body,
            attempts: count_of(attempts),
        }))
    }

    /// Whether a delivery of this guid was stored.
    pub async fn has_delivery(&self, guid: &str) -> anyhow::Result<bool> {
        let found: Option<(i64,)> = sqlx::query_as("SELECT id FROM delivery WHERE guid = $1")
            .bind(guid)
            .fetch_optional(self.reads())
            .await
            .with_context(|| format!("cannot find delivery `{guid}`"))?;
        Ok(found.is_some())
    }

    /// Effects, newest first.
    pub async fn effects(
        &self,
        state: Option<EffectState>,
        page: impl Into<Page>,
    ) -> anyhow::Result<Vec<EffectRow>> {
        let page = page.into();
        let sql = match state {
            Some(_) => effect_list!("state = $1"),
            None => effect_list!("$1 IS NULL"),
        };
        let rows: Vec<EffectCells> = sqlx::query_as(sql)
            .bind(state.map(state_word))
            .bind(sql_limit(page.limit))
            .bind(page.sql_before())
            .fetch_all(self.reads())
            .await
            .context("cannot list effects")?;
        rows.into_iter().map(effect_row).collect()
    }

    /// Effects given up, newest first.
    pub async fn dead_effects(&self, limit: usize) -> anyhow::Result<Vec<EffectRow>> {
        self.effects(Some(EffectState::Dead), limit).await
    }

    /// Tries a delivery that was given up again, by its id or guid. `false`: there is none.
    pub async fn redrive_delivery(&self, which: &str) -> anyhow::Result<bool> {
        let is_changed = self.move_delivery(REDRIVE_DELIVERY, which).await?;
        self.add_pending(i64::from(is_changed));
        Ok(is_changed)
    }

    /// Puts away a delivery that was given up, by its id or guid. `false`: there is none.
    pub async fn discard_delivery(&self, which: &str) -> anyhow::Result<bool> {
        self.move_delivery(DISCARD_DELIVERY, which).await
    }

    /// Tries an effect that was given up again. `false`: there is none.
    pub async fn redrive_effect(&self, id: i64) -> anyhow::Result<bool> {
        self.move_effect(REDRIVE_EFFECT, id).await
    }

    /// Puts away an effect that was given up: it counts as refused. `false`: there is none.
    pub async fn discard_effect(&self, id: i64) -> anyhow::Result<bool> {
        self.move_effect(DISCARD_EFFECT, id).await
    }

    /// How long the queues are.
    pub async fn counts(&self) -> anyhow::Result<Counts> {
        let (new, dead, wanted, stuck, intended, given_up): (i64, i64, i64, i64, i64, i64) =
            sqlx::query_as(COUNTS)
                .fetch_one(self.reads())
                .await
                .context("cannot count what waits")?;
        self.inner.pending.store(new, Ordering::Relaxed);
        Ok(Counts {
            deliveries_new: rust_id(new),
            deliveries_dead: rust_id(dead),
            subjects_wanted: rust_id(wanted),
            subjects_stuck: rust_id(stuck),
            effects_intended: rust_id(intended),
            effects_dead: rust_id(given_up),
        })
    }

    /// Whether nothing is left to do now: no delivery due, no subject wanted or due, no effect intended.
    pub async fn settled(&self, now_ms: i64) -> anyhow::Result<bool> {
        let (left,): (i64,) = sqlx::query_as(LEFT)
            .bind(now_ms)
            .fetch_one(self.reads())
            .await
            .context("cannot tell whether all is settled")?;
        Ok(left == 0)
    }

    /// The next moment after `now_ms` at which something becomes due by time alone. Units: milliseconds since 1970, UTC.
    pub async fn next_due_ms(&self, now_ms: i64) -> anyhow::Result<Option<i64>> {
        let (next,): (Option<i64>,) = sqlx::query_as(NEXT_DUE)
            .bind(now_ms)
            .fetch_one(self.reads())
            .await
            .context("cannot find what is due next")?;
        Ok(next)
    }

    async fn move_delivery(&self, sql: &'static str, which: &str) -> anyhow::Result<bool> {
        let shape = Shape {
            is_single: true,
            rings: &[Queue::Inbox],
        };
        let (guid, id) = (which.to_owned(), number(which));
        let work = self.write(shape, move |conn| {
            Box::pin(async move {
                let done = sqlx::query(sql).bind(guid).bind(id).execute(conn).await;
                Ok(done.context("cannot change delivery")?.rows_affected() > 0)
            })
        });
        Ok(work.await?)
    }

    async fn move_effect(&self, sql: &'static str, id: i64) -> anyhow::Result<bool> {
        let shape = Shape {
            is_single: false,
            rings: &[Queue::Outbox, Queue::Subjects],
        };
        let refused = serde_json::to_string(&EffectResult::Refused {
            reason: "given up, and put away by an operator".to_owned(),
        })?;
        let work = self.write(shape, move |conn| {
            Box::pin(async move {
                let moved: Option<(String, i64)> = sqlx::query_as(sql)
                    .bind(id)
                    .bind(refused)
                    .fetch_optional(&mut *conn)
                    .await
                    .context("cannot change effect")?;
                let Some((subject, is_view)) = moved else {
                    return Ok(false);
                };
                if is_view == 0 {
                    wake_key(conn, &subject).await?;
                }
                Ok(true)
            })
        });
        Ok(work.await?)
    }
}

const REDRIVE_DELIVERY: &str = "UPDATE delivery SET state = 'new', attempts = 0, not_before_ms = 0
    WHERE state = 'dead' AND (guid = $1 OR id = $2)";

const DISCARD_DELIVERY: &str = "UPDATE delivery SET state = 'discarded'
    WHERE state = 'dead' AND (guid = $1 OR id = $2)";

const REDRIVE_EFFECT: &str =
    "UPDATE effect SET state = 'intended', attempts = 0, not_before_ms = 0, leased_until_ms = 0
    WHERE id = $1 AND state = 'dead' AND $2 IS NOT NULL RETURNING subject, is_view";

const DISCARD_EFFECT: &str = "UPDATE effect SET state = 'refused', result = $2
    WHERE id = $1 AND state = 'dead' RETURNING subject, is_view";

const COUNTS: &str = "SELECT
    (SELECT COUNT(*) FROM delivery WHERE state = 'new'),
    (SELECT COUNT(*) FROM delivery WHERE state = 'dead'),
    (SELECT COUNT(*) FROM subject WHERE wanted_seq > seen_seq),
    (SELECT COUNT(*) FROM subject WHERE is_stuck = 1),
    (SELECT COUNT(*) FROM effect WHERE state = 'intended'),
    (SELECT COUNT(*) FROM effect WHERE state = 'dead')";

const LEFT: &str =
    "SELECT EXISTS (SELECT 1 FROM delivery WHERE state = 'new' AND not_before_ms <= $1)
    + EXISTS (SELECT 1 FROM subject WHERE wanted_seq > seen_seq)
    + EXISTS (SELECT 1 FROM subject WHERE look_at_ms IS NOT NULL AND look_at_ms <= $1)
    + EXISTS (SELECT 1 FROM effect WHERE state = 'intended')";

/// The greatest of what holds a row back; a row that only waits for another one is not due by time.
const NEXT_DUE: &str = "SELECT MIN(due_ms) FROM (
        SELECT MAX(not_before_ms, leased_until_ms) AS due_ms FROM delivery WHERE state = 'new'
        UNION ALL
        SELECT MAX(not_before_ms, leased_until_ms) FROM subject WHERE wanted_seq > seen_seq
        UNION ALL
        SELECT MAX(look_at_ms, not_before_ms, leased_until_ms) FROM subject WHERE look_at_ms IS NOT NULL
        UNION ALL
        SELECT MAX(not_before_ms, leased_until_ms) FROM effect WHERE state = 'intended'
    ) AS waiting WHERE due_ms > $1";

fn number(text: &str) -> Option<i64> {
    text.parse().ok()
}

fn delivery_word(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::New => "new",
        DeliveryState::Done => "done",
        DeliveryState::Dead => "dead",
        DeliveryState::Discarded => "discarded",
    }
}

/// Reads the word back.
pub(super) fn parse_delivery_state(word: &str) -> anyhow::Result<DeliveryState> {
    match word {
        "new" => Ok(DeliveryState::New),
        "done" => Ok(DeliveryState::Done),
        "dead" => Ok(DeliveryState::Dead),
        "discarded" => Ok(DeliveryState::Discarded),
        other => bail!("`{other}` is not the state of a delivery"),
    }
}

fn delivery_row(cells: DeliveryCells) -> anyhow::Result<DeliveryRow> {
    let (id, guid, event, action, state, attempts, received_ms, not_before_ms, error, note) = cells;
    Ok(DeliveryRow {
        id,
        guid,
        event,
        action,
        state: parse_delivery_state(&state)?,
        attempts: count_of(attempts),
        received_ms,
        not_before_ms,
        error,
        note,
    })
}

fn effect_row(cells: EffectCells) -> anyhow::Result<EffectRow> {
    let (
        id,
        key,
        subject,
        is_view,
        kind,
        state,
        result,
        attempts,
        not_before_ms,
        error,
        updated_ms,
    ) = cells;
    Ok(EffectRow {
        id,
        subject: parse_key(subject)?,
        is_view: is_view == 1,
        kind,
        state: parse_state(&state)?,
        result: serde_json::from_str(&result)
            .with_context(|| format!("cannot read result of effect `{key}`"))?,
        attempts: count_of(attempts),
        not_before_ms,
        error,
        updated_ms,
        key,
    })
}
