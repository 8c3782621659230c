//! Every stage that a backend knows, and how each goes on: queued, running, collecting, done.
//!
//! Read from the directories when the bot starts; afterwards this process alone changes what stands here.

use super::crew::{Crew, Standing};
use super::desk::{Desk, Meta, Started};
use super::fair::{self, Share, Waiting};
use super::ingest;
use crate::files::Stamp;
use bowsprit_core::name::RepoId;
use bowsprit_core::subject::ask::StageView;
use bowsprit_core::training::spec::{FailureKind, Outcome, Phase, RunResult};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

/// How often an agent is started that never gets as far as its lock.
const ATTEMPTS_MAX: u32 = 3;

/// The stages by id, and who does their work.
pub(super) struct Book {
    /// Each stage.
    pub(super) entries: BTreeMap<String, Entry>,
    crew: Box<dyn Crew>,
    last_turns: BTreeMap<RepoId, u64>,
    last_seq: u64,
}

/// One stage.
pub(super) struct Entry {
    meta: Meta,
    /// Its directory.
    pub(super) desk: Desk,
    /// How it stands.
    pub(super) state: State,
    /// Why its agent does not work yet, or not any more for now.
    waits: Option<String>,
    told: Option<Seen>,
}

/// How a stage stands.
pub(super) enum State {
    /// It waits for a slot.
    Queued,
    /// An agent was started.
    Running(Started),
    /// There is a last word; it is being checked.
    Collecting(Collecting),
    /// The checked result is there.
    Done,
}

/// Checking a last word.
#[derive(Debug, Clone)]
pub(super) struct Collecting {
    /// Whether somebody does it now.
    pub(super) is_busy: bool,
    /// How often it was tried in vain.
    pub(super) tries: u32,
    /// Not before this.
    pub(super) due: Instant,
}

/// What was told of a stage, as far as it can be compared cheaply.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Queued(usize),
    Running(Option<Stamp>),
    Waiting(String),
    Collecting,
    Done,
}

impl Collecting {
    /// To be done now.
    pub(super) fn now() -> Collecting {
        Collecting {
            is_busy: false,
            tries: 0,
            due: Instant::now(),
        }
    }
}

