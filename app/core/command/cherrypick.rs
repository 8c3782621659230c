//! `/cherrypick`: the merged change on another branch, too.

use super::{Command, Entry, OnThread, Right, quoted};
use crate::name::BranchName;

/// Most branches in one command.
const BRANCHES_MAX: usize = 10;

pub(super) const ENTRY: Entry = Entry {
    name: "/cherrypick",
    usage: "/cherrypick <branch>...",
    who: "People who may write in the repository.",
    what: "Opens a pull request that brings the merged change to another branch; before the merge it is a promise. Several branches are done one after the other, each once the one before is merged. A label `cherrypick/<branch>` asks for the same.",
    example: "/cherrypick release-1.2",
    right: Right::Writer,
    words: &["/cherrypick", "/cherry-pick"],
    any_case: false,
    is_guessed: true,
    loose: None,
    read,
};

fn read(word: &str, rest: &str) -> Result<Command, String> {
    let mut branches: Vec<BranchName> = Vec::new();
    for name in rest.split_whitespace() {
        let branch = BranchName::parse(name)
            .map_err(|_| format!("`{}` is not the name of a branch", quoted(name)))?;
        if !branches.contains(&branch) {
            branches.push(branch);
        }
    }
    match branches.len() {
        0 => Err(format!("`{word}` needs the name of a branch")),
        1..=BRANCHES_MAX => Ok(OnThread::Cherrypick { branches }.into()),
        _ => Err(format!("`{word}` takes at most {BRANCHES_MAX} branches")),
    }
}
