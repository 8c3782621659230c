//! A run whose order lies at the bot: fetched by a token, executed as any other, and carried back.
//!
//! The pod is given an address and a token, and no other credential. The bot may be away at any moment, for minutes:
//! fetching waits for it, the run does not, and what was made is carried back when it is there again.

pub(crate) mod client;
mod courier;

use crate::run::Here;
use crate::{SelfCommand, files, run};
use anyhow::Context as _;
use bowsprit_core::training::remote::{Begun, order_files};
use bowsprit_core::training::spec::{Outcome, RunResult, RunSpec};
use client::{Bot, No};
use courier::Courier;
use std::fs::{self, DirBuilder, File};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::timeout;

/// The code that was run failed, and the bot knows how. Another try would end alike.
const USER_EXIT: u8 = 42;
/// Nobody wants this agent any more. Source: sysexits(3), `EX_NOPERM`.
const DISMISSED_EXIT: u8 = 77;
/// The bot and this agent do not understand each other. Source: sysexits(3), `EX_PROTOCOL`.
const PROTOCOL_EXIT: u8 = 76;
/// Ended from outside before there was anything to end in order. Source: 128 and SIGTERM.
const TERMINATED_EXIT: u8 = 143;
/// Largest address, token or secret. Units: bytes.
const SMALL_BYTES_MAX: u64 = 64 << 10;
/// The order as it was fetched; below the run directory.
const SPEC: &str = "spec.json";
/// The name of the attempt; below the run directory.
const ATTEMPT: &str = "attempt";
/// How long a part that is over waits for the bot to take its log: the next one does that too.
const PART_WAIT: Duration = Duration::from_secs(5);
/// Largest last word. Units: bytes.
const RESULT_BYTES_MAX: u64 = 1 << 20;

