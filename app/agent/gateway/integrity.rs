//! Whether the model files on disk are those that were agreed on; asked before every start of a server.

use super::upstream::ModelFiles;
use bowsprit_core::artifact;
use bowsprit_core::name::{Digest, Slug};
use bowsprit_core::training::spec::ModelInput;
use sha2::Digest as _;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Directories of a model are nested no deeper.
const DEPTH_MAX: usize = 16;

/// Hashes every model file under `dir` again. Errors: a sentence that names the first file or model that differs.
pub(crate) fn check(
    dir: &Path,
    models: &[ModelInput],
    digests: &BTreeMap<Slug, Digest>,
) -> Result<BTreeMap<Slug, ModelFiles>, String> {
    let mut checked = BTreeMap::new();
    for model in models {
        let name = Slug::parse(&model.name).map_err(|error| error.to_string())?;
        let wanted = digests
            .get(&name)
            .ok_or_else(|| format!("model `{name}` has no digest in the order"))?;
        let listed = artifact::digest(&model.files);
        if listed != *wanted {
            return Err(format!(
                "the file list of model `{name}` has digest {}, the release wants {}",
                listed.short(),
                wanted.short()
            ));
        }
        let model_dir = dir.join(name.as_str());
        check_files(&model_dir, model)?;
        let files = ModelFiles {
            dir: model_dir,
            files: model.files.clone(),
        };
        checked.insert(name, files);
    }
    match digests.keys().find(|name| !checked.contains_key(*name)) {
        Some(name) => Err(format!(
            "the order names a digest of model `{name}`, but no files of it"
        )),
        None => Ok(checked),
    }
}

fn check_files(dir: &Path, model: &ModelInput) -> Result<(), String> {
    let mut expected = BTreeSet::new();
    for file in &model.files {
        let path = dir.join(file.path.as_str());
        let found = hash(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                format!("file `{}` of model `{}` is missing", file.path, model.name)
            }
            _ => format!(
                "file `{}` of model `{}` cannot be read: {error}",
                file.path, model.name
            ),
        })?;
        if found != (file.sha256.hex().to_owned(), file.bytes) {
            return Err(format!(
                "file `{}` of model `{}` has changed: its sha256 is {}, not {}",
                file.path,
                model.name,
                found.0.get(..12).unwrap_or_default(),
                file.sha256.short()
            ));
        }
        expected.insert(path);
    }
    match unexpected(dir, &expected, 0) {
        Ok(None) => Ok(()),
        Ok(Some(path)) => {
            let inside = path.strip_prefix(dir).unwrap_or(&path);
            Err(format!(
                "file `{}` does not belong to model `{}`",
                inside.display(),
                model.name
            ))
        }
        Err(error) => Err(format!(
            "the files of model `{}` cannot be listed: {error}",
            model.name
        )),
    }
}

/// The sha256 of a file as hex digits, and its bytes. Errors: it cannot be read, or is none.
pub(super) fn hash(path: &Path) -> std::io::Result<(String, u64)> {
    if !std::fs::symlink_metadata(path)?.is_file() {
        return Err(std::io::Error::other("not a plain file"));
    }
    let mut file = std::fs::File::open(path)?;
    let mut state = sha2::Sha256::new();
    let mut chunk = vec![0; 256 << 10];
    let mut bytes = 0;
    loop {
        let count = file.read(&mut chunk)?;
        if count == 0 {
            return Ok((hex::encode(state.finalize()), bytes));
        }
        state.update(chunk.get(..count).unwrap_or_default());
        bytes += count as u64;
    }
}

fn unexpected(
    dir: &Path,
    expected: &BTreeSet<PathBuf>,
    depth: usize,
) -> std::io::Result<Option<PathBuf>> {
    if depth > DEPTH_MAX {
        return Ok(Some(dir.to_owned()));
    }
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            if let Some(found) = unexpected(&path, expected, depth + 1)? {
                return Ok(Some(found));
            }
        } else if !expected.contains(&path) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bowsprit_core::artifact::File;
    use bowsprit_core::name::RepoPath;

    #[test]
    fn every_difference_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let model_dir = dir.path().join("digits/deep");
        std::fs::create_dir_all(&model_dir).unwrap();
        let file = File {
            path: RepoPath::parse("deep/w.bin").unwrap(),
            sha256: Digest::of(b"weights"),
            bytes: 7,
            media_type: "application/octet-stream".to_owned(),
        };
        let name = Slug::parse("digits").unwrap();
        let digests =
            BTreeMap::from([(name.clone(), artifact::digest(std::slice::from_ref(&file)))]);
        let models = [ModelInput {
            name: "digits".to_owned(),
            version: Some(1),
            files: vec![file],
            sources: Vec::new(),
        }];
        let seen = |digests: &BTreeMap<Slug, Digest>| {
            check(dir.path(), &models, digests).map(|_| ()).unwrap_err()
        };
        let path = model_dir.join("w.bin");

        assert_eq!(
            seen(&digests),
            "file `deep/w.bin` of model `digits` is missing"
        );
        std::fs::write(&path, b"weightz").unwrap();
        assert!(seen(&digests).starts_with("file `deep/w.bin` of model `digits` has changed"));
        std::fs::write(&path, b"weights").unwrap();
        assert!(check(dir.path(), &models, &digests).is_ok());
        std::fs::write(model_dir.join("more.py"), b"").unwrap();
        assert_eq!(
            seen(&digests),
            "file `deep/more.py` does not belong to model `digits`"
        );
        std::fs::remove_file(model_dir.join("more.py")).unwrap();

        let other = BTreeMap::from([(name, Digest::of(b"other"))]);
        assert!(seen(&other).starts_with("the file list of model `digits` has digest"));
        assert_eq!(
            seen(&BTreeMap::new()),
            "model `digits` has no digest in the order"
        );
    }
}
