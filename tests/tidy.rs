//! What holds for the tree as a whole: sizes, directions, generated pages, templates and their samples.
//!
//! `UPDATE=1 cargo test --test tidy` writes the generated pages.

use bowsprit::text::Texts;
use bowsprit_core::effect::Text;
use bowsprit_core::rbac::{Place, rules_yaml};
use regex::Regex;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Lines of code that a file may have, without blank lines and comments.
const CODE_LINES_MAX: usize = 400;

/// Files that have more: as many as this, and why.
const LONG: [(&str, usize, &str); 7] = [
    ("app/cli/tour/stations.rs", 650, "one story, in its order"),
    (
        "app/core/subject/environment/tests.rs",
        1200,
        "one subject, all its stories",
    ),
    (
        "app/core/subject/run/tests.rs",
        850,
        "one subject, all its stories",
    ),
    (
        "app/core/subject/testing.rs",
        450,
        "what the stories of all subjects share",
    ),
    ("app/releases/tests.rs", 450, "one target, all its ends"),
    (
        "tests/cluster/serving/house.rs",
        550,
        "what the stories of one target share",
    ),
    ("tests/it/harness.rs", 600, "what every story shares"),
];

/// What a crate or room must not name, and where.
const FORBIDDEN: [(&str, &str); 4] = [
    (
        "app/core/",
        r"\b(tokio|octocrab|kube|git2|sqlx)\b|\bstd::(fs|env|net|process)\b|\bSystemTime\b|\bInstant::now\b",
    ),
    ("app/agent/", r"\b(sqlx|octocrab|kube|git2)\b"),
    ("app/hub/", r"\bbowsprit_(core|agent)\b|\bbowsprit::"),
    ("app/http/", r"\bcrate::(github|git)\b"),
];

/// Files that name more all the same, and why.
const SETTING_UP: [(&str, &str); 1] = [(
    "app/http/tests/bench.rs",
    "a front needs every room behind it",
)];

/// Rooms, which do not know each other.
const ROOMS: [&str; 8] = [
    "github",
    "git",
    "runs",
    "releases",
    "images",
    "artifacts",
    "store",
    "cluster",
];

/// Who knows another room all the same, and why.
const NEIGHBOURS: [(&str, &str, &str); 6] = [
    (
        "images",
        "artifacts",
        "a service image is made of a model's files",
    ),
    ("images", "cluster", "images are built by Jobs"),
    ("runs", "artifacts", "a stage's outputs become artifacts"),
    (
        "releases",
        "artifacts",
        "a release is laid out from artifacts",
    ),
    ("runs", "cluster", "a stage may be a Job of the cluster"),
    (
        "releases",
        "cluster",
        "a release may be objects of the cluster",
    ),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Tracked files whose path ends so, relative to the root.
fn tracked(ending: &str) -> Vec<String> {
    let listed = std::process::Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root())
        .output()
        .expect("git lists the tree");
    assert!(listed.status.success(), "git ls-files failed");
    let listed = String::from_utf8(listed.stdout).expect("paths are UTF-8");
    let paths = listed.split('\0').filter(|path| path.ends_with(ending));
    let there = paths.filter(|path| root().join(path).is_file());
    there.map(str::to_owned).collect()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Lines that are code, with their numbers from 1.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate();
    lines.filter_map(|(index, line)| {
        let is_code = !line.trim().is_empty() && !line.trim_start().starts_with("//");
        is_code.then_some((index + 1, line))
    })
}

