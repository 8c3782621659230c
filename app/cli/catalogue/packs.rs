//! Build packs: those within this program, and those of sources, which a lock holds at a commit.

use super::pack_git::Tree;
use super::{File, under};
use crate::cli::kept::{of_person, put};
use crate::cli::{Remote, out, pack_sources};
use anyhow::{Context as _, anyhow, ensure};
use bowsprit_core::catalogue::{PACK_FILE, PINS_MAX, Pack, PackSource, Pin};
use clap::Args;
use rust_embed::Embed;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The lock, in the person's folder of configuration.
const LOCK_FILE: &str = "packs.lock";
/// Largest lock. Units: bytes.
const LOCK_BYTES_MAX: u64 = 256 << 10;
/// The form of the lock that this program reads and writes.
const LOCK_VERSION: u32 = 1;

/// One folder is one pack: its description, and the files that it brings.
#[derive(Embed)]
#[folder = "templates/packs"]
struct Shipped;

/// Where packs come from, beside this program.
#[derive(Debug, Args)]
pub(crate) struct PackArgs {
    /// The packs of this git repository as well, perhaps at #BRANCH, #TAG or #COMMIT
    #[arg(long, value_name = "URL[#REF]", value_parser = PackSource::parse)]
    pack_source: Vec<PackSource>,
    /// Take what the sources have now, and hold them there from now on
    #[arg(long)]
    update: bool,
    /// The file that holds each source at a commit; one in your folder of configuration unless given
    #[arg(long, value_name = "FILE")]
    pack_lock: Option<PathBuf>,
}

/// At which commit each source is held.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lock {
    version: u32,
    pins: Vec<Pin>,
}

impl Lock {
    /// Reads it; empty where there is none. Errors: it is not understood.
    fn read(file: &Path) -> anyhow::Result<Lock> {
        let lock = crate::files::read(file, LOCK_BYTES_MAX)
            .with_context(|| format!("mend {} or take it away", file.display()))?;
        let lock = lock.unwrap_or(Lock {
            version: LOCK_VERSION,
            pins: Vec::new(),
        });
        ensure!(
            lock.version == LOCK_VERSION,
            "{} has the version {}, and this program reads {LOCK_VERSION}",
            file.display(),
            lock.version
        );
        Ok(lock)
    }

    fn pin(&self, source: &PackSource) -> Option<&Pin> {
        self.pins.iter().find(|pin| pin.source == *source)
    }

    /// Holds a source at another commit; says whether that is new.
    fn hold(&mut self, pin: &Pin) -> bool {
        if self.pin(&pin.source) == Some(pin) {
            return false;
        }
        self.pins.retain(|old| old.source != pin.source);
        self.pins.push(pin.clone());
        self.pins.sort_by_key(|pin| pin.source.to_string());
        true
    }
}

/// Every pack that a person may take; of the same name the first source's, and this program's last.
pub(crate) struct Packs {
    trees: Vec<Tree>,
    shipped: Vec<Pack>,
}

impl Packs {
    /// Those of this program and of all sources, which are held from now on unless it is a dry run.
    ///
    /// Errors: a source cannot be had, the lock cannot be used, a description among our own is wrong.
    pub(crate) async fn open(
        args: &PackArgs,
        is_dry: bool,
        remote: &Remote,
    ) -> anyhow::Result<Packs> {
        let file = match &args.pack_lock {
            Some(file) => std::path::absolute(file)?,
            None => of_person(LOCK_FILE)?,
        };
        let sources = pack_sources::all(&args.pack_source, remote).await?;
        let mut trees = Vec::new();
        if !sources.is_empty() {
            let mut lock = Lock::read(&file)?;
            let mut is_new = false;
            for source in &sources {
                let held = lock.pin(source).map(|pin| pin.commit.clone());
                let wanted = held.as_ref().filter(|_| !args.update);
                let tree = Tree::open(source, wanted).await.with_context(|| {
                    format!(
                        "the packs of {source} cannot be had; where you do without them, `bowsprit delete packsource {}` forgets it (with --team where it is the team's)",
                        source.url
                    )
                })?;
                if lock.hold(&tree.pin) {
                    is_new = true;
                    let before = held.map(|held| format!(", before at {}", held.short()));
                    out::note(&format!(
                        "{source} {} held at {}{}",
                        if is_dry { "would be" } else { "is" },
                        tree.pin.commit.short(),
                        before.unwrap_or_default()
                    ));
                }
                trees.push(tree);
            }
            ensure!(
                lock.pins.len() <= PINS_MAX,
                "{} would hold more than {PINS_MAX} sources; take it away, and those in use are held anew",
                file.display()
            );
            if is_new && !is_dry {
                put(&file, &lock)?;
            }
        }
        let shipped = shipped()?;
        Ok(Packs { trees, shipped })
    }

    /// Each with where it comes from; none for this program.
    pub(crate) fn all(&self) -> Vec<(&Pack, Option<&Pin>)> {
        let mut all: Vec<(&Pack, Option<&Pin>)> = Vec::new();
        let of_sources = { self.trees.iter() }
            .flat_map(|tree| tree.packs().map(move |pack| (pack, Some(&tree.pin))));
        for (pack, pin) in of_sources.chain(self.shipped.iter().map(|pack| (pack, None))) {
            if !all.iter().any(|(known, _)| known.name == pack.name) {
                all.push((pack, pin));
            }
        }
        all
    }

    /// The files that a pack brings. Errors: there is no such pack, or git failed.
    pub(crate) async fn files(&self, name: &str) -> anyhow::Result<Vec<File>> {
        let offers = |tree: &&Tree| tree.packs().any(|pack| pack.name == name);
        if let Some(tree) = self.trees.iter().find(offers) {
            return tree.files(name).await;
        }
        let mut files = under::<Shipped>(name);
        files.retain(|(path, _)| path != PACK_FILE);
        Ok(files)
    }
}

fn shipped() -> anyhow::Result<Vec<Pack>> {
    let mut packs = Vec::new();
    for path in Shipped::iter().filter(|path| path.ends_with(PACK_FILE)) {
        let file = Shipped::get(&path).with_context(|| format!("cannot find {path}"))?;
        let text = std::str::from_utf8(&file.data)?;
        packs.push(Pack::parse(text).map_err(|error| anyhow!("{path}: {error}"))?);
    }
    packs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(packs)
}
