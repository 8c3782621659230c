//! The run directory: its parts, whom they belong to, and what a command of the run gets of them.

use crate::confine::{Confinement, Plan, Rlimits};
use crate::files;
use crate::runtime::Prepared;
use crate::snapshot;
use bowsprit_core::name::RepoPath;
use bowsprit_core::training::spec::{Failure, FailureKind, ModelInput, RunSpec};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Where programs of the system are looked for, after those of the runtime.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Open files of one process.
const OPEN_FILES: u64 = 4_096;
/// Processes and threads of one run.
const PROCESSES: u64 = 1_024;
/// What a process may reserve beyond its share, for stacks and buffers that it never fills. Units: bytes.
const RESERVE_BYTES: u64 = 128 << 20;
/// Libraries that start threads, and what they read their number from.
const THREADS: &[&str] = &[
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "RAYON_NUM_THREADS",
];

/// A laid-out run directory and everything that commands of the run have in common.
#[derive(Clone)]
pub(super) struct Place {
    /// The run directory.
    pub(super) dir: PathBuf,
    /// The run's own user, where the system can give it one.
    pub(super) uid: Option<u32>,
    /// How commands are shut in.
    pub(super) confinement: Confinement,
}

/// What a command asks for.
pub(super) struct Asked<'a> {
    pub(super) argv: &'a [String],
    pub(super) env: &'a BTreeMap<String, String>,
    pub(super) cpu_millis: u32,
    pub(super) memory_bytes: u64,
    pub(super) model: Option<&'a str>,
    pub(super) network: bool,
    pub(super) bind_port: Option<u16>,
}

impl Place {
    /// Where the snapshot is, and commands begin.
    pub(super) fn work(&self) -> PathBuf {
        self.dir.join("work")
    }

    /// What is kept of the run.
    pub(super) fn outputs(&self) -> PathBuf {
        self.dir.join("outputs")
    }

    /// `OUTPUTS_DIR` of a step, below the run directory.
    pub(super) fn outputs_of(&self, name: &str) -> String {
        if name.is_empty() {
            "outputs".to_owned()
        } else {
            format!("outputs/{name}")
        }
    }

    /// `models/`, which no command changes.
    pub(super) fn models(&self) -> PathBuf {
        self.dir.join("models")
    }

    /// Out of every command's reach.
    pub(super) fn scratch(&self) -> PathBuf {
        self.dir.join(".step")
    }

    /// Where the step of this number finds the files that GitHub's runner would give it, below the run directory.
    pub(super) fn github(&self, number: usize) -> String {
        format!("tmp/github/{number}")
    }

