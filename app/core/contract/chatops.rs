//! Reads what a contract says about commands.

use super::reader::{Fields, Problems, boolean, checked, each, entries, list, whole};
use super::tree::{Node, shown};
use crate::effect::MergeMethod;
use crate::habits::{AskReviewers, Chatops, Compatibility, Switch};
use crate::name::Login;
use crate::queue::wishes::Wishes;
use std::collections::BTreeSet;

const LABELS_MAX: usize = 200;
/// GitHub's limit. Units: characters.
const LABEL_CHARS_MAX: usize = 50;
const PEOPLE_MAX: usize = 100;
const PRIORITIES_MAX: usize = 20;

pub(crate) const KEYS: [&str; 25] = [
    "compatibility",
    "raw_text",
    "review_acts_as_lgtm",
    "review_acts_as_approve",
    "sticky_approve",
    "sticky_ok_to_test",
    "fixed_order",
    "approve_with_words",
    "labels_by_hand",
    "require_issue",
    "require_self_approval",
    "lgtm_acts_as_approve",
    "skip_collaborators",
    "required_reviewers_block",
    "ignore_ok_to_test",
    "wip_titles",
    "labels",
    "restricted_labels",
    "not_ours",
    "sticky_lgtm",
    "trusted_apps",
    "ask_reviewers",
    "merge_method",
    "priority_labels",
    "blocker_label",
];

pub(crate) const ASK_KEYS: [&str; 5] = [
    "count",
    "max",
    "exclude_approvers",
    "ignore_drafts",
    "ignore_authors",
];

/// GitHub asks no more people at once.
const REVIEWERS_MAX: u32 = 15;

/// What stands under `chatops`, or nothing.
pub(crate) fn chatops(fields: &Fields<'_>, problems: &mut Problems) -> Chatops {
    let mut chatops = Chatops::default();
    let Some(node) = fields.get("chatops") else {
        return chatops;
    };
    let Some(fields) = Fields::of(node, "`chatops`", &KEYS, problems) else {
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
        })
        .unwrap_or_default();
    let restricted = fields
        .get("restricted_labels")
        .and_then(|node| entries(node, "`restricted_labels`", problems));
    for (name, people) in restricted.into_iter().flatten() {
        let who = logins(people, "people of a restricted label", problems);
        chatops.restricted.insert(name.text.to_lowercase(), who);
    }
    let command = |text: &str| {
        let known = crate::command::help().iter().any(|e| e.name == text);
        known
            .then(|| text.to_owned())
            .ok_or_else(|| format!("`{}` is no command of Bowsprit's, see `/help`", shown(text)))
    };
    chatops.not_ours = fields
        .get("not_ours")
        .and_then(|node| list(node, "`not_ours`", LABELS_MAX, problems))
        .map(|items| each(items, |one| checked(one, "`not_ours`", command, problems)))
        .unwrap_or_default()
        .into_iter()
        .collect();
    let mut people = |key: &str| {
        let node = fields.get(key);
        node.map(|node| logins(node, &format!("`{key}`"), problems))
            .unwrap_or_default()
    };
    chatops.sticky_lgtm = people("sticky_lgtm");
    chatops.trusted_apps = people("trusted_apps");
    chatops.ask_reviewers = fields
        .get("ask_reviewers")
        .and_then(|node| ask_reviewers(node, problems));
    chatops.merges = merges(&fields, problems);
    chatops
}

fn merges(fields: &Fields<'_>, problems: &mut Problems) -> Wishes {
    let method = |text: &str| {
        let mut all = MergeMethod::ALL.into_iter();
        let found = all.find(|method| method.word() == text);
        found.ok_or_else(|| format!("`{}` is none of `merge`, `squash`, `rebase`", shown(text)))
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

fn ask_reviewers(node: &Node, problems: &mut Problems) -> Option<AskReviewers> {
    let mut asked = AskReviewers::default();
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
    Some(asked)
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
