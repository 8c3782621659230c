//! Packs of others: fetched by git into a cache, and read from there without being checked out.

use super::File;
use crate::cli::git::{git, git_bytes, git_whole};
use crate::files::bytes_below;
use anyhow::{Context as _, anyhow, bail};
use bowsprit_core::catalogue::{
    Blob, PACK_FILE, PACK_FILE_BYTES_MAX, Pack, PackSource, Pin, packs_in,
};
use bowsprit_core::name::{CommitSha, Digest};
use bowsprit_core::text::clean_line;
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A fetch may take this long.
const FETCH_MAX: Duration = Duration::from_secs(300);
/// Bytes that a fetch may bring.
const FETCH_BYTES_MAX: u64 = 256 << 20;
/// How often the cache is looked at while a fetch fills it.
const LOOK: Duration = Duration::from_millis(200);
/// Bytes of a tree's listing: a few objects can name endlessly many files.
const LISTING_BYTES_MAX: u64 = 4 << 20;
/// The cache is named, for a person may have git work in no bare repository that it finds by itself.
const HERE: &str = "--git-dir=.";
/// What git may do in the cache: fetch whole and sound objects, by these ways alone.
const CONFIG: [(&str, &str); 7] = [
    ("transfer.fsckObjects", "true"),
    ("gc.auto", "0"),
    ("protocol.allow", "never"),
    ("protocol.https.allow", "always"),
    ("protocol.http.allow", "always"),
    ("protocol.ssh.allow", "always"),
    ("protocol.file.allow", "always"),
];

/// The packs of a source at one commit.
pub(crate) struct Tree {
    pub(crate) pin: Pin,
    dir: PathBuf,
    packs: Vec<(Pack, Vec<Blob>)>,
}

impl Tree {
    /// A source at the commit that it is held at, else at what it has now.
    ///
    /// Errors: it cannot be fetched, or something of it is refused.
    pub(crate) async fn open(
        source: &PackSource,
        held: Option<&CommitSha>,
    ) -> anyhow::Result<Tree> {
        let dir = cache(source).await?;
        let commit = match held {
            Some(commit) => {
                if !is_there(&dir, commit).await {
                    fetched(&dir, source, commit.as_str()).await.with_context(|| {
                        format!(
                            "{source} does not give {} any more, at which it is held; --update takes what it has now",
                            commit.short()
                        )
                    })?;
                }
                commit.clone()
            }
            None => {
                let at = source.at.as_ref().map_or("HEAD", |at| at.as_str());
                fetched(&dir, source, at).await?
            }
        };
        let packs = packs(&dir, &commit)
            .await
            .with_context(|| format!("cannot take the packs of {source} at {}", commit.short()))?;
        let source = source.clone();
        let pin = Pin { source, commit };
        Ok(Tree { pin, dir, packs })
    }

    /// Its packs.
    pub(crate) fn packs(&self) -> impl Iterator<Item = &Pack> {
        self.packs.iter().map(|(pack, _)| pack)
    }

    /// The files that a pack brings. Errors: git failed.
    pub(crate) async fn files(&self, name: &str) -> anyhow::Result<Vec<File>> {
        let pack = self.packs.iter().find(|(pack, _)| pack.name == name);
        let (_, blobs) = pack.with_context(|| format!("{} has no {name}", self.pin.source))?;
        let mut files = Vec::new();
        for blob in blobs.iter().filter(|blob| blob.path.as_str() != PACK_FILE) {
            let bytes = bytes(&self.dir, &blob.id).await?;
            files.push((blob.path.to_string(), Cow::Owned(bytes)));
        }
        Ok(files)
    }
}

/// The source's own bare repository, made if need be. Errors: it cannot be made.
async fn cache(source: &PackSource) -> anyhow::Result<PathBuf> {
    let name = Digest::of(source.url.as_bytes());
    let name = name.as_str().trim_start_matches("sha256:");
    let dir = crate::files::of_user("XDG_CACHE_HOME", ".cache")
        .context("neither XDG_CACHE_HOME nor HOME is set")?
        .join("bowsprit/packs")
        .join(name);
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let init = ["init", "-q", "--bare", "--object-format=sha1"];
    git(&dir, &init, None).await?;
    for (key, value) in CONFIG {
        git(&dir, &[HERE, "config", key, value], None).await?;
    }
    Ok(dir)
}

