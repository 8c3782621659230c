//! Commands in comments: found, understood, explained.
//!
//! A command is a line that starts with its word, in a plain paragraph as a reader sees it.
//! Nothing here knows who speaks or whether it is allowed; each command is one file with its grammar and its help.

mod approve;
mod cancel;
mod hear;
mod help;
mod hold;
mod lgtm;
pub(crate) mod near;
mod ok_to_test;
mod promote;
mod retest;
mod rollback;
mod supersede;
mod test;
#[cfg(test)]
mod tests;
mod train;

pub use hear::{BODY_BYTES_MAX, COMMANDS_MAX, hear};
pub use help::{help, help_markdown};

use crate::name::{Slug, VersionRef};
use std::collections::BTreeMap;

/// What somebody wants done; which of the three decides where and when it is carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A word that stands until it is taken back: computed again at every look.
    Say(Say),
    /// Something for an open pull request: carried out once.
    OnChange(OnChange),
    /// Something for any issue or pull request, open or closed: carried out once.
    OnThread(OnThread),
}

/// A standing word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Say {
    /// The change is good.
    Lgtm,
    /// It is not, after all.
    LgtmCancel,
    /// The change may enter the files that the speaker owns.
    Approve {
        /// The head that is meant: 7 to 40 lower-case hex digits.
        sha: Option<String>,
    },
    /// It may not, after all.
    ApproveCancel,
    /// Do not merge for now.
    Hold {
        /// Why, in the speaker's words.
        reason: Option<String>,
    },
    /// Merge may go on.
    Unhold,
    /// Code of this head may run.
    OkToTest {
        /// The head that is meant: 7 to 40 lower-case hex digits.
        sha: Option<String>,
    },
}

/// An act on an open pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnChange {
    /// Run again what failed.
    Retest,
    /// Run these checks.
    Test {
        /// Names, or `all`; at least one, each once.
        names: Vec<String>,
    },
    /// Train, perhaps with other parameters.
    Train {
        /// What replaces the contract's variables.
        params: BTreeMap<String, String>,
    },
    /// Stop the runs of this pull request.
    Cancel,
    /// Take the newest waiting version into this proposal.
    Supersede,
}

/// An act on any issue or pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnThread {
    /// Bring a version to an environment.
    Promote {
        /// The environment.
        environment: Slug,
        /// The version; the newest verified one if none is named.
        version: Option<VersionRef>,
    },
    /// Bring an environment back.
    Rollback {
        /// The environment.
        environment: Slug,
        /// The version; the last good one if none is named.
        version: Option<VersionRef>,
        /// Whether the code stays.
        model_only: bool,
    },
    /// Say what can be said.
    Help,
}

/// Who may give a command, as far as that does not hang on what it is given about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Anybody; what it is about may ask for more.
    Anybody,
    /// Who may write in the repository.
    Writer,
}

impl From<Say> for Command {
    fn from(say: Say) -> Command {
        Command::Say(say)
    }
}

impl From<OnChange> for Command {
    fn from(act: OnChange) -> Command {
        Command::OnChange(act)
    }
}

impl From<OnThread> for Command {
    fn from(act: OnThread) -> Command {
        Command::OnThread(act)
    }
}

/// A line that is meant for Bowsprit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Units: lines of the comment from 1.
    pub line: usize,
    /// The line without blanks at its end, at most 200 characters.
    pub text: String,
    /// The command's name with the slash, however it was spelt.
    pub name: &'static str,
    /// Who may give it.
    pub right: Right,
    /// What it asks for, or why that is not clear.
    pub command: Result<Command, Misheard>,
}

/// Why a line is no command, and what would be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misheard {
    /// A sentence without its full stop, such as "`/lgtm` takes no argument but `cancel`".
    pub reason: String,
    /// The grammar of the command that is meant.
    pub usage: &'static str,
    /// The word that was probably meant.
    pub suggestion: Option<&'static str>,
}

/// One command: what is said about it and how it is read.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its word with the slash.
    pub name: &'static str,
    /// Its grammar.
    pub usage: &'static str,
    /// Who may say it.
    pub who: &'static str,
    /// What it does.
    pub what: &'static str,
    /// A line as somebody would write it.
    pub example: &'static str,
    /// Who may say it, where one rule holds for all of it.
    pub(crate) right: Right,
    /// Every word that it answers to, its name first.
    words: &'static [&'static str],
    /// Whether `/LGTM` is as good as `/lgtm`.
    any_case: bool,
    /// Whether a slip of it is answered; not of words that other bots and people use.
    is_guessed: bool,
    /// Reads what follows the word, which comes in lower case. Errors: a sentence without its full stop.
    read: fn(word: &str, rest: &str) -> Result<Command, String>,
}

/// Every command, in the order of the help.
const TABLE: &[&Entry] = &[
    &lgtm::ENTRY,
    &approve::ENTRY,
    &hold::ENTRY,
    &test::ENTRY,
    &retest::ENTRY,
    &ok_to_test::ENTRY,
    &train::ENTRY,
    &cancel::ENTRY,
    &supersede::ENTRY,
    &promote::ENTRY,
    &rollback::ENTRY,
    &help::ENTRY,
];

/// Whether a comment says anything to Bowsprit, understood or not.
pub fn speaks(commands: &[Heard]) -> bool {
    !commands.is_empty()
}

/// A command that takes no argument.
fn alone(word: &str, rest: &str, command: impl Into<Command>) -> Result<Command, String> {
    if rest.is_empty() {
        Ok(command.into())
    } else {
        Err(format!("`{word}` takes no argument"))
    }
}

/// The beginning of a commit id in lower case: 7 to 40 hex digits.
fn commit(text: &str) -> Option<String> {
    let is_hex = (7..=40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
    is_hex.then(|| text.to_ascii_lowercase())
}

/// A word of the comment, cut and made safe to stand between backticks.
fn quoted(text: &str) -> String {
    const CHARS_MAX: usize = 40;
    let safe = |c: char| if c.is_control() || c == '`' { '\'' } else { c };
    let mut cut: String = text.chars().take(CHARS_MAX).map(safe).collect();
    if text.chars().count() > CHARS_MAX {
        cut.push('…');
    }
    cut
}
