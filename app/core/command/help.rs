//! `/help`, and the page of all commands.

use super::{Command, Entry, Loose, OnThread, Right, TABLE, alone, hear, override_};
use crate::habits::{Compatibility, Habits, Switch};
use std::fmt::Write as _;

pub(super) const ENTRY: Entry = Entry {
    name: "/help",
    usage: "/help",
    who: "Anybody.",
    what: "Answers with the commands that work here.",
    example: "/help",
    right: Right::Anybody,
    words: &["/help"],
    any_case: true,
    is_guessed: true,
    loose: None,
    read,
};

fn read(word: &str, rest: &str) -> Result<Command, String> {
    alone(word, rest, OnThread::Help)
}

/// Every command that we carry out in a repository of these habits, in the order in which people meet them.
pub fn help(habits: &Habits) -> Vec<Entry> {
    let ours = TABLE
        .iter()
        .filter(|entry| !habits.not_ours.contains(entry.name));
    ours.map(|entry| (*entry).clone()).collect()
}

impl Entry {
    /// How it is read in a repository of these habits, where not as everywhere.
    pub(super) fn loose(&self, habits: &Habits) -> Option<&Loose> {
        let loose = self.loose.as_ref();
        loose.filter(|loose| habits.has(loose.switch))
    }

    /// Its grammar in a repository of these habits.
    pub fn usage_with(&self, habits: &Habits) -> &'static str {
        self.loose(habits).map_or(self.usage, |loose| loose.usage)
    }

    /// Who may say it in a repository of these habits.
    pub fn who_with(&self, habits: &Habits) -> String {
        match self.name == override_::ENTRY.name {
            true => override_::who(habits),
            false => self.who.to_owned(),
        }
    }

    /// Whether it works on issues as well as on pull requests, as its example does.
    pub fn is_anywhere(&self) -> bool {
        let heard = hear(self.example, &Habits::default());
        let mut commands = heard.into_iter().map(|one| one.command);
        commands.any(|command| matches!(command, Ok(Command::OnThread(_))))
    }
}

/// The page of all commands as Markdown, one sentence a line.
pub fn help_markdown() -> String {
    let mut page = String::from(
        "# Commands\n\n\
         A command stands at the start of a line in a comment, a comment on a line, a review, or the description of an issue or pull request.\n\
         Lines inside quotes, code, lists, tables, headings and HTML are not read.\n\
         Each text is read as it was first written.\n\
         A `/hold`, `/lgtm cancel` or `/approve cancel` that was heard stands until a word takes it back: editing or deleting its comment does nothing, and no more does that of the `/unhold` which lifted it.\n\
         Whatever else stood in an edited comment no longer counts.\n\
         A command that is done gets a reaction, where the place takes one; a refused one gets a reply.\n\
         Several commands in one comment are done from top to bottom.\n",
    );
    for entry in TABLE {
        let (name, usage, example) = (entry.name, entry.usage, entry.example);
        let what = entry.what.replace(". ", ".\n");
        let who = entry.who;
        // Writing into a text cannot fail.
        let _ = write!(
            page,
            "\n## {name}\n\n```text\n{usage}\n```\n\n{what}\n\nWho: {who}\n\nExample: `{example}`\n"
        );
    }
    page.push_str(HABITS);
    for switch in Switch::ALL {
        let mark = |preset| if switch.preset(preset) { "on" } else { "off" };
        let (own, prow) = (mark(Compatibility::Own), mark(Compatibility::Prow));
        let _ = writeln!(
            page,
            "| `{}` | {own} | {prow} | {} |",
            switch.key(),
            switch.what()
        );
    }
    page.push_str(LISTS);
    page
}

/// What stands after it.
const LISTS: &str = "\n\
     Whose code runs by itself, unless `only_org_members` says otherwise: with our habits that on branches of the repository, and that of authors who may write in it; with Prow's also that of members of the organisation and of every other collaborator.\n\
     That of Apps in `trusted_apps` runs with both.\n\
     With Prow's habits that of others runs once, on the head to which somebody who could have said `/ok-to-test` gives an lgtm, unless `ignore_ok_to_test` is on.\n\n\
     Beside the switches stand lists and settings, in the same places:\n\n\
     | key | what it says |\n|---|---|\n\
     | `labels` | What `/label` may put on. |\n\
     | `restricted_labels` | Labels that only the people named put on and take off. |\n\
     | `not_ours` | Commands that another bot carries out here. |\n\
     | `overriders` | People, and teams as `organisation/team`, who `/override` as administrators do. |\n\
     | `sticky_lgtm` | Authors whose pull requests of code keep an lgtm over a push; `organisation/team` stands for the members of a team of the organisation that owns the repository. |\n\
     | `trusted_apps` | Apps whose pull requests are trusted, without `[bot]`. |\n\
     | `ask_reviewers` | Reviewers are asked when a pull request is opened or made ready: `count` (2) of those whom OWNERS names, one of each folder first and `max` (5) at most; approvers stand in unless `exclude_approvers`; not on drafts unless `ignore_drafts: false`; not for `ignore_authors`, nor where the description says `/cc`. `true` is enough, and `false` asks nobody. |\n\
     | `merge_method` | How changes of code are merged: `merge` (the default), `squash` or `rebase`. A label goes before it: `merge/squash` and so on, with Prow's habits `tide/merge-method-squash`. Proposals and promotions always get a merge commit, which is their record. |\n\
     | `priority_labels` | What goes first among those that may merge, the most urgent first; `[priority/critical-urgent]`, with Prow's habits none. |\n\
     | `blocker_label` | While an issue with this label is open, nothing merges; `branch:x` in its title means only that branch. `merge-blocker`, with Prow's habits `tide/merge-blocker`. |\n\
     | `merge_tests` | So many tests (0 to 10) are under way at once of what is ready for a branch, merged together as it would land; what came out green lands, in its order. With `0`, the default, each pull request merges by its own checks. |\n\
     | `github_blocked` | What is done where GitHub calls a pull request blocked that meets every rule here: with `permit`, the default, merging is tried, which GitHub refuses in its own words unless the App may pass the rule by, and the status comment says so; `ignore` says nothing; `block` waits until GitHub calls it blocked no more. |\n\
     | `contexts` | Which statuses and check runs of others must be green on the head, beside those that GitHub's rules of the branch require: `required` names what must be reported, `required_if_present` what counts where it is reported, `optional` what does not matter, and `unknown` says of all others whether they count: `skip`, with Prow's habits `require`. What Tide and `bowsprit/merge` say never counts here, nor what others report under the name of an optional check of the contract. |\n";

/// What stands before the table of switches.
const HABITS: &str = "\n## Habits of Prow\n\n\
     `chatops.compatibility` is `own` or `prow`, in the server's file for all, an owner or a repository, and in the contract for one.\n\
     It is a preset of switches, each of which the contract of the base branch can set by itself under `chatops`.\n\
     So can the server's file, under `chatops.owners` and `chatops.repositories`; [CONFIGURATION](CONFIGURATION.md) says which of them goes before the others.\n\n\
     | switch | `own` | `prow` | when it is on |\n|---|---|---|---|\n";
