use super::super::inbox::{Accepted, DELIVERIES_PENDING_MAX, DELIVERY_ATTEMPTS_MAX};
use super::super::queues::DeliveryState;
use super::super::writer::Shape;
use super::super::{LEASE_MS, StoreError};
use super::*;
use std::sync::atomic::Ordering;

const LATER: i64 = NOW + 10 * 60 * 60 * 1_000;

#[tokio::test]
async fn a_delivery_is_stored_once() {
    let (store, _dir) = store().await;
    assert_eq!(store.accept(delivery("a")).await.unwrap(), Accepted::Stored);
    let again = store.accept(delivery("a")).await.unwrap();
    assert_eq!(again, Accepted::Duplicate);
    assert_eq!(store.counts().await.unwrap().deliveries_new, 1);
    let claimed = store.claim_deliveries(NOW, 10).await.unwrap();
    store
        .finish_delivery(claimed[0].id, Vec::new(), None)
        .await
        .unwrap();
    let after = store.accept(delivery("a")).await.unwrap();
    assert_eq!(after, Accepted::Duplicate);
}

#[tokio::test]
async fn deliveries_are_claimed_once_oldest_first() {
    let (store, _dir) = store().await;
    for guid in ["a", "b", "c"] {
        store.accept(delivery(guid)).await.unwrap();
    }
    let first = store.claim_deliveries(NOW, 2).await.unwrap();
    let second = store.claim_deliveries(NOW, 2).await.unwrap();
    let guids: Vec<&str> = first.iter().chain(&second).map(|d| &d.guid[..]).collect();
    assert_eq!(guids, ["a", "b", "c"]);
    assert_eq!(first[0].body, delivery("a").body);
    assert!(store.claim_deliveries(NOW, 2).await.unwrap().is_empty());
    let lapsed = store.claim_deliveries(NOW + LEASE_MS, 9).await.unwrap();
    assert_eq!(lapsed.len(), 3);
    assert_eq!(lapsed[0].attempts, 2);
}

#[tokio::test]
async fn the_end_of_a_delivery_and_its_wakes_are_one() {
    let (store, _dir) = store().await;
    store.accept(delivery("a")).await.unwrap();
    let id = store.claim_deliveries(NOW, 1).await.unwrap()[0].id;
    store
        .finish_delivery(id, vec![wake(&pull(1))], Some("a push".to_owned()))
        .await
        .unwrap();
    // A late second end changes nothing.
    store
        .finish_delivery(id, vec![wake(&pull(2))], None)
        .await
        .unwrap();
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.deliveries_new, counts.subjects_wanted), (0, 1));
    let rows = store
        .deliveries(Some(DeliveryState::Done), 10)
        .await
        .unwrap();
    assert_eq!(rows[0].note.as_deref(), Some("a push"));
}

#[tokio::test]
async fn a_poisonous_delivery_is_given_up_and_can_be_driven_again() {
    let (store, _dir) = store().await;
    store.accept(delivery("a")).await.unwrap();
    for attempt in 1..=DELIVERY_ATTEMPTS_MAX {
        let now = NOW + i64::from(attempt) * 3_600_000;
        let claimed = store.claim_deliveries(now, 1).await.unwrap();
        assert_eq!(claimed[0].attempts, attempt);
        store
            .fail_delivery(claimed[0].id, "broken", now)
            .await
            .unwrap();
    }
    assert!(store.claim_deliveries(LATER, 1).await.unwrap().is_empty());
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.deliveries_new, counts.deliveries_dead), (0, 1));
    let dead = store
        .deliveries(Some(DeliveryState::Dead), 9)
        .await
        .unwrap();
    assert_eq!(dead[0].error.as_deref(), Some("broken"));
    assert!(store.redrive_delivery("a").await.unwrap());
    assert!(!store.redrive_delivery("a").await.unwrap());
    let again = store.claim_deliveries(LATER, 1).await.unwrap();
    assert_eq!(again[0].attempts, 1);
    assert!(!store.discard_delivery("a").await.unwrap());
}

#[tokio::test]
async fn a_delivery_that_ends_the_process_each_time_is_given_up() {
    let (store, dir) = store().await;
    store.accept(delivery("a")).await.unwrap();
    let mut at = crashed(dir.path());
    for _ in 0..DELIVERY_ATTEMPTS_MAX {
        let store = open(at.path()).await;
        assert_eq!(store.claim_deliveries(NOW, 1).await.unwrap().len(), 1);
        at = crashed(at.path());
    }
    let store = open(at.path()).await;
    assert!(store.claim_deliveries(NOW, 1).await.unwrap().is_empty());
    let id = store
        .deliveries(Some(DeliveryState::Dead), 9)
        .await
        .unwrap()[0]
        .id;
    assert!(store.discard_delivery(&id.to_string()).await.unwrap());
    assert_eq!(store.counts().await.unwrap().deliveries_dead, 0);
}

