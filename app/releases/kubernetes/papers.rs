//! What is kept of one environment in a cluster, beside what every target keeps.
//!
//! Ours: `site.json`, `token.json`, `rollout.json`, `manifests.json`, `sent.json`, `verdict.json`, `kept.json`, `live.json`, `ending.json`, `log.txt`;
//! where releases are written to a repository, `message.json` and `written.json` too.
//! The cluster says how things are; this says what is wanted, what served last, and what was tried in vain.

use crate::files::{self, Readers};
use crate::releases::desk::Desk;
use anyhow::Context as _;
use bowsprit_core::name::{CommitSha, Digest, RepoPath};
use bowsprit_core::serving::manifests::Manifests;
use bowsprit_core::serving::objects::{Rollout, Site};
use bowsprit_core::serving::spec::{Live, ServeSpec, Serving};
use k8s_openapi::api::apps::v1::Deployment;
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Largest paper that is read again. Units: bytes.
const PAPER_BYTES_MAX: u64 = 64 << 20;

/// The papers of one environment.
#[derive(Debug, Clone)]
pub(super) struct Papers {
    /// What every target keeps.
    pub(super) desk: Desk,
}

/// The release that served last, so that it can be brought back as it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// Its order, which its pods may fetch again at any time.
    pub(super) spec: ServeSpec,
    /// What it came to.
    pub(super) serving: Serving,
    /// What was applied.
    pub(super) deployment: Deployment,
    /// What the cluster had to know of it.
    #[serde(default)]
    pub(super) rollout: Option<Rollout>,
    /// What its repository wanted beside that.
    #[serde(default)]
    pub(super) manifests: Manifests,
    /// What was written of it, where it was written and not applied.
    #[serde(default)]
    pub(super) files: Option<BTreeMap<String, String>>,
}

/// What the repository of a syncer has of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Written {
    /// The commit that has it.
    pub(super) commit: CommitSha,
    /// In which folder.
    pub(super) folder: RepoPath,
    /// Our files there, by name.
    pub(super) files: BTreeMap<String, String>,
    /// Since when. Units: milliseconds since 1970, UTC.
    pub(super) written_ms: i64,
    /// When the repository was compared last. Units: milliseconds since 1970, UTC.
    pub(super) compared_ms: i64,
}

/// How an order ended in vain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Verdict {
    /// The order's number.
    pub(super) generation: u64,
    /// Why, for a person.
    pub(super) reason: String,
    /// Whether what it had brought to the cluster was taken back.
    #[serde(default)]
    pub(super) is_back: bool,
}

