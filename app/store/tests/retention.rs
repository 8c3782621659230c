use super::super::inbox::Accepted;
use super::super::retention::{ROWS_AT_ONCE, Rows};
use super::lists::run;
use super::*;
use bowsprit_core::effect::{EffectResult, EffectState, Hint, Record};
use bowsprit_core::retention::{Letter, Owner};
use bowsprit_core::subject::run::Phase;

/// Takes a subject through a step.
async fn step(store: &Store, subject: &SubjectKey, commit: Commit) {
    let claim = claimed(store, subject).await;
    assert!(store.commit_step(&claim, commit).await.unwrap());
}

async fn intend(store: &Store, subject: &SubjectKey, state: serde_json::Value, keys: &[&str]) {
    let acts = keys.iter().map(|key| act(key, Priority::Change));
    let commit = Commit {
        state,
        intents: acts.collect(),
        ..nothing()
    };
    step(store, subject, commit).await;
}

/// Ends every effect that can be had now.
async fn end(store: &Store, state: EffectState) {
    loop {
        let claims = store.claim_effects(NOW, 100).await.unwrap();
        if claims.is_empty() {
            break;
        }
        for claim in claims {
            let ended = store.finish_effect(&claim, state, EffectResult::Nothing);
            ended.await.unwrap();
        }
    }
    // Those who were woken by it look.
    while let Some(claim) = store.claim_subject(NOW).await.unwrap() {
        let state = claim.state.clone().unwrap_or_default();
        let commit = Commit { state, ..nothing() };
        assert!(store.commit_step(&claim, commit).await.unwrap());
    }
}

fn subject_of(run: &str) -> SubjectKey {
    SubjectKey::Run(run.to_owned())
}

async fn record(store: &Store, id: &str, phase: Phase, created_ms: i64) {
    let mut found = run(id, phase, created_ms);
    found.finished_ms = Some(created_ms + 5);
    let commit = Commit {
        records: vec![Record::Run(Box::new(found))],
        ..nothing()
    };
    step(store, &subject_of(id), commit).await;
}

#[tokio::test]
async fn a_delivery_that_is_over_goes_and_one_that_waits_does_not() {
    let (store, _dir) = store().await;
    for guid in ["done", "dead"] {
        store.accept(delivery(guid)).await.unwrap();
    }
    let mut claims = store.claim_deliveries(NOW, 2).await.unwrap();
    let done = store.finish_delivery(claims[0].id, Vec::new(), None);
    done.await.unwrap();
    while let Some(claim) = claims.pop().filter(|claim| claim.guid == "dead") {
        store.fail_delivery(claim.id, "broken", 0).await.unwrap();
        claims = store.claim_deliveries(NOW, 1).await.unwrap();
    }
    store.accept(delivery("waiting")).await.unwrap();
    assert_eq!(store.old_deliveries(NOW, 0).await.unwrap(), []);
    let old = store.old_deliveries(NOW + 1, 0).await.unwrap();
    let kinds: Vec<Letter> = old.iter().map(|old| old.what).collect();
    assert_eq!(kinds, [Letter::Handled, Letter::GivenUp]);
    let first = old[0].id;
    let after = store.old_deliveries(NOW + 1, first).await.unwrap();
    assert_eq!(after.len(), old.len() - 1);

    let payloads = store.old_payloads(NOW + 1, 0).await.unwrap();
    assert_eq!(payloads.len(), 1);
    let went = store.forget(Rows::Payloads, vec![first]).await.unwrap();
    assert_eq!(went, 1);
    assert!(
        store
            .delivery("done")
            .await
            .unwrap()
            .unwrap()
            .body
            .is_empty()
    );
    assert_eq!(store.old_payloads(NOW + 1, 0).await.unwrap(), []);
    let again = store.accept(delivery("done")).await.unwrap();
    assert_eq!(again, Accepted::Duplicate);

    let waiting = store.delivery("waiting").await.unwrap().unwrap().id;
    let went = store.forget(Rows::Deliveries, vec![first, waiting]);
    assert_eq!(went.await.unwrap(), 1);
    assert!(!store.has_delivery("done").await.unwrap());
    assert!(store.has_delivery("waiting").await.unwrap());
}

