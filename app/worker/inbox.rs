//! From deliveries to wakes: what was seen, and who should look.

use super::{Rooms, Trouble, now_ms, wait};
use crate::git::tree::TextAt;
use crate::github::error::ApiError;
use crate::github::{event, heard};
use crate::store::Delivery;
use bowsprit_core::contract::{self, Contract};
use bowsprit_core::effect::Wake;
use bowsprit_core::name::{BranchName, CommitSha, Repo};
use bowsprit_core::seen::Seen;
use bowsprit_core::subject::route::{self, Known};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Deliveries understood at once.
const AT_ONCE: usize = 16;

/// The inbox is looked at again after this, whatever happens.
const IDLE: Duration = Duration::from_secs(2);

pub(super) async fn run(rooms: Arc<Rooms>, stop: CancellationToken) {
    let slots = Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
    let tasks = TaskTracker::new();
    while !stop.is_cancelled() {
        let free = slots.available_permits().max(1);
        let claimed = match rooms.store.claim_deliveries(now_ms(), free).await {
            Ok(claimed) => claimed,
            Err(error) => {
                tracing::error!("cannot claim deliveries: {error:#}");
                Vec::new()
            }
        };
        if claimed.is_empty() {
            wait(rooms.store.inbox_changed(), IDLE, &stop).await;
            continue;
        }
        for delivery in claimed {
            let Ok(slot) = slots.clone().acquire_owned().await else {
                return;
            };
            let rooms = rooms.clone();
            tasks.spawn(async move {
                handle(&rooms, delivery).await;
                drop(slot);
            });
        }
    }
    tasks.close();
    tasks.wait().await;
}

async fn handle(rooms: &Rooms, delivery: Delivery) {
    let (id, guid) = (delivery.id, delivery.guid.clone());
    let outcome = understand(rooms, &delivery).await;
    let stored = match outcome {
        Ok((wakes, note)) => {
            tracing::info!(delivery.id = %guid, event = %delivery.event, wakes = wakes.len(), "delivery `{guid}` understood");
            rooms.store.finish_delivery(id, wakes, note).await
        }
        Err(trouble) => {
            tracing::warn!(delivery.id = %guid, event = %delivery.event, "delivery `{guid}` will be tried again: {trouble}");
            rooms
                .store
                .fail_delivery(id, &trouble.to_string(), now_ms())
                .await
        }
    };
    if let Err(error) = stored {
        tracing::error!(delivery.id = %guid, "cannot note delivery `{guid}`: {error:#}");
    }
}

async fn understand(
    rooms: &Rooms,
    delivery: &Delivery,
) -> Result<(Vec<Wake>, Option<String>), Trouble> {
    if let Some(heard) = heard::heard(&delivery.event, &delivery.body, &rooms.bot) {
        rooms.github.memory().hear(heard, now_ms());
    }
    let seen = match event::seen(&delivery.event, &delivery.body) {
        Ok(seen) => seen,
        // A body that cannot be read will not be readable the next time either.
        Err(why) => return Ok((Vec::new(), Some(why))),
    };
    let mut wakes = Vec::new();
    for one in &seen {
        if *one == Seen::Installation {
            super::tick::repositories(rooms).await?;
            wakes.extend(super::tick::everybody(rooms).await?);
            continue;
        }
        let Some(repo) = place_of(one) else { continue };
        let known = match known(rooms, repo, one).await {
            Err(Trouble::Unknown(_)) => {
                // First word of a repository: ask which ones are ours before giving up.
                let unlisted = super::tick::repositories(rooms).await?;
                match known(rooms, repo, one).await {
                    Err(Trouble::Unknown(id)) => {
                        // It may belong to the installation that could not be listed now.
                        if let Some(passing @ ApiError::Retry { .. }) = unlisted {
                            return Err(passing.into());
                        }
                        return Ok((
                            Vec::new(),
                            Some(format!("no installation shows repository {id}")),
                        ));
                    }
                    other => other?,
                }
            }
            other => other?,
        };
        wakes.extend(route::wakes(one, &known, &delivery.guid));
    }
    Ok((wakes, None))
}

fn place_of(seen: &Seen) -> Option<&Repo> {
    match seen {
        Seen::Push { repo, .. }
        | Seen::Pull { repo, .. }
        | Seen::Talk { repo, .. }
        | Seen::Rerun { repo, .. }
        | Seen::Context { repo, .. }
        | Seen::Issue { repo } => Some(repo),
        Seen::Installation | Seen::Nothing => None,
    }
}

/// What routing must know, and no more: a comment costs no git.
async fn known(rooms: &Rooms, repo: &Repo, seen: &Seen) -> Result<Known, Trouble> {
    let (view, _) = rooms.known(repo.id).await?;
    let mut known = Known {
        default_branch: Some(view.default_branch.clone()),
        ..Known::default()
    };
    match seen {
        Seen::Push { branch, head, .. } => {
            known.active_runs = rooms.store.active_runs(repo.id, branch).await?;
            known.environments = environments(rooms, repo).await?;
            known.open_pulls = rooms.store.open_pulls(repo.id).await?;
            known.contract =
                contract_of(rooms, repo, &view.default_branch, branch, head.as_ref()).await?;
        }
        Seen::Rerun { sha, run, .. } => {
            known.runs = rooms.store.runs_at(repo.id, sha).await?;
            let mut run = run.iter();
            if run.any(|(id, _)| route::is_forgotten(id, &known)) {
                let place = rooms.place(repo).await?;
                known.head = place.head(&view.default_branch).await?;
            }
        }
        Seen::Context { sha, .. } => {
            known.open_pulls = rooms.store.pulls_at(repo.id, sha).await?;
        }
        Seen::Issue { .. } => {
            let ready = rooms.store.ready_pulls(repo.id).await?;
            known.open_pulls = ready.into_iter().map(|(number, _)| number).collect();
        }
        Seen::Pull { .. } | Seen::Talk { .. } | Seen::Installation | Seen::Nothing => {}
    }
    Ok(known)
}

async fn environments(
    rooms: &Rooms,
    repo: &Repo,
) -> Result<Vec<bowsprit_core::name::Slug>, Trouble> {
    let all = rooms.store.environments(repo.id).await?;
    Ok(all
        .into_iter()
        .filter(|environment| !environment.is_gone)
        .map(|environment| environment.name)
        .collect())
}

/// The contract at the head of the default branch, after a push to it or to another branch.
async fn contract_of(
    rooms: &Rooms,
    repo: &Repo,
    default: &BranchName,
    branch: &BranchName,
    head: Option<&CommitSha>,
) -> Result<Option<Contract>, Trouble> {
    let tip = match head.filter(|_| branch == default) {
        Some(head) => Some(head.clone()),
        None => rooms.place(repo).await?.head(default).await?,
    };
    let Some(tip) = tip else { return Ok(None) };
    contract_at(rooms, repo, &tip).await
}

/// A good contract at a commit, if there is one.
pub(super) async fn contract_at(
    rooms: &Rooms,
    repo: &Repo,
    sha: &CommitSha,
) -> Result<Option<Contract>, Trouble> {
    rooms.ensure(repo, &[sha]).await?;
    Ok(match rooms.mirrors.contract_text(repo.id, sha).await? {
        TextAt::Text(text) => contract::parse(&text).ok(),
        TextAt::Missing | TextAt::Unusable(_) => None,
    })
}
