//! Presubmits, which become checks, and the other jobs, which do not.

use super::known::{CONFIG_SECTIONS, JOB_KEYS, POD_KEYS, tell};
use super::walk::{Job, Spot, Walk};
use crate::contract::{CHECKS_MAX, Map, RESERVED_CHECKS, TIMEOUT_S_MAX, Told, parse_part, units};
use crate::image::reference::Pinned;
use crate::name::{RepoName, Slug};
use serde_json::{Value as Json, json};

/// Longest name of a check. Units: characters.
const NAME_CHARS_MAX: usize = 40;
/// Names with which a clash of names ends.
const NAMES_TRIED_MAX: usize = 99;

/// A file of jobs.
pub(super) fn file(walk: &mut Walk, root: &Spot<'_>) {
    for (key, spot) in walk.fields(root) {
        if !section(walk, key, &spot) {
            tell(walk, &spot, key, CONFIG_SECTIONS);
        }
    }
}

/// Reads a section of jobs; answers whether it is one.
pub(super) fn section(walk: &mut Walk, key: &str, spot: &Spot<'_>) -> bool {
    match key {
        "presubmits" => presubmits(walk, spot),
        "postsubmits" => others(
            walk,
            spot,
            "a push starts training by `triggers.push` of the contract, and no other job",
        ),
        "periodics" => others(walk, spot, "nothing runs by the clock"),
        _ => return false,
    }
    true
}

fn presubmits(walk: &mut Walk, section: &Spot<'_>) {
    if section.is_list() {
        return walk.leave(
            section,
            "the file does not say of which repository it is",
            "put the list below `presubmits: {owner/name: …}` and run the command again",
        );
    }
    for (name, spot) in walk.fields(section) {
        let place = match RepoName::parse(name) {
            Ok(name) => name.as_str().to_ascii_lowercase(),
            Err(error) => {
                walk.leave(&spot, error.to_string(), "name a repository");
                continue;
            }
        };
        for job in walk.items(&spot) {
            presubmit(walk, &place, &job);
        }
    }
}

/// Jobs by repository, or a list of them.
fn others(walk: &mut Walk, section: &Spot<'_>, why: &str) {
    let instead = "a workflow of GitHub Actions does it";
    let lists = match section.is_list() {
        true => vec![section.clone()],
        false => walk
            .fields(section)
            .into_iter()
            .map(|(_, list)| list)
            .collect(),
    };
    let jobs: Vec<Spot<'_>> = lists.iter().flat_map(|list| walk.items(list)).collect();
    for job in jobs {
        let name = job.get("name").and_then(|name| name.text());
        let name = crate::contract::tree::shown(name.unwrap_or("(no name)"));
        walk.leave(&job, format!("`{name}`: {why}"), instead);
    }
}

/// What a check has beside its name and command.
#[derive(Default)]
struct Parts {
    is_optional: bool,
    always: Option<bool>,
    run_if: Option<String>,
    skip_if: Option<String>,
    timeout: Option<String>,
    image: Option<String>,
    resources: Option<Json>,
}

fn presubmit(walk: &mut Walk, place: &str, job: &Spot<'_>) {
    let Some(named) = job.get("name").filter(|name| name.text().is_some()) else {
        return walk.leave(job, "it has no name", "give it one");
    };
    let name = named.text().unwrap_or_default();
    let known = (place.to_owned(), name.to_owned());
    if walk.jobs.contains(&known) {
        return walk.leave(
            job,
            "another job of this name was carried over; a contract is that of its branch",
            "write this one into the contracts of its branches",
        );
    }
    let count = walk.checks.get(place).map_or(0, Vec::len);
    if count >= CHECKS_MAX {
        let why = format!("a contract has at most {CHECKS_MAX} checks");
        return walk.leave(job, why, "let one check run several things");
    }
    let Some(run) = command(walk, job) else {
        return;
    };
    let parts = parts(walk, job);
    let Some(short) = check_name(walk, place, &named) else {
        return;
    };
    let check = check(&short, &run, &parts);
    let text = serde_saphyr::to_string(&one("checks", check)).unwrap_or_default();
    if let Err(problems) = parse_part(&text) {
        let told: Vec<String> = problems.into_iter().map(|one| one.message).collect();
        return walk.leave(job, told.join("; "), "write the check by hand");
    }
    if short != name {
        let why = format!("it is called `{short}` here");
        walk.leave(&named, why, "say so where GitHub's rules require it");
    }
    walk.carry(job, format!("the check `{short}` of `{place}`"));
    walk.jobs.insert(known);
    let check = self::check(&short, &run, &parts);
    let job = Job { name: short, check };
    walk.checks.entry(place.to_owned()).or_default().push(job);
}

