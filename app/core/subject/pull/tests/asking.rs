//! What a repository may ask for or leave out: each option from both sides, under our own preset and under Prow's.

use super::editing::{code, done, said};
use super::*;
use crate::name::{RepoId, Team};
use expect_test::expect;

const PRESETS: [&str; 2] = ["own", "prow"];

/// Under `chatops` stand this preset and these lines.
fn with(preset: &str, lines: &str) -> Change {
    let mut change = code();
    configure(&mut change, preset, lines);
    change
}

fn configure(change: &mut Change, preset: &str, lines: &str) {
    let lines: String = lines.lines().map(|line| format!("\n  {line}")).collect();
    change.chatops(&format!("\n  compatibility: {preset}{lines}"));
}

/// How a rule stands; empty where there is no such rule.
fn stands(act: &Act<Pull>, name: &str) -> String {
    let rule = act.state.rules.iter().find(|rule| rule.name == name);
    rule.map_or(String::new(), |rule| format!("{:?}", rule.state))
}

/// A switch on and off, under both presets: what the rule says each time.
#[track_caller]
fn both(key: &str, rule: &str, (on, off): (&str, &str), prepare: impl Fn(&mut Change)) {
    for preset in PRESETS {
        for (is_on, want) in [(true, on), (false, off)] {
            let mut change = with(preset, &format!("{key}: {is_on}"));
            prepare(&mut change);
            let got = stands(&change.look(), rule);
            assert_eq!(got, want, "{preset} {key}: {is_on}");
        }
    }
}

#[test]
fn an_issue_is_named_or_waived() {
    for (body, words, on) in [
        ("", None, "Unmet"),
        ("Fixes #7", None, "Met"),
        ("", Some(("root", "/approve no-issue")), "Met"),
        ("", Some(("root", "/approve no-issue\n/approve")), "Met"),
        ("", Some(("root", "/approve")), "Unmet"),
        ("", Some(("mallory", "/approve no-issue")), "Unmet"),
    ] {
        both("require_issue", "an issue", (on, ""), |change| {
            change.view.body = body.to_owned();
            if let Some((by, text)) = words {
                change.says(by, text);
            }
        });
    }
}

#[test]
fn an_author_approves_by_opening_or_by_saying_so() {
    let by_root = |change: &mut Change| change.view.author = login("root");
    both(
        "require_self_approval",
        "approved",
        ("Unmet", "Met"),
        by_root,
    );
    both(
        "require_self_approval",
        "approved",
        ("Met", "Met"),
        |change| {
            by_root(change);
            change.says("root", "/approve");
        },
    );
    both(
        "require_self_approval",
        "approved",
        ("Unmet", "Unmet"),
        |change| {
            by_root(change);
            change.says("root", "/approve cancel");
        },
    );
}

#[test]
fn an_lgtm_is_an_approval_or_not() {
    let key = "lgtm_acts_as_approve";
    both(key, "approved", ("Met", "Unmet"), |change| {
        change.says("root", "/lgtm");
    });
    both(key, "approved", ("Unmet", "Met"), |change| {
        change.says("root", "/approve").says("root", "/lgtm cancel");
    });
    both(key, "approved", ("Unmet", "Unmet"), |change| {
        change.says("rita", "/lgtm");
    });
}

#[test]
fn an_lgtm_counts_from_owners_only_or_from_collaborators_too() {
    let key = "skip_collaborators";
    both(key, "lgtm", ("Unmet", "Met"), |change| {
        change.says("walt", "/lgtm");
    });
    both(key, "lgtm", ("Met", "Met"), |change| {
        change.says("rita", "/lgtm");
    });
    both(key, "lgtm", ("Met", "Met"), |change| {
        change.says("walt", "/lgtm");
        change.world.owners(TRAINING, 'a', &[]);
    });
}

