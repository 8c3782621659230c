//! The command line: a configuration file, flags over it, and running until a signal.

use crate::config::Config;
use anyhow::Context;
use clap::Parser;
use std::ffi::OsString;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

#[derive(Parser)]
#[command(
    name = "bowsprit-hub",
    about = "A GitHub-compatible server for laptops and tests"
)]
struct Args {
    /// Configuration file, TOML or JSON by its ending.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Directory for repositories and state.
    #[arg(long)]
    state_dir: Option<PathBuf>,
    /// Bearer token of the admin API.
    #[arg(long, env = "HUB_ADMIN_TOKEN", hide_env_values = true)]
    admin_token: Option<String>,
    /// Address to listen on.
    #[arg(long)]
    address: Option<IpAddr>,
    /// Port to listen on; 0 takes a free one.
    #[arg(long)]
    port: Option<u16>,
    /// Base address shown in answers.
    #[arg(long)]
    public_url: Option<String>,
    /// File that gets every call with its answer and every delivery, one JSON object a line.
    #[arg(long)]
    record: Option<PathBuf>,
    /// File that gets the base address once the server listens.
    #[arg(long)]
    url_file: Option<PathBuf>,
}

/// Runs the server as its command line says, until SIGINT or SIGTERM.
///
/// Errors: a bad command line, an unreadable configuration, an address in use.
pub async fn run_cli(args: Vec<OsString>) -> anyhow::Result<()> {
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(error) if !error.use_stderr() => {
            error.print().context("cannot print the help")?;
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    let url_file = args.url_file.clone();
    let running = crate::start(merge(args)?).await?;
    tracing::info!(url = %running.url, "listening on {}", running.url);
    if let Some(path) = url_file {
        std::fs::write(&path, &running.url)
            .with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    stop_signal().await?;
    running.shutdown().await
}

fn merge(args: Args) -> anyhow::Result<Config> {
    let mut config = match &args.config {
        Some(path) => read_config(path)?,
        None => Config::new(
            args.state_dir
                .clone()
                .context("give --config or --state-dir")?,
            args.admin_token
                .clone()
                .context("give --config or --admin-token")?,
        ),
    };
    if let Some(dir) = args.state_dir {
        config.state_dir = dir;
    }
    if let Some(token) = args.admin_token {
        config.admin_token = token;
    }
    if let Some(address) = args.address {
        config.address = address;
    }
    if let Some(port) = args.port {
        config.port = port;
    }
    if args.public_url.is_some() {
        config.public_url = args.public_url;
    }
    if args.record.is_some() {
        config.record = args.record;
    }
    Ok(config)
}

fn read_config(path: &Path) -> anyhow::Result<Config> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read `{}`", path.display()))?;
    if path.extension().is_some_and(|ending| ending == "json") {
        return serde_json::from_str(&text)
            .with_context(|| format!("cannot parse `{}`", path.display()));
    }
    toml::from_str(&text).with_context(|| format!("cannot parse `{}`", path.display()))
}

async fn stop_signal() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("cannot watch for SIGTERM")?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        done = tokio::signal::ctrl_c() => done.context("cannot watch for SIGINT"),
    }
}
