//! `bowsprit logs`: the log of a run or an environment, whole or live.

use super::place::{Named, part, query};
use super::{Remote, out};
use bowsprit_core::text::clean_line;
use clap::Args;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// A run that has not begun its next stage is asked again after this.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(super) struct Logs {
    /// A run's id, or an environment as OWNER/REPO/NAME
    of: String,
    /// Go on with what is written from now on
    #[arg(long, short)]
    follow: bool,
    /// Only this stage of a run
    #[arg(long)]
    stage: Option<String>,
}

impl Logs {
    /// The whole log of a run, live.
    pub(super) fn of_run(id: String) -> Logs {
        Logs {
            of: id,
            follow: true,
            stage: None,
        }
    }
}

pub(super) async fn run(args: Logs, remote: &Remote) -> anyhow::Result<()> {
    if args.of.contains('/') {
        let environment: Named = args
            .of
            .parse()
            .map_err(|wrong: String| anyhow::anyhow!(wrong))?;
        let path = format!("{}/log", environment.path("environments"));
        return if args.follow {
            follow(remote, &format!("{path}/stream"), None).await
        } else {
            whole(remote, &path, None).await
        };
    }
    let run = format!("/api/v1/runs/{}", part(&args.of));
    match (args.follow, args.stage) {
        (false, stage) => whole(remote, &format!("{run}/log"), stage).await,
        (true, Some(stage)) => {
            let query = query(&[("stage", Some(stage.clone()))]);
            follow(remote, &format!("{run}/log/stream{query}"), Some(&stage)).await
        }
        (true, None) => every_stage(remote, &run).await,
    }
}

/// The whole log, part after part.
async fn whole(remote: &Remote, path: &str, stage: Option<String>) -> anyhow::Result<()> {
    let mut offset = None;
    let mut rest = Vec::new();
    loop {
        let query = query(&[("stage", stage.clone()), ("offset", offset)]);
        let answer = remote.client.text(&format!("{path}{query}")).await?;
        if remote.is_json {
            rest.extend_from_slice(&answer.body);
            tell(whole_lines(&mut rest), stage.as_deref());
        } else {
            out::text(&String::from_utf8_lossy(&answer.body));
        }
        let next = answer
            .headers
            .get("bowsprit-next-offset")
            .and_then(|next| next.to_str().ok());
        match next {
            Some(next) => offset = Some(next.to_owned()),
            None => break,
        }
    }
    if !rest.is_empty() {
        rest.push(b'\n');
        tell(whole_lines(&mut rest), stage.as_deref());
    }
    Ok(())
}

fn tell(lines: Vec<String>, stage: Option<&str>) {
    for line in lines {
        out::line(&one_line(&line, stage).to_string());
    }
}

/// Takes the whole lines and keeps what has no end yet: a part may end anywhere.
fn whole_lines(text: &mut Vec<u8>) -> Vec<String> {
    let end = text.iter().rposition(|byte| *byte == b'\n');
    let rest = text.split_off(end.map_or(0, |end| end + 1));
    let whole = std::mem::replace(text, rest);
    let whole = String::from_utf8_lossy(&whole).into_owned();
    whole.lines().map(str::to_owned).collect()
}

/// A line of a log; the stage where there is more than one.
fn one_line(line: &str, stage: Option<&str>) -> Value {
    match stage {
        Some(stage) => json!({"stage": stage, "line": line}),
        None => json!({"line": line}),
    }
}

async fn follow(remote: &Remote, path: &str, stage: Option<&str>) -> anyhow::Result<()> {
    let say = |line: &str| match remote.is_json {
        true => out::line(&one_line(line, stage).to_string()),
        false => out::line(&clean_line(line)),
    };
    remote.client.follow(path, say).await
}

/// Every stage of a run in its turn, until the run has ended.
async fn every_stage(remote: &Remote, run: &str) -> anyhow::Result<()> {
    let mut seen = BTreeSet::new();
    loop {
        let now = remote.client.get(run).await?;
        let stages = now["stages"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let next = stages
            .iter()
            .filter_map(|stage| stage["id"].as_str())
            .find(|id| !seen.contains(*id));
        match next {
            Some(id) => {
                let id = id.to_owned();
                let query = query(&[("stage", Some(id.clone()))]);
                follow(remote, &format!("{run}/log/stream{query}"), Some(&id)).await?;
                seen.insert(id);
            }
            None if is_over(&now) && remote.is_json => {
                out::line(&json!({"phase": now["phase"], "headline": now["headline"]}).to_string());
                return Ok(());
            }
            None if is_over(&now) => {
                out::note(&format!(
                    "{}: {}",
                    now["phase"].as_str().unwrap_or_default(),
                    clean_line(now["headline"].as_str().unwrap_or_default())
                ));
                return Ok(());
            }
            None => tokio::time::sleep(LOOK).await,
        }
    }
}

fn is_over(run: &Value) -> bool {
    !matches!(run["phase"].as_str(), Some("pending" | "running"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_told_once_it_is_whole() {
        let mut rest = Vec::new();
        let mut told = Vec::new();
        for part in ["epoch 1\nepo", "ch ", "2\n\n", "lo\u{e9}\n last"] {
            rest.extend_from_slice(part.as_bytes());
            told.push(whole_lines(&mut rest));
        }
        let wanted: [&[&str]; 4] = [&["epoch 1"], &[], &["epoch 2", ""], &["lo\u{e9}"]];
        assert_eq!(told, wanted);
        assert_eq!(rest, b" last");
        let shown = |stage| one_line("a \"b\"", stage).to_string();
        assert_eq!(shown(None), r#"{"line":"a \"b\""}"#);
        assert_eq!(shown(Some("s1")), r#"{"line":"a \"b\"","stage":"s1"}"#);
    }
}
