//! Logs: as a text, and live as server-sent events that go on from where a reader was.
//!
//! A log holds what foreign code printed: every line loses its control codes here, whatever the agent did already.
//! The id of each event is the byte after its last line, so that a reader who comes back misses and repeats nothing.

use super::answer::{Answer, No};
use super::api::{Asked, environments, runs};
use super::{Desk, params};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use bowsprit_core::subject::ask::StageView;
use bowsprit_core::subject::run::Run;
use bowsprit_core::text::clean_line;
use futures_util::stream::{self, Stream};
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio::sync::OwnedSemaphorePermit;

/// Most that one answer gives of a log. Units: bytes.
const TEXT_BYTES_MAX: u64 = 8 << 20;
/// Most that one event gives of a log. Units: bytes.
const EVENT_BYTES_MAX: u64 = 64 << 10;
/// A log is looked at this often while it is followed.
const LOOK: Duration = Duration::from_millis(250);
/// A reader is sent away after this and comes back with its place.
const FOLLOW_MAX: Duration = Duration::from_secs(60 * 60);
/// Digits of a moment in milliseconds since 1970, from 2001 to 2286.
const MOMENT_DIGITS: usize = 13;
/// The header with the byte that the next answer begins at.
const NEXT: &str = "bowsprit-next-offset";

/// Whose log it is, which says when it is over.
enum Whose {
    Run(String, String),
    Environment,
}

/// A log being followed.
struct Follow {
    desk: Arc<Desk>,
    path: PathBuf,
    whose: Whose,
    offset: u64,
    began: Instant,
    is_over: bool,
    _place: OwnedSemaphorePermit,
}

pub(super) async fn of_run(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    Asked(params): Asked,
) -> Answer {
    let run = runs::find(&desk, &id).await?;
    let stage = stage(&run, params.get("stage"))?;
    text(desk.rooms.runs.log_path(&stage), offset(&params)?).await
}

pub(super) async fn of_environment(
    State(desk): State<Arc<Desk>>,
    Path(place): environments::Place,
    Asked(params): Asked,
) -> Answer {
    let (view, environment) = environments::find(&desk, &place).await?;
    text(
        desk.rooms
            .releases
            .log_path(view.repo.id, &environment.name),
        offset(&params)?,
    )
    .await
}

pub(super) async fn stream_run(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    Asked(params): Asked,
    headers: HeaderMap,
) -> Answer {
    let run = runs::find(&desk, &id).await?;
    let stage = stage(&run, params.get("stage"))?;
    let path = desk.rooms.runs.log_path(&stage);
    follow(
        desk,
        path,
        Whose::Run(id, stage),
        resumed(&params, &headers)?,
    )
}

pub(super) async fn stream_environment(
    State(desk): State<Arc<Desk>>,
    Path(place): environments::Place,
    Asked(params): Asked,
    headers: HeaderMap,
) -> Answer {
    let (view, environment) = environments::find(&desk, &place).await?;
    let path = desk
        .rooms
        .releases
        .log_path(view.repo.id, &environment.name);
    follow(desk, path, Whose::Environment, resumed(&params, &headers)?)
}

/// The id of a stage by its id or name; the last one where none is named.
fn stage(run: &Run, named: Option<&str>) -> Result<String, No> {
    let found = match named {
        Some(named) => run
            .stages
            .iter()
            .rev()
            .find(|stage| stage.id == named || stage.name == named),
        None => run.stages.last(),
    };
    let none = No::missing(
        "the run has no such stage, or has not begun one; `GET /api/v1/runs/{id}` lists them",
    );
    found.map(|stage| stage.id.clone()).ok_or(none)
}

fn offset(params: &params::Params) -> Result<u64, No> {
    let parsed = params.get("offset").map(str::parse).transpose();
    Ok(parsed
        .map_err(|_| No::bad("`offset` is a number of bytes"))?
        .unwrap_or(0))
}

/// Where a reader that comes back was.
fn resumed(params: &params::Params, headers: &HeaderMap) -> Result<u64, No> {
    match headers.get("last-event-id") {
        Some(id) => {
            let parsed = id.to_str().ok().and_then(|text| text.parse().ok());
            parsed.ok_or(No::bad("`Last-Event-ID` is the id of an event of this log"))
        }
        None => offset(params),
    }
}

/// What a part of a log says, line by line, and the byte after it.
struct Part {
    lines: Vec<String>,
    next: u64,
    is_end: bool,
}

