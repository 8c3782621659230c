//! The gateway in a pod: its order comes from the bot, its rules from a mounted Secret, and its last words go to the cluster.
//!
//! There one release has one pod. What cannot serve ends, so that the cluster shows why and keeps the pods before.

use super::desk::{self, Desk};
use super::fetch::Shelf;
use super::log::Log;
use crate::remote::client::Bot;
use anyhow::Context as _;
use bowsprit_core::serving::objects::{CA_FILE, DOOR_FILE, TOKEN_FILE};
use bowsprit_core::serving::rollout::{UNFETCHED, UNFIT};
use bowsprit_core::serving::spec::{DoorSpec, RolloutPhase, ServeSpec};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// The mounted rules are looked at this often; the cluster itself takes up to a minute or two to bring new ones.
const DOOR_LOOK: Duration = Duration::from_secs(1);
/// A mounted order that is not there yet is waited for this long; the cluster brings it within a minute or two.
const MOUNT_WAIT: Duration = Duration::from_secs(300);
/// Where a container leaves its last words. Source: Kubernetes, "Determine the Reason for Pod Failure".
const LAST_WORDS: &str = "/dev/termination-log";
/// The cluster keeps no more. Units: bytes.
const LAST_WORDS_BYTES_MAX: usize = 4_000;
/// Largest token. Units: bytes.
const TOKEN_BYTES_MAX: usize = 512;

/// What a gateway in a pod is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Where the order comes from.
    pub order: OrderAt,
    /// The directory of the mounted Secret.
    pub secrets: PathBuf,
    /// Where to listen.
    pub listen: SocketAddr,
}

/// Where an order comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderAt {
    /// The address of the release at the bot, below which its order and files lie.
    Bot(String),
    /// A file of the mounted Secret; files that it names lie in the image.
    Mounted(String),
}

impl OrderAt {
    /// Reads `--order`: an address, or the name of a mounted file.
    pub fn read(text: String) -> OrderAt {
        let is_address = ["http://", "https://"]
            .iter()
            .any(|scheme| text.starts_with(scheme));
        match is_address {
            true => OrderAt::Bot(text),
            false => OrderAt::Mounted(text),
        }
    }
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
            Some(order) if is_here(desk, &order) => order,
            Some(_) | None => match &self.order {
                OrderAt::Bot(address) => {
                    log.note("fetching the release");
                    self.fetch(desk, address).await?
                }
                OrderAt::Mounted(file) => self.mounted(file, log).await?,
            },
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

    /// The order in the mounted Secret, which the cluster may bring a little later than the pod.
    async fn mounted(&self, file: &str, log: &Log) -> anyhow::Result<ServeSpec> {
        let path = self.secrets.join(file);
        let until = tokio::time::Instant::now() + MOUNT_WAIT;
        if !path.exists() {
            log.note("waiting for the order");
        }
        loop {
            if let Some(order) = desk::read(&path)? {
                return Ok(order);
            }
            anyhow::ensure!(
                tokio::time::Instant::now() < until,
                "the mounted Secret has no order `{file}`"
            );
            tokio::time::sleep(DOOR_LOOK).await;
        }
    }

    async fn fetch(&self, desk: &Desk, address: &str) -> anyhow::Result<ServeSpec> {
        let token = std::fs::read_to_string(self.secrets.join(TOKEN_FILE));
        let token = token.context("cannot read the token")?;
        anyhow::ensure!(token.len() <= TOKEN_BYTES_MAX, "the token is too long");
        let ca_pem = std::fs::read(self.secrets.join(CA_FILE)).ok();
        let attempt = std::process::id().to_string();
        let bot = Bot::new(address, token.trim(), ca_pem.as_deref(), attempt);
        let shelf = Shelf {
            bot: bot.map_err(|error| anyhow::anyhow!("{error}"))?,
            release: address.to_owned(),
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

/// Whether all that this order names lies here.
fn is_here(desk: &Desk, order: &ServeSpec) -> bool {
    let in_image = order
        .server
        .as_ref()
        .and_then(|server| server.in_image.as_ref());
    in_image.is_some() || desk.is_laid_out(&order.release)
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
