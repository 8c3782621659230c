//! A model of a service: which version comes next, and its proposal.

use crate::contract::Contract;
use crate::effect::{
    Effect, EffectResult, EffectState, Hint, Intent, Priority, Propose, Record, Version, Wake,
};
use crate::name::{
    BranchName, CommentId, CommitSha, Digest, Login, PrNumber, Repo, RepoId, RepoPath, Slug,
};
use crate::subject::ask::{Ask, ContractAt, Permission, PullView};
use crate::subject::run::Run;
use crate::subject::{Act, Given, Step, SubjectKey, proposal};
use serde::{Deserialize, Serialize};

/// A model as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// The service repository.
    pub repo: Repo,
    /// Its name.
    pub name: Slug,
    /// The training repository, pinned by id at first sight.
    pub training: Option<RepoId>,
    /// The newest proposal of ours.
    pub proposal: Option<Proposal>,
    /// A passed run that waits, since a person has acted on the open proposal.
    pub next: Option<String>,
    /// The last run that was dealt with: proposed, or found identical.
    pub dealt_with: Option<String>,
    /// Version numbers up to here are taken by somebody else.
    pub taken: u64,
    /// Commands already carried out, newest last, at most 100.
    pub acted: Vec<CommentId>,
}

/// A proposal of ours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    /// The key of its effect.
    pub key: String,
    /// The version it proposes.
    pub version: u64,
    /// The run that made the model.
    pub run: String,
    /// The model's digest.
    pub digest: Digest,
    /// The pull request, once open.
    pub pr: Option<PrNumber>,
    /// The head we made.
    pub head: Option<CommitSha>,
}

/// Our branch for a model's proposals.
pub fn branch(model: &Slug) -> BranchName {
    BranchName::parse(&format!("bowsprit/{model}")).expect("a slug makes a good branch name")
}

/// Says what to do for a model now.
pub fn step(given: &Given<Model>, key: (RepoId, &Slug), ask: &mut Ask) -> Step<Model> {
    match advance(given, key, ask) {
        Some(Some(act)) => Step::Act(Box::new(act)),
        Some(None) => Step::Nothing,
        None => Step::Look(ask.take_missing()),
    }
}

fn advance(
    given: &Given<Model>,
    (id, name): (RepoId, &Slug),
    ask: &mut Ask,
) -> Option<Option<Act<Model>>> {
    let Some(view) = ask.repository(id)? else {
        return Some(None);
    };
    let mut model = given.state.clone().unwrap_or_else(|| Model {
        repo: view.repo.clone(),
        name: name.clone(),
        training: None,
        proposal: None,
        next: None,
        dealt_with: None,
        taken: 0,
        acted: Vec::new(),
    });
    model.repo = view.repo.clone();
    let mut act = Act::keep(model.clone());
    learn_proposal(&mut act, given, ask)?;
    let Some(head) = ask.head(id, &view.default_branch)? else {
        return Some(Some(act));
    };
    let ContractAt::Good(contract, _) = ask.contract(id, &head)? else {
        return Some(Some(act));
    };
    let Contract::Service(service) = *contract else {
        return Some(Some(act));
    };
    let Some(source) = service.models.get(name) else {
        return Some(Some(act));
    };
    let Ok(training) = view.repo.name.sibling(&source.from) else {
        return Some(Some(act));
    };
    let Some(training) = ask.repository_named(&training)? else {
        return Some(Some(act));
    };
    if *act.state.training.get_or_insert(training.repo.id) != training.repo.id {
        let why = format!(
            "`{}` is another repository than the one first seen under that name",
            training.repo.name
        );
        act.records.push(Record::Event {
            who: None,
            what: "model: partner refused".to_owned(),
            sha: None,
            why,
        });
        return Some(Some(act));
    }
    let supersede = commands(&mut act, given, ask)?;
    let Some(run) = ask.passed_run(training.repo.id, &training.default_branch, name)? else {
        answer_all(&mut act, &supersede, NOTHING_WAITS);
        return Some(Some(act));
    };
    let versions = ask.versions(id, name)?;
    let open = ask.open_pull(id, &branch(name))?;
    take(
        &mut act,
        given,
        ask,
        Found {
            run,
            versions,
            open,
            base: view.default_branch,
            supersede,
        },
    )?;
    Some(Some(act))
}

struct Found {
    run: Run,
    versions: Vec<Version>,
    open: Option<PullView>,
    base: BranchName,
    supersede: Vec<Supersede>,
}

/// Why `/supersede` does nothing.
const NOTHING_WAITS: &str = "there is no newer version waiting; nothing to supersede";

