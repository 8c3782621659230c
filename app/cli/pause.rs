//! `bowsprit pause` and `bowsprit resume`: merges and deployments wait.

use super::{Remote, out};
use anyhow::Context as _;
use bowsprit_core::subject::pause::Pause as Paused;
use clap::Args;
use http::Method;
use serde_json::{Value, json};

#[derive(Debug, Args)]
pub(super) struct Pause {
    /// Why, in one line; people read it on every pull request that waits
    why: Option<String>,
    /// Only say whether everything is paused
    #[arg(long, conflicts_with = "why")]
    show: bool,
}

pub(super) async fn pause(args: Pause, remote: &Remote) -> anyhow::Result<()> {
    let answer = if args.show {
        remote.client.get("/pause").await?
    } else {
        let body = json!({"why": args.why.unwrap_or_default()});
        let sent = remote.client.send(Method::POST, "/pause", Some(&body));
        sent.await?
    };
    tell(&answer, remote)
}

pub(super) async fn resume(remote: &Remote) -> anyhow::Result<()> {
    let answer = remote.client.send(Method::DELETE, "/pause", None).await?;
    tell(&answer, remote)
}

fn tell(answer: &Value, remote: &Remote) -> anyhow::Result<()> {
    if remote.is_json {
        out::json(answer);
        return Ok(());
    }
    let pause: Option<Paused> = serde_json::from_value(answer["pause"].clone())
        .context("cannot understand the server's answer")?;
    out::line(&pause.map_or_else(
        || "nothing is paused".to_owned(),
        |pause| format!("{}; `bowsprit resume` ends it", pause.shown()),
    ));
    Ok(())
}
