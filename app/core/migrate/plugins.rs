//! `plugins.yaml`: which plugins are on where, and their settings.

use super::known::{BLUNDERBUSS_KEYS, ENTRY_KEYS, OTHER_KEYS, PLUGIN_SECTIONS, PLUGINS, tell};
use super::walk::{Spot, Walk, owner};
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

/// A flag of Prow's that is a switch here; all of them are off there where nothing is said.
struct Flag {
    key: &'static str,
    switch: &'static str,
    /// Whether the one means the opposite of the other.
    is_not: bool,
}

const fn flag(key: &'static str, switch: &'static str) -> Flag {
    Flag {
        key,
        switch,
        is_not: false,
    }
}

const APPROVE: &[Flag] = &[
    flag("issue_required", "require_issue"),
    flag("require_self_approval", "require_self_approval"),
    flag("lgtm_acts_as_approve", "lgtm_acts_as_approve"),
    Flag {
        key: "ignore_review_state",
        switch: "review_acts_as_approve",
        is_not: true,
    },
];
const LGTM: &[Flag] = &[flag("review_acts_as_lgtm", "review_acts_as_lgtm")];
const TRIGGERS: &[Flag] = &[
    flag("only_org_members", "only_org_members"),
    flag("ignore_ok_to_test", "ignore_ok_to_test"),
];

/// Why a section comes to nothing.
const NOWHERE: &str = "its plugin is on nowhere";
/// GitHub asks no more reviewers at once.
const REVIEWERS_MAX: u32 = 15;

/// Which plugins are on, by place; those of an owner are on in its repositories as well.
#[derive(Default)]
struct On<'a>(BTreeMap<String, (BTreeSet<String>, Option<Spot<'a>>)>);

impl On<'_> {
    fn has(&self, place: &str, plugin: &str) -> bool {
        let of = |place: &str| {
            let found = self.0.get(place);
            found.is_some_and(|(plugins, _)| plugins.contains(plugin))
        };
        of(place) || of(owner(place))
    }

    /// Places where it is on and not already by their owner.
    fn with(&self, plugin: &str) -> Vec<String> {
        let places = self.0.keys().filter(|place| {
            let is_by_owner = place.contains('/') && self.has(owner(place), plugin);
            self.has(place, plugin) && !is_by_owner
        });
        places.cloned().collect()
    }
}

/// Reads the whole file.
pub(super) fn plugins(walk: &mut Walk, root: &Spot<'_>) {
    let mut on = On::default();
    let places = root.get("plugins").map(|all| walk.fields(&all));
    for (name, spot) in places.unwrap_or_default() {
        enabled(walk, &mut on, (name, &spot));
    }
    presets(walk, &on);
    let mut is_asking_said = false;
    for (key, spot) in walk.fields(root) {
        match key {
            "plugins" => {}
            "external_plugins" => external(walk, &spot),
            "approve" => entries(walk, &spot, APPROVE, &[]),
            "lgtm" => entries(walk, &spot, LGTM, &["sticky_lgtm"]),
            "triggers" => entries(walk, &spot, TRIGGERS, &["trusted_apps"]),
            "blunderbuss" => {
                is_asking_said = true;
                let fields = walk.fields(&spot);
                blunderbuss(walk, &on, (&spot, &fields));
            }
            "owners" => owners(walk, &spot),
            "label" => label(walk, &on, &spot),
            "override" => overriding(walk, &on, &spot),
            other => tell(walk, &spot, other, PLUGIN_SECTIONS),
        }
    }
    if !is_asking_said && let Some(spot) = root.get("plugins") {
        blunderbuss(walk, &on, (&spot, &[]));
    }
}

/// One place: a list of plugins, or a mapping that holds the list.
fn enabled<'a>(walk: &mut Walk, on: &mut On<'a>, (name, spot): (&str, &Spot<'a>)) {
    let Some(place) = walk.place(spot, name) else {
        return;
    };
    let mut list = spot.clone();
    for (key, field) in spot.fields() {
        match key {
            "plugins" => list = field,
            "excluded_repos" => walk.leave(
                &field,
                "repositories of an organisation cannot be left out by name",
                "leave them out of the App's installation",
            ),
            other => tell(walk, &field, other, &[]),
        }
    }
    let entry = on.0.entry(place).or_default();
    entry.1 = Some(spot.clone());
    for item in walk.items(&list) {
        let Some(plugin) = item.text() else {
            walk.leave(&item, "it is no text", "correct it");
            continue;
        };
        entry.0.insert(plugin.to_owned());
        tell(walk, &item, plugin, PLUGINS);
    }
}