/// Reads whole lines from a byte on; at the end also a last one that is not finished, where `is_final`.
async fn part(
    path: &std::path::Path,
    offset: u64,
    bytes_max: u64,
    is_final: bool,
) -> std::io::Result<Part> {
    let mut file = match tokio::fs::File::open(path).await {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Part {
                lines: Vec::new(),
                next: offset,
                is_end: true,
            });
        }
        Err(error) => return Err(error),
    };
    let size = file.metadata().await?.len();
    // The log was begun anew under the same name.
    let offset = if offset > size { 0 } else { offset };
    file.seek(std::io::SeekFrom::Start(offset)).await?;
    let mut bytes = Vec::new();
    file.take(bytes_max).read_to_end(&mut bytes).await?;
    let is_full = bytes.len() as u64 == bytes_max;
    let whole = match bytes.iter().rposition(|byte| *byte == b'\n') {
        Some(at) if !is_final || is_full => at + 1,
        // A line longer than the part is given in pieces.
        None if !is_final && !is_full => 0,
        Some(_) | None => bytes.len(),
    };
    bytes.truncate(whole);
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().map(shown).collect();
    let next = offset + whole as u64;
    Ok(Part {
        lines,
        next,
        is_end: !is_full,
    })
}

/// A line as it is shown: without codes, the moment that the agent puts before it as a time of day (UTC).
fn shown(line: &str) -> String {
    let moment = line.split_once(' ').and_then(|(first, rest)| {
        let is_moment = first.len() == MOMENT_DIGITS && first.bytes().all(|b| b.is_ascii_digit());
        let at = is_moment.then(|| first.parse().ok()).flatten()?;
        Some((jiff::Timestamp::from_millisecond(at).ok()?, rest))
    });
    match moment {
        Some((at, rest)) => clean_line(&format!("{} {rest}", at.strftime("%H:%M:%S%.3f"))),
        None => clean_line(line),
    }
}

async fn text(path: PathBuf, offset: u64) -> Answer {
    let part = part(&path, offset, TEXT_BYTES_MAX, true).await;
    let part =
        part.map_err(|error| No::from(anyhow::Error::from(error).context("cannot read a log")))?;
    let mut body = part.lines.join("\n");
    if !body.is_empty() {
        body.push('\n');
    }
    let mut response =
        ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response();
    if !part.is_end {
        response
            .headers_mut()
            .insert(NEXT, HeaderValue::from(part.next));
    }
    Ok(response)
}

fn follow(desk: Arc<Desk>, path: PathBuf, whose: Whose, offset: u64) -> Result<Response, No> {
    let place = desk
        .streams
        .clone()
        .try_acquire_owned()
        .map_err(|_| No::BUSY)?;
    let follow = Follow {
        desk,
        path,
        whose,
        offset,
        began: Instant::now(),
        is_over: false,
        _place: place,
    };
    let events = Sse::new(events(follow)).keep_alive(KeepAlive::default());
    // A proxy must not hold lines back.
    Ok(([("x-accel-buffering", "no")], events).into_response())
}

fn events(follow: Follow) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(follow, async |mut follow| {
        let event = follow.next().await?;
        Some((Ok(event), follow))
    })
}

impl Follow {
    /// The next event; `None` when there is nothing more to tell.
    async fn next(&mut self) -> Option<Event> {
        while !self.is_over && self.began.elapsed() < FOLLOW_MAX {
            // Asked before the log is read: what is written last is read after it.
            let is_done = self.is_done().await;
            let part = match part(&self.path, self.offset, EVENT_BYTES_MAX, is_done).await {
                Ok(part) => part,
                Err(error) => {
                    tracing::warn!("cannot read log `{}`: {error}", self.path.display());
                    return None;
                }
            };
            self.offset = part.next;
            if !part.lines.is_empty() {
                let id = part.next.to_string();
                return Some(Event::default().id(id).data(part.lines.join("\n")));
            }
            if is_done && part.is_end {
                self.is_over = true;
                return Some(
                    Event::default()
                        .event("done")
                        .id(part.next.to_string())
                        .data("done"),
                );
            }
            tokio::time::sleep(LOOK).await;
        }
        None
    }

    async fn is_done(&self) -> bool {
        let Whose::Run(run, stage) = &self.whose else {
            return false;
        };
        match self.desk.rooms.runs.view(stage) {
            StageView::Done(_) => true,
            StageView::Queued(_) | StageView::Waiting(_) | StageView::Running(_) => false,
            // The backend has forgotten it, or has not heard of it yet.
            StageView::Unknown => match self.desk.rooms.store.run(run).await {
                Ok(found) => found.is_none_or(|run| run.phase.is_final()),
                Err(_) => false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_shown_as_a_time_of_day() {
        let check = |line: &str, want: &str| assert_eq!(shown(line), want, "{line}");
        check("1795267161779 test OK", "13:19:21.779 test OK");
        check("1795267161779", "1795267161779");
        check("17952671617790 test", "17952671617790 test");
        check("train \u{1b}[31mred", "train red");
    }
}