    /// Makes the directory anew, whatever an agent before this one left. Errors: the file system's.
    pub(super) fn lay_out(&self) -> io::Result<()> {
        for part in ["work", "outputs", "tmp", "models", ".step"] {
            let path = self.dir.join(part);
            match std::fs::remove_dir_all(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            std::fs::create_dir(&path)?;
        }
        std::fs::create_dir(self.dir.join("tmp/home"))
    }

    /// Lays out again what the step before could write to and the step of this number reads.
    ///
    /// A judge measures one model after another, and to load a model may run what is in it: the next one must find neither
    /// rows nor code nor a cache that this one left. Errors: the file system's, and those of the snapshot.
    pub(super) fn renew(&self, spec: &RunSpec, number: usize) -> Result<(), Failure> {
        let cannot = |error: io::Error| {
            failure(
                FailureKind::Agent,
                format!("cannot lay out the run directory again: {error}"),
            )
        };
        for part in ["work", "tmp"] {
            let path = self.dir.join(part);
            std::fs::remove_dir_all(&path)
                .and_then(|()| std::fs::create_dir(&path))
                .map_err(cannot)?;
        }
        std::fs::create_dir(self.dir.join("tmp/home")).map_err(cannot)?;
        self.open_github(number).map_err(cannot)?;
        snapshot::unpack(&spec.snapshot, &self.work(), &spec.limits)?;
        for part in ["work", "tmp"] {
            files::give(&self.dir.join(part), self.uid).map_err(cannot)?;
        }
        Ok(())
    }

    /// Makes the files that GitHub's runner would give the step of this number.
    fn open_github(&self, number: usize) -> io::Result<()> {
        let github = self.dir.join(self.github(number));
        std::fs::create_dir_all(&github)?;
        for name in ["output", "summary"] {
            std::fs::write(github.join(name), "")?;
        }
        Ok(())
    }

    /// Makes what steps will write to, and gives it to the run's user, before any of them could put a link there.
    pub(super) fn open_for(&self, spec: &RunSpec) -> Result<(), Failure> {
        let cannot = |error: io::Error| {
            failure(
                FailureKind::Agent,
                format!("cannot lay out the run directory: {error}"),
            )
        };
        for (number, step) in spec.steps.iter().enumerate() {
            if !step.outputs.is_empty() && RepoPath::parse(&step.outputs).is_err() {
                return Err(failure(
                    FailureKind::Agent,
                    format!("`{}` is no directory for outputs", step.outputs),
                ));
            }
            std::fs::create_dir_all(self.dir.join(self.outputs_of(&step.outputs)))
                .map_err(cannot)?;
            self.open_github(number).map_err(cannot)?;
        }
        for part in ["work", "outputs", "tmp"] {
            files::give(&self.dir.join(part), self.uid).map_err(cannot)?;
        }
        Ok(())
    }

    /// The plan of a command. Errors: a model that the order does not hold.
    pub(super) fn plan(
        &self,
        spec: &RunSpec,
        prepared: Option<&Prepared>,
        asked: &Asked<'_>,
    ) -> Result<Plan, Failure> {
        let mut env = self.base_env(prepared, asked.cpu_millis);
        // A server answers without the held-out data.
        if let Some(data) = spec.data.as_ref().filter(|_| asked.bind_port.is_none()) {
            env.insert(
                "DATA_DIR".to_owned(),
                text(&self.work().join(data.as_str())),
            );
        }
        if let Some(name) = asked.model {
            let model = find_model(&spec.models, name)?;
            env.insert("MODEL_DIR".to_owned(), text(&self.models().join(name)));
            env.insert("MODEL_NAME".to_owned(), name.to_owned());
            if let Some(version) = model.version {
                env.insert("MODEL_VERSION".to_owned(), version.to_string());
            }
        }
        env.extend(asked.env.clone());
        let mut readable = prepared.map_or_else(Vec::new, |prepared| prepared.readable.clone());
        readable.push(self.models());
        let data_bytes = asked
            .memory_bytes
            .saturating_add(asked.memory_bytes / 2)
            .saturating_add(RESERVE_BYTES);
        Ok(Plan {
            argv: asked.argv.to_vec(),
            env,
            cwd: self.work(),
            readable,
            writable: self.writable(&self.outputs()),
            uid: self.uid,
            rlimits: Rlimits {
                data_bytes: Some(data_bytes),
                open_files: Some(OPEN_FILES),
                processes: Some(PROCESSES),
                file_bytes: Some(spec.limits.disk_bytes),
                cpu_s: None,
            },
            network: asked.network,
            bind_port: asked.bind_port,
            confinement: self.confinement.clone(),
        })
    }

    /// What a command may write to, with these outputs.
    pub(super) fn writable(&self, outputs: &Path) -> Vec<PathBuf> {
        vec![self.work(), outputs.to_path_buf(), self.dir.join("tmp")]
    }

    fn base_env(&self, prepared: Option<&Prepared>, cpu_millis: u32) -> BTreeMap<String, String> {
        let bin = prepared.and_then(|prepared| prepared.bin_dir.as_deref());
        let path = bin.map_or(PATH.to_owned(), |bin| format!("{}:{PATH}", bin.display()));
        let fixed = [
            ("PATH", path),
            ("HOME", text(&self.dir.join("tmp/home"))),
            ("TMPDIR", text(&self.dir.join("tmp"))),
            ("MODELS_DIR", text(&self.models())),
            ("LANG", "C.UTF-8".to_owned()),
            ("PYTHONUNBUFFERED", "1".to_owned()),
            ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
        ];
        let threads = cpu_millis.div_ceil(1_000).max(1).to_string();
        let threads = THREADS
            .iter()
            .map(|name| ((*name).to_owned(), threads.clone()));
        fixed
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .chain(threads)
            .chain(prepared.map_or_else(BTreeMap::new, |prepared| prepared.env.clone()))
            .collect()
    }
}

fn find_model<'a>(models: &'a [ModelInput], name: &str) -> Result<&'a ModelInput, Failure> {
    let found = models.iter().find(|model| model.name == name);
    found.ok_or_else(|| {
        failure(
            FailureKind::Agent,
            format!("the order holds no model `{name}`"),
        )
    })
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// A failure before the first step.
pub(super) fn failure(kind: FailureKind, message: String) -> Failure {
    Failure {
        kind,
        step: "prepare".to_owned(),
        message,
    }
}
