//! A confusion matrix: what was true against what was predicted.

use super::svg::{Anchor, Look, SERIES_COLOURS, Svg, label, text_width};

/// Most classes that are drawn; a line says how many more there are.
const CLASSES_MAX: usize = 20;
const TOP: f64 = 92.0;
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
    let cell = (digits as f64 * 7.5 + 14.0).max(38.0);
    let left = 28.0 + widest.max(48.0) + 10.0;
    let width = (left + cell * classes as f64 + 24.0).max(320.0);
    let height = TOP + cell.min(44.0) * classes.max(1) as f64 + if more > 0 { 40.0 } else { 20.0 };
    let (title, row) = ("Confusion matrix", cell.min(44.0));
    let mut svg = Svg::new(width, height);
    svg.text((16.0, 26.0), Anchor::Start, Look::Title, title);
    svg.text(
        (16.0, 46.0),
        Anchor::Start,
        Look::Faint,
        "rows: true class, columns: predicted class",
    );
    if names.is_empty() {
        svg.text(
            (width / 2.0, TOP),
            Anchor::Middle,
            Look::Faint,
            "no figures",
        );
    }
    // A name that is wider than its column is cut: the same names stand in full at the rows.
    let fitting = ((cell - 2.0) / 7.0).floor().max(1.0) as usize;
    for (i, name) in names.iter().enumerate() {
        let middle = left + cell * (i as f64 + 0.5);
        svg.text(
            (middle, TOP - 8.0),
            Anchor::Middle,
            Look::Plain,
            &label(name, fitting),
        );
        svg.text(
            (left - 8.0, TOP + row * (i as f64 + 0.5) + 4.0),
            Anchor::End,
            Look::Plain,
            name,
        );
        let of_row = |j: usize| {
            counts
                .get(i)
                .and_then(|row| row.get(j))
                .copied()
                .unwrap_or(0)
        };
        let sum: f64 = (0..labels.len()).map(|j| of_row(j) as f64).sum();
        for j in 0..classes {
            let count = of_row(j);
            let share = if sum > 0.0 { count as f64 / sum } else { 0.0 };
            let at = (left + cell * j as f64, TOP + row * i as f64);
            draw_cell(&mut svg, at, (cell, row), (i == j, share));
            let look = if share > 0.55 {
                Look::Light
            } else {
                Look::Plain
            };
            svg.text(
                (at.0 + cell / 2.0, at.1 + row / 2.0 + 4.0),
                Anchor::Middle,
                look,
                &count.to_string(),
            );
        }
    }
    if more > 0 {
        let text = format!("and {more} more classes");
        svg.text(
            (left, TOP + row * classes as f64 + 22.0),
            Anchor::Start,
            Look::Faint,
            &text,
        );
    }
    svg.finish(title)
}

/// One cell: blue on the diagonal, orange beside it, by the share of its row.
fn draw_cell(svg: &mut Svg, at: (f64, f64), size: (f64, f64), (is_right, share): (bool, f64)) {
    let colour = SERIES_COLOURS
        .get(usize::from(!is_right))
        .copied()
        .unwrap_or_default();
    let inner = (size.0 - 2.0, size.1 - 2.0);
    let opacity = if share > 0.0 {
        0.12 + 0.88 * share
    } else {
        0.04
    };
    svg.rect((at.0 + 1.0, at.1 + 1.0), inner, colour, opacity);
}
