//! The tests of a branch's pool, read from stored runs and from git: nothing of them is remembered elsewhere.

use super::Ready;
use super::pooled::numbers;
use super::step::Seen;
use super::stored::Stored;
use crate::contract::{CheckWhen, Contract};
use crate::effect::{Hint, Wake};
use crate::name::{BranchName, CommitSha, PrNumber, Repo};
use crate::queue::{self, BATCH_MAX, Decision, Limits, Member, REDS_MAX, Start, Test, Verdict};
use crate::subject::SubjectKey;
use crate::subject::ask::{Ask, Chain, Changes};
use crate::subject::run::{Cause, Phase, Run, Trigger, What};
use crate::training::spec::Trust;
use std::collections::{BTreeMap, BTreeSet};

/// Tests are made up to this often at one look, to learn what conflicts.
const ROUNDS_MAX: usize = 6;

/// The runs of a test are there after this. Units: milliseconds.
const BEGINNING_MS: i64 = 60_000;

/// A test to start: the merge is made, and something runs.
struct Made {
    start: Start,
    commit: CommitSha,
    whats: Vec<What>,
    left_out: Vec<(PrNumber, String)>,
}

/// A pool with its tests, and what to do about them.
pub(super) struct Scene {
    repo: Repo,
    branch: BranchName,
    /// Every member, in its place.
    pub(super) members: Vec<(PrNumber, Ready)>,
    /// Tests that say something, as their runs tell.
    pub(super) stored: Vec<Stored>,
    /// The same, then those that git alone decides: a conflict, or a merge of which nothing runs.
    pub(super) tests: Vec<Test>,
    /// Tests that say nothing any more.
    past: Vec<Stored>,
    made: Vec<Made>,
    pub(super) decision: Decision,
    /// Heads that landed as a test would merge them, and are part of the base.
    pub(super) landed: Vec<CommitSha>,
    /// Heads of members that nobody looked at for long, as after an outage: they may be back with the next look.
    pub(super) silent: BTreeSet<CommitSha>,
}

impl Scene {
    /// Looks at the pool of the branch that a change goes to, and decides.
    pub(super) fn of(
        repo: &Repo,
        seen: &Seen,
        mut members: Vec<(PrNumber, Ready)>,
        ask: &mut Ask,
    ) -> Option<Scene> {
        members.sort_by_key(|(number, ready)| ready.rank(*number));
        let branch = seen.change.base.clone();
        let all = Stored::all(ask.queue_runs(repo.id, &branch)?);
        let says = |test: &Stored| test.counts(&members) && test.verdict().is_some();
        let (stored, past): (Vec<Stored>, Vec<Stored>) = all.into_iter().partition(says);
        let tests: Vec<Test> = stored.iter().filter_map(Stored::test).collect();
        let since: BTreeSet<&CommitSha> = tests.iter().map(|test| &test.base).collect();
        let since: Vec<CommitSha> = since.into_iter().cloned().collect();
        let landed = match since.iter().all(|base| *base == seen.base) {
            true => Vec::new(),
            false => {
                let heads: BTreeSet<&CommitSha> =
                    tests.iter().flat_map(|test| &test.heads).collect();
                let heads: Vec<CommitSha> = heads.into_iter().cloned().collect();
                ask.landed(repo.id, &since, &seen.base, &heads)?
            }
        };
        let mut scene = Scene {
            repo: repo.clone(),
            branch,
            stored,
            tests,
            past,
            made: Vec::new(),
            decision: Decision::default(),
            landed: landed.iter().map(|one| one.head.clone()).collect(),
            silent: BTreeSet::new(),
            members,
        };
        let pool = queue::Pool {
            base: seen.base.clone(),
            landed,
            members: scene.members.iter().map(member).collect(),
        };
        scene.decide(&pool, seen, ask)?;
        Some(scene)
    }

    /// Decides until every test to start can be made, and has something to run.
    fn decide(&mut self, pool: &queue::Pool, seen: &Seen, ask: &mut Ask) -> Option<()> {
        let at_once = seen.habits.merges.tests.unwrap_or_default() as usize;
        let limits = Limits {
            at_once,
            batch: BATCH_MAX,
        };
        for _ in 0..ROUNDS_MAX {
            self.decision = queue::decide(pool, &self.tests, limits);
            let starts = self.decision.start.clone();
            let made = self.make(&starts, ask)?;
            let mut known = Vec::new();
            self.made = Vec::new();
            for (start, (chain, changes)) in starts.into_iter().zip(made) {
                let mut whats = self.whats(seen, &changes);
                let left_out = self.leave_out(&start, &mut whats);
                if !chain.conflicts.is_empty() {
                    known.extend(conflicts(&start, &chain));
                } else if whats.is_empty() {
                    known.push(test(&start, Verdict::Green));
                } else {
                    self.made.push(Made {
                        start,
                        commit: chain.commit,
                        whats,
                        left_out,
                    });
                }
            }
            if known.is_empty() {
                break;
            }
            self.tests.extend(known);
        }
        Some(())
    }

