//! Checks and contexts: run again, overridden, skipped; and answers with facts.

use super::contexts::required;
use super::editing::{check, code, done, said};
use super::*;
use crate::name::Team;
use crate::subject::ask::{Context, ContextState};
use expect_test::expect;

fn legal() -> Context {
    Context {
        name: "legal".to_owned(),
        state: ContextState::Failure,
        is_ours: false,
        is_run: false,
        app: None,
    }
}

/// `unit` is red, and so is `legal`, which the branch requires.
fn red() -> Change {
    let mut change = code();
    change.ran('b', What::Check(slug("unit")), Phase::Failed);
    change.world.tell(
        Query::Required(TRAINING, branch("main")),
        Answer::Required(vec![required("legal", None), required("late", None)]),
    );
    let query = Query::Contexts(TRAINING, sha('b'));
    change.world.tell(query, Answer::Contexts(vec![legal()]));
    change
}

#[test]
fn an_override_is_of_the_head_that_its_speaker_saw() {
    for (pushed_ms, is_done) in [
        (-3_600_000, true),
        (-61_000, true),
        (-60_000, false),
        (-1_000, false),
    ] {
        let mut change = red();
        change.says("root", "/override unit");
        let hint = Hint::Pushed {
            head: sha('b'),
            at_ms: NOW_MS + pushed_ms,
        };
        let told = done(&change.again(None, vec![hint]));
        let is = told.contains("check unit Success: Overridden by root");
        assert_eq!(is, is_done, "{pushed_ms}: {told}");
        assert_eq!(
            told.contains("a push came after your word"),
            !is_done,
            "{told}"
        );
    }
}

