//! A model, one look: numbers, proposals, what is frozen and what is superseded.

mod leaving;

use super::{Model, Proposal, branch as ours, step};
use crate::effect::{EffectResult, EffectState, Hint, Outcome, Version};
use crate::name::{CommentId, PrNumber, RepoId, RepoName};
use crate::subject::ask::{Answer, PullView, Query, RepoView};
use crate::subject::run::Run;
use crate::subject::testing::*;
use crate::subject::{Act, Given};
use expect_test::{Expect, expect};

/// A run of the training's head passed; these versions are there.
fn world(run: &Run, versions: &[Version]) -> World {
    let mut world = World::pair();
    let passed = Query::PassedRun(TRAINING, branch("main"), slug("digits"));
    world.tell(passed, Answer::Run(Some(run.clone())));
    world.tell(Query::Run(run.id.clone()), Answer::Run(Some(run.clone())));
    let tagged = Query::Versions(SERVICE, slug("digits"));
    world.tell(tagged, Answer::Versions(versions.to_vec()));
    world.owners(SERVICE, '1', &[("", "approvers: [grace]")]);
    world
}

/// Our proposal of `v1` is open as `#1` with the head `c…`.
fn proposed(world: &mut World, head: char) -> Model {
    let open = pull_view(SERVICE, 1, "bowsprit/digits", ('1', head));
    world.tell(
        Query::OpenPull(SERVICE, ours(&slug("digits"))),
        Answer::Pull(Some(PullView {
            author: login("bowsprit[bot]"),
            ..open
        })),
    );
    let version = version(1, "one");
    Model {
        proposal: Some(Proposal {
            key: "propose:1".to_owned(),
            version: 1,
            run: version.run.clone(),
            digest: version.digest,
            pr: Some(PrNumber(1)),
            head: Some(sha('c')),
        }),
        dealt_with: Some(version.run),
        ..empty()
    }
}

fn empty() -> Model {
    Model {
        repo: repo(SERVICE),
        name: slug("digits"),
        training: Some(TRAINING),
        proposal: None,
        failed: None,
        next: None,
        dealt_with: None,
        taken: 0,
        acted: Vec::new(),
    }
}

fn look(world: &World, given: &Given<Model>) -> Act<Model> {
    let name = slug("digits");
    drive(world, |ask| step(given, (SERVICE, &name), ask)).expect("a repository that is there")
}

#[track_caller]
fn check(world: &World, state: Option<Model>, hints: Vec<Hint>, want: Expect) -> Model {
    let act = look(world, &given(state, hints));
    want.assert_eq(&told(&act));
    act.state
}

fn supersede(by: &str) -> Hint {
    Hint::Supersede {
        by: login(by),
        pr: PrNumber(1),
        comment: CommentId::Comment(9),
    }
}

#[test]
fn versions_are_numbered_one_after_another() {
    let run = passed('a', "new");
    check(
        &world(&run, &[]),
        None,
        vec![],
        expect!["propose Propose digits v1 on bowsprit/digits"],
    );
    let two = [version(1, "one"), version(2, "two")];
    check(
        &world(&run, &two),
        None,
        vec![],
        expect!["propose Propose digits v3 on bowsprit/digits"],
    );
    let other = [version(7, "seven"), version(2, "two")];
    check(
        &world(&run, &other),
        None,
        vec![],
        expect!["propose Propose digits v8 on bowsprit/digits"],
    );
}

