//! Reading what a step left behind without being led out of its directory.
//!
//! Steps are foreign: a name may be a link to a secret, a pipe that never ends, or a file without end. Everything here
//! is used after the step's processes are gone, so that a checked path cannot change under the check.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Longest log line that is kept. Units: bytes.
pub(crate) const LINE_BYTES_MAX: usize = 8 << 10;

/// The path of `relative` below `base`, when no part of it is a link. Errors: not found, a link, not below.
pub(crate) fn plain_path(base: &Path, relative: &str) -> io::Result<PathBuf> {
    let mut path = base.to_path_buf();
    for part in Path::new(relative).components() {
        match part {
            std::path::Component::Normal(name) => path.push(name),
            std::path::Component::CurDir => {}
            std::path::Component::Prefix(_)
            | std::path::Component::RootDir
            | std::path::Component::ParentDir => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "leads out of its directory",
                ));
            }
        }
        if fs::symlink_metadata(&path)?.is_symlink() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "is a link"));
        }
    }
    Ok(path)
}

/// Opens a regular file below `base`. Errors: as [`plain_path`], and for what is not a regular file.
pub(crate) fn open_plain(base: &Path, relative: &str) -> io::Result<File> {
    let path = plain_path(base, relative)?;
    // A pipe would block; it is opened without waiting and refused after.
    let flags = nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK;
    let file = File::options()
        .read(true)
        .custom_flags(flags.bits())
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "is not a regular file",
        ))
    }
}

/// Reads a whole file of at most `cap` bytes. Errors: longer than that.
pub(crate) fn read_capped(file: File, cap: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(cap + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > cap {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("larger than {cap} bytes"),
        ));
    }
    Ok(bytes)
}

/// One line of output as text: what a terminal would show, without colours and control codes.
pub(crate) fn plain_line(bytes: &[u8]) -> String {
    let bytes = &bytes[..bytes.len().min(LINE_BYTES_MAX)];
    let text = String::from_utf8_lossy(bytes);
    // A progress bar writes over itself: the last state is what stays.
    let shown = text
        .trim_end_matches(['\r', '\n'])
        .rsplit('\r')
        .next()
        .unwrap_or_default();
    let mut plain = String::with_capacity(shown.len());
    let mut chars = shown.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_escape(&mut chars),
            '\t' => plain.push(c),
            _ if c.is_control() => {}
            _ => plain.push(c),
        }
    }
    plain
}

/// Source: ECMA-48, control sequences and operating-system commands.
fn skip_escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.next() {
        Some('[') => {
            for c in chars.by_ref() {
                if ('\u{40}'..='\u{7e}').contains(&c) {
                    break;
                }
            }
        }
        Some(']') => {
            while let Some(c) = chars.next() {
                if c == '\u{7}' || (c == '\u{1b}' && chars.next_if_eq(&'\\').is_some()) {
                    break;
                }
            }
        }
        Some(_) | None => {}
    }
}

/// Writes a file so that a reader sees the old bytes or the new ones; `durable` ones are on the disk on return.
///
/// Errors: as the file system's.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8], durable: bool) -> io::Result<()> {
    use io::Write as _;
    let beside = path.with_extension("new");
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    if durable {
        file.sync_all()?;
    }
    fs::rename(beside, path)
}

/// Something found below a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its path.
    pub(crate) path: PathBuf,
    /// What it takes on the disk. Units: bytes.
    pub(crate) disk_bytes: u64,
    /// Whether it is a regular file, and no link, pipe, socket or device.
    pub(crate) is_regular: bool,
}

/// Everything below `dir` but directories, without following a link.
///
/// Errors: more than `count_max` entries, or a directory that cannot be listed.
pub(crate) fn walk(dir: &Path, count_max: usize) -> io::Result<Vec<Found>> {
    use std::os::unix::fs::MetadataExt as _;
    let (mut found, mut open, mut count) = (Vec::new(), vec![dir.to_path_buf()], 0);
    while let Some(dir) = open.pop() {
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            // It went while we looked.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            count += 1;
            if count > count_max {
                return Err(io::Error::new(
                    io::ErrorKind::FileTooLarge,
                    format!("more than {count_max} files"),
                ));
            }
            let entry = entry?;
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            if metadata.is_dir() {
                open.push(entry.path());
            } else {
                found.push(Found {
                    path: entry.path(),
                    disk_bytes: metadata.blocks() * 512,
                    is_regular: metadata.is_file(),
                });
            }
        }
    }
    Ok(found)
}

/// Gives a tree to a user, links themselves and not what they point to.
pub(crate) fn give(dir: &Path, uid: Option<u32>) -> io::Result<()> {
    if uid.is_none() {
        return Ok(());
    }
    let mut open = vec![dir.to_path_buf()];
    while let Some(path) = open.pop() {
        std::os::unix::fs::lchown(&path, uid, uid)?;
        if fs::symlink_metadata(&path)?.is_dir() {
            for entry in fs::read_dir(&path)? {
                open.push(entry?.path());
            }
        }
    }
    Ok(())
}

/// By what a file is known to have been written again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    inode: u64,
    bytes: u64,
    // The time of change, which a program cannot set. Units: seconds and nanoseconds.
    changed: (i64, i64),
}

impl Mark {
    /// The mark of a regular file; `None` for anything else.
    pub(crate) fn of(path: &Path) -> Option<Mark> {
        use std::os::unix::fs::MetadataExt as _;
        let found = fs::symlink_metadata(path)
            .ok()
            .filter(fs::Metadata::is_file)?;
        Some(Mark {
            inode: found.ino(),
            bytes: found.len(),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }
}

/// Milliseconds since 1970, UTC.
pub(crate) fn now_ms() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_what_a_terminal_shows() {
        for (raw, shown) in [
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("10%\r50%\r100%\r\n", "100%"),
            ("\u{1b}]0;title\u{7}x\u{8}y", "xy"),
            ("a\tb", "a\tb"),
        ] {
            assert_eq!(plain_line(raw.as_bytes()), shown);
        }
    }

    #[test]
    fn links_and_ways_out_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), "x").unwrap();
        std::os::unix::fs::symlink("/etc", dir.path().join("etc")).unwrap();
        assert!(open_plain(dir.path(), "a").is_ok());
        for bad in ["etc/passwd", "../x", "/etc/passwd", "missing", "."] {
            assert!(open_plain(dir.path(), bad).is_err(), "{bad}");
        }
    }
}
