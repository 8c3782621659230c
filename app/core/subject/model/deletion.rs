//! Deleting versions: which may go, and what is told of those that are gone.
//!
//! A version goes that nothing serves and nothing is on its way to serve. Its number stays taken and its row stays;
//! the store holds a deletion and a release apart by asking [`holders`] again in the transaction that writes one of them.

use super::{Model, branch};
use crate::contract::{Contract, Role, Service};
use crate::effect::{Deleted, Effect, Hint, Intent, Priority, Record, Version};
use crate::name::{CommitSha, Digest, Login, RepoId, Slug};
use crate::subject::ask::{Ask, ContractAt, RepoView};
use crate::subject::environment::{Environment, ModelRef, Release, file};
use crate::subject::{Act, Given};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Most refusals that a model remembers.
const KEPT_MAX: usize = 20;

/// What works where a version is still needed.
const INSTEAD: &str = "bring another version there, close the pull request, or take the environment out of the contract, then delete it";

/// That somebody wanted versions deleted that are still needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Which; every one where absent.
    pub version: Option<u64>,
    /// Who wanted it.
    pub by: Login,
    /// What needs it, and what would work.
    pub why: String,
    /// Units: milliseconds since 1970, UTC.
    pub at_ms: i64,
}

/// What serves a version, is to serve it, or may come to serve it by a pull request of ours that is open.
pub fn holders(model: &Slug, number: u64, environments: &[Environment]) -> Vec<String> {
    let mut found = Vec::new();
    for environment in environments.iter().filter(|e| !e.is_gone) {
        let name = &environment.name;
        let is_it = |named: &ModelRef| named.version == number;
        let has = |release: &Release| release.models.get(model).is_some_and(is_it);
        if environment.live.as_ref().is_some_and(has) {
            found.push(format!("`{name}` serves it"));
        } else if environment.wanted.as_ref().is_some_and(has) {
            found.push(format!("`{name}` is to serve it"));
        }
        let changes = environment.changes.iter().filter(|c| !c.is_over);
        found.extend(changes.filter(|c| has(&c.release)).map(|c| match c.pr {
            Some(pr) => format!("#{pr} brings it to `{name}`"),
            None => format!("a pull request that brings it to `{name}` is being opened"),
        }));
    }
    found
}

/// The versions that an environment serves, is to serve, or may come to serve by a pull request of ours that is open.
pub fn needed(environment: &Environment) -> BTreeSet<(&Slug, u64)> {
    let open = environment.changes.iter().filter(|c| !c.is_over);
    let releases = [&environment.live, &environment.wanted]
        .into_iter()
        .flatten();
    let releases = releases.chain(open.map(|change| &change.release));
    let models = releases.flat_map(|release| &release.models);
    models
        .map(|(model, named)| (model, named.version))
        .collect()
}

/// Why versions stay that something needs, in a sentence; `None` where nothing does.
pub fn refusal(model: &Slug, held: &[(u64, Vec<String>)]) -> Option<String> {
    let held = held.iter().filter(|(_, by)| !by.is_empty());
    let told: Vec<String> = held
        .map(|(number, by)| format!("{model} v{number} is needed: {}", by.join(", ")))
        .collect();
    (!told.is_empty()).then(|| format!("{}; {INSTEAD}", told.join("; ")))
}

/// Why a version that something names cannot be used: it was deleted, or its bytes were with another one.
pub fn gone(versions: &[Version], (number, digest): (u64, &Digest)) -> Option<String> {
    let same = |version: &&Version| version.digest == *digest;
    let has_bytes = versions.iter().filter(same).any(|v| v.deleted.is_none());
    let named = |version: &&Version| version.version == number || (same(version) && !has_bytes);
    let mut deleted = versions.iter().filter(|v| v.deleted.is_some());
    let version = deleted.find(named)?;
    let how = version.deleted.as_ref()?.shown();
    Some(format!(
        "{} v{} was {how}; use another version, or train again",
        version.model, version.version
    ))
}