    /// The merges, and what they change on their base; all are asked for at once.
    fn make(&self, starts: &[Start], ask: &mut Ask) -> Option<Vec<(Chain, Changes)>> {
        let id = self.repo.id;
        let chains = starts
            .iter()
            .map(|one| ask.chain(id, &one.base, &one.heads));
        let chains: Vec<Option<Chain>> = chains.collect();
        let chains: Vec<Chain> = chains.into_iter().collect::<Option<_>>()?;
        let changes = starts.iter().zip(&chains);
        let changes = changes.map(|(one, chain)| ask.changes(id, &one.base, &chain.commit));
        let changes: Vec<Option<Changes>> = changes.collect();
        let changes: Vec<Changes> = changes.into_iter().collect::<Option<_>>()?;
        Some(chains.into_iter().zip(changes).collect())
    }

    /// What a push of the merge would run here.
    fn whats(&self, seen: &Seen, changes: &Changes) -> Vec<What> {
        let mut whats = Vec::new();
        match &seen.contract {
            None => return whats,
            Some(Contract::Training(training)) => {
                let triggers = &training.triggers;
                let is_wanted = triggers.pull_request || triggers.push.contains(&self.branch);
                // What has not landed gets no secrets, so that such a training can only fail.
                if is_wanted && training.steps.iter().all(|step| step.secrets.is_empty()) {
                    whats.push(What::Train);
                }
            }
            Some(Contract::Service(_)) => whats.push(What::Service),
        }
        let paths: Vec<_> = changes.files.keys().cloned().collect();
        let checks = seen.contract.as_ref().map_or(&[][..], Contract::checks);
        let checks = checks.iter().filter(|check| !check.optional);
        // What is cut may hold any path.
        let may_apply = |when: &CheckWhen| changes.is_cut && *when != CheckWhen::ByHand;
        let checks = checks.filter(|check| check.when.applies(&paths) || may_apply(&check.when));
        whats.extend(checks.map(|check| What::Check(check.name.clone())));
        whats
    }

    /// Leaves out what is overridden on a member of the test, and says on whose.
    fn leave_out(&self, start: &Start, whats: &mut Vec<What>) -> Vec<(PrNumber, String)> {
        let members = self.members.iter();
        let members = members.filter(|(_, ready)| start.heads.contains(&ready.head));
        let overridden = members.flat_map(|(number, ready)| {
            ready.overridden.iter().map(|name| (*number, name.clone()))
        });
        let is_run = |name: &String| whats.iter().any(|what| what.check_name() == *name);
        let left_out: Vec<_> = overridden.filter(|(_, name)| is_run(name)).collect();
        whats.retain(|what| !left_out.iter().any(|(_, name)| *name == what.check_name()));
        left_out
    }

    /// The runs of the tests to start.
    pub(super) fn starts(&self) -> Vec<Wake> {
        let mut wakes = Vec::new();
        for made in &self.made {
            let by_head: BTreeMap<&CommitSha, &(PrNumber, Ready)> = self
                .members
                .iter()
                .rev()
                .map(|one| (&one.1.head, one))
                .collect();
            let members = made.start.heads.iter().filter_map(|head| by_head.get(head));
            let members: Vec<&(PrNumber, Ready)> = members.copied().collect();
            let is_trusted = |one: &&(PrNumber, Ready)| one.1.trust == Trust::Trusted;
            let trust = match members.iter().all(is_trusted) {
                true => Trust::Trusted,
                false => Trust::Untrusted,
            };
            let pairs = members.iter().map(|(pr, ready)| (*pr, ready.head.clone()));
            let trigger = Trigger::Queue {
                branch: self.branch.clone(),
                base: made.start.base.clone(),
                members: pairs.collect(),
                whats: made.whats.clone(),
                turn: self.turn(&made.start),
                left_out: made.left_out.clone(),
            };
            wakes.extend(made.whats.iter().map(|what| {
                let cause = Cause {
                    repo: self.repo.clone(),
                    sha: made.commit.clone(),
                    what: what.clone(),
                    trigger: trigger.clone(),
                    trust,
                    params: BTreeMap::new(),
                    by: None,
                };
                Wake {
                    subject: SubjectKey::Run(cause.run_id()),
                    hint: Some(Hint::RunWanted(cause)),
                }
            }));
        }
        wakes
    }

    /// How often the same was tested before.
    fn turn(&self, start: &Start) -> u32 {
        let all = self.stored.iter().chain(&self.past);
        let same = all.filter(|test| test.base == start.base && test.heads == start.heads);
        same.map(|test| test.turn + 1).max().unwrap_or(0)
    }

