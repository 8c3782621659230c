//! One stage from the first byte to the last, or a part of it: fetch, prepare, run, probe, collect.

use super::journal::Journal;
use super::outputs::{self, Plain};
use super::place::{Asked, Place, failure};
use super::secrets::Secrets;
use super::step::{self, Cut, Watch};
use super::turn::{Carried, Runtime, Turn};
use crate::diagnose::{self, Evidence};
use crate::metrics::Places;
use crate::runtime::Prepared;
use crate::{SelfCommand, confine, serve, snapshot};
use bowsprit_core::training::spec::{
    Failure, FailureKind, Outcome, Phase, ProbeResult, RunResult, RunSpec, ServeProbe, StageKind,
    StepResult, StepSpec, Trust,
};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long a probed server may take to stop.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// A stage at work.
pub(super) struct Stage {
    pub(super) spec: RunSpec,
    /// What of it is done here.
    pub(super) turn: Turn,
    pub(super) me: SelfCommand,
    pub(super) place: Place,
    pub(super) journal: Journal,
    pub(super) cancelled: watch::Receiver<bool>,
    /// The values of named secrets, once they are taken.
    pub(super) secrets: Secrets,
    /// What is missing for its commands to count as confined.
    pub(super) unconfined: Option<String>,
}

/// Why a stage does not go on.
pub(super) enum Halt {
    Failed(Failure),
    Cancelled,
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Halt {
        Halt::Failed(failure)
    }
}

/// What has come of it so far.
#[derive(Default)]
pub(super) struct Gathered {
    steps: Vec<StepResult>,
    /// What commands run in here.
    pub(super) prepared: Option<Prepared>,
    /// The stage's own software.
    pub(super) runtime: Option<Runtime>,
    probe: Option<ProbeResult>,
}

impl Stage {
    /// Executes its part of the order, to the end of the stage unless another part follows; then there is no result yet.
    pub(super) async fn execute(mut self) -> Option<RunResult> {
        let since = Instant::now();
        let mut gathered = Gathered {
            steps: std::mem::take(&mut self.turn.before.steps),
            runtime: self.turn.before.runtime.take(),
            ..Gathered::default()
        };
        let mut halt = self.advance(&mut gathered).await.err();
        let worked_ms = self.turn.before.worked_ms.saturating_add(millis(since));
        if halt.is_none() && !self.turn.is_last {
            match self.hand_over(&gathered, worked_ms) {
                Ok(()) => return None,
                Err(failure) => halt = Some(failure.into()),
            }
        }
        Some(self.collect(gathered, halt, since).await)
    }

    /// Leaves what the next part needs.
    fn hand_over(&self, gathered: &Gathered, worked_ms: u64) -> Result<(), Failure> {
        let carried = Carried {
            steps: gathered.steps.clone(),
            runtime: gathered.runtime.clone(),
            worked_ms,
            said: Some(self.journal.said()),
        };
        carried.write(&self.place.dir).map_err(|error| {
            failure(
                FailureKind::Agent,
                format!("cannot leave the rest of the steps to the next container: {error}"),
            )
        })
    }

    /// What has come of the stage.
    async fn collect(self, gathered: Gathered, halt: Option<Halt>, since: Instant) -> RunResult {
        self.journal.phase(Phase::Collecting, None);
        let (dir, count_max) = (self.place.outputs(), self.spec.limits.output_files);
        let collected =
            tokio::task::spawn_blocking(move || outputs::collect(&dir, count_max)).await;
        let collected =
            collected.unwrap_or_else(|error| Err(format!("the outputs cannot be hashed: {error}")));
        let (outputs, uncollected) = match collected {
            Ok(outputs) => (outputs, None),
            Err(error) => (Vec::new(), Some(failure(FailureKind::Corrupt, error))),
        };
        let (outcome, failure) = match (halt, uncollected) {
            (Some(Halt::Cancelled), _) => (Outcome::Cancelled, None),
            (Some(Halt::Failed(failure)), _) | (None, Some(failure)) => {
                (Outcome::Failed, Some(failure))
            }
            (None, None) => (Outcome::Succeeded, None),
        };
        if let Some(failure) = &failure {
            self.journal
                .line(&failure.step, &format!("failed: {}", failure.message));
        }
        RunResult {
            id: self.spec.id.clone(),
            outcome,
            failure,
            steps: gathered.steps,
            outputs,
            probe: gathered.probe,
            runtime_cached: gathered
                .runtime
                .as_ref()
                .is_some_and(|runtime| runtime.cached),
            runtime: gathered.runtime.map(|runtime| runtime.hash),
            unconfined: self.unconfined,
            duration_ms: self.turn.before.worked_ms.saturating_add(millis(since)),
            tail: self.journal.tail(),
        }
    }

