//! Opening the pull requests that change an environment.

use super::step::Place;
use super::{Change, ChangeCause, Environment, HISTORY_MAX, Release, file, strip};
use crate::effect::{Content, Effect, Intent, Priority, Propose, Record, Text};
use crate::name::{BranchName, CommentId, CommitSha, Login, PrNumber};
use crate::subject::Act;
use crate::subject::ask::Ask;
use serde_json::json;
use std::collections::BTreeMap;

/// Why a change is opened, and in whose place.
pub(super) struct About {
    pub(super) cause: ChangeCause,
    pub(super) by: Option<Login>,
    pub(super) asked: Option<(PrNumber, CommentId)>,
    pub(super) why: String,
    pub(super) replaces: Option<(PrNumber, CommitSha)>,
}

pub(super) fn last_promotion(state: &Environment) -> Option<&Change> {
    let mut newest_first = state.changes.iter().rev();
    newest_first.find(|change| change.cause == ChangeCause::Promotion)
}

/// Opens a promotion, or puts it in the place of one that nobody has acted on. Errors, inside: why not now.
pub(super) fn promotion(
    act: &mut Act<Environment>,
    place: &Place,
    release: Release,
    mut about: About,
    ask: &mut Ask,
) -> Option<Result<(), String>> {
    let branch = format!("bowsprit/promote-{}", act.state.name);
    let last = last_promotion(&act.state)
        .filter(|last| !last.is_over)
        .cloned();
    let replaces = match last {
        None => None,
        Some(Change {
            pr: Some(pr),
            head: Some(head),
            release: proposed,
            ..
        }) => {
            if proposed.id == release.id {
                return Some(Err(format!("#{pr} proposes {} already", release.shown())));
            }
            let is_touched = ask
                .comments(act.state.repo.id, pr)?
                .iter()
                .any(|c| !c.is_bot)
                || ask
                    .reviews(act.state.repo.id, pr)?
                    .iter()
                    .any(|r| !r.is_bot);
            if is_touched {
                return Some(Err(format!(
                    "people have spoken on #{pr}, which proposes {}; merge or close it first",
                    proposed.shown()
                )));
            }
            Some((pr, head))
        }
        Some(_) => {
            return Some(Err(
                "a promotion is being opened at this moment; say it again in a minute".to_owned(),
            ));
        }
    };
    if let Some((pr, _)) = &replaces {
        for change in act
            .state
            .changes
            .iter_mut()
            .filter(|change| change.pr == Some(*pr))
        {
            change.is_over = true;
        }
    }
    about.replaces = replaces;
    open(act, &place.base, release, &branch, about);
    Some(Ok(()))
}

/// Opens the pull request back to what still serves, after a failed rollout.
pub(super) fn revert(act: &mut Act<Environment>, place: &Place, failed: &Release, why: &str) {
    let Some(live) = act.state.live.clone().filter(|live| live.id != failed.id) else {
        return;
    };
    let branch = format!(
        "bowsprit/revert-{}-{}",
        act.state.name, act.state.generation
    );
    let about = About {
        cause: ChangeCause::Revert,
        by: None,
        asked: None,
        why: format!("{} could not be rolled out: {why}", failed.shown()),
        replaces: None,
    };
    open(act, &place.base, live, &branch, about);
}

pub(super) fn open(
    act: &mut Act<Environment>,
    base: &BranchName,
    release: Release,
    branch: &str,
    about: About,
) {
    let state = &mut act.state;
    let Ok(branch) = BranchName::parse(branch) else {
        return;
    };
    let key = format!(
        "change:{}:{branch}:{}:{}",
        state.repo.id,
        release.id,
        ordinal(state)
    );
    let effect = propose(state, (base, &branch), &release, &about);
    act.intents.push(Intent {
        key: key.clone(),
        is_view: false,
        priority: Priority::Change,
        effect: Effect::Propose(Box::new(effect)),
    });
    let what = format!(
        "{} {:?} to {} opened",
        state.name,
        about.cause,
        release.shown()
    )
    .to_lowercase();
    act.records.push(Record::Event {
        who: about.by.clone(),
        what,
        sha: Some(release.commit.clone()),
        why: about.why,
    });
    state.changes.push(Change {
        branch,
        key,
        pr: None,
        head: None,
        cause: about.cause,
        release,
        by: about.by,
        asked: about.asked,
        is_over: false,
        is_lost: false,
    });
    let extra = state.changes.len().saturating_sub(HISTORY_MAX);
    state.changes.drain(..extra);
}

/// A number that no earlier change of this environment has, though only the newest are remembered.
fn ordinal(state: &Environment) -> u64 {
    let last = |change: &Change| change.key.rsplit(':').next()?.parse::<u64>().ok();
    let last = state.changes.last().and_then(last);
    last.map_or(0, |last| last + 1)
}

/// The pull request, from `branch` into `base`.
fn propose(
    state: &Environment,
    (base, branch): (&BranchName, &BranchName),
    release: &Release,
    about: &About,
) -> Propose {
    let verb = match about.cause {
        ChangeCause::Promotion => "Promote",
        ChangeCause::Rollback => "Roll back",
        ChangeCause::Revert => "Return",
        ChangeCause::BreakGlass => "Force",
    };
    let title = format!("{verb} {} to {}", state.name, release.shown());
    let digests: Vec<String> = release
        .models
        .values()
        .map(|m| format!("Model-Digest: {}", m.digest))
        .collect();
    let body = Text::new(
        "pr/change",
        json!({
            "environment": state.name, "cause": about.cause, "why": about.why, "by": about.by,
            "from": state.live.as_ref().map(Release::shown), "to": release.shown(), "release": release,
            "environments": strip(std::slice::from_ref(state)),
        }),
    );
    let content = file::write(release, about.cause);
    Propose {
        repo: state.repo.clone(),
        base: base.clone(),
        branch: branch.clone(),
        files: BTreeMap::from([(file::path(&state.name), Content::Text(content))]),
        tag: None,
        message: format!("{title}\n\n{}\nRelease: {}", digests.join("\n"), release.id),
        title,
        body,
        replaces: about.replaces.clone(),
    }
}
