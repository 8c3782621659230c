//! The tables, as a list of steps that is only ever added to.
//!
//! A file is brought forward step by step, each in a transaction with its number. A file from a newer program is refused.

use anyhow::{Context, bail};
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

/// Each step once applied somewhere is never changed again: add another.
const STEPS: &[&str] = &[FIRST, QUEUE];

/// Times are milliseconds since 1970, UTC. `doc` is the JSON of the whole; the columns beside it are for finding it.
/// What may be large stands last: SQLite would have to walk past it to reach what follows.
const FIRST: &str = "
CREATE TABLE delivery (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guid TEXT NOT NULL UNIQUE,
    event TEXT NOT NULL,
    action TEXT,
    received_ms BIGINT NOT NULL,
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0,
    not_before_ms BIGINT NOT NULL DEFAULT 0,
    leased_until_ms BIGINT NOT NULL DEFAULT 0,
    error TEXT,
    note TEXT,
    body BLOB NOT NULL
);
CREATE INDEX delivery_state ON delivery (state, id, received_ms);

CREATE TABLE subject (
    key TEXT PRIMARY KEY,
    state TEXT,
    is_open BIGINT NOT NULL DEFAULT 0,
    epoch BIGINT NOT NULL DEFAULT 0,
    wanted_seq BIGINT NOT NULL DEFAULT 0,
    seen_seq BIGINT NOT NULL DEFAULT 0,
    look_at_ms BIGINT,
    not_before_ms BIGINT NOT NULL DEFAULT 0,
    leased_until_ms BIGINT NOT NULL DEFAULT 0,
    claimed_ms BIGINT NOT NULL DEFAULT 0,
    attempts BIGINT NOT NULL DEFAULT 0,
    is_stuck BIGINT NOT NULL DEFAULT 0,
    error TEXT
);
CREATE INDEX subject_wanted ON subject (claimed_ms) WHERE wanted_seq > seen_seq;
CREATE INDEX subject_look ON subject (look_at_ms) WHERE look_at_ms IS NOT NULL;
CREATE INDEX subject_open ON subject (key) WHERE is_open = 1;
CREATE INDEX subject_stuck ON subject (key) WHERE is_stuck = 1;

CREATE TABLE hint (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    subject TEXT NOT NULL REFERENCES subject (key),
    body TEXT NOT NULL
);
CREATE INDEX hint_subject ON hint (subject, id);

CREATE TABLE effect (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    subject TEXT NOT NULL,
    is_view BIGINT NOT NULL,
    priority BIGINT NOT NULL,
    kind TEXT NOT NULL,
    revision BIGINT NOT NULL DEFAULT 1,
    epoch BIGINT NOT NULL DEFAULT 0,
    state TEXT NOT NULL,
    result TEXT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0,
    not_before_ms BIGINT NOT NULL DEFAULT 0,
    leased_until_ms BIGINT NOT NULL DEFAULT 0,
    error TEXT,
    updated_ms BIGINT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX effect_act ON effect (subject, id) WHERE state = 'intended' AND is_view = 0;
CREATE INDEX effect_subject ON effect (subject, id);
CREATE INDEX effect_state ON effect (state, priority, id);

CREATE TABLE run (
    id TEXT PRIMARY KEY,
    repo BIGINT NOT NULL,
    sha TEXT NOT NULL,
    branch TEXT,
    model TEXT,
    phase TEXT NOT NULL,
    is_active BIGINT NOT NULL,
    is_proposable BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    doc TEXT NOT NULL
);
CREATE INDEX run_sha ON run (repo, sha);
CREATE INDEX run_active ON run (repo, branch) WHERE is_active = 1;
CREATE INDEX run_proposable ON run (repo, model, created_ms) WHERE is_proposable = 1;
CREATE INDEX run_created ON run (created_ms, id);

CREATE TABLE model_version (
    service BIGINT NOT NULL,
    model TEXT NOT NULL,
    version BIGINT NOT NULL,
    digest TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (service, model, version)
);
CREATE INDEX model_version_created ON model_version (created_ms);

CREATE TABLE environment (
    repo BIGINT NOT NULL,
    name TEXT NOT NULL,
    is_gone BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (repo, name)
);

CREATE TABLE event (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms BIGINT NOT NULL,
    subject TEXT NOT NULL,
    who TEXT,
    what TEXT NOT NULL,
    sha TEXT,
    why TEXT NOT NULL
);
CREATE INDEX event_subject ON event (subject, id);

CREATE TABLE installation (
    id BIGINT PRIMARY KEY,
    account TEXT NOT NULL,
    is_suspended BIGINT NOT NULL
);

CREATE TABLE repository (
    id BIGINT PRIMARY KEY,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    default_branch TEXT NOT NULL,
    installation BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL
);
CREATE INDEX repository_name ON repository (name_key, updated_ms);
CREATE INDEX repository_installation ON repository (installation);

CREATE TABLE token (
    name TEXT PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE,
    scope TEXT NOT NULL,
    created_ms BIGINT NOT NULL
);

CREATE TABLE kv (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
";

/// Tests of merge queues by branch, and runs by the digest of their inputs.
const QUEUE: &str = "
ALTER TABLE run ADD COLUMN queue TEXT;
ALTER TABLE run ADD COLUMN inputs TEXT;
CREATE INDEX run_queue ON run (repo, queue, created_ms) WHERE queue IS NOT NULL;
CREATE INDEX run_inputs ON run (repo, inputs, created_ms) WHERE inputs IS NOT NULL;
";

/// Brings the file to the newest step.
pub(super) async fn migrate(conn: &mut SqliteConnection) -> anyhow::Result<()> {
    sqlx::query("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT PRIMARY KEY)")
        .execute(&mut *conn)
        .await
        .context("cannot create table schema_version")?;
    let (found,): (i64,) = sqlx::query_as("SELECT COALESCE(MAX(version), 0) FROM schema_version")
        .fetch_one(&mut *conn)
        .await
        .context("cannot read schema version")?;
    let done = usize::try_from(found).context("cannot read schema version")?;
    if done > STEPS.len() {
        bail!(
            "store has schema {done}, this program knows {}: it was written by a newer one",
            STEPS.len()
        );
    }
    for (step, number) in STEPS.iter().zip(1_i64..).skip(done) {
        let mut tx = conn.begin().await?;
        sqlx::raw_sql(*step)
            .execute(&mut *tx)
            .await
            .with_context(|| format!("cannot apply schema step {number}"))?;
        sqlx::query("INSERT INTO schema_version (version) VALUES ($1)")
            .bind(number)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
    }
    Ok(())
}
