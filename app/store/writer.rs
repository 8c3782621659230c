//! The one writer: what waits becomes one transaction, and each job is answered after the commit.
//!
//! Batches form by arrival alone, so that a lone job never waits for company.
//! A failing job is undone by itself; a failing disk undoes the batch; a failing sync stops the writer for good.

use super::{Store, StoreError};
use anyhow::anyhow;
use futures_util::future::BoxFuture;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use std::fs::File;
use std::sync::Arc;
use tokio::sync::{Notify, mpsc, oneshot};

/// Most jobs of one transaction.
const BATCH_MAX: usize = 512;

/// One bell a queue.
#[derive(Default)]
pub(super) struct Bells {
    pub(super) inbox: Notify,
    pub(super) subjects: Notify,
    pub(super) outbox: Notify,
}

/// A queue that a job may have added to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Queue {
    Inbox,
    Subjects,
    Outbox,
}

/// How a job is run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// One statement, which SQLite itself undoes when it fails; needs no savepoint.
    pub(super) is_single: bool,
    /// Whose bells ring after the commit.
    pub(super) rings: &'static [Queue],
}

/// What the writer is sent.
pub(super) enum Message {
    /// Do this.
    Job(Job),
    /// Stop.
    Close(oneshot::Sender<anyhow::Result<()>>),
}

/// Something to write.
pub(super) struct Job {
    shape: Shape,
    work: Work,
}

type Work = Box<dyn for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Done> + Send>;
type Answer = Box<dyn FnOnce(Result<(), Failure>) + Send>;

/// A job that was run and waits for its commit.
struct Done {
    failure: Option<Failure>,
    answer: Answer,
}

/// Why a job came to nothing; shared by all jobs of a batch.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    /// The job's own fault, in words; the others go on.
    Own(String),
    /// The disk is full.
    Full,
    /// The whole transaction is lost.
    Lost(String),
    /// What was written may not be on disk: nothing more may be promised.
    Unsynced(String),
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> StoreError {
        match failure {
            Failure::Full => StoreError::Full,
            Failure::Own(text) => StoreError::Other(anyhow!(text)),
            Failure::Lost(text) => StoreError::Other(anyhow!("cannot commit: {text}")),
            Failure::Unsynced(text) => StoreError::Other(anyhow!("cannot sync: {text}")),
        }
    }
}

impl Store {
    /// Runs `work` in the writer's transaction and returns its result after the commit.
    pub(super) async fn write<T, F>(&self, shape: Shape, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, anyhow::Result<T>>
            + Send
            + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let work: Work = Box::new(move |conn| {
            Box::pin(async move {
                match work(conn).await {
                    Ok(value) => Done {
                        failure: None,
                        answer: Box::new(move |end| drop(answer.send(end.map(|()| value)))),
                    },
                    Err(error) => Done {
                        failure: Some(failure_of(&error)),
                        answer: Box::new(move |end| {
                            let failure = end.err().unwrap_or_else(|| Failure::Own(text(&error)));
                            drop(answer.send(Err(failure)));
                        }),
                    },
                }
            })
        });
        let stopped = || StoreError::Other(anyhow!("the store has stopped or cannot begin"));
        self.inner
            .jobs
            .send(Message::Job(Job { shape, work }))
            .await
            .map_err(|_| stopped())?;
        answered
            .await
            .map_err(|_| stopped())?
            .map_err(StoreError::from)
    }
}

/// Writes until the last [`Store`] is gone, it is closed, or the disk fails to sync.
pub(super) async fn run(
    mut conn: SqliteConnection,
    lock: File,
    mut waiting: mpsc::Receiver<Message>,
    bells: Arc<Bells>,
) {
    let mut messages = Vec::with_capacity(BATCH_MAX);
    let mut closing = None;
    while closing.is_none() && waiting.recv_many(&mut messages, BATCH_MAX).await > 0 {
        let mut jobs = Vec::with_capacity(messages.len());
        for message in messages.drain(..) {
            match message {
                Message::Job(job) => jobs.push(job),
                Message::Close(answer) => closing = Some(answer),
            }
        }
        let mut rest = jobs.into_iter();
        while rest.len() > 0 {
            if let Err(text) = batch(&mut conn, &mut rest, &bells).await {
                tracing::error!("store has stopped: cannot sync its file: {text}");
                return;
            }
        }
    }
    let checkpoint = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
        .execute(&mut conn)
        .await;
    let end = conn.close().await;
    drop(lock);
    if let Some(answer) = closing {
        let result = checkpoint.map(drop).and(end);
        drop(answer.send(result.map_err(anyhow::Error::from)));
    }
}

