//! `environments/<name>.yaml`: what an environment is pinned to, read strictly and written one way.

use super::{ChangeCause, ModelRef, Release};
use crate::name::{CommitSha, RepoPath, Slug};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Longest file that is read. Units: bytes.
const BYTES_MAX: usize = 16 * 1024;

/// What the file says.
#[derive(Debug, Clone, PartialEq)]
pub struct Pinned {
    /// The service's commit.
    pub commit: CommitSha,
    /// The models.
    pub models: BTreeMap<Slug, ModelRef>,
    /// Why it was last changed.
    pub cause: ChangeCause,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    release: RawRelease,
    cause: RawCause,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRelease {
    commit: String,
    #[serde(default)]
    models: BTreeMap<String, ModelRef>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RawCause {
    Promotion,
    Rollback,
    BreakGlass,
}

/// Path of an environment's file.
pub fn path(name: &Slug) -> RepoPath {
    RepoPath::parse(&format!("environments/{name}.yaml")).expect("a slug makes a good path")
}

/// Reads the file. Errors: one sentence that names the fault and its line.
pub fn parse(text: &str) -> Result<Pinned, String> {
    if text.len() > BYTES_MAX {
        return Err(format!("it is longer than {BYTES_MAX} bytes"));
    }
    let raw: Raw = serde_saphyr::from_str(text).map_err(|error| {
        error
            .to_string()
            .lines()
            .next()
            .unwrap_or("it is not YAML")
            .to_owned()
    })?;
    let commit = CommitSha::parse(&raw.release.commit).map_err(|error| error.to_string())?;
    let mut models = BTreeMap::new();
    for (name, reference) in raw.release.models {
        models.insert(
            Slug::parse(&name).map_err(|error| error.to_string())?,
            reference,
        );
    }
    let cause = match raw.cause {
        RawCause::Promotion => ChangeCause::Promotion,
        RawCause::Rollback => ChangeCause::Rollback,
        RawCause::BreakGlass => ChangeCause::BreakGlass,
    };
    Ok(Pinned {
        commit,
        models,
        cause,
    })
}

/// Writes the file for a release.
pub fn write(release: &Release, cause: ChangeCause) -> String {
    let mut text = format!("release:\n  commit: {}\n  models:\n", release.commit);
    for (name, model) in &release.models {
        text.push_str(&format!(
            "    {name}: {{version: {}, digest: \"{}\"}}\n",
            model.version, model.digest
        ));
    }
    let cause = match cause {
        ChangeCause::Promotion => "promotion",
        ChangeCause::Rollback | ChangeCause::Revert => "rollback",
        ChangeCause::BreakGlass => "break-glass",
    };
    text.push_str(&format!("cause: {cause}\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Digest;

    #[test]
    fn what_is_written_is_read_again() {
        let models = BTreeMap::from([(
            Slug::parse("digits").unwrap(),
            ModelRef {
                version: 8,
                digest: Digest::of(b"x"),
            },
        )]);
        let release = Release {
            id: "rel-1".to_owned(),
            commit: CommitSha::parse(&"a".repeat(40)).unwrap(),
            models,
        };
        let pinned = parse(&write(&release, ChangeCause::Promotion)).unwrap();
        assert_eq!(
            (pinned.commit, pinned.models, pinned.cause),
            (release.commit, release.models, ChangeCause::Promotion)
        );
    }

    #[test]
    fn strangers_are_refused() {
        for bad in [
            "",
            "release: {commit: x}\ncause: promotion",
            "cause: promotion",
            "release: {commit: a, extra: 1}",
            "a: &a [*a]",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        let short = format!("release: {{commit: {}}}\ncause: whim\n", "a".repeat(40));
        assert!(parse(&short).is_err());
    }
}
