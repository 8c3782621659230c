//! The order to an agent (`spec.json`), its live word (`status.json`) and its last one (`result.json`).
//!
//! The same three documents serve every training backend. Everything that an agent writes is foreign input to the bot.

use crate::artifact::File;
use crate::image::recipe::Gpu;
use crate::image::reference::Pinned;
use crate::name::{Digest, RepoId, RepoPath};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything an agent needs to execute one stage of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSpec {
    /// The stage's id: letters, digits and `-`; unique for ever, names the directory and the Job.
    pub id: String,
    /// What this stage is for.
    pub kind: StageKind,
    /// The files to work on: a tar archive.
    pub snapshot: Source,
    /// The software that the steps run in; `None` runs the commands as they are.
    pub runtime: Option<RuntimeSpec>,
    /// Whether the code comes from a trusted commit.
    pub trust: Trust,
    /// Whether the models do: to load one may run what is in it.
    #[serde(default = "Trust::of_models_untold")]
    pub model_trust: Trust,
    /// Executed in order; the first failure ends the stage.
    pub steps: Vec<StepSpec>,
    /// Model files laid out, read-only, under `models/<name>/` before the first step.
    pub models: Vec<ModelInput>,
    /// Path inside the snapshot that `DATA_DIR` points to; evaluation only.
    pub data: Option<RepoPath>,
    /// After the steps: start this server and hold it against its samples.
    pub serve: Option<ServeProbe>,
    /// Caps on what the stage may use.
    pub limits: Limits,
    /// Directory of runtimes shared between runs, keyed by their hash (trusted and untrusted apart).
    pub cache_dir: String,
}

impl RunSpec {
    /// Among whom the stage runs: a trusted judge that loads a stranger's model runs among strangers.
    pub fn company(&self) -> Trust {
        // Of two, the greater is trusted less.
        self.trust.max(self.model_trust)
    }
}

/// What a stage is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StageKind {
    /// Makes a model.
    Train,
    /// Judges models on held-out data.
    Evaluate,
    /// A named check of the contract, or the tests of a service.
    Check,
}

/// Where bytes come from, and what they must hash to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// An absolute path (local backend) or an `https://` address (cluster).
    pub uri: String,
    /// The digest that the bytes must have.
    pub sha256: Digest,
}

/// Whether a change's code may use trusted caches and secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// From the repository itself, or a head that a trusted person named.
    Trusted,
    /// Anything else that may run at all.
    Untrusted,
}

impl Trust {
    /// The trust of a pull request's head: code of the repository's own is trusted, a fork's is not, whoever let it run.
    pub(crate) fn of_head(head_repo: Option<RepoId>, repo: RepoId) -> Trust {
        if head_repo == Some(repo) {
            Trust::Trusted
        } else {
            Trust::Untrusted
        }
    }

    /// The trust of what an order does not tell it of, since it was written before orders did: the less.
    pub(crate) fn untold() -> Trust {
        Trust::Untrusted
    }

    /// The trust of the models of such an order: it was placed by its code alone, and must be found where it is.
    pub(crate) fn of_models_untold() -> Trust {
        Trust::Trusted
    }
}

/// The software a stage runs in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuntimeSpec {
    /// A virtual environment: the newest interpreter on PATH that is at least `minimum`, and a requirements file of the snapshot.
    Python {
        /// For example `3.11`.
        minimum: String,
        /// Path of the requirements file in the snapshot; `None` for a bare interpreter.
        requirements: Option<RepoPath>,
    },
    /// The same from a conda file of which `pip` can install everything.
    Conda {
        /// Path of the file in the snapshot.
        file: RepoPath,
    },
    /// The executables of a cargo workspace, built where they run.
    Rust {
        /// Path of its lock file in the snapshot; the workspace's root is beside it.
        lock: RepoPath,
    },
    /// An image that has everything. In an order to an agent: the one that the agent runs in.
    Image {
        /// By its digest.
        image: Pinned,
        /// How it came to be there, for the log of a stage; a contract does not say.
        #[serde(default)]
        origin: Option<String>,
    },
    /// The image that a Dockerfile of the repository makes.
    Dockerfile {
        /// Path of the file in the snapshot.
        file: RepoPath,
    },
    /// A base image with further steps and locked packages.
    Base {
        /// By its digest.
        image: Pinned,
        /// Run in it as root, in order; argument lists.
        steps: Vec<Vec<String>>,
        /// Path of the requirements file in the snapshot.
        requirements: Option<RepoPath>,
        /// What it wants of a graphics processor.
        gpu: Option<Gpu>,
    },
}

