//! Whose habits are followed: every switch from both sides, what GitHub's review box counts as, and taking back.

use super::editing::{code, done, said};
use super::*;
use crate::habits::{Compatibility, Habits, Switch};
use crate::name::RepoId;
use crate::subject::ask::{Permission, ReviewState};

/// A change in a repository where only this switch is on, or off, against its preset.
fn with(switch: Switch, is_on: bool) -> Change {
    let mut change = code();
    let preset = if is_on { "own" } else { "prow" };
    let key = switch.key();
    change.chatops(&format!("{{compatibility: {preset}, {key}: {is_on}}}"));
    change
}

/// How a rule stands; empty where there is no such rule.
fn stands(act: &Act<Pull>, name: &str) -> String {
    let rule = act.state.rules.iter().find(|rule| rule.name == name);
    rule.map_or(String::new(), |rule| format!("{:?}", rule.state))
}

fn reviewed(change: &mut Change, by: &str, state: ReviewState, id: u64) {
    let query = Query::Reviews(TRAINING, PrNumber(7));
    let mut all = match change.world.answer(&query) {
        Answer::Reviews(all) => all,
        _ => Vec::new(),
    };
    all.push(review(id, by, state, 'b'));
    change.world.tell(query, Answer::Reviews(all));
}

/// The head becomes `c…`, with another change.
fn pushed(change: &mut Change) -> Hint {
    change.change().head = sha('c');
    change
        .world
        .changes(TRAINING, ('a', 'c'), &[("train.py", 'c')]);
    change.world.contract(TRAINING, 'c', TRAINING_TEXT);
    let at_ms = NOW_MS - 30_000;
    Hint::Pushed {
        head: sha('c'),
        at_ms,
    }
}

#[test]
fn raw_text_is_heard_or_not() {
    for (is_on, want) in [(true, "Unmet"), (false, "")] {
        let change = with(Switch::RawText, is_on);
        for body in ["```\n/hold\n```", "<!--\n/hold\n-->"] {
            assert_eq!(stands(&said(&change, "walt", body), "not held"), want);
        }
        let quoted = said(&change, "walt", "> /hold\n\n - /hold\n");
        assert_eq!(stands(&quoted, "not held"), "", "only the first column");
    }
}

#[test]
fn the_review_box_counts_as_it_is_told_to() {
    for (switch, rule, by) in [
        (Switch::ReviewActsAsLgtm, "lgtm", "rita"),
        (Switch::ReviewActsAsApprove, "approved", "root"),
    ] {
        for (is_on, want) in [(true, "Met"), (false, "Unmet")] {
            let mut change = with(switch, is_on);
            reviewed(&mut change, by, ReviewState::Approved, 1);
            assert_eq!(stands(&change.look(), rule), want, "{rule} {is_on}");
            reviewed(&mut change, by, ReviewState::ChangesRequested, 2);
            assert_eq!(stands(&change.look(), rule), "Unmet", "{rule} {is_on}");
        }
    }
    let mut of_strangers = code();
    reviewed(&mut of_strangers, "mallory", ReviewState::Approved, 1);
    let act = of_strangers.look();
    assert_eq!(
        (stands(&act, "lgtm"), stands(&act, "approved")),
        ("Unmet".to_owned(), "Unmet".to_owned())
    );
    assert_eq!(done(&act), "", "nobody is scolded for a review");
}

#[test]
fn a_request_for_changes_takes_every_lgtm_back() {
    let mut change = code();
    change.says("rita", "/lgtm");
    assert_eq!(stands(&change.look(), "lgtm"), "Met");
    reviewed(&mut change, "mallory", ReviewState::ChangesRequested, 1);
    assert_eq!(stands(&change.look(), "lgtm"), "Met", "mallory may not");
    reviewed(&mut change, "walt", ReviewState::ChangesRequested, 2);
    let act = change.look();
    assert_eq!(stands(&act, "lgtm"), "Unmet");
    let rule = act.state.rules.iter().find(|rule| rule.name == "lgtm");
    let detail = &rule.expect("a rule").detail;
    assert!(detail.starts_with("taken back by walt"), "{detail}");
    reviewed(&mut change, "walt", ReviewState::Approved, 3);
    assert_eq!(stands(&change.look(), "lgtm"), "Met");
}

#[test]
fn an_lgtm_is_taken_back_by_the_author_and_those_who_could_give_it() {
    for (by, want, answer) in [
        ("ada", "Unmet", "react to 2"),
        ("walt", "Unmet", "react to 2"),
        (
            "mallory",
            "Met",
            "reply on #7: `/lgtm cancel` counts from the author, people who may write here, or whom OWNERS names for a changed file",
        ),
    ] {
        let mut change = code();
        change.says("rita", "/lgtm");
        let act = said(&change, by, "/lgtm cancel");
        assert_eq!(stands(&act, "lgtm"), want, "{by}");
        assert!(done(&act).contains(answer), "{}", done(&act));
        change.says(by, "/remove-lgtm").says("rita", "/lgtm");
        assert_eq!(stands(&change.look(), "lgtm"), "Met", "said again");
    }
}

