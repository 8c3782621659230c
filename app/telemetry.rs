//! Logs and metrics.
//!
//! The logs go to standard error; `BOWSPRIT_LOG` says which. Metrics are one static table, shown as Prometheus text.
//! Nothing here may hold a payload, a token or an e-mail address, and no label may take values without end.

use crate::store::Counts;
use anyhow::{Context, anyhow};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{PoisonError, RwLock};
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines, one object a line.
    Json,
}

/// Starts logging. Errors: `BOWSPRIT_LOG` is not a filter, or logging was started before.
pub fn init(format: LogFormat, default: &str) -> anyhow::Result<()> {
    let filter = match std::env::var("BOWSPRIT_LOG") {
        Ok(text) => EnvFilter::try_new(text).context("cannot read `BOWSPRIT_LOG`")?,
        Err(_) => EnvFilter::new(default),
    };
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => logs.try_init(),
        LogFormat::Json => logs.json().flatten_event(true).try_init(),
    }
    .map_err(|error| anyhow!("cannot start logging: {error}"))
}

/// Deliveries at the door.
pub static DELIVERIES: Family = Family::counter(
    "bowsprit_deliveries_total",
    "Deliveries heard at the door, by what became of them.",
    &["result"],
);
/// Effects applied.
pub static EFFECTS: Family = Family::counter(
    "bowsprit_effects_total",
    "Tries of effects, by kind and end.",
    &["kind", "result"],
);
/// Requests to GitHub.
pub static GITHUB_REQUESTS: Family = Family::counter(
    "bowsprit_github_requests_total",
    "Requests to GitHub, by class of the answer.",
    &["class"],
);
/// Steps of subjects.
pub static STEPS: Family = Family::counter(
    "bowsprit_steps_total",
    "Steps of subjects, by kind of subject.",
    &["subject"],
);
/// Lengths of the queues.
pub static QUEUE: Family = Family::gauge(
    "bowsprit_queue_length",
    "What waits, is stuck or was given up.",
    &["queue"],
);

static ALL: [&Family; 5] = [&DELIVERIES, &EFFECTS, &GITHUB_REQUESTS, &STEPS, &QUEUE];

/// Most label sets of one family; what comes later is counted as `other`.
const SERIES_MAX: usize = 200;

/// Numbers of one name, told apart by labels.
pub struct Family {
    name: &'static str,
    help: &'static str,
    kind: &'static str,
    labels: &'static [&'static str],
    series: RwLock<BTreeMap<Vec<String>, AtomicI64>>,
}

impl Family {
    const fn counter(
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
    ) -> Family {
        Family::new(name, help, "counter", labels)
    }

    const fn gauge(
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
    ) -> Family {
        Family::new(name, help, "gauge", labels)
    }

    const fn new(
        name: &'static str,
        help: &'static str,
        kind: &'static str,
        labels: &'static [&'static str],
    ) -> Family {
        Family {
            name,
            help,
            kind,
            labels,
            series: RwLock::new(BTreeMap::new()),
        }
    }

    /// One more. `values` stand for the labels, in their order.
    pub fn count(&self, values: &[&str]) {
        self.change(values, |number| {
            number.fetch_add(1, Ordering::Relaxed);
        });
    }

    /// So many now.
    pub fn set(&self, values: &[&str], now: i64) {
        self.change(values, |number| number.store(now, Ordering::Relaxed));
    }

    fn change(&self, values: &[&str], change: impl Fn(&AtomicI64)) {
        let mut key: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        key.resize(self.labels.len(), String::new());
        let series = self.series.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = series.get(&key) {
            return change(number);
        }
        drop(series);
        let mut series = self.series.write().unwrap_or_else(PoisonError::into_inner);
        if series.len() >= SERIES_MAX && !series.contains_key(&key) {
            key = vec!["other".to_owned(); self.labels.len()];
        }
        change(series.entry(key).or_default());
    }

    fn render(&self, into: &mut String) -> std::fmt::Result {
        writeln!(into, "# HELP {} {}", self.name, self.help)?;
        writeln!(into, "# TYPE {} {}", self.name, self.kind)?;
        let series = self.series.read().unwrap_or_else(PoisonError::into_inner);
        for (values, number) in series.iter() {
            let labels = self.labels.iter().zip(values);
            let labels: Vec<String> = labels
                .map(|(name, value)| format!("{name}=\"{}\"", escape(value)))
                .collect();
            let number = number.load(Ordering::Relaxed);
            writeln!(into, "{}{{{}}} {number}", self.name, labels.join(","))?;
        }
        Ok(())
    }
}

/// Shows how long the queues are.
pub fn set_queues(counts: &Counts) {
    for (queue, length) in [
        ("deliveries_new", counts.deliveries_new),
        ("deliveries_dead", counts.deliveries_dead),
        ("subjects_wanted", counts.subjects_wanted),
        ("subjects_stuck", counts.subjects_stuck),
        ("effects_intended", counts.effects_intended),
        ("effects_dead", counts.effects_dead),
    ] {
        QUEUE.set(&[queue], i64::try_from(length).unwrap_or(i64::MAX));
    }
}

/// Everything, as Prometheus reads it. Source: https://prometheus.io/docs/instrumenting/exposition_formats/ (version 0.0.4)
pub fn render() -> String {
    let mut text = String::new();
    for family in ALL {
        family.render(&mut text).expect("a String takes every text");
    }
    text
}

fn escape(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_with_their_labels() {
        let family = Family::counter("x_total", "Help.", &["a", "b"]);
        family.count(&["1", "say \"hi\"\n"]);
        family.count(&["1", "say \"hi\"\n"]);
        family.set(&["2"], 7);
        let mut text = String::new();
        family.render(&mut text).unwrap();
        let expected = "# HELP x_total Help.\n# TYPE x_total counter\nx_total{a=\"1\",b=\"say \\\"hi\\\"\\n\"} 2\nx_total{a=\"2\",b=\"\"} 7\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn labels_cannot_grow_without_end() {
        let family = Family::counter("x_total", "Help.", &["a"]);
        for n in 0..SERIES_MAX + 50 {
            family.count(&[&n.to_string()]);
        }
        let mut text = String::new();
        family.render(&mut text).unwrap();
        assert!(text.contains("x_total{a=\"other\"} 50"));
        assert_eq!(text.lines().count(), 2 + SERIES_MAX + 1);
    }
}