impl RuntimeSpec {
    /// Why processes of this machine cannot have this software, with what would work; `None` where they can.
    pub fn local_refusal(&self) -> Option<String> {
        let key = self.image_key()?;
        Some(format!(
            "the contract's `runtime.{key}` is an image, and processes of this machine run in none; a server with `backend = \"kubernetes\"` takes it, and here `runtime: {{python: \"3.11\", requirements: requirements.lock}}` works"
        ))
    }

    /// Why no pod can have this software, with what would work; `None` where one can.
    pub fn cluster_refusal(&self) -> Option<String> {
        match self {
            RuntimeSpec::Rust { .. } => Some(
                "the contract's `runtime.rust` is built on the server's own machine, which a pod is not; in a cluster write `runtime: {dockerfile: Dockerfile}` with a Dockerfile that builds the workspace".to_owned(),
            ),
            RuntimeSpec::Python { .. }
            | RuntimeSpec::Conda { .. }
            | RuntimeSpec::Image { .. }
            | RuntimeSpec::Dockerfile { .. }
            | RuntimeSpec::Base { .. } => None,
        }
    }

    /// Why a cluster without a registry for images cannot have this software, with what would work; `None` where it can.
    pub fn unbuilt_refusal(&self) -> Option<String> {
        if let Some(refusal) = self.cluster_refusal() {
            return Some(refusal);
        }
        let key = self.image_key().filter(|key| *key != "image")?;
        Some(format!(
            "the contract's `runtime.{key}` is an image that must be built, and this server has no registry to keep it; set `images.registry` there, or name a finished image by `runtime: {{image: …@sha256:…}}`"
        ))
    }

    /// The contract's key, where the software is an image.
    fn image_key(&self) -> Option<&'static str> {
        match self {
            RuntimeSpec::Python { .. } | RuntimeSpec::Conda { .. } | RuntimeSpec::Rust { .. } => {
                None
            }
            RuntimeSpec::Image { .. } => Some("image"),
            RuntimeSpec::Dockerfile { .. } => Some("dockerfile"),
            RuntimeSpec::Base { .. } => Some("base"),
        }
    }
}

/// One command of a stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepSpec {
    /// Its name in the contract.
    pub name: String,
    /// The argument list; never given to a shell.
    pub run: Vec<String>,
    /// The image that it runs in as it is, without the stage's software; `None` for what the stage runs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Pinned>,
    /// Environment variables beside those that the agent sets.
    pub env: BTreeMap<String, String>,
    /// Killed after this long. Units: seconds.
    pub timeout_s: u64,
    /// CPU share: thread counts are set from it. Units: thousandths of a core.
    pub cpu_millis: u32,
    /// Address-space or cgroup cap. Units: bytes.
    pub memory_bytes: u64,
    /// Whole devices; a machine of ours gives what it has, a cluster so many.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub gpu: u32,
    /// Names of the secrets that it gets, each as a file; the values never stand in an order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// Whether the step may open network connections.
    pub network: bool,
    /// Name of the model in `RunSpec::models` that `MODEL_DIR` points to.
    pub model: Option<String>,
    /// Directory under the run's `outputs/` that `OUTPUTS_DIR` points to; empty for `outputs/` itself.
    pub outputs: String,
}

impl StepSpec {
    /// Why processes of this machine cannot run the step, with what would work; `None` where they can.
    pub fn local_refusal(&self) -> Option<String> {
        self.image.as_ref()?;
        Some(format!(
            "step `{}` of the contract has an `image` of its own, and processes of this machine run in none; a server with `backend = \"kubernetes\"` takes it, and here the step works without `image`, in the contract's `runtime: {{python: \"3.11\", requirements: requirements.lock}}`",
            self.name
        ))
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A model given to a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelInput {
    /// `candidate`, `live`, or a model name.
    pub name: String,
    /// Version number, given to the process as `MODEL_VERSION`.
    pub version: Option<u64>,
    /// The files and where to fetch each: `sources[i]` holds the bytes of `files[i]`.
    pub files: Vec<File>,
    /// As many as `files`.
    pub sources: Vec<Source>,
}

/// A server to start and to hold against samples, in the service's own runtime.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServeProbe {
    /// The argument list; `PORT`, `MODELS_DIR`, `MODEL_DIR`, `MODEL_NAME`, `MODEL_VERSION` are set.
    pub run: Vec<String>,
    /// Path that answers 2xx once the model is loaded.
    pub ready: String,
    /// Environment of the server.
    pub env: BTreeMap<String, String>,
    /// What it must answer, inline.
    pub sample_sets: Vec<SampleSet>,
    /// Units: seconds.
    pub ready_timeout_s: u64,
    /// Units: thousandths of a core.
    pub cpu_millis: u32,
    /// Units: bytes.
    pub memory_bytes: u64,
    /// Name of the model in `RunSpec::models` that the server serves.
    pub model: Option<String>,
}

/// Most samples of a model that are kept and replayed.
pub const SAMPLES_MAX: usize = 200;

/// The samples of one model, and where a server answers them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SampleSet {
    /// Path that takes a sample's input by POST and answers its output.
    pub predict: String,
    /// At most [`SAMPLES_MAX`].
    pub samples: Vec<Sample>,
}