/// Executes the order that `order` leads to, in `dir`.
///
/// Success means that the bot has the result of a run that succeeded, or that a part of it is over and the next may begin.
pub(crate) fn main(order: &Path, dir: &Path, me: SelfCommand, here: Here) -> ExitCode {
    match execute(order, dir, me, here) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("cannot execute the order: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(order: &Path, dir: &Path, me: SelfCommand, here: Here) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let bot = bot(order, dir)?;
    match runtime.block_on(patiently(fetch(&bot, dir)))? {
        None => return Ok(TERMINATED_EXIT.into()),
        Some(Err(no)) => return Ok(dismissed(&no)),
        Some(Ok(())) => {}
    }
    take_secrets(order, dir).context("cannot take the secrets of the order")?;
    let (over, is_over) = watch::channel(false);
    let courier = Courier::new(bot, dir.to_owned());
    let following = runtime.spawn(courier.follow(is_over));
    let ended = run::main(dir, me, here);
    over.send_replace(true);
    let mut courier = runtime
        .block_on(following)
        .context("nobody carries what the run left")?;
    if !dir.join("result.json").exists() {
        // The next part begins whether the bot is there or not, and carries what is still here then.
        let _carried = runtime.block_on(async { timeout(PART_WAIT, courier.carry()).await });
        return Ok(ended);
    }
    carry_back(&runtime, courier, dir)
}

/// Waits for the bot as long as it takes, unless this process is ended: the first in a pod must listen for that itself.
async fn patiently<T>(work: impl Future<Output = T>) -> anyhow::Result<Option<T>> {
    let mut terminated = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    Ok(tokio::select! {
        done = work => Some(done),
        _ = terminated.recv() => None,
    })
}

fn bot(order: &Path, dir: &Path) -> anyhow::Result<Bot> {
    let small = |name: &str| -> anyhow::Result<Vec<u8>> {
        let file = File::open(order.join(name));
        file.and_then(|file| files::read_capped(file, SMALL_BYTES_MAX))
            .with_context(|| format!("cannot read `{name}` of the order"))
    };
    let line = |name: &str| -> anyhow::Result<String> {
        Ok(String::from_utf8(small(name)?)
            .with_context(|| format!("`{name}` of the order is no text"))?
            .trim()
            .to_owned())
    };
    let ca = match order.join(order_files::CA).exists() {
        true => Some(small(order_files::CA)?),
        false => None,
    };
    let attempt = attempt(dir).context("this attempt has no name")?;
    Bot::new(
        &line(order_files::ADDRESS)?,
        &line(order_files::TOKEN)?,
        ca.as_deref(),
        attempt,
    )
    .map_err(anyhow::Error::msg)
}

/// The name of this attempt: that of the part before it, if there was one, since all of them are one agent to the bot.
fn attempt(dir: &Path) -> anyhow::Result<String> {
    let path = dir.join(ATTEMPT);
    if path.exists() {
        let text = files::read_capped(File::open(&path)?, SMALL_BYTES_MAX)?;
        return Ok(String::from_utf8(text)?);
    }
    let host = nix::unistd::gethostname().context("this machine has no name")?;
    let attempt = format!("{}.{:x}", host.to_string_lossy(), files::now_ms());
    files::write_atomically(&path, attempt.as_bytes(), false)?;
    Ok(attempt)
}

/// Fetches the order and what it names, unless a part before has, and lays it out as for a run of this machine.
async fn fetch(bot: &Bot, dir: &Path) -> Result<(), No> {
    if dir.join(SPEC).exists() {
        return Ok(());
    }
    let Begun { mut spec, .. } = bot.begin().await?;
    let incoming = dir.join("incoming");
    let broken = |error: std::io::Error| No::Broken(format!("cannot lay out the order: {error}"));
    fs::create_dir_all(&incoming).map_err(broken)?;
    let snapshot = incoming.join("snapshot.tar");
    bot.fetch(&spec.snapshot.uri, &snapshot).await?;
    spec.snapshot.uri = snapshot.display().to_string();
    for source in spec.models.iter_mut().flat_map(|model| &mut model.sources) {
        let path = incoming.join(source.sha256.hex());
        if !path.exists() {
            bot.fetch(&source.uri, &path).await?;
        }
        source.uri = path.display().to_string();
    }
    write_spec(dir, &spec).map_err(broken)
}

fn write_spec(dir: &Path, spec: &RunSpec) -> std::io::Result<()> {
    let text = serde_json::to_vec(spec)?;
    files::write_atomically(&dir.join(SPEC), &text, false)
}

/// Copies the named secrets to where the run takes them from, and removes them again.
fn take_secrets(order: &Path, dir: &Path) -> std::io::Result<()> {
    let (from, to) = (order.join(order_files::SECRETS), dir.join("secrets"));
    if !from.exists() {
        return Ok(());
    }
    DirBuilder::new().mode(0o700).recursive(true).create(&to)?;
    for entry in fs::read_dir(&from)? {
        let entry = entry?;
        // Kubernetes keeps its own links beside the files.
        if entry.file_name().to_string_lossy().starts_with("..") {
            continue;
        }
        let value = files::read_capped(File::open(entry.path())?, SMALL_BYTES_MAX)?;
        File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(to.join(entry.file_name()))?
            .write_all(&value)?;
    }
    Ok(())
}

fn carry_back(runtime: &Runtime, mut courier: Courier, dir: &Path) -> anyhow::Result<ExitCode> {
    let file = File::open(dir.join("result.json")).context("cannot open the result")?;
    let text = files::read_capped(file, RESULT_BYTES_MAX).context("cannot read the result")?;
    let result: RunResult = serde_json::from_slice(&text).context("cannot read the result")?;
    let code = match result.outcome {
        Outcome::Succeeded => ExitCode::SUCCESS,
        Outcome::Failed => USER_EXIT.into(),
        // The bot ends a stage itself. Here the cluster took the pod away, and another goes on: this is no last word.
        Outcome::Cancelled if courier.is_dismissed => return Ok(DISMISSED_EXIT.into()),
        Outcome::Cancelled => return Ok(TERMINATED_EXIT.into()),
    };
    let carried = runtime.block_on(courier.finish(&result, text));
    Ok(carried.map_or_else(|no| dismissed(&no), |()| code))
}

fn dismissed(no: &No) -> ExitCode {
    eprintln!("this agent ends: {no}");
    match no {
        No::Dismissed(_) => DISMISSED_EXIT.into(),
        No::Refused(_) | No::At(_) => PROTOCOL_EXIT.into(),
        No::Broken(_) => ExitCode::FAILURE,
    }
}
