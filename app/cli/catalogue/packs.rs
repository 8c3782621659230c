//! The build packs within this program, and their files.

use super::{File, under};
use anyhow::Context as _;
use bowsprit_core::catalogue::{PACK_FILE, Pack};
use rust_embed::Embed;

/// One folder is one pack: its description, and the files that it brings.
#[derive(Embed)]
#[folder = "templates/packs"]
struct Shipped;

/// Every pack, by name. Errors: a description among our own is wrong.
pub(crate) fn all() -> anyhow::Result<Vec<Pack>> {
    let mut packs = Vec::new();
    for path in Shipped::iter().filter(|path| path.ends_with(PACK_FILE)) {
        let file = Shipped::get(&path).with_context(|| format!("cannot find {path}"))?;
        let text = std::str::from_utf8(&file.data)?;
        packs.push(serde_saphyr::from_str::<Pack>(text).with_context(|| path.to_string())?);
    }
    packs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(packs)
}

/// The files that a pack brings.
pub(crate) fn files(pack: &str) -> Vec<File> {
    let mut files = under::<Shipped>(pack);
    files.retain(|(path, _)| path != PACK_FILE);
    files
}
