//! Bytes known by their digest: models, evidence, anything that a run leaves behind.
//!
//! What is stored under a digest has that digest: bytes are hashed while they are written and put in place whole.
//! Nothing is ever changed or overwritten, and nothing here knows what the bytes mean.
//! Bytes that are stored again are as young as new ones: whoever removes old ones must not take what was just made.

#[cfg(test)]
mod tests;

use anyhow::{Context, bail};
use axum::body::Bytes;
use bowsprit_core::name::Digest;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::{MultipartUpload, ObjectStoreExt, PutPayload};
use sha2::Digest as _;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::io::AsyncReadExt;
use tokio::sync::Mutex;

/// Most that [`Artifacts::read`] gives. Units: bytes.
pub const READ_BYTES_MAX: u64 = 1024 * 1024;
/// What is read from a file at once. Units: bytes.
const PART_BYTES: usize = 1024 * 1024;
/// Where files are while they are written.
const STAGING: &str = "staging";
/// Where files are known by their digest.
const SHA256: &str = "sha256";

/// The store of bytes; clones share it.
#[derive(Clone)]
pub struct Artifacts {
    files: Arc<LocalFileSystem>,
    root: PathBuf,
    /// Held while something comes to its place or is removed.
    places: Arc<Mutex<()>>,
}

/// A file that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its digest.
    pub digest: Digest,
    /// Its size. Units: bytes.
    pub bytes: u64,
    /// When it was last stored. Units: milliseconds since 1970, UTC.
    pub stored_ms: i64,
}

impl Artifacts {
    /// Opens or creates the store below `state_dir`, and removes what was never finished.
    pub fn open(state_dir: &Path) -> anyhow::Result<Artifacts> {
        let root = state_dir.join("artifacts");
        let staging = root.join(STAGING);
        if staging.exists() {
            std::fs::remove_dir_all(&staging).context("cannot remove unfinished artifacts")?;
        }
        std::fs::create_dir_all(&staging)
            .with_context(|| format!("cannot create `{}`", staging.display()))?;
        let files = LocalFileSystem::new_with_prefix(&root)
            .with_context(|| format!("cannot open artifacts in `{}`", root.display()))?;
        Ok(Artifacts {
            files: Arc::new(files.with_fsync(true)),
            root,
            places: Arc::default(),
        })
    }

    /// Stores a file; returns its digest and size. The same bytes twice are stored once.
    pub async fn put_file(&self, path: &Path) -> anyhow::Result<(Digest, u64)> {
        let shown = path.display();
        let mut file = tokio::fs::File::open(path)
            .await
            .with_context(|| format!("cannot open `{shown}`"))?;
        let staged = staged();
        let mut upload = self
            .files
            .put_multipart(&staged)
            .await
            .with_context(|| format!("cannot store `{shown}`"))?;
        match copy(&mut file, upload.as_mut()).await {
            Ok((digest, bytes)) => {
                self.settle(&staged, &digest).await?;
                Ok((digest, bytes))
            }
            Err(error) => {
                if let Err(error) = upload.abort().await {
                    tracing::warn!("cannot remove unfinished artifact of `{shown}`: {error}");
                }
                Err(error.context(format!("cannot store `{shown}`")))
            }
        }
    }

    /// Stores bytes; returns their digest.
    pub async fn put_bytes(&self, bytes: Bytes) -> anyhow::Result<Digest> {
        let digest = Digest::of(&bytes);
        let _held = self.places.lock().await;
        if !self.renew(&digest)? {
            self.files
                .put(&key(&digest), PutPayload::from(bytes))
                .await
                .with_context(|| format!("cannot store artifact `{digest}`"))?;
        }
        Ok(digest)
    }

