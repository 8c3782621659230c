//! `bowsprit retention`: what the next sweep would take.

use super::{Remote, out};
use anyhow::Context as _;
use bowsprit_core::retention::Swept;

/// Only looks: the server sweeps by itself.
pub(super) async fn run(remote: &Remote) -> anyhow::Result<()> {
    let answer = remote.client.get("/retention").await?;
    if remote.is_json {
        out::json(&answer);
        return Ok(());
    }
    let swept: Swept =
        serde_json::from_value(answer).context("cannot understand the server's answer")?;
    out::line(&match swept.is_nothing() {
        true => "nothing is old enough to go".to_owned(),
        false => format!("the next sweep takes {}", swept.shown()),
    });
    Ok(())
}