#[tokio::test]
async fn old_effects_are_told_with_whose_they_are() {
    let (store, _dir) = store().await;
    let (open, closed, picked) = (pull(1), pull(2), pull(3));
    intend(&store, &open, json!({"is_open": true}), &["a", "b"]).await;
    intend(
        &store,
        &closed,
        json!({"is_open": false, "picks": []}),
        &["c"],
    )
    .await;
    let going_on = json!({"is_open": false, "picks": [{"branch": "rel-1"}]});
    intend(&store, &picked, going_on, &["d"]).await;
    intend(&store, &subject_of("r0"), json!({}), &["of-a-run"]).await;
    end(&store, EffectState::Done).await;
    intend(&store, &open, json!({"is_open": true}), &["waiting"]).await;
    assert_eq!(store.old_effects(NOW, 0).await.unwrap(), []);
    let old = store.old_effects(NOW + 1, 0).await.unwrap();
    let told: Vec<_> = old.iter().map(|old| old.what).collect();
    assert_eq!(
        told,
        [
            (Letter::Handled, Owner::Living(2)),
            (Letter::Handled, Owner::Living(1)),
            (Letter::Handled, Owner::Over),
            (Letter::Handled, Owner::Living(0)),
        ]
    );
    let all: Vec<i64> = store
        .effects(None, 10)
        .await
        .unwrap()
        .iter()
        .map(|e| e.id)
        .collect();
    assert_eq!(store.forget(Rows::Effects, all).await.unwrap(), 5);
    let left = store.effects(None, 10).await.unwrap();
    let keys: Vec<&str> = left.iter().map(|effect| &effect.key[..]).collect();
    assert_eq!(keys, ["waiting"]);
}

/// As many of these runs as went.
async fn forget(store: &Store, ids: &[&str], dead_before_ms: i64) -> u64 {
    let ids = ids.iter().map(|id| (*id).to_owned()).collect();
    store.forget_runs(&ids, dead_before_ms).await.unwrap()
}

/// A run on a commit of its own.
async fn alone(store: &Store, id: &str, phase: Phase, digit: char) {
    let mut found = run(id, phase, NOW);
    found.sha = CommitSha::parse(&digit.to_string().repeat(40)).unwrap();
    found.finished_ms = Some(NOW + 5);
    let commit = Commit {
        records: vec![Record::Run(Box::new(found))],
        ..nothing()
    };
    step(store, &subject_of(id), commit).await;
}

#[tokio::test]
async fn a_finished_run_goes_with_all_that_is_its() {
    let (store, _dir) = store().await;
    for (id, digit) in [("r1", '1'), ("r2", '2')] {
        alone(&store, id, Phase::Failed, digit).await;
        intend(&store, &subject_of(id), json!({}), &[id]).await;
    }
    alone(&store, "r3", Phase::Running, '3').await;
    let seen = store.runs_seen(NOW + 1, NOW).await.unwrap();
    assert!(seen[0].has_letters && seen[1].has_letters && !seen[2].has_letters);
    assert_eq!(forget(&store, &["r1"], NOW).await, 0, "an effect waits");
    end(&store, EffectState::Done).await;
    let seen = store.runs_seen(NOW + 1, NOW).await.unwrap();
    assert!(!seen[0].has_letters && !seen[0].is_active && seen[2].is_active);
    assert_eq!(seen[0].ended_ms, NOW + 5);
    // What stands in a document that is too young to go is not read.
    assert_eq!(store.runs_seen(NOW, NOW).await.unwrap()[0].ended_ms, NOW);
    let told = Wake {
        subject: subject_of("r2"),
        hint: Some(Hint::RunUnneeded),
    };
    store.wake(vec![told]).await.unwrap();
    assert_eq!(forget(&store, &["r1"], NOW).await, 1);
    assert_eq!(forget(&store, &["r2"], NOW).await, 0, "it shall look");
    assert_eq!(forget(&store, &["r3"], NOW).await, 0, "it is not over");
    assert!(store.run("r1").await.unwrap().is_none());
    let state = store.subject_state(&subject_of("r1")).await.unwrap();
    assert_eq!(state, None);
    let left = store.effects(None, 10).await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].key, "r2");
}

