//! `/rollback`: an environment back to what was good.

use super::promote::target;
use super::{Command, Entry, OnThread, Right};

pub(super) const ENTRY: Entry = Entry {
    name: "/rollback",
    usage: "/rollback <environment> [<version>] [--model-only]",
    who: "Approvers of the environment; the command counts as its author's approval.",
    what: "Opens the way back to the last good release, or to the named one; `--model-only` keeps the code. Open promotions are held until `/unhold`.",
    example: "/rollback production 7 --model-only",
    right: Right::Anybody,
    words: &["/rollback"],
    any_case: true,
    is_guessed: true,
    loose: None,
    read,
};

fn read(_word: &str, rest: &str) -> Result<Command, String> {
    let (flags, words): (Vec<&str>, Vec<&str>) = rest
        .split_whitespace()
        .partition(|word| word.starts_with('-'));
    let model_only = match flags[..] {
        [] => false,
        ["--model-only"] => true,
        [..] => return Err("`/rollback` knows one option, `--model-only`".to_owned()),
    };
    let (environment, version) = target("/rollback", &words)?;
    Ok(OnThread::Rollback {
        environment,
        version,
        model_only,
    }
    .into())
}
