//! Deliveries: stored before they are answered, done once, given up after five tries.
//!
//! A delivery is told from its repetition by its guid alone. Its tries are counted before they begin,
//! so that one which ends the process is given up too. Its end and the wakes it causes are one transaction.

use super::subjects::wake_all;
use super::writer::{Queue, Shape};
use super::{LEASE_MS, Store, StoreError, backoff_ms, count_of, cut, sql_limit};
use anyhow::Context;
use axum::body::Bytes;
use bowsprit_core::effect::Wake;
use sqlx::sqlite::SqliteConnection;

/// Most deliveries that wait; beyond it the door refuses.
pub const DELIVERIES_PENDING_MAX: i64 = 10_000;
/// Tries of a delivery.
pub const DELIVERY_ATTEMPTS_MAX: u32 = 5;

/// A delivery as the door heard it.
#[derive(Debug, Clone)]
pub struct NewDelivery {
    /// GitHub's id of it, kept by a redelivery.
    pub guid: String,
    /// The event's name.
    pub event: String,
    /// The payload's `action`.
    pub action: Option<String>,
    /// The payload as it came.
    pub body: Bytes,
    /// Units: milliseconds since 1970, UTC.
    pub received_ms: i64,
}

/// What became of a delivery at the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// It is on disk.
    Stored,
    /// It was there already.
    Duplicate,
}

/// A delivery to work on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Ours.
    pub id: i64,
    /// GitHub's.
    pub guid: String,
    /// The event's name.
    pub event: String,
    /// The payload.
    pub body: Vec<u8>,
    /// Tries begun, this one included.
    pub attempts: u32,
}

impl Store {
    /// Stores a delivery; returns after it is on disk.
    ///
    /// Errors: [`StoreError::Busy`] when too many wait, [`StoreError::Full`] when there is no room.
    pub async fn accept(&self, new: NewDelivery) -> Result<Accepted, StoreError> {
        if self.is_crowded() {
            return Err(StoreError::Busy);
        }
        let shape = Shape {
            is_single: true,
            rings: &[Queue::Inbox],
        };
        let is_new = self
            .write(shape, move |conn| Box::pin(insert(conn, new)))
            .await?;
        if !is_new {
            return Ok(Accepted::Duplicate);
        }
        self.add_pending(1);
        Ok(Accepted::Stored)
    }

    /// Takes the oldest deliveries that are due. Each is the caller's until it is finished or failed, or for [`LEASE_MS`].
    pub async fn claim_deliveries(&self, now_ms: i64, max: usize) -> anyhow::Result<Vec<Delivery>> {
        let shape = Shape {
            is_single: false,
            rings: &[],
        };
        let (claimed, given_up) = self
            .write(shape, move |conn| Box::pin(claim(conn, now_ms, max)))
            .await?;
        if given_up > 0 {
            self.add_pending(-given_up);
            self.inbox_changed().notify_one();
        }
        Ok(claimed)
    }

    /// Ends a delivery and wakes who must look, in one transaction.
    pub async fn finish_delivery(
        &self,
        id: i64,
        wakes: Vec<Wake>,
        note: Option<String>,
    ) -> anyhow::Result<()> {
        let shape = Shape {
            is_single: false,
            rings: &[Queue::Subjects],
        };
        let note = note.as_deref().map(cut);
        let is_done = self
            .write(shape, move |conn| Box::pin(finish(conn, id, wakes, note)))
            .await?;
        self.add_pending(-i64::from(is_done));
        Ok(())
    }

    /// Puts a delivery off, or gives it up after [`DELIVERY_ATTEMPTS_MAX`] tries.
    pub async fn fail_delivery(&self, id: i64, error: &str, now_ms: i64) -> anyhow::Result<()> {
        let shape = Shape {
            is_single: false,
            rings: &[Queue::Inbox],
        };
        let error = cut(error);
        let is_dead = self
            .write(shape, move |conn| Box::pin(fail(conn, id, error, now_ms)))
            .await?;
        self.add_pending(-i64::from(is_dead));
        Ok(())
    }
}