#[tokio::test]
async fn a_failed_delivery_waits_its_time() {
    let (store, _dir) = store().await;
    store.accept(delivery("a")).await.unwrap();
    let id = store.claim_deliveries(NOW, 1).await.unwrap()[0].id;
    store.fail_delivery(id, "later", NOW).await.unwrap();
    let row = store.deliveries(None, 1).await.unwrap().remove(0);
    assert!((NOW..=NOW + 2_000).contains(&row.not_before_ms));
    if row.not_before_ms > NOW {
        assert!(store.settled(NOW).await.unwrap());
        assert!(store.claim_deliveries(NOW, 1).await.unwrap().is_empty());
        assert_eq!(
            store.next_due_ms(NOW).await.unwrap(),
            Some(row.not_before_ms)
        );
    }
    assert!(!store.settled(NOW + 2_000).await.unwrap());
    let again = store.claim_deliveries(NOW + 2_000, 1).await.unwrap();
    assert_eq!(again.len(), 1);
}

#[tokio::test]
async fn too_many_waiting_deliveries_are_refused_until_some_are_done() {
    let (store, _dir) = store().await;
    store.accept(delivery("a")).await.unwrap();
    let id = store.claim_deliveries(NOW, 1).await.unwrap()[0].id;
    store
        .inner
        .pending
        .store(DELIVERIES_PENDING_MAX, Ordering::Relaxed);
    let refused = store.accept(delivery("b")).await;
    assert!(matches!(refused, Err(StoreError::Busy)));
    store.finish_delivery(id, Vec::new(), None).await.unwrap();
    assert!(store.accept(delivery("b")).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_writers_share_commits_and_lose_nothing() {
    let (store, dir) = store().await;
    let writers = (0..64).map(|writer| {
        let store = store.clone();
        tokio::spawn(async move {
            for n in 0..10 {
                let accepted = store.accept(delivery(&format!("{writer}-{n}"))).await;
                assert_eq!(accepted.unwrap(), Accepted::Stored);
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let after = open(crashed(dir.path()).path()).await;
    assert_eq!(after.counts().await.unwrap().deliveries_new, 640);
    let mut ids = std::collections::BTreeSet::new();
    loop {
        let claimed = after.claim_deliveries(NOW, 100).await.unwrap();
        if claimed.is_empty() {
            break;
        }
        ids.extend(claimed.into_iter().map(|d| d.guid));
    }
    assert_eq!(ids.len(), 640);
}

#[tokio::test]
async fn a_failing_job_is_undone_alone() {
    let (store, _dir) = store().await;
    let shape = Shape {
        is_single: false,
        rings: &[],
    };
    let bad = store.write(shape, |conn| {
        Box::pin(async move {
            sqlx::query("INSERT INTO kv (key, value) VALUES ('bad', '1')")
                .execute(&mut *conn)
                .await?;
            sqlx::query("INSERT INTO kv (key, value) VALUES ('bad', '2')")
                .execute(conn)
                .await?;
            Ok(())
        })
    });
    let (good, bad, also_good) =
        tokio::join!(store.put_kv("first", "1"), bad, store.accept(delivery("a")));
    good.unwrap();
    also_good.unwrap();
    assert!(matches!(bad, Err(StoreError::Other(_))));
    assert_eq!(store.kv("first").await.unwrap().as_deref(), Some("1"));
    assert_eq!(store.kv("bad").await.unwrap(), None);
    assert!(store.has_delivery("a").await.unwrap());
}

#[tokio::test]
async fn a_full_disk_is_told_apart_and_passes() {
    let (store, _dir) = store().await;
    let limit = |pages: &'static str| {
        store.write(
            Shape {
                is_single: true,
                rings: &[],
            },
            move |conn| {
                Box::pin(async move {
                    sqlx::query(pages).execute(conn).await?;
                    Ok(())
                })
            },
        )
    };
    limit("PRAGMA max_page_count = 1").await.unwrap();
    let mut big = delivery("big");
    big.body = Bytes::from(vec![b'x'; 4_000_000]);
    let (full, other) = tokio::join!(store.accept(big.clone()), store.put_kv("a", "b"));
    assert!(matches!(full, Err(StoreError::Full)), "{full:?}");
    drop(other);
    limit("PRAGMA max_page_count = 1073741823").await.unwrap();
    assert_eq!(store.accept(big).await.unwrap(), Accepted::Stored);
}
