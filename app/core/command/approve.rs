//! `/approve`: the owners of the changed files agree.

use super::{Command, Entry, alone, commit};

pub(super) const ENTRY: Entry = Entry {
    name: "/approve",
    usage: "/approve [<commit>|cancel]",
    who: "Approvers in OWNERS of the changed files; anybody may say it, only their word counts.",
    what: "Approves the changed files that the speaker owns. With a commit it approves that head only. `/approve cancel` or `/remove-approve` takes it back.",
    example: "/approve",
    words: &["/approve", "/remove-approve"],
    any_case: true,
    read,
};

fn read(word: &str, rest: &str) -> Result<Command, String> {
    if word == "/remove-approve" {
        return alone(word, rest, Command::ApproveCancel);
    }
    match rest.to_ascii_lowercase().as_str() {
        "" | "no-issue" => Ok(Command::Approve { sha: None }),
        "cancel" => Ok(Command::ApproveCancel),
        _ => match commit(rest) {
            Some(sha) => Ok(Command::Approve { sha: Some(sha) }),
            None => Err(
                "`/approve` takes nothing, `cancel`, or a commit of 7 to 40 hex digits".to_owned(),
            ),
        },
    }
}
