//! `log.txt`, or a pod's own log: one line each, `<unix_ms> <server|gateway> <text>`, turned over when it has grown.

use super::now_ms;
use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The file is turned over at this size. Units: bytes.
const FILE_BYTES_MAX: u64 = 10 << 20;

/// A line is cut at this size. Units: bytes.
const LINE_BYTES_MAX: usize = 8 << 10;

/// Last lines of a server that are kept for a person.
const TAIL_LINES: usize = 20;

/// Each of them is cut at this size. Units: bytes.
const TAIL_LINE_BYTES_MAX: usize = 400;

/// The log of one environment.
#[derive(Debug)]
pub(crate) struct Log {
    path: Option<PathBuf>,
    open: Mutex<Option<(File, u64)>>,
}

impl Log {
    /// The log kept in this file; the one before is kept beside it, ending in `.1`.
    pub(crate) fn new(path: PathBuf) -> Arc<Log> {
        Arc::new(Log {
            path: Some(path),
            open: Mutex::new(None),
        })
    }

    /// The log that goes to where a pod's lines go: its standard output.
    pub(crate) fn standard() -> Arc<Log> {
        Arc::new(Log {
            path: None,
            open: Mutex::new(None),
        })
    }

    /// Notes what the gateway did.
    pub(crate) fn note(&self, text: &str) {
        self.write("gateway", text);
    }

    fn write(&self, source: &str, text: &str) {
        let mut open = locked(&self.open);
        for line in text.lines() {
            let line = format!("{} {source} {}\n", now_ms(), cut(line, LINE_BYTES_MAX));
            // A full disk must not end the service: what cannot be noted is dropped.
            let _ = match &self.path {
                Some(path) => append(path, &mut open, line.as_bytes()),
                None => std::io::stdout().write_all(line.as_bytes()),
            };
        }
    }
}

fn append(path: &Path, open: &mut Option<(File, u64)>, line: &[u8]) -> std::io::Result<()> {
    if open
        .as_ref()
        .is_some_and(|(_, bytes)| *bytes >= FILE_BYTES_MAX)
    {
        *open = None;
        std::fs::rename(path, path.with_extension("1.txt"))?;
    }
    if open.is_none() {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let bytes = file.metadata()?.len();
        *open = Some((file, bytes));
    }
    if let Some((file, bytes)) = open {
        file.write_all(line)?;
        *bytes += line.len() as u64;
    }
    Ok(())
}

/// The lines of one server, and the last of them.
#[derive(Debug, Clone)]
pub(crate) struct ServerLog {
    log: Arc<Log>,
    tail: Arc<Mutex<VecDeque<String>>>,
}

impl ServerLog {
    /// Lines go on to `log`.
    pub(crate) fn new(log: &Arc<Log>) -> ServerLog {
        ServerLog {
            log: Arc::clone(log),
            tail: Arc::default(),
        }
    }

    /// Takes a line.
    pub(crate) fn line(&self, text: &str) {
        self.log.write("server", text);
        let mut tail = locked(&self.tail);
        if tail.len() == TAIL_LINES {
            tail.pop_front();
        }
        tail.push_back(cut(text, TAIL_LINE_BYTES_MAX).to_owned());
    }

    /// The last lines, as an addition to a sentence.
    pub(crate) fn tail(&self) -> String {
        let tail = locked(&self.tail);
        if tail.is_empty() {
            return "; it wrote nothing".to_owned();
        }
        let lines: Vec<&str> = tail.iter().map(String::as_str).collect();
        format!("; its last lines:\n{}", lines.join("\n"))
    }
}

pub(crate) fn cut(line: &str, bytes_max: usize) -> &str {
    line.get(..line.floor_char_boundary(bytes_max))
        .unwrap_or(line)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_turned_over_when_it_has_grown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.txt");
        std::fs::write(&path, vec![b'x'; FILE_BYTES_MAX as usize]).unwrap();
        let log = Log::new(path.clone());
        log.note("grown");
        log.note("fresh");
        let fresh = std::fs::read_to_string(&path).unwrap();
        assert!(
            fresh.ends_with(" gateway fresh\n") && fresh.lines().count() == 1,
            "{fresh}"
        );
        assert!(dir.path().join("log.1.txt").exists());
    }
}
