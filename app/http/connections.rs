//! Connections: how many are open at once, and how long a peer may take for what it sends and takes.
//!
//! A peer that says little is not told from one that is slow: each wait has an end, and each open connection a place.
//! Nothing here knows what is asked; requests go to the router.

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::Request;
use bowsprit_agent::patient::Patient;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::future::Future as _;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Sleep, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

/// Connections open at once: half of the 1,024 files that a process may usually hold.
const CONNECTIONS_MAX: usize = 512;
/// How long headers may take, and, on the same clock, how long a connection may be idle before them.
/// Proxies keep idle connections for a minute; shorter than theirs, a request would now and then meet a closed door.
const HEADERS_WAIT: Duration = Duration::from_secs(65);
/// How long a body may take; the webhook allows less, since GitHub does not wait as long.
const BODY_WAIT: Duration = Duration::from_secs(30);
/// How long a peer may take nothing of an answer.
const STALL_WAIT: Duration = Duration::from_secs(60);
/// How long requests at hand are given when the server stops; followed logs end with it.
const STOP_WAIT: Duration = Duration::from_secs(5);
/// Pause when no connection can be taken; out of files, most likely, and some will be closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// What connections are held to.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Open at once; who comes beyond waits in the system's queue until another has ended.
    pub connections: usize,
    /// From the end of the answer before, or the beginning, to the last header.
    pub headers: Duration,
    /// From the last header to the end of the body.
    pub body: Duration,
    /// While nothing of an answer can be written.
    pub stall: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: CONNECTIONS_MAX,
            headers: HEADERS_WAIT,
            body: BODY_WAIT,
            stall: STALL_WAIT,
        }
    }
}

/// Serves until `stop`; then takes nobody new, and returns when the requests at hand have ended or their time has.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let open = TaskTracker::new();
    loop {
        // The place comes first: a connection that is not taken yet costs us nothing.
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, accept(&listener).await)
        };
        let (place, stream) = tokio::select! {
            next = next => next,
            () = stop.cancelled() => break,
        };
        let (router, stop) = (router.clone(), stop.clone());
        open.spawn(async move {
            attend(stream, router, limits, stop).await;
            drop(place);
        });
    }
    drop(listener);
    open.close();
    open.wait().await;
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) if is_of_the_peer(&error) => {}
            Err(error) => {
                tracing::warn!("cannot take a connection: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether a connection was gone before it was taken.
fn is_of_the_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset
    )
}

async fn attend(stream: TcpStream, router: Router, limits: Limits, stop: CancellationToken) {
    // Without it, small chunks of a followed log wait for one another; the connection works all the same.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| {
        let request = request.map(|body| timed(body, limits.body));
        router.clone().oneshot(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.headers)
        .serve_connection(TokioIo::new(Patient::new(stream, limits.stall)), service);
    let mut connection = std::pin::pin!(connection);
    // A connection that breaks is the peer's affair: its request was counted where it was answered.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            drop(timeout(STOP_WAIT, connection).await);
        }
    }
}

fn timed(body: Incoming, limit: Duration) -> Body {
    if body.is_end_stream() {
        return Body::empty();
    }
    Body::new(Timed {
        body,
        end: Box::pin(sleep(limit)),
    })
}

/// A body that fails when its sender has not ended it in time.
struct Timed {
    body: Incoming,
    end: Pin<Box<Sleep>>,
}

impl HttpBody for Timed {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let late = |()| Some(Err(io::Error::from(ErrorKind::TimedOut).into()));
        self.end.as_mut().poll(cx).map(late)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::post;
    use std::net::SocketAddr;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::task::JoinHandle;

    /// A limit that a test waits for.
    const SHORT: Duration = Duration::from_millis(50);
    /// No test waits longer.
    const PATIENCE: Duration = Duration::from_secs(20);
    const WHOLE: &[u8] = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi";

    struct Server {
        address: SocketAddr,
        stop: CancellationToken,
        task: JoinHandle<()>,
    }

