//! Which release an environment should serve, read from git.

use super::{ChangeCause, Environment, ModelRef, Release, file};
use crate::contract::{Contract, Environment as Wanted, Service};
use crate::effect::{DeployPlan, ModelFiles};
use crate::name::{CommitSha, Digest, Repo, RepoId, Slug};
use crate::serving::spec::{DoorSpec, Replicas};
use crate::subject::ask::{Ask, ContractAt, ModelAt};
use crate::subject::model::deletion;
use crate::subject::run::plan;
use crate::training::spec::{Sample, SampleSet, Trust};
use std::collections::BTreeMap;

/// Largest request body that a gateway takes. Units: bytes.
const BODY_BYTES_MAX: usize = 16 << 20;

/// A release with everything needed to start it.
pub(super) struct Ready {
    pub(super) release: Release,
    pub(super) service: Service,
    /// Whether its code is trusted: what a protected branch holds is.
    pub(super) trust: Trust,
    pub(super) files: Vec<ModelFiles>,
    pub(super) sample_sets: Vec<SampleSet>,
}

/// The release of a commit: its tree and the models of its manifests. Errors: why it cannot run.
pub(super) fn of_commit(
    repo: RepoId,
    commit: &CommitSha,
    ask: &mut Ask,
) -> Option<Result<Ready, String>> {
    let ready = at_commit(repo, commit, ask)?;
    with_bytes(repo, ready, ask)
}

/// A release whose bytes nobody deleted. Errors: a version of it was, or it could not run before.
fn with_bytes(
    repo: RepoId,
    ready: Result<Ready, String>,
    ask: &mut Ask,
) -> Option<Result<Ready, String>> {
    let Ok(ready) = ready else {
        return Some(ready);
    };
    let why = deletion::any_gone(repo, &ready.release.models, ask)?;
    Some(why.map_or(Ok(ready), Err))
}

/// The release of a commit, whether or not its models can still be had.
fn at_commit(repo: RepoId, commit: &CommitSha, ask: &mut Ask) -> Option<Result<Ready, String>> {
    let service = match service_at(repo, commit, ask)? {
        Ok(service) => service,
        Err(why) => return Some(Err(why)),
    };
    let models = named(&service, ask.models(repo, commit)?);
    if let Some((model, why)) = models
        .iter()
        .find_map(|m| m.manifest.as_ref().err().map(|why| (&m.model, why)))
    {
        return Some(Err(format!(
            "`models/{model}/manifest.json` cannot be used: {why}"
        )));
    }
    let (files, sample_sets) = plan::model_files(&service, &models);
    let refs = models
        .iter()
        .filter_map(|m| m.manifest.as_ref().ok())
        .map(|m| {
            (
                m.model.clone(),
                ModelRef {
                    version: m.version,
                    digest: m.digest.clone(),
                },
            )
        });
    let refs: BTreeMap<Slug, ModelRef> = refs.collect();
    let id = id(&ask.service_tree(repo, commit)?, &refs);
    Some(Ok(Ready {
        release: Release {
            id,
            commit: commit.clone(),
            models: refs,
        },
        service,
        trust: Trust::Trusted,
        files,
        sample_sets,
    }))
}

/// The release that `environments/<name>.yaml` names: `None` inside when there is no file.
pub(super) fn pinned(
    state: &Environment,
    head: &CommitSha,
    ask: &mut Ask,
) -> Option<Option<Result<(Ready, ChangeCause), String>>> {
    let Some(text) = ask.text(state.repo.id, head, &file::path(&state.name))? else {
        return Some(None);
    };
    let pinned = match file::parse(&text) {
        Ok(pinned) => pinned,
        Err(why) => {
            return Some(Some(Err(format!(
                "`{}` cannot be used: {why}",
                file::path(&state.name)
            ))));
        }
    };
    let cause = pinned.cause;
    Some(Some(
        of_pinned(state.repo.id, head, &pinned, ask)?.map(|ready| (ready, cause)),
    ))
}

/// The release that a pinned file names. Errors: why it cannot run.
pub(super) fn of_pinned(
    repo: RepoId,
    head: &CommitSha,
    pinned: &file::Pinned,
    ask: &mut Ask,
) -> Option<Result<Ready, String>> {
    if !ask.is_ancestor(repo, &pinned.commit, head)? {
        return Some(Err(format!(
            "commit `{}` is not on the default branch",
            pinned.commit.short()
        )));
    }
    let mut ready = match at_commit(repo, &pinned.commit, ask)? {
        Ok(ready) => ready,
        Err(why) => return Some(Err(why)),
    };
    if ready.release.models == pinned.models {
        return with_bytes(repo, Ok(ready), ask);
    }
    // Other models than the commit's own manifests name: each must be a version that a tag keeps.
    let (mut files, mut sample_sets) = (Vec::new(), Vec::new());
    for (name, wanted) in &pinned.models {
        let versions = ask.versions(repo, name)?;
        let Some(version) = versions.into_iter().find(|v| v.version == wanted.version) else {
            return Some(Err(format!("`{name}` has no version {}", wanted.version)));
        };
        if version.digest != wanted.digest {
            return Some(Err(format!(
                "`{name}` v{} has the digest `{}`, the file says `{}`",
                wanted.version,
                version.digest.short(),
                wanted.digest.short()
            )));
        }
        let kept = ask.models(repo, &version.commit)?;
        let kept = kept.into_iter().find(|m| m.model == *name);
        sample_sets.extend(kept.map(|m| SampleSet::new(ready.service.predict(name), m.samples)));
        files.push(ModelFiles {
            name: name.to_string(),
            version: Some(version.version),
            digest: version.digest,
            files: version.files,
        });
    }
    ready.files = files;
    ready.sample_sets = sample_sets;
    ready.release.models = pinned.models.clone();
    ready.release.id = id(&ask.service_tree(repo, &pinned.commit)?, &pinned.models);
    with_bytes(repo, Ok(ready), ask)
}