/// A mapping of one key, whose value is a list of one.
fn one(key: &str, item: Told) -> Told {
    Map::default().with(key, Told::list([item])).into()
}

fn check(name: &str, run: &[String], parts: &Parts) -> Told {
    let always = match (&parts.run_if, &parts.skip_if, parts.always) {
        // There a job runs by itself only where it says so.
        (None, None, always) => Some(always.unwrap_or(false)),
        (_, _, Some(true)) => Some(true),
        (_, _, Some(false) | None) => None,
    };
    let image = parts.image.as_ref();
    Map::default()
        .with("name", json!(name))
        .with("run", json!(run))
        .with_some("optional", parts.is_optional.then_some(json!(true)))
        .with_some("always_run", always.map(|is_on| json!(is_on)))
        .with_some(
            "run_if_changed",
            parts.run_if.as_ref().map(|one| json!(one)),
        )
        .with_some(
            "skip_if_only_changed",
            parts.skip_if.as_ref().map(|one| json!(one)),
        )
        .with_some("resources", parts.resources.clone())
        .with_some("timeout", parts.timeout.as_ref().map(|one| json!(one)))
        .with_some("runtime", image.map(|image| json!({"image": image})))
        .into()
}

/// A name for `/test`, and none of the repository's other checks has it.
fn check_name(walk: &mut Walk, place: &str, named: &Spot<'_>) -> Option<String> {
    let name = named.text().unwrap_or_default();
    let plain = |c: char| match c.to_ascii_lowercase() {
        c @ ('a'..='z' | '0'..='9' | '-') => c,
        _ => '-',
    };
    let short: String = name.chars().map(plain).take(NAME_CHARS_MAX - 3).collect();
    let start = short.trim_start_matches(|c: char| !c.is_ascii_lowercase());
    let short = match start.trim_end_matches('-') {
        _ if Slug::parse(name).is_ok() => name,
        "" => "check",
        short => short,
    };
    // `/test` takes these for something else.
    let short = match RESERVED_CHECKS.contains(&short) {
        true => format!("{short}-check"),
        false => short.to_owned(),
    };
    let taken = walk.checks.get(place);
    let is_free =
        |name: &String| !taken.is_some_and(|jobs| jobs.iter().any(|job| job.name == *name));
    let tried = (2..=NAMES_TRIED_MAX).map(|number| format!("{short}-{number}"));
    let found = std::iter::once(short.clone()).chain(tried).find(is_free);
    if found.is_none() {
        walk.leave(named, "too many jobs have names like this", "rename it");
    }
    found
}

/// What its one container runs.
fn command(walk: &mut Walk, job: &Spot<'_>) -> Option<Vec<String>> {
    let containers = job.get("spec").and_then(|spec| spec.get("containers"));
    let containers = containers.map(|all| all.items()).unwrap_or_default();
    let [container] = &containers[..] else {
        let why = match containers.len() {
            0 => "it has no container",
            _ => "it has several containers, and a check is one process",
        };
        walk.leave(job, why, "write the check by hand");
        return None;
    };
    let Some(command) = container.get("command").filter(|one| !one.is_empty()) else {
        walk.leave(
            job,
            "its command stands in the image, not in the file",
            "write the check by hand, with its `run`",
        );
        return None;
    };
    let mut run = walk.texts(&command);
    if let Some(args) = container.get("args") {
        run.extend(walk.texts(&args));
    }
    Some(run)
}

