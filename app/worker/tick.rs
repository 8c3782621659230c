//! The clock: repositories, failed deliveries, and everybody looked at again. Without webhooks it is the only ear.

use super::{Rooms, Trouble, now_ms};
use crate::github::error::ApiError;
use bowsprit_core::effect::Wake;
use bowsprit_core::subject::route::{self, Known};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Failed deliveries older than this cannot be had again. Units: milliseconds.
const REDELIVERY_WINDOW_MS: i64 = 3 * 24 * 3_600_000;

/// Working files of a stage that is over are kept this long for whoever wants to look.
const KEPT: Duration = Duration::from_secs(3_600);

/// Most deliveries asked for again in one tick.
const REDELIVERIES_MAX: usize = 100;

pub(super) async fn run(rooms: Arc<Rooms>, stop: CancellationToken) {
    loop {
        if let Err(trouble) = tick(&rooms).await {
            tracing::warn!("the tick will be tried again: {trouble}");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(rooms.every) => {}
        }
    }
}

async fn tick(rooms: &Rooms) -> Result<(), Trouble> {
    rooms.runs.sweep(KEPT).await;
    rooms.releases.sweep().await;
    if let Some(images) = &rooms.images {
        images.sweep().await;
    }
    repositories(rooms).await?;
    rooms.github.memory().doubt_all();
    rooms.store.wake(everybody(rooms).await?).await?;
    redeliver(rooms).await
}

/// Asks GitHub which repositories are ours.
pub(super) async fn repositories(rooms: &Rooms) -> Result<(), Trouble> {
    let installations = rooms.github.installations().await?;
    for known in rooms.store.installations().await? {
        if !installations.iter().any(|seen| seen.id == known.id) {
            rooms.store.remove_installation(known.id).await?;
        }
    }
    for installation in installations {
        rooms
            .store
            .put_installation(
                installation.id,
                installation.account.as_str(),
                installation.is_suspended,
            )
            .await?;
        if installation.is_suspended {
            continue;
        }
        for view in rooms.github.repositories(installation.id).await? {
            rooms.store.put_repository(&view, installation.id).await?;
        }
    }
    Ok(())
}

/// Everybody who lives in a repository of ours, and the run that the default branch's head may want.
pub(super) async fn everybody(rooms: &Rooms) -> Result<Vec<Wake>, Trouble> {
    let mut wakes = Vec::new();
    for (view, _) in rooms.store.repositories().await? {
        let place = rooms.place(&view.repo).await?;
        let Some(head) = place.head(&view.default_branch).await? else {
            continue;
        };
        let known = Known {
            default_branch: Some(view.default_branch.clone()),
            contract: super::inbox::contract_at(rooms, &view.repo, &head).await?,
            open_pulls: open_pulls(rooms, &view.repo).await?,
            environments: rooms
                .store
                .environments(view.repo.id)
                .await?
                .into_iter()
                .filter(|e| !e.is_gone)
                .map(|e| e.name)
                .collect(),
            runs: Vec::new(),
            active_runs: rooms
                .store
                .active_runs(view.repo.id, &view.default_branch)
                .await?,
        };
        wakes.extend(route::everybody(&view.repo, &known));
        if matches!(
            known.contract,
            Some(bowsprit_core::contract::Contract::Training(_))
        ) {
            wakes.push(route::run_for_push(
                &view.repo,
                &view.default_branch,
                &head,
                None,
            ));
        }
    }
    Ok(wakes)
}

/// Pull requests open at GitHub now, and those that we still think open.
async fn open_pulls(
    rooms: &Rooms,
    repo: &bowsprit_core::name::Repo,
) -> Result<Vec<bowsprit_core::name::PrNumber>, Trouble> {
    let mut numbers = rooms.place(repo).await?.open_pulls().await?;
    numbers.extend(rooms.store.open_pulls(repo.id).await?);
    numbers.sort();
    numbers.dedup();
    Ok(numbers)
}

/// Asks GitHub to send again what did not reach us.
async fn redeliver(rooms: &Rooms) -> Result<(), Trouble> {
    let since_ms = now_ms() - REDELIVERY_WINDOW_MS;
    for failed in rooms
        .github
        .failed_deliveries(since_ms)
        .await?
        .into_iter()
        .take(REDELIVERIES_MAX)
    {
        if rooms.store.has_delivery(&failed.guid).await? {
            continue;
        }
        let key = format!("redelivered:{}", failed.guid);
        if rooms.store.kv(&key).await?.is_none() {
            // Noted afterwards: who dies in between asks twice, and a delivery is known by its guid.
            // What GitHub will never give is asked for once, lest it keep the others from being asked for.
            match rooms.github.redeliver(failed.id).await {
                Err(error @ ApiError::Retry { .. }) => return Err(error.into()),
                Err(error) => {
                    tracing::warn!(delivery.id = %failed.guid, "delivery `{}` cannot be had again: {error}", failed.guid);
                }
                Ok(()) => {}
            }
            rooms.store.put_kv(&key, "1").await?;
        }
    }
    Ok(())
}
