//! From contract to stage plans: which files, which software, which commands.

use super::Run;
use super::evaluate::{self, Bench};
use super::parity::Side;
use crate::contract::{Contract, Evaluate, Resources, Serve, Service, Training};
use crate::effect::{ModelFiles, ServePlan, StagePlan};
use crate::name::{RepoPath, Slug};
use crate::subject::ask::{Manifest, ModelAt};
use crate::training::spec::{Sample, SampleSet, StageKind, StepSpec, Trust};
use std::collections::BTreeMap;

/// The steps of a training contract, without the held-out data: neither what the commit holds out nor what its judge does.
pub(super) fn train(run: &Run, contract: &Training, judge: Option<&Training>) -> StagePlan {
    let steps = contract.steps.iter().map(|step| {
        let mut env = step.env.clone();
        env.extend(run.cause.params.clone());
        let mut spec = step_spec(
            step.name.as_str(),
            &step.run,
            &step.resources,
            step.timeout_s,
        );
        spec.env = env;
        spec.image = step.image.clone();
        spec.network = step.network;
        spec.secrets = step.secrets.clone();
        spec
    });
    StagePlan {
        steps: steps.collect(),
        leave_out: held_out([Some(contract), judge]),
        runtime: contract.runtime.clone(),
        ..blank(run, "train", StageKind::Train)
    }
}

/// The data that one of these contracts holds out.
pub(super) fn held_out<'a>(
    contracts: impl IntoIterator<Item = Option<&'a Training>>,
) -> Vec<RepoPath> {
    let mut paths: Vec<RepoPath> = contracts
        .into_iter()
        .flatten()
        .flat_map(|contract| match &contract.evaluate {
            Evaluate::Judge(judge) => judge.data.clone(),
            Evaluate::SelfReported => Vec::new(),
        })
        .collect();
    paths.sort();
    paths.dedup();
    paths
}

/// A judge's code and data over models, one step each, named as they are.
pub(super) fn evaluate(
    run: &Run,
    name: &str,
    bench: &Bench<'_>,
    models: Vec<ModelFiles>,
) -> StagePlan {
    let judge = bench.judge;
    let step = |model: &ModelFiles| {
        let mut spec = step_spec(&model.name, &judge.run, &judge.resources, judge.timeout_s);
        spec.env = judge.env.clone();
        spec.model = Some(model.name.clone());
        spec.outputs = model.name.clone();
        spec
    };
    StagePlan {
        sha: bench.sha.clone(),
        runtime: bench.contract.runtime.clone(),
        trust: Trust::Trusted,
        steps: models.iter().map(step).collect(),
        models,
        data: judge.data.first().cloned(),
        only: evaluate::given(bench.contract),
        ..blank(run, name, StageKind::Evaluate)
    }
}

/// The service's default branch, in its own runtime, answering the evaluation's samples with the candidate;
/// the service's other models are there as the branch has them.
pub(super) fn parity(
    run: &Run,
    name: &str,
    side: &Side,
    samples: Vec<Sample>,
    others: &[ModelAt],
) -> StagePlan {
    let service = &side.contract;
    let is_candidate = |name: &Slug| run.model.as_ref() == Some(name);
    let others = others
        .iter()
        .filter(|at| !is_candidate(&at.model) && service.models.contains_key(&at.model));
    let mut models: Vec<ModelFiles> = run.made.clone().into_iter().collect();
    models.extend(others.filter_map(|at| at.manifest.as_ref().ok().map(files_of)));
    models.sort_by(|a, b| a.name.cmp(&b.name));
    let predict = run
        .model
        .as_ref()
        .map_or(service.serve.predict.as_str(), |name| service.predict(name));
    let sets = vec![SampleSet::new(predict, samples)];
    let model = models.first().map(|m| m.name.clone());
    StagePlan {
        repo: side.repo.clone(),
        sha: side.head.clone(),
        runtime: service.runtime.clone(),
        trust: Trust::Trusted,
        models,
        serve: Some(serve_plan(&service.serve, sets, model, BTreeMap::new())),
        ..blank(run, name, StageKind::Check)
    }
}

