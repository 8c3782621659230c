//! Building a virtual environment, by `uv` where it is on PATH, else by `venv` and `pip`.
//!
//! Installers run isolated from the snapshot's directory, so that a file there named like a module is never imported.

use super::{Log, NETWORK, Parts, failure};
use bowsprit_core::training::requirements;
use bowsprit_core::training::spec::{Failure, FailureKind};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

/// Settings of this process's environment that installers get: by their beginning.
const PASSED_PREFIXES: &[&str] = &["PIP_", "UV_", "SSL_CERT_", "LC_"];
/// Settings that installers get beside those of the network: by their whole name.
const PASSED: &[&str] = &[
    "HOME",
    "LANG",
    "PATH",
    "REQUESTS_CA_BUNDLE",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
];
/// Settings that would install elsewhere, or build.
const HELD_BACK: &[&str] = &[
    "PIP_NO_BINARY",
    "PIP_PREFIX",
    "PIP_REQUIREMENT",
    "PIP_REQUIRE_VIRTUALENV",
    "PIP_ROOT",
    "PIP_TARGET",
    "PIP_USER",
    "UV_NO_BINARY",
    "UV_PROJECT",
    "UV_PROJECT_ENVIRONMENT",
    "UV_SYSTEM_PYTHON",
    "UV_WORKING_DIRECTORY",
];
/// How many last lines are searched for a cause.
const KEPT_LINES: usize = 60;

/// Builds the virtual environment at `venv`. Errors: `Install` with the requirement's line, `Agent`.
pub(super) async fn build(parts: &Parts, venv: &Path, log: Log<'_>) -> Result<(), Failure> {
    let uv = uv();
    create(parts, uv.as_deref(), venv, log).await?;
    let Some(lock) = &parts.lock else {
        return Ok(());
    };
    // A copy of what was checked and hashed, not the file that may change meanwhile.
    let file = venv.join("requirements.txt");
    std::fs::write(&file, &lock.text).map_err(|error| {
        failure(
            FailureKind::Agent,
            format!("cannot write the runtime cache: {error}"),
        )
    })?;
    let hashes = if requirements::has_hashes(&lock.text) {
        &["--require-hashes"][..]
    } else {
        &[]
    };
    let interpreter = venv.join("bin/python");
    let is_compiled = uv.is_some();
    let (program, first): (PathBuf, Vec<OsString>) = match uv {
        Some(uv) => {
            let words = [
                "pip",
                "install",
                "--compile-bytecode",
                "--link-mode=copy",
                "--python",
            ];
            (
                uv,
                words
                    .map(OsString::from)
                    .into_iter()
                    .chain([interpreter.clone().into()])
                    .collect(),
            )
        }
        None => {
            let words = [
                "-I",
                "-m",
                "pip",
                "install",
                "--no-input",
                "--progress-bar=off",
                "--no-compile",
            ];
            (interpreter.clone(), words.map(OsString::from).into())
        }
    };
    let rest = ["--only-binary", ":all:"]
        .iter()
        .chain(hashes)
        .chain(&["-r"])
        .map(OsString::from);
    let args: Vec<OsString> = first.into_iter().chain(rest).chain([file.into()]).collect();
    let args: Vec<&std::ffi::OsStr> = args.iter().map(AsRef::as_ref).collect();
    execute(&program, &args, log).await?.map_err(|lines| {
        failure(
            FailureKind::Install,
            explain(&lines, &lock.text, lock.path.as_str()),
        )
    })?;
    match is_compiled {
        true => Ok(()),
        false => compile(&interpreter, venv, log).await,
    }
}

/// Compiles what pip installed, on all processors: pip alone would take one, for longer than it takes to install.
///
/// A package may bring files that no Python compiles, such as its own bad examples: that is no error here, as with pip.
async fn compile(interpreter: &Path, venv: &Path, log: Log<'_>) -> Result<(), Failure> {
    let workers = std::thread::available_parallelism().map_or(1, |count| count.get());
    let workers = workers.to_string();
    let words = ["-I", "-m", "compileall", "-qq", "-j", &workers];
    let words = words.map(std::ffi::OsStr::new).into_iter();
    let lib = venv.join("lib");
    let args: Vec<&std::ffi::OsStr> = words.chain([lib.as_os_str()]).collect();
    let _ = execute(interpreter, &args, log).await?;
    Ok(())
}

/// An empty virtual environment, with pip in it where that installs.
async fn create(
    parts: &Parts,
    uv: Option<&Path>,
    venv: &Path,
    log: Log<'_>,
) -> Result<(), Failure> {
    let python = parts.interpreter.path.as_os_str();
    let target = venv.as_os_str();
    let created = match uv {
        Some(uv) => {
            execute(
                uv,
                &["venv".as_ref(), "--python".as_ref(), python, target],
                log,
            )
            .await?
        }
        None => {
            let pip: &[&str] = if parts.lock.is_some() {
                &[]
            } else {
                &["--without-pip"]
            };
            let mut args: Vec<&std::ffi::OsStr> =
                ["-I", "-m", "venv"].iter().map(AsRef::as_ref).collect();
            args.extend(pip.iter().map(|arg| std::ffi::OsStr::new(*arg)));
            args.push(target);
            execute(&parts.interpreter.path, &args, log).await?
        }
    };
    if let Err(lines) = created {
        let last = lines.back().cloned().unwrap_or_default();
        return Err(failure(
            FailureKind::Agent,
            format!("cannot create the virtual environment: {last}"),
        ));
    }
    Ok(())
}

