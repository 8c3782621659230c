//! The hands: one process that executes one stage of a run, and one that stands before a served model.
//!
//! `run` fetches, prepares, confines, supervises, measures and hashes; `step` is its child that shuts itself in;
//! `gateway` keeps a stable address before servers that come and go.
//! Nothing here knows GitHub, Kubernetes or SQL, and nothing here trusts what a step wrote.

pub mod confine;
pub mod gateway;
pub mod metrics;
pub mod patient;
pub mod run;
pub mod runtime;
pub mod serve;
pub mod snapshot;
pub mod tree;

mod diagnose;
mod files;
mod remote;

use clap::{Parser, Subcommand};
use run::Here;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// How this process starts another of its own kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelfCommand {
    /// The executable.
    pub program: PathBuf,
    /// What stands before the subcommand: nothing, or `agent`.
    pub args: Vec<OsString>,
}

impl SelfCommand {
    /// The running executable with these leading arguments; on Linux found even after its file was replaced.
    pub fn running(args: Vec<OsString>) -> SelfCommand {
        let program = if cfg!(target_os = "linux") {
            PathBuf::from("/proc/self/exe")
        } else {
            std::env::current_exe().unwrap_or_else(|_| PathBuf::from("bowsprit-agent"))
        };
        SelfCommand { program, args }
    }
}

#[derive(Parser)]
#[command(
    name = "bowsprit-agent",
    about = "Executes one stage of a run",
    version
)]
struct Line {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Execute the order in DIR/spec.json and leave DIR/result.json.
    Run {
        /// A directory that leads to the order instead: `address`, `token`, perhaps `ca.crt` and `secrets/`. It is
        /// fetched from the bot, and what is made is carried back.
        #[arg(long)]
        order: Option<PathBuf>,
        /// The run directory.
        #[arg(long)]
        dir: PathBuf,
        /// What surrounds this process confines it already (a restricted pod).
        #[arg(long)]
        contained: bool,
        /// Which part of the steps, where these run in several images: counted from 1, and the last one without it.
        #[arg(long)]
        part: Option<usize>,
    },
    /// Copy this program to PATH, for a container that does not have it.
    Install {
        /// Where to.
        path: PathBuf,
    },
    /// Stand before the servers that DIR describes, or in a pod before the one that ORDER describes.
    Gateway {
        /// The gateway's directory.
        #[arg(long)]
        dir: PathBuf,
        /// In a pod: the address of the release, below which its order and files are fetched; or the name of the
        /// mounted file with the order, where the image has the files.
        #[arg(long, requires_all = ["secrets", "listen"])]
        order: Option<String>,
        /// In a pod: the directory of the mounted token and rules.
        #[arg(long, requires = "order")]
        secrets: Option<PathBuf>,
        /// In a pod: where to listen.
        #[arg(long, requires = "order")]
        listen: Option<SocketAddr>,
    },
    /// Shut this process in and become the planned command (started by `run` and `gateway` only).
    #[command(hide = true)]
    Step {
        /// The plan, read once and removed.
        #[arg(long)]
        plan: Option<PathBuf>,
        /// Which part of shutting in.
        #[arg(long, value_enum, default_value = "keep")]
        stage: confine::Stage,
    },
}

/// The entry of `bowsprit-agent` and of `bowsprit agent`: `args` holds the program's name, then the subcommand.
///
/// `prefix` is what has to stand before the subcommand when the executable starts itself again.
pub fn main_with_args(args: Vec<OsString>, prefix: Vec<OsString>) -> ExitCode {
    let line = match Line::try_parse_from(args) {
        Ok(line) => line,
        Err(error) => error.exit(),
    };
    let me = SelfCommand::running(prefix);
    match line.verb {
        Verb::Run {
            order: Some(order),
            dir,
            contained,
            part,
        } => remote::main(&order, &dir, me, Here { contained, part }),
        Verb::Run {
            order: None,
            dir,
            contained,
            part,
        } => run::main(&dir, me, Here { contained, part }),
        Verb::Install { path } => match std::fs::copy(&me.program, &path) {
            Ok(_) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("cannot write {}: {error}", path.display());
                ExitCode::FAILURE
            }
        },
        Verb::Gateway {
            dir,
            order,
            secrets,
            listen,
        } => {
            let told = order.zip(secrets).zip(listen);
            let pod = told.map(|((order, secrets), listen)| gateway::pod::Pod {
                order: gateway::pod::OrderAt::read(order),
                secrets,
                listen,
            });
            gateway::main(&dir, me, pod)
        }
        Verb::Step { plan, stage } => confine::step_main(plan.as_deref(), stage, &me),
    }
}
