//! Effects: tried by priority, looked for before they are repeated, their outcome noted.

use super::software::{self, Resolved};
use super::{Rooms, Trouble, now_ms, part, wait};
use crate::git::snapshot::Part;
use crate::github::apply;
use crate::github::error::ApiError;
use crate::store::EffectClaim;
use bowsprit_core::artifact::EVIDENCE_BYTES_MAX;
use bowsprit_core::effect::{DeployPlan, Effect, EffectResult, EffectState, Intent, StagePlan};
use bowsprit_core::name::{CommitSha, Digest, Repo};
use bowsprit_core::training::spec::Source;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Effects at work at once.
const AT_ONCE: usize = 20;

/// The outbox is looked at again after this, whatever happens.
const IDLE: Duration = Duration::from_secs(1);

pub(super) async fn run(rooms: Arc<Rooms>, stop: CancellationToken) {
    let slots = Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
    let tasks = TaskTracker::new();
    while !stop.is_cancelled() {
        let Ok(slot) = slots.clone().acquire_owned().await else {
            break;
        };
        drop(slot);
        let claimed = match rooms
            .store
            .claim_effects(now_ms(), slots.available_permits().max(1))
            .await
        {
            Ok(claimed) => claimed,
            Err(error) => {
                tracing::error!("cannot claim effects: {error:#}");
                Vec::new()
            }
        };
        if claimed.is_empty() {
            wait(rooms.store.outbox_changed(), IDLE, &stop).await;
            continue;
        }
        for claim in claimed {
            let Ok(slot) = slots.clone().acquire_owned().await else {
                return;
            };
            let rooms = rooms.clone();
            tasks.spawn(async move {
                handle(&rooms, claim).await;
                drop(slot);
            });
        }
    }
    tasks.close();
    tasks.wait().await;
}

async fn handle(rooms: &Rooms, claim: EffectClaim) {
    let key = claim.key.clone();
    let kind = crate::store::kind_of(&claim.effect);
    let stored = match perform(rooms, &claim).await {
        Ok(result) => {
            let state = match &result {
                EffectResult::Refused { .. } | EffectResult::Taken => EffectState::Refused,
                EffectResult::Nothing
                | EffectResult::Proposed { .. }
                | EffectResult::Merged { .. } => EffectState::Done,
            };
            tracing::info!(effect.kind = kind, effect.key = %key, state = ?state, "effect `{key}`: {state:?}");
            rooms.store.finish_effect(&claim, state, result).await
        }
        Err(trouble) => failed(rooms, &claim, trouble).await,
    };
    if let Err(error) = stored {
        tracing::error!(effect.key = %key, "cannot note effect `{key}`: {error:#}");
    }
}

async fn failed(rooms: &Rooms, claim: &EffectClaim, trouble: Trouble) -> anyhow::Result<()> {
    let words = trouble.to_string();
    if let Trouble::Api(error @ (ApiError::NotFound | ApiError::Refused { .. })) = &trouble {
        tracing::warn!(effect.key = %claim.key, "effect `{}` was refused: {words}", claim.key);
        let result = EffectResult::Refused {
            reason: error.words(),
        };
        return rooms
            .store
            .finish_effect(claim, EffectState::Refused, result)
            .await;
    }
    // Waiting for the write budget, or for an image, is nobody's failure; it does not count as a try.
    let counts = !matches!(
        &trouble,
        Trouble::Api(ApiError::Retry { .. }) | Trouble::Waiting(_)
    );
    let now_ms = now_ms();
    let age_ms = now_ms - claim.wanted_ms;
    let at_ms = now_ms
        + trouble
            .retry_after_ms(claim.attempts)
            .max(trouble.growing_ms(age_ms));
    if let Trouble::Waiting(_) = &trouble {
        tracing::debug!(effect.key = %claim.key, "effect `{}` waits: {words}", claim.key);
        return rooms.store.retry_effect(claim, &words, at_ms, counts).await;
    }
    tracing::warn!(effect.key = %claim.key, "effect `{}` will be tried again: {words}", claim.key);
    rooms.store.retry_effect(claim, &words, at_ms, counts).await
}

