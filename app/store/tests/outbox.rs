use super::super::outbox::{EFFECT_ATTEMPTS_MAX, EffectClaim};
use super::*;
use bowsprit_core::effect::{EffectResult, EffectState};
use bowsprit_core::name::CommentId;

fn says(claim: &EffectClaim) -> String {
    match &claim.effect {
        Effect::StatusComment { text, .. } => text.data["says"].as_str().unwrap().to_owned(),
        other => panic!("not a comment: {other:?}"),
    }
}

async fn keys(store: &Store) -> Vec<String> {
    let claims = store.claim_effects(NOW, 99).await.unwrap();
    claims.into_iter().map(|claim| claim.key).collect()
}

async fn one(store: &Store) -> EffectClaim {
    let mut claims = store.claim_effects(NOW, 99).await.unwrap();
    assert_eq!(claims.len(), 1);
    claims.remove(0)
}

async fn done(store: &Store, claim: &EffectClaim) {
    store
        .finish_effect(claim, EffectState::Done, EffectResult::Nothing)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_view_replaced_while_it_is_applied_is_applied_again_after() {
    let (store, _dir) = store().await;
    intend(&store, &pull(1), vec![view("status/1", "old")]).await;
    let old = one(&store).await;
    intend(&store, &pull(1), vec![view("status/1", "new")]).await;
    assert!(keys(&store).await.is_empty(), "never two at once");
    done(&store, &old).await;
    let new = one(&store).await;
    assert_eq!((says(&new).as_str(), new.revision), ("new", 2));
    done(&store, &new).await;
    assert!(store.settled(NOW).await.unwrap(), "a view wakes nobody");
}

#[tokio::test]
async fn the_same_view_is_not_applied_again() {
    let (store, _dir) = store().await;
    intend(&store, &pull(1), vec![view("status/1", "same")]).await;
    done(&store, &one(&store).await).await;
    intend(&store, &pull(1), vec![view("status/1", "same")]).await;
    assert!(keys(&store).await.is_empty());
    intend(&store, &pull(1), vec![view("status/1", "other")]).await;
    assert_eq!(says(&one(&store).await), "other");
}

#[tokio::test]
async fn a_view_that_was_given_up_is_tried_when_wanted_again() {
    let (store, _dir) = store().await;
    intend(&store, &pull(1), vec![view("status/1", "same")]).await;
    let claim = one(&store).await;
    store
        .finish_effect(&claim, EffectState::Dead, EffectResult::Nothing)
        .await
        .unwrap();
    intend(&store, &pull(1), vec![view("status/1", "same")]).await;
    assert_eq!(one(&store).await.attempts, 1);
}

#[tokio::test]
async fn a_reaction_wakes_nobody() {
    let (store, _dir) = store().await;
    let react = Intent {
        effect: Effect::React {
            repo: repo(),
            comment: CommentId::Comment(8),
            content: "+1".to_owned(),
        },
        ..act("react/8", Priority::Answer)
    };
    intend(&store, &pull(1), vec![react]).await;
    done(&store, &one(&store).await).await;
    assert!(store.settled(NOW).await.unwrap());
    assert!(store.claim_subject(NOW).await.unwrap().is_none());
}

#[tokio::test]
async fn an_act_is_stored_once_for_ever() {
    let (store, _dir) = store().await;
    let merge = || vec![act("merge/1", Priority::Merge)];
    intend(&store, &pull(1), merge()).await;
    done(&store, &one(&store).await).await;
    let woken = store.claim_subject(NOW).await.unwrap().unwrap();
    assert_eq!(woken.outcomes["merge/1"].state, EffectState::Done);
    store.commit_step(&woken, nothing()).await.unwrap();
    intend(&store, &pull(1), merge()).await;
    assert!(keys(&store).await.is_empty());
}

#[tokio::test]
async fn acts_of_a_subject_go_one_by_one_in_order_and_others_beside() {
    let (store, _dir) = store().await;
    let mine = vec![
        act("first", Priority::Change),
        act("second", Priority::Merge),
        view("status/1", "x"),
    ];
    intend(&store, &pull(1), mine).await;
    intend(&store, &pull(2), vec![act("other", Priority::Merge)]).await;
    let claims = store.claim_effects(NOW, 99).await.unwrap();
    let order: Vec<&str> = claims.iter().map(|claim| claim.key.as_str()).collect();
    assert_eq!(order, ["other", "first", "status/1"]);
    assert!(keys(&store).await.is_empty());
    let first = claims.iter().find(|claim| claim.key == "first").unwrap();
    let refused = EffectResult::Refused {
        reason: "no".to_owned(),
    };
    store
        .finish_effect(first, EffectState::Refused, refused)
        .await
        .unwrap();
    assert_eq!(keys(&store).await, ["second"]);
}

#[tokio::test]
async fn what_is_withdrawn_does_not_happen_unless_it_was_on_its_way() {
    let withdraw = async |store: &Store, subject: &SubjectKey, key: &str| {
        let claim = claimed(store, subject).await;
        let commit = Commit {
            withdrawn: vec![key.to_owned()],
            ..nothing()
        };
        assert!(store.commit_step(&claim, commit).await.unwrap());
    };
    let state = async |store: &Store, key: &str| {
        let claim = claimed(store, &pull(1)).await;
        let outcome = claim.outcomes[key].clone();
        store.release(&claim).await.unwrap();
        outcome.state
    };
    let (store, _dir) = store().await;
    let acts = vec![act("waits", Priority::Merge), act("next", Priority::Merge)];
    intend(&store, &pull(1), acts).await;
    // Another subject takes nothing back.
    withdraw(&store, &pull(2), "waits").await;
    withdraw(&store, &pull(1), "waits").await;
    assert_eq!(state(&store, "waits").await, EffectState::Refused);
    let next = one(&store).await;
    assert_eq!(next.key, "next");
    withdraw(&store, &pull(1), "next").await;
    store.retry_effect(&next, "502", NOW, true).await.unwrap();
    assert!(keys(&store).await.is_empty(), "it is not tried again");
    done(&store, &next).await;
    assert_eq!(state(&store, "next").await, EffectState::Done);
}

#[tokio::test]
async fn a_put_off_effect_waits_and_uncounted_tries_do_not_count() {
    let (store, _dir) = store().await;
    intend(&store, &pull(1), vec![act("merge/1", Priority::Merge)]).await;
    let claim = one(&store).await;
    store
        .retry_effect(&claim, "rate limit", NOW + 1_000, false)
        .await
        .unwrap();
    assert!(keys(&store).await.is_empty());
    assert_eq!(store.next_due_ms(NOW).await.unwrap(), Some(NOW + 1_000));
    let again = store.claim_effects(NOW + 1_000, 1).await.unwrap().remove(0);
    assert_eq!(again.attempts, 1);
    store.retry_effect(&again, "502", NOW, true).await.unwrap();
    assert_eq!(one(&store).await.attempts, 2);
}

#[tokio::test]
async fn an_effect_is_given_up_and_can_be_driven_again_or_put_away() {
    let (store, _dir) = store().await;
    intend(&store, &pull(1), vec![act("merge/1", Priority::Merge)]).await;
    for _ in 0..EFFECT_ATTEMPTS_MAX {
        let claim = one(&store).await;
        store.retry_effect(&claim, "502", NOW, true).await.unwrap();
    }
    assert!(keys(&store).await.is_empty());
    let dead = store.dead_effects(10).await.unwrap();
    assert_eq!(dead[0].error.as_deref(), Some("502"));
    let woken = store.claim_subject(NOW).await.unwrap().unwrap();
    assert_eq!(woken.outcomes["merge/1"].state, EffectState::Dead);
    store.commit_step(&woken, nothing()).await.unwrap();

    assert!(store.redrive_effect(dead[0].id).await.unwrap());
    assert!(!store.redrive_effect(dead[0].id).await.unwrap());
    let again = one(&store).await;
    assert_eq!(again.attempts, 1);
    store
        .finish_effect(&again, EffectState::Dead, EffectResult::Nothing)
        .await
        .unwrap();
    assert!(store.discard_effect(again.id).await.unwrap());
    let rows = store.effects(Some(EffectState::Refused), 9).await.unwrap();
    assert!(matches!(rows[0].result, EffectResult::Refused { .. }));
}

#[tokio::test]
async fn an_effect_that_ends_the_process_each_time_is_given_up() {
    let (store, dir) = store().await;
    intend(&store, &pull(1), vec![act("merge/1", Priority::Merge)]).await;
    let mut at = crashed(dir.path());
    for _ in 0..EFFECT_ATTEMPTS_MAX {
        let store = open(at.path()).await;
        assert_eq!(keys(&store).await.len(), 1);
        at = crashed(at.path());
    }
    let store = open(at.path()).await;
    assert!(keys(&store).await.is_empty());
    assert_eq!(store.counts().await.unwrap().effects_dead, 1);
    assert!(store.claim_subject(NOW).await.unwrap().is_some());
}

#[tokio::test]
async fn the_word_of_an_effect_is_the_one_in_its_body() {
    for intent in [view("a", "b"), act("c", Priority::Merge)] {
        let body = serde_json::to_value(&intent.effect).unwrap();
        assert_eq!(
            body["effect"],
            super::super::outbox::kind_of(&intent.effect)
        );
    }
}
