//! Stands before a served model: one stable address, behind which servers come and go.
//!
//! A process of its own for each environment: it outlives the bot, reads its orders from its directory and writes
//! there what is live. It changes servers without losing a request, and never starts a model whose bytes have changed.
//! It decides nothing: what should be served, and who may ask, stands in the order.

mod answer;
mod control;
mod desk;
mod door;
mod fetch;
mod hands;
mod headers;
mod integrity;
mod log;
mod metrics;
mod pages;
pub mod pod;
mod pool;
mod proxy;
mod revival;
mod rollout;
mod upload;
mod upstream;

use crate::SelfCommand;
use crate::patient::Patient;
use answer::Turned;
use anyhow::Context;
use desk::Desk;
use door::Door;
use hands::Yard;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use log::Log;
use metrics::Metrics;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use pod::{End, Pod};
use rollout::Shop;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, Semaphore, watch};
use upstream::Slot;

/// Most connections at once; further ones wait in the system's backlog.
const CONNECTIONS_MAX: u32 = 1_024;

/// A connection that sends no request for this long is closed.
const IDLE_WAIT: Duration = Duration::from_secs(75);

/// A client that takes nothing of its answer for this long is given up.
const STALL_WAIT: Duration = Duration::from_secs(60);

/// Open files wanted: two for each connection, and some.
const OPEN_FILES: u64 = 4 * CONNECTIONS_MAX as u64;

/// The address may still be held by the process before this one.
const BIND_WAIT: Duration = Duration::from_secs(10);

/// Runs the gateway of this directory until it is told to stop; another one there already is no fault.
///
/// In a pod it fetches its order first, and ends with a release that cannot serve.
pub fn main(dir: &Path, self_command: SelfCommand, pod: Option<Pod>) -> ExitCode {
    match serve(dir, self_command, pod) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("the gateway of {} cannot go on: {error:#}", dir.display());
            ExitCode::FAILURE
        }
    }
}

fn serve(dir: &Path, me: SelfCommand, pod: Option<Pod>) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(dir)?;
    let Some(_lock) = desk.lock()? else {
        return Ok(ExitCode::SUCCESS);
    };
    if desk.is_stopped() {
        return Ok(ExitCode::SUCCESS);
    }
    desk.write_pid()?;
    raise_open_files();
    let log = match &pod {
        Some(_) => Log::standard(),
        None => Log::new(desk.log_path()),
    };
    let yard = Yard::open(me, Arc::clone(&log), desk.servers_dir())
        .context("cannot prepare for servers")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the gateway's threads")?;
    let shop = Shop {
        desk: desk.clone(),
        log: Arc::clone(&log),
        yard: Arc::new(yard),
    };
    let result = runtime.block_on(async {
        match pod {
            Some(pod) => run_in(pod, shop).await,
            None => run(shop, false).await,
        }
    });
    if let Err(error) = &result {
        log.note(&format!("the gateway ends: {error:#}"));
    }
    desk.remove_pid();
    runtime.shutdown_timeout(Duration::from_secs(1));
    let end = result?;
    Ok(end.map_or(ExitCode::SUCCESS, |end| end.tell(&log)))
}

async fn run_in(pod: Pod, shop: Shop) -> anyhow::Result<Option<End>> {
    // The first process of a pod ends by a signal only if it listens to it.
    let mut term = signal(SignalKind::terminate()).context("cannot listen to signals")?;
    let prepared = tokio::select! {
        prepared = pod.prepare(&shop.desk, &shop.log) => prepared,
        _ = term.recv() => return Ok(None),
    };
    if let Err(error) = prepared {
        return Ok(Some(End::Unfetched(format!("{error:#}"))));
    }
    drop(term);
    let follower = tokio::spawn(pod.follow_door(shop.desk.clone(), Arc::clone(&shop.log)));
    let end = run(shop, true).await;
    follower.abort();
    end
}

fn raise_open_files() {
    // Where the system refuses, fewer connections are taken at once: accepting waits for others to end.
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < OPEN_FILES
    {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, OPEN_FILES.min(hard), hard);
    }
}

