//! `bowsprit-agent`: the agent as a binary of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    bowsprit_agent::main_with_args(std::env::args_os().collect(), Vec::new())
}