#[test]
fn the_same_bytes_as_the_newest_version_are_not_proposed() {
    let versions = [version(1, "one"), version(2, "two")];
    let act = check(
        &world(&passed('a', "two"), &versions),
        None,
        vec![],
        expect![[r#"
        check train Success: trained; nothing judged it
        event digits not proposed (identical model: the same bytes as v2)"#]],
    );
    let same = world(&passed('a', "two"), &versions);
    check(&same, Some(act), vec![], expect![[""]]);
    check(
        &world(&passed('a', "one"), &versions),
        None,
        vec![],
        expect!["propose Propose digits v3 on bowsprit/digits"],
    );
}

#[test]
fn an_older_commit_never_follows_a_later_one() {
    let versions = [version(1, "one"), version(2, "two")];
    let older = Query::IsAncestor(TRAINING, sha('b'), sha('a'));
    let world = |run: &Run, is_older: bool| {
        let mut world = world(run, &versions);
        world.tell(older.clone(), Answer::Flag(is_older));
        world
    };
    let run = passed('b', "new");
    let overtaken = world(&run, true);
    let state = check(
        &overtaken,
        None,
        vec![],
        expect![[r#"
            check train Success: trained; nothing judged it
            event digits not proposed (older than v2, which a later commit made (`aaaaaaa`); a revert on the default branch trains this state as a new one)"#]],
    );
    check(
        &overtaken,
        Some(state),
        vec![supersede("grace")],
        expect!["reply on #1: there is no newer version waiting; nothing to supersede"],
    );
    let proposed = || expect!["propose Propose digits v3 on bowsprit/digits"];
    check(&world(&run, false), None, vec![], proposed());
    // The same commit once more.
    check(&world(&passed('a', "new"), true), None, vec![], proposed());
    // The later commit is gone from the repository.
    let mut rewritten = world(&run, true);
    rewritten.tell(Query::Commit(TRAINING, sha('a')), Answer::Commit(None));
    check(&rewritten, None, vec![], proposed());
}

#[test]
fn what_a_proposal_brings_back_is_taken_over() {
    let run = passed('a', "new");
    let world = world(&run, &[]);
    let first = look(&world, &given(None, vec![]));
    let proposal = first.state.proposal.clone().expect("a proposal");
    let after = |outcome: Outcome| {
        let mut given = given(Some(first.state.clone()), vec![]);
        given.outcomes.insert(proposal.key.clone(), outcome);
        look(&world, &given)
    };
    let result = EffectResult::Proposed {
        pr: PrNumber(5),
        commit: sha('c'),
    };
    let act = after(done(result));
    expect![[r#"
        wake pull/2/5: pushed ccccccc 0
        event digits v1 proposed (#5)"#]]
    .assert_eq(&told(&act));
    assert_eq!(
        act.state.proposal.as_ref().and_then(|p| p.pr),
        Some(PrNumber(5))
    );
    expect![[""]].assert_eq(&told(&after(Outcome {
        state: EffectState::Intended,
        result: EffectResult::Nothing,
    })));
    let act = after(Outcome {
        state: EffectState::Refused,
        result: EffectResult::Taken,
    });
    expect!["propose Propose digits v2 on bowsprit/digits"].assert_eq(&told(&act));
    assert_eq!(act.state.taken, 1);
    let act = after(refused("Resource not accessible by integration"));
    expect![[r#"
        check train Success: trained; nothing judged it
        event digits v1 could not be proposed (Resource not accessible by integration)"#]]
    .assert_eq(&told(&act));
    assert_eq!(
        note(&act),
        "digits v1 could not be proposed: Resource not accessible by integration; once that is mended, a re-run proposes it"
    );
    check(&world, Some(act.state), vec![], expect![[""]]);
}

/// What the check of the run says beside its gates.
fn note(act: &Act<Model>) -> String {
    let checks = act
        .intents
        .iter()
        .filter_map(|intent| match &intent.effect {
            crate::effect::Effect::CheckRun(check) => check.summary.data["run"]["note"].as_str(),
            _ => None,
        });
    checks.map(str::to_owned).collect()
}

#[test]
fn a_rerun_of_what_was_not_proposed_proposes_it() {
    let run = passed('a', "new");
    let first = world(&run, &[]);
    let state = look(&first, &given(None, vec![])).state;
    let key = state.proposal.clone().expect("a proposal").key;
    let mut refusal = given(Some(state), vec![]);
    refusal.outcomes.insert(key, refused("no"));
    let state = look(&first, &refusal).state;
    let mut cause = run.cause.clone();
    cause.trigger = crate::subject::run::Trigger::Again {
        branch: Some(branch("main")),
        pr: None,
        nonce: "button".to_owned(),
    };
    let again = crate::subject::run::Run {
        id: cause.run_id(),
        cause,
        ..run
    };
    let state = check(
        &world(&again, &[]),
        Some(state),
        vec![],
        expect!["propose Propose digits v1 on bowsprit/digits"],
    );
    assert_eq!(state.dealt_with, Some(again.id));
}

#[test]
fn a_proposal_that_was_given_up_and_tried_again_is_known() {
    let run = passed('a', "new");
    let world = world(&run, &[]);
    let state = look(&world, &given(None, vec![])).state;
    let key = state.proposal.clone().expect("a proposal").key;
    let after = |state: &Model, outcome: Outcome| {
        let mut given = given(Some(state.clone()), vec![]);
        given.outcomes.insert(key.clone(), outcome);
        look(&world, &given)
    };
    let outcome = |state, result| Outcome { state, result };
    let dead = after(&state, outcome(EffectState::Dead, EffectResult::Nothing));
    assert_eq!(
        note(&dead),
        "digits v1 could not be proposed: given up; `bowsprit effects redrive` tries it again, and so does a re-run"
    );
    let still = after(
        &dead.state,
        outcome(EffectState::Dead, EffectResult::Nothing),
    );
    expect![[""]].assert_eq(&told(&still));
    let tried = after(
        &still.state,
        outcome(EffectState::Intended, EffectResult::Nothing),
    );
    expect![[""]].assert_eq(&told(&tried));
    let result = EffectResult::Proposed {
        pr: PrNumber(5),
        commit: sha('c'),
    };
    let act = after(&tried.state, done(result.clone()));
    expect![[r#"
        check train Success: trained; nothing judged it
        wake pull/2/5: pushed ccccccc 0
        event digits v1 proposed (#5)"#]]
    .assert_eq(&told(&act));
    assert_eq!(note(&act), "");
    let proposal = act.state.proposal.clone().expect("a proposal");
    assert_eq!(
        (proposal.pr, proposal.head.clone()),
        (Some(PrNumber(5)), Some(sha('c')))
    );
    assert!(matches!(&act.records[0], crate::effect::Record::Version(v) if v.version == 1));
    assert_eq!(act.state.failed, None);
    expect![[""]].assert_eq(&told(&after(&act.state, done(result.clone()))));
    // What was proposed since stays the newest.
    let newer = Model {
        proposal: Some(Proposal {
            version: 2,
            pr: Some(PrNumber(6)),
            ..proposal
        }),
        ..tried.state.clone()
    };
    let kept = after(&newer, done(result)).state;
    assert_eq!(kept.proposal.and_then(|p| p.pr), Some(PrNumber(6)));
    // Its number was taken meanwhile: the next one.
    let taken = outcome(EffectState::Refused, EffectResult::Taken);
    expect!["propose Propose digits v2 on bowsprit/digits"]
        .assert_eq(&told(&after(&tried.state, taken)));
}

#[test]
fn an_untouched_proposal_of_ours_is_superseded_in_place() {
    let run = passed('a', "two");
    let mut world = world(&run, &[version(1, "one")]);
    let state = proposed(&mut world, 'c');
    check(
        &world,
        Some(state.clone()),
        vec![],
        expect!["propose Propose digits v2 on bowsprit/digits over #1 ccccccc"],
    );
    world.tell(
        Query::Comments(SERVICE, PrNumber(1)),
        Answer::Comments(vec![comment(1, "bowsprit[bot]", "status")]),
    );
    check(
        &world,
        Some(state),
        vec![],
        expect!["propose Propose digits v2 on bowsprit/digits over #1 ccccccc"],
    );
}

#[test]
fn a_touched_or_foreign_proposal_is_frozen() {
    let run = passed('a', "two");
    let mut world = world(&run, &[version(1, "one")]);
    let state = proposed(&mut world, 'c');
    let mut spoken = world.clone();
    spoken.tell(
        Query::Comments(SERVICE, PrNumber(1)),
        Answer::Comments(vec![comment(1, "grace", "nice")]),
    );
    let frozen = check(
        &spoken,
        Some(state.clone()),
        vec![],
        expect!["wake pull/2/1"],
    );
    assert_eq!(frozen.next, Some(run.id.clone()));
    check(&spoken, Some(frozen.clone()), vec![], expect![[""]]);
    let mut reviewed = world.clone();
    reviewed.tell(
        Query::Reviews(SERVICE, PrNumber(1)),
        Answer::Reviews(vec![review(
            1,
            "grace",
            crate::subject::ask::ReviewState::Commented,
            'c',
        )]),
    );
    check(
        &reviewed,
        Some(state.clone()),
        vec![],
        expect!["wake pull/2/1"],
    );
    // Closed or merged: the waiting version is proposed.
    spoken.tell(
        Query::OpenPull(SERVICE, ours(&slug("digits"))),
        Answer::Pull(None),
    );
    let next = check(
        &spoken,
        Some(frozen),
        vec![],
        expect!["propose Propose digits v2 on bowsprit/digits"],
    );
    assert_eq!(next.next, None);
    let foreign = proposed(&mut world, 'd');
    check(
        &world,
        Some(foreign.clone()),
        vec![],
        expect!["wake pull/2/1"],
    );
    check(
        &world,
        Some(foreign),
        vec![supersede("grace")],
        expect![[r#"
        reply on #1: the branch of this proposal holds a commit that is not ours; close it, and the waiting version is proposed anew
        wake pull/2/1"#]],
    );
    check(
        &world,
        Some(Model {
            proposal: None,
            ..state
        }),
        vec![],
        expect!["wake pull/2/1"],
    );
}

#[test]
fn supersede_takes_the_waiting_version_for_those_who_may() {
    let run = passed('a', "two");
    let mut world = world(&run, &[version(1, "one")]);
    let state = proposed(&mut world, 'c');
    world.tell(
        Query::Comments(SERVICE, PrNumber(1)),
        Answer::Comments(vec![comment(1, "grace", "nice")]),
    );
    check(
        &world,
        Some(state.clone()),
        vec![supersede("mallory")],
        expect![[r#"
        reply on #1: `/supersede` is for approvers of `models/digits/`
        wake pull/2/1"#]],
    );
    let after = check(
        &world,
        Some(state.clone()),
        vec![supersede("grace")],
        expect![[r#"
        react to 9
        propose Propose digits v2 on bowsprit/digits over #1 ccccccc
        event grace: supersede (#1)"#]],
    );
    check(&world, Some(after), vec![supersede("grace")], expect![[""]]);
    let current = Model {
        dealt_with: Some(run.id.clone()),
        ..state.clone()
    };
    check(
        &world,
        Some(current),
        vec![supersede("grace")],
        expect!["reply on #1: there is no newer version waiting; nothing to supersede"],
    );
    let mut nothing = world.clone();
    nothing.tell(
        Query::PassedRun(TRAINING, branch("main"), slug("digits")),
        Answer::Run(None),
    );
    check(
        &nothing,
        Some(state.clone()),
        vec![supersede("grace")],
        expect!["reply on #1: there is no newer version waiting; nothing to supersede"],
    );
    world.owners(SERVICE, '1', &[]);
    check(
        &world,
        Some(state.clone()),
        vec![supersede("grace")],
        expect![[r#"
        reply on #1: `/supersede` is for approvers of `models/digits/`
        wake pull/2/1"#]],
    );
    world.may(SERVICE, "grace", crate::subject::ask::Permission::Write);
    check(
        &world,
        Some(state),
        vec![supersede("grace")],
        expect![[r#"
            react to 9
            propose Propose digits v2 on bowsprit/digits over #1 ccccccc
            event grace: supersede (#1)"#]],
    );
}

#[test]
fn a_command_while_a_proposal_is_being_opened_is_answered() {
    let run = passed('a', "two");
    let world = world(&run, &[version(1, "one")]);
    let state = look(&world, &given(None, vec![])).state;
    check(
        &world,
        Some(state),
        vec![supersede("grace")],
        expect![
            "reply on #1: a newer version is being proposed at this moment; look at the pull request again in a minute"
        ],
    );
}

#[test]
fn the_partner_is_pinned_by_its_id() {
    let run = passed('a', "new");
    let world = world(&run, &[]);
    let first = look(&world, &given(None, vec![])).state;
    assert_eq!(first.training, Some(TRAINING));
    let pinned = Model {
        training: Some(RepoId(99)),
        ..empty()
    };
    check(
        &world,
        Some(pinned),
        vec![],
        expect![
            "event model: partner refused (`o/digits-training` is another repository than the one first seen under that name)"
        ],
    );
    let mut unseen = world.clone();
    let name = RepoName::parse("o/digits-training").expect("a name");
    unseen.tell(Query::RepositoryNamed(name), Answer::Repository(None));
    check(&unseen, None, vec![], expect![[""]]);
}

#[test]
fn the_default_branch_of_the_training_repository_counts() {
    let run = passed('a', "new");
    let mut world = world(&run, &[]);
    let view = RepoView {
        repo: repo(TRAINING),
        default_branch: branch("dev"),
    };
    world.tell(
        Query::RepositoryNamed(view.repo.name.clone()),
        Answer::Repository(Some(view)),
    );
    check(&world, None, vec![], expect![[""]]);
}
