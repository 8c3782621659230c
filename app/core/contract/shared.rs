//! What both kinds of contract are made of: commands, resources, environment variables, checks.

use super::reader::{Fields, Problems, boolean, checked, each, entries, list, text, whole};
use super::runtime::runtime;
use super::tree::{Key, Mark, Node, Value, shown};
use super::{Check, CheckWhen, Resources, glob, units};
use crate::name::{RepoName, Slug};
use std::collections::{BTreeMap, BTreeSet};

/// Time limit of a command that names none. Units: seconds.
pub(crate) const TIMEOUT_S_DEFAULT: u64 = 30 * 60;
/// Longest time limit. Units: seconds.
pub(crate) const TIMEOUT_S_MAX: u64 = 7 * 24 * 3_600;
/// Most checks of a contract.
pub(crate) const CHECKS_MAX: usize = 20;
const VARIABLES_MAX: usize = 64;
const VARIABLE_BYTES_MAX: usize = 4_096;
const GPUS_MAX: u32 = 16;
const PATTERNS_MAX: usize = 50;

/// Variables that Bowsprit or the system sets; a contract may not.
const RESERVED_VARIABLES: [&str; 12] = [
    "PORT",
    "MODEL_DIR",
    "MODELS_DIR",
    "MODEL_NAME",
    "MODEL_VERSION",
    "DATA_DIR",
    "OUTPUTS_DIR",
    "SECRETS_DIR",
    "HOME",
    "PATH",
    "TMPDIR",
    "VIRTUAL_ENV",
];
/// Beginnings of such variables; `LD_` would load foreign code into every process.
const RESERVED_PREFIXES: [&str; 2] = ["BOWSPRIT_", "LD_"];
/// Check names that `/test` takes for something else.
pub(crate) const RESERVED_CHECKS: [&str; 2] = ["all", "train"];

pub(crate) const CHECK_KEYS: [&str; 9] = [
    "name",
    "run",
    "optional",
    "run_if_changed",
    "skip_if_only_changed",
    "always_run",
    "resources",
    "timeout",
    "runtime",
];
pub(crate) const RESOURCE_KEYS: [&str; 3] = ["cpu", "memory", "gpu"];

/// The two kinds of contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Training,
    Service,
}

/// What kind of contract this is; guessed from other keys, after a problem, where `kind` does not say.
pub(crate) fn kind(root: &Node, problems: &mut Problems) -> Option<Kind> {
    let entries = entries(root, "the contract", problems)?;
    let get = |name: &str| {
        entries
            .iter()
            .find(|(key, _)| key.text == name)
            .map(|(_, node)| node)
    };
    let said = get("kind");
    match said.map(|node| (&node.value, node.at)) {
        Some((Value::Scalar { text, .. }, _)) if text == "training" => return Some(Kind::Training),
        Some((Value::Scalar { text, .. }, _)) if text == "service" => return Some(Kind::Service),
        Some((_, at)) => problems.add(at, "`kind` must be `training` or `service`"),
        None => problems.add(
            root.at,
            "`kind` is missing in the contract: write `kind: training` or `kind: service`",
        ),
    }
    if get("steps").is_some() || get("model").is_some() {
        Some(Kind::Training)
    } else if get("serve").is_some() || get("models").is_some() {
        Some(Kind::Service)
    } else {
        None
    }
}

/// A name that nothing else on the list has.
pub(crate) fn unique_slug(
    node: &Node,
    what: &str,
    taken: &mut BTreeSet<Slug>,
    problems: &mut Problems,
) -> Option<Slug> {
    let slug = checked(node, what, Slug::parse, problems)?;
    if !taken.insert(slug.clone()) {
        problems.add(node.at, format!("{what}: `{slug}` stands here twice"));
        return None;
    }
    Some(slug)
}

/// The name of a repository of the same owner.
pub(crate) fn repository(node: &Node, what: &str, problems: &mut Problems) -> Option<String> {
    let check = |text: &str| {
        let name = text.to_owned();
        if text.contains('/') {
            return Err(
                "write the repository's name without its owner, both belong to the same one"
                    .to_owned(),
            );
        }
        RepoName::parse(&format!("owner/{text}"))
            .map(|_| name)
            .map_err(|_| format!("`{}` is not a repository name", shown(text)))
    };
    checked(node, what, check, problems)
}

