//! The command line, a file a verb.

pub mod demo;
pub(crate) mod out;
pub(crate) mod server;
pub mod tour;

use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "bowsprit", version)]
struct Line {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Start everything on this machine, with a pair to play with
    Demo(demo::Demo),
    /// Play the story against servers that run
    Tour(demo::TourArgs),
}

/// Runs what the arguments say.
pub fn main(args: Vec<OsString>) -> ExitCode {
    if args.get(1).is_some_and(|word| word == "agent") {
        let mut args = args;
        args.remove(1);
        return bowsprit_agent::main_with_args(args, vec!["agent".into()]);
    }
    let line = Line::parse_from(args);
    let filter = tracing_subscriber::EnvFilter::try_from_env("BOWSPRIT_LOG")
        .unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let done = runtime.block_on(async {
        match line.verb {
            Verb::Demo(demo) => demo::run(demo).await,
            Verb::Tour(tour) => demo::run_tour(tour).await,
        }
    });
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
