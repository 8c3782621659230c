//! Landlock: the kernel's own list of what the command may read, change, listen on and signal.
//!
//! Source: Linux `Documentation/userspace-api/landlock.rst`; version 6 adds the signal and abstract-socket scopes.

use super::{LANDLOCK_TCP, Plan};
use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, LandlockStatus, NetPort, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};
use std::path::{Path, PathBuf};

/// The newest interface that these rules are written for.
const WRITTEN_FOR: ABI = ABI::V6;

/// Parts of the system that every program needs to read.
pub(super) const SYSTEM: &[&str] = &[
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/nix/store",
];

/// Parts of `/etc` that hold no secret and that libraries look for.
pub(super) const ETC: &[&str] = &[
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/crypto-policies",
    "/etc/fonts",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/pki",
    "/etc/protocols",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/timezone",
];

/// What only a step with network needs.
pub(super) const ETC_NETWORK: &[&str] = &["/etc/resolv.conf", "/etc/gai.conf"];

/// Devices without memory.
pub(super) const DEVICES: &[&str] = &[
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
];

/// Version of the kernel's interface, by trying it in a thread that ends at once; 0 where there is none.
pub(super) fn interface_version() -> u8 {
    let tried = std::thread::spawn(|| {
        Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::MakeSym)
            .and_then(Ruleset::create)
            .and_then(landlock::RulesetCreated::restrict_self)
    });
    match tried.join() {
        Ok(Ok(status)) => version_of(&status.landlock),
        Ok(Err(_)) | Err(_) => 0,
    }
}

fn version_of(status: &LandlockStatus) -> u8 {
    match status {
        LandlockStatus::NotImplemented | LandlockStatus::NotEnabled => 0,
        LandlockStatus::Available {
            effective_abi,
            kernel_abi,
        } => kernel_abi
            .and_then(|abi| u8::try_from(abi).ok())
            .unwrap_or(*effective_abi as u8),
    }
}

/// Shuts this thread, and what it becomes, in. Errors: rules that the probe had promised are not enforced.
pub(super) fn restrict(plan: &Plan) -> Result<(), String> {
    if plan.confinement.landlock == 0 {
        return Ok(());
    }
    let status = ruleset(plan).map_err(|error| format!("cannot apply Landlock: {error}"))?;
    match status {
        RulesetStatus::FullyEnforced => Ok(()),
        RulesetStatus::PartiallyEnforced | RulesetStatus::NotEnforced
            if plan.confinement.namespaces || plan.confinement.shortfall.is_some() =>
        {
            Ok(())
        }
        RulesetStatus::PartiallyEnforced | RulesetStatus::NotEnforced => {
            Err("Landlock is not enforced as it was promised".to_owned())
        }
    }
}

fn ruleset(plan: &Plan) -> Result<RulesetStatus, RulesetError> {
    let shut = !plan.network && plan.confinement.landlock >= LANDLOCK_TCP;
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(WRITTEN_FOR))?;
    if shut {
        rules = rules
            .handle_access(AccessNet::BindTcp)?
            .handle_access(AccessNet::ConnectTcp)?;
    }
    let mut created = rules
        .scope(Scope::Signal)?
        .scope(Scope::AbstractUnixSocket)?
        .create()?
        .add_rules(path_beneath_rules(
            readable(plan),
            AccessFs::from_read(WRITTEN_FOR),
        ))?
        .add_rules(path_beneath_rules(
            writable(plan),
            AccessFs::from_all(WRITTEN_FOR),
        ))?;
    if let (true, Some(port)) = (shut, plan.bind_port) {
        created = created.add_rule(NetPort::new(port, AccessNet::BindTcp))?;
    }
    Ok(created.restrict_self()?.ruleset)
}

fn readable(plan: &Plan) -> Vec<PathBuf> {
    let fixed = SYSTEM
        .iter()
        .chain(ETC)
        .chain(&["/proc", "/sys/devices/system/cpu", "/dev/fd"]);
    let network = if plan.network { ETC_NETWORK } else { &[] };
    fixed
        .chain(&["/etc/passwd", "/etc/group"])
        .chain(network)
        .map(PathBuf::from)
        .chain(plan.readable.iter().cloned())
        .collect()
}

fn writable(plan: &Plan) -> Vec<PathBuf> {
    // Without namespaces `/tmp` and `/dev/shm` are everybody's; shared memory cannot do without the latter.
    let own = if plan.confinement.namespaces {
        &["/tmp", "/dev/shm"][..]
    } else {
        &["/dev/shm"]
    };
    DEVICES
        .iter()
        .chain(own)
        .map(Path::new)
        .map(Path::to_path_buf)
        .chain(plan.writable.iter().cloned())
        .collect()
}
