//! `quickstart.yaml`: what a quickstart tells about itself.

use super::{Entry, Made, OWN, Part, Source, Tail, lint};
use serde::Deserialize;

/// The file, beside the folders of the halves.
pub const CARD_FILE: &str = "quickstart.yaml";
/// Largest card. Units: bytes.
pub const CARD_BYTES_MAX: usize = 16 << 10;

/// What a quickstart tells about itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Its name in the catalogue, such as `ML-python-sklearn-digits-cpu`.
    pub name: String,
    /// What it does, in one line.
    pub about: String,
    /// The programming language.
    pub language: String,
    /// The machine-learning framework.
    pub framework: String,
    /// `cpu` or `gpu`.
    pub hardware: String,
    /// What the first run of both halves downloads, in words, such as `140 MB`.
    pub download: String,
    /// The root that its files name, such as `digits` of `digits-training`.
    pub root: String,
}

impl Card {
    /// Reads a card. Errors: a sentence that says what is wrong.
    pub fn parse(text: &str) -> Result<Card, String> {
        if text.len() > CARD_BYTES_MAX {
            return Err(format!(
                "{CARD_FILE} is larger than {CARD_BYTES_MAX} bytes; a few lines are enough"
            ));
        }
        let card: Card = serde_saphyr::from_str(text)
            .map_err(|error| format!("{CARD_FILE} cannot be read: {error}"))?;
        match lint(&card.name).first() {
            Some(problem) => Err(format!("{CARD_FILE}: {problem}")),
            None => Ok(card),
        }
    }

    /// Its three lines of the catalogue, from the halves of `folder`.
    pub fn entries(&self, folder: &str) -> Vec<Entry> {
        let made = |part: Part| Made {
            tail: Tail::of(part),
            source: Source::Embedded(format!("{folder}/{}", part.tail().trim_start_matches('-'))),
        };
        [Part::Set, Part::Service, Part::Training]
            .into_iter()
            .map(|part| Entry {
                name: format!("{}{}", self.name, part.tail()),
                part,
                owner: OWN.to_owned(),
                server: String::new(),
                language: self.language.to_lowercase(),
                framework: self.framework.to_lowercase(),
                hardware: self.hardware.to_lowercase(),
                about: self.about.clone(),
                download: self.download.clone(),
                root: self.root.clone(),
                makes: match part {
                    Part::Set => vec![made(Part::Service), made(Part::Training)],
                    half => vec![made(half)],
                },
            })
            .collect()
    }
}
