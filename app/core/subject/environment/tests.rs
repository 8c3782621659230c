//! An environment, one look: what is deployed, what is live, what is opened next.

mod deleted;
mod flapping;
mod previews;
mod several;
mod waiting;

use super::*;
use crate::effect::{EffectResult, EffectState, Hint, Outcome};
use crate::name::{CommentId, RepoPath};
use crate::serving::spec::{Live, Serving};
use crate::subject::ask::{Answer, ModelAt, PullView, Query};
use crate::subject::pause::Pause;
use crate::subject::run::{Phase, Trigger, What};
use crate::subject::testing::*;
use crate::subject::{Act, Given};
use crate::training::spec::Sample;
use expect_test::{Expect, expect};

/// Ten minutes ago and one second: soaked. Units: milliseconds since 1970, UTC.
const SOAKED_MS: i64 = NOW_MS - 601_000;

fn manifest(number: u64, bytes: &str) -> ModelAt {
    model_at("digits", number, bytes)
}

fn release(name: &str, at: char, number: u64, bytes: &str) -> Release {
    let reference = ModelRef {
        version: number,
        digest: model_files(bytes).digest,
    };
    Release {
        id: name.to_owned(),
        commit: sha(at),
        models: BTreeMap::from([(slug("digits"), reference)]),
    }
}

fn first() -> Release {
    release("rel-1", '1', 1, "one")
}

fn second() -> Release {
    release("rel-2", '2', 2, "two")
}

/// An environment that serves `live`, after everything in `before`, verified one after another.
fn serves(name: &str, before: &[Release], live: &Release, at_ms: i64) -> Environment {
    let mut state = Environment::new(repo(SERVICE), slug(name), 0);
    let all = before.iter().chain([live]);
    state.verified = all
        .map(|release| Verified {
            release: release.clone(),
            at_ms,
        })
        .collect();
    (state.wanted, state.live, state.generation) = (Some(live.clone()), Some(live.clone()), 1);
    (state.phase, state.live_since_ms) = (Some(RolloutPhase::Live), Some(at_ms));
    state.up_since_ms = Some(at_ms);
    state
}

fn gateway(world: &mut World, name: &str, generation: u64, phase: RolloutPhase) {
    gateway_of(world, name, (generation, "rel"), phase);
}

/// A gateway that answers order `number` and serves `release`.
fn gateway_of(world: &mut World, name: &str, (number, release): (u64, &str), phase: RolloutPhase) {
    let generation = number;
    let serving = Serving {
        release: release.to_owned(),
        since_ms: NOW_MS - 5_000,
        versions: BTreeMap::new(),
        digests: BTreeMap::new(),
        p50_us: 1,
        p95_us: 1,
    };
    let live = Live {
        generation,
        phase,
        reason: (phase == RolloutPhase::Failed).then(|| "3 answers differ".to_owned()),
        serving: Some(serving),
        url: "http://127.0.0.1:4700".to_owned(),
        pid: 1,
        updated_ms: NOW_MS,
    };
    world.tell(Query::Live(SERVICE, slug(name)), Answer::Live(Some(live)));
}

fn look(world: &World, name: &str, given: &Given<Environment>) -> Act<Environment> {
    let name = slug(name);
    drive(world, |ask| step(given, (SERVICE, &name), ask)).expect("a place in the contract")
}

#[track_caller]
fn check(
    world: &World,
    name: &str,
    state: Option<Environment>,
    hints: Vec<Hint>,
    want: Expect,
) -> Environment {
    let act = look(world, name, &given(state, hints));
    want.assert_eq(&told(&act));
    act.state
}

/// Staging serves `second`, verified at this time; production serves `first`.
fn chain(at_ms: i64) -> (World, Environment) {
    let mut world = World::pair();
    let staging = serves("staging", &[first()], &second(), at_ms);
    world.tell(
        Query::Environment(SERVICE, slug("staging")),
        Answer::Environment(Some(staging)),
    );
    world.owners(
        SERVICE,
        '1',
        &[
            ("", "approvers: [root]"),
            ("environments", "approvers: [rita]"),
        ],
    );
    gateway(&mut world, "production", 1, RolloutPhase::Live);
    (world, serves("production", &[], &first(), 0))
}

fn change(number: u64, cause: ChangeCause, release: &Release) -> Change {
    Change {
        branch: branch("bowsprit/promote-production"),
        key: "change:1".to_owned(),
        pr: Some(PrNumber(number)),
        head: Some(sha('d')),
        cause,
        release: release.clone(),
        by: None,
        asked: None,
        is_over: false,
        is_lost: false,
    }
}

fn open(world: &mut World, number: u64, is_open: bool) {
    let view = pull_view(SERVICE, number, "bowsprit/promote-production", ('1', 'd'));
    world.tell(
        Query::Pull(SERVICE, PrNumber(number)),
        Answer::Pull(Some(PullView { is_open, ..view })),
    );
}

