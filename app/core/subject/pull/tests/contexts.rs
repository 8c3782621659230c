//! What others report on the head: which of it must be green, and by whom.

use super::editing::code;
use super::*;
use crate::subject::ask::{Context, ContextState, RequiredContext};
use ContextState::{Failure, Pending, Success};
use expect_test::expect;

/// What the branch's rules require.
pub(super) fn required(name: &str, app: Option<u64>) -> RequiredContext {
    RequiredContext {
        name: name.to_owned(),
        app,
    }
}

/// A status of somebody else.
pub(super) fn status(name: &str, state: ContextState) -> Context {
    Context {
        name: name.to_owned(),
        state,
        is_ours: false,
        is_run: false,
        app: None,
    }
}

/// A check run of an App; ours is 1.
pub(super) fn run(name: &str, app: u64, state: ContextState) -> Context {
    Context {
        is_ours: app == 1,
        is_run: true,
        app: Some(app),
        ..status(name, state)
    }
}

/// A change on whose head this was reported.
pub(super) fn reported(wanted: &[RequiredContext], contexts: &[Context]) -> Change {
    let mut change = code();
    change.world.tell(
        Query::Required(TRAINING, branch("main")),
        Answer::Required(wanted.to_vec()),
    );
    change.world.tell(
        Query::Contexts(TRAINING, sha('b')),
        Answer::Contexts(contexts.to_vec()),
    );
    change
}

#[test]
fn contexts_that_the_branch_requires_must_be_green() {
    let ci = |contexts: &[Context]| reported(&[required("ci", None)], contexts).rule("required");
    expect!["Waiting required `ci`: required by the branch's rules, not reported yet"]
        .assert_eq(&ci(&[]));
    for (contexts, wanted) in [
        (vec![status("ci", Pending)], "Waiting"),
        (vec![status("ci", Failure)], "Unmet"),
        (vec![status("ci", Success), status("other", Failure)], "Met"),
        (vec![status("other", Success)], "Waiting"),
        (vec![run("ci", 5, Success)], "Met"),
        (vec![run("ci", 5, Failure), run("ci", 6, Success)], "Met"),
        (vec![run("ci", 1, Success)], "Met"),
        (vec![run("ci", 1, Success), run("ci", 5, Failure)], "Unmet"),
    ] {
        let found = ci(&contexts);
        assert!(found.starts_with(wanted), "{contexts:?}: {found}");
    }
}

#[test]
fn a_context_that_is_required_of_an_app_counts_from_that_app_alone() {
    let ci = |contexts: &[Context]| reported(&[required("ci", Some(5))], contexts).rule("required");
    expect!["Waiting required `ci` of App 5: required by the branch's rules, not reported yet"]
        .assert_eq(&ci(&[]));
    expect!["Waiting required `ci` of App 5: required by the branch's rules, not reported yet by App 5; a check run of another App does not count"]
        .assert_eq(&ci(&[run("ci", 6, Success), status("ci", Success)]));
    expect!["Waiting required `ci` of App 5: required by the branch's rules, not reported yet by App 5; a status of that name does not tell its App, so a check run of App 5 is needed, or rules of the branch that take it from any source"]
        .assert_eq(&ci(&[status("ci", Success)]));
    for (contexts, wanted) in [
        (vec![run("ci", 5, Success), run("ci", 6, Failure)], "Met"),
        (vec![run("ci", 5, Failure), run("ci", 6, Success)], "Unmet"),
        (
            vec![run("ci", 5, Pending), run("ci", 6, Success)],
            "Waiting",
        ),
        (vec![run("ci", 1, Success)], "Waiting"),
        (vec![run("other", 5, Success)], "Waiting"),
    ] {
        let found = ci(&contexts);
        assert!(found.starts_with(wanted), "{contexts:?}: {found}");
    }
}

#[test]
fn what_is_required_of_an_app_can_be_overridden_here_and_github_still_waits() {
    let mut change = reported(&[required("ci", Some(5))], &[run("ci", 6, Success)]);
    change.says("root", "/override ci");
    let act = change.look();
    let rules = act.state.rules.iter();
    let shown: Vec<&str> = rules
        .filter(|rule| rule.name.starts_with("required"))
        .map(|rule| rule.detail.as_str())
        .collect();
    assert_eq!(
        shown,
        ["overridden by root; GitHub itself still waits for App 5"]
    );
}
