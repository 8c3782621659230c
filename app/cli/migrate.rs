//! `bowsprit migrate`: says the configuration of another bot in our words, and lists what it could not.

use super::catalogue::put;
use super::contract::report;
use super::out;
use anyhow::{Context as _, bail};
use bowsprit_core::migrate::{self, FILE_BYTES_MAX, FILES_MAX, Migration, Source, Unreadable};
use clap::{Args, Subcommand};
use serde_json::json;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Folders within folders that are looked into.
const DEPTH_MAX: usize = 16;
/// The server's part.
const SERVER_FILE: &str = "bowsprit.toml";
/// What became of everything.
const REPORT_FILE: &str = "REPORT.md";

#[derive(Debug, Subcommand)]
pub(super) enum Migrate {
    /// From Prow: write a part of the server's file, parts of contracts, and a report
    Prow(Prow),
}

/// Prow's files, and where ours go.
#[derive(Debug, Args)]
pub(super) struct Prow {
    /// Prow's plugins.yaml
    #[arg(value_name = "PLUGINS_YAML")]
    plugins: PathBuf,
    /// Prow's config.yaml
    #[arg(value_name = "CONFIG_YAML")]
    config: PathBuf,
    /// A folder with files of jobs, *.yaml and *.yml
    #[arg(long, value_name = "DIR")]
    job_config: Option<PathBuf>,
    /// A folder that is empty or not there
    #[arg(long, value_name = "DIR", default_value = "bowsprit-migration")]
    output: PathBuf,
    /// Write nothing; only tell what would be written, and what could not be carried over
    #[arg(long)]
    dry_run: bool,
}

/// Does what was asked. Errors: a file cannot be read, or one of ours not be written.
pub(super) fn run(verb: Migrate, is_json: bool) -> anyhow::Result<ExitCode> {
    match verb {
        Migrate::Prow(args) => prow(&args, is_json),
    }
}

fn prow(args: &Prow, is_json: bool) -> anyhow::Result<ExitCode> {
    if !args.dry_run {
        check_empty(&args.output)?;
    }
    let mut files = vec![args.plugins.clone(), args.config.clone()];
    if let Some(dir) = &args.job_config {
        files.extend(job_files(dir)?);
    }
    let mut texts = Vec::new();
    for path in &files {
        texts.push((path.display().to_string(), read(path)?));
    }
    let sources: Vec<Source<'_>> = texts
        .iter()
        .map(|(name, text)| Source { name, text })
        .collect();
    let [plugins, config, jobs @ ..] = &sources[..] else {
        bail!("cannot migrate: two files are needed");
    };
    match migrate::prow(*plugins, *config, jobs) {
        Ok(found) => tell(args, &found, is_json),
        Err(unreadable) => {
            refuse(&unreadable, &texts, is_json);
            Ok(ExitCode::FAILURE)
        }
    }
}

fn refuse(unreadable: &[Unreadable], texts: &[(String, String)], is_json: bool) {
    if is_json {
        return out::json(&json!({"unreadable": unreadable}));
    }
    for file in unreadable {
        let text = texts.iter().find(|(name, _)| *name == file.file);
        let text = text.map_or("", |(_, text)| text);
        out::text(&report(&file.file, text, &file.problems));
    }
}

/// Writes the files, and says which; the same is said where nothing is written.
fn tell(args: &Prow, found: &Migration, is_json: bool) -> anyhow::Result<ExitCode> {
    let mut files = vec![
        (PathBuf::from(SERVER_FILE), found.server.clone()),
        (PathBuf::from(REPORT_FILE), found.report()),
    ];
    for (name, part) in &found.contracts {
        let path = Path::new("contracts").join(format!("{name}.yaml"));
        files.push((path, part.clone()));
    }
    let mut paths = Vec::new();
    for (path, text) in &files {
        let path = args.output.join(path);
        if !args.dry_run {
            put(&path, text.as_bytes())?;
        }
        paths.push(path.display().to_string());
    }
    let (carried, left) = (found.carried.len(), found.left.len());
    if is_json {
        out::json(&json!({
            "is_written": !args.dry_run, "files": paths,
            "carried_over": carried, "not_carried_over": left,
            "carried": found.carried, "left": found.left,
        }));
        return Ok(ExitCode::SUCCESS);
    }
    let word = match args.dry_run {
        true => "would write",
        false => "written",
    };
    for path in &paths {
        out::line(&format!("{word}  {path}"));
    }
    if args.dry_run {
        for one in &found.left {
            let from = &one.from;
            let at = format!("{}:{}:{}", from.file, from.line, from.column);
            let told = format!("{at}: {}: {}", from.key, one.why);
            out::line(&bowsprit_core::text::clean_line(&told));
        }
    }
    out::line(&format!(
        "Carried over: {carried}. Not carried over: {left}."
    ));
    if !args.dry_run {
        out::line(&format!(
            "\nNext: read {}, put {SERVER_FILE} into the server's file and each part below contracts into bowsprit.yaml of its repository.",
            args.output.join(REPORT_FILE).display()
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn check_empty(dir: &Path) -> anyhow::Result<()> {
    let shown = dir.display();
    match std::fs::read_dir(dir).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => bail!(
            "cannot write to {shown}: it is not empty; remove what is there, or name another folder with `--output`"
        ),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot write to {shown}")),
    }
}

/// Every file of jobs below a folder, by name; links are not followed.
fn job_files(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut open = vec![(dir.to_owned(), 0)];
    while let Some((dir, depth)) = open.pop() {
        let shown = dir.display().to_string();
        let entries =
            std::fs::read_dir(&dir).with_context(|| format!("cannot read the folder {shown}"))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot read the folder {shown}"))?;
            let kind = entry
                .file_type()
                .with_context(|| format!("cannot read the folder {shown}"))?;
            let path = entry.path();
            let is_yaml = path
                .extension()
                .is_some_and(|end| end == "yaml" || end == "yml");
            if kind.is_dir() && depth < DEPTH_MAX {
                open.push((path, depth + 1));
            } else if kind.is_dir() {
                bail!(
                    "cannot read {}: folders are nested deeper than {DEPTH_MAX}",
                    path.display()
                );
            } else if kind.is_file() && is_yaml {
                files.push(path);
            } else if kind.is_symlink() {
                out::note(&format!("{} is a link and is not followed", path.display()));
            }
            if files.len() > FILES_MAX {
                bail!(
                    "cannot read {shown}: more than {FILES_MAX} files of jobs; name a folder below it"
                );
            }
        }
    }
    files.sort();
    Ok(files)
}

/// The file as text, a little beyond the limit at most. Errors: it cannot be read, or is no text.
fn read(path: &Path) -> anyhow::Result<String> {
    let shown = path.display();
    let file = std::fs::File::open(path).with_context(|| format!("cannot open {shown}"))?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("cannot read {shown}"))?;
    String::from_utf8(bytes).with_context(|| format!("{shown} is not UTF-8"))
}
