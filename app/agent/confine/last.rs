//! The last link: drops every right, then becomes the command.

use super::keeper::read_plan;
use super::{Plan, kernel, rules};
use nix::sys::resource::{Resource, setrlimit};
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
        kernel::become_user(id)?;
    }
    // Cleared by the change of user, hence after it.
    kernel::die_with_parent()?;
    kernel::give_up_new_rights()?;
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    rules::restrict(&plan)?;
    Ok(plan)
}

fn limit(plan: &Plan) -> Result<(), String> {
    let wanted = &plan.rlimits;
    let caps = [
        (Resource::RLIMIT_DATA, wanted.data_bytes),
        (Resource::RLIMIT_NOFILE, wanted.open_files),
        (Resource::RLIMIT_FSIZE, wanted.file_bytes),
        (Resource::RLIMIT_CPU, wanted.cpu_s),
        (Resource::RLIMIT_CORE, Some(0)),
    ];
    // Counts every process of the uid: of a shared uid it would cap other people's too.
    let of_user = kernel::PROCESSES.filter(|_| plan.uid.is_some());
    let of_user = of_user.map(|resource| (resource, wanted.processes));
    for (resource, cap) in caps.into_iter().chain(of_user) {
        let Some(cap) = cap else { continue };
        let (_, hard) = nix::sys::resource::getrlimit(resource)
            .map_err(|error| format!("cannot read {resource:?}: {error}"))?;
        let cap = cap.min(hard);
        setrlimit(resource, cap, cap)
            .map_err(|error| format!("cannot set {resource:?}: {error}"))?;
    }
    Ok(())
}