/// Why one of these models cannot be used, where it was deleted.
pub fn any_gone<'a>(
    repo: RepoId,
    models: impl IntoIterator<Item = (&'a Slug, &'a ModelRef)>,
    ask: &mut Ask,
) -> Option<Option<String>> {
    for (model, named) in models {
        let versions = ask.stored_versions(repo, model)?;
        if let Some(why) = gone(&versions, (named.version, &named.digest)) {
            return Some(Some(why));
        }
    }
    Some(None)
}

/// Carries out what was asked for: every version that was meant goes, or none.
pub(super) fn take(
    act: &mut Act<Model>,
    given: &Given<Model>,
    view: &RepoView,
    ask: &mut Ask,
) -> Option<()> {
    let asked: Vec<(&Login, Option<u64>)> = given.hints.iter().filter_map(wanted).collect();
    if asked.is_empty() {
        return Some(());
    }
    let mut versions = ask.versions(view.repo.id, &act.state.name)?;
    let needs = needs(&act.state, view, ask)?;
    let mut lowest = None;
    for (by, number) in asked {
        let is_meant = |version: u64| number.is_none_or(|number| number == version);
        let mut held: BTreeMap<u64, Vec<String>> = BTreeMap::new();
        for version in versions.iter().filter(|v| v.deleted.is_none()) {
            held.insert(
                version.version,
                holders_of(&act.state.name, version, &needs),
            );
        }
        if let Some((version, why)) = &needs.proposed {
            held.entry(*version).or_default().push(why.clone());
        }
        held.retain(|version, _| is_meant(*version));
        let held: Vec<(u64, Vec<String>)> = held.into_iter().collect();
        let why = needs
            .unknown
            .clone()
            .or_else(|| refusal(&act.state.name, &held));
        if let Some(why) = why {
            keep(act, (by, number), why, given.now_ms);
            continue;
        }
        let gone = versions
            .iter_mut()
            .filter(|v| is_meant(v.version) && v.deleted.is_none());
        for version in gone {
            version.deleted = Some(Deleted {
                by: by.clone(),
                at_ms: given.now_ms,
            });
            lowest = Some(lowest.map_or(version.version, |low: u64| low.min(version.version)));
            delete(act, by, version);
        }
        act.state.kept.retain(|kept| kept.version != number);
    }
    // Those above that only tags knew are written down as well: from the first one that is, tags are not read.
    let written = versions
        .into_iter()
        .filter(|v| lowest.is_some_and(|low| low <= v.version));
    let written = written.map(|version| Record::Version(Box::new(version)));
    act.records.extend(written);
    Some(())
}

/// The versions as this step leaves them.
pub(super) fn as_left(mut versions: Vec<Version>, records: &[Record]) -> Vec<Version> {
    for record in records {
        if let Record::Version(new) = record
            && let Some(old) = versions.iter_mut().find(|v| v.version == new.version)
        {
            old.clone_from(new);
        }
    }
    versions
}

/// Who wants what deleted.
fn wanted(hint: &Hint) -> Option<(&Login, Option<u64>)> {
    if let Hint::DeleteVersions { by, version } = hint {
        return Some((by, *version));
    }
    None
}

/// What needs versions of a model.
#[derive(Default)]
struct Needs {
    environments: Vec<Environment>,
    /// By git, for environments: the version, and where it is named.
    named: Vec<(ModelRef, String)>,
    /// By the open proposal.
    proposed: Option<(u64, String)>,
    /// Why nobody can tell what is needed.
    unknown: Option<String>,
}

fn holders_of(model: &Slug, version: &Version, needs: &Needs) -> Vec<String> {
    let mut found = holders(model, version.version, &needs.environments);
    let named = needs
        .named
        .iter()
        .filter(|(named, _)| named.version == version.version);
    found.extend(named.map(|(_, place)| format!("{place} names it")));
    found
}

fn needs(state: &Model, view: &RepoView, ask: &mut Ask) -> Option<Needs> {
    let (id, name) = (view.repo.id, &state.name);
    let mut needs = Needs {
        environments: ask.environments(id)?,
        proposed: proposed(state, view, ask)?,
        ..Needs::default()
    };
    let Some(head) = ask.head(id, &view.default_branch)? else {
        return Some(needs);
    };
    match ask.contract(id, &head)? {
        ContractAt::Missing => {}
        ContractAt::Broken(_) => {
            needs.unknown = Some("`bowsprit.yaml` on the default branch cannot be read, so nobody can tell which environments need a version; mend it first".to_owned());
        }
        ContractAt::Good(contract, _) => {
            if let Contract::Service(service) = *contract {
                needs.named = named(&service, (id, name), &head, ask)?;
            }
        }
    }
    Some(needs)
}