#[test]
fn approval_survives_a_push_or_not() {
    for (is_on, want) in [(true, "Met"), (false, "Unmet")] {
        let mut change = with(Switch::StickyApprove, is_on);
        change.says("root", "/approve").says("rita", "/lgtm");
        let before = change.look();
        assert_eq!(stands(&before, "approved"), "Met");
        let hint = pushed(&mut change);
        let act = change.again(Some(before.state), vec![hint]);
        assert_eq!(stands(&act, "approved"), want, "{is_on}");
        assert_eq!(stands(&act, "lgtm"), "Unmet", "an lgtm never does");
    }
    let mut proposal = Change::proposal();
    let text = format!("{SERVICE_TEXT}chatops: {{compatibility: prow}}\n");
    proposal.world.contract(SERVICE, '1', &text);
    proposal.says("mia", "/approve");
    let mut before = proposal.look();
    assert_eq!(stands(&before, "approved"), "Met");
    before.state.heads[0].change = None;
    before.state.heads[0].sha = sha('3');
    let act = proposal.again(Some(before.state), vec![]);
    assert_eq!(
        stands(&act, "approved"),
        "Unmet",
        "other bytes are another model"
    );
}

#[test]
fn trust_is_of_a_head_or_of_all() {
    for is_on in [true, false] {
        let mut change = with(Switch::StickyOkToTest, is_on);
        change.change().head_repo = Some(RepoId(77));
        change.view.author = login("mallory");
        change.says("walt", "/ok-to-test");
        let want = if is_on { "" } else { "Unmet" };
        let act = change.look();
        assert_eq!(stands(&act, "trusted head"), want);
        assert_eq!(done(&act).contains("trust belongs to one head"), !is_on);
        let mut later = with(Switch::StickyOkToTest, is_on);
        later.change().head_repo = Some(RepoId(77));
        later.view.author = login("mallory");
        later.says("walt", "/ok-to-test bbbbbbb");
        let state = later.look().state;
        let hint = pushed(&mut later);
        let act = later.again(Some(state), vec![hint]);
        assert_eq!(stands(&act, "trusted head"), want, "after a push");
        change.says("mallory", "/ok-to-test cancel");
        assert_eq!(
            stands(&change.look(), "trusted head"),
            want,
            "mallory may not"
        );
        change.says("walt", "/ok-to-test cancel");
        assert_eq!(stands(&change.look(), "trusted head"), "Unmet");
    }
}

#[test]
fn one_comment_is_read_in_its_order_or_in_a_fixed_one() {
    for (is_on, body, rule, want) in [
        (true, "/lgtm\n/lgtm cancel", "lgtm", "Met"),
        (false, "/lgtm\n/lgtm cancel", "lgtm", "Unmet"),
        (true, "/lgtm cancel\n/lgtm", "lgtm", "Met"),
        (false, "/lgtm cancel\n/lgtm", "lgtm", "Met"),
        (true, "/hold cancel\n/hold", "not held", ""),
        (false, "/hold cancel\n/hold", "not held", "Unmet"),
        (true, "/hold\n/unhold", "not held", ""),
        (false, "/hold\n/unhold", "not held", ""),
    ] {
        let change = with(Switch::FixedOrder, is_on);
        assert_eq!(
            stands(&said(&change, "rita", body), rule),
            want,
            "{is_on} {body}"
        );
    }
}

#[test]
fn words_may_follow_an_approval_or_not() {
    for (is_on, body, want) in [
        (true, "/approve looks fine", "Met"),
        (false, "/approve looks fine", "Unmet"),
        (true, "/approve don't cancel", "Unmet"),
        (true, "/approve\n/approve not this, Cancel", "Unmet"),
        (true, "/approve no-issue", "Met"),
        (false, "/approve no-issue", "Met"),
        (true, "/approve ccccccc", "Unmet"),
    ] {
        let change = with(Switch::ApproveWithWords, is_on);
        let act = said(&change, "root", body);
        assert_eq!(stands(&act, "approved"), want, "{is_on} {body}");
    }
}