fn service_at(repo: RepoId, commit: &CommitSha, ask: &mut Ask) -> Option<Result<Service, String>> {
    Some(match ask.contract(repo, commit)? {
        ContractAt::Missing => Err("there is no `bowsprit.yaml`".to_owned()),
        ContractAt::Broken(problems) => {
            Err(format!("`bowsprit.yaml` has {} problem(s)", problems.len()))
        }
        ContractAt::Good(contract, _) => match *contract {
            Contract::Service(service) => Ok(service),
            Contract::Training(_) => Err("`bowsprit.yaml` is a training contract".to_owned()),
        },
    })
}

/// Only the models that the contract names; others under `models/` are not served.
fn named(service: &Service, models: Vec<ModelAt>) -> Vec<ModelAt> {
    models
        .into_iter()
        .filter(|m| service.models.contains_key(&m.model))
        .collect()
}

/// Hash over the service's tree and the models' digests.
fn id(tree: &Digest, models: &BTreeMap<Slug, ModelRef>) -> String {
    let mut text = format!("{tree}\n");
    for (name, model) in models {
        text.push_str(&format!("{name} {} {}\n", model.version, model.digest));
    }
    format!("rel-{}", Digest::of(text.as_bytes()).short())
}

/// The order to the serving target.
pub(super) fn order(state: &Environment, wanted: &Wanted, ready: Ready) -> DeployPlan {
    let model = ready.files.first().map(|m| m.name.clone());
    let mut changes = state.changes.iter().rev();
    let change = changes.find(|change| change.release.id == ready.release.id);
    let pr = state.pr.or(change.and_then(|change| change.pr));
    let waits = ready.files.is_empty() && !ready.service.models.is_empty();
    DeployPlan {
        repo: state.repo.clone(),
        environment: state.name.clone(),
        release: ready.release.id,
        generation: state.generation,
        commit: ready.release.commit,
        trust: ready.trust,
        runtime: ready.service.runtime.clone(),
        test: ready.service.serve.test.clone(),
        image: None,
        deploy: ready.service.deploy.clone(),
        serve: (!waits).then(|| {
            plan::serve_plan(
                &ready.service.serve,
                ready.sample_sets,
                model,
                wanted.env.clone(),
            )
        }),
        models: ready.files,
        door: DoorSpec {
            keys: Vec::new(),
            concurrency: wanted.concurrency,
            queue: wanted.queue,
            body_bytes_max: BODY_BYTES_MAX,
            telemetry: ready.service.telemetry,
        },
        auth: wanted.auth,
        logs: ready.service.logs,
        replicas: wanted.replicas,
        cluster: wanted.cluster.clone(),
        pr,
    }
}

/// The name that a folder is served under.
pub const TRIED: &str = "try";

/// The order that serves a folder's code with models that no registry knows: as its first environment would, without a key.
///
/// `None` where the contract has no environment, or no model is given.
pub fn tried(
    service: &Service,
    (repo, commit): (Repo, CommitSha),
    models: Vec<(ModelFiles, Vec<Sample>)>,
    generation: u64,
) -> Option<DeployPlan> {
    let first = service.environments.first()?;
    let (files, sample_sets): (Vec<ModelFiles>, Vec<SampleSet>) = models
        .into_iter()
        .filter_map(|(files, samples)| {
            let name = Slug::parse(&files.name).ok()?;
            Some((files, SampleSet::new(service.predict(&name), samples)))
        })
        .unzip();
    let model = Some(files.first()?.name.clone());
    Some(DeployPlan {
        repo,
        environment: Slug::parse(TRIED).ok()?,
        release: format!("try-{generation}"),
        generation,
        commit,
        trust: Trust::Trusted,
        runtime: service.runtime.clone(),
        test: None,
        image: None,
        deploy: None,
        serve: Some(plan::serve_plan(
            &service.serve,
            sample_sets,
            model,
            first.env.clone(),
        )),
        models: files,
        door: DoorSpec {
            keys: Vec::new(),
            concurrency: first.concurrency,
            queue: first.queue,
            body_bytes_max: BODY_BYTES_MAX,
            telemetry: service.telemetry,
        },
        auth: false,
        logs: false,
        replicas: Replicas::default(),
        cluster: None,
        pr: None,
    })
}
