//! Fetching what a stage works on: the snapshot and the models, checked against their digests.
//!
//! An archive is foreign: it may name a way out of its directory, a device, a link, or more than the disk holds. Nothing
//! is kept of an archive that is refused.

use bowsprit_core::name::{Digest, RepoPath};
use bowsprit_core::training::spec::{Failure, FailureKind, Limits, ModelInput, Source};
use sha2::Digest as _;
use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Component, Path, PathBuf};
use tar::{Archive, Entry, EntryType};

/// Most entries of a snapshot.
pub const ENTRIES_MAX: usize = 100_000;

/// Unpacks the snapshot into the empty directory `into`.
///
/// Errors: `Corrupt` for other bytes than promised or a hostile archive, `DiskQuota`, `Agent`.
pub fn unpack(source: &Source, into: &Path, limits: &Limits) -> Result<(), Failure> {
    let mut reader = Hashing {
        inner: open(source, "snapshot")?,
        hash: sha2::Sha256::new(),
    };
    let refused = |error: Refused| match error {
        Refused::TooLarge => failure(
            FailureKind::DiskQuota,
            format!(
                "the snapshot unpacks to more than {} MiB",
                limits.disk_bytes >> 20
            ),
        ),
        Refused::Hostile(what) => failure(
            FailureKind::Corrupt,
            format!("the snapshot is refused: {what}"),
        ),
        Refused::Io(error) => failure(
            FailureKind::Agent,
            format!("cannot unpack the snapshot: {error}"),
        ),
    };
    // The order stays: the rest of the file counts for the digest too, whatever tar made of the front.
    let unpacked = entries(&mut reader, into, limits.disk_bytes);
    let found = reader
        .finish()
        .map_err(|error| refused(Refused::Io(error)))?;
    if found != source.sha256 {
        return Err(failure(
            FailureKind::Corrupt,
            format!(
                "the snapshot has digest {} instead of {}",
                found.short(),
                source.sha256.short()
            ),
        ));
    }
    unpacked.map_err(refused)
}

/// Lays out the models, read-only, as `into/<name>/<path>`. Errors: `Corrupt` naming the file, `Agent`.
pub fn lay_out_models(models: &[ModelInput], into: &Path) -> Result<(), Failure> {
    for model in models {
        if RepoPath::parse(&model.name).is_err() || model.name.contains('/') {
            return Err(failure(
                FailureKind::Agent,
                format!("`{}` is not a model's name", model.name),
            ));
        }
        if model.files.len() != model.sources.len() {
            return Err(failure(
                FailureKind::Agent,
                format!("model `{}` has files without a source", model.name),
            ));
        }
        let directory = into.join(&model.name);
        fs::create_dir_all(&directory).map_err(|error| unwritable(&model.name, &error))?;
        for (file, source) in model.files.iter().zip(&model.sources) {
            let name = format!("model `{}`, file `{}`", model.name, file.path);
            let target = directory.join(file.path.as_str());
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent).map_err(|error| unwritable(&name, &error))?;
            }
            let mut reader = Hashing {
                inner: open(source, &name)?,
                hash: sha2::Sha256::new(),
            };
            let written = copy(&mut reader, &target).map_err(|error| unwritable(&name, &error))?;
            let found = reader.finish().map_err(|error| unwritable(&name, &error))?;
            if found != file.sha256 || written != file.bytes {
                return Err(failure(
                    FailureKind::Corrupt,
                    format!(
                        "{name} has digest {} instead of {}",
                        found.short(),
                        file.sha256.short()
                    ),
                ));
            }
        }
    }
    Ok(())
}

enum Refused {
    TooLarge,
    Hostile(String),
    Io(io::Error),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Refused {
        Refused::Io(error)
    }
}

fn entries(reader: &mut Hashing, into: &Path, disk_bytes: u64) -> Result<(), Refused> {
    let mut archive = Archive::new(reader);
    let (mut bytes, mut count) = (0u64, 0usize);
    let damaged = |error: io::Error| Refused::Hostile(format!("it is damaged: {error}"));
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        count += 1;
        bytes = bytes.saturating_add(entry.size());
        if count > ENTRIES_MAX {
            return Err(Refused::Hostile(format!(
                "it has more than {ENTRIES_MAX} entries"
            )));
        }
        if bytes > disk_bytes {
            return Err(Refused::TooLarge);
        }
        let path = entry.path().map_err(damaged)?.into_owned();
        let target = target(into, &path)?;
        if let Some(target) = target {
            place(&mut entry, into, &path, &target)?;
        }
    }
    Ok(())
}

