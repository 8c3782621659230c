//! Commands that are carried out, and the answers to all of them.

use super::*;
use crate::effect::{Effect, Text};
use crate::name::{CommentId, RepoId};
use crate::subject::ask::{Permission, PullView};
use crate::subject::environment::Environment;
use expect_test::{Expect, expect};
use std::collections::BTreeMap;

/// What is done beside the views.
#[track_caller]
fn check(change: &Change, want: Expect) -> Pull {
    let act = change.look();
    want.assert_eq(&done(&act));
    act.state
}

fn done(act: &Act<Pull>) -> String {
    let is_view = |line: &&str| {
        line.starts_with("status ") || line.starts_with("labels ") || line.starts_with("check ")
    };
    told(act)
        .lines()
        .filter(|line| !is_view(line))
        .collect::<Vec<_>>()
        .join("\n")
}

/// `walt` may write here.
fn code() -> Change {
    let mut change = Change::code();
    change.world.may(TRAINING, "walt", Permission::Write);
    change
}

#[test]
fn what_was_written_before_there_was_a_memory_is_not_carried_out() {
    let mut change = Change::code();
    change.says("root", "/train");
    let written = change.comments[0].created_ms;
    for (since_ms, is_done) in [
        (written, true),
        (written + 900, true),
        (written + 1_000, false),
    ] {
        let mut given = given(None, vec![]);
        given.since_ms = since_ms;
        let act = change.step(&given);
        assert_eq!(act.state.acted.is_empty(), !is_done, "{since_ms}");
    }
}

