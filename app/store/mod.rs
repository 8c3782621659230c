//! What is remembered: deliveries, subjects, effects, records and accounts, in one SQLite file.
//!
//! Every write goes through one writer, which makes one transaction of all that waits; a call returns after its commit is on disk.
//! Reads have a pool of their own. One process at a time holds the file.
//! This room must never decide anything: it keeps order, counts attempts and answers questions.

mod accounts;
mod deletions;
mod inbox;
mod lists;
mod outbox;
mod pause;
mod queues;
mod records;
mod retention;
mod schema;
mod subjects;
mod team;
mod writer;

#[cfg(test)]
mod tests;

// The files are how the room is arranged inside; from outside each thing has this one path.
pub use accounts::{InstallationRow, Scope, TokenRow};
pub use inbox::{Accepted, DELIVERIES_PENDING_MAX, DELIVERY_ATTEMPTS_MAX, Delivery, NewDelivery};
pub use lists::{EventRow, Page, RunFilter};
pub use outbox::{EFFECT_ATTEMPTS_MAX, EffectClaim, kind_of};
pub use queues::{Counts, DeliveryRow, DeliveryState, EffectRow};
pub use retention::{Old, ROWS_AT_ONCE, Rows};
pub use subjects::{Claim, Commit, STEP_ATTEMPTS_MAX};
pub use team::OfTeam;

use anyhow::{Context, bail};
use sqlx::Connection;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use writer::{Bells, Message};

/// Connections that read.
const READERS: u32 = 4;
/// How long a connection waits for another's lock. Units: milliseconds.
const BUSY_TIMEOUT_MS: u64 = 5_000;
/// Jobs that may wait for the writer.
const JOBS_WAITING_MAX: usize = 4_096;
/// How long a second start waits for the first to end. Units: milliseconds.
const LOCK_WAIT_MS: u64 = 500;
/// How long a claim is its claimer's. A claimer that hangs or panics loses it after this. Units: milliseconds.
pub const LEASE_MS: i64 = 10 * 60 * 1_000;
/// The check of the deliveries looks this often whether it should end. Units: steps of SQLite's machine.
const CHECK_STEPS: i32 = 1_000;
/// Most rows that one list gives.
pub const LIST_MAX: usize = 1_000;
/// First wait before another try. Units: milliseconds.
const BACKOFF_FIRST_MS: i64 = 2_000;
/// Longest wait before another try. Units: milliseconds.
const BACKOFF_LAST_MS: i64 = 15 * 60 * 1_000;
/// Longest stored error. Units: characters.
const ERROR_CHARS_MAX: usize = 2_000;

/// The store; clones share it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    jobs: mpsc::Sender<Message>,
    reads: SqlitePool,
    bells: Arc<Bells>,
    /// Deliveries not yet done, so that the door need not count rows.
    pending: AtomicI64,
    /// When the file was made. Units: milliseconds since 1970, UTC.
    born_ms: i64,
    /// Ends the check of the deliveries, which goes on after the start.
    ended: CancellationToken,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.ended.cancel();
    }
}

/// Why something was not stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No room on the disk.
    #[error("the disk is full")]
    Full,
    /// Too much waits already.
    #[error("too many deliveries wait")]
    Busy,
    /// Anything else.
    #[error("cannot store")]
    Other(#[source] anyhow::Error),
}

impl Store {
    /// Opens or creates the file that `url` names: `sqlite:/path/file.db`, or the path itself.
    ///
    /// Errors: another process holds the file, the file is damaged or newer than this program, or SQLite is too old.
    pub async fn open(url: &str) -> anyhow::Result<Store> {
        let path = path_of(url)?;
        let lock = lock(&path).await?;
        let mut conn = SqliteConnection::connect_with(&options(&path))
            .await
            .with_context(|| format!("cannot open store `{}`", path.display()))?;
        check(&mut conn).await?;
        schema::migrate(&mut conn).await?;
        let born_ms = born(&mut conn).await?;
        let pending = forget_leases(&mut conn).await?;
        let checker = SqliteConnection::connect_with(&options(&path).pragma("query_only", "ON"))
            .await
            .context("cannot open store for its check")?;
        let reads = SqlitePoolOptions::new()
            .max_connections(READERS)
            .min_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_with(options(&path).pragma("query_only", "ON"))
            .await
            .context("cannot open store for reading")?;
        let bells = Arc::new(Bells::default());
        let (jobs, waiting) = mpsc::channel(JOBS_WAITING_MAX);
        let ended = CancellationToken::new();
        tokio::spawn(check_deliveries(checker, jobs.downgrade(), ended.clone()));
        tokio::spawn(writer::run(conn, lock, waiting, Arc::clone(&bells)));
        Ok(Store {
            inner: Arc::new(Inner {
                jobs,
                reads,
                bells,
                pending: AtomicI64::new(pending),
                born_ms,
                ended,
            }),
        })
    }

