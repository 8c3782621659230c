//! One OWNERS file, and the file of aliases.

use super::{ALIASES, FILE_BYTES_MAX, OwnersFile, OwnersProblem, lower};
use crate::contract::reader::{Fields, Problems, boolean, each, entries, list, text};
use crate::contract::tree::{self, Node, Value, shown};
use crate::contract::{Problem, regex_within_limits};
use crate::name::Login;
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};

/// Most entries of one list.
const LIST_MAX: usize = 500;
/// Most filters of one file.
pub(super) const FILTERS_MAX: usize = 100;
/// Most aliases.
pub(super) const ALIASES_MAX: usize = 500;

const PEOPLE_KEYS: [&str; 6] = [
    "approvers",
    "reviewers",
    "required_reviewers",
    "labels",
    "emeritus_approvers",
    "emeritus_reviewers",
];
const FILE_KEYS: [&str; 8] = [
    "approvers",
    "reviewers",
    "required_reviewers",
    "labels",
    "emeritus_approvers",
    "emeritus_reviewers",
    "options",
    "filters",
];
const OPTION_KEYS: [&str; 2] = ["no_parent_owners", "auto_approve_unowned_subfolders"];

/// The people of an alias.
pub(super) type Aliases = BTreeMap<String, BTreeSet<Login>>;

/// Who is named together.
#[derive(Debug, Clone, Default)]
pub(super) struct People {
    pub(super) approvers: BTreeSet<Login>,
    pub(super) reviewers: BTreeSet<Login>,
    pub(super) required_reviewers: BTreeSet<Login>,
    pub(super) labels: BTreeSet<String>,
}

/// What a file says.
#[derive(Debug, Clone, Default)]
pub(super) struct Rules {
    /// Without a pattern: for every file below.
    people: Vec<(Option<Regex>, People)>,
    pub(super) no_parent_owners: bool,
    pub(super) auto_approve_unowned_subfolders: bool,
    /// Whether it has more filters than are read.
    pub(super) is_cut: bool,
}

impl Rules {
    /// The people for a path as seen from the file's folder.
    pub(super) fn matching<'a>(&'a self, relative: &'a str) -> impl Iterator<Item = &'a People> {
        self.people
            .iter()
            .filter(move |(pattern, _)| {
                pattern
                    .as_ref()
                    .is_none_or(|regex| regex.is_match(relative))
            })
            .map(|(_, people)| people)
    }

    /// How many patterns the file holds.
    pub(super) fn patterns(&self) -> usize {
        self.people
            .iter()
            .filter(|(pattern, _)| pattern.is_some())
            .count()
    }

    /// The people of every filter.
    pub(super) fn everybody(&self) -> impl Iterator<Item = &People> {
        self.people.iter().map(|(_, people)| people)
    }
}

/// Reads a file; `None` if it is no mapping.
pub(super) fn read(
    file: &OwnersFile<'_>,
    aliases: &Aliases,
    told: &mut Vec<OwnersProblem>,
) -> Option<Rules> {
    let mut problems = Problems::default();
    let rules = match tree::read(file.text, FILE_BYTES_MAX) {
        Ok(root) => rules(&root, aliases, &mut problems),
        Err(found) => {
            told.extend(found.into_iter().map(|problem| of(&file.path(), problem)));
            return None;
        }
    };
    let found = problems.into_list().into_iter();
    told.extend(found.map(|problem| of(&file.path(), problem)));
    rules
}

fn of(path: &str, problem: Problem) -> OwnersProblem {
    OwnersProblem {
        path: path.to_owned(),
        line: problem.line,
        message: problem.message,
    }
}

fn rules(root: &Node, aliases: &Aliases, problems: &mut Problems) -> Option<Rules> {
    let fields = Fields::of(root, "OWNERS", &FILE_KEYS, problems)?;
    let mut rules = Rules::default();
    if let Some(options) = fields
        .get("options")
        .and_then(|node| Fields::of(node, "`options`", &OPTION_KEYS, problems))
    {
        let mut flag = |key: &str| {
            options.get(key).is_some_and(|node| {
                boolean(node, &format!("`{key}`"), problems).unwrap_or_default()
            })
        };
        rules.no_parent_owners = flag("no_parent_owners");
        rules.auto_approve_unowned_subfolders = flag("auto_approve_unowned_subfolders");
    }
    let simple = people(&fields, aliases, problems);
    let Some(filters) = fields.get("filters") else {
        rules.people.push((None, simple));
        return Some(rules);
    };
    // As Prow reads it: a file with lists of its own is of the simple form, and its filters do not count.
    if ["approvers", "reviewers", "required_reviewers", "labels"]
        .iter()
        .any(|key| fields.get(key).is_some())
    {
        problems.add(filters.at, "`filters` do not count beside `approvers`, `reviewers` or `labels`; move those under the filter `.*`");
        rules.people.push((None, simple));
        return Some(rules);
    }
    let filters = entries(filters, "`filters`", problems).unwrap_or_default();
    rules.is_cut = filters.len() > FILTERS_MAX;
    for (key, node) in filters.iter().take(FILTERS_MAX) {
        match regex_within_limits(&key.text) {
            Ok(regex) => {
                let found = Fields::of(node, "a filter", &PEOPLE_KEYS, problems)
                    .map(|fields| people(&fields, aliases, problems));
                rules
                    .people
                    .extend(found.map(|people| (Some(regex), people)));
            }
            Err(reason) => problems.add(key.at, format!("`{}`: {reason}", shown(&key.text))),
        }
    }
    Some(rules)
}

