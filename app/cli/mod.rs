//! The command line, a file a verb.
//!
//! Verbs that start something of ours run it in this process; all others are clients of the API and know nothing else.
//! A token is taken from the environment or a file, never from an argument.

mod catalogue;
pub mod client;
mod comment;
mod contract;
mod create;
mod deletion;
pub mod demo;
mod doctor;
mod get;
mod git;
mod git_host;
mod import;
mod invoke;
mod kept;
mod keys;
mod locations;
mod logs;
mod manual;
mod migrate;
pub(crate) mod out;
mod pack_sources;
mod pause;
mod place;
mod queues;
mod quickstarts;
mod retention;
mod run;
pub(crate) mod server;
mod show;
mod table;
#[cfg(test)]
mod tests;
mod token;
pub mod tour;
mod trial;
mod wait;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use client::Client;
use std::ffi::OsString;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Takes machine-learning models from a push to production.
#[derive(Debug, Parser)]
#[command(name = "bowsprit", version, max_term_width = 100)]
struct Line {
    #[command(flatten)]
    remote: RemoteArgs,
    /// Print JSON for machines
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

/// Which server is asked, and as whom.
#[derive(Debug, Args)]
struct RemoteArgs {
    /// The server's address
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "BOWSPRIT_SERVER",
        default_value = "http://127.0.0.1:8080"
    )]
    server: String,
    /// A file that holds the token; BOWSPRIT_TOKEN where absent
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the bot
    Server(server::Server),
    /// Look at what the server needs, and say what to do where something is wrong
    Doctor(doctor::Doctor),
    /// Try everything on this machine: a GitHub stand-in, the bot, a pair to play with
    Demo(demo::Demo),
    /// Play the tour against a demo that runs
    #[command(hide = true)]
    Tour(demo::TourArgs),
    /// Make new repositories from a quickstart
    #[command(subcommand)]
    Create(create::Create),
    /// Give repositories that exist the files that they lack
    Import(import::Import),
    /// Say the configuration of another bot in ours
    #[command(subcommand)]
    Migrate(migrate::Migrate),
    /// Do what the bot would do with a folder, without any server
    #[command(subcommand, name = "try")]
    Try(trial::Try),
    /// Run the GitHub stand-in alone
    Hub(Passed),
    /// Run as the agent of a stage or environment (started by the bot)
    #[command(hide = true)]
    Agent(Passed),
    /// List runs, models, environments, quickstarts and what else there is
    #[command(subcommand)]
    Get(get::Get),
    /// Show one run, model, environment or pull request
    Show(show::Show),
    /// Print the log of a run or environment
    Logs(logs::Logs),
    /// End once something has come about
    Wait(wait::Wait),
    /// Comment on a pull request or issue, with your own token
    Comment(comment::Comment),
    /// Start a training run
    #[command(subcommand)]
    Start(run::Start),
    /// End a run
    Cancel(run::Cancel),
    /// Look at an environment again and deploy what git wants
    Update(run::Update),
    /// Ask an environment for a prediction
    Invoke(invoke::Invoke),
    /// Show or change the keys of an environment
    Keys(keys::Keys),
    /// Stop all merges and deployments, previews apart
    Pause(pause::Pause),
    /// End the pause
    Resume,
    /// Remove a model or an environment that is not live, or forget a location or a source of packs
    #[command(subcommand)]
    Delete(run::Delete),
    /// Deliveries of GitHub: list, try again, put away
    #[command(subcommand)]
    Deliveries(queues::Verb),
    /// Effects at the far ends: list, try again, put away
    #[command(subcommand)]
    Effects(queues::Verb),
    /// Say what is old and named by nothing, and goes at the server's next sweep
    Retention,
    /// Tokens of the API
    #[command(subcommand)]
    Token(token::Verb),
    /// Look after quickstarts for others
    #[command(subcommand)]
    Quickstart(quickstarts::Verb),
    /// Check a contract, or print its schema
    #[command(subcommand)]
    Contract(contract::Verb),
    /// Print the commands that people write in comments, as Markdown
    Commands,
    /// Print a script that completes words in your shell
    Completion(manual::Completion),
    /// Write manual pages into a folder
    Man(manual::Man),
}

