//! Deleting versions: what goes, what is needed, and what is told of it.

use super::super::deletion::{gone, holders, needed};
use super::*;
use crate::effect::{Deleted, Record};
use crate::subject::environment::{Change, ChangeCause, Environment, ModelRef, Release, file};
use std::collections::BTreeMap;

fn delete(version: Option<u64>) -> Hint {
    Hint::DeleteVersions {
        by: login("rita"),
        version,
    }
}

fn release(number: u64, bytes: &str) -> Release {
    let reference = ModelRef {
        version: number,
        digest: model_files(bytes).digest,
    };
    Release {
        id: format!("rel-{number}"),
        commit: sha('1'),
        models: BTreeMap::from([(slug("digits"), reference)]),
    }
}

fn environment(name: &str) -> Environment {
    Environment::new(repo(SERVICE), slug(name), 0)
}

fn brings(number: u64, pr: Option<u64>) -> Change {
    Change {
        branch: branch("bowsprit/rollback-production-9"),
        key: "change:9".to_owned(),
        pr: pr.map(PrNumber),
        head: None,
        cause: ChangeCause::Rollback,
        release: release(number, "bytes"),
        by: None,
        asked: None,
        is_over: false,
        is_lost: false,
    }
}

/// Two versions that nobody needs, and the run of the second, which is dealt with.
fn free() -> (World, Model) {
    let run = passed('a', "two");
    let versions = [
        version(1, "one"),
        Version {
            run: run.id.clone(),
            ..version(2, "two")
        },
    ];
    let world = world(&run, &versions);
    let state = Model {
        dealt_with: Some(run.id),
        ..empty()
    };
    (world, state)
}

/// The versions that an act writes down, with who deleted them.
fn written(act: &Act<Model>) -> Vec<(u64, Option<String>)> {
    let versions = act.records.iter().filter_map(|record| match record {
        Record::Version(version) => Some(version),
        Record::Run(_) | Record::Environment(_) | Record::Event { .. } => None,
    });
    let by = |version: &Version| version.deleted.as_ref().map(|d| d.by.to_string());
    versions
        .map(|version| (version.version, by(version)))
        .collect()
}

