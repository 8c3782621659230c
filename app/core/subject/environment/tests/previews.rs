//! Previews: as long as their pull requests, until somebody removes them, and for heads that somebody answers for.

use super::*;

/// Somebody answers for this head.
fn shown(head: char) -> Hint {
    Hint::Shown { head: sha(head) }
}

/// A preview of `#7` whose head is `2…`, tested or not.
fn preview_world(head: char, is_tested: bool) -> World {
    let mut world = World::pair();
    world.contract(SERVICE, head, SERVICE_TEXT);
    world.tell(
        Query::Pull(SERVICE, PrNumber(7)),
        Answer::Pull(Some(pull_view(SERVICE, 7, "topic", ('1', head)))),
    );
    let trigger = Trigger::Pull {
        pr: PrNumber(7),
        base: sha('1'),
        retargeted_ms: None,
    };
    let phase = if is_tested {
        Phase::Succeeded
    } else {
        Phase::Failed
    };
    let tests = run(cause(SERVICE, head, What::Service, trigger), phase);
    world.tell(Query::Runs(SERVICE, sha(head)), Answer::Runs(vec![tests]));
    world.tell(
        Query::Models(SERVICE, sha(head)),
        Answer::Models(vec![manifest(1, "one")]),
    );
    world
}

#[test]
fn a_preview_lives_while_its_pull_request_does() {
    check(
        &preview_world('2', false),
        "pr-7",
        None,
        vec![],
        expect![[""]],
    );
    let mut world = preview_world('2', true);
    // Its tests ran, and nobody lets it be shown; or another head was.
    for hints in [vec![], vec![shown('3')]] {
        check(&world, "pr-7", None, hints, expect![[""]]);
    }
    let state = check(
        &world,
        "pr-7",
        None,
        vec![shown('2')],
        expect![[r#"
        deploy pr-7 #1 at 2222222 digits v1
        deployment preview-7 InProgress: v1: being rolled out
        event pr-7 wants v1 ()
        look after 15 s"#]],
    );
    gateway(&mut world, "pr-7", 1, RolloutPhase::Live);
    let state = check(
        &world,
        "pr-7",
        Some(state),
        vec![],
        expect![[r#"
        deployment preview-7 Success: v1: verified and live
        wake pull/2/7
        event pr-7 serves v1 (verified and live)
        look after 259200 s"#]],
    );
    check(
        &world,
        "pr-7",
        Some(state.clone()),
        vec![],
        expect!["look after 259195 s"],
    );
    check(
        &world,
        "pr-7",
        Some(state.clone()),
        vec![Hint::Gone],
        expect![[r#"
            remove pr-7
            deployment preview-7 Inactive: v1: the pull request is closed
            event pr-7 removed (the pull request is closed)"#]],
    );
    let view = PullView {
        is_open: false,
        ..pull_view(SERVICE, 7, "topic", ('1', '2'))
    };
    world.tell(Query::Pull(SERVICE, PrNumber(7)), Answer::Pull(Some(view)));
    let gone = check(
        &world,
        "pr-7",
        Some(state),
        vec![],
        expect![[r#"
        remove pr-7
        deployment preview-7 Inactive: v1: the pull request is closed
        event pr-7 removed (the pull request is closed)"#]],
    );
    check(&world, "pr-7", Some(gone), vec![], expect![[""]]);
}

#[test]
fn a_preview_that_somebody_removed_stays_away_until_a_push() {
    let mut world = preview_world('2', true);
    let state = look(&world, "pr-7", &given(None, vec![shown('2')])).state;
    gateway(&mut world, "pr-7", 1, RolloutPhase::Live);
    let state = look(&world, "pr-7", &given(Some(state), vec![])).state;
    let state = check(
        &world,
        "pr-7",
        Some(state),
        vec![Hint::Removed],
        expect![[r#"
            remove pr-7
            deployment preview-7 Inactive: v1: removed by hand; a push brings it back
            event pr-7 removed (removed by hand; a push brings it back)"#]],
    );
    assert_eq!(state.expired, Some(sha('2')), "nobody orders it again");
    check(&world, "pr-7", Some(state.clone()), vec![], expect![[""]]);
    let pushed = preview_world('3', true);
    let hints = vec![shown('3')];
    let back = look(&pushed, "pr-7", &given(Some(state), hints)).state;
    assert_eq!(back.wanted.map(|release| release.commit), Some(sha('3')));
    assert!(!back.is_gone);
}

#[test]
fn a_closed_preview_that_serves_without_our_knowing_is_removed() {
    let mut world = preview_world('2', true);
    let view = PullView {
        is_open: false,
        ..pull_view(SERVICE, 7, "topic", ('1', '2'))
    };
    world.tell(Query::Pull(SERVICE, PrNumber(7)), Answer::Pull(Some(view)));
    check(&world, "pr-7", None, vec![], expect![[""]]);
    gateway(&mut world, "pr-7", 4, RolloutPhase::Waiting);
    let gone = check(
        &world,
        "pr-7",
        None,
        vec![],
        expect![[r#"
            remove pr-7
            event pr-7 removed (the pull request is closed)"#]],
    );
    assert!(gone.is_gone);
    check(&world, "pr-7", Some(gone), vec![], expect![[""]]);
}

#[test]
fn a_preview_has_its_time_and_a_push_brings_it_back() {
    let mut world = preview_world('2', true);
    gateway(&mut world, "pr-7", 1, RolloutPhase::Live);
    let mut old = serves("pr-7", &[], &second(), NOW_MS - 73 * 3_600_000);
    old.pr = Some(PrNumber(7));
    let gone = check(
        &world,
        "pr-7",
        Some(old.clone()),
        vec![],
        expect![[r#"
        remove pr-7
        deployment preview-7 Inactive: v2: its time is over; a push brings it back
        event pr-7 removed (its time is over; a push brings it back)"#]],
    );
    assert_eq!((gone.expired.clone(), gone.is_gone), (Some(sha('2')), true));
    check(&world, "pr-7", Some(gone.clone()), vec![], expect![[""]]);
    let pushed = preview_world('3', true);
    let back = check(
        &pushed,
        "pr-7",
        Some(gone),
        vec![shown('3')],
        expect![[r#"
        deploy pr-7 #2 at 3333333 digits v1
        deployment preview-7 InProgress: v1: being rolled out
        event pr-7 wants v1 ()
        look after 15 s"#]],
    );
    check(
        &pushed,
        "pr-7",
        Some(back),
        vec![],
        expect!["look after 15 s"],
    );
    // A push whose tests failed does not keep the old preview for ever, nor ask for a look in the past.
    let failed = preview_world('3', false);
    let gone = check(
        &failed,
        "pr-7",
        Some(old.clone()),
        vec![],
        expect![[r#"
        remove pr-7
        deployment preview-7 Inactive: v2: its time is over; a push brings it back
        event pr-7 removed (its time is over; a push brings it back)"#]],
    );
    assert_eq!(gone.expired, Some(sha('2')));
    // A tested push goes before the end of the time.
    check(
        &pushed,
        "pr-7",
        Some(old),
        vec![shown('3')],
        expect![[r#"
        deploy pr-7 #2 at 3333333 digits v1
        deployment preview-7 InProgress: v1: being rolled out
        event pr-7 wants v1 ()
        look after 15 s"#]],
    );
}

#[test]
fn a_preview_is_trusted_as_far_as_its_head_is() {
    for (head_repo, trust) in [
        (Some(SERVICE), ""),
        (Some(TRAINING), " untrusted"),
        (None, " untrusted"),
    ] {
        let mut world = preview_world('2', true);
        let mut view = pull_view(SERVICE, 7, "topic", ('1', '2'));
        if let Some(change) = &mut view.change {
            change.head_repo = head_repo;
        }
        world.tell(Query::Pull(SERVICE, PrNumber(7)), Answer::Pull(Some(view)));
        let act = drive(&world, |ask| {
            let given = given(None, vec![shown('2')]);
            step(&given, (SERVICE, &slug("pr-7")), ask)
        });
        let told = told(&act.expect("a preview"));
        let line = format!("deploy pr-7 #1 at 2222222 digits v1{trust}\n");
        assert!(told.starts_with(&line), "{told}");
    }
}
