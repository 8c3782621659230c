//! Looks at the machine of the server, and at GitHub from there.

use crate::app;
use crate::config::{Backend, Config};
use crate::github::client::GitHub;
use crate::github::error::ApiError;
use crate::github::own;
use bowsprit_core::doctor::{self, Disk, Finding};
use bowsprit_core::serving::gitops::Repository;
use nix::sys::statvfs::statvfs;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// How long a program may take to say its version.
const ANSWER_WAIT: Duration = Duration::from_secs(20);
/// Prints the version where both modules that runtimes are made with are there.
const PYTHON: &str = "import ensurepip, venv, platform; print(platform.python_version())";

/// Everything of the machine, then GitHub.
pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let is_here = [config.runs.backend, config.releases.backend].contains(&Backend::Local);
    let mut findings = vec![
        git().await,
        python(is_here).await,
        confinement(is_here),
        doctor::disk(disk(config)),
    ];
    findings.extend(github(config).await);
    findings
}

/// The system's git.
pub(super) async fn git() -> Finding {
    doctor::git(said("git", &["--version"]).await.ok().as_deref())
}

async fn python(is_needed: bool) -> Finding {
    if !is_needed {
        return doctor::python(false, Err(""));
    }
    let found = said("python3", &["-c", PYTHON]).await;
    doctor::python(true, found.as_deref().map_err(String::as_str))
}

fn confinement(is_needed: bool) -> Finding {
    let shortfall = is_needed.then(|| bowsprit_agent::confine::look().shortfall);
    doctor::confinement(is_needed, shortfall.flatten().as_deref())
}

fn disk(config: &Config) -> Option<Disk> {
    let found = statvfs(&config.state_dir).ok()?;
    let (free, all) = crate::http::disk::bytes(&found);
    Some(Disk {
        free,
        all,
        keep_percent: config.limits.disk_free_percent,
        keep_bytes: config.limits.disk_free_bytes,
    })
}

async fn github(config: &Config) -> Vec<Finding> {
    let needed = own::needed();
    let github = match app::github(config) {
        Ok(github) => github,
        Err(error) => return vec![doctor::app(Err(&format!("{error:#}")), &needed)],
    };
    let found = github.app_in_full().await.map_err(|error| error.words());
    let app = doctor::app(found.as_ref().map_err(String::as_str), &needed);
    if found.is_err() {
        // The other answers would only say the same again.
        return vec![app];
    }
    let mut findings = vec![app];
    findings.extend(installations(&github, &needed).await);
    findings.push(webhook(&github, &config.public_url).await);
    if let Some(gitops) = &config.releases.gitops {
        let repository = &gitops.repository;
        let found = has_branch(&github, repository).await;
        let (name, branch) = (repository.name.as_str(), repository.branch.as_str());
        findings.push(doctor::written_to(
            name,
            branch,
            found.as_ref().copied().map_err(String::as_str),
        ));
    }
    findings
}

/// Whether the branch is there; `None` where no installation shows the repository.
async fn has_branch(github: &GitHub, wanted: &Repository) -> Result<Option<bool>, String> {
    let words = |error: ApiError| error.words();
    for installation in github.installations().await.map_err(words)? {
        if installation.is_suspended {
            continue;
        }
        let all = github.repositories(installation.id).await.map_err(words)?;
        let name = wanted.name.as_str();
        let mut all = all.into_iter().map(|view| view.repo);
        if let Some(repo) = all.find(|repo| repo.name.as_str().eq_ignore_ascii_case(name)) {
            let place = github.at(installation.id, repo);
            let head = place.head(&wanted.branch).await.map_err(words)?;
            return Ok(Some(head.is_some()));
        }
    }
    Ok(None)
}

/// All of them in one line, and a line for each that has not granted everything.
async fn installations(github: &GitHub, needed: &doctor::App) -> Vec<Finding> {
    let all = match github.installations().await {
        Ok(all) => all,
        Err(error) => return vec![doctor::installations(Err(&error.words()))],
    };
    let suspended = all.iter().filter(|one| one.is_suspended).count();
    let mut findings = vec![doctor::installations(Ok((all.len(), suspended)))];
    let told = all.iter().filter(|one| !one.permissions.is_empty());
    let told = told
        .map(|one| doctor::granted(one.account.as_str(), &one.permissions, &needed.permissions));
    findings.extend(told.filter(|one| one.verdict != doctor::Verdict::Ok));
    findings
}

async fn webhook(github: &GitHub, public_url: &str) -> Finding {
    match github.webhook().await {
        Ok(found) => doctor::webhook(Ok(found.as_ref()), public_url),
        Err(error) => doctor::webhook(Err(&error.words()), public_url),
    }
}

/// The first line that a program prints. Errors: it is not there, fails or does not end, in words.
async fn said(program: &str, args: &[&str]) -> Result<String, String> {
    let run = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    match tokio::time::timeout(ANSWER_WAIT, run).await {
        Ok(Ok(output)) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout);
            Ok(text.lines().next().unwrap_or_default().to_owned())
        }
        Ok(Ok(output)) => {
            let text = String::from_utf8_lossy(&output.stderr);
            let last = text.lines().last().unwrap_or("it fails").trim();
            Err(format!(
                "{program}: {}",
                bowsprit_core::text::clean_line(last)
            ))
        }
        Ok(Err(_)) => Err(format!("there is no {program}")),
        Err(_) => Err(format!("{program} does not answer")),
    }
}
