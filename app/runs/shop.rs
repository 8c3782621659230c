//! What every backend does alike: takes orders, gives slots, checks results, sweeps.
//!
//! What is known stands in the directories, one a stage; memory only saves reading them again.
//! Nothing here may start a stage twice at the same time or report one over too early.

use super::book::{Book, Collecting, State};
use super::crew::Crew;
use super::desk::{Desk, Meta};
use super::ingest;
use super::vault;
use crate::artifacts::Artifacts;
use crate::config::{Config, Secrets};
use crate::files;
use crate::hands::{self, StartError};
use anyhow::Context as _;
use bowsprit_core::effect::{ServePlan, StagePlan};
use bowsprit_core::name::RepoId;
use bowsprit_core::subject::ask::StageView;
use bowsprit_core::training::spec::{Limits, ModelInput, RunResult, RunSpec, ServeProbe, Source};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Longest id of a stage. Units: characters.
const STAGE_CHARS_MAX: usize = 80;
/// How often storing the outputs of a stage is tried.
const COLLECT_TRIES_MAX: u32 = 20;
/// Longest wait between two such tries.
const COLLECT_WAIT_MAX: Duration = Duration::from_secs(60);
/// Nothing of a stage is kept longer than this.
const KEPT_MAX: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// What a backend needs of its surroundings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where everything is kept.
    pub state_dir: PathBuf,
    /// Stages at once.
    pub slots: usize,
    /// Of the directory of one stage. Units: bytes.
    pub disk_bytes: u64,
    /// Values of the secrets that steps may name.
    pub secrets: Secrets,
}

impl From<&Config> for Settings {
    fn from(config: &Config) -> Settings {
        Settings {
            state_dir: config.state_dir.clone(),
            slots: config.runs.slots,
            disk_bytes: config.limits.run_disk_bytes,
            secrets: config.secrets.clone(),
        }
    }
}

/// What a backend has beside its crew; clones share it.
#[derive(Clone)]
pub struct Shop {
    inner: Arc<Inner>,
}

struct Inner {
    dir: PathBuf,
    cache_dir: String,
    slots: usize,
    limits: Limits,
    secrets: Secrets,
    artifacts: Artifacts,
    book: Mutex<Book>,
}

impl Shop {
    /// Opens `runs/` of the state directory and takes up what is there. Agents find runtimes in `cache_dir`.
    pub(super) fn open(
        settings: Settings,
        artifacts: Artifacts,
        cache_dir: String,
        crew: Box<dyn Crew>,
    ) -> anyhow::Result<Shop> {
        let dir = hands::directory(&settings.state_dir, "runs")?;
        let book =
            Book::load(&dir, crew).with_context(|| format!("cannot read `{}`", dir.display()))?;
        Ok(Shop {
            inner: Arc::new(Inner {
                cache_dir,
                slots: settings.slots,
                limits: Limits {
                    disk_bytes: settings.disk_bytes,
                    ..Limits::default()
                },
                secrets: settings.secrets,
                book: Mutex::new(book),
                dir,
                artifacts,
            }),
        })
    }

    /// See [`super::Backend::start`].
    pub(super) async fn start(&self, plan: &StagePlan, snapshot: Source) -> Result<(), StartError> {
        if !is_stage_id(&plan.stage) {
            return Err(StartError::Refused(format!(
                "`{}` is not the id of a stage: 1 to {STAGE_CHARS_MAX} letters, digits and `-`",
                plan.stage.chars().take(STAGE_CHARS_MAX).collect::<String>()
            )));
        }
        if self.inner.book().entries.contains_key(&plan.stage) {
            hands::drop_snapshot(&snapshot);
            return Ok(());
        }
        let secrets = vault::values(&self.inner.secrets, plan)
            .inspect_err(|_| hands::drop_snapshot(&snapshot))?;
        let models = hands::model_inputs(&self.inner.artifacts, &plan.models).await?;
        let spec = self.inner.spec(plan, snapshot, models);
        let (shop, repo) = (Arc::clone(&self.inner), plan.repo.id);
        let taken = tokio::task::spawn_blocking(move || shop.take(repo, spec, &secrets)).await;
        Ok(taken.context("cannot take the stage")??)
    }

    /// See [`super::Backend::view`].
    pub(super) fn view(&self, stage: &str) -> StageView {
        self.inner.book().view(stage)
    }

    /// Whether a stage is over and its outputs are stored; `None` for one that is not known.
    pub(super) fn is_over(&self, stage: &str) -> Option<bool> {
        let book = self.inner.book();
        let entry = book.entries.get(stage)?;
        Some(matches!(entry.state, State::Done))
    }

