//! What of a commit a cargo build reads: manifests, locks, Rust sources, and whatever lies in a `src` folder.
//!
//! Nothing else is laid out for it, so that these files alone say whether a build is the same: data that change with each
//! commit make no new software.

use super::super::failure;
use super::super::shelf::unwritable;
use crate::files;
use bowsprit_core::name::{Digest, RepoPath};
use bowsprit_core::training::spec::{Failure, FailureKind};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Most files of a snapshot that are looked at.
const FILES_MAX: usize = 100_000;
/// Most bytes of one input, and of all. Units: bytes.
const BYTES_MAX: u64 = 256 << 20;
/// What stands in for every source while the crates of others are built.
const STUB: &str = "#![allow(warnings)]\npub fn main() {}\n";

/// The inputs of a build, sorted by path.
#[derive(Debug)]
pub(super) struct Inputs {
    files: Vec<Input>,
}

#[derive(Debug)]
struct Input {
    path: String,
    bytes: Vec<u8>,
}

/// How much of the inputs is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// All.
    Whole,
    /// Manifests and locks, which alone say what the crates of others are; sources are stubs.
    Crates,
}

impl Inputs {
    /// Reads them. Errors: more than may be read (`Install`), a file that cannot be read (`Agent`).
    pub(super) fn gather(snapshot: &Path) -> Result<Inputs, Failure> {
        let broken = |error: std::io::Error| {
            let text = format!("cannot read the workspace: {error}");
            failure(FailureKind::Agent, text)
        };
        let (mut files, mut left) = (Vec::new(), BYTES_MAX);
        for found in files::walk(snapshot, FILES_MAX).map_err(broken)? {
            let path = found.path.strip_prefix(snapshot).unwrap_or(&found.path);
            let Some(path) = path
                .to_str()
                .filter(|path| found.is_regular && is_input(path))
            else {
                continue;
            };
            let file = files::open_plain(snapshot, path).map_err(broken)?;
            let bytes = files::read_capped(file, left).map_err(|_| {
                let most = BYTES_MAX >> 20;
                failure(
                    FailureKind::Install,
                    format!("the files that cargo may read are more than {most} MiB; keep data out of `src`"),
                )
            })?;
            left -= bytes.len() as u64;
            files.push(Input {
                path: path.to_owned(),
                bytes,
            });
        }
        files.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(Inputs { files })
    }

    /// Every manifest with its path. Errors: one that is not UTF-8, or has no proper name (`Install`).
    pub(super) fn manifests(&self) -> Result<Vec<(RepoPath, &str)>, Failure> {
        let named = self.files.iter();
        let named = named.filter(|file| name_of(&file.path) == "Cargo.toml");
        named
            .map(|file| {
                let told = |why: String| failure(FailureKind::Install, why);
                let path = RepoPath::parse(&file.path).map_err(|error| told(error.to_string()))?;
                let text = std::str::from_utf8(&file.bytes)
                    .map_err(|_| told(format!("{path} is not UTF-8 text")))?;
                Ok((path, text))
            })
            .collect()
    }

    /// Names of the packages that they are. Errors: as of [`Inputs::manifests`].
    pub(super) fn packages(&self) -> Result<BTreeSet<String>, Failure> {
        let manifests = self.manifests()?;
        let named = manifests.iter().filter_map(|(_, text)| {
            let manifest: toml::Table = toml::from_str(text).ok()?;
            Some(manifest.get("package")?.get("name")?.as_str()?.to_owned())
        });
        Ok(named.collect())
    }

    /// What they are, in a digest.
    pub(super) fn digest(&self, part: Part) -> Digest {
        let mut text = String::new();
        for file in self.files.iter() {
            if part == Part::Whole || is_manifest(&file.path) {
                let digest = Digest::of(&file.bytes);
                text.push_str(&format!("{digest} {:?}\n", file.path));
            } else if is_source(&file.path) {
                // That a target is there matters, not what it says.
                text.push_str(&format!("stub {:?}\n", file.path));
            }
        }
        Digest::of(text.as_bytes())
    }

