//! Stands before a served model: a stable address in front of servers that come and go.

use std::path::PathBuf;
use std::process::ExitCode;

/// Runs the gateway of this directory until it is told to stop.
pub fn main(dir: PathBuf) -> ExitCode {
    eprintln!("the gateway of {} cannot be started yet", dir.display());
    ExitCode::FAILURE
}
