//! Images, from a contract to a pod that runs in one.

mod house;
mod registry;

use crate::place::run_with_images;
use bowsprit::artifacts::Artifacts;
use bowsprit::images::{Ensured, ServiceWish, Software, Wanted};
use bowsprit_core::artifact::{self, File};
use bowsprit_core::effect::ModelFiles;
use bowsprit_core::image::reference::{Pinned, Place};
use bowsprit_core::name::{CommitSha, Digest, RepoPath};
use bowsprit_core::training::spec::{RuntimeSpec, Source, Trust};
use house::House;
pub(crate) use house::section;
use registry::Registry;

const LOCK: &str = "requirements.lock";

fn path(text: &str) -> RepoPath {
    RepoPath::parse(text).unwrap()
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

impl House {
    /// The contract's `{python: "3.11", requirements: requirements.lock}` with this lock.
    fn locked(&self, lock: &str, trust: Trust) -> Wanted {
        let runtime = RuntimeSpec::Python {
            minimum: "3.11".to_owned(),
            requirements: Some(path(LOCK)),
        };
        self.wanted(&runtime, &self.snapshot(&[(LOCK, lock)]), trust)
    }

    fn wanted(&self, runtime: &RuntimeSpec, snapshot: &Source, trust: Trust) -> Wanted {
        match self.images.runtime(Some(runtime), snapshot, trust).unwrap() {
            Software::Made(wanted) => *wanted,
            other => panic!("not made: {other:?}"),
        }
    }

    fn lock(&self) -> String {
        format!("bowsprit-greeting==1.0 --hash={}\n", self.wheel)
    }

    async fn is_kept(&self, kept: &str, wanted: &Wanted) -> bool {
        let place = Place::new(self.base.place.registry(), &self.path(kept)).unwrap();
        let image = place.tagged(&wanted.recipe.key());
        self.registry.find(&image).await.unwrap().is_some()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_becomes_an_image_once_for_every_bot() {
    let Some(house) = House::open("lock").await else {
        return;
    };
    let wanted = house.locked(&house.lock(), Trust::Trusted);
    let twin = house.twin().await;
    // Two effects of one bot at once, then another bot: none takes the files of the build away.
    let (one, other) = tokio::join!(house.images.ensure(&wanted), house.images.ensure(&wanted));
    for stands in [one, other, twin.ensure(&wanted).await] {
        let stands = stands.unwrap();
        assert!(matches!(stands, Ensured::Building { .. }), "{stands:?}");
    }
    assert_eq!(house.jobs().await, 1);
    let (image, found) = house.ready(&house.images, &wanted).await;
    assert!(found.starts_with("built in "), "{found}");
    assert_eq!(image.place.path(), house.path("trusted/runtime"));

    // The second time nothing is built, whoever asks: another bot, or a fork whose lock is the same.
    let again = (image.clone(), "found in the project's registry".to_owned());
    assert_eq!(house.ready(&twin, &wanted).await, again);
    let fork = house.locked(&house.lock(), Trust::Untrusted);
    assert_eq!(house.ready(&house.images, &fork).await, again);
    assert_eq!(house.jobs().await, 0);

    let code =
        "import bowsprit_greeting, os, sys; print(bowsprit_greeting.WORD, os.getuid(), sys.prefix)";
    let said = house.say(&image, code).await;
    assert_eq!(said, "ahoy 10001 /opt/bowsprit-runtime/venv\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_trains_in_an_image_of_its_runtime() {
    run_with_images("a_push_trains_in_an_image", async |t, _| {
        let files = [("note.txt", "1\n")];
        let sha = t
            .push(
                "tiny-training",
                "linus",
                "main",
                "Train in an image",
                &files,
            )
            .await;
        t.settle().await;
        let check = t
            .check("tiny-training", &sha, "train")
            .await
            .expect("a check run");
        assert_eq!(check["conclusion"], "success", "{}", check["output"]);
        let logs = t.bot().rooms.runs.log_path("x");
        let runs = logs.parent().and_then(std::path::Path::parent);
        let mut said = String::new();
        for entry in std::fs::read_dir(runs.expect("the runs"))
            .unwrap()
            .flatten()
        {
            said += &std::fs::read_to_string(entry.path().join("log.txt")).unwrap_or_default();
        }
        // Built for the training, and there for the evaluation.
        assert!(said.contains("/trusted/runtime@sha256:"), "{said}");
        assert!(said.contains(": built in "), "{said}");
        assert!(said.contains(": found in the project's registry"), "{said}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_lock_fails_with_what_pip_said_and_is_tried_anew() {
    let Some(house) = House::open("broken").await else {
        return;
    };
    let wanted = house.locked("no-such-package==9\n", Trust::Untrusted);
    let reason = house.reason(&wanted).await;
    assert!(
        reason.starts_with("the image could not be built:\n"),
        "{reason}"
    );
    assert!(
        reason.contains("No matching distribution found for no-such-package==9"),
        "{reason}"
    );
    assert!(!house.is_kept("untrusted/runtime", &wanted).await);
    // A wheel with other bytes than the lock says is not installed.
    let wrong = format!("bowsprit-greeting==1.0 --hash={}\n", Digest::of(b"other"));
    let reason = house.reason(&house.locked(&wrong, Trust::Untrusted)).await;
    assert!(reason.contains("DO NOT MATCH THE HASHES"), "{reason}");
    let again = house.images.ensure(&wanted).await.unwrap();
    assert!(matches!(again, Ensured::Building { .. }), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_untrusted_head_never_writes_where_trusted_images_are() {
    let Some(house) = House::open("fork").await else {
        return;
    };
    let fork = RuntimeSpec::Base {
        image: house.base.clone(),
        steps: vec![
            words(&[
                "sh",
                "-c",
                "ls /run/auth /run/bowsprit /var/run/secrets 2>&1 > /seen; true",
            ]),
            words(&["sh", "-c", "id -u >> /seen"]),
        ],
        requirements: None,
        gpu: None,
    };
    let snapshot = house.snapshot(&[]);
    let wanted = house.wanted(&fork, &snapshot, Trust::Untrusted);
    let (image, _) = house.ready(&house.images, &wanted).await;
    assert_eq!(image.place.path(), house.path("untrusted/runtime"));
    assert!(!house.is_kept("trusted/runtime", &wanted).await);
    // The steps ran as root of the image, and found no token.
    assert_eq!(
        house.say(&image, "print(open('/seen').read())").await,
        "0\n\n"
    );
    let trusted = house.wanted(&fork, &snapshot, Trust::Trusted);
    assert_ne!(trusted.recipe.key(), wanted.recipe.key());
    assert!(!house.is_kept("trusted/runtime", &trusted).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_registry_is_read_and_the_own_one_is_written_with_its_password() {
    let Some(house) = House::open("auth").await else {
        return;
    };
    let Some(own) = Registry::start(house.dir.path(), &House::address()).await else {
        return;
    };
    let wanted = house.locked(&house.lock(), Trust::Trusted);
    let (shared, _) = house.ready(&house.images, &wanted).await;
    let bot = house.with_registry(&own.host, "robot:secret").await;
    let found = (shared, "found in the shared registry".to_owned());
    assert_eq!(house.ready(&bot, &wanted).await, found);

    let other = RuntimeSpec::Base {
        image: house.base.clone(),
        steps: vec![words(&["true"])],
        requirements: None,
        gpu: None,
    };
    let other = house.wanted(&other, &house.snapshot(&[]), Trust::Trusted);
    let (image, found) = house.ready(&bot, &other).await;
    assert!(found.starts_with("built in "), "{found}");
    assert_eq!(image.place.registry(), own.host);
    let again = (image, "found in the project's registry".to_owned());
    assert_eq!(house.ready(&bot, &other).await, again);

    let stranger = house.with_registry(&own.host, "robot:wrong").await;
    let error = format!("{:#}", stranger.ensure(&other).await.unwrap_err());
    assert!(error.contains("images.auth_file"), "{error}");
}

fn model(artifacts: &[u8]) -> ModelFiles {
    let files = vec![File {
        path: path("model.bin"),
        sha256: Digest::of(artifacts),
        bytes: artifacts.len() as u64,
        media_type: "application/octet-stream".to_owned(),
    }];
    ModelFiles {
        name: "digits".to_owned(),
        version: Some(7),
        digest: artifact::digest(&files),
        files,
    }
}

fn wish(snapshot: Source, base: Option<Pinned>, test: &str) -> ServiceWish {
    ServiceWish {
        runtime: None,
        base,
        snapshot,
        revision: CommitSha::parse(&"a".repeat(40)).unwrap(),
        models: vec![model(b"weights")],
        run: words(&["python", "app.py"]),
        test: Some(words(&["python", "-c", test])),
        trust: Trust::Trusted,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_image_has_code_and_model_and_is_tested_before_it_is_pushed() {
    let Some(house) = House::open("service").await else {
        return;
    };
    let artifacts = Artifacts::open(&house.dir.path().join("state")).unwrap();
    artifacts.put_bytes("weights".into()).await.unwrap();
    let snapshot = house.snapshot(&[("app.py", "print('serving')\n")]);
    let test = "import os; assert open(os.environ['MODEL_DIR'] + '/model.bin').read() == 'weights'; open('report', 'w').write('x')";
    let good = wish(snapshot.clone(), Some(house.base.clone()), test);
    let good = house.images.service(&good, &artifacts).await.unwrap();
    let (image, _) = house.ready(&house.images, &good).await;
    let code = "import os; print(os.getcwd(), os.listdir('.'), open('/srv/models/digits/model.bin').read(), os.environ['MODEL_NAME'])";
    // What the tests wrote stays out of the image.
    assert_eq!(
        house.say(&image, code).await,
        "/srv/code ['app.py'] weights digits\n"
    );

    let bad = "import sys; print('2 of 3 answers are wrong'); sys.exit(1)";
    let bad = wish(snapshot, Some(house.base.clone()), bad);
    let bad = house.images.service(&bad, &artifacts).await.unwrap();
    let reason = house.reason(&bad).await;
    assert!(
        reason.starts_with("the tests failed in the finished image"),
        "{reason}"
    );
    assert!(reason.contains("2 of 3 answers are wrong"), "{reason}");
    assert!(!house.is_kept("trusted/service", &bad).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dockerfile_of_the_repository_gets_the_model_on_top() {
    let Some(house) = House::open("dockerfile").await else {
        return;
    };
    let artifacts = Artifacts::open(&house.dir.path().join("state")).unwrap();
    artifacts.put_bytes("weights".into()).await.unwrap();
    let dockerfile = "FROM docker.io/library/python:3.11-slim\nCOPY app.py /app/app.py\nWORKDIR /app\nRUN echo own > /app/mark\n";
    let snapshot = house.snapshot(&[("Dockerfile", dockerfile), ("app.py", "print(1)\n")]);
    let wish = ServiceWish {
        runtime: Some(RuntimeSpec::Dockerfile {
            file: path("Dockerfile"),
        }),
        ..wish(
            snapshot,
            None,
            "print(open('/srv/models/digits/model.bin').read())",
        )
    };
    let wanted = house.images.service(&wish, &artifacts).await.unwrap();
    let (image, _) = house.ready(&house.images, &wanted).await;
    let code = "import os; print(os.getcwd(), sorted(os.listdir('.')), open('/srv/models/digits/model.bin').read(), os.getuid())";
    assert_eq!(
        house.say(&image, code).await,
        "/app ['app.py', 'mark'] weights 10001\n"
    );
}
