//! What manifests may ask for: `${BOWSPRIT_…}` in any of their texts.

use crate::name::{Digest, Slug};
use crate::serving::objects::{Site, release_label};
use serde_json::Value;
use std::collections::BTreeMap;

/// How a wish begins.
const BEGIN: &str = "${BOWSPRIT_";

/// The values of one release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Values {
    /// The image that the release runs in.
    pub image: String,
    known: BTreeMap<String, String>,
}

/// How the wishes of one model among several end.
pub(super) fn suffix(name: &Slug) -> String {
    let name = name.as_str().to_ascii_uppercase();
    format!("_{}", name.replace(['-', '.'], "_"))
}

impl Values {
    /// The values of a release in its environment; each model with its version, where it has one.
    pub fn new(
        site: &Site,
        release: &str,
        image: &str,
        models: &BTreeMap<Slug, (Option<u64>, Digest)>,
    ) -> Values {
        let mut known: BTreeMap<String, String> = [
            ("NAME", site.name.clone()),
            ("NAMESPACE", site.namespace.clone()),
            ("ENVIRONMENT", site.environment.to_string()),
            ("RELEASE", release_label(release)),
            ("IMAGE", image.to_owned()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into();
        let alone = (models.len() == 1).then_some(String::new());
        for (name, (version, digest)) in models {
            let own = suffix(name);
            for end in alone.iter().chain([&own]) {
                let version = version.map_or_else(String::new, |version| version.to_string());
                known.insert(format!("MODEL_VERSION{end}"), version);
                known.insert(format!("MODEL_DIGEST{end}"), digest.to_string());
            }
        }
        Values {
            image: image.to_owned(),
            known,
        }
    }

    /// Fills every text of an object in; keys stay as they are. Errors: a wish that nobody knows.
    pub(super) fn fill(&self, value: &mut Value) -> Result<(), String> {
        match value {
            Value::String(text) => {
                *text = self.text(text)?;
                Ok(())
            }
            Value::Array(items) => items.iter_mut().try_for_each(|item| self.fill(item)),
            Value::Object(fields) => fields.values_mut().try_for_each(|field| self.fill(field)),
            Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
        }
    }

    fn text(&self, text: &str) -> Result<String, String> {
        let mut parts = text.split(BEGIN);
        let mut filled = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let known = part
                .split_once('}')
                .and_then(|(key, rest)| Some((self.known.get(key)?, rest)));
            let Some((value, rest)) = known else {
                let wish: String = part.chars().take_while(|c| *c != '}').take(40).collect();
                let known: Vec<String> = self
                    .known
                    .keys()
                    .map(|key| format!("`{BEGIN}{key}}}`"))
                    .collect();
                return Err(format!(
                    "`{BEGIN}{wish}}}` is not known; these are: {}",
                    known.join(", ")
                ));
            };
            filled.push_str(value);
            filled.push_str(rest);
        }
        Ok(filled)
    }
}
