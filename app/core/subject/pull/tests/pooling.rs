//! A pool that is tested: what begins and ends, whose turn it is, and who is put out.

use super::promoting::promotion;
use super::queueing::{self, pool};
use super::*;
use crate::effect::{Effect, Hint};
use crate::name::CommitSha;
use crate::queue::Landed;
use crate::subject::SubjectKey;
use crate::subject::ask::Chain;
use crate::subject::environment::{ChangeCause, Environment};
use expect_test::expect;

/// Everybody has agreed on `#7`, in a repository that tests what is ready.
pub(super) fn agreed() -> Change {
    let mut change = Change::code();
    change.says("rita", "/lgtm").says("root", "/approve");
    let text = format!("{TRAINING_TEXT}chatops: {{merge_tests: 3}}\n");
    change.world.contract(TRAINING, 'a', &text);
    change.world.contract(TRAINING, 'b', &text);
    for head in ['c', 'd', 'e'] {
        change
            .world
            .changes(TRAINING, ('a', head), &[("train.py", head)]);
    }
    change
}

/// Another member, ready so long before.
pub(super) fn other(number: u64, head: char, before_ms: i64) -> (PrNumber, Ready) {
    let (number, ready) = queueing::other(number, before_ms);
    let member = Ready {
        head: sha(head),
        is_tested: true,
        ..ready
    };
    (number, member)
}

/// A promotion that its approvers agree on.
fn promoted() -> Change {
    let state = Environment::new(repo(SERVICE), slug("production"), 0);
    let mut change = promotion(&state, ChangeCause::Promotion);
    change.says("eve", "/approve");
    change
}

/// Both runs of a test of these heads on `a…`, for the nth time.
pub(super) fn tested(heads: &str, turn: u32, phases: [Phase; 2]) -> Vec<Run> {
    let whats = vec![What::Train, What::Check(slug("unit"))];
    let number = |head: char| PrNumber(if head == 'b' { 7 } else { u64::from(head) });
    let members: Vec<(PrNumber, CommitSha)> = heads.chars().map(|h| (number(h), sha(h))).collect();
    let runs = whats.iter().zip(phases).map(|(what, phase)| {
        let trigger = Trigger::Queue {
            branch: branch("main"),
            base: sha('a'),
            members: members.clone(),
            whats: whats.clone(),
            turn,
            left_out: Vec::new(),
        };
        let last = heads.chars().last().expect("a head");
        run(cause(TRAINING, last, what.clone(), trigger), phase)
    });
    runs.collect()
}

pub(super) fn ran(change: &mut Change, tests: &[(&str, u32, [Phase; 2])]) {
    let runs = tests
        .iter()
        .flat_map(|(heads, turn, phases)| tested(heads, *turn, *phases));
    let query = Query::QueueRuns(TRAINING, branch("main"));
    change.world.tell(query, Answer::Runs(runs.collect()));
}

pub(super) const GREEN: [Phase; 2] = [Phase::Succeeded, Phase::Skipped];
const RED: [Phase; 2] = [Phase::Succeeded, Phase::Failed];
pub(super) const GOING: [Phase; 2] = [Phase::Succeeded, Phase::Running];

