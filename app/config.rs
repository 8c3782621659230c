//! The server's configuration: one TOML file, overlaid by the environment.
//!
//! Strict: an unknown key is an error, and all problems are told at once, each with its key and line.
//! Secrets are read from files here and wrapped, so that nothing prints them by accident.

mod chatops;
mod cluster;
mod clusters;
mod gitops;
mod images;
mod logs;
mod read;
pub mod reference;
mod retention;
mod secrets;
mod serving;

use bowsprit_core::habits::{self, Compatibility, Habits};
use bowsprit_core::name::Slug;
use bowsprit_core::retention::Keep;
pub use cluster::{Cluster, Toleration};
pub use clusters::OtherCluster;
pub use gitops::Gitops;
pub use images::Images;
pub use logs::Logs;
use read::Reader;
use secrecy::SecretString;
pub use serving::Serving;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the server is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it listens.
    pub listen: SocketAddr,
    /// How people and GitHub reach it, without a slash at the end.
    pub public_url: String,
    /// Everything that it keeps.
    pub state_dir: PathBuf,
    /// GitHub.
    pub github: Github,
    /// Training.
    pub runs: Runs,
    /// Serving.
    pub releases: Releases,
    /// The Kubernetes that either may happen on.
    pub cluster: Cluster,
    /// Further ones, which environments choose by name.
    pub clusters: BTreeMap<Slug, OtherCluster>,
    /// Images that are built and kept; `None` where no registry is configured.
    pub images: Option<Images>,
    /// Where the lines of servers go.
    pub logs: Logs,
    /// How often everything is looked at without being told.
    pub reconcile_every: Duration,
    /// How long what is over is kept.
    pub retention: Keep,
    /// Values of the secrets that steps may name.
    pub secrets: Secrets,
    /// Where the store is.
    pub store_url: String,
    /// Commands.
    pub chatops: Chatops,
    /// Limits.
    pub limits: Limits,
    /// Whether pages can be read without a token; only where the server is reached from this machine alone.
    pub open_reading: bool,
}

/// Values of named secrets, by lower-case `owner/name` and the secret's name.
pub type Secrets = BTreeMap<String, BTreeMap<String, SecretString>>;

/// GitHub, and who we are there.
#[derive(Debug, Clone)]
pub struct Github {
    /// The REST API, without a slash at the end.
    pub api_url: String,
    /// git over HTTPS, without a slash at the end.
    pub git_url: String,
    /// Pages for people, without a slash at the end.
    pub web_url: String,
    /// The App's id.
    pub app_id: u64,
    /// The App's private key, PEM.
    pub private_key: SecretString,
    /// Secrets that sign webhooks: the current one and, during a change, the other.
    pub webhook_secrets: Vec<SecretString>,
    /// A certificate to trust beside the system's, PEM.
    pub ca_file: Option<PathBuf>,
}

/// Where training runs.
#[derive(Debug, Clone)]
pub struct Runs {
    /// By whom.
    pub backend: Backend,
    /// Stages at once.
    pub slots: usize,
}

/// Where models are served.
#[derive(Debug, Clone)]
pub struct Releases {
    /// By whom.
    pub backend: Backend,
    /// Ports that environments may listen on; any free one where absent.
    pub ports: Option<RangeInclusive<u16>>,
    /// How a cluster serves.
    pub serving: Serving,
    /// The repository that a cluster's releases are written to; they are applied where absent.
    pub gitops: Option<Gitops>,
}

/// Who runs our processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// This machine.
    Local,
    /// The cluster of `[cluster]`.
    Kubernetes,
}

/// How commands are understood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chatops {
    /// Everywhere.
    pub compatibility: Compatibility,
    /// In all repositories of these owners, by lower-case name.
    pub owners: BTreeMap<String, habits::Chatops>,
    /// In these repositories, by lower-case `owner/name`.
    pub repositories: BTreeMap<String, habits::Chatops>,
}

