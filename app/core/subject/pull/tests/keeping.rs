//! Tests of a pool that must not be ended, left out or waited for without need.

use super::pooling::{GOING, agreed, look, other, tested};
use super::queueing::pool;
use super::*;
use crate::subject::ask::Chain;
use expect_test::expect;

fn ran(change: &mut Change, runs: impl IntoIterator<Item = Vec<Run>>) {
    let runs = runs.into_iter().flatten().collect();
    let query = Query::QueueRuns(TRAINING, branch("main"));
    change.world.tell(query, Answer::Runs(runs));
}

#[test]
fn what_a_test_that_begins_may_wait_for_goes_on() {
    let mut change = agreed();
    pool(&mut change, &[other(8, 'c', -1)]);
    // `d` has left; of the test that follows only one of two runs is there, and the other may want the same as the old one.
    let mut begins = tested("bc", 0, GOING);
    begins.pop();
    let old = || tested("bdc", 0, GOING);
    ran(&mut change, [old(), begins.clone(), tested("b", 0, GOING)]);
    expect!["Waiting place 1 of 2: tested (2 runs)"].assert_eq(&look(&change, None).0);
    // One that never came is not waited for without end.
    begins[0].created_ms = NOW_MS - 3_600_000;
    ran(&mut change, [old(), begins, tested("b", 0, GOING)]);
    expect![[r#"
        Waiting place 1 of 2: tested (2 runs)
        run Some(RunUnneeded)"#]]
    .assert_eq(&look(&change, None).0);
}

#[test]
fn tests_with_members_that_were_silent_go_on() {
    let mut silent = other(9, 'd', -2);
    silent.1.at_ms = NOW_MS - 3_600_000;
    let tests = || [tested("b", 0, GOING), tested("bd", 0, GOING)];
    for (others, wanted) in [
        (
            vec![silent],
            expect!["Waiting place 1 of 1: tested (2 runs)"],
        ),
        (
            Vec::new(),
            expect![[r#"
                Waiting place 1 of 1: tested (2 runs)
                run Some(RunUnneeded)"#]],
        ),
    ] {
        let mut change = agreed();
        pool(&mut change, &others);
        ran(&mut change, tests());
        wanted.assert_eq(&look(&change, None).0);
    }
}

#[test]
fn a_merge_whose_paths_are_cut_runs_every_check_that_may_apply() {
    let check = "  - {name: docs, run: [x], run_if_changed: '^docs/'}\nchatops: {merge_tests: 3}\n";
    let text = TRAINING_TEXT.replace("  - {name: lint, run: [ruff], optional: true}\n", check);
    assert_ne!(text, TRAINING_TEXT);
    for (is_cut, wanted) in [
        (
            false,
            expect![[r#"
        Waiting place 1 of 1: its test begins
        test b 0 train Trusted
        test b 0 unit Trusted"#]],
        ),
        (
            true,
            expect![[r#"
        Waiting place 1 of 1: its test begins
        test b 0 train Trusted
        test b 0 unit Trusted
        test b 0 docs Trusted"#]],
        ),
    ] {
        let mut change = agreed();
        change.world.contract(TRAINING, 'a', &text);
        pool(&mut change, &[]);
        let made = Query::Chain(TRAINING, sha('a'), vec![sha('b')]);
        let chain = Chain {
            commit: sha('f'),
            conflicts: Vec::new(),
        };
        change.world.tell(made, Answer::Chain(chain));
        let changes = Changes {
            merge_base: sha('a'),
            files: [(path("train.py"), (Some(sha('0')), Some(sha('b'))))].into(),
            is_cut,
        };
        let merged = Query::Changes(TRAINING, sha('a'), sha('f'));
        change.world.tell(merged, Answer::Changes(changes));
        wanted.assert_eq(&look(&change, None).0);
    }
}
