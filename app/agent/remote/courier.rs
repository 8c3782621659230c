//! Carrying to the bot what the run leaves: its log and its live word while it works, outputs and the last word after.
//!
//! The run never waits for it: a bot that is away hears everything later.

use super::client::{Bot, No};
use crate::files;
use bowsprit_core::training::remote::PART_BYTES_MAX;
use bowsprit_core::training::spec::RunResult;
use hyper::body::Bytes;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::watch;

/// How often it is looked for what is new.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Largest live word of ours. Units: bytes.
const STATUS_BYTES_MAX: u64 = 1 << 20;

/// Carries what one run directory holds.
pub(super) struct Courier {
    pub(super) bot: Bot,
    pub(super) dir: PathBuf,
    /// How much of the log is there already. Units: bytes.
    log_sent: u64,
    is_log_full: bool,
    /// Whether the bot sent this agent away.
    pub(super) is_dismissed: bool,
    last_status: Option<files::Mark>,
}

impl Courier {
    /// Nothing is carried yet.
    pub(super) fn new(bot: Bot, dir: PathBuf) -> Courier {
        Courier {
            bot,
            dir,
            log_sent: 0,
            is_log_full: false,
            is_dismissed: false,
            last_status: None,
        }
    }

    /// Carries log and live word until `is_over`. A bot that dismisses this agent ends the run.
    pub(super) async fn follow(mut self, mut is_over: watch::Receiver<bool>) -> Courier {
        loop {
            let over = *is_over.borrow();
            tokio::select! {
                carried = self.carry() => if let Err(No::Dismissed(why)) = carried {
                    eprintln!("this agent is not wanted any more: {why}");
                    self.is_dismissed = true;
                    // The run looks for it; where it cannot be written, the run goes on for nobody.
                    let _asked = File::create(self.dir.join("cancel"));
                    return self;
                },
                // What was half sent is asked for at the end.
                _ = is_over.wait_for(|over| *over), if !over => {}
            }
            if over {
                return self;
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                _ = is_over.wait_for(|over| *over) => return self,
            }
        }
    }

    /// Carries what is new.
    pub(super) async fn carry(&mut self) -> Result<(), No> {
        self.status().await?;
        self.log().await
    }

    async fn status(&mut self) -> Result<(), No> {
        let path = self.dir.join("status.json");
        let mark = files::Mark::of(&path);
        if mark.is_none() || mark == self.last_status {
            return Ok(());
        }
        let text = File::open(&path).and_then(|file| files::read_capped(file, STATUS_BYTES_MAX));
        let Ok(text) = text else {
            return Ok(());
        };
        match self.bot.status(text).await {
            Ok(()) => self.last_status = mark,
            Err(No::Dismissed(why)) => return Err(No::Dismissed(why)),
            // The next one may be better; the result is what counts.
            Err(no) => eprintln!("a status was not taken: {no}"),
        }
        Ok(())
    }

    async fn log(&mut self) -> Result<(), No> {
        while !self.is_log_full {
            let part = match part(&self.dir.join("log.txt"), self.log_sent) {
                Ok(part) if part.is_empty() => return Ok(()),
                Ok(part) => part,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(No::Broken(format!("the log cannot be read: {error}"))),
            };
            match self.bot.log(self.log_sent, part).await {
                Ok(have) | Err(No::At(have)) => self.log_sent = have,
                Err(No::Refused(why)) => {
                    eprintln!("the rest of the log was not taken: {why}");
                    self.is_log_full = true;
                }
                Err(no) => return Err(no),
            }
        }
        Ok(())
    }

    /// Carries the rest: log, outputs, the last word.
    pub(super) async fn finish(&mut self, result: &RunResult, text: Vec<u8>) -> Result<(), No> {
        self.carry().await?;
        for file in &result.outputs {
            match self.output(file.path.as_str(), file.bytes).await {
                Ok(()) => {}
                // The bot finds it missing in the result, and says so.
                Err(No::Refused(why)) => eprintln!("output `{}` was not taken: {why}", file.path),
                Err(no) => return Err(no),
            }
        }
        self.bot.result(text).await
    }

    async fn output(&self, path: &str, bytes: u64) -> Result<(), No> {
        let broken = |error: io::Error| No::Broken(format!("output `{path}`: {error}"));
        let mut file = files::open_plain(&self.dir.join("outputs"), path).map_err(broken)?;
        let mut at = 0;
        loop {
            file.seek(SeekFrom::Start(at)).map_err(broken)?;
            let mut part = Vec::new();
            let rest = (bytes - at).min(PART_BYTES_MAX as u64);
            (&mut file)
                .take(rest)
                .read_to_end(&mut part)
                .map_err(broken)?;
            // An empty file is sent too, and what ended early is the bot's to see.
            let is_short = (part.len() as u64) < rest;
            at = match self.bot.output(path, at, part.into()).await {
                Ok(have) => have,
                Err(No::At(have)) if have <= bytes => have,
                Err(no) => return Err(no),
            };
            if at >= bytes || is_short {
                return Ok(());
            }
        }
    }
}

/// The next part of a file that grows.
fn part(path: &std::path::Path, from: u64) -> io::Result<Bytes> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut part = Vec::new();
    file.take(PART_BYTES_MAX as u64).read_to_end(&mut part)?;
    Ok(part.into())
}
