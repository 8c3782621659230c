//! One look at a pull request.

use super::edits::{self, Thread};
use super::rules::{self, Rule, Standing};
use super::talk::Talk;
use super::words::{self, Sticky, Words};
use super::{
    ACTED_MAX, DOING_MAX, HEADS_MAX, Kind, OVERRIDES_MAX, Pull, acts, answer, blocked, by_hand,
    enqueued, failures, gone, heads, landing, lgtm, picks, promotion, queued, reviewers, status,
    talk, wanted,
};
use crate::contract::{CONTRACT_FILE, Contract, Service};
use crate::effect::{CheckStatus, Hint, Wake};
use crate::habits::{Habits, Switch};
use crate::name::{BranchName, CommitSha, Login, PrNumber, RepoId, RepoPath};
use crate::owners::Owners;
use crate::subject::ask::{Ask, ChangeView, Changes, Comment, ContractAt, PullView};
use crate::subject::run::Run;
use crate::subject::{Act, Given, Step, SubjectKey, environment, model};
use std::collections::BTreeSet;

/// GitHub may answer with the head before a push that it told of; the pull request is looked at again after this. Units: milliseconds.
const STALE_MS: i64 = 2_000;

/// Says what to do for a pull request now.
pub fn step(given: &Given<Pull>, key: (RepoId, PrNumber), ask: &mut Ask) -> Step<Pull> {
    match advance(given, key, ask) {
        Some(Some(act)) => Step::Act(Box::new(act)),
        Some(None) => Step::Nothing,
        None => Step::Look(ask.take_missing()),
    }
}

/// Everything that one look at an open change works on.
pub(super) struct Seen {
    pub(super) view: PullView,
    pub(super) change: ChangeView,
    /// Head of the base branch now.
    pub(super) base: CommitSha,
    pub(super) changes: Changes,
    pub(super) kind: Kind,
    pub(super) owners: Owners,
    /// The contract of the base.
    pub(super) contract: Option<Contract>,
    /// Whether the base has one that cannot be read, and the change does not mend it.
    pub(super) is_broken: bool,
    pub(super) comments: Vec<Comment>,
    pub(super) habits: Habits,
    pub(super) words: Words,
    pub(super) is_trusted: bool,
    /// Whether somebody else than its author pushed what made it the change that it is.
    pub(super) is_of_another: bool,
    /// Speakers whose names in OWNERS count no more, in lower case.
    pub(super) gone: BTreeSet<Login>,
    /// Our runs on the head, newest of each name.
    pub(super) runs: Vec<Run>,
}

impl Seen {
    pub(super) fn paths(&self) -> Vec<RepoPath> {
        self.changes.files.keys().cloned().collect()
    }

    pub(super) fn service(&self) -> Option<&Service> {
        match &self.contract {
            Some(Contract::Service(service)) => Some(service),
            Some(Contract::Training(_)) | None => None,
        }
    }
}

