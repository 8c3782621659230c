//! The pair of the demo: both repositories, their people, their first commits.

use super::world::{PEOPLE, World};
use crate::cli::tour::wire::{Caller, git, sign_in};
use anyhow::Context as _;
use http::Method;
use rust_embed::Embed;
use serde_json::json;
use std::path::Path;

/// The quickstart that the demo starts from.
#[derive(Embed)]
#[folder = "templates/quickstarts/digits"]
#[exclude = "**/__pycache__/*"]
struct Digits;

/// Tells the hub where the bot listens.
pub(super) async fn webhook(world: &World, hub: &str, bot: &str) -> anyhow::Result<()> {
    let admin = Caller::new(hub, world.admin_token());
    let body = json!({"url": format!("{bot}/webhook"), "secret": world.webhook_secret()});
    let answer = admin
        .call(Method::PUT, "/_hub/webhook", Some(&body))
        .await?;
    anyhow::ensure!(
        answer.status < 300,
        "cannot set the webhook: {}",
        answer.status
    );
    Ok(())
}

/// Creates both repositories and pushes the quickstart into them, unless that was done before.
pub(super) async fn pair(world: &World, hub: &str, is_quiet: bool) -> anyhow::Result<()> {
    let ada = Caller::new(hub, world.token("ada"));
    // The service first: it waits for its model while the training runs.
    for half in ["service", "training"] {
        let name = format!("digits-{half}");
        let path = format!("/repos/ada/{name}");
        if ada.call(Method::GET, &path, None).await?.status == 404 {
            ada.post("/user/repos", &json!({"name": name})).await?;
        }
        for (login, _) in PEOPLE.iter().filter(|(login, _)| *login != "ada") {
            let body = json!({"permission": "push"});
            ada.call(
                Method::PUT,
                &format!("{path}/collaborators/{login}"),
                Some(&body),
            )
            .await?;
        }
        let branches = ada.get(&format!("{path}/branches")).await?;
        if branches.as_array().is_some_and(Vec::is_empty) {
            first_push(world, hub, half, is_quiet && half == "training").await?;
        }
    }
    Ok(())
}

async fn first_push(world: &World, hub: &str, half: &str, is_quiet: bool) -> anyhow::Result<()> {
    let copy = tempfile::tempdir()?;
    lay_out(half, copy.path())?;
    git(copy.path(), &["init", "-q"]).await?;
    sign_in(copy.path(), hub, "ada", world.token("ada")).await?;
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
            &format!("{hub}/ada/digits-{half}.git"),
            "HEAD:main",
        ],
    )
    .await
    .map(|_| ())
}

fn lay_out(half: &str, into: &Path) -> anyhow::Result<()> {
    let prefix = format!("{half}/");
    for path in Digits::iter() {
        let Some(inside) = path.strip_prefix(&prefix) else {
            continue;
        };
        let target = into.join(inside);
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let file = Digits::get(&path).with_context(|| format!("cannot find {path}"))?;
        std::fs::write(target, file.data)?;
    }
    Ok(())
}