impl SampleSet {
    /// A model's samples, as many as are kept.
    pub fn new(predict: &str, samples: Vec<Sample>) -> SampleSet {
        SampleSet {
            predict: predict.to_owned(),
            samples: samples.into_iter().take(SAMPLES_MAX).collect(),
        }
    }
}

/// One line of `samples.jsonl`: raw input, expected answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The JSON body to POST.
    pub input: serde_json::Value,
    /// The JSON answer expected; every number may differ by `tolerance`.
    pub output: serde_json::Value,
    /// Absolute tolerance of each number.
    #[serde(default)]
    pub tolerance: f64,
}

/// Caps on a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// The run directory may not grow beyond this. Units: bytes.
    pub disk_bytes: u64,
    /// Log lines beyond this are dropped, and said so. Units: bytes.
    pub log_bytes: u64,
    /// Most files kept from `outputs/`.
    pub output_files: usize,
    /// Preparing the runtime is killed after this long. Units: seconds.
    pub prepare_timeout_s: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            disk_bytes: 10 << 30,
            log_bytes: 16 << 20,
            output_files: 2_000,
            prepare_timeout_s: 1_200,
        }
    }
}

/// The live word of an agent: `status.json`, rewritten at most once a second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// What is being done.
    pub phase: Phase,
    /// The step being run.
    pub step: Option<String>,
    /// Units: milliseconds since 1970, UTC.
    pub started_ms: i64,
    /// Units: milliseconds since 1970, UTC.
    pub updated_ms: i64,
    /// Between 0 and 1, where a step reports it by a line `progress=0.4`.
    pub progress: Option<f64>,
    /// The last log lines, at most [`TAIL_LINES`].
    pub tail: Vec<String>,
}

/// How many last lines a status or result carries.
pub const TAIL_LINES: usize = 20;

/// What an agent is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Unpacking the snapshot and the models.
    Fetching,
    /// Building or finding the runtime.
    Preparing,
    /// Running a step.
    Running,
    /// Holding the server against its samples.
    Probing,
    /// Hashing outputs.
    Collecting,
    /// `result.json` is there.
    Done,
}

/// The last word of an agent: `result.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// As in the order.
    pub id: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, when it did not succeed.
    pub failure: Option<Failure>,
    /// One for each step that was started.
    pub steps: Vec<StepResult>,
    /// Every file under `outputs/`, paths relative to it.
    pub outputs: Vec<File>,
    /// What the server answered, where one was asked for.
    pub probe: Option<ProbeResult>,
    /// Hash of the runtime, by which it is cached.
    pub runtime: Option<Digest>,
    /// Whether that runtime was there already.
    pub runtime_cached: bool,
    /// `None` when the steps were confined, else why they were not.
    pub unconfined: Option<String>,
    /// Units: milliseconds.
    pub duration_ms: u64,
    /// The last log lines, at most [`TAIL_LINES`].
    pub tail: Vec<String>,
}

/// How a stage ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Every step ended with 0.
    Succeeded,
    /// A step, the preparation or the probe failed.
    Failed,
    /// Ended from outside.
    Cancelled,
}

/// Why a stage did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The class, by which texts are chosen.
    pub kind: FailureKind,
    /// The step, `prepare` or `serve`.
    pub step: String,
    /// One sentence for the person: the likely cause, and what to do.
    pub message: String,
}

/// The class of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The command ended with another status than 0, cause unknown.
    Exit,
    /// A module or program is missing.
    MissingPackage,
    /// A file is missing.
    MissingFile,
    /// The step wanted the network.
    Network,
    /// It took too long.
    Timeout,
    /// It ran out of memory.
    OutOfMemory,
    /// It filled its disk quota.
    DiskQuota,
    /// A requirement could not be installed.
    Install,
    /// Fetched bytes do not have their digest.
    Corrupt,
    /// The server did not start, or did not become ready.
    NotReady,
    /// The server's answers differ from the samples.
    Mismatch,
    /// The agent itself could not go on.
    Agent,
    /// The agent vanished without a result.
    Lost,
}

