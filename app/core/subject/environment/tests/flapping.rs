//! A server that dies and comes back: what is remembered of it, what is told, and what follows it.

use super::*;
use crate::effect::DeploymentState;

/// What the gateway says of the first order; `since` is how long ago its server began to answer. Units: milliseconds.
fn says(world: &mut World, phase: RolloutPhase, since: Option<i64>) {
    let serving = since.map(|ago_ms| Serving {
        release: "rel-2".to_owned(),
        since_ms: NOW_MS - ago_ms,
        versions: BTreeMap::new(),
        digests: BTreeMap::new(),
        p50_us: 1,
        p95_us: 1,
    });
    let live = Live {
        generation: 1,
        phase,
        reason: (phase != RolloutPhase::Live).then(|| "signal 9".to_owned()),
        serving,
        url: "http://127.0.0.1:4700".to_owned(),
        pid: 1,
        updated_ms: NOW_MS,
    };
    let of_staging = Query::Live(SERVICE, slug("staging"));
    world.tell(of_staging, Answer::Live(Some(live)));
}

/// Staging as it serves v1 of its branch, and the world that it stands in.
fn staging() -> (World, Environment) {
    let mut world = World::pair();
    world.tell(
        Query::Models(SERVICE, sha('1')),
        Answer::Models(vec![manifest(1, "one")]),
    );
    let state = look(&world, "staging", &given(None, vec![])).state;
    says(&mut world, RolloutPhase::Live, Some(700_000));
    let state = look(&world, "staging", &given(Some(state), vec![])).state;
    (world, state)
}

#[test]
fn one_that_comes_and_goes_is_one_entry_and_tells_nothing() {
    let (mut world, mut state) = staging();
    assert_eq!(state.up_since_ms, Some(NOW_MS - 700_000));
    state.verified.insert(
        0,
        Verified {
            release: release("rel-0", '0', 7, "seven"),
            at_ms: 0,
        },
    );
    for _ in 0..2 * HISTORY_MAX {
        says(&mut world, RolloutPhase::Starting, None);
        let act = look(&world, "staging", &given(Some(state), vec![]));
        assert_eq!(act.intents, vec![], "a death is no news for GitHub");
        assert_eq!(act.state.up_since_ms, None);
        says(&mut world, RolloutPhase::Live, Some(700_000));
        let act = look(&world, "staging", &given(Some(act.state), vec![]));
        assert_eq!(act.intents, vec![], "nor is what follows it");
        assert_eq!(act.state.up_since_ms, Some(NOW_MS));
        state = act.state;
    }
    let known: Vec<String> = state.verified.iter().map(|v| v.release.shown()).collect();
    assert_eq!(known, ["v7", "v1"], "what `/rollback` needs is still known");
    assert_eq!(state.live_since_ms, Some(NOW_MS - 700_000));
}

#[test]
fn a_break_that_nobody_saw_counts_too() {
    let (mut world, state) = staging();
    says(&mut world, RolloutPhase::Live, Some(4_000));
    let state = look(&world, "staging", &given(Some(state), vec![])).state;
    assert_eq!(state.up_since_ms, Some(NOW_MS - 4_000));
}

#[test]
fn what_goes_on_beside_a_failed_order_has_its_breaks_too() {
    let mut world = World::pair();
    world.tell(
        Query::Models(SERVICE, sha('1')),
        Answer::Models(vec![manifest(3, "three")]),
    );
    let before = serves("staging", &[], &second(), NOW_MS - 700_000);
    let mut state = look(&world, "staging", &given(Some(before), vec![])).state;
    state.generation = 1;
    for (since, up_since_ms) in [
        (Some(700_000), Some(NOW_MS - 700_000)),
        (None, None),
        (Some(700_000), Some(NOW_MS)),
    ] {
        says(&mut world, RolloutPhase::Failed, since);
        state = look(&world, "staging", &given(Some(state), vec![])).state;
        assert_eq!(state.up_since_ms, up_since_ms);
        assert_eq!(state.live, Some(second()));
    }
}

