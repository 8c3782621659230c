//! Shutting a command in: the plan of it, what this system is able to do, and starting it.
//!
//! A confined command is the last of a short chain: the supervisor starts a *keeper* (`step --plan FILE`), which ends when
//! the command ends and leaves nothing of it behind. As root with namespaces the keeper starts a second one, which is the
//! first process of a pid namespace and builds a minimal root; the last link drops every right and becomes the command.
//! The supervisor holds the keeper's standard input: when the supervisor vanishes, so does everything that it started.
//! Nothing here decides what a step may do; it is told by a [`Plan`].

#[cfg(not(target_os = "linux"))]
mod elsewhere;
mod keeper;
#[cfg(target_os = "linux")]
mod kernel;
mod last;
#[cfg(target_os = "linux")]
mod root;
#[cfg(target_os = "linux")]
mod rules;

#[cfg(not(target_os = "linux"))]
use elsewhere::{kernel, root, rules};

pub use keeper::step_main;

use crate::{SelfCommand, tree};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

/// Everything that a confined command may have; what is not named here it does not get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The argument list; the program is looked up in `PATH` of `env`.
    pub argv: Vec<String>,
    /// The whole environment.
    pub env: BTreeMap<String, String>,
    /// The working directory.
    pub cwd: PathBuf,
    /// Files and directories it may read and execute, beside those of the system.
    pub readable: Vec<PathBuf>,
    /// Files and directories it may change.
    pub writable: Vec<PathBuf>,
    /// The user it becomes; only with namespaces.
    pub uid: Option<u32>,
    /// Caps that the kernel holds.
    pub rlimits: Rlimits,
    /// Whether it may open network connections.
    pub network: bool,
    /// The one TCP port it may listen on; it shares the system's network namespace then.
    pub bind_port: Option<u16>,
    /// What this system is able to do.
    pub confinement: Confinement,
}

/// Caps that the kernel holds for each process; `None` leaves the system's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rlimits {
    /// Private writable memory of one process. Units: bytes.
    pub data_bytes: Option<u64>,
    /// Open files of one process.
    pub open_files: Option<u64>,
    /// Processes and threads of the uid; has a meaning only where the uid is the run's own.
    pub processes: Option<u64>,
    /// Size of one file. Units: bytes.
    pub file_bytes: Option<u64>,
    /// Processor time of one process. Units: seconds.
    pub cpu_s: Option<u64>,
}

/// What this system is able to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// Whether this process is root and may make mount, pid and network namespaces.
    pub namespaces: bool,
    /// Version of the kernel's Landlock interface; 0 where there is none.
    pub landlock: u8,
    /// What is missing for a command to count as confined.
    pub shortfall: Option<String>,
}

/// Which part of shutting in a process does; internal to the `step` subcommand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Stage {
    /// Starts the rest and outlives it.
    Keep,
    /// First process of the pid namespace: builds the root.
    Root,
    /// Drops every right and becomes the command.
    Last,
}

/// First version of Landlock that scopes signals and abstract sockets.
const LANDLOCK_FULL: u8 = 6;
/// First version of Landlock that knows TCP ports.
const LANDLOCK_TCP: u8 = 4;
/// First uid of the range that runs get theirs from.
const UID_FIRST: u32 = 200_000;
/// Size of that range.
const UID_COUNT: u32 = 50_000;
/// How long ending a tree may take.
const END_WAIT: Duration = Duration::from_secs(10);

/// Tries whether this system can confine. Errors: what is missing, as a phrase for a person.
pub fn probe() -> Result<Confinement, String> {
    let found = look();
    match found.shortfall.clone() {
        None => Ok(found),
        Some(reason) => Err(reason),
    }
}

/// Tries what this system is able to do, whether or not that is enough.
pub fn look() -> Confinement {
    let root = nix::unistd::geteuid().is_root();
    let spaces = if root { root::try_namespaces() } else { Ok(()) };
    let landlock = rules::interface_version();
    let namespaces = root && spaces.is_ok();
    let shortfall = match (&spaces, namespaces) {
        (Err(why), _) => Some(format!(
            "running as root without the right to make namespaces ({why})"
        )),
        (Ok(()), true) => None,
        (Ok(()), false) if landlock >= LANDLOCK_FULL => None,
        (Ok(()), false) if cfg!(not(target_os = "linux")) => {
            Some("this system cannot shut commands in; Linux can".to_owned())
        }
        (Ok(()), false) => Some(format!(
            "the kernel's Landlock has version {landlock}, and version {LANDLOCK_FULL} is needed without root (Linux 6.12)"
        )),
    };
    Confinement {
        namespaces,
        landlock,
        shortfall,
    }
}