/// Where an entry goes; `None` for the directory itself. Errors: a name that leads out, or through a link.
fn target(into: &Path, path: &Path) -> Result<Option<PathBuf>, Refused> {
    let hostile = |why: &str| Refused::Hostile(format!("`{}` {why}", path.display()));
    let mut target = into.to_path_buf();
    for part in path.components() {
        match part {
            Component::Normal(name) => {
                // Whatever stands there already was unpacked by us: a link must not be followed.
                if fs::symlink_metadata(&target).is_ok_and(|found| found.is_symlink()) {
                    return Err(hostile("goes through a link"));
                }
                target.push(name);
            }
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::ParentDir => {
                return Err(hostile("leads out of the snapshot"));
            }
        }
    }
    Ok((target != into).then_some(target))
}

fn place(
    entry: &mut Entry<'_, &mut Hashing>,
    into: &Path,
    path: &Path,
    target: &Path,
) -> Result<(), Refused> {
    let hostile = |why: &str| Refused::Hostile(format!("`{}` {why}", path.display()));
    let kind = entry.header().entry_type();
    if kind == EntryType::XGlobalHeader {
        // Git writes the commit's id there.
        return Ok(());
    }
    if kind == EntryType::Directory {
        return Ok(fs::create_dir_all(target)?);
    }
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    let found = fs::symlink_metadata(target);
    if found.is_ok() {
        return Err(hostile("stands there twice"));
    }
    match kind {
        EntryType::Regular | EntryType::Continuous => {
            let executable = entry.header().mode().is_ok_and(|mode| mode & 0o100 != 0);
            let mode = if executable { 0o755 } else { 0o644 };
            let mut file = File::options()
                .write(true)
                .create_new(true)
                .mode(mode)
                .open(target)?;
            io::copy(entry, &mut file)?;
            Ok(())
        }
        EntryType::Symlink => {
            let link = entry
                .link_name()?
                .ok_or_else(|| hostile("is a link to nothing"))?;
            let depth = target
                .strip_prefix(into)
                .map_or(0, |inner| inner.components().count() - 1);
            if leads_out(&link, depth) {
                return Err(hostile("is a link that leads out of the snapshot"));
            }
            Ok(symlink(link, target)?)
        }
        _ => Err(hostile(
            "is neither a file, a directory nor a symbolic link",
        )),
    }
}

/// Whether a link that stands `depth` directories deep may lead out: `..` is taken at its front only, and counted.
fn leads_out(link: &Path, depth: usize) -> bool {
    let (mut up, mut down) = (0, false);
    for part in link.components() {
        match part {
            Component::ParentDir if !down => up += 1,
            Component::ParentDir | Component::Prefix(_) | Component::RootDir => return true,
            Component::Normal(_) => down = true,
            Component::CurDir => {}
        }
    }
    up > depth
}

fn copy(reader: &mut Hashing, target: &Path) -> io::Result<u64> {
    let mut file = File::options().write(true).create_new(true).open(target)?;
    let written = io::copy(reader, &mut file)?;
    file.flush()?;
    file.set_permissions(fs::Permissions::from_mode(0o444))?;
    Ok(written)
}

fn open(source: &Source, name: &str) -> Result<File, Failure> {
    let path = Path::new(&source.uri);
    if !path.is_absolute() {
        return Err(failure(
            FailureKind::Agent,
            format!(
                "{name} cannot be fetched from `{}`: only absolute paths are supported so far",
                cut(&source.uri)
            ),
        ));
    }
    File::open(path).map_err(|error| {
        failure(
            FailureKind::MissingFile,
            format!("{name} cannot be opened: {error}"),
        )
    })
}

/// Hashes what passes through.
struct Hashing {
    inner: File,
    hash: sha2::Sha256,
}

impl Read for Hashing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}

impl Hashing {
    /// Reads the rest; the digest of everything.
    fn finish(mut self) -> io::Result<Digest> {
        io::copy(&mut self, &mut io::sink())?;
        let text = format!("sha256:{}", hex::encode(self.hash.finalize()));
        Digest::parse(&text).map_err(io::Error::other)
    }
}

fn unwritable(name: &str, error: &io::Error) -> Failure {
    failure(
        FailureKind::Agent,
        format!("cannot lay out {name}: {error}"),
    )
}

/// An address without what may be secret in it.
fn cut(uri: &str) -> String {
    uri.split(['?', '#'])
        .next()
        .unwrap_or(uri)
        .chars()
        .take(120)
        .collect()
}

fn failure(kind: FailureKind, message: String) -> Failure {
    Failure {
        kind,
        step: "prepare".to_owned(),
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_may_stay_inside_only() {
        for (link, depth, out) in [
            ("a", 0, false),
            ("../a", 1, false),
            ("../a", 0, true),
            ("a/../b", 3, true),
            ("/etc", 3, true),
            ("./a", 0, false),
            ("../../x", 1, true),
        ] {
            assert_eq!(leads_out(Path::new(link), depth), out, "{link} at {depth}");
        }
    }
}
