//! A version is deleted or served, whoever comes first.

use super::lists::run;
use super::*;
use bowsprit_core::effect::{Deleted, Record, Version};
use bowsprit_core::name::{Digest, Login, Slug};
use bowsprit_core::subject::environment::{Environment, ModelRef, Release};
use bowsprit_core::subject::run::Phase;
use std::collections::BTreeMap;

fn slug(text: &str) -> Slug {
    Slug::parse(text).unwrap()
}

fn sha(digit: char) -> CommitSha {
    CommitSha::parse(&digit.to_string().repeat(40)).unwrap()
}

fn version(number: u64, is_deleted: bool) -> Version {
    Version {
        service: RepoId(1),
        model: slug("digits"),
        version: number,
        digest: Digest::of(b"model"),
        files: Vec::new(),
        run: format!("r{number}"),
        training: RepoId(2),
        training_commit: sha('a'),
        pushed_by: None,
        judge_digest: Digest::of(b"judge"),
        judge_sha: None,
        metrics: BTreeMap::new(),
        self_reported: false,
        commit: sha('b'),
        pr: None,
        created_ms: 1,
        deleted: is_deleted.then(|| Deleted {
            by: Login::parse("ada").unwrap(),
            at_ms: NOW,
        }),
    }
}

/// Staging, which is to serve a version.
fn staging(number: u64) -> Environment {
    let model = ModelRef {
        version: number,
        digest: Digest::of(b"model"),
    };
    let release = Release {
        id: format!("rel-{number}"),
        commit: sha('c'),
        models: BTreeMap::from([(slug("digits"), model)]),
    };
    let mut staging = Environment::new(repo(), slug("staging"), NOW);
    staging.wanted = Some(release);
    staging
}

fn writes(record: Record) -> Commit {
    Commit {
        records: vec![record],
        ..nothing()
    }
}

fn deletion(number: u64) -> Commit {
    writes(Record::Version(Box::new(version(number, true))))
}

fn release(number: u64) -> Commit {
    writes(Record::Environment(Box::new(staging(number))))
}

/// A store with two versions, the model and an environment that are both being looked at.
async fn both() -> (Store, TempDir, Claim, Claim) {
    let (store, dir) = store().await;
    let model = SubjectKey::Model(RepoId(1), slug("digits"));
    for number in [1, 2] {
        let commit = writes(Record::Version(Box::new(version(number, false))));
        let claim = claimed(&store, &model).await;
        assert!(store.commit_step(&claim, commit).await.unwrap());
    }
    let claim = claimed(&store, &model).await;
    let key = SubjectKey::Environment(RepoId(1), slug("staging"));
    let other = claimed(&store, &key).await;
    (store, dir, claim, other)
}

async fn deleted(store: &Store) -> Vec<u64> {
    let versions = store.versions(RepoId(1), &slug("digits")).await.unwrap();
    let deleted = versions.iter().filter(|v| v.deleted.is_some());
    deleted.map(|v| v.version).collect()
}

#[tokio::test]
async fn a_deletion_that_comes_after_a_release_is_looked_at_again() {
    let (store, _dir, model, environment) = both().await;
    assert!(store.commit_step(&environment, release(1)).await.unwrap());
    assert!(!store.commit_step(&model, deletion(1)).await.unwrap());
    assert!(deleted(&store).await.is_empty());
    let again = store.claim_subject(NOW).await.unwrap().unwrap();
    assert_eq!(again.key, model.key);
    assert!(store.commit_step(&again, deletion(2)).await.unwrap());
    assert_eq!(deleted(&store).await, [2]);
}

#[tokio::test]
async fn a_release_that_comes_after_a_deletion_is_looked_at_again() {
    let (store, _dir, model, environment) = both().await;
    assert!(store.commit_step(&model, deletion(1)).await.unwrap());
    assert!(!store.commit_step(&environment, release(1)).await.unwrap());
    assert!(store.environments(RepoId(1)).await.unwrap().is_empty());
    let again = store.claim_subject(NOW).await.unwrap().unwrap();
    assert_eq!(again.key, environment.key);
    assert!(store.commit_step(&again, release(2)).await.unwrap());
    assert_eq!(store.environments(RepoId(1)).await.unwrap(), [staging(2)]);
}

#[tokio::test]
async fn what_was_deleted_names_its_run_and_no_bytes() {
    let (store, _dir, model, _) = both().await;
    assert!(store.commit_step(&model, deletion(1)).await.unwrap());
    let made = store.versions_made().await.unwrap();
    let told = made.iter().map(|made| (made.run.as_str(), made.is_deleted));
    assert_eq!(told.collect::<Vec<_>>(), [("r1", true), ("r2", false)]);
    let mut texts = Vec::new();
    let read = |text: &str, is_at_work| texts.push((text.to_owned(), is_at_work));
    store.each_naming_text(read).await.unwrap();
    let of_first = texts.iter().filter(|(text, _)| text.contains("r1"));
    assert_eq!(of_first.collect::<Vec<_>>(), [&("r1".to_owned(), false)]);
}

#[tokio::test]
async fn a_run_that_began_before_may_have_the_bytes() {
    let (store, _dir) = store().await;
    let version = version(1, true);
    for (id, phase, created_ms, want) in [
        ("r-over", Phase::Succeeded, NOW - 1, None),
        ("r-after", Phase::Running, NOW + 1, None),
        ("r-before", Phase::Running, NOW - 1, Some("r-before")),
    ] {
        let commit = writes(Record::Run(Box::new(run(id, phase, created_ms))));
        let claim = claimed(&store, &SubjectKey::Run(id.to_owned())).await;
        assert!(store.commit_step(&claim, commit).await.unwrap());
        let found = store.run_with_bytes(&version).await.unwrap();
        assert_eq!(found.as_deref(), want, "{id}");
    }
}
