//! From an order to a server that answers as it should; nothing is switched here.
//!
//! The steps always come in this order: fetch, hash every model byte again, start, wait until ready, verify.

use super::desk::{self, Desk};
use super::hands::{self, Server, Yard};
use super::integrity;
use super::log::{Log, ServerLog};
use super::upstream::ModelFiles;
use crate::serve;
use bowsprit_core::artifact;
use bowsprit_core::name::{Digest, Slug};
use bowsprit_core::serving::spec::{ServeSpec, ServerSpec, Serving};
use bowsprit_core::training::spec::{ModelInput, ProbeResult};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// What a rollout needs beside its order.
#[derive(Debug, Clone)]
pub(crate) struct Shop {
    /// Where releases are laid out.
    pub(crate) desk: Desk,
    /// Where lines go.
    pub(crate) log: Arc<Log>,
    /// Where servers are started.
    pub(crate) yard: Arc<Yard>,
}

/// Whether the answers are held against the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Care {
    /// A new release: yes.
    Verify,
    /// One that was verified before it went live.
    Trust,
}

/// A server that is ready to be switched to.
pub(crate) struct Ready {
    /// The process.
    pub(crate) server: Server,
    /// What it serves; `since_ms` is set at the switch.
    pub(crate) serving: Serving,
    /// Its model files.
    pub(crate) models: BTreeMap<Slug, ModelFiles>,
}

/// Why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Miss {
    /// For a person.
    pub(crate) reason: String,
    /// Whether trying once more is of no use: bytes are not what they should be.
    pub(crate) is_final: bool,
}

/// How far an attempt is.
pub(crate) enum Progress {
    /// Ready, and now held against its samples.
    Verifying,
    /// Over.
    Over(Result<Box<Ready>, Miss>),
}

/// A rollout under way; dropped, it ends, and its server with it.
pub(crate) struct Attempt {
    progress: mpsc::Receiver<Progress>,
    task: AbortHandle,
}

impl Attempt {
    /// Begins.
    pub(crate) fn begin(shop: &Shop, spec: &ServeSpec, care: Care) -> Attempt {
        let (say, progress) = mpsc::channel(2);
        let (shop, spec) = (shop.clone(), spec.clone());
        let task = tokio::spawn(async move {
            let result = attempt(&shop, &spec, care, &say).await;
            // Nobody listens to a rollout that was superseded.
            let _ = say.send(Progress::Over(result.map(Box::new))).await;
        });
        Attempt {
            progress,
            task: task.abort_handle(),
        }
    }

    /// What happens next.
    pub(crate) async fn next(&mut self) -> Progress {
        self.progress.recv().await.unwrap_or_else(|| {
            Progress::Over(Err(Miss {
                reason: "the rollout broke off".to_owned(),
                is_final: false,
            }))
        })
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn attempt(
    shop: &Shop,
    spec: &ServeSpec,
    care: Care,
    say: &mpsc::Sender<Progress>,
) -> Result<Ready, Miss> {
    let server = spec
        .server
        .as_ref()
        .ok_or_else(|| again("the order names no server"))?;
    let dir = shop.desk.release_dir(&spec.release);
    fetch(shop, server, &dir).await.map_err(|reason| Miss {
        reason,
        is_final: true,
    })?;
    let models = hash_again(server, &dir).await.map_err(|reason| {
        // What is left there is not used again: the next order fetches anew.
        let _ = std::fs::remove_file(dir.join(desk::FETCHED));
        Miss {
            reason,
            is_final: true,
        }
    })?;

    let lines = ServerLog::new(&shop.log);
    let mut process = shop.yard.start(server, &dir, &lines).await.map_err(again)?;
    let patience = Duration::from_secs(server.ready_timeout_s);
    if let Err(reason) = process.wait_ready(&server.ready, patience).await {
        process.stop(Duration::ZERO).await;
        return Err(again(format!("{reason}{}", lines.tail())));
    }
    let mut serving = describe(spec, server);
    if care == Care::Verify {
        let _ = say.send(Progress::Verifying).await;
        let probe = serve::verify(process.addr(), &server.sample_sets).await;
        if let Some(reason) = complaint(&probe) {
            process.stop(Duration::ZERO).await;
            return Err(again(reason));
        }
        serving.p50_us = probe.p50_us;
        serving.p95_us = probe.p95_us;
    }
    Ok(Ready {
        server: process,
        serving,
        models,
    })
}

fn again(reason: impl Into<String>) -> Miss {
    Miss {
        reason: reason.into(),
        is_final: false,
    }
}

fn describe(spec: &ServeSpec, server: &ServerSpec) -> Serving {
    let version = |model: &ModelInput| Some((Slug::parse(&model.name).ok()?, model.version?));
    Serving {
        release: spec.release.clone(),
        since_ms: 0,
        versions: server.models.iter().filter_map(version).collect(),
        digests: server.digests.clone(),
        p50_us: 0,
        p95_us: 0,
    }
}

fn complaint(probe: &ProbeResult) -> Option<String> {
    (probe.mismatched > 0).then(|| {
        let first = probe
            .first_mismatch
            .as_deref()
            .unwrap_or("the difference was not noted");
        format!(
            "{} of {} samples were answered otherwise: {first}",
            probe.mismatched, probe.compared
        )
    })
}

/// What lies in the directory of a release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Fetched {
    snapshot: Digest,
    models: BTreeMap<String, Digest>,
}

async fn fetch(shop: &Shop, server: &ServerSpec, dir: &Path) -> Result<(), String> {
    if server.in_image.is_some() {
        return Ok(());
    }
    let fetched = Fetched {
        snapshot: server.snapshot.sha256.clone(),
        models: server
            .models
            .iter()
            .map(|model| (model.name.clone(), artifact::digest(&model.files)))
            .collect(),
    };
    let note = dir.join(desk::FETCHED);
    if matches!(desk::read::<Fetched>(&note), Ok(Some(have)) if have == fetched) {
        return Ok(());
    }
    shop.yard.lay_out(server, dir).await?;
    desk::write(&note, &fetched).map_err(|error| format!("{error:#}"))
}

async fn hash_again(server: &ServerSpec, dir: &Path) -> Result<BTreeMap<Slug, ModelFiles>, String> {
    let (dir, models, digests) = (
        hands::models_dir(server, dir),
        server.models.clone(),
        server.digests.clone(),
    );
    tokio::task::spawn_blocking(move || integrity::check(&dir, &models, &digests))
        .await
        .unwrap_or_else(|_| Err("hashing the model broke off".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_told_with_its_sample() {
        let mut probe = ProbeResult {
            compared: 20,
            mismatched: 0,
            first_mismatch: None,
            ready_ms: 1,
            p50_us: 1,
            p95_us: 1,
            openapi: true,
        };
        assert_eq!(complaint(&probe), None);
        probe.mismatched = 3;
        probe.first_mismatch = Some("sample 4: `label` is 7, expected 1".to_owned());
        assert_eq!(
            complaint(&probe).unwrap(),
            "3 of 20 samples were answered otherwise: sample 4: `label` is 7, expected 1"
        );
    }
}
