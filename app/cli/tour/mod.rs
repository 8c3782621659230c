//! The tour: the whole story through the public doors, by people with tokens, each station checked from outside.
//!
//! It knows addresses and tokens, nothing else: it pushes by git, comments through the API, and asks what is served.

pub(crate) mod pair;
mod stations;
mod traffic;
pub(crate) mod wire;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;
use wire::Caller;

/// What the tour is given.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Brief {
    /// Address of the GitHub-compatible server.
    pub hub: String,
    /// Address of the bot.
    pub bot: String,
    /// A token for the bot's API, to be shown the keys of environments.
    pub bot_token: String,
    /// The owner of the pair.
    pub owner: String,
    /// Each person's token.
    pub people: BTreeMap<String, String>,
}

impl Brief {
    /// A person's token; empty for who is not known.
    pub(crate) fn token(&self, login: &str) -> &str {
        self.people.get(login).map_or("", String::as_str)
    }
}

/// One station, as it is told with `--json`.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Station {
    pub(super) name: &'static str,
    pub(super) seconds: f64,
    pub(super) url: Option<String>,
    pub(super) sha: Option<String>,
    pub(super) digest: Option<String>,
    pub(super) model_version: Option<u64>,
    pub(super) verdict: Option<String>,
    pub(super) http_status: Option<u16>,
    pub(super) detail: String,
}

/// The tour under way.
pub(super) struct Tour {
    pub(super) brief: Brief,
    pub(super) work: PathBuf,
    began: Instant,
    last: Instant,
    json: bool,
}

/// Plays the tour. Errors: the first station that did not hold.
pub async fn play(brief_file: &Path, json: bool) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(brief_file).context("cannot read the tour's brief")?;
    let brief: Brief = serde_json::from_str(&text).context("cannot understand the tour's brief")?;
    pair::lay(&brief, true).await?;
    let work = tempfile::tempdir()?;
    let now = Instant::now();
    let mut tour = Tour {
        brief,
        work: work.path().to_owned(),
        began: now,
        last: now,
        json,
    };
    stations::all(&mut tour).await?;
    if !json {
        super::out::line(&format!(
            "\nEvery station held, in {:.1} s.",
            tour.began.elapsed().as_secs_f64()
        ));
    }
    Ok(())
}

impl Tour {
    /// A person at the hub.
    pub(super) fn person(&self, login: &str) -> Caller {
        Caller::new(&self.brief.hub, self.brief.token(login))
    }

    /// The bot's API.
    pub(super) fn bot(&self) -> Caller {
        Caller::new(&self.brief.bot, &self.brief.bot_token)
    }

    pub(super) fn training(&self) -> String {
        format!("{}/digits-training", self.brief.owner)
    }

    pub(super) fn service(&self) -> String {
        format!("{}/digits-service", self.brief.owner)
    }

    /// Tells a station that held.
    pub(super) fn tell(&mut self, mut station: Station) {
        station.seconds = (self.last.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
        self.last = Instant::now();
        if self.json {
            super::out::line(&serde_json::to_string(&station).unwrap_or_default());
        } else {
            super::out::line(&format!(
                "{:>7.1} s  ✔ {:<15} {}",
                self.began.elapsed().as_secs_f64(),
                station.name,
                station.detail
            ));
        }
    }
}