async fn run(shop: Shop, is_in_pod: bool) -> anyhow::Result<Option<End>> {
    let listener = bind(shop.desk.listen()?).await?;
    let addr = listener.local_addr().context("cannot learn the port")?;
    shop.desk.keep_listen(addr)?;
    shop.log.note(&format!("listening on http://{addr}"));
    let gateway = Arc::new(Gateway::new());
    let mut control = control::Control::new(shop, Arc::clone(&gateway), addr);
    if is_in_pod {
        control.stand_in_pod();
    }
    let doorkeeper = tokio::spawn(listen(listener, Arc::clone(&gateway)));
    let unfit = control.run().await;
    doorkeeper.abort();
    Ok(unfit.map(End::Unfit))
}

async fn bind(addr: SocketAddr) -> anyhow::Result<TcpListener> {
    let until = tokio::time::Instant::now() + BIND_WAIT;
    loop {
        match TcpListener::bind(addr).await {
            Err(error)
                if error.kind() == std::io::ErrorKind::AddrInUse
                    && tokio::time::Instant::now() < until =>
            {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            bound => return bound.with_context(|| format!("cannot listen on {addr}")),
        }
    }
}

/// What every request sees.
#[derive(Debug)]
pub(crate) struct Gateway {
    /// Where the present server stands.
    slot: Slot,
    /// What is counted.
    metrics: Arc<Metrics>,
    /// Wakes the reader of orders.
    reload: Notify,
    /// Whether the cluster is sending requests elsewhere by now.
    is_leaving: AtomicBool,
    door: RwLock<Arc<Door>>,
    connections: Arc<Semaphore>,
    closing: watch::Sender<bool>,
}

impl Gateway {
    fn new() -> Gateway {
        Gateway {
            slot: Slot::new(Turned::FirstStart),
            metrics: Arc::default(),
            reload: Notify::new(),
            is_leaving: AtomicBool::new(false),
            door: RwLock::new(Arc::new(Door::empty())),
            connections: Arc::new(Semaphore::new(CONNECTIONS_MAX as usize)),
            closing: watch::Sender::new(false),
        }
    }

    /// The rules as they are now.
    fn door(&self) -> Arc<Door> {
        Arc::clone(&self.door.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set_door(&self, door: Door) {
        *self.door.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(door);
    }

    /// Whether it asks its callers to go elsewhere.
    fn is_leaving(&self) -> bool {
        self.is_leaving.load(Ordering::Relaxed)
    }

    /// Takes no further connection and waits for those there are. Returns whether all were done in time.
    async fn close(&self, patience: Duration) -> bool {
        self.closing.send_replace(true);
        let all = self.connections.acquire_many(CONNECTIONS_MAX);
        matches!(tokio::time::timeout(patience, all).await, Ok(Ok(_)))
    }
}

async fn listen(listener: TcpListener, gateway: Arc<Gateway>) {
    let mut closing = gateway.closing.subscribe();
    loop {
        let Ok(place) = Arc::clone(&gateway.connections).acquire_owned().await else {
            return;
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = closed(&mut closing) => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let gateway = Arc::clone(&gateway);
                tokio::spawn(async move {
                    attend(stream, peer.ip(), gateway).await;
                    drop(place);
                });
            }
            // Out of descriptors, most likely: give connections time to end.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn attend(stream: TcpStream, peer: IpAddr, gateway: Arc<Gateway>) {
    // Without it, small chunks of a streamed answer wait for one another; the connection works all the same.
    let _ = stream.set_nodelay(true);
    let mut closing = gateway.closing.subscribe();
    let service = service_fn(move |request| {
        let gateway = Arc::clone(&gateway);
        async move { Ok::<_, Infallible>(proxy::answer(gateway, peer, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_WAIT)
        .serve_connection(TokioIo::new(Patient::new(stream, STALL_WAIT)), service);
    let mut connection = std::pin::pin!(connection);
    // A connection that breaks is the peer's affair: its request was counted where it was answered.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = closed(&mut closing) => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

async fn closed(closing: &mut watch::Receiver<bool>) {
    // The sender lives as long as the gateway: an error means that it is gone, too.
    let _ = closing.wait_for(|is_closing| *is_closing).await;
}

/// Units: milliseconds since 1970, UTC.
fn now_ms() -> i64 {
    crate::files::now_ms()
}
