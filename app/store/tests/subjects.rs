use super::super::LEASE_MS;
use super::super::subjects::STEP_ATTEMPTS_MAX;
use super::*;
use bowsprit_core::effect::Hint;
use bowsprit_core::name::CommitSha;

fn told(subject: &SubjectKey, hint: Hint) -> Wake {
    Wake {
        subject: subject.clone(),
        hint: Some(hint),
    }
}

#[tokio::test]
async fn a_subject_is_worked_on_by_one_at_a_time() {
    let (store, _dir) = store().await;
    let first = claimed(&store, &pull(1)).await;
    store.wake(vec![wake(&pull(1))]).await.unwrap();
    assert_eq!(store.claim_subject(NOW).await.unwrap(), None);
    assert!(store.commit_step(&first, nothing()).await.unwrap());
    // The wake that came meanwhile is not lost.
    let second = store.claim_subject(NOW).await.unwrap().unwrap();
    assert_eq!(second.epoch, first.epoch + 1);
    assert_eq!(second.state, Some(json!({})));
    assert!(store.commit_step(&second, nothing()).await.unwrap());
    assert_eq!(store.claim_subject(NOW).await.unwrap(), None);
    assert!(store.settled(NOW).await.unwrap());
}

#[tokio::test]
async fn a_stale_claim_changes_nothing() {
    let (store, _dir) = store().await;
    let stale = claimed(&store, &pull(1)).await;
    let fresh = store.claim_subject(NOW + LEASE_MS).await.unwrap().unwrap();
    let commit = Commit {
        state: json!({"by": "stale"}),
        intents: vec![act("merge/1", Priority::Merge)],
        wakes: vec![wake(&pull(2))],
        ..nothing()
    };
    assert!(!store.commit_step(&stale, commit).await.unwrap());
    let late = Some(act("merge/2", Priority::Merge));
    store
        .fail_step(&stale, "late", i64::MAX, late)
        .await
        .unwrap();
    store.release(&stale).await.unwrap();
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.effects_intended, counts.subjects_wanted), (0, 1));
    assert_eq!(store.subject_state(&pull(1)).await.unwrap(), None);
    assert!(store.commit_step(&fresh, nothing()).await.unwrap());
}

#[tokio::test]
async fn hints_stay_until_they_are_taken() {
    let (store, _dir) = store().await;
    let key = pull(1);
    let hints = vec![told(&key, Hint::Unhold), told(&key, Hint::Gone)];
    store.wake(hints.clone()).await.unwrap();
    store.wake(hints).await.unwrap();
    let claim = store.claim_subject(NOW).await.unwrap().unwrap();
    let said: Vec<&Hint> = claim.hints.iter().map(|(_, hint)| hint).collect();
    assert_eq!(said, [&Hint::Unhold, &Hint::Gone]);
    let commit = Commit {
        hints_taken: vec![claim.hints[0].0],
        withdrawn: Vec::new(),
        ..nothing()
    };
    assert!(store.commit_step(&claim, commit).await.unwrap());
    let next = claimed(&store, &key).await;
    assert_eq!(next.hints.len(), 1);
    assert_eq!(next.hints[0].1, Hint::Gone);
}

#[tokio::test]
async fn time_alone_makes_a_subject_due() {
    let (store, _dir) = store().await;
    let claim = claimed(&store, &pull(1)).await;
    let commit = Commit {
        look_again_ms: Some(NOW + 500),
        ..nothing()
    };
    assert!(store.commit_step(&claim, commit).await.unwrap());
    assert_eq!(store.claim_subject(NOW + 499).await.unwrap(), None);
    assert_eq!(store.next_due_ms(NOW).await.unwrap(), Some(NOW + 500));
    assert!(store.settled(NOW).await.unwrap());
    assert!(!store.settled(NOW + 500).await.unwrap());
    let again = store.claim_subject(NOW + 500).await.unwrap().unwrap();
    assert!(store.commit_step(&again, nothing()).await.unwrap());
    assert_eq!(store.claim_subject(i64::MAX / 2).await.unwrap(), None);
}

