//! `bowsprit contract`: reads a contract without any server.

use super::out;
use anyhow::Context as _;
use bowsprit_core::contract::{self, CONTRACT_BYTES_MAX, CONTRACT_FILE, Contract, Problem};
use clap::Subcommand;
use serde_json::json;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Tell every problem of a contract, with its line; ends with 1 where there is one
    Lint {
        /// The file, or the folder that holds bowsprit.yaml
        #[arg(default_value = ".")]
        path: PathBuf,
    },
    /// Print a contract as it is understood, with every default written out
    Effective {
        /// The file, or the folder that holds bowsprit.yaml
        #[arg(default_value = ".")]
        path: PathBuf,
    },
    /// Print the JSON schema of contracts, for editors
    Schema,
}

/// Does what was asked. Errors: the file cannot be read.
pub(super) fn run(verb: Verb, is_json: bool) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Lint { path } => lint(&path, is_json),
        Verb::Effective { path } => effective(&path, is_json),
        Verb::Schema => {
            out::json(&contract::schema());
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The file itself, or the contract in a folder.
fn contract_file(path: &Path) -> PathBuf {
    if path.is_dir() {
        path.join(CONTRACT_FILE)
    } else {
        path.to_owned()
    }
}

fn effective(path: &Path, is_json: bool) -> anyhow::Result<ExitCode> {
    let path = contract_file(path);
    let text = read(&path)?;
    match contract::parse(&text) {
        Ok(contract) if is_json => {
            out::json(&serde_json::to_value(contract::effective(&contract))?)
        }
        Ok(contract) => out::text(&serde_saphyr::to_string(&contract::effective(&contract))?),
        Err(problems) => {
            out::text(&report(&path.display().to_string(), &text, &problems));
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn lint(path: &Path, is_json: bool) -> anyhow::Result<ExitCode> {
    let path = contract_file(path);
    let text = read(&path)?;
    let read = contract::parse(&text);
    let problems = read.as_ref().err().map_or(&[][..], Vec::as_slice);
    if is_json {
        out::json(&json!({"path": path.display().to_string(), "problems": problems}));
    } else {
        match &read {
            Ok(contract) => out::line(&format!("{}: {}", path.display(), praise(contract))),
            Err(problems) => out::text(&report(&path.display().to_string(), &text, problems)),
        }
    }
    Ok(if problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The file as text, a little beyond the limit at most. Errors: it cannot be read, or is no text.
pub(super) fn read(path: &Path) -> anyhow::Result<String> {
    let shown = path.display();
    let file = std::fs::File::open(path)
        .with_context(|| format!("cannot open {shown}; name the file or its folder"))?;
    let mut bytes = Vec::new();
    file.take(CONTRACT_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("cannot read {shown}"))?;
    String::from_utf8(bytes).with_context(|| format!("{shown} is not UTF-8"))
}

fn praise(contract: &Contract) -> String {
    match contract {
        Contract::Training(training) => format!(
            "a good training contract: model {}, {} step(s), {} gate(s)",
            training.model,
            training.steps.len(),
            training.gates.len()
        ),
        Contract::Service(service) => {
            let names: Vec<&str> = service
                .environments
                .iter()
                .map(|environment| environment.name.as_str())
                .collect();
            format!("a good service contract: environments {}", names.join(", "))
        }
    }
}

/// Every problem with its line and a mark under the place.
pub(super) fn report(path: &str, text: &str, problems: &[Problem]) -> String {
    let mut report = String::new();
    for problem in problems {
        let Problem {
            line,
            column,
            message,
        } = problem;
        report.push_str(&format!("{path}:{line}:{column}: {message}\n"));
        let source = (*line as usize)
            .checked_sub(1)
            .and_then(|at| text.lines().nth(at));
        if let Some(source) = source {
            let shown = bowsprit_core::text::clean_line(source);
            let before = (*column as usize)
                .saturating_sub(1)
                .min(shown.chars().count());
            report.push_str(&format!("  | {shown}\n  | {}^\n", " ".repeat(before)));
        }
    }
    let count = problems.len();
    report.push_str(&format!(
        "{count} problem{}\n",
        if count == 1 { "" } else { "s" }
    ));
    report
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn problems_are_shown_where_they_are() {
        let text = "kind: training\nmodel: Digits\nservice: digits-service\nsteps:\n  - name: train\n    run: [python, train.py]\n    colour: red\nevaluate: self\n";
        let problems = contract::parse(text).unwrap_err();
        expect![[r#"
            bowsprit.yaml:2:8: `model`: `Digits` is not a name: 1 to 40 lower-case letters, digits and `-`, first a letter
              | model: Digits
              |        ^
            bowsprit.yaml:7:5: unknown key `colour` in a step (allowed: name, run, image, resources, timeout, env, secrets, network)
              |     colour: red
              |     ^
            2 problems
        "#]].assert_eq(&report("bowsprit.yaml", text, &problems));
    }

    #[test]
    fn a_place_beyond_the_text_is_told_without_its_line() {
        let problem = Problem {
            line: 9,
            column: 4,
            message: "ends too early".to_owned(),
        };
        assert_eq!(
            report("b", "a: 1\n", &[problem]),
            "b:9:4: ends too early\n1 problem\n"
        );
    }

    #[test]
    fn a_good_contract_is_said_to_be_good() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(CONTRACT_FILE), "kind: training\nmodel: digits\nservice: digits-service\nsteps:\n  - {name: train, run: [python, train.py]}\nevaluate: self\ngates: [{name: threshold, with: {metric: accuracy, min: 0.9}}]\n").unwrap();
        assert_eq!(
            format!("{:?}", lint(dir.path(), false).unwrap()),
            format!("{:?}", ExitCode::SUCCESS)
        );
        assert!(lint(Path::new("/nowhere/x.yaml"), false).is_err());
    }
}
