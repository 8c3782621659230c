//! r
use crate::SelfCommand;
use std::path::Path;
use std::process::ExitCode;
/// Runs.
pub fn main(_dir: &Path, _me: SelfCommand, _contained: bool) -> ExitCode {
    ExitCode::FAILURE
}
