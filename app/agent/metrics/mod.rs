//! What a step measured, read without a library in its code: files, `GITHUB_OUTPUT`, and lines of its output.
//!
//! A later source wins over an earlier one: output lines, `GITHUB_OUTPUT`, files of the working directory, files of
//! `OUTPUTS_DIR`. Only what the step itself wrote counts, so that a file of the repository is no measurement.
//! Nothing here decides whether a value is good; what is no finite number stays visible as what it is.

mod lines;
mod values;

pub use lines::Spoken;

use crate::files::{self, Mark};
use bowsprit_core::training::spec::{Metric, MetricValue};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Most metrics of a step.
pub const METRICS_MAX: usize = 500;
/// Longest name of a metric. Units: characters.
pub const NAME_CHARS_MAX: usize = 200;
/// Longest value that is kept as text. Units: characters.
const TEXT_CHARS_MAX: usize = 40;
/// Largest file that is read. Units: bytes.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// Most files `metrics*.json` of one directory.
const FILES_MAX: usize = 50;
/// Fixed names, weakest first.
const NAMES: &[&str] = &[
    "eval/metrics.json",
    "metrics.toml",
    "metrics.yml",
    "metrics.yaml",
    "metrics.json",
];

/// Where a step may leave metrics, as it was before the step.
#[derive(Debug)]
pub struct Places {
    work_dir: PathBuf,
    outputs_dir: PathBuf,
    github_output: PathBuf,
    before: BTreeMap<PathBuf, Mark>,
}

impl Places {
    /// Remembers what stands there now, which is not the step's.
    pub fn before_step(work_dir: &Path, outputs_dir: &Path, github_output: &Path) -> Places {
        let mut before = BTreeMap::new();
        for dir in [work_dir, outputs_dir] {
            for name in candidates(dir) {
                let path = dir.join(name);
                if let Some(mark) = Mark::of(&path) {
                    before.insert(path, mark);
                }
            }
        }
        Places {
            work_dir: work_dir.to_path_buf(),
            outputs_dir: outputs_dir.to_path_buf(),
            github_output: github_output.to_path_buf(),
            before,
        }
    }

    /// Everything that the step measured, and where it was looked for.
    pub fn after_step(&self, spoken: Spoken) -> (BTreeMap<String, Metric>, Vec<String>) {
        let mut found = Found {
            metrics: spoken.into_metrics(),
            searched: vec!["stdout".to_owned(), "GITHUB_OUTPUT".to_owned()],
        };
        if let Some(text) = read(&self.github_output) {
            for (name, value) in lines::github_output(&text) {
                found.add(name, value, "GITHUB_OUTPUT");
            }
        }
        for (dir, label) in [(&self.work_dir, ""), (&self.outputs_dir, "OUTPUTS_DIR/")] {
            for name in candidates(dir) {
                let path = dir.join(&name);
                let is_new =
                    Mark::of(&path).is_some_and(|mark| self.before.get(&path) != Some(&mark));
                let fate = if is_new {
                    found.file(dir, &name)
                } else {
                    Ok(())
                };
                found.searched.push(match fate {
                    Ok(()) => format!("{label}{name}"),
                    Err(why) => format!("{label}{name} (cannot be read: {why})"),
                });
            }
        }
        (found.metrics, found.searched)
    }
}

struct Found {
    metrics: BTreeMap<String, Metric>,
    searched: Vec<String>,
}

impl Found {
    fn add(&mut self, name: String, value: MetricValue, origin: &str) {
        insert(&mut self.metrics, name, value, origin);
    }

    fn file(&mut self, dir: &Path, name: &str) -> Result<(), String> {
        let file = files::open_plain(dir, name).map_err(|error| error.to_string())?;
        let bytes = files::read_capped(file, FILE_BYTES_MAX).map_err(|error| error.to_string())?;
        let text = String::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned())?;
        let values = match name.rsplit_once('.').map(|(_, ending)| ending) {
            Some("yaml" | "yml") => values::from_yaml(&text)?,
            Some("toml") => values::from_toml(&text)?,
            Some(_) | None => values::from_json(&text)?,
        };
        for (key, value) in values {
            self.add(key, value, name);
        }
        Ok(())
    }
}

