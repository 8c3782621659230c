//! Agents that are not started by the bot: they come to its door with a token, as those in pods do.
//!
//! The cluster of these stories is nowhere, so that nothing begins by itself; the story starts agents in its place.

use crate::harness::{Place, World, run_test_at};
use bowsprit_core::subject::ask::StageView;
use bowsprit_core::training::remote::{BASE, Begun};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use ring::hmac;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A kubeconfig whose API server is not there.
const NOWHERE: &str = r#"{"apiVersion": "v1", "kind": "Config", "current-context": "none",
    "clusters": [{"name": "none", "cluster": {"server": "http://127.0.0.1:1"}}], "users": [{"name": "none", "user": {}}],
    "contexts": [{"name": "none", "context": {"cluster": "none", "user": "none"}}]}"#;

async fn run_without_cluster(story: impl AsyncFnOnce(&mut World)) {
    let dir = tempfile::tempdir().expect("a directory");
    let kubeconfig = dir.path().join("kubeconfig");
    std::fs::write(&kubeconfig, NOWHERE).expect("a file");
    let image = format!("registry.example/none@sha256:{}", "0".repeat(64));
    let place = Place {
        amend: Box::new(move |text, bot| {
            let text = text.replace("[runs]\n", "[runs]\nbackend = \"kubernetes\"\n");
            format!(
                "{text}[cluster]\nkubeconfig = {kubeconfig:?}\nbot_url = \"http://{bot}\"\nbase_image = \"{image}\"\nagent_image = \"{image}\"\n"
            )
        }),
        ..Place::here()
    };
    run_test_at(place, |_| {}, story).await;
}

/// The next stage that waits for its agent.
async fn next_stage(t: &World, known: &[String]) -> String {
    t.until("a stage", async |t| {
        let rooms = &t.bot().rooms;
        let runs = rooms
            .store
            .list_runs(&bowsprit::store::RunFilter::default(), None, 50)
            .await
            .expect("a list");
        let stages = runs.into_iter().flat_map(|run| run.stages);
        stages
            .map(|stage| stage.id)
            .find(|id| !known.contains(id) && matches!(rooms.runs.view(id), StageView::Waiting(_)))
    })
    .await
}

/// The token of a stage, as the bot makes it.
fn token(t: &World, stage: &str) -> String {
    let key = std::fs::read(t.dir.path().join("bot/agents.key")).expect("a key");
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    hex::encode(hmac::sign(&key, stage.as_bytes()))
}

