//! When a sweep begins, and when it does not believe the clock.

use super::*;

const HOUR: i64 = 60 * 60 * 1_000;

/// Whose turn it is, this long after the last sweep and the first doubt; of a store that was made a year ago.
fn after(done: Option<i64>, doubted: Option<i64>) -> Turn {
    let ago = |ms: i64| NOW - ms;
    let sweeps = Sweeps {
        done_ms: done.map(ago),
        doubted_ms: doubted.map(ago),
    };
    turn(&sweeps, days(365), NOW)
}

#[test]
fn a_sweep_comes_a_day_after_the_last() {
    for (done, want) in [
        (0, Turn::In(DAY_MS)),
        (HOUR, Turn::In(23 * HOUR)),
        (DAY_MS - 1, Turn::In(1)),
        (DAY_MS, Turn::Now),
        (2 * DAY_MS, Turn::Now),
        // The clock was set back.
        (-9_999 * DAY_MS, Turn::In(DAY_MS)),
    ] {
        assert_eq!(after(Some(done), None), want, "{done}");
    }
    let new = turn(&Sweeps::default(), NOW, NOW);
    assert_eq!(new, Turn::Now, "a new store knows when it was made");
}

#[test]
fn a_clock_that_is_far_ahead_is_doubted_until_a_later_look_agrees() {
    let far = 2 * DAY_MS + 1;
    let doubted = Turn::Doubted(far);
    for (doubt, want) in [
        (None, doubted),
        (Some(0), Turn::In(HOUR)),
        (Some(HOUR - 1), Turn::In(1)),
        (Some(HOUR), Turn::Now),
        (Some(2 * DAY_MS), Turn::Now),
        // What was doubted then is no word for what the clock says now.
        (Some(far), doubted),
        (Some(-1), doubted),
    ] {
        assert_eq!(after(Some(far), doubt), want, "{doubt:?}");
    }
    // The clock was right, or was put right.
    assert_eq!(after(Some(2 * DAY_MS), Some(HOUR)), Turn::Now);
    assert_eq!(after(None, None), Turn::Doubted(365 * DAY_MS));
}
