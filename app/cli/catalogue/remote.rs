//! Quickstarts of others: repositories of the git server, read with a shallow clone.

use super::File;
use crate::cli::git::{Access, git};
use crate::cli::git_host::GitHost;
use anyhow::{Context as _, anyhow, bail};
use bowsprit_core::catalogue::{
    Entry, Location, PROJECTSET_BYTES_MAX, PROJECTSET_FILE, Part, Sight, projectset, sets,
};
use bowsprit_core::name::{Login, RepoName};
use std::borrow::Cow;
use std::path::Path;
use tempfile::TempDir;

/// Files that a quickstart may have.
const FILES_MAX: usize = 5_000;
/// Bytes that a quickstart may have.
const BYTES_MAX: u64 = 200 << 20;

/// What a location offers. Errors: its server does not know the owner.
pub(super) async fn of_location(host: &GitHost, location: &Location) -> anyhow::Result<Vec<Entry>> {
    let seen: Vec<Sight> = match host.is_at(&location.url) {
        true => host.repositories(&location.owner).await?,
        false => {
            let other = GitHost::elsewhere(&location.url)?;
            other.repositories(&location.owner).await?
        }
    };
    Ok(sets(location, &seen))
}

/// The entry with all that it makes: a set tells that in its `projectset`. Errors: there is none, or it is wrong.
pub(crate) async fn completed(
    mut entry: Entry,
    host: &GitHost,
    login: &Login,
) -> anyhow::Result<Entry> {
    if entry.part != Part::Set || !entry.makes.is_empty() {
        return Ok(entry);
    }
    let repo = RepoName::parse(&format!("{}/{}", entry.owner, entry.name))?;
    let access = host.access(login)?;
    let copy = cloned((&entry.server, &repo), host, access.as_ref()).await?;
    let cap = PROJECTSET_BYTES_MAX as u64;
    let text = crate::files::read_bytes(&copy.path().join(PROJECTSET_FILE), cap)?
        .with_context(|| {
            format!("{repo} is named like a set and has no file `{PROJECTSET_FILE}`; take its halves one by one")
        })?;
    let text =
        String::from_utf8(text).map_err(|_| anyhow!("{PROJECTSET_FILE} of {repo} is not UTF-8"))?;
    entry.makes = projectset(&text, &entry.owner, &entry.server)
        .map_err(|error| anyhow!("in {repo}: {error}"))?;
    Ok(entry)
}

/// The files of a repository at the head of its default branch; links are left out.
///
/// Errors: it cannot be cloned, or is larger than a quickstart may be.
pub(super) async fn files(
    (server, repo): (&str, &RepoName),
    host: &GitHost,
    access: Option<&Access>,
) -> anyhow::Result<Vec<File>> {
    let copy = cloned((server, repo), host, access).await?;
    let mut found = Vec::new();
    let mut room = BYTES_MAX;
    walk(copy.path(), copy.path(), &mut found, &mut room)
        .with_context(|| format!("cannot take {repo} as a quickstart"))?;
    if found.is_empty() {
        bail!("{repo} is empty");
    }
    Ok(found)
}

async fn cloned(
    (server, repo): (&str, &RepoName),
    host: &GitHost,
    access: Option<&Access>,
) -> anyhow::Result<TempDir> {
    let dir = TempDir::new().context("cannot make a temporary folder")?;
    let (url, access) = match host.is_at(server) {
        true => (host.git_url(repo), access),
        false => (GitHost::elsewhere(server)?.git_url(repo), None),
    };
    let words = [
        "clone",
        "-q",
        "--depth",
        "1",
        "--no-tags",
        "--single-branch",
        &url,
        ".",
    ];
    git(dir.path(), &words, access)
        .await
        .with_context(|| format!("cannot read {repo}"))?;
    Ok(dir)
}

fn walk(top: &Path, dir: &Path, found: &mut Vec<File>, room: &mut u64) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        let kind = entry.file_type()?;
        if kind.is_dir() {
            if entry.file_name() != ".git" {
                walk(top, &path, found, room)?;
            }
        } else if kind.is_file() {
            *room = room
                .checked_sub(entry.metadata()?.len())
                .with_context(|| format!("it is larger than {} MiB", BYTES_MAX >> 20))?;
            anyhow::ensure!(
                found.len() < FILES_MAX,
                "it has more than {FILES_MAX} files"
            );
            let inside = path.strip_prefix(top)?;
            let inside = inside
                .to_str()
                .with_context(|| format!("the name {} is not UTF-8", inside.display()))?;
            found.push((inside.to_owned(), Cow::Owned(std::fs::read(&path)?)));
        }
    }
    Ok(())
}