/// Arguments for another program of ours.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
struct Passed {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    args: Vec<OsString>,
}

/// What a client verb works with.
struct Remote {
    client: Client,
    /// Whether a server knows this caller: a token was given.
    is_known: bool,
    is_json: bool,
}

/// Longest token file. Units: bytes.
const TOKEN_BYTES_MAX: u64 = 4 * 1024;

/// The entry of `bowsprit`: `args` holds the program's name first.
pub fn main(args: Vec<OsString>) -> ExitCode {
    let word = args.get(1).and_then(|word| word.to_str());
    // Both have a command line of their own, and an agent starts for every step: nothing is read before them.
    match word {
        Some("agent") => bowsprit_agent::main_with_args(without(args, 1), vec!["agent".into()]),
        Some("hub") => told(hub(without(args, 1))),
        Some(_) | None => told(perform(Line::parse_from(args))),
    }
}

fn without(mut args: Vec<OsString>, at: usize) -> Vec<OsString> {
    args.remove(at);
    args
}

/// The exit code, with what failed said in one line.
fn told(outcome: anyhow::Result<ExitCode>) -> ExitCode {
    outcome.unwrap_or_else(|error| {
        out::error(&format!("{error:#}"));
        ExitCode::FAILURE
    })
}

fn hub(args: Vec<OsString>) -> anyhow::Result<ExitCode> {
    crate::telemetry::init(crate::telemetry::LogFormat::Text, "warn")?;
    wait(async {
        bowsprit_hub::run_cli(args).await?;
        Ok(ExitCode::SUCCESS)
    })
}

/// As [`wait`], with the log of what goes wrong on standard error.
fn logged(work: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    crate::telemetry::init(crate::telemetry::LogFormat::Text, "warn")?;
    wait(work)
}

/// Runs what serves others on all cores.
fn wait(work: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime.context("cannot start the runtime")?.block_on(work)
}

fn perform(line: Line) -> anyhow::Result<ExitCode> {
    let Line {
        remote,
        json: is_json,
        verb,
    } = line;
    match verb {
        Verb::Server(args) => wait(server::run(args)),
        Verb::Doctor(args) => wait(doctor::run(args, is_json)),
        Verb::Demo(args) => logged(demo::run(args, is_json)),
        Verb::Tour(args) => logged(demo::run_tour(args, is_json)),
        Verb::Hub(passed) | Verb::Agent(passed) => {
            let words: Vec<_> = passed
                .args
                .iter()
                .map(|word| word.to_string_lossy())
                .collect();
            anyhow::bail!(
                "`hub` and `agent` come first on the line: bowsprit hub {}",
                words.join(" ")
            )
        }
        Verb::Contract(verb) => contract::run(verb, is_json),
        Verb::Quickstart(verb) => wait(quickstarts::run(verb, is_json)),
        Verb::Commands => {
            out::text(&bowsprit_core::command::help_markdown());
            Ok(ExitCode::SUCCESS)
        }
        Verb::Completion(args) => Ok(manual::complete(&args)),
        Verb::Man(args) => manual::man(&args),
        Verb::Migrate(verb) => migrate::run(verb, is_json),
        Verb::Try(verb) => logged(trial::run(verb, is_json)),
        Verb::Comment(args) => wait(async {
            comment::run(args, is_json).await?;
            Ok(ExitCode::SUCCESS)
        }),
        Verb::Token(verb) => wait(token::run(verb, remote, is_json)),
        Verb::Get(_)
        | Verb::Show(_)
        | Verb::Logs(_)
        | Verb::Wait(_)
        | Verb::Start(_)
        | Verb::Cancel(_)
        | Verb::Update(_)
        | Verb::Invoke(_)
        | Verb::Keys(_)
        | Verb::Pause(_)
        | Verb::Resume
        | Verb::Delete(_)
        | Verb::Deliveries(_)
        | Verb::Effects(_)
        | Verb::Retention
        | Verb::Import(_)
        | Verb::Create(_) => {
            let remote = remote.open(is_json)?;
            wait(ask(verb, remote))
        }
    }
}