const INSERT: &str = "INSERT INTO delivery (guid, event, action, body, received_ms, state)
    VALUES ($1, $2, $3, $4, $5, 'new') ON CONFLICT (guid) DO NOTHING";

const CLAIM: &str = "UPDATE delivery SET attempts = attempts + 1, leased_until_ms = $1
    WHERE id IN (
        SELECT id FROM delivery
        WHERE state = 'new' AND not_before_ms <= $2 AND leased_until_ms <= $2
        ORDER BY id LIMIT $3)
    RETURNING id, guid, event, body, attempts";

async fn insert(conn: &mut SqliteConnection, new: NewDelivery) -> anyhow::Result<bool> {
    let done = sqlx::query(INSERT)
        .bind(new.guid)
        .bind(new.event)
        .bind(new.action)
        .bind(&new.body[..])
        .bind(new.received_ms)
        .execute(conn)
        .await
        .context("cannot store delivery")?;
    Ok(done.rows_affected() > 0)
}

async fn claim(
    conn: &mut SqliteConnection,
    now_ms: i64,
    max: usize,
) -> anyhow::Result<(Vec<Delivery>, i64)> {
    let mut rows: Vec<(i64, String, String, Vec<u8>, i64)> = sqlx::query_as(CLAIM)
        .bind(now_ms + LEASE_MS)
        .bind(now_ms)
        .bind(sql_limit(max))
        .fetch_all(&mut *conn)
        .await
        .context("cannot claim deliveries")?;
    rows.sort_by_key(|row| row.0);
    let (mut claimed, mut given_up) = (Vec::with_capacity(rows.len()), 0);
    for (id, guid, event, body, attempts) in rows {
        let attempts = count_of(attempts);
        if attempts > DELIVERY_ATTEMPTS_MAX {
            // Each try ended the process: nobody was left to say so.
            end_dead(conn, id, "each try ended without a word").await?;
            given_up += 1;
            continue;
        }
        claimed.push(Delivery {
            id,
            guid,
            event,
            body,
            attempts,
        });
    }
    Ok((claimed, given_up))
}

async fn end_dead(conn: &mut SqliteConnection, id: i64, error: &str) -> anyhow::Result<()> {
    sqlx::query(
        "UPDATE delivery SET state = 'dead', attempts = attempts - 1, leased_until_ms = 0,
            error = COALESCE(error, $2)
        WHERE id = $1",
    )
    .bind(id)
    .bind(error)
    .execute(conn)
    .await
    .context("cannot give up delivery")?;
    Ok(())
}

async fn finish(
    conn: &mut SqliteConnection,
    id: i64,
    wakes: Vec<Wake>,
    note: Option<String>,
) -> anyhow::Result<bool> {
    let done = sqlx::query(
        "UPDATE delivery SET state = 'done', note = $2, error = NULL, leased_until_ms = 0
        WHERE id = $1 AND state = 'new'",
    )
    .bind(id)
    .bind(note)
    .execute(&mut *conn)
    .await
    .context("cannot finish delivery")?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    wake_all(conn, &wakes).await?;
    Ok(true)
}

async fn fail(
    conn: &mut SqliteConnection,
    id: i64,
    error: String,
    now_ms: i64,
) -> anyhow::Result<bool> {
    let found: Option<(i64,)> =
        sqlx::query_as("SELECT attempts FROM delivery WHERE id = $1 AND state = 'new'")
            .bind(id)
            .fetch_optional(&mut *conn)
            .await
            .context("cannot read delivery")?;
    let Some((attempts,)) = found else {
        return Ok(false);
    };
    let attempts = count_of(attempts);
    let is_dead = attempts >= DELIVERY_ATTEMPTS_MAX;
    sqlx::query(
        "UPDATE delivery SET state = $2, error = $3, not_before_ms = $4, leased_until_ms = 0 WHERE id = $1",
    )
    .bind(id)
    .bind(if is_dead { "dead" } else { "new" })
    .bind(error)
    .bind(now_ms + backoff_ms(attempts))
    .execute(conn)
    .await
    .context("cannot put off delivery")?;
    Ok(is_dead)
}
