//! `bowsprit logs`: the log of a run or an environment, whole or live.

use super::place::{Named, part, query};
use super::{Remote, out};
use bowsprit_core::text::clean_line;
use clap::Args;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// A run that has not begun its next stage is asked again after this.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(super) struct Logs {
    /// A run's id, or an environment as OWNER/REPO/NAME
    of: String,
    /// Go on with what is written from now on
    #[arg(long, short)]
    follow: bool,
    /// Only this stage of a run
    #[arg(long)]
    stage: Option<String>,
}

impl Logs {
    /// The whole log of a run, live.
    pub(super) fn of_run(id: String) -> Logs {
        Logs {
            of: id,
            follow: true,
            stage: None,
        }
    }
}

pub(super) async fn run(args: Logs, remote: &Remote) -> anyhow::Result<()> {
    if args.of.contains('/') {
        let environment: Named = args
            .of
            .parse()
            .map_err(|wrong: String| anyhow::anyhow!(wrong))?;
        let path = format!("{}/log", environment.path("environments"));
        return if args.follow {
            follow(remote, &format!("{path}/stream")).await
        } else {
            whole(remote, &path, None).await
        };
    }
    let run = format!("/api/v1/runs/{}", part(&args.of));
    match (args.follow, args.stage) {
        (false, stage) => whole(remote, &format!("{run}/log"), stage).await,
        (true, Some(stage)) => {
            follow(
                remote,
                &format!("{run}/log/stream{}", query(&[("stage", Some(stage))])),
            )
            .await
        }
        (true, None) => every_stage(remote, &run).await,
    }
}

/// The whole log, part after part.
async fn whole(remote: &Remote, path: &str, stage: Option<String>) -> anyhow::Result<()> {
    let mut offset = None;
    loop {
        let query = query(&[("stage", stage.clone()), ("offset", offset)]);
        let answer = remote.client.text(&format!("{path}{query}")).await?;
        out::text(&String::from_utf8_lossy(&answer.body));
        let next = answer
            .headers
            .get("bowsprit-next-offset")
            .and_then(|next| next.to_str().ok());
        match next {
            Some(next) => offset = Some(next.to_owned()),
            None => return Ok(()),
        }
    }
}

async fn follow(remote: &Remote, path: &str) -> anyhow::Result<()> {
    remote
        .client
        .follow(path, |line| out::line(&clean_line(line)))
        .await
}

/// Every stage of a run in its turn, until the run has ended.
async fn every_stage(remote: &Remote, run: &str) -> anyhow::Result<()> {
    let mut seen = BTreeSet::new();
    loop {
        let now = remote.client.get(run).await?;
        let stages = now["stages"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let next = stages
            .iter()
            .filter_map(|stage| stage["id"].as_str())
            .find(|id| !seen.contains(*id));
        match next {
            Some(id) => {
                let id = id.to_owned();
                follow(
                    remote,
                    &format!("{run}/log/stream{}", query(&[("stage", Some(id.clone()))])),
                )
                .await?;
                seen.insert(id);
            }
            None if is_over(&now) => {
                out::note(&format!(
                    "{}: {}",
                    now["phase"].as_str().unwrap_or_default(),
                    clean_line(now["headline"].as_str().unwrap_or_default())
                ));
                return Ok(());
            }
            None => tokio::time::sleep(LOOK).await,
        }
    }
}

fn is_over(run: &Value) -> bool {
    !matches!(run["phase"].as_str(), Some("pending" | "running"))
}