fn advance(
    given: &Given<Pull>,
    (id, number): (RepoId, PrNumber),
    ask: &mut Ask,
) -> Option<Option<Act<Pull>>> {
    let Some(repo) = ask.repository(id)? else {
        return Some(None);
    };
    let Some(view) = ask.kept_pull(id, number)? else {
        return Some(None);
    };
    let mut pull = given
        .state
        .clone()
        .unwrap_or_else(|| Pull::new(repo.repo.clone(), number, Vec::new()));
    pull.repo = repo.repo.clone();
    pull.title = crate::text::truncate(&view.title, 200);
    let was_open = pull.is_open;
    pull.is_open = view.is_open;
    let mut act = Act::keep(pull);
    let talk = talk::talk(&mut act.state, &view, given, ask)?;
    let is_news_wanted =
        talk::is_about_the_head(&act.state, &talk) || rules::is_computing(&act.state, &view);
    let view = match is_news_wanted {
        // Whoever speaks of the head is told about the one that is there now, whatever delivery was lost; and no delivery
        // tells what GitHub has computed.
        true => ask.pull(id, number)?,
        false => Some(view),
    };
    let Some(view) = view else {
        return Some(None);
    };
    act.state.is_open = view.is_open;
    edits::settle(&mut act, given);
    by_hand::learn(&mut act.state, &view, given);
    let Some(change) = view.change.clone() else {
        outside(&mut act, (&view, &repo.default_branch), &talk, given, ask)?;
        return Some(Some(trim(act)));
    };
    heads::learn_heads(&mut act.state, &view, &change, given);
    heads::learn_pushers(&mut act.state, given);
    if act
        .state
        .heads
        .last()
        .is_some_and(|last| last.sha != change.head)
    {
        act.look_by(given.now_ms + STALE_MS);
        return Some(Some(trim(act)));
    }
    landing::learn(&mut act, given, ask)?;
    // GitHub may still say "open" for a moment after our merge.
    if !view.is_open || act.state.landed.is_some() {
        act.state.is_open = false;
        if let Some(merged) = change.merged.clone().filter(|_| act.state.landed.is_none()) {
            landing::learn_queued(&mut act, &merged, ask)?;
            act.state.landed.get_or_insert(merged);
        }
        status::close(&mut act, &change, given);
        queued::leave(&mut act, ask)?;
        if act.state.landed.is_some() || change.merged.is_some() {
            act.state.approved_by = act.state.approvers();
        }
        act.state.rules = Vec::new();
        outside(&mut act, (&view, &change.base), &talk, given, ask)?;
        picks::go_on(&mut act, (&view, &change), was_open, given, ask)?;
        if was_open || given.state.is_none() {
            act.wakes.extend(picks::source(id, &change));
            closed(&mut act, &change, ask)?;
        }
        return Some(Some(trim(act)));
    }
    let Some(seen) = look(&mut act.state, (view, change), talk, given.now_ms, ask)? else {
        return Some(Some(trim(act)));
    };
    Some(Some(trim(judge(act, &seen, given, ask)?)))
}

/// What an open change wants: its runs, its reviewers, its merge, and answers.
fn judge(mut act: Act<Pull>, seen: &Seen, given: &Given<Pull>, ask: &mut Ask) -> Option<Act<Pull>> {
    let before = act.clone();
    if seen.change.is_draft {
        // Those under way look again: they end with a conversion to a draft.
        let active = seen.runs.iter().filter(|run| !run.phase.is_final());
        act.wakes.extend(active.map(|run| Wake {
            subject: SubjectKey::Run(run.id.clone()),
            hint: None,
        }));
    }
    let waiting = acts::on_change(&mut act, seen, given, ask)?;
    reviewers::ask_once(&mut act, seen, given);
    wanted::runs(&mut act, seen, ask)?;
    wanted::preview(&mut act, seen, ask)?;
    failures::learn(&mut act.state, seen, ask)?;
    let mut rules = rules::evaluate(&act.state, seen, given, ask)?;
    if !merge(&mut act, seen, &mut rules, given, ask)? {
        // Something was said or pushed that no delivery told of: nothing is answered before it is known.
        act = before;
        act.look_by(given.now_ms);
        return Some(act);
    }
    rules::date(&mut rules, &before.state.rules, given.now_ms);
    status::tell(&mut act, seen, &rules, given, ask)?;
    answer::answer_words(&mut act, seen, (&rules, waiting), given, ask)?;
    act.state.rules = rules.into_iter().collect::<Vec<Rule>>();
    Some(act)
}

/// Merges in its turn, or has GitHub's queue do so; `false` where GitHub shows something else than what was judged.
fn merge(
    act: &mut Act<Pull>,
    seen: &Seen,
    rules: &mut Vec<Rule>,
    given: &Given<Pull>,
    ask: &mut Ask,
) -> Option<bool> {
    let overall = rules::overall(rules);
    if overall == CheckStatus::Success {
        if enqueued::has_queue(act, seen, given, ask)? {
            queued::leave(act, ask)?;
            return enqueued::enqueue(act, seen, rules, given, ask);
        }
        rules.extend(blocked::rule(act, seen, given, ask)?);
    }
    // GitHub computes anew whenever something else lands; whatever else is waited for, its queue would not wait for.
    let keeps_back = |rule: &Rule| match rule.state {
        Standing::Met => false,
        Standing::Waiting => rule.name != landing::NO_CONFLICT,
        Standing::Unmet => true,
    };
    if rules.iter().any(keeps_back) {
        enqueued::take_out(act, seen);
    }
    queued::take_place(act, seen, rules, given, ask)?;
    landing::land(act, seen, rules, given, ask)
}

