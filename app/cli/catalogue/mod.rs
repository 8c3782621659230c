//! What people may start from: the quickstarts within this program, and those of others.

mod pack_git;
pub(crate) mod packs;
mod remote;

pub(crate) use remote::completed;

use super::git::Access;
use super::git_host::GitHost;
use anyhow::{Context as _, anyhow};
use bowsprit_core::catalogue::{CARD_FILE, Card, Entry, Location, Names, Source, filled, owned};
use bowsprit_core::name::Login;
use rust_embed::Embed;
use std::borrow::Cow;
use std::path::Path;

/// The file whose people become the person who creates.
const ALIASES_FILE: &str = "OWNERS_ALIASES";

/// One folder is one quickstart: a card, and the folders `service` and `training`.
#[derive(Embed)]
#[folder = "templates/quickstarts"]
#[exclude = "**/__pycache__/*"]
#[exclude = "**/target/*"]
struct Shipped;

/// A file of a quickstart: its path within the repository, and its bytes.
pub(crate) type File = (String, Cow<'static, [u8]>);

/// What this program offers. Errors: a card among its own is wrong.
fn shipped() -> anyhow::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for path in Shipped::iter() {
        let Some(folder) = path.strip_suffix(&format!("/{CARD_FILE}")) else {
            continue;
        };
        let card = Shipped::get(&path).with_context(|| format!("cannot find {path}"))?;
        let card = Card::parse(std::str::from_utf8(&card.data)?)
            .map_err(|error| anyhow!("{folder}: {error}"))?;
        entries.extend(card.entries(folder));
    }
    Ok(entries)
}

/// What this program offers, and what `locations` do. Errors: a server does not know an owner.
pub(crate) async fn offered(host: &GitHost, locations: &[Location]) -> anyhow::Result<Vec<Entry>> {
    let mut entries = shipped()?;
    for location in locations {
        entries.extend(remote::of_location(host, location).await?);
    }
    Ok(entries)
}

/// The files of one repository to be. Errors: they cannot be had.
pub(crate) async fn source(
    source: &Source,
    host: &GitHost,
    access: Option<&Access>,
) -> anyhow::Result<Vec<File>> {
    match source {
        Source::Embedded(half) => files(half),
        Source::Repository { server, name } => remote::files((server, name), host, access).await,
    }
}

/// The files of one half, such as `digits/training`. Errors: there are none.
pub(crate) fn files(half: &str) -> anyhow::Result<Vec<File>> {
    let found = under::<Shipped>(half);
    anyhow::ensure!(!found.is_empty(), "this program has no quickstart {half}");
    Ok(found)
}

/// The files in a folder of those that were compiled in.
fn under<E: Embed>(folder: &str) -> Vec<File> {
    let prefix = format!("{folder}/");
    E::iter()
        .filter_map(|path| Some((path.strip_prefix(&prefix)?.to_owned(), E::get(&path)?.data)))
        .collect()
}

/// Writes files into a folder under the new names, owned by `person`. Errors: the folder cannot be written.
pub(crate) fn lay(
    files: &[File],
    names: &Names<'_>,
    person: &Login,
    into: &Path,
) -> anyhow::Result<()> {
    for (path, bytes) in files {
        let path = filled(path, names);
        put(&into.join(&path), &mine(&path, bytes, names, person))?;
    }
    Ok(())
}

/// Writes a file, and the folders above it. Errors: they cannot be written.
pub(crate) fn put(target: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    target
        .parent()
        .map_or(Ok(()), std::fs::create_dir_all)
        .and_then(|()| std::fs::write(target, bytes))
        .with_context(|| format!("cannot write {}", target.display()))
}

/// A file's bytes with the new names; bytes that are no text stay as they are.
fn mine<'b>(path: &str, bytes: &'b [u8], names: &Names<'_>, person: &Login) -> Cow<'b, [u8]> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Cow::Borrowed(bytes);
    };
    let text = match path {
        ALIASES_FILE => owned(text, person).unwrap_or_else(|| filled(text, names)),
        _ => filled(text, names),
    };
    Cow::Owned(text.into_bytes())
}