fn nothing(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn a_file_fits_a_head() {
    let mut problems = Vec::new();
    let mut long: BTreeMap<&str, usize> = LONG.iter().map(|(path, max, _)| (*path, *max)).collect();
    for path in tracked(".rs") {
        let lines = code(&read(&path)).count();
        let max = long.remove(path.as_str()).unwrap_or(CODE_LINES_MAX);
        if lines > max {
            problems.push(format!("{path} has {lines} lines of code, more than {max}"));
        } else if max > CODE_LINES_MAX && lines <= CODE_LINES_MAX {
            problems.push(format!("{path} is short now: take it from the list"));
        }
    }
    problems.extend(
        long.keys()
            .map(|path| format!("{path} is listed and not there")),
    );
    nothing(&problems);
}

#[test]
fn nobody_reaches_where_it_must_not() {
    let mut problems = Vec::new();
    for (folder, pattern) in FORBIDDEN {
        let pattern = Regex::new(pattern).expect("a pattern");
        for path in tracked(".rs")
            .iter()
            .filter(|path| path.starts_with(folder))
        {
            if SETTING_UP.iter().any(|(exempt, _)| exempt == path) {
                continue;
            }
            for (number, line) in code(&read(path)) {
                if let Some(found) = pattern.find(line) {
                    problems.push(format!(
                        "{path}:{number}: `{}` is not for {folder}",
                        found.as_str()
                    ));
                }
            }
        }
    }
    nothing(&problems);
}

#[test]
fn rooms_do_not_know_each_other() {
    let named = Regex::new(r"\bcrate::(\w+|\{)").expect("a pattern");
    let mut problems = Vec::new();
    for path in tracked(".rs") {
        let Some(room) = ROOMS
            .iter()
            .find(|room| path.starts_with(&format!("app/{room}/")))
        else {
            continue;
        };
        for (number, line) in code(&read(&path)) {
            for found in named.captures_iter(line) {
                let other = &found[1];
                let is_known = NEIGHBOURS
                    .iter()
                    .any(|(who, whom, _)| who == room && *whom == other);
                let is_wrong = ROOMS.contains(&other)
                    || ["worker", "http", "app", "cli", "{"].contains(&other);
                if other != *room && is_wrong && !is_known {
                    problems.push(format!("{path}:{number}: `{room}` must not know `{other}`"));
                }
            }
        }
    }
    nothing(&problems);
}

#[test]
fn nothing_is_left_for_later_or_silenced() {
    let marks = ["TO", "FIX", "to", "#[al"]
        .into_iter()
        .zip(["DO", "ME", "do!(", "low("]);
    let marks: Vec<String> = marks.map(|(a, b)| format!("{a}{b}")).collect();
    let mut problems = Vec::new();
    for path in tracked(".rs") {
        for (index, line) in read(&path).lines().enumerate() {
            if let Some(mark) = marks.iter().find(|mark| line.contains(mark.as_str())) {
                problems.push(format!("{path}:{}: `{mark}`", index + 1));
            }
        }
    }
    nothing(&problems);
}

#[test]
fn no_page_or_file_names_who_typed_it() {
    let names = ["anthro-pic", "chat-gpt", "clau-de", "co-pilot", "open-ai"];
    let names = names.map(|name| name.replace('-', "")).join("|");
    let names = Regex::new(&format!(r"(?i)\b({names})\b")).expect("a pattern");
    let endings = [".rs", ".md", ".yaml", ".yml", ".toml", ".hbs", ".py"];
    let mut problems = Vec::new();
    for path in endings.iter().flat_map(|ending| tracked(ending)) {
        if let Some(found) = names.find(&read(&path)) {
            problems.push(format!("{path}: `{}`", found.as_str()));
        }
    }
    nothing(&problems);
}

#[derive(Deserialize)]
struct Manifest {
    default_events: BTreeSet<String>,
    default_permissions: BTreeMap<String, String>,
}

#[test]
fn the_app_asks_for_what_it_uses_and_no_more() {
    let manifest: Manifest = serde_saphyr::from_str(&read("app.yml")).expect("a manifest");
    let needed = bowsprit::github::own::needed();
    assert_eq!(manifest.default_events, needed.events);
    assert_eq!(manifest.default_permissions, needed.permissions);
}

/// The samples: template and file.
fn samples() -> Vec<(String, String)> {
    let paths = tracked(".json").into_iter();
    paths
        .filter_map(|path| {
            let name = path.strip_prefix("tests/templates/")?.to_owned();
            let mut parts = name.split('.');
            let template = format!("{}/{}", parts.next()?, parts.next()?);
            Some((template, path))
        })
        .collect()
}

#[test]
fn every_template_renders_with_every_sample() {
    let texts = Texts::load(None).expect("templates that parse");
    let mut unseen: BTreeSet<String> = texts.names().into_iter().collect();
    let mut problems = Vec::new();
    for (template, path) in samples() {
        unseen.remove(&template);
        let data =
            serde_json::from_str(&read(&path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        match texts.render(&Text::new(&template, data), serde_json::json!({})) {
            Ok(text) if text.trim().is_empty() && !path.ends_with(".none.json") => {
                problems.push(format!("{path}: renders to nothing"))
            }
            Ok(_) => {}
            Err(error) => problems.push(format!("{path}: {error:#}")),
        }
    }
    problems.extend(
        unseen
            .iter()
            .map(|template| format!("templates/{template}.hbs has no sample")),
    );
    nothing(&problems);
}

#[test]
fn every_text_has_a_template() {
    let names = Texts::load(None).expect("templates that parse").names();
    let text = Regex::new(r#"Text::new\(\s*"([^"]+)""#).expect("a pattern");
    let mut problems = Vec::new();
    for path in tracked(".rs")
        .iter()
        .filter(|path| path.starts_with("app/core/"))
    {
        for found in text.captures_iter(&read(path)) {
            if !names.contains(&found[1].to_owned()) {
                problems.push(format!("{path}: no template `{}`", &found[1]));
            }
        }
    }
    nothing(&problems);
}

/// The schema of the chart's values, with the server's keys as they are now.
fn schema_of_values() -> String {
    let mut schema: serde_json::Value =
        serde_json::from_str(&read("helm/values.schema.json")).expect("JSON");
    schema["properties"]["config"] = bowsprit::config::reference::reference_schema();
    serde_json::to_string_pretty(&schema).expect("JSON") + "\n"
}

#[test]
fn generated_pages_are_current() {
    let schema = serde_json::to_string_pretty(&bowsprit_core::contract::schema()).expect("JSON");
    let mut pages = vec![
        (
            "docs/COMMANDS.md".to_owned(),
            bowsprit_core::command::help_markdown(),
        ),
        (
            "docs/CONFIGURATION.md".to_owned(),
            bowsprit::config::reference::reference_markdown(),
        ),
        (
            "docs/MIGRATING.md".to_owned(),
            bowsprit_core::migrate::guide_markdown(),
        ),
        ("docs/contract.schema.json".to_owned(), schema + "\n"),
        ("helm/values.schema.json".to_owned(), schema_of_values()),
    ];
    for place in Place::ALL {
        let path = format!("helm/rules/{}.yaml", place.word());
        pages.push((path, rules_yaml(place)));
    }
    let is_update = std::env::var_os("UPDATE").is_some_and(|value| value == "1");
    let mut problems = Vec::new();
    for (path, wanted) in pages {
        let file: PathBuf = root().join(&path);
        if is_update {
            std::fs::write(&file, &wanted).unwrap_or_else(|error| panic!("{path}: {error}"));
        } else if std::fs::read_to_string(&file).ok().as_deref() != Some(wanted.as_str()) {
            problems.push(format!(
                "{path} is not current: `UPDATE=1 cargo test --test tidy` writes it"
            ));
        }
    }
    nothing(&problems);
}

/// Files of a service in Python that know nothing of its model; `x` stands for the root of the pair.
const SAME_SERVICE: [&str; 4] = [
    "x_service/server.py",
    "x_service/__main__.py",
    "tests/test_model.py",
    "environments/OWNERS",
];

#[test]
fn pairs_differ_where_their_models_do() {
    // A pair stands alone, so each has its own copy; a flaw that is mended in one is mended in all.
    let mut seen: BTreeMap<&str, (String, String)> = BTreeMap::new();
    let mut problems = Vec::new();
    for card in tracked("quickstart.yaml") {
        let folder = card.trim_end_matches("quickstart.yaml");
        let text = read(&card);
        let named = text.lines().find_map(|line| line.strip_prefix("root: "));
        let pair = named.expect("a card names its root");
        for file in SAME_SERVICE {
            let path = format!(
                "{folder}service/{}",
                file.replace("x_", &format!("{pair}_"))
            );
            if !root().join(&path).is_file() {
                continue;
            }
            let text = read(&path).replace(pair, "x");
            let (first, wanted) = seen.entry(file).or_insert((path.clone(), text.clone()));
            if *wanted != text {
                problems.push(format!("{path} differs from {first} in more than names"));
            }
        }
    }
    nothing(&problems);
}

#[test]
fn links_of_pages_lead_somewhere() {
    let link = Regex::new(r"\]\(([^)#:\s]+)(#[^)]*)?\)").expect("a pattern");
    let mut problems = Vec::new();
    let is_ours = |path: &String| path.starts_with("docs/") || !path.contains('/');
    for path in tracked(".md").into_iter().filter(is_ours) {
        let file = root().join(&path);
        let folder = file.parent().expect("a folder");
        for found in link.captures_iter(&read(&path)) {
            if !folder.join(&found[1]).exists() {
                problems.push(format!("{path}: nothing at `{}`", &found[1]));
            }
        }
    }
    nothing(&problems);
}