/// A command: a list, or a text that is split.
pub(crate) fn command(node: &Node, what: &str, problems: &mut Problems) -> Option<Vec<String>> {
    match &node.value {
        Value::Scalar { .. } => checked(node, what, units::command_line, problems),
        Value::List(items) => {
            let words = each(items, |item| {
                text(item, &format!("an argument of {what}"), problems).map(str::to_owned)
            });
            // A bad argument has its own problem already.
            let whole = words.len() == items.len();
            match units::arguments(words) {
                Ok(words) => whole.then_some(words),
                Err(_) if !whole => None,
                Err(reason) => {
                    problems.add(node.at, format!("{what}: {reason}"));
                    None
                }
            }
        }
        Value::Null | Value::Map(_) => {
            problems.add(
                node.at,
                format!(
                    "{what} must be a command such as `[python, train.py]`, not {}",
                    node.kind()
                ),
            );
            None
        }
    }
}

/// The time limit at `key`, or the default.
pub(crate) fn timeout_s(
    fields: &Fields<'_>,
    key: &str,
    default_s: u64,
    problems: &mut Problems,
) -> Option<u64> {
    let Some(node) = fields.get(key) else {
        return Some(default_s);
    };
    let what = format!("`{key}` of {}", fields.what);
    let seconds = checked(node, &what, units::duration_s, problems)?;
    if !(1..=TIMEOUT_S_MAX).contains(&seconds) {
        problems.add(node.at, format!("{what} must be from 1s to 7d"));
        return None;
    }
    Some(seconds)
}

/// What a process may use, or the default.
pub(crate) fn resources(fields: &Fields<'_>, problems: &mut Problems) -> Option<Resources> {
    let mut resources = Resources::default();
    let Some(node) = fields.get("resources") else {
        return Some(resources);
    };
    let fields = Fields::of(node, "`resources`", &RESOURCE_KEYS, problems)?;
    if let Some(node) = fields.get("cpu") {
        resources.cpu_millis =
            checked(node, "`cpu`", units::cpu_millis, problems).unwrap_or(resources.cpu_millis);
    }
    if let Some(node) = fields.get("memory") {
        resources.memory_bytes = checked(node, "`memory`", units::memory_bytes, problems)
            .unwrap_or(resources.memory_bytes);
    }
    if let Some(node) = fields.get("gpu") {
        resources.gpu = whole(node, "`gpu`", (0, GPUS_MAX), problems).unwrap_or(resources.gpu);
    }
    Some(resources)
}

/// The same of a server, which gets no graphics processor.
pub(crate) fn server_resources(fields: &Fields<'_>, problems: &mut Problems) -> Option<Resources> {
    let resources = resources(fields, problems)?;
    match fields.get("resources") {
        Some(node) if resources.gpu > 0 => {
            let message = "`gpu` is for steps, the judge and checks; a server serves without one: leave `gpu` out here";
            problems.add(node.at, message);
            None
        }
        Some(_) | None => Some(resources),
    }
}

/// The environment variables at `env`, or none.
pub(crate) fn env(
    fields: &Fields<'_>,
    problems: &mut Problems,
) -> Option<BTreeMap<String, String>> {
    let Some(node) = fields.get("env") else {
        return Some(BTreeMap::new());
    };
    let entries = entries(node, "`env`", problems)?;
    if entries.len() > VARIABLES_MAX {
        problems.add(
            node.at,
            format!(
                "`env` has {} variables, at most {VARIABLES_MAX} are allowed",
                entries.len()
            ),
        );
        return None;
    }
    Some(
        entries
            .iter()
            .filter_map(|entry| variable(entry, problems))
            .collect(),
    )
}

fn variable((key, node): &(Key, Node), problems: &mut Problems) -> Option<(String, String)> {
    let is_named = variable_name(&key.text, key.at, problems);
    let value = text(
        node,
        &format!("the value of `{}`", shown(&key.text)),
        problems,
    )?;
    if value.len() > VARIABLE_BYTES_MAX || value.contains('\0') {
        problems.add(node.at, format!("the value of an environment variable has at most {VARIABLE_BYTES_MAX} bytes and no NUL"));
        return None;
    }
    is_named.then(|| (key.text.clone(), value.to_owned()))
}

