//! The last link: drops every right, then becomes the command.

use super::keeper::{die_with_parent, read_plan};
use super::{Plan, rules};
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

/// Becomes the command whose plan stands on standard input; returns only when that failed, with the reason.
pub(super) fn become_command() -> String {
    let plan = match prepare() {
        Ok(plan) => plan,
        Err(error) => return format!("cannot shut the step in: {error}"),
    };
    let Some((program, args)) = plan.argv.split_first() else {
        return "the command is empty".to_owned();
    };
    let error = Command::new(program)
        .args(args)
        .env_clear()
        .envs(&plan.env)
        .current_dir(&plan.cwd)
        .stdin(Stdio::null())
        .exec();
    format!("cannot start `{program}`: {error}")
}

fn prepare() -> Result<Plan, String> {
    let plan = read_plan(std::io::stdin().lock())?;
    if plan.confinement.namespaces && plan.uid.is_none_or(|id| id == 0) {
        return Err("a step in namespaces needs a user of its own".to_owned());
    }
    limit(&plan)?;
    if let Some(id) = plan.uid {
        become_user(id).map_err(|error| format!("cannot become user {id}: {error}"))?;
    }
    // Cleared by the change of user, hence after it.
    die_with_parent()?;
    prctl::set_no_new_privs().map_err(|error| format!("cannot give up new rights: {error}"))?;
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    rules::restrict(&plan)?;
    Ok(plan)
}

fn become_user(id: u32) -> nix::Result<()> {
    let (uid, gid) = (Uid::from_raw(id), Gid::from_raw(id));
    setgroups(&[])?;
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)
}

fn limit(plan: &Plan) -> Result<(), String> {
    let wanted = &plan.rlimits;
    let caps = [
        (Resource::RLIMIT_DATA, wanted.data_bytes),
        (Resource::RLIMIT_NOFILE, wanted.open_files),
        // Counts every process of the uid: of a shared uid it would cap other people's too.
        (
            Resource::RLIMIT_NPROC,
            wanted.processes.filter(|_| plan.uid.is_some()),
        ),
        (Resource::RLIMIT_FSIZE, wanted.file_bytes),
        (Resource::RLIMIT_CPU, wanted.cpu_s),
        (Resource::RLIMIT_CORE, Some(0)),
    ];
    for (resource, cap) in caps {
        let Some(cap) = cap else { continue };
        let (_, hard) = nix::sys::resource::getrlimit(resource)
            .map_err(|error| format!("cannot read {resource:?}: {error}"))?;
        let cap = cap.min(hard);
        setrlimit(resource, cap, cap)
            .map_err(|error| format!("cannot set {resource:?}: {error}"))?;
    }
    Ok(())
}
