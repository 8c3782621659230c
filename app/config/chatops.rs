//! `[chatops]`: how commands are understood, everywhere and in single repositories.

use super::read::Reader;
use super::{Chatops, Compatibility};
use bowsprit_core::name::{Login, RepoName};

/// Reads the section. What is wrong is the reader's to tell.
pub(super) fn chatops(reader: &mut Reader) -> Chatops {
    let mut chatops = Chatops::default();
    if let Some(text) = reader.text("chatops.compatibility") {
        chatops.compatibility = compatibility(reader, "chatops.compatibility", &text);
    }
    for key in reader.keys_below("chatops.repositories.") {
        let Some(text) = reader.text(&key) else {
            continue;
        };
        let name = key.trim_start_matches("chatops.repositories.");
        let value = compatibility(reader, &key, &text);
        // An owner alone stands for all repositories of that owner.
        let parsed = match name.contains('/') {
            true => RepoName::parse(name).map(|name| name.to_string()),
            false => Login::parse(name).map(|owner| owner.to_string()),
        };
        match parsed {
            Ok(name) => {
                let name = name.to_ascii_lowercase();
                chatops.repositories.insert(name, value);
            }
            Err(error) => reader.complain(&key, error.to_string()),
        }
    }
    chatops
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
