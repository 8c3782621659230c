//! The gateway's directory: what it is told there, and what it leaves there.
//!
//! Documents are replaced as a whole, so that a reader finds the old one or the new one.

use anyhow::{Context, ensure};
use bowsprit_core::name::Digest;
use bowsprit_core::serving::spec::{Live, ServeSpec, Serving};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A document beyond this is not read. Units: bytes.
const DOCUMENT_BYTES_MAX: u64 = 64 << 20;

/// Releases kept on disk beside the one that serves.
const RELEASES_KEPT: usize = 1;

/// Written into the directory of a release when everything of it has been laid out.
pub(crate) const FETCHED: &str = "fetched.json";

/// The directory of one environment.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    dir: PathBuf,
}

/// The release that was switched to last; started again after a restart of the gateway.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// The order.
    pub(crate) spec: ServeSpec,
    /// What it came to.
    pub(crate) serving: Serving,
}

/// Tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

impl Desk {
    /// The desk in `dir`. Errors: there is no such directory.
    pub(crate) fn open(dir: &Path) -> anyhow::Result<Desk> {
        let dir = dir
            .canonicalize()
            .with_context(|| format!("cannot find directory `{}`", dir.display()))?;
        Ok(Desk { dir })
    }

    /// Takes the directory for this process. `None` when another one has it.
    pub(crate) fn lock(&self) -> anyhow::Result<Option<File>> {
        let file = File::create(self.path("gateway.lock")).context("cannot create gateway.lock")?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error).context("cannot lock gateway.lock"),
        }
    }

    /// Where to listen; port 0 stands for any.
    pub(crate) fn listen(&self) -> anyhow::Result<SocketAddr> {
        let settings = self.settings()?;
        let text = settings
            .get("listen")
            .and_then(|value| value.as_str())
            .unwrap_or_default();
        text.parse()
            .with_context(|| format!("gateway.json: `listen` is not an address: `{text}`"))
    }

    /// Keeps the address, so that a restart has the same.
    pub(crate) fn keep_listen(&self, addr: SocketAddr) -> anyhow::Result<()> {
        let mut settings = self.settings()?;
        settings.insert("listen".to_owned(), addr.to_string().into());
        self.write("gateway.json", &settings)
    }

    /// Says where to listen.
    pub(crate) fn write_listen(&self, addr: SocketAddr) -> anyhow::Result<()> {
        self.write("gateway.json", &serde_json::json!({ "listen": addr }))
    }

    fn settings(&self) -> anyhow::Result<serde_json::Map<String, serde_json::Value>> {
        self.read("gateway.json")?
            .context("there is no gateway.json")
    }

    /// Writes down this process's id.
    pub(crate) fn write_pid(&self) -> anyhow::Result<()> {
        self.write("gateway.pid", &std::process::id())
    }

    /// Takes it away again.
    pub(crate) fn remove_pid(&self) {
        let _ = std::fs::remove_file(self.path("gateway.pid"));
    }

    /// Whether the gateway is told to end: a file `stop` lies here.
    pub(crate) fn is_stopped(&self) -> bool {
        self.path("stop").exists()
    }

    /// What `wanted.json` is like now, without reading it.
    pub(crate) fn wanted_stamp(&self) -> Option<Stamp> {
        let about = std::fs::metadata(self.path("wanted.json")).ok()?;
        Some(Stamp {
            inode: about.ino(),
            bytes: about.len(),
            modified: (about.mtime(), about.mtime_nsec()),
        })
    }

    /// The order.
    pub(crate) fn wanted(&self) -> anyhow::Result<Option<ServeSpec>> {
        self.read("wanted.json")
    }

    /// Gives the order.
    pub(crate) fn write_wanted(&self, order: &ServeSpec) -> anyhow::Result<()> {
        self.write("wanted.json", order)
    }

    /// Where files are kept that were fetched for an order.
    pub(crate) fn fetched_dir(&self) -> PathBuf {
        self.path("fetched")
    }

    /// Whether a release lies in its directory.
    pub(crate) fn is_laid_out(&self, release: &str) -> bool {
        self.release_dir(release).join(FETCHED).exists()
    }

    /// Forgets what was said last.
    pub(crate) fn remove_live(&self) -> anyhow::Result<()> {
        std::fs::remove_file(self.path("live.json")).context("cannot remove live.json")
    }

    /// What was said last.
    pub(crate) fn live(&self) -> anyhow::Result<Option<Live>> {
        self.read("live.json")
    }

    /// Says what is live.
    pub(crate) fn write_live(&self, live: &Live) -> anyhow::Result<()> {
        self.write("live.json", live)
    }

    /// The release that was switched to last.
    pub(crate) fn kept(&self) -> anyhow::Result<Option<Kept>> {
        self.read("kept.json")
    }

    /// Keeps a release for a restart; `None` when nothing is to be started again.
    pub(crate) fn write_kept(&self, kept: Option<&Kept>) -> anyhow::Result<()> {
        match kept {
            Some(kept) => self.write("kept.json", kept),
            None => match std::fs::remove_file(self.path("kept.json")) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    Err(error).context("cannot remove kept.json")
                }
                Ok(()) | Err(_) => Ok(()),
            },
        }
    }

    /// The directory of a release; an id that is no file name is known by its digest.
    pub(crate) fn release_dir(&self, release: &str) -> PathBuf {
        let is_plain = (1..=80).contains(&release.len())
            && !release.starts_with('.')
            && release
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        let name = if is_plain {
            release.to_owned()
        } else {
            Digest::of(release.as_bytes()).hex().to_owned()
        };
        self.path("releases").join(name)
    }

    /// Where each server has a directory of its own.
    pub(crate) fn servers_dir(&self) -> PathBuf {
        self.path("servers")
    }

    /// Where `log.txt` is.
    pub(crate) fn log_path(&self) -> PathBuf {
        self.path("log.txt")
    }

    /// Removes the directories of releases long gone: all but those in `keep` and the newest of the others.
    pub(crate) fn sweep(&self, keep: &[PathBuf]) {
        let Ok(entries) = std::fs::read_dir(self.path("releases")) else {
            return;
        };
        let mut gone: Vec<(std::time::SystemTime, PathBuf)> = entries
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .filter(|path| !keep.contains(path))
            .filter_map(|path| Some((std::fs::metadata(&path).ok()?.modified().ok()?, path)))
            .collect();
        gone.sort();
        gone.truncate(gone.len().saturating_sub(RELEASES_KEPT));
        for (_, path) in gone {
            let _ = std::fs::remove_dir_all(path);
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> anyhow::Result<Option<T>> {
        read(&self.path(name))
    }

    fn write<T: Serialize>(&self, name: &str, document: &T) -> anyhow::Result<()> {
        write(&self.path(name), document)
    }
}

/// Reads a document. `None` when there is none. Errors: it is too large, or not what it should be.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> anyhow::Result<Option<T>> {
    let about = match std::fs::metadata(path) {
        Ok(about) => about,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read `{}`", path.display()));
        }
    };
    ensure!(
        about.len() <= DOCUMENT_BYTES_MAX,
        "`{}` is too large",
        path.display()
    );
    let bytes = std::fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let document = serde_json::from_slice(&bytes)
        .with_context(|| format!("cannot understand `{}`", path.display()))?;
    Ok(Some(document))
}

