//! `bowsprit import`: makes repositories that exist ones of ours, by the files that they lack.

use super::catalogue::packs::{PackArgs, Packs};
use super::catalogue::{File, put};
use super::table::table;
use super::{Remote, out};
use anyhow::{Context as _, anyhow, bail};
use bowsprit_core::catalogue::{
    Fit, Look, OWN, Pack, Pin, REQUIREMENTS_MARK, fitting, pack_filled,
};
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
    #[command(flatten)]
    packs: PackArgs,
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

/// What one repository takes of its pack.
struct Taking<'d> {
    dir: &'d Path,
    fit: Fit,
    files: Vec<File>,
}

/// Adds what is missing; what is there is never changed. Errors: a repository does not tell what it is, a source has no such pack.
pub(super) async fn run(args: Import, remote: &Remote) -> anyhow::Result<ExitCode> {
    let owner = Login::parse(&args.owner)?;
    let packs = Packs::open(&args.packs, args.dry_run, remote).await?;
    let known: Vec<Pack> = { packs.all().into_iter() }
        .map(|(pack, _)| pack.clone())
        .collect();
    let mut takings = Vec::new();
    // All are understood before the first is written to.
    for dir in &args.dirs {
        let look = look(dir)?;
        let fit = fitting(&look, &known, args.pack.as_deref(), args.root.as_deref())
            .map_err(|error| anyhow!("{}: {error}", dir.display()))?;
        let files = packs.files(&fit.pack).await?;
        for (path, _) in &files {
            no_way_out(dir, Path::new(path))?;
        }
        takings.push(Taking { dir, fit, files });
    }
    let told = takings
        .iter()
        .map(|taking| add(taking, &packs, &owner, args.dry_run))
        .collect::<anyhow::Result<Vec<Value>>>()?;
    takings.iter().for_each(tell_missing);
    if remote.is_json {
        out::json(&told.into());
        return Ok(ExitCode::SUCCESS);
    }
    for one in &told {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let from = match one["source"]["commit"].as_str() {
            Some(commit) => format!(" of {} at {commit}", text(&one["source"]["url"])),
            None => String::new(),
        };
        out::line(&format!(
            "{} takes the pack {}{from}:",
            text(&one["dir"]),
            text(&one["pack"])
        ));
        for (key, word) in [("added", "added"), ("kept", "kept")] {
            for path in one[key].as_array().into_iter().flatten() {
                out::line(&format!("  {word}  {}", text(path)));
            }
        }
    }
    out::line(
        "\nNext: read bowsprit.yaml, then `bowsprit contract lint`, commit and push; the App must be installed on the repository.",
    );
    Ok(ExitCode::SUCCESS)
}

/// Lists the packs.
pub(super) async fn list_packs(args: &PackArgs, remote: &Remote) -> anyhow::Result<ExitCode> {
    let packs = Packs::open(args, false, remote).await?;
    let all = packs.all();
    if remote.is_json {
        let rows = all.iter().map(|(pack, pin)| {
            let mut row = json!(pack);
            row["source"] = source(*pin);
            row
        });
        out::json(&rows.collect());
        return Ok(ExitCode::SUCCESS);
    }
    let rows = all.into_iter().map(|(pack, pin)| {
        let from = pin.map_or_else(
            || OWN.to_owned(),
            |pin| format!("{} at {}", pin.source, pin.commit.short()),
        );
        let pack = pack.clone();
        vec![pack.name, pack.language, from, pack.about]
    });
    out::line(&table(&["name", "language", "from", "about"], rows));
    Ok(ExitCode::SUCCESS)
}

/// Where a pack comes from, for machines; null for this program.
fn source(pin: Option<&Pin>) -> Value {
    pin.map_or(
        Value::Null,
        |pin| json!({"url": pin.source.url, "ref": pin.source.at, "commit": pin.commit}),
    )
}

/// Looks whether a path can be made in the repository. Errors: a link leads out of it, or a file is in its way.
fn no_way_out(dir: &Path, path: &Path) -> anyhow::Result<()> {
    for above in path.ancestors().skip(1) {
        // A link is no folder, wherever it leads.
        let in_way = { dir.join(above).symlink_metadata() }.is_ok_and(|about| !about.is_dir());
        if in_way && !above.as_os_str().is_empty() {
            bail!(
                "{}: `{}` is a link or a file, and the pack has `{}` below it; make it a folder first",
                dir.display(),
                above.display(),
                path.display()
            );
        }
    }
    Ok(())
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

/// Says what the files of the pack name and nobody brings.
fn tell_missing(taking: &Taking<'_>) {
    let Taking { dir, fit, files } = taking;
    let names_it = |(_, bytes): &File| {
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        text.contains(REQUIREMENTS_MARK)
    };
    let is_brought = files.iter().any(|(path, _)| *path == fit.requirements);
    if files.iter().any(names_it) && !is_brought && !dir.join(&fit.requirements).exists() {
        out::note(&format!(
            "{}: there is no `{}` yet, and the pack's files name it; make it (`uv pip compile --generate-hashes`) before the first push",
            dir.display(),
            fit.requirements
        ));
    }
}

fn add(taking: &Taking<'_>, packs: &Packs, owner: &Login, is_dry: bool) -> anyhow::Result<Value> {
    let Taking { dir, fit, files } = taking;
    let (mut added, mut kept) = (Vec::new(), Vec::new());
    for (path, bytes) in files {
        let target = dir.join(path);
        if target.symlink_metadata().is_ok() {
            kept.push(path);
            continue;
        }
        if !is_dry {
            match std::str::from_utf8(bytes) {
                Ok(text) => put(&target, pack_filled(text, fit, owner).as_bytes())?,
                Err(_) => put(&target, bytes)?,
            }
        }
        added.push(path);
    }
    let pin = { packs.all().into_iter() }
        .find(|(pack, _)| pack.name == fit.pack)
        .and_then(|(_, pin)| pin);
    Ok(json!({
        "dir": dir.display().to_string(), "pack": fit.pack, "source": source(pin), "root": fit.root,
        "added": added, "kept": kept,
    }))
}