#[test]
fn a_version_that_nobody_needs_goes_and_its_row_stays() {
    let (world, state) = free();
    let act = look(&world, &given(Some(state), vec![delete(Some(1))]));
    expect![[r#"
        remove bytes of digits v1
        event rita: digits v1 deleted (nothing serves it)"#]]
    .assert_eq(&told(&act));
    // The newer one may be known by its tag alone, and tags below the first row alone are read.
    let rita = Some("rita".to_owned());
    assert_eq!(written(&act), [(1, rita.clone()), (2, None)]);
    let (world, state) = free();
    let act = look(&world, &given(Some(state), vec![delete(None)]));
    assert_eq!(written(&act), [(1, rita.clone()), (2, rita)]);
}

#[test]
fn a_version_that_is_gone_goes_no_second_time() {
    let (mut world, state) = free();
    let deleted = Some(Deleted {
        by: login("ada"),
        at_ms: NOW_MS,
    });
    let versions = [
        Version {
            deleted,
            ..version(1, "one")
        },
        version(2, "two"),
    ];
    world.tell(
        Query::Versions(SERVICE, slug("digits")),
        Answer::Versions(versions.to_vec()),
    );
    let again = check(&world, Some(state), vec![delete(Some(1))], expect![[""]]);
    assert_eq!(again.kept, []);
    check(
        &world,
        Some(again),
        vec![delete(None)],
        expect![[r#"
            remove bytes of digits v2
            event rita: digits v2 deleted (nothing serves it)"#]],
    );
}

#[test]
fn what_an_environment_serves_or_is_to_serve_is_needed() {
    let model = slug("digits");
    let none: [&str; 0] = [];
    let mut staging = environment("staging");
    staging.live = Some(release(1, "one"));
    staging.wanted = Some(release(2, "two"));
    staging.changes = vec![brings(3, Some(7)), brings(4, None)];
    staging.verified = vec![crate::subject::environment::Verified {
        release: release(5, "five"),
        at_ms: 0,
    }];
    for (number, want) in [
        (1, vec!["`staging` serves it"]),
        (2, vec!["`staging` is to serve it"]),
        (3, vec!["#7 brings it to `staging`"]),
        (
            4,
            vec!["a pull request that brings it to `staging` is being opened"],
        ),
        (5, vec![]),
        (6, vec![]),
    ] {
        let found = holders(&model, number, std::slice::from_ref(&staging));
        assert_eq!(found, want, "v{number}");
        let is_needed = needed(&staging).contains(&(&model, number));
        assert_eq!(is_needed, !want.is_empty(), "v{number}");
    }
    assert_eq!(
        holders(&slug("cats"), 1, std::slice::from_ref(&staging)),
        none
    );
    let mut over = staging.clone();
    over.changes
        .iter_mut()
        .for_each(|change| change.is_over = true);
    assert_eq!(holders(&model, 3, &[over]), none);
    staging.is_gone = true;
    assert_eq!(holders(&model, 1, &[staging]), none);
}

#[track_caller]
fn refused(world: &World, state: &Model, version: Option<u64>, why: &str) {
    let act = look(world, &given(Some(state.clone()), vec![delete(version)]));
    assert_eq!(written(&act), []);
    let [kept] = &act.state.kept[..] else {
        panic!("{:?}", act.state.kept);
    };
    let instead = "; bring another version there, close the pull request, or take the environment out of the contract, then delete it";
    assert_eq!(kept.why.trim_end_matches(instead), why);
    let which = version.map_or(String::new(), |number| format!(" v{number}"));
    assert_eq!(
        told(&act),
        format!("event rita: digits{which} not deleted ({})", kept.why)
    );
}

#[test]
fn a_version_that_serves_stays_and_keeps_the_whole_model() {
    let (mut world, state) = free();
    let mut production = environment("production");
    production.live = Some(release(1, "one"));
    world.tell(
        Query::Environments(SERVICE),
        Answer::Environments(vec![production]),
    );
    let why = "digits v1 is needed: `production` serves it";
    refused(&world, &state, Some(1), why);
    refused(&world, &state, None, why);
    let mut kept = state.clone();
    let act = look(&world, &given(Some(state.clone()), vec![delete(Some(1))]));
    kept.kept = act.state.kept;
    // Asked again once nothing needs it.
    world.tell(Query::Environments(SERVICE), Answer::Environments(vec![]));
    let act = look(&world, &given(Some(kept), vec![delete(Some(1))]));
    assert_eq!((act.state.kept.len(), written(&act).len()), (0, 2));
    check(
        &world,
        Some(state),
        vec![delete(Some(2))],
        expect![[r#"
            remove bytes of digits v2
            event rita: digits v2 deleted (nothing serves it)"#]],
    );
}

#[test]
fn what_git_wants_served_is_needed_though_nobody_has_taken_it_up() {
    let (mut world, state) = free();
    let mut named = world.clone();
    named.tell(
        Query::Models(SERVICE, sha('1')),
        Answer::Models(vec![model_at("digits", 2, "two")]),
    );
    let why = "digits v2 is needed: `models/digits/manifest.json` on `main` names it";
    refused(&named, &state, Some(2), why);
    let mut pinned = world.clone();
    pinned.tell(
        Query::Text(SERVICE, sha('1'), file::path(&slug("production"))),
        Answer::Text(Some(file::write(
            &release(1, "one"),
            ChangeCause::Promotion,
        ))),
    );
    let why = "digits v1 is needed: `environments/production.yaml` names it";
    refused(&pinned, &state, Some(1), why);
    world.contract(SERVICE, '1', "kind: service\nx: 1\n");
    let why = "`bowsprit.yaml` on the default branch cannot be read, so nobody can tell which environments need a version; mend it first";
    refused(&world, &state, Some(1), why);
    // What names no service any more needs none.
    world.contract(SERVICE, '1', "");
    let act = look(&world, &given(Some(state), vec![delete(None)]));
    assert_eq!(written(&act).len(), 2);
}

#[test]
fn a_version_in_an_open_proposal_stays() {
    let (mut world, free) = free();
    let state = Model {
        dealt_with: free.dealt_with,
        ..proposed(&mut world, 'c')
    };
    refused(
        &world,
        &state,
        Some(1),
        "digits v1 is needed: #1 proposes it",
    );
    refused(&world, &state, None, "digits v1 is needed: #1 proposes it");
    // The database was lost since: the head of the proposal says which version it brings.
    let lost = Model {
        proposal: None,
        ..state.clone()
    };
    world.tell(
        Query::Models(SERVICE, sha('c')),
        Answer::Models(vec![model_at("digits", 2, "two")]),
    );
    refused(
        &world,
        &lost,
        Some(2),
        "digits v2 is needed: #1 proposes it",
    );
    let mut opening = state;
    if let Some(proposal) = &mut opening.proposal {
        (proposal.pr, proposal.version) = (None, 3);
    }
    let why = "digits v3 is needed: its proposal is being opened at this moment";
    refused(&world, &opening, None, why);
}

#[test]
fn what_was_deleted_is_told_of_its_number_and_of_its_bytes() {
    let deleted = |number: u64, bytes: &str| Version {
        deleted: Some(Deleted {
            by: login("ada"),
            at_ms: NOW_MS,
        }),
        ..version(number, bytes)
    };
    let digest = |bytes: &str| model_files(bytes).digest;
    let told = |number| {
        format!(
            "digits v{number} was deleted by ada on 2026-01-05 10:00 UTC; use another version, or train again"
        )
    };
    let versions = [version(1, "one"), deleted(2, "two"), deleted(3, "one")];
    for (number, bytes, want) in [
        (1, "one", None),
        (2, "two", Some(told(2))),
        (2, "forged", Some(told(2))),
        (3, "one", Some(told(3))),
        (9, "two", Some(told(2))),
        (9, "one", None),
        (9, "nine", None),
    ] {
        let found = gone(&versions, (number, &digest(bytes)));
        assert_eq!(found, want, "v{number} of {bytes}");
    }
}

#[test]
fn what_was_deleted_may_be_trained_again() {
    let deleted = Version {
        deleted: Some(Deleted {
            by: login("ada"),
            at_ms: NOW_MS,
        }),
        run: passed('a', "two").id,
        ..version(2, "two")
    };
    let run = passed('a', "two");
    check(
        &world(&run, &[version(1, "one"), deleted.clone()]),
        None,
        vec![],
        expect![[r#"
            check train Success: trained; nothing judged it
            event digits not proposed (v2 was deleted by ada on 2026-01-05 10:00 UTC)"#]],
    );
    let again = Run {
        id: "r00000000000f".to_owned(),
        ..run.clone()
    };
    check(
        &world(&again, &[version(1, "one"), deleted.clone()]),
        None,
        vec![],
        expect!["propose Propose digits v3 on bowsprit/digits"],
    );
    let older = Run {
        made: Some(model_files("one")),
        ..again
    };
    check(
        &world(&older, &[version(1, "one"), deleted]),
        None,
        vec![],
        expect![[r#"
            check train Success: trained; nothing judged it
            event digits not proposed (identical model: the same bytes as v1)"#]],
    );
}