#[test]
fn an_administrator_overrides_what_is_red() {
    let change = red();
    check(
        &change,
        "walt",
        "/override unit",
        expect!["reply on #7: `/override` is for administrators of this repository"],
    );
    check(
        &change,
        "root",
        "/override unit nope",
        expect![
            "reply on #7: there is nothing to override in `nope`; red or missing: `late`, `legal`, `unit`"
        ],
    );
    check(
        &change,
        "root",
        "/override unit legal",
        expect![[r#"
            check unit Success: Overridden by root
            post legal true: Overridden by root"#]],
    );
}

#[test]
fn whom_a_repository_lets_override_does_so_while_they_are_here() {
    let top = "override_by_top_level_owners: true";
    for (line, who, is_here, may) in [
        ("", "rita", true, false),
        (top, "mia", true, true),
        (top, "mia", false, false),
        (top, "rita", true, false),
        ("overriders: [rita]", "rita", true, true),
        ("overriders: [rita]", "rita", false, false),
        ("overriders: ['@O/Core']", "rita", true, true),
        ("overriders: [o/others]", "rita", true, false),
        ("overriders: [elsewhere/core]", "rita", true, false),
    ] {
        let mut change = red();
        let text = format!("{TRAINING_TEXT}chatops: {{{line}}}\n");
        change.world.contract(TRAINING, 'a', &text);
        let owners = [("", "approvers: [mia]\nreviewers: [rita]")];
        change.world.owners(TRAINING, 'a', &owners);
        for team in ["o/core", "elsewhere/core"] {
            let team = Team::parse(team).expect("a team");
            let query = Query::TeamMember(TRAINING, team, login("rita"));
            change.world.tell(query, Answer::Flag(true));
        }
        if !is_here {
            change.world.left(TRAINING, who);
        }
        change.says(who, "/override unit");
        let act = change.look();
        assert_eq!(
            !act.state.overrides.is_empty(),
            may,
            "{line} {who} {is_here}"
        );
        if !may {
            let told = done(&act);
            assert!(told.contains("`/override` is for administrators"), "{told}");
        }
    }
}

/// How the three stand.
fn standing(act: &Act<Pull>) -> String {
    let names = ["check `unit`", "required `legal`", "required `late`"];
    let rules = act.state.rules.iter();
    let shown: Vec<String> = rules
        .filter(|rule| names.contains(&rule.name.as_str()))
        .map(|rule| format!("{:?} {}", rule.state, rule.detail))
        .collect();
    shown.join("; ")
}

/// All three are overridden, one of them for longer.
fn overridden(change: &mut Change) -> Act<Pull> {
    change.says("root", "/override unit legal\n/override-sticky late");
    change.look()
}

#[test]
fn an_override_stands_while_head_and_base_do() {
    let mut change = red();
    let act = overridden(&mut change);
    let by_root = "Met overridden by root";
    assert_eq!(standing(&act), [by_root; 3].join("; "));
    // The base moves: only what is sticky stays, and the rest can be said again.
    change.world.head(TRAINING, "main", 'c');
    let files = [("train.py", 'b')];
    change.world.changes(TRAINING, ('c', 'b'), &files);
    change.world.owners(TRAINING, 'c', OWNERS);
    change.world.contract(TRAINING, 'c', TRAINING_TEXT);
    let moved = change.again(Some(act.state), vec![]);
    let lapsed = standing(&moved);
    let why = "Unmet the override of root was for an older base; `/override legal` renews it";
    assert!(
        lapsed.contains(why) && lapsed.ends_with(by_root),
        "{lapsed}"
    );
    let green = Context {
        state: ContextState::Success,
        is_ours: true,
        ..legal()
    };
    let query = Query::Contexts(TRAINING, sha('b'));
    change.world.tell(query, Answer::Contexts(vec![green]));
    change.says("root", "/override legal");
    let renewed = standing(&change.again(Some(moved.state), vec![]));
    assert!(renewed.ends_with(&[by_root; 2].join("; ")), "{renewed}");
}

#[test]
fn an_override_is_taken_back() {
    let mut change = red();
    let act = overridden(&mut change);
    change.says("root", "/override-cancel");
    let taken = change.again(Some(act.state), vec![]);
    assert!(taken.state.overrides.is_empty());
    expect![[r#"
        check unit Failure: The override was taken back by root
        post legal false: The override was taken back by root
        post late false: The override was taken back by root"#]]
    .assert_eq(&done(&taken));
    check(
        &red(),
        "root",
        "/override-cancel unit",
        expect!["reply on #7: nothing of that is overridden here"],
    );
}

#[test]
fn optional_checks_are_skipped_and_others_not() {
    let mut change = red();
    check(
        &change,
        "mallory",
        "/skip",
        expect!["reply on #7: no optional check is red here"],
    );
    change.ran('b', What::Check(slug("lint")), Phase::Failed);
    check(
        &change,
        "mallory",
        "/skip",
        expect!["check lint Neutral: Skipped by mallory"],
    );
}

#[test]
fn retests_choose_what_is_required_and_what_runs_by_hand() {
    let mut change = red();
    change.ran('b', What::Check(slug("lint")), Phase::Failed);
    check(
        &change,
        "walt",
        "/retest",
        expect![[r#"
            react to 1
            wake unit at bbbbbbb
            wake lint at bbbbbbb"#]],
    );
    check(
        &change,
        "walt",
        "/retest-required",
        expect![[r#"
            react to 1
            wake unit at bbbbbbb"#]],
    );
    check(
        &change,
        "walt",
        "/test-manual-required",
        expect![
            "reply on #7: no check here is required and has `always_run: false`; `/test <name>` runs any other"
        ],
    );
    let text = TRAINING_TEXT.replace(
        "checks:\n",
        "checks:\n  - {name: slow, run: [x], always_run: false}\n  - {name: docs, run: [x], run_if_changed: md}\n",
    );
    change.world.contract(TRAINING, 'a', &text);
    check(
        &change,
        "walt",
        "/test-manual-required",
        expect![[r#"
            react to 1
            wake slow at bbbbbbb"#]],
    );
    check(
        &change,
        "walt",
        "/test docs",
        expect![[r#"
            react to 1
            wake docs at bbbbbbb"#]],
    );
    assert_eq!(change.rule("check `slow`"), "", "it is not waited for");
    change.ran('b', What::Check(slug("slow")), Phase::Failed);
    assert!(
        change.rule("check `slow`").starts_with("Unmet"),
        "once run, it counts"
    );
}

#[test]
fn why_tells_what_is_missing_and_refresh_shows_it_again() {
    let change = code();
    check(
        &change,
        "mallory",
        "/why",
        expect!["reply on #7: comments/why"],
    );
    let act = said(&change, "mallory", "/refresh");
    let again: Vec<&str> = act
        .intents
        .iter()
        .filter(|one| one.key.starts_with("act:"))
        .map(|one| if one.is_view { "view" } else { "once" })
        .collect();
    // Status comment, labels, the sum of all rules, and the checks of three runs.
    assert_eq!(again, ["once"; 6]);
}

#[test]
fn figures_stand_beside_those_of_a_version() {
    let mut change = Change::proposal();
    let versions = vec![version(7, "new"), version(6, "old"), version(5, "older")];
    let query = Query::Versions(SERVICE, slug("digits"));
    change.world.tell(query, Answer::Versions(versions));
    let told = |body: &str| {
        let act = said(&change, "mallory", body);
        let mut texts = act.intents.iter().filter_map(|one| match &one.effect {
            crate::effect::Effect::Reply { text, .. } => Some(text.data.clone()),
            _ => None,
        });
        texts.next_back().expect("an answer")
    };
    let data = told("/compare");
    assert_eq!(
        (&data["here"], &data["there"]),
        (&"v7".into(), &"v6".into())
    );
    assert_eq!(data["rows"][0]["name"], "accuracy");
    assert_eq!(told("/compare v5")["there"], "v5");
    let no = told("/compare v9")["message"].to_string();
    assert!(no.contains("there are: v6, v5"), "{no}");
    check(
        &code(),
        "mallory",
        "/compare",
        expect!["reply on #7: no run of this head has figures yet; `/train` starts one"],
    );
}
