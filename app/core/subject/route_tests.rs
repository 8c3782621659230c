//! From something seen to who looks.

use super::route::{Known, everybody, wakes};
use super::testing::*;
use crate::contract::{self, Contract};
use crate::effect::Hint;
use crate::name::{CommentId, PrNumber, Repo};
use crate::seen::{Labeled, Said, Seen};
use crate::subject::run::{Phase, Run, Trigger, What};
use expect_test::{Expect, expect};

fn known(text: &str) -> Known {
    let contract: Option<Contract> = contract::parse(text).ok();
    Known {
        default_branch: Some(branch("main")),
        contract,
        open_pulls: vec![PrNumber(7), PrNumber(8)],
        environments: vec![slug("old")],
        ..Known::default()
    }
}

fn pushed(repo: Repo, name: &str, head: Option<char>) -> Seen {
    Seen::Push {
        repo,
        branch: branch(name),
        head: head.map(sha),
        by: Some(login("ada")),
    }
}

#[track_caller]
fn check(seen: &Seen, known: &Known, want: Expect) {
    want.assert_eq(&lines(&wakes(seen, known, "n")));
}

#[test]
fn a_push_to_training_runs_and_a_push_to_service_deploys() {
    let training = Known {
        environments: vec![],
        open_pulls: vec![],
        ..known(TRAINING_TEXT)
    };
    check(
        &pushed(repo(TRAINING), "main", Some('b')),
        &training,
        expect!["wake train at bbbbbbb"],
    );
    check(
        &pushed(repo(TRAINING), "topic", Some('b')),
        &training,
        expect!["wake train at bbbbbbb"],
    );
    check(
        &pushed(repo(TRAINING), "topic", None),
        &training,
        expect![[""]],
    );
    check(
        &pushed(repo(TRAINING), "bowsprit/digits", Some('b')),
        &training,
        expect![[""]],
    );
    let service = known(SERVICE_TEXT);
    check(
        &pushed(repo(SERVICE), "main", Some('2')),
        &service,
        expect![[r#"
        wake model/2/digits
        wake environment/2/old
        wake environment/2/production
        wake environment/2/staging
        wake pull/2/7
        wake pull/2/8"#]],
    );
    check(
        &pushed(repo(SERVICE), "topic", Some('2')),
        &service,
        expect![[r#"
        wake pull/2/7
        wake pull/2/8"#]],
    );
    let first = Known {
        contract: None,
        open_pulls: vec![],
        ..known("")
    };
    check(
        &pushed(repo(SERVICE), "main", Some('2')),
        &first,
        expect![[r#"
        wake train at 2222222
        wake environment/2/old"#]],
    );
    let unknown = Known::default();
    check(
        &pushed(repo(SERVICE), "main", None),
        &unknown,
        expect![[""]],
    );
}

#[test]
fn what_is_under_way_on_a_branch_is_looked_at() {
    let trigger = Trigger::Push {
        branch: branch("main"),
    };
    let active = Run {
        id: "r1".to_owned(),
        ..run(cause(TRAINING, 'a', What::Train, trigger), Phase::Running)
    };
    let known = Known {
        active_runs: vec![active],
        ..Known::default()
    };
    check(
        &pushed(repo(TRAINING), "main", None),
        &known,
        expect!["wake run/r1"],
    );
    expect!["wake run/r1"].assert_eq(&lines(&everybody(&repo(TRAINING), &known)));
    expect![[r#"
        wake model/2/digits
        wake environment/2/old
        wake environment/2/production
        wake environment/2/staging
        wake pull/2/7
        wake pull/2/8"#]]
    .assert_eq(&lines(&everybody(
        &repo(SERVICE),
        &super::route_tests::known(SERVICE_TEXT),
    )));
}

#[test]
fn talk_and_pull_requests_are_looked_at() {
    let (repo, number) = (repo(SERVICE), PrNumber(7));
    let known = Known::default();
    check(
        &Seen::Talk {
            repo: repo.clone(),
            number,
            said: None,
        },
        &known,
        expect!["wake pull/2/7"],
    );
    let said = |id| {
        Some(Said {
            id,
            body: "/hold".to_owned(),
        })
    };
    check(
        &Seen::Talk {
            repo: repo.clone(),
            number,
            said: said(CommentId::Review(9)),
        },
        &known,
        expect!["wake pull/2/7: said in review-9: /hold"],
    );
    let at = Some((sha('2'), NOW_MS));
    check(
        &Seen::Pull {
            repo: repo.clone(),
            number,
            pushed: at,
            said: said(CommentId::Description(7)),
            by: None,
            labeled: None,
        },
        &known,
        expect![[r#"
            wake pull/2/7: pushed 2222222 0
            wake pull/2/7: said in description-7: /hold"#]],
    );
    check(
        &Seen::Pull {
            repo: repo.clone(),
            number,
            pushed: None,
            said: None,
            by: None,
            labeled: None,
        },
        &known,
        expect!["wake pull/2/7"],
    );
    check(
        &Seen::Pull {
            repo: repo.clone(),
            number,
            pushed: None,
            said: None,
            by: None,
            labeled: Some(Labeled {
                label: "lgtm".to_owned(),
                by: login("ada"),
                head: sha('2'),
                is_on: true,
            }),
        },
        &known,
        expect!["wake pull/2/7: lgtm put on 2222222 by ada"],
    );
}

#[test]
fn a_context_is_of_every_open_pull_request() {
    let repo = repo(SERVICE);
    let open = super::route_tests::known(SERVICE_TEXT);
    check(
        &Seen::Context {
            repo: repo.clone(),
            sha: sha('2'),
        },
        &open,
        expect![[r#"
        wake pull/2/7
        wake pull/2/8"#]],
    );
    // An issue may have blocked them.
    let issue = Seen::Issue { repo };
    check(
        &issue,
        &open,
        expect![[r#"
        wake pull/2/7
        wake pull/2/8"#]],
    );
    check(&Seen::Installation, &open, expect![[""]]);
    check(&Seen::Nothing, &open, expect![[""]]);
}

#[test]
fn a_rerun_is_of_the_newest_of_each_that_is_over() {
    let trigger = Trigger::Pull {
        pr: PrNumber(7),
        base: sha('a'),
        retargeted_ms: None,
    };
    let one = |id: &str, what: What, phase: Phase| Run {
        id: id.to_owned(),
        ..run(cause(TRAINING, 'b', what, trigger.clone()), phase)
    };
    let unit = What::Check(slug("unit"));
    let runs = vec![
        one("r1", What::Train, Phase::Failed),
        one("r2", What::Train, Phase::Cancelled),
        one("r3", unit.clone(), Phase::Failed),
        one("r4", What::Service, Phase::Running),
    ];
    let known = Known {
        runs,
        ..Known::default()
    };
    let rerun = |id: Option<&str>| Seen::Rerun {
        repo: repo(TRAINING),
        sha: sha('b'),
        run: id.map(|id| (id.to_owned(), "unit".to_owned())),
        by: login("grace"),
    };
    check(
        &rerun(None),
        &known,
        expect![[r#"
        wake train at bbbbbbb
        wake unit at bbbbbbb"#]],
    );
    check(&rerun(Some("r3")), &known, expect!["wake unit at bbbbbbb"]);
    check(&rerun(Some("r4")), &known, expect![[""]]);
    let found = wakes(&rerun(Some("r3")), &known, "n");
    let Some(Hint::RunWanted(cause)) = &found[0].hint else {
        panic!("{found:?}")
    };
    assert_eq!(
        (cause.by.clone(), cause.trigger.pull()),
        (Some(login("grace")), Some((PrNumber(7), &sha('a'))))
    );
    let other = wakes(&rerun(Some("r3")), &known, "m");
    assert_ne!(
        found[0].subject, other[0].subject,
        "each press of the button is a run of its own"
    );
}

#[test]
fn a_run_that_nobody_remembers_begins_anew_or_is_told_of() {
    let id = "r0123456789ab";
    let rerun = |id: &str, name: &str| Seen::Rerun {
        repo: repo(TRAINING),
        sha: sha('b'),
        run: Some((id.to_owned(), name.to_owned())),
        by: login("grace"),
    };
    let at = |head: char| Known {
        default_branch: Some(branch("main")),
        head: Some(sha(head)),
        ..Known::default()
    };
    let wanted = at('b');
    check(
        &rerun(id, "train"),
        &wanted,
        expect!["wake train at bbbbbbb"],
    );
    check(&rerun(id, "unit"), &wanted, expect!["wake unit at bbbbbbb"]);
    let told = expect!["wake run/r0123456789ab: forgotten train"];
    check(&rerun(id, "train"), &at('c'), told);
    // Other checks of ours are no runs, and other names nobody runs.
    check(&rerun("promotion:1", "train"), &wanted, expect![[""]]);
    check(&rerun(id, "A name"), &wanted, expect![[""]]);
    // One that is at work is remembered.
    let trigger = Trigger::Push {
        branch: branch("main"),
    };
    let known = Known {
        runs: vec![Run {
            id: id.to_owned(),
            ..run(cause(TRAINING, 'b', What::Train, trigger), Phase::Running)
        }],
        ..at('c')
    };
    check(&rerun(id, "train"), &known, expect![[""]]);
}