/// Commands where no open change is; only in a repository that has something to do with us.
fn outside(
    act: &mut Act<Pull>,
    (view, branch): (&PullView, &BranchName),
    talk: &Talk,
    given: &Given<Pull>,
    ask: &mut Ask,
) -> Option<()> {
    let id = act.state.repo.id;
    let Some(head) = ask.head(id, branch)? else {
        return Some(());
    };
    let contract = match ask.contract(id, &head)? {
        ContractAt::Missing => return Some(()),
        ContractAt::Good(contract, _) => Some(*contract),
        ContractAt::Broken(_) => None,
    };
    let habits = habits(act.state.repo.id, contract.as_ref(), ask)?;
    let thread = Thread {
        view,
        habits: &habits,
    };
    acts::outside(act, &thread, &talk.comments, given, ask)
}

/// How words are taken: as the contract says, over what the server says.
fn habits(id: RepoId, contract: Option<&Contract>, ask: &mut Ask) -> Option<Habits> {
    let server = ask.habits(id)?;
    Some(match contract {
        Some(contract) => server.with(contract.chatops()),
        None => server,
    })
}

fn trim(mut act: Act<Pull>) -> Act<Pull> {
    let extra = act.state.acted.len().saturating_sub(ACTED_MAX);
    act.state.acted.drain(..extra);
    let extra = act.state.doing.len().saturating_sub(DOING_MAX);
    act.state.doing.drain(..extra);
    let extra = act.state.overrides.len().saturating_sub(OVERRIDES_MAX);
    act.state.overrides.drain(..extra);
    let extra = act.state.heads.len().saturating_sub(HEADS_MAX);
    act.state.heads.drain(..extra);
    act
}

fn closed(act: &mut Act<Pull>, change: &ChangeView, ask: &mut Ask) -> Option<()> {
    let repo = act.state.repo.clone();
    let name = environment::preview(act.state.number);
    if ask
        .environment(repo.id, &name)?
        .is_some_and(|seen| !seen.is_gone)
    {
        act.wakes.push(Wake {
            subject: SubjectKey::Environment(repo.id, name),
            hint: Some(Hint::Gone),
        });
    }
    for run in ask.runs(repo.id, &change.head)? {
        if !run.phase.is_final() {
            act.wakes.push(Wake {
                subject: SubjectKey::Run(run.id),
                hint: None,
            });
        }
    }
    let residents = ask.environments(repo.id)?;
    let touched = residents
        .iter()
        .filter(|environment| environment.change_of(act.state.number).is_some());
    act.wakes.extend(touched.map(|e| Wake {
        subject: SubjectKey::Environment(repo.id, e.name.clone()),
        hint: None,
    }));
    if let Some(slug) = change
        .branch
        .as_str()
        .strip_prefix("bowsprit/")
        .and_then(|name| crate::name::Slug::parse(name).ok())
        && model::branch(&slug) == change.branch
    {
        act.wakes.push(Wake {
            subject: SubjectKey::Model(repo.id, slug),
            hint: None,
        });
    }
    Some(())
}