#[tokio::test]
async fn a_failing_subject_waits_then_is_called_stuck_and_recovers() {
    let (store, _dir) = store().await;
    store.wake(vec![wake(&pull(1))]).await.unwrap();
    let mut now = NOW;
    for attempt in 1..=STEP_ATTEMPTS_MAX {
        assert_eq!(store.counts().await.unwrap().subjects_stuck, 0);
        let claim = store.claim_subject(now).await.unwrap().unwrap();
        assert_eq!(claim.attempts, attempt);
        store
            .fail_step(&claim, "broken", now + 10, None)
            .await
            .unwrap();
        assert_eq!(store.claim_subject(now + 9).await.unwrap(), None);
        now += 10;
    }
    assert_eq!(store.counts().await.unwrap().subjects_stuck, 1);
    let ninth = store.claim_subject(now).await.unwrap().unwrap();
    let told = Some(act("status/1", Priority::View));
    store
        .fail_step(&ninth, "broken", now + 10, told)
        .await
        .unwrap();
    assert_eq!(store.counts().await.unwrap().effects_intended, 1);
    let late = now + 15 * 60 * 1_000;
    assert_eq!(store.claim_subject(late - 1).await.unwrap(), None);
    let tenth = store.claim_subject(late).await.unwrap().unwrap();
    assert!(store.commit_step(&tenth, nothing()).await.unwrap());
    assert_eq!(store.counts().await.unwrap().subjects_stuck, 0);
    assert_eq!(claimed(&store, &pull(1)).await.attempts, 1);
}

#[tokio::test]
async fn a_released_subject_is_as_before() {
    let (store, _dir) = store().await;
    let claim = claimed(&store, &pull(1)).await;
    store.release(&claim).await.unwrap();
    let again = store.claim_subject(NOW).await.unwrap().unwrap();
    assert_eq!(again.attempts, 1);
    assert_eq!(again.seen_upto, claim.seen_upto);
}

#[tokio::test]
async fn turns_are_fair() {
    let (store, _dir) = store().await;
    for number in [1, 2] {
        store.wake(vec![wake(&pull(number))]).await.unwrap();
    }
    let first = store.claim_subject(NOW).await.unwrap().unwrap();
    let commit = Commit {
        wakes: vec![wake(&first.key)],
        ..nothing()
    };
    assert!(store.commit_step(&first, commit).await.unwrap());
    let second = store.claim_subject(NOW + 1).await.unwrap().unwrap();
    assert_ne!(second.key, first.key);
    let third = store.claim_subject(NOW + 1).await.unwrap().unwrap();
    assert_eq!(third.key, first.key);
}

#[tokio::test]
async fn a_crash_at_any_point_loses_nothing() {
    let (store, dir) = store().await;
    store.accept(delivery("a")).await.unwrap();
    let id = store.claim_deliveries(NOW, 1).await.unwrap()[0].id;

    let claimed_only = open(crashed(dir.path()).path()).await;
    assert_eq!(
        claimed_only.claim_deliveries(NOW, 1).await.unwrap()[0].attempts,
        2
    );

    let wakes = vec![told(&pull(1), Hint::Unhold)];
    store.finish_delivery(id, wakes, None).await.unwrap();
    let claim = store.claim_subject(NOW).await.unwrap().unwrap();
    let in_step = open(crashed(dir.path()).path()).await;
    let again = in_step.claim_subject(NOW).await.unwrap().unwrap();
    assert_eq!((again.hints.len(), again.attempts), (1, 2));
    assert!(in_step.claim_deliveries(NOW, 1).await.unwrap().is_empty());

    let commit = Commit {
        intents: vec![act("merge/1", Priority::Merge)],
        hints_taken: vec![claim.hints[0].0],
        withdrawn: Vec::new(),
        ..nothing()
    };
    assert!(store.commit_step(&claim, commit).await.unwrap());
    assert_eq!(store.claim_effects(NOW, 9).await.unwrap().len(), 1);
    let in_effect = open(crashed(dir.path()).path()).await;
    assert_eq!(in_effect.claim_subject(NOW).await.unwrap(), None);
    assert_eq!(in_effect.claim_effects(NOW, 9).await.unwrap().len(), 1);

    drop(store);
    let dropped = open(dir.path()).await;
    assert_eq!(dropped.claim_effects(NOW, 9).await.unwrap()[0].attempts, 2);
}

