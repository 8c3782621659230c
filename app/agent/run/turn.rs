//! Whose turn it is: a stage whose steps run in several images is executed by one process in each, one after the other.
//!
//! All work in the same run directory. What one leaves to the next lies beside the order, out of every step's reach.

use super::journal::Said;
use crate::files;
use bowsprit_core::name::Digest;
use bowsprit_core::training::parts::Part;
use bowsprit_core::training::spec::{RunSpec, StepResult};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

/// Where a part leaves what the next one needs; below the run directory.
const FILE: &str = "carried.json";
/// Most that is carried. Units: bytes.
const CARRIED_BYTES_MAX: u64 = 4 << 20;

/// What the parts so far leave to the next.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Carried {
    /// How the steps so far ended: well.
    pub(super) steps: Vec<StepResult>,
    /// The stage's own software, once it was prepared.
    pub(super) runtime: Option<Runtime>,
    /// Time worked. Units: milliseconds.
    pub(super) worked_ms: u64,
    /// What was said.
    pub(super) said: Option<Said>,
}

/// The stage's own software, as the result tells of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Runtime {
    /// Its hash.
    pub(super) hash: Digest,
    /// Whether it was there already.
    pub(super) cached: bool,
}

/// What this process has to do of an order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Turn {
    /// Its steps, and what they run in.
    pub(super) part: Part,
    /// Whether the stage is over with them.
    pub(super) is_last: bool,
    /// What those before it left.
    pub(super) before: Carried,
}

impl Turn {
    /// The part of this number, counted from 1; the last one where none is named. `None` where it is over already.
    ///
    /// Errors: there is no such part, or those before it are not over.
    pub(super) fn of(
        spec: &RunSpec,
        number: Option<usize>,
        before: Carried,
    ) -> Result<Option<Turn>, String> {
        let mut parts = spec.parts();
        let count = parts.len();
        let number = number.unwrap_or(count);
        if number == 0 || number > count {
            return Err(format!(
                "the order has {count} parts, and part {number} was asked for"
            ));
        }
        let part = parts.swap_remove(number - 1);
        let (is_last, done) = (number == count, before.steps.len());
        if !is_last && done >= part.steps.end {
            return Ok(None);
        }
        if done != part.steps.start {
            let step = spec.steps.get(done).map_or("?", |step| &step.name);
            return Err(format!(
                "step `{step}` must have ended before: steps with an image of their own, and those before them, run in containers of a pod of the cluster"
            ));
        }
        Ok(Some(Turn {
            part,
            is_last,
            before,
        }))
    }

    /// Whether nothing was done before it.
    pub(super) fn is_first(&self) -> bool {
        self.part.steps.start == 0
    }
}

impl Carried {
    /// What lies in the run directory; nothing before the first part is over. Errors: it cannot be read.
    pub(super) fn read(dir: &Path) -> Result<Carried, String> {
        let file = match File::open(dir.join(FILE)) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Carried::default()),
            Err(error) => return Err(format!("cannot open {FILE}: {error}")),
        };
        let text = files::read_capped(file, CARRIED_BYTES_MAX)
            .map_err(|error| format!("cannot read {FILE}: {error}"))?;
        serde_json::from_slice(&text).map_err(|error| format!("cannot parse {FILE}: {error}"))
    }

    /// Leaves it to the next part. Errors: the file system's.
    pub(super) fn write(&self, dir: &Path) -> std::io::Result<()> {
        files::write_atomically(&dir.join(FILE), &serde_json::to_vec(self)?, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bowsprit_core::image::reference::Pinned;
    use bowsprit_core::training::spec::{Limits, Source, StageKind, StepSpec, Trust};
    use std::collections::BTreeMap;

    /// An order with a step for each letter, in the image of that name; a dot is the stage's own.
    fn order(steps: &str) -> RunSpec {
        let sha256 = Digest::of(b"");
        let step = |letter: char| StepSpec {
            name: letter.to_string(),
            run: Vec::new(),
            image: (letter != '.')
                .then(|| Pinned::parse(&format!("r.example/{letter}@{sha256}")).unwrap()),
            env: BTreeMap::new(),
            timeout_s: 1,
            cpu_millis: 1,
            memory_bytes: 1,
            gpu: 0,
            secrets: Vec::new(),
            network: false,
            model: None,
            outputs: String::new(),
        };
        RunSpec {
            id: "r-1".to_owned(),
            kind: StageKind::Train,
            snapshot: Source {
                uri: String::new(),
                sha256: sha256.clone(),
            },
            runtime: None,
            trust: Trust::Trusted,
            model_trust: Trust::Trusted,
            steps: steps.chars().map(step).collect(),
            models: Vec::new(),
            data: None,
            serve: None,
            limits: Limits::default(),
            cache_dir: String::new(),
        }
    }

    #[test]
    fn a_part_begins_where_those_before_it_ended() {
        let done = |count: usize| Carried {
            steps: (0..count)
                .map(|_| StepResult {
                    name: String::new(),
                    exit_code: Some(0),
                    duration_ms: 0,
                    peak_rss_bytes: 0,
                    metrics: BTreeMap::new(),
                    searched: Vec::new(),
                })
                .collect(),
            ..Carried::default()
        };
        // The steps of an order, how many are over, the part; which steps that is, `+` where more follow.
        for (steps, over, number, wanted) in [
            ("..", 0, None, "0..2"),
            ("..", 0, Some(1), "0..2"),
            ("", 0, None, "0..0"),
            ("xx.", 0, Some(1), "0..2+"),
            ("xx.", 2, Some(1), "over"),
            ("xx.", 2, Some(2), "2..3"),
            ("xx.", 2, None, "2..3"),
            (".xy", 1, Some(2), "1..2+"),
            (".xy", 3, None, "3..3"),
            (".xy", 0, None, "step `.` must have ended before"),
            ("xy", 0, Some(2), "step `x` must have ended before"),
            ("xy", 1, None, "step `y` must have ended before"),
            ("xy", 0, Some(0), "has 3 parts"),
            ("xy", 0, Some(4), "has 3 parts"),
        ] {
            let told = match Turn::of(&order(steps), number, done(over)) {
                Ok(Some(turn)) => {
                    let more = if turn.is_last { "" } else { "+" };
                    format!("{:?}{more}", turn.part.steps)
                }
                Ok(None) => "over".to_owned(),
                Err(error) => error,
            };
            assert!(told.contains(wanted), "{steps} {over} {number:?}: {told}");
        }
    }

    #[test]
    fn what_is_carried_is_read_as_it_was_left() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Carried::read(dir.path()), Ok(Carried::default()));
        let left = Carried {
            worked_ms: 7,
            runtime: Some(Runtime {
                hash: Digest::of(b"x"),
                cached: true,
            }),
            ..Carried::default()
        };
        left.write(dir.path()).unwrap();
        assert_eq!(Carried::read(dir.path()), Ok(left));
        std::fs::write(dir.path().join(FILE), "{").unwrap();
        let broken = Carried::read(dir.path()).unwrap_err();
        assert!(broken.contains("cannot parse"), "{broken}");
    }
}