impl Book {
    /// Reads every stage's directory below `dir`; one without an order was never taken.
    pub(super) fn load(dir: &Path, crew: Box<dyn Crew>) -> std::io::Result<Book> {
        let mut book = Book {
            entries: BTreeMap::new(),
            crew,
            last_turns: BTreeMap::new(),
            last_seq: 0,
        };
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            let Ok(stage) = entry.file_name().into_string() else {
                continue;
            };
            let desk = Desk::new(entry.path());
            match desk.meta() {
                Ok(meta) => book.adopt(stage, desk, meta),
                Err(error) => {
                    tracing::debug!("stage `{stage}` is passed over: {error:#}");
                    desk.drop_secrets();
                }
            }
        }
        Ok(book)
    }

    fn adopt(&mut self, stage: String, desk: Desk, meta: Meta) {
        let started = desk.started().unwrap_or_else(|error| {
            tracing::warn!(run.stage = %stage, "stage `{stage}`: {error:#}");
            None
        });
        self.last_seq = self.last_seq.max(meta.seq);
        if let Some(started) = &started {
            self.last_seq = self.last_seq.max(started.seq);
            let turn = self.last_turns.entry(meta.repo).or_default();
            *turn = (*turn).max(started.seq);
        }
        let state = match started {
            _ if desk.is_ingested() => State::Done,
            _ if desk.has_result() => State::Collecting(Collecting::now()),
            Some(started) => State::Running(started),
            None => State::Queued,
        };
        match state {
            State::Queued | State::Running(_) => {}
            State::Collecting(_) | State::Done => desk.drop_secrets(),
        }
        let is_old = matches!(state, State::Done) && desk.is_swept();
        let entry = Entry {
            meta,
            desk,
            state,
            waits: None,
            told: is_old.then_some(Seen::Done),
        };
        self.entries.insert(stage, entry);
    }

    /// The next number; it grows for ever, since it is read from the directories again.
    pub(super) fn next_seq(&mut self) -> u64 {
        self.last_seq += 1;
        self.last_seq
    }

    /// Takes a stage whose order is written.
    pub(super) fn enqueue(&mut self, stage: String, desk: Desk, meta: Meta) {
        let entry = Entry {
            meta,
            desk,
            state: State::Queued,
            waits: None,
            told: None,
        };
        self.entries.insert(stage, entry);
    }

    /// Notes what has ended, ends what was cancelled, and gives free slots to whose turn it is.
    pub(super) fn advance(&mut self, slots: usize, now_ms: i64) {
        let crew = self.crew.as_mut();
        for (stage, entry) in &mut self.entries {
            if let Err(error) = entry.advance(stage, crew, now_ms) {
                tracing::warn!(run.stage = %stage, "stage `{stage}` will be looked at again: {error:#}");
            }
        }
        let running = self
            .entries
            .values()
            .filter(|entry| entry.is_running())
            .count();
        let turns = self.order();
        for stage in turns.into_iter().take(slots.saturating_sub(running)) {
            let seq = self.next_seq();
            let Some(entry) = self.entries.get_mut(&stage) else {
                continue;
            };
            match entry.begin(&stage, self.crew.as_mut(), seq, now_ms) {
                Ok(()) => {
                    self.last_turns.insert(entry.meta.repo, seq);
                    tracing::info!(run.stage = %stage, "stage `{stage}` is started");
                }
                Err(error) => {
                    tracing::warn!(run.stage = %stage, "stage `{stage}` cannot be started yet: {error:#}");
                }
            }
        }
    }

    /// The waiting stages, next first.
    fn order(&self) -> Vec<String> {
        let mut shares: BTreeMap<RepoId, Share> = BTreeMap::new();
        for (repo, turn) in &self.last_turns {
            shares.entry(*repo).or_default().last_turn = *turn;
        }
        let mut waiting = Vec::new();
        for (stage, entry) in &self.entries {
            match entry.state {
                State::Queued => waiting.push(Waiting {
                    repo: entry.meta.repo,
                    seq: entry.meta.seq,
                    stage: stage.clone(),
                }),
                State::Running(_) => shares.entry(entry.meta.repo).or_default().running += 1,
                State::Collecting(_) | State::Done => {}
            }
        }
        fair::order(waiting, shares)
    }

    /// The stages that stand otherwise than when this was asked last.
    pub(super) fn changed(&mut self) -> Vec<String> {
        let order = self.order();
        let places: BTreeMap<&str, usize> = order.iter().map(String::as_str).zip(1..).collect();
        let mut changed = Vec::new();
        for (stage, entry) in &mut self.entries {
            let seen = match &entry.state {
                State::Queued => Seen::Queued(places.get(stage.as_str()).copied().unwrap_or(0)),
                State::Running(_) => match &entry.waits {
                    Some(why) => Seen::Waiting(why.clone()),
                    None => Seen::Running(entry.desk.status_stamp()),
                },
                State::Collecting(_) => Seen::Collecting,
                State::Done => Seen::Done,
            };
            if entry.told.as_ref() != Some(&seen) {
                entry.told = Some(seen);
                changed.push(stage.clone());
            }
        }
        changed
    }

    /// How a stage stands.
    pub(super) fn view(&self, stage: &str) -> StageView {
        let Some(entry) = self.entries.get(stage) else {
            return StageView::Unknown;
        };
        let since_ms = entry.meta.enqueued_ms;
        match &entry.state {
            State::Queued => {
                let place = self.order().iter().position(|other| other == stage);
                StageView::Queued(place.map_or(1, |index| index + 1))
            }
            State::Running(started) => {
                if let Some(why) = &entry.waits {
                    return StageView::Waiting(why.clone());
                }
                let status = entry.desk.status();
                StageView::Running(Box::new(
                    status.unwrap_or_else(|| ingest::status(Phase::Fetching, started.at_ms)),
                ))
            }
            State::Collecting(_) => StageView::Running(Box::new(entry.collecting(since_ms))),
            State::Done => match entry.desk.ingested() {
                Ok(Some(result)) => StageView::Done(Box::new(result)),
                Ok(None) => StageView::Unknown,
                Err(error) => {
                    tracing::error!(run.stage = %stage, "the result of stage `{stage}` is lost: {error:#}");
                    StageView::Done(Box::new(ingest::unreadable(stage)))
                }
            },
        }
    }
}

