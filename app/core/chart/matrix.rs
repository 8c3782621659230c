//! A confusion matrix: what was true against what was predicted.

use super::svg::{Anchor, Look, SERIES_COLOURS, Svg, label, text_width};

/// Most classes that are drawn; a line says how many more there are.
const CLASSES_MAX: usize = 20;
const TOP: f64 = 92.0;
const TITLE: &str = "Confusion matrix";
/// Height of a row.
const ROW: f64 = 38.0;
/// Room for all columns with long names.
const COLUMNS_WIDTH: f64 = 480.0;
/// Most characters of a label on the side and on top.
const SIDE_CHARS: usize = 24;

/// Counts by true class (rows) and predicted class (columns), shaded by the share of the row.
///
/// `counts[i][j]` is how often `labels[i]` was predicted as `labels[j]`; a missing cell counts as 0.
pub fn confusion_matrix(labels: &[String], counts: &[Vec<u64>]) -> String {
    let names: Vec<String> = labels
        .iter()
        .take(CLASSES_MAX)
        .map(|name| label(name, SIDE_CHARS))
        .collect();
    let classes = names.len();
    let more = labels.len().saturating_sub(CLASSES_MAX);
    let widest = names
        .iter()
        .map(|name| text_width(name))
        .fold(0.0, f64::max);
    let digits = counts
        .iter()
        .flatten()
        .map(|count| count.to_string().len())
        .max()
        .unwrap_or(1);
    let narrow = (digits as f64 * 7.5 + 14.0).max(38.0);
    // Columns as wide as their names, as long as the picture stays as wide as a comment.
    let cell = narrow.max((widest + 8.0).min(COLUMNS_WIDTH / classes.max(1) as f64));
    let left = 28.0 + widest.max(48.0) + 10.0;
    let width = (left + cell * classes as f64 + 24.0).max(320.0);
    let height = TOP + ROW * classes.max(1) as f64 + if more > 0 { 40.0 } else { 20.0 };
    let mut svg = Svg::new(width, height);
    svg.text((16.0, 26.0), Anchor::Start, Look::Title, TITLE);
    svg.remark(
        (16.0, 46.0),
        Anchor::Start,
        "rows: true class, columns: predicted class",
    );
    if names.is_empty() {
        svg.remark((width / 2.0, TOP), Anchor::Middle, "no figures");
    }
    // A name that is wider than its column is cut: the same names stand in full at the rows.
    let fitting = ((cell - 2.0) / 7.0).floor().max(1.0) as usize;
    for (i, name) in names.iter().enumerate() {
        let (x, y) = (
            left + cell * (i as f64 + 0.5),
            TOP + ROW * (i as f64 + 0.5) + 4.0,
        );
        svg.text(
            (x, TOP - 8.0),
            Anchor::Middle,
            Look::Plain,
            &label(name, fitting),
        );
        svg.text((left - 8.0, y), Anchor::End, Look::Plain, name);
        let of_row = counts.get(i).map_or(&[][..], Vec::as_slice);
        let shares = shares(of_row, labels.len());
        for (j, (count, share)) in shares.into_iter().take(classes).enumerate() {
            let at = (left + cell * j as f64, TOP + ROW * i as f64);
            draw_cell(&mut svg, at, cell, (i == j, share));
            let look = if share > 0.55 {
                Look::Light
            } else {
                Look::Plain
            };
            let middle = (at.0 + cell / 2.0, y);
            svg.text(middle, Anchor::Middle, look, &count.to_string());
        }
    }
    if more > 0 {
        let at = (left, TOP + ROW * classes as f64 + 22.0);
        svg.remark(at, Anchor::Start, &format!("and {more} more classes"));
    }
    svg.finish(TITLE)
}

/// Each count of a row with its share of the row's sum.
fn shares(row: &[u64], classes: usize) -> Vec<(u64, f64)> {
    let counts = (0..classes).map(|j| row.get(j).copied().unwrap_or(0));
    let sum: f64 = counts.clone().map(|count| count as f64).sum();
    counts
        .map(|count| (count, if sum > 0.0 { count as f64 / sum } else { 0.0 }))
        .collect()
}

/// One cell: blue on the diagonal, orange beside it, by the share of its row.
fn draw_cell(svg: &mut Svg, at: (f64, f64), width: f64, (is_right, share): (bool, f64)) {
    let colour = SERIES_COLOURS
        .get(usize::from(!is_right))
        .copied()
        .unwrap_or_default();
    let inner = (width - 2.0, ROW - 2.0);
    let opacity = if share > 0.0 {
        0.12 + 0.88 * share
    } else {
        0.04
    };
    svg.rect((at.0 + 1.0, at.1 + 1.0), inner, colour, opacity);
}
