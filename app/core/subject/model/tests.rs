//! A model, one look: numbers, proposals, what is frozen and what is superseded.

mod deleting;
mod leaving;
mod outcomes;

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
        kept: Vec::new(),
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