    async fn advance(&mut self, gathered: &mut Gathered) -> Result<(), Halt> {
        self.secrets = Secrets::take(&self.spec, &self.place.dir)?;
        self.journal.hide(self.secrets.mask());
        self.admit()?;
        if self.turn.is_first() {
            self.fetch().await?;
        }
        self.equip(gathered).await?;
        if self.turn.is_first() {
            self.place.open_for(&self.spec)?;
        }
        for number in self.turn.part.steps.clone() {
            let step = self.spec.steps[number].clone();
            if number > 0 && self.spec.kind == StageKind::Evaluate {
                self.renew(number).await?;
            }
            self.journal.phase(Phase::Running, Some(&step.name));
            let (result, halt) = self.step(number, &step, gathered.prepared.as_ref()).await?;
            gathered.steps.push(result);
            if let Some(halt) = halt {
                return Err(halt);
            }
        }
        if let Some(probe) = self.spec.serve.clone().filter(|_| self.turn.is_last) {
            self.journal.phase(Phase::Probing, None);
            let mut cancelled = self.cancelled.clone();
            tokio::select! {
                probed = self.probe(&probe, gathered) => probed?,
                _ = cancelled.wait_for(|is_so| *is_so) => return Err(Halt::Cancelled),
            }
        }
        Ok(())
    }

    /// Foreign code runs shut in, or not at all.
    fn admit(&self) -> Result<(), Failure> {
        match (&self.unconfined, self.spec.company()) {
            (Some(reason), Trust::Untrusted) => Err(failure(
                FailureKind::Agent,
                format!(
                    "this server cannot confine what it runs, so it runs trusted commits only: {reason}"
                ),
            )),
            (Some(reason), Trust::Trusted) => {
                self.journal
                    .line("prepare", &format!("not confined: {reason}"));
                Ok(())
            }
            (None, Trust::Trusted | Trust::Untrusted) => Ok(()),
        }
    }

    async fn fetch(&mut self) -> Result<(), Halt> {
        self.journal.phase(Phase::Fetching, None);
        self.place.lay_out().map_err(|error| {
            failure(
                FailureKind::Agent,
                format!("cannot lay out the run directory: {error}"),
            )
        })?;
        let (spec, work, models) = (self.spec.clone(), self.place.work(), self.place.models());
        let fetching = tokio::task::spawn_blocking(move || {
            snapshot::unpack(&spec.snapshot, &work, &spec.limits)?;
            if let Some(data) = spec.data.filter(|data| !work.join(data.as_str()).exists()) {
                return Err(failure(
                    FailureKind::MissingFile,
                    format!("the data `{data}` is not in the snapshot"),
                ));
            }
            snapshot::lay_out_models(&spec.models, &models)
        });
        tokio::select! {
            fetched = fetching => match fetched {
                Ok(fetched) => Ok(fetched?),
                Err(error) => Err(failure(FailureKind::Agent, format!("fetching ended early: {error}")).into()),
            },
            _ = self.cancelled.wait_for(|is_so| *is_so) => Err(Halt::Cancelled),
        }
    }

    /// Has a model be judged in the same files as the one before it, whatever that one did to them.
    async fn renew(&self, number: usize) -> Result<(), Halt> {
        let (place, spec) = (self.place.clone(), self.spec.clone());
        let renewing = tokio::task::spawn_blocking(move || place.renew(&spec, number));
        match renewing.await {
            Ok(renewed) => Ok(renewed?),
            Err(error) => {
                let message = format!("laying out again ended early: {error}");
                Err(failure(FailureKind::Agent, message).into())
            }
        }
    }

