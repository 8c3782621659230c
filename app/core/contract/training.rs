//! Reads the contract of a repository that trains.

use super::reader::{Fields, Problems, boolean, checked, each, entries, list, text};
use super::tree::{Mark, Node, Value, shown};
use super::{Evaluate, Judge, Step, Training, Triggers, runtime, shared};
use crate::gate::{GateRef, Mode};
use crate::image::reference::Pinned;
use crate::name::{BranchName, RepoPath, Slug};
use crate::training::parts::{PARTS_MAX, parts};
use crate::training::spec::RuntimeSpec;
use std::collections::{BTreeMap, BTreeSet};

const STEPS_MAX: usize = 20;
const GATES_MAX: usize = 50;
const SECRETS_MAX: usize = 20;
const DATA_MAX: usize = 20;
const CODE_MAX: usize = 20;
const BRANCHES_MAX: usize = 20;

/// Fewest hex digits that name a judge.
const JUDGE_DIGITS_MIN: usize = 12;
/// Hex digits of a whole digest.
const JUDGE_DIGITS_MAX: usize = 64;

pub(crate) const KEYS: [&str; 11] = [
    "kind",
    "model",
    "service",
    "runtime",
    "steps",
    "evaluate",
    "gates",
    "retire_judge",
    "checks",
    "triggers",
    "chatops",
];
pub(crate) const STEP_KEYS: [&str; 8] = [
    "name",
    "run",
    "image",
    "resources",
    "timeout",
    "env",
    "secrets",
    "network",
];
pub(crate) const JUDGE_KEYS: [&str; 6] = ["run", "data", "code", "resources", "timeout", "env"];
pub(crate) const GATE_KEYS: [&str; 3] = ["name", "with", "mode"];
pub(crate) const TRIGGER_KEYS: [&str; 3] = ["push", "pull_request", "paths-ignore"];

/// The contract at `root`; `None` after a problem.
pub(crate) fn read(root: &Node, problems: &mut Problems) -> Option<Training> {
    let fields = Fields::of(root, "the training contract", &KEYS, problems)?;
    let model = fields.need(
        "model",
        "the name of the model, such as `model: digits`",
        problems,
    );
    let model = model.and_then(|node| checked(node, "`model`", Slug::parse, problems));
    let service = fields.need(
        "service",
        "the repository that serves the model, such as `service: digits-service`",
        problems,
    );
    let service = service.and_then(|node| shared::repository(node, "`service`", problems));
    let runtime = runtime::runtime(&fields, problems);
    let steps = steps(&fields, problems);
    let evaluate = evaluate(&fields, runtime.as_ref(), problems);
    let gates = gates(&fields, problems);
    let retire_judge = fields
        .get("retire_judge")
        .and_then(|node| checked(node, "`retire_judge`", judge_digits, problems));
    let checks = shared::checks(&fields, problems);
    let triggers = triggers(&fields, problems);
    let chatops = super::chatops::chatops(&fields, problems);
    Some(Training {
        model: model?,
        service: service?,
        runtime,
        steps,
        evaluate: evaluate?,
        gates,
        retire_judge,
        checks,
        triggers: triggers?,
        chatops,
    })
}

fn steps(fields: &Fields<'_>, problems: &mut Problems) -> Vec<Step> {
    let node = fields.need(
        "steps",
        "at least one, such as `- {name: train, run: [python, train.py]}`",
        problems,
    );
    let Some((node, items)) =
        node.and_then(|node| Some((node, list(node, "`steps`", STEPS_MAX, problems)?)))
    else {
        return Vec::new();
    };
    if items.is_empty() {
        problems.add(node.at, "`steps` needs at least one step");
    }
    let mut taken = BTreeSet::new();
    let steps = each(items, |item| step(item, &mut taken, problems));
    let count = parts(steps.iter().map(|step| step.image.as_ref())).len();
    if count > PARTS_MAX {
        problems.add(
            node.at,
            format!(
                "`steps` change their image too often: {count} containers follow each other, the last for what comes after the steps, and at most {PARTS_MAX} may; put steps of one image next to each other"
            ),
        );
    }
    steps
}

