//! What a build is given: one archive with its texts, its lock, its code and its models.

use anyhow::Context as _;
use bowsprit_core::image::containerfile::{
    CODE_FILE, FIRST_FILE, IMAGE_FILE, LOCK_FILE, MODELS_DIR, TEST_FILE, Texts,
};
use bowsprit_core::name::{Digest, RepoPath};
use bowsprit_core::training::spec::ModelInput;
use sha2::Digest as _;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// Largest text that is read out of a snapshot. Units: bytes.
const TEXT_BYTES_MAX: u64 = 4 << 20;

/// What goes into the archive.
#[derive(Debug, Clone)]
pub(super) struct Parts {
    /// The texts to build from.
    pub(super) texts: Texts,
    /// The repository's own Dockerfile.
    pub(super) first: Option<String>,
    /// The lock file.
    pub(super) lock: Option<String>,
    /// The snapshot, an archive itself.
    pub(super) code: Option<PathBuf>,
    /// The models.
    pub(super) models: Vec<ModelInput>,
}

/// A text of a snapshot. Errors: a phrase that says what is wrong with it.
pub(super) fn text_of(snapshot: &Path, path: &RepoPath) -> anyhow::Result<Result<String, String>> {
    let file = File::open(snapshot).context("cannot open the snapshot")?;
    let mut archive = tar::Archive::new(file);
    for entry in archive.entries().context("cannot read the snapshot")? {
        let entry = entry.context("cannot read the snapshot")?;
        if entry.path_bytes().as_ref() != path.as_str().as_bytes() {
            continue;
        }
        if !entry.header().entry_type().is_file() {
            return Ok(Err(format!("`{path}` is no plain file")));
        }
        if entry.size() > TEXT_BYTES_MAX {
            return Ok(Err(format!(
                "`{path}` has more than {TEXT_BYTES_MAX} bytes"
            )));
        }
        let mut bytes = Vec::new();
        entry
            .take(TEXT_BYTES_MAX)
            .read_to_end(&mut bytes)
            .context("cannot read the snapshot")?;
        return Ok(String::from_utf8(bytes).map_err(|_| format!("`{path}` is not UTF-8 text")));
    }
    Ok(Err(format!(
        "there is no file `{path}` in the commit; the contract's `runtime` names it"
    )))
}

/// Writes the archive; its digest. The same parts make the same bytes.
pub(super) fn write(parts: &Parts, out: &Path) -> anyhow::Result<Digest> {
    let file = File::create(out).with_context(|| format!("cannot write `{}`", out.display()))?;
    let hashing = Hashing {
        inner: BufWriter::new(file),
        hash: sha2::Sha256::new(),
    };
    let mut archive = tar::Builder::new(hashing);
    let texts = [
        (IMAGE_FILE, Some(&parts.texts.image)),
        (TEST_FILE, parts.texts.test.as_ref()),
        (FIRST_FILE, parts.first.as_ref()),
        (LOCK_FILE, parts.lock.as_ref()),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            append(&mut archive, name, text.len() as u64, text.as_bytes())?;
        }
    }
    if let Some(code) = &parts.code {
        append_file(&mut archive, CODE_FILE, code)?;
    }
    for model in &parts.models {
        for (file, source) in model.files.iter().zip(&model.sources) {
            let name = format!("{MODELS_DIR}/{}/{}", model.name, file.path);
            append_file(&mut archive, &name, Path::new(&source.uri))?;
        }
    }
    let hashing = archive
        .into_inner()
        .context("cannot write the build's context")?;
    hashing.finish().context("cannot write the build's context")
}

fn append_file(archive: &mut tar::Builder<Hashing>, name: &str, path: &Path) -> anyhow::Result<()> {
    let file = File::open(path).with_context(|| format!("cannot open `{}`", path.display()))?;
    let bytes = file
        .metadata()
        .context("cannot read the build's parts")?
        .len();
    append(archive, name, bytes, file.take(bytes))
}

fn append(
    archive: &mut tar::Builder<Hashing>,
    name: &str,
    bytes: u64,
    from: impl Read,
) -> anyhow::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes);
    header.set_mode(0o644);
    header.set_mtime(0);
    archive
        .append_data(&mut header, name, from)
        .with_context(|| format!("cannot put `{name}` into the build's context"))
}

/// Hashes what it writes.
struct Hashing {
    inner: BufWriter<File>,
    hash: sha2::Sha256,
}

impl Hashing {
    fn finish(mut self) -> anyhow::Result<Digest> {
        self.inner.flush()?;
        self.inner.get_ref().sync_all()?;
        let digest = format!("sha256:{}", hex::encode(self.hash.finalize()));
        Ok(Digest::parse(&digest)?)
    }
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hash.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(dir: &Path) -> PathBuf {
        let path = dir.join("snapshot.tar");
        let mut archive = tar::Builder::new(File::create(&path).unwrap());
        let mut add = |name: &str, bytes: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, name, bytes).unwrap();
        };
        add("requirements.lock", b"numpy==2.1.0\n");
        add("binary", &[0xff, 0xfe]);
        let mut link = tar::Header::new_gnu();
        link.set_entry_type(tar::EntryType::Symlink);
        link.set_size(0);
        archive
            .append_link(&mut link, "link", "/etc/passwd")
            .unwrap();
        archive.finish().unwrap();
        path
    }

    #[test]
    fn a_text_of_a_snapshot_is_a_plain_file_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let snapshot = snapshot(dir.path());
        let read = |path: &str| text_of(&snapshot, &RepoPath::parse(path).unwrap()).unwrap();
        assert_eq!(read("requirements.lock").as_deref(), Ok("numpy==2.1.0\n"));
        assert!(read("other").unwrap_err().contains("there is no file"));
        assert!(read("link").unwrap_err().contains("no plain file"));
        assert!(read("binary").unwrap_err().contains("UTF-8"));
    }

    #[test]
    fn the_same_parts_make_the_same_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let parts = Parts {
            texts: Texts {
                image: "FROM x\n".to_owned(),
                test: None,
            },
            first: None,
            lock: Some("numpy==2.1.0\n".to_owned()),
            code: Some(snapshot(dir.path())),
            models: Vec::new(),
        };
        let (one, two) = (dir.path().join("1"), dir.path().join("2"));
        let digest = write(&parts, &one).unwrap();
        assert_eq!(write(&parts, &two).unwrap(), digest);
        assert_eq!(Digest::of(&std::fs::read(&one).unwrap()), digest);
        let mut archive = tar::Archive::new(File::open(&one).unwrap());
        let names: Vec<String> = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(names, ["Containerfile", "requirements.lock", "code.tar"]);
    }
}
