//! Connections to one server, kept alive between requests.
//!
//! Knows of each connection whether it had been used before: only then may a server have closed it in the
//! meantime, and only then may a request that got no answer be sent once more.

use super::answer::BodyError;
use super::upload::Upload;
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// Most connections kept idle.
const IDLE_MAX: usize = 64;

/// An idle connection older than this is not used again; common Python servers close theirs after five seconds.
const IDLE_AGE_MAX: Duration = Duration::from_secs(4);

/// A connection is given this long to become ready for the next request.
const READY_WAIT: Duration = Duration::from_millis(50);

/// A connection is given this long to open.
const CONNECT_WAIT: Duration = Duration::from_secs(5);

/// The connections to one server.
#[derive(Debug)]
pub(crate) struct Pool {
    addr: SocketAddr,
    idle: Mutex<Vec<Idle>>,
}

#[derive(Debug)]
struct Idle {
    sender: SendRequest<Upload>,
    since: Instant,
}

/// A connection in use by one request.
#[derive(Debug)]
pub(crate) struct Lease {
    sender: SendRequest<Upload>,
    is_reused: bool,
    pool: Arc<Pool>,
}

/// How a request got no answer.
#[derive(Debug)]
pub(crate) enum Lost {
    /// Not one byte was sent: another server may take it.
    Unsent,
    /// The connection had been idle and was closed before the first byte of an answer, or took nothing.
    Stale,
    /// The server broke a fresh connection.
    Broken,
}

impl Pool {
    /// A pool for the server at `addr`.
    pub(crate) fn new(addr: SocketAddr) -> Arc<Pool> {
        Arc::new(Pool {
            addr,
            idle: Mutex::new(Vec::new()),
        })
    }

    /// An idle connection, or a new one. Errors: [`Lost::Unsent`] when none can be opened.
    pub(crate) async fn lease(self: &Arc<Pool>, fresh: bool) -> Result<Lease, Lost> {
        if !fresh {
            while let Some(mut idle) = self.take_idle() {
                let ready = tokio::time::timeout(READY_WAIT, idle.sender.ready()).await;
                if matches!(ready, Ok(Ok(()))) {
                    return Ok(self.lease_of(idle.sender, true));
                }
            }
        }
        let sender = tokio::time::timeout(CONNECT_WAIT, open(self.addr))
            .await
            .map_err(|_| Lost::Unsent)?
            .map_err(|_| Lost::Unsent)?;
        Ok(self.lease_of(sender, false))
    }

    /// Closes every idle connection.
    pub(crate) fn clear(&self) {
        self.locked().clear();
    }

    fn lease_of(self: &Arc<Pool>, sender: SendRequest<Upload>, is_reused: bool) -> Lease {
        Lease {
            sender,
            is_reused,
            pool: Arc::clone(self),
        }
    }

    fn take_idle(&self) -> Option<Idle> {
        let mut idle = self.locked();
        // The newest is at the end: if that one is too old, all are.
        let newest = idle.pop()?;
        if newest.since.elapsed() < IDLE_AGE_MAX {
            return Some(newest);
        }
        idle.clear();
        None
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    /// Sends the request and waits for the head of its answer. Errors: see [`Lost`].
    pub(crate) async fn send(
        &mut self,
        request: Request<Upload>,
    ) -> Result<Response<Incoming>, Lost> {
        self.sender
            .try_send_request(request)
            .await
            .map_err(|mut lost| {
                if lost.take_message().is_some() {
                    return Lost::Stale;
                }
                let error = lost.into_error();
                if self.is_reused && is_closed(&error) {
                    Lost::Stale
                } else {
                    Lost::Broken
                }
            })
    }

    /// Keeps the connection for another request.
    pub(crate) fn give_back(self) {
        let Lease {
            sender,
            is_reused: _,
            pool,
        } = self;
        if sender.is_closed() {
            return;
        }
        let mut idle = pool.locked();
        if idle.len() < IDLE_MAX {
            idle.push(Idle {
                sender,
                since: Instant::now(),
            });
        }
    }
}

async fn open(addr: SocketAddr) -> Result<SendRequest<Upload>, BodyError> {
    let stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    // The task ends with its connection: when the server closes it, or when the sender is dropped.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(sender)
}

fn is_closed(error: &hyper::Error) -> bool {
    if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        return true;
    }
    let cause =
        std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    cause.is_some_and(|cause| {
        matches!(
            cause.kind(),
            std::io::ErrorKind::ConnectionReset
                | std::io::ErrorKind::BrokenPipe
                | std::io::ErrorKind::ConnectionAborted
        )
    })
}
