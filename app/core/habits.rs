//! How people's words are taken in a repository: named switches on one grammar, and two presets of them.

use crate::contexts::Contexts;
use crate::name::{Login, Team};
use crate::queue::wishes::Wishes;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Whose habits commands follow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compatibility {
    /// Ours.
    #[default]
    Own,
    /// Prow's, where the two differ.
    Prow,
}

/// One point in which habits differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Switch {
    /// Commands are looked for in the raw text, at the start of any line, in code and HTML comments too.
    RawText,
    /// An approving review is an lgtm, one that asks for changes takes it back.
    ReviewActsAsLgtm,
    /// An approving review is an approval, one that asks for changes takes it back.
    ReviewActsAsApprove,
    /// Approval survives a push: it is of files, not of the change.
    StickyApprove,
    /// `/ok-to-test` needs no commit and holds for later pushes.
    StickyOkToTest,
    /// In one comment `/lgtm` beats `/lgtm cancel`, and `/hold cancel` beats `/hold`; else the later one counts.
    FixedOrder,
    /// `/approve` may be followed by any text, in which `cancel` takes it back.
    ApproveWithWords,
    /// The label `approved`, put on by hand, approves.
    LabelsByHand,
    /// Approval needs an issue that the description names, or that an approver waives.
    RequireIssue,
    /// The author's approval is not implied.
    RequireSelfApproval,
    /// An lgtm is an approval, too.
    LgtmActsAsApprove,
    /// Who gives or takes back an lgtm is assigned.
    AssignOnLgtm,
    /// An lgtm counts from people in OWNERS only.
    SkipCollaborators,
    /// Required reviewers keep a change from merging until they agree.
    RequiredReviewersBlock,
    /// Nobody can make code of strangers run by itself.
    IgnoreOkToTest,
    /// A title that starts with WIP keeps a change from merging.
    WipTitles,
    /// Only members of the organisation are trusted, collaborators from outside are not.
    OnlyOrgMembers,
    /// Approvers of the root's OWNERS override, as administrators do.
    OverrideByTopLevelOwners,
    /// A check run sums up all rules on each change.
    MergeCheck,
}

impl Switch {
    /// Every switch.
    pub const ALL: [Switch; 19] = [
        Switch::RawText,
        Switch::ReviewActsAsLgtm,
        Switch::ReviewActsAsApprove,
        Switch::StickyApprove,
        Switch::StickyOkToTest,
        Switch::FixedOrder,
        Switch::ApproveWithWords,
        Switch::LabelsByHand,
        Switch::RequireIssue,
        Switch::RequireSelfApproval,
        Switch::LgtmActsAsApprove,
        Switch::AssignOnLgtm,
        Switch::SkipCollaborators,
        Switch::RequiredReviewersBlock,
        Switch::IgnoreOkToTest,
        Switch::WipTitles,
        Switch::OnlyOrgMembers,
        Switch::OverrideByTopLevelOwners,
        Switch::MergeCheck,
    ];

