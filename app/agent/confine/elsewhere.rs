//! A system other than Linux: commands run as the server's user, are ended with their process group, and are not shut in.
//!
//! [`super::look`] says so, and everybody who shuts in refuses what is not trusted then.

use super::Plan;
use std::path::Path;

/// Why nothing is shut in.
const NOT_HERE: &str = "only Linux has what commands are shut in with";

/// What the chain asks of the system.
pub(crate) mod kernel {
    use nix::sys::resource::Resource;

    /// Not needed, since no user is taken.
    pub(in super::super) const PROCESSES: Option<Resource> = None;
    /// A directory that lists the descriptors of who reads it.
    pub(in super::super) const DESCRIPTORS: &str = "/dev/fd";
    /// What the largest resident memory is counted in. Units: bytes.
    pub(in super::super) const RSS_UNIT: u64 = 1;

    /// Left to the supervisor's end of the pipe: this system ties no process to another.
    pub(in super::super) fn die_with_parent() -> Result<(), String> {
        Ok(())
    }

    /// Left to the process group: orphans belong to the first process.
    pub(in super::super) fn adopt_orphans() -> Result<(), String> {
        Ok(())
    }

    /// There is no such promise here.
    pub(in super::super) fn give_up_new_rights() -> Result<(), String> {
        Ok(())
    }

    /// Errors: always, since a plan for this system names no user.
    pub(in super::super) fn become_user(_id: u32) -> Result<(), String> {
        Err(super::NOT_HERE.to_owned())
    }
}

/// Namespaces.
pub(super) mod root {
    use super::{NOT_HERE, Path, Plan};

    /// Errors: always.
    pub(in super::super) fn try_namespaces() -> Result<(), String> {
        Err(NOT_HERE.to_owned())
    }

    /// Errors: always.
    pub(in super::super) fn unshare(_plan: &Plan) -> Result<(), String> {
        Err(NOT_HERE.to_owned())
    }

    /// Errors: always.
    pub(in super::super) fn build(_plan: &Plan, _at: &Path) -> Result<(), String> {
        Err(NOT_HERE.to_owned())
    }
}

/// Landlock.
pub(super) mod rules {
    use super::{NOT_HERE, Plan};

    /// There is none.
    pub(in super::super) fn interface_version() -> u8 {
        0
    }

    /// Errors: a plan that was made where there is more to shut in with.
    pub(in super::super) fn restrict(plan: &Plan) -> Result<(), String> {
        match plan.confinement.landlock {
            0 => Ok(()),
            _ => Err(NOT_HERE.to_owned()),
        }
    }
}
