//! The verbs that ask for something to happen: `start`, `cancel`, `update`, `delete`.

use super::deletion::{self, OldVersion};
use super::get::text;
use super::locations::{self, OldLocation};
use super::logs::{self, Logs};
use super::place::{Named, part, repo};
use super::{Remote, out, pack_sources};
use bowsprit_core::name::RepoName;
use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(super) enum Start {
    /// Train the head of a branch, or a commit on it
    Training {
        /// OWNER/REPO of the training repository
        #[arg(value_parser = repo)]
        repo: RepoName,
        /// The branch; the default branch where absent
        #[arg(long)]
        branch: Option<String>,
        /// A commit on the branch, 40 digits
        #[arg(long)]
        sha: Option<String>,
        /// Print the log until the run has ended
        #[arg(long, short)]
        follow: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct Cancel {
    /// The run's id
    run: String,
}

#[derive(Debug, Args)]
pub(super) struct Update {
    /// OWNER/REPO/NAME
    environment: Named,
}

#[derive(Debug, Subcommand)]
pub(super) enum Delete {
    /// A version of a model with its bytes, or every one; what serves or is to serve is refused
    Model(OldVersion),
    /// A preview, or an environment that the contract no longer names
    Environment {
        /// OWNER/REPO/NAME
        environment: Named,
    },
    /// A place whose quickstarts are offered
    #[command(visible_alias = "qsloc")]
    Quickstartlocation(OldLocation),
    /// A git repository whose packs are offered
    Packsource(pack_sources::Source),
}

pub(super) async fn start(verb: Start, remote: &Remote) -> anyhow::Result<()> {
    let Start::Training {
        repo,
        branch,
        sha,
        follow,
    } = verb;
    let mut body = json!({"repo": repo});
    for (name, value) in [("branch", branch), ("sha", sha)] {
        if let Some(value) = value {
            body[name] = value.into();
        }
    }
    let started = remote
        .client
        .send(Method::POST, "/api/v1/runs", Some(&body))
        .await?;
    let id = text(&started["id"]);
    if remote.is_json {
        out::json(&started);
    } else {
        out::line(&format!(
            "run {id} of {} at {}",
            text(&started["repo"]),
            text(&started["sha"])
        ));
        out::line(&text(&started["page"]));
    }
    if !follow {
        return Ok(());
    }
    wait_for(remote, &id).await?;
    logs::run(Logs::of_run(id), remote).await
}

/// A run is known a moment after it was asked for.
async fn wait_for(remote: &Remote, id: &str) -> anyhow::Result<()> {
    for _ in 0..20 {
        if remote
            .client
            .call(Method::GET, &format!("/api/v1/runs/{}", part(id)), None)
            .await?
            .status
            .is_success()
        {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    }
    anyhow::bail!("run {id} is asked for but has not begun; see `bowsprit get runs`")
}

pub(super) async fn cancel(args: Cancel, remote: &Remote) -> anyhow::Result<()> {
    ask(
        remote,
        Method::POST,
        &format!("/api/v1/runs/{}/cancel", part(&args.run)),
    )
    .await
}

pub(super) async fn update(args: Update, remote: &Remote) -> anyhow::Result<()> {
    ask(
        remote,
        Method::POST,
        &format!("{}/update", args.environment.path("environments")),
    )
    .await
}

pub(super) async fn delete(verb: Delete, remote: &Remote) -> anyhow::Result<ExitCode> {
    let path = match verb {
        Delete::Model(old) => return deletion::delete(old, remote).await,
        Delete::Environment { environment } => environment.path("environments"),
        Delete::Quickstartlocation(old) => return locations::delete(old, remote).await,
        Delete::Packsource(old) => return pack_sources::delete(old, remote).await,
    };
    ask(remote, Method::DELETE, &path).await?;
    Ok(ExitCode::SUCCESS)
}

/// Asks, and tells what will be done.
pub(super) async fn ask(remote: &Remote, method: Method, path: &str) -> anyhow::Result<()> {
    let answer: Value = remote.client.send(method, path, None).await?;
    if remote.is_json {
        out::json(&answer);
    } else {
        out::line(&text(&answer["accepted"]));
    }
    Ok(())
}
