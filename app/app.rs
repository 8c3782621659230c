//! The wiring: opens every room once, starts the loops, stops them in order.
//!
//! Nothing here decides anything; it only says who is given what.

use crate::artifacts::Artifacts;
use crate::cluster::Cluster;
use crate::config::{self, Config};
use crate::git::fetch::FetchLimits;
use crate::git::mirror::{self, Mirrors};
use crate::github::client::{GitHub, Settings};
use crate::http;
use crate::http::connections::{self, Limits};
use crate::http::disk::{Disk, Keep};
use crate::http::health::Readiness;
use crate::images::Images;
use crate::releases::{Target, Ways};
use crate::runs::Backend;
use crate::store::Store;
use crate::text::Texts;
use crate::worker::{self, Rooms};
use anyhow::Context as _;
use bowsprit_core::name::{Login, Slug};
use secrecy::ExposeSecret as _;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Work at hand is given this long when the server stops.
const STOP_MAX: Duration = Duration::from_secs(20);

/// GitHub is asked who we are this often before the server goes on without.
const HELLO_TRIES: u32 = 3;

/// A running server.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its rooms, for tests that ask the store.
    pub rooms: Arc<Rooms>,
    stop: CancellationToken,
    tasks: TaskTracker,
    door: JoinHandle<()>,
    readiness: Readiness,
}

/// Opens everything and starts to work. Errors: a room that cannot be opened, by name.
pub async fn start(config: Config, program: Vec<std::ffi::OsString>) -> anyhow::Result<Running> {
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on {}", config.listen))?;
    start_on(listener, config, program).await
}

/// As [`start`], on a listener that is open already.
pub async fn start_on(
    listener: TcpListener,
    config: Config,
    program: Vec<std::ffi::OsString>,
) -> anyhow::Result<Running> {
    let address = listener.local_addr()?;
    let store = Store::open(&config.store_url).await?;
    let readiness = Readiness::needing(Disk::new(
        config.state_dir.clone(),
        Keep {
            percent: config.limits.disk_free_percent,
            bytes: config.limits.disk_free_bytes,
        },
    ));
    let stop = CancellationToken::new();
    let rooms = Arc::new(rooms(&config, store.clone(), program).await?);
    let router = http::router(http::Front {
        config: &config,
        rooms: rooms.clone(),
        readiness: readiness.clone(),
    });
    let door = tokio::spawn(connections::serve(
        listener,
        router,
        Limits::default(),
        stop.clone(),
    ));
    let tasks = worker::start(&rooms, &stop);
    readiness.set_started();
    tracing::info!("listening on {address}");
    Ok(Running {
        address,
        rooms,
        stop,
        tasks,
        door,
        readiness,
    })
}

async fn rooms(
    config: &Config,
    store: Store,
    program: Vec<std::ffi::OsString>,
) -> anyhow::Result<Rooms> {
    let github = github(config)?;
    let bot = hello(&github).await?;
    let artifacts = Artifacts::open(&config.state_dir)?;
    let cluster = cluster(config).await?;
    let ways = match &cluster {
        Some(cluster) => Some(Ways {
            cluster: cluster.clone(),
            others: other_clusters(config).await,
            commit: worker::gitops::committer(store.clone(), github.clone()),
        }),
        None => None,
    };
    Ok(Rooms {
        mirrors: Mirrors::new(mirror::Settings {
            dir: config.state_dir.join("mirrors"),
            git_url: config.github.git_url.clone(),
            ca_file: config.github.ca_file.clone(),
            limits: FetchLimits::default(),
        })?,
        runs: Backend::open(config, artifacts.clone(), program.clone(), cluster.as_ref())?,
        releases: Target::open(config, artifacts.clone(), program, ways)?,
        images: images(config, cluster.as_ref())?,
        texts: Texts::load(None)?,
        snapshots: config.state_dir.join("snapshots"),
        public_url: config.public_url.clone(),
        chatops: config.chatops.clone(),
        every: config.reconcile_every,
        keep: config.retention,
        sweeping: tokio::sync::Mutex::default(),
        artifacts,
        github,
        store,
        bot,
    })
}

