//! The executables of a cargo workspace: crates fetched, then built shut in and without a network.
//!
//! Fetching runs nothing of a crate; building runs build scripts and macros of all of them, so it gets the sources, the
//! toolchain and a directory of its own. The crates of others are built once for a lock, with stubs in the place of the
//! workspace's sources; each commit begins from a copy of that.

mod cargo;
mod inputs;
mod settings;
mod toolchain;

use super::shelf::{Found, unwritable};
use super::{Log, Order, Prepared, failure, read};
use crate::files;
use bowsprit_core::name::RepoPath;
use bowsprit_core::training::crates;
use bowsprit_core::training::spec::{Failure, FailureKind};
use cargo::Call;
use inputs::{Inputs, Part};
use settings::Settings;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use toolchain::Toolchain;

/// Raised when the same workspace is built in another way.
const LAYOUT: &str = "cargo 1";
/// Files of a directory of a build that are looked at.
const FILES_MAX: usize = 10_000;

/// Finds or builds the executables of the workspace whose lock is `lock`.
///
/// Errors: as of [`super::prepare`].
pub(super) async fn prepare(
    order: Order<'_>,
    lock: &RepoPath,
    log: Log<'_>,
) -> Result<Prepared, Failure> {
    let toolchain = toolchain::find().await?;
    log(&format!(
        "rust {} at {}",
        toolchain.release,
        toolchain.sysroot.display()
    ));
    let settings = Settings::read().map_err(|why| failure(FailureKind::Agent, why))?;
    let text = read(order.snapshot_dir, lock)?;
    let inputs = Inputs::gather(order.snapshot_dir)?;
    let refused = |why: String| failure(FailureKind::Install, why);
    crates::check_lock(&text, lock, &settings.registries()).map_err(refused)?;
    for (path, manifest) in inputs.manifests()? {
        crates::check_manifest(manifest, &path).map_err(refused)?;
    }
    let workshop = Workshop {
        order,
        lock,
        toolchain,
        settings,
        inputs,
    };
    let recipe = workshop.recipe(Part::Whole);
    let item = match order.shelf().find("runtime", &recipe, log).await? {
        Found::There(item) => item,
        Found::Claimed(claim) => {
            let built = workshop.build(&claim.dir, log).await;
            claim.end(built, log)?
        }
    };
    let bin = item.dir.join("bin");
    Ok(Prepared {
        readable: vec![bin.clone()],
        bin_dir: Some(bin),
        env: BTreeMap::new(),
        hash: item.hash,
        cached: item.cached,
    })
}

/// All that a build needs.
struct Workshop<'a> {
    order: Order<'a>,
    lock: &'a RepoPath,
    toolchain: Toolchain,
    settings: Settings,
    inputs: Inputs,
}

