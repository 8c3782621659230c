//! A minimal root in namespaces of its own: what is not bound into it does not exist for the command.
//!
//! Interpreter, runtime and run directory keep their absolute paths, whatever the rights of the directories above them.

use super::{Plan, rules};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::CloneFlags;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

/// Files and directories on the root itself. Units: as tmpfs takes them.
const ROOT_OPTIONS: &str = "size=4m,mode=0755";
/// Where Linux has it, for libraries that count processors.
const PROCESSORS: &str = "/sys/devices/system/cpu";
/// Share of the memory cap that `/tmp` and `/dev/shm` may take each, as a divisor.
const SHARED_DIVISOR: u64 = 2;
/// That size where no cap is planned. Units: bytes.
const SHARED_DEFAULT_BYTES: u64 = 1 << 30;

/// Makes namespaces in a thread that ends at once. Errors: why the system refuses.
pub(super) fn try_namespaces() -> Result<(), String> {
    let tried = std::thread::spawn(|| -> Result<(), String> {
        nix::sched::unshare(
            CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWIPC,
        )
        .map_err(|error| error.to_string())?;
        make_private()?;
        mount(
            Some("tmpfs"),
            "/proc",
            Some("tmpfs"),
            MsFlags::empty(),
            Some("size=4k"),
        )
        .map_err(|error| format!("no mounts: {error}"))
    });
    tried
        .join()
        .unwrap_or_else(|_| Err("the trial ended early".to_owned()))
}

/// Leaves the system's namespaces; children are born into the new pid namespace.
pub(super) fn unshare(plan: &Plan) -> Result<(), String> {
    let mut flags = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS;
    if !plan.network && plan.bind_port.is_none() {
        flags |= CloneFlags::CLONE_NEWNET;
    }
    nix::sched::unshare(flags).map_err(|error| format!("cannot make namespaces: {error}"))
}

/// Builds the root at `at` and moves into it. Errors: the mount that failed.
pub(super) fn build(plan: &Plan, at: &Path) -> Result<(), String> {
    make_private()?;
    fs::create_dir_all(at).map_err(|error| format!("cannot create {}: {error}", at.display()))?;
    mount(
        Some("root"),
        at,
        Some("tmpfs"),
        MsFlags::MS_NOSUID,
        Some(ROOT_OPTIONS),
    )
    .map_err(|error| format!("cannot mount the root: {error}"))?;
    let root = Root { at };
    root.system(plan)?;
    root.devices(plan)?;
    root.paths(plan)?;
    root.seal()
}

fn make_private() -> Result<(), String> {
    mount(
        None::<&str>,
        "/",
        None::<&str>,
        MsFlags::MS_REC | MsFlags::MS_PRIVATE,
        None::<&str>,
    )
    .map_err(|error| format!("cannot part from the system's mounts: {error}"))
}

struct Root<'a> {
    at: &'a Path,
}

