//! What others report on the head: which of it must be green, and by whom.

use super::editing::code;
use super::*;
use crate::subject::ask::{Context, ContextState, RequiredContext};
use crate::subject::environment::ChangeCause;
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
        .assert_eq(&ci(&[run("ci", 6, Success)]));
    for (contexts, wanted) in [
        (vec![run("ci", 5, Success), run("ci", 6, Failure)], "Met"),
        (vec![run("ci", 5, Failure), run("ci", 6, Success)], "Unmet"),
        (
            vec![run("ci", 5, Pending), run("ci", 6, Success)],
            "Waiting",
        ),
        (vec![run("ci", 1, Success)], "Waiting"),
        (vec![run("other", 5, Success)], "Waiting"),
        // A status may be the App's: GitHub knows, and takes the merge or not.
        (vec![run("ci", 6, Failure), status("ci", Success)], "Met"),
        (vec![status("ci", Failure)], "Unmet"),
        (vec![run("ci", 5, Failure), status("ci", Success)], "Unmet"),
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

/// Rules about contexts in a repository whose contract says this of `chatops`.
fn rules(chatops: &str, contexts: &[Context]) -> String {
    let mut change = reported(&[], contexts);
    let text = format!("{TRAINING_TEXT}chatops: {chatops}\n");
    change.world.contract(TRAINING, 'a', &text);
    let found = [change.rule("required"), change.rule("contexts of others")];
    found.join("\n").trim().to_owned()
}

#[test]
fn what_others_report_counts_as_tide_counts_it_in_prows_mode_alone() {
    let all = [
        status("red", Failure),
        status("slow", Pending),
        run("fine", 5, Success),
    ];
    expect![""].assert_eq(&rules("{}", &all));
    expect!["Unmet contexts of others: red: `red`; not finished: `slow`; `/override` lets one count as green, `chatops.contexts` says which count"]
        .assert_eq(&rules("{compatibility: prow}", &all));
    for (chatops, contexts, wanted) in [
        ("{compatibility: prow}", vec![], ""),
        (
            "{compatibility: prow}",
            vec![status("x", Pending)],
            "Waiting",
        ),
        ("{compatibility: prow}", vec![status("x", Success)], "Met"),
        ("{compatibility: prow}", vec![run("x", 5, Failure)], "Unmet"),
        // Of several Apps' check runs of a name the best counts, and a status beside them by itself.
        (
            "{compatibility: prow}",
            vec![run("x", 5, Failure), run("x", 6, Success)],
            "Met",
        ),
        (
            "{compatibility: prow}",
            vec![status("x", Failure), run("x", 6, Success)],
            "Unmet",
        ),
        // What we report has rules of its own, and so has an optional check, whoever reports it.
        (
            "{compatibility: prow}",
            vec![run("bowsprit/promotion", 1, Failure)],
            "",
        ),
        ("{compatibility: prow}", vec![status("lint", Failure)], ""),
        (
            "{compatibility: prow}",
            vec![status("unit", Failure)],
            "Unmet",
        ),
        ("{compatibility: prow}", vec![status("tide", Pending)], ""),
        (
            "{compatibility: prow, contexts: {unknown: skip}}",
            all.to_vec(),
            "",
        ),
        ("{contexts: {unknown: require}}", all.to_vec(), "Unmet"),
        ("{contexts: {unknown: skip}}", all.to_vec(), ""),
    ] {
        let found = rules(chatops, &contexts);
        let is_it = match wanted {
            "" => found.is_empty(),
            wanted => found.starts_with(wanted),
        };
        assert!(is_it, "{chatops} {contexts:?}: {found}");
    }
}

#[test]
fn each_list_of_contexts_says_what_must_be_green() {
    let red = [status("x", Failure)];
    let other = [status("y", Failure)];
    for preset in ["own", "prow"] {
        let rules = |list: &str, contexts: &[Context]| {
            let lists = format!("{{unknown: skip, {list}: [x]}}");
            rules(
                &format!("{{compatibility: {preset}, contexts: {lists}}}"),
                contexts,
            )
        };
        let required = |contexts: &[Context]| rules("required", contexts);
        assert_eq!(
            required(&[]),
            "Waiting required `x`: required by `chatops.contexts`, not reported yet"
        );
        assert_eq!(
            required(&red),
            "Unmet required `x`: required by `chatops.contexts`, and red"
        );
        assert!(required(&[status("x", Success)]).starts_with("Met required `x`"));
        let present = |contexts: &[Context]| rules("required_if_present", contexts);
        assert_eq!(present(&[]), "");
        assert!(present(&red).starts_with("Unmet contexts of others: red: `x`;"));
        assert!(present(&[status("x", Success)]).starts_with("Met contexts of others"));
        assert_eq!(present(&other), "");
        assert_eq!(rules("optional", &red), "");
    }
    let optional = "{compatibility: prow, contexts: {optional: [x]}}";
    assert_eq!(rules(optional, &red), "");
    assert!(rules(optional, &other).starts_with("Unmet contexts of others: red: `y`;"));
}

#[test]
fn what_the_branch_requires_is_no_less_required_where_it_is_optional_or_required_twice() {
    let mut change = reported(&[required("x", Some(5))], &[run("x", 5, Failure)]);
    for list in ["required", "optional"] {
        let lists = format!("chatops: {{compatibility: prow, contexts: {{{list}: [x]}}}}\n");
        let text = format!("{TRAINING_TEXT}{lists}");
        change.world.contract(TRAINING, 'a', &text);
        let found = [change.rule("required"), change.rule("contexts of others")];
        assert_eq!(
            found.join("\n").trim(),
            "Unmet required `x` of App 5: required by the branch's rules, and red"
        );
    }
}

/// How what others report stands after each of these words.
fn overridden(contexts: &[Context]) -> (Change, Act<Pull>) {
    let mut change = reported(&[], contexts);
    let text = format!("{TRAINING_TEXT}chatops: {{compatibility: prow}}\n");
    change.world.contract(TRAINING, 'a', &text);
    change.says("root", "/override x");
    let act = change.look();
    (change, act)
}

fn others(act: &Act<Pull>) -> String {
    let rules = act.state.rules.iter();
    let shown: Vec<String> = rules
        .filter(|rule| rule.name == "contexts of others")
        .map(|rule| format!("{:?} {}", rule.state, rule.detail))
        .collect();
    shown.join("; ")
}

#[test]
fn a_context_of_others_is_overridden_as_any_other() {
    for red in [status("x", Failure), run("x", 5, Failure)] {
        let (mut change, act) = overridden(std::slice::from_ref(&red));
        assert_eq!(others(&act), "Met all that count are green");
        // GitHub shows our status in the place of the other; a check run stands beside that of another App.
        let shown = |state| match red.is_run {
            true => vec![red.clone(), run("x", 1, state)],
            false => vec![Context {
                is_ours: true,
                ..status("x", state)
            }],
        };
        let at = Query::Contexts(TRAINING, sha('b'));
        let now = Answer::Contexts(shown(Success));
        change.world.tell(at.clone(), now);
        let kept = change.again(Some(act.state), vec![]);
        assert_eq!(others(&kept), "Met all that count are green");
        // It holds for one base.
        change.world.head(TRAINING, "main", 'c');
        let files = [("train.py", 'b')];
        change.world.changes(TRAINING, ('c', 'b'), &files);
        change.world.owners(TRAINING, 'c', OWNERS);
        let text = format!("{TRAINING_TEXT}chatops: {{compatibility: prow}}\n");
        change.world.contract(TRAINING, 'c', &text);
        let lapsed = others(&change.again(Some(kept.state.clone()), vec![]));
        assert!(
            lapsed.starts_with("Unmet overridden for an older base: `x`;"),
            "{lapsed}"
        );
        change.world.head(TRAINING, "main", 'a');
        // It is taken back: our own red word stands for it.
        change.says("root", "/override-cancel");
        let taken = change.again(Some(kept.state), vec![]);
        let now = Answer::Contexts(shown(Failure));
        change.world.tell(at, now);
        let taken = others(&change.again(Some(taken.state), vec![]));
        assert!(taken.starts_with("Unmet red: `x`;"), "{taken}");
    }
}

#[test]
fn what_the_contract_requires_and_nobody_reports_can_be_overridden() {
    for (contexts, who) in [
        (vec![], "root"),
        (vec![status("typo", Failure)], "root"),
        (vec![], "walt"),
    ] {
        let mut change = reported(&[], &contexts);
        let text = format!("{TRAINING_TEXT}chatops: {{contexts: {{required: [typo]}}}}\n");
        change.world.contract(TRAINING, 'a', &text);
        change.says(who, "/override typo");
        let act = change.look();
        let mut rules = act.state.rules.iter();
        let rule = rules.find(|rule| rule.name.starts_with("required"));
        let is_met = rule.is_some_and(|rule| rule.state == Standing::Met);
        assert_eq!(is_met, who == "root", "{contexts:?}");
    }
}

#[test]
fn a_red_context_of_others_is_overridden_though_a_green_check_of_ours_has_its_name() {
    let all = [run("unit", 1, Success), status("unit", Failure)];
    let mut change = reported(&[], &all);
    let text = format!("{TRAINING_TEXT}chatops: {{compatibility: prow}}\n");
    change.world.contract(TRAINING, 'a', &text);
    assert!(others(&change.look()).starts_with("Unmet red: `unit`;"));
    change.says("root", "/override unit");
    assert_eq!(others(&change.look()), "Met all that count are green");
}

#[test]
fn a_promotion_is_held_by_what_the_branch_requires_and_by_nothing_that_nobody_can_override() {
    use super::promoting::{production, promotion};
    for (required_by_branch, wanted) in [
        (false, ""),
        (
            true,
            "Unmet required `scan`: required by the branch's rules, and red",
        ),
    ] {
        let mut change = promotion(&production(), ChangeCause::Promotion);
        let text = format!(
            "{SERVICE_TEXT}chatops: {{compatibility: prow, contexts: {{required: [other]}}}}\n"
        );
        change.world.contract(SERVICE, '1', &text);
        let of_branch = if required_by_branch {
            vec![required("scan", None)]
        } else {
            vec![]
        };
        change.world.tell(
            Query::Required(SERVICE, branch("main")),
            Answer::Required(of_branch),
        );
        change.world.tell(
            Query::Contexts(SERVICE, sha('2')),
            Answer::Contexts(vec![status("scan", Failure)]),
        );
        let found = [change.rule("required"), change.rule("contexts of others")];
        assert_eq!(found.join("\n").trim(), wanted);
    }
}