#[test]
fn required_reviewers_are_shown_and_waited_for_where_asked() {
    let required = |change: &mut Change| {
        let owners = "approvers: [root]\nreviewers: [rita]\nrequired_reviewers: [sue, ada]";
        change.world.owners(TRAINING, 'a', &[("", owners)]);
    };
    let (key, rule) = ("required_reviewers_block", "required reviewers");
    both(key, rule, ("", ""), |_| {});
    both(key, rule, ("Unmet", "Met"), required);
    for word in ["/lgtm", "/approve"] {
        both(key, rule, ("Met", "Met"), |change| {
            required(change);
            change.says("sue", word);
        });
    }
    both(key, rule, ("Unmet", "Met"), |change| {
        required(change);
        change.says("rita", "/lgtm").says("root", "/approve");
    });
    let mut shown = code();
    required(&mut shown);
    expect!["Met required reviewers: sue may still speak; nothing waits for it"]
        .assert_eq(&shown.rule("required reviewers"));
}

#[test]
fn an_lgtm_stays_over_a_push_of_some_authors() {
    for preset in PRESETS {
        for (line, want) in [
            ("sticky_lgtm: [ada]", "Met"),
            ("sticky_lgtm: [linus]", "Unmet"),
            ("sticky_lgtm: ['@O/Core']", "Met"),
            ("sticky_lgtm: [linus, o/core]", "Met"),
            ("sticky_lgtm: [o/others]", "Unmet"),
            ("sticky_lgtm: [elsewhere/core]", "Unmet"),
        ] {
            let mut change = with(preset, line);
            for (team, is_in) in [("o/core", true), ("elsewhere/core", true)] {
                let team = Team::parse(team).expect("a team");
                let query = Query::TeamMember(TRAINING, team, login("ada"));
                change.world.tell(query, Answer::Flag(is_in));
            }
            change.says("rita", "/lgtm");
            let before = change.look();
            assert_eq!(stands(&before, "lgtm"), "Met");
            change.change().head = sha('c');
            let files = [("train.py", 'c')];
            change.world.changes(TRAINING, ('a', 'c'), &files);
            change.world.contract(TRAINING, 'c', TRAINING_TEXT);
            let at_ms = NOW_MS - 30_000;
            let hint = Hint::Pushed {
                head: sha('c'),
                at_ms,
            };
            let after = change.again(Some(before.state), vec![hint]);
            assert_eq!(stands(&after, "lgtm"), want, "{preset} {line}");
        }
    }
}

#[test]
fn apps_are_trusted_by_name_and_strangers_by_a_word_or_not_at_all() {
    let foreign = |change: &mut Change, author: &str| {
        change.view.author = login(author);
        change.change().head_repo = Some(RepoId(77));
    };
    for preset in PRESETS {
        for (author, want) in [
            ("renovate[bot]", ""),
            ("other[bot]", "Unmet"),
            ("renovate", "Unmet"),
        ] {
            let mut change = with(preset, "trusted_apps: [renovate]");
            // A person who took the name of an App.
            change.world.left(TRAINING, "renovate");
            foreign(&mut change, author);
            assert_eq!(stands(&change.look(), "trusted head"), want, "{author}");
        }
    }
    both(
        "ignore_ok_to_test",
        "trusted head",
        ("Unmet", ""),
        |change| {
            foreign(change, "mallory");
            change.says("walt", "/ok-to-test bbbbbbb");
        },
    );
    let mut change = with("own", "ignore_ok_to_test: true");
    foreign(&mut change, "mallory");
    let act = said(&change, "walt", "/ok-to-test bbbbbbb");
    assert!(done(&act).contains("has no power"), "{}", done(&act));
}