impl Workshop<'_> {
    fn recipe(&self, part: Part) -> String {
        let what = match part {
            Part::Whole => "workspace",
            Part::Crates => "crates",
        };
        let (version, digest) = (&self.toolchain.version, self.inputs.digest(part));
        format!("{LAYOUT} {what}\n{version}\n{}\n{digest}", self.lock)
    }

    /// Builds the workspace below `dir` and leaves `bin` there.
    async fn build(&self, dir: &Path, log: Log<'_>) -> Result<(), Failure> {
        let target = dir.join("target");
        self.inputs.lay_out(&dir.join("src"), Part::Whole)?;
        self.fetch(dir, log).await?;
        match self.crates(log).await? {
            Some(crates) => inputs::copy_tree(&crates.join("target"), &target)?,
            None => fs::create_dir_all(&target).map_err(unwritable)?,
        }
        self.cargo_build(dir, log).await?;
        let bin = dir.join("bin");
        fs::create_dir_all(&bin).map_err(unwritable)?;
        let mut count = 0;
        for (name, path) in executables(&target)? {
            let to = bin.join(name);
            fs::copy(path, &to).map_err(unwritable)?;
            fs::set_permissions(&to, fs::Permissions::from_mode(0o755)).map_err(unwritable)?;
            count += 1;
        }
        if count == 0 {
            return Err(failure(
                FailureKind::Install,
                format!(
                    "the workspace of `{}` makes no executable; steps run what a `[[bin]]` or `src/main.rs` makes",
                    self.lock
                ),
            ));
        }
        clear(dir, &["src", "target", "tmp", ".step", "cargo.toml"])
    }

    /// The directory with the crates of others, built; `None` where stubs do not build, and the workspace is built whole.
    async fn crates(&self, log: Log<'_>) -> Result<Option<PathBuf>, Failure> {
        let recipe = self.recipe(Part::Crates);
        let claim = match self.order.shelf().find("crates", &recipe, log).await? {
            Found::There(item) => return Ok(Some(item.dir)),
            Found::Claimed(claim) => claim,
        };
        let built = self.build_crates(&claim.dir, log).await;
        match claim.end(built, log) {
            Ok(item) => Ok(Some(item.dir)),
            Err(failure) if failure.kind == FailureKind::Install => {
                log("the crates alone do not build; building everything at once");
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }

    async fn build_crates(&self, dir: &Path, log: Log<'_>) -> Result<(), Failure> {
        let target = dir.join("target");
        fs::create_dir_all(&target).map_err(unwritable)?;
        self.inputs.lay_out(&dir.join("src"), Part::Crates)?;
        self.cargo_build(dir, log).await?;
        for (_, stub) in executables(&target)? {
            fs::remove_file(stub).map_err(unwritable)?;
        }
        self.forget_stubs(&target)?;
        clear(dir, &["src", "tmp", ".step", "cargo.toml"])
    }

    /// Has cargo build the workspace's own packages again: by time and path it would take a stub for what it stands for.
    fn forget_stubs(&self, target: &Path) -> Result<(), Failure> {
        let own = self.inputs.packages()?;
        let fingerprints = target.join("release/.fingerprint");
        for entry in fs::read_dir(&fingerprints).map_err(unwritable)? {
            let entry = entry.map_err(unwritable)?;
            let name = entry.file_name();
            let package = name.to_str().and_then(|name| name.rsplit_once('-'));
            if package.is_some_and(|(package, _)| own.contains(package)) {
                fs::remove_dir_all(entry.path()).map_err(unwritable)?;
            }
        }
        Ok(())
    }

    /// Fetches what the lock names into the shared home; nothing of a crate runs.
    async fn fetch(&self, dir: &Path, log: Log<'_>) -> Result<(), Failure> {
        let home = self.home();
        fs::create_dir_all(&home).map_err(unwritable)?;
        let uid = self.uid(&home);
        let config = dir.join("cargo.toml");
        let mut file = fs::OpenOptions::new();
        let file = file.write(true).create_new(true).mode(0o600).open(&config);
        let text = self.settings.for_fetch();
        file.and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(unwritable)?;
        files::give(&config, uid).map_err(unwritable)?;
        let mut args = self.args("fetch", dir, &config);
        args.extend(["--target".to_owned(), self.toolchain.host.clone()]);
        let mut readable = self.settings.certificates();
        readable.push(config);
        let call = Call {
            args,
            dir,
            home: &home,
            env: self.settings.environment().collect(),
            readable,
            writable: vec![home.clone()],
            uid,
            network: true,
        };
        call.run(&self.order, &self.toolchain, log).await
    }

    async fn cargo_build(&self, dir: &Path, log: Log<'_>) -> Result<(), Failure> {
        let home = self.home();
        let config = dir.join("cargo.toml");
        // The fetch's file may hold tokens, and belongs to it.
        clear(dir, &["cargo.toml", "tmp"])?;
        fs::write(&config, self.settings.for_build()).map_err(unwritable)?;
        let mut args = self.args("build", dir, &config);
        args.extend(["--release", "--offline"].map(str::to_owned));
        let call = Call {
            args,
            dir,
            home: &home,
            env: Vec::new(),
            readable: vec![config, home.clone()],
            writable: vec![dir.join("target")],
            uid: self.uid(dir),
            network: false,
        };
        call.run(&self.order, &self.toolchain, log).await
    }

    fn args(&self, verb: &str, dir: &Path, config: &Path) -> Vec<String> {
        let root = Path::new(self.lock.as_str()).parent();
        let root = dir.join("src").join(root.unwrap_or(Path::new("")));
        let manifest = root.join("Cargo.toml");
        [
            "--config",
            &config.display().to_string(),
            verb,
            "--locked",
            "--manifest-path",
            &manifest.display().to_string(),
        ]
        .map(str::to_owned)
        .into()
    }

    /// Where fetched crates are kept, for all workspaces of this level of trust.
    fn home(&self) -> PathBuf {
        self.order.shelf().dir().join("cargo")
    }

    fn uid(&self, dir: &Path) -> Option<u32> {
        self.order.confinement.uid_of(&dir.display().to_string())
    }
}

/// What cargo left for use: names and files.
fn executables(target: &Path) -> Result<Vec<(String, PathBuf)>, Failure> {
    let release = target.join("release");
    let mut found = Vec::new();
    for entry in fs::read_dir(&release).map_err(unwritable)?.take(FILES_MAX) {
        let entry = entry.map_err(unwritable)?;
        // Not followed: the build may have left a link.
        let metadata = fs::symlink_metadata(entry.path()).map_err(unwritable)?;
        let is_executable = metadata.is_file() && metadata.permissions().mode() & 0o111 != 0;
        let name = entry.file_name().into_string();
        // Libraries and lists of dependencies have an ending.
        if let Some(name) = name
            .ok()
            .filter(|name| is_executable && !name.contains('.'))
        {
            found.push((name, entry.path()));
        }
    }
    Ok(found)
}

fn clear(dir: &Path, parts: &[&str]) -> Result<(), Failure> {
    for path in parts.iter().map(|part| dir.join(part)) {
        let removed = if path.is_dir() {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        match removed {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(unwritable(error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}
