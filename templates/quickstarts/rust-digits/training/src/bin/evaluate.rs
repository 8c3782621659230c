//! Judges a model on rows that no training saw.
//!
//! Gets MODEL_DIR (model.json), DATA_DIR (test.csv) and OUTPUTS_DIR; needs no network and nothing of train.rs. The live
//! model is judged by this same program on the same rows.
//! Writes metrics.json (flat), samples.jsonl (raw inputs with the model's own answers; the service must give the same),
//! schema.json (what a request looks like) and plots/confusion.svg.

use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::PathBuf;
use trainer::{CLASSES, Forest, INK_MAX, PIXELS, Rows, Trouble, read, variable};

/// Rows of each digit that become samples.
const SAMPLES_PER_DIGIT: usize = 3;

/// How often each digit (row) was read as each digit (column).
type Counts = [[u32; CLASSES]; CLASSES];

fn main() -> Result<(), Trouble> {
    let model = PathBuf::from(variable("MODEL_DIR")?).join("model.json");
    let data = PathBuf::from(variable("DATA_DIR")?).join("test.csv");
    let outputs = PathBuf::from(variable("OUTPUTS_DIR")?);

    let rows = Rows::parse(&read(&data)?)?;
    let forest: Forest =
        serde_json::from_str(&read(&model)?).map_err(|error| format!("the model cannot be read: {error}"))?;
    println!("progress=0.4");
    let answers: Vec<u32> = forest.predict(&rows.matrix()?)?;
    if answers.len() != rows.labels.len() || answers.iter().any(|label| *label >= CLASSES as u32) {
        return Err("the model answers something else than one digit a row".into());
    }
    println!("progress=0.8");

    let counts = confusion(&rows.labels, &answers);
    let metrics = measure(&counts);
    std::fs::create_dir_all(outputs.join("plots"))?;
    std::fs::write(outputs.join("metrics.json"), format!("{metrics:#}\n"))?;
    std::fs::write(outputs.join("samples.jsonl"), samples(&rows, &answers))?;
    std::fs::write(outputs.join("schema.json"), format!("{:#}\n", schema()))?;
    std::fs::write(outputs.join("plots/confusion.svg"), draw(&counts))?;
    let (reached, constant) = (&metrics["accuracy"], &metrics["baseline.accuracy"]);
    println!("accuracy {reached} on {} rows; {constant} by a constant answer", rows.labels.len());
    println!("progress=1.0");
    Ok(())
}

fn confusion(truth: &[u32], answers: &[u32]) -> Counts {
    let mut counts = Counts::default();
    for (truth, answer) in truth.iter().zip(answers) {
        counts[*truth as usize][*answer as usize] += 1;
    }
    counts
}

/// Accuracy, macro F1, recall of each digit, and what the commonest digit as the only answer would reach.
fn measure(counts: &Counts) -> Value {
    let of_digit: Vec<u32> = counts.iter().map(|row| row.iter().sum()).collect();
    let commonest = (0..CLASSES).max_by_key(|digit| of_digit[*digit]).unwrap_or_default();
    let mut constant = Counts::default();
    for (digit, rows) in of_digit.iter().enumerate() {
        constant[digit][commonest] = *rows;
    }
    let mut metrics = json!({
        "accuracy": accuracy(counts),
        "f1": macro_f1(counts),
        "n_test": of_digit.iter().sum::<u32>(),
        "baseline.accuracy": accuracy(&constant),
        "baseline.f1": macro_f1(&constant),
    });
    for digit in 0..CLASSES {
        let recall = f64::from(counts[digit][digit]) / f64::from(of_digit[digit].max(1));
        metrics[format!("recall.{digit}")] = json!(rounded(recall));
    }
    metrics
}

fn accuracy(counts: &Counts) -> f64 {
    let right: u32 = (0..CLASSES).map(|digit| counts[digit][digit]).sum();
    let all: u32 = counts.iter().flatten().sum();
    rounded(f64::from(right) / f64::from(all.max(1)))
}

/// The mean over digits of 2·hits / (times it was + times it was answered).
fn macro_f1(counts: &Counts) -> f64 {
    let of_digit = (0..CLASSES).map(|digit| {
        let was: u32 = counts[digit].iter().sum();
        let answered: u32 = counts.iter().map(|row| row[digit]).sum();
        2.0 * f64::from(counts[digit][digit]) / f64::from((was + answered).max(1))
    });
    rounded(of_digit.sum::<f64>() / CLASSES as f64)
}

fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