/// The rule of the pool, and what happens in it.
pub(super) fn look(change: &Change, state: Option<Pull>) -> (String, Act<Pull>) {
    let act = match state {
        Some(state) => change.again(Some(state), Vec::new()),
        None => change.look(),
    };
    let rules = act.state.rules.iter();
    let mut rules = rules.filter(|rule| ["its turn", "merge queue"].contains(&rule.name.as_str()));
    let rule = rules.next().map_or_else(String::new, |rule| {
        let runs = match rule.runs.len() {
            0 => String::new(),
            count => format!(" ({count} runs)"),
        };
        format!("{:?} {}{runs}", rule.state, rule.detail)
    });
    assert_eq!(rules.next(), None);
    let merges = act
        .intents
        .iter()
        .filter(|intent| matches!(intent.effect, Effect::Merge { .. }));
    let mut lines = vec![rule];
    lines.extend(merges.map(|_| "merge".to_owned()));
    lines.extend(
        act.wakes
            .iter()
            .map(|wake| match (&wake.subject, &wake.hint) {
                (SubjectKey::Pull(_, number), _) => format!("wake #{number}"),
                (_, Some(Hint::RunWanted(cause))) => {
                    let Trigger::Queue { members, turn, .. } = &cause.trigger else {
                        panic!("it is no test of the queue")
                    };
                    let heads = members.iter().map(|(_, head)| head.as_str().chars().next());
                    let heads: String = heads.flatten().collect();
                    format!(
                        "test {heads} {turn} {} {:?}",
                        cause.what.check_name(),
                        cause.trust
                    )
                }
                (SubjectKey::Run(_), hint) => format!("run {hint:?}"),
                (other, _) => format!("wake {other}"),
            }),
    );
    (lines.join("\n"), act)
}

#[track_caller]
pub(super) fn check(
    others: &[(PrNumber, Ready)],
    tests: &[(&str, u32, [Phase; 2])],
    wanted: expect_test::Expect,
) {
    let mut change = agreed();
    pool(&mut change, others);
    ran(&mut change, tests);
    wanted.assert_eq(&look(&change, None).0);
}

