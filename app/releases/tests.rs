//! The local target against a gateway that says what each test wants.

use super::*;
use crate::hands::tests::{config, end, script};
use bowsprit_core::artifact::{self, File};
use bowsprit_core::effect::{ModelFiles, ServePlan};
use bowsprit_core::name::{CommitSha, Digest, Repo, RepoName, RepoPath};
use bowsprit_core::serving::spec::{DoorSpec, Replicas, RolloutPhase, ServeSpec};
use bowsprit_core::training::spec::Trust;
use secrecy::ExposeSecret as _;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

const REPO: RepoId = RepoId(7);

/// Does what a gateway does: takes the lock, says what is live, ends when told to.
const GATEWAY: &str = r#"
verb="$1"; dir="$3"
[ "$verb" = gateway ] || exit 9
exec 9>>"$dir/gateway.lock"; flock -n 9 || exit 0
[ -e "$0" ] || exit 0
[ -e "$dir/stop" ] && exit 0
echo begun >> "$dir/log.txt"
cp "$dir/wanted.json" "$dir/kept.json"
printf '{"generation":1,"phase":"live","reason":null,"serving":null,"url":"http://127.0.0.1:4700","pid":%s,"updated_ms":1}' $$ > "$dir/live.new"
mv "$dir/live.new" "$dir/live.json"
while [ -e "$0" ] && [ ! -e "$dir/stop" ]; do
  [ -e "$dir/die" ] && { rm "$dir/die"; kill -9 $$; }
  sleep 0.01
done
"#;

struct House {
    dir: tempfile::TempDir,
    artifacts: Artifacts,
    target: Target,
}

impl House {
    fn new() -> House {
        let dir = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::open(&dir.path().join("state")).unwrap();
        let target = open(dir.path(), &artifacts, None);
        House {
            dir,
            artifacts,
            target,
        }
    }

    /// The bot is gone and comes again.
    fn restart(&mut self) {
        self.target = open(self.dir.path(), &self.artifacts, None);
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir
            .path()
            .join("state/environments/7/staging")
            .join(name)
    }

    async fn deploy(&self, plan: &DeployPlan) -> Result<(), StartError> {
        let path = self.dir.path().join(format!("{}.tar", plan.generation));
        std::fs::write(&path, &plan.release).unwrap();
        let snapshot = Source {
            uri: path.display().to_string(),
            sha256: Digest::of(plan.release.as_bytes()),
        };
        let outcome = self.target.deploy(plan, snapshot).await;
        assert_eq!(
            path.exists(),
            outcome.is_err(),
            "a snapshot is taken with its order"
        );
        outcome
    }

    fn wanted(&self) -> ServeSpec {
        serde_json::from_slice(&std::fs::read(self.file("wanted.json")).unwrap()).unwrap()
    }

    async fn news(&self) {
        self.until(|changed| changed == [(REPO, staging())]).await;
    }