fn step(node: &Node, taken: &mut BTreeSet<Slug>, problems: &mut Problems) -> Option<Step> {
    let fields = Fields::of(node, "a step", &STEP_KEYS, problems)?;
    let name = fields.need("name", "such as `name: train`", problems);
    let name = name.and_then(|node| shared::unique_slug(node, "`name` of a step", taken, problems));
    let run = fields.need("run", "the command, such as `[python, train.py]`", problems);
    let run = run.and_then(|node| shared::command(node, "`run` of a step", problems));
    let image = match fields.get("image") {
        Some(node) => checked(node, "`image` of a step", Pinned::parse, problems).map(Some),
        None => Some(None),
    };
    let resources = shared::resources(&fields, problems);
    let timeout_s = shared::timeout_s(&fields, "timeout", shared::TIMEOUT_S_DEFAULT, problems);
    let env = shared::env(&fields, problems);
    let secrets = secrets(&fields, env.as_ref(), problems);
    let network = fields
        .get("network")
        .is_some_and(|node| boolean(node, "`network`", problems).unwrap_or_default());
    Some(Step {
        name: name?,
        run: run?,
        image: image?,
        resources: resources?,
        timeout_s: timeout_s?,
        env: env?,
        secrets,
        network,
    })
}

fn secrets(
    fields: &Fields<'_>,
    env: Option<&BTreeMap<String, String>>,
    problems: &mut Problems,
) -> Vec<String> {
    let Some(items) = fields
        .get("secrets")
        .and_then(|node| list(node, "`secrets`", SECRETS_MAX, problems))
    else {
        return Vec::new();
    };
    let mut taken = BTreeSet::new();
    each(items, |item| {
        let name = text(item, "a secret", problems)?;
        if !shared::variable_name(name, item.at, problems) {
            return None;
        }
        let is_set = |name: &str| env.is_some_and(|env| env.contains_key(name));
        if is_set(&format!("{name}_FILE")) {
            problems.add(
                item.at,
                format!("`{name}_FILE` is the secret's file; take it out of `env`"),
            );
            return None;
        }
        if !taken.insert(name.to_owned()) || is_set(name) {
            problems.add(item.at, format!("`{name}` is already set for this step"));
            return None;
        }
        Some(name.to_owned())
    })
}

fn evaluate(
    fields: &Fields<'_>,
    runtime: Option<&RuntimeSpec>,
    problems: &mut Problems,
) -> Option<Evaluate> {
    let hint = "write `evaluate: {run: [python, evaluate.py], data: [holdout/]}` for an independent evaluation on held-out data, \
                or `evaluate: self` to trust the figures that training reports";
    let node = fields.need("evaluate", hint, problems)?;
    match &node.value {
        Value::Scalar { text, .. } if text == "self" => Some(Evaluate::SelfReported),
        Value::Map(_) => judge(node, runtime, problems).map(Evaluate::Judge),
        Value::Null | Value::Scalar { .. } | Value::List(_) => {
            problems.add(
                node.at,
                format!("`evaluate` must be a mapping or `self`: {hint}"),
            );
            None
        }
    }
}

fn judge(node: &Node, runtime: Option<&RuntimeSpec>, problems: &mut Problems) -> Option<Judge> {
    let fields = Fields::of(node, "`evaluate`", &JUDGE_KEYS, problems)?;
    let run = fields.need(
        "run",
        "the command, such as `[python, evaluate.py]`",
        problems,
    );
    let run = run.and_then(|node| shared::command(node, "`run` of `evaluate`", problems));
    let data = fields.need(
        "data",
        "the held-out files or folders, such as `[holdout/]`",
        problems,
    );
    let data = data.and_then(|node| paths(node, "`data`", DATA_MAX, problems));
    let code = fields.get("code").map(|node| {
        if let Some(RuntimeSpec::Dockerfile { .. }) = runtime {
            problems.add(
                node.at,
                "`code` cannot say what a Dockerfile's image holds; leave it out, so that every file counts, or take a runtime of another kind",
            );
        }
        paths(node, "`code`", CODE_MAX, problems)
    });
    let code = match code {
        Some(None) => return None,
        Some(Some(code)) => Some(code),
        None => None,
    };
    let resources = shared::resources(&fields, problems);
    let timeout_s = shared::timeout_s(&fields, "timeout", shared::TIMEOUT_S_DEFAULT, problems);
    let env = shared::env(&fields, problems);
    Some(Judge {
        run: run?,
        data: data?,
        code,
        resources: resources?,
        timeout_s: timeout_s?,
        env: env?,
    })
}

/// One file or folder, or several.
fn paths(
    node: &Node,
    key: &str,
    count_max: usize,
    problems: &mut Problems,
) -> Option<Vec<RepoPath>> {
    let items = match &node.value {
        Value::Scalar { .. } => std::slice::from_ref(node),
        Value::Null | Value::List(_) | Value::Map(_) => list(node, key, count_max, problems)?,
    };
    if items.is_empty() {
        problems.add(node.at, format!("{key} needs at least one file or folder"));
        return None;
    }
    let check = |text: &str| RepoPath::parse(text.strip_suffix('/').unwrap_or(text));
    Some(each(items, |item| checked(item, key, check, problems)))
}

