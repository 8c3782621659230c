//! What a proposal holds: its files and its text.

use crate::artifact::{EVIDENCE_BYTES_MAX, File};
use crate::chart;
use crate::contract::{CONTRACT_FILE, Contract};
use crate::effect::{Content, Text, Version};
use crate::name::{Digest, RepoPath};
use crate::subject::ask::{Ask, ContractAt, Manifest, TrainingRef};
use crate::subject::environment;
use crate::subject::model::Model;
use crate::subject::run::{Run, check, evaluate};
use crate::text;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Versions shown in the history pictures.
const HISTORY_SHOWN: usize = 20;

/// Files shown in which a judge differs from the one before.
const JUDGE_FILES_SHOWN: usize = 10;

/// Longest sample shown in a curl command. Units: characters.
const SAMPLE_CHARS_MAX: usize = 1_500;

/// Title of the pull request: the model, its number, and the first metric with its change.
pub fn title(model: &crate::name::Slug, number: u64, run: &Run) -> String {
    let told = run.verdicts.iter().find_map(|verdict| {
        let (metric, value) = (verdict.metric.as_ref()?, verdict.observed?);
        let delta = verdict
            .live
            .map(|live| format!(", {}", text::signed(value - live)))
            .unwrap_or_default();
        Some(format!(" ({metric} {}{delta})", text::number(value)))
    });
    format!("Propose {model} v{number}{}", told.unwrap_or_default())
}

/// The manifest of a version.
pub fn manifest(model: &Model, run: &Run, number: u64) -> Manifest {
    let made = run.made.clone();
    let digest = made
        .as_ref()
        .map_or_else(|| Digest::of(b""), |made| made.digest.clone());
    Manifest {
        schema: 1,
        model: model.name.clone(),
        version: number,
        uri: format!("artifacts:{digest}"),
        digest,
        files: made.map(|made| made.files).unwrap_or_default(),
        judge_digest: run
            .judge_digest
            .clone()
            .unwrap_or_else(|| Digest::of(b"self-reported")),
        judge_sha: run.judge_sha.clone(),
        run: run.id.clone(),
        training: TrainingRef {
            repo_id: run.repo.id,
            commit: run.sha.clone(),
        },
        runtime: run.runtime.clone(),
        images: run.images.clone(),
    }
}

/// The files of a proposal, all under `models/<model>/`.
pub fn files(
    model: &Model,
    run: &Run,
    number: u64,
    versions: &[Version],
) -> BTreeMap<RepoPath, Content> {
    let mut files = BTreeMap::new();
    let mut put = |name: &str, content: Content| {
        if let Ok(path) = RepoPath::parse(&format!("models/{}/{name}", model.name)) {
            files.insert(path, content);
        }
    };
    put(
        "manifest.json",
        Content::Text(pretty(&manifest(model, run, number))),
    );
    put("metrics.json", Content::Text(pretty(&run.numbers())));
    put("card.md", Content::Text(card(model, run, number)));
    for file in shown_evidence(run).filter(|file| file.bytes <= EVIDENCE_BYTES_MAX) {
        put(file.path.as_str(), Content::Artifact(file.sha256.clone()));
    }
    if let Some((metric, points)) = history(run, number, versions) {
        let series = [chart::Series {
            name: metric.clone(),
            points,
        }];
        put(
            "plots/history.svg",
            Content::Text(chart::line_chart(
                &format!("{metric} by version"),
                &series,
                &[],
            )),
        );
    }
    files
}

/// Files of the evaluation that go with a version, where they are not too large.
fn shown_evidence(run: &Run) -> impl Iterator<Item = &File> {
    run.evidence.iter().filter(|file| {
        let path = file.path.as_str();
        matches!(path, "schema.json" | "samples.jsonl")
            || (path.starts_with("plots/") && path.ends_with(".svg"))
    })
}

fn pretty(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value)
        .map(|text| text + "\n")
        .unwrap_or_default()
}

