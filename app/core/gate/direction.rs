//! Which way a metric gets better.
//!
//! Known for the common names only; for all others the gate or its policy must say it. Never a guess.

use serde::{Deserialize, Serialize};

/// Which way a metric gets better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Higher is better.
    Up,
    /// Lower is better.
    Down,
}

/// The direction of a metric by the last word of its name: `val_accuracy` up, `test/loss` down, `loss_reduction` unknown.
pub fn direction_of(metric: &str) -> Option<Direction> {
    let name = metric.to_ascii_lowercase();
    let last = name.rsplit(['_', '-', '.', '/', ' ', ':']).next()?;
    if UP.contains(&last) {
        Some(Direction::Up)
    } else if DOWN.contains(&last) {
        Some(Direction::Down)
    } else {
        None
    }
}

impl Direction {
    /// The word in a contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Direction::Up => "up",
            Direction::Down => "down",
        }
    }

    /// The direction that a contract's word names.
    pub fn parse(word: &str) -> Option<Direction> {
        match word {
            "up" => Some(Direction::Up),
            "down" => Some(Direction::Down),
            _ => None,
        }
    }

    /// +1 where higher is better, −1 where lower is.
    pub fn sign(self) -> f64 {
        match self {
            Direction::Up => 1.0,
            Direction::Down => -1.0,
        }
    }
}

const UP: &[&str] = &[
    "acc",
    "accuracy",
    "auc",
    "auroc",
    "auprc",
    "bleu",
    "dice",
    "f1",
    "iou",
    "kappa",
    "mcc",
    "ndcg",
    "precision",
    "r2",
    "recall",
    "rouge",
    "sensitivity",
    "specificity",
];

const DOWN: &[&str] = &[
    "brier",
    "cer",
    "ece",
    "err",
    "error",
    "latency",
    "logloss",
    "loss",
    "mae",
    "mape",
    "mse",
    "nll",
    "perplexity",
    "rmse",
    "rmsle",
    "wer",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_names_are_known_and_others_are_not_guessed() {
        for name in ["accuracy", "val_accuracy", "eval/F1", "roc_auc", "test.r2"] {
            assert_eq!(direction_of(name), Some(Direction::Up), "{name}");
        }
        for name in ["loss", "val-loss", "test/rmse", "mean_absolute_error"] {
            assert_eq!(direction_of(name), Some(Direction::Down), "{name}");
        }
        for name in [
            "",
            "score",
            "loss_reduction",
            "accuracy2",
            "n_test",
            "latency_p95",
        ] {
            assert_eq!(direction_of(name), None, "{name}");
        }
    }
}