    /// See [`super::Backend::cancel`].
    pub(super) async fn cancel(&self, stage: &str) -> anyhow::Result<()> {
        let (shop, stage) = (Arc::clone(&self.inner), stage.to_owned());
        let cancelled = tokio::task::spawn_blocking(move || shop.cancel(&stage)).await;
        cancelled.context("cannot cancel the stage")?
    }

    /// See [`super::Backend::tend`].
    pub(super) async fn tend(&self) -> Vec<String> {
        let shop = Arc::clone(&self.inner);
        let tended = tokio::task::spawn_blocking(move || {
            let mut book = shop.book();
            book.advance(shop.slots, now_ms());
            (uncollected(&mut book), book.changed())
        });
        let (collect, changed) = match tended.await {
            Ok(tended) => tended,
            Err(error) => {
                tracing::error!("cannot look after stages: {error}");
                return Vec::new();
            }
        };
        for (stage, desk, tries) in collect {
            tokio::spawn(collect_one(Arc::clone(&self.inner), stage, desk, tries));
        }
        changed
    }

    /// See [`super::Backend::log_path`].
    pub(super) fn log_path(&self, stage: &str) -> PathBuf {
        // A name that is no id leads nowhere, least of all out of the directory.
        let name = if is_stage_id(stage) { stage } else { "-" };
        self.inner.dir.join(name).join("log.txt")
    }

    /// See [`super::Backend::results`].
    pub(super) async fn results(
        &self,
        is_wanted: impl Fn(&str) -> bool,
    ) -> anyhow::Result<Vec<String>> {
        let desks: Vec<Desk> = {
            let book = self.inner.book();
            let wanted = book.entries.iter().filter(|(stage, _)| is_wanted(stage));
            wanted.map(|(_, entry)| entry.desk.clone()).collect()
        };
        let read = tokio::task::spawn_blocking(move || {
            let texts = desks.iter().map(Desk::ingested_text);
            texts.filter_map(Result::transpose).collect()
        });
        read.await.context("cannot read the results of stages")?
    }

    /// See [`super::Backend::sweep`].
    pub(super) async fn sweep(&self, older_than: Duration) {
        let shop = Arc::clone(&self.inner);
        let swept = tokio::task::spawn_blocking(move || shop.sweep(older_than)).await;
        if let Err(error) = swept {
            tracing::error!("cannot sweep stages: {error}");
        }
    }
}

impl Inner {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spec(&self, plan: &StagePlan, snapshot: Source, models: Vec<ModelInput>) -> RunSpec {
        RunSpec {
            id: plan.stage.clone(),
            kind: plan.kind,
            snapshot,
            runtime: plan.runtime.clone(),
            trust: plan.trust,
            model_trust: plan.model_trust,
            steps: plan.steps.clone(),
            models,
            data: plan.data.clone(),
            serve: plan.serve.as_ref().map(probe),
            limits: self.limits.clone(),
            cache_dir: self.cache_dir.clone(),
        }
    }

    fn take(&self, repo: RepoId, mut spec: RunSpec, secrets: &vault::Values) -> anyhow::Result<()> {
        let stage = spec.id.clone();
        let desk = Desk::new(self.dir.join(&stage));
        let mut book = self.book();
        if book.entries.contains_key(&stage) {
            hands::drop_snapshot(&spec.snapshot);
            return Ok(());
        }
        std::fs::create_dir_all(desk.dir())
            .with_context(|| format!("cannot create `{}`", desk.dir().display()))?;
        spec.snapshot = hands::take_snapshot(&spec.snapshot, &desk.path("snapshot.tar"))?;
        let meta = Meta {
            repo,
            seq: book.next_seq(),
            enqueued_ms: now_ms(),
        };
        vault::lay_out(&desk.secrets(), secrets)?;
        if let Err(error) = desk.write_order(&meta, &spec) {
            desk.drop_secrets();
            return Err(error);
        }
        book.enqueue(stage, desk, meta);
        Ok(())
    }

    fn cancel(&self, stage: &str) -> anyhow::Result<()> {
        let mut book = self.book();
        let Some(entry) = book.entries.get_mut(stage) else {
            return Ok(());
        };
        match entry.state {
            State::Queued => {
                entry.desk.write_cancel()?;
                entry.cancel()
            }
            State::Running(_) => entry.desk.write_cancel(),
            State::Collecting(_) | State::Done => Ok(()),
        }
    }