#[test]
fn labels_by_hand_count_or_not() {
    let put = |label: &str, by: &str| Hint::Labeled {
        label: label.to_owned(),
        by: login(by),
        head: sha('b'),
        is_on: true,
    };
    for is_on in [true, false] {
        let want = if is_on { "Met" } else { "Unmet" };
        for (label, rule) in [("lgtm", "lgtm"), ("Approved", "approved")] {
            let mut change = with(Switch::LabelsByHand, is_on);
            change.view.labels = vec![label.to_lowercase()];
            let by_us = change.again(None, vec![put(label, "bowsprit[bot]")]);
            assert_eq!(stands(&by_us, rule), "Unmet", "not by a bot");
            let act = change.again(None, vec![put(label, "grace")]);
            assert_eq!(stands(&act, rule), want, "{is_on} {label}");
            let later = change.again(Some(act.state.clone()), vec![]);
            assert_eq!(stands(&later, rule), want, "it is remembered");
            change.view.labels.clear();
            let gone = change.again(Some(act.state), vec![]);
            assert_eq!(stands(&gone, rule), "Unmet", "taken off");
        }
    }
    let mut change = with(Switch::LabelsByHand, true);
    change.view.labels = vec!["lgtm".to_owned(), "approved".to_owned()];
    let opened = Hint::Pushed {
        head: sha('b'),
        at_ms: change.view.created_ms,
    };
    let hints = vec![opened, put("lgtm", "grace"), put("approved", "grace")];
    let act = change.again(None, hints);
    assert_eq!(stands(&act, "lgtm"), "Met");
    let hint = pushed(&mut change);
    let act = change.again(Some(act.state), vec![hint]);
    assert_eq!(stands(&act, "lgtm"), "Unmet", "it was for another head");
    assert_eq!(stands(&act, "approved"), "Met");
}

/// Of labels, one that holds counts whatever the habits; that one was taken off, as the habits say.
#[test]
fn a_label_that_holds_counts_and_taking_one_off_where_labels_do() {
    const HOLD: &str = "do-not-merge/hold";
    let labeled = |label: &str, by: &str, is_on| Hint::Labeled {
        label: label.to_owned(),
        by: login(by),
        head: sha('b'),
        is_on,
    };
    let is_held = |act: &Act<Pull>| stands(act, "not held") == "Unmet";
    let puts = |act: &Act<Pull>| {
        let told = told(act);
        told.lines()
            .any(|line| line.starts_with("labels ") && line.contains(HOLD))
    };
    for counts in [true, false] {
        let mut change = with(Switch::LabelsByHand, counts);
        change.view.labels = vec![HOLD.to_owned()];
        assert!(!is_held(
            &change.again(None, vec![labeled(HOLD, "other[bot]", true)])
        ));
        let act = change.again(None, vec![labeled(HOLD, "grace", true)]);
        assert!(is_held(&act) && puts(&act), "{counts}");
        let later = change.again(Some(act.state.clone()), vec![]);
        assert!(is_held(&later), "{counts}: it is remembered");
        // Off by hand.
        change.view.labels.clear();
        let off = labeled(HOLD, "grace", false);
        let gone = change.again(Some(act.state.clone()), vec![off.clone()]);
        assert!(!is_held(&gone), "{counts}");
        // Off by a word, which then takes off the label.
        change.view.labels = vec![HOLD.to_owned()];
        change.says("walt", "/unhold");
        change.comments.last_mut().expect("it").created_ms = NOW_MS + 1_000;
        let lifted = change.again(Some(act.state), vec![]);
        assert!(!is_held(&lifted) && !puts(&lifted), "{counts}");
        // A word that holds, and its label taken off by hand.
        let mut change = with(Switch::LabelsByHand, counts);
        change.says("walt", "/hold");
        let act = change.again(None, vec![off]);
        assert_eq!(is_held(&act), !counts);
        // An lgtm, and its label taken off by hand.
        let mut change = with(Switch::LabelsByHand, counts);
        change.says("rita", "/lgtm");
        let opened = Hint::Pushed {
            head: sha('b'),
            at_ms: change.view.created_ms,
        };
        let act = change.again(None, vec![opened.clone()]);
        assert_eq!(stands(&act, "lgtm"), "Met");
        let act = change.again(None, vec![opened, labeled("lgtm", "root", false)]);
        let want = if counts { "Unmet" } else { "Met" };
        assert_eq!(stands(&act, "lgtm"), want, "{counts}");
    }
}

#[test]
fn the_server_names_the_preset_where_the_contract_does_not() {
    for (preset, want) in [(Compatibility::Prow, "Unmet"), (Compatibility::Own, "Met")] {
        let mut change = code();
        change
            .world
            .tell(Query::Habits(TRAINING), Answer::Habits(Habits::of(preset)))
            .may(TRAINING, "walt", Permission::Write);
        reviewed(&mut change, "rita", ReviewState::Approved, 1);
        assert_eq!(stands(&change.look(), "lgtm"), want);
    }
}
