use super::super::accounts::Scope;
use super::super::lists::RunFilter;
use super::*;
use bowsprit_core::effect::{ModelFiles, Record, Version};
use bowsprit_core::name::{BranchName, Digest, Login, Slug};
use bowsprit_core::subject::ask::RepoView;
use bowsprit_core::subject::environment::Environment;
use bowsprit_core::subject::run::{Cause, Phase, Run, Trigger, What};
use bowsprit_core::training::spec::Trust;
use std::collections::BTreeMap;

fn slug(text: &str) -> Slug {
    Slug::parse(text).unwrap()
}

fn sha(digit: char) -> CommitSha {
    CommitSha::parse(&digit.to_string().repeat(40)).unwrap()
}

fn main() -> BranchName {
    BranchName::parse("main").unwrap()
}

pub(super) fn run(id: &str, phase: Phase, created_ms: i64) -> Run {
    let cause = Cause {
        repo: repo(),
        sha: sha('a'),
        what: What::Train,
        trigger: Trigger::Push { branch: main() },
        trust: Trust::Trusted,
        params: BTreeMap::new(),
        by: None,
    };
    Run {
        is_aside: false,
        id: id.to_owned(),
        repo: repo(),
        sha: sha('a'),
        cause,
        phase,
        model: Some(slug("digits")),
        service: None,
        stages: Vec::new(),
        judge_sha: None,
        judge_digest: None,
        judged_in: None,
        old_judge: None,
        made: Some(ModelFiles {
            name: "digits".to_owned(),
            version: None,
            digest: Digest::of(b"model"),
            files: Vec::new(),
        }),
        evidence: Vec::new(),
        metrics: BTreeMap::new(),
        live: None,
        live_run: None,
        probe: None,
        self_reported: false,
        verdicts: Vec::new(),
        failure: None,
        tail: Vec::new(),
        cancelled: None,
        runtime: None,
        images: BTreeMap::new(),
        unconfined: None,
        note: None,
        inputs: None,
        same_as: None,
        shown: None,
        created_ms,
        finished_ms: None,
    }
}

async fn record(store: &Store, records: Vec<Record>) {
    let claim = claimed(store, &pull(1)).await;
    let commit = Commit {
        records,
        ..nothing()
    };
    assert!(store.commit_step(&claim, commit).await.unwrap());
}

fn ids(runs: Vec<Run>) -> Vec<String> {
    runs.into_iter().map(|run| run.id).collect()
}

#[tokio::test]
async fn an_old_commit_that_is_run_again_is_not_the_newest() {
    let (store, _dir) = store().await;
    let at = |id: &str, digit: char, phase, created_ms| {
        let mut run = run(id, phase, created_ms);
        (run.sha, run.cause.sha) = (sha(digit), sha(digit));
        run
    };
    // As the head of a pull request it was there before.
    let mut pulled = at("r0", 'c', Phase::Succeeded, 0);
    pulled.cause.trigger = Trigger::Pull {
        pr: PrNumber(1),
        base: sha('b'),
        retargeted_ms: None,
    };
    for (run, newest) in [
        (pulled, None),
        (at("r1", 'a', Phase::Failed, 1), None),
        (at("r2", 'b', Phase::Succeeded, 2), Some("r2")),
        (at("r3", 'a', Phase::Succeeded, 3), Some("r2")),
        (at("r4", 'b', Phase::Succeeded, 4), Some("r4")),
        (at("r5", 'c', Phase::Succeeded, 5), Some("r5")),
        (at("r6", 'b', Phase::Succeeded, 6), Some("r5")),
        (at("r7", 'd', Phase::Failed, 7), Some("r5")),
    ] {
        let id = run.id.clone();
        record(&store, vec![Record::Run(Box::new(run))]).await;
        let found = store.passed_run(RepoId(1), &main(), &slug("digits")).await;
        let found = found.unwrap().map(|run| run.id);
        assert_eq!(found.as_deref(), newest, "after {id}");
    }
}

