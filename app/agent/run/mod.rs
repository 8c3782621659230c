//! The `run` subcommand: one order, executed once, whoever asks again.
//!
//! Where steps run in images of their own, each of several processes executes a part of it (`turn.rs`).
//! It outlives the bot that started it: its lock says that it is alive, `status.json` what it does, `result.json` how it
//! ended. It ends early when a file `cancel` appears in its directory, or by SIGTERM, with everything that it started.

mod equip;
mod journal;
mod mask;
mod outputs;
mod place;
mod secrets;
mod stage;
mod step;
mod turn;

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
use turn::{Carried, Turn};

/// Largest order. Units: bytes.
const SPEC_BYTES_MAX: u64 = 32 << 20;
/// How often the file `cancel` is looked for.
const CANCEL_EVERY: Duration = Duration::from_millis(200);
/// How long strays are hunted at the end.
const STRAYS_WAIT: Duration = Duration::from_secs(5);

/// Which part of an order is executed, and in what surroundings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Here {
    /// What surrounds this process confines it, so that steps count as confined.
    pub contained: bool,
    /// The number of the part, counted from 1; the last one where none is named.
    pub part: Option<usize>,
}

/// Executes the order of a run directory, or a part of it.
///
/// Success means that there is a `result.json`, whatever it says, or that the part is over and the next may begin.
pub fn main(dir: &Path, me: SelfCommand, here: Here) -> ExitCode {
    match execute(dir, me, here) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot execute the order in {}: {error}", dir.display());
            ExitCode::FAILURE
        }
    }
}

fn execute(dir: &Path, me: SelfCommand, here: Here) -> Result<(), anyhow::Error> {
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
    let result = match read_spec(&dir).and_then(|spec| order(&dir, spec, here)) {
        Ok(Some((spec, turn))) => runtime.block_on(run(&dir, (spec, turn), me, here))?,
        Ok(None) => return Ok(()),
        Err(error) => Some(unreadable(&dir, &error)),
    };
    // A thread that still reads a snapshot must not delay the end.
    runtime.shutdown_background();
    let since = Instant::now();
    while since.elapsed() < STRAYS_WAIT && tree::kill_below(std::process::id()) > 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let Some(result) = result else {
        return Ok(());
    };
    let text = serde_json::to_vec(&result).context("cannot write the result")?;
    files::write_atomically(&dir.join("result.json"), &text, true)
        .context("cannot write result.json")
}

/// The order with what this process has to do of it; `None` where that is done. Errors: see [`Turn::of`].
fn order(dir: &Path, spec: RunSpec, here: Here) -> Result<Option<(RunSpec, Turn)>, String> {
    let turn = Turn::of(&spec, here.part, Carried::read(dir)?)?;
    Ok(turn.map(|turn| (spec, turn)))
}

/// Executes a part of the order; `None` when it has ended well and another follows.
async fn run(
    dir: &Path,
    (spec, turn): (RunSpec, Turn),
    me: SelfCommand,
    here: Here,
) -> Result<Option<RunResult>, anyhow::Error> {
    use anyhow::Context as _;
    let said = turn.before.said.clone();
    let journal = Journal::open(dir, spec.limits.log_bytes, said).context("cannot open log.txt")?;
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
        turn,
        me,
        journal: journal.clone(),
        cancelled,
        secrets: Secrets::default(),
        unconfined: confinement.shortfall.filter(|_| !here.contained),
    };
    let result = stage.execute().await;
    let phase = match &result {
        Some(_) => Phase::Done,
        None => Phase::Running,
    };
    journal.phase(phase, None);
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