/// What each place gets because of the plugins that are on there, and not.
fn presets(walk: &mut Walk, on: &On<'_>) {
    for (place, (_, spot)) in &on.0 {
        let Some(spot) = spot else { continue };
        let of_owner = owner(place).to_owned();
        let is_below = place.contains('/') && on.0.contains_key(&of_owner);
        if !is_below {
            walk.set((place, "compatibility"), json!("prow"), spot);
        }
        let is_wip = on.has(place, "wip");
        if !is_wip && !is_below {
            walk.set((place, "wip_titles"), json!(false), spot);
        } else if is_wip && is_below && !on.has(&of_owner, "wip") {
            walk.set((place, "wip_titles"), json!(true), spot);
        }
        for (plugin, what) in [
            ("approve", "an approval by OWNERS"),
            ("lgtm", "an lgtm by a second person"),
        ] {
            if !on.has(place, plugin) && !is_below {
                let why = format!("`{plugin}` is not on here, and a merge always needs {what}");
                walk.leave(spot, why, "tell the people who merge here");
            }
        }
    }
}

fn external(walk: &mut Walk, section: &Spot<'_>) {
    for (_, place) in walk.fields(section) {
        for item in walk.items(&place) {
            let name = item.get("name").and_then(|name| name.text());
            match name {
                Some(name) => tell(walk, &item, name, PLUGINS),
                None => walk.leave(&item, "it has no name", "correct it"),
            }
        }
    }
}

/// `approve`, `lgtm` or `triggers`: a list of entries, each for some places.
fn entries(walk: &mut Walk, section: &Spot<'_>, flags: &[Flag], lists: &[&'static str]) {
    let mut own = Vec::new();
    for entry in walk.items(section) {
        let repos = entry.get("repos");
        let names = repos.as_ref().map(|repos| walk.texts(repos));
        let names = names.unwrap_or_default();
        let places: Vec<String> = names
            .iter()
            .filter_map(|name| walk.place(repos.as_ref().unwrap_or(&entry), name))
            .collect();
        if places.is_empty() {
            walk.leave(&entry, "it names no place", "");
            continue;
        }
        for (key, spot) in walk.fields(&entry) {
            match flags.iter().find(|flag| flag.key == key) {
                Some(flag) => {
                    let Some(is_on) = walk.flag(&spot) else {
                        continue;
                    };
                    for place in &places {
                        let value = json!(is_on != flag.is_not);
                        walk.set((place, flag.switch), value, &spot);
                    }
                }
                None => option(walk, &places, (key, &spot)),
            }
        }
        let of_one = places.into_iter().filter(|place| place.contains('/'));
        own.extend(of_one.map(|place| (place, entry.clone())));
    }
    // There an entry for a repository stands alone; here it lies over that of its owner.
    for (place, entry) in own {
        let flags = flags.iter().map(|flag| (flag.switch, json!(flag.is_not)));
        let lists = lists.iter().map(|list| (*list, json!([])));
        for (key, nothing) in flags.chain(lists) {
            let is_said = walk.said(&place, key).is_some();
            if !is_said && walk.said(owner(&place), key).is_some() {
                walk.set((&place, key), nothing, &entry);
            }
        }
    }
}