impl Confinement {
    /// Whether a process that listens can be kept from every other port.
    pub fn can_hold_ports(&self) -> bool {
        self.landlock >= LANDLOCK_TCP
    }

    /// The uid that belongs to the run or release `id`, where this system can give it one.
    pub fn uid_of(&self, id: &str) -> Option<u32> {
        let hash = bowsprit_core::name::Digest::of(id.as_bytes());
        let number = u32::from_str_radix(&hash.hex()[..8], 16).ok()?;
        self.namespaces.then_some(UID_FIRST + number % UID_COUNT)
    }
}

/// What a command leaves behind becomes this process's child, where the system can do that. Errors: it cannot.
pub(crate) fn adopt_orphans() -> Result<(), String> {
    kernel::adopt_orphans()
}

/// A confined command at work.
#[derive(Debug)]
pub struct Started {
    child: Child,
    report: PathBuf,
    // Closing it ends the command: the keeper waits for that.
    _lifeline: Option<ChildStdin>,
}

/// How a confined command ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Its exit status, or `None` when a signal ended it.
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Largest resident memory of one of its processes. Units: bytes.
    pub peak_rss_bytes: u64,
    /// Why it could not be shut in; the command did not run then.
    pub error: Option<String>,
}

/// Starts the planned command, confined, with its output piped.
///
/// `scratch` is a directory of the caller's, out of the command's reach, for the plan and the report; one command at a
/// time uses it. Errors: files that cannot be written, a process that cannot be started.
pub fn start(me: &SelfCommand, plan: &Plan, scratch: &Path) -> io::Result<Started> {
    if !scratch.is_dir() {
        std::fs::DirBuilder::new()
            .mode(0o700)
            .recursive(true)
            .create(scratch)?;
    }
    let scratch = scratch.canonicalize()?;
    let (order, report) = (scratch.join("plan.json"), scratch.join("report.json"));
    for old in [&order, &report] {
        match std::fs::remove_file(old) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    let file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&order)?;
    serde_json::to_writer(&file, plan)?;
    let mut child = Command::new(&me.program)
        .arg0("bowsprit-agent")
        .args(&me.args)
        .args(["step".as_ref(), "--plan".as_ref(), order.as_os_str()])
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    Ok(Started {
        _lifeline: child.stdin.take(),
        child,
        report,
    })
}

impl Started {
    /// The keeper's process id; every process of the command descends from it.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// The command's output, once.
    pub fn output(&mut self) -> Option<(ChildStdout, ChildStderr)> {
        self.child.stdout.take().zip(self.child.stderr.take())
    }

    /// Waits for the end of the command and of everything it started. May be dropped and called again.
    pub async fn wait(&mut self) -> Ended {
        let status = self.child.wait().await;
        if let Some(ended) = std::fs::read(&self.report)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        {
            return ended;
        }
        use std::os::unix::process::ExitStatusExt as _;
        match status {
            Ok(status) => Ended {
                exit_code: status.code().filter(|code| *code < 128),
                signal: status.signal().or(status
                    .code()
                    .filter(|code| *code > 128)
                    .map(|code| code - 128)),
                ..Ended::default()
            },
            Err(error) => Ended {
                error: Some(format!("cannot wait for the step: {error}")),
                ..Ended::default()
            },
        }
    }

    /// Asks the command's first process to stop by SIGTERM; the rest is its own affair.
    pub fn ask_to_stop(&self) {
        if let Some(keeper) = self.child.id() {
            tree::terminate_main(keeper);
        }
    }

    /// Ends the command and everything it started, and waits until nothing is left.
    pub async fn kill(&mut self) -> Ended {
        if let Some(keeper) = self.child.id() {
            let since = std::time::Instant::now();
            while since.elapsed() < END_WAIT && tree::kill_below(keeper) > 0 {
                if tokio::time::timeout(Duration::from_millis(20), self.child.wait())
                    .await
                    .is_ok()
                {
                    break;
                }
            }
            if tokio::time::timeout(Duration::from_secs(1), self.child.wait())
                .await
                .is_err()
            {
                // A keeper that does not go by itself is not waiting for anything of ours.
                let _gone = self.child.start_kill();
            }
        }
        self.wait().await
    }
}