fn parts(walk: &mut Walk, job: &Spot<'_>) -> Parts {
    let mut parts = Parts::default();
    let pattern = |spot: &Spot<'_>| {
        spot.text()
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    for (key, spot) in job.fields() {
        match key {
            "name" => {}
            "optional" => parts.is_optional = walk.flag(&spot).unwrap_or_default(),
            "always_run" => parts.always = walk.flag(&spot),
            "run_if_changed" => parts.run_if = pattern(&spot),
            "skip_if_only_changed" => parts.skip_if = pattern(&spot),
            "decoration_config" => decoration(walk, &spot, &mut parts),
            "spec" => pod(walk, &spot, &mut parts),
            other => known_or_off(walk, &spot, other),
        }
    }
    parts
}

/// A key that is off loses nothing.
fn known_or_off(walk: &mut Walk, spot: &Spot<'_>, key: &str) {
    let is_off = spot.is_empty() || spot.text() == Some("false");
    match is_off && JOB_KEYS.iter().any(|(known, _)| *known == key) {
        true => walk.carry(spot, "it is off, as it is here"),
        false => tell(walk, spot, key, JOB_KEYS),
    }
}

fn decoration(walk: &mut Walk, section: &Spot<'_>, parts: &mut Parts) {
    for (key, spot) in walk.fields(section) {
        if key != "timeout" {
            walk.leave(
                &spot,
                "a check has its log, its limits and its result without settings",
                "",
            );
            continue;
        }
        let text = spot.text().unwrap_or_default();
        match units::duration_s(text) {
            Ok(seconds) if (1..=TIMEOUT_S_MAX).contains(&seconds) => {
                parts.timeout = Some(text.to_owned());
            }
            Ok(_) => walk.leave(
                &spot,
                "a check takes from 1s to 7d",
                "write `timeout` by hand",
            ),
            Err(why) => walk.leave(&spot, why, "write `timeout` by hand"),
        }
    }
}

fn pod(walk: &mut Walk, spec: &Spot<'_>, parts: &mut Parts) {
    for (key, spot) in spec.fields() {
        if key != "containers" {
            tell(walk, &spot, key, POD_KEYS);
            continue;
        }
        for (key, spot) in spot.items().iter().flat_map(Spot::fields) {
            match key {
                "command" | "args" => {}
                "image" => match Pinned::parse(spot.text().unwrap_or_default()) {
                    Ok(_) => parts.image = spot.text().map(str::to_owned),
                    Err(error) => walk.leave(
                        &spot,
                        error.to_string(),
                        "the check runs in the contract's `runtime`; give it its own as `runtime: {image: …}` by digest",
                    ),
                },
                "resources" => parts.resources = resources(walk, &spot),
                other => tell(walk, &spot, other, POD_KEYS),
            }
        }
    }
}

/// What a check may use is what it asked for at most: limits go before requests.
fn resources(walk: &mut Walk, section: &Spot<'_>) -> Option<Json> {
    let mut wanted = serde_json::Map::new();
    for (key, spot) in walk.fields(section) {
        if !["requests", "limits"].contains(&key) {
            tell(walk, &spot, key, &[]);
        }
    }
    for part in ["requests", "limits"] {
        let Some(part) = section.get(part) else {
            continue;
        };
        for (key, spot) in walk.fields(&part) {
            let text = spot.text().unwrap_or_default();
            let (key, is_good) = match key {
                "cpu" => ("cpu", units::cpu_millis(text).map(drop)),
                "memory" => ("memory", units::memory_bytes(text).map(drop)),
                key if key.ends_with("/gpu") => {
                    let number: Result<u32, _> = text.parse();
                    if let Ok(number) = number {
                        wanted.insert("gpu".to_owned(), json!(number));
                        continue;
                    }
                    ("gpu", Err("it is no whole number".to_owned()))
                }
                _ => ("", Err("a check asks for cpu, memory and gpu".to_owned())),
            };
            match is_good {
                Ok(()) => {
                    wanted.insert(key.to_owned(), json!(text));
                }
                Err(why) => walk.leave(&spot, why, "write `resources` by hand"),
            }
        }
    }
    (!wanted.is_empty()).then_some(Json::Object(wanted))
}
