//! The files as they are written, which of them change, and what is said while no sync has brought them.

use super::*;
use crate::artifact;
use crate::effect::{ModelFiles, ServePlan};
use crate::name::{Digest, PrNumber, Repo, RepoId};
use crate::serving::manifests::Manifests;
use crate::serving::objects::{
    Expose, Rollout, ServingContext, account, folder as folder_of, former, objects,
};
use crate::serving::spec::{DoorSpec, Replicas};
use crate::training::spec::Trust;
use expect_test::{expect, expect_file};

fn repository(path: Option<&str>) -> Repository {
    Repository {
        name: RepoName::parse("ada/cluster-config").unwrap(),
        branch: BranchName::parse("main").unwrap(),
        path: path.map(|path| RepoPath::parse(path).unwrap()),
    }
}

fn service() -> RepoName {
    RepoName::parse("ada/Digits-service").unwrap()
}

fn site() -> Site {
    let production = Slug::parse("production").unwrap();
    let mut site = Site::new(
        (RepoId(42), service().name()),
        &production,
        None,
        "bowsprit",
    );
    site.folder = Some(folder(&repository(Some("clusters/eu")), &service(), &site).unwrap());
    site
}

fn context() -> ServingContext {
    let pinned =
        |name: &str, digit: &str| format!("registry.example/{name}@sha256:{}", digit.repeat(64));
    ServingContext {
        image: pinned("python", "a"),
        agent_image: pinned("agent", "b"),
        bot_url: "http://bowsprit.example:8080".to_owned(),
        bot_ca: None,
        expose: Expose::ClusterIp,
        pull_secrets: Vec::new(),
        copied_secrets: Vec::new(),
        log_marks: crate::serving::objects::LogMarks::default(),
        has_user_namespaces: false,
        sandbox_class: None,
    }
}

fn rollout(replicas: Replicas) -> Rollout {
    Rollout {
        release: "rel-0123456789ab".to_owned(),
        generation: 7,
        trust: Trust::Trusted,
        installs: false,
        image: None,
        is_whole: false,
        has_order: false,
        logs: false,
        cpu_millis: 250,
        memory_bytes: 256 << 20,
        model_bytes: 1 << 20,
        ready_timeout_s: 60,
        drain_timeout_s: 20,
        replicas,
    }
}

fn own() -> Manifests {
    let mut named = k8s_openapi::api::core::v1::ConfigMap::default();
    named.metadata.name = Some(format!("{}-words", site().name));
    named.data = Some([("answer".to_owned(), "yes: 007\n".to_owned())].into());
    Manifests {
        config_maps: vec![named],
        ..Manifests::default()
    }
}

fn made(replicas: Replicas) -> Objects {
    let rollout = rollout(replicas);
    objects(&site(), Some(&rollout), &context(), Some(3), &own())
}

#[test]
fn a_release_is_one_file_an_object_and_no_secret() {
    let files = files(&made(Replicas { min: 2, max: 6 })).unwrap();
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "configmap-bowsprit-digits-service-production-42-words.yaml",
            "deployment.yaml",
            "horizontalpodautoscaler.yaml",
            "networkpolicy.yaml",
            "poddisruptionbudget.yaml",
            "service.yaml",
        ]
    );
    let mut whole = String::new();
    for (name, text) in &files {
        assert!(is_ours(name, &site().name), "{name}");
        whole.push_str(&format!("### {name}\n{text}"));
        // What a syncer reads is what would have been applied.
        let read: serde_json::Value = serde_saphyr::from_str(text).unwrap();
        assert!(
            read["kind"].is_string() && read["kind"] != "Secret",
            "{read}"
        );
    }
    expect_file!["tests/production.yaml"].assert_eq(&whole);
}

#[test]
fn a_release_that_was_applied_comes_back_with_all_that_stood_beside_it() {
    let replicas = Replicas { min: 2, max: 6 };
    let applied = made(replicas);
    let (served, last) = (applied.deployment.as_ref().unwrap(), rollout(replicas));
    let back = former(&site(), (served, Some(&last)), &context(), None, &own());
    assert_eq!(back, applied);
    // Without a last order, what is known of it is still all there.
    let back = former(&site(), (served, None), &context(), None, &own());
    assert_eq!(back.deployment.as_ref(), Some(served));
    assert_eq!(back.config_maps, applied.config_maps);
}

