//! What the store promises, each from both sides.

mod deletions;
mod inbox;
mod lists;
mod outbox;
mod retention;
mod subjects;

use super::Store;
use super::inbox::NewDelivery;
use super::subjects::{Claim, Commit};
use axum::body::Bytes;
use bowsprit_core::effect::{Effect, Intent, Priority, Text, Wake};
use bowsprit_core::name::{CommitSha, PrNumber, Repo, RepoId, RepoName};
use bowsprit_core::subject::SubjectKey;
use serde_json::json;
use std::path::Path;
use tempfile::TempDir;

pub(super) const NOW: i64 = 1_800_000_000_000;

pub(super) async fn store() -> (Store, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    (store, dir)
}

pub(super) async fn open(dir: &Path) -> Store {
    let path = dir.join("bowsprit.db");
    Store::open(&format!("sqlite:{}", path.display()))
        .await
        .unwrap()
}

/// The file as a power cut would leave it: what is on disk now, taken elsewhere.
pub(super) fn crashed(dir: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for name in ["bowsprit.db", "bowsprit.db-wal"] {
        if dir.join(name).exists() {
            std::fs::copy(dir.join(name), copy.path().join(name)).unwrap();
        }
    }
    copy
}

pub(super) fn delivery(guid: &str) -> NewDelivery {
    NewDelivery {
        guid: guid.to_owned(),
        event: "push".to_owned(),
        action: None,
        body: Bytes::from_static(b"{\"ref\": \"refs/heads/main\"}"),
        received_ms: NOW,
    }
}

pub(super) fn repo() -> Repo {
    Repo {
        id: RepoId(1),
        name: RepoName::parse("octo/digits").unwrap(),
    }
}

pub(super) fn pull(number: u64) -> SubjectKey {
    SubjectKey::Pull(RepoId(1), PrNumber(number))
}

pub(super) fn wake(subject: &SubjectKey) -> Wake {
    Wake {
        subject: subject.clone(),
        hint: None,
    }
}

pub(super) fn view(key: &str, says: &str) -> Intent {
    Intent {
        key: key.to_owned(),
        is_view: true,
        priority: Priority::View,
        effect: Effect::StatusComment {
            repo: repo(),
            pr: PrNumber(1),
            text: Text::new("status", json!({"says": says})),
        },
    }
}

pub(super) fn act(key: &str, priority: Priority) -> Intent {
    Intent {
        key: key.to_owned(),
        is_view: false,
        priority,
        effect: Effect::Merge {
            repo: repo(),
            pr: PrNumber(1),
            head: CommitSha::parse(&"a".repeat(40)).unwrap(),
            base: None,
            title: "title".to_owned(),
            message: key.to_owned(),
            method: bowsprit_core::effect::MergeMethod::Merge,
        },
    }
}

pub(super) fn nothing() -> Commit {
    Commit {
        state: json!({}),
        intents: Vec::new(),
        wakes: Vec::new(),
        records: Vec::new(),
        look_again_ms: None,
        hints_taken: Vec::new(),
        withdrawn: Vec::new(),
    }
}

/// Wakes a subject and claims it.
pub(super) async fn claimed(store: &Store, subject: &SubjectKey) -> Claim {
    store.wake(vec![wake(subject)]).await.unwrap();
    let claim = store.claim_subject(NOW).await.unwrap().unwrap();
    assert_eq!(&claim.key, subject);
    claim
}

/// One step of a subject that intends these.
pub(super) async fn intend(store: &Store, subject: &SubjectKey, intents: Vec<Intent>) {
    let claim = claimed(store, subject).await;
    let commit = Commit {
        intents,
        ..nothing()
    };
    assert!(store.commit_step(&claim, commit).await.unwrap());
}

#[tokio::test]
async fn a_second_start_on_the_same_file_is_refused_and_a_later_one_is_not() {
    let (store, dir) = store().await;
    let url = dir.path().join("bowsprit.db");
    let second = Store::open(url.to_str().unwrap()).await;
    let error = second.err().unwrap().to_string();
    assert!(error.contains("in use"), "{error}");
    store.close().await.unwrap();
    open(dir.path()).await;
}

#[tokio::test]
async fn other_databases_are_refused_with_a_reason() {
    for url in ["postgres://localhost/x", "postgresql://localhost/x"] {
        let error = Store::open(url).await.err().unwrap().to_string();
        assert!(error.contains("not built yet"), "{error}");
    }
    for url in ["sqlite:", "sqlite::memory:", "/tmp/x.db?mode=ro"] {
        let error = Store::open(url).await.err().unwrap().to_string();
        assert!(error.contains("not the path of a file"), "{error}");
    }
}

#[tokio::test]
async fn a_file_of_a_newer_program_is_refused() {
    let (store, dir) = store().await;
    let shape = super::writer::Shape {
        is_single: true,
        rings: &[],
    };
    store
        .write(shape, |conn| {
            Box::pin(async move {
                sqlx::query("INSERT INTO schema_version (version) VALUES (99)")
                    .execute(conn)
                    .await?;
                Ok(())
            })
        })
        .await
        .unwrap();
    store.close().await.unwrap();
    let path = dir.path().join("bowsprit.db");
    let error = Store::open(path.to_str().unwrap()).await.err().unwrap();
    assert!(error.to_string().contains("newer"), "{error}");
}

/// A closed store whose file has garbage from this share of its pages to that. Units: per cent.
async fn damaged(from: usize, to: usize) -> TempDir {
    let (store, dir) = store().await;
    for number in 0..200 {
        let body = Bytes::from(vec![b'x'; 3_000]);
        let new = NewDelivery {
            body,
            ..delivery(&format!("d-{number}"))
        };
        store.accept(new).await.unwrap();
    }
    // Those that wait are read at every start; these are history.
    for one in store.claim_deliveries(NOW, 200).await.unwrap() {
        store
            .finish_delivery(one.id, Vec::new(), None)
            .await
            .unwrap();
    }
    store.close().await.unwrap();
    let path = dir.path().join("bowsprit.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let pages = bytes.len() / 4_096;
    bytes[pages * from / 100 * 4_096..pages * to / 100 * 4_096].fill(0xee);
    std::fs::write(&path, bytes).unwrap();
    dir
}

#[tokio::test]
async fn damage_among_the_deliveries_stops_the_store_and_other_damage_refuses_it() {
    let dir = damaged(60, 80).await;
    let store = open(dir.path()).await;
    store.stopped().await;
    assert!(store.accept(delivery("late")).await.is_err());
    let dir = damaged(2, 10).await;
    let path = dir.path().join("bowsprit.db");
    assert!(Store::open(path.to_str().unwrap()).await.is_err());
}

#[tokio::test]
async fn a_closed_store_refuses_writes() {
    let (store, _dir) = store().await;
    store.accept(delivery("a")).await.unwrap();
    store.close().await.unwrap();
    store.stopped().await;
    assert!(store.accept(delivery("b")).await.is_err());
    store.close().await.unwrap();
}

#[test]
fn waits_grow_and_stay_below_their_limit() {
    for (attempts, limit) in [
        (0, 2_000),
        (1, 2_000),
        (2, 4_000),
        (5, 32_000),
        (40, 900_000),
    ] {
        for _ in 0..100 {
            let wait = super::backoff_ms(attempts);
            assert!((0..=limit).contains(&wait), "{attempts}: {wait}");
        }
    }
}