/// The first gated metric over the last versions, this one included.
fn history(run: &Run, number: u64, versions: &[Version]) -> Option<(String, Vec<(f64, f64)>)> {
    let metric = run
        .verdicts
        .iter()
        .find_map(|verdict| verdict.metric.clone())?;
    let mut points: Vec<(f64, f64)> = versions
        .iter()
        .filter_map(|version| Some((version.version as f64, *version.metrics.get(&metric)?)))
        .collect();
    points.push((number as f64, *run.numbers().get(&metric)?));
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let extra = points.len().saturating_sub(HISTORY_SHOWN);
    Some((metric, points.split_off(extra)))
}

/// A model card: front matter for tools, the facts for people.
fn card(model: &Model, run: &Run, number: u64) -> String {
    let mut metrics = String::new();
    for (name, value) in run.numbers() {
        if !name.starts_with("baseline.") {
            metrics.push_str(&format!(
                "| {} | {} |\n",
                text::escape(&name),
                text::number(value)
            ));
        }
    }
    let judged = if run.self_reported {
        "These figures are the training's own; nobody else measured them."
    } else {
        "Measured by the evaluation of the protected branch on held-out data."
    };
    format!(
        "# {} v{number}\n\nTrained from `{}` at `{}` by run `{}`.\n{judged}\n\n| metric | value |\n|---|---|\n{metrics}",
        model.name,
        run.repo.name,
        run.sha.short(),
        run.id
    )
}

/// The text of the pull request, as data for its template.
pub fn body(
    model: &Model,
    (run, number): (&Run, u64),
    versions: &[Version],
    public_url: &str,
    ask: &mut Ask,
) -> Option<Text> {
    let environments = ask.environments(model.repo.id)?;
    let samples = match run
        .evidence
        .iter()
        .find(|file| file.path.as_str() == "samples.jsonl")
    {
        Some(file) => ask.samples(&file.sha256)?,
        None => Vec::new(),
    };
    let commit = ask.commit(run.repo.id, &run.sha)?;
    let last = versions.iter().max_by_key(|version| version.version);
    let pictures: Vec<String> = files(model, run, number, versions)
        .into_keys()
        .filter(|path| path.as_str().ends_with(".svg"))
        .map(|path| path.to_string())
        .collect();
    let too_large = shown_evidence(run).filter(|file| file.bytes > EVIDENCE_BYTES_MAX);
    Some(Text::new(
        "pr/proposal",
        json!({
            "left_out": too_large.map(|file| &file.path).collect::<Vec<_>>(),
            "model": model.name,
            "version": number,
            "repo": model.repo.name,
            "verdict": verdict_line(run),
            "has_warnings": run.verdicts.iter().any(|v| v.outcome != crate::gate::VerdictOutcome::Passed),
            "environments": environment::strip(&environments),
            "gates": check::gates(run),
            "chart": mermaid(run, number, versions),
            "pictures": pictures,
            "training": {"repo": run.repo.name, "sha": run.sha, "subject": commit.map(|c| c.subject), "from": last.map(|l| l.training_commit.clone())},
            "sample": samples.first().map(|s| json!({"input": shown(&s.input), "output": shown(&s.output)})),
            "run": run.id,
            "run_page": format!("{public_url}/runs/{}", run.id),
            "digest": run.made.as_ref().map(|made| made.digest.clone()),
            "bytes": run.made.as_ref().map(|made| made.files.iter().map(|f| f.bytes).sum::<u64>()),
            "probe": run.probe,
            "judge": run.judge_digest,
            "judge_change": judge_change(run, last, ask)?,
            "old_judge": check::old_judge(run),
            "runtime": run.runtime,
            "images": images(run),
            "self_reported": run.self_reported,
            "unconfined": run.unconfined,
            "note": run.note,
            "by": run.cause.by,
            "live_run": run.live_run,
            "live_version": run.live.as_ref().map(|(version, _)| *version),
            "marker": json!({"model": model.name, "version": number, "digest": run.made.as_ref().map(|made| made.digest.clone()), "run": run.id}).to_string(),
        }),
    ))
}

