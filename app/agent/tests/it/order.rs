//! What the stories share: the agent's executable and a directory.

use bowsprit_agent::SelfCommand;
use std::path::{Path, PathBuf};

/// The agent under test.
pub(crate) fn me() -> SelfCommand {
    SelfCommand {
        program: PathBuf::from(env!("CARGO_BIN_EXE_bowsprit-agent")),
        args: Vec::new(),
    }
}

/// Gives a tree to a user, as the supervisor does.
pub(crate) fn give(path: &Path, uid: Option<u32>) {
    if uid.is_some() {
        std::os::unix::fs::chown(path, uid, uid).unwrap();
    }
}