    /// Writes them below `dir`. Errors: `Agent`.
    pub(super) fn lay_out(&self, dir: &Path, part: Part) -> Result<(), Failure> {
        for file in &self.files {
            let bytes = match part {
                Part::Crates if is_source(&file.path) => STUB.as_bytes(),
                Part::Crates if !is_manifest(&file.path) => continue,
                Part::Crates | Part::Whole => &file.bytes,
            };
            let path = dir.join(&file.path);
            if let Some(above) = path.parent() {
                fs::create_dir_all(above).map_err(unwritable)?;
            }
            fs::write(path, bytes).map_err(unwritable)?;
        }
        Ok(())
    }
}

fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn is_manifest(path: &str) -> bool {
    matches!(name_of(path), "Cargo.toml" | "Cargo.lock")
}

fn is_source(path: &str) -> bool {
    path.ends_with(".rs")
}

fn is_input(path: &str) -> bool {
    let (folders, _) = path.rsplit_once('/').unwrap_or(("", path));
    let mut folders = folders.split('/');
    let is_output = folders.clone().any(|folder| folder == "target");
    let is_below_src = folders.any(|folder| folder == "src");
    !is_output && (is_manifest(path) || is_source(path) || is_below_src)
}

/// Copies regular files with their times, by which cargo knows what is fresh; links, pipes and devices are left out.
///
/// Errors: `Agent`.
pub(super) fn copy_tree(from: &Path, to: &Path) -> Result<(), Failure> {
    for found in files::walk(from, FILES_MAX).map_err(unwritable)? {
        let Ok(path) = found.path.strip_prefix(from) else {
            continue;
        };
        if found.is_regular {
            copy(&found.path, &to.join(path)).map_err(unwritable)?;
        }
    }
    Ok(())
}

fn copy(from: &PathBuf, to: &Path) -> std::io::Result<()> {
    if let Some(above) = to.parent() {
        fs::create_dir_all(above)?;
    }
    fs::copy(from, to)?;
    let modified = fs::symlink_metadata(from)?.modified()?;
    fs::File::options()
        .append(true)
        .open(to)?
        .set_modified(modified)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_reads_is_told_from_data() {
        for (path, is) in [
            ("Cargo.toml", true),
            ("engine/Cargo.lock", true),
            ("build.rs", true),
            ("src/words.txt", true),
            ("engine/src/bin/train.rs", true),
            ("holdout/test.csv", false),
            ("README.md", false),
            ("src", false),
            ("target/debug/build/out.rs", false),
            ("engine/target/x.rs", false),
            (".cargo/config.toml", false),
            ("rust-toolchain.toml", false),
        ] {
            assert_eq!(is_input(path), is, "{path}");
        }
    }

    #[test]
    fn data_and_bodies_of_sources_leave_the_crates_as_they_are() {
        let digests = |files: &[(&str, &str)]| {
            let dir = tempfile::tempdir().unwrap();
            for (path, text) in files {
                let path = dir.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            let inputs = Inputs::gather(dir.path()).unwrap();
            (inputs.digest(Part::Whole), inputs.digest(Part::Crates))
        };
        let manifest = ("Cargo.toml", "[package]");
        let (whole, crates) = digests(&[manifest, ("src/main.rs", "fn main() {}")]);
        let data = digests(&[manifest, ("src/main.rs", "fn main() {}"), ("a.csv", "1")]);
        assert_eq!(data, (whole.clone(), crates.clone()));
        let body = digests(&[manifest, ("src/main.rs", "fn main() { }")]);
        assert_ne!(body.0, whole);
        assert_eq!(body.1, crates);
        let target = digests(&[manifest, ("src/bin/train.rs", "fn main() {}")]);
        assert_ne!(target.1, crates);
    }
}
