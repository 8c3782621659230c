//! The part of a conda file that `pip` can install; what only conda can is refused by name.

use super::failure;
use bowsprit_core::name::RepoPath;
use bowsprit_core::training::spec::{Failure, FailureKind};
use serde::Deserialize;

/// The least Python where the file names none.
const PYTHON_LEAST: &str = "3.8";

/// What a conda file asks for, in pip's words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// For example `3.11`.
    pub(super) minimum: String,
    /// The text of a requirements file.
    pub(super) requirements: String,
}

#[derive(Deserialize)]
struct CondaFile {
    #[serde(default)]
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Dependency {
    Conda(String),
    Pip { pip: Vec<String> },
}

/// Reads a conda file. Errors: `Install` where it is none, or asks for what only conda can install.
/// Source: conda, "Creating an environment file manually".
pub(super) fn read(text: &str, path: &RepoPath) -> Result<Wanted, Failure> {
    let refused = |why: String| failure(FailureKind::Install, format!("`{path}`: {why}"));
    let file: CondaFile = serde_saphyr::from_str(text).map_err(|error| {
        let told = error.to_string();
        let first = told.lines().next().unwrap_or_default();
        refused(format!("this is no conda file: {first}"))
    })?;
    let mut wanted = Wanted {
        minimum: PYTHON_LEAST.to_owned(),
        requirements: String::new(),
    };
    for dependency in file.dependencies {
        match dependency {
            Dependency::Pip { pip } => {
                for line in pip {
                    wanted.requirements.push_str(&line);
                    wanted.requirements.push('\n');
                }
            }
            Dependency::Conda(asked) => match named(&asked) {
                ("pip", _) => {}
                ("python", version) => {
                    wanted.minimum = python(version).ok_or_else(|| {
                        refused(format!("`{asked}` is not understood; write `python=3.11`"))
                    })?;
                }
                _ => {
                    return Err(refused(format!(
                        "`{asked}` is installed by conda alone, which is not here; move it under `pip:`, or lock the packages and write `runtime: {{python: \"3.11\", requirements: requirements.lock}}`"
                    )));
                }
            },
        }
    }
    Ok(wanted)
}

/// Name and version of a package as conda writes them, the channel left out.
fn named(asked: &str) -> (&str, &str) {
    let bare = asked.rsplit("::").next().unwrap_or(asked).trim();
    let end = bare
        .find(['=', '<', '>', '!', ' ', '~'])
        .unwrap_or(bare.len());
    let (name, version) = bare.split_at(end);
    (name, version.trim_start_matches(['=', '>', '~', ' ']))
}

/// The least Python that a version names; its newest fitting one is taken.
fn python(version: &str) -> Option<String> {
    if version.is_empty() {
        return Some(PYTHON_LEAST.to_owned());
    }
    let mut parts = version.split([',', '=']).next()?.trim().split('.');
    let (major, minor) = (parts.next()?, parts.next()?);
    let minor: u8 = minor.parse().ok()?;
    (major == "3").then(|| format!("3.{minor}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Wanted, String> {
        let path = RepoPath::parse("environment.yml").unwrap();
        read(text, &path).map_err(|failure| failure.message)
    }

    #[test]
    fn what_pip_can_install_is_taken() {
        let text = "name: a\nchannels: [conda-forge]\ndependencies:\n  - conda-forge::python=3.11.4\n  - pip\n  - pip:\n    - numpy==2.0\n    - onnx>=1\n";
        let wanted = Wanted {
            minimum: "3.11".to_owned(),
            requirements: "numpy==2.0\nonnx>=1\n".to_owned(),
        };
        assert_eq!(read_text(text), Ok(wanted));
        for (asked, minimum) in [
            ("python", "3.8"),
            ("python>=3.10,<3.13", "3.10"),
            ("python ==3.12.*", "3.12"),
            ("python=3.9=h123", "3.9"),
        ] {
            let text = format!("dependencies: [\"{asked}\"]");
            assert_eq!(read_text(&text).unwrap().minimum, minimum, "{asked}");
        }
    }

    #[test]
    fn what_only_conda_can_install_is_refused_by_name() {
        for (text, words) in [
            (
                "dependencies: [cudatoolkit=11.8]",
                "`cudatoolkit=11.8` is installed by conda alone",
            ),
            (
                "dependencies: [\"python<3\"]",
                "`python<3` is not understood",
            ),
            ("dependencies: [{conda: []}]", "this is no conda file"),
            ("[", "this is no conda file"),
        ] {
            let told = read_text(text).unwrap_err();
            assert!(told.contains(words), "{told}");
        }
    }
}
