//! Coming from Prow: what its `plugins.yaml`, `config.yaml` and job files say, said in our words, and what could not be.
//!
//! Everything that stands in the files ends in one of two lists: carried over, or left with a reason and what to do instead.
//! Whatever is written here was read again by our own readers first.

mod config;
mod contexts;
mod guide;
mod jobs;
mod known;
mod plugins;
#[cfg(test)]
mod tests;
mod walk;
mod write;

pub use guide::guide_markdown;

use crate::contract::Problem;
use crate::contract::tree::{self, Limits, Node};
use serde::Serialize;
use std::collections::BTreeMap;
use walk::{Spot, Walk};

/// Largest file that is read. Units: bytes.
pub const FILE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most job files.
pub const FILES_MAX: usize = 2_000;

/// Files of a whole organisation are larger than a contract.
const LIMITS: Limits = Limits {
    bytes: FILE_BYTES_MAX,
    nodes: 100_000,
    aliases: 500,
    depth: 32,
};

/// A file and how it is called in the report.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it holds.
    pub text: &'a str,
}

/// Why a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// Its name.
    pub file: String,
    /// Every problem.
    pub problems: Vec<Problem>,
}

/// Where something stands in Prow's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// The file's name.
    pub file: String,
    /// Units: lines from 1.
    pub line: u32,
    /// Units: characters from 1.
    pub column: u32,
    /// The keys that lead there, such as `plugins.acme[2]`.
    pub key: String,
}

/// Something that holds here as well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Carried {
    /// Where it stood.
    #[serde(flatten)]
    pub from: Origin,
    /// What says it here.
    pub to: String,
}

/// Something that was not carried over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Where it stands.
    #[serde(flatten)]
    pub from: Origin,
    /// Why.
    pub why: String,
    /// What to do instead; empty where nothing needs to be done.
    pub instead: String,
}

/// What comes of Prow's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// The part of the server's file, TOML.
    pub server: String,
    /// Parts of contracts by lower-case `owner/name`, YAML.
    pub contracts: BTreeMap<String, String>,
    /// As they were found.
    pub carried: Vec<Carried>,
    /// As they were found.
    pub left: Vec<Left>,
}

impl Migration {
    /// Both lists as a page of Markdown.
    pub fn report(&self) -> String {
        write::report(self)
    }
}

/// Says Prow's files in our words. A job file that cannot be read is left as a whole; errors: one of the two others cannot.
pub fn prow(
    plugins: Source<'_>,
    config: Source<'_>,
    jobs: &[Source<'_>],
) -> Result<Migration, Vec<Unreadable>> {
    let (of_plugins, of_config) = match (read(plugins), read(config)) {
        (Ok(plugins), Ok(config)) => (plugins, config),
        (one, other) => {
            let both = [one.err(), other.err()];
            return Err(both.into_iter().flatten().collect());
        }
    };
    let mut walk = Walk::default();
    plugins::plugins(&mut walk, &Spot::root(plugins.name, &of_plugins));
    config::config(&mut walk, &Spot::root(config.name, &of_config));
    for file in jobs {
        match read(*file) {
            Ok(root) => jobs::file(&mut walk, &Spot::root(file.name, &root)),
            Err(unreadable) => walk.unreadable(unreadable),
        }
    }
    Ok(write::migration(walk))
}

fn read(source: Source<'_>) -> Result<Node, Unreadable> {
    tree::read_within(source.text, LIMITS).map_err(|problems| Unreadable {
        file: source.name.to_owned(),
        problems,
    })
}
