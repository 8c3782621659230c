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

    /// Evicts a pod once its budget lets it go: until then the API server answers 429, after which kube may ask again itself.
    async fn evict(&self, pod: &str) {
        let (pods, began) = (self.all::<Pod>(), Instant::now());
        loop {
            match pods.evict(pod, &EvictParams::default()).await {
                Ok(_) => return,
                Err(kube::Error::Api(status)) if status.code == 429 => {}
                Err(error) => panic!("{pod}: {error}"),
            }
            assert!(began.elapsed() < PATIENCE, "{pod} is never let go");
            tokio::time::sleep(POLL).await;
        }
    }

    /// The pods that are ready, those that are about to end among them.
    async fn ready(&self) -> BTreeSet<String> {
        let pods = self.all::<Pod>().list(&ListParams::default()).await;
        let ready = pods.unwrap().items.into_iter().filter(is_ready);
        ready.map(|pod| pod.metadata.name.unwrap()).collect()
    }

    /// Waits until so many pods are ready, and no others are there; says which.
    async fn ready_pods(&self, wanted: usize) -> BTreeSet<String> {
        let began = Instant::now();
        loop {
            let (ready, all) = (self.ready().await, self.pod_names().await);
            if ready.len() == wanted && all == ready {
                return ready;
            }
            assert!(began.elapsed() < PATIENCE, "{wanted} pods: {all:?}");
            tokio::time::sleep(POLL).await;
        }
    }
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|one| one.conditions.as_ref());
    conditions.is_some_and(|all| {
        let mut ready = all.iter().filter(|one| one.type_ == "Ready");
        ready.any(|one| one.status == "True")
    })
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

    // A drained node takes one pod at a time: the second goes once a new one is ready, and nobody who asks sees it.
    let load = house.load(&live.url);
    house.evict(pods.first().unwrap()).await;
    house.evict(pods.last().unwrap()).await;
    let ready = house.ready().await;
    assert!(ready.difference(&pods).count() >= 1, "{ready:?}");
    let now = house.ready_pods(2).await;
    assert!(now.is_disjoint(&pods), "{now:?}");
    let (answered, failed) = load.end().await;
    assert!(answered > 0);
    assert_eq!(failed, Vec::<String>::new());
    house.remove().await;
    house.is_empty().await;
}
