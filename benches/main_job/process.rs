//! Children of this program, and what the kernel says of them.

use anyhow::Context as _;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

/// A process of which the kernel is asked what it costs.
pub(crate) struct Process {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Process {
    /// Starts a copy of this program, which does what these arguments say.
    pub(crate) fn start(args: &[&str]) -> anyhow::Result<Process> {
        Process::spawn(Command::new(std::env::current_exe()?).args(args))
    }

    /// Starts a command.
    pub(crate) fn spawn(command: &mut Command) -> anyhow::Result<Process> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(match std::env::var_os("BENCH_STDERR") {
                Some(_) => Stdio::inherit(),
                None => Stdio::null(),
            })
            .spawn()?;
        let out = child.stdout.take().context("no output")?;
        Ok(Process {
            child,
            out: BufReader::new(out),
        })
    }

    /// The next line that it says: an address, once it is ready.
    pub(crate) fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        anyhow::ensure!(
            self.out.read_line(&mut line)? > 0,
            "it ended (set BENCH_STDERR to see why)"
        );
        Ok(line.trim().to_owned())
    }

    /// Processor time of all its threads that live.
    pub(crate) fn cpu(&self) -> Duration {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id()));
        let spent = tasks.into_iter().flatten().flatten().filter_map(|task| {
            let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(spent.sum())
    }

    /// A line of its `status`, such as `VmRSS`. Units: KiB.
    pub(crate) fn memory(&self, name: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let text = text.unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(name));
        let number = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
        number.unwrap_or(0)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The machine's load now, for the reader to judge the figures by.
pub(crate) fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}