#[test]
fn yaml_says_what_the_object_says() {
    let made = made(Replicas { min: 1, max: 1 });
    let files = files(&made).unwrap();
    let read: serde_json::Value = serde_saphyr::from_str(&files["deployment.yaml"]).unwrap();
    assert_eq!(read, serde_json::to_value(&made.deployment).unwrap());
    let name = format!("configmap-{}-words.yaml", site().name);
    let read: serde_json::Value = serde_saphyr::from_str(&files[&name]).unwrap();
    assert_eq!(read, serde_json::to_value(&made.config_maps[0]).unwrap());
}

#[test]
fn a_number_that_follows_the_load_is_not_written() {
    let replicas = |replicas| {
        let text = files(&made(replicas)).unwrap()["deployment.yaml"].clone();
        let read: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        read["spec"]["replicas"].clone()
    };
    assert_eq!(
        replicas(Replicas { min: 2, max: 6 }),
        serde_json::Value::Null
    );
    assert_eq!(replicas(Replicas { min: 2, max: 2 }), 2);
}

#[test]
fn an_environment_has_a_folder_of_its_own_and_its_account_names_it() {
    let check = |path, want: &str| {
        let got = folder(&repository(path), &service(), &site()).unwrap();
        assert_eq!(got.as_str(), want);
    };
    let below = "bowsprit-digits-service-production/ada-Digits-service/bowsprit-digits-service-production-42";
    check(None, below);
    check(Some("clusters/eu"), &format!("clusters/eu/{below}"));
    assert_eq!(folder_of(&account(&site())), site().folder);
    let applied = Site {
        folder: None,
        ..site()
    };
    assert_eq!(folder_of(&account(&applied)), None);
    let long = RepoPath::parse(&"a".repeat(390)).unwrap();
    let long = Repository {
        path: Some(long),
        ..repository(None)
    };
    assert!(folder(&long, &service(), &site()).is_err());
}

#[test]
fn only_what_differs_changes_and_nothing_of_others() {
    let text = |text: &str| text.to_owned();
    let wanted = |files: &[(&str, &str)]| FolderCommit {
        repository: repository(None).name,
        branch: repository(None).branch,
        folder: RepoPath::parse("a/env-7").unwrap(),
        files: files
            .iter()
            .map(|(name, body)| (text(name), text(body)))
            .collect(),
        message: String::new(),
    };
    let check = |files: &[(&str, &str)], found: &[(&str, &str)], want: &[&str]| {
        let found = found
            .iter()
            .map(|(name, body)| (text(name), format!("id of {body}")))
            .collect();
        let changes = changes(&wanted(files), &found, |text| format!("id of {text}"));
        let got: Vec<String> = changes
            .into_iter()
            .map(|(path, text)| match text {
                Some(text) => format!("{path} = {text}"),
                None => format!("{path} goes"),
            })
            .collect();
        assert_eq!(got, want, "{files:?} over {found:?}");
    };
    let both = &[("deployment.yaml", "1"), ("service.yaml", "s")];
    check(
        both,
        &[],
        &["a/env-7/deployment.yaml = 1", "a/env-7/service.yaml = s"],
    );
    check(both, both, &[]);
    check(
        both,
        &[("deployment.yaml", "0"), ("service.yaml", "s")],
        &["a/env-7/deployment.yaml = 1"],
    );
    // What is wanted no more goes, and all of it at the end.
    check(
        &[("service.yaml", "s")],
        both,
        &["a/env-7/deployment.yaml goes"],
    );
    check(
        &[],
        both,
        &["a/env-7/deployment.yaml goes", "a/env-7/service.yaml goes"],
    );
    let others = &[
        ("README.md", "x"),
        ("kustomization.yaml", "x"),
        ("deployment.yml", "x"),
        ("deployment-patch.yaml", "x"),
        ("service-monitor.yaml", "x"),
        ("configmap.yaml", "x"),
        ("secret.yaml", "x"),
    ];
    check(&[], others, &[]);
    let named = &[
        ("configmap-env-7-words.yaml", "x"),
        ("service-env-7-direct.yaml", "x"),
    ];
    check(
        &[],
        named,
        &[
            "a/env-7/configmap-env-7-words.yaml goes",
            "a/env-7/service-env-7-direct.yaml goes",
        ],
    );
}

#[test]
fn environments_are_chosen_by_name_and_previews_by_one_word() {
    let slug = |text: &&str| Slug::parse(text).unwrap();
    let check = |names: &[&str], environment: &str, want: bool| {
        let names: Vec<Slug> = names.iter().map(slug).collect();
        let got = covers(&names, &slug(&environment));
        assert_eq!(got, want, "{environment} of {names:?}");
    };
    check(&[], "production", true);
    check(&[], "pr-7", true);
    check(&["production"], "production", true);
    check(&["production"], "staging", false);
    check(&["production"], "pr-7", false);
    check(&["preview"], "pr-7", true);
    check(&["preview"], "pr-review", false);
    check(&["preview"], "staging", false);
}

