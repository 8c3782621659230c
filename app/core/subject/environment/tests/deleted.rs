//! What comes of a version that was deleted.

use super::*;
use crate::effect::{Deleted, Version};

const GONE: &str =
    "digits v1 was deleted by ada on 2026-01-05 10:00 UTC; use another version, or train again";

/// `v1` is deleted, `v2` is not.
fn deleted(world: &mut World) {
    let deleted = Some(Deleted {
        by: login("ada"),
        at_ms: NOW_MS,
    });
    let versions = vec![
        Version {
            deleted,
            ..version(1, "one")
        },
        version(2, "two"),
    ];
    for query in [
        Query::Versions(SERVICE, slug("digits")),
        Query::StoredVersions(SERVICE, slug("digits")),
    ] {
        world.tell(query, Answer::Versions(versions.clone()));
    }
}

#[test]
fn nobody_rolls_back_to_it() {
    let (mut world, mut state) = chain(NOW_MS);
    state = Environment {
        generation: state.generation,
        ..serves("production", &[first()], &second(), 0)
    };
    let by_name = vec![rollback("rita", 9, Some("1"), false)];
    let to_last = vec![rollback("rita", 9, None, false)];
    let can = look(
        &world,
        "production",
        &given(Some(state.clone()), by_name.clone()),
    );
    assert!(told(&can).contains("propose Roll back production to v1"));
    deleted(&mut world);
    for hints in [by_name, to_last] {
        let act = look(&world, "production", &given(Some(state.clone()), hints));
        assert_eq!(told(&act), format!("reply on #5: {GONE}"));
        assert_eq!(act.state.hold, None);
    }
}

#[test]
fn nobody_promotes_it() {
    let (mut world, state) = chain(NOW_MS);
    deleted(&mut world);
    let state = Environment {
        live: None,
        wanted: None,
        ..state
    };
    let act = look(
        &world,
        "production",
        &given(Some(state.clone()), vec![promote("grace", Some("1"))]),
    );
    assert_eq!(
        told(&act).lines().next(),
        Some(&*format!("reply on #5: {GONE}"))
    );
    let act = look(
        &world,
        "production",
        &given(Some(state), vec![promote("grace", Some("2"))]),
    );
    assert!(
        told(&act).contains("propose Promote production to v2"),
        "{}",
        told(&act)
    );
}

#[test]
fn what_names_it_is_not_deployed_and_says_why() {
    let mut world = World::pair();
    world.tell(
        Query::Models(SERVICE, sha('1')),
        Answer::Models(vec![manifest(1, "one")]),
    );
    let act = look(&world, "staging", &given(None, vec![]));
    assert!(told(&act).contains("deploy staging #1 at 1111111 digits v1"));
    deleted(&mut world);
    let act = look(&world, "staging", &given(None, vec![]));
    assert_eq!(told(&act), format!("event staging not deployed ({GONE})"));
    assert_eq!(act.state.reason.as_deref(), Some(GONE));
    // The same bytes by another number.
    world.tell(
        Query::Models(SERVICE, sha('1')),
        Answer::Models(vec![manifest(9, "one")]),
    );
    let act = look(&world, "staging", &given(None, vec![]));
    assert_eq!(act.state.reason.as_deref(), Some(GONE));
}

#[test]
fn a_file_that_pins_it_is_refused_and_one_that_goes_past_it_is_not() {
    let reason = |pinned: &Release, at_commit: ModelAt| {
        let (mut world, state) = chain(NOW_MS);
        deleted(&mut world);
        world.contract(SERVICE, '2', SERVICE_TEXT);
        world.tell(
            Query::Text(SERVICE, sha('1'), file::path(&slug("production"))),
            Answer::Text(Some(file::write(pinned, ChangeCause::BreakGlass))),
        );
        world.tell(
            Query::IsAncestor(SERVICE, sha('2'), sha('1')),
            Answer::Flag(true),
        );
        world.tell(
            Query::Models(SERVICE, sha('2')),
            Answer::Models(vec![at_commit]),
        );
        let state = Environment {
            wanted: None,
            live: None,
            ..state
        };
        let act = look(&world, "production", &given(Some(state), vec![]));
        let deployed = told(&act);
        let mut deployed = deployed.lines().filter(|line| line.starts_with("deploy "));
        deployed
            .next()
            .map_or(act.state.reason.clone(), |line| Some(line.to_owned()))
    };
    let gone = release("rel", '2', 1, "one");
    assert_eq!(reason(&gone, manifest(1, "one")).as_deref(), Some(GONE));
    assert_eq!(reason(&gone, manifest(2, "two")).as_deref(), Some(GONE));
    let deploys = Some("deploy production #2 at 2222222 digits v2");
    assert_eq!(reason(&second(), manifest(2, "two")).as_deref(), deploys);
    assert_eq!(reason(&second(), manifest(1, "one")).as_deref(), deploys);
}
