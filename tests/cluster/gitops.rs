//! Releases that are commits: written by the bot, which may not apply them, and brought by a syncer of git and kubectl alone.

use crate::both::{self, Production};
use crate::place::{Extent, FURTHER_PATH, PATH, play, run_written};
use crate::syncer::{Syncer, begin, commits, deployment_of, is_written, subjects, written};
use bowsprit_core::serving::spec::RolloutPhase;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{Api, ListParams};
use serde_json::json;

const REPO: &str = "tiny-service";

#[tokio::test(flavor = "multi_thread")]
async fn releases_are_commits_and_a_named_version_comes_back() {
    run_written("releases_are_commits", async |t, cluster| {
        begin(t, cluster).await;
        let syncer = Syncer::start(t, cluster);
        both::a_named_version_comes_back_and_goes_forward_again(t).await;
        t.settle().await;
        syncer.stop().await;
        let subjects = subjects(t).await;
        let production: Vec<&str> = subjects
            .iter()
            .rev()
            .filter_map(|subject| subject.strip_suffix(" of ada/tiny-service to production"))
            .collect();
        let versions = ["tiny v1", "tiny v2", "tiny v1", "tiny v2"];
        let want = versions.map(|version| format!("Release {version}"));
        assert_eq!(production, want, "{subjects:#?}");
        for commit in commits(t).await {
            assert_eq!(commit["commit"]["verification"]["verified"], true);
        }
        // The promotions that were merged are named, and previews have come and gone.
        let last = commits(t).await;
        let told = |words: &str| last.iter().any(|commit| commit.to_string().contains(words));
        assert!(told("Pull request: ada/tiny-service#"), "{last:#?}");
        assert!(told("Remove pr-"), "{subjects:#?}");
        assert!(deployment_of(t, "pr").is_empty());
        assert!(deployment_of(t, "production").contains("kind: Deployment"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_sync_brings_and_what_cannot_serve_is_told_and_committed_back() {
    run_written("what_no_sync_brings", async |t, cluster| {
        begin(t, cluster).await;
        let syncer = Syncer::start(t, cluster);
        both::train(t, "").await;
        both::land(t, "v1").await;
        t.settle().await;
        let theirs = cluster.all::<ConfigMap>(&cluster.environments());
        assert!(theirs.get("theirs").await.is_ok());

        // The syncer dies: a preview is written, and the pull request says what nobody did.
        syncer.stop().await;
        let pr = t
            .change(REPO, "linus", "words", &[("README.md", "more words\n")])
            .await;
        let says = async |words: &str| {
            t.until(words, async |t| {
                let said = t.bot_says(REPO, pr).await.join("\n");
                said.contains(words).then_some(())
            })
            .await;
        };
        says("waiting for the sync").await;
        assert!(deployment_of(t, &format!("pr-{pr}")).contains("kind: Deployment"));
        says("no sync brought it to the cluster within 1 min").await;
        says("Argo CD, Flux").await;
        t.until("what was tried is taken back", async |t| {
            deployment_of(t, &format!("pr-{pr}"))
                .is_empty()
                .then_some(())
        })
        .await;
        // It lives again, and the pull request is closed: nothing of the preview is left, and what others have stays.
        let syncer = Syncer::start(t, cluster);
        let path = format!("/repos/ada/{REPO}/pulls/{pr}");
        t.api("ada", "PATCH", &path, Some(json!({"state": "closed"})))
            .await;
        t.until("the preview is gone", async |t| {
            (!is_written(t, &format!("pr-{pr}"))).then_some(())
        })
        .await;
        t.settle().await;
        assert!(theirs.get("theirs").await.is_ok());

        // What answers otherwise than its samples is committed back, and what served goes on.
        let before = deployment_of(t, "staging");
        t.pull(REPO, "main").await;
        let odd = t
            .read(REPO, "serve.py")
            .replace("\"small\" if", "\"odd\" if");
        t.push(REPO, "ada", "main", "Answer oddly", &[("serve.py", &odd)])
            .await;
        let reason = t
            .until("staging has failed", async |t| {
                let staging = t.find_environment("staging").await?;
                let is_failed = staging.phase == Some(RolloutPhase::Failed);
                staging.reason.filter(|_| is_failed)
            })
            .await;
        assert!(reason.contains("samples"), "{reason}");
        t.until("the former files are back", async |t| {
            (deployment_of(t, "staging") == before).then_some(())
        })
        .await;
        let subjects = subjects(t).await;
        assert!(subjects[0].starts_with("Return to rel-"), "{subjects:#?}");
        let staging = Production::named(t, "staging").await;
        let (status, answer) = staging.ask("/v1/predict", 1.0).await.expect("an answer");
        assert_eq!((status, &answer["label"]), (200, &json!("small")));
        t.settle().await;
        syncer.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_of_its_own_comes_before_its_files_and_goes_after_them() {
    let extent = Extent {
        serves: true,
        writes: true,
        is_apart: true,
        ..Extent::default()
    };
    play("a_namespace_of_its_own", extent, async |t, cluster| {
        begin(t, cluster).await;
        let syncer = Syncer::start_apart(t);
        both::train(t, "").await;
        both::land(t, "v1").await;
        let namespace = |environment: &str| format!("{}-{REPO}-{environment}", cluster.prefix());
        for environment in ["staging", "production"] {
            let folder = format!("/{}/ada-{REPO}/", namespace(environment));
            let files = written(t);
            let mut files = files.iter().map(|path| path.to_string_lossy());
            assert!(files.any(|path| path.contains(&folder)), "{folder}");
            let answer = Production::named(t, environment).await;
            let answer = answer.ask("/v1/predict", 1.0).await.expect("an answer");
            assert_eq!(answer, (200, json!({"label": "small"})));
        }

        let all: Api<Namespace> = Api::all(cluster.client());
        let is_there = async |environment: &str| {
            let found = all.get_opt(&namespace(environment)).await;
            found.expect("an answer").is_some()
        };
        let pr = t
            .change(REPO, "linus", "words", &[("README.md", "more words\n")])
            .await;
        let preview = format!("pr-{pr}");
        t.until("the preview is live", async |t| {
            let found = t.find_environment(&preview).await?;
            (found.phase == Some(RolloutPhase::Live)).then_some(())
        })
        .await;
        assert!(is_there(&preview).await);
        let path = format!("/repos/ada/{REPO}/pulls/{pr}");
        t.api("ada", "PATCH", &path, Some(json!({"state": "closed"})))
            .await;
        t.until("its namespace is gone", async |t| {
            (!is_written(t, &preview) && !is_there(&preview).await).then_some(())
        })
        .await;

        // Taken out of the contract, production goes in the same way, and staging stays.
        t.pull(REPO, "main").await;
        let contract = t.read(REPO, "bowsprit.yaml");
        let contract: String = contract
            .lines()
            .filter(|line| !line.trim_start().starts_with("production:"))
            .flat_map(|line| [line, "\n"])
            .collect();
        let files = [("bowsprit.yaml", contract.as_str())];
        t.push(REPO, "ada", "main", "Serve less", &files).await;
        t.until("production is gone", async |t| {
            (!is_written(t, "production") && !is_there("production").await).then_some(())
        })
        .await;
        assert!(is_written(t, "staging") && is_there("staging").await);
        t.settle().await;
        syncer.stop_apart().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_cluster_has_its_own_folder_and_its_own_syncer() {
    let extent = Extent {
        serves: true,
        writes: true,
        is_two: true,
        ..Extent::default()
    };
    play(
        "each_cluster_has_its_own_folder",
        extent,
        async |t, cluster| {
            begin(t, cluster).await;
            let syncers = [
                Syncer::start(t, cluster),
                Syncer::start_for(t, FURTHER_PATH, &cluster.further()),
            ];
            let contract = t.read(REPO, "bowsprit.yaml");
            let elsewhere = contract.replace("soak: 1s", "soak: 1s, cluster: further");
            let files = [("bowsprit.yaml", elsewhere.as_str())];
            t.push(REPO, "ada", "main", "Serve elsewhere", &files).await;
            t.settle().await;
            both::train(t, "").await;
            both::land(t, "v1").await;
            for (environment, folder, namespace) in [
                ("staging", PATH, cluster.environments()),
                ("production", FURTHER_PATH, cluster.further()),
            ] {
                let here =
                    format!("/{folder}/{namespace}/ada-{REPO}/bowsprit-{REPO}-{environment}-");
                let of = format!("-{environment}-");
                let files = written(t);
                let files = files.iter().map(|path| path.to_string_lossy());
                let mut ours = files.filter(|path| path.contains(&of));
                assert!(ours.all(|path| path.contains(&here)), "{:#?}", written(t));
                assert!(is_written(t, environment));
                let answer = Production::named(t, environment).await;
                let answer = answer.ask("/v1/predict", 1.0).await.expect("an answer");
                assert_eq!(answer, (200, json!({"label": "small"})));
            }

            let before = deployment_of(t, "production");
            both::train(t, "2.0,small\n").await;
            both::land(t, "v2").await;
            assert_ne!(deployment_of(t, "production"), before);

            // It ends there, by the syncer of that cluster.
            t.pull(REPO, "main").await;
            let contract: String = t
                .read(REPO, "bowsprit.yaml")
                .lines()
                .filter(|line| !line.trim_start().starts_with("production:"))
                .flat_map(|line| [line, "\n"])
                .collect();
            let files = [("bowsprit.yaml", contract.as_str())];
            t.push(REPO, "ada", "main", "Serve less", &files).await;
            t.until("production is gone there", async |t| {
                let all = cluster.all::<Deployment>(&cluster.further());
                let left = all.list(&ListParams::default()).await.expect("a list");
                (!is_written(t, "production") && left.items.is_empty()).then_some(())
            })
            .await;
            assert!(is_written(t, "staging"));
            t.settle().await;
            for syncer in syncers {
                syncer.stop().await;
            }
        },
    )
    .await;
}
