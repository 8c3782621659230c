//! The clock: repositories, failed deliveries, and everybody looked at again. Without webhooks it is the only ear.

use super::{Rooms, Trouble, now_ms};
use crate::github::error::{ApiError, Scope};
use bowsprit_core::contract::Contract;
use bowsprit_core::effect::Wake;
use bowsprit_core::name::{PrNumber, Repo};
use bowsprit_core::subject::ask::RepoView;
use bowsprit_core::subject::route::{self, Known};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Failed deliveries older than this cannot be had again. Units: milliseconds.
const REDELIVERY_WINDOW_MS: i64 = 3 * 24 * 3_600_000;

/// Working files of a stage that is over are kept this long for whoever wants to look.
const KEPT: Duration = Duration::from_secs(3_600);

/// Most deliveries asked for again in one tick.
const REDELIVERIES_MAX: usize = 100;

/// A repository is looked at again so often where the budget of calls is spent.
const PATIENCE: usize = 3;

/// A longer wait is for a person, or for the next tick. Units: milliseconds.
const PATIENCE_MS: i64 = 61_000;

/// One delivery is asked for so often.
const REDELIVERY_TRIES_MAX: u32 = 5;

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

/// Asks GitHub which repositories are ours, and forgets those that no installation shows any more.
///
/// An installation that cannot be listed keeps its repositories, and keeps no other from being listed; says why it could not.
pub(super) async fn repositories(rooms: &Rooms) -> Result<Option<ApiError>, Trouble> {
    let installations = rooms.github.installations().await?;
    for known in rooms.store.installations().await? {
        if !installations.iter().any(|seen| seen.id == known.id) {
            rooms.store.remove_installation(known.id).await?;
        }
    }
    let (mut listed, mut shown) = (BTreeSet::new(), BTreeSet::new());
    let mut refused = None;
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
        let views = match rooms.github.repositories(installation.id).await {
            Ok(views) => views,
            Err(error) => {
                let account = &installation.account;
                tracing::warn!(
                    installation.id = installation.id,
                    "the repositories of `{account}` cannot be listed and stay as they were known: {error}"
                );
                refused.get_or_insert(error);
                continue;
            }
        };
        for view in views {
            rooms.store.put_repository(&view, installation.id).await?;
            shown.insert(view.repo.id);
        }
        listed.insert(installation.id);
    }
    for (view, installation) in rooms.store.repositories().await? {
        if listed.contains(&installation) && !shown.contains(&view.repo.id) {
            tracing::info!("`{}` is no longer shown to this App", view.repo.name);
            rooms.store.remove_repository(view.repo.id).await?;
        }
    }
    Ok(refused)
}

/// Everybody who lives in a repository of ours, and the run that the default branch's head may want.
///
/// A repository that cannot be looked at, as one of a suspended installation, keeps nobody else from it.
pub(super) async fn everybody(rooms: &Rooms) -> Result<Vec<Wake>, Trouble> {
    let mut wakes = Vec::new();
    let installations = rooms.store.installations().await?;
    let suspended = installations.iter().filter(|one| one.is_suspended);
    let suspended: BTreeSet<u64> = suspended.map(|one| one.id).collect();
    for (view, installation) in rooms.store.repositories().await? {
        if suspended.contains(&installation) {
            continue;
        }
        match patiently(rooms, &view).await {
            Ok(of_one) => wakes.extend(of_one),
            Err(trouble) => {
                tracing::warn!("`{}` cannot be looked at: {trouble}", view.repo.name);
            }
        }
    }
    Ok(wakes)
}

/// As [`residents`], and waits where the budget of calls is spent for a moment: there may be many repositories.
async fn patiently(rooms: &Rooms, view: &RepoView) -> Result<Vec<Wake>, Trouble> {
    for _ in 0..PATIENCE {
        match residents(rooms, view).await {
            Err(Trouble::Api(ApiError::Retry {
                after_ms: Some(after_ms),
                scope: Scope::Installation,
            })) if after_ms <= PATIENCE_MS => {
                let wait = u64::try_from(after_ms).unwrap_or_default();
                tokio::time::sleep(Duration::from_millis(wait)).await;
            }
            other => return other,
        }
    }
    residents(rooms, view).await
}