#[tokio::test]
async fn runs_are_found_by_commit_branch_and_promise() {
    let (store, _dir) = store().await;
    let mut params = run("r4", Phase::Succeeded, 4);
    params.cause.params.insert("lr".to_owned(), "1".to_owned());
    let mut nothing_made = run("r5", Phase::Succeeded, 5);
    nothing_made.made = None;
    let mut on_pull = run("r6", Phase::Succeeded, 6);
    on_pull.cause.trigger = Trigger::Pull {
        pr: PrNumber(1),
        base: sha('b'),
        retargeted_ms: None,
    };
    let all = [
        run("r1", Phase::Succeeded, 1),
        run("r2", Phase::Succeeded, 2),
        run("r3", Phase::Running, 3),
        params,
        nothing_made,
        on_pull,
        run("r7", Phase::Failed, 7),
    ];
    let records = all.into_iter().map(|run| Record::Run(Box::new(run)));
    record(&store, records.collect()).await;
    let digits = slug("digits");
    let passed = store.passed_run(RepoId(1), &main(), &digits).await.unwrap();
    assert_eq!(passed.unwrap().id, "r2");
    for (repo, branch) in [(2, main()), (1, BranchName::parse("dev").unwrap())] {
        let none = store.passed_run(RepoId(repo), &branch, &digits).await;
        assert_eq!(none.unwrap(), None);
    }
    let active = store.active_runs(RepoId(1), &main()).await.unwrap();
    assert_eq!(ids(active), ["r3"]);
    let newest = store.branch_runs(RepoId(1), &main()).await.unwrap();
    assert_eq!(newest.first().map(|run| run.created_ms), Some(7));
    assert!(
        newest
            .iter()
            .all(|run| run.cause.trigger.branch() == Some(&main()))
    );
    assert_eq!(store.runs_at(RepoId(1), &sha('a')).await.unwrap().len(), 7);
    assert!(
        store
            .runs_at(RepoId(1), &sha('b'))
            .await
            .unwrap()
            .is_empty()
    );

    record(
        &store,
        vec![Record::Run(Box::new(run("r3", Phase::Cancelled, 3)))],
    )
    .await;
    let found = store.run("r3").await.unwrap().unwrap();
    assert_eq!(found, run("r3", Phase::Cancelled, 3));
    assert!(
        store
            .active_runs(RepoId(1), &main())
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn runs_are_paged_without_gap_or_repetition() {
    let (store, _dir) = store().await;
    let runs = (0..25).map(|n| run(&format!("r{n:02}"), Phase::Succeeded, n / 2));
    record(&store, runs.map(|run| Record::Run(Box::new(run))).collect()).await;
    let filter = RunFilter {
        repo: Some(RepoId(1)),
        phase: Some(Phase::Succeeded),
        model: Some(slug("digits")),
    };
    let mut seen = Vec::new();
    loop {
        let before = seen.last().cloned();
        let page = store
            .list_runs(&filter, before.as_deref(), 10)
            .await
            .unwrap();
        if page.is_empty() {
            break;
        }
        seen.extend(ids(page));
    }
    let wanted: Vec<String> = (0..25).rev().map(|n| format!("r{n:02}")).collect();
    assert_eq!(seen, wanted);
    let none = RunFilter {
        phase: Some(Phase::Failed),
        ..RunFilter::default()
    };
    assert!(store.list_runs(&none, None, 10).await.unwrap().is_empty());
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a paragraph a case")]
async fn versions_environments_and_events_are_kept() {
    let (store, _dir) = store().await;
    let version = |version| Version {
        service: RepoId(1),
        model: slug("digits"),
        version,
        digest: Digest::of(b"model"),
        files: Vec::new(),
        run: "r1".to_owned(),
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
        deleted: None,
    };
    let environment = |name: &str, is_gone| Environment {
        repo: repo(),
        name: slug(name),
        pr: None,
        wanted: None,
        generation: 0,
        phase: None,
        reason: None,
        live: None,
        live_since_ms: None,
        up_since_ms: None,
        shown: None,
        verified: Vec::new(),
        url: None,
        changes: Vec::new(),
        hold: None,
        acted: Vec::new(),
        is_gone,
        expired: None,
        allowed: None,
        updated_ms: 1,
    };
    let event = |what: &str| Record::Event {
        who: Some(Login::parse("ada").unwrap()),
        what: what.to_owned(),
        sha: Some(sha('a')),
        why: "asked".to_owned(),
    };
    let records = vec![
        Record::Version(Box::new(version(10))),
        Record::Version(Box::new(version(9))),
        Record::Environment(Box::new(environment("staging", false))),
        Record::Environment(Box::new(environment("pr-1", true))),
        event("merged"),
        event("deployed"),
    ];
    record(&store, records).await;
    let versions = store.versions(RepoId(1), &slug("digits")).await.unwrap();
    assert_eq!(versions, [version(9), version(10)]);
    let newest = store.list_versions(None, 1).await.unwrap();
    assert_eq!(newest, [version(10)]);
    let listed = store.environments(RepoId(1)).await.unwrap();
    assert_eq!(listed, [environment("staging", false)]);
    assert_eq!(store.list_environments(9).await.unwrap(), listed);
    let gone = store.environment(RepoId(1), &slug("pr-1")).await.unwrap();
    assert!(gone.unwrap().is_gone);
    let events = store.events_of(Some(&pull(1)), 10).await.unwrap();
    assert_eq!(events[0].what, "deployed");
    assert_eq!(
        (events[1].at_ms, events[1].who.as_deref()),
        (NOW, Some("ada"))
    );
    assert!(
        store
            .events_of(Some(&pull(2)), 10)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn accounts_come_and_go() {
    let (store, _dir) = store().await;
    let view = RepoView {
        repo: repo(),
        default_branch: main(),
    };
    store.put_installation(7, "octo", false).await.unwrap();
    store.put_repository(&view, 7).await.unwrap();
    let upper = RepoName::parse("OCTO/Digits").unwrap();
    let found = store.repository_named(&upper).await.unwrap();
    assert_eq!(found, Some((view.clone(), 7)));
    assert_eq!(store.repositories().await.unwrap().len(), 1);
    store.remove_installation(7).await.unwrap();
    assert_eq!(store.repository(RepoId(1)).await.unwrap(), None);
    assert!(store.installations().await.unwrap().is_empty());

    let (old, new) = (Digest::of(b"old"), Digest::of(b"new"));
    store.put_token("ci", &old, Scope::Read).await.unwrap();
    store.put_token("ci", &new, Scope::Run).await.unwrap();
    assert_eq!(store.token_scope(&old).await.unwrap(), None);
    assert_eq!(store.token_scope(&new).await.unwrap(), Some(Scope::Run));
    assert_eq!(store.tokens().await.unwrap().len(), 1);
    assert!(store.revoke_token("ci").await.unwrap());
    assert!(!store.revoke_token("ci").await.unwrap());

    assert_eq!(store.kv("cursor").await.unwrap(), None);
    store.put_kv("cursor", "1").await.unwrap();
    store.put_kv("cursor", "2").await.unwrap();
    assert_eq!(store.kv("cursor").await.unwrap().as_deref(), Some("2"));
}