/// Adds a metric within the caps; a later one replaces an earlier one of its name.
fn insert(metrics: &mut BTreeMap<String, Metric>, name: String, value: MetricValue, origin: &str) {
    let fits = !name.is_empty()
        && name.chars().count() <= NAME_CHARS_MAX
        && !name.chars().any(char::is_control);
    if fits && (metrics.len() < METRICS_MAX || metrics.contains_key(&name)) {
        let origin = origin.to_owned();
        metrics.insert(name, Metric { value, origin });
    }
}

/// The names to look for: the fixed ones, and every `metrics*.json` before them.
fn candidates(dir: &Path) -> Vec<String> {
    let mut others: Vec<String> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| {
            name.starts_with("metrics") && name.ends_with(".json") && name != "metrics.json"
        })
        .collect();
    others.sort();
    others.truncate(FILES_MAX);
    others.extend(NAMES.iter().map(|name| (*name).to_owned()));
    others
}

fn read(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let file = files::open_plain(path.parent()?, name).ok()?;
    let bytes = files::read_capped(file, FILE_BYTES_MAX).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_later_source_wins_and_old_files_do_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let (work, outputs, output) = (
            dir.path().join("work"),
            dir.path().join("outputs"),
            dir.path().join("github"),
        );
        fs::create_dir_all(work.join("eval")).unwrap();
        fs::create_dir(&outputs).unwrap();
        fs::write(work.join("metrics.json"), r#"{"old": 1}"#).unwrap();
        let places = Places::before_step(&work, &outputs, &output);
        let mut spoken = Spoken::default();
        for line in ["hello", "accuracy=0.1 loss: 0.5", r#"{"f1": 0.7}"#] {
            spoken.line(line);
        }
        fs::write(&output, "accuracy=0.2\nname=x\nauc=0.6\n").unwrap();
        fs::write(work.join("eval/metrics.json"), r#"{"auc": 0.61}"#).unwrap();
        fs::write(
            outputs.join("metrics.yaml"),
            "train: {accuracy: 0.4}\nbad: .nan\n",
        )
        .unwrap();
        fs::write(
            outputs.join("metrics.json"),
            r#"{"accuracy": NaN, "n": 3, "text": "x", "deep": {"a": -Infinity}}"#,
        )
        .unwrap();
        fs::write(outputs.join("metrics_b.json"), "{").unwrap();
        let (metrics, searched) = places.after_step(spoken);
        let shown: Vec<String> = metrics
            .iter()
            .map(|(name, m)| format!("{name} {:?} {}", m.value, m.origin))
            .collect();
        assert_eq!(
            shown,
            [
                r#"accuracy Other("NaN") metrics.json"#,
                "auc Number(0.61) eval/metrics.json",
                r#"bad Other("NaN") metrics.yaml"#,
                r#"deep.a Other("-Infinity") metrics.json"#,
                "f1 Number(0.7) stdout:3",
                "loss Number(0.5) stdout:2",
                "n Number(3.0) metrics.json",
                "train.accuracy Number(0.4) metrics.yaml",
            ]
        );
        assert!(
            searched
                .iter()
                .any(|place| place.starts_with("OUTPUTS_DIR/metrics_b.json (cannot be read"))
        );
        assert!(searched.contains(&"metrics.json".to_owned()));
    }

    #[test]
    fn metrics_have_a_limit() {
        let mut spoken = Spoken::default();
        for number in 0..2 * METRICS_MAX {
            spoken.line(&format!("m{number}=1"));
        }
        spoken.line("m0=2");
        let metrics = spoken.into_metrics();
        assert_eq!(metrics.len(), METRICS_MAX);
        assert_eq!(metrics["m0"].value, MetricValue::Number(2.0));
    }
}
