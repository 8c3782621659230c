//! A contract as it is understood: every default written out, in the contract's own grammar.

use super::{
    Check, CheckWhen, Contract, Deploy, Environment, Evaluate, Judge, Resources, Role, Serve,
    Service, Step, Training,
};
use crate::contexts::Contexts;
use crate::gate::GateRef;
use crate::habits::{Chatops, Member};
use crate::name::RepoPath;
use crate::serving::score;
use crate::training::spec::RuntimeSpec;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A value whose keys keep their order: that of the grammar, not of the alphabet.
pub struct Told(Shape);

enum Shape {
    Plain(Value),
    Map(Vec<(String, Told)>),
    List(Vec<Told>),
}

impl Serialize for Told {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Shape::Plain(value) => value.serialize(to),
            Shape::Map(entries) => to.collect_map(entries.iter().map(|(key, told)| (key, told))),
            Shape::List(items) => to.collect_seq(items),
        }
    }
}

impl Told {
    /// A list of values.
    pub(crate) fn list(items: impl IntoIterator<Item = Told>) -> Told {
        list(items)
    }
}

impl From<Value> for Told {
    fn from(value: Value) -> Told {
        Told(Shape::Plain(value))
    }
}

fn list(items: impl IntoIterator<Item = Told>) -> Told {
    Told(Shape::List(items.into_iter().collect()))
}

/// A map under construction.
#[derive(Default)]
pub(crate) struct Map(Vec<(String, Told)>);

impl Map {
    pub(crate) fn with(mut self, key: &str, value: impl Into<Told>) -> Map {
        self.0.push((key.to_owned(), value.into()));
        self
    }

    pub(crate) fn with_some(self, key: &str, value: Option<impl Into<Told>>) -> Map {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }
}

impl From<Map> for Told {
    fn from(map: Map) -> Told {
        Told(Shape::Map(map.0))
    }
}

/// The contract with every default written out; read again it is the same contract.
pub fn effective(contract: &Contract) -> Told {
    match contract {
        Contract::Training(contract) => of_training(contract),
        Contract::Service(contract) => of_service(contract),
    }
}

fn of_training(contract: &Training) -> Told {
    let evaluate: Told = match &contract.evaluate {
        Evaluate::SelfReported => json!("self").into(),
        Evaluate::Judge(judge) => of_judge(judge),
    };
    let triggers = &contract.triggers;
    Map::default()
        .with("kind", json!("training"))
        .with("model", json!(contract.model))
        .with("service", json!(contract.service))
        .with_some("runtime", contract.runtime.as_ref().map(of_runtime))
        .with("steps", list(contract.steps.iter().map(of_step)))
        .with("evaluate", evaluate)
        .with("gates", list(contract.gates.iter().map(of_gate)))
        .with_some(
            "retire_judge",
            contract.retire_judge.as_ref().map(|digest| json!(digest)),
        )
        .with("checks", list(contract.checks.iter().map(of_check)))
        .with(
            "triggers",
            Map::default()
                .with("push", json!(triggers.push))
                .with("pull_request", json!(triggers.pull_request))
                .with("paths-ignore", json!(triggers.paths_ignore)),
        )
        .with("chatops", of_chatops(&contract.chatops))
        .into()
}

fn of_service(contract: &Service) -> Told {
    let models = contract.models.iter().map(|(name, source)| {
        let told = Map::default()
            .with("from", json!(source.from))
            .with_some("predict", source.predict.as_ref().map(|path| json!(path)));
        (name.to_string(), told.into())
    });
    let environments = contract
        .environments
        .iter()
        .map(|environment| (environment.name.to_string(), of_environment(environment)));
    Map::default()
        .with("kind", json!("service"))
        .with("models", Map(models.collect()))
        .with_some("runtime", contract.runtime.as_ref().map(of_runtime))
        .with("serve", of_serve(&contract.serve))
        .with_some("deploy", contract.deploy.as_ref().map(of_deploy))
        .with("environments", Map(environments.collect()))
        .with("checks", list(contract.checks.iter().map(of_check)))
        .with("ignore", json!(contract.ignore))
        .with("logs", json!(contract.logs))
        .with("telemetry", json!(contract.telemetry))
        .with("chatops", of_chatops(&contract.chatops))
        .into()
}