/// What is another in the judge than in the last version's, for people; null where it is the same.
fn judge_change(run: &Run, last: Option<&Version>, ask: &mut Ask) -> Option<Value> {
    let is_other = |last: &&Version| run.judge_digest.as_ref() != Some(&last.judge_digest);
    let Some(last) = last.filter(is_other).filter(|_| !run.self_reported) else {
        return Some(Value::Null);
    };
    let repo = run.repo.id;
    let old = last.judge_sha.as_ref().unwrap_or(&last.training_commit);
    let Some(new) = run.judge_sha.as_ref().filter(|_| last.training == repo) else {
        return Some(json!({"files": []}));
    };
    let given = match ask.contract(repo, new)? {
        ContractAt::Good(contract, _) => match *contract {
            Contract::Training(contract) => evaluate::given(&contract),
            Contract::Service(_) => Vec::new(),
        },
        ContractAt::Missing | ContractAt::Broken(_) => Vec::new(),
    };
    if ask.commit(repo, old)?.is_none() {
        return Some(json!({"files": [], "is_all": given.is_empty()}));
    }
    let changes = ask.changes(repo, old, new)?;
    let policies = evaluate::policies();
    let judges = |path: &&RepoPath| {
        let is_at = |top: &str| {
            let rest = path.as_str().strip_prefix(top);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        given.is_empty()
            || given.iter().chain(&policies).any(|top| is_at(top.as_str()))
            || is_at(CONTRACT_FILE)
    };
    let files: Vec<&RepoPath> = changes.files.keys().filter(judges).collect();
    let shown = files.len().min(JUDGE_FILES_SHOWN);
    Some(json!({
        "files": files.get(..shown),
        "more": files.len() - shown,
        "is_all": given.is_empty(),
    }))
}

/// The steps that ran in images of their own, each with its image.
fn images(run: &Run) -> Vec<Value> {
    let images = run.images.iter();
    images
        .map(|(step, image)| json!({"step": step, "image": image}))
        .collect()
}

/// A sample's JSON, short enough for a command line.
pub(super) fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() > SAMPLE_CHARS_MAX {
        "@sample.json".to_owned()
    } else {
        text.chars()
            .map(|c| {
                if c == '\'' || !c.is_ascii() {
                    format!("\\u{:04x}", c as u32)
                } else {
                    c.to_string()
                }
            })
            .collect()
    }
}

fn verdict_line(run: &Run) -> String {
    let passed = run
        .verdicts
        .iter()
        .filter(|v| v.outcome == crate::gate::VerdictOutcome::Passed)
        .count();
    let told = run.verdicts.iter().find_map(|verdict| {
        let (metric, value) = (verdict.metric.as_ref()?, verdict.observed?);
        Some(match verdict.live {
            Some(live) => format!(
                "; {metric} {} ({} against live)",
                text::number(value),
                text::signed(value - live)
            ),
            None => format!("; {metric} {} (first version)", text::number(value)),
        })
    });
    format!(
        "{passed} of {} gates passed{}",
        run.verdicts.len(),
        told.unwrap_or_default()
    )
}

fn mermaid(run: &Run, number: u64, versions: &[Version]) -> Value {
    let Some((metric, points)) = history(run, number, versions) else {
        return Value::Null;
    };
    let labels: Vec<String> = points
        .iter()
        .map(|(version, _)| format!("v{version}"))
        .collect();
    let values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
    if values.len() < 2 {
        return json!({"metric": metric, "spark": text::sparkline(&values), "mermaid": null, "last": values.last().map(|v| text::number(*v))});
    }
    let series = [(metric.clone(), values.clone())];
    json!({
        "metric": metric,
        "spark": text::sparkline(&values),
        "mermaid": chart::mermaid_line(&format!("{metric} by version"), &labels, &series),
        "last": values.last().map(|v| text::number(*v)),
    })
}
