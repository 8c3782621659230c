//! A server of a release: laid out, started in its confinement, ended.
//!
//! It reads its snapshot, its models and its runtime, writes to a directory of its own that is gone after it, listens
//! on one port and opens no connection.

use super::log::{Log, ServerLog};
use crate::SelfCommand;
use crate::confine::{self, Confinement, Plan, Rlimits};
use crate::runtime::{self, Prepared};
use crate::{files, serve, snapshot};
use bowsprit_core::serving::spec::ServerSpec;
use bowsprit_core::training::spec::{Failure, Limits, RuntimeSpec};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Where programs of the system are looked for, after those of the runtime.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Open files of one process: requests at work and their connections.
const OPEN_FILES: u64 = 4_096;

/// Processes and threads of one server.
const PROCESSES: u64 = 1_024;

/// Largest file that a server writes. Units: bytes.
const FILE_BYTES: u64 = 1 << 30;

/// What a process may reserve beyond its share, for stacks and buffers that it never fills. Units: bytes.
const RESERVE_BYTES: u64 = 128 << 20;

/// Libraries that start threads, and what they read their number from.
const THREADS: [&str; 5] = [
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "RAYON_NUM_THREADS",
];

/// Where servers are started from, and how.
#[derive(Debug)]
pub(crate) struct Yard {
    me: SelfCommand,
    log: Arc<Log>,
    dir: PathBuf,
    confinement: Confinement,
    count: AtomicU32,
}

/// A server at work, and the directory that goes with it.
pub(crate) struct Server {
    process: serve::Server,
    _place: Place,
}

impl Yard {
    /// A yard in the empty directory `dir`; what an earlier process left there is removed.
    pub(crate) fn open(me: SelfCommand, log: Arc<Log>, dir: PathBuf) -> std::io::Result<Yard> {
        remove(&dir)?;
        std::fs::create_dir_all(&dir)?;
        let confinement = confine::look();
        if let Some(shortfall) = &confinement.shortfall {
            log.note(&format!("servers are not confined: {shortfall}"));
        } else if !confinement.can_hold_ports() {
            log.note("this kernel cannot keep servers from other ports");
        }
        Ok(Yard {
            me,
            log,
            dir,
            confinement,
            count: AtomicU32::new(0),
        })
    }

    /// Starts the server of the release laid out in `release_dir`. Errors: a sentence for a person.
    pub(crate) async fn start(
        &self,
        server: &ServerSpec,
        release_dir: &Path,
        lines: &ServerLog,
    ) -> Result<Server, String> {
        let prepared = match &server.runtime {
            Some(runtime) => Some(self.prepare(runtime, server, release_dir).await?),
            None => None,
        };
        let place = Place {
            dir: self.dir.join(self.number().to_string()),
        };
        let uid = release_dir
            .to_str()
            .and_then(|release| self.confinement.uid_of(release));
        let cannot = |error: std::io::Error| format!("the server has no place to run: {error}");
        std::fs::create_dir_all(place.tmp()).map_err(cannot)?;
        files::give(&place.tmp(), uid).map_err(cannot)?;
        let port = serve::free_port().map_err(|error| format!("no port is free: {error}"))?;

        let rooms = Rooms::of(server, release_dir).map_err(cannot)?;
        let plan = Plan {
            argv: server.run.clone(),
            env: environment(server, &rooms.models, &place, prepared.as_ref()),
            cwd: rooms.code.clone(),
            readable: prepared
                .map_or_else(Vec::new, |prepared| prepared.readable)
                .into_iter()
                .chain([rooms.code, rooms.models])
                .collect(),
            writable: vec![place.tmp()],
            uid,
            rlimits: Rlimits {
                data_bytes: Some(
                    server
                        .memory_bytes
                        .saturating_add(server.memory_bytes / 2)
                        .saturating_add(RESERVE_BYTES),
                ),
                open_files: Some(OPEN_FILES),
                processes: Some(PROCESSES),
                file_bytes: Some(FILE_BYTES),
                cpu_s: None,
            },
            network: false,
            bind_port: Some(port),
            confinement: self.confinement.clone(),
        };
        let lines = lines.clone();
        let process = serve::start(
            &self.me,
            &plan,
            &place.dir.join("step"),
            Arc::new(move |line| lines.line(line)),
        )
        .await
        .map_err(told)?;
        Ok(Server {
            process,
            _place: place,
        })
    }

    /// Lays out snapshot and models as the directory of a release. Errors: a sentence that names what is wrong.
    pub(crate) async fn lay_out(
        &self,
        server: &ServerSpec,
        release_dir: &Path,
    ) -> Result<(), String> {
        let name = release_dir
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        let draft = release_dir.with_file_name(format!(".{name}.{}", self.number()));
        let (release_dir, server) = (release_dir.to_owned(), server.clone());
        // A rollout that is given up while this is at work leaves a draft, never half a release.
        let laid_out = tokio::task::spawn_blocking(move || {
            lay_out_in(&server, &draft).and_then(|()| replace(&draft, &release_dir).map_err(unmade))
        });
        laid_out
            .await
            .unwrap_or_else(|_| Err("laying out the release broke off".to_owned()))
    }

    fn number(&self) -> u32 {
        self.count.fetch_add(1, Ordering::Relaxed)
    }

