//! `bowsprit try train`: a run of a folder.

use super::{absolute, lock, named, new_lines, no_way_out, read, state_dir, until_asked};
use crate::cli::{out, server, show};
use crate::worker::alone::{Alone, Folder};
use anyhow::Context as _;
use bowsprit_core::contract::{CONTRACT_FILE, Contract, Service, Training};
use bowsprit_core::name::{NameError, RepoPath};
use bowsprit_core::subject::run::{Phase, Run};
use bowsprit_core::text::clean_line;
use clap::Args;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The files that a try wrote, beside them.
const LIST: &str = ".bowsprit-try.json";

#[derive(Debug, Args)]
pub(in crate::cli) struct Train {
    /// The folder of the training, committed or not
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// The folder of the service; beside the training's where absent, and without one `parity` cannot be told
    #[arg(long, value_name = "DIR")]
    service: Option<PathBuf>,
    /// Change a variable of the steps, as `/train KEY=VALUE` does
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    /// Where the model and what was measured are put; `outputs` in the folder where absent
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Where runtimes and results are kept
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .filter(|(key, _)| !key.is_empty())
        .ok_or_else(|| "write KEY=VALUE".to_owned())
}

/// What was tried.
pub(super) struct Tried {
    pub(super) alone: Alone,
    pub(super) run: Run,
    /// The service's folder, where there is one.
    pub(super) service: Option<Folder>,
    pub(super) output: PathBuf,
    /// Below which nothing is written through a link: the training's folder, or what the person named.
    pub(super) base: PathBuf,
    /// Whether the model is there.
    kept: bool,
    _lock: File,
}

impl Tried {
    pub(super) fn passed(&self) -> bool {
        self.run.phase == Phase::Succeeded
    }

    /// 1 where a step failed or a gate said no.
    pub(super) fn exit_code(&self) -> ExitCode {
        match self.passed() {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        }
    }
}

/// Trains and judges; ends with 1 where a step fails or a gate says no. Errors: a folder that is no training's.
pub(super) async fn run(args: Train, is_json: bool) -> anyhow::Result<ExitCode> {
    let tried = train(args, false).await?;
    if is_json {
        out::json(&json(&tried));
    } else {
        tell(&tried);
        out::line(match (tried.passed(), tried.run.verdicts.is_empty()) {
            (true, _) => "the bot would propose this model",
            (false, true) => "nothing was judged",
            (false, false) => "the bot would not propose this model",
        });
    }
    Ok(tried.exit_code())
}

/// Trains and judges, and keeps what came of it. Errors: as of [`run`], or no service where one is needed.
pub(super) async fn train(args: Train, needs_service: bool) -> anyhow::Result<Tried> {
    let dir = absolute(&args.dir)?;
    let training = training(&dir)?;
    let service = service(&dir, args.service.as_deref(), &training)?;
    anyhow::ensure!(
        service.is_some() || !needs_service,
        "a model is proposed to its service; put the service's folder beside the training's, or say --service DIR"
    );
    let (base, output) = match &args.output {
        Some(output) => (std::path::absolute(output)?, std::path::absolute(output)?),
        None => (dir.clone(), dir.join("outputs")),
    };
    no_way_out(&base, &output)?;
    let state = state_dir(args.state.as_deref())?;
    let lock = lock(&state, "try.lock")?;
    let alone = Alone::open(&state, server::program()?)?;
    let name = service.as_ref().and_then(|(_, contract)| {
        let source = contract.models.get(&training.model)?;
        Some(source.from.clone())
    });
    let folder = Folder {
        name: named(name.as_deref().unwrap_or("training"))?,
        dir,
    };
    let service = match service {
        Some((dir, _)) => Some(Folder {
            dir,
            name: named(&training.service)?,
        }),
        None => None,
    };
    let stop = until_asked();
    let mut printer = Printer::default();
    let run = alone
        .train(
            (&folder, service.as_ref()),
            (args.set.into_iter().collect(), Some(&output)),
            &stop,
            |run| printer.go_on(&alone, run),
        )
        .await?;
    let kept = keep(&alone, &run, (&base, &output))?;
    Ok(Tried {
        alone,
        run,
        service,
        output,
        base,
        kept,
        _lock: lock,
    })
}

/// Errors: another kind of contract, or steps that only the bot can run.
fn training(dir: &Path) -> anyhow::Result<Training> {
    let Contract::Training(training) = read(dir)? else {
        anyhow::bail!(
            "{} is a service; name the folder of its training",
            dir.display()
        );
    };
    if let Some(step) = training.steps.iter().find(|step| !step.secrets.is_empty()) {
        anyhow::bail!(
            "the step `{}` names secrets, which only the bot has; leave them out to try the rest here",
            step.name
        );
    }
    Ok(training)
}