#[test]
fn what_has_not_run_on_this_head_runs() {
    let mut change = code();
    check(&change, expect![[""]]);
    change.runs.clear();
    check(
        &change,
        expect![[r#"
        wake train at bbbbbbb
        wake unit at bbbbbbb
        wake lint at bbbbbbb"#]],
    );
    change.change().is_draft = true;
    check(&change, expect![[""]]);
    let mut foreign = code();
    foreign.runs.clear();
    foreign.change().head_repo = Some(RepoId(77));
    check(&foreign, expect![[""]]);
    let mut first = code();
    first.runs.clear();
    first.world.contract(TRAINING, 'a', "");
    check(&first, expect!["wake train at bbbbbbb"]);
    first.world.contract(TRAINING, 'b', "");
    check(&first, expect![[""]]);
}

#[test]
fn retest_starts_what_failed_and_test_what_is_named() {
    let mut change = code();
    change.ran('b', What::Train, Phase::Failed);
    let with = |body: &str, by: &str| {
        let mut change = Change {
            world: change.world.clone(),
            id: change.id,
            view: change.view.clone(),
            comments: Vec::new(),
            runs: change.runs.clone(),
        };
        change.says(by, body);
        done(&change.look())
    };
    expect![[r#"
        react to 1
        wake train at bbbbbbb"#]]
    .assert_eq(&with("/retest", "walt"));
    expect![[r#"
        react to 1
        wake unit at bbbbbbb"#]]
    .assert_eq(&with("/test unit", "walt"));
    expect![[r#"
        react to 1
        wake train at bbbbbbb
        wake unit at bbbbbbb
        wake lint at bbbbbbb"#]]
    .assert_eq(&with("/test all", "walt"));
    expect!["note tests on #7: there is no check `nope`"].assert_eq(&with("/test nope", "walt"));
    expect!["reply on #7: `/retest` is for people who may write in this repository"]
        .assert_eq(&with("/retest", "mallory"));
    expect![[r#"
        react to 1
        wake train at bbbbbbb EPOCHS=1"#]]
    .assert_eq(&with("/train EPOCHS=1", "walt"));
    expect!["reply on #7: `/train` is for people who may write in this repository"]
        .assert_eq(&with("/train EPOCHS=1", "mallory"));
    expect!["reply on #7: nothing is running here"].assert_eq(&with("/cancel", "walt"));
    let mut fine = code();
    fine.says("walt", "/retest");
    check(
        &fine,
        expect!["reply on #7: nothing has failed; `/test all` runs everything again"],
    );
    let mut service = Change::proposal();
    service.world.may(SERVICE, "walt", Permission::Write);
    service.says("walt", "/test service").says("walt", "/train");
    check(
        &service,
        expect![[r#"
            react to 1
            reply on #7: `/train` works in a training repository; this one has no training contract on its base branch
            wake bowsprit/service at 2222222
            wake environment/2/pr-7: shown 2222222"#]],
    );
}

#[test]
fn cancel_ends_every_run_of_the_pull_request() {
    let mut change = code();
    change.ran('b', What::Train, Phase::Running);
    let trigger = Trigger::Comment {
        pr: PrNumber(7),
        comment: CommentId::Comment(90),
        base: sha('a'),
    };
    let trial = Cause {
        params: BTreeMap::from([("EPOCHS".to_owned(), "1".to_owned())]),
        ..cause(TRAINING, 'b', What::Train, trigger)
    };
    change.runs.push(run(trial, Phase::Running));
    change.says("walt", "/cancel");
    let act = change.look();
    assert_eq!(act.wakes.len(), 2, "{}", done(&act));
}

#[test]
fn an_act_is_done_once_and_within_a_day() {
    let mut change = code();
    change
        .ran('b', What::Train, Phase::Failed)
        .says("walt", "/retest");
    let state = check(
        &change,
        expect![[r#"
        react to 1
        wake train at bbbbbbb"#]],
    );
    expect![[""]].assert_eq(&done(&change.again(Some(state), vec![])));
    change.comments[0].created_ms = NOW_MS - ACT_AGE_MAX_MS;
    check(&change, expect![[""]]);
    change.comments[0].created_ms += 1;
    check(
        &change,
        expect![[r#"
        react to 1
        wake train at bbbbbbb"#]],
    );
    change.comments[0].is_edited = true;
    check(&change, expect![[""]]);
    change.comments[0] = comment(1, "walt[bot]", "/retest");
    check(&change, expect![[""]]);
}

#[test]
fn a_comment_has_one_answer() {
    let mut change = code();
    change.says("rita", "/lgtm");
    check(
        &change,
        expect![[r#"
        react to 1
        event rita: /lgtm (#7)"#]],
    );
    change.says("mallory", "/lgtm\n/approve");
    check(
        &change,
        expect![[r#"
        react to 1
        reply on #7: `/lgtm` counts from people who may write here, or whom OWNERS names for a changed file

        `/approve` counts from approvers of the changed files (root)
        event rita: /lgtm (#7)"#]],
    );
    let mut both = code();
    both.ran('b', What::Train, Phase::Failed)
        .says("walt", "/lgtm\n/retest");
    let state = check(
        &both,
        expect![[r#"
        react to 1
        wake train at bbbbbbb
        event walt: /lgtm, /retest (#7)"#]],
    );
    expect![[""]].assert_eq(&done(&both.again(Some(state), vec![])));
    let mut wrong = code();
    wrong.says("ada", "/lgtm\n/aprove");
    let state = check(
        &wrong,
        expect![[r#"
            reply on #7: `/aprove` is not a command, did you mean `/approve`? Usage: `/approve [<commit>|no-issue|cancel]`

            an author cannot lgtm their own change"#]],
    );
    expect![[""]].assert_eq(&done(&wrong.again(Some(state), vec![])));
    // Two questions have two answers, and a refusal beside them takes none away.
    let mut asks = code();
    asks.says("walt", "/help\n/help\n/why\n/aprove");
    let act = asks.look();
    let texts = act
        .intents
        .iter()
        .filter_map(|intent| match &intent.effect {
            Effect::Reply { text, .. } => Some(text),
            _ => None,
        });
    let texts: Vec<&Text> = texts.collect();
    assert_eq!(
        (texts.len(), texts[0].template.as_str()),
        (1, "comments/answers")
    );
    let parts = texts[0].data["texts"].as_array().expect("parts");
    let parts: Vec<&str> = parts
        .iter()
        .filter_map(|part| part["template"].as_str())
        .collect();
    assert_eq!(parts, ["refusal/to", "comments/help", "comments/why"]);
    let mut closed = code();
    closed.view.is_open = false;
    closed.says("walt", "/why");
    expect!["reply on #7: `/why` works on an open pull request"].assert_eq(&done(&closed.look()));
    let mut help = code();
    help.says("mallory", "/help");
    check(&help, expect!["reply on #7: comments/help"]);
    let mut talk = code();
    talk.says("mallory", "> /lgtm\n\nthanks");
    check(&talk, expect![[""]]);
}

#[test]
fn trust_names_one_head() {
    let with = |by: &str, body: &str| {
        let mut change = code();
        change.change().head_repo = Some(RepoId(77));
        change.says(by, body);
        done(&change.look())
    };
    expect!["react to 1"].assert_eq(&with("walt", "/ok-to-test bbbbbbb"));
    expect![
        "reply on #7: the head is `bbbbbbb` now; look at it, then say `/ok-to-test bbbbbbbbbbbb`"
    ]
    .assert_eq(&with("walt", "/ok-to-test aaaaaaa"));
    expect!["reply on #7: trust belongs to one head: say `/ok-to-test bbbbbbbbbbbb` once you have looked at it"].assert_eq(&with("walt", "/ok-to-test"));
    expect!["reply on #7: `/ok-to-test` is for people who may write in this repository"]
        .assert_eq(&with("mallory", "/ok-to-test bbbbbbb"));
    expect!["reply on #7: nothing of this head runs before `/ok-to-test bbbbbbbbbbbb`; `/test <name>` runs one thing once"]
        .assert_eq(&with("walt", "/retest"));
}

/// Staging and production are there.
fn service(files: &[(&str, char)]) -> Change {
    let mut change = Change::proposal();
    change.files(files);
    let environments = ["production", "staging", "pr-7"]
        .map(|name| Environment::new(repo(SERVICE), slug(name), 0));
    change.world.tell(
        Query::Environments(SERVICE),
        Answer::Environments(environments.to_vec()),
    );
    change
}

#[test]
fn environments_are_asked_for_by_those_who_may() {
    let with = |by: &str, body: &str| {
        let mut change = service(&[("models/digits/manifest.json", 'b')]);
        change.says(by, body);
        done(&change.look())
    };
    expect![[r#"
        wake environment/2/production: promote unnamed by rita
        wake environment/2/pr-7: shown 2222222"#]]
    .assert_eq(&with("rita", "/promote production"));
    expect![[r#"
        wake environment/2/production: promote v2 by eve
        wake environment/2/pr-7: shown 2222222"#]]
    .assert_eq(&with("eve", "/promote production v2"));
    expect![[r#"
        reply on #7: `/promote` is for reviewers of this repository (OWNERS)
        wake environment/2/pr-7: shown 2222222"#]]
    .assert_eq(&with("mallory", "/promote production"));
    expect![[r#"
        reply on #7: there is no environment `moon` here; there are: `production`, `staging`
        wake environment/2/pr-7: shown 2222222"#]]
    .assert_eq(&with("rita", "/promote moon"));
    expect![[r#"
        wake environment/2/production: rollback v1 by mallory, model only true
        wake environment/2/pr-7: shown 2222222"#]]
    .assert_eq(&with("mallory", "/rollback production v1 --model-only"));
    expect![[r#"
        reply on #7: there is no environment `moon` here; there are: `production`, `staging`
        wake environment/2/pr-7: shown 2222222"#]]
    .assert_eq(&with("eve", "/rollback moon"));
    expect![[r#"
        reply on #7: there is no environment `pr-7` here; there are: `production`, `staging`
        wake environment/2/pr-7: shown 2222222"#]]
    .assert_eq(&with("eve", "/rollback pr-7"));
    expect![[r#"
        wake model/2/digits: supersede by mallory in 1
        wake environment/2/pr-7: shown 2222222"#]]
    .assert_eq(&with("mallory", "/supersede"));
    let mut code = code();
    code.says("walt", "/supersede");
    check(
        &code,
        expect!["reply on #7: `/supersede` works on a proposal of a model version"],
    );
}

#[test]
fn a_promotion_is_let_go_on_by_its_approvers() {
    for (by, want) in [
        (
            "eve",
            expect![[r#"
        react to 1
        react to 2
        wake environment/2/moon: unhold"#]],
        ),
        (
            "root",
            expect![[r#"
        react to 1
        reply on #7: `/unhold` on a change of moon is for its approvers"#]],
        ),
    ] {
        let mut change = service(&[("environments/moon.yaml", 'b')]);
        change.says("mallory", "/hold").says(by, "/unhold");
        check(&change, want);
    }
}

#[test]
fn an_issue_takes_commands_about_environments() {
    let mut issue = service(&[]);
    issue
        .says("eve", "/rollback production")
        .says("rita", "/promote production")
        .says("mallory", "/lgtm")
        .says("mallory", "/help")
        .says("mallory", "/hlep");
    let view = PullView {
        change: None,
        ..issue.view.clone()
    };
    let mut world = issue.world();
    world.tell(Query::Pull(SERVICE, PrNumber(7)), Answer::Pull(Some(view)));
    let act = drive(&world, |ask| {
        step(&given(None, vec![]), (SERVICE, PrNumber(7)), ask)
    })
    .expect("an issue");
    expect![[r#"
        reply on #7: `/lgtm` works on a pull request
        reply on #7: comments/help
        reply on #7: `/hlep` is not a command, did you mean `/help`? Usage: `/help`
        wake environment/2/production: rollback unnamed by eve, model only false
        wake environment/2/production: promote unnamed by rita"#]]
    .assert_eq(&done(&act));
}