    async fn step(
        &self,
        number: usize,
        step: &StepSpec,
        prepared: Option<&Prepared>,
    ) -> Result<(StepResult, Option<Halt>), Failure> {
        let (github, outputs) = (
            self.place.github(number),
            self.place.outputs_of(&step.outputs),
        );
        let (dir, outputs_dir) = (&self.place.dir, self.place.dir.join(&outputs));
        let mut plan = self.place.plan(
            &self.spec,
            prepared,
            &Asked {
                argv: &step.run,
                env: &step.env,
                cpu_millis: step.cpu_millis,
                memory_bytes: step.memory_bytes,
                model: step.model.as_deref(),
                network: step.network && self.spec.kind != StageKind::Evaluate,
                bind_port: None,
            },
        )?;
        for (name, path) in [
            ("OUTPUTS_DIR", &outputs_dir),
            ("GITHUB_OUTPUT", &dir.join(&github).join("output")),
            ("GITHUB_STEP_SUMMARY", &dir.join(&github).join("summary")),
        ] {
            plan.env.insert(name.to_owned(), path.display().to_string());
        }
        if self.spec.kind == StageKind::Evaluate {
            plan.writable = self.place.writable(&outputs_dir);
        }
        let secrets = self.secrets.hand_out(step, &self.place, &mut plan)?;
        let places = Places::before_step(dir, &outputs, &github);
        let plain = Plain::before_step(&self.place.work());
        let since = Instant::now();
        let started =
            confine::start(&self.me, &plan, &self.place.scratch()).map_err(|error| Failure {
                kind: FailureKind::Agent,
                step: step.name.clone(),
                message: format!("cannot start the step: {error}"),
            })?;
        let watch = Watch {
            dir: &self.place.dir,
            disk_bytes: self.spec.limits.disk_bytes,
            journal: &self.journal,
            cancelled: self.cancelled.clone(),
        };
        let watched = step::follow(started, step, watch).await;
        drop(secrets);
        let kept = plain
            .merge(&outputs_dir, &self.place.outputs())
            .and_then(|_| outputs::keep_summary(dir, &github, &outputs_dir));
        if let Err(error) = kept {
            self.journal
                .line(&step.name, &format!("some outputs cannot be kept: {error}"));
        }
        let (metrics, searched) = places.after_step(watched.spoken);
        let result = StepResult {
            name: step.name.clone(),
            exit_code: watched.ended.exit_code.filter(|_| watched.cut.is_none()),
            duration_ms: millis(since),
            peak_rss_bytes: watched.ended.peak_rss_bytes,
            metrics,
            searched,
        };
        let halt = self.halt(step, &plan, &watched.ended, watched.cut);
        Ok((result, halt))
    }

    fn halt(
        &self,
        step: &StepSpec,
        plan: &confine::Plan,
        ended: &confine::Ended,
        cut: Option<Cut>,
    ) -> Option<Halt> {
        let (kind, message) = match cut {
            Some(Cut::Cancelled) => return Some(Halt::Cancelled),
            Some(Cut::Timeout) => (
                FailureKind::Timeout,
                format!(
                    "took longer than {} s; raise `timeout` or do less",
                    step.timeout_s
                ),
            ),
            Some(Cut::Memory) => (
                FailureKind::OutOfMemory,
                diagnose::out_of_memory(step.memory_bytes),
            ),
            Some(Cut::Disk) => (
                FailureKind::DiskQuota,
                format!(
                    "wrote more than {} MiB; write less, or clean up while running",
                    self.spec.limits.disk_bytes >> 20
                ),
            ),
            None if ended.exit_code == Some(0) => return None,
            None => diagnose::cause(&Evidence {
                ended,
                lines: &self.journal.last_lines(&step.name),
                network: plan.network,
                may_have_network: self.spec.kind != StageKind::Evaluate,
                memory_bytes: step.memory_bytes,
            }),
        };
        Some(Halt::Failed(Failure {
            kind,
            step: step.name.clone(),
            message,
        }))
    }

    async fn probe(&self, probe: &ServeProbe, gathered: &mut Gathered) -> Result<(), Failure> {
        let cannot = |error: std::io::Error| {
            failure(FailureKind::Agent, format!("no port is free: {error}"))
        };
        let port = serve::free_port().map_err(cannot)?;
        let asked = Asked {
            argv: &probe.run,
            env: &probe.env,
            cpu_millis: probe.cpu_millis,
            memory_bytes: probe.memory_bytes,
            model: probe.model.as_deref(),
            network: false,
            bind_port: Some(port),
        };
        let plan = self
            .place
            .plan(&self.spec, gathered.prepared.as_ref(), &asked)?;
        if !plan.confinement.can_hold_ports() {
            self.journal.line(
                "serve",
                "this kernel cannot keep the server from other ports",
            );
        }
        let journal = self.journal.clone();
        let lines: serve::Lines = Arc::new(move |line| journal.line("serve", line));
        let mut server = serve::start(&self.me, &plan, &self.place.scratch(), lines).await?;
        let ready = server
            .wait_ready(&probe.ready, Duration::from_secs(probe.ready_timeout_s))
            .await;
        let probed = match ready {
            Ok(took) => {
                let mut result = serve::verify(server.addr(), &probe.sample_sets).await;
                result.ready_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                Ok(result)
            }
            Err(failure) => Err(failure),
        };
        server.stop(STOP_GRACE).await;
        let result = gathered.probe.insert(probed?);
        match &result.first_mismatch {
            None => Ok(()),
            Some(first) => Err(Failure {
                kind: FailureKind::Mismatch,
                step: "serve".to_owned(),
                message: format!(
                    "{} of {} answers differ from the samples; {first}",
                    result.mismatched, result.compared
                ),
            }),
        }
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