fn plan(models: &[(&str, Option<u64>)], pr: Option<u64>) -> DeployPlan {
    DeployPlan {
        repo: Repo {
            id: RepoId(42),
            name: service(),
        },
        environment: Slug::parse("production").unwrap(),
        release: "rel-1".to_owned(),
        generation: 3,
        commit: CommitSha::parse(&"c".repeat(40)).unwrap(),
        trust: Trust::Trusted,
        runtime: None,
        test: None,
        image: None,
        deploy: None,
        serve: Some(ServePlan {
            run: Vec::new(),
            ready: "/readyz".to_owned(),
            env: BTreeMap::new(),
            sample_sets: Vec::new(),
            ready_timeout_s: 60,
            cpu_millis: 1,
            memory_bytes: 1,
            model: None,
        }),
        models: models
            .iter()
            .map(|(name, version)| ModelFiles {
                name: (*name).to_owned(),
                version: *version,
                digest: artifact::digest(&[]),
                files: Vec::new(),
            })
            .collect(),
        door: DoorSpec {
            keys: Vec::<Digest>::new(),
            concurrency: 1,
            queue: 1,
            body_bytes_max: 1,
            telemetry: true,
        },
        auth: true,
        logs: false,
        replicas: Replicas::default(),
        cluster: None,
        pr: pr.map(PrNumber),
    }
}

#[test]
fn a_commit_says_what_it_releases() {
    expect![[r#"
        Release digits v7 of ada/Digits-service to production

        Service: ada/Digits-service@cccccccccccccccccccccccccccccccccccccccc
        Release: rel-1
        Model: digits v7 sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
        Pull request: ada/Digits-service#12
    "#]]
    .assert_eq(&release_message(&plan(&[("digits", Some(7))], Some(12))));
    expect![[r#"
        Release ada/Digits-service to production

        Service: ada/Digits-service@cccccccccccccccccccccccccccccccccccccccc
        Release: rel-1
    "#]]
    .assert_eq(&release_message(&plan(&[], None)));
    let waiting = DeployPlan {
        serve: None,
        ..plan(&[], None)
    };
    expect![[r#"
        Prepare production of ada/Digits-service, which waits for a model

        Service: ada/Digits-service@cccccccccccccccccccccccccccccccccccccccc
        Release: rel-1
    "#]]
    .assert_eq(&release_message(&waiting));
    expect![[r#"
        Return to rel-1 in production of digits-service

        Release rel-2 could not serve.
    "#]]
    .assert_eq(&return_message(&site(), "rel-2", Some("rel-1")));
    expect![[r#"
        Take rel-2 out of production of digits-service

        It could not serve, and nothing did before.
    "#]]
    .assert_eq(&return_message(&site(), "rel-2", None));
    expect![[r#"
        Remove production of digits-service
    "#]]
    .assert_eq(&removal_message(&site()));
}

#[test]
fn what_no_sync_brings_is_waited_for_and_then_told() {
    let (repository, commit) = (repository(None), CommitSha::parse(&"d".repeat(40)).unwrap());
    let folder = RepoPath::parse("eu/env-7").unwrap();
    let check = |now_ms, has_served, phase, reason: expect_test::Expect| {
        let written = Unsynced {
            repository: &repository,
            folder: &folder,
            commit: &commit,
            since_ms: 1_000,
            has_served,
        };
        let view = unsynced(&written, now_ms, 600_000);
        assert_eq!(view.phase, phase, "{now_ms}");
        reason.assert_eq(&view.reason.unwrap());
    };
    let waits =
        || expect![["written as commit `ddddddd` to `ada/cluster-config`; waiting for the sync"]];
    check(1_000, false, RolloutPhase::Starting, waits());
    check(600_999, false, RolloutPhase::Starting, waits());
    check(600_999, true, RolloutPhase::Starting, waits());
    // One that served before is not on trial: it is told, and nothing is taken back.
    let told = || {
        expect![[
            r#"written as commit `ddddddd` to `ada/cluster-config`, and no sync brought it to the cluster within 10 min; see that the syncer (Argo CD, Flux) runs, that it follows branch `main`, that its path holds `eu/env-7`, and what it says of that commit"#
        ]]
    };
    check(601_000, false, RolloutPhase::Failed, told());
    check(601_000, true, RolloutPhase::Starting, told());
    for (ms, want) in [(10_000, "10 s"), (90_000, "90 s"), (900_000, "15 min")] {
        assert_eq!(span(ms), want);
    }
}