/// Replaces a document as a whole.
pub(crate) fn write<T: Serialize>(path: &Path, document: &T) -> anyhow::Result<()> {
    let name = path
        .file_name()
        .context("a document has a name")?
        .to_string_lossy();
    let draft = path.with_file_name(format!(".{name}.draft"));
    let bytes =
        serde_json::to_vec(document).with_context(|| format!("cannot write down `{name}`"))?;
    // An order's environment is nobody else's business.
    let opened = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft);
    let written = opened.and_then(|mut file| {
        file.write_all(&bytes)?;
        file.sync_data()
    });
    written
        .and_then(|()| std::fs::rename(&draft, path))
        .with_context(|| format!("cannot write `{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_kept_with_the_other_settings() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(
            dir.path().join("gateway.json"),
            r#"{"listen":"127.0.0.1:0","label":"x"}"#,
        )
        .unwrap();
        let desk = Desk::open(dir.path()).unwrap();
        assert_eq!(desk.listen().unwrap().port(), 0);
        desk.keep_listen(SocketAddr::from(([127, 0, 0, 1], 4711)))
            .unwrap();
        assert_eq!(desk.listen().unwrap().port(), 4711);
        assert!(desk.settings().unwrap().contains_key("label"));
    }

    #[test]
    fn a_second_process_finds_the_directory_taken() {
        let dir = tempfile::tempdir().unwrap();
        let desk = Desk::open(dir.path()).unwrap();
        let lock = desk.lock().unwrap();
        assert!(lock.is_some());
        assert!(desk.lock().unwrap().is_none());
        drop(lock);
        assert!(desk.lock().unwrap().is_some());
    }

    #[test]
    fn a_release_never_leaves_its_directory() {
        let dir = tempfile::tempdir().unwrap();
        let desk = Desk::open(dir.path()).unwrap();
        let releases = desk.dir.join("releases");
        for id in ["r1", "../x", "..", "a/b", "", "sha256:1"] {
            assert_eq!(
                desk.release_dir(id).parent(),
                Some(releases.as_path()),
                "{id}"
            );
        }
    }

    #[test]
    fn old_releases_are_swept() {
        let dir = tempfile::tempdir().unwrap();
        let desk = Desk::open(dir.path()).unwrap();
        let dirs: Vec<PathBuf> = ["a", "b", "c", "d"]
            .iter()
            .map(|id| desk.release_dir(id))
            .collect();
        for path in &dirs {
            std::fs::create_dir_all(path).unwrap();
        }
        desk.sweep(&dirs[..1]);
        assert!(dirs[0].exists());
        assert_eq!(
            dirs[1..].iter().filter(|path| path.exists()).count(),
            RELEASES_KEPT
        );
    }
}
