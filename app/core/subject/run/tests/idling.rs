//! Which pushes train, and which of them end the training before.

use super::*;
use crate::training::spec::Trust;

/// A training run of `main` at this commit, in this phase.
fn at(commit: char, phase: Phase, word: &str) -> Run {
    let trigger = Trigger::Push {
        branch: branch("main"),
    };
    let mut run = run(cause(TRAINING, commit, What::Train, trigger), phase);
    match phase {
        Phase::Cancelled => run.cancelled = Some(word.to_owned()),
        Phase::Skipped => run.note = (!word.is_empty()).then(|| word.to_owned()),
        Phase::Pending | Phase::Running | Phase::Succeeded | Phase::Failed => {}
    }
    run
}

fn knows(world: &mut World, name: &str, runs: Vec<Run>) {
    let query = Query::BranchRuns(TRAINING, branch(name));
    world.tell(query, Answer::Runs(runs));
}

/// What a commit changes since another.
type Files = &'static [(&'static str, char)];

/// Runs, each with what the push changes since.
type Before = Vec<(Run, Files)>;

const CODE: Files = &[("train.py", 'b')];
const WORDS: Files = &[("README.md", 'b')];
const BOTH: Files = &[("train.py", 'b'), ("README.md", 'b')];

/// Runs before a push, newest first, each with what `b…` changes since, and whether the push trains.
fn pushes() -> Vec<(&'static str, Before, bool)> {
    use Phase::*;
    let superseded = "superseded by `bbbbbbb`";
    let ignored = "only paths changed";
    vec![
        ("nothing is known", vec![], true),
        ("words alone", vec![(at('8', Succeeded, ""), WORDS)], false),
        (
            "code and words in one push",
            vec![(at('8', Succeeded, ""), BOTH)],
            true,
        ),
        (
            "words while the code trains",
            vec![(at('8', Running, ""), WORDS)],
            false,
        ),
        (
            "words after what failed",
            vec![(at('8', Failed, ""), WORDS)],
            false,
        ),
        (
            "words after a push whose delivery was lost",
            vec![(at('8', Succeeded, ""), BOTH)],
            true,
        ),
        (
            "words after words",
            vec![
                (at('9', Skipped, ignored), WORDS),
                (at('8', Succeeded, ""), WORDS),
            ],
            false,
        ),
        (
            "words on what its author skipped",
            vec![
                (at('9', Skipped, "[skip train]"), WORDS),
                (at('8', Succeeded, ""), BOTH),
            ],
            false,
        ),
        (
            "words on what had no contract",
            vec![
                (at('9', Skipped, ""), WORDS),
                (at('8', Succeeded, ""), BOTH),
            ],
            true,
        ),
        (
            "words on what something else took the place of",
            vec![
                (at('9', Cancelled, superseded), WORDS),
                (at('8', Succeeded, ""), BOTH),
            ],
            true,
        ),
        (
            "words on what somebody cancelled",
            vec![
                (at('9', Cancelled, "cancelled by ada"), WORDS),
                (at('8', Succeeded, ""), BOTH),
            ],
            false,
        ),
    ]
}

#[test]
fn a_push_is_held_against_what_was_dealt_with_before() {
    for (what, before, trains) in pushes() {
        let (mut world, cause) = pushed();
        for (run, files) in &before {
            let old = run.sha.as_str().chars().next().expect("a commit");
            world.changes(TRAINING, (old, 'b'), files);
        }
        knows(
            &mut world,
            "main",
            before.into_iter().map(|(run, _)| run).collect(),
        );
        let run = wanted(&world, &cause).state;
        let phase = match trains {
            true => Phase::Running,
            false => Phase::Skipped,
        };
        assert_eq!(run.phase, phase, "{what}");
        if !trains {
            assert_eq!(
                run.note.as_deref(),
                Some("only paths changed that `triggers.paths-ignore` names")
            );
        }
    }
}

