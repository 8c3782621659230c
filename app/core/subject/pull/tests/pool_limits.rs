//! A pool with members that are not like the rest: code of forks, what is overridden, and a pause of everything.

use super::pooling::{GOING, GREEN, agreed, check, look, other, ran, tested};
use super::queueing::pool;
use super::*;
use crate::subject::pause::Pause;
use crate::training::spec::Trust;
use expect_test::expect;

#[test]
fn code_of_a_fork_makes_a_test_of_it_untrusted_and_what_is_overridden_is_left_out() {
    let mut fork = other(8, 'c', -1);
    (fork.1.trust, fork.1.overridden) = (Trust::Untrusted, vec!["unit".to_owned()]);
    check(
        &[fork],
        &[("b", 0, GREEN)],
        expect![[r#"
        Met the test is green (2 runs)
        merge
        test bc 0 train Untrusted"#]],
    );
}

#[test]
fn a_test_that_left_something_out_counts_while_that_is_overridden() {
    let agrees = |mut other: (PrNumber, Ready), names: &[&str]| {
        other.1.overridden = names.iter().map(|name| (*name).to_owned()).collect();
        other
    };
    let six = other(6, 'c', 1);
    let counts = "Waiting place 2 of 2: the test with #6 is green; it lands after #6 (1 runs)";
    for (members, wanted) in [
        (vec![agrees(six.clone(), &["unit"])], counts),
        (vec![agrees(six.clone(), &["unit", "train"])], counts),
        (
            vec![agrees(six, &[])],
            "Waiting place 2 of 2: its test begins",
        ),
    ] {
        let mut change = agreed();
        pool(&mut change, &members);
        let mut runs = tested("cb", 0, GREEN);
        runs.truncate(1);
        if let Trigger::Queue {
            whats, left_out, ..
        } = &mut runs[0].cause.trigger
        {
            whats.truncate(1);
            left_out.push((PrNumber(6), "unit".to_owned()));
        }
        let query = Query::QueueRuns(TRAINING, branch("main"));
        change.world.tell(query, Answer::Runs(runs));
        let (told, _) = look(&change, None);
        assert_eq!(told.lines().next(), Some(wanted));
    }
}

fn paused(change: &mut Change) {
    let pause = Pause {
        by: login("root"),
        why: "an incident".to_owned(),
        at_ms: NOW_MS,
    };
    change.world.tell(Query::Pause, Answer::Pause(Some(pause)));
}

#[test]
fn a_pause_lets_tests_go_on_and_nothing_land() {
    let mut change = agreed();
    ran(&mut change, &[("b", 0, GOING)]);
    let (_, act) = look(&change, None);
    paused(&mut change);
    expect!["Waiting place 1 of 1: tested (2 runs)"]
        .assert_eq(&look(&change, Some(act.state.clone())).0);
    ran(&mut change, &[("b", 0, GREEN)]);
    expect!["Met the test is green (2 runs)"].assert_eq(&look(&change, Some(act.state)).0);
    // Without tests nobody keeps a place that would hold up what may pass a pause by.
    let mut change = Change::code();
    change.says("rita", "/lgtm").says("root", "/approve");
    assert!(look(&change, None).1.state.ready.is_some());
    paused(&mut change);
    assert_eq!(look(&change, None).1.state.ready, None);
}
