//! `/train`: a run by hand, perhaps with other parameters.

use super::{Command, Entry, OnChange, Right, TRUSTED, quoted};
use std::collections::BTreeMap;

/// Most parameters in one command.
const PARAMS_MAX: usize = 20;
/// Longest key. Units: bytes.
const KEY_BYTES_MAX: usize = 60;
/// Longest value. Units: characters.
const VALUE_CHARS_MAX: usize = 200;

pub(super) const ENTRY: Entry = Entry {
    name: "/train",
    usage: "/train [<key>=<value>...]",
    who: TRUSTED,
    what: "Trains the current head. With parameters it is a trial: its figures are shown, its model is never proposed.",
    example: "/train EPOCHS=40 LR=0.01",
    right: Right::Trusted,
    words: &["/train"],
    any_case: true,
    is_guessed: true,
    loose: None,
    read,
};

fn read(_word: &str, rest: &str) -> Result<Command, String> {
    let words = shlex::split(rest).ok_or_else(|| "a quote is not closed".to_owned())?;
    if words.len() > PARAMS_MAX {
        return Err(format!("`/train` takes at most {PARAMS_MAX} parameters"));
    }
    let mut params = BTreeMap::new();
    for word in words {
        let (key, value) = word
            .split_once('=')
            .ok_or_else(|| format!("`{}` is not `key=value`", quoted(&word)))?;
        if !is_key(key) {
            return Err(format!(
                "`{}` is not a key: letters, digits, `_` and `.`, first a letter or `_`",
                quoted(key)
            ));
        }
        if value.chars().count() > VALUE_CHARS_MAX || value.chars().any(char::is_control) {
            return Err(format!(
                "the value of `{key}` has more than {VALUE_CHARS_MAX} characters or control characters"
            ));
        }
        if params.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(format!("`{key}` is given twice"));
        }
    }
    Ok(OnChange::Train { params }.into())
}

fn is_key(text: &str) -> bool {
    (1..=KEY_BYTES_MAX).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.')
}
