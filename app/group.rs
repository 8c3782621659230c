//! A child process and all that it has started, ended together.

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::Child;

/// A process group that ends with the value; its leader was started with `process_group(0)`.
pub(crate) struct Group(Option<i32>);

impl Group {
    /// The group that a child leads.
    pub(crate) fn of(leader: &Child) -> Group {
        Group(leader.id().and_then(|pid| i32::try_from(pid).ok()))
    }

    /// Its leader was waited for: the number may be another's by now.
    pub(crate) fn has_ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // Those that are gone already need no end.
            let _gone = killpg(Pid::from_raw(leader), Signal::SIGKILL);
        }
    }
}
