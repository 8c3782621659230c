//! Whether the newest passed run becomes the next version now, and its number.

use super::supersede::{NOTHING_WAITS, answer_all, react_all};
use super::{Found, Model, Proposal, branch};
use crate::effect::{Effect, Intent, Priority, Propose, Record, Version, Wake};
use crate::name::{CommitSha, Digest, PrNumber, RepoId};
use crate::subject::ask::{Ask, PullView};
use crate::subject::run::{Run, check};
use crate::subject::{Act, Given, SubjectKey, proposal};

/// Decides whether the newest passed run becomes the next version now.
pub(super) fn take(
    act: &mut Act<Model>,
    given: &Given<Model>,
    ask: &mut Ask,
    found: Found,
) -> Option<()> {
    let supersede = &found.supersede;
    let run = &found.run;
    let Some(made) = &run.made else {
        return Some(());
    };
    if act.state.proposal.as_ref().is_some_and(|p| p.pr.is_none()) {
        answer_all(
            act,
            supersede,
            "a newer version is being proposed at this moment; look at the pull request again in a minute",
        );
        return Some(());
    }
    if act.state.dealt_with.as_deref() == Some(run.id.as_str()) {
        answer_all(act, supersede, NOTHING_WAITS);
        return Some(());
    }
    if let Some(why) = no_news(run, &made.digest, &found.versions, ask)? {
        act.state.dealt_with = Some(run.id.clone());
        act.state.next = None;
        act.records.push(Record::Event {
            who: None,
            what: format!("{} not proposed", act.state.name),
            sha: Some(run.sha.clone()),
            why: why.clone(),
        });
        act.intents.push(not_proposed(run, &why));
        answer_all(act, supersede, NOTHING_WAITS);
        return Some(());
    }
    let replaces = match &found.open {
        None => None,
        Some(open) => {
            let is_ours = act.state.proposal.as_ref().and_then(|p| p.head.clone());
            let head = open.change.as_ref().map(|change| change.head.clone());
            let is_touched = is_touched(act.state.repo.id, open, ask)?;
            let foreign = head.is_none() || is_ours != head;
            if (is_touched && supersede.is_empty()) || foreign {
                let is_news = act.state.next.as_deref() != Some(run.id.as_str());
                act.state.next = Some(run.id.clone());
                if is_news {
                    act.wakes.push(Wake {
                        subject: SubjectKey::Pull(act.state.repo.id, open.number),
                        hint: None,
                    });
                }
                answer_all(
                    act,
                    supersede,
                    "the branch of this proposal holds a commit that is not ours; close it, and the waiting version is proposed anew",
                );
                return Some(());
            }
            head.map(|head| (open.number, head))
        }
    };
    react_all(act, supersede);
    propose(act, given, ask, &found, replaces)
}

/// Why a run makes no version: its model is the newest one, or its commit is older than that of the newest one.
fn no_news(
    run: &Run,
    made: &Digest,
    versions: &[Version],
    ask: &mut Ask,
) -> Option<Option<String>> {
    let Some(newest) = versions.iter().max_by_key(|version| version.version) else {
        return Some(None);
    };
    // Whose bytes were deleted may be trained anew; the run that made them is not proposed once more.
    let kept = versions.iter().filter(|version| version.deleted.is_none());
    let kept = kept.max_by_key(|version| version.version);
    if let Some(kept) = kept.filter(|kept| kept.digest == *made) {
        let why = format!("identical model: the same bytes as v{}", kept.version);
        return Some(Some(why));
    }
    if newest.run == run.id {
        let why = match &newest.deleted {
            Some(deleted) => format!("v{} was {}", newest.version, deleted.shown()),
            None => format!("identical model: the same bytes as v{}", newest.version),
        };
        return Some(Some(why));
    }
    if newest.training != run.repo.id || newest.training_commit == run.sha {
        return Some(None);
    }
    // Where history was written anew, one of them may be gone, and nothing tells which is older.
    let later = &newest.training_commit;
    let are_there =
        ask.commit(run.repo.id, later)?.is_some() && ask.commit(run.repo.id, &run.sha)?.is_some();
    let is_overtaken = are_there && ask.is_ancestor(run.repo.id, &run.sha, later)?;
    Some(is_overtaken.then(|| {
        format!(
            "older than v{}, which a later commit made (`{}`); a revert on the default branch trains this state as a new one",
            newest.version,
            newest.training_commit.short()
        )
    }))
}

/// The check of a run that makes no version says why.
fn not_proposed(run: &Run, why: &str) -> Intent {
    let mut told = run.clone();
    told.note = Some(format!("{why}; no pull request"));
    check::concluded_again(&told)
}

/// Whether a person has said anything on the proposal.
fn is_touched(repo: RepoId, open: &PullView, ask: &mut Ask) -> Option<bool> {
    let comments = ask.comments(repo, open.number)?;
    let reviews = ask.reviews(repo, open.number)?;
    Some(comments.iter().any(|c| !c.is_bot) || reviews.iter().any(|r| !r.is_bot))
}

fn propose(
    act: &mut Act<Model>,
    given: &Given<Model>,
    ask: &mut Ask,
    found: &Found,
    replaces: Option<(PrNumber, CommitSha)>,
) -> Option<()> {
    let run = &found.run;
    let newest = found
        .versions
        .iter()
        .map(|version| version.version)
        .max()
        .unwrap_or(0);
    let number = newest.max(act.state.taken) + 1;
    let Some(made) = run.made.clone() else {
        return Some(());
    };
    let files = proposal::files(&act.state, run, number, &found.versions);
    let body = proposal::body(
        &act.state,
        (run, number),
        &found.versions,
        &given.public_url,
        ask,
    )?;
    let title = proposal::title(&act.state.name, number, run);
    let key = format!(
        "propose:{}:{}:v{number}:{}",
        act.state.repo.id, act.state.name, run.id
    );
    let effect = Propose {
        repo: act.state.repo.clone(),
        base: found.base.clone(),
        branch: branch(&act.state.name),
        files,
        tag: Some(format!("{}/v{number}", act.state.name)),
        message: format!(
            "{title}\n\nModel-Digest: {}\nTraining-Commit: {}@{}\nRun: {}",
            made.digest, run.repo.name, run.sha, run.id
        ),
        title,
        body,
        replaces,
    };
    act.intents.push(Intent {
        key: key.clone(),
        is_view: false,
        priority: Priority::Change,
        effect: Effect::Propose(Box::new(effect)),
    });
    act.state.proposal = Some(Proposal {
        key,
        version: number,
        run: run.id.clone(),
        digest: made.digest,
        pr: None,
        head: None,
    });
    act.state.dealt_with = Some(run.id.clone());
    act.state.next = None;
    Some(())
}
