//! `/test`: run checks by name.

use super::{Command, Entry, OnChange, Right, TESTERS, alone, quoted};

/// Most names in one command.
const NAMES_MAX: usize = 20;
/// Longest name. Units: bytes.
const NAME_BYTES_MAX: usize = 100;

pub(super) const ENTRY: Entry = Entry {
    name: "/test",
    usage: "/test <name>... | all | ? | /test-manual-required",
    who: TESTERS,
    what: "Runs checks of the contract by name, or the built-in `train` and `bowsprit/service`, on the current head; `all` runs those that the change calls for; a named one runs whatever the change is. `/test-manual-required` runs those with `always_run: false` that are not optional. `/test ?` lists the checks of this pull request. On a head whose code is not trusted, a word of somebody who may say `/ok-to-test` runs what it names, once and on the head that was there when it was written.",
    example: "/test unit",
    right: Right::Trusted,
    words: &["/test", "/test-manual-required"],
    any_case: false,
    is_guessed: true,
    loose: None,
    read,
};

fn read(word: &str, rest: &str) -> Result<Command, String> {
    if word == "/test-manual-required" {
        return alone(word, rest, OnChange::TestByHand);
    }
    if matches!(rest, "" | "?") {
        return Ok(OnChange::Tests { why: None }.into());
    }
    let mut names: Vec<String> = Vec::new();
    for name in rest
        .split([',', ' ', '\t'])
        .map(str::trim)
        .filter(|name| !name.is_empty())
    {
        let is_plain = name.len() <= NAME_BYTES_MAX
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/'));
        if !is_plain {
            return Err(format!("`{}` is not the name of a check", quoted(name)));
        }
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    match names.len() {
        0 => Ok(OnChange::Tests { why: None }.into()),
        1..=NAMES_MAX => Ok(OnChange::Test { names }.into()),
        _ => Err(format!("`/test` takes at most {NAMES_MAX} names")),
    }
}
