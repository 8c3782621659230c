//! The part of a conda file that `pip` can install; what only conda can is refused by name.

use super::failure;
use super::python::Minors;
use bowsprit_core::name::RepoPath;
use bowsprit_core::training::spec::{Failure, FailureKind};
use serde::Deserialize;

/// The Pythons that will do where the file names none.
const PYTHONS: Minors = Minors {
    least: 8,
    below: None,
};

/// What a conda file asks for, in pip's words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The newest of these that is there.
    pub(super) python: Minors,
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
        python: PYTHONS,
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
                    wanted.python = python(version).ok_or_else(|| {
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
    (name, version.trim())
}

/// The Pythons that a version leaves: every condition of it holds; `=3.11` and `3.11.4` are 3.11 alone.
/// Source: conda, "Package match specifications".
fn python(version: &str) -> Option<Minors> {
    let mut minors = PYTHONS;
    // What stands after a second `=` is a build, not a version.
    for condition in version.split(',').filter(|text| !text.is_empty()) {
        let condition = condition.trim();
        let start = condition.find(|c: char| c.is_ascii_digit())?;
        let (operator, number) = condition.split_at(start);
        let minor = minor(number.split('=').next()?.trim())?;
        let (least, below) = match operator.trim() {
            "" | "=" | "==" => (minor, Some(minor + 1)),
            ">=" | ">" | "~=" => (minor, None),
            "<=" => (0, Some(minor + 1)),
            "<" => (0, Some(minor)),
            _ => return None,
        };
        minors.least = minors.least.max(least);
        minors.below = [minors.below, below].into_iter().flatten().min();
    }
    let is_empty = minors.below.is_some_and(|below| below <= minors.least);
    (!is_empty).then_some(minors)
}

fn minor(number: &str) -> Option<u32> {
    let mut parts = number.split('.');
    let (major, minor) = (parts.next()?, parts.next()?);
    let minor: u8 = minor.parse().ok()?;
    (major == "3").then_some(minor.into())
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
            python: Minors {
                least: 11,
                below: Some(12),
            },
            requirements: "numpy==2.0\nonnx>=1\n".to_owned(),
        };
        assert_eq!(read_text(text), Ok(wanted));
        for (asked, least, below) in [
            ("python", 8, None),
            ("python>=3.10", 10, None),
            ("python>=3.10,<3.13", 10, Some(13)),
            ("python<=3.12", 8, Some(13)),
            ("python ==3.12.*", 12, Some(13)),
            ("python=3.9=h123", 9, Some(10)),
            ("python 3.10.4", 10, Some(11)),
            ("python~=3.10", 10, None),
        ] {
            let text = format!("dependencies: [\"{asked}\"]");
            let python = read_text(&text).unwrap().python;
            assert_eq!(python, Minors { least, below }, "{asked}");
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
            (
                "dependencies: [\"python!=3.11\"]",
                "`python!=3.11` is not understood",
            ),
            (
                "dependencies: [\"python>=3.12,<3.11\"]",
                "`python>=3.12,<3.11` is not understood",
            ),
            ("dependencies: [{conda: []}]", "this is no conda file"),
            ("[", "this is no conda file"),
        ] {
            let told = read_text(text).unwrap_err();
            assert!(told.contains(words), "{told}");
        }
    }
}