impl Verdict {
    /// An order has just failed.
    pub(super) fn new(generation: u64, reason: String) -> Verdict {
        Verdict {
            generation,
            reason,
            is_back: false,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Token {
    token: String,
}

impl Papers {
    /// The papers in a directory, which may not be there.
    pub(super) fn new(dir: PathBuf) -> Papers {
        Papers {
            desk: Desk::new(dir),
        }
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> anyhow::Result<Option<T>> {
        files::read(&self.desk.path(name), PAPER_BYTES_MAX)
    }

    fn write<T: Serialize>(&self, name: &str, paper: &T) -> anyhow::Result<()> {
        files::write(&self.desk.path(name), paper, Readers::Usual)
    }

    /// Where it lives; `None` before the first order.
    pub(super) fn site(&self) -> anyhow::Result<Option<Site>> {
        self.read("site.json")
    }

    /// Settles where it lives.
    pub(super) fn write_site(&self, site: &Site) -> anyhow::Result<()> {
        self.write("site.json", site)
    }

    /// The token by which its pods fetch; made at the first call and the same ever after.
    pub(super) fn token(&self) -> anyhow::Result<SecretString> {
        if let Some(kept) = self.read::<Token>("token.json")? {
            return Ok(kept.token.into());
        }
        let token = crate::releases::keys::random()?;
        let kept = Token {
            token: token.expose_secret().to_owned(),
        };
        files::write(&self.desk.path("token.json"), &kept, Readers::Owner)?;
        Ok(token)
    }

    /// Whether this is the token of its pods.
    pub(super) fn knows(&self, token: &str) -> bool {
        let kept = self.read::<Token>("token.json").ok().flatten();
        // Digests are compared, so that nothing of the token is told by the time it takes.
        kept.is_some_and(|kept| Digest::of(kept.token.as_bytes()) == Digest::of(token.as_bytes()))
    }

    /// What the cluster must know of the last order; `None` where it serves nothing.
    pub(super) fn rollout(&self) -> anyhow::Result<Option<Rollout>> {
        Ok(self.read::<Option<Rollout>>("rollout.json")?.flatten())
    }

    /// Notes what the cluster must know of an order.
    pub(super) fn write_rollout(&self, rollout: Option<&Rollout>) -> anyhow::Result<()> {
        self.write("rollout.json", &rollout)
    }

    /// The repository's own manifests at the last order.
    pub(super) fn manifests(&self) -> anyhow::Result<Manifests> {
        Ok(self.read("manifests.json")?.unwrap_or_default())
    }

    /// Notes the repository's own manifests.
    pub(super) fn write_manifests(&self, manifests: &Manifests) -> anyhow::Result<()> {
        self.write("manifests.json", manifests)
    }

    /// Whether its end was ordered, and no order since.
    pub(super) fn is_ending(&self) -> bool {
        self.desk.path("ending.json").exists()
    }

    /// Notes that its end was ordered, or that it shall serve again.
    pub(super) fn write_ending(&self, is_ending: bool) -> anyhow::Result<()> {
        match is_ending {
            true => self.write("ending.json", &true),
            false => files::remove_file(&self.desk.path("ending.json"))
                .context("cannot remove `ending.json`"),
        }
    }

    /// The Deployment that was sent last.
    pub(super) fn sent(&self) -> anyhow::Result<Option<Deployment>> {
        Ok(self.read::<Option<Deployment>>("sent.json")?.flatten())
    }

    /// Notes the Deployment that is about to be sent.
    pub(super) fn write_sent(&self, sent: Option<&Deployment>) -> anyhow::Result<()> {
        self.write("sent.json", &sent)
    }

    /// What a commit of the last order says.
    pub(super) fn message(&self) -> anyhow::Result<String> {
        Ok(self.read("message.json")?.unwrap_or_default())
    }

    /// Notes what a commit of an order says.
    pub(super) fn write_message(&self, message: &str) -> anyhow::Result<()> {
        self.write("message.json", &message)
    }

    /// What the repository of a syncer has; `None` where nothing was written.
    pub(super) fn written(&self) -> anyhow::Result<Option<Written>> {
        self.read("written.json")
    }

    /// Notes what the repository of a syncer has.
    pub(super) fn write_written(&self, written: &Written) -> anyhow::Result<()> {
        self.write("written.json", written)
    }

    /// How the last order ended in vain, if it did.
    pub(super) fn verdict(&self, generation: u64) -> anyhow::Result<Option<Verdict>> {
        let verdict: Option<Verdict> = self.read("verdict.json")?;
        Ok(verdict.filter(|verdict| verdict.generation == generation))
    }

    /// Notes that an order ended in vain.
    pub(super) fn write_verdict(&self, verdict: &Verdict) -> anyhow::Result<()> {
        self.write("verdict.json", verdict)
    }

    /// The release that served last.
    pub(super) fn kept(&self) -> anyhow::Result<Option<Kept>> {
        self.read("kept.json")
    }

    /// Notes the release that serves, or that none does.
    pub(super) fn write_kept(&self, kept: Option<&Kept>) -> anyhow::Result<()> {
        match kept {
            Some(kept) => self.write("kept.json", kept),
            None => files::remove_file(&self.desk.path("kept.json"))
                .context("cannot remove `kept.json`"),
        }
    }

    /// What was said of it last.
    pub(super) fn live(&self) -> Option<Live> {
        let read = self.read::<Live>("live.json");
        read.inspect_err(|error| tracing::warn!("what is live is passed over: {error:#}"))
            .ok()?
    }

    /// Says what is live.
    pub(super) fn write_live(&self, live: &Live) -> anyhow::Result<()> {
        self.write("live.json", live)
    }

    /// The order of a release that pods may ask for: the last one, or that of the release that served last.
    pub(super) fn order_of(&self, is_it: impl Fn(&ServeSpec) -> bool) -> Option<ServeSpec> {
        let wanted = self.desk.wanted().ok().flatten();
        let kept = || Some(self.kept().ok()??.spec);
        wanted.filter(&is_it).or_else(|| kept().filter(&is_it))
    }
}
