//! Merging, what landed, and what the comment shows.

use super::*;
use crate::effect::{Effect, EffectResult, Intent, Outcome};
use crate::subject::Given;
use crate::subject::ask::Permission;
use crate::subject::environment::{ChangeCause, Environment};
use expect_test::expect;

pub(super) fn agreed() -> Change {
    let mut change = Change::code();
    change.says("rita", "/lgtm").says("root", "/approve");
    change
}

pub(super) fn merge(act: &Act<Pull>) -> Option<&Intent> {
    act.intents
        .iter()
        .find(|intent| matches!(intent.effect, Effect::Merge { .. }))
}

pub(super) fn status(act: &Act<Pull>) -> serde_json::Value {
    let found = act.intents.iter().find_map(|intent| match &intent.effect {
        Effect::StatusComment { text, .. } => Some(text.data.clone()),
        _ => None,
    });
    found.expect("a status comment")
}

/// The next look, so much later, with this outcome of the merge tried before.
pub(super) fn after(
    change: &Change,
    act: &Act<Pull>,
    ms: i64,
    outcome: Option<Outcome>,
) -> Act<Pull> {
    let mut given: Given<Pull> = given(Some(act.state.clone()), vec![]);
    given.now_ms += ms;
    let key = format!("merge:1:7:bbbbbbb:{}", act.state.tries);
    given.outcomes.extend(outcome.map(|outcome| (key, outcome)));
    change.step(&given)
}

