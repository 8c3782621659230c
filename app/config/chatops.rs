//! `[chatops]`: how commands are understood, everywhere, for an owner and in single repositories.

use super::read::Reader;
use super::{Chatops, Compatibility};
use bowsprit_core::contract::{Setting, chatops_of};
use bowsprit_core::habits;
use bowsprit_core::name::{Login, RepoName};
use std::collections::BTreeMap;

/// Settings of one place: its name, and each setting with its whole key.
type Places = BTreeMap<String, Vec<(String, Setting)>>;

/// Checks the name of a place and writes it in lower case.
type Parse = fn(&str) -> Result<String, String>;

/// Reads the section. What is wrong is the reader's to tell.
pub(super) fn chatops(reader: &mut Reader) -> Chatops {
    let mut chatops = Chatops::default();
    if let Some(text) = reader.text("chatops.compatibility") {
        chatops.compatibility = compatibility(reader, "chatops.compatibility", &text);
    }
    let mut owners = Places::new();
    let mut repositories = Places::new();
    for (key, setting) in reader.settings_below("chatops", "owners") {
        if let Some((name, setting)) = placed(reader, &key, setting, owner) {
            owners.entry(name).or_default().push((key, setting));
        }
    }
    for (key, setting) in reader.settings_below("chatops", "repositories") {
        let is_one = setting.keys.first().is_some_and(|name| name.contains('/'));
        // An owner alone stands for all repositories of that owner.
        let (places, parse) = match is_one {
            true => (&mut repositories, repository as Parse),
            false => (&mut owners, owner as Parse),
        };
        if let Some((name, setting)) = placed(reader, &key, setting, parse) {
            places.entry(name).or_default().push((key, setting));
        }
    }
    chatops.owners = said(reader, owners);
    chatops.repositories = said(reader, repositories);
    chatops
}

fn owner(name: &str) -> Result<String, String> {
    let parsed = Login::parse(name).map_err(|error| error.to_string())?;
    Ok(parsed.to_string().to_ascii_lowercase())
}

fn repository(name: &str) -> Result<String, String> {
    let parsed = RepoName::parse(name).map_err(|error| error.to_string())?;
    Ok(parsed.as_str().to_ascii_lowercase())
}

/// The place that a setting is for, and the setting there; a preset may stand for the whole place.
fn placed(
    reader: &mut Reader,
    key: &str,
    mut setting: Setting,
    parse: Parse,
) -> Option<(String, Setting)> {
    let name = match setting.keys.is_empty() {
        true => return None,
        false => setting.keys.remove(0),
    };
    let name = match parse(&name) {
        Ok(name) => name,
        Err(error) => {
            reader.complain(key, error);
            return None;
        }
    };
    if setting.keys.is_empty() {
        setting.keys.push("compatibility".to_owned());
    }
    Some((name, setting))
}

/// What each place says, by the grammar of the contract.
fn said(reader: &mut Reader, places: Places) -> BTreeMap<String, habits::Chatops> {
    let mut all = BTreeMap::new();
    for (name, settings) in places {
        let (keys, settings): (Vec<String>, Vec<Setting>) = settings.into_iter().unzip();
        let mut is_twice = false;
        for (at, setting) in settings.iter().enumerate() {
            if settings.iter().take(at).any(|one| one.keys == setting.keys) {
                reader.complain(&keys[at], "stands there twice".to_owned());
                is_twice = true;
            }
        }
        match chatops_of(&settings) {
            Ok(chatops) if !is_twice => {
                all.insert(name, chatops);
            }
            Ok(_) => {}
            Err(problems) => {
                for (at, message) in problems {
                    let key = keys.get(at).map_or("chatops", String::as_str);
                    reader.complain(key, message);
                }
            }
        }
    }
    all
}

fn compatibility(reader: &mut Reader, key: &str, text: &str) -> Compatibility {
    match text {
        "own" => Compatibility::Own,
        "prow" => Compatibility::Prow,
        other => {
            reader.complain(key, format!("`{other}` is neither `own` nor `prow`"));
            Compatibility::Own
        }
    }
}
