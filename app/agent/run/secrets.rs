//! Named secrets: taken from the server's files at the start, handed out one step at a time.
//!
//! A step gets files of its own user, out of `outputs/` and out of every other step's reach, and only their paths by its
//! environment. Between steps, and after the last, there is none on the disk.

use super::mask::Mask;
use super::place::{Place, failure};
use crate::confine::Plan;
use crate::files;
use bowsprit_core::training::spec::{Failure, FailureKind, RunSpec, StepSpec};
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Largest value that is taken. Units: bytes.
const VALUE_BYTES_MAX: u64 = 64 << 10;
/// Where values come in, and where a step finds its own; below the run directory.
const DIR: &str = "secrets";

/// The values that the steps of a run name.
#[derive(Default)]
pub(super) struct Secrets {
    values: BTreeMap<String, Vec<u8>>,
}

/// The files of one step, gone with this.
pub(super) struct Laid(PathBuf);

impl Drop for Laid {
    fn drop(&mut self) {
        // What stays is removed by whoever finds the end of the run.
        let _removed = remove(&self.0);
    }
}

impl Secrets {
    /// Takes the values off the disk. Errors: one that a step names was not handed over.
    pub(super) fn take(spec: &RunSpec, run_dir: &Path) -> Result<Secrets, Failure> {
        let dir = run_dir.join(DIR);
        let mut values = BTreeMap::new();
        let mut read = Ok(());
        for name in spec.steps.iter().flat_map(|step| &step.secrets) {
            match value(&dir, name) {
                Ok(value) => drop(values.insert(name.clone(), value)),
                Err(error) => {
                    read = Err(failure(
                        FailureKind::Agent,
                        format!("the secret `{name}` was not handed over: {error}"),
                    ));
                }
            }
        }
        remove(&dir).map_err(|error| cannot("clear", &error))?;
        read.map(|()| Secrets { values })
    }

    /// What keeps the values out of the log.
    pub(super) fn mask(&self) -> Mask {
        Mask::of(self.values.values().map(Vec::as_slice))
    }

    /// Lays out what a step names and adds it to the step's plan. Errors: the file system's.
    pub(super) fn hand_out(
        &self,
        step: &StepSpec,
        place: &Place,
        plan: &mut Plan,
    ) -> Result<Option<Laid>, Failure> {
        if step.secrets.is_empty() {
            return Ok(None);
        }
        let laid = Laid(place.dir.join(DIR));
        self.lay_out(step, place.uid, &laid.0)
            .map_err(|error| cannot("lay out", &error))?;
        let mut set = |name: &str, path: &Path| {
            plan.env.insert(name.to_owned(), path.display().to_string());
        };
        set("SECRETS_DIR", &laid.0);
        for name in &step.secrets {
            set(&format!("{name}_FILE"), &laid.0.join(name));
        }
        plan.readable.push(laid.0.clone());
        Ok(Some(laid))
    }

    fn lay_out(&self, step: &StepSpec, uid: Option<u32>, dir: &Path) -> io::Result<()> {
        remove(dir)?;
        DirBuilder::new().mode(0o700).create(dir)?;
        for name in &step.secrets {
            let value = self.values.get(name).ok_or(io::ErrorKind::NotFound)?;
            File::options()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(dir.join(name))?
                .write_all(value)?;
        }
        files::give(dir, uid)
    }
}

fn value(dir: &Path, name: &str) -> io::Result<Vec<u8>> {
    files::read_capped(files::open_plain(dir, name)?, VALUE_BYTES_MAX)
}

fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn cannot(what: &str, error: &io::Error) -> Failure {
    failure(
        FailureKind::Agent,
        format!("cannot {what} the secrets of a step: {error}"),
    )
}
