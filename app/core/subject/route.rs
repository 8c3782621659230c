//! From something seen to the subjects that should look.

use crate::contract::{Contract, Role};
use crate::effect::{Hint, Wake};
use crate::name::{BranchName, CommitSha, Login, PrNumber, Repo, Slug};
use crate::retention::names;
use crate::seen::{Said, Seen};
use crate::subject::SubjectKey;
use crate::subject::run::{Cause, Run, Trigger, What};
use crate::training::spec::Trust;
use std::collections::BTreeMap;

/// What the corridor knows when it routes.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The repository's default branch.
    pub default_branch: Option<BranchName>,
    /// The contract at the head of the default branch, where there is a good one.
    pub contract: Option<Contract>,
    /// Pull requests of the repository that are open as far as we know; where an issue was seen, those that are ready, where
    /// a report of others on a commit, those of that head.
    pub open_pulls: Vec<PrNumber>,
    /// Environments of the repository that we know of.
    pub environments: Vec<Slug>,
    /// The head of the default branch, where somebody asked for it: for the tick, and where a run is wanted that nobody remembers.
    pub head: Option<CommitSha>,
    /// Runs on the commit that was seen.
    pub runs: Vec<Run>,
    /// Unfinished runs of the branch that was seen.
    pub active_runs: Vec<Run>,
}

/// Who should look, and what they are told.
pub fn wakes(seen: &Seen, known: &Known, nonce: &str) -> Vec<Wake> {
    match seen {
        Seen::Push {
            repo,
            branch,
            head,
            by,
        } => pushed(repo, branch, head.as_ref(), by.as_ref(), known),
        Seen::Pull {
            repo,
            number,
            pushed,
            by,
            said,
            labeled,
        } => {
            let by = pushed.clone().zip(by.clone());
            let by = by.map(|((head, _), by)| Hint::PushedBy { head, by });
            let pushed = pushed
                .clone()
                .map(|(head, at_ms)| Hint::Pushed { head, at_ms });
            let labeled = labeled.clone().map(|one| Hint::Labeled {
                label: one.label,
                by: one.by,
                head: one.head,
                is_on: one.is_on,
            });
            let hints = pushed
                .into_iter()
                .chain(by)
                .chain(original(said))
                .chain(labeled);
            told(repo, *number, hints)
        }
        Seen::Talk { repo, number, said } => told(repo, *number, original(said).into_iter()),
        Seen::Rerun {
            repo,
            sha,
            run: Some((id, name)),
            by,
        } if is_forgotten(id, known) => {
            let forgotten = Forgotten {
                repo,
                sha,
                id,
                name,
            };
            forgotten.wake(by, known, nonce).into_iter().collect()
        }
        Seen::Rerun {
            repo: _,
            sha: _,
            run,
            by,
        } => run_again(run.as_ref().map(|(id, _)| id), known, by, nonce),
        Seen::Context { repo, .. } | Seen::Issue { repo } => known
            .open_pulls
            .iter()
            .map(|pr| look(SubjectKey::Pull(repo.id, *pr)))
            .collect(),
        Seen::Installation | Seen::Nothing => Vec::new(),
    }
}

/// Whether a check of this id is of a run; others say how something stands, and nothing of them can run again.
pub fn is_run(id: &str) -> bool {
    id.starts_with('r') && names(id).any(|name| name == id)
}

/// Whether nobody remembers the run of this id; ids of other checks are none of runs.
pub fn is_forgotten(id: &str, known: &Known) -> bool {
    let mut runs = known.runs.iter();
    is_run(id) && !runs.any(|run| run.id == id && !run.is_forgotten())
}

/// A check whose run nobody remembers.
struct Forgotten<'a> {
    repo: &'a Repo,
    sha: &'a CommitSha,
    id: &'a str,
    name: &'a str,
}

impl Forgotten<'_> {
    /// The run begins anew where its commit is the head of the default branch, and is told of in its check otherwise.
    /// Those of open pull requests are remembered.
    fn wake(&self, by: &Login, known: &Known, nonce: &str) -> Option<Wake> {
        let what = What::of_check(self.name)?;
        let branch = known.default_branch.clone();
        let branch = branch.filter(|_| known.head.as_ref() == Some(self.sha));
        let is_wanted = branch.is_some();
        let cause = Cause {
            repo: self.repo.clone(),
            sha: self.sha.clone(),
            what,
            trigger: Trigger::Again {
                branch,
                pr: None,
                nonce: nonce.to_owned(),
            },
            trust: Trust::Trusted,
            params: BTreeMap::new(),
            by: Some(by.clone()),
        };
        if is_wanted {
            return Some(Wake {
                subject: SubjectKey::Run(cause.run_id()),
                hint: Some(Hint::RunWanted(cause)),
            });
        }
        let id = self.id.to_owned();
        Some(Wake {
            subject: SubjectKey::Run(id.clone()),
            hint: Some(Hint::RunForgotten { id, cause }),
        })
    }
}

