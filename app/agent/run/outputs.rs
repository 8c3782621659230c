//! What is kept of a run: files under `outputs/`, hashed.
//!
//! Used between steps and after the last, when nothing of the run is alive that could move files about.

use crate::files::{self, Mark};
use bowsprit_core::artifact::{File as Kept, media_type};
use bowsprit_core::name::{Digest, RepoPath};
use sha2::Digest as _;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Largest step summary that is kept. Units: bytes. Source: GitHub, limit of a job summary.
const SUMMARY_BYTES_MAX: u64 = 1 << 20;
/// Most files that are looked at in one directory tree.
pub(super) const WALK_MAX: usize = 1_000_000;

/// A plain `./outputs` in the working directory, as it was before a step.
pub(super) struct Plain {
    dir: PathBuf,
    before: BTreeMap<PathBuf, Mark>,
}

impl Plain {
    /// Remembers what stands there now, which is the repository's.
    pub(super) fn before_step(work: &Path) -> Plain {
        let dir = work.join("outputs");
        let found = list(&dir).unwrap_or_default();
        let before = found
            .into_iter()
            .filter_map(|path| Some((path.clone(), Mark::of(&path)?)))
            .collect();
        Plain { dir, before }
    }

    /// Moves what the step wrote there into its outputs; what stands there already stays. Returns how many were moved.
    pub(super) fn merge(&self, into: &Path, top: &Path) -> io::Result<usize> {
        let mut moved = 0;
        for path in list(&self.dir)? {
            let is_new = Mark::of(&path).is_some_and(|mark| self.before.get(&path) != Some(&mark));
            let Some(relative) = path.strip_prefix(&self.dir).ok().filter(|_| is_new) else {
                continue;
            };
            let target = into.join(relative);
            if fs::symlink_metadata(&target).is_ok() {
                continue;
            }
            let parent = target.parent().unwrap_or(into);
            make_plain_dir(top, parent)?;
            fs::rename(&path, &target)?;
            moved += 1;
        }
        Ok(moved)
    }
}

/// Adds a step's summary to `summary.md` of its outputs.
///
/// `run_dir` is the step's to change below its own directories: no link in it is followed.
pub(super) fn keep_summary(run_dir: &Path, github: &str, outputs: &Path) -> io::Result<()> {
    let mut text = Vec::new();
    files::open_plain(run_dir, &format!("{github}/summary"))?
        .take(SUMMARY_BYTES_MAX)
        .read_to_end(&mut text)?;
    if text.is_empty() {
        return Ok(());
    }
    make_plain_dir(run_dir, outputs)?;
    let flags = nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK;
    let mut file = File::options()
        .create(true)
        .append(true)
        .custom_flags(flags.bits())
        .open(outputs.join("summary.md"))?;
    file.write_all(&text)
}

/// Hashes every file below `dir`. Errors: what cannot be kept, as a phrase.
pub(super) fn collect(dir: &Path, count_max: usize) -> Result<Vec<Kept>, String> {
    let found = files::walk(dir, WALK_MAX)
        .map_err(|error| format!("the outputs cannot be listed: {error}"))?;
    if found.len() > count_max {
        return Err(format!(
            "there are {} files in the outputs, at most {count_max} are kept",
            found.len()
        ));
    }
    let mut kept = Vec::new();
    for file in found {
        let relative = file.path.strip_prefix(dir).unwrap_or(&file.path);
        let name = relative
            .to_str()
            .and_then(|name| RepoPath::parse(name).ok());
        let name =
            name.ok_or_else(|| format!("the output {relative:?} has a name that cannot be kept"))?;
        if !file.is_regular {
            return Err(format!(
                "the output `{name}` is a link or a special file, only regular files are kept"
            ));
        }
        let opened = files::open_plain(dir, name.as_str())
            .map_err(|error| format!("the output `{name}` cannot be read: {error}"))?;
        let (sha256, bytes) =
            hash(opened).map_err(|error| format!("the output `{name}` cannot be read: {error}"))?;
        let media_type = media_type(name.as_str()).to_owned();
        kept.push(Kept {
            path: name,
            sha256,
            bytes,
            media_type,
        });
    }
    kept.sort();
    Ok(kept)
}

/// What the run takes on the disk. Errors: files that cannot be measured. Units: bytes.
pub(super) fn disk_bytes(dir: &Path) -> io::Result<u64> {
    let mut sum = 0;
    for part in ["work", "outputs", "tmp"] {
        sum += files::walk(&dir.join(part), WALK_MAX)?
            .iter()
            .map(|file| file.disk_bytes)
            .sum::<u64>();
    }
    Ok(sum)
}

fn hash(mut file: File) -> io::Result<(Digest, u64)> {
    let mut hash = sha2::Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    let mut bytes = 0;
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        hash.update(&buffer[..count]);
        bytes += count as u64;
    }
    let digest = Digest::parse(&format!("sha256:{}", hex::encode(hash.finalize())))
        .map_err(io::Error::other)?;
    Ok((digest, bytes))
}

/// The regular files below a directory that is no link itself.
fn list(dir: &Path) -> io::Result<Vec<PathBuf>> {
    if !fs::symlink_metadata(dir).is_ok_and(|found| found.is_dir()) {
        return Ok(Vec::new());
    }
    let found = files::walk(dir, WALK_MAX)?;
    Ok(found
        .into_iter()
        .filter(|file| file.is_regular)
        .map(|file| file.path)
        .collect())
}

/// Makes `dir`, below `top`, where no part of it is a link. Errors: one is.
fn make_plain_dir(top: &Path, dir: &Path) -> io::Result<()> {
    let mut path = top.to_path_buf();
    for part in dir
        .strip_prefix(top)
        .map_err(io::Error::other)?
        .components()
    {
        path.push(part);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => {
                return Err(io::Error::new(
                    io::ErrorKind::NotADirectory,
                    "a link or a file stands in the outputs",
                ));
            }
            Err(_) => fs::create_dir(&path)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_regular_files_with_plain_names_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("model")).unwrap();
        fs::write(dir.path().join("model/a.json"), "{}").unwrap();
        let kept = collect(dir.path(), 10).unwrap();
        assert_eq!(kept[0].path.as_str(), "model/a.json");
        assert_eq!(kept[0].sha256, Digest::of(b"{}"));
        assert!(collect(dir.path(), 0).is_err());
        symlink("/etc/passwd", dir.path().join("model/b")).unwrap();
        assert!(collect(dir.path(), 10).unwrap_err().contains("model/b"));
    }

    #[test]
    fn a_merge_takes_new_files_and_no_way_out() {
        let dir = tempfile::tempdir().unwrap();
        let (work, outputs) = (dir.path().join("work"), dir.path().join("outputs"));
        fs::create_dir_all(work.join("outputs")).unwrap();
        fs::create_dir(&outputs).unwrap();
        fs::write(work.join("outputs/old"), "").unwrap();
        let plain = Plain::before_step(&work);
        fs::create_dir(work.join("outputs/model")).unwrap();
        fs::write(work.join("outputs/model/new"), "x").unwrap();
        assert_eq!(plain.merge(&outputs, &outputs).unwrap(), 1);
        assert!(outputs.join("model/new").exists() && !outputs.join("old").exists());
        let elsewhere = tempfile::tempdir().unwrap();
        symlink(elsewhere.path(), outputs.join("live")).unwrap();
        fs::write(work.join("outputs/again"), "x").unwrap();
        assert!(plain.merge(&outputs.join("live"), &outputs).is_err());
    }
}