/// Takes over what the proposal's effect brought back.
fn learn_proposal(act: &mut Act<Model>, given: &Given<Model>, ask: &mut Ask) -> Option<()> {
    let Some(proposal) = act.state.proposal.clone() else {
        return Some(());
    };
    if proposal.pr.is_some() {
        return Some(());
    }
    let Some(outcome) = given.outcomes.get(&proposal.key) else {
        return Some(());
    };
    match (&outcome.state, &outcome.result) {
        (EffectState::Done, EffectResult::Proposed { pr, commit }) => {
            if let Some(run) = ask.run(&proposal.run)? {
                let version = Version {
                    pr: Some(*pr),
                    ..version_of(&act.state, &proposal, &run, commit, given.now_ms)
                };
                act.records.push(Record::Version(Box::new(version)));
            }
            let (number, who) = (proposal.version, act.state.name.clone());
            if let Some(mine) = &mut act.state.proposal {
                (mine.pr, mine.head) = (Some(*pr), Some(commit.clone()));
            }
            act.wakes.push(Wake {
                subject: SubjectKey::Pull(act.state.repo.id, *pr),
                hint: Some(Hint::Pushed {
                    head: commit.clone(),
                    at_ms: given.now_ms,
                }),
            });
            act.records.push(Record::Event {
                who: None,
                what: format!("{who} v{number} proposed"),
                sha: Some(commit.clone()),
                why: format!("#{pr}"),
            });
        }
        (_, EffectResult::Taken) => {
            act.state.taken = act.state.taken.max(proposal.version);
            act.state.proposal = None;
            act.state.dealt_with = None;
        }
        (EffectState::Refused | EffectState::Dead, result) => {
            let why = match result {
                EffectResult::Refused { reason } => reason.clone(),
                EffectResult::Nothing
                | EffectResult::Taken
                | EffectResult::Proposed { .. }
                | EffectResult::Merged { .. } => "given up".to_owned(),
            };
            act.records.push(Record::Event {
                who: None,
                what: format!(
                    "{} v{} could not be proposed",
                    act.state.name, proposal.version
                ),
                sha: None,
                why,
            });
            act.state.proposal = None;
        }
        (EffectState::Intended | EffectState::Done, _) => {}
    }
    Some(())
}

fn version_of(
    model: &Model,
    proposal: &Proposal,
    run: &Run,
    commit: &CommitSha,
    now_ms: i64,
) -> Version {
    Version {
        service: model.repo.id,
        model: model.name.clone(),
        version: proposal.version,
        digest: proposal.digest.clone(),
        files: run
            .made
            .as_ref()
            .map(|made| made.files.clone())
            .unwrap_or_default(),
        run: run.id.clone(),
        training: run.repo.id,
        training_commit: run.sha.clone(),
        pushed_by: run.cause.by.clone(),
        judge_digest: run
            .judge_digest
            .clone()
            .unwrap_or_else(|| Digest::of(b"self-reported")),
        judge_sha: run.judge_sha.clone(),
        metrics: run.numbers(),
        self_reported: run.self_reported,
        commit: commit.clone(),
        pr: None,
        created_ms: now_ms,
    }
}

/// Decides whether the newest passed run becomes the next version now.
fn take(act: &mut Act<Model>, given: &Given<Model>, ask: &mut Ask, found: Found) -> Option<()> {
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
    if newest.digest == *made || newest.run == run.id {
        let why = format!("identical model: the same bytes as v{}", newest.version);
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
    super::run::check::concluded_again(&told)
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

/// A `/supersede` not yet carried out.
struct Supersede {
    pr: PrNumber,
    comment: CommentId,
    by: Login,
}

/// The commands given to this model, rights checked; the refused ones are answered.
fn commands(act: &mut Act<Model>, given: &Given<Model>, ask: &mut Ask) -> Option<Vec<Supersede>> {
    let mut good = Vec::new();
    for hint in &given.hints {
        let Hint::Supersede { by, pr, comment } = hint else {
            continue;
        };
        if act.state.acted.contains(comment) {
            continue;
        }
        let Some(view) = ask.repository(act.state.repo.id)? else {
            continue;
        };
        let Some(head) = ask.head(act.state.repo.id, &view.default_branch)? else {
            continue;
        };
        let owners = ask.owners(act.state.repo.id, &head)?;
        let path = RepoPath::parse(&format!("models/{}/manifest.json", act.state.name))
            .expect("a slug makes a good path");
        act.state.acted.push(*comment);
        let one = Supersede {
            pr: *pr,
            comment: *comment,
            by: by.clone(),
        };
        let is_approver = owners.approvers(&path).iter().any(|login| login.is(by));
        if is_approver
            || (owners.is_empty() && ask.permission(act.state.repo.id, by)? >= Permission::Write)
        {
            good.push(one);
        } else {
            let message = format!(
                "`/supersede` is for approvers of `models/{}/`",
                act.state.name
            );
            act.intents.push(super::answer(
                &act.state.repo,
                one.pr,
                one.comment,
                &message,
            ));
        }
    }
    let extra = act.state.acted.len().saturating_sub(100);
    act.state.acted.drain(..extra);
    Some(good)
}

fn answer_all(act: &mut Act<Model>, commands: &[Supersede], message: &str) {
    for command in commands {
        act.intents.push(super::answer(
            &act.state.repo,
            command.pr,
            command.comment,
            message,
        ));
    }
}

fn react_all(act: &mut Act<Model>, commands: &[Supersede]) {
    for command in commands {
        act.intents
            .push(super::react(&act.state.repo, command.comment));
        act.records.push(Record::Event {
            who: Some(command.by.clone()),
            what: "supersede".to_owned(),
            sha: None,
            why: format!("#{}", command.pr),
        });
    }
}
