//! Commands that are answered with facts: `/why` and `/compare`.

use super::acts::Done;
use super::rules::{Rule, Standing};
use super::step::Seen;
use super::{Kind, Pull};
use crate::contract::Contract;
use crate::effect::{Text, Version};
use crate::name::{RepoId, RepoName, Slug};
use crate::subject::Act;
use crate::subject::ask::Ask;
use crate::subject::run::What;
use crate::training::spec::MetricValue;
use serde_json::json;
use std::collections::BTreeMap;

/// Every rule that is not met.
pub(super) fn why(rules: &[Rule], public_url: &str) -> Done {
    let missing: Vec<&Rule> = rules
        .iter()
        .filter(|rule| rule.state != Standing::Met)
        .collect();
    Done::Told(Text::new(
        "comments/why",
        json!({"rules": missing, "missing": missing, "public_url": public_url}),
    ))
}

/// The figures of this change: what they are called, and the versions they stand beside.
struct Side {
    name: String,
    metrics: BTreeMap<String, f64>,
    model: Slug,
    versions: Vec<Version>,
}

/// The figures of the present head beside those of a version.
pub(super) fn compare(
    act: &Act<Pull>,
    seen: &Seen,
    number: Option<u64>,
    ask: &mut Ask,
) -> Option<Done> {
    let side = match &seen.contract {
        Some(Contract::Training(training)) => {
            let owner = act.state.repo.name.owner();
            let name = RepoName::parse(&format!("{owner}/{}", training.service)).ok();
            let service = match name {
                Some(name) => ask.repository_named(&name)?,
                None => None,
            };
            match service {
                Some(service) => trained(seen, service.repo.id, &training.model, ask)?,
                None => Err(format!(
                    "the service repository `{}` is not one of ours",
                    training.service
                )),
            }
        }
        Some(Contract::Service(_)) | None => proposed(act, seen, ask)?,
    };
    Some(match side {
        Ok(side) => beside(&side, number),
        Err(why) => Done::No(why),
    })
}

fn trained(
    seen: &Seen,
    service: RepoId,
    model: &Slug,
    ask: &mut Ask,
) -> Option<Result<Side, String>> {
    let run = seen.runs.iter().find(|run| run.cause.what == What::Train);
    let Some(run) = run.filter(|run| !run.metrics.is_empty()) else {
        return Some(Err(
            "no run of this head has figures yet; `/train` starts one".to_owned(),
        ));
    };
    let figures = run
        .metrics
        .iter()
        .filter_map(|(name, metric)| match metric.value {
            MetricValue::Number(value) => Some((name.clone(), value)),
            MetricValue::Other(_) => None,
        });
    Some(Ok(Side {
        name: seen.change.head.short().to_owned(),
        metrics: figures.collect(),
        model: model.clone(),
        versions: ask.versions(service, model)?,
    }))
}

fn proposed(act: &Act<Pull>, seen: &Seen, ask: &mut Ask) -> Option<Result<Side, String>> {
    let name = seen.change.branch.as_str().strip_prefix("bowsprit/");
    let model = name.and_then(|name| Slug::parse(name).ok());
    let Some(model) = model.filter(|_| seen.kind == Kind::Proposal) else {
        let no = "`/compare` works where a model is trained or proposed";
        return Some(Err(no.to_owned()));
    };
    let mut versions = ask.versions(act.state.repo.id, &model)?;
    let own = versions
        .iter()
        .filter(|version| version.pr == Some(act.state.number))
        .max_by_key(|version| version.version)
        .cloned();
    let Some(own) = own else {
        return Some(Err("this proposal's version is not known yet".to_owned()));
    };
    versions.retain(|version| version.version != own.version);
    Some(Ok(Side {
        name: format!("v{}", own.version),
        metrics: own.metrics,
        model,
        versions,
    }))
}

fn beside(side: &Side, number: Option<u64>) -> Done {
    let newest = side.versions.iter().map(|version| version.version).max();
    let found = side
        .versions
        .iter()
        .find(|version| Some(version.version) == number.or(newest));
    let Some(other) = found else {
        let known: Vec<String> = side
            .versions
            .iter()
            .map(|version| format!("v{}", version.version))
            .collect();
        return Done::No(match known.as_slice() {
            [] => format!("`{}` has no other version yet", side.model),
            [..] => format!(
                "there is no such version of `{}`; there are: {}",
                side.model,
                known.join(", ")
            ),
        });
    };
    let names: std::collections::BTreeSet<&String> =
        side.metrics.keys().chain(other.metrics.keys()).collect();
    let shown = |value: Option<f64>| value.map_or("–".to_owned(), crate::text::number);
    let rows = names.into_iter().map(|name| {
        let (this, that) = (
            side.metrics.get(name).copied(),
            other.metrics.get(name).copied(),
        );
        let delta = this.zip(that).map(|(this, that)| this - that);
        json!({
            "name": name,
            "here": shown(this),
            "there": shown(that),
            "delta": delta.map_or("–".to_owned(), crate::text::signed),
        })
    });
    let data = json!({
        "model": side.model,
        "here": side.name,
        "there": format!("v{}", other.version),
        "rows": rows.collect::<Vec<_>>(),
        "self_reported": other.self_reported,
    });
    Done::Told(Text::new("comments/compare", data))
}