    /// Its key in the contract.
    pub fn key(self) -> &'static str {
        match self {
            Switch::RawText => "raw_text",
            Switch::ReviewActsAsLgtm => "review_acts_as_lgtm",
            Switch::ReviewActsAsApprove => "review_acts_as_approve",
            Switch::StickyApprove => "sticky_approve",
            Switch::StickyOkToTest => "sticky_ok_to_test",
            Switch::FixedOrder => "fixed_order",
            Switch::ApproveWithWords => "approve_with_words",
            Switch::LabelsByHand => "labels_by_hand",
            Switch::RequireIssue => "require_issue",
            Switch::RequireSelfApproval => "require_self_approval",
            Switch::LgtmActsAsApprove => "lgtm_acts_as_approve",
            Switch::AssignOnLgtm => "assign_on_lgtm",
            Switch::SkipCollaborators => "skip_collaborators",
            Switch::RequiredReviewersBlock => "required_reviewers_block",
            Switch::IgnoreOkToTest => "ignore_ok_to_test",
            Switch::WipTitles => "wip_titles",
            Switch::OnlyOrgMembers => "only_org_members",
            Switch::OverrideByTopLevelOwners => "override_by_top_level_owners",
            Switch::MergeCheck => "merge_check",
        }
    }

    /// What it does, in a sentence.
    pub fn what(self) -> &'static str {
        match self {
            Switch::RawText => {
                "Commands are looked for at the start of any line of the raw text, in code and HTML comments too."
            }
            Switch::ReviewActsAsLgtm => {
                "An approving review is an lgtm; one that requests changes takes every lgtm back."
            }
            Switch::ReviewActsAsApprove => {
                "An approving review is an approval of whoever gave it; one that requests changes takes it back."
            }
            Switch::StickyApprove => {
                "Approval of code survives a push; of proposals and promotions it never does."
            }
            Switch::StickyOkToTest => {
                "`/ok-to-test` needs no commit, holds for later pushes, and `/ok-to-test cancel` takes it back."
            }
            Switch::FixedOrder => {
                "In one comment `/lgtm` beats `/lgtm cancel` and lifting a hold beats the hold; else the later line counts."
            }
            Switch::ApproveWithWords => {
                "Any text may follow `/approve`; `cancel` anywhere in it takes the approval back."
            }
            Switch::LabelsByHand => {
                "The labels `approved`, `lgtm` (until a push) and `ok-to-test` (with `sticky_ok_to_test`), put on by a person, count; an `lgtm` or a `do-not-merge/hold` that a person takes off is taken back. That `do-not-merge/hold` holds needs no switch."
            }
            Switch::RequireIssue => {
                "Approval of code also needs an issue: named in the description (`#7` or its address), or waived by an approver's `/approve no-issue`."
            }
            Switch::RequireSelfApproval => {
                "An author does not approve by opening the pull request; an approver who is the author says `/approve`."
            }
            Switch::LgtmActsAsApprove => {
                "`/lgtm` is an approval of whoever gave it, too; `/lgtm cancel` takes it back."
            }
            Switch::AssignOnLgtm => {
                "Whoever may write here (with Prow's habits also who may triage) and says `/lgtm` or `/lgtm cancel` on somebody else's pull request is assigned to it, unless `skip_collaborators` is on."
            }
            Switch::SkipCollaborators => {
                "`/lgtm` counts from reviewers and approvers in OWNERS of a changed file only, not from everybody who may write here; for code, names in OWNERS count whether they are collaborators or not."
            }
            Switch::RequiredReviewersBlock => {
                "Everybody in `required_reviewers` of a changed file gives an lgtm or an approval before a merge; else they are only shown."
            }
            Switch::IgnoreOkToTest => {
                "`/ok-to-test` and the label `ok-to-test` have no power; trusted people `/test` what they have looked at, and once everything that the change needs was run so on its head, that head counts as trusted."
            }
            Switch::WipTitles => {
                "A title that starts with `WIP` keeps a pull request from merging, as a draft does."
            }
            Switch::OverrideByTopLevelOwners => {
                "`/override` is also for approvers whom the OWNERS file at the root names."
            }
            Switch::MergeCheck => {
                "The check run `bowsprit/merge` sums up all rules on every pull request; else it is shown only where the rules of the branch require it."
            }
            Switch::OnlyOrgMembers => {
                "Code runs by itself, and `/ok-to-test` counts, for members of the organisation only; collaborators from outside are not trusted, on branches of the repository neither. With our habits a member must also be one who may write here for `/ok-to-test`."
            }
        }
    }

    /// Whether it is on in a preset.
    pub fn preset(self, preset: Compatibility) -> bool {
        match (self, preset) {
            (Switch::ReviewActsAsLgtm, Compatibility::Own) => true,
            (Switch::ReviewActsAsLgtm, Compatibility::Prow) => false,
            (
                Switch::ReviewActsAsApprove | Switch::WipTitles | Switch::MergeCheck,
                Compatibility::Own | Compatibility::Prow,
            ) => true,
            // Plugins and options that a team chooses, there as here.
            (
                Switch::RequireIssue
                | Switch::RequireSelfApproval
                | Switch::LgtmActsAsApprove
                | Switch::SkipCollaborators
                | Switch::RequiredReviewersBlock
                | Switch::IgnoreOkToTest
                | Switch::OnlyOrgMembers
                | Switch::OverrideByTopLevelOwners,
                Compatibility::Own | Compatibility::Prow,
            ) => false,
            (
                Switch::RawText
                | Switch::StickyApprove
                | Switch::StickyOkToTest
                | Switch::FixedOrder
                | Switch::ApproveWithWords
                | Switch::LabelsByHand
                | Switch::AssignOnLgtm,
                preset,
            ) => preset == Compatibility::Prow,
        }
    }
}

