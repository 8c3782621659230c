//! Reads what a contract says about commands, and what a server's file says in the same words.

use super::contexts;
use super::reader::{Fields, Problems, boolean, checked, each, entries, list, whole};
use super::tree::{Key, Mark, Node, START, Value, shown};
use crate::effect::MergeMethod;
use crate::habits::{AskReviewers, Chatops, Compatibility, Habits, Member, Switch};
use crate::name::Login;
use crate::queue::wishes::{Blocked, TESTS_MAX, Wishes};
use std::collections::BTreeSet;

const LABELS_MAX: usize = 200;
/// GitHub's limit. Units: characters.
const LABEL_CHARS_MAX: usize = 50;
const PEOPLE_MAX: usize = 100;
const PRIORITIES_MAX: usize = 20;

/// Keys beside the preset and the switches.
const SETTINGS: [&str; 13] = [
    "labels",
    "restricted_labels",
    "not_ours",
    "sticky_lgtm",
    "overriders",
    "trusted_apps",
    "ask_reviewers",
    "merge_method",
    "priority_labels",
    "blocker_label",
    "merge_tests",
    "github_blocked",
    "contexts",
];

/// Every key that may stand under `chatops`.
pub(crate) fn keys() -> Vec<&'static str> {
    let switches = Switch::ALL.into_iter().map(Switch::key);
    let first = std::iter::once("compatibility");
    first.chain(switches).chain(SETTINGS).collect()
}

pub(crate) const ASK_KEYS: [&str; 5] = [
    "count",
    "max",
    "exclude_approvers",
    "ignore_drafts",
    "ignore_authors",
];

/// GitHub asks no more people at once.
const REVIEWERS_MAX: u32 = 15;

/// Keys whose value is a list of texts.
const LISTS: [&str; 6] = [
    "labels",
    "not_ours",
    "overriders",
    "priority_labels",
    "sticky_lgtm",
    "trusted_apps",
];

/// A setting of a file that is no YAML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its keys from the outermost on, such as `ask_reviewers` and `count`.
    pub keys: Vec<String>,
    /// What it says.
    pub said: Said,
}

/// What a setting says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// One value; where a list is wanted, its items separated by commas.
    One(String),
    /// A list of values.
    Many(Vec<String>),
    /// A table without any key.
    Empty,
}

/// Reads settings by the contract's grammar. Errors: every problem, with the place of its setting in `settings`.
pub fn chatops_of(settings: &[Setting]) -> Result<Chatops, Vec<(usize, String)>> {
    let mut entries = Vec::new();
    for (number, setting) in (1..).zip(settings) {
        let at = Mark {
            line: number,
            column: 1,
        };
        insert(&mut entries, &setting.keys, value(setting, at));
    }
    let value = Value::Map(entries);
    let mut problems = Problems::default();
    let chatops = of_node(&Node { at: START, value }, &mut problems);
    problems.or(Some(chatops)).map_err(|problems| {
        let told = problems.into_iter();
        told.map(|one| (one.line.saturating_sub(1) as usize, one.message))
            .collect()
    })
}

fn insert(entries: &mut Vec<(Key, Node)>, keys: &[String], node: Node) {
    let Some((first, rest)) = keys.split_first() else {
        return;
    };
    let at = node.at;
    if !rest.is_empty() {
        let known = entries.iter_mut().find(|(key, _)| key.text == *first);
        if let Some(Value::Map(inner)) = known.map(|(_, node)| &mut node.value) {
            return insert(inner, rest, node);
        }
    }
    let node = match rest {
        [] => node,
        rest => {
            let mut inner = Vec::new();
            insert(&mut inner, rest, node);
            let value = Value::Map(inner);
            Node { at, value }
        }
    };
    let text = first.clone();
    entries.push((Key { text, at }, node));
}

