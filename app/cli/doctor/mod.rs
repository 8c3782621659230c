//! `bowsprit doctor`: looks at what the server needs, and says what to do where something is wrong.
//!
//! It works with the server's configuration and not with the server, so it answers before the first start too.

mod cluster;
mod machine;

use super::{out, server};
use crate::config::{Backend, Config};
use bowsprit_core::doctor::{Finding, is_well, told};
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What the doctor is told.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// The server's configuration; BOWSPRIT_… variables go over it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Looks at everything and prints it; the exit code is 1 where there is a problem.
pub(super) async fn run(doctor: Doctor, is_json: bool) -> anyhow::Result<ExitCode> {
    let findings = look(doctor.config.as_deref()).await;
    let is_well = is_well(&findings);
    match is_json {
        true => out::json(&json!({"well": is_well, "findings": findings})),
        false => out::line(&told(&findings)),
    }
    Ok(match is_well {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

async fn look(path: Option<&Path>) -> Vec<Finding> {
    let about = "configuration";
    let config = match server::read(path) {
        Ok(config) => config,
        Err(problems) => {
            // Without it nobody knows what to look at, the machine's own tools apart.
            let advice = "docs/CONFIGURATION.md names every key";
            let problems = problems.into_iter();
            let mut findings: Vec<Finding> = problems
                .map(|problem| Finding::problem(about, problem, advice))
                .collect();
            findings.push(machine::git().await);
            return findings;
        }
    };
    let read = path.map_or("the environment's".to_owned(), |path| {
        path.display().to_string()
    });
    let mut findings = vec![Finding::ok(about, read)];
    findings.extend(machine::look(&config).await);
    if uses_cluster(&config) {
        findings.extend(cluster::look(&config).await);
    }
    findings
}

fn uses_cluster(config: &Config) -> bool {
    [config.runs.backend, config.releases.backend].contains(&Backend::Kubernetes)
}