    /// The test of this verdict that tells most of a head: whom it is tested with, in words, and the runs.
    pub(super) fn told(&self, head: &CommitSha, verdict: Verdict) -> (String, Vec<String>) {
        let tests = self.tests.iter().enumerate();
        let tests = tests.filter(|(at, _)| !self.decision.cancel.contains(at));
        let tests = tests.map(|(_, test)| test);
        let tests = tests.filter(|test| test.verdict == verdict && test.heads.contains(head));
        let found = match verdict {
            // The whole row lands.
            Verdict::Green => tests.max_by_key(|test| test.heads.len()),
            Verdict::Running | Verdict::Red | Verdict::Conflict(_) => {
                tests.min_by_key(|test| test.heads.len())
            }
        };
        let Some(found) = found else {
            return (String::new(), Vec::new());
        };
        let with = self.beside(found, head);
        let words = match with.is_empty() {
            true => String::new(),
            false => format!(" with {}", numbers(&with)),
        };
        let is_it = |one: &&Stored| one.base == found.base && one.heads == found.heads;
        let runs = self.stored.iter().rev().find(is_it).map(|one| &one.runs);
        let runs = runs.into_iter().flatten().map(|run| run.id.clone());
        (words, runs.collect())
    }

    /// The other members of a test.
    fn beside(&self, test: &Test, head: &CommitSha) -> Vec<PrNumber> {
        let others = self.members.iter().filter(|(_, ready)| ready.head != *head);
        let others = others.filter(|(_, ready)| test.heads.contains(&ready.head));
        others.map(|(number, _)| *number).collect()
    }

    /// Members before it with whom it conflicts, where it does.
    pub(super) fn in_the_way(&self, head: &CommitSha) -> Option<Vec<PrNumber>> {
        let test = self.tests.iter().find(|test| match test.verdict {
            Verdict::Conflict(place) => test.heads.get(place) == Some(head),
            Verdict::Running | Verdict::Green | Verdict::Red => false,
        })?;
        Some(self.beside(test, head))
    }

    /// Runs that were red with a head, the newest last.
    pub(super) fn red_runs(&self, head: &CommitSha) -> Vec<String> {
        let tests = self.stored.iter().filter(|test| test.heads.contains(head));
        let runs = tests.flat_map(|test| &test.runs);
        let red = runs.filter(|run| run.phase == Phase::Failed);
        let mut red: Vec<String> = red.map(|run| run.id.clone()).collect();
        let extra = red.len().saturating_sub(REDS_MAX);
        red.drain(..extra);
        red
    }

    /// Whether a test has begun of which not every run is there yet: it may wait for one that another test had begun.
    pub(super) fn is_beginning(&self, now_ms: i64) -> bool {
        let is_partial = |test: &Stored| {
            let is_there = |what: &What| test.runs.iter().any(|run| run.cause.what == *what);
            let is_young = |run: &Run| now_ms - run.created_ms < BEGINNING_MS;
            !test.whats.iter().all(is_there) && test.runs.iter().all(is_young)
        };
        self.stored.iter().any(is_partial)
    }

    /// Ends the runs that no test needs any more, but for those whose verdict another run waits for.
    pub(super) fn cancels(&self) -> Vec<Wake> {
        let is_over = |test: &Stored| test.verdict() != Some(Verdict::Running);
        let is_cancelled = |at: usize| self.decision.cancel.contains(&at);
        let (mut ended, mut kept): (Vec<&Stored>, Vec<&Stored>) = (Vec::new(), Vec::new());
        for (at, test) in self.stored.iter().enumerate() {
            match is_cancelled(at) || is_over(test) {
                true => ended.push(test),
                false => kept.push(test),
            }
        }
        ended.extend(&self.past);
        ended.retain(|test| !test.heads.iter().any(|head| self.silent.contains(head)));
        let awaited: BTreeSet<&String> = kept
            .iter()
            .flat_map(|test| &test.runs)
            .filter_map(|run| run.same_as.as_ref())
            .collect();
        let runs = ended.into_iter().flat_map(|test| &test.runs);
        ends(runs.filter(|run| !awaited.contains(&run.id)))
    }
}

/// Ends those of these runs that are under way.
pub(super) fn ends<'a>(runs: impl Iterator<Item = &'a Run>) -> Vec<Wake> {
    let active = runs.filter(|run| !run.phase.is_final());
    let wakes = active.map(|run| Wake {
        subject: SubjectKey::Run(run.id.clone()),
        hint: Some(Hint::RunUnneeded),
    });
    wakes.collect()
}

fn member((number, ready): &(PrNumber, Ready)) -> Member {
    Member {
        number: *number,
        head: ready.head.clone(),
        priority: ready.priority,
        ready_ms: ready.since_ms,
        attempts: ready.attempts,
    }
}

fn test(start: &Start, verdict: Verdict) -> Test {
    Test {
        base: start.base.clone(),
        heads: start.heads.clone(),
        verdict,
    }
}

/// One a head that conflicts with those before it.
fn conflicts(start: &Start, chain: &Chain) -> Vec<Test> {
    let of = |place: &usize| {
        let before = start.heads.iter().take(*place).enumerate();
        let before = before.filter(|(at, _)| !chain.conflicts.contains(at));
        let mut heads: Vec<CommitSha> = before.map(|(_, head)| head.clone()).collect();
        let verdict = Verdict::Conflict(heads.len());
        heads.extend(start.heads.get(*place).cloned());
        Test {
            base: start.base.clone(),
            heads,
            verdict,
        }
    };
    chain.conflicts.iter().map(of).collect()
}
