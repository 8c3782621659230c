//! `/approve`: the owners of the changed files agree.

use super::{Command, Entry, Loose, Right, Say, alone, commit};
use crate::habits::Switch;

pub(super) const ENTRY: Entry = Entry {
    name: "/approve",
    usage: "/approve [<commit>|no-issue|cancel]",
    who: "Approvers in OWNERS of the changed files; anybody may say it, only their word counts.",
    what: "Approves the changed files that the speaker owns. With a commit it approves that head only; `no-issue` says that none is needed, where approval asks for an issue. `/approve cancel` or `/remove-approve` takes the speaker's back. A review counts the same way, unless the contract says `review_acts_as_approve: false`.",
    example: "/approve",
    right: Right::Anybody,
    words: &["/approve", "/remove-approve"],
    any_case: true,
    is_guessed: true,
    loose: Some(Loose {
        switch: Switch::ApproveWithWords,
        usage: "/approve [<commit>|no-issue|cancel|<text>]",
        read: read_with_words,
    }),
    read,
};

fn read(word: &str, rest: &str) -> Result<Command, String> {
    if word == "/remove-approve" {
        return alone(word, rest, Say::ApproveCancel);
    }
    match rest.to_ascii_lowercase().as_str() {
        "" => Ok(plain(None)),
        "no-issue" => Ok(NO_ISSUE.into()),
        "cancel" => Ok(Say::ApproveCancel.into()),
        _ => match commit(rest) {
            Some(sha) => Ok(plain(Some(sha))),
            None => Err(
                "`/approve` takes nothing, `cancel`, or a commit of 7 to 40 hex digits".to_owned(),
            ),
        },
    }
}

/// Any text may follow; `cancel` anywhere in it takes the approval back.
fn read_with_words(word: &str, rest: &str) -> Result<Command, String> {
    if word == "/remove-approve" || rest.to_ascii_lowercase().contains("cancel") {
        return Ok(Say::ApproveCancel.into());
    }
    if rest.eq_ignore_ascii_case("no-issue") {
        return Ok(NO_ISSUE.into());
    }
    Ok(plain(commit(rest)))
}

/// The approval of somebody for whom no issue is needed.
const NO_ISSUE: Say = Say::Approve {
    sha: None,
    no_issue: true,
};

fn plain(sha: Option<String>) -> Command {
    let no_issue = false;
    Say::Approve { sha, no_issue }.into()
}
