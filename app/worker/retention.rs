//! The sweep: what is over, old and named by nothing goes, once a day.
//!
//! Of what it took it keeps no note: each sweep looks at what is there, so that one that was cut short is gone on with.
//! Rows go in small transactions, and bytes only where everything that may name them could be read.

use super::{Rooms, Trouble, now_ms, tick};
use crate::artifacts::Stored;
use crate::store::{Old, Rows};
use anyhow::Context as _;
use bowsprit_core::name::{Repo, RepoId, Slug};
use bowsprit_core::retention::{
    self, AGAIN_MS, Before, EVERY_MS, Made, Runs, Sweeps, Swept, Turn, Unseen, Words,
    artifact_may_go, can_vouch, delivery_may_go, effect_may_go, names,
};
use bowsprit_core::subject::run::Run;
use futures_util::future::try_join_all;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Commits of which the runs are deleted at once.
const COMMITS_AT_ONCE: usize = 20;
/// Notes of deliveries that were asked for again are kept this long: GitHub gives none that is older. Units: milliseconds.
const ASKED_MS: i64 = 30 * retention::DAY_MS;
/// Under which name the store knows of the last sweep.
pub const SWEEPS: &str = "sweeps";

/// Sweeps until the bot stops.
pub(super) async fn run(rooms: Arc<Rooms>, stop: CancellationToken) {
    let mut is_complete = true;
    loop {
        let wait_ms = match take_turn(&rooms).await {
            Ok(Turn::In(wait_ms)) if is_complete => wait_ms,
            Ok(Turn::Doubted(beyond_ms)) => {
                is_complete = true;
                tracing::warn!(
                    "the clock is {} days beyond the last sweep: nothing is removed until another look in an hour agrees",
                    beyond_ms / retention::DAY_MS
                );
                AGAIN_MS
            }
            Ok(Turn::Now | Turn::In(_)) => {
                is_complete = sweep(&rooms, &stop).await;
                if is_complete { EVERY_MS } else { AGAIN_MS }
            }
            Err(error) => {
                tracing::warn!("cannot tell when the last sweep was: {error:#}");
                AGAIN_MS
            }
        };
        let wait = Duration::from_millis(wait_ms.unsigned_abs());
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Whose turn it is; a clock that is doubted now is remembered.
async fn take_turn(rooms: &Rooms) -> anyhow::Result<Turn> {
    let sweeps = sweeps(rooms).await?;
    let now_ms = now_ms();
    let turn = retention::turn(&sweeps, rooms.store.born_ms(), now_ms);
    if let Turn::Doubted(_) = turn {
        let doubted_ms = Some(now_ms);
        let sweeps = Sweeps {
            doubted_ms,
            ..sweeps
        };
        note(rooms, &sweeps).await?;
    }
    Ok(turn)
}

async fn sweeps(rooms: &Rooms) -> anyhow::Result<Sweeps> {
    let text = rooms.store.kv(SWEEPS).await?;
    let sweeps = text.map(|text| serde_json::from_str(&text)).transpose();
    Ok(sweeps
        .context("cannot read when the last sweep was")?
        .unwrap_or_default())
}

async fn note(rooms: &Rooms, sweeps: &Sweeps) -> anyhow::Result<()> {
    let text = serde_json::to_string(sweeps)?;
    rooms.store.put_kv(SWEEPS, &text).await
}

/// Sweeps once, and notes that it did; whether everything could be looked at.
async fn sweep(rooms: &Rooms, stop: &CancellationToken) -> bool {
    let sweep = Sweep::new(rooms, true, stop.clone());
    let (swept, outcome) = {
        let _alone = rooms.sweeping.lock().await;
        sweep.all().await
    };
    if !swept.is_nothing() {
        tracing::info!("forgotten, since old and of no use: {}", swept.shown());
    }
    let noted = match outcome {
        // One that was cut short is gone on with at the next start.
        Ok(is_complete) if stop.is_cancelled() => return is_complete,
        Ok(is_complete) => {
            let done = Sweeps {
                done_ms: Some(now_ms()),
                doubted_ms: None,
            };
            note(rooms, &done).await.map(|()| is_complete)
        }
        Err(trouble) => Err(anyhow::anyhow!(trouble)),
    };
    noted.unwrap_or_else(|error| {
        tracing::warn!("the sweep of what is old will be tried again: {error:#}");
        false
    })
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
    let mut is_complete = true;
    for file in &version.files {
        let hex = file.sha256.hex();
        if named.may_go(hex) {
            rooms.artifacts.remove(&file.sha256, deleted.at_ms).await?;
        }
        is_complete &= named.may_go(hex) || named.names.contains(hex);
    }
    let why = "a repository that may name its bytes cannot be read now";
    is_complete
        .then_some(())
        .ok_or_else(|| Trouble::Other(anyhow::anyhow!(why)))
}

/// What names bytes, as far as it could be read.
struct Named {
    /// Every digest that anything names.
    names: BTreeSet<String>,
    /// Whether something could not be read.
    is_partial: bool,
    /// Then: what was made where nothing that could not be read names it.
    elsewhere: BTreeSet<String>,
}

impl Named {
    /// Whether nothing names these bytes, nor may name them.
    fn may_go(&self, hex: &str) -> bool {
        !self.names.contains(hex) && (!self.is_partial || self.elsewhere.contains(hex))
    }
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

    /// What went, also where not everything could be looked at, and whether it could.
    async fn all(&self) -> (Swept, Result<bool, Trouble>) {
        let mut swept = Swept::default();
        let outcome = self.each(&mut swept).await;
        (swept, outcome)
    }

    async fn each(&self, swept: &mut Swept) -> Result<bool, Trouble> {
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
        // Bytes first: who made them stands in the runs.
        let is_complete = self.artifacts((&words, &runs), swept).await;
        swept.runs = self.forget_runs(&runs).await?;
        is_complete
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
        let dead = self.before.dead_letters;
        let all = self.rooms.store.runs_seen(oldest, dead).await?;
        Ok(retention::runs(&all, words, &self.before))
    }

    async fn forget_runs(&self, runs: &Runs) -> anyhow::Result<u64> {
        if !self.is_removing {
            let count: usize = runs.go.iter().map(BTreeSet::len).sum();
            return Ok(u64::try_from(count).unwrap_or(u64::MAX));
        }
        let (store, mut count) = (&self.rooms.store, 0);
        for commits in runs.go.chunks(COMMITS_AT_ONCE) {
            if self.stop.is_cancelled() {
                break;
            }
            let dead = self.before.dead_letters;
            let went = commits.iter().map(|ids| store.forget_runs(ids, dead));
            count += try_join_all(went).await?.into_iter().sum::<u64>();
        }
        Ok(count)
    }

    /// Removes bytes; says whether everything that may name some could be read.
    async fn artifacts(
        &self,
        (words, runs): (&Words, &Runs),
        swept: &mut Swept,
    ) -> Result<bool, Trouble> {
        let artifacts = &self.rooms.artifacts;
        if !can_vouch(self.rooms.store.born_ms(), &self.before) {
            return Ok(true);
        }
        let names = words.of_bytes();
        let is_old =
            |one: &Stored| artifact_may_go(one.digest.hex(), one.stored_ms, &names, &self.before);
        // Whoever asks repositories for nothing keeps others waiting.
        let mut candidates = artifacts.list().await?;
        candidates.retain(is_old);
        if candidates.is_empty() {
            return Ok(true);
        }
        let named = self.all_names(words, runs).await?;
        candidates.retain(|one| named.may_go(one.digest.hex()));
        for one in candidates {
            if self.stop.is_cancelled() {
                break;
            }
            if !self.is_removing || artifacts.remove(&one.digest, self.before.artifacts).await? {
                swept.artifacts += 1;
                swept.artifact_bytes += one.bytes;
            }
        }
        Ok(!named.is_partial)
    }

    /// Brings every mirror up to date, and says of which that failed. Errors: GitHub does not say which there are.
    async fn refresh(&self) -> Result<Vec<Repo>, Trouble> {
        let rooms = self.rooms;
        tick::repositories(rooms).await?;
        let installations = rooms.store.installations().await?.into_iter();
        // Of one that is suspended nothing new can be had, and nothing new was made there.
        let suspended = installations.filter(|one| one.is_suspended);
        let suspended: BTreeSet<u64> = suspended.map(|one| one.id).collect();
        let mut unseen = Vec::new();
        for (view, installation) in rooms.store.repositories().await? {
            if suspended.contains(&installation) {
                continue;
            }
            let place = rooms.place(&view.repo).await?;
            let token = async || Ok(place.fetch_token().await?);
            if let Err(error) = rooms.mirrors.refresh(&view.repo, token).await {
                held_back(&view.repo, &error);
                unseen.push(view.repo);
            }
        }
        Ok(unseen)
    }

    /// What the manifests of every mirror name, but for those of deleted versions; those that cannot be read are added.
    async fn named_in_git(
        &self,
        words: &Words,
        unseen: &mut Vec<Repo>,
    ) -> Result<BTreeSet<String>, Trouble> {
        let rooms = self.rooms;
        let mut named = BTreeSet::new();
        for id in rooms.mirrors.mirrored().await? {
            let deleted = words.deleted.clone();
            let error = match rooms.mirrors.named_by_manifests(id, deleted).await {
                Ok(names) => {
                    named.extend(names);
                    continue;
                }
                Err(error) => error,
            };
            // What no installation shows has no name by which anybody could tell what was made for it.
            let Some((view, _)) = rooms.store.repository(id).await? else {
                return Err(error.into());
            };
            held_back(&view.repo, &error);
            unseen.push(view.repo);
        }
        Ok(named)
    }

    /// Every digest that anything names: with what the store says, results of stages, manifests in git, runs of use.
    async fn all_names(&self, words: &Words, runs: &Runs) -> Result<Named, Trouble> {
        let rooms = self.rooms;
        let mut unseen = match self.is_removing {
            true => self.refresh().await?,
            false => Vec::new(),
        };
        let mut named = words.of_bytes();
        // What a stage made is looked at by its run, which may not have done so yet.
        let goes_on = |stage: &str| {
            let run = stage.split_once('-').map(|(run, _)| run);
            run.is_none_or(|run| !runs.over.contains(run))
        };
        for text in rooms.runs.results(goes_on).await? {
            named.extend(names(&text).map(str::to_owned));
        }
        named.extend(self.named_in_git(words, &mut unseen).await?);
        let made: Vec<Made> = rooms.store.versions_made().await?;
        let unseen = Unseen::new(unseen, &made);
        let (mut elsewhere, mut near) = (BTreeSet::new(), BTreeSet::new());
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
                } else if unseen.may_name(&run) {
                    near.extend(names(text).map(str::to_owned));
                } else if !unseen.is_empty() {
                    elsewhere.extend(names(text).map(str::to_owned));
                }
            }
        }
        elsewhere.retain(|name| !near.contains(name));
        Ok(Named {
            names: named,
            is_partial: !unseen.is_empty(),
            elsewhere,
        })
    }
}

/// Tells of which repository the bytes stay.
fn held_back(repo: &Repo, error: &anyhow::Error) {
    let name = &repo.name;
    tracing::warn!(repo.name = %name, "cannot see what `{name}` names, so the bytes that it may name stay: {error:#}");
}