#[test]
fn what_is_agreed_lands_with_those_who_agreed() {
    assert_eq!(merge(&Change::code().look()), None);
    let act = agreed().look();
    let merge = merge(&act).expect("a merge");
    let Effect::Merge {
        title,
        message,
        head,
        ..
    } = &merge.effect
    else {
        panic!("{merge:?}")
    };
    assert_eq!((title.as_str(), head), ("Merge #7: Change", &sha('b')));
    expect![[r#"
        Lgtm-by: rita
        Approved-by: root"#]]
    .assert_eq(message);
    assert_eq!(act.state.judged_tree, Some(sha('e')));
    let mut sly = agreed();
    sly.view.title = "Fix\n\nApproved-by: root".to_owned();
    let act = sly.look();
    let Some(Effect::Merge { title, .. }) = super::landing::merge(&act).map(|i| &i.effect) else {
        panic!("no merge")
    };
    assert_eq!(title, "Merge #7: Fix  Approved-by: root");
}

/// A look at an agreed change of which something else is remembered than GitHub shows now.
fn remembering(now: impl FnOnce(&mut Change)) -> Act<Pull> {
    let then = agreed();
    let mut change = agreed();
    now(&mut change);
    change.world.tell(
        Query::KeptPull(change.id, PrNumber(7)),
        Answer::Pull(Some(then.view.clone())),
    );
    change.world.tell(
        Query::KeptComments(change.id, PrNumber(7)),
        Answer::Comments(then.comments.clone()),
    );
    let runs = Query::Runs(change.id, sha('b'));
    change.world.tell(runs, Answer::Runs(then.runs.clone()));
    // Everything said was answered at an earlier look.
    change.again(Some(then.look().state), vec![])
}

#[test]
fn what_no_delivery_told_of_is_seen_before_a_merge() {
    assert!(merge(&remembering(|_| {})).is_some());
    let cases: [fn(&mut Change); 5] = [
        |now| {
            now.says("ada", "/hold");
        },
        |now| now.comments[0].is_edited = true,
        |now| now.change().head = sha('c'),
        |now| now.change().base = branch("other"),
        |now| now.view.is_open = false,
    ];
    for (at, now) in cases.into_iter().enumerate() {
        let act = remembering(now);
        assert_eq!(act.intents, [], "nothing is done or answered: case {at}");
        assert_eq!(act.look_again_ms, Some(NOW_MS), "case {at}");
    }
    // What a bot says is no word.
    let act = remembering(|now| {
        let mut other = comment(9, "other[bot]", "/hold");
        other.is_bot = true;
        now.comments.push(other);
    });
    assert!(merge(&act).is_some());
}

#[test]
fn a_word_about_the_code_is_answered_with_the_head_of_now() {
    for (body, is_read) in [("/approve", true), ("/LGTM", true), ("/hold", false)] {
        let mut change = Change::code();
        let state = change.look().state;
        change.world.tell(
            Query::KeptPull(change.id, PrNumber(7)),
            Answer::Pull(Some(change.view.clone())),
        );
        change.change().head = sha('c');
        let files = [("train.py", 'c')];
        change.world.changes(TRAINING, ('a', 'c'), &files);
        change.world.contract(TRAINING, 'c', TRAINING_TEXT);
        let runs = Query::Runs(change.id, sha('b'));
        change.world.tell(runs, Answer::Runs(change.runs.clone()));
        change.says("root", body);
        let act = change.again(Some(state), vec![]);
        let knows_head = act.state.heads.last().map(|seen| &seen.sha) == Some(&sha('c'));
        assert_eq!(knows_head, is_read, "{body}");
    }
}

#[test]
fn a_proposal_lands_with_its_digests() {
    let mut change = Change::proposal();
    change.says("rita", "/lgtm").says("mia", "/approve");
    let made = model_files("x");
    let manifest = crate::subject::ask::Manifest {
        schema: 1,
        model: slug("digits"),
        version: 7,
        digest: made.digest,
        uri: String::new(),
        files: made.files,
        judge_digest: Digest::of(b"judge"),
        judge_sha: None,
        run: "r7".to_owned(),
        training: crate::subject::ask::TrainingRef {
            repo_id: TRAINING,
            commit: sha('a'),
        },
        runtime: None,
        images: std::collections::BTreeMap::new(),
    };
    let model = crate::subject::ask::ModelAt {
        model: slug("digits"),
        manifest: Ok(manifest),
        samples: Vec::new(),
    };
    let models = Query::Models(SERVICE, sha('2'));
    change.world.tell(models, Answer::Models(vec![model]));
    let act = change.look();
    let Some(Effect::Merge { message, .. }) = merge(&act).map(|i| &i.effect) else {
        panic!("no merge")
    };
    expect![[r#"
        Lgtm-by: rita
        Approved-by: mia
        Model-Digest: sha256:8fb114716f0c0729c7f517c33477bb99bf232ce812e5fd559bb52517c5820f6f
        Judge-Digest: sha256:10e86c6514d40f2a3e861b31847340ee8c8ed181029a17b042f137121d28863e"#]]
    .assert_eq(message);
}

#[test]
fn a_refused_merge_is_tried_again_later_each_time() {
    let change = agreed();
    let mut act = change.look();
    let mut waits = Vec::new();
    for _ in 0..6 {
        let refusal = Some(refused("Required status check is expected"));
        let waiting = after(&change, &act, 0, refusal.clone());
        assert_eq!(
            status(&waiting)["refusal"],
            "Required status check is expected"
        );
        let wait = waiting.look_again_ms.expect("another look") - NOW_MS;
        assert!(merge(&after(&change, &waiting, wait - 1, refusal.clone())).is_none());
        act = after(&change, &waiting, wait, refusal);
        assert!(
            merge(&act)
                .expect("a merge")
                .key
                .ends_with(&format!(":{}", act.state.tries))
        );
        waits.push(wait / 1_000);
        // The next round is counted from its own start.
        act.state.refused_ms = None;
    }
    assert_eq!(waits, [15, 30, 60, 120, 240, 480]);
    let last = after(&change, &act, 0, Some(refused("no")));
    assert_eq!(
        (merge(&last), status(&last)["gave_up"].as_bool()),
        (None, Some(true))
    );
    let days = after(&change, &last, 86_400_000, Some(refused("no")));
    assert_eq!(merge(&days), None);
    // Whoever has mended what GitHub named says so.
    let mut change = change;
    change.world.may(TRAINING, "root", Permission::Write);
    change.says("root", "/retest");
    change.comments.last_mut().expect("it").created_ms = NOW_MS + 86_000_000;
    let anew = after(&change, &days, 86_400_000, Some(refused("no")));
    assert_eq!(
        merge(&anew).map(|one| one.key.as_str()),
        Some("merge:1:7:bbbbbbb:0:1")
    );
    assert_eq!(status(&anew)["gave_up"].as_bool(), Some(false));
}

#[test]
fn what_landed_is_held_against_what_was_judged() {
    let change = agreed();
    let act = change.look();
    let landed = |tree: char| {
        let result = EffectResult::Merged {
            commit: sha('f'),
            tree: sha(tree),
        };
        after(&change, &act, 0, Some(done(result)))
    };
    let good = landed('e');
    assert!(!told(&good).contains("alarm"));
    assert_eq!(
        (good.state.landed.clone(), merge(&good)),
        (Some(sha('f')), None)
    );
    let bad = told(&landed('9'));
    let alarm: Vec<&str> = bad.lines().filter(|line| line.contains("alarm")).collect();
    expect![[r#"
        reply on #7: comments/alarm
        event alarm (the landed tree 9999999999999999999999999999999999999999 is not the judged one eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee)"#]].assert_eq(&alarm.join("\n"));
    let again = after(
        &change,
        &landed('9'),
        0,
        Some(done(EffectResult::Merged {
            commit: sha('f'),
            tree: sha('9'),
        })),
    );
    assert!(!told(&again).contains("alarm"), "once");
}

#[test]
fn who_had_agreed_is_known_after_it_landed_and_not_after_it_was_closed() {
    let mut change = agreed();
    let act = change.look();
    assert_eq!(act.state.approvers(), [login("root")]);
    let later = |change: &Change, act: &Act<Pull>| {
        let once = change.again(Some(act.state.clone()), vec![]);
        // A look later it is still there.
        change.again(Some(once.state), vec![]).state
    };
    change.view.is_open = false;
    let closed = later(&change, &act);
    assert_eq!((closed.approvers(), closed.rules), (vec![], vec![]));
    change.change().merged = Some(sha('f'));
    let merged = later(&change, &act);
    assert_eq!(
        (merged.approvers(), merged.rules),
        (vec![login("root")], vec![])
    );
}

#[test]
fn a_closed_pull_request_is_cleaned_up_once() {
    let mut change = Change::proposal();
    let state = change.look().state;
    change.view.is_open = false;
    change.ran('2', What::Service, Phase::Running);
    let mut production = Environment::new(repo(SERVICE), slug("production"), 0);
    production
        .changes
        .push(crate::subject::environment::Change {
            branch: branch("bowsprit/promote-production"),
            key: "k".to_owned(),
            pr: Some(PrNumber(7)),
            head: None,
            cause: ChangeCause::Promotion,
            release: crate::subject::environment::Release {
                id: "r".to_owned(),
                commit: sha('1'),
                models: Default::default(),
            },
            by: None,
            is_over: false,
            asked: None,
            is_lost: false,
        });
    change.world.tell(
        Query::Environments(SERVICE),
        Answer::Environments(vec![production]),
    );
    let preview = Environment::new(repo(SERVICE), slug("pr-7"), 0);
    change.world.tell(
        Query::Environment(SERVICE, slug("pr-7")),
        Answer::Environment(Some(preview)),
    );
    let act = change.again(Some(state), vec![]);
    let wakes = told(&act)
        .lines()
        .filter(|line| line.starts_with("wake"))
        .map(|line| format!("{line}\n"))
        .collect::<String>();
    let wakes = wakes.replace(&change.runs[0].id, "the run");
    expect![[r#"
        wake environment/2/pr-7: gone
        wake run/the run
        wake environment/2/production
        wake model/2/digits
    "#]]
    .assert_eq(&wakes);
    assert_eq!(change.again(Some(act.state), vec![]).wakes, []);
}

#[test]
fn the_preview_is_woken_for_a_tested_head() {
    let mut change = Change::proposal();
    assert!(told(&change.look()).contains("wake environment/2/pr-7"));
    let mut there = Environment::new(repo(SERVICE), slug("pr-7"), 0);
    there.expired = Some(sha('2'));
    change.world.tell(
        Query::Environment(SERVICE, slug("pr-7")),
        Answer::Environment(Some(there)),
    );
    assert!(
        !told(&change.look()).contains("wake environment/2/pr-7"),
        "its time was over for this head"
    );
    let mut strange = Change::proposal();
    strange.view.author = login("mallory");
    strange.change().head_repo = Some(crate::name::RepoId(77));
    let told_strange = told(&strange.look());
    assert!(!told_strange.contains("wake environment"), "{told_strange}");
    let mut untested = Change::proposal();
    untested.ran('2', What::Service, Phase::Failed);
    assert!(!told(&untested.look()).contains("wake environment/2/pr-7"));
}

#[test]
fn a_head_that_github_does_not_show_yet_is_waited_for() {
    let change = agreed();
    let hint = Hint::Pushed {
        head: sha('d'),
        at_ms: NOW_MS - 1_000,
    };
    let state = change.look().state;
    let act = change.again(Some(state.clone()), vec![hint]);
    expect!["look after 2 s"].assert_eq(&told(&act));
    let mut later = given(Some(act.state), vec![]);
    later.now_ms += 180_000;
    let act = change.step(&later);
    assert_eq!(
        act.state.heads.last().map(|seen| seen.is_first),
        Some(false)
    );
    assert!(
        merge(&act).is_some(),
        "it came back with the change that they agreed to"
    );
}

#[test]
fn the_status_has_what_its_template_reads() {
    let mut change = Change::proposal();
    change.world.tell(
        Query::Next(SERVICE, slug("digits")),
        Answer::Text(Some("r9".to_owned())),
    );
    let data = status(&change.look());
    for key in [
        "kind",
        "head",
        "rules",
        "missing",
        "is_ready",
        "refusal",
        "gave_up",
        "page",
        "runs",
        "preview",
        "environments",
        "public_url",
        "next",
    ] {
        assert!(data.get(key).is_some(), "{key}");
    }
    assert_eq!(data["next"], "r9");
    let mut code = Change::code();
    code.world.tell(
        Query::Next(SERVICE, slug("digits")),
        Answer::Text(Some("r9".to_owned())),
    );
    assert_eq!(status(&code.look())["next"], serde_json::Value::Null);
    let act = agreed().look();
    expect!["labels approved lgtm"].assert_eq(
        &told(&act)
            .lines()
            .filter(|l| l.starts_with("labels"))
            .collect::<String>(),
    );
    let told = told(&Change::code().look());
    assert!(
        told.starts_with("status lgtm, approved\nlabels \n"),
        "{told}"
    );
}