fn gates(fields: &Fields<'_>, problems: &mut Problems) -> Vec<GateRef> {
    let Some(items) = fields
        .get("gates")
        .and_then(|node| list(node, "`gates`", GATES_MAX, problems))
    else {
        return Vec::new();
    };
    each(items, |item| gate(item, problems))
}

fn gate(node: &Node, problems: &mut Problems) -> Option<GateRef> {
    if let Value::Scalar { .. } = node.value {
        let name = checked(node, "a gate", Slug::parse, problems)?;
        return Some(GateRef {
            name,
            with: BTreeMap::new(),
            mode: Mode::Block,
        });
    }
    let fields = Fields::of(node, "a gate", &GATE_KEYS, problems)?;
    let name = fields.need("name", "the policy, such as `no-regression`", problems);
    let name = name.and_then(|node| checked(node, "`name` of a gate", Slug::parse, problems));
    let with = match fields
        .get("with")
        .map(|node| entries(node, "`with`", problems))
    {
        None => BTreeMap::new(),
        Some(entries) => entries?
            .iter()
            .filter_map(|(key, node)| {
                Some((
                    parameter_name(&key.text, key.at, problems)?,
                    json(node, problems)?,
                ))
            })
            .collect(),
    };
    let mode = match fields
        .get("mode")
        .map(|node| (node, text(node, "`mode`", problems)))
    {
        None => Some(Mode::Block),
        Some((_, Some("block"))) => Some(Mode::Block),
        Some((_, Some("warn"))) => Some(Mode::Warn),
        Some((node, Some(_))) => {
            problems.add(node.at, "`mode` must be `block` or `warn`");
            None
        }
        Some((_, None)) => None,
    };
    Some(GateRef {
        name: name?,
        with,
        mode: mode?,
    })
}

/// The hex digits of a judge's digest, all or the first of them.
fn judge_digits(text: &str) -> Result<String, String> {
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    let is_hex = digits
        .bytes()
        .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if is_hex && (JUDGE_DIGITS_MIN..=JUDGE_DIGITS_MAX).contains(&digits.len()) {
        Ok(digits.to_owned())
    } else {
        Err(format!(
            "`{}` is no judge: give the first {JUDGE_DIGITS_MIN} or more hex digits of its digest, as a check or a manifest shows it",
            shown(text)
        ))
    }
}

fn parameter_name(name: &str, at: Mark, problems: &mut Problems) -> Option<String> {
    let is_plain = (1..=40).contains(&name.len())
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !is_plain {
        problems.add(
            at,
            format!(
                "`{}` is no name of a parameter: letters, digits and `_`, first no digit",
                shown(name)
            ),
        );
    }
    is_plain.then(|| name.to_owned())
}

/// A value as JSON: plain words that look like numbers or booleans are such.
fn json(node: &Node, problems: &mut Problems) -> Option<serde_json::Value> {
    match &node.value {
        Value::Null => Some(serde_json::Value::Null),
        Value::Scalar { text, plain } => match serde_json::from_str::<serde_json::Value>(text) {
            Ok(value @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_))) if *plain => {
                Some(value)
            }
            Ok(_) | Err(_) => Some(serde_json::Value::String(text.clone())),
        },
        Value::List(items) => Some(serde_json::Value::Array(each(items, |item| {
            json(item, problems)
        }))),
        Value::Map(_) => {
            problems.add(
                node.at,
                "a parameter must be a number, a text, a boolean or a list of such",
            );
            None
        }
    }
}

fn triggers(fields: &Fields<'_>, problems: &mut Problems) -> Option<Triggers> {
    let main = || BranchName::parse("main").into_iter().collect();
    let Some(node) = fields.get("triggers") else {
        return Some(Triggers {
            push: main(),
            pull_request: true,
            paths_ignore: Vec::new(),
        });
    };
    let fields = Fields::of(node, "`triggers`", &TRIGGER_KEYS, problems)?;
    let push = match fields.get("push") {
        None => main(),
        Some(node) => {
            let items = list(node, "`push`", BRANCHES_MAX, problems).unwrap_or_default();
            each(items, |item| {
                checked(item, "`push`", BranchName::parse, problems)
            })
        }
    };
    let pull_request = fields
        .get("pull_request")
        .is_none_or(|node| boolean(node, "`pull_request`", problems).unwrap_or_default());
    Some(Triggers {
        push,
        pull_request,
        paths_ignore: shared::globs(&fields, "paths-ignore", problems),
    })
}
