//! `bowsprit get quickstarts` and `bowsprit quickstart`: the catalogue for people who look, and for those who add to it.

use super::git_host::{GitHost, GitHostArgs};
use super::place::repo;
use super::table::table;
use super::{Remote, catalogue, locations, out};
use anyhow::bail;
use bowsprit_core::catalogue::{Entry, Wish, lint, listed};
use bowsprit_core::name::RepoName;
use clap::{Args, Subcommand};
use serde_json::json;
use std::process::ExitCode;

/// What of the catalogue is looked at, and where.
#[derive(Debug, Args)]
pub(super) struct Quickstarts {
    /// Only quickstarts with this in their name or framework; a whole name means that one alone
    #[arg(short, long, value_name = "TEXT")]
    pub(super) filter: Option<String>,
    /// The quickstarts of these organisations of the git server as well
    #[arg(
        short = 'g',
        long,
        value_name = "NAME",
        value_delimiter = ',',
        visible_alias = "organisation"
    )]
    organisations: Vec<String>,
    #[command(flatten)]
    pub(super) host: GitHostArgs,
}

impl Quickstarts {
    /// Everything that is offered there. Errors: a server does not know an owner.
    pub(super) async fn offered(
        &self,
        host: &GitHost,
        remote: &Remote,
    ) -> anyhow::Result<Vec<Entry>> {
        let locations = locations::all(&self.organisations, remote).await?;
        catalogue::offered(host, &locations).await
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Tell whether names follow the rules of the catalogue; ends with 1 where one does not
    Lint {
        /// Names of quickstarts or of repositories
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Propose a quickstart to a catalogue, by an issue there
    Propose {
        /// OWNER/REPO of the quickstart
        #[arg(value_parser = repo)]
        repo: RepoName,
        /// OWNER/REPO where those who keep the catalogue read issues
        #[arg(long, value_parser = repo, value_name = "OWNER/REPO")]
        to: RepoName,
        #[command(flatten)]
        host: GitHostArgs,
    },
}

/// Lists the catalogue.
pub(super) async fn list(args: Quickstarts, remote: &Remote) -> anyhow::Result<ExitCode> {
    let host = args.host.open()?;
    let entries = args.offered(&host, remote).await?;
    let wish = Wish {
        text: args.filter,
        ..Wish::default()
    };
    let found = listed(&entries, &wish);
    if remote.is_json {
        out::json(&serde_json::to_value(&found)?);
        return Ok(ExitCode::SUCCESS);
    }
    let rows = found.iter().map(|entry| {
        vec![
            entry.name.clone(),
            entry.owner.clone(),
            entry.language.clone(),
            entry.framework.clone(),
            entry.hardware.clone(),
            entry.download.clone(),
        ]
    });
    let head = [
        "name",
        "owner",
        "language",
        "framework",
        "hardware",
        "downloads",
    ];
    out::line(&table(&head, rows));
    Ok(ExitCode::SUCCESS)
}

/// Does what was asked.
pub(super) async fn run(verb: Verb, is_json: bool) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Lint { names } => Ok(checked(&names, is_json)),
        Verb::Propose { repo, to, host } => {
            let problems = lint(repo.name());
            if let Some(problem) = problems.first() {
                bail!("{problem}; a catalogue takes names that tell what comes");
            }
            let host = host.open()?;
            host.login().await?;
            if host.repository(&repo).await?.is_none() {
                bail!("{repo} is not there, or not for you to see");
            }
            let address = host.git_url(&repo);
            let address = address.trim_end_matches(".git");
            let title = format!("Quickstart: {}", repo.name());
            let body = format!("Please take {address} into the catalogue.\n");
            let url = host.open_issue(&to, &title, &body).await?;
            match is_json {
                true => out::json(&json!({"url": url})),
                false => out::line(&format!("proposed: {url}")),
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn checked(names: &[String], is_json: bool) -> ExitCode {
    let found: Vec<_> = names.iter().map(|name| (name, lint(name))).collect();
    if is_json {
        let rows = found
            .iter()
            .map(|(name, problems)| json!({"name": name, "problems": problems}));
        out::json(&rows.collect());
    } else {
        for (name, problems) in &found {
            match problems.is_empty() {
                true => out::line(&format!("{name}: a good name")),
                false => problems.iter().for_each(|problem| out::line(problem)),
            }
        }
    }
    match found.iter().all(|(_, problems)| problems.is_empty()) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
