//! `/ok-to-test`: foreign code may run, this once.

use super::{Command, Entry, Loose, Right, Say, TRUSTED, commit};
use crate::habits::Switch;

pub(super) const ENTRY: Entry = Entry {
    name: "/ok-to-test",
    usage: "/ok-to-test <commit>",
    who: TRUSTED,
    what: "Lets the code of somebody who is not trusted run, for one head only: the commit that was among the heads when the comment was written, by seven digits or more. With `sticky_ok_to_test`, one of Prow's habits, no commit is needed, later pushes run as well, and `/ok-to-test cancel` takes it back.",
    example: "/ok-to-test 4f2a91c08d3e",
    right: Right::Trusted,
    words: &["/ok-to-test"],
    any_case: false,
    is_guessed: true,
    loose: Some(Loose {
        switch: Switch::StickyOkToTest,
        usage: "/ok-to-test [<commit>|cancel]",
        read: read_sticky,
    }),
    read,
};

fn read(_word: &str, rest: &str) -> Result<Command, String> {
    if rest.is_empty() {
        return Ok(Say::OkToTest { sha: None }.into());
    }
    if rest.eq_ignore_ascii_case("cancel") {
        return Err(
            "`/ok-to-test` is for one head and ends with the next push; `/cancel` stops what runs"
                .to_owned(),
        );
    }
    match commit(rest) {
        Some(sha) => Ok(Say::OkToTest { sha: Some(sha) }.into()),
        None => Err("`/ok-to-test` takes a commit of 7 to 40 hex digits".to_owned()),
    }
}

/// Trust that holds for later pushes can be taken back.
fn read_sticky(word: &str, rest: &str) -> Result<Command, String> {
    if rest.eq_ignore_ascii_case("cancel") {
        return Ok(Say::OkToTestCancel.into());
    }
    read(word, rest)
}
