//! One call of cargo, shut in, from a directory in which no repository's configuration is found.

use super::super::shelf::unwritable;
use super::super::{Log, Order, failure};
use super::toolchain::Toolchain;
use crate::confine::{self, Plan, Rlimits, Started};
use crate::{files, serve};
use bowsprit_core::training::spec::{Failure, FailureKind, Limits};
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncRead, BufReader};
use tokio::sync::mpsc;

/// Where linkers and other programs of the system are looked for, after those of the toolchain.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// Private memory of one compiler. Units: bytes.
const MEMORY_BYTES: u64 = 8 << 30;
/// Processes and threads of a build.
const PROCESSES: u64 = 1_024;
/// Open files of one process.
const OPEN_FILES: u64 = 4_096;
/// Most files of a build that are counted.
const FILES_MAX: usize = 200_000;
/// How often the disk is measured, counted from the end of the measurement before.
const DISK_EVERY: Duration = Duration::from_secs(1);
/// How many last lines are searched for a cause.
const KEPT_LINES: usize = 200;
/// Lines that wait to be logged.
const LINES_WAITING: usize = 256;
/// Longest cause told. Units: characters.
const CAUSE_CHARS: usize = 400;

/// What a call may do.
pub(super) struct Call<'a> {
    /// `fetch` or `build`, with its options.
    pub(super) args: Vec<String>,
    /// The directory of the build: `src`, `target` and `tmp` are its parts.
    pub(super) dir: &'a Path,
    /// `CARGO_HOME`.
    pub(super) home: &'a Path,
    /// Variables beside those that every call has.
    pub(super) env: Vec<(String, String)>,
    /// Files it may read beside sources and toolchain.
    pub(super) readable: Vec<PathBuf>,
    /// Directories that it may change beside `tmp`.
    pub(super) writable: Vec<PathBuf>,
    /// Whose files those are.
    pub(super) uid: Option<u32>,
    pub(super) network: bool,
}

impl Call<'_> {
    /// Runs it to its end; its lines go to the log.
    ///
    /// Errors: cargo's own, in a sentence (`Install`); more of the disk than a run may take (`DiskQuota`); `Agent`.
    pub(super) async fn run(
        self,
        order: &Order<'_>,
        toolchain: &Toolchain,
        log: Log<'_>,
    ) -> Result<(), Failure> {
        let tmp = self.dir.join("tmp");
        std::fs::create_dir_all(&tmp).map_err(unwritable)?;
        for dir in self.writable.iter().chain([&tmp]) {
            files::give(dir, self.uid).map_err(unwritable)?;
        }
        let plan = self.plan(order, toolchain, &tmp);
        let broken = |error: std::io::Error| {
            failure(FailureKind::Agent, format!("cannot start cargo: {error}"))
        };
        let scratch = self.dir.join(".step");
        let started = confine::start(order.me, &plan, &scratch).map_err(broken)?;
        follow(started, self.dir, log).await
    }

    fn plan(&self, order: &Order<'_>, toolchain: &Toolchain, tmp: &Path) -> Plan {
        let text = |path: &Path| path.display().to_string();
        let path = format!("{}:{PATH}", text(&toolchain.sysroot.join("bin")));
        let fixed = [
            ("PATH", path),
            ("HOME", text(tmp)),
            ("TMPDIR", text(tmp)),
            ("LANG", "C.UTF-8".to_owned()),
            ("CARGO_HOME", text(self.home)),
            ("CARGO_TARGET_DIR", text(&self.dir.join("target"))),
            ("CARGO_TERM_COLOR", "never".to_owned()),
            ("CARGO_TERM_PROGRESS_WHEN", "never".to_owned()),
        ];
        let fixed = fixed.map(|(name, value)| (name.to_owned(), value));
        let env: BTreeMap<String, String> = fixed.into_iter().chain(self.env.clone()).collect();
        let mut argv = vec![text(&toolchain.cargo())];
        argv.extend(self.args.iter().cloned());
        let of_all = [toolchain.sysroot.clone(), self.dir.join("src")];
        Plan {
            argv,
            env,
            cwd: PathBuf::from("/"),
            readable: of_all.into_iter().chain(self.readable.clone()).collect(),
            writable: [tmp.to_path_buf()]
                .into_iter()
                .chain(self.writable.clone())
                .collect(),
            uid: self.uid,
            rlimits: Rlimits {
                data_bytes: Some(MEMORY_BYTES),
                open_files: Some(OPEN_FILES),
                processes: Some(PROCESSES),
                file_bytes: Some(Limits::default().disk_bytes),
                cpu_s: None,
            },
            network: self.network,
            bind_port: None,
            confinement: order.confinement.clone(),
        }
    }
}

