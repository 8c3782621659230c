//! Fetching a release from the bot: the order, then every file that it names, each checked against its digest.
//!
//! What is there already is not fetched again, so that a container that starts anew in its pod needs nobody.

use super::integrity;
use crate::remote::client::Bot;
use anyhow::{Context as _, anyhow};
use bowsprit_core::serving::spec::ServeSpec;
use bowsprit_core::training::spec::Source;
use std::path::PathBuf;

/// A file that arrives with another digest is fetched again this often.
const TRIES: u32 = 3;

/// Where a release is fetched from.
pub(super) struct Shelf {
    /// The bot, which is waited for while it is away.
    pub(super) bot: Bot,
    /// The address of the release there.
    pub(super) release: String,
    /// Where files are kept, by digest.
    pub(super) dir: PathBuf,
}

impl Shelf {
    /// The order with every file of its release fetched. Errors: what could not be had; it may be had later.
    pub(super) async fn order(&self) -> anyhow::Result<ServeSpec> {
        std::fs::create_dir_all(&self.dir).context("cannot make the directory of fetched files")?;
        let path = self.dir.join("order.json");
        let address = format!("{}/order", self.release);
        let fetched = self.bot.fetch(&address, &path).await;
        fetched.map_err(|no| anyhow!("cannot fetch the order: {no}"))?;
        let order = super::desk::read::<ServeSpec>(&path)?;
        let mut order = order.context("the order is gone")?;
        if let Some(server) = &mut order.server
            && server.in_image.is_none()
        {
            let taken = self.take(&mut server.snapshot).await;
            taken.context("cannot fetch the snapshot")?;
            for model in &mut server.models {
                for source in &mut model.sources {
                    let taken = self.take(source).await;
                    taken.with_context(|| format!("cannot fetch model `{}`", model.name))?;
                }
            }
        }
        Ok(order)
    }

    /// Fetches a file and points the source to it.
    async fn take(&self, source: &mut Source) -> anyhow::Result<()> {
        let path = self.dir.join(source.sha256.hex());
        let address = format!("{}/files/{}", self.release, source.sha256.hex());
        let mut tries = 0;
        while !path.exists() {
            let draft = path.with_extension("part");
            let fetched = self.bot.fetch(&address, &draft).await;
            fetched.map_err(|no| anyhow!("{no}"))?;
            let bytes = draft.clone();
            let found = tokio::task::spawn_blocking(move || integrity::hash(&bytes)).await;
            let found = found.context("hashing broke off")?;
            let (found, _) = found.context("cannot read a fetched file")?;
            if found == source.sha256.hex() {
                std::fs::rename(&draft, &path).context("cannot keep a file")?;
            } else {
                tries += 1;
                anyhow::ensure!(
                    tries < TRIES,
                    "it has the digest sha256:{found} instead of {}",
                    source.sha256
                );
            }
        }
        source.uri = path.display().to_string();
        Ok(())
    }
}
