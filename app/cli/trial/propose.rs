//! `bowsprit try propose`: the pull request that a folder's model would become.

use super::no_way_out;
use super::train::{self, Train, Tried};
use crate::cli::out;
use crate::worker::alone::Proposed;
use anyhow::Context as _;
use bowsprit_core::effect::Content;
use bowsprit_core::name::RepoPath;
use bowsprit_core::text::clean_line;
use clap::Args;
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;

/// Where the pull request is put, below the outputs.
const FOLDER: &str = "proposal";
/// Its text, in there.
const BODY: &str = "body.md";

#[derive(Debug, Args)]
pub(in crate::cli) struct Propose {
    #[command(flatten)]
    train: Train,
}

/// Ends with 1 where a step fails, a gate says no, or the model is the one that the service has.
///
/// Errors: a folder that is no training's, no folder of its service, files that cannot be written.
pub(super) async fn run(args: Propose, is_json: bool) -> anyhow::Result<ExitCode> {
    let tried = train::train(args.train, true).await?;
    let service = tried.service.as_ref().context("there is no service")?;
    let proposed = match tried.passed() {
        true => tried.alone.propose(&tried.run, service).await?,
        false => Proposed::Nothing("the bot proposes what passed its gates alone".to_owned()),
    };
    let to = tried.output.join(FOLDER);
    no_way_out(&tried.base, &to)?;
    clear(&to)?;
    let (title, body, files) = match proposed {
        Proposed::Nothing(why) => {
            nothing(&tried, &why, is_json);
            return Ok(ExitCode::FAILURE);
        }
        Proposed::Pull { title, body, files } => (title, body, files),
    };
    write(&to.join(BODY), body.as_bytes())?;
    let mut listed = Vec::new();
    for (path, content) in &files {
        put(&tried, &to, path, content)?;
        let is_there = service.dir.join(path.as_str()).is_file();
        listed.push(json!({"path": path, "change": if is_there { "changed" } else { "added" }}));
    }
    if is_json {
        let mut told = train::json(&tried);
        told["proposal"] = json!({"title": title, "body": body, "files": listed, "folder": to});
        out::json(&told);
        return Ok(ExitCode::SUCCESS);
    }
    train::tell(&tried);
    // Its first line is a mark for machines.
    let (_, told) = body.split_once(" -->\n").unwrap_or(("", &body));
    out::line(&format!("\n{}\n\n{}", clean_line(&title), told.trim_end()));
    out::line("");
    for file in &listed {
        let word = |key: &str| file[key].as_str().unwrap_or_default().to_owned();
        out::line(&format!("{:8} {}", word("change"), word("path")));
    }
    out::line(&format!("its text, files and pictures: {}", to.display()));
    Ok(ExitCode::SUCCESS)
}

fn nothing(tried: &Tried, why: &str, is_json: bool) {
    if is_json {
        let mut told = train::json(tried);
        told["proposal"] = Value::Null;
        told["not_proposed"] = json!(why);
        return out::json(&told);
    }
    train::tell(tried);
    out::line(&clean_line(&format!("no pull request: {why}")));
}

/// What an earlier try proposed is not this one's.
fn clear(dir: &Path) -> anyhow::Result<()> {
    anyhow::ensure!(
        !dir.exists() || dir.join(BODY).is_file(),
        "{} is not of an earlier try; take it away, or say --output DIR",
        dir.display()
    );
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot clear {}", dir.display()))
        }
        _ => Ok(()),
    }
}

fn put(tried: &Tried, dir: &Path, path: &RepoPath, content: &Content) -> anyhow::Result<()> {
    let to = dir.join(path.as_str());
    match content {
        Content::Text(text) => write(&to, text.as_bytes()),
        Content::Artifact(sha256) => write(&to, &std::fs::read(tried.alone.file(sha256)?)?),
        Content::Delete => Ok(()),
    }
}

fn write(to: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let cannot = || format!("cannot write {}", to.display());
    std::fs::create_dir_all(to.parent().unwrap_or(to)).with_context(cannot)?;
    std::fs::write(to, bytes).with_context(cannot)
}
