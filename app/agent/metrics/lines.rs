//! Metrics in lines: `name=value` and `name: value` in a step's output, whole JSON objects, `GITHUB_OUTPUT`, and the
//! Markdown of `GITHUB_STEP_SUMMARY`.
//!
//! Prose may look like a metric; it becomes one only for whoever asks for its name.

use super::{TEXT_CHARS_MAX, insert, insert_leaf, values};
use bowsprit_core::training::spec::{Metric, MetricValue};
use std::collections::BTreeMap;

/// What a step said, taken line by line.
#[derive(Debug, Default)]
pub struct Spoken {
    metrics: BTreeMap<String, Metric>,
    lines: usize,
}

impl Spoken {
    /// Takes the next line, free of colours and control codes; returns a progress, where it reports one.
    pub fn line(&mut self, line: &str) -> Option<f64> {
        self.lines += 1;
        let origin = format!("stdout:{}", self.lines);
        let trimmed = line.trim();
        if trimmed.starts_with('{') && trimmed.ends_with('}') {
            for (name, leaf) in values::from_json(trimmed).unwrap_or_default() {
                insert_leaf(&mut self.metrics, name, leaf, &origin);
            }
            return None;
        }
        let mut progress = None;
        for (name, value) in pairs(trimmed) {
            match value {
                MetricValue::Number(part) if name == "progress" => {
                    progress = (0.0..=1.0).contains(&part).then_some(part);
                }
                MetricValue::Number(_) | MetricValue::Other(_) => {
                    insert(&mut self.metrics, name, value, &origin)
                }
            }
        }
        progress
    }

    /// Everything found.
    pub(super) fn into_metrics(self) -> BTreeMap<String, Metric> {
        self.metrics
    }
}

/// The pairs of `GITHUB_OUTPUT` whose values are numbers. Source: GitHub's workflow commands, "setting an output parameter".
pub(super) fn github_output(text: &str) -> Vec<(String, MetricValue)> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let pair = match (line.split_once("<<"), line.split_once('=')) {
            (Some((name, end)), split)
                if split.is_none_or(|(before, _)| name.len() < before.len()) =>
            {
                let body: Vec<&str> = lines.by_ref().take_while(|line| *line != end).collect();
                Some((name, body.join("\n")))
            }
            (_, Some((name, value))) => Some((name, value.to_owned())),
            (_, None) => None,
        };
        if let Some((name, value)) = pair
            && let Some(value) = values::parse_value(value.trim())
        {
            found.push((name.trim().to_owned(), value));
        }
    }
    found
}

/// The metrics of a summary in Markdown: `name: value` and `name=value` in its lines, and rows of tables of two columns.
pub(super) fn summary(text: &str) -> Vec<(String, MetricValue)> {
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        match line.strip_prefix('|') {
            Some(row) => {
                let cells: Vec<&str> = row
                    .trim_end_matches('|')
                    .split('|')
                    .map(str::trim)
                    .collect();
                if let [name, value] = cells[..]
                    && let Some(value) = values::parse_value(value.trim_matches(['*', '`']))
                {
                    let name = name.trim_matches(['*', '`']);
                    found.push((name.to_owned(), value));
                }
            }
            None => found.extend(pairs(&line.replace(['*', '`'], ""))),
        }
    }
    found
}

fn pairs(line: &str) -> Vec<(String, MetricValue)> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices(['=', ':']) {
        let before = line[..at].trim_end();
        let start = before
            .char_indices()
            .rev()
            .take_while(|(_, c)| is_name(*c))
            .last()
            .map_or(before.len(), |(start, _)| start);
        let name = &before[start..];
        let after = line[at + 1..].trim_start();
        let end = after.find(is_boundary).unwrap_or(after.len());
        let word = &after[..end];
        let starts_well = name.starts_with(|c: char| c.is_alphabetic() || c == '_');
        if starts_well
            && word.chars().count() <= TEXT_CHARS_MAX
            && let Some(value) = values::parse_value(word)
        {
            found.push((name.to_owned(), value));
        }
    }
    found
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '@' | '|')
}

fn is_boundary(c: char) -> bool {
    c.is_whitespace() || matches!(c, ',' | ';' | '|' | ')' | ']' | '}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, wanted: &[(&str, f64)]) {
        let wanted: Vec<(String, MetricValue)> = wanted
            .iter()
            .map(|(name, value)| ((*name).to_owned(), MetricValue::Number(*value)))
            .collect();
        assert_eq!(pairs(line), wanted, "{line}");
    }

    #[test]
    fn pairs_are_found_in_common_shapes() {
        check("accuracy=0.93", &[("accuracy", 0.93)]);
        check(
            "epoch 3: loss = 0.5, val/acc: 1e-2",
            &[("loss", 0.5), ("val/acc", 0.01)],
        );
        check("[12]\ttrain-rmse:0.25", &[("train-rmse", 0.25)]);
        check("2024-01-01T10:00:00Z f1=1", &[("f1", 1.0)]);
        check("precision@5: .8", &[("precision@5", 0.8)]);
        for none in [
            "http://host/x",
            "12:30:45",
            "acc: 93%",
            "a=b",
            "=1",
            "x==1",
            "version=1.2.3",
        ] {
            check(none, &[]);
        }
        assert_eq!(
            pairs("loss=nan"),
            [("loss".to_owned(), MetricValue::Other("NaN".to_owned()))]
        );
    }

    #[test]
    fn a_summary_has_metrics_in_lines_and_in_tables_of_two_columns() {
        let text = "## Results\n\n- **accuracy**: 0.93\n`loss` = 0.1\n\n| metric | value |\n|---|---:|\n| f1 | 0.9 |\n\
            | **auc** | `0.8` |\n| rmse | nan |\n| name | ada |\n| a | 1 | 2 |\nIt took 12:30:45.\n";
        let number = MetricValue::Number;
        let wanted = [
            ("accuracy", number(0.93)),
            ("loss", number(0.1)),
            ("f1", number(0.9)),
            ("auc", number(0.8)),
            ("rmse", MetricValue::Other("NaN".to_owned())),
        ];
        let wanted: Vec<_> = wanted.map(|(name, value)| (name.to_owned(), value)).into();
        assert_eq!(summary(text), wanted);
        assert_eq!(summary("|||\n| | 1 |\n"), [(String::new(), number(1.0))]);
    }

    #[test]
    fn progress_is_told_apart() {
        let mut spoken = Spoken::default();
        assert_eq!(spoken.line("progress=0.4"), Some(0.4));
        assert_eq!(spoken.line("progress=7"), None);
        assert_eq!(spoken.line("a=1"), None);
        assert_eq!(spoken.into_metrics().len(), 1);
    }

    #[test]
    fn outputs_are_lines_or_blocks() {
        let found = github_output("a=1\nb<<END\n2\nEND\nc<<END\nx=3\nEND\nd=text\n");
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
    }
}
