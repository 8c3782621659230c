//! How long a merge queue takes to land fifty pull requests, by simulation.
//!
//! `cargo bench --bench queue`; nothing runs but arithmetic, so the figures are the same on every machine.

use bowsprit_core::name::{CommitSha, PrNumber};
use bowsprit_core::queue;

mod simulation;

use queue::Limits;
use simulation::{MERGE_MS, Setting, play};
use std::collections::BTreeSet;

/// Pull requests that are ready at the beginning.
const COUNT: u64 = 50;

/// Worlds for each line; with one bad member, it stands at each place equally often.
const WORLDS: u64 = 1_000;

/// How a queue may be set up.
const WAYS: [(&str, Limits); 3] = [
    (
        "serial",
        Limits {
            at_once: 1,
            batch: 1,
        },
    ),
    (
        "batches",
        Limits {
            at_once: 1,
            batch: 64,
        },
    ),
    (
        "prefixes",
        Limits {
            at_once: 3,
            batch: 64,
        },
    ),
];

/// What many worlds of one kind came to.
struct Line {
    mean_min: f64,
    worst_min: f64,
    tests: f64,
    /// Good members that were put out, of all worlds.
    wronged: usize,
}

fn main() {
    println!(
        "| test | flakes | bad | way | minutes, mean | worst | tests | put out though good, of {} |",
        COUNT * WORLDS
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for test_min in [1, 10, 120] {
        for flakes in [0, 2, 10] {
            for bad in [0, 1] {
                for (way, limits) in WAYS {
                    let line = line((test_min, flakes, bad), limits);
                    println!(
                        "| {test_min} min | {flakes} % | {bad} | {way} | {:.1} | {:.1} | {:.1} | {} |",
                        line.mean_min, line.worst_min, line.tests, line.wronged
                    );
                }
                let optimum = optimum((test_min, flakes, bad));
                println!(
                    "| {test_min} min | {flakes} % | {bad} | one runner that knows | {optimum:.1} | | | |"
                );
            }
        }
    }
}

/// One runner that knows who is bad, and tests all the others at once until that is green. Units: minutes.
fn optimum((test_min, flakes, bad): (i64, u64, u64)) -> f64 {
    let tests = 100.0 / (100 - flakes) as f64;
    test_min as f64 * tests + (COUNT - bad) as f64 * MERGE_MS as f64 / 60_000.0
}

fn line((test_min, flakes_percent, bad): (i64, u64, u64), limits: Limits) -> Line {
    let (mut sum, mut worst, mut tests, mut wronged) = (0, 0, 0, 0);
    for seed in 0..WORLDS {
        let bad: BTreeSet<u64> = (0..bad).map(|_| 1 + seed % COUNT).collect();
        let ending = play(&Setting {
            count: COUNT,
            bad: bad.clone(),
            test_ms: test_min * 60_000,
            flakes_percent,
            limits,
            seed,
        });
        sum += ending.landed_ms;
        worst = worst.max(ending.landed_ms);
        tests += ending.tests;
        wronged += ending.out.iter().filter(|one| !bad.contains(one)).count();
    }
    Line {
        mean_min: sum as f64 / WORLDS as f64 / 60_000.0,
        worst_min: worst as f64 / 60_000.0,
        tests: tests as f64 / WORLDS as f64,
        wronged,
    }
}