fn look(
    pull: &mut Pull,
    (view, change): (PullView, ChangeView),
    talk: Talk,
    now_ms: i64,
    ask: &mut Ask,
) -> Option<Option<Seen>> {
    let id = pull.repo.id;
    let Some(base) = ask.head(id, &change.base)? else {
        return Some(None);
    };
    let changes = ask.changes(id, &base, &change.head)?;
    let change_id = changes.id();
    heads::learn_change(pull, &change.base, &change_id, now_ms);
    let is_of_another = heads::is_of_another(pull, &change_id, &view.author);
    // A head that left an equal change keeps its words; one whose change was never computed does not.
    let owners = ask.owners(id, &base)?;
    let (contract, is_unreadable) = match ask.contract(id, &base)? {
        ContractAt::Good(contract, _) => (Some(*contract), false),
        ContractAt::Missing => (None, false),
        ContractAt::Broken(_) => (None, true),
    };
    if contract.is_none() && matches!(ask.contract(id, &change.head)?, ContractAt::Missing) {
        // Neither side of the change has anything to do with us.
        return Some(None);
    }
    let paths: Vec<RepoPath> = changes.files.keys().cloned().collect();
    let is_broken = is_unreadable && !mends(id, &paths, &change.head, ask)?;
    let habits = habits(id, contract.as_ref(), ask)?;
    // What cannot be read may be a service's: its environments are guarded as ever.
    let has_environments = is_unreadable || matches!(contract, Some(Contract::Service(_)));
    let kind = kind(&changes, &change, id, has_environments);
    // What names a model's bytes is approved as it is, whatever the habits.
    let is_code = kind == Kind::Code;
    let sticky = Sticky {
        approve: habits.has(Switch::StickyApprove) && is_code,
        lgtm: is_code && lgtm::keeps_lgtm(pull, &view.author, &habits, ask)?,
    };
    words::learn(pull, &talk, &habits);
    let said_to = (&change_id, sticky);
    let mut may_lift =
        |who: &Login| Some(promotion::keeps_held(id, (&owners, &paths), who, ask)?.is_none());
    let words = words::words(pull, said_to, &talk, &habits, &mut may_lift)?;
    // Who takes the names in OWNERS as they are, does so for code alone.
    let gone = match habits.has(Switch::SkipCollaborators) && is_code {
        true => BTreeSet::new(),
        false => gone::gone(pull, &owners, (&words, &view.author), ask)?,
    };
    let is_trusted = wanted::is_trusted(&view, &change, (id, &habits), &words, ask)?
        || (habits.has(Switch::StickyOkToTest)
            && !habits.has(Switch::IgnoreOkToTest)
            && by_hand::counts(pull, &habits, by_hand::OK_TO_TEST));
    let runs = newest(ask.runs(id, &change.head)?, pull);
    Some(Some(Seen {
        view,
        change,
        base,
        changes,
        kind,
        owners,
        contract,
        is_broken,
        comments: talk.comments,
        habits,
        words,
        is_trusted,
        is_of_another,
        gone,
        runs,
    }))
}

/// Whether a change brings a contract that can be read.
fn mends(id: RepoId, paths: &[RepoPath], head: &CommitSha, ask: &mut Ask) -> Option<bool> {
    let is_there = paths.iter().any(|path| path.as_str() == CONTRACT_FILE);
    Some(is_there && matches!(ask.contract(id, head)?, ContractAt::Good(..)))
}

fn kind(changes: &Changes, change: &ChangeView, id: RepoId, has_environments: bool) -> Kind {
    let is_environment = |path: &&RepoPath| path.as_str().starts_with("environments/");
    let count = changes.files.keys().filter(is_environment).count();
    if !has_environments || count == 0 {
        let is_ours =
            change.head_repo == Some(id) && change.branch.as_str().starts_with("bowsprit/");
        return if is_ours { Kind::Proposal } else { Kind::Code };
    }
    if count == changes.files.len() {
        Kind::Promotion
    } else {
        Kind::Mixed
    }
}

/// The newest run of each name that belongs to this pull request; what ran for another base was judged by another judge.
fn newest(mut runs: Vec<Run>, pull: &Pull) -> Vec<Run> {
    let since_ms = pull.retargeted_ms.unwrap_or(i64::MIN);
    runs.retain(|run| {
        let is_its = run
            .cause
            .trigger
            .pull()
            .is_some_and(|(of, _)| of == pull.number);
        is_its && run.cause.params.is_empty() && run.created_ms >= since_ms
    });
    runs.sort_by(|a, b| (b.created_ms, &b.id).cmp(&(a.created_ms, &a.id)));
    let mut seen = BTreeSet::new();
    runs.retain(|run| seen.insert(run.cause.what.check_name()));
    runs
}