/// Everybody who lives in a repository.
async fn residents(rooms: &Rooms, view: &RepoView) -> Result<Vec<Wake>, Trouble> {
    let place = rooms.place(&view.repo).await?;
    let Some(head) = place.head(&view.default_branch).await? else {
        return Ok(Vec::new());
    };
    let environments = rooms.store.environments(view.repo.id).await?;
    let known = Known {
        default_branch: Some(view.default_branch.clone()),
        contract: super::inbox::contract_at(rooms, &view.repo, &head).await?,
        open_pulls: open_pulls(rooms, &view.repo).await?,
        environments: environments
            .into_iter()
            .filter(|e| !e.is_gone)
            .map(|e| e.name)
            .collect(),
        head: Some(head.clone()),
        runs: Vec::new(),
        active_runs: rooms
            .store
            .active_runs(view.repo.id, &view.default_branch)
            .await?,
    };
    let mut wakes = route::everybody(&view.repo, &known);
    if matches!(known.contract, Some(Contract::Training(_))) {
        let branch = &view.default_branch;
        wakes.push(route::run_for_push(&view.repo, branch, &head, None));
    }
    Ok(wakes)
}

/// Pull requests open at GitHub now, and those that we still think open.
async fn open_pulls(rooms: &Rooms, repo: &Repo) -> Result<Vec<PrNumber>, Trouble> {
    let mut numbers = rooms.place(repo).await?.open_pulls().await?;
    numbers.extend(rooms.store.open_pulls(repo.id).await?);
    numbers.sort();
    numbers.dedup();
    Ok(numbers)
}

/// Asks GitHub to send again what did not reach us.
async fn redeliver(rooms: &Rooms) -> Result<(), Trouble> {
    let since_ms = now_ms() - REDELIVERY_WINDOW_MS;
    let mut left = REDELIVERIES_MAX;
    for failed in rooms.github.failed_deliveries(since_ms).await? {
        let key = format!("redelivered:{}", failed.guid);
        let asked = Asked::parse(rooms.store.kv(&key).await?.as_deref());
        if left == 0 || !asked.may_ask_for(failed.id) {
            continue;
        }
        if rooms.store.has_delivery(&failed.guid).await? {
            continue;
        }
        left -= 1;
        // Noted afterwards: who dies in between asks twice, and a delivery is known by its guid.
        // What GitHub will never give is asked for once, lest it keep the others from being asked for.
        let tries = match rooms.github.redeliver(failed.id).await {
            Err(error @ ApiError::Retry { .. }) => return Err(error.into()),
            Err(error) => {
                tracing::warn!(delivery.id = %failed.guid, "delivery `{}` cannot be had again: {error}", failed.guid);
                REDELIVERY_TRIES_MAX
            }
            Ok(()) => asked.tries + 1,
        };
        let attempt = failed.id;
        let asked = Asked {
            tries,
            attempt,
            at_ms: now_ms(),
        };
        rooms.store.put_kv(&key, &asked.to_string()).await?;
    }
    Ok(())
}

/// How often a delivery was asked for again, for which attempt last, and when: old notes are forgotten.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    tries: u32,
    attempt: u64,
    at_ms: i64,
}

impl Asked {
    fn parse(text: Option<&str>) -> Asked {
        let mut words = text.unwrap_or_default().split(' ');
        let tries = words.next().and_then(|word| word.parse().ok());
        let attempt = words.next().and_then(|word| word.parse().ok());
        let at_ms = words.next().and_then(|word| word.parse().ok());
        Asked {
            tries: tries.unwrap_or_default(),
            attempt: attempt.unwrap_or_default(),
            at_ms: at_ms.unwrap_or_default(),
        }
    }

    /// The newest failed attempt is another than the one asked for: what GitHub sent again failed, too.
    fn may_ask_for(&self, attempt: u64) -> bool {
        self.tries < REDELIVERY_TRIES_MAX && self.attempt != attempt
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.tries, self.attempt, self.at_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_asked_for_once_an_attempt_and_not_for_ever() {
        for (noted, attempt, wanted) in [
            (None, 7, true),
            (Some("1 7"), 7, false),
            (Some("1 7"), 8, true),
            (Some("4 7"), 8, true),
            (Some("5 7"), 8, false),
            // As an older program noted it.
            (Some("1"), 7, true),
            (Some("1 7 1800000000000"), 7, false),
        ] {
            let asked = Asked::parse(noted);
            assert_eq!(asked.may_ask_for(attempt), wanted, "{noted:?} {attempt}");
        }
        let asked = Asked {
            tries: 2,
            attempt: 9,
            at_ms: 3,
        };
        assert_eq!(Asked::parse(Some(&asked.to_string())), asked);
    }
}
