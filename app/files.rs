//! Documents that lie between this process and others: replaced whole, read with a cap, never through a link.
//!
//! What an agent or gateway wrote is foreign: whatever is read here is a regular file of bounded size.
//! Nothing here knows what a document means.

use anyhow::{Context, ensure};
use bowsprit_core::name::RepoPath;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Who may read a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Whoever may by the process's mask.
    Usual,
    /// This user alone.
    Owner,
}

/// Replaces a document as a whole, so that a reader finds the old one or the new one, after a power cut too.
pub(crate) fn write<T: Serialize>(
    path: &Path,
    document: &T,
    readers: Readers,
) -> anyhow::Result<()> {
    let bytes = serde_json::to_vec_pretty(document)
        .with_context(|| format!("cannot put `{}` in words", shown(path)))?;
    replace(path, &bytes, readers).with_context(|| format!("cannot write `{}`", shown(path)))
}

fn replace(path: &Path, bytes: &[u8], readers: Readers) -> io::Result<()> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(ErrorKind::InvalidInput.into());
    };
    let draft = dir.join(format!(".{}.draft", name.to_string_lossy()));
    // A draft that was left behind may have other permissions.
    remove_file(&draft)?;
    let mode = match readers {
        Readers::Usual => 0o644,
        Readers::Owner => 0o600,
    };
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    File::open(dir)?.sync_all()
}

/// A folder of this user: what the variable names by a whole path, else `below` the home; none without a home.
///
/// Source: the XDG Base Directory specification, <https://specifications.freedesktop.org/basedir-spec/latest/> (2026-11).
pub(crate) fn of_user(variable: &str, below: &str) -> Option<PathBuf> {
    let named = std::env::var_os(variable).map(PathBuf::from);
    named
        .filter(|path| path.is_absolute())
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(below)))
}

/// Bytes of all files below a folder; those that go away or are renamed meanwhile count nothing.
pub(crate) fn bytes_below(dir: PathBuf) -> u64 {
    let (mut waiting, mut bytes) = (vec![dir], 0);
    while let Some(dir) = waiting.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(about) if about.is_dir() => waiting.push(entry.path()),
                Ok(about) => bytes += about.len(),
                Err(_) => {}
            }
        }
    }
    bytes
}

/// Removes a file that may be gone already.
pub(crate) fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Reads a document; `None` when there is none. Errors: it is no regular file, larger than `cap` bytes, or not understood.
pub(crate) fn read<T: DeserializeOwned>(path: &Path, cap: u64) -> anyhow::Result<Option<T>> {
    let Some(bytes) = read_bytes(path, cap)? else {
        return Ok(None);
    };
    let document = serde_json::from_slice(&bytes)
        .with_context(|| format!("cannot understand `{}`", shown(path)))?;
    Ok(Some(document))
}

/// The bytes of a document; `None` when there is none. Errors: it is no regular file, or larger than `cap` bytes.
pub(crate) fn read_bytes(path: &Path, cap: u64) -> anyhow::Result<Option<Vec<u8>>> {
    let file = match open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot open `{}`", shown(path)));
        }
    };
    let mut bytes = Vec::new();
    file.take(cap.saturating_add(1))
        .read_to_end(&mut bytes)
        .with_context(|| format!("cannot read `{}`", shown(path)))?;
    ensure!(
        bytes.len() as u64 <= cap,
        "`{}` is larger than {cap} bytes",
        shown(path)
    );
    Ok(Some(bytes))
}

/// A document by its name and its directory's: errors may be shown to people whom the rest does not concern.
fn shown(path: &Path) -> String {
    let parts: Vec<_> = path
        .iter()
        .rev()
        .take(2)
        .map(|part| part.to_string_lossy())
        .collect();
    parts.into_iter().rev().collect::<Vec<_>>().join("/")
}

/// How often an opening is tried while the file is being replaced.
const OPEN_TRIES: usize = 5;

