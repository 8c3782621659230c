//! What the chain asks of Linux apart from namespaces and Landlock.

use nix::sys::prctl;
use nix::sys::resource::Resource;
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

/// The limit on processes of a user.
pub(super) const PROCESSES: Option<Resource> = Some(Resource::RLIMIT_NPROC);
/// A directory that lists the descriptors of who reads it.
pub(super) const DESCRIPTORS: &str = "/proc/self/fd";
/// What the largest resident memory is counted in. Units: bytes.
pub(super) const RSS_UNIT: u64 = 1_024;

/// The link dies when the one before it does.
pub(super) fn die_with_parent() -> Result<(), String> {
    prctl::set_pdeathsig(Signal::SIGKILL)
        .map_err(|error| format!("cannot tie to the parent: {error}"))
}

/// What loses its parent below this process becomes its child.
pub(super) fn adopt_orphans() -> Result<(), String> {
    prctl::set_child_subreaper(true).map_err(|error| format!("cannot adopt orphans: {error}"))
}

/// No program that is started from here on gets more rights than this process has.
pub(super) fn give_up_new_rights() -> Result<(), String> {
    prctl::set_no_new_privs().map_err(|error| format!("cannot give up new rights: {error}"))
}

/// Becomes the user and the group of this number, and of no other group.
pub(super) fn become_user(id: u32) -> Result<(), String> {
    let (uid, gid) = (Uid::from_raw(id), Gid::from_raw(id));
    setgroups(&[])
        .and_then(|()| setresgid(gid, gid, gid))
        .and_then(|()| setresuid(uid, uid, uid))
        .map_err(|error| format!("cannot become user {id}: {error}"))
}
