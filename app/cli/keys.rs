//! `bowsprit keys`: the keys that callers of an environment use.

use super::place::Named;
use super::{Remote, out};
use clap::{Args, ValueEnum};
use http::Method;
use serde_json::json;

#[derive(Debug, Args)]
pub(super) struct Keys {
    /// OWNER/REPO/NAME
    environment: Named,
    /// Make this key anew; the other keeps working
    #[arg(long, value_enum)]
    rotate: Option<Which>,
}

/// One of the two keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    Primary,
    Secondary,
}

pub(super) async fn run(args: Keys, remote: &Remote) -> anyhow::Result<()> {
    let path = format!("{}/keys", args.environment.path("environments"));
    let keys = match args.rotate {
        None => remote.client.get(&path).await?,
        Some(which) => {
            let word = match which {
                Which::Primary => "primary",
                Which::Secondary => "secondary",
            };
            remote
                .client
                .send(
                    Method::POST,
                    &format!("{path}/rotate"),
                    Some(&json!({"key": word})),
                )
                .await?
        }
    };
    if remote.is_json {
        out::json(&keys);
        return Ok(());
    }
    for name in ["primary", "secondary"] {
        out::line(&format!(
            "{name:<10} {}",
            keys[name].as_str().unwrap_or_default()
        ));
    }
    Ok(())
}
