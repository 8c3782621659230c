//! The manifests of models at every branch and tag of a mirror: which bytes a repository names.

use super::mirror::Mirrors;
use super::read::{MODEL_BYTES_MAX, MODELS_MAX};
use anyhow::Context;
use bowsprit_core::name::{Digest, RepoId, Slug};
use bowsprit_core::retention::names;
use git2::{ErrorCode, ObjectType, Oid, Repository, TreeEntry};
use std::collections::BTreeSet;
use std::path::Path;

/// The most manifests of one repository that are read. Units: bytes.
const BYTES_MAX: usize = 256 << 20;

impl Mirrors {
    /// The repositories that there are mirrors of.
    pub async fn mirrored(&self) -> anyhow::Result<Vec<RepoId>> {
        let mut found = Vec::new();
        let mut entries = tokio::fs::read_dir(self.dir())
            .await
            .context("cannot list mirrors")?;
        while let Some(entry) = entries.next_entry().await? {
            let name = entry.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(".git"));
            found.extend(id.and_then(|id| id.parse().ok()).map(RepoId));
        }
        Ok(found)
    }

    /// What every `models/<model>/manifest.json` at a branch or tag names, but for those of models with one of the digests
    /// `except`, as hexadecimal digits; as new as the last [`Mirrors::refresh`].
    ///
    /// Errors: git cannot be read, or there is more of it than [`BYTES_MAX`]: heads of strangers are there as well.
    pub async fn named_by_manifests(
        &self,
        repo: RepoId,
        except: BTreeSet<String>,
    ) -> anyhow::Result<BTreeSet<String>> {
        self.with(repo, move |git| named(git, &except)).await
    }
}

/// The digest of a manifest's model, as hexadecimal digits.
#[derive(serde::Deserialize)]
struct Model {
    digest: Digest,
}

fn named(git: &Repository, except: &BTreeSet<String>) -> anyhow::Result<BTreeSet<String>> {
    let odb = git.odb().context("cannot open the objects")?;
    let (mut named, mut bytes) = (BTreeSet::new(), 0);
    for id in manifests(git)? {
        let (size, _) = odb.read_header(id).context("cannot read a manifest")?;
        // Nothing else would read a larger one.
        if size > MODEL_BYTES_MAX {
            continue;
        }
        bytes += size;
        anyhow::ensure!(
            bytes <= BYTES_MAX,
            "its branches and tags have more than {BYTES_MAX} bytes of manifests"
        );
        let blob = git.find_blob(id).context("cannot read a manifest")?;
        let model = serde_json::from_slice::<Model>(blob.content());
        if model.is_ok_and(|model| except.contains(model.digest.hex())) {
            continue;
        }
        let text = String::from_utf8_lossy(blob.content());
        named.extend(names(&text).map(str::to_owned));
    }
    Ok(named)
}

/// The blobs of manifests at branches and tags.
fn manifests(git: &Repository) -> anyhow::Result<BTreeSet<Oid>> {
    let (mut trees, mut blobs) = (BTreeSet::new(), BTreeSet::new());
    for reference in git.references().context("cannot list branches and tags")? {
        let reference = reference.context("cannot list branches and tags")?;
        // A tag may be of something else than a commit.
        let Ok(tree) = reference.peel_to_tree() else {
            continue;
        };
        match tree.get_path(Path::new("models")) {
            Ok(models) if models.kind() == Some(ObjectType::Tree) => trees.insert(models.id()),
            Ok(_) => false,
            Err(error) if error.code() == ErrorCode::NotFound => false,
            Err(error) => return Err(error).context("cannot read a tree"),
        };
    }
    for tree in trees {
        let models = git.find_tree(tree).context("cannot read a tree")?;
        let is_model = |entry: &TreeEntry<'_>| {
            let is_named = entry.name().is_ok_and(|name| Slug::parse(name).is_ok());
            is_named && entry.kind() == Some(ObjectType::Tree)
        };
        // Of more than these nothing else reads any.
        let models: Vec<TreeEntry<'_>> = models.iter().filter(is_model).collect();
        if models.len() > MODELS_MAX {
            continue;
        }
        for model in models {
            let files = git.find_tree(model.id()).context("cannot read a tree")?;
            let manifest = files.get_name("manifest.json");
            let manifest = manifest.filter(|entry| entry.kind() == Some(ObjectType::Blob));
            blobs.extend(manifest.map(|entry| entry.id()));
        }
    }
    Ok(blobs)
}
