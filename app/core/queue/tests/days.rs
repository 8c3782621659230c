//! Whole days: fifty pull requests, ready at once.

use crate::name::{CommitSha, PrNumber};
use crate::queue;
use crate::queue::tests::{NARROW, WIDE};
use std::collections::BTreeSet;

#[path = "../../../../benches/queue/simulation.rs"]
mod simulation;

use simulation::{MERGE_MS, Setting, play};

const TEST_MS: i64 = 600_000;

fn day(bad: &[u64], flakes_percent: u64, limits: queue::Limits) -> Setting {
    Setting {
        count: 50,
        bad: bad.iter().copied().collect(),
        test_ms: TEST_MS,
        flakes_percent,
        limits,
        seed: 1,
    }
}

#[test]
fn without_bad_members_all_land_after_one_test() {
    for limits in [WIDE, NARROW] {
        let ending = play(&day(&[], 0, limits));
        let optimum = TEST_MS + 50 * MERGE_MS;
        assert_eq!(ending.landed_ms, optimum);
        assert_eq!(ending.landed, (1..=50).collect::<Vec<u64>>());
    }
}

#[test]
fn one_bad_member_costs_at_most_six_tests_wherever_it_stands() {
    for bad in 1..=50 {
        let ending = play(&day(&[bad], 0, WIDE));
        assert_eq!(ending.out, [bad]);
        assert_eq!(ending.landed.len(), 49);
        assert!(ending.landed_ms <= 6 * TEST_MS, "{bad}: {ending:?}");
    }
}

#[test]
fn one_runner_ends_and_finds_them_all() {
    for bad in [&[1, 2][..], &[1, 50], &[25, 26, 27], &[]] {
        let ending = play(&day(bad, 0, NARROW));
        assert_eq!(ending.landed.len(), 50 - bad.len());
        let out: BTreeSet<u64> = ending.out.iter().copied().collect();
        assert_eq!(out, bad.iter().copied().collect());
    }
}

#[test]
fn a_flaky_test_costs_hardly_more_than_its_repetition() {
    let seeds = 0..100;
    let count = seeds.end as i64;
    let days = seeds.map(|seed| {
        let setting = Setting {
            seed,
            ..day(&[], 10, WIDE)
        };
        play(&setting).landed_ms
    });
    // One runner that repeats the one test until it is green needs ten ninths of a test.
    let optimum = TEST_MS * 10 / 9 + 50 * MERGE_MS;
    assert!(days.sum::<i64>() / count <= optimum * 11 / 10);
}

#[test]
fn the_same_day_goes_the_same_way() {
    let setting = day(&[7], 10, WIDE);
    assert_eq!(play(&setting), play(&setting));
}
