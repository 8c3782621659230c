//! Mermaid text for GitHub's own drawing.
//!
//! Only what its versions 10 and newer all read: `xychart-beta`, quoted labels, fixed decimals.
//! Most of them draw no legend; the caller writes the names of the lines under the chart.

use crate::text;

/// Most labels; the last ones are kept.
const LABELS_MAX: usize = 60;
/// Most lines.
const LINES_MAX: usize = 6;

/// Lines over labels as an `xychart-beta`, without the fence around it; empty when there is nothing to draw.
///
/// Every series has one value for each label; a label at which any of them has none is left out.
pub fn mermaid_line(title: &str, labels: &[String], series: &[(String, Vec<f64>)]) -> String {
    let series = series
        .get(..series.len().min(LINES_MAX))
        .unwrap_or_default();
    let is_full = |i: &usize| {
        series
            .iter()
            .all(|(_, values)| values.get(*i).is_some_and(|value| value.is_finite()))
    };
    let whole: Vec<usize> = (0..labels.len()).filter(is_full).collect();
    let shown = whole
        .get(whole.len().saturating_sub(LABELS_MAX)..)
        .unwrap_or_default();
    if shown.is_empty() || series.is_empty() {
        return String::new();
    }
    let names: Vec<String> = shown
        .iter()
        .filter_map(|i| labels.get(*i))
        .map(|name| quoted(name, 24))
        .collect();
    let mut lines = vec![
        "xychart-beta".to_owned(),
        format!("    title {}", quoted(title, 80)),
        format!("    x-axis [{}]", names.join(", ")),
    ];
    for (name, values) in series {
        let values: Vec<String> = shown
            .iter()
            .filter_map(|i| values.get(*i))
            .map(|v| text::number(*v))
            .collect();
        lines.push(format!(
            "    line {} [{}]",
            quoted(name, 40),
            values.join(", ")
        ));
    }
    lines.join("\n")
}

/// A quoted label of characters that mean nothing to Mermaid.
fn quoted(name: &str, chars_max: usize) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || " .,-_+/%=()".contains(c);
    let plain: String = name
        .chars()
        .take(chars_max)
        .map(|c| if is_plain(c) { c } else { ' ' })
        .collect();
    let plain = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("\"{}\"", if plain.is_empty() { "-" } else { &plain })
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn gaps_and_mark_up_are_left_out() {
        let labels = ["v1", "v2", "v\"3\n]", "v4"].map(str::to_owned);
        let series = [
            ("accuracy".to_owned(), vec![0.91, f64::NAN, 0.000_01, 0.95]),
            ("f1; click".to_owned(), vec![0.9, 0.9, 1e-20, 0.93]),
        ];
        expect![[r#"
            xychart-beta
                title "digits - accuracy"
                x-axis ["v1", "v 3", "v4"]
                line "accuracy" [0.91, 0.00001, 0.95]
                line "f1 click" [0.9, 0, 0.93]"#]]
        .assert_eq(&mermaid_line("digits - \"accuracy\"", &labels, &series));
        assert_eq!(mermaid_line("x", &labels, &[]), "");
        assert_eq!(mermaid_line("x", &[], &series), "");
        assert_eq!(
            mermaid_line("x", &labels, &[("a".to_owned(), vec![f64::NAN])]),
            ""
        );
    }
}
