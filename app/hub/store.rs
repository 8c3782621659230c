//! Keeps the state on disk: one JSON file written whole, one log of deliveries appended to.
//!
//! Saving happens shortly after a change and at the end.  A file is replaced by renaming, so a
//! crash leaves the old or the new one.

use crate::deliver::{DELIVERIES_MAX, Delivery, DeliveryLog, Outgoing};
use crate::hub::{Hub, lock};
use crate::state::State;
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Changes within this time are saved together.
const DEBOUNCE: Duration = Duration::from_millis(60);
const STATE_FILE: &str = "state.json";
const DELIVERIES_FILE: &str = "deliveries.jsonl";

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Saved {
    pub(crate) state: State,
    pub(crate) write_last: u64,
    pub(crate) delivery_last: u64,
    pub(crate) waiting: Vec<Outgoing>,
}

/// Reads what an earlier run left.
pub(crate) fn load(dir: &Path) -> anyhow::Result<(Saved, DeliveryLog)> {
    let saved: Saved = match std::fs::read(dir.join(STATE_FILE)) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .with_context(|| format!("cannot parse `{STATE_FILE}`"))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Saved::default(),
        Err(error) => return Err(error).with_context(|| format!("cannot read `{STATE_FILE}`")),
    };
    let mut log = DeliveryLog {
        last_id: saved.delivery_last,
        ..DeliveryLog::default()
    };
    if let Ok(text) = std::fs::read_to_string(dir.join(DELIVERIES_FILE)) {
        // A line cut by a crash is left out.
        log.entries = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Delivery>(line).ok())
            .collect();
        while log.entries.len() > DELIVERIES_MAX {
            log.entries.pop_front();
        }
        let newest = log.entries.back().map_or(0, |entry| entry.id);
        log.last_id = log.last_id.max(newest);
    }
    Ok((saved, log))
}

/// Saves after changes until the server stops.
pub(crate) async fn run(hub: Arc<Hub>) {
    loop {
        hub.dirty.notified().await;
        tokio::time::sleep(DEBOUNCE).await;
        let hub = Arc::clone(&hub);
        let done = tokio::task::spawn_blocking(move || save(&hub)).await;
        match done {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!("cannot save the state: {error:#}"),
            Err(error) => tracing::error!("saving the state broke off: {error}"),
        }
    }
}

/// Saves now; writes nothing after [`close`].
pub(crate) fn save(hub: &Hub) -> anyhow::Result<()> {
    let is_closed = lock(&hub.is_closed);
    if *is_closed { Ok(()) } else { write(hub) }
}

/// Saves for the last time. A saver at work is waited for, and one that comes late has nothing to say:
/// the next server may have read what stands there.
pub(crate) fn close(hub: &Hub) -> anyhow::Result<()> {
    let mut is_closed = lock(&hub.is_closed);
    *is_closed = true;
    write(hub)
}

fn write(hub: &Hub) -> anyhow::Result<()> {
    let fresh = std::mem::take(&mut lock(&hub.deliveries).unsaved);
    append(&hub.config.state_dir, &fresh)?;
    let saved = Saved {
        state: lock(&hub.state).clone(),
        write_last: lock(&hub.journal).write_last(),
        delivery_last: lock(&hub.deliveries).last_id,
        waiting: lock(&hub.waiting).values().cloned().collect(),
    };
    let bytes = serde_json::to_vec(&saved).context("cannot write the state as JSON")?;
    let fresh = hub.config.state_dir.join(format!("{STATE_FILE}.new"));
    std::fs::write(&fresh, bytes).with_context(|| format!("cannot write `{STATE_FILE}`"))?;
    std::fs::rename(&fresh, hub.config.state_dir.join(STATE_FILE))
        .with_context(|| format!("cannot replace `{STATE_FILE}`"))
}

fn append(dir: &Path, deliveries: &[Delivery]) -> anyhow::Result<()> {
    if deliveries.is_empty() {
        return Ok(());
    }
    let mut lines = Vec::new();
    for delivery in deliveries {
        serde_json::to_writer(&mut lines, delivery).context("cannot write a delivery as JSON")?;
        lines.push(b'\n');
    }
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(dir.join(DELIVERIES_FILE))
        .and_then(|mut file| file.write_all(&lines))
        .with_context(|| format!("cannot append to `{DELIVERIES_FILE}`"))
}
