//! Pictures of figures: SVG files and Mermaid text, the same bytes for the same figures.
//!
//! The SVG stands alone: opaque background, no script, no font, no address, colours for light and dark in its own style,
//! so that it shows as an image in a pull request and on a page. All text is foreign and escaped.

mod axis;
mod bars;
mod lines;
mod matrix;
mod mermaid;
#[cfg(test)]
mod picture_tests;
mod svg;

// One public path to each: `chart::x`; the files are for the reader.
pub use bars::bar_chart;
pub use lines::line_chart;
pub use matrix::confusion_matrix;
pub use mermaid::mermaid_line;

/// One line of a chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// Its points, in the order of drawing; points that are not finite are dropped.
    pub points: Vec<(f64, f64)>,
}

/// A vertical line that points something out.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// Where it stands.
    pub x: f64,
    /// What it says.
    pub label: String,
}