impl Chatops {
    /// How words are taken in a repository called `owner/name`, before its contract has a say.
    pub fn habits(&self, repository: &str) -> Habits {
        let name = repository.to_ascii_lowercase();
        let owner = name.split('/').next().unwrap_or_default();
        let places = [self.owners.get(owner), self.repositories.get(&name)];
        let everywhere = Habits::of(self.compatibility);
        let places = places.into_iter().flatten();
        places.fold(everywhere, |habits, said| habits.with(said))
    }
}

/// Limits that an operator may move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Webhook bodies above 64 KiB read at once.
    pub bodies_at_once: usize,
    /// What a run may write. Units: bytes.
    pub run_disk_bytes: u64,
    /// Of the disk of the state, this part stays free, or [`Limits::disk_free_bytes`] do. Units: percent.
    pub disk_free_percent: u64,
    /// So much free is enough on a disk of any size. Units: bytes.
    pub disk_free_bytes: u64,
    /// Writes to GitHub within any minute, per installation. GitHub itself allows about 80.
    pub github_writes_per_minute: usize,
    /// Writes to GitHub within any hour, per installation. GitHub itself allows about 500.
    pub github_writes_per_hour: usize,
    /// How long a write that got no answer is left alone before it is looked for and tried again.
    pub github_unknown_wait: Duration,
}

/// Something wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    /// Which key; empty when the file itself is wrong.
    pub key: String,
    /// In which line of the file, from 1; `None` when it comes from the environment or is missing.
    pub line: Option<usize>,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "`{}`: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for ConfigProblem {}

