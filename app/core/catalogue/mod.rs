//! The catalogue: what people may start from, and how one of it is chosen.
//!
//! A quickstart is shown as up to three neighbours: the set, its `-service` and its `-training`.

mod card;
mod choose;
mod fill;
mod lint;
mod location;
mod pack;
mod pack_source;
mod projectset;
#[cfg(test)]
mod tests;

pub use card::{CARD_BYTES_MAX, CARD_FILE, Card};
pub use choose::{Unclear, Wish, listed, only};
pub use fill::{Names, Root, Tail, filled, owned};
pub use lint::lint;
pub use location::{LOCATIONS_MAX, Location, Sight, sets};
pub use pack::{Fit, Look, PACK_FILE, Pack, PackKind, REQUIREMENTS_MARK, fitting, pack_filled};
pub use pack_source::{
    Blob, PACK_FILE_BYTES_MAX, PACK_SOURCES_MAX, PINS_MAX, PackSource, Pin, packs_in,
};
pub use projectset::{PROJECTSET_BYTES_MAX, PROJECTSET_FILE, projectset};

use crate::name::RepoName;
use serde::Serialize;

/// The owner that the quickstarts of this program are listed under.
pub const OWN: &str = "bowsprit";
/// What the name of the half that serves ends in.
pub const SERVICE: &str = "-service";
/// What the name of the half that trains ends in.
pub const TRAINING: &str = "-training";

/// Which of the three neighbours an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Both halves.
    Set,
    /// The half that serves.
    Service,
    /// The half that trains.
    Training,
}

impl Part {
    /// What its names end in.
    pub fn tail(self) -> &'static str {
        match self {
            Part::Set => "",
            Part::Service => SERVICE,
            Part::Training => TRAINING,
        }
    }

    /// The part that a name tells by its end.
    pub fn of(name: &str) -> Part {
        if name.ends_with(SERVICE) {
            Part::Service
        } else if name.ends_with(TRAINING) {
            Part::Training
        } else {
            Part::Set
        }
    }
}

/// Where the files of one repository come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A folder of this program's own quickstarts, such as `digits/training`.
    Embedded(String),
    /// A repository of a location, at the head of its default branch.
    Repository {
        /// The location's server; empty for the one that the person works with.
        server: String,
        /// The repository.
        name: RepoName,
    },
}

/// One repository that an entry makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Made {
    /// What follows the root in its name.
    pub tail: Tail,
    /// Where its files come from.
    pub source: Source,
}

/// One line of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Its name, with the suffix of a half.
    pub name: String,
    /// Which of the three neighbours it is.
    pub part: Part,
    /// Who offers it; [`OWN`] for those within this program.
    pub owner: String,
    /// The server of its location; empty for the one that the person works with.
    pub server: String,
    /// The programming language, in lower case; empty where it is not told.
    pub language: String,
    /// The machine-learning framework, in lower case; empty where it is not told.
    pub framework: String,
    /// `cpu` or `gpu`; empty where it is not told.
    pub hardware: String,
    /// What it does, in one line.
    pub about: String,
    /// What the first run downloads, in words; empty where it is not told.
    pub download: String,
    /// The root that its files name, such as `digits` of `digits-training`; empty where they name none.
    pub root: String,
    /// What it makes, the service first: it waits for its model while the training runs.
    /// Empty for a set whose `projectset` was not read yet.
    pub makes: Vec<Made>,
}
