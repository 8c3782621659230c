//! A directory with a gateway in it, releases for it to serve, and a client that asks it.

use bowsprit_core::artifact::{self, File};
use bowsprit_core::name::{Digest, RepoPath, Slug};
use bowsprit_core::serving::spec::{DoorSpec, Live, RolloutPhase, ServeSpec, ServerSpec};
use bowsprit_core::training::spec::{ModelInput, Sample, SampleSet, Source, Trust};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Nothing in these tests takes longer, on a busy machine either.
const PATIENCE: Duration = Duration::from_secs(60);

/// The key that every door of these tests accepts.
pub(crate) const KEY: &str = "key-of-the-tests";

/// The script of the served process.
const SERVICE: &str = include_str!("service.py");

/// An environment: its directory, and the process that stands there.
pub(crate) struct House {
    /// The gateway's directory.
    pub(crate) dir: tempfile::TempDir,
    gateway: Option<Child>,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// What one release differs in from another.
pub(crate) struct Release {
    /// Its id, and what the service calls itself.
    pub(crate) id: &'static str,
    /// What the model adds to `x`.
    pub(crate) offset: i64,
    /// What the samples expect it to add.
    pub(crate) expected: i64,
    /// Environment of the service.
    pub(crate) env: &'static [(&'static str, &'static str)],
}

impl Release {
    /// A release whose model does what its samples expect.
    pub(crate) fn good(id: &'static str, offset: i64) -> Release {
        Release {
            id,
            offset,
            expected: offset,
            env: &[],
        }
    }
}

impl House {
    /// An empty environment with a gateway.
    pub(crate) fn new() -> House {
        let mut house = House::empty();
        std::fs::write(house.path("gateway.json"), r#"{"listen":"127.0.0.1:0"}"#).unwrap();
        house.start();
        house
    }

    /// An empty directory.
    pub(crate) fn empty() -> House {
        House {
            dir: tempfile::tempdir().unwrap(),
            gateway: None,
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// Starts this process as the gateway.
    pub(crate) fn start_as(&mut self, mut command: Command) {
        self.gateway = Some(command.spawn().unwrap());
    }

    /// Asks the gateway to end, as a cluster does.
    pub(crate) fn terminate(&self) {
        let pid = self.gateway.as_ref().unwrap().id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits until the gateway has ended by itself.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        let mut gateway = self.gateway.take().unwrap();
        let status = eventually("the gateway ends", || gateway.try_wait().unwrap()).await;
        status.code()
    }

    /// Starts the gateway.
    pub(crate) fn start(&mut self) {
        self.gateway = Some(self.command().spawn().unwrap());
    }

    /// The gateway of this directory, not started.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bowsprit-agent"));
        command.args([
            "gateway".as_ref(),
            "--dir".as_ref(),
            self.dir.path().as_os_str(),
        ]);
        command.stdin(Stdio::null());
        command
    }

    /// Ends the gateway at once.
    pub(crate) fn kill(&mut self) {
        if let Some(mut gateway) = self.gateway.take() {
            gateway.kill().unwrap();
            gateway.wait().unwrap();
        }
    }

    /// Tells the gateway to stop and waits until it has.
    pub(crate) async fn stop(&mut self) -> bool {
        self.write("stop", "");
        let mut gateway = self.gateway.take().unwrap();
        let status = eventually("the gateway ends", || gateway.try_wait().unwrap()).await;
        status.success()
    }

    /// Makes a file of the directory.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let draft = self.dir.path().join(format!("{name}.new"));
        std::fs::write(&draft, text).unwrap();
        std::fs::rename(draft, self.dir.path().join(name)).unwrap();
    }

    /// A path in the directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// An order for this release.
    pub(crate) fn order(&self, generation: u64, release: &Release) -> ServeSpec {
        let (models, digests) = self.model(release, generation);
        ServeSpec {
            release: release.id.to_owned(),
            generation,
            server: Some(ServerSpec {
                snapshot: self.snapshot(),
                in_image: None,
                runtime: None,
                trust: Trust::Trusted,
                cache_dir: self.path("cache").to_str().unwrap().to_owned(),
                run: vec!["python3".to_owned(), "service.py".to_owned()],
                ready: "/readyz".to_owned(),
                env: release
                    .env
                    .iter()
                    .chain(&[("LABEL", release.id)])
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect(),
                models,
                digests,
                sample_sets: vec![SampleSet::new(
                    "/v1/predict",
                    (0..3)
                        .map(|x| Sample {
                            input: json!({ "x": x }),
                            output: json!({ "label": x + release.expected }),
                            tolerance: 0.0,
                        })
                        .collect(),
                )],
                cpu_millis: 1_000,
                memory_bytes: 512 << 20,
                ready_timeout_s: 30,
                drain_timeout_s: 20,
            }),
            door: DoorSpec {
                keys: vec![Digest::of(KEY.as_bytes())],
                concurrency: 16,
                queue: 64,
                body_bytes_max: 1 << 20,
                telemetry: true,
            },
        }
    }

    fn model(&self, release: &Release, version: u64) -> (Vec<ModelInput>, BTreeMap<Slug, Digest>) {
        let bytes = release.offset.to_string();
        let source = self.path(&format!("{}-offset.txt", release.id));
        std::fs::write(&source, &bytes).unwrap();
        let file = File {
            path: RepoPath::parse("offset.txt").unwrap(),
            sha256: Digest::of(bytes.as_bytes()),
            bytes: bytes.len() as u64,
            media_type: "text/plain".to_owned(),
        };
        let digest = artifact::digest(std::slice::from_ref(&file));
        let model = ModelInput {
            name: "adder".to_owned(),
            version: Some(version),
            sources: vec![Source {
                uri: source.to_str().unwrap().to_owned(),
                sha256: file.sha256.clone(),
            }],
            files: vec![file],
        };
        (
            vec![model],
            BTreeMap::from([(Slug::parse("adder").unwrap(), digest)]),
        )
    }

    fn snapshot(&self) -> Source {
        let path = self.path("service.tar");
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_size(SERVICE.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, "service.py", SERVICE.as_bytes())
            .unwrap();
        let bytes = tar.into_inner().unwrap();
        std::fs::write(&path, &bytes).unwrap();
        Source {
            uri: path.to_str().unwrap().to_owned(),
            sha256: Digest::of(&bytes),
        }
    }

    /// Gives the order.
    pub(crate) fn want(&self, order: &ServeSpec) {
        self.write("wanted.json", &serde_json::to_string(order).unwrap());
    }

    /// Gives the order and waits until it is live.
    pub(crate) async fn want_live(&self, order: &ServeSpec) -> Live {
        self.want(order);
        self.settled(order.generation, RolloutPhase::Live).await
    }

    /// Waits until the order of this generation is in this phase.
    pub(crate) async fn settled(&self, generation: u64, phase: RolloutPhase) -> Live {
        self.live_when(&format!("order {generation} is {phase:?}"), |live| {
            let is_other_end = live.phase == RolloutPhase::Failed && phase != RolloutPhase::Failed;
            assert!(
                live.generation != generation || !is_other_end,
                "{live:?}\n{}",
                self.log()
            );
            live.generation == generation && live.phase == phase
        })
        .await
    }

    /// Waits until what is live fulfils the claim.
    pub(crate) async fn live_when(&self, what: &str, claim: impl Fn(&Live) -> bool) -> Live {
        eventually(what, || self.live().filter(&claim)).await
    }

    /// What is live.
    pub(crate) fn live(&self) -> Option<Live> {
        let text = std::fs::read(self.path("live.json")).ok()?;
        Some(serde_json::from_slice(&text).unwrap())
    }

    /// The log so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path("log.txt")).unwrap_or_default()
    }