    /// Writes the log back into the file and stops; every later write is refused.
    pub async fn close(&self) -> anyhow::Result<()> {
        self.inner.ended.cancel();
        self.inner.reads.close().await;
        let (answer, answered) = tokio::sync::oneshot::channel();
        if self.inner.jobs.send(Message::Close(answer)).await.is_err() {
            return Ok(());
        }
        answered.await.context("cannot close store")?
    }

    /// When the store was made: it remembers nothing from before. Units: milliseconds since 1970, UTC.
    pub fn born_ms(&self) -> i64 {
        self.inner.born_ms
    }

    /// Returns when the writer has stopped, by [`Store::close`] or because the disk failed to sync; the process must end then.
    pub async fn stopped(&self) {
        self.inner.jobs.closed().await;
    }

    /// Whether the writer has stopped.
    pub fn is_stopped(&self) -> bool {
        self.inner.jobs.is_closed()
    }

    /// Writes a little, to learn whether deliveries can be taken again. Errors: as [`Store::accept`].
    pub async fn probe(&self) -> Result<(), StoreError> {
        if self.is_crowded() {
            return Err(StoreError::Busy);
        }
        let shape = writer::Shape {
            is_single: true,
            rings: &[],
        };
        self.write(shape, |conn| {
            Box::pin(async move {
                sqlx::query(
                    "INSERT INTO kv (key, value) VALUES ('probe', $1)
                    ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                )
                .bind(clock_ms().to_string())
                .execute(conn)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// Rings once when a delivery may be claimed.
    pub fn inbox_changed(&self) -> &Notify {
        &self.inner.bells.inbox
    }

    /// Rings once when a subject may be claimed.
    pub fn subjects_changed(&self) -> &Notify {
        &self.inner.bells.subjects
    }

    /// Rings once when an effect may be claimed.
    pub fn outbox_changed(&self) -> &Notify {
        &self.inner.bells.outbox
    }

    fn reads(&self) -> &SqlitePool {
        &self.inner.reads
    }

    fn is_crowded(&self) -> bool {
        let waiting = self.inner.pending.load(Ordering::Relaxed);
        waiting >= inbox::DELIVERIES_PENDING_MAX || self.inner.jobs.capacity() == 0
    }

    fn add_pending(&self, count: i64) {
        self.inner.pending.fetch_add(count, Ordering::Relaxed);
    }
}

/// How long to wait before the next try, after so many: full jitter below 2 s, doubling, at most 15 min. Units: milliseconds.
pub fn backoff_ms(attempts: u32) -> i64 {
    let doubled = BACKOFF_FIRST_MS.saturating_mul(1 << attempts.saturating_sub(1).min(20));
    let limit = doubled.min(BACKOFF_LAST_MS);
    let random = uuid::Uuid::new_v4().as_u64_pair().1 & (u64::MAX >> 2);
    i64::try_from(random).unwrap_or(0) % (limit + 1)
}

/// The time of the wall clock, for bookkeeping only. Units: milliseconds since 1970, UTC.
fn clock_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}

fn sql_id(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}

fn sql_limit(limit: usize) -> i64 {
    i64::try_from(limit.min(LIST_MAX)).unwrap_or(0)
}

fn rust_id(id: i64) -> u64 {
    u64::try_from(id).unwrap_or(0)
}

fn count_of(value: i64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn cut(text: &str) -> String {
    text.chars().take(ERROR_CHARS_MAX).collect()
}

/// When the file was made; noted at its first opening.
async fn born(conn: &mut SqliteConnection) -> anyhow::Result<i64> {
    sqlx::query("INSERT INTO kv (key, value) VALUES ('born_ms', $1) ON CONFLICT (key) DO NOTHING")
        .bind(clock_ms().to_string())
        .execute(&mut *conn)
        .await
        .context("cannot note when the store was made")?;
    let (text,): (String,) = sqlx::query_as("SELECT value FROM kv WHERE key = 'born_ms'")
        .fetch_one(conn)
        .await
        .context("cannot read when the store was made")?;
    text.parse().context("cannot read when the store was made")
}

fn path_of(url: &str) -> anyhow::Result<PathBuf> {
    if url.starts_with("postgres:") || url.starts_with("postgresql:") {
        bail!("a PostgreSQL store is not built yet: give a `sqlite:` path");
    }
    let path = url.strip_prefix("sqlite:").unwrap_or(url);
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || path.contains(":memory:") || path.contains('?') {
        bail!("store `{url}` is not the path of a file");
    }
    Ok(PathBuf::from(path))
}

/// Takes the lock beside the file: SQLite's own locks vanish when any other handle of the file is closed.
async fn lock(path: &Path) -> anyhow::Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = File::options()
        .create(true)
        .append(true)
        .open(&name)
        .with_context(|| format!("cannot create `{}`", Path::new(&name).display()))?;
    let mut waited_ms = 0;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => {
                return Err(error).context("cannot lock store");
            }
            Err(TryLockError::WouldBlock) if waited_ms >= LOCK_WAIT_MS => {
                bail!("store `{}` is in use by another process", path.display());
            }
            Err(TryLockError::WouldBlock) => {
                tokio::time::sleep(Duration::from_millis(20)).await;
                waited_ms += 20;
            }
        }
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_millis(BUSY_TIMEOUT_MS))
        .foreign_keys(true)
}

/// Reads back what was asked for: an ignored pragma would cost data later.
async fn check(conn: &mut SqliteConnection) -> anyhow::Result<()> {
    let (version,): (String,) = sqlx::query_as("SELECT sqlite_version()")
        .fetch_one(&mut *conn)
        .await?;
    // Before 3.51.3 two connections that reset the log at once could damage it: https://sqlite.org/releaselog/3_51_3.html
    let parts: Vec<u32> = version.split('.').filter_map(|p| p.parse().ok()).collect();
    if parts < vec![3, 51, 3] {
        bail!("SQLite {version} may damage its log; 3.51.3 or later is needed");
    }
    let (mode,): (String,) = sqlx::query_as("PRAGMA journal_mode")
        .fetch_one(&mut *conn)
        .await?;
    let (sync,): (i64,) = sqlx::query_as("PRAGMA synchronous")
        .fetch_one(&mut *conn)
        .await?;
    let (busy,): (i64,) = sqlx::query_as("PRAGMA busy_timeout")
        .fetch_one(&mut *conn)
        .await?;
    let (keys,): (i64,) = sqlx::query_as("PRAGMA foreign_keys")
        .fetch_one(&mut *conn)
        .await?;
    let wanted = ("wal", 2, i64::try_from(BUSY_TIMEOUT_MS)?, 1);
    if (mode.as_str(), sync, busy, keys) != wanted {
        bail!(
            "store does not take its settings: journal_mode {mode}, synchronous {sync}, busy_timeout {busy}, foreign_keys {keys}"
        );
    }
    let tables: Vec<(String,)> = sqlx::query_as(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'delivery'",
    )
    .fetch_all(&mut *conn)
    .await?;
    for (table,) in tables {
        check_table(conn, &table).await?;
    }
    Ok(())
}

/// Errors: the table or one of its indexes is damaged, or cannot be read.
async fn check_table(conn: &mut SqliteConnection, table: &str) -> anyhow::Result<()> {
    let (health,): (String,) = sqlx::query_as("SELECT quick_check FROM pragma_quick_check($1)")
        .bind(table)
        .fetch_one(conn)
        .await?;
    if health != "ok" {
        bail!("store is damaged: {health}");
    }
    Ok(())
}

/// Deliveries may be gigabytes, which no start can wait for: they are checked beside the first work, and damage stops the store.
async fn check_deliveries(
    mut conn: SqliteConnection,
    jobs: mpsc::WeakSender<Message>,
    ended: CancellationToken,
) {
    if let Ok(mut handle) = conn.lock_handle().await {
        let ended = ended.clone();
        handle.set_progress_handler(CHECK_STEPS, move || !ended.is_cancelled());
    }
    let Err(error) = check_table(&mut conn, "delivery").await else {
        return;
    };
    if ended.is_cancelled() {
        return;
    }
    tracing::error!("cannot go on with the store: {error:#}");
    if let Some(jobs) = jobs.upgrade() {
        let (answer, _) = tokio::sync::oneshot::channel();
        // A writer that is gone has stopped already.
        drop(jobs.send(Message::Close(answer)).await);
    }
}

/// Gives back what a process that is gone had claimed, and counts the deliveries that wait. By state, of which there are indexes.
async fn forget_leases(conn: &mut SqliteConnection) -> anyhow::Result<i64> {
    for sql in [
        "UPDATE delivery SET leased_until_ms = 0 WHERE state = 'new' AND leased_until_ms > 0",
        "UPDATE subject SET leased_until_ms = 0 WHERE leased_until_ms > 0",
        "UPDATE effect SET leased_until_ms = 0 WHERE state = 'intended' AND leased_until_ms > 0",
    ] {
        sqlx::query(sql).execute(&mut *conn).await?;
    }
    let (pending,) = sqlx::query_as("SELECT COUNT(*) FROM delivery WHERE state = 'new'")
        .fetch_one(conn)
        .await?;
    Ok(pending)
}
