//! What a step measured, read without a library in its code: files, `GITHUB_OUTPUT`, `GITHUB_STEP_SUMMARY`, and lines
//! of its output.
//!
//! A later source wins over an earlier one: output lines, the summary, `GITHUB_OUTPUT`, files of the working directory, files of
//! `OUTPUTS_DIR`. Only what the step itself wrote counts, so that a file of the repository is no measurement.
//! Nothing here decides whether a value is good; what is no finite number stays visible as what it is, a number in the
//! quotes of JSON, YAML or TOML among it. Lines are text by nature, and say numbers without quotes.

mod lines;
mod values;

pub use lines::Spoken;

use crate::files::{self, Mark};
use bowsprit_core::text::without_mark;
use bowsprit_core::training::spec::{Metric, MetricValue};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use values::Leaf;

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
/// Before the name of a file of `OUTPUTS_DIR`, where people see it.
const OUTPUTS_SHOWN: &str = "OUTPUTS_DIR/";
/// Fixed names, weakest first.
const NAMES: &[&str] = &[
    "eval/metrics.json",
    "metrics.toml",
    "metrics.yml",
    "metrics.yaml",
    "metrics.json",
];

/// Finds metrics in a text.
type Reader = fn(&str) -> Vec<(String, MetricValue)>;

/// Where a step may leave metrics, as it was before the step.
#[derive(Debug)]
pub struct Places {
    run_dir: PathBuf,
    outputs: String,
    github: String,
    before: BTreeMap<String, Mark>,
}

impl Places {
    /// Remembers what stands there now, which is not the step's.
    ///
    /// The step's outputs, and the directory of the files that it may know from GitHub (`output` and `summary`), are given
    /// as paths below the run directory: a step owns the directories on the way and may have put a link there.
    pub fn before_step(run_dir: &Path, outputs: &str, github: &str) -> Places {
        let mut places = Places {
            run_dir: run_dir.to_path_buf(),
            outputs: outputs.to_owned(),
            github: github.to_owned(),
            before: BTreeMap::new(),
        };
        for (path, _) in places.candidates() {
            if let Some(mark) = Mark::of(&run_dir.join(&path)) {
                places.before.insert(path, mark);
            }
        }
        places
    }

    /// Everything that the step measured, and where it was looked for.
    pub fn after_step(&self, spoken: Spoken) -> (BTreeMap<String, Metric>, Vec<String>) {
        let mut metrics = spoken.into_metrics();
        let mut searched = vec!["stdout".to_owned()];
        let sources: [(&str, &str, Reader); 2] = [
            ("summary", "GITHUB_STEP_SUMMARY", lines::summary),
            ("output", "GITHUB_OUTPUT", lines::github_output),
        ];
        for (file, shown, found_in) in sources {
            let path = format!("{}/{file}", self.github);
            let text = self.read(&path).unwrap_or_default();
            for (name, value) in found_in(&text) {
                insert(&mut metrics, name, value, shown);
            }
            searched.push(shown.to_owned());
        }
        for (path, shown) in self.candidates() {
            let mark = Mark::of(&self.run_dir.join(&path));
            if mark.is_none() || mark.as_ref() == self.before.get(&path) {
                searched.push(shown);
                continue;
            }
            let origin = shown.strip_prefix(OUTPUTS_SHOWN).unwrap_or(&shown);
            match self.read(&path).and_then(|text| parse(&path, &text)) {
                Ok(leaves) => {
                    for (name, leaf) in leaves {
                        insert_leaf(&mut metrics, name, leaf, origin);
                    }
                    searched.push(shown);
                }
                Err(why) => searched.push(format!("{shown} (cannot be read: {why})")),
            }
        }
        (metrics, searched)
    }

    /// Paths below the run directory, weakest first, each as it is shown to people.
    fn candidates(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for (dir, shown) in [("work", ""), (self.outputs.as_str(), OUTPUTS_SHOWN)] {
            if let Ok(path) = files::plain_path(&self.run_dir, dir) {
                let names = names_in(&path).into_iter();
                found.extend(names.map(|name| (format!("{dir}/{name}"), format!("{shown}{name}"))));
            }
        }
        found
    }

    fn read(&self, path: &str) -> Result<String, String> {
        let file = files::open_plain(&self.run_dir, path).map_err(|error| error.to_string())?;
        let bytes = files::read_capped(file, FILE_BYTES_MAX).map_err(|error| error.to_string())?;
        String::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned())
    }
}

