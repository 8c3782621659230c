//! The software that steps run in: found in the cache by its hash, or built once.
//!
//! Installing has the network and the index settings of this process's environment, but takes wheels only, so that
//! nothing of a package runs before a confined step imports it. What must be compiled is fetched first, and built shut in.

mod conda;
mod image;
mod install;
mod python;
mod rust;
mod shelf;

use crate::SelfCommand;
use crate::confine::Confinement;
use bowsprit_core::image::reference::Pinned;
use bowsprit_core::name::{Digest, RepoPath};
use bowsprit_core::training::requirements;
use bowsprit_core::training::spec::{Failure, FailureKind, RuntimeSpec, Trust};
use shelf::{Found, Item, Shelf};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A runtime ready for use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// To stand first in `PATH`.
    pub bin_dir: Option<PathBuf>,
    /// Variables that say where its software is, over those that every step has.
    pub env: BTreeMap<String, String>,
    /// What a confined step must be able to read of it.
    pub readable: Vec<PathBuf>,
    /// What it is made of, by which it is cached.
    pub hash: Digest,
    /// Whether it was there already.
    pub cached: bool,
}

/// Receives the lines of a preparation, as they come.
pub type Log<'a> = &'a mut (dyn FnMut(&str) + Send);

/// Largest requirements file. Units: bytes.
const REQUIREMENTS_BYTES_MAX: u64 = 4 << 20;
/// Settings of this process's environment that say how the network is reached; whatever fetches gets them.
const NETWORK: &[&str] = &[
    "ALL_PROXY",
    "CURL_CA_BUNDLE",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "all_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];
/// Raised when the same parts are put together in another way.
const LAYOUT: &str = "venv 1";

/// What a runtime is prepared from, and where.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// The contract's words.
    pub runtime: &'a RuntimeSpec,
    /// The commit, laid out.
    pub snapshot_dir: &'a Path,
    /// Where finished runtimes stand.
    pub cache_dir: &'a Path,
    /// How far its code is trusted.
    pub trust: Trust,
    /// How this executable is started, to shut a build in.
    pub me: &'a SelfCommand,
    /// What this system can shut in.
    pub confinement: &'a Confinement,
}

/// What commands get of the image that this process runs in, as it is.
pub fn of_image(image: &Pinned) -> Prepared {
    image::here(image)
}

/// Finds or builds the runtime. The caller sets the time limit by dropping the future, which ends what it started.
///
/// Errors: no fitting interpreter or toolchain (`MissingPackage`), a file that is not there (`MissingFile`), a requirement
/// that cannot be installed or a workspace that does not build (`Install`, with its line), a build that takes more of the
/// disk than a run may (`DiskQuota`), a cache that cannot be written (`Agent`).
pub async fn prepare(order: Order<'_>, log: Log<'_>) -> Result<Prepared, Failure> {
    let Order {
        runtime,
        snapshot_dir,
        trust,
        ..
    } = order;
    let (wanted, lock) = match runtime {
        RuntimeSpec::Python {
            minimum,
            requirements,
        } => {
            let lock = match requirements {
                Some(path) => Some(lock(path, read(snapshot_dir, path)?, trust)?),
                None => None,
            };
            (python::Minors::from(minimum)?, lock)
        }
        RuntimeSpec::Conda { file } => {
            let wanted = conda::read(&read(snapshot_dir, file)?, file)?;
            (wanted.python, Some(lock(file, wanted.requirements, trust)?))
        }
        RuntimeSpec::Rust { lock } => return rust::prepare(order, lock, log).await,
        RuntimeSpec::Image { image, origin } => {
            let origin = origin.as_deref().unwrap_or("named by the contract");
            log(&format!("image {image}: {origin}"));
            return Ok(image::here(image));
        }
        RuntimeSpec::Dockerfile { .. } | RuntimeSpec::Base { .. } => {
            let refusal = runtime.local_refusal().unwrap_or_default();
            return Err(failure(FailureKind::Agent, refusal));
        }
    };
    let interpreter = python::find(wanted).await?;
    log(&format!(
        "python {} at {}",
        interpreter.version,
        interpreter.path.display()
    ));
    let parts = Parts { interpreter, lock };
    find_or_build(&parts, order.shelf(), log).await
}

impl<'a> Order<'a> {
    fn shelf(&self) -> Shelf<'a> {
        Shelf {
            cache_dir: self.cache_dir,
            trust: self.trust,
        }
    }
}

/// What a Python runtime is made of.
struct Parts {
    interpreter: python::Interpreter,
    lock: Option<Lock>,
}

/// A requirements file, checked.
struct Lock {
    path: RepoPath,
    text: String,
}

impl Parts {
    fn recipe(&self) -> String {
        let lock = self.lock.as_ref().map_or("", |lock| lock.text.as_str());
        let python = &self.interpreter;
        format!(
            "{LAYOUT}\n{}\n{}\n{}\n{}",
            python.version,
            python.path.display(),
            python.platform,
            Digest::of(lock.as_bytes())
        )
    }
}

/// The text of a file that says what a runtime is made of.
fn read(snapshot: &Path, path: &RepoPath) -> Result<String, Failure> {
    let missing = |why: &str| failure(FailureKind::MissingFile, format!("the file `{path}` {why}"));
    let file = crate::files::open_plain(snapshot, path.as_str())
        .map_err(|_| missing("is not in the snapshot; the contract's `runtime` names it"))?;
    let bytes = crate::files::read_capped(file, REQUIREMENTS_BYTES_MAX)
        .map_err(|error| missing(&format!("cannot be read: {error}")))?;
    String::from_utf8(bytes).map_err(|_| missing("is not UTF-8 text"))
}

fn lock(path: &RepoPath, text: String, trust: Trust) -> Result<Lock, Failure> {
    requirements::check(&text, path, trust)
        .map_err(|message| failure(FailureKind::Install, message))?;
    Ok(Lock {
        path: path.clone(),
        text,
    })
}

async fn find_or_build(parts: &Parts, shelf: Shelf<'_>, log: Log<'_>) -> Result<Prepared, Failure> {
    let item = match shelf.find("runtime", &parts.recipe(), log).await? {
        Found::There(item) => item,
        Found::Claimed(claim) => {
            let built = install::build(parts, &claim.dir, log).await;
            claim.end(built, log)?
        }
    };
    Ok(prepared(parts, item))
}

fn prepared(parts: &Parts, item: Item) -> Prepared {
    let python = &parts.interpreter;
    let mut readable = vec![item.dir.clone(), python.prefix.clone()];
    if !python.path.starts_with(&python.prefix) {
        readable.push(python.path.clone());
    }
    Prepared {
        bin_dir: Some(item.dir.join("bin")),
        env: BTreeMap::new(),
        readable,
        hash: item.hash,
        cached: item.cached,
    }
}

fn failure(kind: FailureKind, message: String) -> Failure {
    Failure {
        kind,
        step: "prepare".to_owned(),
        message,
    }
}
