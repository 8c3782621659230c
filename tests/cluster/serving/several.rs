//! An environment of several pods: they share the work, and one of them may go.

use super::house::{House, PATIENCE, POLL, Release};
use bowsprit_core::serving::spec::{Replicas, RolloutPhase};
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{EvictParams, ListParams};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Instant;

impl House {
    /// Waits until each of these pods has answered, to new connections.
    async fn all_answer(&self, url: &str, pods: &BTreeSet<String>) {
        let (mut hosts, began) = (BTreeSet::new(), Instant::now());
        while hosts != *pods {
            assert!(began.elapsed() < PATIENCE, "{hosts:?} of {pods:?} answer");
            let client: Client<_, Empty<Bytes>> =
                Client::builder(TokioExecutor::new()).build_http();
            let key = format!("Bearer {}", self.key().expose_secret());
            let request = Request::get(format!("{url}/which")).header("Authorization", key);
            let answer = client.request(request.body(Empty::new()).unwrap()).await;
            let body = answer.unwrap().into_body().collect().await.unwrap();
            let told: Value = serde_json::from_slice(&body.to_bytes()).unwrap();
            hosts.insert(told["host"].as_str().unwrap().to_owned());
        }
    }

    /// Waits until so many pods are ready, and no others are there; says which.
    async fn ready_pods(&self, wanted: usize) -> BTreeSet<String> {
        let is_ready = |pod: &Pod| {
            let conditions = pod.status.as_ref().and_then(|one| one.conditions.as_ref());
            conditions.is_some_and(|all| {
                let mut ready = all.iter().filter(|one| one.type_ == "Ready");
                ready.any(|one| one.status == "True")
            })
        };
        let began = Instant::now();
        loop {
            let pods = self.all::<Pod>().list(&ListParams::default()).await;
            let pods = pods.unwrap().items;
            if pods.len() == wanted && pods.iter().all(is_ready) {
                let names = pods.into_iter().map(|pod| pod.metadata.name.unwrap());
                return names.collect();
            }
            assert!(began.elapsed() < PATIENCE, "{wanted} pods: {pods:#?}");
            tokio::time::sleep(POLL).await;
        }
    }

    async fn evict(&self, pod: &str) -> Result<(), kube::Error> {
        let pods = self.all::<Pod>();
        pods.evict(pod, &EvictParams::default()).await.map(drop)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_pods_share_the_work_and_one_of_them_may_be_evicted() {
    let name = "two_pods_share_the_work_and_one_of_them_may_be_evicted";
    let Some(house) = House::open(name).await else {
        return;
    };
    let twofold = Release {
        replicas: Replicas { min: 2, max: 3 },
        ..Release::good("r1", 10)
    };
    house.deploy(1, &twofold).await;
    let live = house.settled(1, RolloutPhase::Live).await;
    assert_eq!(house.predict(&live.url, 5).await, Some(15));
    let pods = house.ready_pods(2).await;
    house.all_answer(&live.url, &pods).await;

    // A drained node takes one pod at a time, and nobody who asks sees it.
    let load = house.load(&live.url);
    let (first, second) = (pods.first().unwrap(), pods.last().unwrap());
    house.evict(first).await.unwrap();
    let refused = house.evict(second).await.unwrap_err();
    assert!(
        matches!(&refused, kube::Error::Api(status) if status.code == 429),
        "{refused}"
    );
    let now = house.ready_pods(2).await;
    assert!(now.contains(second) && !now.contains(first), "{now:?}");
    let (answered, failed) = load.end().await;
    assert!(answered > 0);
    assert_eq!(failed, Vec::<String>::new());
    house.remove().await;
    house.is_empty().await;
}