async fn is_there(dir: &Path, commit: &CommitSha) -> bool {
    let object = format!("{commit}^{{commit}}");
    git(dir, &[HERE, "cat-file", "-e", &object], None)
        .await
        .is_ok()
}

/// Fetches a branch, tag or commit; says the commit. Errors: git failed, or too much came.
async fn fetched(dir: &Path, source: &PackSource, at: &str) -> anyhow::Result<CommitSha> {
    let before = bytes_below(dir.to_owned());
    // A name of its own: another call may fetch into the same cache.
    let spot = format!("refs/incoming/{}", uuid::Uuid::new_v4().simple());
    let what = format!("+{at}:{spot}");
    let words = [
        HERE,
        "fetch",
        "-q",
        "--depth",
        "1",
        "--no-tags",
        "--no-recurse-submodules",
        "--",
        &source.url,
        &what,
    ];
    let fetch = git_whole(dir, &words);
    let watched = async {
        loop {
            tokio::time::sleep(LOOK).await;
            if bytes_below(dir.to_owned()).saturating_sub(before) > FETCH_BYTES_MAX {
                return;
            }
        }
    };
    let fetched = tokio::select! {
        fetched = tokio::time::timeout(FETCH_MAX, fetch) => {
            fetched.unwrap_or_else(|_| Err(anyhow!("it takes longer than {} s", FETCH_MAX.as_secs())))
        }
        () = watched => {
            let _ = std::fs::remove_dir_all(dir);
            Err(anyhow!("it is larger than {} MiB", FETCH_BYTES_MAX >> 20))
        }
    };
    fetched.with_context(|| format!("cannot fetch {source}"))?;
    let head = git(
        dir,
        &[HERE, "rev-parse", &format!("{spot}^{{commit}}")],
        None,
    )
    .await;
    let head = head.with_context(|| format!("{source} is no commit"))?;
    let commit = CommitSha::parse(&head)?;
    // Nothing that a lock may name is ever collected.
    let kept = format!("refs/packs/{commit}");
    git(dir, &[HERE, "update-ref", &kept, commit.as_str()], None).await?;
    git(dir, &[HERE, "update-ref", "-d", &spot], None).await?;
    Ok(commit)
}

async fn packs(dir: &Path, commit: &CommitSha) -> anyhow::Result<Vec<(Pack, Vec<Blob>)>> {
    let words = [
        HERE,
        "ls-tree",
        "-r",
        "-l",
        "-z",
        "--full-tree",
        commit.as_str(),
    ];
    let listing = git_bytes(dir, &words, LISTING_BYTES_MAX).await?;
    let listing = String::from_utf8(listing).context("it has names that are not UTF-8")?;
    let mut found: Vec<(Pack, Vec<Blob>)> = Vec::new();
    for (folder, blobs) in packs_in(&listing).map_err(|error| anyhow!(clean_line(&error)))? {
        let folder = clean_line(&folder);
        let card = blobs.iter().find(|blob| blob.path.as_str() == PACK_FILE);
        let card = card.with_context(|| format!("`{folder}` has no {PACK_FILE}"))?;
        let text = String::from_utf8(bytes(dir, &card.id).await?)
            .with_context(|| format!("{PACK_FILE} of `{folder}` is not UTF-8"))?;
        let pack = Pack::parse(&text).map_err(|error| anyhow!("`{folder}`: {error}"))?;
        if found.iter().any(|(known, _)| known.name == pack.name) {
            bail!("it has two packs `{}`", pack.name);
        }
        found.push((pack, blobs));
    }
    Ok(found)
}

async fn bytes(dir: &Path, id: &CommitSha) -> anyhow::Result<Vec<u8>> {
    let words = [HERE, "cat-file", "blob", id.as_str()];
    git_bytes(dir, &words, PACK_FILE_BYTES_MAX).await
}
