//! Cherry-picks: promised while it is open, done after the merge, one branch after the other.

use super::Pull;
use super::acts::Done;
use super::edits::Thread;
use crate::effect::{
    Content, Edit, Effect, EffectResult, EffectState, Hint, Intent, Outcome, Priority, Propose,
    Text, Wake,
};
use crate::name::{BranchName, CommentId, CommitSha, Login, PrNumber, RepoId};
use crate::subject::ask::{Ask, ChangeView, Comment, Picked, PullView};
use crate::subject::{Act, Given, SubjectKey};
use crate::text::code_span;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;

/// Most picks that are open at once.
pub const PICKS_MAX: usize = 20;

/// What a label begins with that asks for a pick.
const LABEL: &str = "cherrypick/";

/// A change that is to come to other branches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pick {
    /// Who asked for it.
    pub by: Login,
    /// Where it was asked for; nowhere for a label.
    pub comment: Option<CommentId>,
    /// The branches that are left, the next one first.
    pub branches: Vec<BranchName>,
    /// The pull request to the next one, once it is open.
    pub copy: Option<PrNumber>,
}

/// Takes a command in: done at once where the change is merged, else promised.
pub(super) fn wish(
    act: &mut Act<Pull>,
    thread: &Thread<'_>,
    comment: &Comment,
    branches: &[BranchName],
) -> Done {
    let Some(change) = &thread.view.change else {
        return Done::No("`/cherrypick` works on a pull request".to_owned());
    };
    let is_merged = change.merged.is_some() || act.state.landed.is_some();
    if !thread.view.is_open && !is_merged {
        return Done::No("it was closed without a merge; there is nothing to pick".to_owned());
    }
    if branches.contains(&change.base) {
        let base = code_span(change.base.as_str());
        return Done::No(format!("it goes to {base} anyway"));
    }
    if act.state.picks.len() >= PICKS_MAX {
        return Done::No(format!("{PICKS_MAX} picks of it are under way already"));
    }
    act.state.picks.push(Pick {
        by: comment.author.clone(),
        comment: Some(comment.id),
        branches: branches.to_vec(),
        copy: None,
    });
    if is_merged {
        return Done::Yes;
    }
    let names: Vec<String> = branches.iter().map(|one| code_span(one.as_str())).collect();
    let message = format!(
        "@{}: once this is merged, a pull request brings it to {}.",
        comment.author,
        names.join(", then to ")
    );
    Done::Told(Text::new("refusal/plain", json!({ "message": message })))
}

/// Goes on with every pick of a merged change. `is_new`: it was merged just now.
pub(super) fn go_on(
    act: &mut Act<Pull>,
    (view, change): (&PullView, &ChangeView),
    is_new: bool,
    given: &Given<Pull>,
    ask: &mut Ask,
) -> Option<()> {
    let merged = act.state.landed.clone().or_else(|| change.merged.clone());
    let Some(merged) = merged else {
        act.state.picks.clear();
        return Some(());
    };
    by_label(act, view, is_new, given);
    for mut pick in std::mem::take(&mut act.state.picks) {
        if one(act, (view, &merged), &mut pick, given, ask)? {
            act.state.picks.push(pick);
        }
    }
    Some(())
}

/// Labels count when the change is merged, and when they are put on later.
fn by_label(act: &mut Act<Pull>, view: &PullView, is_new: bool, given: &Given<Pull>) {
    let is_put = |label: &str| {
        let mut hints = given.hints.iter();
        hints.any(
            |hint| matches!(hint, Hint::Labeled { label: put, is_on: true, .. } if put == label),
        )
    };
    for label in &view.labels {
        let name = label.strip_prefix(LABEL);
        let Some(branch) = name.and_then(|name| BranchName::parse(name).ok()) else {
            continue;
        };
        let mut known = act.state.picks.iter();
        if (is_new || is_put(label)) && !known.any(|pick| pick.branches.contains(&branch)) {
            act.state.picks.push(Pick {
                by: view.author.clone(),
                comment: None,
                branches: vec![branch],
                copy: None,
            });
        }
    }
    act.state.picks.truncate(PICKS_MAX);
}

/// One step of one pick; whether anything of it is left.
fn one(
    act: &mut Act<Pull>,
    (view, merged): (&PullView, &CommitSha),
    pick: &mut Pick,
    given: &Given<Pull>,
    ask: &mut Ask,
) -> Option<bool> {
    let Some(branch) = pick.branches.first().cloned() else {
        return Some(false);
    };
    let (repo, number) = (act.state.repo.clone(), act.state.number);
    let key = format!("pick:{}:{number}:{branch}", repo.id);
    let Some(outcome) = given.outcomes.get(&key) else {
        return begin(act, (view, merged), (pick, &branch, key), ask);
    };
    Some(match (&outcome.state, &outcome.result) {
        (EffectState::Intended, _) => true,
        (EffectState::Done, EffectResult::Proposed { pr, .. }) => {
            if pick.copy.replace(*pr).is_none() {
                hand_over(act, view, pick, *pr);
            }
            pick.branches.len() > 1 && follow(act, pick, *pr, given, ask)?
        }
        (EffectState::Done | EffectState::Refused | EffectState::Dead, _) => {
            tell(act, pick, &branch, &reason(outcome));
            false
        }
    })
}

