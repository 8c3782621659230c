//! `bowsprit demo`: a GitHub-compatible server, the bot and three environments on this machine, with a pair to play with.
//!
//! The demo only fills in what a server is told otherwise: the same configuration file, the same doors.

mod guide;
mod world;

use super::tour::{self, pair};
use super::{out, server};
use crate::app;
use crate::config::Config;
use crate::store::Store;
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
    /// Make no pair: what is trained is made with `bowsprit create`
    #[arg(long, conflicts_with = "tour")]
    empty: bool,
    /// Play the whole story from outside, check every station, and end
    #[arg(long)]
    tour: bool,
    /// With --tour: stay up afterwards, until interrupted, so that others can look too
    #[arg(long, requires = "tour")]
    stay: bool,
    /// Start nothing: write what `bowsprit hub`, `bowsprit server` and `bowsprit tour` need to run apart
    #[arg(long, conflicts_with = "tour")]
    write_config: bool,
}

/// Starts the demo and stays until it is interrupted, or until the tour has ended.
pub async fn run(demo: Demo, is_json: bool) -> anyhow::Result<ExitCode> {
    let world = World::open(demo.state.as_deref(), demo.port)?;
    if demo.write_config {
        return write(&world).await;
    }
    let hub = bowsprit_hub::start(world.hub_config()).await?;
    let listener = TcpListener::bind(world.bot_address())
        .await
        .context("cannot open the bot's port; is another demo running with this state?")?;
    let config_file = world.write_config(&hub.url)?;
    let bot = app::start_on(listener, load(&config_file)?, world::own_program()?).await?;
    world.put_token(&bot.rooms.store).await?;
    let brief = world.brief(&hub.url);
    let brief_file = world.write_brief(&brief)?;
    let code = if demo.tour {
        let code = play(&brief_file, is_json).await?;
        if demo.stay && code == ExitCode::SUCCESS {
            server::interrupted().await;
        }
        code
    } else {
        if !demo.empty {
            pair::lay(&brief, false).await?;
        }
        guide::tell(&world, &brief, &world.write_env(&brief)?, demo.empty);
        tokio::select! {
            () = guide::progress(&bot.rooms) => {}
            () = server::interrupted() => {}
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

/// Writes the files of a demo whose servers somebody else starts.
async fn write(world: &World) -> anyhow::Result<ExitCode> {
    let brief = world.brief(&world.hub_url());
    let hub_config = world.write_hub_config()?;
    let config = world.write_config(&brief.hub)?;
    let store = Store::open(&load(&config)?.store_url).await?;
    world.put_token(&store).await?;
    store.close().await?;
    guide::tell_apart([&hub_config, &config, &world.write_brief(&brief)?]);
    Ok(ExitCode::SUCCESS)
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
    /// The file with addresses and people's tokens that the demo wrote; a pair that is missing there is made
    #[arg(long)]
    brief: PathBuf,
}

/// Plays the tour against servers that run already.
pub async fn run_tour(args: TourArgs, is_json: bool) -> anyhow::Result<ExitCode> {
    tour::play(&args.brief, is_json).await?;
    Ok(ExitCode::SUCCESS)
}
