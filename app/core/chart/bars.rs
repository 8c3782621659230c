//! A bar chart: one figure for each of some names, as lying bars so that long names fit.

use super::axis::Axis;
use super::svg::{Anchor, Look, SERIES_COLOURS, Svg, label, text_width};

const WIDTH: f64 = 720.0;
const TOP: f64 = 48.0;
const ROW: f64 = 26.0;
const BOTTOM: f64 = 16.0;
/// Most bars; a line says how many more there are.
const BARS_MAX: usize = 30;
/// Room for a figure beside its bar.
const FIGURE_ROOM: f64 = 72.0;

/// One lying bar for each name, from zero, its figure beside it; a figure that is not finite is written without a bar.
pub fn bar_chart(title: &str, bars: &[(String, f64)]) -> String {
    let shown: Vec<(String, f64)> = bars
        .iter()
        .take(BARS_MAX)
        .map(|(name, value)| (label(name, 32), *value))
        .collect();
    let title = label(title, 80);
    let more = bars.len().saturating_sub(BARS_MAX);
    let rows = shown.len().max(1) + usize::from(more > 0);
    let mut svg = Svg::new(WIDTH, TOP + ROW * rows as f64 + BOTTOM);
    svg.text((16.0, 26.0), Anchor::Start, Look::Title, &title);
    let names_width = shown
        .iter()
        .map(|(name, _)| text_width(name))
        .fold(40.0, f64::max);
    let has_negative = shown.iter().any(|(_, value)| *value < 0.0);
    let left = 16.0 + names_width + 12.0 + if has_negative { FIGURE_ROOM } else { 0.0 };
    let axis = Axis::over(
        shown.iter().map(|(_, value)| *value).chain([0.0]),
        left,
        WIDTH - FIGURE_ROOM - 8.0,
    );
    let zero = axis.place(0.0);
    for (i, (name, value)) in shown.iter().enumerate() {
        let y = TOP + ROW * i as f64;
        let base = y + ROW / 2.0 + 4.0;
        svg.text((16.0 + names_width, base), Anchor::End, Look::Plain, name);
        draw_bar(&mut svg, &axis, y, *value);
    }
    let end = TOP + ROW * shown.len() as f64;
    if shown.is_empty() {
        svg.remark((WIDTH / 2.0, TOP + 16.0), Anchor::Middle, "no figures");
    } else {
        svg.line((zero, TOP), (zero, end), "a");
    }
    if more > 0 {
        let text = format!("and {more} more");
        svg.remark((16.0 + names_width, end + 17.0), Anchor::End, &text);
    }
    svg.finish(&title)
}

/// One bar with its figure at its far end.
fn draw_bar(svg: &mut Svg, axis: &Axis, y: f64, value: f64) {
    let zero = axis.place(0.0);
    let end = if value.is_finite() {
        axis.place(value)
    } else {
        zero
    };
    let colour = SERIES_COLOURS.first().copied().unwrap_or_default();
    let size = ((end - zero).abs(), ROW - 8.0);
    svg.rect((zero.min(end), y + 4.0), size, colour, 1.0);
    let figure = label(&crate::text::number(value), 10);
    let base = y + ROW / 2.0 + 4.0;
    if value < 0.0 && value.is_finite() {
        svg.remark((end - 6.0, base), Anchor::End, &figure);
    } else {
        svg.remark((end.max(zero) + 6.0, base), Anchor::Start, &figure);
    }
}
