//! A story that is played wherever stages run and environments answer: on this machine, and in a cluster.

use crate::harness::World;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const REPO: &str = "tiny-service";
/// Pause between two requests of the traffic.
const PAUSE: Duration = Duration::from_millis(25);
/// Traffic ends by itself after this long.
const TRAFFIC_MAX: Duration = Duration::from_secs(1_200);

/// Pushes training data to `main`; says the `train` check once all is quiet.
pub(crate) async fn train(t: &World, row: &str) -> Value {
    let more = t.read("tiny-training", "data.csv") + row;
    let sha = t
        .push(
            "tiny-training",
            "linus",
            "main",
            &format!("Add {row:?}"),
            &[("data.csv", &more)],
        )
        .await;
    t.settle().await;
    t.check("tiny-training", &sha, "train")
        .await
        .expect("a check")
}

/// The open pull request of the bot's branch.
pub(crate) async fn open(t: &World, branch: &str) -> u64 {
    t.until(branch, async |t| {
        let all = t.proposals(branch).await;
        all.into_iter().find(|pull| pull["state"] == "open")?["number"].as_u64()
    })
    .await
}

/// Agrees to the open proposal and to its promotion; says when `version` serves there.
pub(crate) async fn land(t: &World, version: &str) {
    let proposal = open(t, "bowsprit/tiny").await;
    t.say(REPO, "grace", proposal, "/lgtm").await;
    t.say(REPO, "ada", proposal, "/approve").await;
    t.until_merged(REPO, proposal).await;
    let promotion = open(t, "bowsprit/promote-production").await;
    t.say(REPO, "rita", promotion, "/approve").await;
    serves(t, version).await;
}

/// Waits until production serves that.
pub(crate) async fn serves(t: &World, version: &str) {
    t.until(version, async |t| {
        let production = t.find_environment("production").await?;
        production.live.filter(|live| live.shown() == version)
    })
    .await;
}

/// Two versions, back by name to the first, and forward again, while requests come in all the time.
pub(crate) async fn a_named_version_comes_back_and_goes_forward_again(t: &World) {
    train(t, "").await;
    land(t, "v1").await;
    let traffic = Traffic::begin(t).await;
    let check = train(t, "2.0,small\n").await;
    let told = check["output"].to_string();
    assert!(told.contains("by the same judge in run"), "{check}");
    land(t, "v2").await;
    let path = format!("/repos/ada/{REPO}/issues");
    let body = json!({"title": "Odd answers"});
    let issue = t.api("rita", "POST", &path, Some(body)).await["number"]
        .as_u64()
        .expect("a number");
    t.say(REPO, "rita", issue, "/rollback production 9").await;
    t.settle().await;
    let told = t
        .told(REPO, issue, "there is no such release to go back to")
        .await;
    assert_eq!(told, 1);
    t.say(REPO, "rita", issue, "/rollback production 1").await;
    serves(t, "v1").await;
    t.say(REPO, "mallory", issue, "/promote production").await;
    t.settle().await;
    assert_eq!(t.told(REPO, issue, "`/promote` is for reviewers").await, 1);
    t.say(REPO, "grace", issue, "/promote production").await;
    let promotion = open(t, "bowsprit/promote-production").await;
    t.say(REPO, "rita", promotion, "/approve").await;
    t.say(REPO, "grace", promotion, "/unhold").await;
    t.settle().await;
    assert!(
        !t.is_merged(REPO, promotion).await,
        "it is for the approvers of production"
    );
    t.say(REPO, "rita", promotion, "/unhold").await;
    serves(t, "v2").await;
    let (answered, failed) = traffic.end().await;
    assert!(answered > 50, "{answered} requests were answered");
    assert_eq!(failed, Vec::<String>::new(), "of {answered}");
}

/// Production as those reach it who have its key.
pub(crate) struct Production {
    client: Client<HttpConnector, Full<Bytes>>,
    url: String,
    key: String,
}

impl Production {
    pub(crate) async fn of(t: &World) -> Production {
        Production::named(t, "production").await
    }

    /// Another environment.
    pub(crate) async fn named(t: &World, name: &str) -> Production {
        let production = t.environment(name).await;
        let releases = &t.bot().rooms.releases;
        let keys = releases.keys(production.repo.id, &production.name);
        let keys = keys.expect("keys");
        let production = Production {
            client: t.client.clone(),
            url: production.url.expect("an address"),
            key: format!("Bearer {}", keys.primary.expose_secret()),
        };
        // A node learns a new address up to a second after its first pod is ready.
        t.until("the address is reached", async |_| {
            production.ask("/v1/predict", 1.0).await.ok().map(drop)
        })
        .await;
        production
    }

    /// Status and answer.
    pub(crate) async fn ask(&self, path: &str, x: f64) -> Result<(u16, Value), String> {
        let request = http::Request::post(format!("{}{path}", self.url))
            .header("content-type", "application/json")
            .header("authorization", &self.key)
            .body(Full::new(Bytes::from(json!({ "x": x }).to_string())))
            .expect("a request");
        let answer = self.client.request(request).await;
        let answer = answer.map_err(|error| format!("{error:?}"))?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await;
        let bytes = body.map_err(|error| format!("{error:?}"))?.to_bytes();
        Ok((status, serde_json::from_slice(&bytes).unwrap_or_default()))
    }
}

/// Requests to production, one after the other, until told to end.
pub(crate) struct Traffic {
    is_over: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<Vec<String>>,
}

impl Traffic {
    /// Begins to ask.
    pub(crate) async fn begin(t: &World) -> Traffic {
        let production = Production::of(t).await;
        let (is_over, answered) = (
            Arc::new(AtomicBool::new(false)),
            Arc::<AtomicU64>::default(),
        );
        let (over, count) = (is_over.clone(), answered.clone());
        let task = tokio::spawn(async move {
            let (mut failed, began) = (Vec::new(), Instant::now());
            while !over.load(Ordering::Relaxed) && began.elapsed() < TRAFFIC_MAX {
                match production.ask("/v1/predict", 1.0).await {
                    Ok((200, _)) => {
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok((status, _)) => failed.push(status.to_string()),
                    Err(error) => failed.push(error),
                }
                tokio::time::sleep(PAUSE).await;
            }
            failed
        });
        Traffic {
            is_over,
            answered,
            task,
        }
    }

    /// Ends; says how many were answered, and what became of the others.
    pub(crate) async fn end(self) -> (u64, Vec<String>) {
        self.is_over.store(true, Ordering::Relaxed);
        let failed = self.task.await.expect("traffic");
        (self.answered.load(Ordering::Relaxed), failed)
    }
}
