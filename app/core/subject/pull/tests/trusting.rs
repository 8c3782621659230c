//! What runs of a head that nobody trusts: what somebody names who has looked at it, once.

use super::prow::{stands, with_also};
use super::*;
use crate::name::RepoId;

const SWITCH: &str = ", ignore_ok_to_test: true";

/// A stranger's change, of which nothing has run.
fn strange(also: &str) -> Change {
    let mut change = with_also("own", also);
    change.view.author = login("mallory");
    change.change().head_repo = Some(RepoId(77));
    change.runs.clear();
    change
}

/// What runs, and what is answered.
fn done(act: &Act<Pull>) -> String {
    let told = told(act);
    let lines = told.lines().filter(|line| {
        line.starts_with("wake ") || line.starts_with("reply ") || line.starts_with("react ")
    });
    lines.collect::<Vec<_>>().join("; ")
}

/// Who says what, and what is done where `/ok-to-test` has power and where not.
#[test]
fn a_word_of_somebody_trusted_runs_what_it_names_once() {
    let rows: &[(&str, &str, &str, &str)] = &[
        ("walt", "/test unit", "wake unit at bbbbbbb", ""),
        ("walt", "/test all", "wake train at bbbbbbb", ""),
        ("mallory", "/test unit", "is for people who may write", ""),
        (
            "walt",
            "/retest",
            "nothing of this head runs before `/ok-to-test bbbbbbbbbbbb`",
            "nothing of this head runs by itself; say `/test <name>`",
        ),
        (
            "walt",
            "/train",
            "nothing of this head runs before",
            "nothing of this head runs by itself",
        ),
        (
            "walt",
            "/test-manual-required",
            "nothing of this head runs before",
            "nothing of this head runs by itself",
        ),
    ];
    for (by, body, own, with_switch) in rows {
        for (also, want) in [("", *own), (SWITCH, *with_switch)] {
            let want = if want.is_empty() { own } else { want };
            let mut change = strange(also);
            change.says(by, body);
            let act = change.look();
            let told = done(&act);
            assert!(told.contains(want), "{also}: {by} {body}: {told}");
            assert_eq!(
                stands(&act, "trusted head"),
                "no",
                "it is not trusted by that"
            );
            let again = change.again(Some(act.state), vec![]);
            assert_eq!(done(&again), "", "{also}: {by} {body}: once");
        }
    }
}

#[test]
fn a_word_runs_the_head_that_was_looked_at_and_no_other() {
    // Seconds after the word at which the head came.
    for (pushed_s, runs) in [(-30, true), (0, false), (5, false)] {
        let mut change = strange("");
        change.says("walt", "/test unit");
        let mut state = strange("").look().state;
        let first = HeadSeen {
            sha: sha('c'),
            ..state.heads[0].clone()
        };
        state.heads[0].is_first = false;
        state.heads[0].at_ms = change.comments[0].created_ms + pushed_s * 1_000;
        state.heads.insert(0, first);
        let told = done(&change.again(Some(state), vec![]));
        assert_eq!(told.contains("wake unit"), runs, "{pushed_s}: {told}");
        assert_eq!(told.contains("the head is `bbbbbbb` now"), !runs, "{told}");
    }
    let mut members = strange(", only_org_members: true");
    members.says("walt", "/test unit");
    let told = done(&members.look());
    assert!(
        told.contains("by a word of a member of the organisation only"),
        "{told}"
    );
}

#[test]
fn without_ok_to_test_a_head_is_trusted_once_all_that_it_needs_was_run_by_a_word() {
    let by_word = |change: &mut Change, what: What, phase: Phase| {
        change.ran('b', what.clone(), phase);
        let run = change.runs.iter_mut().find(|run| run.cause.what == what);
        run.expect("it ran").cause.trigger = Trigger::Comment {
            pr: PrNumber(7),
            comment: crate::name::CommentId::Comment(1),
            base: sha('a'),
        };
    };
    let mut change = strange(SWITCH);
    let open = "Unmet trusted head: somebody who may write here looks at it and says `/test` with what it needs";
    assert_eq!(
        change.rule("trusted head"),
        format!("{open}: `train`, `unit`")
    );
    by_word(&mut change, What::Train, Phase::Succeeded);
    // Not by a word: it ran when its author was trusted.
    change.ran('b', What::Check(slug("unit")), Phase::Succeeded);
    assert_eq!(change.rule("trusted head"), format!("{open}: `unit`"));
    assert_eq!(change.rule("check"), "");
    by_word(&mut change, What::Check(slug("unit")), Phase::Running);
    assert_eq!(
        change.rule("trusted head"),
        "Met trusted head: all that the change needs was run by a word"
    );
    assert_eq!(
        change.rule("check `unit`"),
        "Waiting check `unit`: under way"
    );
    by_word(&mut change, What::Check(slug("unit")), Phase::Failed);
    assert!(change.rule("check `unit`").starts_with("Unmet"));
    by_word(&mut change, What::Check(slug("unit")), Phase::Succeeded);
    change.says("root", "/approve").says("rita", "/lgtm");
    let told = told(&change.look());
    assert!(told.contains("merge #7"), "{told}");
    assert!(!told.contains("needs-ok-to-test"), "{told}");
    let mut usual = strange("");
    for what in [What::Train, What::Check(slug("unit"))] {
        by_word(&mut usual, what, Phase::Succeeded);
    }
    assert!(usual.rule("trusted head").starts_with("Unmet"));
}

#[test]
fn what_a_preview_may_show_is_kept_until_it_looks() {
    let hint = Hint::Shown { head: sha('b') };
    let text = serde_json::to_string(&hint).expect("a hint is text");
    assert_eq!(
        serde_json::from_str::<Hint>(&text).expect("it was one"),
        hint
    );
}