fn reason(outcome: &Outcome) -> String {
    match &outcome.result {
        EffectResult::Refused { reason } => format!("GitHub says: {reason}"),
        EffectResult::Nothing
        | EffectResult::Taken
        | EffectResult::Proposed { .. }
        | EffectResult::Merged { .. } => "GitHub did not take it; say it again later".to_owned(),
    }
}

/// Picks onto a branch, or tells why that cannot be.
fn begin(
    act: &mut Act<Pull>,
    (view, merged): (&PullView, &CommitSha),
    (pick, branch, key): (&Pick, &BranchName, String),
    ask: &mut Ask,
) -> Option<bool> {
    let (repo, number) = (act.state.repo.clone(), act.state.number);
    let Some(head) = ask.head(repo.id, branch)? else {
        tell(act, pick, branch, "there is no such branch");
        return Some(false);
    };
    let files = match ask.picked(repo.id, merged, &head)? {
        Picked::Files(files) => files,
        Picked::Conflict(paths) => {
            let paths: Vec<String> = paths.iter().map(|path| code_span(path)).collect();
            let why = format!(
                "it conflicts in {}; by hand, on a branch from it: `git cherry-pick -m 1 {}`",
                paths.join(", "),
                merged.short()
            );
            tell(act, pick, branch, &why);
            return Some(false);
        }
        Picked::Cannot(why) => {
            tell(act, pick, branch, &why);
            return Some(false);
        }
    };
    let Ok(own) = BranchName::parse(&format!("{}{branch}", prefix(number))) else {
        tell(act, pick, branch, "its name is too long");
        return Some(false);
    };
    let content = |text: Option<String>| text.map_or(Content::Delete, Content::Text);
    let title = super::landing::one_line(&view.title);
    let body = json!({
        "source": number,
        "branch": branch,
        "by": pick.by,
        "commit": merged,
        "rest": pick.branches.iter().skip(1).collect::<Vec<_>>(),
    });
    act.intents.push(Intent {
        key,
        is_view: false,
        priority: Priority::Change,
        effect: Effect::Propose(Box::new(Propose {
            repo,
            base: branch.clone(),
            branch: own,
            files: files
                .into_iter()
                .map(|(path, text)| (path, content(text)))
                .collect(),
            tag: None,
            message: format!("{title}\n\n(cherry picked from commit {merged})"),
            title: format!("[{branch}] {title}"),
            body: Text::new("pr/pick", body),
            replaces: None,
        })),
    });
    Some(true)
}

/// The new pull request belongs to whoever asked, and is of the same kind.
fn hand_over(act: &mut Act<Pull>, view: &PullView, pick: &Pick, copy: PrNumber) {
    let kinds: BTreeSet<String> = view
        .labels
        .iter()
        .filter(|label| label.starts_with("kind/"))
        .cloned()
        .collect();
    let assignees = Edit::Assignees {
        add: BTreeSet::from([pick.by.clone()]),
        remove: BTreeSet::new(),
    };
    let labels = (!kinds.is_empty()).then_some(Edit::Labels {
        add: kinds,
        remove: BTreeSet::new(),
    });
    for (name, edit) in [("assign", Some(assignees)), ("label", labels)] {
        let repo = act.state.repo.clone();
        act.intents.extend(edit.map(|edit| Intent {
            key: format!("pick-{name}:{}:{copy}", repo.id),
            is_view: false,
            priority: Priority::Answer,
            effect: Effect::Edit {
                repo,
                pr: copy,
                edit,
            },
        }));
    }
}

/// Whether the next branch may follow: the copy before it is merged, or still may be.
fn follow(
    act: &mut Act<Pull>,
    pick: &mut Pick,
    copy: PrNumber,
    given: &Given<Pull>,
    ask: &mut Ask,
) -> Option<bool> {
    let view = ask.pull(act.state.repo.id, copy)?;
    let is_open = view.as_ref().is_some_and(|view| view.is_open);
    let change = view.and_then(|view| view.change);
    let is_merged = change.is_some_and(|change| change.merged.is_some());
    if is_merged {
        pick.branches.remove(0);
        pick.copy = None;
        act.look_by(given.now_ms);
    }
    Some(is_merged || is_open)
}

fn tell(act: &mut Act<Pull>, pick: &Pick, branch: &BranchName, why: &str) {
    let (repo, pr) = (act.state.repo.clone(), act.state.number);
    let message = format!(
        "this was not brought to {}: {why}",
        code_span(branch.as_str())
    );
    let data = json!({"who": pick.by, "message": message});
    let place = pick.comment.map_or("label".to_owned(), |id| id.to_string());
    act.intents.push(Intent {
        key: format!("pick-reply:{}:{pr}:{place}:{branch}", repo.id),
        is_view: false,
        priority: Priority::Answer,
        effect: Effect::Reply {
            repo,
            pr,
            text: Text::new("refusal/to", data),
        },
    });
}

fn prefix(number: PrNumber) -> String {
    format!("cherry-pick-{number}-to-")
}

/// The pull request that waits for this one, where this one is a pick of ours.
pub(super) fn source(repo: RepoId, change: &ChangeView) -> Option<Wake> {
    let rest = change.branch.as_str().strip_prefix("cherry-pick-")?;
    let number = rest.split_once("-to-")?.0.parse().ok()?;
    (change.head_repo == Some(repo)).then_some(Wake {
        subject: SubjectKey::Pull(repo, PrNumber(number)),
        hint: None,
    })
}