/// The service's tests with the models of the change, then the server against their samples.
pub(super) fn service(run: &Run, contract: &Service, models: &[ModelAt]) -> StagePlan {
    let (files, sets) = model_files(contract, models);
    let steps = contract
        .serve
        .test
        .iter()
        .map(|test| step_spec("test", test, &contract.serve.resources, TEST_TIMEOUT_S));
    let model = files.first().map(|m| m.name.clone());
    StagePlan {
        runtime: contract.runtime.clone(),
        steps: steps.collect(),
        serve: model
            .is_some()
            .then(|| serve_plan(&contract.serve, sets, model, BTreeMap::new())),
        models: files,
        ..blank(run, "service", StageKind::Check)
    }
}

/// A named check of either contract, without the held-out data; `None` when it names none such.
pub(super) fn check(
    run: &Run,
    contract: &Contract,
    name: &Slug,
    leave_out: Vec<RepoPath>,
) -> Option<StagePlan> {
    let (checks, runtime) = match contract {
        Contract::Training(training) => (&training.checks, &training.runtime),
        Contract::Service(service) => (&service.checks, &service.runtime),
    };
    let check = checks.iter().find(|check| check.name == *name)?;
    Some(StagePlan {
        runtime: check.runtime.as_ref().or(runtime.as_ref()).cloned(),
        steps: vec![step_spec(
            name.as_str(),
            &check.run,
            &check.resources,
            check.timeout_s,
        )],
        leave_out,
        ..blank(run, "check", StageKind::Check)
    })
}

/// Time that a service's tests may take. Units: seconds.
const TEST_TIMEOUT_S: u64 = 900;

/// The models of a service at a commit that can be used, as files to lay out, with their samples.
pub(crate) fn model_files(
    service: &Service,
    models: &[ModelAt],
) -> (Vec<ModelFiles>, Vec<SampleSet>) {
    let usable = models.iter().filter_map(|at| {
        let manifest = at.manifest.as_ref().ok()?;
        let set = SampleSet::new(service.predict(&at.model), at.samples.clone());
        Some((files_of(manifest), set))
    });
    usable.unzip()
}

fn files_of(manifest: &Manifest) -> ModelFiles {
    ModelFiles {
        name: manifest.model.to_string(),
        version: Some(manifest.version),
        digest: manifest.digest.clone(),
        files: manifest.files.clone(),
    }
}

/// How a service is started, by its contract.
pub(crate) fn serve_plan(
    serve: &Serve,
    sample_sets: Vec<SampleSet>,
    model: Option<String>,
    extra: BTreeMap<String, String>,
) -> ServePlan {
    let mut env = serve.env.clone();
    env.extend(extra);
    ServePlan {
        run: serve.run.clone(),
        ready: serve.ready.clone(),
        env,
        sample_sets,
        ready_timeout_s: serve.ready_timeout_s,
        cpu_millis: serve.resources.cpu_millis,
        memory_bytes: serve.resources.memory_bytes,
        model,
    }
}

fn blank(run: &Run, name: &str, kind: StageKind) -> StagePlan {
    StagePlan {
        stage: format!("{}-{name}", run.id),
        kind,
        repo: run.repo.clone(),
        sha: run.sha.clone(),
        leave_out: Vec::new(),
        only: Vec::new(),
        runtime: None,
        trust: run.cause.trust,
        model_trust: run.cause.trust,
        steps: Vec::new(),
        models: Vec::new(),
        data: None,
        serve: None,
    }
}

fn step_spec(name: &str, run: &[String], resources: &Resources, timeout_s: u64) -> StepSpec {
    StepSpec {
        name: name.to_owned(),
        run: run.to_vec(),
        image: None,
        env: BTreeMap::new(),
        timeout_s,
        cpu_millis: resources.cpu_millis,
        memory_bytes: resources.memory_bytes,
        gpu: resources.gpu,
        secrets: Vec::new(),
        network: false,
        model: None,
        outputs: String::new(),
    }
}