/// A webhook secret must be at least this long. Units: bytes.
const SECRET_BYTES_MIN: usize = 16;
/// A key or secret file may be at most this long. Units: bytes.
const SECRET_BYTES_MAX: u64 = 64 * 1024;
/// Jobs at once where none are configured: quotas and queues of the cluster hold back what it cannot take.
const JOBS_AT_ONCE: u64 = 100;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Config {
    /// Reads the file, where one is given, and the environment's `BOWSPRIT_…`, and creates the state directory.
    ///
    /// `BOWSPRIT_GITHUB__API_URL` is `api_url` of `[github]`; lists are separated by commas.
    /// Errors: every problem found.
    pub fn load(
        path: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Config, Vec<ConfigProblem>> {
        let text = match path.map(std::fs::read_to_string).transpose() {
            Ok(text) => text.unwrap_or_default(),
            Err(error) => return Err(vec![whole(format!("cannot read configuration: {error}"))]),
        };
        let mut reader = Reader::new(&text, env)?;
        let config = config(&mut reader);
        let problems = reader.finish();
        match config {
            Some(config) if problems.is_empty() => {
                create_private(&config.state_dir).map_err(|error| {
                    vec![problem("state_dir", format!("cannot be created: {error}"))]
                })?;
                Ok(config)
            }
            Some(_) | None => Err(problems),
        }
    }
}

fn whole(message: String) -> ConfigProblem {
    problem("", message)
}

fn problem(key: &str, message: String) -> ConfigProblem {
    ConfigProblem {
        key: key.to_owned(),
        line: None,
        message,
    }
}

/// Reads every key before it gives up, so that every problem is found.
fn config(reader: &mut Reader) -> Option<Config> {
    let listen = reader.parsed(
        "listen",
        "127.0.0.1:8080",
        "an address such as `127.0.0.1:8080`",
    );
    let public_url = match listen {
        Some(listen) => reader.url("public_url", &format!("http://{listen}")),
        None => reader.url("public_url", "http://127.0.0.1:8080"),
    };
    let state_dir = PathBuf::from(reader.text_or("state_dir", "bowsprit-state"));
    let github = github(reader);
    let runs = runs(reader);
    let releases = releases(reader);
    let backends = [
        runs.as_ref().map(|runs| runs.backend),
        releases.as_ref().map(|releases| releases.backend),
    ];
    let is_used = backends.contains(&Some(Backend::Kubernetes));
    let cluster = match &public_url {
        Some(url) => cluster::cluster(reader, url, is_used),
        None => cluster::cluster(reader, "http://127.0.0.1:8080", is_used),
    };
    let clusters = clusters::clusters(reader, cluster.as_ref());
    if let (Some(cluster), Some(releases), Some(others)) = (&cluster, &releases, &clusters) {
        let others = others.values().map(|other| &other.serving.expose);
        let exposed: Vec<_> = others.chain([&releases.serving.expose]).collect();
        cluster::check_copied(reader, cluster, &exposed);
    }
    let base = cluster
        .as_ref()
        .and_then(|cluster| cluster.base_image.as_deref());
    let images = images::images(reader, base);
    let logs = logs::logs(reader);
    let every = reader.duration("reconcile.every", "5m", Duration::from_secs(1)..=DAY);
    let retention = retention::retention(reader);
    let secrets = secrets::secrets(reader);
    let store_url = store_url(reader, &state_dir);
    let chatops = chatops::chatops(reader);
    let limits = limits(reader);
    let open_reading = open_reading(reader, listen);
    Some(Config {
        listen: listen?,
        public_url: public_url?,
        state_dir,
        github: github?,
        runs: runs?,
        releases: releases?,
        cluster: cluster?,
        clusters: clusters?,
        images: images?,
        logs: logs?,
        reconcile_every: every?,
        retention: retention?,
        secrets,
        store_url: store_url?,
        chatops,
        limits: limits?,
        open_reading: open_reading?,
    })
}

fn open_reading(reader: &mut Reader, listen: Option<SocketAddr>) -> Option<bool> {
    let key = "front.open_reading";
    match reader.text_or(key, "false").as_str() {
        "false" => return Some(false),
        "true" if listen.is_some_and(|listen| listen.ip().is_loopback()) => return Some(true),
        "true" => reader.complain(
            key,
            "needs a `listen` that only this machine reaches, such as `127.0.0.1:8080`".to_owned(),
        ),
        other => reader.complain(key, format!("`{other}` is neither `true` nor `false`")),
    }
    None
}

fn github(reader: &mut Reader) -> Option<Github> {
    let api_url = reader.safe_url("github.api_url", "https://api.github.com");
    let git_url = reader.safe_url("github.git_url", "https://github.com");
    let web_url = reader.url(
        "github.web_url",
        git_url.as_deref().unwrap_or("https://github.com"),
    );
    let app_id = reader.required("github.app_id", "the number that GitHub shows as App ID");
    let app_id = app_id.and_then(|text| reader.number("github.app_id", &text, 1..=u64::MAX));
    let private_key = private_key(reader);
    let webhook_secrets = webhook_secrets(reader);
    let ca_file = reader.text("github.ca_file").map(PathBuf::from);
    if let Some(path) = &ca_file
        && let Err(error) = read_secret(path)
    {
        reader.complain("github.ca_file", error);
    }
    Some(Github {
        api_url: api_url?,
        git_url: git_url?,
        web_url: web_url?,
        app_id: app_id?,
        private_key: private_key?,
        webhook_secrets: webhook_secrets?,
        ca_file,
    })
}

fn private_key(reader: &mut Reader) -> Option<SecretString> {
    let key = "github.private_key_file";
    let path = reader.required(key, "the file of the App's private key")?;
    match read_secret(Path::new(&path)) {
        Ok(text) if text.contains("PRIVATE KEY-----") => Some(text.into()),
        Ok(_) => {
            reader.complain(key, format!("`{path}` holds no private key in PEM form"));
            None
        }
        Err(error) => {
            reader.complain(key, error);
            None
        }
    }
}

fn webhook_secrets(reader: &mut Reader) -> Option<Vec<SecretString>> {
    let key = "github.webhook_secret_files";
    let paths = reader.list(key)?;
    if !(1..=2).contains(&paths.len()) {
        reader.complain(
            key,
            "must name one file, or two while the secret changes".to_owned(),
        );
        return None;
    }
    let mut secrets = Vec::new();
    for path in &paths {
        match read_secret(Path::new(path)) {
            Ok(text) if text.trim_end_matches(['\r', '\n']).len() < SECRET_BYTES_MIN => {
                reader.complain(
                    key,
                    format!("the secret in `{path}` is shorter than {SECRET_BYTES_MIN} bytes; make one with `openssl rand -hex 32`"),
                );
            }
            Ok(text) => secrets.push(text.trim_end_matches(['\r', '\n']).into()),
            Err(error) => reader.complain(key, error),
        }
    }
    (secrets.len() == paths.len()).then_some(secrets)
}

fn runs(reader: &mut Reader) -> Option<Runs> {
    let backend = backend(reader, "runs.backend");
    let slots = match backend {
        Some(Backend::Kubernetes) => JOBS_AT_ONCE,
        Some(Backend::Local) | None => {
            std::thread::available_parallelism().map_or(1, usize::from) as u64
        }
    };
    let slots = reader.number_or("runs.slots", slots, 1..=1_024);
    Some(Runs {
        backend: backend?,
        slots: usize::try_from(slots?).ok()?,
    })
}

fn releases(reader: &mut Reader) -> Option<Releases> {
    let backend = backend(reader, "releases.backend");
    let ports = serving::ports(reader);
    let serving = serving::serving(reader, "cluster");
    let gitops = gitops::gitops(reader, backend);
    Some(Releases {
        serving: serving?,
        gitops: gitops?,
        backend: backend?,
        ports: ports?,
    })
}

fn backend(reader: &mut Reader, key: &str) -> Option<Backend> {
    let text = reader.text_or(key, "local");
    match text.as_str() {
        "local" => return Some(Backend::Local),
        "kubernetes" => return Some(Backend::Kubernetes),
        other => reader.complain(
            key,
            format!("`{other}` is not a backend; use `local` or `kubernetes`"),
        ),
    }
    None
}

fn store_url(reader: &mut Reader, state_dir: &Path) -> Option<String> {
    let file = format!("sqlite:{}", state_dir.join("bowsprit.db").display());
    let url = reader.text_or("store.url", &file);
    if url.starts_with("postgres:") || url.starts_with("postgresql:") {
        let message = "PostgreSQL is not built yet; use `sqlite:` and a path".to_owned();
        reader.complain("store.url", message);
        return None;
    }
    Some(url)
}

/// Writes a minute that an installation makes at most, if the operator says nothing else.
pub(crate) const GITHUB_WRITES_PER_MINUTE: usize = 70;

fn limits(reader: &mut Reader) -> Option<Limits> {
    let bodies = reader.number_or("limits.bodies_at_once", 64, 1..=1_024);
    let disk = reader.number_or("limits.run_disk_bytes", 10 << 30, 1 << 20..=1 << 50);
    let percent = reader.number_or("limits.disk_free_percent", 10, 0..=100);
    let free = reader.number_or("limits.disk_free_bytes", 5 << 30, 0..=1 << 50);
    let minute = reader.number_or(
        "limits.github_writes_per_minute",
        GITHUB_WRITES_PER_MINUTE as u64,
        10..=1_000_000,
    );
    let hour = reader.number_or("limits.github_writes_per_hour", 450, 60..=10_000_000);
    let key = "limits.github_unknown_wait";
    let unknown = reader.duration(
        key,
        "30s",
        Duration::from_secs(1)..=Duration::from_secs(600),
    );
    Some(Limits {
        github_writes_per_minute: usize::try_from(minute?).ok()?,
        github_writes_per_hour: usize::try_from(hour?).ok()?,
        github_unknown_wait: unknown?,
        bodies_at_once: usize::try_from(bodies?).ok()?,
        run_disk_bytes: disk?,
        disk_free_percent: percent?,
        disk_free_bytes: free?,
    })
}

fn read_secret(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let length =
        std::fs::metadata(path).map_err(|error| format!("cannot read `{shown}`: {error}"))?;
    if length.len() > SECRET_BYTES_MAX {
        return Err(format!("`{shown}` is larger than {SECRET_BYTES_MAX} bytes"));
    }
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("cannot read `{shown}`: {error}"))?;
    if text.trim().is_empty() {
        return Err(format!("`{shown}` is empty"));
    }
    Ok(text)
}

fn create_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

#[cfg(test)]
mod tests;
