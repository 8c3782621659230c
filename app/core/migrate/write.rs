//! What was found, written down: the server's part as TOML, parts of contracts as YAML, the report as Markdown.

use super::walk::{Settings, Walk, owner};
use super::{Left, Migration, Origin};
use crate::contract::{Map, Told};
use crate::text::code_span;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

const SERVER_HEAD: &str =
    "# Written by `bowsprit migrate prow`: put this into the server's file.\n";
const CONTRACT_HEAD: &str = "# Written by `bowsprit migrate prow`: put this into bowsprit.yaml of the branches that it is for.\n# The server's part says `chatops` as well; what stands here goes before it, so keep one of the two.\n";

/// Everything that goes out.
pub(super) fn migration(mut walk: Walk) -> Migration {
    let mut names: BTreeSet<String> = walk.checks.keys().cloned().collect();
    names.extend(
        walk.places
            .keys()
            .filter(|name| name.contains('/'))
            .cloned(),
    );
    let server = server(&walk.places);
    let mut contracts = BTreeMap::new();
    for name in names {
        let checks = walk.checks.remove(&name).unwrap_or_default();
        let mut chatops = walk.places.get(owner(&name)).cloned().unwrap_or_default();
        chatops.extend(walk.places.get(&name).cloned().unwrap_or_default());
        let mut part = Map::default();
        if !chatops.is_empty() {
            part = part.with("chatops", settings(&chatops));
        }
        if !checks.is_empty() {
            let checks = checks.into_iter().map(|job| job.check);
            part = part.with("checks", Told::list(checks));
        }
        let text = serde_saphyr::to_string(&Told::from(part)).unwrap_or_default();
        contracts.insert(name, format!("{CONTRACT_HEAD}{text}"));
    }
    Migration {
        server,
        contracts,
        carried: walk.carried,
        left: walk.left,
    }
}

/// The preset first, as people read it.
fn settings(chatops: &Settings) -> Told {
    let (first, rest): (Vec<_>, Vec<_>) = chatops
        .iter()
        .partition(|(key, _)| **key == "compatibility");
    let mut map = Map::default();
    for (key, value) in first.into_iter().chain(rest) {
        map = map.with(key, value.clone());
    }
    map.into()
}

fn server(places: &BTreeMap<String, Settings>) -> String {
    let mut text = SERVER_HEAD.to_owned();
    for (place, settings) in places {
        let section = match place.contains('/') {
            true => "repositories",
            false => "owners",
        };
        // Writing into a text cannot fail.
        let _ = writeln!(text, "\n[chatops.{section}.{}]", key_of(place));
        let (first, rest): (Vec<_>, Vec<_>) = settings
            .iter()
            .partition(|(key, _)| **key == "compatibility");
        for (key, value) in first.into_iter().chain(rest) {
            let _ = writeln!(text, "{key} = {}", value_of(value));
        }
    }
    text
}

/// A text or key of TOML: as in JSON, but for one control character.
fn quoted(text: &str) -> String {
    Json::from(text).to_string().replace('\u{7f}', "\\u007F")
}

fn key_of(key: &str) -> String {
    let is_bare = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    match !key.is_empty() && key.bytes().all(is_bare) {
        true => key.to_owned(),
        false => quoted(key),
    }
}

/// A value on one line.
fn value_of(value: &Json) -> String {
    match value {
        Json::String(text) => quoted(text),
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(value_of).collect();
            format!("[{}]", items.join(", "))
        }
        Json::Object(fields) if fields.is_empty() => "{}".to_owned(),
        Json::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(key, value)| format!("{} = {}", key_of(key), value_of(value)));
            format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => value.to_string(),
    }
}

/// The report as a page.
pub(super) fn report(migration: &Migration) -> String {
    let (carried, left) = (migration.carried.len(), migration.left.len());
    let mut page =
        format!("# From Prow to Bowsprit\n\nCarried over: {carried}.\nNot carried over: {left}.\n");
    if left > 0 {
        page.push_str("\n## Not carried over\n\n| where | key | why | what to do instead |\n| --- | --- | --- | --- |\n");
    }
    for Left { from, why, instead } in &migration.left {
        let instead = match instead.as_str() {
            "" => "nothing",
            text => text,
        };
        let (at, key) = (place(from), code_span(&from.key));
        // Writing into a text cannot fail.
        let _ = writeln!(
            page,
            "| {at} | {} | {} | {} |",
            cell(&key),
            cell(why),
            cell(instead)
        );
    }
    if carried > 0 {
        page.push_str(
            "\n## Carried over\n\n| where | key | what says it here |\n| --- | --- | --- |\n",
        );
    }
    for one in &migration.carried {
        let (at, key) = (place(&one.from), code_span(&one.from.key));
        let _ = writeln!(page, "| {at} | {} | {} |", cell(&key), cell(&one.to));
    }
    page
}

fn place(from: &Origin) -> String {
    cell(&format!("{}:{}:{}", from.file, from.line, from.column))
}

/// A text that stays within its cell and is no markup.
fn cell(text: &str) -> String {
    let mut cell = String::new();
    for c in text.chars() {
        match c {
            '|' if !cell.ends_with('\\') => cell.push_str("\\|"),
            '<' => cell.push_str("&lt;"),
            c if c.is_control() => cell.push(' '),
            c => cell.push(c),
        }
    }
    cell
}
