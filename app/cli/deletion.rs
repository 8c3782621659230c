//! `bowsprit delete model`: asks, and waits until the model has decided.

use super::get::text;
use super::place::Named;
use super::{Remote, out};
use clap::Args;
use http::Method;
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::Duration;

/// How often the model is asked whether it has decided.
const LOOKS_MAX: usize = 240;
/// Pause between two of these looks.
const PAUSE: Duration = Duration::from_millis(250);

/// What is deleted of a model.
#[derive(Debug, Args)]
pub(super) struct OldVersion {
    /// OWNER/REPO/MODEL of the service repository
    model: Named,
    /// The version, such as 8 or v8; every one where absent
    #[arg(value_parser = number)]
    version: Option<u64>,
}

fn number(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix('v').unwrap_or(text);
    let wrong = |_| format!("`{text}` is not a version, such as 8 or v8");
    digits.parse().map_err(wrong)
}

/// What a model says of the versions that it was asked to delete.
#[derive(Debug, PartialEq)]
enum Said {
    /// Nothing yet.
    Nothing,
    /// They are deleted: these rows.
    Deleted(Vec<Value>),
    /// Something needs them.
    Kept(String),
}

pub(super) async fn delete(old: OldVersion, remote: &Remote) -> anyhow::Result<ExitCode> {
    let model = old.model.path("models");
    let path = match old.version {
        Some(number) => format!("{model}/versions/{number}"),
        None => model.clone(),
    };
    let asked = remote.client.send(Method::DELETE, &path, None).await?;
    let asked_ms = asked["asked_ms"].as_i64().unwrap_or(i64::MAX);
    for _ in 0..LOOKS_MAX {
        match said(&remote.client.get(&model).await?, old.version, asked_ms) {
            Said::Nothing => tokio::time::sleep(PAUSE).await,
            Said::Kept(why) => anyhow::bail!("{why}"),
            Said::Deleted(rows) => {
                show(&rows, &old.model.name, remote.is_json);
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
    anyhow::bail!(
        "it was asked for and is not decided yet; `bowsprit show model {}/{}` tells later",
        old.model.repo,
        old.model.name
    )
}

fn said(model: &Value, number: Option<u64>, asked_ms: i64) -> Said {
    let rows = model["versions"].as_array().into_iter().flatten();
    let is_meant = |row: &&Value| number.is_none_or(|number| row["version"] == number);
    let rows: Vec<Value> = rows.filter(is_meant).cloned().collect();
    if rows.iter().all(|row| row["deleted"].is_object()) {
        return Said::Deleted(rows);
    }
    let mut kept = model["kept"].as_array().into_iter().flatten();
    let is_news = |kept: &&Value| {
        kept["version"] == json!(number) && kept["at_ms"].as_i64() >= Some(asked_ms)
    };
    kept.find(is_news)
        .map_or(Said::Nothing, |kept| Said::Kept(text(&kept["why"])))
}

fn show(rows: &[Value], model: &impl std::fmt::Display, is_json: bool) {
    if is_json {
        out::json(&rows.to_vec().into());
        return;
    }
    for row in rows {
        let by = text(&row["deleted"]["by"]);
        out::line(&format!(
            "{model} v{} is deleted, by {by}",
            text(&row["version"])
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_model_says_is_told_apart() {
        let gone = json!({"version": 1, "deleted": {"by": "ada", "at_ms": 5}});
        let there = json!({"version": 2, "deleted": null});
        let kept = |version: Value, at_ms: i64| json!({"version": version, "at_ms": at_ms, "why": "needed"});
        let model = |kept: Value| json!({"versions": [there, gone], "kept": [kept]});
        let needed = || Said::Kept("needed".to_owned());
        for (kept, number, want) in [
            (
                kept(json!(2), 9),
                Some(1),
                Said::Deleted(vec![gone.clone()]),
            ),
            (kept(json!(2), 9), Some(2), needed()),
            (kept(json!(2), 7), Some(2), Said::Nothing),
            (kept(json!(null), 9), Some(2), Said::Nothing),
            (kept(json!(null), 9), None, needed()),
            (kept(json!(2), 9), None, Said::Nothing),
        ] {
            assert_eq!(
                said(&model(kept.clone()), number, 8),
                want,
                "{kept} {number:?}"
            );
        }
    }

    #[test]
    fn a_version_is_a_number() {
        assert_eq!((number("8"), number("v8")), (Ok(8), Ok(8)));
        assert!(number("new").is_err() && number("v").is_err());
    }
}