fn images(config: &Config, cluster: Option<&Cluster>) -> anyhow::Result<Option<Images>> {
    match (&config.images, cluster) {
        (Some(settings), Some(cluster)) => {
            Images::open(config, settings, cluster.clone()).map(Some)
        }
        (Some(_), None) => anyhow::bail!(
            "`images.registry` is for a cluster: set `runs.backend` or `releases.backend` to `kubernetes`, or leave `[images]` out"
        ),
        (None, _) => Ok(None),
    }
}

/// The way to the cluster, where anything is to happen there.
async fn cluster(config: &Config) -> anyhow::Result<Option<Cluster>> {
    match (config.runs.backend, config.releases.backend) {
        (config::Backend::Local, config::Backend::Local) => Ok(None),
        (config::Backend::Kubernetes, _) | (_, config::Backend::Kubernetes) => {
            Cluster::open(&config.cluster).await.map(Some)
        }
    }
}

/// The ways to further clusters; what keeps us from one is for its environments to say.
async fn other_clusters(config: &Config) -> BTreeMap<Slug, Result<Cluster, String>> {
    let mut found = BTreeMap::new();
    for (name, settings) in &config.clusters {
        let opened = Cluster::open(&settings.way).await;
        let opened = opened.map_err(|error| format!("{error:#}"));
        if let Err(why) = &opened {
            tracing::error!("there is no way to cluster `{name}`: {why}");
        }
        found.insert(name.clone(), opened);
    }
    found
}

/// The client of the configured GitHub; it is not asked yet. Errors: a key, address or certificate that cannot be used.
pub fn github(config: &Config) -> anyhow::Result<GitHub> {
    let ca_pem = config
        .github
        .ca_file
        .as_ref()
        .map(std::fs::read)
        .transpose()
        .context("cannot read `github.ca_file`")?;
    GitHub::with_limits(
        Settings {
            api_url: config.github.api_url.clone(),
            app_id: config.github.app_id.to_string(),
            private_key_pem: config.github.private_key.expose_secret().to_owned().into(),
            ca_pem,
            user_agent: format!("bowsprit/{}", env!("CARGO_PKG_VERSION")),
        },
        budget(&config.limits),
    )
}

/// Points a minute: GitHub's own limit, and in proportion where a server of one's own takes more writes than usual.
fn points(writes_per_minute: usize) -> usize {
    let usual = crate::github::budget::Limits::default().points_per_minute;
    let times = writes_per_minute / config::GITHUB_WRITES_PER_MINUTE;
    usual.saturating_mul(times.max(1))
}

/// Most of a minute's writes may follow each other at once; the window of a minute holds all the same.
fn budget(limits: &config::Limits) -> crate::github::budget::Limits {
    let minute = u32::try_from(limits.github_writes_per_minute).unwrap_or(u32::MAX);
    crate::github::budget::Limits {
        write_burst: minute,
        writes_per_second: f64::from(minute) / 60.0,
        writes_per_minute: limits.github_writes_per_minute,
        writes_per_hour: limits.github_writes_per_hour,
        points_per_minute: points(limits.github_writes_per_minute),
        unknown_wait: limits.github_unknown_wait,
        ..crate::github::budget::Limits::default()
    }
}

/// Asks GitHub who we are. A GitHub that cannot be reached now keeps nobody from sending us deliveries,
/// so the server starts all the same, says what to look at, and goes by its usual name.
async fn hello(github: &GitHub) -> anyhow::Result<Login> {
    for attempt in 0..HELLO_TRIES {
        match github.app().await {
            Ok(app) => return Ok(app.login.clone()),
            Err(error) if attempt + 1 == HELLO_TRIES => tracing::error!(
                "cannot ask GitHub who we are ({error}); if this goes on, check `github.api_url`, `github.app_id` and `github.private_key_file`"
            ),
            Err(_) => tokio::time::sleep(Duration::from_millis(100 << attempt)).await,
        }
    }
    Ok(Login::parse("bowsprit[bot]")?)
}

impl Running {
    /// Stops taking new work, finishes what is at hand, closes the store.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.readiness.set_stopping();
        self.stop.cancel();
        if tokio::time::timeout(STOP_MAX, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("some work did not end in time; the next start goes on with it");
        }
        self.door
            .await
            .context("cannot close the connections in order")?;
        self.rooms.store.close().await
    }
}
