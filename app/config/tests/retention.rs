use super::*;
use bowsprit_core::retention::DAY_MS;

#[test]
fn what_is_over_is_kept_for_a_while_if_nothing_is_said() {
    let dir = home();
    let keep = load(&dir, &good(&dir), &[]).unwrap().retention;
    assert_eq!(keep.runs, Some(90 * DAY_MS));
    assert_eq!(keep.deliveries, Some(30 * DAY_MS));
    assert_eq!(keep.dead_letters, Some(365 * DAY_MS));
    assert_eq!(keep.events, Some(365 * DAY_MS));
    assert_eq!(keep.artifacts_unused, Some(30 * DAY_MS));
}

#[test]
fn it_may_be_kept_for_ever_or_longer() {
    let dir = home();
    let said = "[retention]\nruns = \"never\"\nevents = 0\ndeliveries = \"720h\"\nartifacts_unused = \"7d\"\n";
    let keep = load(&dir, &(good(&dir) + said), &[]).unwrap().retention;
    assert_eq!((keep.runs, keep.events), (None, None));
    assert_eq!(keep.deliveries, Some(30 * DAY_MS));
    assert_eq!(keep.artifacts_unused, Some(7 * DAY_MS));
}

#[test]
fn what_is_too_short_is_refused_with_what_works() {
    let dir = home();
    let said = "[retention]\nruns = \"13d\"\ndeliveries = \"3d\"\nartifacts_unused = \"a month\"\n";
    let problems = load(&dir, &(good(&dir) + said), &[]).unwrap_err();
    assert_eq!(
        problems,
        [
            "line 7: `retention.runs`: `13d` is too short, pages and checks still lead to them: say `14d` or more, or `never` to keep them for ever",
            "line 8: `retention.deliveries`: `3d` is too short, what GitHub sends again is known by them: say `30d` or more, or `never` to keep them for ever",
            "line 9: `retention.artifacts_unused`: `a month` is not a time such as `30d`, nor `never`",
        ]
    );
}
