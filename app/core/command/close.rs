//! `/close` and `/reopen`.

use super::{Command, Entry, OnThread, Right, alone};

pub(super) const CLOSE: Entry = Entry {
    name: "/close",
    usage: "/close [not-planned]",
    who: "The author and people who may write in the repository (with Prow's habits also who may triage); anybody while it is labelled `lifecycle/stale` or `lifecycle/rotten`.",
    what: "Closes the issue or pull request; `not-planned` is for issues.",
    example: "/close not-planned",
    right: Right::Anybody,
    words: &["/close"],
    any_case: true,
    is_guessed: false,
    loose: None,
    read: close,
};

pub(super) const REOPEN: Entry = Entry {
    name: "/reopen",
    usage: "/reopen",
    who: "The author and people who may write in the repository (with Prow's habits also who may triage).",
    what: "Opens a closed issue or pull request again.",
    example: "/reopen",
    right: Right::Anybody,
    words: &["/reopen"],
    any_case: true,
    is_guessed: false,
    loose: None,
    read: reopen,
};

fn close(_word: &str, rest: &str) -> Result<Command, String> {
    let not_planned = match rest.to_ascii_lowercase().as_str() {
        "" => false,
        "not-planned" => true,
        _ => return Err("`/close` takes nothing, or `not-planned`".to_owned()),
    };
    Ok(OnThread::Close { not_planned }.into())
}

fn reopen(word: &str, rest: &str) -> Result<Command, String> {
    alone(word, rest, OnThread::Reopen)
}
