//! The `run` subcommand: one order, executed once, whoever asks again.
//!
//! It outlives the bot that started it: its lock says that it is alive, `status.json` what it does, `result.json` how it
//! ended. It ends early when a file `cancel` appears in its directory, or by SIGTERM, with everything that it started.

mod journal;
mod mask;
mod outputs;
mod place;
mod secrets;
mod stage;
mod step;

use crate::{SelfCommand, confine, files, tree};
use bowsprit_core::training::spec::{Failure, FailureKind, Outcome, Phase, RunResult, RunSpec};
use journal::Journal;
use place::Place;
use secrets::Secrets;
use stage::Stage;
use std::fs::{self, File};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Largest order. Units: bytes.
const SPEC_BYTES_MAX: u64 = 32 << 20;
/// How often the file `cancel` is looked for.
const CANCEL_EVERY: Duration = Duration::from_millis(200);
/// How long strays are hunted at the end.
const STRAYS_WAIT: Duration = Duration::from_secs(5);

/// Executes the order of a run directory; success means that there is a `result.json`, whatever it says.
///
/// `contained` says that what surrounds this process confines it, so that steps count as confined.
pub fn main(dir: &Path, me: SelfCommand, contained: bool) -> ExitCode {
    match execute(dir, me, contained) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot execute the order in {}: {error}", dir.display());
            ExitCode::FAILURE
        }
    }
}

fn execute(dir: &Path, me: SelfCommand, contained: bool) -> Result<(), anyhow::Error> {
    use anyhow::Context as _;
    let dir = dir
        .canonicalize()
        .context("cannot find the run directory")?;
    let lock = File::create(dir.join("agent.lock")).context("cannot create agent.lock")?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => {
            eprintln!("another agent executes the order in {}", dir.display());
            return Ok(());
        }
        Err(fs::TryLockError::Error(error)) => return Err(error).context("cannot lock agent.lock"),
    }
    if dir.join("result.json").exists() {
        return Ok(());
    }
    // Runtimes and outputs are read by other users than this one.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    confine::adopt_orphans().map_err(anyhow::Error::msg)?;
    fs::write(dir.join("agent.pid"), format!("{}\n", std::process::id()))
        .context("cannot write agent.pid")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let result = match read_spec(&dir) {
        Ok(spec) => runtime.block_on(run(&dir, spec, me, contained))?,
        Err(error) => unreadable(&dir, &error),
    };
    // A thread that still reads a snapshot must not delay the end.
    runtime.shutdown_background();
    let since = Instant::now();
    while since.elapsed() < STRAYS_WAIT && tree::kill_below(std::process::id()) > 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let text = serde_json::to_vec(&result).context("cannot write the result")?;
    files::write_atomically(&dir.join("result.json"), &text, true)
        .context("cannot write result.json")
}

async fn run(
    dir: &Path,
    spec: RunSpec,
    me: SelfCommand,
    contained: bool,
) -> Result<RunResult, anyhow::Error> {
    use anyhow::Context as _;
    let journal = Journal::open(dir, spec.limits.log_bytes).context("cannot open log.txt")?;
    let (sender, cancelled) = watch::channel(false);
    let mut terminated = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupted = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    // Whoever started this may leave its terminal.
    let _hung_up = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
    let file = dir.join("cancel");
    tokio::spawn(async move {
        while !file.exists() {
            tokio::select! {
                _ = terminated.recv() => break,
                _ = interrupted.recv() => break,
                () = tokio::time::sleep(CANCEL_EVERY) => {}
            }
        }
        // Nobody listens any more once the stage is over.
        let _heard = sender.send(true);
        std::future::pending::<()>().await;
    });
    let ticking = journal.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(journal::FLUSH_EVERY).await;
            ticking.tick();
        }
    });
    let confinement = confine::look();
    let stage = Stage {
        place: Place {
            dir: dir.to_path_buf(),
            uid: confinement.uid_of(&spec.id),
            confinement: confinement.clone(),
        },
        spec,
        me,
        journal: journal.clone(),
        cancelled,
        secrets: Secrets::default(),
        unconfined: confinement.shortfall.filter(|_| !contained),
    };
    let result = stage.execute().await;
    journal.phase(Phase::Done, None);
    Ok(result)
}

fn read_spec(dir: &Path) -> Result<RunSpec, String> {
    let file = File::open(dir.join("spec.json"))
        .map_err(|error| format!("cannot open spec.json: {error}"))?;
    let bytes = files::read_capped(file, SPEC_BYTES_MAX)
        .map_err(|error| format!("cannot read spec.json: {error}"))?;
    serde_json::from_slice(&bytes).map_err(|error| format!("cannot parse spec.json: {error}"))
}

fn unreadable(dir: &Path, error: &str) -> RunResult {
    RunResult {
        id: dir
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default(),
        outcome: Outcome::Failed,
        failure: Some(Failure {
            kind: FailureKind::Agent,
            step: "prepare".to_owned(),
            message: error.to_owned(),
        }),
        steps: Vec::new(),
        outputs: Vec::new(),
        probe: None,
        runtime: None,
        runtime_cached: false,
        unconfined: None,
        duration_ms: 0,
        tail: Vec::new(),
    }
}