#[test]
fn what_cannot_be_compared_trains() {
    let succeeded = || at('8', Phase::Succeeded, "");
    let words = |merge_base, is_cut| Changes {
        merge_base: sha(merge_base),
        files: BTreeMap::from([(path("README.md"), (None, Some(sha('b'))))]),
        is_cut,
    };
    for (merge_base, is_cut, phase) in [
        ('8', false, Phase::Skipped),
        ('8', true, Phase::Running),
        // History was written anew: the commit that was trained is not below this one.
        ('7', false, Phase::Running),
    ] {
        let (mut world, cause) = pushed();
        knows(&mut world, "main", vec![succeeded()]);
        let query = Query::Changes(TRAINING, sha('8'), sha('b'));
        world.tell(query, Answer::Changes(words(merge_base, is_cut)));
        assert_eq!(wanted(&world, &cause).state.phase, phase, "{merge_base}");
        world.tell(Query::Commit(TRAINING, sha('8')), Answer::Commit(None));
        assert_eq!(wanted(&world, &cause).state.phase, Phase::Running, "gone");
    }
    let with = |change: fn(&mut Run)| {
        let (mut world, cause) = pushed();
        let mut other = succeeded();
        change(&mut other);
        knows(&mut world, "main", vec![other]);
        world.changes(TRAINING, ('8', 'b'), WORDS);
        wanted(&world, &cause).state.phase
    };
    assert_eq!(with(|_| {}), Phase::Skipped);
    assert_eq!(
        with(|run| run.cause.trust = Trust::Untrusted),
        Phase::Skipped
    );
    let tried = |run: &mut Run| drop(run.cause.params.insert("EPOCHS".to_owned(), "1".to_owned()));
    assert_eq!(with(tried), Phase::Running, "a try with other parameters");
    let checked = |run: &mut Run| run.cause.what = What::Check(slug("unit"));
    assert_eq!(with(checked), Phase::Running, "a check trains nothing");
}

#[test]
fn another_branch_and_a_lost_database_know_what_was_trained() {
    let (mut world, cause) = pushed();
    let trigger = Trigger::Push {
        branch: branch("dev"),
    };
    let dev = Cause {
        trigger,
        ..cause.clone()
    };
    world.head(TRAINING, "dev", 'b');
    world.changes(TRAINING, ('8', 'b'), WORDS);
    assert_eq!(wanted(&world, &dev).state.phase, Phase::Running);
    let mut trained = world.clone();
    knows(&mut trained, "main", vec![at('8', Phase::Succeeded, "")]);
    assert_eq!(wanted(&trained, &dev).state.phase, Phase::Skipped);
    let made = crate::effect::Version {
        training_commit: sha('8'),
        ..version(1, "one")
    };
    let query = Query::Versions(SERVICE, slug("digits"));
    world.tell(query, Answer::Versions(vec![made]));
    assert_eq!(wanted(&world, &cause).state.phase, Phase::Skipped);
}

#[test]
fn only_a_head_that_itself_trains_supersedes() {
    let cancelled = "superseded by `ccccccc`";
    // What the head says, what it changes since the run's commit, other runs, and whether it supersedes.
    let table = [
        ("Change", CODE, vec![], true),
        ("Change", BOTH, vec![], true),
        ("Change", WORDS, vec![], false),
        ("Tidy [skip train]", CODE, vec![], false),
        ("Change", WORDS, vec![at('c', Phase::Running, "")], true),
        (
            "Change",
            WORDS,
            vec![at('c', Phase::Skipped, "ignored")],
            false,
        ),
        ("Change", CODE, vec![at('c', Phase::Pending, "")], true),
    ];
    for (message, files, mut runs, supersedes) in table {
        let (mut world, cause) = pushed();
        let under_way = wanted(&world, &cause).state;
        world.head(TRAINING, "main", 'c');
        world.contract(TRAINING, 'c', TRAINING_TEXT);
        world.changes(TRAINING, ('b', 'c'), files);
        let query = Query::Commit(TRAINING, sha('c'));
        world.tell(query, Answer::Commit(Some(commit(message))));
        runs.push(under_way.clone());
        knows(&mut world, "main", runs);
        let run = look(&world, &given(Some(under_way), vec![])).state;
        let told = supersedes.then_some(cancelled);
        assert_eq!(run.cancelled.as_deref(), told, "{message} {files:?}");
    }
    for (text, supersedes) in [
        ("", true),
        ("kind: training\n", true),
        (&TRAINING_TEXT.replace("[main, dev]", "[dev]")[..], false),
    ] {
        let (mut world, cause) = pushed();
        world.head(TRAINING, "main", 'c');
        world.contract(TRAINING, 'c', text);
        world.changes(TRAINING, ('b', 'c'), CODE);
        let run = wanted(&world, &cause).state;
        assert_eq!(run.cancelled.is_some(), supersedes, "{text}");
    }
}

#[test]
fn words_on_code_that_nobody_may_train_end_nothing() {
    // `[skip train]` with code came between: what runs is the newest that anybody wants trained.
    let (mut world, cause) = pushed();
    let under_way = wanted(&world, &cause).state;
    world.head(TRAINING, "main", 'd');
    world.contract(TRAINING, 'd', TRAINING_TEXT);
    world.changes(TRAINING, ('b', 'd'), BOTH);
    world.changes(TRAINING, ('c', 'd'), WORDS);
    let between = at(
        'c',
        Phase::Skipped,
        "the commit message says `[skip train]`",
    );
    knows(&mut world, "main", vec![between, under_way.clone()]);
    let run = look(&world, &given(Some(under_way), vec![])).state;
    assert_eq!(run.phase, Phase::Running);
}
