//! What training and judging share: the rows of a CSV file, and the file of a model.

use smartcore::ensemble::random_forest_classifier::RandomForestClassifier;
use smartcore::linalg::basic::matrix::DenseMatrix;
use std::error::Error;
use std::path::Path;

/// Pixels of an image: 8 lines of 8.
pub const PIXELS: usize = 64;
/// The digits.
pub const CLASSES: usize = 10;
/// A pixel full of ink; 0 is paper.
pub const INK_MAX: f32 = 16.0;

/// A forest as it is written to `model.json`. Trees split on raw pixels: no scaling stands between them and a request.
pub type Forest = RandomForestClassifier<f32, u32, DenseMatrix<f32>, Vec<u32>>;

/// Why something cannot go on, in words for its reader.
pub type Trouble = Box<dyn Error>;

/// Images with their labels, in the order of the file.
#[derive(Debug, Default, PartialEq)]
pub struct Rows {
    pub labels: Vec<u32>,
    pub images: Vec<Vec<f32>>,
}

impl Rows {
    /// Reads `label,pixel_0,…,pixel_63` with a header. Errors: the line that is something else.
    pub fn parse(text: &str) -> Result<Rows, Trouble> {
        let mut rows = Rows::default();
        for (number, line) in text.lines().enumerate().skip(1) {
            let wrong = |why: &str| format!("line {}: {why}", number + 1);
            let values: Result<Vec<f32>, _> = line.split(',').map(str::parse).collect();
            let values = values.map_err(|_| wrong("every value must be a number"))?;
            let (label, pixels) = values.split_first().ok_or_else(|| wrong("is empty"))?;
            if pixels.len() != PIXELS {
                return Err(wrong("a row is a label and 64 pixels").into());
            }
            if pixels.iter().any(|pixel| !(0.0..=INK_MAX).contains(pixel)) {
                return Err(wrong("pixels go from 0 to 16").into());
            }
            if !(0..CLASSES).any(|digit| digit as f32 == *label) {
                return Err(wrong("a label is a digit").into());
            }
            rows.labels.push(*label as u32);
            rows.images.push(pixels.to_vec());
        }
        match rows.labels.is_empty() {
            true => Err("there are no rows".into()),
            false => Ok(rows),
        }
    }

    /// The images as a matrix, a row each.
    pub fn matrix(&self) -> Result<DenseMatrix<f32>, Trouble> {
        Ok(DenseMatrix::from_2d_vec(&self.images)?)
    }
}

/// Reads a file, and says which one where that fails.
pub fn read(path: &Path) -> Result<String, Trouble> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()).into())
}

/// The value of a variable. Errors: its name, and what it is for.
pub fn variable(name: &str) -> Result<String, Trouble> {
    std::env::var(name).map_err(|_| format!("{name} is not set").into())
}

/// The share of answers that are right.
pub fn accuracy(truth: &[u32], answers: &[u32]) -> f64 {
    let right = truth.iter().zip(answers).filter(|(a, b)| a == b).count();
    right as f64 / truth.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_a_digit_and_its_pixels() {
        let row = |label: &str, pixel: &str| {
            let pixels = vec![pixel; PIXELS].join(",");
            Rows::parse(&format!("header\n{label},{pixels}\n"))
        };
        assert_eq!(row("7", "16").map(|rows| rows.labels).ok(), Some(vec![7]));
        for (label, pixel) in [("10", "0"), ("1.5", "0"), ("1", "17"), ("1", "x"), ("-1", "0")] {
            assert!(row(label, pixel).is_err(), "{label} {pixel}");
        }
        assert!(Rows::parse("header\n1,2,3\n").is_err());
        assert!(Rows::parse("header\n").is_err());
    }

    #[test]
    fn accuracy_is_a_share() {
        assert_eq!(accuracy(&[1, 2, 3, 4], &[1, 2, 3, 0]), 0.75);
    }
}
