//! `bowsprit pause` and `bowsprit resume`: merges and deployments wait.

use super::{Remote, out};
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
    tell(&answer, remote);
    Ok(())
}

pub(super) async fn resume(remote: &Remote) -> anyhow::Result<()> {
    let answer = remote.client.send(Method::DELETE, "/pause", None).await?;
    tell(&answer, remote);
    Ok(())
}

fn tell(answer: &Value, remote: &Remote) {
    if remote.is_json {
        out::json(answer);
        return;
    }
    let Some(by) = answer["pause"]["by"].as_str() else {
        out::line("nothing is paused");
        return;
    };
    let why = answer["pause"]["why"].as_str().unwrap_or_default();
    let colon = if why.is_empty() { "" } else { ": " };
    out::line(&format!(
        "paused by {by}{colon}{why}; `bowsprit resume` ends it"
    ));
}