    async fn start(limits: Limits) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", post(async |body: Bytes| body));
        let stop = CancellationToken::new();
        let task = tokio::spawn(serve(listener, router, limits, stop.clone()));
        Server {
            address,
            stop,
            task,
        }
    }

    async fn open(server: &Server) -> TcpStream {
        TcpStream::connect(server.address).await.unwrap()
    }

    /// The first bytes that come.
    async fn heard(stream: &mut TcpStream) -> String {
        let mut bytes = [0; 512];
        let count = timeout(PATIENCE, stream.read(&mut bytes)).await;
        String::from_utf8_lossy(&bytes[..count.unwrap().unwrap()]).into_owned()
    }

    /// All that comes until the other side closes.
    async fn rest(stream: &mut TcpStream) -> String {
        let mut bytes = Vec::new();
        let ended = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
        // A side that closes with unread bytes before it resets.
        let _ = ended.expect("it is closed");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    #[tokio::test]
    async fn headers_that_drip_are_not_waited_for() {
        let server = start(Limits {
            headers: SHORT,
            ..Limits::default()
        })
        .await;
        let (mut read, mut write) = open(&server).await.into_split();
        let drip = tokio::spawn(async move {
            let mut letters = b"POST / HTTP/1.1\r\nx: "
                .iter()
                .chain(std::iter::repeat(&b'y'));
            while write.write_all(&[*letters.next().unwrap()]).await.is_ok() {
                tokio::time::sleep(SHORT / 10).await;
            }
        });
        let mut bytes = Vec::new();
        let ended = timeout(PATIENCE, read.read_to_end(&mut bytes)).await;
        assert!(ended.is_ok(), "it is closed");
        assert!(!bytes.starts_with(b"HTTP/1.1 200"));
        timeout(PATIENCE, drip).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_body_that_stops_is_not_waited_for() {
        let server = start(Limits {
            body: SHORT,
            ..Limits::default()
        })
        .await;
        let mut slow = open(&server).await;
        slow.write_all(&WHOLE[..WHOLE.len() - 1]).await.unwrap();
        let answer = rest(&mut slow).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        let mut quick = open(&server).await;
        quick.write_all(WHOLE).await.unwrap();
        let answer = heard(&mut quick).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    #[tokio::test]
    async fn one_connection_more_waits_until_another_ends() {
        let server = start(Limits {
            connections: 1,
            ..Limits::default()
        })
        .await;
        let (mut first, mut second) = (open(&server).await, open(&server).await);
        second.write_all(WHOLE).await.unwrap();
        for _ in 0..3 {
            first.write_all(WHOLE).await.unwrap();
            assert!(heard(&mut first).await.starts_with("HTTP/1.1 200"));
        }
        let early = second.try_read(&mut [0; 1]).unwrap_err();
        assert_eq!(early.kind(), ErrorKind::WouldBlock);
        drop(first);
        assert!(heard(&mut second).await.starts_with("HTTP/1.1 200"));
    }

    #[tokio::test]
    async fn a_stop_closes_idle_connections_and_ends_requests_at_hand() {
        let server = start(Limits::default()).await;
        let (mut idle, mut busy) = (open(&server).await, open(&server).await);
        idle.write_all(WHOLE).await.unwrap();
        assert!(heard(&mut idle).await.ends_with("hi"));
        busy.write_all(&WHOLE[..WHOLE.len() - 1]).await.unwrap();
        // Heard on the same thread: the half of the request is read before the stop.
        idle.write_all(WHOLE).await.unwrap();
        assert!(heard(&mut idle).await.ends_with("hi"));
        server.stop.cancel();
        assert_eq!(rest(&mut idle).await, "");
        busy.write_all(b"i").await.unwrap();
        assert!(rest(&mut busy).await.ends_with("hi"));
        timeout(PATIENCE, server.task).await.unwrap().unwrap();
    }
}