/// Dropping the future ends cargo: its keeper ends with the value.
async fn follow(mut started: Started, dir: &Path, log: Log<'_>) -> Result<(), Failure> {
    let (sender, mut lines) = mpsc::channel(LINES_WAITING);
    if let Some((stdout, stderr)) = started.output() {
        tokio::spawn(pump(stdout, sender.clone()));
        tokio::spawn(pump(stderr, sender));
    }
    let mut kept = VecDeque::new();
    let disk = full(dir);
    tokio::pin!(disk);
    loop {
        tokio::select! {
            line = lines.recv() => {
                let Some(line) = line else { break };
                log(&line);
                kept.push_back(line);
                if kept.len() > KEPT_LINES {
                    kept.pop_front();
                }
            }
            () = &mut disk => {
                let _ended = started.kill().await;
                let most = Limits::default().disk_bytes >> 30;
                let text = format!("the build wrote more than {most} GiB; make it smaller");
                return Err(failure(FailureKind::DiskQuota, text));
            }
        }
    }
    let ended = started.wait().await;
    match (ended.exit_code, ended.error) {
        (Some(0), None) => Ok(()),
        (_, Some(error)) => Err(failure(FailureKind::Agent, error)),
        (_, None) => Err(failure(FailureKind::Install, cause(&kept))),
    }
}

async fn pump(from: impl AsyncRead + Unpin, lines: mpsc::Sender<String>) {
    let mut reader = BufReader::new(from);
    let mut buffer = Vec::new();
    while let Ok(true) = serve::next_line(&mut reader, &mut buffer).await {
        if lines.send(files::plain_line(&buffer)).await.is_err() {
            break;
        }
    }
}

/// Waits until a build has more than its share of the disk.
async fn full(dir: &Path) {
    loop {
        tokio::time::sleep(DISK_EVERY).await;
        let dir = dir.to_path_buf();
        let measured = tokio::task::spawn_blocking(move || {
            let found = files::walk(&dir, FILES_MAX)?;
            Ok::<u64, std::io::Error>(found.iter().map(|file| file.disk_bytes).sum())
        });
        let measured = measured.await;
        // What cannot be measured could be anything.
        let most = Limits::default().disk_bytes;
        if measured.is_ok_and(|measured| measured.map_or(true, |bytes| bytes > most)) {
            return;
        }
    }
}

/// The first error with the line it points at; what follows from it is left out.
fn cause(lines: &VecDeque<String>) -> String {
    let errors = || (0..lines.len()).filter(|at| lines[*at].starts_with("error"));
    let first = errors().find(|at| !lines[*at].starts_with("error: could not compile"));
    let Some(at) = first.or_else(|| errors().next_back()) else {
        let last = lines.back().map_or("cargo said nothing", String::as_str);
        return bowsprit_core::text::truncate(last, CAUSE_CHARS);
    };
    let (error, mut after) = (
        &lines[at],
        lines.iter().skip(at + 1).map(|line| line.trim()),
    );
    // rustc points with an arrow, cargo gives its reason under a heading.
    let told = match after.next() {
        Some(next) if next.starts_with("--> ") => {
            format!("{error} ({})", next.trim_start_matches("--> "))
        }
        Some("") => match after.skip_while(|line| *line != "Caused by:").nth(1) {
            Some(reason) => format!("{error}: {reason}"),
            None => error.clone(),
        },
        Some(_) | None => error.clone(),
    };
    bowsprit_core::text::truncate(&told, CAUSE_CHARS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_error_is_told_with_its_place() {
        for (lines, told) in [
            (
                &[
                    "   Compiling a v0.1.0",
                    "error[E0425]: cannot find value `x` in this scope",
                    " --> src/main.rs:3:5",
                    "  |",
                    "error: could not compile `a` (bin \"a\") due to 1 previous error",
                ][..],
                "error[E0425]: cannot find value `x` in this scope (src/main.rs:3:5)",
            ),
            (
                &[
                    "error: failed to download `itoa v1.0.0`",
                    "",
                    "Caused by:",
                    "  unable to get packages from source",
                ],
                "error: failed to download `itoa v1.0.0`: unable to get packages from source",
            ),
            (
                &["error: could not compile `a`"],
                "error: could not compile `a`",
            ),
            (&["killed"], "killed"),
            (&[], "cargo said nothing"),
        ] {
            let lines: VecDeque<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            assert_eq!(cause(&lines), told);
        }
    }
}