/// What one place says about commands: a contract, or the server's file for an owner or a repository.
///
/// What is absent is as the place before it says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chatops {
    /// The preset; it goes before every switch of the places before.
    pub compatibility: Option<Compatibility>,
    /// Switches that differ from the preset.
    pub switches: BTreeMap<Switch, bool>,
    /// Labels that `/label` may put on, in lower case.
    pub labels: Option<BTreeSet<String>>,
    /// Labels that only these people may put on or take off, in lower case.
    pub restricted: Option<BTreeMap<String, BTreeSet<Login>>>,
    /// Commands that another bot carries out here, with their slash.
    pub not_ours: Option<BTreeSet<String>>,
    /// Authors whose pull requests keep an lgtm over a push.
    pub sticky_lgtm: Option<BTreeSet<Member>>,
    /// People, and teams, who override as administrators do.
    pub overriders: Option<BTreeSet<Member>>,
    /// Apps whose pull requests are trusted, without `[bot]`, in lower case.
    pub trusted_apps: Option<BTreeSet<Login>>,
    /// How reviewers are asked when a pull request is opened, or that they are not.
    pub ask_reviewers: Option<Option<AskReviewers>>,
    /// How changes are merged.
    pub merges: Wishes,
    /// Which contexts of others must be green.
    pub contexts: Contexts,
}

/// A person, or all people of a team at GitHub.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Member {
    /// One person, in lower case.
    Person(Login),
    /// Whoever belongs to the team, in lower case.
    Team(Team),
}

impl Member {
    /// Reads `login` or `organisation/team`, with or without `@`. Errors: it is neither.
    pub fn parse(text: &str) -> Result<Member, String> {
        let text = text.strip_prefix('@').unwrap_or(text).to_ascii_lowercase();
        match text.contains('/') {
            true => Team::parse(&text)
                .map(Member::Team)
                .map_err(|error| error.to_string()),
            false => Login::parse(&text)
                .map(Member::Person)
                .map_err(|error| error.to_string()),
        }
    }
}

impl std::fmt::Display for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Member::Person(login) => login.fmt(f),
            Member::Team(team) => team.fmt(f),
        }
    }
}

/// How many reviewers are asked, and when not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskReviewers {
    /// So many are asked where OWNERS names as many.
    pub count: u32,
    /// Never more, even where a change touches more folders.
    pub max: u32,
    /// Whether approvers do not stand in for reviewers.
    pub exclude_approvers: bool,
    /// Whether a draft waits until it is ready.
    pub ignore_drafts: bool,
    /// Authors for whom nobody is asked, in lower case.
    pub ignore_authors: BTreeSet<Login>,
}

impl Default for AskReviewers {
    fn default() -> AskReviewers {
        AskReviewers {
            count: 2,
            max: 5,
            exclude_approvers: false,
            ignore_drafts: true,
            ignore_authors: BTreeSet::new(),
        }
    }
}

/// How words are taken in one repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Habits {
    on: BTreeSet<Switch>,
    /// The preset that they began with.
    pub preset: Compatibility,
    /// Labels that `/label` may put on, in lower case.
    pub labels: BTreeSet<String>,
    /// Labels that only these people may put on or take off, in lower case.
    pub restricted: BTreeMap<String, BTreeSet<Login>>,
    /// Commands that another bot carries out here, with their slash.
    pub not_ours: BTreeSet<String>,
    /// Authors whose pull requests keep an lgtm over a push.
    pub sticky_lgtm: BTreeSet<Member>,
    /// People, and teams, who override as administrators do.
    pub overriders: BTreeSet<Member>,
    /// Apps whose pull requests are trusted, without `[bot]`, in lower case.
    pub trusted_apps: BTreeSet<Login>,
    /// How reviewers are asked when a pull request is opened; not at all where absent.
    pub ask_reviewers: Option<AskReviewers>,
    /// How changes are merged.
    pub merges: Wishes,
    /// Which contexts of others must be green.
    pub contexts: Contexts,
}

impl Habits {
    /// A preset and nothing else.
    pub fn of(preset: Compatibility) -> Habits {
        let on = Switch::ALL.into_iter().filter(|one| one.preset(preset));
        Habits {
            on: on.collect(),
            preset,
            ..Habits::default()
        }
    }

