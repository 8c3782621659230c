//! What a rollout waits for: told once at GitHub, and at every change to whoever watches.

use super::*;

/// The gateway's word while the first order of an environment is under way.
fn waits(world: &mut World, reason: Option<&str>) {
    let live = Live {
        generation: 1,
        phase: RolloutPhase::Starting,
        reason: reason.map(str::to_owned),
        serving: None,
        url: String::new(),
        pid: 0,
        updated_ms: NOW_MS,
    };
    let of_staging = Query::Live(SERVICE, slug("staging"));
    world.tell(of_staging, Answer::Live(Some(live)));
}

#[test]
fn what_a_rollout_waits_for_first_is_told_at_github() {
    let mut world = World::pair();
    world.tell(
        Query::Models(SERVICE, sha('1')),
        Answer::Models(vec![manifest(1, "one")]),
    );
    let state = look(&world, "staging", &given(None, vec![])).state;
    let mut check = |state: Environment, reason, want: Expect| {
        waits(&mut world, reason);
        check(&world, "staging", Some(state), vec![], want)
    };
    let quiet = || expect!["look after 15 s"];
    let state = check(state, None, quiet());
    let state = check(
        state,
        Some("written as a commit"),
        expect![[r#"
            deployment staging InProgress: v1: written as a commit
            wake environment/2/production
            look after 15 s"#]],
    );
    let state = check(state, Some("written as a commit"), quiet());
    let state = check(
        state,
        Some("no node takes the pod"),
        expect![[r#"
            wake environment/2/production
            look after 15 s"#]],
    );
    assert_eq!(state.reason.as_deref(), Some("no node takes the pod"));
}