/// The first rows of each digit, with the model's answer, right or wrong.
fn samples(rows: &Rows, answers: &[u32]) -> String {
    let mut text = String::new();
    for digit in 0..CLASSES as u32 {
        let of_digit = (0..rows.labels.len()).filter(|row| rows.labels[*row] == digit);
        for row in of_digit.take(SAMPLES_PER_DIGIT) {
            let input = json!({"rows": [rows.images[row]]});
            let line = json!({"input": input, "output": {"labels": [answers[row]]}, "tolerance": 0});
            text.push_str(&format!("{line}\n"));
        }
    }
    text
}

fn schema() -> Value {
    let pixel = json!({"type": "number", "minimum": 0, "maximum": INK_MAX});
    let row = json!({"type": "array", "minItems": PIXELS, "maxItems": PIXELS, "items": pixel});
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Images of handwritten digits",
        "type": "object",
        "required": ["rows"],
        "properties": {
            "rows": {
                "description": "One list of 64 numbers an image: 8 lines of 8 pixels, from 0 (paper) to 16 (ink).",
                "type": "array",
                "minItems": 1,
                "items": row,
            },
        },
    })
}

/// The confusion matrix as a picture that needs nothing from outside, on its own background.
fn draw(counts: &Counts) -> String {
    let (cell, left, top) = (34, 64, 66);
    let side = CLASSES * cell;
    let (width, height) = (left + side + 18, top + side + 18);
    let all: u32 = counts.iter().flatten().sum();
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13" text-anchor="middle">
<title>Confusion matrix</title>
<rect width="{width}" height="{height}" fill="#ffffff"/>
<text x="{}" y="22" fill="#1f2328" font-weight="bold">accuracy {:.4} on {all} rows</text>
<text x="{}" y="42" fill="#59636e">read as</text>
<text transform="translate(20 {}) rotate(-90)" fill="#59636e">digit</text>
"##,
        width / 2,
        accuracy(counts),
        left + side / 2,
        top + side / 2,
    );
    for (digit, row) in counts.iter().enumerate() {
        let middle = digit * cell + cell / 2;
        let _ =
            writeln!(svg, r##"<text x="{}" y="{}" fill="#1f2328">{digit}</text>"##, left + middle, top - 8);
        let _ = writeln!(
            svg,
            r##"<text x="{}" y="{}" fill="#1f2328">{digit}</text>"##,
            left - 14,
            top + middle + 5
        );
        let rows: u32 = row.iter().sum();
        for (said, count) in row.iter().enumerate() {
            let (x, y) = (left + said * cell, top + digit * cell);
            let share = f64::from(*count) / f64::from(rows.max(1));
            let colour = match digit == said {
                true => tint([26.0, 127.0, 55.0], share),
                false => tint([207.0, 34.0, 46.0], 4.0 * share),
            };
            let size = cell - 2;
            let _ =
                writeln!(svg, r##"<rect x="{x}" y="{y}" width="{size}" height="{size}" fill="{colour}"/>"##);
            if *count > 0 {
                let ink = if share > 0.5 { "#ffffff" } else { "#1f2328" };
                let (x, y) = (x + cell / 2 - 1, y + cell / 2 + 4);
                let _ = writeln!(svg, r##"<text x="{x}" y="{y}" fill="{ink}">{count}</text>"##);
            }
        }
    }
    svg + "</svg>\n"
}

/// The colour mixed into light grey.
fn tint(colour: [f64; 3], strength: f64) -> String {
    let strength = strength.clamp(0.0, 1.0);
    let [red, green, blue] = colour.map(|part| (246.0 + (part - 246.0) * strength).round() as u8);
    format!("#{red:02x}{green:02x}{blue:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_the_table() {
        // Nine digits are read rightly, once each; the first is read as the second.
        let truth: Vec<u32> = (0..10).collect();
        let answers = [1, 1, 2, 3, 4, 5, 6, 7, 8, 9];
        let metrics = measure(&confusion(&truth, &answers));
        assert_eq!(metrics["accuracy"], 0.9);
        assert_eq!(metrics["baseline.accuracy"], 0.1);
        assert_eq!(metrics["n_test"], 10);
        assert_eq!((&metrics["recall.0"], &metrics["recall.1"]), (&json!(0.0), &json!(1.0)));
        // Eight digits with 1, one with 2/3, one with 0.
        assert_eq!(metrics["f1"], 0.866667);
    }

    #[test]
    fn samples_are_raw_rows_with_the_models_own_answer() {
        let rows = Rows { labels: vec![7; 5], images: vec![vec![1.5; PIXELS]; 5] };
        let text = samples(&rows, &[7, 1, 7, 7, 7]);
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(lines.len(), SAMPLES_PER_DIGIT);
        assert_eq!(lines[1]["output"]["labels"], json!([1]));
        assert_eq!(lines[0]["input"]["rows"][0][0], 1.5);
    }
}
