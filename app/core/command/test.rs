//! `/test`: run checks by name.

use super::{Command, Entry, OnChange, Right, quoted};

/// Most names in one command.
const NAMES_MAX: usize = 20;
/// Longest name. Units: bytes.
const NAME_BYTES_MAX: usize = 100;

pub(super) const ENTRY: Entry = Entry {
    name: "/test",
    usage: "/test <name>... | all",
    who: "Trusted people: members and collaborators.",
    what: "Runs checks of the contract by name, or the built-in `train` and `bowsprit/service`, on the current head; `all` runs those that the change calls for.",
    example: "/test unit",
    right: Right::Writer,
    words: &["/test"],
    any_case: false,
    is_guessed: true,
    read,
};

fn read(_word: &str, rest: &str) -> Result<Command, String> {
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
        0 => Err("`/test` needs the name of a check, or `all`".to_owned()),
        1..=NAMES_MAX => Ok(OnChange::Test { names }.into()),
        _ => Err(format!("`/test` takes at most {NAMES_MAX} names")),
    }
}
