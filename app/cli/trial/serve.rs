//! `bowsprit try serve`: a service with the models of this machine, until somebody ends it.

use super::{absolute, lock, named, new_lines, read, state_dir, until_asked};
use crate::cli::{out, server};
use crate::worker::alone::{Alone, Folder, SERVICE, Served};
use bowsprit_core::contract::{Contract, Service};
use bowsprit_core::name::Slug;
use bowsprit_core::serving::spec::RolloutPhase;
use bowsprit_core::subject::environment::TRIED;
use bowsprit_core::text::clean_line;
use clap::Args;
use serde_json::{Value, json};
use std::io::BufRead as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(in crate::cli) struct Serve {
    /// The folder of the service, committed or not
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// The folder of a model, NAME=DIR where the service has several; what `try train` wrote beside the service where absent
    #[arg(long = "model", value_name = "DIR")]
    models: Vec<String>,
    /// Where it listens; a free port where absent
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Where runtimes and models are kept
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

/// Serves until the person ends it. Errors: a folder that is no service's, no model, what the server failed with.
pub(super) async fn run(args: Serve, is_json: bool) -> anyhow::Result<ExitCode> {
    let dir = absolute(&args.dir)?;
    let Contract::Service(contract) = read(&dir)? else {
        anyhow::bail!(
            "{} is a training; name the folder of its service",
            dir.display()
        );
    };
    let models = models(&dir, &contract, &args.models)?;
    let state = state_dir(args.state.as_deref())?;
    let _lock = lock(&state, "serve.lock")?;
    let alone = Alone::open(&state, server::program()?)?;
    let target = alone.target(args.port)?;
    let first = models.first().map(|(name, dir)| {
        let path = contract.predict(name).to_owned();
        (path, sample(dir))
    });
    let folder = Folder {
        dir,
        name: named("service")?,
    };
    let served = Served {
        folder: &folder,
        contract: &contract,
        models,
    };
    let log = target.log_path(SERVICE, &Slug::parse(TRIED)?);
    let (mut read, mut is_told) = (0, false);
    let stop = until_asked();
    let told = |live: Option<&bowsprit_core::serving::spec::Live>| {
        if let Some(text) = new_lines(&log, read) {
            read += text.len() as u64;
            text.lines().for_each(|line| out::note(&clean_line(line)));
        }
        let live = live.filter(|live| live.phase == RolloutPhase::Live && !is_told);
        if let (Some(live), Some((path, sample))) = (live, &first) {
            is_told = true;
            answers(&live.url, path, sample.as_ref(), is_json);
        }
    };
    alone.serve(served, &target, &stop, told).await?;
    Ok(ExitCode::SUCCESS)
}

/// The folders of the service's models. Errors: none is there, or one that was named is not of the service.
fn models(
    dir: &Path,
    contract: &Service,
    named: &[String],
) -> anyhow::Result<Vec<(Slug, PathBuf)>> {
    let known = || {
        contract
            .models
            .keys()
            .map(Slug::as_str)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut found = Vec::new();
    for text in named {
        let (name, folder) = match text.split_once('=') {
            Some((name, folder)) => (Slug::parse(name)?, folder),
            None => {
                let mut all = contract.models.keys();
                let (Some(only), None) = (all.next(), all.next()) else {
                    anyhow::bail!(
                        "the service has several models ({}); say --model NAME=DIR",
                        known()
                    );
                };
                (only.clone(), text.as_str())
            }
        };
        anyhow::ensure!(
            contract.models.contains_key(&name),
            "the service serves no model `{name}`, but {}",
            known()
        );
        found.push((name, absolute(Path::new(folder))?));
    }
    if named.is_empty() {
        let above = dir.parent().unwrap_or(dir);
        let tried = contract.models.iter().map(|(name, source)| {
            let folder = above.join(&source.from).join("outputs/model");
            (name.clone(), folder)
        });
        found.extend(tried.filter(|(_, folder)| folder.is_dir()));
    }
    let source = contract.models.values().next();
    let source = source.map_or("training", |source| source.from.as_str());
    anyhow::ensure!(
        !found.is_empty(),
        "there is no model; run `bowsprit try train` in `{source}` beside this folder first, or say --model DIR"
    );
    Ok(found)
}

/// A question that the judge asked, where there is one.
fn sample(dir: &Path) -> Option<Value> {
    let file = std::fs::File::open(dir.with_file_name("samples.jsonl")).ok()?;
    let line = std::io::BufReader::new(file).lines().next()?.ok()?;
    let sample: Value = serde_json::from_str(&line).ok()?;
    sample.get("input").cloned()
}

fn answers(url: &str, path: &str, sample: Option<&Value>, is_json: bool) {
    if is_json {
        return out::json(
            &json!({"url": url, "predict": format!("{url}{path}"), "sample": sample}),
        );
    }
    out::line(&format!("it answers at {url}; end it with Ctrl-C"));
    if let Some(sample) = sample {
        let sample = sample.to_string().replace('\'', "'\\''");
        out::line(&format!(
            "\n  curl -s {url}{path} -H 'Content-Type: application/json' -d '{sample}'"
        ));
    }
}