impl Root<'_> {
    fn inside(&self, path: &Path) -> PathBuf {
        self.at.join(path.strip_prefix("/").unwrap_or(path))
    }

    fn system(&self, plan: &Plan) -> Result<(), String> {
        for path in rules::SYSTEM.iter().map(Path::new) {
            match fs::read_link(path) {
                Ok(target) => symlink(&target, self.inside(path))
                    .map_err(|error| failed("link", path, &error))?,
                Err(_) if path.is_dir() => self.bind(path, false)?,
                Err(_) => {}
            }
        }
        let network = if plan.network {
            rules::ETC_NETWORK
        } else {
            &[]
        };
        for path in rules::ETC
            .iter()
            .chain(network)
            .chain(&[PROCESSORS])
            .map(Path::new)
        {
            if path.exists() {
                self.bind(path, false)?;
            }
        }
        self.users(plan)?;
        let proc = self.directory(Path::new("/proc"))?;
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        mount(Some("proc"), &proc, Some("proc"), flags, None::<&str>)
            .map_err(|error| format!("cannot mount /proc: {error}"))
    }

    /// Names for the uids, for libraries that ask who they are.
    fn users(&self, plan: &Plan) -> Result<(), String> {
        let id = plan.uid.unwrap_or(0);
        let home = plan.env.get("HOME").map_or("/tmp", String::as_str);
        let passwd = format!("root:x:0:0::/:/bin/false\nstep:x:{id}:{id}::{home}:/bin/sh\n");
        let group = format!("root:x:0:\nstep:x:{id}:\n");
        self.directory(Path::new("/etc"))?;
        for (name, text) in [("/etc/passwd", passwd), ("/etc/group", group)] {
            let path = Path::new(name);
            fs::write(self.inside(path), text).map_err(|error| failed("write", path, &error))?;
        }
        Ok(())
    }

    fn devices(&self, plan: &Plan) -> Result<(), String> {
        self.directory(Path::new("/dev"))?;
        for path in rules::DEVICES
            .iter()
            .map(Path::new)
            .filter(|path| path.exists())
        {
            let target = self.place(path)?;
            mount(
                Some(path),
                &target,
                None::<&str>,
                MsFlags::MS_BIND,
                None::<&str>,
            )
            .map_err(|error| failed("bind", path, &error))?;
        }
        let links = [
            ("fd", "fd"),
            ("stdin", "fd/0"),
            ("stdout", "fd/1"),
            ("stderr", "fd/2"),
        ];
        for (name, target) in links {
            let path = Path::new("/dev").join(name);
            symlink(Path::new("/proc/self").join(target), self.inside(&path))
                .map_err(|error| failed("link", &path, &error))?;
        }
        let bytes = plan
            .rlimits
            .data_bytes
            .map_or(SHARED_DEFAULT_BYTES, |bytes| bytes / SHARED_DIVISOR);
        let options = format!("size={bytes},mode=1777,nr_inodes=65536");
        for path in ["/dev/shm", "/tmp"].map(Path::new) {
            let target = self.directory(path)?;
            let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
            mount(
                Some("tmpfs"),
                &target,
                Some("tmpfs"),
                flags,
                Some(options.as_str()),
            )
            .map_err(|error| failed("mount", path, &error))?;
        }
        Ok(())
    }

    /// Parents before children, so that a writable directory in a readable one stays writable.
    fn paths(&self, plan: &Plan) -> Result<(), String> {
        let readable = plan.readable.iter().map(|path| (path, false));
        let mut all: Vec<(&PathBuf, bool)> = readable
            .chain(plan.writable.iter().map(|path| (path, true)))
            .collect();
        all.sort();
        all.dedup_by(|next, before| {
            next.0 == before.0 && {
                before.1 |= next.1;
                true
            }
        });
        for (path, writable) in all {
            let in_system = rules::SYSTEM.iter().any(|system| path.starts_with(system));
            if writable || !in_system {
                self.bind(path, writable)?;
            }
        }
        Ok(())
    }

    fn bind(&self, path: &Path, writable: bool) -> Result<(), String> {
        let target = self.place(path)?;
        mount(
            Some(path),
            &target,
            None::<&str>,
            MsFlags::MS_BIND | MsFlags::MS_REC,
            None::<&str>,
        )
        .map_err(|error| failed("bind", path, &error))?;
        let mut flags =
            MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        if !writable {
            flags |= MsFlags::MS_RDONLY;
        }
        mount(None::<&str>, &target, None::<&str>, flags, None::<&str>)
            .map_err(|error| failed("protect", path, &error))
    }

    /// Somewhere to mount on: a directory or an empty file, like the original.
    fn place(&self, path: &Path) -> Result<PathBuf, String> {
        let is_dir = fs::metadata(path)
            .map_err(|error| failed("find", path, &error))?
            .is_dir();
        if is_dir {
            return self.directory(path);
        }
        if let Some(parent) = path.parent() {
            self.directory(parent)?;
        }
        let target = self.inside(path);
        if !target.exists() {
            fs::write(&target, "").map_err(|error| failed("place", path, &error))?;
        }
        Ok(target)
    }

    fn directory(&self, path: &Path) -> Result<PathBuf, String> {
        let target = self.inside(path);
        let mut part = self.at.to_path_buf();
        for name in target
            .strip_prefix(self.at)
            .into_iter()
            .flat_map(Path::components)
        {
            part.push(name);
            if !part.exists() {
                fs::create_dir(&part)
                    .and_then(|()| fs::set_permissions(&part, fs::Permissions::from_mode(0o755)))
                    .map_err(|error| failed("place", path, &error))?;
            }
        }
        Ok(target)
    }

    /// Makes the new root the only one, and unchangeable.
    fn seal(&self) -> Result<(), String> {
        let old = self.directory(Path::new("/.old"))?;
        nix::unistd::pivot_root(self.at, &old)
            .map_err(|error| format!("cannot change the root: {error}"))?;
        std::env::set_current_dir("/")
            .map_err(|error| format!("cannot enter the root: {error}"))?;
        umount2("/.old", MntFlags::MNT_DETACH)
            .map_err(|error| format!("cannot leave the old root: {error}"))?;
        let flags =
            MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY | MsFlags::MS_NOSUID;
        mount(None::<&str>, "/", None::<&str>, flags, None::<&str>)
            .map_err(|error| format!("cannot seal the root: {error}"))
    }
}

fn failed(what: &str, path: &Path, error: &dyn std::fmt::Display) -> String {
    format!(
        "cannot {what} {} in the step's root: {error}",
        path.display()
    )
}