fn of_runtime(runtime: &RuntimeSpec) -> Told {
    let map = Map::default();
    let path = |path: &RepoPath| json!(path);
    match runtime {
        RuntimeSpec::Python {
            minimum,
            requirements,
        } => map
            .with("python", json!(minimum))
            .with_some("requirements", requirements.as_ref().map(path)),
        RuntimeSpec::Conda { file } => map.with("conda", path(file)),
        RuntimeSpec::Rust { lock } => map.with("rust", path(lock)),
        RuntimeSpec::Image { image, .. } => map.with("image", json!(image)),
        RuntimeSpec::Dockerfile { file } => map.with("dockerfile", path(file)),
        RuntimeSpec::Base {
            image,
            steps,
            requirements,
            gpu,
        } => {
            let cuda = gpu.as_ref().and_then(|gpu| gpu.cuda.as_ref());
            map.with(
                "base",
                Map::default()
                    .with("image", json!(image))
                    .with("steps", json!(steps))
                    .with_some("requirements", requirements.as_ref().map(path))
                    .with("gpu", json!(gpu.is_some()))
                    .with_some("cuda", cuda.map(|release| json!(release))),
            )
        }
    }
    .into()
}

fn of_step(step: &Step) -> Told {
    Map::default()
        .with("name", json!(step.name))
        .with("run", json!(step.run))
        .with_some("image", step.image.as_ref().map(|image| json!(image)))
        .with("resources", of_resources(step.resources))
        .with("timeout", span(step.timeout_s))
        .with("env", of_env(&step.env))
        .with("secrets", json!(step.secrets))
        .with("network", json!(step.network))
        .into()
}

fn of_judge(judge: &Judge) -> Told {
    Map::default()
        .with("run", json!(judge.run))
        .with("data", json!(judge.data))
        .with_some("code", judge.code.as_ref().map(|code| json!(code)))
        .with("resources", of_resources(judge.resources))
        .with("timeout", span(judge.timeout_s))
        .with("env", of_env(&judge.env))
        .into()
}

fn of_gate(gate: &GateRef) -> Told {
    Map::default()
        .with("name", json!(gate.name))
        .with("with", json!(gate.with))
        .with("mode", json!(gate.mode))
        .into()
}

fn of_check(check: &Check) -> Told {
    let map = Map::default()
        .with("name", json!(check.name))
        .with("run", json!(check.run))
        .with("optional", json!(check.optional));
    let map = match &check.when {
        CheckWhen::Always => map.with("always_run", json!(true)),
        CheckWhen::ByHand => map.with("always_run", json!(false)),
        CheckWhen::RunIfChanged(pattern) => map.with("run_if_changed", json!(pattern)),
        CheckWhen::SkipIfOnlyChanged(pattern) => map.with("skip_if_only_changed", json!(pattern)),
    };
    map.with("resources", of_resources(check.resources))
        .with("timeout", span(check.timeout_s))
        .with_some("runtime", check.runtime.as_ref().map(of_runtime))
        .into()
}

fn of_serve(serve: &Serve) -> Told {
    let map = match score::file_of(&serve.run) {
        Some(file) => Map::default().with("score", json!(file)),
        None => Map::default().with("run", json!(serve.run)),
    };
    map.with("ready", json!(serve.ready))
        .with("predict", json!(serve.predict))
        .with_some("test", serve.test.as_ref().map(|run| json!(run)))
        .with("resources", of_resources(serve.resources))
        .with("env", of_env(&serve.env))
        .with("ready_timeout", span(serve.ready_timeout_s))
        .into()
}

fn of_deploy(deploy: &Deploy) -> Map {
    match deploy {
        Deploy::Manifests(folder) => Map::default().with("manifests", json!(folder)),
        Deploy::Chart(chart) => Map::default()
            .with("chart", json!(chart.folder))
            .with_some("values", chart.values.as_ref().map(|path| json!(path))),
    }
}