/// The newest run of each name that is over, or the one whose button was pressed.
fn run_again(id: Option<&String>, known: &Known, by: &Login, nonce: &str) -> Vec<Wake> {
    let is_meant = |r: &&Run| id.is_none_or(|id| *id == r.id) && !r.is_forgotten();
    let chosen = known.runs.iter().filter(|r| r.phase.is_final());
    let mut newest: BTreeMap<String, &Run> = BTreeMap::new();
    for run in chosen.filter(is_meant) {
        newest.insert(run.cause.what.check_name(), run);
    }
    newest
        .into_values()
        .map(|run| again(run, by, nonce))
        .collect()
}

/// The pull request looks, knowing these.
fn told(repo: &Repo, number: PrNumber, hints: impl Iterator<Item = Hint>) -> Vec<Wake> {
    let subject = SubjectKey::Pull(repo.id, number);
    let mut wakes: Vec<Wake> = hints
        .map(|hint| Wake {
            subject: subject.clone(),
            hint: Some(hint),
        })
        .collect();
    if wakes.is_empty() {
        wakes.push(look(subject));
    }
    wakes
}

fn original(said: &Option<Said>) -> Option<Hint> {
    said.clone()
        .map(|Said { id, body }| Hint::Said { id, body })
}

/// Everybody who lives in a repository: for the tick.
pub fn everybody(repo: &Repo, known: &Known) -> Vec<Wake> {
    let mut wakes = residents(repo, known);
    wakes.extend(
        known
            .open_pulls
            .iter()
            .map(|pr| look(SubjectKey::Pull(repo.id, *pr))),
    );
    wakes.extend(
        known
            .active_runs
            .iter()
            .map(|run| look(SubjectKey::Run(run.id.clone()))),
    );
    wakes
}

/// The run that a push to a branch wants, if the contract could want one.
pub fn run_for_push(
    repo: &Repo,
    branch: &BranchName,
    head: &CommitSha,
    by: Option<&Login>,
) -> Wake {
    let cause = Cause {
        repo: repo.clone(),
        sha: head.clone(),
        what: What::Train,
        trigger: Trigger::Push {
            branch: branch.clone(),
        },
        trust: Trust::Trusted,
        params: BTreeMap::new(),
        by: by.cloned(),
    };
    Wake {
        subject: SubjectKey::Run(cause.run_id()),
        hint: Some(Hint::RunWanted(cause)),
    }
}

fn pushed(
    repo: &Repo,
    branch: &BranchName,
    head: Option<&CommitSha>,
    by: Option<&Login>,
    known: &Known,
) -> Vec<Wake> {
    let mut wakes: Vec<Wake> = known
        .active_runs
        .iter()
        .map(|run| look(SubjectKey::Run(run.id.clone())))
        .collect();
    let is_ours = branch.as_str().starts_with("bowsprit/");
    if let Some(head) = head
        && !is_ours
        && !matches!(known.contract, Some(Contract::Service(_)))
    {
        wakes.push(run_for_push(repo, branch, head, by));
    }
    if known.default_branch.as_ref() == Some(branch) {
        wakes.extend(residents(repo, known));
    }
    wakes.extend(
        known
            .open_pulls
            .iter()
            .map(|pr| look(SubjectKey::Pull(repo.id, *pr))),
    );
    wakes
}

/// Models and environments that the contract of a service names, and environments known from before.
fn residents(repo: &Repo, known: &Known) -> Vec<Wake> {
    let mut keys: Vec<SubjectKey> = known
        .environments
        .iter()
        .map(|name| SubjectKey::Environment(repo.id, name.clone()))
        .collect();
    if let Some(Contract::Service(service)) = &known.contract {
        keys.extend(
            service
                .models
                .keys()
                .map(|model| SubjectKey::Model(repo.id, model.clone())),
        );
        keys.extend(
            service
                .environments
                .iter()
                .filter_map(|environment| match environment.role {
                    Role::Preview { .. } => None,
                    Role::Tracks { .. } | Role::After { .. } => {
                        Some(SubjectKey::Environment(repo.id, environment.name.clone()))
                    }
                }),
        );
    }
    keys.sort();
    keys.dedup();
    keys.into_iter().map(look).collect()
}

fn look(subject: SubjectKey) -> Wake {
    Wake {
        subject,
        hint: None,
    }
}

/// The same run once more; `nonce` makes it another.
pub fn again(run: &Run, by: &Login, nonce: &str) -> Wake {
    let trigger = Trigger::Again {
        branch: run.cause.trigger.branch().cloned(),
        pr: run
            .cause
            .trigger
            .pull()
            .map(|(pr, base)| (pr, base.clone())),
        nonce: nonce.to_owned(),
    };
    let cause = Cause {
        trigger,
        by: Some(by.clone()),
        ..run.cause.clone()
    };
    Wake {
        subject: SubjectKey::Run(cause.run_id()),
        hint: Some(Hint::RunWanted(cause)),
    }
}