/// What git wants environments to serve, which they may not have taken up yet.
fn named(
    service: &Service,
    (id, model): (RepoId, &Slug),
    head: &CommitSha,
    ask: &mut Ask,
) -> Option<Vec<(ModelRef, String)>> {
    let mut found = Vec::new();
    for environment in &service.environments {
        match &environment.role {
            // One is made from the head of its pull request, which is told then what is gone.
            Role::Preview { .. } => {}
            Role::Tracks { branch } => {
                let Some(tip) = ask
                    .head(id, branch)?
                    .filter(|_| service.models.contains_key(model))
                else {
                    continue;
                };
                let at_tip = ask
                    .models(id, &tip)?
                    .into_iter()
                    .find(|at| at.model == *model);
                found.extend(at_tip.and_then(|at| at.manifest.ok()).map(|manifest| {
                    let place = format!("`models/{model}/manifest.json` on `{branch}`");
                    (
                        ModelRef {
                            version: manifest.version,
                            digest: manifest.digest,
                        },
                        place,
                    )
                }));
            }
            Role::After { .. } => {
                let path = file::path(&environment.name);
                let text = ask.text(id, head, &path)?;
                let pinned = text.and_then(|text| file::parse(&text).ok());
                let reference = pinned.and_then(|pinned| pinned.models.get(model).cloned());
                found.extend(reference.map(|reference| (reference, format!("`{path}`"))));
            }
        }
    }
    Some(found)
}

/// The version that the open proposal brings, or the one that is about to.
fn proposed(state: &Model, view: &RepoView, ask: &mut Ask) -> Option<Option<(u64, String)>> {
    if let Some(proposal) = state.proposal.as_ref().filter(|p| p.pr.is_none()) {
        let why = "its proposal is being opened at this moment".to_owned();
        return Some(Some((proposal.version, why)));
    }
    let Some(open) = ask.open_pull(view.repo.id, &branch(&state.name))? else {
        return Some(None);
    };
    let why = format!("#{} proposes it", open.number);
    let ours = state
        .proposal
        .as_ref()
        .filter(|p| p.pr == Some(open.number));
    if let Some(proposal) = ours {
        return Some(Some((proposal.version, why)));
    }
    let Some(change) = open.change else {
        return Some(None);
    };
    // One that was opened before the database was lost.
    let models = ask.models(view.repo.id, &change.head)?;
    let own = models.into_iter().find(|at| at.model == state.name);
    Some(
        own.and_then(|at| at.manifest.ok())
            .map(|manifest| (manifest.version, why)),
    )
}

fn keep(act: &mut Act<Model>, (by, version): (&Login, Option<u64>), why: String, at_ms: i64) {
    let which = version.map_or_else(String::new, |number| format!(" v{number}"));
    act.records.push(Record::Event {
        who: Some(by.clone()),
        what: format!("{}{which} not deleted", act.state.name),
        sha: None,
        why: why.clone(),
    });
    act.state.kept.retain(|kept| kept.version != version);
    act.state.kept.push(Kept {
        version,
        by: by.clone(),
        why,
        at_ms,
    });
    let extra = act.state.kept.len().saturating_sub(KEPT_MAX);
    act.state.kept.drain(..extra);
}

fn delete(act: &mut Act<Model>, by: &Login, version: &Version) {
    let (repo, model) = (act.state.repo.clone(), act.state.name.clone());
    act.intents.push(Intent {
        key: format!("remove-bytes:{}:{model}:v{}", repo.id, version.version),
        is_view: false,
        priority: Priority::Change,
        effect: Effect::RemoveBytes {
            repo,
            model,
            version: version.version,
        },
    });
    act.records.push(Record::Event {
        who: Some(by.clone()),
        what: format!("{} v{} deleted", version.model, version.version),
        sha: Some(version.commit.clone()),
        why: "nothing serves it".to_owned(),
    });
}