fn value(setting: &Setting, at: Mark) -> Node {
    let one = |text: &str| Node {
        at,
        value: Value::Scalar {
            text: text.to_owned(),
            plain: true,
        },
    };
    let keys: Vec<&str> = setting.keys.iter().map(String::as_str).collect();
    let is_list = match keys[..] {
        [key] => LISTS.contains(&key),
        ["restricted_labels", _] | ["ask_reviewers", "ignore_authors"] => true,
        ["contexts", key] => contexts::LISTS.contains(&key),
        _ => false,
    };
    let items = match &setting.said {
        Said::One(text) if is_list => {
            let items = text.split(',').map(str::trim);
            items.filter(|item| !item.is_empty()).map(one).collect()
        }
        Said::One(text) => return one(text),
        Said::Many(items) => items.iter().map(|item| one(item)).collect(),
        Said::Empty => {
            let value = Value::Map(Vec::new());
            return Node { at, value };
        }
    };
    let value = Value::List(items);
    Node { at, value }
}

/// What stands under `chatops`, or nothing.
pub(crate) fn chatops(fields: &Fields<'_>, problems: &mut Problems) -> Chatops {
    match fields.get("chatops") {
        Some(node) => of_node(node, problems),
        None => Chatops::default(),
    }
}

fn of_node(node: &Node, problems: &mut Problems) -> Chatops {
    let mut chatops = Chatops::default();
    let Some(fields) = Fields::of(node, "`chatops`", &keys(), problems) else {
        return chatops;
    };
    let preset = |text: &str| match text {
        "own" => Ok(Compatibility::Own),
        "prow" => Ok(Compatibility::Prow),
        other => Err(format!("`{}` is neither `own` nor `prow`", shown(other))),
    };
    chatops.compatibility = fields
        .get("compatibility")
        .and_then(|node| checked(node, "`compatibility`", preset, problems));
    for switch in Switch::ALL {
        let what = format!("`{}`", switch.key());
        let said = fields
            .get(switch.key())
            .and_then(|node| boolean(node, &what, problems));
        chatops.switches.extend(said.map(|is_on| (switch, is_on)));
    }
    chatops.labels = fields
        .get("labels")
        .and_then(|node| list(node, "`labels`", LABELS_MAX, problems))
        .map(|items| {
            items
                .iter()
                .filter_map(|one| label(one, problems))
                .collect()
        });
    let restricted = fields
        .get("restricted_labels")
        .and_then(|node| entries(node, "`restricted_labels`", problems));
    chatops.restricted = restricted.map(|entries| {
        let entries = entries.iter().map(|(name, people)| {
            let who = logins(people, "people of a restricted label", problems);
            (name.text.to_lowercase(), who)
        });
        entries.collect()
    });
    let command = |text: &str| {
        let known = crate::command::help(&Habits::default())
            .iter()
            .any(|e| e.name == text);
        known
            .then(|| text.to_owned())
            .ok_or_else(|| format!("`{}` is no command of Bowsprit's, see `/help`", shown(text)))
    };
    chatops.not_ours = fields
        .get("not_ours")
        .and_then(|node| list(node, "`not_ours`", LABELS_MAX, problems))
        .map(|items| {
            let items = each(items, |one| checked(one, "`not_ours`", command, problems));
            items.into_iter().collect()
        });
    chatops.trusted_apps = fields
        .get("trusted_apps")
        .map(|node| logins(node, "`trusted_apps`", problems));
    chatops.sticky_lgtm = members(&fields, "sticky_lgtm", problems);
    chatops.overriders = members(&fields, "overriders", problems);
    chatops.ask_reviewers = fields
        .get("ask_reviewers")
        .and_then(|node| ask_reviewers(node, problems));
    chatops.merges = merges(&fields, problems);
    if let Some(node) = fields.get("contexts") {
        chatops.contexts = contexts::contexts(node, problems);
    }
    chatops
}

