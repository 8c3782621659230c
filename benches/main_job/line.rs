//! Connections to a server: one request at a time on each.

use crate::payload::Payload;
use crate::table::Times;
use anyhow::Context as _;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// One connection.
pub(crate) struct Line {
    sender: SendRequest<Full<Bytes>>,
}

impl Line {
    pub(crate) async fn open(address: &str) -> anyhow::Result<Line> {
        let stream = TcpStream::connect(address)
            .await
            .context("cannot connect")?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Line { sender })
    }

    /// Sends and reads the whole answer.
    pub(crate) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        self.sender.ready().await?;
        let answer = self.sender.send_request(request).await?;
        let status = answer.status();
        Ok((status, answer.into_body().collect().await?.to_bytes()))
    }
}

/// How a closed loop went.
pub(crate) struct Sent {
    pub(crate) times: Times,
    pub(crate) per_s: f64,
    /// Answers that told to come again.
    pub(crate) put_off: usize,
}

/// Sends `count` deliveries over so many connections, each the next as soon as one is answered.
pub(crate) async fn closed(
    address: &str,
    lines: usize,
    count: usize,
    payloads: &Arc<Vec<Payload>>,
) -> anyhow::Result<Sent> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut open = Vec::new();
    for _ in 0..lines {
        open.push(Line::open(address).await?);
    }
    let begin = Instant::now();
    let tasks: Vec<_> = open
        .into_iter()
        .map(|line| tokio::spawn(sender(line, next.clone(), count, payloads.clone())))
        .collect();
    let (mut times, mut put_off) = (Vec::with_capacity(count), 0);
    for task in tasks {
        let (own, refused) = task.await??;
        times.extend(own);
        put_off += refused;
    }
    Ok(Sent {
        per_s: times.len() as f64 / begin.elapsed().as_secs_f64(),
        times: Times::new(times),
        put_off,
    })
}

async fn sender(
    mut line: Line,
    next: Arc<AtomicUsize>,
    count: usize,
    payloads: Arc<Vec<Payload>>,
) -> anyhow::Result<(Vec<Duration>, usize)> {
    let (mut times, mut put_off) = (Vec::new(), 0);
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let Some(payload) = payloads
            .get(number % payloads.len())
            .filter(|_| number < count)
        else {
            return Ok((times, put_off));
        };
        loop {
            let begin = Instant::now();
            let (status, body) = line.send(payload.request(&format!("d-{number}"))).await?;
            if status == StatusCode::SERVICE_UNAVAILABLE {
                put_off += 1;
                tokio::time::sleep(Duration::from_millis(250)).await;
                continue;
            }
            anyhow::ensure!(status.is_success(), "answered {status}: {body:?}");
            times.push(begin.elapsed());
            break;
        }
    }
}

/// Sends `count` deliveries, so many a second whatever the answers do; each is timed from when it was due.
pub(crate) async fn open_loop(
    address: &str,
    per_s: usize,
    count: usize,
    payload: &Payload,
) -> anyhow::Result<Times> {
    /// More than ever wait at once where the server keeps up.
    const LINES: usize = 64;
    let (back, mut free) = tokio::sync::mpsc::channel(LINES);
    for _ in 0..LINES {
        back.send(Line::open(address).await?).await?;
    }
    let begin = Instant::now();
    let mut tasks = Vec::with_capacity(count);
    for number in 0..count {
        let due = begin + Duration::from_secs_f64(number as f64 / per_s as f64);
        tokio::time::sleep_until(due.into()).await;
        let mut line = free.recv().await.context("no line")?;
        let (back, request) = (back.clone(), payload.request(&format!("o-{number}")));
        tasks.push(tokio::spawn(async move {
            let (status, _) = line.send(request).await?;
            let took = due.elapsed();
            anyhow::ensure!(status == StatusCode::ACCEPTED, "answered {status}");
            drop(back.send(line).await);
            Ok(took)
        }));
    }
    let mut times = Vec::with_capacity(count);
    for task in tasks {
        times.push(task.await??);
    }
    Ok(Times::new(times))
}
