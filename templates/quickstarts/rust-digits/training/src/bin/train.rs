//! Trains a random forest on data/train.csv and writes $OUTPUTS_DIR/model/model.json.
//!
//! The same data, settings and versions give the same bytes.

use smartcore::ensemble::random_forest_classifier::RandomForestClassifierParameters;
use std::path::{Path, PathBuf};
use trainer::{Forest, Rows, Trouble, accuracy, read};

/// Pixels that each split may choose from: the square root of all.
const PIXELS_PER_SPLIT: usize = 8;
/// Every so many rows, one is kept for validation; not ten, since the digits of the file come in turns of ten.
const VALIDATION_EVERY: usize = 11;

/// What `env` of the contract, or `/train TREES=200` on a pull request, can change.
struct Settings {
    seed: u64,
    trees: u16,
}

impl Settings {
    fn from_env() -> Result<Settings, Trouble> {
        let number = |name: &str, usual: u64| match std::env::var(name) {
            Ok(text) => text.parse().map_err(|_| format!("{name} must be a whole number, not {text}")),
            Err(_) => Ok(usual),
        };
        let trees = number("TREES", 100)?;
        match u16::try_from(trees) {
            Ok(trees @ 1..=1000) => Ok(Settings { seed: number("SEED", 0)?, trees }),
            _ => Err(format!("TREES must be 1 to 1000, not {trees}").into()),
        }
    }
}

fn main() -> Result<(), Trouble> {
    let settings = Settings::from_env()?;
    let rows = Rows::parse(&read(Path::new("data/train.csv"))?)?;
    println!("{} rows; SEED {}, TREES {}", rows.labels.len(), settings.seed, settings.trees);
    println!("progress=0.1");

    let (kept, held) = split(rows);
    let forest = Forest::fit(
        &kept.matrix()?,
        &kept.labels,
        RandomForestClassifierParameters::default()
            .with_n_trees(settings.trees)
            .with_m(PIXELS_PER_SPLIT)
            .with_seed(settings.seed),
    )?;
    println!("progress=0.8");
    for (name, rows) in [("train", &kept), ("validation", &held)] {
        let answers: Vec<u32> = forest.predict(&rows.matrix()?)?;
        println!("{name}_accuracy={:.4}", accuracy(&rows.labels, &answers));
    }

    let model = PathBuf::from(std::env::var_os("OUTPUTS_DIR").unwrap_or("outputs".into())).join("model");
    std::fs::create_dir_all(&model)?;
    let bytes = serde_json::to_vec(&forest)?;
    println!("model_bytes={}", bytes.len());
    std::fs::write(model.join("model.json"), bytes)?;
    println!("progress=1.0");
    Ok(())
}

/// Rows to fit on, and rows to validate on. They are the same for every SEED.
fn split(rows: Rows) -> (Rows, Rows) {
    let (mut kept, mut held) = (Rows::default(), Rows::default());
    for (number, (label, image)) in rows.labels.into_iter().zip(rows.images).enumerate() {
        let part = if number % VALIDATION_EVERY == 0 { &mut held } else { &mut kept };
        part.labels.push(label);
        part.images.push(image);
    }
    (kept, held)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_row_is_on_both_sides() {
        let rows = Rows { labels: (0..25).collect(), images: (0..25).map(|n| vec![n as f32]).collect() };
        let (kept, held) = split(rows);
        assert_eq!(held.labels, [0, 11, 22]);
        assert_eq!(kept.labels.len(), 22);
        assert!(kept.labels.iter().all(|label| !held.labels.contains(label)));
    }
}
