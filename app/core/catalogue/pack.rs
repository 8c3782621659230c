//! Build packs: the files that make a repository one of ours, and which of them a repository wants.

use super::{Root, SERVICE, TRAINING};
use crate::name::{Login, Slug};
use serde::{Deserialize, Serialize};

/// The file that describes a pack, beside the files that it brings.
pub const PACK_FILE: &str = "pack.yaml";

/// What a repository is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PackKind {
    /// It trains a model.
    Training,
    /// It serves one.
    Service,
}

/// What a pack tells about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pack {
    /// Its name, such as `python-training`.
    pub name: String,
    /// The programming language.
    pub language: String,
    /// What it makes of a repository.
    pub kind: PackKind,
    /// What it is for, in one line.
    pub about: String,
}

/// Longest line of what a pack is for. Units: characters.
const ABOUT_CHARS_MAX: usize = 200;

impl Pack {
    /// Reads a description. Errors: a sentence that says what is wrong.
    pub fn parse(text: &str) -> Result<Pack, String> {
        let pack: Pack = serde_saphyr::from_str(text)
            .map_err(|error| format!("{PACK_FILE} cannot be read: {error}"))?;
        Slug::parse(&pack.name).map_err(|error| format!("{PACK_FILE}: {error}"))?;
        let is_line = |text: &str| {
            (1..=ABOUT_CHARS_MAX).contains(&text.chars().count())
                && !text.chars().any(char::is_control)
        };
        if !is_line(&pack.language) || !is_line(&pack.about) {
            return Err(format!(
                "{PACK_FILE}: `language` and `about` are a line of 1 to {ABOUT_CHARS_MAX} characters each"
            ));
        }
        Ok(pack)
    }
}

/// What can be seen of a repository without running anything of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Look {
    /// The repository's name, without its owner.
    pub name: String,
    /// Names of the files and folders at its root.
    pub files: Vec<String>,
}

/// A pack that fits, with what its files are filled with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fit {
    /// The pack's name.
    pub pack: String,
    /// What the pair's names begin with.
    pub root: Root,
    /// The file of requirements; `requirements.lock` where none is there yet.
    pub requirements: String,
}

/// Files that tell a language, the surest first.
const LANGUAGES: [(&str, &str); 7] = [
    ("requirements.lock", "python"),
    ("requirements.txt", "python"),
    ("pyproject.toml", "python"),
    ("setup.py", "python"),
    ("train.py", "python"),
    ("score.py", "python"),
    ("Cargo.toml", "rust"),
];

/// Where a pack's files name the file of requirements.
pub const REQUIREMENTS_MARK: &str = "REPLACE_ME_REQUIREMENTS";

/// Requirements files, the surest first.
const REQUIREMENTS: [&str; 2] = ["requirements.lock", "requirements.txt"];

/// The pack that a repository wants: the one that is named, else by its name's end and its files.
///
/// Errors: a sentence that says what could not be told and how to say it.
pub fn fitting(
    look: &Look,
    packs: &[Pack],
    named: Option<&str>,
    root: Option<&str>,
) -> Result<Fit, String> {
    let names = || -> String {
        let names: Vec<&str> = packs.iter().map(|pack| pack.name.as_str()).collect();
        names.join(", ")
    };
    let pack = match named {
        Some(name) => packs
            .iter()
            .find(|pack| pack.name == name)
            .ok_or_else(|| format!("there is no pack `{name}`; there are: {}", names()))?,
        None => {
            let kind = kind_of(look)?;
            let language = language_of(look).ok_or_else(|| {
                format!("cannot tell the language; say --pack, one of: {}", names())
            })?;
            packs
                .iter()
                .find(|pack| pack.kind == kind && pack.language == language)
                .ok_or_else(|| {
                    format!("no pack is for {language} here; write bowsprit.yaml by hand, or say --pack, one of: {}", names())
                })?
        }
    };
    let stem = look
        .name
        .strip_suffix(TRAINING)
        .or_else(|| look.name.strip_suffix(SERVICE))
        .unwrap_or(&look.name);
    let root = Root::parse(root.unwrap_or(&stem.to_lowercase()))
        .map_err(|error| format!("{error} (say --root)"))?;
    let requirements = REQUIREMENTS
        .into_iter()
        .find(|file| look.files.iter().any(|seen| seen == file))
        .unwrap_or("requirements.lock");
    Ok(Fit {
        pack: pack.name.clone(),
        root,
        requirements: requirements.to_owned(),
    })
}

fn kind_of(look: &Look) -> Result<PackKind, String> {
    let has = |name: &str| look.files.iter().any(|file| file == name);
    if look.name.ends_with(TRAINING) {
        Ok(PackKind::Training)
    } else if look.name.ends_with(SERVICE) {
        Ok(PackKind::Service)
    } else {
        match (has("train.py"), has("score.py")) {
            (true, false) => Ok(PackKind::Training),
            (false, true) => Ok(PackKind::Service),
            _ => Err(format!(
                "cannot tell whether `{}` trains or serves: name it with `-training` or `-service`, or say --pack",
                look.name
            )),
        }
    }
}

fn language_of(look: &Look) -> Option<&'static str> {
    LANGUAGES
        .into_iter()
        .find(|(file, _)| look.files.iter().any(|seen| seen == file))
        .map(|(_, language)| language)
}

/// A pack's text with what it is filled with.
pub fn pack_filled(text: &str, fit: &Fit, person: &Login) -> String {
    text.replace("REPLACE_ME_ROOT", fit.root.as_str())
        .replace("REPLACE_ME_MODEL", fit.root.as_str())
        .replace(REQUIREMENTS_MARK, &fit.requirements)
        .replace("REPLACE_ME_PERSON", person.as_str())
}
