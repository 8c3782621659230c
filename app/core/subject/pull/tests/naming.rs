//! Named checks: the list that is told, the table of what failed, and what starts nothing.

use super::editing::{check, code, done, said};
use super::*;
use crate::effect::Effect;
use expect_test::expect;

fn status(act: &Act<Pull>) -> serde_json::Value {
    let found = act.intents.iter().find_map(|one| match &one.effect {
        Effect::StatusComment { text, .. } => Some(text.data.clone()),
        _ => None,
    });
    found.expect("a status comment")
}

#[test]
fn whoever_does_not_know_the_checks_is_told() {
    for (body, why) in [
        ("/test", "as asked"),
        ("/test ?", "as asked"),
        ("/test nope", "there is no check `nope`"),
        (
            "/retest unit",
            "`/retest` takes no argument; `/test <name>` runs one check",
        ),
    ] {
        let act = said(&code(), "walt", body);
        assert_eq!(done(&act), format!("note tests on #7: {why}"), "{body}");
        assert!(act.state.has_checks_told);
    }
    check(
        &code(),
        "walt",
        "/test unit nope",
        expect![[r#"
            note tests on #7: there is no check `nope`
            react to 1
            wake unit at bbbbbbb"#]],
    );
    let act = said(&code(), "walt", "/test ?");
    let note = act.intents.iter().find_map(|one| match &one.effect {
        Effect::Note { text, .. } => text.clone(),
        _ => None,
    });
    let data = note.expect("a list").data;
    let names = |list: &str| {
        let rows = data[list].as_array().cloned().unwrap_or_default();
        rows.iter()
            .map(|row| row["name"].as_str().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names("required"), ["train", "unit"]);
    assert_eq!(names("optional"), ["lint"]);
    assert_eq!(data["all_by_themselves"], true);
}

#[test]
fn the_list_goes_when_something_runs() {
    let mut change = code();
    change.says("walt", "/test ?");
    let told = change.look();
    change.says("walt", "/test unit");
    let act = change.again(Some(told.state), vec![]);
    assert!(done(&act).contains("no note tests on #7"), "{}", done(&act));
    change.says("walt", "/test unit");
    let act = change.again(Some(act.state), vec![]);
    assert!(!done(&act).contains("note"), "{}", done(&act));
}

#[test]
fn nothing_to_run_is_told_and_not_silent() {
    let mut change = code();
    let text = TRAINING_TEXT.replace("pull_request: true", "pull_request: false");
    let lines = text
        .lines()
        .filter(|line| !line.contains("name: unit") && !line.contains("name: lint"));
    let text = lines
        .collect::<Vec<_>>()
        .join("\n")
        .replace("checks:\n", "");
    change.world.contract(TRAINING, 'a', &text);
    change.runs.clear();
    let act = said(&change, "walt", "/test all");
    assert!(
        done(&act).starts_with("note tests on #7: this change calls for no check"),
        "{}",
        done(&act)
    );
}

#[test]
fn nothing_starts_on_a_conflict() {
    for (is_mergeable, starts) in [(Some(true), true), (None, true), (Some(false), false)] {
        let mut change = code();
        change.runs.clear();
        change.change().is_mergeable = is_mergeable;
        assert_eq!(!change.look().wakes.is_empty(), starts, "{is_mergeable:?}");
        for body in ["/test unit", "/retest", "/train"] {
            let act = said(&change, "walt", body);
            let is_refused = done(&act).contains("nothing runs while this conflicts with `main`");
            assert_eq!(is_refused, !starts, "{is_mergeable:?} {body}");
        }
    }
}

#[test]
fn a_row_of_the_table_stays_until_a_newer_result() {
    let rows = |act: &Act<Pull>| {
        let rows = status(act)["failures"].as_array().cloned();
        let show = |row: &serde_json::Value| {
            let sha = row["sha"].as_str().unwrap_or_default().to_owned();
            format!("{} {} {}", row["name"], &sha[..1], row["is_required"])
        };
        rows.unwrap_or_default()
            .iter()
            .map(show)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut change = code();
    assert_eq!(rows(&change.look()), "");
    change.ran('b', What::Check(slug("unit")), Phase::Failed);
    change.ran('b', What::Check(slug("lint")), Phase::Failed);
    let red = change.look();
    assert_eq!(rows(&red), r#""lint" b false, "unit" b true"#);
    // Another head: the rows stay until there is a result.
    change.change().head = sha('c');
    let files = [("train.py", 'c')];
    change.world.changes(TRAINING, ('a', 'c'), &files);
    change.world.contract(TRAINING, 'c', TRAINING_TEXT);
    change.runs.clear();
    change.ran('c', What::Check(slug("unit")), Phase::Running);
    let pushed = change.again(Some(red.state), vec![]);
    assert_eq!(rows(&pushed), r#""lint" b false, "unit" b true"#);
    change.ran('c', What::Check(slug("unit")), Phase::Failed);
    change.ran('c', What::Check(slug("lint")), Phase::Succeeded);
    let again = change.again(Some(pushed.state), vec![]);
    assert_eq!(rows(&again), r#""unit" c true"#);
    change.ran('c', What::Check(slug("unit")), Phase::Succeeded);
    assert_eq!(rows(&change.again(Some(again.state), vec![])), "");
}

#[test]
fn a_draft_ends_what_began_by_itself_and_begins_it_again_later() {
    let mut change = code();
    change.change().is_draft = true;
    change.ran('b', What::Check(slug("unit")), Phase::Running);
    let act = change.look();
    let woken: Vec<_> = act.wakes.iter().map(|wake| wake.subject.clone()).collect();
    assert_eq!(
        woken,
        [crate::subject::SubjectKey::Run(change.runs[2].id.clone())]
    );
    change.ran('b', What::Check(slug("unit")), Phase::Cancelled);
    for (why, begins) in [
        (crate::subject::run::DRAFT, true),
        ("cancelled by ada", false),
    ] {
        change.runs[2].cancelled = Some(why.to_owned());
        change.change().is_draft = false;
        assert_eq!(done(&change.look()).contains("wake unit"), begins, "{why}");
        change.change().is_draft = true;
        assert!(!done(&change.look()).contains("wake unit"), "still a draft");
    }
}