#[test]
fn without_owners_code_owners_agree_and_without_them_who_may_write() {
    const CODE: &str = "/a/ @ann\n/b/ @bob @o/team\n/free/\n";
    for (rule, code, files, by, want) in [
        ("a code owner", CODE, "a/x", "ann", "Met"),
        ("whatever the case", CODE, "a/x", "ANN", "Met"),
        ("not another of them", CODE, "a/x", "bob", "Unmet"),
        ("not who may write", CODE, "a/x", "walt", "Unmet"),
        ("each for their own", CODE, "a/x b/x", "ann", "Unmet"),
        ("all of them", CODE, "a/x b/x", "ann bob", "Met"),
        (
            "a team is everybody who may write",
            CODE,
            "b/x",
            "walt",
            "Met",
        ),
        ("but no stranger", CODE, "b/x", "mallory", "Unmet"),
        ("a file of nobody", CODE, "free/x", "walt", "Met"),
        ("is not for strangers", CODE, "free/x", "mallory", "Unmet"),
        (
            "nor for owners of others",
            CODE,
            "a/x free/x",
            "ann",
            "Unmet",
        ),
        ("no file of them", "", "a/x", "walt", "Met"),
        ("and no word", "", "a/x", "", "Unmet"),
    ] {
        for preset in PRESETS {
            let mut change = with(preset, "");
            change.world.code_owners(TRAINING, 'a', code);
            let files: Vec<(&str, char)> = files.split_whitespace().map(|f| (f, 'b')).collect();
            change.world.changes(TRAINING, ('a', 'b'), &files);
            for who in by.split_whitespace() {
                change.says(who, "/approve");
            }
            assert_eq!(stands(&change.look(), "approved"), want, "{preset}: {rule}");
        }
    }
}

/// Labels that are put on.
fn labels(change: &Change) -> Vec<String> {
    let act = change.look();
    let set = act.intents.iter().find_map(|one| match &one.effect {
        crate::effect::Effect::Labels { set, .. } => Some(set.clone()),
        _ => None,
    });
    set.expect("labels").into_iter().collect()
}

#[test]
fn a_title_that_says_wip_keeps_it_from_merging() {
    const LABEL: &str = "do-not-merge/work-in-progress";
    for (title, is_wip) in [
        ("WIP: more", true),
        ("[wip] more", true),
        ("WIP", true),
        ("wiper", false),
        ("More WIP", false),
        ("Change", false),
    ] {
        let on = if is_wip { "Unmet" } else { "" };
        both("wip_titles", "ready for review", (on, ""), |change| {
            change.view.title = title.to_owned();
        });
        let mut change = code();
        change.view.title = title.to_owned();
        assert_eq!(
            labels(&change).contains(&LABEL.to_owned()),
            is_wip,
            "{title}"
        );
    }
    let mut draft = code();
    draft.change().is_draft = true;
    assert!(labels(&draft).contains(&LABEL.to_owned()));
}

#[test]
fn a_conflict_has_a_label() {
    for (is_mergeable, is_on) in [(Some(false), true), (Some(true), false), (None, false)] {
        let mut change = code();
        change.change().is_mergeable = is_mergeable;
        let label = "needs-rebase".to_owned();
        assert_eq!(labels(&change).contains(&label), is_on, "{is_mergeable:?}");
    }
}

/// Whom we ask of our own accord.
fn asked(act: &Act<Pull>) -> String {
    let all = done(act);
    let found = all.lines().find(|line| line.starts_with("edit reviewers"));
    found.unwrap_or_default().to_owned()
}