    /// The gateway's address, once it has one.
    pub(crate) async fn url(&self) -> String {
        eventually("the gateway says where it is", || self.live())
            .await
            .url
    }

    /// Sends a request with the accepted key.
    pub(crate) async fn send(&self, method: Method, path: &str, body: &[u8]) -> Response<Incoming> {
        self.send_as(Some(KEY), method, path, body).await
    }

    /// Sends a request with this key.
    pub(crate) async fn send_as(
        &self,
        key: Option<&str>,
        method: Method,
        path: &str,
        body: &[u8],
    ) -> Response<Incoming> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url().await));
        if let Some(key) = key {
            request = request.header("Authorization", format!("Bearer {key}"));
        }
        let request = request
            .body(Full::new(Bytes::copy_from_slice(body)))
            .unwrap();
        self.client.request(request).await.unwrap()
    }

    /// Status and JSON answer of a GET.
    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        read(self.send(Method::GET, path, b"").await).await
    }

    /// Status and JSON answer of a POST.
    pub(crate) async fn post(&self, path: &str, body: &[u8]) -> (u16, Value) {
        read(self.send(Method::POST, path, body).await).await
    }

    /// One figure of the metrics.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        self.metric_as(KEY, name).await
    }

    /// The same with another key.
    pub(crate) async fn metric_as(&self, key: &str, name: &str) -> u64 {
        let page = "/.bowsprit/metrics";
        let response = self.send_as(Some(key), Method::GET, page, b"").await;
        let text = text(response).await;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(&format!("bowsprit_gateway_{name} ")));
        line.unwrap_or_else(|| panic!("no {name} in\n{text}"))
            .parse()
            .unwrap()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("log of the gateway:\n{}", self.log());
        }
        self.kill();
    }
}

/// Status and JSON body.
pub(crate) async fn read(response: Response<Incoming>) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = text(response).await;
    (
        status,
        serde_json::from_str(&text).unwrap_or(Value::String(text)),
    )
}

/// The body as text.
pub(crate) async fn text(response: Response<Incoming>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Asks again and again, for a bounded time, until there is an answer.
pub(crate) async fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Whether a process of this id works (a zombie does not).
pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}
