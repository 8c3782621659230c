//! A line chart: learning curves, and the history of a metric over versions.

use super::axis::Axis;
use super::svg::{Anchor, Look, SERIES_COLOURS, Svg, label, text_width};
use super::{Mark, Series};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 24.0;
const BOTTOM: f64 = 36.0;
/// Height of one line of the legend.
const LEGEND_LINE: f64 = 20.0;
/// Most lines; the legend says how many more there are.
const SERIES_MAX: usize = 6;
/// Most points of a line; longer ones are thinned evenly.
const POINTS_MAX: usize = 500;
/// Up to so many points get dots.
const DOTS_MAX: usize = 40;
/// Most marks.
const MARKS_MAX: usize = 8;
/// Rows over which the labels of marks are spread.
const MARK_ROWS: usize = 3;

/// Lines over a common pair of axes, with vertical marks where something is to be pointed out.
pub fn line_chart(title: &str, series: &[Series], marks: &[Mark]) -> String {
    let lines: Vec<(String, Vec<(f64, f64)>)> = series
        .iter()
        .take(SERIES_MAX)
        .map(|one| (label(&one.name, 32), thinned(&one.points)))
        .collect();
    let marks: Vec<&Mark> = marks
        .iter()
        .filter(|mark| mark.x.is_finite())
        .take(MARKS_MAX)
        .collect();
    let title = label(title, 80);
    let mut svg = Svg::new(WIDTH, HEIGHT);
    svg.text((16.0, 26.0), Anchor::Start, Look::Title, &title);
    let legend_end = legend(&mut svg, &lines, series.len().saturating_sub(SERIES_MAX));
    let mark_room = if marks.is_empty() {
        0.0
    } else {
        14.0 * MARK_ROWS.min(marks.len()) as f64 + 4.0
    };
    let top = legend_end + 18.0 + mark_room;

    let xs = lines
        .iter()
        .flat_map(|(_, points)| points.iter().map(|(x, _)| *x))
        .chain(marks.iter().map(|m| m.x));
    let ys = lines
        .iter()
        .flat_map(|(_, points)| points.iter().map(|(_, y)| *y));
    let x_axis = Axis::over(xs.clone(), LEFT + 8.0, WIDTH - RIGHT);
    let x_axis = if xs.clone().all(|x| x.fract() == 0.0) {
        x_axis.whole()
    } else {
        x_axis
    };
    let y_axis = Axis::over(ys, HEIGHT - BOTTOM, top).rounded();
    draw_axes(&mut svg, &x_axis, &y_axis);
    draw_marks(&mut svg, &marks, &x_axis, top);
    for ((_, points), colour) in lines.iter().zip(SERIES_COLOURS) {
        let places: Vec<(f64, f64)> = points
            .iter()
            .map(|(x, y)| (x_axis.place(*x), y_axis.place(*y)))
            .collect();
        if places.len() > 1 {
            svg.path(&places, colour);
        }
        if places.len() <= DOTS_MAX {
            places.iter().for_each(|place| svg.dot(*place, 3.0, colour));
        }
    }
    if lines.iter().all(|(_, points)| points.is_empty()) {
        let middle = (WIDTH / 2.0, (top + HEIGHT - BOTTOM) / 2.0);
        svg.remark(middle, Anchor::Middle, "no figures");
    }
    svg.finish(&title)
}

/// The grid with the labels of both axes.
fn draw_axes(svg: &mut Svg, x_axis: &Axis, y_axis: &Axis) {
    let floor = HEIGHT - BOTTOM;
    for (value, text) in y_axis.ticks(6) {
        let y = y_axis.place(value);
        svg.line((LEFT, y), (WIDTH - RIGHT, y), "g");
        svg.remark((LEFT - 8.0, y + 4.0), Anchor::End, &text);
    }
    for (value, text) in x_axis.ticks(10) {
        let x = x_axis.place(value);
        svg.line((x, floor), (x, floor + 4.0), "a");
        svg.remark((x, floor + 18.0), Anchor::Middle, &text);
    }
    svg.line((LEFT, floor), (WIDTH - RIGHT, floor), "a");
}

/// The legend under the title, over as many lines as it needs; gives the place where it ends.
fn legend(svg: &mut Svg, lines: &[(String, Vec<(f64, f64)>)], more: usize) -> f64 {
    let (mut x, mut y) = (16.0, 48.0);
    for ((name, _), colour) in lines.iter().zip(SERIES_COLOURS) {
        let width = 20.0 + text_width(name) + 16.0;
        if x + width > WIDTH - RIGHT && x > 16.0 {
            (x, y) = (16.0, y + LEGEND_LINE);
        }
        svg.rect((x, y - 9.0), (12.0, 10.0), colour, 1.0);
        svg.text((x + 18.0, y), Anchor::Start, Look::Plain, name);
        x += width;
    }
    if more > 0 {
        svg.text(
            (x, y),
            Anchor::Start,
            Look::Faint,
            &format!("and {more} more"),
        );
    }
    y
}

/// Marks with their labels in rows above the lines, on the side where there is room.
fn draw_marks(svg: &mut Svg, marks: &[&Mark], x_axis: &Axis, top: f64) {
    let rows = MARK_ROWS.min(marks.len());
    for (i, mark) in marks.iter().enumerate() {
        let x = x_axis.place(mark.x);
        let row = i % rows.max(1);
        let y = top - 6.0 - 14.0 * (rows - 1 - row) as f64;
        let text = label(&mark.label, 40);
        svg.line((x, y - 10.0), (x, HEIGHT - BOTTOM), "m");
        if x + 4.0 + text_width(&text) < WIDTH - 8.0 {
            svg.text((x + 4.0, y), Anchor::Start, Look::Faint, &text);
        } else {
            svg.text((x - 4.0, y), Anchor::End, Look::Faint, &text);
        }
    }
}

/// The finite points, at most [`POINTS_MAX`] of them, first and last kept.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let finite: Vec<(f64, f64)> = points
        .iter()
        .copied()
        .filter(|(x, y)| x.is_finite() && y.is_finite())
        .collect();
    if finite.len() <= POINTS_MAX {
        return finite;
    }
    let last = finite.len() - 1;
    (0..POINTS_MAX)
        .filter_map(|i| finite.get(i * last / (POINTS_MAX - 1)).copied())
        .collect()
}
