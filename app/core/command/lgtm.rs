//! `/lgtm`: a second person has read the change.

use super::{Command, Entry, Right, Say, alone};

pub(super) const ENTRY: Entry = Entry {
    name: "/lgtm",
    usage: "/lgtm [cancel]",
    who: "People who may write in the repository (with Prow's habits also who may triage), or approvers and reviewers in OWNERS of a changed file, with `skip_collaborators` these alone; never the author, who may only cancel.",
    what: "Says that the change is good as it is now. A push that alters the change takes it back. `/lgtm cancel` or `/remove-lgtm` takes every lgtm so far back, and so does a review that requests changes. An approving review counts as `/lgtm`, unless the contract says `review_acts_as_lgtm: false`.",
    example: "/lgtm",
    right: Right::Anybody,
    words: &["/lgtm", "/remove-lgtm"],
    any_case: true,
    is_guessed: true,
    loose: None,
    read,
};

fn read(word: &str, rest: &str) -> Result<Command, String> {
    if word == "/remove-lgtm" {
        return alone(word, rest, Say::LgtmCancel);
    }
    match rest.to_ascii_lowercase().as_str() {
        "" | "no-issue" => Ok(Say::Lgtm.into()),
        "cancel" => Ok(Say::LgtmCancel.into()),
        _ => Err("`/lgtm` takes no argument but `cancel`".to_owned()),
    }
}