fn parse(path: &str, text: &str) -> Result<Vec<(String, Leaf)>, String> {
    let text = without_mark(text);
    match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("yaml" | "yml") => values::from_yaml(text),
        Some("toml") => values::from_toml(text),
        Some(_) | None => values::from_json(text),
    }
}

/// Adds what a tree says of a metric. A text becomes no number, and lets none of an earlier source count: it is shown in
/// quotes where it looks like a number or takes the place of a figure, and is no metric elsewhere.
fn insert_leaf(metrics: &mut BTreeMap<String, Metric>, name: String, leaf: Leaf, origin: &str) {
    let text = match leaf {
        Leaf::Value(value) => return insert(metrics, name, value, origin),
        Leaf::Text(text) => text,
    };
    if metrics.contains_key(&name) || values::parse_value(&text).is_some() {
        let shown: String = text.chars().take(TEXT_CHARS_MAX).collect();
        let value = MetricValue::Other(format!("\"{shown}\""));
        insert(metrics, name, value, origin);
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
fn names_in(dir: &Path) -> Vec<String> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_later_source_wins_and_old_files_do_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let [work, outputs, github] =
            ["work", "outputs", "github"].map(|name| dir.path().join(name));
        fs::create_dir_all(work.join("eval")).unwrap();
        fs::create_dir(&outputs).unwrap();
        fs::create_dir(&github).unwrap();
        fs::write(work.join("metrics.json"), r#"{"old": 1}"#).unwrap();
        let places = Places::before_step(dir.path(), "outputs", "github");
        let mut spoken = Spoken::default();
        for line in ["hello", "accuracy=0.1 loss: 0.5", r#"{"f1": 0.7}"#] {
            spoken.line(line);
        }
        fs::write(github.join("summary"), "**accuracy**: 0.15\n| mae | 2 |\n").unwrap();
        fs::write(github.join("output"), "accuracy=0.2\nname=x\nauc=0.6\n").unwrap();
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
                "mae Number(2.0) GITHUB_STEP_SUMMARY",
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
    fn a_text_is_no_figure_and_hides_none() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["work", "outputs", "github"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let places = Places::before_step(dir.path(), "outputs", "github");
        let mut spoken = Spoken::default();
        for line in ["accuracy=0.99", "f1=0.9", r#"{"auc": "0.8", "mae": 1}"#] {
            spoken.line(line);
        }
        fs::write(
            dir.path().join("outputs/metrics.json"),
            r#"{"accuracy": "high", "loss": "0.1", "kind": "svm", "f1": 0.7, "mae": "1 % of all, which is quite a long text"}"#,
        )
        .unwrap();
        let (metrics, _) = places.after_step(spoken);
        let shown: Vec<String> = metrics
            .iter()
            .map(|(name, m)| match &m.value {
                MetricValue::Number(number) => format!("{name} {number} {}", m.origin),
                MetricValue::Other(text) => format!("{name} {text} {}", m.origin),
            })
            .collect();
        assert_eq!(
            shown,
            [
                r#"accuracy "high" metrics.json"#,
                r#"auc "0.8" stdout:3"#,
                "f1 0.7 metrics.json",
                r#"loss "0.1" metrics.json"#,
                r#"mae "1 % of all, which is quite a long text" metrics.json"#,
            ]
        );
    }

    #[test]
    fn a_mark_before_the_text_is_no_part_of_it() {
        for (path, text) in [
            ("metrics.json", r#"{"accuracy": 0.5}"#),
            ("metrics.yaml", "accuracy: 0.5\n"),
            ("metrics.toml", "accuracy = 0.5\n"),
        ] {
            let wanted = vec![("accuracy".to_owned(), Leaf::Value(MetricValue::Number(0.5)))];
            let marked = format!("\u{feff}{text}");
            assert_eq!(parse(path, &marked), Ok(wanted), "{path}");
        }
    }

    #[test]
    fn a_link_on_the_way_is_not_followed() {
        let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let places = Places::before_step(dir.path(), "outputs/live", "tmp/github");
        fs::write(elsewhere.path().join("metrics.json"), r#"{"a": 1}"#).unwrap();
        fs::create_dir(elsewhere.path().join("github")).unwrap();
        for name in ["output", "summary"] {
            fs::write(elsewhere.path().join("github").join(name), "a=1").unwrap();
        }
        fs::create_dir(dir.path().join("outputs")).unwrap();
        for name in ["outputs/live", "tmp"] {
            std::os::unix::fs::symlink(elsewhere.path(), dir.path().join(name)).unwrap();
        }
        assert!(places.after_step(Spoken::default()).0.is_empty());
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
