//! Environments that change hands: from the bot to a syncer, and from a bot that has lost its papers to itself.

use crate::both::{self, Production, Traffic};
use crate::harness::World;
use crate::place::{Cluster, Extent, GITOPS, play, run_written};
use crate::syncer::{Syncer, begin, deployment_of, is_written, subjects, written};
use bowsprit_core::serving::spec::RolloutPhase;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::Resource;
use kube::api::ListParams;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Debug;

const REPO: &str = "tiny-service";
/// What a repository brings with each release, under another name each time.
const WORDS: &str = "{apiVersion: v1, kind: ConfigMap, metadata: {name: \"${BOWSPRIT_NAME}-${BOWSPRIT_RELEASE}\"}, data: {a: b}}\n";

/// Objects by kind and name, each with what tells it from another of its name.
type Objects = BTreeMap<(String, String), String>;

/// What the cluster has of an environment.
async fn standing(cluster: &Cluster, environment: &str) -> Objects {
    let mut found = Objects::new();
    gather::<ConfigMap>(cluster, environment, &mut found).await;
    gather::<Deployment>(cluster, environment, &mut found).await;
    gather::<NetworkPolicy>(cluster, environment, &mut found).await;
    gather::<Secret>(cluster, environment, &mut found).await;
    gather::<Service>(cluster, environment, &mut found).await;
    gather::<ServiceAccount>(cluster, environment, &mut found).await;
    found
}

async fn gather<K>(cluster: &Cluster, environment: &str, found: &mut Objects)
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned,
{
    let which = ListParams::default().labels(&format!("bowsprit.dev/environment={environment}"));
    let all = cluster.all::<K>(&cluster.environments());
    for one in all.list(&which).await.expect("a list") {
        let meta = one.meta();
        let (name, uid) = (meta.name.clone(), meta.uid.clone());
        let key = (K::kind(&()).into_owned(), name.expect("a name"));
        found.insert(key, uid.expect("a uid"));
    }
}

/// Waits until an environment has the objects that it had before, and a ConfigMap of one release beside them.
async fn has_one_release(t: &World, cluster: &Cluster, (environment, before): (&str, &Objects)) {
    let is_words = |key: &(String, String)| key.0 == "ConfigMap";
    t.until(
        &format!("{environment} has one release's words"),
        async |_| {
            let now = standing(cluster, environment).await;
            for (key, uid) in before.iter().filter(|(key, _)| !is_words(key)) {
                assert_eq!(now.get(key), Some(uid), "{key:?}: {now:#?}");
            }
            let words = now.keys().filter(|key| is_words(key)).count();
            (words == 1 && now.len() == before.len()).then_some(())
        },
    )
    .await;
}

/// Waits until an environment has failed, and says why.
async fn has_failed(t: &World, environment: &str) -> String {
    t.until("it has failed", async |t| {
        let found = t.find_environment(environment).await?;
        let is_failed = found.phase == Some(RolloutPhase::Failed);
        found.reason.filter(|_| is_failed)
    })
    .await
}

/// Waits until neither the branch nor the cluster has anything of an environment.
async fn goes(t: &World, cluster: &Cluster, environment: &str) {
    t.until(&format!("the end of {environment}"), async |t| {
        let is_gone =
            !is_written(t, environment) && standing(cluster, environment).await.is_empty();
        is_gone.then_some(())
    })
    .await;
}

async fn close(t: &World, pr: u64) {
    let path = format!("/repos/ada/{REPO}/pulls/{pr}");
    let closed = json!({"state": "closed"});
    t.api("ada", "PATCH", &path, Some(closed)).await;
}

async fn lives(t: &World, environment: &str) {
    t.until(&format!("{environment} is live"), async |t| {
        let found = t.find_environment(environment).await?;
        (found.phase == Some(RolloutPhase::Live)).then_some(())
    })
    .await;
}

/// The first release that is written cannot serve: what was applied comes back as files. Says how it answered well.
async fn fails_and_returns(t: &World, cluster: &Cluster, before: &Objects) -> String {
    t.pull(REPO, "main").await;
    let well = t.read(REPO, "serve.py");
    let odd = well.replace("\"small\" if", "\"odd\" if");
    t.push(REPO, "ada", "main", "Answer oddly", &[("serve.py", &odd)])
        .await;
    let reason = has_failed(t, "staging").await;
    assert!(reason.contains("samples"), "{reason}");
    t.until("the former release is written", async |t| {
        let subjects = subjects(t).await;
        let last = subjects.first()?;
        last.starts_with("Return to rel-").then_some(())
    })
    .await;
    has_one_release(t, cluster, ("staging", before)).await;
    let answer = Production::named(t, "staging").await;
    let answer = answer.ask("/v1/predict", 1.0).await.expect("an answer");
    assert_eq!(answer, (200, json!({"label": "small"})));
    well
}