/// The service's folder with its contract, where there is one. Errors: the one that was named is none.
fn service(
    training_dir: &Path,
    named: Option<&Path>,
    training: &Training,
) -> anyhow::Result<Option<(PathBuf, Service)>> {
    let dir = match named {
        Some(dir) => absolute(dir)?,
        None => {
            let beside = training_dir
                .parent()
                .map(|above| above.join(&training.service));
            match beside.filter(|dir| dir.join(CONTRACT_FILE).is_file()) {
                Some(dir) => dir,
                None => {
                    out::note(&format!(
                        "no folder `{}` beside the training's: its service does not answer samples (say --service DIR)",
                        training.service
                    ));
                    return Ok(None);
                }
            }
        }
    };
    let Contract::Service(service) = read(&dir)? else {
        anyhow::bail!("{} is no service", dir.display());
    };
    anyhow::ensure!(
        service.models.contains_key(&training.model),
        "the service in {} serves no model `{}`",
        dir.display(),
        training.model
    );
    Ok(Some((dir, service)))
}

/// Prints logs of stages as they grow.
#[derive(Default)]
struct Printer {
    read: BTreeMap<String, u64>,
}

impl Printer {
    fn go_on(&mut self, alone: &Alone, run: &Run) {
        for stage in &run.stages {
            let read = self.read.entry(stage.id.clone()).or_default();
            let Some(text) = new_lines(&alone.log_path(&stage.id), *read) else {
                continue;
            };
            *read += text.len() as u64;
            for line in text.lines() {
                // A time, the step, and what it said.
                let mut words = line.splitn(3, ' ');
                let (_, step, said) = (words.next(), words.next(), words.next());
                let step = step.unwrap_or_default();
                out::note(&clean_line(&format!(
                    "{}/{step} | {}",
                    stage.name,
                    said.unwrap_or_default()
                )));
            }
        }
    }
}

/// Puts the model and the files of its evaluation where they can be looked at, in the place of those of the try before;
/// false where there is no model. Errors: files that cannot be written.
fn keep(alone: &Alone, run: &Run, (base, output): (&Path, &Path)) -> anyhow::Result<bool> {
    let list = output.join(LIST);
    no_way_out(base, &list)?;
    let before = std::fs::read(&list).ok();
    let before = before.and_then(|text| serde_json::from_slice::<Vec<RepoPath>>(&text).ok());
    for path in before.into_iter().flatten() {
        let old = output.join(path.as_str());
        no_way_out(base, &old)?;
        // What somebody took away is gone already.
        let _removed = std::fs::remove_file(old);
    }
    let Some(made) = &run.made else {
        return Ok(false);
    };
    let model = made.files.iter().map(|file| {
        let path = RepoPath::parse(&format!("model/{}", file.path))?;
        Ok::<_, NameError>((path, &file.sha256))
    });
    let evidence = run.evidence.iter();
    let evidence = evidence.map(|file| Ok((file.path.clone(), &file.sha256)));
    let mut kept = Vec::new();
    for file in model.chain(evidence) {
        let (path, sha256) = file?;
        let to = output.join(path.as_str());
        no_way_out(base, &to)?;
        let cannot = || format!("cannot write {}", to.display());
        std::fs::create_dir_all(to.parent().unwrap_or(output)).with_context(cannot)?;
        std::fs::copy(alone.file(sha256)?, &to).with_context(cannot)?;
        kept.push(path);
    }
    std::fs::write(&list, serde_json::to_vec(&kept)?)
        .with_context(|| format!("cannot write {}", list.display()))?;
    Ok(true)
}

/// For machines.
pub(super) fn json(tried: &Tried) -> Value {
    let run = &tried.run;
    json!({
        "model": run.model,
        "passed": tried.passed(),
        "verdicts": run.verdicts,
        "metrics": run.numbers(),
        "failure": run.failure,
        "note": run.note,
        "unconfined": run.unconfined,
        "digest": run.made.as_ref().map(|made| &made.digest),
        "outputs": tried.kept.then_some(&tried.output),
    })
}

/// For people.
pub(super) fn tell(tried: &Tried) {
    let run = &tried.run;
    if let Some(failure) = &run.failure {
        out::line(&clean_line(&format!(
            "{}: {}",
            failure.step, failure.message
        )));
    }
    if let Some(why) = &run.cancelled {
        out::line(&clean_line(why));
    }
    show::verdicts("", &json!(run.verdicts));
    if let Some(note) = &run.note {
        out::line(&clean_line(note));
    }
    if let Some(why) = &run.unconfined {
        out::line(&clean_line(&format!("not confined: {why}")));
    }
    if tried.kept {
        out::line(&format!(
            "the model and what was measured: {}",
            tried.output.display()
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_a_name_and_a_value() {
        assert_eq!(pair("C=1.5"), Ok(("C".to_owned(), "1.5".to_owned())));
        assert_eq!(pair("A=b=c"), Ok(("A".to_owned(), "b=c".to_owned())));
        assert!(pair("C").is_err() && pair("=1").is_err());
    }
}