async fn perform(rooms: &Rooms, claim: &EffectClaim) -> Result<EffectResult, Trouble> {
    match &claim.effect {
        Effect::StatusComment { repo, .. }
        | Effect::Labels { repo, .. }
        | Effect::React { repo, .. }
        | Effect::Reply { repo, .. }
        | Effect::Note { repo, .. }
        | Effect::Edit { repo, .. }
        | Effect::Enqueue { repo, .. }
        | Effect::Merge { repo, .. } => at_github(rooms, claim, repo).await,
        Effect::Status(status) => at_github(rooms, claim, &status.repo).await,
        Effect::CheckRun(check) => at_github(rooms, claim, &check.repo).await,
        Effect::Propose(propose) => at_github(rooms, claim, &propose.repo).await,
        Effect::Deployment(deployment) => at_github(rooms, claim, &deployment.repo).await,
        Effect::StartStage(plan) => start_stage(rooms, plan).await,
        Effect::CancelStage { stage } => {
            rooms.runs.cancel(stage).await?;
            Ok(EffectResult::Nothing)
        }
        Effect::Deploy(plan) => deploy(rooms, plan).await,
        Effect::Remove { repo, environment } => {
            rooms.releases.remove(repo.id, environment).await?;
            Ok(EffectResult::Nothing)
        }
        Effect::RemoveBytes {
            repo,
            model,
            version,
        } => {
            super::retention::remove_bytes(rooms, (repo.id, model), *version).await?;
            Ok(EffectResult::Nothing)
        }
    }
}

async fn at_github(
    rooms: &Rooms,
    claim: &EffectClaim,
    repo: &Repo,
) -> Result<EffectResult, Trouble> {
    let place = rooms.place(repo).await?;
    let artifacts = rooms.artifacts.clone();
    let content = move |digest: Digest| -> BoxFuture<'static, anyhow::Result<Vec<u8>>> {
        let artifacts = artifacts.clone();
        Box::pin(async move { Ok(artifacts.read(&digest, EVIDENCE_BYTES_MAX).await?.to_vec()) })
    };
    let desk = apply::Desk {
        texts: &rooms.texts,
        public_url: &rooms.public_url,
        content: &content,
        is_first: claim.is_first(),
    };
    let intent = Intent {
        key: claim.key.clone(),
        is_view: claim.is_view,
        priority: claim.priority,
        effect: claim.effect.clone(),
    };
    Ok(apply::apply(&place, &intent, &desk).await?)
}

async fn start_stage(rooms: &Rooms, plan: &StagePlan) -> Result<EffectResult, Trouble> {
    let snapshot = snapshot(rooms, &plan.repo, &plan.sha, part(plan), &plan.stage).await?;
    match software::resolve(rooms, plan, &snapshot).await? {
        Resolved::Ready(runtime) => {
            let plan = StagePlan {
                runtime,
                ..plan.clone()
            };
            Ok(started(rooms.runs.start(&plan, snapshot).await)?)
        }
        Resolved::Refused(reason) => {
            crate::hands::drop_snapshot(&snapshot);
            Ok(EffectResult::Refused { reason })
        }
    }
}

async fn deploy(rooms: &Rooms, plan: &DeployPlan) -> Result<EffectResult, Trouble> {
    let name = format!("{}-{}", plan.repo.id, plan.release);
    let snapshot = snapshot(rooms, &plan.repo, &plan.commit, Part::default(), &name).await?;
    match software::of_release(rooms, plan, &snapshot).await? {
        Resolved::Ready(image) => {
            let plan = DeployPlan {
                image,
                ..plan.clone()
            };
            Ok(started(rooms.releases.deploy(&plan, snapshot).await)?)
        }
        Resolved::Refused(reason) => {
            crate::hands::drop_snapshot(&snapshot);
            Ok(EffectResult::Refused { reason })
        }
    }
}

fn started(outcome: Result<(), crate::hands::StartError>) -> anyhow::Result<EffectResult> {
    match outcome {
        Ok(()) => Ok(EffectResult::Nothing),
        Err(crate::hands::StartError::Refused(reason)) => Ok(EffectResult::Refused { reason }),
        Err(crate::hands::StartError::Retry(error)) => Err(error),
    }
}

/// A tar of a repository at a commit, kept under `name`.
async fn snapshot(
    rooms: &Rooms,
    repo: &Repo,
    sha: &CommitSha,
    part: Part<'_>,
    name: &str,
) -> Result<Source, Trouble> {
    rooms.ensure(repo, &[sha]).await?;
    let at = (repo.id, sha);
    Ok(super::snapshot(&rooms.mirrors, at, part, (&rooms.snapshots, name)).await?)
}