fn people(fields: &Fields<'_>, aliases: &Aliases, problems: &mut Problems) -> People {
    let mut named = |key: &str| {
        let names = names(fields.get(key), key, problems);
        let mut logins = BTreeSet::new();
        for (node, name) in names {
            match (aliases.get(&normal(name)), lower(name)) {
                (Some(members), _) => logins.extend(members.iter().cloned()),
                (None, Some(login)) => {
                    logins.insert(login);
                }
                (None, None) => problems.add(
                    node.at,
                    format!("`{}` is neither a login nor an alias", shown(name)),
                ),
            }
        }
        logins
    };
    let (approvers, reviewers, required_reviewers) = (
        named("approvers"),
        named("reviewers"),
        named("required_reviewers"),
    );
    let labels = names(fields.get("labels"), "labels", problems)
        .into_iter()
        .map(|(_, name)| name.to_owned())
        .collect();
    People {
        approvers,
        reviewers,
        required_reviewers,
        labels,
    }
}

fn names<'a>(
    node: Option<&'a Node>,
    key: &str,
    problems: &mut Problems,
) -> Vec<(&'a Node, &'a str)> {
    let what = format!("`{key}`");
    match node.map(|node| (node, &node.value)) {
        None | Some((_, Value::Null)) => Vec::new(),
        Some((node, Value::Scalar { .. } | Value::List(_) | Value::Map(_))) => {
            let items = list(node, &what, LIST_MAX, problems).unwrap_or_default();
            items
                .iter()
                .filter_map(|item| {
                    Some((item, text(item, &format!("an entry of {what}"), problems)?))
                })
                .collect()
        }
    }
}

/// Reads `OWNERS_ALIASES`; aliases do not hold aliases. Errors: it cannot be read, or holds more than is read: the name of an
/// alias that is not known would be taken for a login.
pub(super) fn read_aliases(
    source: &str,
    told: &mut Vec<OwnersProblem>,
) -> Result<Aliases, OwnersProblem> {
    if source.len() > FILE_BYTES_MAX {
        return Err(too_large());
    }
    let mut problems = Problems::default();
    let root = tree::read(source, FILE_BYTES_MAX).map_err(unreadable)?;
    let aliases = aliases(&root, &mut problems);
    let found = problems.into_list();
    match aliases {
        None if !found.is_empty() => return Err(unreadable(found)),
        Some(aliases) if aliases.len() > ALIASES_MAX => return Err(too_large()),
        None | Some(_) => {}
    }
    told.extend(found.into_iter().map(|problem| of(ALIASES, problem)));
    Ok(aliases.unwrap_or_default())
}

fn too_large() -> OwnersProblem {
    OwnersProblem {
        path: ALIASES.to_owned(),
        line: 1,
        message: format!(
            "it has more than {ALIASES_MAX} aliases, or {FILE_BYTES_MAX} bytes, so nobody can approve; name people in OWNERS files instead"
        ),
    }
}

fn unreadable(found: Vec<Problem>) -> OwnersProblem {
    let first = found.into_iter().next();
    let (line, what) = first.map_or((1, "it cannot be read".to_owned()), |problem| {
        (problem.line, problem.message)
    });
    OwnersProblem {
        path: ALIASES.to_owned(),
        line,
        message: format!(
            "{what}, so nobody can approve; somebody who may push to this branch repairs the file"
        ),
    }
}

fn aliases(root: &Node, problems: &mut Problems) -> Option<Aliases> {
    let fields = Fields::of(root, "the file", &["aliases"], problems)?;
    let node = fields.get("aliases")?;
    if node.value == Value::Null {
        return None;
    }
    let entries = entries(node, "`aliases`", problems)?;
    let read = entries
        .iter()
        .take(ALIASES_MAX + 1)
        .map(|(key, node)| (normal(&key.text), members(node, problems)));
    Some(read.collect())
}

fn members(node: &Node, problems: &mut Problems) -> BTreeSet<Login> {
    let items = match &node.value {
        Value::Null => return BTreeSet::new(),
        Value::Scalar { .. } | Value::List(_) | Value::Map(_) => {
            list(node, "an alias", LIST_MAX, problems).unwrap_or_default()
        }
    };
    each(items, |item| {
        let name = text(item, "a member of an alias", problems)?;
        let login = lower(name);
        if login.is_none() {
            problems.add(item.at, format!("`{}` is not a login", shown(name)));
        }
        login
    })
    .into_iter()
    .collect()
}

fn normal(name: &str) -> String {
    name.strip_prefix('@').unwrap_or(name).to_ascii_lowercase()
}