/// Another commit, with this server, comes to production.
async fn goes_all_the_way(t: &World, server: &str) {
    let files = [("serve.py", server)];
    let sha = t.push(REPO, "ada", "main", "Answer well", &files).await;
    let promotion = both::open(t, "bowsprit/promote-production").await;
    t.say(REPO, "rita", promotion, "/approve").await;
    t.until("production serves it", async |t| {
        let live = t.find_environment("production").await?.live?;
        (live.commit.as_str() == sha).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_applied_is_taken_over_by_a_syncer() {
    let extent = Extent {
        serves: true,
        ..Extent::default()
    };
    play("what_was_applied", extent, async |t, cluster| {
        let contract = t.read(REPO, "bowsprit.yaml") + "deploy: {manifests: deploy}\n";
        let files = [
            ("bowsprit.yaml", contract.as_str()),
            ("deploy/words.yaml", WORDS),
        ];
        t.push(REPO, "ada", "main", "Bring words", &files).await;
        t.settle().await;
        both::train(t, "").await;
        both::land(t, "v1").await;
        let pr = t
            .change(REPO, "linus", "words", &[("README.md", "more words\n")])
            .await;
        let preview = format!("pr-{pr}");
        lives(t, &preview).await;
        t.settle().await;

        // The server is told of the repository: nothing changes before there is another release.
        let environments = ["staging", "production"];
        let mut before = Vec::new();
        for environment in environments {
            before.push(standing(cluster, environment).await);
        }
        let traffic = Traffic::begin(t).await;
        begin(t, cluster).await;
        let config = std::fs::read_to_string(&t.config_file).expect("a configuration");
        std::fs::write(&t.config_file, config + GITOPS).expect("a file");
        t.restart().await;
        t.settle().await;
        for (environment, before) in environments.iter().zip(&before) {
            assert_eq!(&standing(cluster, environment).await, before);
        }
        assert!(written(t).is_empty());
        let syncer = Syncer::start(t, cluster);
        // What was never written ends as it began.
        close(t, pr).await;
        goes(t, cluster, &preview).await;

        let well = fails_and_returns(t, cluster, &before[0]).await;
        // The next one, of another commit than the former, goes all the way.
        goes_all_the_way(t, &(well + "# Well again.\n")).await;
        for (environment, before) in environments.iter().zip(&before) {
            assert!(deployment_of(t, environment).contains("kind: Deployment"));
            has_one_release(t, cluster, (environment, before)).await;
        }
        t.settle().await;
        let (answered, failed) = traffic.end().await;
        assert!(answered > 50, "{answered} requests were answered");
        assert_eq!(failed, Vec::<String>::new(), "of {answered}");
        syncer.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_goes_though_the_papers_of_it_are_lost() {
    run_written("what_was_written_goes", async |t, cluster| {
        begin(t, cluster).await;
        let syncer = Syncer::start(t, cluster);
        both::train(t, "").await;
        both::land(t, "v1").await;
        let mut previews = Vec::new();
        for branch in ["first", "second"] {
            let pr = t
                .change(REPO, "linus", branch, &[("README.md", branch)])
                .await;
            lives(t, &format!("pr-{pr}")).await;
            previews.push(pr);
        }
        let [first, second] = previews[..] else {
            unreachable!("two previews");
        };
        t.settle().await;

        let production = standing(cluster, "production").await;

        // The bot's papers are lost, and a pull request is closed meanwhile; the cluster cannot be asked at first.
        let address = t.halt().await;
        std::fs::remove_dir_all(t.dir.path().join("bot/environments")).expect("papers");
        close(t, first).await;
        cluster.passage.close();
        t.resume(address).await;
        t.until("its end is ordered", async |t| {
            let found = t.find_environment(&format!("pr-{first}")).await;
            found.is_none().then_some(())
        })
        .await;
        cluster.passage.reopen();
        goes(t, cluster, &format!("pr-{first}")).await;
        // The same once the cluster was looked through; what nobody ends stays.
        assert!(is_written(t, &format!("pr-{second}")));
        t.restart().await;
        close(t, second).await;
        goes(t, cluster, &format!("pr-{second}")).await;
        let told = subjects(t).await;
        for pr in [first, second] {
            let end = format!("Remove pr-{pr} of tiny-service");
            assert!(told.contains(&end), "{told:#?}");
        }
        assert!(deployment_of(t, "production").contains("kind: Deployment"));
        assert_eq!(standing(cluster, "production").await, production);
        t.settle().await;
        syncer.stop().await;
    })
    .await;
}