/// Whether a contract may set a variable of that name; a problem if not.
pub(crate) fn variable_name(name: &str, at: Mark, problems: &mut Problems) -> bool {
    const NAME_BYTES_MAX: usize = 100;
    let is_plain = (1..=NAME_BYTES_MAX).contains(&name.len())
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !is_plain {
        problems.add(at, format!("`{}` is no name of an environment variable: letters, digits and `_`, first no digit", shown(name)));
        return false;
    }
    let upper = name.to_ascii_uppercase();
    let is_reserved = RESERVED_VARIABLES.contains(&upper.as_str())
        || RESERVED_PREFIXES
            .iter()
            .any(|prefix| upper.starts_with(prefix));
    if is_reserved {
        problems.add(
            at,
            format!("`{name}` is set by Bowsprit or the system, choose another name"),
        );
    }
    !is_reserved
}

/// The patterns at `key`, or none.
pub(crate) fn globs(fields: &Fields<'_>, key: &str, problems: &mut Problems) -> Vec<String> {
    let what = format!("`{key}`");
    let Some(items) = fields
        .get(key)
        .and_then(|node| list(node, &what, PATTERNS_MAX, problems))
    else {
        return Vec::new();
    };
    let check = |text: &str| glob::compile(text).map(|_| text.to_owned());
    each(items, |item| checked(item, &what, check, problems))
}

/// The named checks, or none.
pub(crate) fn checks(fields: &Fields<'_>, problems: &mut Problems) -> Vec<Check> {
    let Some(items) = fields
        .get("checks")
        .and_then(|node| list(node, "`checks`", CHECKS_MAX, problems))
    else {
        return Vec::new();
    };
    let mut taken = BTreeSet::new();
    each(items, |item| check(item, &mut taken, problems))
}

fn check(node: &Node, taken: &mut BTreeSet<Slug>, problems: &mut Problems) -> Option<Check> {
    let fields = Fields::of(node, "a check", &CHECK_KEYS, problems)?;
    let name = fields.need("name", "it is what `/test <name>` calls", problems);
    let name = name.and_then(|node| {
        let name = unique_slug(node, "`name` of a check", taken, problems)?;
        if RESERVED_CHECKS.contains(&name.as_str()) {
            problems.add(
                node.at,
                format!("`{name}` means something else to `/test`, choose another name"),
            );
        }
        Some(name)
    });
    let run = fields.need(
        "run",
        "the command, such as `[python, -m, pytest]`",
        problems,
    );
    let run = run.and_then(|node| command(node, "`run` of a check", problems));
    let optional = fields
        .get("optional")
        .is_some_and(|node| boolean(node, "`optional`", problems).unwrap_or_default());
    let when = check_when(&fields, problems);
    let resources = resources(&fields, problems);
    let timeout_s = timeout_s(&fields, "timeout", TIMEOUT_S_DEFAULT, problems);
    let runtime = runtime(&fields, problems);
    Some(Check {
        name: name?,
        run: run?,
        optional,
        when: when?,
        resources: resources?,
        timeout_s: timeout_s?,
        runtime,
    })
}

fn check_when(fields: &Fields<'_>, problems: &mut Problems) -> Option<CheckWhen> {
    let pattern = |key: &str, problems: &mut Problems| {
        let check = |text: &str| glob::regex_within_limits(text).map(|_| text.to_owned());
        fields
            .get(key)
            .map(|node| checked(node, &format!("`{key}`"), check, problems))
    };
    let always = fields
        .get("always_run")
        .and_then(|node| boolean(node, "`always_run`", problems));
    let run_if = pattern("run_if_changed", problems);
    let skip_if = pattern("skip_if_only_changed", problems);
    match (always, run_if, skip_if) {
        (Some(false), None, None) => Some(CheckWhen::ByHand),
        (Some(true) | None, None, None) => Some(CheckWhen::Always),
        (None, Some(pattern), None) => pattern.map(CheckWhen::RunIfChanged),
        (None, None, Some(pattern)) => pattern.map(CheckWhen::SkipIfOnlyChanged),
        (Some(_), _, _) | (None, Some(_), Some(_)) => {
            problems.add(
                fields.at,
                "a check has one of `always_run`, `run_if_changed` and `skip_if_only_changed`",
            );
            None
        }
    }
}