    async fn prepare(
        &self,
        runtime: &RuntimeSpec,
        server: &ServerSpec,
        release_dir: &Path,
    ) -> Result<Prepared, String> {
        let snapshot = release_dir.join(SNAPSHOT);
        let mut log = |line: &str| self.log.note(line);
        let order = runtime::Order {
            runtime,
            snapshot_dir: &snapshot,
            cache_dir: Path::new(&server.cache_dir),
            trust: server.trust,
            me: &self.me,
            confinement: &self.confinement,
        };
        let prepare = runtime::prepare(order, &mut log);
        let patience = Duration::from_secs(Limits::default().prepare_timeout_s);
        match tokio::time::timeout(patience, prepare).await {
            Ok(prepared) => prepared.map_err(told),
            Err(_) => Err(format!(
                "the runtime was not ready within {} s",
                patience.as_secs()
            )),
        }
    }
}

impl Server {
    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.process.addr()
    }

    /// Waits until it is ready. Errors: why it is not.
    pub(crate) async fn wait_ready(
        &mut self,
        path: &str,
        patience: Duration,
    ) -> Result<(), String> {
        self.process
            .wait_ready(path, patience)
            .await
            .map(drop)
            .map_err(told)
    }

    /// Waits until it has ended by itself, and says why it may have. May be dropped and called again.
    pub(crate) async fn ended(&mut self) -> String {
        told(self.process.ended().await)
    }

    /// Asks it to stop, and ends it after `grace`.
    pub(crate) async fn stop(self, grace: Duration) {
        self.process.stop(grace).await;
    }
}

/// The directory of one server's own, gone with it.
#[derive(Debug)]
struct Place {
    dir: PathBuf,
}

impl Place {
    fn tmp(&self) -> PathBuf {
        self.dir.join("tmp")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What cannot be removed now is removed at the next start of the gateway.
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// The service's files, in the directory of a release.
const SNAPSHOT: &str = "snapshot";

/// The models, in the directory of a release.
const MODELS: &str = "models";

/// Where code and models of a server lie.
struct Rooms {
    code: PathBuf,
    models: PathBuf,
}

impl Rooms {
    /// In the directory of the release, or in the image that this process runs in, which begins where its code lies.
    fn of(server: &ServerSpec, release_dir: &Path) -> std::io::Result<Rooms> {
        Ok(Rooms {
            code: match &server.in_image {
                Some(_) => std::env::current_dir()?,
                None => release_dir.join(SNAPSHOT),
            },
            models: models_dir(server, release_dir),
        })
    }
}

/// Where the models of a server lie, a folder each.
pub(crate) fn models_dir(server: &ServerSpec, release_dir: &Path) -> PathBuf {
    match &server.in_image {
        Some(image) => PathBuf::from(&image.models),
        None => release_dir.join(MODELS),
    }
}

fn lay_out_in(server: &ServerSpec, draft: &Path) -> Result<(), String> {
    remove(draft).map_err(unmade)?;
    let (files, weights) = (draft.join(SNAPSHOT), draft.join(MODELS));
    for dir in [&files, &weights] {
        std::fs::create_dir_all(dir).map_err(unmade)?;
    }
    snapshot::unpack(&server.snapshot, &files, &Limits::default()).map_err(told)?;
    snapshot::lay_out_models(&server.models, &weights).map_err(told)
}

fn replace(draft: &Path, release_dir: &Path) -> std::io::Result<()> {
    remove(release_dir)?;
    std::fs::rename(draft, release_dir)
}

fn remove(dir: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn unmade(error: std::io::Error) -> String {
    format!("the directory of the release cannot be made: {error}")
}

fn environment(
    server: &ServerSpec,
    models: &Path,
    place: &Place,
    prepared: Option<&Prepared>,
) -> BTreeMap<String, String> {
    let text = |path: &Path| path.display().to_string();
    let bin = prepared.and_then(|prepared| prepared.bin_dir.as_deref());
    let mut env: BTreeMap<String, String> = [
        (
            "PATH",
            bin.map_or(PATH.to_owned(), |bin| format!("{}:{PATH}", bin.display())),
        ),
        ("HOME", text(&place.tmp())),
        ("TMPDIR", text(&place.tmp())),
        ("LANG", "C.UTF-8".to_owned()),
        ("PYTHONUNBUFFERED", "1".to_owned()),
        ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    env.extend(
        prepared
            .into_iter()
            .flat_map(|prepared| prepared.env.clone()),
    );
    let threads = server.cpu_millis.div_ceil(1_000).max(1);
    env.extend(
        THREADS
            .iter()
            .map(|name| ((*name).to_owned(), threads.to_string())),
    );
    env.extend(server.env.clone());
    // What tells a server where its model is cannot be overridden.
    env.insert("MODELS_DIR".to_owned(), text(models));
    if let Some(first) = server.models.first() {
        env.insert("MODEL_DIR".to_owned(), text(&models.join(&first.name)));
        env.insert("MODEL_NAME".to_owned(), first.name.clone());
        if let Some(version) = first.version {
            env.insert("MODEL_VERSION".to_owned(), version.to_string());
        }
    }
    env
}

fn told(failure: Failure) -> String {
    failure.message
}