/// One transaction. Takes jobs until they are all done or the transaction is lost; what is left is for the next one.
async fn batch(
    conn: &mut SqliteConnection,
    jobs: &mut std::vec::IntoIter<Job>,
    bells: &Bells,
) -> Result<(), String> {
    let mut done = Vec::with_capacity(jobs.len());
    // A lone statement is a transaction of its own: no words around it, each of which costs two changes of thread.
    let is_alone = matches!(jobs.as_slice(), [only] if only.shape.is_single);
    let mut end = match is_alone {
        true => Ok(()),
        false => statement(conn, "BEGIN IMMEDIATE").await,
    };
    if end.is_ok() {
        for job in jobs.by_ref() {
            let (ran, state) = one(conn, job).await;
            done.push(ran);
            if state.is_err() {
                end = state;
                break;
            }
        }
    } else {
        // Nothing was begun and nothing will be: dropping a job answers it.
        tracing::error!("cannot begin a transaction of the store: {end:?}");
        jobs.for_each(drop);
    }
    if end.is_ok() && !is_alone {
        end = statement(conn, "COMMIT").await;
    }
    if end.is_err() && !is_alone {
        // SQLite may have rolled back already; then this fails and changes nothing.
        drop(statement(conn, "ROLLBACK").await);
    }
    for (ran, rings) in done {
        if end.is_ok() && ran.failure.is_none() {
            rings.iter().for_each(|queue| ring(bells, *queue));
        }
        (ran.answer)(end.clone());
    }
    match end {
        Err(Failure::Unsynced(text)) => Err(text),
        Ok(()) | Err(Failure::Own(_) | Failure::Full | Failure::Lost(_)) => Ok(()),
    }
}

/// Runs a job; the second part is an error when the whole transaction is lost with it.
async fn one(
    conn: &mut SqliteConnection,
    job: Job,
) -> ((Done, &'static [Queue]), Result<(), Failure>) {
    let opened = match job.shape.is_single {
        true => Ok(()),
        false => statement(conn, "SAVEPOINT job").await,
    };
    let ran = (job.work)(&mut *conn).await;
    let ended = match (&ran.failure, job.shape.is_single) {
        (None | Some(Failure::Own(_)), true) => Ok(()),
        (None, false) => statement(conn, "RELEASE job").await,
        (Some(Failure::Own(_)), false) => undo(conn).await,
        (Some(lost), _) => Err(lost.clone()),
    };
    ((ran, job.shape.rings), opened.and(ended))
}

async fn undo(conn: &mut SqliteConnection) -> Result<(), Failure> {
    statement(conn, "ROLLBACK TO job").await?;
    statement(conn, "RELEASE job").await
}

/// Runs a statement of the transaction's own; any failure loses the transaction.
async fn statement(conn: &mut SqliteConnection, sql: &'static str) -> Result<(), Failure> {
    match sqlx::query(sql).execute(conn).await {
        Ok(_) => Ok(()),
        Err(error) => Err(match classify(&error) {
            Failure::Own(text) => Failure::Lost(text),
            other => other,
        }),
    }
}

fn ring(bells: &Bells, queue: Queue) {
    match queue {
        Queue::Inbox => bells.inbox.notify_one(),
        Queue::Subjects => bells.subjects.notify_one(),
        Queue::Outbox => bells.outbox.notify_one(),
    }
}

fn text(error: &anyhow::Error) -> String {
    format!("{error:#}")
}

fn failure_of(error: &anyhow::Error) -> Failure {
    let found = error.chain().find_map(|e| e.downcast_ref::<sqlx::Error>());
    match found.map(classify) {
        Some(Failure::Own(_)) | None => Failure::Own(text(error)),
        Some(other) => other,
    }
}

/// Tells a bad statement from a bad disk. Source: SQLite result codes, https://sqlite.org/rescode.html
fn classify(error: &sqlx::Error) -> Failure {
    const IOERR_FSYNC: i32 = 1034;
    const IOERR_DIR_FSYNC: i32 = 1290;
    const FULL: i32 = 13;
    /// ERROR, TOOBIG, CONSTRAINT, MISMATCH, RANGE: the statement's own fault.
    const OWN: [i32; 5] = [1, 18, 19, 20, 25];
    let Some(database) = error.as_database_error() else {
        // Values that cannot be bound or read back; a connection that broke shows at the next statement.
        return Failure::Own(error.to_string());
    };
    let code: i32 = database.code().and_then(|c| c.parse().ok()).unwrap_or(0);
    match code {
        IOERR_FSYNC | IOERR_DIR_FSYNC => Failure::Unsynced(error.to_string()),
        code if code & 0xff == FULL => Failure::Full,
        code if OWN.contains(&(code & 0xff)) => Failure::Own(error.to_string()),
        _ => Failure::Lost(error.to_string()),
    }
}
