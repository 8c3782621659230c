//! `bowsprit server`: the bot.

use super::out;
use crate::app;
use crate::config::{Config, ConfigProblem};
use crate::telemetry::{self, LogFormat};
use anyhow::Context as _;
use clap::Args;
use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// A configuration that cannot be used ends the program with this.
const BAD_CONFIG: u8 = 2;

/// What the server is told.
#[derive(Debug, Args)]
pub(super) struct Server {
    /// The configuration file; BOWSPRIT_… variables go over it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Log lines as JSON objects; the default where standard error is no terminal
    #[arg(long)]
    log_json: bool,
}

/// Serves until SIGINT or SIGTERM.
pub(super) async fn run(server: Server) -> anyhow::Result<ExitCode> {
    let Some(config) = load(server.config.as_deref()) else {
        return Ok(ExitCode::from(BAD_CONFIG));
    };
    let is_json = server.log_json || !std::io::stderr().is_terminal();
    telemetry::init(
        if is_json {
            LogFormat::Json
        } else {
            LogFormat::Text
        },
        // What a call to the cluster failed with is told by whoever made it.
        "info,kube_client::client::builder=off",
    )?;
    let running = app::start(config, program()?).await?;
    tokio::select! {
        () = interrupted() => tracing::info!("stopping"),
        () = running.rooms.store.stopped() => tracing::error!("the store has stopped; the next start goes on from what is on disk"),
    }
    running.stop().await?;
    Ok(ExitCode::SUCCESS)
}

/// Returns when the process is asked to end.
pub(super) async fn interrupted() {
    let (Ok(mut term), Ok(mut hang)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::hangup()),
    ) else {
        // Without signals only Ctrl-C is left, and that is waited for below.
        return ctrl_c().await;
    };
    tokio::select! {
        () = ctrl_c() => {}
        _ = term.recv() => {}
        _ = hang.recv() => {}
    }
}

async fn ctrl_c() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// The configuration; every problem is told with its place. `None`: there was one.
pub(super) fn load(path: Option<&Path>) -> Option<Config> {
    match read(path) {
        Ok(config) => Some(config),
        Err(problems) => {
            for problem in &problems {
                out::error(problem);
            }
            None
        }
    }
}

/// The configuration. Errors: every problem, with its place.
pub(super) fn read(path: Option<&Path>) -> Result<Config, Vec<String>> {
    let texts = |(name, value): (OsString, OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    let found = Config::load(path, std::env::vars_os().filter_map(texts));
    found.map_err(|problems| problems.iter().map(|problem| told(path, problem)).collect())
}

/// A problem with file and line, as editors and terminals understand it.
fn told(path: Option<&Path>, problem: &ConfigProblem) -> String {
    let ConfigProblem { key, line, message } = problem;
    let place = match (path, line) {
        (Some(path), Some(line)) => format!("{}:{line}: ", path.display()),
        (Some(path), None) => format!("{}: ", path.display()),
        (None, _) => "configuration: ".to_owned(),
    };
    match key.is_empty() {
        true => format!("{place}{message}"),
        false => format!("{place}`{key}` {message}"),
    }
}

/// How this executable is started as an agent.
pub(super) fn program() -> anyhow::Result<Vec<OsString>> {
    let own = std::env::current_exe().context("cannot tell where this program is")?;
    Ok(vec![own.into(), "agent".into()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_told_with_file_and_line() {
        let problem = |line, key: &str| ConfigProblem {
            key: key.to_owned(),
            line,
            message: "is wrong".to_owned(),
        };
        let file = Path::new("b.toml");
        assert_eq!(
            told(Some(file), &problem(Some(3), "listen")),
            "b.toml:3: `listen` is wrong"
        );
        assert_eq!(
            told(Some(file), &problem(None, "github.app_id")),
            "b.toml: `github.app_id` is wrong"
        );
        assert_eq!(told(None, &problem(None, "")), "configuration: is wrong");
    }
}
