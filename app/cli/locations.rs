//! Quickstart locations: kept for one person in a file, or for the team on the server.

use super::kept::{Kept, said};
use super::place::query;
use super::table::table;
use super::{Remote, out};
use anyhow::{anyhow, bail};
use bowsprit_core::catalogue::{LOCATIONS_MAX, Location};
use clap::Args;
use http::Method;
use serde_json::json;
use std::process::ExitCode;

const KEPT: Kept = Kept {
    file: "quickstartlocations.json",
    path: "/api/v1/quickstartlocations",
    rows: "quickstart locations",
    max: LOCATIONS_MAX,
};

/// A location to be kept.
#[derive(Debug, Args)]
pub(super) struct NewLocation {
    /// The organisation or person whose repositories are offered
    #[arg(long)]
    owner: String,
    /// The server, such as https://github.com; the one that you work with unless given
    #[arg(long, default_value = "", hide_default_value = true)]
    url: String,
    /// Names that are offered, `*` for any text; ML-* unless given
    #[arg(long, value_name = "PATTERN", value_delimiter = ',')]
    includes: Vec<String>,
    /// Names that are left out of these; WIP-* unless given
    #[arg(long, value_name = "PATTERN", value_delimiter = ',')]
    excludes: Vec<String>,
    /// Keep it on the server, for the whole team
    #[arg(long)]
    team: bool,
}

/// A location to be forgotten.
#[derive(Debug, Args)]
pub(super) struct OldLocation {
    /// The organisation or person
    #[arg(long)]
    owner: String,
    /// The server, as it was given
    #[arg(long, default_value = "", hide_default_value = true)]
    url: String,
    /// The team's, on the server
    #[arg(long)]
    team: bool,
}

/// Keeps a location; one of the same owner on the same server is replaced.
pub(super) async fn create(args: NewLocation, remote: &Remote) -> anyhow::Result<ExitCode> {
    let location = Location {
        url: args.url,
        owner: args.owner,
        includes: args.includes,
        excludes: args.excludes,
    };
    let location = location.checked().map_err(|error| anyhow!(error))?;
    if args.team {
        let body = serde_json::to_value(&location)?;
        remote
            .client
            .send(Method::POST, KEPT.path, Some(&body))
            .await?;
    } else {
        let mut mine: Vec<Location> = KEPT.mine()?;
        mine.retain(|old| !old.is_same(&location));
        mine.push(location.clone());
        KEPT.keep(&mine)?;
    }
    said(
        remote,
        &format!("the quickstarts of {} are offered", location.owner),
    );
    Ok(ExitCode::SUCCESS)
}

/// Forgets a location.
pub(super) async fn delete(args: OldLocation, remote: &Remote) -> anyhow::Result<ExitCode> {
    let (owner, url) = (args.owner, args.url);
    if args.team {
        let query = query(&[("owner", Some(owner.clone())), ("url", Some(url))]);
        let path = format!("{}{query}", KEPT.path);
        remote.client.send(Method::DELETE, &path, None).await?;
    } else {
        let old = Location::of(&url, &owner);
        let old = old.checked().map_err(|error| anyhow!(error))?;
        let mut mine: Vec<Location> = KEPT.mine()?;
        let before = mine.len();
        mine.retain(|kept| !kept.is_same(&old));
        if mine.len() == before {
            bail!("there is no location of {owner}; `bowsprit get quickstartlocations` lists them");
        }
        KEPT.keep(&mine)?;
    }
    said(
        remote,
        &format!("the quickstarts of {owner} are no longer offered"),
    );
    Ok(ExitCode::SUCCESS)
}

/// Lists this person's locations and the team's.
pub(super) async fn list(remote: &Remote) -> anyhow::Result<ExitCode> {
    let row = |location: &Location, kept: &str| {
        json!({
            "owner": location.owner, "url": location.url, "kept": kept,
            "includes": location.includes, "excludes": location.excludes,
        })
    };
    let mine: Vec<Location> = KEPT.mine()?;
    let team: Vec<Location> = KEPT.team(remote).await;
    let mut rows: Vec<_> = mine.iter().map(|one| row(one, "here")).collect();
    rows.extend(team.iter().map(|one| row(one, "team")));
    if remote.is_json {
        out::json(&rows.into());
        return Ok(ExitCode::SUCCESS);
    }
    let cells = rows.iter().map(|row| {
        let names = |key: &str, default: &str| {
            let names = row[key].as_array().into_iter().flatten();
            let names: Vec<&str> = names.filter_map(|name| name.as_str()).collect();
            match names.is_empty() {
                true => default.to_owned(),
                false => names.join(", "),
            }
        };
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        vec![
            text("owner"),
            text("url"),
            names("includes", "ML-*"),
            names("excludes", "WIP-*"),
            text("kept"),
        ]
    });
    out::line(&table(
        &["owner", "server", "includes", "excludes", "kept"],
        cells,
    ));
    Ok(ExitCode::SUCCESS)
}

/// All that this person is offered: named now, kept here, kept for the team; each owner once.
pub(super) async fn all(named: &[String], remote: &Remote) -> anyhow::Result<Vec<Location>> {
    let mut found: Vec<Location> = Vec::new();
    let now = named.iter().map(|owner| Location::of("", owner));
    for location in now.chain(KEPT.mine()?).chain(KEPT.team(remote).await) {
        let location = location.checked().map_err(|error| anyhow!(error))?;
        if !found.iter().any(|known| known.is_same(&location)) {
            found.push(location);
        }
    }
    Ok(found)
}
