//! `bowsprit demo`: a GitHub-compatible server, the bot and three environments on this machine, with a pair to play with.
//!
//! The demo only fills in what a server is told otherwise: the same configuration file, the same doors.

mod guide;
mod seed;
mod world;

use super::{out, tour};
use crate::app;
use crate::config::Config;
use anyhow::Context as _;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::net::TcpListener;
use world::World;

/// What the demo is told.
#[derive(Debug, Args)]
pub struct Demo {
    /// Where everything is kept; under the XDG state folder unless given
    #[arg(long)]
    state: Option<PathBuf>,
    /// Port of the GitHub-compatible server; a free one unless given
    #[arg(long)]
    port: Option<u16>,
    /// Play the whole story from outside, check every station, and end
    #[arg(long)]
    tour: bool,
    /// With --tour: stay up afterwards, until interrupted, so that others can look too
    #[arg(long, requires = "tour")]
    stay: bool,
}

/// Starts the demo and stays until it is interrupted, or until the tour has ended.
pub async fn run(demo: Demo, is_json: bool) -> anyhow::Result<ExitCode> {
    let world = World::open(demo.state.as_deref(), demo.port)?;
    let hub = bowsprit_hub::start(world.hub_config()).await?;
    let listener = TcpListener::bind(("127.0.0.1", world.ports.bot))
        .await
        .context("cannot open the bot's port; is another demo running with this state?")?;
    let config_file = world.write_config(&hub.url, listener.local_addr()?)?;
    let config = load(&config_file)?;
    seed::webhook(&world, &hub.url, &config.public_url).await?;
    let bot = app::start_on(listener, config, world::own_program()?).await?;
    let token = world.bot_token(&bot.rooms.store).await?;
    seed::pair(&world, &hub.url, demo.tour).await?;
    let brief = world.write_brief(&hub.url, &format!("http://{}", bot.address), &token)?;
    let code = if demo.tour {
        let code = play(&brief, is_json).await?;
        if demo.stay && code == ExitCode::SUCCESS {
            super::server::interrupted().await;
        }
        code
    } else {
        guide::tell(&world, &hub.url, bot.address, &token);
        tokio::select! {
            () = guide::progress(&bot.rooms) => {}
            () = super::server::interrupted() => {}
        }
        out::line(
            "\nStopping; the environments stop too. The next `bowsprit demo` goes on from here.",
        );
        ExitCode::SUCCESS
    };
    let releases = bot.rooms.releases.clone();
    bot.stop().await?;
    releases.pause().await;
    hub.shutdown().await?;
    Ok(code)
}

fn load(file: &std::path::Path) -> anyhow::Result<Config> {
    Config::load(Some(file), std::iter::empty()).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("cannot use {}: {}", file.display(), lines.join("; "))
    })
}

/// The tour is a process of its own: it knows addresses and tokens, and nothing of this one.
async fn play(brief: &std::path::Path, json: bool) -> anyhow::Result<ExitCode> {
    let mut command = tokio::process::Command::new(std::env::current_exe()?);
    command.arg("tour").arg("--brief").arg(brief);
    if json {
        command.arg("--json");
    }
    let status = command
        .kill_on_drop(true)
        .status()
        .await
        .context("cannot start the tour")?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What the tour is told.
#[derive(Debug, Args)]
pub struct TourArgs {
    /// The file with addresses and people's tokens that the demo wrote
    #[arg(long)]
    brief: PathBuf,
}

/// Plays the tour against servers that run already.
pub async fn run_tour(args: TourArgs, is_json: bool) -> anyhow::Result<ExitCode> {
    tour::play(&args.brief, is_json).await?;
    Ok(ExitCode::SUCCESS)
}
