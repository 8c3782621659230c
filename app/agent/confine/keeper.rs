//! The keeper: starts the rest of the chain, waits, leaves nothing behind and reports.
//!
//! It runs none of the user's code and never loosens what the plan says.

use super::{Ended, Plan, Stage, kernel, last, root};
use crate::{SelfCommand, tree};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// Exit status of a link that failed before the command ran.
pub(super) const NOT_STARTED: u8 = 125;
/// Most bytes of a plan.
const PLAN_BYTES_MAX: u64 = 8 << 20;
/// How long strays of an ended command are hunted.
const STRAYS_WAIT: Duration = Duration::from_secs(5);

/// The `step` subcommand: one link of the chain, by its stage.
pub fn step_main(plan: Option<&Path>, stage: Stage, me: &SelfCommand) -> ExitCode {
    let done = match (stage, plan) {
        (Stage::Keep, Some(file)) => keep(file, me),
        (Stage::Root, Some(file)) => first_process(file, me),
        (Stage::Last, _) => Err(last::become_command()),
        (Stage::Keep | Stage::Root, None) => Err("no plan is given".to_owned()),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bowsprit: {error}");
            ExitCode::from(NOT_STARTED)
        }
    }
}

/// First link, outside of every namespace.
fn keep(order: &Path, me: &SelfCommand) -> Result<ExitCode, String> {
    close_inherited();
    nix::unistd::setsid().map_err(|error| format!("cannot open a session: {error}"))?;
    let plan =
        read_plan(File::open(order).map_err(|error| format!("cannot open the plan: {error}"))?)?;
    if !plan.confinement.namespaces {
        remove(order);
        let report = Report::beside(order)?;
        return attend(&plan, me, report, true);
    }
    root::unshare(&plan)?;
    let child = link(me, Stage::Root)
        .arg("--plan")
        .arg(order)
        .stdin(Stdio::inherit())
        .spawn()
        .map_err(|error| format!("cannot start the second link: {error}"))?;
    let ended = wait_for(child.id(), false)?;
    Ok(exit_code(&ended))
}

/// Second link: the first process of the pid namespace, whose end is everybody's end in it.
fn first_process(order: &Path, me: &SelfCommand) -> Result<ExitCode, String> {
    kernel::die_with_parent()?;
    let plan =
        read_plan(File::open(order).map_err(|error| format!("cannot open the plan: {error}"))?)?;
    remove(order);
    let report = Report::beside(order)?;
    let scratch = order.parent().unwrap_or(Path::new("/"));
    match root::build(&plan, &scratch.join("root")) {
        Ok(()) => attend(&plan, me, report, false),
        Err(error) => {
            report.write(&Ended {
                error: Some(error.clone()),
                ..Ended::default()
            });
            Err(error)
        }
    }
}

/// Starts the last link, waits for it, and leaves none of its strays.
fn attend(plan: &Plan, me: &SelfCommand, report: Report, adopt: bool) -> Result<ExitCode, String> {
    if adopt {
        kernel::adopt_orphans()?;
    }
    std::thread::spawn(move || {
        // Ends when the supervisor has closed its side, or is gone.
        let _closed = std::io::stdin().read_to_end(&mut Vec::new());
        if adopt {
            let since = Instant::now();
            while since.elapsed() < STRAYS_WAIT && tree::kill_below(std::process::id()) > 0 {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        std::process::exit(i32::from(NOT_STARTED));
    });
    let mut child = link(me, Stage::Last)
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start the last link: {error}"))?;
    let order =
        serde_json::to_vec(plan).map_err(|error| format!("cannot write the plan: {error}"))?;
    if let Some(mut pipe) = child.stdin.take() {
        pipe.write_all(&order)
            .map_err(|error| format!("cannot hand over the plan: {error}"))?;
    }
    let mut ended = wait_for(child.id(), adopt)?;
    ended.peak_rss_bytes = getrusage(UsageWho::RUSAGE_CHILDREN)
        .ok()
        .and_then(|usage| u64::try_from(usage.max_rss()).ok())
        .map_or(0, |most| most * kernel::RSS_UNIT);
    report.write(&ended);
    Ok(exit_code(&ended))
}

fn link(me: &SelfCommand, stage: Stage) -> Command {
    let mut command = Command::new(SelfCommand::running(Vec::new()).program);
    let stage = match stage {
        Stage::Keep => "keep",
        Stage::Root => "root",
        Stage::Last => "last",
    };
    command
        .arg0("bowsprit-agent")
        .args(&me.args)
        .args(["step", "--stage", stage])
        .env_clear();
    command
}

/// Waits for `main` while reaping everything else; with `sweep`, kills what it left behind.
fn wait_for(main: u32, sweep: bool) -> Result<Ended, String> {
    let main = i32::try_from(main).map_err(|_| "a process id is out of range".to_owned())?;
    let ended = loop {
        match waitpid(None::<Pid>, None) {
            Ok(WaitStatus::Exited(pid, code)) if pid.as_raw() == main => {
                break Ended {
                    exit_code: Some(code),
                    ..Ended::default()
                };
            }
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid.as_raw() == main => {
                break Ended {
                    signal: Some(signal as i32),
                    ..Ended::default()
                };
            }
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(format!("cannot wait for the command: {error}")),
        }
    };
    let since = Instant::now();
    while sweep && since.elapsed() < STRAYS_WAIT {
        tree::kill_below(std::process::id());
        match waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)) {
            Err(nix::errno::Errno::ECHILD) => break,
            Ok(WaitStatus::StillAlive) => std::thread::sleep(Duration::from_millis(2)),
            Ok(_) | Err(_) => {}
        }
    }
    Ok(ended)
}

fn exit_code(ended: &Ended) -> ExitCode {
    let code = match (ended.exit_code, ended.signal) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => i32::from(NOT_STARTED),
    };
    ExitCode::from(u8::try_from(code).unwrap_or(NOT_STARTED))
}

/// Reads a plan to its end. Errors: too long, not a plan.
pub(super) fn read_plan(from: impl std::io::Read) -> Result<Plan, String> {
    let mut bytes = Vec::new();
    from.take(PLAN_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("cannot read the plan: {error}"))?;
    serde_json::from_slice(&bytes).map_err(|error| format!("cannot parse the plan: {error}"))
}

/// Closes what a careless parent left open, so that the command cannot inherit it.
fn close_inherited() {
    let open: Vec<i32> = std::fs::read_dir(kernel::DESCRIPTORS)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|fd| *fd > 2)
        .collect();
    for fd in open {
        // The listing's own descriptor is closed by now.
        let _closed = nix::unistd::close(fd);
    }
}

fn remove(order: &Path) {
    // It holds the environment; a plan that stays is readable by its owner only.
    let _gone = std::fs::remove_file(order);
}

/// The open report file, kept across the change of root.
struct Report(File);

impl Report {
    fn beside(order: &Path) -> Result<Report, String> {
        let path = order.with_file_name("report.json");
        std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)
            .map(Report)
            .map_err(|error| format!("cannot open the report: {error}"))
    }

    fn write(mut self, ended: &Ended) {
        if let Ok(text) = serde_json::to_vec(ended) {
            // Without a report the exit status has to do.
            let _written = self.0.write_all(&text);
        }
    }
}
