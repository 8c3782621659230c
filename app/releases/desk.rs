//! The directory of one environment: what lies there, and who wrote it.
//!
//! Ours: `keys.json`, `wanted.json`, `stop`, `snapshots/`, and the first `gateway.json`.
//! The gateway's: `gateway.lock`, `live.json`, `kept.json`, `log.txt`, `releases/`, and the port in `gateway.json`.

use super::keys::{Kept, Keys, Which};
use crate::files::{self, Readers, Stamp};
use anyhow::Context as _;
use bowsprit_core::name::{RepoId, Slug};
use bowsprit_core::serving::spec::{Live, ServeSpec};
use bowsprit_core::training::spec::Source;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Largest order that is read again. Units: bytes.
const WANTED_BYTES_MAX: u64 = 64 << 20;
/// Largest word of a gateway that is read. Units: bytes.
const LIVE_BYTES_MAX: u64 = 1 << 20;
/// Largest settings or keys. Units: bytes.
const NOTE_BYTES_MAX: u64 = 64 << 10;
/// Longest reason that is passed on. Units: characters.
const REASON_CHARS_MAX: usize = 2_000;

/// The directory of one environment.
#[derive(Debug, Clone)]
pub(super) struct Desk {
    dir: PathBuf,
}

/// What the gateway is told once: where to listen. It notes the port that it was given.
#[derive(Debug, Serialize, Deserialize)]
struct Settings {
    listen: SocketAddr,
}

impl Desk {
    /// The desk in `dir`, which may not be there.
    pub(super) fn new(dir: PathBuf) -> Desk {
        Desk { dir }
    }

    /// The directory.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// A file or directory of it.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Where the gateway listens, or shall; `None` before the first order.
    pub(super) fn listen(&self) -> anyhow::Result<Option<SocketAddr>> {
        let settings: Option<Settings> = files::read(&self.path("gateway.json"), NOTE_BYTES_MAX)?;
        Ok(settings.map(|settings| settings.listen))
    }

    /// Says where the gateway shall listen.
    pub(super) fn write_listen(&self, listen: SocketAddr) -> anyhow::Result<()> {
        files::write(
            &self.path("gateway.json"),
            &Settings { listen },
            Readers::Usual,
        )
    }

    /// The order; `None` before the first one.
    pub(super) fn wanted(&self) -> anyhow::Result<Option<ServeSpec>> {
        files::read(&self.path("wanted.json"), WANTED_BYTES_MAX)
    }

    /// Gives the order.
    pub(super) fn write_wanted(&self, wanted: &ServeSpec) -> anyhow::Result<()> {
        files::write(&self.path("wanted.json"), wanted, Readers::Usual)
    }

    /// Whether an order was ever given.
    pub(super) fn is_ordered(&self) -> bool {
        self.path("wanted.json").exists()
    }

    /// The keys; `None` before the first order.
    pub(super) fn keys(&self) -> anyhow::Result<Option<Keys>> {
        let kept: Option<Kept> = files::read(&self.path("keys.json"), NOTE_BYTES_MAX)?;
        Ok(kept.map(Keys::from))
    }

    /// The keys, where they can be read; the log tells why they cannot.
    pub(super) fn readable_keys(&self, repo: RepoId, environment: &Slug) -> Option<Keys> {
        self.keys().unwrap_or_else(|error| {
            tracing::error!(
                "the keys of environment `{environment}` of repository {repo} are lost: {error:#}"
            );
            None
        })
    }

    /// Gives one of the keys anew, and lets the order name it. Errors: there are none, or they cannot be written.
    pub(super) fn rotate(&self, which: Which) -> anyhow::Result<Keys> {
        let keys = self.keys()?.context("there is no such environment")?;
        let keys = keys.rotated(which)?;
        self.write_keys(&keys)?;
        self.settle_keys()?;
        Ok(keys)
    }

    /// Keeps the keys for this user alone.
    pub(super) fn write_keys(&self, keys: &Keys) -> anyhow::Result<()> {
        files::write(&self.path("keys.json"), &keys.kept(), Readers::Owner)
    }

    /// Lets the order name the keys as they are now; one without keys asks for none.
    pub(super) fn settle_keys(&self) -> anyhow::Result<()> {
        let (Some(keys), Some(mut wanted)) = (self.keys()?, self.wanted()?) else {
            return Ok(());
        };
        let digests = keys.digests();
        if wanted.door.keys.is_empty() || wanted.door.keys == digests {
            return Ok(());
        }
        wanted.door.keys = digests;
        self.write_wanted(&wanted)
    }

    /// What the gateway says, cut to size. `None` when it says nothing, or what cannot be.
    pub(super) fn live(&self) -> Option<Live> {
        let read = files::read::<Live>(&self.path("live.json"), LIVE_BYTES_MAX);
        let mut live = read
            .inspect_err(|error| tracing::warn!("what is live is passed over: {error:#}"))
            .ok()??;
        let addr: Option<SocketAddr> = live
            .url
            .strip_prefix("http://")
            .and_then(|addr| addr.parse().ok());
        if !addr.is_some_and(|addr| addr.ip().is_loopback() && addr.port() != 0) {
            tracing::warn!(
                "what is live is passed over: it answers elsewhere than on this machine"
            );
            return None;
        }
        live.reason = live
            .reason
            .map(|reason| reason.chars().take(REASON_CHARS_MAX).collect());
        Some(live)
    }

    /// Tells one word of the gateway from the next.
    pub(super) fn live_stamp(&self) -> Option<Stamp> {
        files::stamp(&self.path("live.json"))
    }

    /// Whether a gateway is at work.
    pub(super) fn is_at_work(&self) -> bool {
        files::is_locked(&self.path("gateway.lock"))
    }

    /// Tells the gateway to end.
    pub(super) fn write_stop(&self) -> anyhow::Result<()> {
        File::create(self.path("stop")).context("cannot write `stop`")?;
        Ok(())
    }

    /// Takes that back.
    pub(super) fn remove_stop(&self) -> anyhow::Result<()> {
        files::remove_file(&self.path("stop")).context("cannot remove `stop`")
    }

    /// Whether the gateway is told to end.
    pub(super) fn is_stopped(&self) -> bool {
        self.path("stop").exists()
    }

    /// Where a snapshot is kept: under its digest, as long as an order names it.
    pub(super) fn snapshot_path(&self, snapshot: &Source) -> anyhow::Result<PathBuf> {
        let dir = self.path("snapshots");
        std::fs::create_dir_all(&dir)
            .with_context(|| format!("cannot create `{}`", dir.display()))?;
        Ok(dir.join(format!("{}.tar", snapshot.sha256.hex())))
    }

    /// Removes the snapshots that neither the order, the one before it, nor the release that is served now names.
    pub(super) fn sweep_snapshots(&self, before: Option<&ServeSpec>) -> anyhow::Result<()> {
        let server = before.and_then(|before| before.server.as_ref());
        let mut documents = server
            .map(|server| server.snapshot.uri.clone())
            .unwrap_or_default();
        for name in ["wanted.json", "kept.json"] {
            let bytes = files::read_bytes(&self.path(name), WANTED_BYTES_MAX)?.unwrap_or_default();
            documents.push_str(&String::from_utf8_lossy(&bytes));
        }
        let entries = std::fs::read_dir(self.path("snapshots"))
            .into_iter()
            .flatten()
            .flatten();
        for entry in entries {
            let name = entry.file_name();
            if !name.to_str().is_some_and(|name| documents.contains(name)) {
                files::remove_file(&entry.path()).context("cannot remove a snapshot")?;
            }
        }
        Ok(())
    }
}
