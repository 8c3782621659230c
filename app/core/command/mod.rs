//! Commands in comments: found, understood, explained.
//!
//! A command is a line that starts with its word, in a plain paragraph as a reader sees it.
//! Nothing here knows who speaks or whether it is allowed; each command is one file with its grammar and its help.

mod approve;
mod assign;
mod auto_cc;
mod cancel;
mod cc;
mod cherrypick;
mod close;
mod compare;
mod hear;
mod help;
mod hold;
mod label;
mod lgtm;
pub(crate) mod lifecycle;
mod milestone;
pub(crate) mod near;
mod ok_to_test;
mod override_;
mod promote;
mod refresh;
mod retest;
mod retitle;
mod rollback;
mod skip;
mod supersede;
mod test;
#[cfg(test)]
mod tests;
mod train;
pub(crate) mod wanted;
mod why;

pub use hear::{BODY_BYTES_MAX, COMMANDS_MAX, hear};
pub use help::{help, help_markdown};

use crate::habits::Switch;
use crate::name::{BranchName, Login, Slug, VersionRef};
use std::collections::BTreeMap;

/// Whom [`Right::Trusted`] means, for people.
const TRUSTED: &str = "Trusted people: who may write in the repository; with Prow's habits members of the organisation and all collaborators.";

/// The same of what starts checks.
const TESTERS: &str = "Trusted people: who may write in the repository; with Prow's habits members of the organisation and all collaborators, and anybody where the code is trusted.";

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
        /// Whether no issue is needed for it.
        no_issue: bool,
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
    /// Nothing of it may run, after all; only where trust holds for later pushes.
    OkToTestCancel,
    /// Code of this head may run.
    OkToTest {
        /// The head that is meant: 7 to 40 lower-case hex digits.
        sha: Option<String>,
    },
}

/// An act on an open pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnChange {
    /// Run again what failed, and what should have run and did not.
    Retest {
        /// Without what a pull request merges without.
        required_only: bool,
    },
    /// Run the required checks that only run by hand.
    TestByHand,
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
    /// Say which checks there are.
    Tests {
        /// What was wrong with the command; nothing where only this was asked.
        why: Option<String>,
    },
    /// Stop the runs of this pull request.
    Cancel,
    /// Take the newest waiting version into this proposal.
    Supersede,
    /// Reviews are asked for, or no longer.
    Cc {
        /// Whether they are asked for.
        add: bool,
        /// Of these; of the speaker where neither people nor teams are named.
        logins: Vec<Login>,
        /// Of these teams of the owner.
        teams: Vec<Slug>,
    },
    /// Reviewers whom OWNERS names are asked.
    AutoCc,
    /// Red contexts count as green.
    Override {
        /// For how long.
        how: Overriding,
        /// Which; all where none is named and they are taken back.
        names: Vec<String>,
    },
    /// Optional checks that are red are let go.
    Skip,
    /// What we show is shown again.
    Refresh,
    /// Say what keeps it from merging.
    Why,
    /// Show its figures beside those of a version.
    Compare {
        /// The version; the newest if none is named.
        version: Option<u64>,
    },
}

/// For how long a context is overridden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overriding {
    /// While head and base stay.
    Once,
    /// While the head stays.
    Sticky,
    /// No longer.
    Cancel,
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
    /// People are assigned, or no longer.
    Assign {
        /// Whether they are.
        add: bool,
        /// Who; the speaker where nobody is named.
        logins: Vec<Login>,
    },
    /// Labels are put on or taken off.
    Label {
        /// Whether they are put on.
        add: bool,
        /// The family before the slash, where they have one.
        family: Option<&'static str>,
        /// In lower case; at least one.
        names: Vec<String>,
    },
    /// How alive it is.
    Lifecycle {
        /// Whether it is so.
        add: bool,
        /// One of the four.
        state: &'static str,
    },
    /// It invites others.
    Invite {
        /// Whether it does.
        add: bool,
        /// Newcomers too.
        is_first: bool,
    },
    /// The merged change comes to other branches, one after the other.
    Cherrypick {
        /// Which.
        branches: Vec<BranchName>,
    },
    /// It belongs to a milestone.
    Milestone {
        /// Its title; none takes it off.
        title: Option<String>,
    },
    /// It has another title.
    Retitle {
        /// The title.
        title: String,
    },
    /// It is over.
    Close {
        /// And nobody will do it.
        not_planned: bool,
    },
    /// It is not over.
    Reopen,
}

/// Who may give a command, as far as that does not hang on what it is given about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Anybody; what it is about may ask for more.
    Anybody,
    /// Who may write in the repository.
    Writer,
    /// Who may have things run: as writers, with Prow's habits also members of the organisation and other collaborators.
    Trusted,
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
    /// Read in another way where a repository has the switch on.
    loose: Option<Loose>,
    /// How it is read.
    read: Read,
}

/// Another way to read a command.
#[derive(Debug, Clone)]
struct Loose {
    /// Where this is on.
    switch: Switch,
    /// Its grammar then.
    usage: &'static str,
    /// How it is read then.
    read: Read,
}

/// Reads what follows the word, which comes in lower case. Errors: a sentence without its full stop.
type Read = fn(word: &str, rest: &str) -> Result<Command, String>;

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
    &skip::ENTRY,
    &override_::ENTRY,
    &refresh::ENTRY,
    &why::ENTRY,
    &compare::ENTRY,
    &supersede::ENTRY,
    &promote::ENTRY,
    &rollback::ENTRY,
    &assign::ENTRY,
    &cc::ENTRY,
    &auto_cc::ENTRY,
    &label::ENTRY,
    &lifecycle::ENTRY,
    &milestone::ENTRY,
    &cherrypick::ENTRY,
    &retitle::ENTRY,
    &close::CLOSE,
    &close::REOPEN,
    &wanted::HELP,
    &wanted::FIRST,
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

/// Logins, each with or without an `@`; the last mention of a person counts, as there is but one.
fn people(word: &str, rest: &str) -> Result<Vec<Login>, String> {
    const PEOPLE_MAX: usize = 20;
    let mut logins: Vec<Login> = Vec::new();
    for name in rest.split_whitespace() {
        let login = Login::parse(name.trim_start_matches('@'))
            .map_err(|_| format!("`{}` is not a login", quoted(name)))?;
        if !logins.iter().any(|known| known.is(&login)) {
            logins.push(login);
        }
    }
    if logins.len() > PEOPLE_MAX {
        return Err(format!("`{word}` takes at most {PEOPLE_MAX} names"));
    }
    Ok(logins)
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
