//! The image that this process runs in, as the runtime of its steps.
//!
//! Only the cluster's backend orders it, and only together with that very image, so there is nothing to prepare.

use super::Prepared;
use bowsprit_core::image::reference::Pinned;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Variables by which images say where their software is; steps keep them.
const KEPT: [&str; 9] = [
    "PATH",
    "LD_LIBRARY_PATH",
    "PYTHONPATH",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "CUDA_HOME",
    "CUDA_VERSION",
    "JAVA_HOME",
    "R_HOME",
];
/// Beginning of variables that tell of graphics processors.
const KEPT_PREFIX: &str = "NVIDIA_";
/// Directories at the top that are the system's or ours, and have rules of their own.
const OTHERS: [&str; 7] = ["dev", "etc", "proc", "run", "sys", "tmp", "var"];

/// What steps get of this image.
pub(super) fn here(image: &Pinned) -> Prepared {
    let env = std::env::vars().filter(|(name, _)| is_kept(name));
    prepared(image, env.collect(), Path::new("/"))
}

fn prepared(image: &Pinned, env: BTreeMap<String, String>, root: &Path) -> Prepared {
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    let mut readable: Vec<PathBuf> = entries
        .filter(|entry| {
            let name = entry.file_name();
            name.to_str().is_some_and(|name| !OTHERS.contains(&name))
        })
        .map(|entry| entry.path())
        .collect();
    readable.sort();
    Prepared {
        bin_dir: None,
        env,
        readable,
        hash: image.digest.clone(),
        cached: true,
    }
}

fn is_kept(name: &str) -> bool {
    KEPT.contains(&name) || name.starts_with(KEPT_PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_see_the_image_and_nothing_that_was_mounted_for_the_agent() {
        let root = tempfile::tempdir().unwrap();
        for name in ["usr", "opt", "run", "etc", "tmp", "srv"] {
            std::fs::create_dir(root.path().join(name)).unwrap();
        }
        let digest = format!("sha256:{}", "0".repeat(64));
        let image = Pinned::parse(&format!("r.example/x@{digest}")).unwrap();
        let prepared = prepared(&image, BTreeMap::new(), root.path());
        let expected = ["opt", "srv", "usr"].map(|name| root.path().join(name));
        assert_eq!(prepared.readable, expected);
        assert_eq!(prepared.hash.as_str(), digest);
    }

    #[test]
    fn steps_keep_what_says_where_software_is() {
        for kept in ["PATH", "LD_LIBRARY_PATH", "NVIDIA_VISIBLE_DEVICES"] {
            assert!(is_kept(kept), "{kept}");
        }
        for left in [
            "HOME",
            "KUBERNETES_SERVICE_HOST",
            "PIP_INDEX_URL",
            "LD_PRELOAD",
        ] {
            assert!(!is_kept(left), "{left}");
        }
    }
}