#[test]
fn one_alone_is_tested_on_its_base_and_merges_when_that_is_green() {
    check(
        &[],
        &[],
        expect![[r#"
        Waiting place 1 of 1: its test begins
        test b 0 train Trusted
        test b 0 unit Trusted"#]],
    );
    check(
        &[],
        &[("b", 0, GOING)],
        expect!["Waiting place 1 of 1: tested (2 runs)"],
    );
    check(
        &[],
        &[("b", 0, GREEN)],
        expect![[r#"
        Met the test is green (2 runs)
        merge"#]],
    );
    // A test that somebody ended says nothing, and is begun again.
    check(
        &[],
        &[("b", 0, [Phase::Cancelled, Phase::Succeeded])],
        expect![[r#"
            Waiting place 1 of 1: its test begins
            test b 1 train Trusted
            test b 1 unit Trusted"#]],
    );
}

#[test]
fn the_first_begins_the_tests_of_all() {
    check(
        &[other(8, 'c', -1)],
        &[],
        expect![[r#"
        Waiting place 1 of 2: its test begins
        test bc 0 train Trusted
        test bc 0 unit Trusted
        test b 0 train Trusted
        test b 0 unit Trusted"#]],
    );
    check(
        &[other(6, 'c', 1)],
        &[],
        expect![[r#"
        Waiting place 2 of 2: its test begins
        wake #6"#]],
    );
    check(
        &[other(6, 'c', 1)],
        &[("cb", 0, GREEN)],
        expect![[r#"
        Waiting place 2 of 2: the test with #6 is green; it lands after #6 (2 runs)
        wake #6"#]],
    );
    check(
        &[other(6, 'c', 1)],
        &[("cb", 0, GOING)],
        expect![[r#"
        Waiting place 2 of 2: tested with #6 (2 runs)
        wake #6"#]],
    );
    // Whoever merges at once, without a test, is waited for.
    let mut merging = other(6, 'c', 1);
    (merging.1.is_merging, merging.1.is_tested) = (true, false);
    check(
        &[merging],
        &[("b", 0, GREEN)],
        expect!["Waiting place 1 of 1: the test is green; it lands after #6 (merging) (2 runs)"],
    );
}

#[test]
fn what_nobody_needs_is_ended_once_what_replaces_it_is_there() {
    // `d` has left: its test is no use, and the test of both that remain has to begin first.
    let left = ("bdc", 0, GOING);
    check(
        &[other(8, 'c', -1)],
        &[left],
        expect![[r#"
        Waiting place 1 of 2: its test begins
        test bc 0 train Trusted
        test bc 0 unit Trusted
        test b 0 train Trusted
        test b 0 unit Trusted"#]],
    );
    check(
        &[other(8, 'c', -1)],
        &[left, ("bc", 0, GOING), ("b", 0, GOING)],
        expect![[r#"
            Waiting place 1 of 2: tested (2 runs)
            run Some(RunUnneeded)"#]],
    );
    let mut change = agreed();
    pool(&mut change, &[other(8, 'c', -1)]);
    let mut runs = tested("bdc", 0, GOING);
    let mut follows = tested("bc", 0, GOING);
    follows[1].same_as = Some(runs[1].id.clone());
    runs.extend(follows);
    runs.extend(tested("b", 0, GOING));
    let query = Query::QueueRuns(TRAINING, branch("main"));
    change.world.tell(query, Answer::Runs(runs));
    expect!["Waiting place 1 of 2: tested (2 runs)"].assert_eq(&look(&change, None).0);
}

#[test]
fn red_twice_with_nobody_else_is_out_until_somebody_lets_it_in() {
    check(
        &[],
        &[("b", 0, RED)],
        expect![[r#"
            Waiting place 1 of 1: the test was red; the next one begins (2 runs)
            test b 1 train Trusted
            test b 1 unit Trusted"#]],
    );
    let mut change = agreed();
    pool(&mut change, &[other(8, 'c', -1)]);
    ran(&mut change, &[("b", 0, RED), ("b", 1, RED)]);
    let (told, act) = look(&change, None);
    expect![[r#"
        Unmet 2 tests with it were red, and everything else in them has landed; push a fix, or `/retest` (2 runs)
        test c 0 train Trusted
        test c 0 unit Trusted
        wake #8"#]].assert_eq(&told);
    assert_eq!(act.state.ready, None);
    // It is remembered, and nobody is woken again.
    let (told, act) = look(&change, Some(act.state));
    expect!["Unmet 2 tests with it were red, and everything else in them has landed; push a fix, or `/retest` (2 runs)"].assert_eq(&told);
    change.says("walt", "/retest");
    change
        .world
        .may(TRAINING, "walt", crate::subject::ask::Permission::Write);
    let (told, act) = look(&change, Some(act.state));
    expect![[r#"
        Waiting place 1 of 2: its test begins
        test bc 0 train Trusted
        test bc 0 unit Trusted
        test b 2 train Trusted
        test b 2 unit Trusted"#]]
    .assert_eq(&told);
    assert!(act.state.put_out.is_some_and(|out| out.is_lifted));
}

#[test]
fn a_conflict_waits_for_those_before_it_and_alone_is_out() {
    let conflict = |change: &mut Change, heads: &[char], places: &[usize], made: char| {
        let heads: Vec<CommitSha> = heads.iter().map(|head| sha(*head)).collect();
        let chain = Chain {
            commit: sha(made),
            conflicts: places.to_vec(),
        };
        let query = Query::Chain(TRAINING, sha('a'), heads);
        change.world.tell(query, Answer::Chain(chain));
    };
    let mut change = agreed();
    pool(&mut change, &[other(6, 'c', 1)]);
    conflict(&mut change, &['c', 'b'], &[1], 'c');
    expect![[r#"
        Waiting place 2 of 2: it conflicts with what goes before it (#6); once that landed, merge or rebase
        wake #6"#]].assert_eq(&look(&change, None).0);
    let mut change = agreed();
    pool(&mut change, &[]);
    conflict(&mut change, &['b'], &[0], 'a');
    change.world.changes(TRAINING, ('a', 'a'), &[]);
    let (told, act) = look(&change, None);
    expect!["Unmet it conflicts with what landed before it; merge or rebase"].assert_eq(&told);
    assert_eq!((act.state.ready, act.state.put_out), (None, None));
}

#[test]
fn who_landed_by_a_test_leaves_it_to_the_rest() {
    let mut change = agreed();
    change.world.head(TRAINING, "main", 'd');
    let text = format!("{TRAINING_TEXT}chatops: {{merge_tests: 3}}\n");
    change.world.contract(TRAINING, 'd', &text);
    change
        .world
        .changes(TRAINING, ('d', 'b'), &[("train.py", 'b')]);
    change.world.owners(TRAINING, 'd', OWNERS);
    ran(&mut change, &[("cb", 0, GREEN)]);
    // A foreign push: what was tested on the base before says nothing.
    let query = |heads: &[char]| {
        let mut heads: Vec<CommitSha> = heads.iter().map(|head| sha(*head)).collect();
        heads.sort();
        Query::Landed(TRAINING, vec![sha('a')], sha('d'), heads)
    };
    change
        .world
        .tell(query(&['b', 'c']), Answer::Landed(Vec::new()));
    expect![[r#"
        Waiting place 1 of 1: its test begins
        test b 0 train Trusted
        test b 0 unit Trusted"#]]
    .assert_eq(&look(&change, None).0);
    let landed = Landed {
        onto: sha('a'),
        head: sha('c'),
    };
    change
        .world
        .tell(query(&['b', 'c']), Answer::Landed(vec![landed]));
    expect![[r#"
        Met the test is green (2 runs)
        merge"#]]
    .assert_eq(&look(&change, None).0);
}

#[test]
fn nothing_to_run_is_nothing_to_wait_for() {
    let mut change = agreed();
    let text = TRAINING_TEXT.replace("- {name: unit, run: [pytest]}\n  ", "");
    let text = text.replace("pull_request: true", "pull_request: false");
    let text = text.replace("[main, dev]", "[dev]");
    let text = format!("{text}chatops: {{merge_tests: 3}}\n");
    change.world.contract(TRAINING, 'a', &text);
    expect![[r#"
        Met the test is green
        merge"#]]
    .assert_eq(&look(&change, None).0);
    // Steps with secrets never run on what has not landed.
    let mut change = agreed();
    let text = TRAINING_TEXT.replace("env: {EPOCHS: '20'}", "secrets: [KEY]");
    let text = format!("{text}chatops: {{merge_tests: 3}}\n");
    change.world.contract(TRAINING, 'a', &text);
    expect![[r#"
        Waiting place 1 of 1: its test begins
        test b 0 unit Trusted"#]]
    .assert_eq(&look(&change, None).0);
    // Where GitHub's own queue merges, nothing is tested here.
    let mut change = agreed();
    let query = Query::MergeQueue(TRAINING, branch("main"));
    change.world.tell(query, Answer::Flag(true));
    expect![""].assert_eq(&look(&change, None).0);
}

#[test]
fn a_promotion_waits_for_no_test_and_a_proposal_for_that_of_its_service() {
    let text = format!("{SERVICE_TEXT}chatops: {{merge_tests: 2}}\n");
    let mut before = other(6, 'c', 1);
    for is_merging in [false, true] {
        before.1.is_merging = is_merging;
        let mut change = promoted();
        change.world.contract(SERVICE, '1', &text);
        pool(&mut change, &[before.clone()]);
        let (told, act) = look(&change, None);
        let wanted = match is_merging {
            true => "Waiting after #6 (merging)",
            false => "\nmerge",
        };
        assert_eq!(told, wanted);
        assert!(act.state.ready.is_some_and(|ready| !ready.is_tested));
    }
    let mut change = Change::proposal();
    change.says("rita", "/lgtm").says("mia", "/approve");
    change.world.contract(SERVICE, '1', &text);
    expect![[r#"
        Waiting place 1 of 1: its test begins
        wake environment/2/pr-7
        test 2 0 bowsprit/service Trusted"#]]
    .assert_eq(&look(&change, None).0);
}

#[test]
fn the_last_one_to_leave_ends_the_tests() {
    let mut change = agreed();
    ran(&mut change, &[("b", 0, GOING)]);
    let (_, act) = look(&change, None);
    change.says("rita", "/hold");
    expect![[r#"

        run Some(RunUnneeded)"#]]
    .assert_eq(&look(&change, Some(act.state.clone())).0);
    pool(&mut change, &[other(8, 'c', -1)]);
    expect![[r#"

        wake #8"#]]
    .assert_eq(&look(&change, Some(act.state)).0);
}