/// People and teams under a key.
fn members(fields: &Fields<'_>, key: &str, problems: &mut Problems) -> Option<BTreeSet<Member>> {
    let node = fields.get(key)?;
    let items = list(node, &format!("`{key}`"), PEOPLE_MAX, problems)?;
    let items = each(items, |one| {
        checked(one, "a person or team", Member::parse, problems)
    });
    Some(items.into_iter().collect())
}

fn merges(fields: &Fields<'_>, problems: &mut Problems) -> Wishes {
    let method = |text: &str| {
        let mut all = MergeMethod::ALL.into_iter();
        let found = all.find(|method| method.word() == text);
        found.ok_or_else(|| format!("`{}` is none of `merge`, `squash`, `rebase`", shown(text)))
    };
    let blocked = |text: &str| {
        let mut all = Blocked::ALL.into_iter();
        let found = all.find(|one| one.word() == text);
        found.ok_or_else(|| format!("`{}` is none of `block`, `permit`, `ignore`", shown(text)))
    };
    Wishes {
        method: fields
            .get("merge_method")
            .and_then(|node| checked(node, "`merge_method`", method, problems)),
        priority_labels: fields
            .get("priority_labels")
            .and_then(|node| list(node, "`priority_labels`", PRIORITIES_MAX, problems))
            .map(|items| each(items, |one| label(one, problems))),
        blocker_label: fields
            .get("blocker_label")
            .and_then(|node| label(node, problems)),
        tests: fields
            .get("merge_tests")
            .and_then(|node| whole(node, "`merge_tests`", (0, TESTS_MAX), problems)),
        blocked: fields
            .get("github_blocked")
            .and_then(|node| checked(node, "`github_blocked`", blocked, problems)),
    }
}

fn logins(node: &Node, what: &str, problems: &mut Problems) -> BTreeSet<Login> {
    let people = list(node, what, PEOPLE_MAX, problems).unwrap_or_default();
    let people = each(people, |one| {
        let login = checked(one, "a person", Login::parse, problems)?;
        Some(login.lower())
    });
    people.into_iter().collect()
}

/// A mapping, `true` for all defaults, or `false` for nobody.
fn ask_reviewers(node: &Node, problems: &mut Problems) -> Option<Option<AskReviewers>> {
    let mut asked = AskReviewers::default();
    if matches!(node.value, Value::Scalar { .. }) {
        let is_wanted = boolean(node, "`ask_reviewers`, where it is no mapping,", problems)?;
        return Some(is_wanted.then_some(asked));
    }
    let fields = Fields::of(node, "`ask_reviewers`", &ASK_KEYS, problems)?;
    let mut number = |key: &str, default: u32| {
        let node = fields.get(key);
        node.and_then(|node| whole(node, &format!("`{key}`"), (1, REVIEWERS_MAX), problems))
            .unwrap_or(default)
    };
    asked.count = number("count", asked.count);
    asked.max = number("max", asked.max.max(asked.count));
    let mut flag = |key: &str, default: bool| {
        let node = fields.get(key);
        node.and_then(|node| boolean(node, &format!("`{key}`"), problems))
            .unwrap_or(default)
    };
    asked.exclude_approvers = flag("exclude_approvers", asked.exclude_approvers);
    asked.ignore_drafts = flag("ignore_drafts", asked.ignore_drafts);
    asked.ignore_authors = fields
        .get("ignore_authors")
        .map(|node| logins(node, "`ignore_authors`", problems))
        .unwrap_or_default();
    if asked.max < asked.count {
        problems.add(
            node.at,
            "`max` of `ask_reviewers` is smaller than its `count`",
        );
    }
    Some(Some(asked))
}

fn label(node: &Node, problems: &mut Problems) -> Option<String> {
    let check = |text: &str| {
        let is_good = (1..=LABEL_CHARS_MAX).contains(&text.chars().count())
            && !text.chars().any(char::is_control);
        is_good.then(|| text.to_lowercase()).ok_or_else(|| {
            format!("must have 1 to {LABEL_CHARS_MAX} characters, none of them a control character")
        })
    };
    checked(node, "a label", check, problems)
}