fn of_environment(environment: &Environment) -> Told {
    let seconds = |ms: i64| span(ms.unsigned_abs() / 1_000);
    let map = Map::default();
    let map = match &environment.role {
        Role::Preview { ttl_ms } => map.with("ttl", seconds(*ttl_ms)),
        Role::Tracks { branch } => map.with("tracks", json!(branch)),
        Role::After {
            environment,
            approvals,
            soak_ms,
            windows,
        } => {
            let windows: Vec<&str> = windows.iter().map(|window| window.as_str()).collect();
            map.with("after", json!(environment))
                .with("approvals", json!(approvals))
                .with("soak", seconds(*soak_ms))
                .with("windows", json!(windows))
        }
    };
    map.with_some(
        "cluster",
        environment.cluster.as_ref().map(|name| json!(name)),
    )
    .with("env", of_env(&environment.env))
    .with("auth", json!(environment.auth))
    .with("queue", json!(environment.queue))
    .with("concurrency", json!(environment.concurrency))
    .with("replicas", json!(environment.replicas.min))
    .with("replicas_max", json!(environment.replicas.max))
    .with(
        "allow_self_reported",
        json!(environment.allow_self_reported),
    )
    .into()
}

fn of_chatops(chatops: &Chatops) -> Told {
    let mut map = Map::default().with_some(
        "compatibility",
        chatops.compatibility.map(|preset| json!(preset)),
    );
    for (switch, is_on) in &chatops.switches {
        map = map.with(switch.key(), json!(is_on));
    }
    let asked = chatops.ask_reviewers.as_ref().map(|asked| -> Told {
        let Some(asked) = asked else {
            return json!(false).into();
        };
        Map::default()
            .with("count", json!(asked.count))
            .with("max", json!(asked.max))
            .with("exclude_approvers", json!(asked.exclude_approvers))
            .with("ignore_drafts", json!(asked.ignore_drafts))
            .with("ignore_authors", json!(asked.ignore_authors))
            .into()
    });
    let people = |all: &BTreeSet<Member>| {
        let all = all.iter().map(ToString::to_string);
        all.collect::<Vec<String>>()
    };
    let sticky = chatops.sticky_lgtm.as_ref().map(people);
    let overriders = chatops.overriders.as_ref().map(people);
    // What is absent is as the server says, which an empty list would not be.
    map.with_some("labels", chatops.labels.as_ref().map(|one| json!(one)))
        .with_some(
            "restricted_labels",
            chatops.restricted.as_ref().map(|one| json!(one)),
        )
        .with_some("not_ours", chatops.not_ours.as_ref().map(|one| json!(one)))
        .with_some("sticky_lgtm", sticky.map(|one| json!(one)))
        .with_some("overriders", overriders.map(|one| json!(one)))
        .with_some(
            "trusted_apps",
            chatops.trusted_apps.as_ref().map(|one| json!(one)),
        )
        .with_some("ask_reviewers", asked)
        .with_some(
            "merge_method",
            chatops.merges.method.map(|method| json!(method)),
        )
        .with_some(
            "priority_labels",
            chatops
                .merges
                .priority_labels
                .as_ref()
                .map(|all| json!(all)),
        )
        .with_some(
            "blocker_label",
            chatops.merges.blocker_label.as_ref().map(|one| json!(one)),
        )
        .with_some("merge_tests", chatops.merges.tests.map(|one| json!(one)))
        .with_some(
            "github_blocked",
            chatops.merges.blocked.map(|one| json!(one.word())),
        )
        .with_some("contexts", of_contexts(&chatops.contexts))
        .into()
}

fn of_contexts(contexts: &Contexts) -> Option<Told> {
    let list = |names: &Option<BTreeSet<String>>| names.as_ref().map(|all| json!(all));
    let map = Map::default()
        .with_some("required", list(&contexts.required))
        .with_some("required_if_present", list(&contexts.if_present))
        .with_some("optional", list(&contexts.optional))
        .with_some("unknown", contexts.unknown.map(|one| json!(one.word())));
    (*contexts != Contexts::default()).then(|| map.into())
}

fn of_resources(resources: Resources) -> Told {
    Map::default()
        .with("cpu", json!(format!("{}m", resources.cpu_millis)))
        .with("memory", json!(resources.memory_bytes))
        .with("gpu", json!(resources.gpu))
        .into()
}

fn of_env(env: &BTreeMap<String, String>) -> Told {
    json!(env).into()
}

/// A span of time as contracts write it. Units of the argument: seconds.
fn span(seconds: u64) -> Told {
    const UNITS: [(u64, char); 4] = [(86_400, 'd'), (3_600, 'h'), (60, 'm'), (1, 's')];
    let mut left = seconds;
    let mut text = String::new();
    for (unit, letter) in UNITS {
        if left >= unit {
            text.push_str(&format!("{}{letter}", left / unit));
            left %= unit;
        }
    }
    if text.is_empty() {
        text.push_str("0s");
    }
    json!(text).into()
}