#[tokio::test]
async fn runs_of_one_commit_go_in_one_transaction_or_none_does() {
    let (store, _dir) = store().await;
    for id in ["r1", "r2", "r3"] {
        alone(&store, id, Phase::Failed, '1').await;
    }
    alone(&store, "r4", Phase::Failed, '2').await;
    let left = async || store.runs_seen(0, NOW).await.unwrap().len();
    assert_eq!(
        forget(&store, &["r1", "r2"], NOW).await,
        0,
        "a third one came"
    );
    let told = Wake {
        subject: subject_of("r3"),
        hint: None,
    };
    store.wake(vec![told]).await.unwrap();
    let all = ["r1", "r2", "r3"];
    assert_eq!(forget(&store, &all, NOW).await, 0, "one of them shall look");
    assert_eq!(left().await, 4);
    let claim = store.claim_subject(NOW).await.unwrap().unwrap();
    assert!(store.commit_step(&claim, nothing()).await.unwrap());
    assert_eq!(forget(&store, &all, NOW).await, 3);
    assert_eq!(left().await, 1);
}

#[tokio::test]
async fn an_effect_that_was_given_up_keeps_its_run_for_its_time() {
    let (store, _dir) = store().await;
    alone(&store, "r1", Phase::Failed, '1').await;
    intend(&store, &subject_of("r1"), json!({}), &["dead"]).await;
    end(&store, EffectState::Dead).await;
    let given_up_ms = store.effects(None, 10).await.unwrap()[0].updated_ms;
    for (dead_before_ms, is_kept) in [(given_up_ms, true), (given_up_ms + 1, false)] {
        let seen = store.runs_seen(NOW + 1, dead_before_ms).await.unwrap();
        assert_eq!(seen[0].has_letters, is_kept);
        let went = forget(&store, &["r1"], dead_before_ms).await;
        assert_eq!(went, u64::from(!is_kept));
    }
    assert!(store.effects(None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_a_crash_leaves_of_old_rows_goes_later() {
    let (store, dir) = store().await;
    let count = ROWS_AT_ONCE + 1;
    let event = |n: usize| Record::Event {
        who: None,
        what: format!("event {n}"),
        sha: None,
        why: String::new(),
    };
    let commit = Commit {
        records: (0..count).map(event).collect(),
        ..nothing()
    };
    step(&store, &pull(1), commit).await;
    let page = store.old_events(NOW + 1, 0).await.unwrap();
    assert_eq!(page.len(), ROWS_AT_ONCE);
    let ids = page.iter().map(|old| old.id).collect();
    store.forget(Rows::Events, ids).await.unwrap();
    let crashed = crashed(dir.path());
    let again = open(crashed.path()).await;
    let left = again.old_events(NOW + 1, 0).await.unwrap();
    assert_eq!(left.len(), 1);
    let ids = left.iter().map(|old| old.id).collect();
    assert_eq!(again.forget(Rows::Events, ids).await.unwrap(), 1);
    assert_eq!(again.old_events(i64::MAX, 0).await.unwrap(), []);
}

#[tokio::test]
async fn texts_that_name_things_are_those_that_go_on() {
    let (store, _dir) = store().await;
    intend(&store, &pull(1), json!({"is_open": true, "x": "open"}), &[]).await;
    intend(
        &store,
        &pull(2),
        json!({"is_open": false, "x": "closed"}),
        &[],
    )
    .await;
    record(&store, "r-over", Phase::Failed, NOW).await;
    record(&store, "r-active", Phase::Running, NOW).await;
    let mut texts = String::new();
    store
        .each_naming_text(|text, _| texts.push_str(text))
        .await
        .unwrap();
    assert!(texts.contains("\"open\"") && texts.contains("r-active"));
    assert!(!texts.contains("closed") && !texts.contains("r-over"));
    let numbers: Vec<u64> = store
        .all_open()
        .await
        .unwrap()
        .iter()
        .map(|(_, pr)| pr.0)
        .collect();
    assert_eq!(numbers, [1]);
}

#[tokio::test]
async fn old_notes_of_deliveries_go() {
    let (store, _dir) = store().await;
    for (key, value) in [
        ("redelivered:old", "1 7 100"),
        ("redelivered:new", "1 7 200"),
        ("redelivered:without", "1 7"),
        ("other", "1 7 100"),
    ] {
        store.put_kv(key, value).await.unwrap();
    }
    assert_eq!(store.forget_asked(200).await.unwrap(), 2);
    assert!(store.kv("redelivered:new").await.unwrap().is_some());
    assert!(store.kv("other").await.unwrap().is_some());
}