    async fn until(&self, is_so: impl Fn(&[(RepoId, Slug)]) -> bool) {
        let until = Instant::now() + Duration::from_secs(20);
        while !is_so(&self.target.tend().await) {
            assert!(Instant::now() < until);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn begun(&self) -> usize {
        std::fs::read_to_string(self.file("log.txt")).map_or(0, |text| text.lines().count())
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let locks = [
            self.file("gateway.lock"),
            self.file("../other/gateway.lock"),
        ];
        end(&self.dir.path().join("gateway.sh"), &locks);
    }
}

fn open(dir: &Path, artifacts: &Artifacts, ports: Option<std::ops::RangeInclusive<u16>>) -> Target {
    let mut config = config(&dir.join("state"), 1);
    config.releases.ports = ports;
    let program = script(&dir.join("gateway.sh"), GATEWAY);
    Target::open(&config, artifacts.clone(), program, None).unwrap()
}

pub(super) fn staging() -> Slug {
    Slug::parse("staging").unwrap()
}

pub(super) fn plan(generation: u64) -> DeployPlan {
    DeployPlan {
        repo: Repo {
            id: REPO,
            name: RepoName::parse("octo/digits-service").unwrap(),
        },
        environment: staging(),
        release: format!("release-{generation}"),
        generation,
        commit: CommitSha::parse(&"a".repeat(40)).unwrap(),
        trust: Trust::Trusted,
        runtime: None,
        test: None,
        image: None,
        deploy: None,
        serve: Some(ServePlan {
            run: vec!["python".to_owned(), "-m".to_owned(), "digits".to_owned()],
            ready: "/readyz".to_owned(),
            env: BTreeMap::new(),
            sample_sets: Vec::new(),
            ready_timeout_s: 60,
            cpu_millis: 250,
            memory_bytes: 1 << 28,
            model: Some("digits".to_owned()),
        }),
        models: Vec::new(),
        door: DoorSpec {
            keys: Vec::new(),
            concurrency: 4,
            queue: 8,
            body_bytes_max: 1 << 20,
            telemetry: true,
        },
        auth: true,
        logs: false,
        replicas: Replicas::default(),
        cluster: None,
        pr: None,
    }
}

fn model(body: &[u8]) -> ModelFiles {
    let files = vec![File {
        path: RepoPath::parse("model.onnx").unwrap(),
        sha256: Digest::of(body),
        bytes: body.len() as u64,
        media_type: "application/onnx".to_owned(),
    }];
    ModelFiles {
        name: "digits".to_owned(),
        version: Some(7),
        digest: artifact::digest(&files),
        files,
    }
}

#[tokio::test]
async fn a_release_is_ordered_and_its_gateway_answers() {
    let house = House::new();
    house.artifacts.put_bytes("weights".into()).await.unwrap();
    let mut order = plan(1);
    order.models = vec![model(b"weights")];
    assert!(house.target.live(REPO, &staging()).is_none());
    house.deploy(&order).await.unwrap();
    let wanted = house.wanted();
    assert_eq!(
        (wanted.release.as_str(), wanted.generation),
        ("release-1", 1)
    );
    let server = wanted.server.unwrap();
    assert_eq!(
        server.digests[&Slug::parse("digits").unwrap()],
        order.models[0].digest
    );
    assert_eq!(
        std::fs::read(&server.models[0].sources[0].uri).unwrap(),
        b"weights"
    );
    assert_eq!(std::fs::read(&server.snapshot.uri).unwrap(), b"release-1");
    let settings = std::fs::read_to_string(house.file("gateway.json")).unwrap();
    assert!(settings.contains("\"127.0.0.1:0\""), "{settings}");
    let keys = house.target.keys(REPO, &staging()).unwrap();
    let digests =
        [&keys.primary, &keys.secondary].map(|key| Digest::of(key.expose_secret().as_bytes()));
    assert_eq!(wanted.door.keys, digests);
    while house.target.live(REPO, &staging()).is_none() {
        house.news().await;
    }
    let live = house.target.live(REPO, &staging()).unwrap();
    assert_eq!(
        (live.phase, live.url.as_str()),
        (RolloutPhase::Live, "http://127.0.0.1:4700")
    );
}

#[tokio::test]
async fn an_older_order_never_replaces_a_newer_one() {
    let house = House::new();
    house.deploy(&plan(2)).await.unwrap();
    house.deploy(&plan(1)).await.unwrap();
    assert_eq!(house.wanted().release, "release-2");
    house
        .deploy(&DeployPlan {
            release: "twin".to_owned(),
            ..plan(2)
        })
        .await
        .unwrap();
    assert_eq!(house.wanted().release, "release-2");
    house
        .deploy(&DeployPlan {
            serve: None,
            auth: false,
            ..plan(3)
        })
        .await
        .unwrap();
    let wanted = house.wanted();
    assert_eq!(
        (wanted.release.as_str(), wanted.door.keys, wanted.server),
        ("release-3", Vec::new(), None)
    );
}

#[tokio::test]
async fn snapshots_go_when_no_order_names_them() {
    let house = House::new();
    house.deploy(&plan(1)).await.unwrap();
    while house.begun() == 0 || !house.file("live.json").exists() {
        house.until(|_| true).await;
    }
    for generation in 2..6 {
        house.deploy(&plan(generation)).await.unwrap();
    }
    // Served, the one before, wanted.
    assert_eq!(
        std::fs::read_dir(house.file("snapshots")).unwrap().count(),
        3
    );
}

#[tokio::test]
async fn keys_are_for_their_owner_and_can_be_replaced_one_by_one() {
    let mut house = House::new();
    assert!(house.target.keys(REPO, &staging()).is_none());
    assert!(
        house
            .target
            .rotate(REPO, &staging(), Which::Primary)
            .await
            .is_err()
    );
    house.deploy(&plan(1)).await.unwrap();
    let before = house.target.keys(REPO, &staging()).unwrap();
    assert_ne!(
        before.primary.expose_secret(),
        before.secondary.expose_secret()
    );
    let after = house
        .target
        .rotate(REPO, &staging(), Which::Primary)
        .await
        .unwrap();
    assert_ne!(
        after.primary.expose_secret(),
        before.primary.expose_secret()
    );
    assert_eq!(
        after.secondary.expose_secret(),
        before.secondary.expose_secret()
    );
    assert_eq!(
        house.wanted().door.keys[0],
        Digest::of(after.primary.expose_secret().as_bytes())
    );
    house
        .target
        .rotate(REPO, &staging(), Which::Secondary)
        .await
        .unwrap();
    let mode = std::fs::metadata(house.file("keys.json"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!format!("{after:?}").contains(after.primary.expose_secret()));
    let text = std::fs::read_to_string(house.file("wanted.json")).unwrap();
    assert!(!text.contains("bowsprit_"));

    // The bot died between the two documents: the next one makes them agree.
    let mut wanted = house.wanted();
    wanted.door.keys.truncate(1);
    std::fs::write(
        house.file("wanted.json"),
        serde_json::to_vec(&wanted).unwrap(),
    )
    .unwrap();
    house.restart();
    assert_eq!(house.wanted().door.keys.len(), 2);
    // An order keeps the keys.
    let keys = house.target.keys(REPO, &staging()).unwrap();
    house.deploy(&plan(2)).await.unwrap();
    assert_eq!(
        house.wanted().door.keys[1],
        Digest::of(keys.secondary.expose_secret().as_bytes())
    );
}

#[tokio::test]
async fn a_gateway_outlives_the_bot_and_is_started_again_when_it_died() {
    let mut house = House::new();
    house.deploy(&plan(1)).await.unwrap();
    while house.begun() == 0 || !house.file("live.json").exists() {
        house.until(|_| true).await;
    }
    house.restart();
    house.news().await;
    assert!(house.target.tend().await.is_empty());
    assert_eq!(house.begun(), 1);
    std::fs::write(house.file("die"), "").unwrap();
    house.news().await;
    assert_eq!(house.begun(), 2);
}

#[tokio::test]
async fn a_removed_environment_leaves_nothing() {
    let house = House::new();
    house.deploy(&plan(1)).await.unwrap();
    while house.begun() == 0 {
        house.until(|_| true).await;
    }
    house.target.remove(REPO, &staging()).await.unwrap();
    assert!(!house.file("").exists());
    assert!(house.target.tend().await.is_empty() && house.target.live(REPO, &staging()).is_none());
    house.target.remove(REPO, &staging()).await.unwrap();
    // It may come again, with other keys.
    house.deploy(&plan(1)).await.unwrap();
    assert!(house.target.keys(REPO, &staging()).is_some());
}

#[tokio::test]
async fn all_gateways_end_and_the_next_start_goes_on() {
    let mut house = House::new();
    house.deploy(&plan(1)).await.unwrap();
    while house.begun() == 0 {
        house.until(|_| true).await;
    }
    house.target.pause().await;
    assert!(!crate::files::is_locked(&house.file("gateway.lock")));
    house.target.tend().await;
    assert_eq!(house.begun(), 1);
    house.restart();
    while house.begun() == 1 {
        house.until(|_| true).await;
    }
}

#[tokio::test]
async fn what_a_gateway_cannot_mean_is_passed_over() {
    let house = House::new();
    std::fs::create_dir_all(house.file("")).unwrap();
    let live = |url: &str| {
        format!(
            r#"{{"generation":1,"phase":"live","reason":null,"serving":null,"url":"{url}","pid":1,"updated_ms":1}}"#
        )
    };
    for (text, holds) in [
        (live("http://127.0.0.1:4700"), true),
        (live("http://192.0.2.1:80"), false),
        (live("http://127.0.0.1:0"), false),
        (live("https://127.0.0.1:4700@example.com"), false),
        (live("file:///etc/passwd"), false),
        ("{".to_owned(), false),
        (" ".repeat(2 << 20), false),
    ] {
        std::fs::write(house.file("live.json"), &text).unwrap();
        assert_eq!(
            house.target.live(REPO, &staging()).is_some(),
            holds,
            "{text:.120}"
        );
    }
}

#[tokio::test]
async fn a_release_that_cannot_be_given_is_refused() {
    let house = House::new();
    let mut order = plan(1);
    order.models = vec![model(b"nowhere")];
    match house.deploy(&order).await {
        Err(StartError::Refused(reason)) => {
            assert!(
                reason.contains("model `digits`")
                    && reason.contains(order.models[0].digest.as_str()),
                "{reason}"
            );
        }
        other => panic!("{other:?}"),
    }
    assert!(!house.file("").exists());
}

#[tokio::test]
async fn configured_ports_are_used_one_each() {
    let mut house = House::new();
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = held.local_addr().unwrap().port();
    house.target = open(house.dir.path(), &house.artifacts, Some(taken..=taken));
    match house.deploy(&plan(1)).await {
        Err(StartError::Refused(reason)) => {
            assert!(reason.contains("releases.ports"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    let range = taken..=taken.saturating_add(50);
    house.target = open(house.dir.path(), &house.artifacts, Some(range.clone()));
    let other = DeployPlan {
        environment: Slug::parse("other").unwrap(),
        ..plan(1)
    };
    let mut ports = vec![taken];
    for (plan, name) in [(plan(1), "gateway.json"), (other, "../other/gateway.json")] {
        house.deploy(&plan).await.unwrap();
        let text = std::fs::read_to_string(house.file(name)).unwrap();
        let (_, port) = text.rsplit_once(':').unwrap();
        let digits: String = port.chars().take_while(char::is_ascii_digit).collect();
        let port = digits.parse().unwrap();
        assert!(range.contains(&port) && !ports.contains(&port), "{text}");
        ports.push(port);
    }
}

#[tokio::test]
async fn a_server_has_the_trust_of_its_release() {
    let house = House::new();
    for (generation, trust) in [(1, Trust::Untrusted), (2, Trust::Trusted)] {
        let mut plan = plan(generation);
        plan.trust = trust;
        house.deploy(&plan).await.unwrap();
        assert_eq!(house.wanted().server.unwrap().trust, trust);
    }
    // An order from before orders told it counts as the lesser.
    let mut old = serde_json::to_value(house.wanted()).unwrap();
    old["server"].as_object_mut().unwrap().remove("trust");
    let old: ServeSpec = serde_json::from_value(old).unwrap();
    assert_eq!(old.server.unwrap().trust, Trust::Untrusted);
}

#[tokio::test]
async fn a_release_for_a_cluster_is_not_served_on_this_machine() {
    let house = House::new();
    let mut elsewhere = plan(1);
    elsewhere.cluster = Some(Slug::parse("eu").unwrap());
    let path = house.dir.path().join("elsewhere.tar");
    std::fs::write(&path, "").unwrap();
    let snapshot = Source {
        uri: path.display().to_string(),
        sha256: Digest::of(b""),
    };
    let refused = house.target.deploy(&elsewhere, snapshot).await;
    let told = refused.unwrap_err().to_string();
    assert!(told.contains("into cluster `eu`"), "{told}");
    assert!(!path.exists());
}