/// The verbs that only ask a server.
async fn ask(verb: Verb, remote: Remote) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Get(args) => return get::run(args, &remote).await,
        Verb::Create(verb) => return create::run(verb, &remote).await,
        Verb::Import(args) => return import::run(args, &remote).await,
        Verb::Show(args) => show::run(args, &remote).await?,
        Verb::Logs(args) => logs::run(args, &remote).await?,
        Verb::Wait(args) => wait::run(args, &remote).await?,
        Verb::Start(verb) => run::start(verb, &remote).await?,
        Verb::Cancel(args) => run::cancel(args, &remote).await?,
        Verb::Update(args) => run::update(args, &remote).await?,
        Verb::Invoke(args) => return invoke::run(args, &remote).await,
        Verb::Keys(args) => keys::run(args, &remote).await?,
        Verb::Pause(args) => pause::pause(args, &remote).await?,
        Verb::Resume => pause::resume(&remote).await?,
        Verb::Delete(verb) => return run::delete(verb, &remote).await,
        Verb::Deliveries(verb) => queues::run(queues::Queue::Deliveries, verb, &remote).await?,
        Verb::Effects(verb) => queues::run(queues::Queue::Effects, verb, &remote).await?,
        Verb::Retention => retention::run(&remote).await?,
        Verb::Server(_)
        | Verb::Doctor(_)
        | Verb::Demo(_)
        | Verb::Tour(_)
        | Verb::Hub(_)
        | Verb::Agent(_)
        | Verb::Token(_)
        | Verb::Contract(_)
        | Verb::Quickstart(_)
        | Verb::Completion(_)
        | Verb::Man(_)
        | Verb::Migrate(_)
        | Verb::Try(_)
        | Verb::Comment(_)
        | Verb::Commands => {}
    }
    Ok(ExitCode::SUCCESS)
}

impl RemoteArgs {
    /// The caller. Errors: the address or the token's file cannot be used.
    fn open(&self, is_json: bool) -> anyhow::Result<Remote> {
        let token = match &self.token_file {
            Some(path) => Some(read_secret(path)?),
            None => std::env::var("BOWSPRIT_TOKEN").ok(),
        };
        let token = token
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty());
        let is_known = token.is_some();
        let client = Client::new(&self.server, token.map(Into::into))?;
        Ok(Remote {
            client,
            is_known,
            is_json,
        })
    }
}

/// Where a verb keeps what it needs again: the folder that was named, else the verb's own of this user. Errors: there is none.
fn state_dir(named: Option<&Path>, verb: &str) -> anyhow::Result<PathBuf> {
    let Some(dir) = named else {
        let of_user = crate::files::of_user("XDG_STATE_HOME", ".local/state");
        let of_user = of_user.context("neither XDG_STATE_HOME nor HOME is set; say --state DIR")?;
        return Ok(of_user.join("bowsprit").join(verb));
    };
    Ok(std::path::absolute(dir)?)
}

/// The first words of a small file. Errors: it cannot be read.
fn read_secret(path: &Path) -> anyhow::Result<String> {
    use std::io::Read as _;
    let shown = path.display();
    let file = std::fs::File::open(path).with_context(|| format!("cannot open {shown}"))?;
    let mut text = String::new();
    file.take(TOKEN_BYTES_MAX)
        .read_to_string(&mut text)
        .with_context(|| format!("cannot read {shown}"))?;
    Ok(text.trim().to_owned())
}
