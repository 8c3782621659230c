//! The software that steps run in: found in the cache by its hash, or built once.
//!
//! Building has the network and the index settings of this process's environment, but installs wheels only, so that
//! nothing of a package runs before a confined step imports it. Trusted and untrusted runtimes live apart; an untrusted
//! run reads trusted ones and never writes them.

mod conda;
mod image;
mod install;
mod python;

use bowsprit_core::name::{Digest, RepoPath};
use bowsprit_core::training::requirements;
use bowsprit_core::training::spec::{Failure, FailureKind, RuntimeSpec, Trust};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

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
/// How often a build by another process is looked at again.
const LOCK_POLL: Duration = Duration::from_millis(200);
/// Raised when the same parts are put together in another way.
const LAYOUT: &str = "venv 1";

/// Finds or builds the runtime. The caller sets the time limit by dropping the future, which ends what it started.
///
/// Errors: no fitting interpreter (`MissingPackage`), no requirements file (`MissingFile`), a requirement that cannot be
/// installed (`Install`, with its line), a cache that cannot be written (`Agent`).
pub async fn prepare(
    runtime: &RuntimeSpec,
    snapshot_dir: &Path,
    cache_dir: &Path,
    trust: Trust,
    log: Log<'_>,
) -> Result<Prepared, Failure> {
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
    find_or_build(&parts, cache_dir, trust, log).await
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
    fn hash(&self, trust: Trust) -> Digest {
        let lock = self.lock.as_ref().map_or("", |lock| lock.text.as_str());
        let trust = trust_name(trust);
        let python = &self.interpreter;
        let text = format!(
            "{LAYOUT}\n{}\n{}\n{}\n{trust}\n{}\n",
            python.version,
            python.path.display(),
            python.platform,
            Digest::of(lock.as_bytes())
        );
        Digest::of(text.as_bytes())
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

async fn find_or_build(
    parts: &Parts,
    cache_dir: &Path,
    trust: Trust,
    log: Log<'_>,
) -> Result<Prepared, Failure> {
    let readable_by = match trust {
        Trust::Trusted => &[Trust::Trusted][..],
        Trust::Untrusted => &[Trust::Trusted, Trust::Untrusted],
    };
    for level in readable_by {
        if let Some(found) = look_up(parts, cache_dir, *level) {
            log(&format!(
                "runtime {} found in the cache",
                found.hash.short()
            ));
            return Ok(found);
        }
    }
    let hash = parts.hash(trust);
    let shelf = cache_dir.join(trust_name(trust));
    let unwritable = |error: std::io::Error| {
        failure(
            FailureKind::Agent,
            format!("cannot write the runtime cache: {error}"),
        )
    };
    fs::create_dir_all(&shelf).map_err(unwritable)?;
    let lock = File::create(shelf.join(format!("{}.lock", hash.hex()))).map_err(unwritable)?;
    let mut said = false;
    while lock.try_lock().is_err() {
        if !said {
            log("waiting for another run that builds the same runtime");
            said = true;
        }
        tokio::time::sleep(LOCK_POLL).await;
    }
    if let Some(found) = look_up(parts, cache_dir, trust) {
        log(&format!(
            "runtime {} was built by another run",
            hash.short()
        ));
        return Ok(found);
    }
    let venv = shelf.join(hash.hex());
    if venv.exists() {
        // Left by a build that was ended: it has no marker.
        fs::remove_dir_all(&venv).map_err(unwritable)?;
    }
    if let Err(failure) = install::build(parts, &venv, log).await {
        // What stays is taken away by the next build.
        let _removed = fs::remove_dir_all(&venv);
        return Err(failure);
    }
    fs::write(venv.join(READY), LAYOUT).map_err(unwritable)?;
    log(&format!("runtime {} built", hash.short()));
    Ok(prepared(parts, venv, hash, false))
}

/// The marker of a finished build.
const READY: &str = ".ready";

fn look_up(parts: &Parts, cache_dir: &Path, trust: Trust) -> Option<Prepared> {
    let hash = parts.hash(trust);
    let venv = cache_dir.join(trust_name(trust)).join(hash.hex());
    let marker = File::options().append(true).open(venv.join(READY)).ok()?;
    // Its time is when the runtime was last used, for whoever clears the cache; a failure costs only that.
    let _dated = marker.set_modified(SystemTime::now());
    Some(prepared(parts, venv, hash, true))
}

fn prepared(parts: &Parts, venv: PathBuf, hash: Digest, cached: bool) -> Prepared {
    let python = &parts.interpreter;
    let mut readable = vec![venv.clone(), python.prefix.clone()];
    if !python.path.starts_with(&python.prefix) {
        readable.push(python.path.clone());
    }
    Prepared {
        bin_dir: Some(venv.join("bin")),
        env: BTreeMap::new(),
        readable,
        hash,
        cached,
    }
}

fn trust_name(trust: Trust) -> &'static str {
    match trust {
        Trust::Trusted => "trusted",
        Trust::Untrusted => "untrusted",
    }
}

fn failure(kind: FailureKind, message: String) -> Failure {
    Failure {
        kind,
        step: "prepare".to_owned(),
        message,
    }
}
