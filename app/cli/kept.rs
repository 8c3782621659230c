//! Lists that are kept for one person in a file, or for the team on the server.

use super::{Remote, out};
use crate::files::{self, Readers};
use anyhow::Context as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::PathBuf;

/// Largest file of one person's. Units: bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// One such list.
pub(super) struct Kept {
    /// The file, in the person's folder of configuration.
    pub(super) file: &'static str,
    /// Where the API keeps the team's.
    pub(super) path: &'static str,
    /// What its rows are called.
    pub(super) rows: &'static str,
    /// Rows that one person may keep.
    pub(super) max: usize,
}

/// A file in the person's folder of configuration. Errors: this person has no folder.
pub(super) fn of_person(file: &str) -> anyhow::Result<PathBuf> {
    Ok(files::of_user("XDG_CONFIG_HOME", ".config")
        .context("neither XDG_CONFIG_HOME nor HOME is set")?
        .join("bowsprit")
        .join(file))
}

/// Replaces a document, and makes the folders above it. Errors: they cannot be written.
pub(super) fn put<T: Serialize>(file: &std::path::Path, document: &T) -> anyhow::Result<()> {
    let dir = file.parent().context("no folder")?;
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    files::write(file, document, Readers::Owner)
}

impl Kept {
    /// This person's. Errors: the file cannot be read.
    pub(super) fn mine<T: DeserializeOwned>(&self) -> anyhow::Result<Vec<T>> {
        let file = of_person(self.file)?;
        let kept = files::read(&file, FILE_BYTES_MAX);
        Ok(kept
            .with_context(|| format!("{} cannot be read; mend it or take it away", file.display()))?
            .unwrap_or_default())
    }

    /// Keeps rows in place of this person's before. Errors: they are too many, or cannot be written.
    pub(super) fn keep<T: Serialize>(&self, rows: &[T]) -> anyhow::Result<()> {
        anyhow::ensure!(
            rows.len() <= self.max,
            "{} {} are kept at most; delete one first",
            self.max,
            self.rows
        );
        put(&of_person(self.file)?, &rows)
    }

    /// The team's; none, with a note, where a server is named that does not tell them.
    pub(super) async fn team<T: DeserializeOwned>(&self, remote: &Remote) -> Vec<T> {
        if !remote.is_known {
            return Vec::new();
        }
        let told = async {
            let answer = remote.client.get(self.path).await?;
            serde_json::from_value(answer["items"].clone()).context("cannot understand the server")
        };
        told.await.unwrap_or_else(|error: anyhow::Error| {
            out::note(&format!("without the team's {}: {error:#}", self.rows));
            Vec::new()
        })
    }
}

/// Says what was done.
pub(super) fn said(remote: &Remote, what: &str) {
    match remote.is_json {
        true => out::json(&serde_json::json!({"said": what})),
        false => out::line(what),
    }
}