fn spoken(world: &mut World, number: u64) {
    let comments = vec![comment(1, "grace", "hm")];
    world.tell(
        Query::Comments(SERVICE, PrNumber(number)),
        Answer::Comments(comments),
    );
}

fn rollback(by: &str, comment: u64, version: Option<&str>, model_only: bool) -> Hint {
    Hint::Rollback {
        by: login(by),
        pr: PrNumber(5),
        comment: CommentId::Comment(comment),
        version: version.map(|text| VersionRef::parse(text).unwrap()),
        model_only,
    }
}

fn promote(by: &str, version: Option<&str>) -> Hint {
    Hint::Promote {
        by: login(by),
        pr: PrNumber(5),
        comment: CommentId::Comment(9),
        version: version.map(|text| VersionRef::parse(text).unwrap()),
    }
}

#[test]
fn a_tracking_environment_deploys_each_new_release_once() {
    let mut world = World::pair();
    world.tell(
        Query::Models(SERVICE, sha('1')),
        Answer::Models(vec![manifest(1, "one")]),
    );
    let state = check(
        &world,
        "staging",
        None,
        vec![],
        expect![[r#"
        deploy staging #1 at 1111111 digits v1
        deployment staging InProgress: v1: being rolled out
        event staging wants v1 ()
        look after 15 s"#]],
    );
    check(
        &world,
        "staging",
        Some(state.clone()),
        vec![],
        expect!["look after 15 s"],
    );
    gateway(&mut world, "staging", 1, RolloutPhase::Verifying);
    check(
        &world,
        "staging",
        Some(state.clone()),
        vec![],
        expect![[r#"
            wake environment/2/production
            look after 15 s"#]],
    );
    gateway(&mut world, "staging", 1, RolloutPhase::Live);
    let state = check(
        &world,
        "staging",
        Some(state),
        vec![],
        expect![[r#"
        deployment staging Success: v1: verified and live
        wake environment/2/production
        event staging serves v1 (verified and live)"#]],
    );
    check(
        &world,
        "staging",
        Some(state.clone()),
        vec![],
        expect![[""]],
    );
}

#[test]
fn another_commit_with_the_same_files_is_the_same_release() {
    let mut world = World::pair();
    world.tell(
        Query::Models(SERVICE, sha('1')),
        Answer::Models(vec![manifest(1, "one")]),
    );
    let state = look(&world, "staging", &given(None, vec![])).state;
    gateway(&mut world, "staging", 1, RolloutPhase::Live);
    let state = look(&world, "staging", &given(Some(state), vec![])).state;
    world
        .head(SERVICE, "main", '2')
        .contract(SERVICE, '2', SERVICE_TEXT);
    world.tell(
        Query::Models(SERVICE, sha('2')),
        Answer::Models(vec![manifest(1, "one")]),
    );
    let tree = Answer::Digest(Digest::of(sha('1').as_str().as_bytes()));
    world.tell(Query::ServiceTree(SERVICE, sha('2')), tree);
    check(
        &world,
        "staging",
        Some(state.clone()),
        vec![],
        expect![[""]],
    );
    world.tell(
        Query::Models(SERVICE, sha('2')),
        Answer::Models(vec![manifest(2, "two")]),
    );
    let act = look(&world, "staging", &given(Some(state), vec![]));
    expect![[r#"
        deploy staging #2 at 2222222 digits v2
        deployment staging InProgress: v2: being rolled out
        event staging wants v2 ()
        look after 15 s"#]]
    .assert_eq(&told(&act));
    assert_eq!(
        act.state.live.map(|r| r.commit),
        Some(sha('1')),
        "the one before goes on"
    );
}

#[test]
fn a_service_without_a_model_waits() {
    let mut world = World::pair();
    let state = check(
        &world,
        "staging",
        None,
        vec![],
        expect![[r#"
        deploy staging #1 at 1111111 waiting
        deployment staging InProgress: no model: being rolled out
        event staging wants no model ()
        look after 15 s"#]],
    );
    gateway(&mut world, "staging", 1, RolloutPhase::Waiting);
    let state = check(
        &world,
        "staging",
        Some(state),
        vec![],
        expect![[r#"
        deployment staging Success: no model: waiting for a model
        wake environment/2/production
        event staging serves no model (waiting for a model)"#]],
    );
    assert_eq!(state.verified.len(), 0, "nothing that could be promoted");
}

#[test]
fn without_a_memory_it_goes_on_from_what_the_gateway_says() {
    let mut world = World::pair();
    world.tell(
        Query::Models(SERVICE, sha('1')),
        Answer::Models(vec![manifest(1, "one")]),
    );
    let wanted = look(&world, "staging", &given(None, vec![])).state.wanted;
    let id = wanted.expect("a release").id;
    gateway_of(&mut world, "staging", (4, &id), RolloutPhase::Live);
    check(
        &world,
        "staging",
        None,
        vec![],
        expect![[r#"
            deployment staging Success: v1: verified and live
            wake environment/2/production
            event staging serves v1 (verified and live)"#]],
    );
    for (release, phase) in [(&id[..], RolloutPhase::Failed), ("rel", RolloutPhase::Live)] {
        gateway_of(&mut world, "staging", (4, release), phase);
        let state = look(&world, "staging", &given(None, vec![])).state;
        assert_eq!(state.generation, 5, "{phase:?} {release}");
    }
}

#[test]
fn a_pause_holds_what_is_new_and_keeps_what_serves() {
    let mut world = World::pair();
    world.tell(
        Query::Models(SERVICE, sha('1')),
        Answer::Models(vec![manifest(1, "one")]),
    );
    let mut paused = world.clone();
    paused.tell(
        Query::Pause,
        Answer::Pause(Some(Pause {
            by: login("ada"),
            why: "the cluster moves".to_owned(),
            at_ms: 0,
        })),
    );
    let told = expect!["event staging not deployed (v1 waits: paused by ada: the cluster moves)"];
    let state = check(&paused, "staging", None, vec![], told);
    assert_eq!(state.wanted, None);
    let deployed = look(&world, "staging", &given(Some(state), vec![])).state;
    assert_eq!(deployed.generation, 1);
    // What is wanted already is not held.
    let again = look(&paused, "staging", &given(Some(deployed), vec![])).state;
    assert_eq!(again.reason, None);
}

#[test]
fn what_cannot_be_deployed_is_told_once_and_changes_nothing() {
    let mut world = World::pair();
    gateway(&mut world, "staging", 1, RolloutPhase::Live);
    let live = serves("staging", &[], &first(), 0);
    let broken = ModelAt {
        manifest: Err("unknown field `x`".to_owned()),
        ..manifest(1, "one")
    };
    world.tell(
        Query::Models(SERVICE, sha('1')),
        Answer::Models(vec![broken]),
    );
    let state = check(
        &world,
        "staging",
        Some(live),
        vec![],
        expect![
            "event staging not deployed (`models/digits/manifest.json` cannot be used: unknown field `x`)"
        ],
    );
    assert_eq!(
        state.reason.as_deref(),
        Some("`models/digits/manifest.json` cannot be used: unknown field `x`")
    );
    assert_eq!(state.live, Some(first()));
    check(&world, "staging", Some(state), vec![], expect![[""]]);
}

#[test]
fn a_file_that_names_what_is_not_there_is_not_deployed() {
    let pinned = |text: &str, on_branch: bool| {
        let (mut world, state) = chain(NOW_MS);
        world.contract(SERVICE, '2', SERVICE_TEXT);
        world.tell(
            Query::Text(SERVICE, sha('1'), file::path(&slug("production"))),
            Answer::Text(Some(text.to_owned())),
        );
        world.tell(
            Query::IsAncestor(SERVICE, sha('2'), sha('1')),
            Answer::Flag(on_branch),
        );
        world.tell(
            Query::Models(SERVICE, sha('2')),
            Answer::Models(vec![manifest(1, "one")]),
        );
        world.tell(
            Query::Versions(SERVICE, slug("digits")),
            Answer::Versions(vec![version(2, "two")]),
        );
        let act = look(&world, "production", &given(Some(state), vec![]));
        let deployed = told(&act)
            .lines()
            .find(|line| line.starts_with("deploy "))
            .map(str::to_owned);
        deployed.unwrap_or_else(|| act.state.reason.clone().unwrap_or_default())
    };
    let good = file::write(&second(), ChangeCause::Promotion);
    expect!["deploy production #2 at 2222222 digits v2"].assert_eq(&pinned(&good, true));
    expect!["commit `2222222` is not on the default branch"].assert_eq(&pinned(&good, false));
    let forged = file::write(&release("rel", '2', 2, "forged"), ChangeCause::Promotion);
    expect!["`digits` v2 has the digest `436cb0e6ee2f`, the file says `c996d2578825`"]
        .assert_eq(&pinned(&forged, true));
    let unknown = file::write(&release("rel", '2', 9, "nine"), ChangeCause::Promotion);
    expect!["`digits` has no version 9"].assert_eq(&pinned(&unknown, true));
    expect!["`environments/production.yaml` cannot be used: error: line 1 column 10: missing field `commit`"].assert_eq(&pinned("release: {}", true));
    let own = file::write(&release("rel", '2', 1, "one"), ChangeCause::Rollback);
    expect!["deploy production #2 at 2222222 digits v1"].assert_eq(&pinned(&own, true));
}

#[test]
fn a_promotion_opens_when_verified_soaked_in_its_window_and_not_held() {
    let (world, state) = chain(SOAKED_MS);
    check(
        &world,
        "production",
        Some(state.clone()),
        vec![],
        expect![[r#"
            propose Promote production to v2 on bowsprit/promote-production
            event production promotion to v2 opened (verified in staging)"#]],
    );
    let (early, _) = chain(NOW_MS - 60_000);
    check(
        &early,
        "production",
        Some(state.clone()),
        vec![],
        expect!["look after 540 s"],
    );
    let held = Environment {
        hold: Some(Hold {
            by: login("rita"),
            why: "rolled back".to_owned(),
            at_ms: 0,
        }),
        ..state.clone()
    };
    check(
        &world,
        "production",
        Some(held.clone()),
        vec![],
        expect![[""]],
    );
    check(
        &world,
        "production",
        Some(held),
        vec![Hint::Unhold],
        expect![[r#"
            propose Promote production to v2 on bowsprit/promote-production
            event production promotion to v2 opened (verified in staging)"#]],
    );
    for (hours, is_open) in [("09:00-11:00", true), ("11:00-12:00", false)] {
        let mut world = world.clone();
        let windows = format!("soak: 10m, windows: ['Mon-Thu {hours} UTC']");
        world.contract(SERVICE, '1', &SERVICE_TEXT.replace("soak: 10m", &windows));
        let act = look(&world, "production", &given(Some(state.clone()), vec![]));
        assert_eq!(act.intents.len(), usize::from(is_open), "{hours}");
        assert_eq!(
            act.look_again_ms,
            (!is_open).then_some(NOW_MS + 3_600_000),
            "{hours}"
        );
    }
}

#[test]
fn what_is_there_already_or_unverified_is_not_promoted() {
    let (world, state) = chain(SOAKED_MS);
    let there = serves("production", &[first()], &second(), 0);
    check(&world, "production", Some(there), vec![], expect![[""]]);
    let mut unverified = world.clone();
    let staging = Environment {
        verified: Vec::new(),
        ..serves("staging", &[], &second(), SOAKED_MS)
    };
    unverified.tell(
        Query::Environment(SERVICE, slug("staging")),
        Answer::Environment(Some(staging)),
    );
    check(
        &unverified,
        "production",
        Some(state),
        vec![],
        expect![[""]],
    );
}

#[test]
fn an_open_promotion_is_superseded_only_when_untouched() {
    let third = release("rel-3", '3', 3, "three");
    let (mut world, mut state) = chain(SOAKED_MS);
    state
        .changes
        .push(change(6, ChangeCause::Promotion, &third));
    open(&mut world, 6, true);
    check(
        &world,
        "production",
        Some(state.clone()),
        vec![],
        expect![[r#"
            propose Promote production to v2 on bowsprit/promote-production over #6 ddddddd
            event production promotion to v2 opened (verified in staging)"#]],
    );
    let mut talked = world.clone();
    spoken(&mut talked, 6);
    check(
        &talked,
        "production",
        Some(state.clone()),
        vec![],
        expect![[""]],
    );
    check(
        &talked,
        "production",
        Some(state.clone()),
        vec![promote("root", None)],
        expect![
            "reply on #5: people have spoken on #6, which proposes v3; merge or close it first"
        ],
    );
    open(&mut talked, 6, false);
    check(
        &talked,
        "production",
        Some(state.clone()),
        vec![],
        expect![[r#"
            propose Promote production to v2 on bowsprit/promote-production
            event production promotion to v2 opened (verified in staging)"#]],
    );
    let opening = Change {
        pr: None,
        head: None,
        ..change(6, ChangeCause::Promotion, &third)
    };
    state.changes = vec![opening];
    check(
        &world,
        "production",
        Some(state),
        vec![promote("root", None)],
        expect![
            "reply on #5: a promotion is being opened at this moment; say it again in a minute"
        ],
    );
}

#[test]
fn a_promotion_that_a_person_closed_is_opened_again_by_command_only() {
    let (mut world, mut state) = chain(SOAKED_MS);
    state
        .changes
        .push(change(6, ChangeCause::Promotion, &second()));
    open(&mut world, 6, true);
    check(
        &world,
        "production",
        Some(state.clone()),
        vec![],
        expect![[""]],
    );
    check(
        &world,
        "production",
        Some(state.clone()),
        vec![promote("root", None)],
        expect!["reply on #5: #6 proposes v2 already"],
    );
    open(&mut world, 6, false);
    check(
        &world,
        "production",
        Some(state.clone()),
        vec![],
        expect![[""]],
    );
    check(
        &world,
        "production",
        Some(state),
        vec![promote("root", None)],
        expect![[r#"
            propose Promote production to v2 on bowsprit/promote-production
            react to 9
            event production promotion to v2 opened (`/promote` by root)"#]],
    );
}

#[test]
fn promote_by_command_needs_a_verified_release() {
    let (world, state) = chain(NOW_MS);
    let ask = |hint: Hint| {
        told(&look(
            &world,
            "production",
            &given(Some(state.clone()), vec![hint]),
        ))
    };
    expect![[r#"
        propose Promote production to v2 on bowsprit/promote-production
        react to 9
        event production promotion to v2 opened (`/promote` by root)
        look after 600 s"#]]
    .assert_eq(&ask(promote("root", None)));
    expect![[r#"
        propose Promote production to v2 on bowsprit/promote-production
        react to 9
        event production promotion to v2 opened (`/promote` by root)
        look after 600 s"#]]
    .assert_eq(&ask(promote("root", Some("2"))));
    expect![[r#"
        reply on #5: production serves v1 already
        look after 600 s"#]]
    .assert_eq(&ask(promote("root", Some("1"))));
    expect![[r#"
        reply on #5: no such release is verified in staging
        look after 600 s"#]]
    .assert_eq(&ask(promote("root", Some("7"))));
    let none = World::pair();
    let act = look(
        &none,
        "production",
        &given(None, vec![promote("root", None)]),
    );
    expect!["reply on #5: staging serves nothing yet; production follows it"]
        .assert_eq(&told(&act));
}

#[test]
fn a_hold_is_lifted_by_those_who_may() {
    let (mut world, mut state) = chain(NOW_MS);
    state.hold = Some(Hold {
        by: login("rita"),
        why: "rolled back by rita".to_owned(),
        at_ms: 0,
    });
    for (by, is_held) in [("root", true), ("rita", false)] {
        let act = look(
            &world,
            "production",
            &given(Some(state.clone()), vec![promote(by, None)]),
        );
        assert_eq!(act.state.hold.is_some(), is_held, "{by}");
    }
    state
        .changes
        .push(change(6, ChangeCause::Promotion, &second()));
    open(&mut world, 6, true);
    check(
        &world,
        "production",
        Some(state),
        vec![Hint::Unhold],
        expect![[r#"
            wake pull/2/6
            look after 600 s"#]],
    );
}

#[test]
fn rollback_goes_to_the_last_good_or_the_named_release() {
    let third = release("rel-3", '3', 3, "three");
    let ask = |before: &[Release], live: &Release, hint: Hint| {
        let (mut world, _) = chain(NOW_MS);
        gateway(&mut world, "production", 1, RolloutPhase::Live);
        let act = look(
            &world,
            "production",
            &given(Some(serves("production", before, live, 0)), vec![hint]),
        );
        let lines = told(&act)
            .lines()
            .filter(|line| !line.starts_with("look"))
            .map(str::to_owned)
            .collect::<Vec<_>>();
        format!("{}\nheld: {}", lines.join("\n"), act.state.hold.is_some())
    };
    let (one, two) = (first(), second());
    let before = [one.clone(), two.clone()];
    expect![[r#"
        propose Roll back production to v2 on bowsprit/rollback-production-9
        react to 9
        event rita: production rollback to v2 opened (`/rollback` by rita)
        held: true"#]]
    .assert_eq(&ask(&before, &third, rollback("rita", 9, None, false)));
    expect![[r#"
        propose Roll back production to v1 on bowsprit/rollback-production-9
        react to 9
        event rita: production rollback to v1 opened (`/rollback` by rita)
        held: true"#]]
    .assert_eq(&ask(&before, &third, rollback("rita", 9, Some("1"), false)));
    expect![[r#"
        propose Roll back production to v1 on bowsprit/rollback-production-9
        react to 9
        event rita: production rollback to v1 opened (`/rollback` by rita)
        held: true"#]]
    .assert_eq(&ask(&before, &third, rollback("rita", 9, Some("1"), true)));
    expect![[r#"
        reply on #5: there is no such release to go back to; verified in production so far: v1, v2, v3
        held: false"#]].assert_eq(&ask(&before, &third, rollback("rita", 9, Some("7"), false)));
    expect![[r#"
        reply on #5: production serves v3 already
        held: false"#]]
    .assert_eq(&ask(&before, &third, rollback("rita", 9, Some("3"), false)));
    expect![[r#"
        reply on #5: there is no such release to go back to; verified in production so far: v1
        held: false"#]]
    .assert_eq(&ask(&[], &one, rollback("rita", 9, None, false)));
    // A second rollback goes further back, not to what the first one left.
    let back = [one.clone(), two.clone(), third];
    expect![[r#"
        propose Roll back production to v1 on bowsprit/rollback-production-9
        react to 9
        event rita: production rollback to v1 opened (`/rollback` by rita)
        held: true"#]]
    .assert_eq(&ask(&back, &two, rollback("rita", 9, None, false)));
    for by in ["root", "mallory"] {
        let told = ask(&before, &one, rollback(by, 9, None, false));
        assert_eq!(
            told,
            "reply on #5: `/rollback production` is for the environment's approvers (rita)\nheld: false"
        );
    }
}

#[test]
fn who_is_no_collaborator_any_more_rolls_nothing_back() {
    let (mut world, _) = chain(NOW_MS);
    let state = serves("production", &[first()], &second(), 0);
    let given = given(Some(state), vec![rollback("rita", 9, None, false)]);
    assert!(told(&look(&world, "production", &given)).contains("propose Roll back"));
    world.left(SERVICE, "rita");
    let told = told(&look(&world, "production", &given));
    assert!(
        told.contains("is for the environment's approvers"),
        "{told}"
    );
}

#[test]
fn a_rollback_during_a_rollout_goes_to_what_still_serves() {
    let third = release("rel-3", '3', 3, "three");
    for phase in [RolloutPhase::Starting, RolloutPhase::Failed] {
        let asked = |version, model_only| {
            let (mut world, _) = chain(NOW_MS);
            gateway(&mut world, "production", 2, phase);
            let state = Environment {
                wanted: Some(third.clone()),
                generation: 2,
                phase: Some(phase),
                ..serves("production", &[first()], &second(), 0)
            };
            let hint = rollback("rita", 9, version, model_only);
            let act = look(&world, "production", &given(Some(state), vec![hint]));
            let is_about = |line: &&str| line.starts_with("propose") || line.starts_with("reply");
            let told = told(&act);
            told.lines().find(is_about).unwrap_or_default().to_owned()
        };
        for (version, model_only) in [(None, false), (Some("2"), false), (None, true)] {
            assert_eq!(
                asked(version, model_only),
                "propose Roll back production to v2 on bowsprit/rollback-production-9",
                "{phase:?} {version:?}"
            );
        }
        assert_eq!(
            asked(Some("1"), false),
            "propose Roll back production to v1 on bowsprit/rollback-production-9"
        );
    }
    // Was there before, and is wanted once more.
    let (mut world, _) = chain(NOW_MS);
    gateway(&mut world, "production", 2, RolloutPhase::Starting);
    let state = Environment {
        wanted: Some(first()),
        generation: 2,
        ..serves("production", &[first()], &second(), 0)
    };
    let hint = rollback("rita", 9, Some("1"), false);
    let act = look(&world, "production", &given(Some(state), vec![hint]));
    assert!(told(&act).contains("reply on #5: production is to serve v1 already"));
}

#[test]
fn a_rollback_is_carried_out_once() {
    let (world, _) = chain(NOW_MS);
    let state = serves("production", &[first()], &second(), 0);
    let act = look(
        &world,
        "production",
        &given(Some(state), vec![rollback("rita", 9, None, false)]),
    );
    let by = act
        .state
        .changes
        .last()
        .and_then(|change| change.by.clone());
    assert_eq!(by, Some(login("rita")), "the command counts as an approval");
    check(
        &world,
        "production",
        Some(act.state),
        vec![rollback("rita", 9, None, false)],
        expect![[""]],
    );
    let empty = look(
        &World::pair(),
        "production",
        &given(None, vec![rollback("rita", 9, None, false)]),
    );
    expect!["reply on #5: `/rollback production` is for the environment's approvers (nobody: `environments/OWNERS` names none)"].assert_eq(&told(&empty));
}

#[test]
fn commands_that_an_environment_cannot_carry_out_are_answered() {
    let mut world = World::pair();
    world.owners(SERVICE, '1', &[("environments", "approvers: [rita]")]);
    world.tell(
        Query::Models(SERVICE, sha('1')),
        Answer::Models(vec![manifest(1, "one")]),
    );
    let state = look(&world, "staging", &given(None, vec![])).state;
    gateway(&mut world, "staging", 1, RolloutPhase::Live);
    let state = look(&world, "staging", &given(Some(state), vec![])).state;
    let state = check(
        &world,
        "staging",
        Some(state),
        vec![rollback("rita", 9, None, false)],
        expect![
            "reply on #5: `staging` follows `main`; what is merged there comes here, and a revert there brings it back"
        ],
    );
    check(
        &world,
        "staging",
        Some(state),
        vec![rollback("rita", 9, None, false)],
        expect![[""]],
    );
    check(
        &world,
        "nowhere",
        None,
        vec![rollback("rita", 9, None, false)],
        expect!["reply on #5: the contract names no environment `nowhere`"],
    );
    world.contract(SERVICE, '1', "kind: service\n");
    check(
        &world,
        "production",
        None,
        vec![promote("rita", None)],
        expect!["reply on #5: `bowsprit.yaml` on the default branch cannot be read; mend it first"],
    );
}

#[test]
fn a_failed_rollout_keeps_what_serves_and_returns_once() {
    let (mut world, mut state) = chain(NOW_MS);
    (state.wanted, state.generation, state.phase) =
        (Some(second()), 2, Some(RolloutPhase::Starting));
    gateway(&mut world, "production", 2, RolloutPhase::Failed);
    let state = check(
        &world,
        "production",
        Some(state),
        vec![],
        expect![[r#"
        deployment production Failure: v2: 3 answers differ
        propose Return production to v1 on bowsprit/revert-production-2
        event production could not serve v2 (3 answers differ)
        event production revert to v1 opened (v2 could not be rolled out: 3 answers differ)"#]],
    );
    assert_eq!(state.live, Some(first()));
    check(
        &world,
        "production",
        Some(state.clone()),
        vec![],
        expect![[""]],
    );
    let mut refused_by_target = given(
        Some(Environment {
            phase: None,
            shown: None,
            changes: Vec::new(),
            ..state
        }),
        vec![],
    );
    refused_by_target
        .outcomes
        .insert("deploy:2:production:2".to_owned(), refused("no room"));
    expect![[r#"
        deployment production Failure: v2: no room
        propose Return production to v1 on bowsprit/revert-production-2
        event production could not serve v2 (no room)
        event production revert to v1 opened (v2 could not be rolled out: no room)"#]]
    .assert_eq(&told(&look(&world, "production", &refused_by_target)));
}

#[test]
fn an_answer_to_another_order_is_no_answer() {
    let (mut world, mut state) = chain(NOW_MS);
    (state.wanted, state.generation, state.phase) =
        (Some(second()), 2, Some(RolloutPhase::Starting));
    gateway(&mut world, "production", 1, RolloutPhase::Failed);
    check(
        &world,
        "production",
        Some(state),
        vec![],
        expect!["look after 15 s"],
    );
}

#[test]
fn an_opened_change_is_dated_and_a_refused_one_is_over() {
    let (mut world, mut state) = chain(NOW_MS);
    state.changes = vec![Change {
        pr: None,
        head: None,
        ..change(6, ChangeCause::Promotion, &second())
    }];
    let after = |outcome: Outcome| {
        let mut given = given(Some(state.clone()), vec![]);
        given.outcomes.insert("change:1".to_owned(), outcome);
        look(&world, "production", &given)
    };
    let act = after(done(EffectResult::Proposed {
        pr: PrNumber(6),
        commit: sha('d'),
    }));
    expect![[r#"
        wake pull/2/6: pushed ddddddd 0
        look after 600 s"#]]
    .assert_eq(&told(&act));
    assert!(after(refused("no")).state.changes[0].is_over);
    open(&mut world, 6, false);
    assert!(
        look(&world, "production", &given(Some(act.state), vec![]))
            .state
            .changes[0]
            .is_over
    );
}

#[test]
fn a_change_that_could_not_be_opened_is_told_where_it_was_asked_for_and_may_be_tried_again() {
    let (world, mut state) = chain(NOW_MS);
    let asked = Some((PrNumber(9), CommentId::Comment(31)));
    let unopened = |cause, asked| Change {
        pr: None,
        head: None,
        asked,
        ..change(6, cause, &second())
    };
    let after = |state: &Environment, outcome: Outcome| {
        let mut given = given(Some(state.clone()), vec![]);
        given.outcomes.insert("change:1".to_owned(), outcome);
        look(&world, "production", &given)
    };
    state.changes = vec![unopened(ChangeCause::Rollback, asked)];
    let act = after(&state, refused("the branch is protected"));
    expect![[r#"
        reply on #9: the pull request that brings production to v2 could not be opened: the branch is protected; say it again once that is mended. Promotions wait until then, or until `/unhold`
        event production rollback to v2 could not be opened (the branch is protected)
        look after 600 s"#]].assert_eq(&told(&act));
    let lost = act.state;
    assert!(lost.changes[0].is_over && lost.changes[0].is_lost);
    // It is said once.
    let again = after(&lost, refused("the branch is protected"));
    expect!["look after 600 s"].assert_eq(&told(&again));
    let given_up = Outcome {
        state: EffectState::Dead,
        result: EffectResult::Nothing,
    };
    state.changes = vec![unopened(ChangeCause::Promotion, asked)];
    let act = after(&state, given_up.clone());
    expect![[r#"
        reply on #9: the pull request that brings production to v2 could not be opened: it was given up; say it again once that is mended, or an operator's `bowsprit effects redrive` tries it again
        event production promotion to v2 could not be opened (it was given up)
        look after 600 s"#]].assert_eq(&told(&act));
    state.changes = vec![unopened(ChangeCause::Promotion, None)];
    let act = after(&state, given_up);
    expect![[r#"
        event production promotion to v2 could not be opened (it was given up)
        look after 600 s"#]]
    .assert_eq(&told(&act));
    let opened = EffectResult::Proposed {
        pr: PrNumber(6),
        commit: sha('d'),
    };
    let back = after(&lost, done(opened)).state.changes.remove(0);
    assert!(!back.is_over && !back.is_lost && back.pr == Some(PrNumber(6)));
}

#[test]
fn what_the_contract_no_longer_names_is_removed_and_may_return() {
    let mut world = World::pair();
    let without = SERVICE_TEXT
        .replace("  staging: {tracks: main}\n", "  other: {tracks: main}\n")
        .replace("after: staging", "after: other");
    world.tell(
        Query::Models(SERVICE, sha('1')),
        Answer::Models(vec![manifest(1, "one")]),
    );
    world.contract(SERVICE, '1', &without);
    let state = check(
        &world,
        "staging",
        Some(serves("staging", &[], &first(), 0)),
        vec![],
        expect![[r#"
            remove staging
            deployment staging Inactive: v1: the contract no longer names it
            event staging removed (the contract no longer names it)"#]],
    );
    let state = check(&world, "staging", Some(state), vec![], expect![[""]]);
    check(&world, "unseen", None, vec![], expect![[""]]);
    world.contract(SERVICE, '1', SERVICE_TEXT);
    let state = check(
        &world,
        "staging",
        Some(state),
        vec![],
        expect![[r#"
        deploy staging #2 at 1111111 digits v1
        deployment staging InProgress: v1: being rolled out
        event staging wants v1 ()
        look after 15 s"#]],
    );
    assert!(!state.is_gone);
    world.contract(SERVICE, '1', "kind: service\n");
    check(&world, "staging", Some(state), vec![], expect![[""]]);
}

#[test]
fn a_change_is_held_against_what_was_verified() {
    let staging = serves("staging", &[first()], &second(), 0);
    let state = serves("production", &[], &first(), 0);
    let third = release("rel-3", '3', 3, "three");
    let rule = |previous: Option<&Environment>, target: &Release, cause: ChangeCause| {
        validate::validate(&state, previous, target, cause)
            .into_iter()
            .map(|(rule, is_met, _)| format!("{rule}: {is_met}"))
            .collect::<String>()
    };
    expect!["verified in staging: true"].assert_eq(&rule(
        Some(&staging),
        &second(),
        ChangeCause::Promotion,
    ));
    expect!["verified in staging: false"].assert_eq(&rule(
        Some(&staging),
        &third,
        ChangeCause::Promotion,
    ));
    expect!["verified in the environment before: false"].assert_eq(&rule(
        None,
        &second(),
        ChangeCause::Promotion,
    ));
    expect!["served in production before: true"].assert_eq(&rule(
        None,
        &first(),
        ChangeCause::Rollback,
    ));
    expect!["served in production before: false"].assert_eq(&rule(
        None,
        &second(),
        ChangeCause::Rollback,
    ));
    let elsewhere = Release {
        commit: sha('9'),
        ..first()
    };
    expect!["served in production before: false"].assert_eq(&rule(
        None,
        &elsewhere,
        ChangeCause::Rollback,
    ));
    expect!["break-glass: true"].assert_eq(&rule(None, &third, ChangeCause::BreakGlass));
}

#[test]
fn a_change_has_a_key_of_its_own_though_older_ones_are_forgotten() {
    let (world, mut state) = chain(SOAKED_MS);
    let opened = look(&world, "production", &given(Some(state.clone()), vec![])).state;
    let (first, release) = (opened.changes[0].key.clone(), &opened.changes[0].release);
    state.changes = vec![Change {
        key: first.clone(),
        is_over: true,
        ..change(9, ChangeCause::Rollback, release)
    }];
    let again = look(&world, "production", &given(Some(state), vec![])).state;
    let second = &again.changes.last().expect("a change").key;
    assert_eq!(first.strip_suffix(":0"), second.strip_suffix(":1"));
}

#[test]
fn the_newest_change_has_the_number() {
    let mut state = serves("production", &[], &first(), 0);
    let old = Change {
        is_over: true,
        ..change(6, ChangeCause::Promotion, &first())
    };
    state.changes = vec![old, change(6, ChangeCause::Promotion, &second())];
    assert_eq!(
        state.change_of(PrNumber(6)).map(|c| c.release.id.as_str()),
        Some("rel-2")
    );
    let path = RepoPath::parse("environments/production.yaml").expect("a path");
    assert_eq!(file::path(&state.name), path);
}