#[test]
fn one_that_gave_up_is_told_once_and_again_when_it_lasts() {
    let (mut world, mut state) = staging();
    says(&mut world, RolloutPhase::Failed, None);
    state = check(
        &world,
        "staging",
        Some(state),
        vec![],
        expect![[r#"
            deployment staging Failure: v1: signal 9
            wake environment/2/production
            event staging could not serve v1 (signal 9)"#]],
    );
    says(&mut world, RolloutPhase::Live, Some(1_000));
    state = check(
        &world,
        "staging",
        Some(state),
        vec![],
        expect![[r#"
            wake environment/2/production
            look after 60 s"#]],
    );
    says(&mut world, RolloutPhase::Failed, None);
    let died = look(&world, "staging", &given(Some(state.clone()), vec![]));
    assert_eq!(died.intents, vec![], "told already");
    says(&mut world, RolloutPhase::Live, Some(1_000));
    state.up_since_ms = Some(NOW_MS - 60_000);
    let state = check(
        &world,
        "staging",
        Some(state),
        vec![],
        expect![[r#"
            look after 59 s"#]],
    );
    assert_eq!(state.shown, Some((1, DeploymentState::Failure)));
    says(&mut world, RolloutPhase::Live, Some(60_000));
    let lasted = Environment {
        up_since_ms: Some(NOW_MS - 60_000),
        ..state
    };
    check(
        &world,
        "staging",
        Some(lasted),
        vec![],
        expect![[r#"
            deployment staging Success: v1: live again
            event staging serves v1 (live again)"#]],
    );
}

#[test]
fn what_is_down_is_not_promoted_and_soaks_from_when_it_came_back() {
    let (world, state) = chain(SOAKED_MS);
    let promoted = |up_since_ms, phase| {
        let mut world = world.clone();
        let staging = Environment {
            up_since_ms,
            phase: Some(phase),
            ..serves("staging", &[first()], &second(), SOAKED_MS)
        };
        world.tell(
            Query::Environment(SERVICE, slug("staging")),
            Answer::Environment(Some(staging)),
        );
        told(&look(
            &world,
            "production",
            &given(Some(state.clone()), vec![]),
        ))
    };
    let opened = expect![[r#"
        propose Promote production to v2 on bowsprit/promote-production
        event production promotion to v2 opened (verified in staging)"#]];
    opened.assert_eq(&promoted(Some(SOAKED_MS), RolloutPhase::Live));
    // A newer order under way, or failed, while this one goes on.
    opened.assert_eq(&promoted(Some(SOAKED_MS), RolloutPhase::Failed));
    expect!["look after 540 s"].assert_eq(&promoted(Some(NOW_MS - 60_000), RolloutPhase::Live));
    expect![""].assert_eq(&promoted(None, RolloutPhase::Starting));
    expect![""].assert_eq(&promoted(None, RolloutPhase::Failed));
}

#[test]
fn a_promotion_of_what_is_down_does_not_land() {
    let rules = |staging: &Environment, target: &Release| {
        let production = serves("production", &[], &first(), 0);
        let cause = ChangeCause::Promotion;
        validate::validate(&production, Some(staging), target, cause)
            .into_iter()
            .map(|(rule, is_met, detail)| format!("{is_met} {rule}: {detail}"))
            .collect::<Vec<_>>()
            .join("\n")
    };
    let up = serves("staging", &[first()], &second(), SOAKED_MS);
    expect!["true verified in staging: v2"].assert_eq(&rules(&up, &second()));
    let down = Environment {
        up_since_ms: None,
        reason: Some("signal 9".to_owned()),
        ..up
    };
    expect![[r#"
        true verified in staging: v2
        false live in staging: v2 does not answer there now (signal 9); this goes on once it does"#]]
    .assert_eq(&rules(&down, &second()));
    expect!["true verified in staging: v1"].assert_eq(&rules(&down, &first()));
}
