//! What a run says while it runs: `log.txt`, the last lines, and `status.json`.
//!
//! A step's words go in stripped of control codes and within a limit; a failing disk never ends a run.

use super::mask::{Cut, Mask};
use crate::files;
use bowsprit_core::training::spec::{Phase, Status, TAIL_LINES};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often the log reaches its file.
pub(super) const FLUSH_EVERY: Duration = Duration::from_millis(250);
/// How often `status.json` may be rewritten while the phase stays.
const STATUS_EVERY: Duration = Duration::from_secs(1);
/// Longest line of a tail. Units: characters.
const TAIL_CHARS_MAX: usize = 500;
/// How many last lines are kept to tell a cause; a status carries fewer.
const KEPT_LINES: usize = 100;
/// Stands for the length of a log that was cut. Units: bytes.
const CUT: u64 = u64::MAX / 2;

/// What was said in earlier parts of a stage, as far as the next goes on with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Said {
    /// When the first of them began. Units: milliseconds since 1970, UTC.
    started_ms: i64,
    /// The last lines, each after its step.
    lines: VecDeque<String>,
    /// Whether the log holds no more.
    is_cut: bool,
}

/// A journal shared by everything that has something to say.
#[derive(Clone)]
pub(super) struct Journal(Arc<Mutex<Inner>>);

struct Inner {
    log: Option<BufWriter<File>>,
    log_bytes: u64,
    log_bytes_max: u64,
    mask: Mask,
    lines: VecDeque<String>,
    status: Status,
    status_path: PathBuf,
    status_written: Instant,
    is_stale: bool,
}

impl Journal {
    /// Opens the journal of a run directory, after what was said before. Errors: `log.txt` cannot be opened.
    pub(super) fn open(
        dir: &Path,
        log_bytes_max: u64,
        before: Option<Said>,
    ) -> std::io::Result<Journal> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(dir.join("log.txt"))?;
        let now = files::now_ms();
        let phase = match &before {
            Some(_) => Phase::Running,
            None => Phase::Fetching,
        };
        let before = before.unwrap_or(Said {
            started_ms: now,
            lines: VecDeque::new(),
            is_cut: false,
        });
        let mut inner = Inner {
            log_bytes: match before.is_cut {
                true => CUT,
                false => log.metadata()?.len(),
            },
            log: Some(BufWriter::new(log)),
            log_bytes_max,
            mask: Mask::default(),
            lines: before.lines,
            status: Status {
                phase,
                step: None,
                started_ms: before.started_ms,
                updated_ms: now,
                progress: None,
                tail: Vec::new(),
            },
            status_path: dir.join("status.json"),
            status_written: Instant::now(),
            is_stale: true,
        };
        inner.write_status();
        Ok(Journal(Arc::new(Mutex::new(inner))))
    }

    /// Says what is being done from now on.
    pub(super) fn phase(&self, phase: Phase, step: Option<&str>) {
        let mut inner = self.lock();
        inner.status.phase = phase;
        inner.status.step = step.map(str::to_owned);
        inner.status.progress = None;
        inner.flush_log();
        inner.write_status();
    }

    /// From now on, this is kept out of whatever is said.
    pub(super) fn hide(&self, mask: Mask) {
        self.lock().mask = mask;
    }

    /// Takes a line that is free of control codes.
    pub(super) fn line(&self, step: &str, text: &str) {
        self.part(step, text, Cut::default());
    }

    /// Takes a line, or a part of a long one; returns it as it may be said.
    pub(super) fn part(&self, step: &str, text: &str, cut: Cut) -> String {
        let mut inner = self.lock();
        let text = inner.mask.hide(text, cut);
        inner.line(step, &text);
        text
    }

    /// Takes a step's word on how far it is.
    pub(super) fn progress(&self, part: f64) {
        let mut inner = self.lock();
        inner.status.progress = Some(part);
        inner.is_stale = true;
    }

    /// Brings the files up to date, where it is time to.
    pub(super) fn tick(&self) {
        let mut inner = self.lock();
        inner.flush_log();
        if inner.is_stale && inner.status_written.elapsed() >= STATUS_EVERY {
            inner.write_status();
        }
    }

    /// The last lines of a step, to tell a cause from.
    pub(super) fn last_lines(&self, step: &str) -> Vec<String> {
        let inner = self.lock();
        let prefix = format!("{step} ");
        inner
            .lines
            .iter()
            .filter_map(|line| line.strip_prefix(&prefix))
            .map(str::to_owned)
            .collect()
    }

    /// What the next part of the stage goes on with.
    pub(super) fn said(&self) -> Said {
        let inner = self.lock();
        Said {
            started_ms: inner.status.started_ms,
            lines: inner.lines.clone(),
            is_cut: inner.log_bytes == CUT,
        }
    }

    /// The last lines of all.
    pub(super) fn tail(&self) -> Vec<String> {
        self.lock().tail()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn line(&mut self, step: &str, text: &str) {
        let line = format!("{} {step} {text}\n", files::now_ms());
        let bytes = line.len() as u64;
        if self.log_bytes + bytes <= self.log_bytes_max {
            self.log_bytes += bytes;
            self.write_log(&line);
        } else if self.log_bytes <= self.log_bytes_max {
            self.log_bytes = CUT;
            let cut = format!(
                "{} {step} [the log is cut here: it may hold {} bytes]\n",
                files::now_ms(),
                self.log_bytes_max
            );
            self.write_log(&cut);
        }
        let short: String = text.chars().take(TAIL_CHARS_MAX).collect();
        self.lines.push_back(format!("{step} {short}"));
        if self.lines.len() > KEPT_LINES {
            self.lines.pop_front();
        }
        self.is_stale = true;
    }

    fn write_log(&mut self, line: &str) {
        // A full disk must not end the run by its log; the quota does that, with a reason.
        if self
            .log
            .as_mut()
            .is_some_and(|log| log.write_all(line.as_bytes()).is_err())
        {
            self.log = None;
        }
    }

    fn flush_log(&mut self) {
        if self.log.as_mut().is_some_and(|log| log.flush().is_err()) {
            self.log = None;
        }
    }

    fn write_status(&mut self) {
        self.status.updated_ms = files::now_ms();
        self.status.tail = self.tail();
        if let Ok(text) = serde_json::to_vec(&self.status) {
            // The next one may succeed; the result is what counts.
            let _written = files::write_atomically(&self.status_path, &text, false);
        }
        self.status_written = Instant::now();
        self.is_stale = false;
    }

    fn tail(&self) -> Vec<String> {
        let first = self.lines.len().saturating_sub(TAIL_LINES);
        let text = |line: &String| {
            line.split_once(' ')
                .map_or(line.clone(), |(_, text)| text.to_owned())
        };
        self.lines.iter().skip(first).map(text).collect()
    }
}
