//! What commands run in: the software of the stage, or the image around this process.

use super::place::failure;
use super::stage::{Gathered, Halt, Stage};
use super::turn::Runtime;
use crate::runtime::{self, Prepared};
use bowsprit_core::training::spec::{FailureKind, Phase};
use std::time::Duration;

impl Stage {
    /// What commands run in here: the image that the steps name, else the software of the stage where it is needed.
    pub(super) async fn equip(&mut self, gathered: &mut Gathered) -> Result<(), Halt> {
        if let Some(image) = &self.turn.part.image {
            self.journal
                .line("prepare", &format!("image {image}: named by its steps"));
            gathered.prepared = Some(runtime::of_image(image));
            return Ok(());
        }
        let is_idle = self.turn.part.steps.is_empty() && self.spec.serve.is_none();
        if is_idle && !self.turn.is_first() {
            return Ok(());
        }
        gathered.prepared = self.prepare().await?;
        let prepared = gathered.prepared.as_ref();
        gathered.runtime = gathered.runtime.take().or(prepared.map(|prepared| Runtime {
            hash: prepared.hash.clone(),
            cached: prepared.cached,
        }));
        Ok(())
    }

    async fn prepare(&mut self) -> Result<Option<Prepared>, Halt> {
        let Some(wanted) = self.spec.runtime.clone() else {
            return Ok(None);
        };
        self.journal.phase(Phase::Preparing, None);
        let journal = self.journal.clone();
        let mut log = |line: &str| journal.line("prepare", line);
        let work = self.place.work();
        let order = runtime::Order {
            runtime: &wanted,
            snapshot_dir: &work,
            cache_dir: self.spec.cache_dir.as_ref(),
            trust: self.spec.trust,
            me: &self.me,
            confinement: &self.place.confinement,
        };
        let preparing = runtime::prepare(order, &mut log);
        let limit = Duration::from_secs(self.spec.limits.prepare_timeout_s);
        tokio::select! {
            prepared = tokio::time::timeout(limit, preparing) => match prepared {
                Ok(prepared) => Ok(Some(prepared?)),
                Err(_) => Err(failure(
                    FailureKind::Timeout,
                    format!("preparing the runtime took longer than {} s", limit.as_secs()),
                ).into()),
            },
            _ = self.cancelled.wait_for(|is_so| *is_so) => Err(Halt::Cancelled),
        }
    }
}