impl Entry {
    fn is_running(&self) -> bool {
        match self.state {
            State::Running(_) => true,
            State::Queued | State::Collecting(_) | State::Done => false,
        }
    }

    /// Whether it is over and that was told.
    pub(super) fn is_settled(&self) -> bool {
        self.told == Some(Seen::Done)
    }

    fn collecting(&self, since_ms: i64) -> bowsprit_core::training::spec::Status {
        let mut status = self
            .desk
            .status()
            .unwrap_or_else(|| ingest::status(Phase::Collecting, since_ms));
        status.phase = Phase::Collecting;
        status
    }

    fn advance(&mut self, stage: &str, crew: &mut dyn Crew, now_ms: i64) -> anyhow::Result<()> {
        match &self.state {
            State::Queued if self.desk.is_cancelled() => self.cancel(),
            State::Running(_) if self.desk.has_result() => {
                self.desk.drop_secrets();
                self.state = State::Collecting(Collecting::now());
                Ok(())
            }
            State::Running(started) => {
                let standing = crew.look(stage, &self.desk, started);
                self.heed(stage, crew, standing, now_ms)
            }
            State::Done => {
                crew.release(stage);
                Ok(())
            }
            State::Queued | State::Collecting(_) => Ok(()),
        }
    }

    /// Acts on how the agent stands: one that never began is sent for again, the stage of another is lost.
    fn heed(
        &mut self,
        stage: &str,
        crew: &mut dyn Crew,
        standing: Standing,
        now_ms: i64,
    ) -> anyhow::Result<()> {
        self.waits = None;
        let State::Running(started) = &self.state else {
            return Ok(());
        };
        let (attempts, seq) = (started.attempts, started.seq);
        match standing {
            Standing::AtWork => Ok(()),
            Standing::Waiting(why) => {
                self.waits = Some(why);
                Ok(())
            }
            Standing::NeverBegan(_) if attempts < ATTEMPTS_MAX && !self.desk.is_cancelled() => {
                self.begin(stage, crew, seq, now_ms)
            }
            Standing::NeverBegan(message) => self.bury(FailureKind::Lost, &message),
            Standing::Lost(kind, message) => self.bury(kind, &message),
        }
    }

    /// Sends for an agent and notes it, before and after.
    fn begin(
        &mut self,
        stage: &str,
        crew: &mut dyn Crew,
        seq: u64,
        now_ms: i64,
    ) -> anyhow::Result<()> {
        let before = match &self.state {
            State::Running(started) => started.attempts,
            State::Queued | State::Collecting(_) | State::Done => 0,
        };
        let mut started = Started {
            seq,
            attempts: before + 1,
            at_ms: now_ms,
            pid: None,
            born: None,
        };
        self.desk.write_started(&started)?;
        crew.begin(stage, &self.desk, &mut started);
        // Without this note a process is found by its lock.
        if started.pid.is_some()
            && let Err(error) = self.desk.write_started(&started)
        {
            tracing::warn!("{error:#}");
        }
        self.state = State::Running(started);
        Ok(())
    }

    /// An agent is gone without a result, and its stage with it.
    fn bury(&mut self, kind: FailureKind, message: &str) -> anyhow::Result<()> {
        let Some(_lock) = self.desk.take_lock() else {
            return Ok(());
        };
        if self.desk.has_result() {
            return Ok(());
        }
        let spec = self.desk.spec()?;
        let result = match self.desk.is_cancelled() {
            true => ingest::ended(&spec.id, Outcome::Cancelled, None),
            false => ingest::lost(&spec.id, self.desk.status(), kind, message),
        };
        self.leave(&result)
    }

    /// Ends a stage that no agent was started for.
    pub(super) fn cancel(&mut self) -> anyhow::Result<()> {
        let spec = self.desk.spec()?;
        self.leave(&ingest::ended(&spec.id, Outcome::Cancelled, None))?;
        self.desk
            .write_ingested(&ingest::ended(&spec.id, Outcome::Cancelled, None))?;
        self.state = State::Done;
        Ok(())
    }

    fn leave(&mut self, result: &RunResult) -> anyhow::Result<()> {
        self.desk.drop_secrets();
        self.desk.write_result(result)?;
        self.state = State::Collecting(Collecting::now());
        Ok(())
    }
}
