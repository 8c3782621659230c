//! What a repository may ask for beside lgtm and approval: an issue, and the word of required reviewers.

use super::approved::approvers;
use super::dated::Covers;
use super::rules::{Rule, WHO_SHOWN, join};
use super::step::Seen;
use super::{Kind, Pull, lgtm};
use crate::habits::Switch;
use crate::name::Login;
use crate::subject::ask::Ask;
use std::collections::BTreeSet;

/// Whether an issue is named, where one must be.
pub(super) fn issue(seen: &Seen) -> Option<Rule> {
    if seen.kind != Kind::Code || !seen.habits.has(Switch::RequireIssue) {
        return None;
    }
    const NAME: &str = "an issue";
    if names_issue(&seen.view.body) {
        return Some(Rule::new(NAME, true, "the description names one"));
    }
    let entitled: BTreeSet<Login> = seen
        .paths()
        .iter()
        .flat_map(|path| seen.owners.approvers(path))
        .collect();
    let waived = seen
        .words
        .no_issue
        .iter()
        .map(Login::lower)
        .find(|by| entitled.contains(by) && !seen.gone.contains(by));
    Some(match waived {
        Some(by) => Rule::new(NAME, true, format!("{by} says that none is needed")),
        None => Rule::new(
            NAME,
            false,
            "the description names one (`#7`), or an approver says `/approve no-issue`",
        )
        .by(entitled.into_iter().take(WHO_SHOWN)),
    })
}

/// `#7`, or an address that ends in `/issues/7`.
fn names_issue(body: &str) -> bool {
    let follows = |mark: &str| {
        body.match_indices(mark).any(|(at, _)| {
            let before = body.get(..at).and_then(|text| text.chars().next_back());
            let after = body.get(at + mark.len()..).unwrap_or_default();
            let is_alone = mark != "#" || !before.is_some_and(|c| c == '&' || c == '#');
            is_alone && after.starts_with(|c: char| c.is_ascii_digit())
        })
    };
    follows("#") || follows("/issues/")
}

/// Whether everybody agrees whom OWNERS requires; shown in any case, and kept waiting for where the switch is on.
pub(super) fn required_reviewers(pull: &Pull, seen: &Seen, ask: &mut Ask) -> Option<Option<Rule>> {
    let author = seen.view.author.lower();
    let mut open: BTreeSet<Login> = seen
        .paths()
        .iter()
        .flat_map(|path| seen.owners.required_reviewers(path))
        .collect();
    open.remove(&author);
    if open.is_empty() {
        return Some(None);
    }
    let all = join(&open);
    let mut spoken: Vec<Login> = Vec::new();
    for word in &seen.words.lgtm {
        if lgtm::takes_back(pull, seen, word, ask)? {
            spoken.clear();
        } else if !word.is_cancel && word.covers == Covers::Yes {
            spoken.push(word.by.lower());
        }
    }
    spoken.retain(|by| !seen.gone.contains(by));
    for by in spoken.into_iter().chain(approvers(seen)) {
        open.remove(&by);
    }
    const NAME: &str = "required reviewers";
    Some(Some(if open.is_empty() {
        Rule::new(NAME, true, format!("{all} agreed"))
    } else if seen.habits.has(Switch::RequiredReviewersBlock) {
        let detail = format!("{} must say `/lgtm` or `/approve`", join(&open));
        Rule::new(NAME, false, detail).by(open)
    } else {
        Rule::new(
            NAME,
            true,
            format!("{} may still speak; nothing waits for it", join(&open)),
        )
    }))
}

#[cfg(test)]
mod tests {
    use super::names_issue;

    #[test]
    fn an_issue_is_named_by_number_or_address() {
        for body in [
            "Fixes #7",
            "#7",
            "see https://github.com/o/r/issues/7",
            "o/r#7",
        ] {
            assert!(names_issue(body), "{body}");
        }
        for body in ["", "# 7", "C# code", "&#39;", "##7", "/issues/new", "#x"] {
            assert!(!names_issue(body), "{body}");
        }
    }
}
