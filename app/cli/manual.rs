//! `bowsprit completion` and `bowsprit man`: the command line told to shells and to `man`.

use super::{Line, out};
use anyhow::Context as _;
use clap::{Args, CommandFactory as _};
use clap_complete::Shell;
use std::path::PathBuf;
use std::process::ExitCode;

/// For which shell.
#[derive(Debug, Args)]
pub(super) struct Completion {
    /// The shell; for bash: `source <(bowsprit completion bash)`
    #[arg(value_enum)]
    shell: Shell,
}

/// Where manual pages go.
#[derive(Debug, Args)]
pub(super) struct Man {
    /// The folder, such as ~/.local/share/man/man1
    dir: PathBuf,
}

/// Prints the script that completes words in a shell.
pub(super) fn complete(args: &Completion) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Line::command(), "bowsprit", &mut script);
    out::text(&String::from_utf8_lossy(&script));
    ExitCode::SUCCESS
}

/// Writes a manual page for the program and for each verb. Errors: the folder cannot be written.
pub(super) fn man(args: &Man) -> anyhow::Result<ExitCode> {
    let shown = args.dir.display();
    std::fs::create_dir_all(&args.dir).with_context(|| format!("cannot make {shown}"))?;
    clap_mangen::generate_to(Line::command(), &args.dir)
        .with_context(|| format!("cannot write in {shown}"))?;
    out::line(&format!(
        "manual pages are in {shown}; `man bowsprit` finds them where that is on the manual's path"
    ));
    Ok(ExitCode::SUCCESS)
}