/// How one step ended, and what it measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepResult {
    /// Its name.
    pub name: String,
    /// Its exit status, or `None` when a signal ended it.
    pub exit_code: Option<i32>,
    /// Units: milliseconds.
    pub duration_ms: u64,
    /// Units: bytes; 0 where the system does not tell.
    pub peak_rss_bytes: u64,
    /// Everything that looked like a metric, later source wins.
    pub metrics: BTreeMap<String, Metric>,
    /// The files that were searched for metrics.
    pub searched: Vec<String>,
}

/// One measured value and where it came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// The value as written; JSON cannot hold NaN, so it travels as text.
    pub value: MetricValue,
    /// `metrics.json`, `stdout:42`, …
    pub origin: String,
}

/// A metric's value, finite or not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum MetricValue {
    /// A finite number.
    Number(f64),
    /// What stood there instead: `NaN`, `Infinity`, a text.
    Other(String),
}

/// What a server answered to its samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProbeResult {
    /// How many samples were sent.
    pub compared: usize,
    /// How many answers differed beyond their tolerance.
    pub mismatched: usize,
    /// The first difference, in words.
    pub first_mismatch: Option<String>,
    /// Units: milliseconds, from start to the first 2xx of `ready`.
    pub ready_ms: u64,
    /// Units: microseconds.
    pub p50_us: u64,
    /// Units: microseconds.
    pub p95_us: u64,
    /// Whether `/openapi.json` answered 2xx.
    pub openapi: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_in_an_image_of_its_own_is_not_run_here() {
        let step = |image: &str| -> StepSpec {
            let text = format!(
                r#"{{"name": "shape", "run": ["x"], {image}"env": {{}}, "timeout_s": 1, "cpu_millis": 1, "memory_bytes": 1, "network": false, "model": null, "outputs": ""}}"#
            );
            serde_json::from_str(&text).expect("a step")
        };
        assert_eq!(step("").local_refusal(), None);
        let image = format!(
            r#""image": "registry.example/image@sha256:{}", "#,
            "0".repeat(64)
        );
        let refusal = step(&image).local_refusal().expect("refused");
        for words in ["step `shape`", "backend = \"kubernetes\"", "runtime: {"] {
            assert!(refusal.contains(words), "{refusal}");
        }
        let untagged = image.replace("@sha256:", ":");
        let other: Result<StepSpec, _> = serde_json::from_str(&format!("{{{untagged}}}"));
        assert!(other.is_err(), "a tag is no digest");
    }

    /// Where each kind of software can be had: here, in a pod, in a pod where no image can be built.
    #[test]
    fn software_is_refused_where_it_cannot_be_had_with_what_would_work() {
        let path = |text: &str| RepoPath::parse(text).expect("a path");
        let image = Pinned::parse(&format!("registry.example/image@sha256:{}", "0".repeat(64)));
        let image = image.expect("an image");
        let python = RuntimeSpec::Python {
            minimum: "3.11".to_owned(),
            requirements: None,
        };
        let base = RuntimeSpec::Base {
            image: image.clone(),
            steps: Vec::new(),
            requirements: None,
            gpu: None,
        };
        let file = path("environment.yml");
        let lock = path("Cargo.lock");
        for (runtime, here, pod, unbuilt) in [
            (python, true, true, true),
            (RuntimeSpec::Conda { file }, true, true, true),
            (RuntimeSpec::Rust { lock }, true, false, false),
            (
                RuntimeSpec::Image {
                    image,
                    origin: None,
                },
                false,
                true,
                true,
            ),
            (
                RuntimeSpec::Dockerfile {
                    file: path("Dockerfile"),
                },
                false,
                true,
                false,
            ),
            (base, false, true, false),
        ] {
            for (refusal, can) in [
                (runtime.local_refusal(), here),
                (runtime.cluster_refusal(), pod),
                (runtime.unbuilt_refusal(), unbuilt),
            ] {
                assert_eq!(refusal.is_none(), can, "{runtime:?}: {refusal:?}");
                let words = refusal.unwrap_or_else(|| "runtime: {".to_owned());
                assert!(words.contains("runtime: {"), "{words}");
            }
        }
    }
}