    /// Whether bytes of this digest are stored.
    pub async fn has(&self, digest: &Digest) -> anyhow::Result<bool> {
        match self.files.head(&key(digest)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error).with_context(|| format!("cannot find artifact `{digest}`")),
        }
    }

    /// The bytes, hashed again. Errors: there are none, they are larger than `max` or [`READ_BYTES_MAX`], or damaged.
    pub async fn read(&self, digest: &Digest, max: u64) -> anyhow::Result<Bytes> {
        let found = self
            .files
            .get(&key(digest))
            .await
            .with_context(|| format!("cannot open artifact `{digest}`"))?;
        let (size, max) = (found.meta.size, max.min(READ_BYTES_MAX));
        if size > max {
            bail!("artifact `{digest}` has {size} bytes, {max} may be read at once");
        }
        let bytes = found
            .bytes()
            .await
            .with_context(|| format!("cannot read artifact `{digest}`"))?;
        if Digest::of(&bytes) != *digest {
            bail!("artifact `{digest}` is damaged");
        }
        Ok(bytes)
    }

    /// The size and the bytes in parts, not hashed again: whoever uses them does that.
    pub async fn open_stream(
        &self,
        digest: &Digest,
    ) -> anyhow::Result<(u64, BoxStream<'static, anyhow::Result<Bytes>>)> {
        let found = self
            .files
            .get(&key(digest))
            .await
            .with_context(|| format!("cannot open artifact `{digest}`"))?;
        let size = found.meta.size;
        let parts = found.into_stream();
        let parts = parts.map(|part| part.context("cannot read artifact"));
        Ok((size, parts.boxed()))
    }

    /// Where the bytes are on this machine. They must not be changed.
    pub fn path_of(&self, digest: &Digest) -> anyhow::Result<PathBuf> {
        self.files
            .path_to_filesystem(&key(digest))
            .with_context(|| format!("cannot name the file of artifact `{digest}`"))
    }

    /// The address that manifests carry: it says what the bytes are, and nothing about this machine.
    pub fn uri(&self, digest: &Digest) -> String {
        format!("artifact:sha256/{}", digest.hex())
    }

    /// Every file that is stored.
    pub async fn list(&self) -> anyhow::Result<Vec<Stored>> {
        let dir = self.root.join(SHA256);
        let listed = tokio::task::spawn_blocking(move || list(&dir)).await;
        listed.context("cannot list artifacts")?
    }

    /// Removes bytes that were last stored before this. `false`: there are none, or they were stored again since.
    pub async fn remove(&self, digest: &Digest, before_ms: i64) -> anyhow::Result<bool> {
        let _held = self.places.lock().await;
        let path = self.path_of(digest)?;
        let about = || format!("cannot remove artifact `{digest}`");
        let found = match std::fs::metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            found => found.with_context(about)?,
        };
        if stored_ms(&found)? >= before_ms {
            return Ok(false);
        }
        self.files.delete(&key(digest)).await.with_context(about)?;
        Ok(true)
    }

    async fn settle(&self, staged: &Key, digest: &Digest) -> anyhow::Result<()> {
        let _held = self.places.lock().await;
        let moved = match self.renew(digest)? {
            true => self.files.delete(staged).await,
            false => self.files.rename(staged, &key(digest)).await,
        };
        moved.with_context(|| format!("cannot put artifact `{digest}` in its place"))
    }

    /// Notes that the bytes were stored again now; `false` where there are none.
    fn renew(&self, digest: &Digest) -> anyhow::Result<bool> {
        let about = || format!("cannot note that artifact `{digest}` was stored again");
        match std::fs::File::open(self.path_of(digest)?) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            opened => {
                let file = opened.with_context(about)?;
                file.set_modified(SystemTime::now()).with_context(about)?;
                Ok(true)
            }
        }
    }
}

fn list(dir: &Path) -> anyhow::Result<Vec<Stored>> {
    let mut found = Vec::new();
    if !dir.exists() {
        return Ok(found);
    }
    for first in std::fs::read_dir(dir)? {
        let first = first?;
        for rest in std::fs::read_dir(first.path())? {
            let rest = rest?;
            let (head, tail) = (first.file_name(), rest.file_name());
            let hex = format!("{}{}", head.display(), tail.display());
            // What is called otherwise is none of ours.
            let Ok(digest) = Digest::parse(&format!("sha256:{hex}")) else {
                continue;
            };
            let about = rest.metadata()?;
            found.push(Stored {
                digest,
                bytes: about.len(),
                stored_ms: stored_ms(&about)?,
            });
        }
    }
    Ok(found)
}

fn stored_ms(about: &std::fs::Metadata) -> anyhow::Result<i64> {
    let since = about.modified()?.duration_since(SystemTime::UNIX_EPOCH);
    // A clock that stood before 1970 makes it very old, which its digest's being named outweighs.
    let since: Duration = since.unwrap_or_default();
    Ok(i64::try_from(since.as_millis())?)
}

async fn copy(
    file: &mut tokio::fs::File,
    upload: &mut dyn MultipartUpload,
) -> anyhow::Result<(Digest, u64)> {
    let mut hash = sha2::Sha256::new();
    let mut bytes = 0;
    loop {
        let mut part = Vec::with_capacity(PART_BYTES);
        let limit = PART_BYTES as u64;
        let read = (&mut *file).take(limit).read_to_end(&mut part).await?;
        if read == 0 {
            break;
        }
        hash.update(&part);
        bytes += read as u64;
        upload.put_part(PutPayload::from(part)).await?;
    }
    upload.complete().await?;
    let digest = Digest::parse(&format!("sha256:{}", hex::encode(hash.finalize())))?;
    Ok((digest, bytes))
}

fn staged() -> Key {
    Key::from_iter([STAGING, &uuid::Uuid::new_v4().to_string()])
}

fn key(digest: &Digest) -> Key {
    let hex = digest.hex();
    let (first, rest) = hex.split_at(2);
    Key::from_iter([SHA256, first, rest])
}