/// An agent at work; ended when dropped, so that a story that fails leaves none behind.
struct Agent {
    process: Child,
    dir: PathBuf,
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended by itself, which the story will have noticed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn start_agent(t: &World, stage: &str) -> Agent {
    // What an agent before it left stays in its own pod.
    let _ = std::fs::remove_dir_all(t.dir.path().join("pods").join(stage));
    start_in_pod(t, stage, &[])
}

/// In the pod that there is, if there is one.
fn start_in_pod(t: &World, stage: &str, words: &[&str]) -> Agent {
    let order = t.dir.path().join("orders").join(stage);
    let dir = t.dir.path().join("pods").join(stage);
    for dir in [&order, &dir] {
        std::fs::create_dir_all(dir).expect("a directory");
    }
    let address = format!("http://{}{BASE}/{stage}\n", t.bot().address);
    std::fs::write(order.join("address"), address).expect("a file");
    std::fs::write(order.join("token"), token(t, stage)).expect("a file");
    let log = std::fs::File::create(order.join("agent.log")).expect("a file");
    let process = Command::new(env!("CARGO_BIN_EXE_bowsprit"))
        .args(["agent", "run", "--contained", "--order"])
        .arg(&order)
        .arg("--dir")
        .arg(&dir)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("an agent");
    Agent { process, dir }
}

async fn ended(t: &World, agent: &mut Agent) -> Option<i32> {
    let process = &mut agent.process;
    let status = t
        .until("the agent's end", async |_| {
            process.try_wait().expect("a status")
        })
        .await;
    status.code()
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_elsewhere_train_and_judge_while_the_bot_comes_and_goes() {
    run_without_cluster(async |t| {
        let sha = t
            .push(
                "tiny-training",
                "linus",
                "main",
                "Train",
                &[("note.txt", "1\n")],
            )
            .await;
        let train = next_stage(t, &[]).await;
        let word = t.bot().rooms.runs.view(&train);
        assert!(
            format!("{word:?}").contains("cannot be reached"),
            "{word:?}"
        );
        let mut agent = start_agent(t, &train);
        t.until("its order", async |_| {
            agent.dir.join("spec.json").exists().then_some(())
        })
        .await;
        // The run does not need the bot: it ends while there is none, and tells later.
        let address = t.halt().await;
        t.until("its result", async |_| {
            agent.dir.join("result.json").exists().then_some(())
        })
        .await;
        t.resume(address).await;
        assert_eq!(ended(t, &mut agent).await, Some(0));
        // The evaluation, the parity of the service, and the check of the proposal.
        let mut known = vec![train.clone()];
        for _ in 0..3 {
            let stage = next_stage(t, &known).await;
            let mut agent = start_agent(t, &stage);
            assert_eq!(ended(t, &mut agent).await, Some(0), "{stage}");
            known.push(stage);
        }
        t.settle().await;
        let check = t
            .check("tiny-training", &sha, "train")
            .await
            .expect("a check run");
        assert_eq!(check["conclusion"], "success", "{}", check["output"]);
        assert_eq!(t.proposals("bowsprit/tiny").await.len(), 1);
        let log = std::fs::read_to_string(t.bot().rooms.runs.log_path(&train));
        assert!(log.expect("a log").contains("line="));
        // Its stage is over: whoever comes with its token now is sent away.
        let mut late = start_agent(t, &train);
        assert_eq!(ended(t, &mut late).await, Some(77));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_fails_is_the_agents_own_exit_status() {
    run_without_cluster(async |t| {
        let slip = [("train.py", "import nothing_of_that_name\n")];
        let sha = t
            .push("tiny-training", "linus", "main", "Slip", &slip)
            .await;
        let train = next_stage(t, &[]).await;
        let mut agent = start_agent(t, &train);
        assert_eq!(ended(t, &mut agent).await, Some(42));
        t.settle().await;
        let check = t
            .check("tiny-training", &sha, "train")
            .await
            .expect("a check run");
        assert_eq!(check["conclusion"], "failure");
        let summary = check["output"]["summary"].as_str().expect("a summary");
        assert!(summary.contains("nothing_of_that_name"), "{summary}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_in_several_images_are_one_agent_to_the_bot() {
    run_without_cluster(async |t| {
        let image = format!("registry.example/tools@sha256:{}", "1".repeat(64));
        let shape =
            format!("steps:\n  - {{name: shape, image: \"{image}\", run: [sh, shape.sh]}}\n");
        let contract = t
            .read("tiny-training", "bowsprit.yaml")
            .replace("steps:\n", &shape);
        let train = t
            .read("tiny-training", "train.py")
            .replace("data.csv", "shaped.csv");
        let files = [
            ("bowsprit.yaml", contract.as_str()),
            ("train.py", train.as_str()),
            ("shape.sh", "cp data.csv shaped.csv && echo all shaped\n"),
        ];
        t.push("tiny-training", "linus", "main", "Shape first", &files)
            .await;
        let stage = next_stage(t, &[]).await;
        let mut first = start_in_pod(t, &stage, &["--part", "1"]);
        assert_eq!(ended(t, &mut first).await, Some(0));
        let view = t.bot().rooms.runs.view(&stage);
        assert!(
            matches!(view, StageView::Waiting(_) | StageView::Running(_)),
            "{view:?}"
        );
        let log = t.bot().rooms.runs.log_path(&stage);
        let attempt =
            || std::fs::read_to_string(log.with_file_name("attempt.json")).expect("an attempt");
        let begun = attempt();
        // The log came, though the next container may be long in coming.
        let said = std::fs::read_to_string(&log).expect("a log");
        assert!(said.contains("shape all shaped"), "{said}");
        let mut second = start_in_pod(t, &stage, &[]);
        assert_eq!(ended(t, &mut second).await, Some(0));
        assert_eq!(attempt(), begun, "it is no second try");
        let result = t.until("its end", async |t| match t.bot().rooms.runs.view(&stage) {
            StageView::Done(result) => Some(result),
            _ => None,
        });
        let names: Vec<String> = result
            .await
            .steps
            .into_iter()
            .map(|step| step.name)
            .collect();
        assert_eq!(names, ["shape", "train"]);
        let said = std::fs::read_to_string(&log).expect("a log");
        assert_eq!(said.matches("all shaped").count(), 1, "{said}");
        assert!(said.contains("train line="), "{said}");
        let mut known = vec![stage];
        for _ in 0..3 {
            let stage = next_stage(t, &known).await;
            assert_eq!(
                ended(t, &mut start_agent(t, &stage)).await,
                Some(0),
                "{stage}"
            );
            known.push(stage);
        }
        t.settle().await;
        let proposals = t.proposals("bowsprit/tiny").await;
        let body = proposals[0]["body"].as_str().expect("a body");
        assert!(
            body.contains(&format!("step `shape` ran in `{image}`")),
            "{body}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_the_cluster_ends_leaves_its_stage_to_the_next() {
    run_without_cluster(async |t| {
        let slow = "\nimport time\nfor epoch in range(10):\n    print(f'epoch={epoch}', flush=True)\n    time.sleep(0.2)\n";
        let train = format!("{}{slow}", t.read("tiny-training", "train.py"));
        t.push("tiny-training", "linus", "main", "Take time", &[("train.py", &train)])
            .await;
        let stage = next_stage(t, &[]).await;
        let mut first = start_agent(t, &stage);
        let log = t.bot().rooms.runs.log_path(&stage);
        t.until("the first epoch", async |_| {
            let log = std::fs::read_to_string(&log).unwrap_or_default();
            log.contains("epoch=").then_some(())
        })
        .await;
        let pid = first.process.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(sent.expect("kill").success());
        assert_eq!(ended(t, &mut first).await, Some(143));
        let view = t.bot().rooms.runs.view(&stage);
        assert!(matches!(view, StageView::Waiting(_) | StageView::Running(_)), "{view:?}");
        let mut second = start_agent(t, &stage);
        assert_eq!(ended(t, &mut second).await, Some(0));
        let view = t.until("its end", async |t| match t.bot().rooms.runs.view(&stage) {
            StageView::Done(result) => Some(result),
            _ => None,
        });
        assert_eq!(view.await.outcome, bowsprit_core::training::spec::Outcome::Succeeded);
        let mut known = vec![stage];
        for _ in 0..3 {
            let stage = next_stage(t, &known).await;
            assert_eq!(ended(t, &mut start_agent(t, &stage)).await, Some(0), "{stage}");
            known.push(stage);
        }
    })
    .await;
}

/// A stage that somebody calls at.
struct Caller<'a> {
    t: &'a World,
    stage: String,
    token: String,
}

impl Caller<'_> {
    async fn call(&self, method: &str, what: &str, body: &[u8]) -> (u16, String) {
        let bot = self.t.bot().address;
        let request = http::Request::builder()
            .method(method)
            .uri(format!("http://{bot}{BASE}/{}/{what}", self.stage))
            .header("authorization", format!("Bearer {}", self.token))
            .body(Full::new(Bytes::copy_from_slice(body)))
            .expect("a request");
        let answer = self.t.client.request(request).await.expect("an answer");
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.expect("a body");
        let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        (status, text)
    }

    async fn begin(&self, attempt: &str) -> (u16, String) {
        let body = json!({"attempt": attempt}).to_string();
        self.call("POST", "begin", body.as_bytes()).await
    }

    /// Holds what is answered to a call.
    async fn check(&self, (method, what): (&str, &str), body: &[u8], wanted: (u16, &str)) {
        let (status, text) = self.call(method, what, body).await;
        assert!(
            status == wanted.0 && text.contains(wanted.1),
            "{method} {what}: {status} {text}, wanted {wanted:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_door_of_agents_takes_what_the_order_allows_and_nothing_else() {
    run_without_cluster(async |t| {
        t.push("tiny-training", "linus", "main", "Train", &[("note.txt", "1\n")])
            .await;
        let stage = next_stage(t, &[]).await;
        let caller = Caller {
            t,
            token: token(t, &stage),
            stage: stage.clone(),
        };
        let stranger = Caller {
            t,
            token: token(t, "another-stage"),
            stage: stage.clone(),
        };
        for (method, what) in [("POST", "begin"), ("GET", "snapshot"), ("PUT", "result?attempt=a")] {
            stranger.check((method, what), b"{}", (401, "opens nothing")).await;
        }
        let nowhere = Caller {
            t,
            token: token(t, "no-such-stage"),
            stage: "no-such-stage".to_owned(),
        };
        nowhere.check(("POST", "begin"), b"{}", (401, "opens nothing")).await;
        assert_eq!(caller.begin("a/../b").await.0, 422);
        let (status, begun) = caller.begin("pod-a").await;
        assert_eq!(status, 200, "{begun}");
        let begun: Begun = serde_json::from_str(&begun).expect("an order");
        assert_eq!((begun.spec.id.as_str(), begun.log_offset), (stage.as_str(), 0));
        assert!(begun.spec.snapshot.uri.ends_with(&format!("{stage}/snapshot")));
        let (status, bytes) = caller.call("GET", "snapshot", b"").await;
        assert!(status == 200 && bytes.contains("train.py"));
        let none = format!("models/{}", "0".repeat(64));
        caller.check(("GET", &none), b"", (422, "no such model")).await;

        let log = |attempt: &str, offset: usize| format!("log?attempt={attempt}&offset={offset}");
        caller.check(("POST", &log("pod-a", 0)), b"one\n", (200, r#"{"bytes":4}"#)).await;
        caller.check(("POST", &log("pod-a", 0)), b"one\n", (416, r#"{"bytes":4}"#)).await;
        caller.check(("POST", &log("pod-a", 9)), b"x", (416, r#"{"bytes":4}"#)).await;
        caller.check(("POST", &log("pod-b", 4)), b"x", (409, "another agent")).await;

        let output = |path: &str, offset: usize| format!("outputs?attempt=pod-a&offset={offset}&path={path}");
        for path in ["..%2Fspec.json", "%2Fetc%2Fx", "a%2F..%2F..%2Fx", "", "a%00b"] {
            caller.check(("POST", &output(path, 0)), b"x", (422, "")).await;
        }
        caller.check(("POST", &output("model/a", 0)), b"ab", (200, r#"{"bytes":2}"#)).await;
        caller.check(("POST", &output("model/a", 2)), b"c", (200, r#"{"bytes":3}"#)).await;
        // What is there stays as it is.
        caller.check(("POST", &output("model/a", 0)), b"xx", (416, r#"{"bytes":3}"#)).await;
        caller.check(("POST", &output("model/a/b", 0)), b"x", (422, "below a file")).await;
        caller.check(("POST", &output("model", 0)), b"x", (422, "a directory")).await;
        let large = vec![0; (4 << 20) + 1];
        caller.check(("POST", &output("large", 0)), &large, (413, "")).await;
        caller.check(("PUT", "status?attempt=pod-a"), b"{}", (422, "cannot be read")).await;
        caller.check(("PUT", "result?attempt=pod-a"), b"[]", (422, "cannot be read")).await;

        // A pod that was lost is replaced: its log stays, its outputs make room, and it is heard no more.
        let (_, begun) = caller.begin("pod-b").await;
        let begun: Begun = serde_json::from_str(&begun).expect("an order");
        assert_eq!(begun.log_offset, 4);
        caller.check(("POST", &output("model/a", 3)), b"d", (409, "another agent")).await;
        let path = t.dir.path().join("bot/runs").join(&stage);
        assert!(!path.join("outputs/model").exists());
        caller.check(("POST", &log("pod-b", 0)), b"two\n", (200, r#"{"bytes":4}"#)).await;
        let text = std::fs::read_to_string(path.join("log.txt")).expect("a log");
        assert_eq!(text, "one\ntwo\n");

        let result: Value = json!({"id": stage, "outcome": "failed", "failure": {"kind": "exit", "step": "train", "message": "it failed"},
            "steps": [], "outputs": [], "probe": null, "runtime": null, "runtime_cached": false, "unconfined": null,
            "duration_ms": 1, "tail": []});
        let result = result.to_string();
        caller.check(("PUT", "result?attempt=pod-a"), result.as_bytes(), (409, "another agent")).await;
        caller.check(("PUT", "result?attempt=pod-b"), result.as_bytes(), (204, "")).await;
        caller.check(("PUT", "result?attempt=pod-b"), result.as_bytes(), (410, "is over")).await;
        t.settle().await;
        caller.check(("POST", "begin"), b"{}", (410, "is over")).await;
        let kept = is_private(&t.dir.path().join("bot/agents.key"));
        assert!(kept, "the key is for its owner alone");
    })
    .await;
}

fn is_private(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(path)
        .expect("a file")
        .permissions()
        .mode();
    mode & 0o077 == 0
}
