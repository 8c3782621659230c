//! `/label` and the families of labels: `/kind`, `/area`, `/priority` and the like.

use super::{Command, Entry, OnThread, Right};

/// Families: `/kind bug` is the label `kind/bug`.
const FAMILIES: [&str; 8] = [
    "area",
    "committee",
    "kind",
    "language",
    "priority",
    "sig",
    "triage",
    "wg",
];

/// Longest label, says GitHub. Units: characters.
const LABEL_CHARS_MAX: usize = 50;

pub(super) const ENTRY: Entry = Entry {
    name: "/label",
    usage: "/label <label> | /area|/committee|/kind|/language|/priority|/sig|/triage|/wg <name>...",
    who: "Anybody; labels under `chatops.restricted_labels` only the people named there.",
    what: "Puts labels on: `/kind bug` means `kind/bug`, which the repository must have; `/label` takes those that `chatops.labels` of `bowsprit.yaml` lists. `/remove-kind bug` and `/remove-label x` take them off. Where a repository has a label `needs-kind`, it is there while no label of the family is.",
    example: "/label needs-data",
    right: Right::Anybody,
    words: &[
        "/label",
        "/remove-label",
        "/area",
        "/remove-area",
        "/committee",
        "/remove-committee",
        "/kind",
        "/remove-kind",
        "/language",
        "/remove-language",
        "/priority",
        "/remove-priority",
        "/sig",
        "/remove-sig",
        "/triage",
        "/remove-triage",
        "/wg",
        "/remove-wg",
    ],
    any_case: false,
    is_guessed: false,
    loose: None,
    read,
};

fn read(word: &str, rest: &str) -> Result<Command, String> {
    let bare = word.trim_start_matches('/');
    let (add, bare) = match bare.strip_prefix("remove-") {
        Some(bare) => (false, bare),
        None => (true, bare),
    };
    let family = FAMILIES.into_iter().find(|family| *family == bare);
    let rest = rest.to_lowercase();
    let names: Vec<String> = match family {
        Some(family) => rest
            .split_whitespace()
            .map(|name| format!("{family}/{name}"))
            .collect(),
        None if rest.is_empty() => Vec::new(),
        None => vec![rest],
    };
    if names.is_empty() {
        return Err(format!("`{word}` needs the name of a label"));
    }
    if names
        .iter()
        .any(|name| name.chars().count() > LABEL_CHARS_MAX)
    {
        return Err(format!("a label has at most {LABEL_CHARS_MAX} characters"));
    }
    Ok(OnThread::Label { add, family, names }.into())
}
