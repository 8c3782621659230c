//! The manifests of models at every branch and tag of a mirror: which bytes a repository names.

use super::mirror::Mirrors;
use super::read::MODEL_BYTES_MAX;
use anyhow::Context;
use bowsprit_core::name::RepoId;
use git2::{ErrorCode, ObjectType, Repository, TreeWalkMode, TreeWalkResult};
use std::collections::BTreeSet;

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

    /// The text of every `models/<model>/manifest.json` at a branch or tag, each once; as new as the last [`Mirrors::refresh`].
    pub async fn all_manifests(&self, repo: RepoId) -> anyhow::Result<Vec<String>> {
        self.with(repo, all_manifests).await
    }
}

fn all_manifests(git: &Repository) -> anyhow::Result<Vec<String>> {
    let (mut trees, mut blobs) = (BTreeSet::new(), BTreeSet::new());
    for reference in git.references().context("cannot list branches and tags")? {
        let reference = reference.context("cannot list branches and tags")?;
        // A tag may be of something else than a commit.
        let Ok(tree) = reference.peel_to_tree() else {
            continue;
        };
        match tree.get_path(std::path::Path::new("models")) {
            Ok(models) if models.kind() == Some(ObjectType::Tree) => trees.insert(models.id()),
            Ok(_) => false,
            Err(error) if error.code() == ErrorCode::NotFound => false,
            Err(error) => return Err(error).context("cannot read a tree"),
        };
    }
    for tree in trees {
        let tree = git.find_tree(tree).context("cannot read a tree")?;
        let walked = tree.walk(TreeWalkMode::PreOrder, |_, entry| {
            if entry.name().is_ok_and(|name| name == "manifest.json") {
                blobs.insert(entry.id());
            }
            TreeWalkResult::Ok
        });
        walked.context("cannot walk a tree")?;
    }
    let mut texts = Vec::new();
    for blob in blobs {
        let blob = git.find_blob(blob).context("cannot read a manifest")?;
        let content = blob.content();
        // Nothing else would read a larger one.
        if content.len() <= MODEL_BYTES_MAX {
            texts.push(String::from_utf8_lossy(content).into_owned());
        }
    }
    Ok(texts)
}