    /// What one more place says, over this: first its preset, then its switches; a list replaces the list before.
    pub fn with(mut self, said: &Chatops) -> Habits {
        if let Some(preset) = said.compatibility {
            self.on = Habits::of(preset).on;
            self.preset = preset;
        }
        for (switch, is_on) in &said.switches {
            match is_on {
                true => self.on.insert(*switch),
                false => self.on.remove(switch),
            };
        }
        fn put<T: Clone>(into: &mut T, said: Option<&T>) {
            if let Some(said) = said {
                said.clone_into(into);
            }
        }
        put(&mut self.labels, said.labels.as_ref());
        put(&mut self.restricted, said.restricted.as_ref());
        put(&mut self.not_ours, said.not_ours.as_ref());
        put(&mut self.sticky_lgtm, said.sticky_lgtm.as_ref());
        put(&mut self.overriders, said.overriders.as_ref());
        put(&mut self.trusted_apps, said.trusted_apps.as_ref());
        put(&mut self.ask_reviewers, said.ask_reviewers.as_ref());
        self.merges = self.merges.with(&said.merges);
        self.contexts = self.contexts.with(&said.contexts);
        self
    }

    /// Whether a switch is on.
    pub fn has(&self, switch: Switch) -> bool {
        self.on.contains(&switch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(habits: &Habits) -> String {
        let keys = Switch::ALL.into_iter().filter(|s| habits.has(*s));
        keys.map(Switch::key).collect::<Vec<_>>().join(" ")
    }

    /// What a place says: its preset and its switches.
    fn says(preset: Option<Compatibility>, switches: &[(Switch, bool)]) -> Chatops {
        Chatops {
            compatibility: preset,
            switches: switches.iter().copied().collect(),
            ..Chatops::default()
        }
    }

    /// Who says what, from the server's preset on, and whether approval survives a push then.
    #[test]
    fn a_later_place_goes_before_an_earlier_one() {
        let (own, prow) = (Some(Compatibility::Own), Some(Compatibility::Prow));
        let (on, off) = (
            &[(Switch::StickyApprove, true)][..],
            &[(Switch::StickyApprove, false)][..],
        );
        let nothing = (None, &[][..]);
        for (what, owner, repository, contract, want) in [
            ("the server's preset", nothing, nothing, nothing, false),
            ("the owner", (None, on), nothing, nothing, true),
            ("the owner's preset", (prow, &[]), nothing, nothing, true),
            (
                "a switch, not its preset",
                (prow, off),
                nothing,
                nothing,
                false,
            ),
            ("the repository", (None, on), (None, off), nothing, false),
            ("its preset", (None, on), (own, &[]), nothing, false),
            ("the contract", nothing, (None, on), (None, off), false),
            (
                "its preset, over all",
                (None, off),
                (None, off),
                (prow, &[]),
                true,
            ),
            (
                "its preset, over a switch",
                nothing,
                (None, on),
                (own, &[]),
                false,
            ),
            ("its own switch", (None, on), (None, on), (prow, off), false),
        ] {
            let places = [owner, repository, contract];
            let habits = places.iter().fold(
                Habits::of(Compatibility::Own),
                |habits, (preset, switches)| habits.with(&says(*preset, switches)),
            );
            assert_eq!(habits.has(Switch::StickyApprove), want, "{what}");
        }
    }

    #[test]
    fn a_list_replaces_the_one_before_and_nothing_said_keeps_it() {
        let of = |labels: &[&str]| Chatops {
            labels: Some(labels.iter().map(|one| (*one).to_owned()).collect()),
            ..Chatops::default()
        };
        let habits = Habits::of(Compatibility::Own).with(&of(&["a", "b"]));
        let kept = habits.clone().with(&Chatops::default());
        assert_eq!(kept.labels.len(), 2);
        assert_eq!(habits.clone().with(&of(&["c"])).labels.len(), 1);
        assert!(habits.with(&of(&[])).labels.is_empty());
    }

    #[test]
    fn the_contract_goes_before_the_server_and_a_switch_before_its_preset() {
        let own = "review_acts_as_lgtm review_acts_as_approve wip_titles merge_check";
        let prow = "raw_text review_acts_as_approve sticky_approve sticky_ok_to_test fixed_order approve_with_words labels_by_hand assign_on_lgtm wip_titles merge_check";
        assert_eq!(on(&Habits::of(Compatibility::Own)), own);
        assert_eq!(on(&Habits::of(Compatibility::Prow)), prow);
        let mut chatops = Chatops {
            compatibility: Some(Compatibility::Own),
            ..Chatops::default()
        };
        assert_eq!(on(&Habits::of(Compatibility::Prow).with(&chatops)), own);
        chatops.switches.insert(Switch::ReviewActsAsLgtm, false);
        chatops.switches.insert(Switch::StickyOkToTest, true);
        assert_eq!(
            on(&Habits::of(Compatibility::Prow).with(&chatops)),
            "review_acts_as_approve sticky_ok_to_test wip_titles merge_check"
        );
    }
}