/// Runs an installer; the inner error holds its last lines.
async fn execute(
    program: &Path,
    args: &[&std::ffi::OsStr],
    log: Log<'_>,
) -> Result<Result<(), VecDeque<String>>, Failure> {
    let broken = |error: std::io::Error| {
        failure(
            FailureKind::Agent,
            format!("cannot run {}: {error}", program.display()),
        )
    };
    // One pipe for both outputs keeps their order.
    let (reader, writer) = std::io::pipe().map_err(broken)?;
    let mut command = Command::new(program);
    command
        .args(args)
        .env_clear()
        .envs(environment(std::env::vars_os()))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(writer.try_clone().map_err(broken)?)
        .stderr(writer)
        .kill_on_drop(true);
    let mut child = command.spawn().map_err(broken)?;
    // The command holds this process's copies of the pipe's end.
    drop(command);
    let file = tokio::fs::File::from_std(std::fs::File::from(std::os::fd::OwnedFd::from(reader)));
    let mut lines = BufReader::new(file).split(b'\n');
    let mut kept = VecDeque::new();
    while let Some(line) = lines.next_segment().await.map_err(broken)? {
        let line = crate::files::plain_line(&line);
        log(&line);
        kept.push_back(line);
        if kept.len() > KEPT_LINES {
            kept.pop_front();
        }
    }
    let status = child.wait().await.map_err(broken)?;
    Ok(if status.success() { Ok(()) } else { Err(kept) })
}

fn uv() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .filter(|dir| dir.is_absolute())
        .map(|dir| dir.join("uv"))
        .find(|file| file.is_file())
}

fn environment(all: impl Iterator<Item = (OsString, OsString)>) -> Vec<(OsString, OsString)> {
    all.filter(|(name, _)| {
        name.to_str().is_some_and(|name| {
            let passed = NETWORK.contains(&name)
                || PASSED.contains(&name)
                || PASSED_PREFIXES
                    .iter()
                    .any(|prefix| name.starts_with(prefix));
            passed && !HELD_BACK.contains(&name)
        })
    })
    .collect()
}

/// One sentence out of an installer's last lines, naming the requirement's line where one is to blame.
fn explain(lines: &VecDeque<String>, text: &str, path: &str) -> String {
    let find = |words: &[&str]| {
        let mut last_first = lines.iter().rev().map(|line| line.trim());
        last_first.find_map(|line| words.iter().find_map(|word| line.strip_prefix(word)))
    };
    // uv gives the cause on a line of its own under the error.
    let last = || lines.back().map(|line| line.trim());
    let said = find(&["cause: ", "╰─▶ "])
        .or_else(|| find(&["ERROR: ", "error: ", "× "]))
        .or_else(last);
    let last_error: String = said
        .unwrap_or("the installer said nothing")
        .chars()
        .take(300)
        .collect();
    match blamed(lines, text) {
        Some((number, requirement)) => {
            format!("{path}:{number}: `{requirement}` cannot be installed: {last_error}")
        }
        None => format!("the requirements in {path} cannot be installed: {last_error}"),
    }
}

fn blamed(lines: &VecDeque<String>, text: &str) -> Option<(usize, String)> {
    // What pip and uv write before the name of a package they give up on.
    const BEFORE: &[&str] = &[
        "No matching distribution found for ",
        "satisfies the requirement ",
        "Because only ",
        "Because ",
        "Failed to download `",
        "Failed to fetch: `",
    ];
    let named = lines.iter().rev().find_map(|line| {
        BEFORE.iter().find_map(|words| {
            let (_, after) = line.split_once(words)?;
            requirements::line_of(text, after.trim_start_matches('`'))
        })
    });
    // A hash mismatch lists the packages alone, indented, before the two hashes.
    named.or_else(|| {
        lines
            .iter()
            .filter(|line| {
                line.starts_with("    ")
                    && (line.contains(" from ") || line.trim_end().ends_with(':'))
            })
            .find_map(|line| requirements::line_of(text, line.trim()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_to_blame_is_named() {
        let text = "numpy==2\nnot-there==1.0\n";
        let said = |line: &str| {
            explain(
                &VecDeque::from([line.to_owned()]),
                text,
                "requirements.lock",
            )
        };
        for line in [
            "ERROR: No matching distribution found for not-there==1.0",
            "  ╰─▶ Because not-there was not found in the package registry and you require not-there==1.0",
        ] {
            assert!(
                said(line).starts_with("requirements.lock:2: `not-there==1.0` cannot be installed"),
                "{}",
                said(line)
            );
        }
        assert!(
            said("boom")
                .contains("the requirements in requirements.lock cannot be installed: boom")
        );
    }

    #[test]
    fn index_settings_pass_and_secrets_do_not() {
        let all = ["PIP_INDEX_URL", "PIP_TARGET", "BOWSPRIT_KEY", "PATH"]
            .map(|name| (OsString::from(name), OsString::from("x")));
        let names: Vec<OsString> = environment(all.into_iter())
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names, ["PIP_INDEX_URL", "PATH"].map(OsString::from));
    }
}
