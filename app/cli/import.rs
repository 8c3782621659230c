//! `bowsprit import`: makes repositories that exist ones of ours, by the files that they lack.

use super::catalogue::{packs, put};
use super::out;
use super::table::table;
use anyhow::{Context as _, anyhow};
use bowsprit_core::catalogue::{Fit, Look, fitting, pack_filled};
use bowsprit_core::name::Login;
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Which repositories, and as what.
#[derive(Debug, Args)]
pub(super) struct Import {
    /// Working copies: one repository, or both of a pair
    #[arg(default_value = ".")]
    dirs: Vec<PathBuf>,
    /// The pack, where files and names do not tell; `bowsprit get packs` lists them
    #[arg(long, value_name = "NAME")]
    pack: Option<String>,
    /// What the names of the pair begin with, where the folder's name does not tell
    #[arg(long, value_name = "NAME")]
    root: Option<String>,
    /// Your login on the git server, for OWNERS
    #[arg(long, value_name = "LOGIN")]
    owner: String,
    /// Write nothing; only tell what would be written
    #[arg(long)]
    dry_run: bool,
}

/// Adds what is missing; what is there is never changed. Errors: a repository does not tell what it is.
pub(super) fn run(args: Import, is_json: bool) -> anyhow::Result<ExitCode> {
    let owner = Login::parse(&args.owner)?;
    let known = packs::all()?;
    let mut done = Vec::new();
    // All are understood before the first is written to.
    for dir in &args.dirs {
        let look = look(dir)?;
        let fit = fitting(&look, &known, args.pack.as_deref(), args.root.as_deref())
            .map_err(|error| anyhow!("{}: {error}", dir.display()))?;
        done.push((dir, fit));
    }
    let told = done
        .iter()
        .map(|(dir, fit)| add(dir, fit, &owner, args.dry_run))
        .collect::<anyhow::Result<Vec<Value>>>()?;
    if is_json {
        out::json(&told.into());
        return Ok(ExitCode::SUCCESS);
    }
    for one in &told {
        let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
        out::line(&format!("{} takes the pack {}:", text("dir"), text("pack")));
        for (key, word) in [("added", "added"), ("kept", "kept")] {
            for path in one[key].as_array().into_iter().flatten() {
                out::line(&format!("  {word}  {}", path.as_str().unwrap_or_default()));
            }
        }
    }
    out::line(
        "\nNext: read bowsprit.yaml, then `bowsprit contract lint`, commit and push; the App must be installed on the repository.",
    );
    Ok(ExitCode::SUCCESS)
}

/// Lists the packs.
pub(super) fn list_packs(is_json: bool) -> anyhow::Result<ExitCode> {
    let packs = packs::all()?;
    if is_json {
        out::json(&serde_json::to_value(&packs)?);
        return Ok(ExitCode::SUCCESS);
    }
    let rows = packs
        .into_iter()
        .map(|pack| vec![pack.name, pack.language, pack.about]);
    out::line(&table(&["name", "language", "about"], rows));
    Ok(ExitCode::SUCCESS)
}

fn look(dir: &Path) -> anyhow::Result<Look> {
    let shown = dir.display();
    let dir =
        std::fs::canonicalize(dir).with_context(|| format!("cannot find the folder {shown}"))?;
    let name = dir
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let files = std::fs::read_dir(&dir)
        .with_context(|| format!("cannot read the folder {shown}"))?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    Ok(Look {
        name: name.unwrap_or_default(),
        files,
    })
}

fn add(dir: &Path, fit: &Fit, owner: &Login, is_dry: bool) -> anyhow::Result<Value> {
    let (mut added, mut kept) = (Vec::new(), Vec::new());
    for (path, bytes) in packs::files(&fit.pack) {
        let target = dir.join(&path);
        if target.symlink_metadata().is_ok() {
            kept.push(path);
            continue;
        }
        if !is_dry {
            let text = pack_filled(&String::from_utf8_lossy(&bytes), fit, owner);
            put(&target, text.as_bytes())?;
        }
        added.push(path);
    }
    Ok(json!({
        "dir": dir.display().to_string(), "pack": fit.pack, "root": fit.root,
        "added": added, "kept": kept,
    }))
}
