//! What an environment should serve (`wanted.json`) and what it does serve (`live.json`).
//!
//! A gateway process owns its directory: it reads the first, makes it so, and writes the second.
//! Both survive a restart of the bot and of the gateway.

use crate::name::{Digest, Slug};
use crate::training::spec::{ModelInput, RuntimeSpec, SampleSet, Source, Trust};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What an environment should serve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServeSpec {
    /// The release's id; a new one starts a rollout. The same id again is no change.
    pub release: String,
    /// The rollout's number, raised by each order, so that an answer can be matched to it.
    pub generation: u64,
    /// `None` when the service has no model yet: the gateway answers 503 "waiting for a model".
    pub server: Option<ServerSpec>,
    /// What the gateway does before a request reaches the server.
    pub door: DoorSpec,
}

/// The process that serves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerSpec {
    /// The service's files: a tar archive.
    pub snapshot: Source,
    /// Where everything lies already, where the gateway runs in an image with code and models; then nothing is fetched.
    #[serde(default)]
    pub in_image: Option<InImage>,
    /// Its software.
    pub runtime: Option<RuntimeSpec>,
    /// Whether its code comes from a trusted commit: what does not never writes the runtimes of what does.
    #[serde(default = "Trust::untold")]
    pub trust: Trust,
    /// Directory of runtimes shared between runs and environments, keyed by their hash (trusted and untrusted apart).
    pub cache_dir: String,
    /// The argument list; `PORT`, `MODELS_DIR`, `MODEL_DIR`, `MODEL_NAME`, `MODEL_VERSION` are set.
    pub run: Vec<String>,
    /// Path that answers 2xx once the models are loaded.
    pub ready: String,
    /// Environment of the server.
    pub env: BTreeMap<String, String>,
    /// The models, `name` being the model's name.
    pub models: Vec<ModelInput>,
    /// Digest of each model, by name; hashed again before every start.
    pub digests: BTreeMap<Slug, Digest>,
    /// Verified with these before the switch.
    pub sample_sets: Vec<SampleSet>,
    /// Units: thousandths of a core.
    pub cpu_millis: u32,
    /// Units: bytes.
    pub memory_bytes: u64,
    /// Units: seconds.
    pub ready_timeout_s: u64,
    /// The old server is given this long to finish its requests. Units: seconds.
    pub drain_timeout_s: u64,
}

/// What an image with code and models says of itself; its code is where its processes begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InImage {
    /// Directory of the models, a folder each.
    pub models: String,
}

/// What stands before the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoorSpec {
    /// sha256 of each accepted bearer key, at most two; empty switches authorisation off.
    pub keys: Vec<Digest>,
    /// Requests at work at once, per server.
    pub concurrency: usize,
    /// Requests waiting beyond that; further ones get 429 with Retry-After.
    pub queue: usize,
    /// Request bodies beyond this get 413. Units: bytes.
    pub body_bytes_max: usize,
    /// Whether requests are counted, and figures of them shown.
    #[serde(default = "counted")]
    pub telemetry: bool,
}

/// What an order means that was written before there was a switch.
fn counted() -> bool {
    true
}

/// Servers of an environment at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replicas {
    /// At least.
    pub min: u32,
    /// At most; more than `min` lets their number follow the load.
    pub max: u32,
}

impl Default for Replicas {
    fn default() -> Replicas {
        Replicas { min: 1, max: 1 }
    }
}

/// What an environment does serve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Live {
    /// The order that this answers.
    pub generation: u64,
    /// How far that order is.
    pub phase: RolloutPhase,
    /// Why it failed, for a person.
    pub reason: Option<String>,
    /// The release that answers requests now; the one before while a rollout is under way or failed.
    pub serving: Option<Serving>,
    /// The address of the gateway, for example `http://127.0.0.1:4700`.
    pub url: String,
    /// The gateway's process.
    pub pid: u32,
    /// Units: milliseconds since 1970, UTC.
    pub updated_ms: i64,
}

/// A release that answers requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Serving {
    /// Its id.
    pub release: String,
    /// Since when, without a break that was noticed. Units: milliseconds since 1970, UTC.
    pub since_ms: i64,
    /// Version of each model, by name.
    pub versions: BTreeMap<Slug, u64>,
    /// Digest of each model, by name.
    pub digests: BTreeMap<Slug, Digest>,
    /// Units: microseconds, of the verification.
    pub p50_us: u64,
    /// Units: microseconds, of the verification.
    pub p95_us: u64,
}

/// How far a rollout is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RolloutPhase {
    /// No model yet: the gateway answers, the server is not started.
    Waiting,
    /// Fetching, preparing, starting.
    Starting,
    /// Holding it against its samples.
    Verifying,
    /// Switched; requests go to it.
    Live,
    /// Not switched; the one before goes on.
    Failed,
}