    fn sweep(&self, older_than: Duration) {
        let now = SystemTime::now();
        let (mut old, mut gone) = (Vec::new(), Vec::new());
        let mut book = self.book();
        book.entries.retain(|_, entry| {
            let at = entry.desk.ingested_at().filter(|_| entry.is_settled());
            let age = at.and_then(|at| now.duration_since(at).ok());
            let is_gone = age.is_some_and(|age| age > KEPT_MAX);
            match age {
                Some(_) if is_gone => gone.push(entry.desk.clone()),
                Some(age) if age >= older_than => old.push(entry.desk.clone()),
                Some(_) | None => {}
            }
            !is_gone
        });
        gone.extend(self.strays(&book, now));
        drop(book);
        let swept = old.iter().map(|desk| (desk, desk.sweep()));
        let removed = gone
            .iter()
            .map(|desk| (desk, files::remove_tree(desk.dir())));
        for (desk, outcome) in swept.chain(removed) {
            if let Err(error) = outcome {
                tracing::warn!("cannot clear `{}`: {error}", desk.dir().display());
            }
        }
    }

    /// Directories that never became a stage.
    fn strays(&self, book: &Book, now: SystemTime) -> Vec<Desk> {
        let entries = std::fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let strays = entries.filter(|entry| {
            let is_known = entry
                .file_name()
                .to_str()
                .is_some_and(|name| book.entries.contains_key(name));
            let modified = entry.metadata().and_then(|about| about.modified()).ok();
            let age = modified.and_then(|at| now.duration_since(at).ok());
            !is_known && age.is_some_and(|age| age > KEPT_MAX)
        });
        strays.map(|entry| Desk::new(entry.path())).collect()
    }
}

/// The stages whose result is to be checked now.
fn uncollected(book: &mut Book) -> Vec<(String, Desk, u32)> {
    let mut found = Vec::new();
    for (stage, entry) in &mut book.entries {
        if let State::Collecting(collecting) = &mut entry.state
            && !collecting.is_busy
            && collecting.due <= Instant::now()
        {
            collecting.is_busy = true;
            found.push((stage.clone(), entry.desk.clone(), collecting.tries));
        }
    }
    found
}

/// Checks a result and stores its outputs; tried again when the artifact store fails.
async fn collect_one(shop: Arc<Inner>, stage: String, desk: Desk, tries: u32) {
    let state = match collected(&shop, &desk).await {
        Ok(()) => State::Done,
        Err(error) if tries + 1 < COLLECT_TRIES_MAX => {
            let wait = Duration::from_secs(1 << tries.min(10)).min(COLLECT_WAIT_MAX);
            tracing::warn!(run.stage = %stage, "the outputs of stage `{stage}` are stored later: {error:#}");
            State::Collecting(Collecting {
                is_busy: false,
                tries: tries + 1,
                due: Instant::now() + wait,
            })
        }
        Err(error) => {
            tracing::error!(run.stage = %stage, "the outputs of stage `{stage}` cannot be stored: {error:#}");
            give_up(&stage, desk).await
        }
    };
    if let Some(entry) = shop.book().entries.get_mut(&stage) {
        entry.state = state;
    }
}

async fn collected(shop: &Inner, desk: &Desk) -> anyhow::Result<()> {
    let result = ingest::ingest(desk, &desk.spec()?, &shop.artifacts).await?;
    keep(desk.clone(), result).await
}

/// The stage fails; should even that not be written, the next bot tries again.
async fn give_up(stage: &str, desk: Desk) -> State {
    match keep(desk, ingest::unstored(stage)).await {
        Ok(()) => State::Done,
        Err(error) => {
            tracing::error!(run.stage = %stage, "the end of stage `{stage}` cannot be noted: {error:#}");
            State::Collecting(Collecting {
                is_busy: false,
                tries: 0,
                due: Instant::now() + COLLECT_WAIT_MAX,
            })
        }
    }
}

async fn keep(desk: Desk, result: RunResult) -> anyhow::Result<()> {
    let kept = tokio::task::spawn_blocking(move || desk.write_ingested(&result)).await;
    kept.context("cannot keep the result")?
}

fn probe(plan: &ServePlan) -> ServeProbe {
    ServeProbe {
        run: plan.run.clone(),
        ready: plan.ready.clone(),
        env: plan.env.clone(),
        sample_sets: plan.sample_sets.clone(),
        ready_timeout_s: plan.ready_timeout_s,
        cpu_millis: plan.cpu_millis,
        memory_bytes: plan.memory_bytes,
        model: plan.model.clone(),
    }
}

fn is_stage_id(text: &str) -> bool {
    (1..=STAGE_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Units: milliseconds since 1970, UTC.
fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
