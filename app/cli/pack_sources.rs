//! Sources of build packs: kept for one person in a file, or for the team on the server.

use super::kept::{Kept, said};
use super::place::query;
use super::table::table;
use super::{Remote, out};
use anyhow::{anyhow, bail};
use bowsprit_core::catalogue::{PACK_SOURCES_MAX, PackSource};
use clap::Args;
use http::Method;
use serde_json::json;
use std::process::ExitCode;

const KEPT: Kept = Kept {
    file: "packsources.json",
    path: "/api/v1/packsources",
    rows: "sources of packs",
    max: PACK_SOURCES_MAX,
};

/// A source to be kept or forgotten.
#[derive(Debug, Args)]
pub(super) struct Source {
    /// The git repository, such as https://github.com/acme/packs, perhaps with #BRANCH, #TAG or #COMMIT
    #[arg(value_name = "URL[#REF]", value_parser = PackSource::parse)]
    source: PackSource,
    /// The team's, on the server
    #[arg(long)]
    team: bool,
}

/// Keeps a source; one of the same address is replaced.
pub(super) async fn create(args: Source, remote: &Remote) -> anyhow::Result<ExitCode> {
    let source = args.source;
    if args.team {
        source.for_team().map_err(|error| anyhow!(error))?;
        let body = serde_json::to_value(&source)?;
        let path = KEPT.path;
        remote.client.send(Method::POST, path, Some(&body)).await?;
    } else {
        let mut mine: Vec<PackSource> = KEPT.mine()?;
        mine.retain(|old| old.url != source.url);
        mine.push(source.clone());
        KEPT.keep(&mine)?;
    }
    said(remote, &format!("the packs of {source} are offered"));
    Ok(ExitCode::SUCCESS)
}

/// Forgets a source.
pub(super) async fn delete(args: Source, remote: &Remote) -> anyhow::Result<ExitCode> {
    let url = args.source.url;
    if args.team {
        let query = query(&[("url", Some(url.clone()))]);
        let path = format!("{}{query}", KEPT.path);
        remote.client.send(Method::DELETE, &path, None).await?;
    } else {
        let mut mine: Vec<PackSource> = KEPT.mine()?;
        let before = mine.len();
        mine.retain(|kept| kept.url != url);
        if mine.len() == before {
            bail!("{url} is no source of packs here; `bowsprit get packsources` lists them");
        }
        KEPT.keep(&mine)?;
    }
    said(remote, &format!("the packs of {url} are no longer offered"));
    Ok(ExitCode::SUCCESS)
}

/// Lists this person's sources and the team's.
pub(super) async fn list(remote: &Remote) -> anyhow::Result<ExitCode> {
    let (mine, team): (Vec<PackSource>, Vec<PackSource>) = (KEPT.mine()?, KEPT.team(remote).await);
    let mine = mine.iter().map(|source| (source, "here"));
    let rows = mine.chain(team.iter().map(|source| (source, "team")));
    if remote.is_json {
        let rows =
            rows.map(|(source, kept)| json!({"url": source.url, "ref": source.at, "kept": kept}));
        out::json(&rows.collect());
        return Ok(ExitCode::SUCCESS);
    }
    let rows = rows.map(|(source, kept)| {
        let at = source.at.as_ref().map_or("", |at| at.as_str());
        vec![source.url.clone(), at.to_owned(), kept.to_owned()]
    });
    out::line(&table(&["address", "ref", "kept"], rows));
    Ok(ExitCode::SUCCESS)
}

/// All that this person works with: named now, kept here, kept for the team; each address once.
pub(super) async fn all(named: &[PackSource], remote: &Remote) -> anyhow::Result<Vec<PackSource>> {
    let mut found: Vec<PackSource> = Vec::new();
    let mine: Vec<PackSource> = KEPT.mine()?;
    let mut team: Vec<PackSource> = KEPT.team(remote).await;
    // A folder of this machine is this person's to name, not the server's.
    team.retain(|source| source.for_team().is_ok());
    for source in named.iter().cloned().chain(mine).chain(team) {
        let source = source.checked().map_err(|error| anyhow!(error))?;
        if !found.iter().any(|known| known.url == source.url) {
            found.push(source);
        }
    }
    Ok(found)
}