fn option(walk: &mut Walk, places: &[String], (key, spot): (&str, &Spot<'_>)) {
    match key {
        "repos" => {}
        "trusted_team_for_sticky_lgtm" | "sticky_lgtm_team" if !spot.is_empty() => {
            let team = spot.text().unwrap_or_default();
            for place in places {
                let team = format!("{}/{team}", owner(place));
                walk.set((place, "sticky_lgtm"), json!([team]), spot);
            }
        }
        "trusted_apps" => {
            let apps = walk.texts(spot);
            for place in places {
                walk.set((place, "trusted_apps"), json!(apps), spot);
            }
        }
        "skip_draft_pr" => match walk.flag(spot) {
            Some(true) => walk.carry(spot, "nothing runs for a draft"),
            Some(false) => walk.leave(
                spot,
                "nothing runs for a draft",
                "mark the pull request as ready",
            ),
            None => {}
        },
        other => tell(walk, spot, other, ENTRY_KEYS),
    }
}

/// Who may override beside administrators: top-level owners everywhere, and teams by place.
fn overriding(walk: &mut Walk, on: &On<'_>, section: &Spot<'_>) {
    for (key, spot) in walk.fields(section) {
        match key {
            "allow_top_level_owners" => {
                let Some(is_on) = walk.flag(&spot) else {
                    continue;
                };
                let places = on.with("override");
                if places.is_empty() {
                    walk.leave(&spot, NOWHERE, "");
                }
                for place in places {
                    let key = "override_by_top_level_owners";
                    walk.set((&place, key), json!(is_on), &spot);
                }
            }
            "allowed_github_teams" => {
                for (name, teams) in walk.fields(&spot) {
                    let Some(place) = walk.place(&teams, name) else {
                        continue;
                    };
                    let slugs = walk.texts(&teams);
                    let all: Vec<String> = slugs
                        .iter()
                        .map(|slug| format!("{}/{slug}", owner(&place)))
                        .collect();
                    walk.set((&place, "overriders"), json!(all), &teams);
                }
            }
            other => tell(walk, &spot, other, &[]),
        }
    }
}

/// Reviewers that are asked; without fields as Prow does where nothing is said.
fn blunderbuss(walk: &mut Walk, on: &On<'_>, (section, fields): (&Spot<'_>, &[(&str, Spot<'_>)])) {
    let places = on.with("blunderbuss");
    if places.is_empty() {
        if !fields.is_empty() {
            walk.leave(section, NOWHERE, "");
        }
        return;
    }
    let (mut count, mut max) = (2, None);
    let (mut exclude, mut drafts, mut authors) = (false, false, Vec::new());
    for (key, spot) in fields {
        let number = spot.text().and_then(|text| text.parse::<u32>().ok());
        match *key {
            "request_count" | "max_request_count" if number.is_none() => {
                walk.leave(spot, "it is no whole number", "correct it");
            }
            "request_count" => count = number.unwrap_or(count),
            "max_request_count" => max = number.filter(|max| *max > 0),
            "exclude_approvers" => exclude = walk.flag(spot).unwrap_or_default(),
            "ignore_drafts" => drafts = walk.flag(spot).unwrap_or_default(),
            "ignore_authors" => authors = walk.texts(spot),
            other => tell(walk, spot, other, BLUNDERBUSS_KEYS),
        }
    }
    if count > REVIEWERS_MAX {
        walk.leave(
            section,
            format!("GitHub asks at most {REVIEWERS_MAX} reviewers at once"),
            "",
        );
    }
    let count = count.clamp(1, REVIEWERS_MAX);
    let max = max.unwrap_or(REVIEWERS_MAX).clamp(count, REVIEWERS_MAX);
    let asked = json!({
        "count": count, "max": max, "exclude_approvers": exclude,
        "ignore_drafts": drafts, "ignore_authors": authors,
    });
    for place in places {
        walk.set((&place, "ask_reviewers"), asked.clone(), section);
    }
}

fn owners(walk: &mut Walk, section: &Spot<'_>) {
    for (key, spot) in walk.fields(section) {
        if key != "skip_collaborators" {
            tell(walk, &spot, key, OTHER_KEYS);
            continue;
        }
        for name in walk.texts(&spot) {
            if let Some(place) = walk.place(&spot, &name) {
                walk.set((&place, "skip_collaborators"), json!(true), &spot);
            }
        }
    }
}

fn label(walk: &mut Walk, on: &On<'_>, section: &Spot<'_>) {
    for (key, spot) in walk.fields(section) {
        match key {
            "additional_labels" => {
                let labels = walk.texts(&spot);
                let places = on.with("label");
                if places.is_empty() {
                    walk.leave(&spot, NOWHERE, "");
                }
                for place in places {
                    walk.set((&place, "labels"), json!(labels), &spot);
                }
            }
            "restricted_labels" => restricted(walk, on, &spot),
            other => tell(walk, &spot, other, OTHER_KEYS),
        }
    }
}

/// Labels of `*`, of an owner and of a repository add up there; here the nearest list holds alone.
fn restricted(walk: &mut Walk, on: &On<'_>, section: &Spot<'_>) {
    let mut said: BTreeMap<String, (Map<String, Json>, Spot<'_>)> = BTreeMap::new();
    for (name, spot) in walk.fields(section) {
        let place = match name {
            "*" => Some("*".to_owned()),
            name => walk.place(&spot, name),
        };
        let Some(place) = place else { continue };
        if said.contains_key(&place) {
            walk.leave(
                &spot,
                "it stands there before, in another case",
                "put both into one",
            );
            continue;
        }
        let mut labels = Map::new();
        for item in walk.items(&spot) {
            labels.extend(restriction(walk, &item));
        }
        said.insert(place, (labels, spot));
    }
    let everywhere = said.remove("*");
    let mut places: BTreeSet<String> = said.keys().cloned().collect();
    if let Some((_, spot)) = &everywhere {
        places.extend(on.with("label"));
        match places.is_empty() {
            true => walk.leave(spot, NOWHERE, ""),
            false => walk.carry(spot, "part of each `restricted_labels`"),
        }
    }
    for place in places {
        let mut all = Map::new();
        let own = said.get(&place);
        let of_owner = said.get(owner(&place)).filter(|_| place.contains('/'));
        let layers = [everywhere.as_ref(), of_owner, own];
        for (labels, _) in layers.into_iter().flatten() {
            all.extend(labels.clone());
        }
        let spot = own
            .or(everywhere.as_ref())
            .map_or(section, |(_, spot)| spot);
        walk.set((&place, "restricted_labels"), Json::Object(all), spot);
    }
}

fn restriction(walk: &mut Walk, item: &Spot<'_>) -> Option<(String, Json)> {
    let mut people = Vec::new();
    let mut label = None;
    for (key, spot) in walk.fields(item) {
        match key {
            "label" => label = spot.text().map(str::to_owned),
            "allowed_users" => people = walk.texts(&spot),
            "allowed_teams" => walk.leave(
                &spot,
                "a restricted label is for people; until they are named nobody puts it on",
                "write the team's people into `restricted_labels`",
            ),
            "assign_on" => walk.leave(&spot, "a label assigns nobody", ""),
            other => tell(walk, &spot, other, &[]),
        }
    }
    if label.is_none() {
        walk.leave(item, "it names no label", "correct it");
    }
    Some((label?, json!(people)))
}
