//! Where the crates of a cargo workspace may come from: registries, by the checksums of its lock.
//!
//! A repository of another server, or a path on this one, would be read by cargo before anything of the workspace is shut
//! in; so each is refused by name before cargo sees the workspace.

use crate::name::RepoPath;
use serde::Deserialize;
use std::collections::BTreeSet;
use toml::Value;

/// The registry that needs no setting: its names in locks.
const CRATES_IO: [&str; 2] = [
    "https://github.com/rust-lang/crates.io-index",
    "https://index.crates.io/",
];

/// Keys of a dependency that name a place of its own.
const PLACES: [&str; 2] = ["git", "registry-index"];

/// Deepest table of a manifest that is looked into.
const DEPTH_MAX: usize = 16;

#[derive(Deserialize)]
struct Lock {
    #[serde(default, rename = "package")]
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    source: Option<String>,
    checksum: Option<String>,
}

/// Checks the lock file: each crate comes from a registry that the server knows, with its checksum.
///
/// `registries` holds addresses of indexes beside that of crates.io.
/// Errors: a sentence that names the first crate that must not be there. Source: the Cargo book, "Cargo.toml vs Cargo.lock".
pub fn check_lock(
    text: &str,
    path: &RepoPath,
    registries: &BTreeSet<String>,
) -> Result<(), String> {
    let lock: Lock =
        toml::from_str(text).map_err(|error| format!("{path}: {}", first_line(&error)))?;
    for package in lock.packages {
        // A member of the workspace has no source.
        let Some(source) = &package.source else {
            continue;
        };
        if let Some(why) = refused(source, package.checksum.is_some(), registries) {
            let Package { name, version, .. } = package;
            return Err(format!("{path}: `{name} {version}` is refused: {why}"));
        }
    }
    Ok(())
}

fn refused(source: &str, has_checksum: bool, registries: &BTreeSet<String>) -> Option<String> {
    let index = source
        .strip_prefix("registry+")
        .or_else(|| source.strip_prefix("sparse+"));
    let Some(index) = index else {
        return Some(format!(
            "`{}` is no registry; take the crate from crates.io, or copy it into the repository as a member of the workspace",
            crate::text::truncate(source, 100)
        ));
    };
    let is_known = CRATES_IO.contains(&index)
        || registries
            .iter()
            .any(|known| known.strip_prefix("sparse+").unwrap_or(known) == index);
    if !is_known {
        return Some(format!(
            "the server does not know the registry `{}`; its cargo configuration would name it under `[registries]`",
            crate::text::truncate(index, 100)
        ));
    }
    (!has_checksum).then(|| "the lock has no checksum for it; run `cargo update`".to_owned())
}

/// Checks a manifest: no dependency has a place of its own. Errors: a sentence that names the first one.
pub fn check_manifest(text: &str, path: &RepoPath) -> Result<(), String> {
    let manifest: Value =
        toml::from_str(text).map_err(|error| format!("{path}: {}", first_line(&error)))?;
    match placed(&manifest, DEPTH_MAX) {
        None => Ok(()),
        Some((name, key)) => Err(format!(
            "{path}: `{name}` is refused: it comes by `{key}`; take the crate from crates.io, or copy it into the repository as a member of the workspace"
        )),
    }
}

/// The first table that has a place of its own, and the key that says so.
fn placed(value: &Value, depth: usize) -> Option<(String, &'static str)> {
    let table = value.as_table().filter(|_| depth > 0)?;
    table.iter().find_map(|(name, below)| {
        let place = PLACES
            .into_iter()
            .find(|key| below.get(key).is_some_and(Value::is_str));
        // What a tool of somebody else's reads under `metadata` is no dependency.
        let is_read = name != "metadata";
        place
            .filter(|_| is_read)
            .map(|key| (name.clone(), key))
            .or_else(|| placed(below, depth - 1).filter(|_| is_read))
    })
}

fn first_line(error: &toml::de::Error) -> String {
    let line = error.message().lines().next().unwrap_or_default();
    format!("this is no TOML: {line}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(package: &str) -> Result<(), String> {
        let text =
            format!("version = 4\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n{package}");
        let own = BTreeSet::from(["sparse+https://crates.corp.example/index/".to_owned()]);
        check_lock(&text, &RepoPath::parse("Cargo.lock").unwrap(), &own)
    }

    #[test]
    fn crates_come_from_registries_that_the_server_knows() {
        for (package, words) in [
            ("", None),
            (
                "source = \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = \"00\"",
                None,
            ),
            (
                "source = \"sparse+https://crates.corp.example/index/\"\nchecksum = \"00\"",
                None,
            ),
            (
                "source = \"registry+https://github.com/rust-lang/crates.io-index\"",
                Some("`a 1.0.0` is refused: the lock has no checksum"),
            ),
            (
                "source = \"sparse+https://crates.evil.example/\"\nchecksum = \"00\"",
                Some("does not know the registry `https://crates.evil.example/`"),
            ),
            (
                "source = \"git+file:///srv/state/mirrors/1.git#aaaa\"",
                Some("is no registry; take the crate from crates.io"),
            ),
            ("source = 1", Some("this is no TOML")),
        ] {
            match (lock(package), words) {
                (Ok(()), None) => {}
                (Err(told), Some(words)) => assert!(told.contains(words), "{told}"),
                (found, _) => panic!("{package}: {found:?}"),
            }
        }
    }

    #[test]
    fn a_dependency_has_no_place_of_its_own() {
        let path = RepoPath::parse("engine/Cargo.toml").unwrap();
        for (text, words) in [
            (
                "[package]\nname = \"a\"\nrepository = \"https://git.example\"",
                None,
            ),
            ("[dependencies]\na = \"1\"\nb = {path = \"../b\"}", None),
            (
                "[package.metadata.tool]\nx = {git = \"https://git.example\"}",
                None,
            ),
            (
                "[dependencies]\na = {git = \"file:///srv\"}",
                Some("`a` is refused: it comes by `git`"),
            ),
            ("[dependencies.a]\ngit = \"file:///srv\"", Some("`git`")),
            (
                "[target.'cfg(unix)'.build-dependencies]\na = {git = \"x\"}",
                Some("`git`"),
            ),
            ("[patch.crates-io]\na = {git = \"x\"}", Some("`git`")),
            (
                "[workspace.dependencies]\na = {registry-index = \"x\"}",
                Some("`registry-index`"),
            ),
            ("[", Some("engine/Cargo.toml: this is no TOML")),
        ] {
            match (check_manifest(text, &path), words) {
                (Ok(()), None) => {}
                (Err(told), Some(words)) => assert!(told.contains(words), "{told}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }
}
