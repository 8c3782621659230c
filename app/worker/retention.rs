//! The sweep: what is over, old and named by nothing goes, at the start and once a day.
//!
//! It keeps no note of its own: each sweep looks at what is there, so that one that was cut short is gone on with.
//! Rows go in small transactions, and bytes only where everything that may name them could be read.

use super::{Rooms, Trouble, now_ms, tick};
use crate::artifacts::Stored;
use crate::store::{Old, Rows};
use anyhow::Context as _;
use bowsprit_core::name::{RepoId, Slug};
use bowsprit_core::retention::{
    self, Before, Runs, Swept, Words, artifact_may_go, can_vouch, delivery_may_go, effect_may_go,
    names,
};
use bowsprit_core::subject::run::Run;
use futures_util::future::try_join_all;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often.
const EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// How soon again, where something could not be asked.
const AGAIN: Duration = Duration::from_secs(60 * 60);
/// Runs deleted at once.
const RUNS_AT_ONCE: usize = 20;
/// Notes of deliveries that were asked for again are kept this long: GitHub gives none that is older. Units: milliseconds.
const ASKED_MS: i64 = 30 * retention::DAY_MS;

/// Sweeps until the bot stops.
pub(super) async fn run(rooms: Arc<Rooms>, stop: CancellationToken) {
    loop {
        let sweep = Sweep::new(&rooms, true, stop.clone());
        let (swept, outcome) = {
            let _alone = rooms.sweeping.lock().await;
            sweep.all().await
        };
        if !swept.is_nothing() {
            tracing::info!("forgotten, since old and of no use: {}", swept.shown());
        }
        let wait = match outcome {
            Ok(()) => EVERY,
            Err(trouble) => {
                tracing::warn!("the sweep of what is old will be tried again: {trouble}");
                AGAIN
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// What a sweep would take now, as far as repositories are known already; nothing while somebody else looks.
///
/// Errors: something that may name bytes cannot be read now.
pub async fn preview(rooms: &Rooms) -> anyhow::Result<Option<Swept>> {
    let Ok(_alone) = rooms.sweeping.try_lock() else {
        return Ok(None);
    };
    let sweep = Sweep::new(rooms, false, CancellationToken::new());
    let (swept, outcome) = sweep.all().await;
    outcome.map_err(anyhow::Error::from)?;
    Ok(Some(swept))
}

/// Removes the bytes of a version that was deleted, as far as nothing else names them and nobody stored them again since.
///
/// Errors: something that may name them cannot be read now, or a run may have been given them.
pub(super) async fn remove_bytes(
    rooms: &Rooms,
    (service, model): (RepoId, &Slug),
    number: u64,
) -> Result<(), Trouble> {
    let versions = rooms.store.versions(service, model).await?;
    let Some(version) = versions.into_iter().find(|v| v.version == number) else {
        return Ok(());
    };
    let Some(deleted) = &version.deleted else {
        return Ok(());
    };
    if let Some(run) = rooms.store.run_with_bytes(&version).await? {
        let why = format!("run {run} began before {model} v{number} was deleted and may use it");
        return Err(Trouble::Waiting(why));
    }
    let Ok(_alone) = rooms.sweeping.try_lock() else {
        let why = "somebody else looks for what may go";
        return Err(Trouble::Waiting(why.to_owned()));
    };
    let sweep = Sweep::new(rooms, true, CancellationToken::new());
    let words = sweep.words().await?;
    let runs = sweep.runs(&words).await?;
    let named = sweep.all_names(&words, &runs).await?;
    for file in &version.files {
        if !named.contains(file.sha256.hex()) {
            rooms.artifacts.remove(&file.sha256, deleted.at_ms).await?;
        }
    }
    Ok(())
}

struct Sweep<'a> {
    rooms: &'a Rooms,
    before: Before,
    /// Whether what may go goes; it is counted all the same.
    is_removing: bool,
    stop: CancellationToken,
}

impl Sweep<'_> {
    fn new(rooms: &Rooms, is_removing: bool, stop: CancellationToken) -> Sweep<'_> {
        Sweep {
            rooms,
            before: rooms.keep.before(now_ms()),
            is_removing,
            stop,
        }
    }

    /// What went, also where not everything could be looked at.
    async fn all(&self) -> (Swept, Result<(), Trouble>) {
        let mut swept = Swept::default();
        let outcome = self.each(&mut swept).await;
        (swept, outcome)
    }

    async fn each(&self, swept: &mut Swept) -> Result<(), Trouble> {
        let (store, before) = (&self.rooms.store, self.before);
        let oldest = before.deliveries.max(before.dead_letters);
        let list = |after| store.old_deliveries(oldest, after);
        let goes = |old: &Old<_>| delivery_may_go(old.what, old.at_ms, &before);
        swept.deliveries = self.rows(Rows::Deliveries, list, goes).await?;
        let list = |after| store.old_payloads(before.payloads, after);
        let goes = |old: &Old<()>| old.at_ms >= before.deliveries;
        swept.payloads = self.rows(Rows::Payloads, list, goes).await?;
        let oldest = before.runs.max(before.dead_letters);
        let list = |after| store.old_effects(oldest, after);
        let goes = |old: &Old<(_, _)>| effect_may_go(old.what.0, old.what.1, old.at_ms, &before);
        swept.effects = self.rows(Rows::Effects, list, goes).await?;
        let list = |after| store.old_events(before.events, after);
        swept.events = self.rows(Rows::Events, list, |_| true).await?;
        if self.is_removing {
            store.forget_asked(now_ms() - ASKED_MS).await?;
        }
        let words = self.words().await?;
        let runs = self.runs(&words).await?;
        swept.runs = self.forget_runs(&runs).await?;
        (swept.artifacts, swept.artifact_bytes) = self.artifacts(&words, &runs).await?;
        Ok(())
    }

    /// Walks through what is old, oldest first, and deletes what may go.
    async fn rows<T, L>(
        &self,
        rows: Rows,
        list: impl Fn(i64) -> L,
        goes: impl Fn(&Old<T>) -> bool,
    ) -> anyhow::Result<u64>
    where
        L: Future<Output = anyhow::Result<Vec<Old<T>>>>,
    {
        let (mut after, mut count) = (0, 0);
        while !self.stop.is_cancelled() {
            let page = list(after).await?;
            let Some(last) = page.last() else { break };
            after = last.id;
            let page = page.iter().filter(|old| goes(old));
            let ids: Vec<i64> = page.map(|old| old.id).collect();
            count += match (self.is_removing, ids.is_empty()) {
                (true, false) => self.rooms.store.forget(rows, ids).await?,
                (true, true) | (false, _) => u64::try_from(ids.len()).unwrap_or(u64::MAX),
            };
        }
        Ok(count)
    }

    /// What names runs and bytes, as far as it stands in the store.
    async fn words(&self) -> anyhow::Result<Words> {
        let store = &self.rooms.store;
        let mut words = Words::default();
        let (all, at_work) = (&mut words.names, &mut words.at_work);
        let read = |text: &str, is_at_work: bool| {
            all.extend(names(text).map(str::to_owned));
            if is_at_work {
                at_work.extend(names(text).map(str::to_owned));
            }
        };
        store.each_naming_text(read).await?;
        words.deleted = retention::only_deleted(&store.versions_made().await?);
        words.open = store.all_open().await?;
        let repositories = store.repositories().await?.into_iter();
        words.default_branches = repositories
            .map(|(view, _)| (view.repo.id, view.default_branch))
            .collect();
        Ok(words)
    }

    async fn runs(&self, words: &Words) -> anyhow::Result<Runs> {
        let oldest = self.before.runs.max(self.before.artifacts);
        let all = self.rooms.store.runs_seen(oldest).await?;
        Ok(retention::runs(&all, words, &self.before))
    }

    async fn forget_runs(&self, runs: &Runs) -> anyhow::Result<u64> {
        if !self.is_removing {
            return Ok(u64::try_from(runs.go.len()).unwrap_or(u64::MAX));
        }
        let (ids, mut count): (Vec<&String>, u64) = (runs.go.iter().collect(), 0);
        for some in ids.chunks(RUNS_AT_ONCE) {
            if self.stop.is_cancelled() {
                break;
            }
            let went = some.iter().map(|id| self.rooms.store.forget_run(id));
            count += try_join_all(went)
                .await?
                .into_iter()
                .map(u64::from)
                .sum::<u64>();
        }
        Ok(count)
    }

    /// Files and bytes that went.
    async fn artifacts(&self, words: &Words, runs: &Runs) -> Result<(u64, u64), Trouble> {
        let artifacts = &self.rooms.artifacts;
        if !can_vouch(self.rooms.store.born_ms(), &self.before) {
            return Ok((0, 0));
        }
        let old = |names: &BTreeSet<String>, all: Vec<Stored>| -> Vec<Stored> {
            let goes = |one: &Stored| {
                artifact_may_go(one.digest.hex(), one.stored_ms, names, &self.before)
            };
            all.into_iter().filter(goes).collect()
        };
        // Whoever asks repositories for nothing keeps others waiting.
        let candidates = old(&words.of_bytes(), artifacts.list().await?);
        if candidates.is_empty() {
            return Ok((0, 0));
        }
        let named = self.all_names(words, runs).await?;
        let (mut files, mut bytes) = (0, 0);
        for one in old(&named, candidates) {
            if self.stop.is_cancelled() {
                break;
            }
            if !self.is_removing || artifacts.remove(&one.digest, self.before.artifacts).await? {
                files += 1;
                bytes += one.bytes;
            }
        }
        Ok((files, bytes))
    }

    /// Brings every mirror up to date. Errors: one cannot be, or GitHub does not say which there are.
    async fn refresh(&self) -> Result<(), Trouble> {
        let rooms = self.rooms;
        tick::repositories(rooms).await?;
        let installations = rooms.store.installations().await?.into_iter();
        // Of one that is suspended nothing new can be had, and nothing new was made there.
        let suspended = installations.filter(|one| one.is_suspended);
        let suspended: BTreeSet<u64> = suspended.map(|one| one.id).collect();
        for (view, installation) in rooms.store.repositories().await? {
            if suspended.contains(&installation) {
                continue;
            }
            let place = rooms.place(&view.repo).await?;
            let token = async || Ok(place.fetch_token().await?);
            let refreshed = rooms.mirrors.refresh(&view.repo, token).await;
            let about = || format!("cannot see what `{}` names", view.repo.name);
            refreshed.with_context(about)?;
        }
        Ok(())
    }

    /// Every digest that anything names: with what the store says, results of stages, manifests in git, runs of use.
    async fn all_names(&self, words: &Words, runs: &Runs) -> Result<BTreeSet<String>, Trouble> {
        let rooms = self.rooms;
        let mut named = words.of_bytes();
        if self.is_removing {
            self.refresh().await?;
        }
        // What a stage made is looked at by its run, which may not have done so yet.
        let goes_on = |stage: &str| {
            let run = stage.split_once('-').map(|(run, _)| run);
            run.is_none_or(|run| !runs.over.contains(run))
        };
        for text in rooms.runs.results(goes_on).await? {
            named.extend(names(&text).map(str::to_owned));
        }
        for repo in rooms.mirrors.mirrored().await? {
            let deleted = words.deleted.clone();
            named.extend(rooms.mirrors.named_by_manifests(repo, deleted).await?);
        }
        let mut after = String::new();
        loop {
            let page = rooms.store.run_documents(&after).await?;
            let Some((last, _)) = page.last() else { break };
            after = last.clone();
            for (id, text) in &page {
                // What serves is named by the digest of its list of files, which the run that made it has.
                let run: Run = serde_json::from_str(text).map_err(anyhow::Error::from)?;
                let made = run.made.as_ref().map(|made| made.digest.hex());
                if runs.used.contains(id) || made.is_some_and(|hex| named.contains(hex)) {
                    named.extend(names(text).map(str::to_owned));
                }
            }
        }
        Ok(named)
    }
}
