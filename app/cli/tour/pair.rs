//! The pair that the tour and the demo start from: both repositories, their people, their first commits.
//!
//! Laid through the public doors, as its owner would; what is there already is left alone.

use super::Brief;
use super::wire::{Caller, git, sign_in};
use crate::cli::catalogue;
use http::Method;
use serde_json::json;
use std::path::Path;

/// The quickstart that the demo starts from.
const QUICKSTART: &str = "digits";

/// Creates both repositories and pushes the quickstart into them, unless that was done before.
/// `is_quiet`: the first commit trains nothing.
pub(crate) async fn lay(brief: &Brief, is_quiet: bool) -> anyhow::Result<()> {
    let owner = Caller::new(&brief.hub, brief.token(&brief.owner));
    // The service first: it waits for its model while the training runs.
    for half in ["service", "training"] {
        let name = format!("digits-{half}");
        let path = format!("/repos/{}/{name}", brief.owner);
        if owner.call(Method::GET, &path, None).await?.status == 404 {
            owner.post("/user/repos", &json!({"name": name})).await?;
        }
        for login in brief.people.keys().filter(|login| **login != brief.owner) {
            let body = json!({"permission": "push"});
            owner
                .call(
                    Method::PUT,
                    &format!("{path}/collaborators/{login}"),
                    Some(&body),
                )
                .await?;
        }
        let branches = owner.get(&format!("{path}/branches")).await?;
        if branches.as_array().is_some_and(Vec::is_empty) {
            first_push(brief, half, is_quiet && half == "training").await?;
        }
    }
    Ok(())
}

async fn first_push(brief: &Brief, half: &str, is_quiet: bool) -> anyhow::Result<()> {
    let copy = tempfile::tempdir()?;
    lay_out(half, copy.path())?;
    git(copy.path(), &["init", "-q"]).await?;
    let (hub, owner) = (&brief.hub, &brief.owner);
    sign_in(copy.path(), hub, owner, brief.token(owner)).await?;
    git(copy.path(), &["add", "-A"]).await?;
    let skip = if is_quiet { " [skip train]" } else { "" };
    git(
        copy.path(),
        &[
            "commit",
            "-q",
            "-m",
            &format!("Start from the digits quickstart{skip}"),
        ],
    )
    .await?;
    git(
        copy.path(),
        &[
            "push",
            "-q",
            &format!("{hub}/{owner}/digits-{half}.git"),
            "HEAD:main",
        ],
    )
    .await
    .map(|_| ())
}

fn lay_out(half: &str, into: &Path) -> anyhow::Result<()> {
    for (path, bytes) in catalogue::files(&format!("{QUICKSTART}/{half}"))? {
        let target = into.join(path);
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(target, bytes)?;
    }
    Ok(())
}
