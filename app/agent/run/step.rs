//! One step at work: its output, its limits, its end.

use super::journal::Journal;
use super::mask::Cut as Part;
use super::outputs;
use crate::confine::{Ended, Started};
use crate::metrics::Spoken;
use crate::{files, serve, tree};
use bowsprit_core::training::spec::StepSpec;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, BufReader};
use tokio::sync::{mpsc, watch};

/// How often memory is measured.
const MEMORY_EVERY: Duration = Duration::from_millis(500);
/// How often the disk is measured, counted from the end of the measurement before.
const DISK_EVERY: Duration = Duration::from_secs(1);
/// How long output may still come after the end.
const DRAIN_WAIT: Duration = Duration::from_secs(5);
/// Lines that wait to be written.
const LINES_WAITING: usize = 256;

/// Why a step was ended from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// It took too long.
    Timeout,
    /// Its processes hold more than the cap.
    Memory,
    /// The run directory holds more than the cap.
    Disk,
    /// Somebody cancelled.
    Cancelled,
}

/// What came of a step.
pub(super) struct Watched {
    pub(super) ended: Ended,
    pub(super) cut: Option<Cut>,
    pub(super) spoken: Spoken,
}

/// What a step is watched with.
pub(super) struct Watch<'a> {
    pub(super) dir: &'a Path,
    pub(super) disk_bytes: u64,
    pub(super) journal: &'a Journal,
    pub(super) cancelled: watch::Receiver<bool>,
}

/// Follows a step to its end, which is also the end of everything it started.
pub(super) async fn follow(mut started: Started, step: &StepSpec, mut watch: Watch<'_>) -> Watched {
    let (sender, mut lines) = mpsc::channel(LINES_WAITING);
    if let Some((stdout, stderr)) = started.output() {
        tokio::spawn(pump(stdout, true, sender.clone()));
        tokio::spawn(pump(stderr, false, sender));
    }
    let mut ear = Ear {
        step: &step.name,
        journal: watch.journal,
        spoken: Spoken::default(),
        beside: Spoken::default(),
    };
    let peak = AtomicU64::new(0);
    let (cut, mut ended) = {
        let keeper = started.pid().unwrap_or(0);
        let memory = memory_exceeds(keeper, step.memory_bytes, &peak);
        let disk = disk_exceeds(watch.dir, watch.disk_bytes);
        let time = tokio::time::sleep(Duration::from_secs(step.timeout_s));
        tokio::pin!(memory, disk, time);
        loop {
            let cut = tokio::select! {
                Some(line) = lines.recv() => { ear.hear(line); continue }
                ended = started.wait() => break (None, ended),
                () = &mut memory => Cut::Memory,
                () = &mut disk => Cut::Disk,
                () = &mut time => Cut::Timeout,
                _ = watch.cancelled.wait_for(|is_so| *is_so) => Cut::Cancelled,
            };
            break (Some(cut), started.kill().await);
        }
    };
    let drain = async {
        while let Some(line) = lines.recv().await {
            ear.hear(line);
        }
    };
    // Whoever holds the pipes now is no process of the step's.
    let _drained = tokio::time::timeout(DRAIN_WAIT, drain).await;
    ended.peak_rss_bytes = ended.peak_rss_bytes.max(peak.load(Ordering::Relaxed));
    Watched {
        ended,
        cut,
        spoken: ear.spoken,
    }
}

struct Ear<'a> {
    step: &'a str,
    journal: &'a Journal,
    spoken: Spoken,
    // Standard error is heard for progress only.
    beside: Spoken,
}

struct Line {
    is_stdout: bool,
    text: String,
    part: Part,
}

impl Ear<'_> {
    fn hear(&mut self, line: Line) {
        let text = self.journal.part(self.step, &line.text, line.part);
        let spoken = if line.is_stdout {
            &mut self.spoken
        } else {
            &mut self.beside
        };
        if let Some(part) = spoken.line(&text) {
            self.journal.progress(part);
        }
    }
}

async fn pump(from: impl AsyncRead + Unpin, is_stdout: bool, lines: mpsc::Sender<Line>) {
    let mut reader = BufReader::new(from);
    let mut buffer = Vec::new();
    let mut part = Part::default();
    while let Ok(true) = serve::next_line(&mut reader, &mut buffer).await {
        part = Part {
            before: part.after,
            after: buffer.len() >= files::LINE_BYTES_MAX && !buffer.ends_with(b"\n"),
        };
        let text = files::plain_line(&buffer);
        let line = Line {
            is_stdout,
            text,
            part,
        };
        if lines.send(line).await.is_err() {
            break;
        }
    }
}

async fn memory_exceeds(keeper: u32, cap_bytes: u64, peak: &AtomicU64) {
    loop {
        tokio::time::sleep(MEMORY_EVERY).await;
        let now = tree::memory_bytes(&tree::below(keeper));
        peak.fetch_max(now, Ordering::Relaxed);
        if now > cap_bytes {
            return;
        }
    }
}

async fn disk_exceeds(dir: &Path, cap_bytes: u64) {
    loop {
        tokio::time::sleep(DISK_EVERY).await;
        let dir = dir.to_path_buf();
        let measured = tokio::task::spawn_blocking(move || outputs::disk_bytes(&dir)).await;
        // What cannot be measured could be anything: too many files, or deeper than a path reaches.
        if measured.is_ok_and(|measured| measured.map_or(true, |bytes| bytes > cap_bytes)) {
            return;
        }
    }
}