/// Opens a regular file; a link or a pipe under its name is refused. Errors: the file system's.
fn open(path: &Path) -> io::Result<File> {
    for _ in 0..OPEN_TRIES {
        let seen = fs::symlink_metadata(path)?;
        if !seen.is_file() {
            return Err(io::Error::new(
                ErrorKind::InvalidInput,
                "not a regular file",
            ));
        }
        let file = File::open(path)?;
        let opened = file.metadata()?;
        // Otherwise it was replaced in between: by the next document, or by a link.
        if (seen.dev(), seen.ino()) == (opened.dev(), opened.ino()) {
            return Ok(file);
        }
    }
    Err(io::Error::new(
        ErrorKind::InvalidInput,
        "is replaced again and again",
    ))
}

/// The path and size of a regular file below `base`, no part of which is a link. Errors: as a phrase.
pub(crate) fn plain_path(base: &Path, relative: &RepoPath) -> Result<(PathBuf, u64), String> {
    let mut path = base.to_path_buf();
    let mut last = None;
    for part in relative.as_str().split('/') {
        path.push(part);
        let about = fs::symlink_metadata(&path).map_err(|error| error.to_string())?;
        if about.is_symlink() {
            return Err("it is a link or lies behind one".to_owned());
        }
        last = Some(about);
    }
    match last {
        Some(about) if about.is_file() => Ok((path, about.len())),
        Some(_) | None => Err("it is not a regular file".to_owned()),
    }
}

/// Tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    inode: u64,
    bytes: u64,
    /// Units: seconds and nanoseconds.
    modified: (i64, i64),
}

/// What a file is like now, without reading it; `None` when there is none.
pub(crate) fn stamp(path: &Path) -> Option<Stamp> {
    let about = fs::symlink_metadata(path).ok()?;
    Some(Stamp {
        inode: about.ino(),
        bytes: about.len(),
        modified: (about.mtime(), about.mtime_nsec()),
    })
}

/// Takes the lock of a file that is there; `None` when another process has it or there is no such file.
pub(crate) fn lock(path: &Path) -> Option<File> {
    let file = File::open(path).ok()?;
    file.try_lock().is_ok().then_some(file)
}

/// Whether another process holds the lock of this file.
pub(crate) fn is_locked(path: &Path) -> bool {
    let Ok(file) = File::open(path) else {
        return false;
    };
    match file.try_lock_shared() {
        Ok(()) => false,
        Err(TryLockError::WouldBlock) => true,
        Err(TryLockError::Error(error)) => {
            tracing::warn!("cannot look at the lock `{}`: {error}", shown(path));
            true
        }
    }
}

/// Removes a directory or file with all that is in it, even what was made read-only; links are removed, not followed.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(about) if about.is_dir() => {}
        Ok(_) => return remove_file(path),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            open_dirs(path)?;
            fs::remove_dir_all(path)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn open_dirs(top: &Path) -> io::Result<()> {
    let mut open = vec![top.to_path_buf()];
    while let Some(dir) = open.pop() {
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                open.push(entry.path());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_pipes_and_large_files_are_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("good"), "7").unwrap();
        std::os::unix::fs::symlink(path("good"), path("link")).unwrap();
        let made = std::process::Command::new("mkfifo")
            .arg(path("pipe"))
            .status();
        assert!(made.unwrap().success());
        assert_eq!(read::<u8>(&path("good"), 1).unwrap(), Some(7));
        assert_eq!(read::<u8>(&path("none"), 1).unwrap(), None);
        for bad in ["link", "pipe", "."] {
            assert!(read_bytes(&path(bad), 9).is_err(), "{bad}");
        }
        assert!(read_bytes(&path("good"), 0).is_err());
    }

    #[test]
    fn a_document_for_the_owner_is_for_nobody_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.json");
        fs::write(dir.path().join(".keys.json.draft"), "left behind").unwrap();
        write(&path, &1, Readers::Owner).unwrap();
        write(&path, &2, Readers::Owner).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(read::<u8>(&path, 9).unwrap(), Some(2));
    }

    #[test]
    fn a_read_only_tree_is_removed_and_its_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (tree, kept) = (dir.path().join("tree"), dir.path().join("kept"));
        fs::create_dir_all(tree.join("a/b")).unwrap();
        fs::write(&kept, "x").unwrap();
        std::os::unix::fs::symlink(&kept, tree.join("a/link")).unwrap();
        fs::set_permissions(tree.join("a"), fs::Permissions::from_mode(0o555)).unwrap();
        remove_tree(&tree).unwrap();
        assert!(!tree.exists() && kept.exists());
    }
}