#[test]
fn reviewers_are_asked_once_when_it_is_opened() {
    for preset in PRESETS {
        assert_eq!(asked(&with(preset, "").look()), "", "nobody wants it");
        let change = with(preset, "ask_reviewers: {}");
        let act = change.look();
        assert_eq!(asked(&act), "edit reviewers +rita +root");
        assert_eq!(asked(&change.again(Some(act.state), vec![])), "", "once");
    }
    let of = |line: &str, prepare: &dyn Fn(&mut Change)| {
        let mut change = with("own", line);
        prepare(&mut change);
        asked(&change.look())
    };
    let draft: &dyn Fn(&mut Change) = &|change| change.change().is_draft = true;
    let none: &dyn Fn(&mut Change) = &|_| {};
    let both = "edit reviewers +rita +root";
    for (line, prepare, want) in [
        ("ask_reviewers: {ignore_drafts: true}", draft, ""),
        ("ask_reviewers: {ignore_drafts: false}", draft, both),
        ("ask_reviewers: {ignore_authors: [ADA]}", none, ""),
        ("ask_reviewers: {ignore_authors: [linus]}", none, both),
        (
            "ask_reviewers: {exclude_approvers: true}",
            none,
            "edit reviewers +rita",
        ),
        ("ask_reviewers: {count: 1}", none, "edit reviewers +rita"),
    ] {
        assert_eq!(of(line, prepare), want, "{line}");
    }
    let described = |body: &str| {
        of("ask_reviewers: {}", &|change| {
            change.view.body = body.to_owned();
            change.view.is_untouched = true;
        })
    };
    assert_eq!(described("Please\n\n/cc @grace"), "edit reviewers +grace");
    assert_eq!(described("`/cc @grace`"), both);
}

#[test]
fn a_draft_that_is_ready_is_asked_for() {
    let mut change = with("own", "ask_reviewers: {}");
    change.change().is_draft = true;
    let draft = change.look();
    change.change().is_draft = false;
    let ready = change.again(Some(draft.state), vec![]);
    assert_eq!(asked(&ready), "edit reviewers +rita +root");
}

#[test]
fn the_nearest_are_asked_first_and_no_more_than_the_most() {
    let mut change = with("own", "ask_reviewers: {count: 2, max: 2}");
    let files = [
        ("", "approvers: [root]\nreviewers: [rita, rob, ray]"),
        ("a", "reviewers: [ann]\nrequired_reviewers: [sue]"),
        ("b", "reviewers: [ben, ada]"),
        ("c", "reviewers: [cyd]"),
        (
            "shut",
            "options: {no_parent_owners: true}\nreviewers: [sid]",
        ),
    ];
    change.world.owners(TRAINING, 'a', &files);
    let of = |change: &mut Change, paths: &[&str]| {
        let files: Vec<(&str, char)> = paths.iter().map(|path| (*path, 'b')).collect();
        change.world.changes(TRAINING, ('a', 'b'), &files);
        asked(&change.look())
    };
    assert_eq!(
        of(&mut change, &["a/x", "b/x"]),
        "edit reviewers +ann +ben +sue"
    );
    assert_eq!(of(&mut change, &["b/x", "c/x"]), "edit reviewers +ben +cyd");
    // No reviewer from above; an approver stands in.
    assert_eq!(of(&mut change, &["shut/x"]), "edit reviewers +root +sid");
    // One of each folder, then no more than the most; not the author.
    let three = of(&mut change, &["a/x", "b/x", "c/x"]);
    assert_eq!(
        three.matches('+').count(),
        3,
        "two and the required one: {three}"
    );
    // A second is filled up from further up, the same one at each look.
    let one = of(&mut change, &["c/x"]);
    assert!(
        one.contains("+cyd") && one.matches('+').count() == 2,
        "{one}"
    );
    assert_eq!(one, of(&mut change, &["c/x"]));
    // Another pull request asks another of equals, sooner or later.
    let mut chosen = std::collections::BTreeSet::new();
    for number in 1..20 {
        let seen = with("own", "ask_reviewers: {count: 1}");
        let mut world = seen.world();
        world.owners(TRAINING, 'a', &files);
        let view = PullView {
            number: PrNumber(number),
            ..seen.view.clone()
        };
        world.tell(
            Query::Pull(TRAINING, PrNumber(number)),
            Answer::Pull(Some(view)),
        );
        let act = drive(&world, |ask| {
            step(&given(None, vec![]), (TRAINING, PrNumber(number)), ask)
        });
        chosen.insert(asked(&act.expect("a pull request")));
    }
    assert_eq!(chosen.len(), 3, "{chosen:?}");
}
