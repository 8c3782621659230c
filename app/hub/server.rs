//! Starts and stops: seeds the state, opens the port, runs the background tasks.

use crate::config::Config;
use crate::deliver;
use crate::door;
use crate::faults::Faults;
use crate::hub::{Hub, lock};
use crate::journal::Journal;
use crate::json::Urls;
use crate::record::Recorder;
use crate::refs::{self, Push};
use crate::seed;
use crate::store;
use anyhow::Context;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

/// A server that runs until it is shut down or dropped.
#[derive(Debug)]
pub struct Running {
    /// Base address, such as `http://127.0.0.1:4000`; the API is there and under `/api/v3`.
    pub url: String,
    hub: Arc<Hub>,
    tasks: Vec<JoinHandle<()>>,
}

impl Running {
    /// Stops and saves.
    ///
    /// Errors: the state cannot be written.
    pub async fn shutdown(mut self) -> anyhow::Result<()> {
        for task in self.tasks.drain(..) {
            task.abort();
            // An aborted task ends with a cancellation, which is what was asked for.
            let _ = task.await;
        }
        store::close(&self.hub)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.tasks.is_empty() {
            return;
        }
        for task in &self.tasks {
            task.abort();
        }
        if let Err(error) = store::close(&self.hub) {
            tracing::error!("cannot save the state: {error:#}");
        }
    }
}

/// Starts a server.
///
/// Errors: the directory cannot be used, its state cannot be read, the port is taken, or the
/// configuration names an account that does not exist.
pub async fn start(config: Config) -> anyhow::Result<Running> {
    std::fs::create_dir_all(config.state_dir.join("repos"))
        .with_context(|| format!("cannot create `{}`", config.state_dir.display()))?;
    let mut config = config;
    config.state_dir = config
        .state_dir
        .canonicalize()
        .with_context(|| format!("cannot find `{}`", config.state_dir.display()))?;
    let listener = TcpListener::bind((config.address, config.port))
        .await
        .with_context(|| format!("cannot listen on {}:{}", config.address, config.port))?;
    let address = listener.local_addr().context("cannot tell the port")?;
    let url = format!("http://{address}");
    let html = config
        .public_url
        .as_ref()
        .map_or_else(|| url.clone(), |url| url.trim_end_matches('/').to_owned());
    let (saved, log) = store::load(&config.state_dir)?;
    let (outbox, inbox) = mpsc::unbounded_channel();
    let mut journal = Journal::default();
    journal.resume(saved.write_last);
    let recorder = Recorder::open(config.record.as_deref())?;
    let hub = Arc::new(Hub {
        urls: Urls {
            api: format!("{html}/api/v3"),
            html,
        },
        config,
        state: Mutex::new(saved.state),
        journal: Mutex::new(journal),
        recorder,
        faults: Mutex::new(Faults::default()),
        deliveries: Mutex::new(log),
        outbox,
        waiting: Mutex::new(BTreeMap::new()),
        dirty: Notify::new(),
        is_closed: Mutex::new(false),
        used: Mutex::new(HashMap::new()),
        snapshots: Mutex::new(Vec::new()),
        pushing: Mutex::new(HashMap::new()),
    });
    for outgoing in saved.waiting {
        hub.queue(outgoing);
    }
    seed::seed(&hub, &mut lock(&hub.state))?;
    catch_up(&hub);
    hub.dirty.notify_one();
    let tasks = vec![
        tokio::spawn(deliver::run(Arc::clone(&hub), inbox)),
        tokio::spawn(store::run(Arc::clone(&hub))),
        tokio::spawn(accept(Arc::clone(&hub), listener)),
    ];
    Ok(Running { url, hub, tasks })
}

/// Takes over refs that moved without being seen, as after a crash.
fn catch_up(hub: &Hub) {
    let mut state = lock(&hub.state);
    let repos: Vec<(u64, u64)> = state
        .repos
        .values()
        .map(|repo| (repo.id, repo.owner))
        .collect();
    for (repo, pusher) in repos {
        if let Err(error) = refs::sync(Push { hub, repo, pusher }, &mut state) {
            tracing::error!("cannot compare the refs of repository {repo}: {error}");
        }
    }
}

async fn accept(hub: Arc<Hub>, listener: TcpListener) {
    // Connections end together with this task, and so with the server.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!("cannot accept a connection: {error}");
                    continue;
                }
            },
            Some(_) = connections.join_next() => continue,
        };
        // Answers are small; waiting to fill a packet only costs time.
        let _ = stream.set_nodelay(true);
        let hub = Arc::clone(&hub);
        connections.spawn(async move {
            let service = service_fn(move |request| door::enter(Arc::clone(&hub), request));
            // An error here is a client that went away, or an answer cut on purpose.
            let _ = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::Outgoing;

    #[tokio::test]
    async fn a_saver_that_comes_after_the_end_writes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let config = serde_json::json!({"state_dir": dir.path(), "admin_token": "x"});
        let running = start(serde_json::from_value(config).unwrap())
            .await
            .unwrap();
        let hub = Arc::clone(&running.hub);
        running.shutdown().await.unwrap();
        let kept = std::fs::read(dir.path().join("state.json")).unwrap();
        hub.queue(Outgoing {
            key: 1,
            guid: "late".to_owned(),
            event: "push".to_owned(),
            action: None,
            installation_id: None,
            repository_id: None,
            payload: "{}".to_owned(),
            is_redelivery: false,
        });
        store::save(&hub).unwrap();
        assert_eq!(std::fs::read(dir.path().join("state.json")).unwrap(), kept);
    }
}