#[tokio::test]
async fn open_pulls_are_those_whose_state_says_so() {
    let (store, _dir) = store().await;
    let elsewhere = SubjectKey::Pull(RepoId(10), PrNumber(9));
    for (key, is_open) in [
        (pull(12), true),
        (pull(2), true),
        (pull(3), false),
        (elsewhere, true),
    ] {
        let claim = claimed(&store, &key).await;
        let commit = Commit {
            state: json!({"is_open": is_open}),
            ..nothing()
        };
        assert!(store.commit_step(&claim, commit).await.unwrap());
    }
    let open = store.open_pulls(RepoId(1)).await.unwrap();
    assert_eq!(open, [PrNumber(2), PrNumber(12)]);
}

#[tokio::test]
async fn who_has_a_commit_as_head_is_found_before_and_after_the_look() {
    let (store, _dir) = store().await;
    let head = |digit: &str| CommitSha::parse(&digit.repeat(40)).unwrap();
    let state = |is_open: bool, heads: &[&str]| {
        let heads: Vec<_> = heads
            .iter()
            .map(|digit| json!({"sha": head(digit)}))
            .collect();
        json!({"is_open": is_open, "heads": heads})
    };
    let elsewhere = SubjectKey::Pull(RepoId(10), PrNumber(9));
    for (key, state) in [
        (pull(1), state(true, &["a", "b"])),
        (pull(2), state(true, &["a"])),
        (pull(3), state(false, &["b"])),
        (elsewhere, state(true, &["b"])),
    ] {
        let claim = claimed(&store, &key).await;
        let commit = Commit { state, ..nothing() };
        assert!(store.commit_step(&claim, commit).await.unwrap());
    }
    let pushed = Hint::Pushed {
        head: head("b"),
        at_ms: NOW,
    };
    store.wake(vec![told(&pull(4), pushed)]).await.unwrap();
    let at = async |digit: &str| store.pulls_at(RepoId(1), &head(digit)).await.unwrap();
    assert_eq!(at("a").await, [PrNumber(1), PrNumber(2)]);
    assert_eq!(at("b").await, [PrNumber(1), PrNumber(4)]);
    assert_eq!(at("c").await, []);
}

#[tokio::test]
async fn those_that_are_ready_are_listed_with_their_places() {
    let (store, _dir) = store().await;
    let elsewhere = SubjectKey::Pull(RepoId(10), PrNumber(9));
    for (key, state) in [
        (pull(12), json!({"is_open": true, "ready": {"since_ms": 2}})),
        (pull(2), json!({"is_open": true, "ready": {"since_ms": 1}})),
        (pull(3), json!({"is_open": true, "ready": null})),
        (pull(4), json!({"is_open": true})),
        (pull(5), json!({"is_open": false, "ready": {"since_ms": 3}})),
        (
            elsewhere,
            json!({"is_open": true, "ready": {"since_ms": 4}}),
        ),
    ] {
        let claim = claimed(&store, &key).await;
        let commit = Commit { state, ..nothing() };
        assert!(store.commit_step(&claim, commit).await.unwrap());
    }
    let ready = store.ready_pulls(RepoId(1)).await.unwrap();
    let places = [
        (PrNumber(2), json!({"since_ms": 1})),
        (PrNumber(12), json!({"since_ms": 2})),
    ];
    assert_eq!(ready, places);
}

#[tokio::test]
async fn the_bell_rings_for_a_wake_and_not_for_a_claim() {
    let (store, _dir) = store().await;
    store.wake(vec![wake(&pull(1))]).await.unwrap();
    store.subjects_changed().notified().await;
    let claim = store.claim_subject(NOW).await.unwrap().unwrap();
    let mut bell = std::pin::pin!(store.subjects_changed().notified());
    assert!(!bell.as_mut().enable());
    store.commit_step(&claim, nothing()).await.unwrap();
    bell.await;
}
