//! The gateway in a pod: its order comes from the bot, its rules from a mounted Secret, and its last words go to the cluster.
//!
//! There one release has one pod. What cannot serve ends, so that the cluster shows why and keeps the pods before.

use super::desk::{self, Desk};
use super::fetch::Shelf;
use super::log::Log;
use anyhow::Context as _;
use bowsprit_core::serving::objects::{DOOR_FILE, TOKEN_FILE};
use bowsprit_core::serving::rollout::{UNFETCHED, UNFIT};
use bowsprit_core::serving::spec::{DoorSpec, RolloutPhase, ServeSpec};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// The mounted rules are looked at this often; the cluster itself takes up to a minute or two to bring new ones.
const DOOR_LOOK: Duration = Duration::from_secs(1);
/// Where a container leaves its last words. Source: Kubernetes, "Determine the Reason for Pod Failure".
const LAST_WORDS: &str = "/dev/termination-log";
/// The cluster keeps no more. Units: bytes.
const LAST_WORDS_BYTES_MAX: usize = 4_000;
/// Largest token. Units: bytes.
const TOKEN_BYTES_MAX: usize = 512;

/// What a gateway in a pod is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Where the order is fetched.
    pub order: String,
    /// The directory of the mounted Secret.
    pub secrets: PathBuf,
    /// Where to listen.
    pub listen: SocketAddr,
}

/// Why a gateway in a pod ended, for the cluster.
pub(super) enum End {
    /// The release could not be fetched.
    Unfetched(String),
    /// The release cannot serve.
    Unfit(String),
}

impl Pod {
    /// Lays the order on the desk, with everything that it names. Errors: what could not be had.
    pub(super) async fn prepare(&self, desk: &Desk, log: &Log) -> anyhow::Result<()> {
        desk.write_listen(self.listen)?;
        let before = desk.wanted().ok().flatten();
        let mut order = match before {
            Some(order) if desk.is_laid_out(&order.release) => order,
            Some(_) | None => {
                log.note("fetching the release");
                self.fetch(desk).await?
            }
        };
        order.door = self.door()?;
        desk.write_wanted(&order)?;
        // A release that failed in the container before this one is tried again in this one.
        if desk
            .live()?
            .is_some_and(|live| live.phase == RolloutPhase::Failed)
        {
            desk.remove_live()?;
        }
        Ok(())
    }

    async fn fetch(&self, desk: &Desk) -> anyhow::Result<ServeSpec> {
        let token = std::fs::read_to_string(self.secrets.join(TOKEN_FILE));
        let token = token.context("cannot read the token")?;
        anyhow::ensure!(token.len() <= TOKEN_BYTES_MAX, "the token is too long");
        let shelf = Shelf {
            order: &self.order,
            token: token.trim(),
            dir: desk.fetched_dir(),
        };
        shelf.order().await
    }

    fn door(&self) -> anyhow::Result<DoorSpec> {
        let door = desk::read(&self.secrets.join(DOOR_FILE))?;
        door.context("the mounted Secret has no rules for the gateway")
    }

    /// Brings rules that change into the order, for ever.
    pub(super) async fn follow_door(self, desk: Desk, log: Arc<Log>) {
        loop {
            tokio::time::sleep(DOOR_LOOK).await;
            if let Err(error) = self.bring_door(&desk) {
                log.note(&format!("the gateway's rules stay as they are: {error:#}"));
            }
        }
    }

    fn bring_door(&self, desk: &Desk) -> anyhow::Result<()> {
        let door = self.door()?;
        let Some(order) = desk.wanted()?.filter(|order| order.door != door) else {
            return Ok(());
        };
        desk.write_wanted(&ServeSpec { door, ..order })
    }
}

impl End {
    /// Tells the cluster, and gives the status to end with.
    pub(super) fn tell(&self, log: &Log) -> ExitCode {
        let (words, status) = match self {
            End::Unfetched(words) => (words, UNFETCHED),
            End::Unfit(words) => (words, UNFIT),
        };
        log.note(&format!("ends with status {status}: {words}"));
        let words = super::log::cut(words, LAST_WORDS_BYTES_MAX);
        if Path::new(LAST_WORDS).exists()
            && let Err(error) = std::fs::write(LAST_WORDS, words)
        {
            log.note(&format!("the cluster is not told: {error}"));
        }
        ExitCode::from(status)
    }
}
