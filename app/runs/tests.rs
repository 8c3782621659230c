//! The local backend against an agent that does what each test says.

mod house;
mod secrets;

use super::*;
use bowsprit_core::effect::ModelFiles;
use bowsprit_core::image::reference::Pinned;
use bowsprit_core::name::{Digest, RepoPath};
use bowsprit_core::training::spec::{FailureKind, Outcome, Phase, RunSpec, RuntimeSpec};
use house::{House, SUCCESS, listed, model, plan};
use std::path::Path;

#[tokio::test]
async fn a_stage_runs_and_its_outputs_are_stored_before_it_is_done() {
    let house = House::new(1);
    let digest = house.artifacts.put_bytes("weights".into()).await.unwrap();
    let mut plan = plan("r1-train", 1);
    plan.models = vec![model(b"weights")];
    let snapshot = house.snapshot("r1-train");
    assert_eq!(house.backend.view("r1-train"), StageView::Unknown);
    house.backend.start(&plan, snapshot.clone()).await.unwrap();
    assert_eq!(house.backend.view("r1-train"), StageView::Queued(1));
    assert_eq!(house.backend.tend().await, ["r1-train"]);

    house.running("r1-train").await;
    let spec = std::fs::read(house.file("r1-train", "spec.json")).unwrap();
    let spec: RunSpec = serde_json::from_slice(&spec).unwrap();
    assert_eq!((spec.id.as_str(), spec.steps), ("r1-train", plan.steps));
    assert_eq!(spec.models[0].sources[0].sha256, digest);
    assert_eq!(
        std::fs::read(&spec.models[0].sources[0].uri).unwrap(),
        b"weights"
    );
    assert_eq!(std::fs::read(&spec.snapshot.uri).unwrap(), b"tar");
    assert!(!Path::new(&snapshot.uri).exists());

    house.succeed(
        "r1-train",
        "mkdir model; printf hello > model/a.txt",
        &listed("model/a.txt", b"hello"),
    );
    let result = house.done("r1-train").await;
    assert_eq!(
        (result.outcome, result.duration_ms),
        (Outcome::Succeeded, 5)
    );
    assert_eq!(result.outputs[0].path.as_str(), "model/a.txt");
    assert!(house.artifacts.has(&Digest::of(b"hello")).await.unwrap());
    // Its end may have come between the last telling and the view.
    house.backend.tend().await;
    assert!(house.backend.tend().await.is_empty());
    let env = std::fs::read_to_string(house.file("r1-train", "env.txt")).unwrap();
    assert!(
        env.contains("PATH=") && !env.contains("CARGO_MANIFEST_DIR"),
        "{env}"
    );
}

#[tokio::test]
async fn a_stage_that_wants_an_image_is_refused_with_who_takes_it() {
    let house = House::new(1);
    let mut with_runtime = plan("r1-train", 1);
    let file = RepoPath::parse("Dockerfile").unwrap();
    with_runtime.runtime = Some(RuntimeSpec::Dockerfile { file });
    let mut with_step = plan("r1-train", 1);
    let image = format!("registry.example/tools@{}", Digest::of(b"tools"));
    with_step.steps[0].image = Some(Pinned::parse(&image).unwrap());
    for (plan, what) in [
        (with_runtime, "`runtime.dockerfile`"),
        (with_step, "step `train`"),
    ] {
        let snapshot = house.snapshot("r1-train");
        let refused = house.backend.start(&plan, snapshot.clone()).await;
        let Err(StartError::Refused(reason)) = refused else {
            panic!("taken: {refused:?}");
        };
        assert!(reason.contains(what), "{reason}");
        assert!(reason.contains("backend = \"kubernetes\""), "{reason}");
        assert_eq!(house.backend.view("r1-train"), StageView::Unknown);
        assert!(!Path::new(&snapshot.uri).exists());
    }
}

#[tokio::test]
async fn repositories_share_the_slots() {
    let house = House::new(1);
    for (stage, repo) in [("a1", 1), ("a2", 1), ("a3", 1), ("b1", 2)] {
        house.start(stage, repo).await;
    }
    house.running("a1").await;
    assert_eq!(house.backend.view("b1"), StageView::Queued(1));
    assert_eq!(house.backend.view("a2"), StageView::Queued(2));
    assert_eq!(house.backend.view("a3"), StageView::Queued(3));
    house.succeed("a1", "", "");
    house.running("b1").await;
    assert_eq!(house.backend.view("a2"), StageView::Queued(1));
    house.succeed("b1", "", "");
    house.running("a2").await;
    assert_eq!(house.backend.view("a3"), StageView::Queued(1));
    for stage in ["a2", "a3"] {
        house.running(stage).await;
        house.succeed(stage, "", "");
        house.done(stage).await;
    }
}

#[tokio::test]
async fn as_many_stages_run_as_there_are_slots() {
    let house = House::new(2);
    for stage in ["s1", "s2", "s3"] {
        house.start(stage, 1).await;
    }
    house.running("s1").await;
    house.running("s2").await;
    assert_eq!(house.backend.view("s3"), StageView::Queued(1));
    assert!(!house.file("s3", "started.json").exists());
}

#[tokio::test]
async fn a_restart_finds_what_runs_and_what_waits_in_order() {
    let mut house = House::new(1);
    for (stage, repo) in [("a1", 1), ("a2", 1), ("b1", 2)] {
        house.start(stage, repo).await;
    }
    house.running("a1").await;
    house.restart();
    assert_eq!(house.backend.view("b1"), StageView::Queued(1));
    assert_eq!(house.backend.view("a2"), StageView::Queued(2));
    let mut told = house.backend.tend().await;
    told.sort();
    assert_eq!(told, ["a1", "a2", "b1"]);
    assert!(house.backend.tend().await.is_empty());
    house.running("a1").await;
    // A twin order is the same stage.
    house.start("a1", 1).await;
    house.succeed("a1", "printf x > x", &listed("x", b"x"));
    assert_eq!(house.done("a1").await.outputs.len(), 1);
    house.running("b1").await;
    let begun = std::fs::read_to_string(house.file("a1", "log.txt")).unwrap();
    assert_eq!(begun, "begun\n");
    house.restart();
    assert_eq!(house.done("a1").await.outcome, Outcome::Succeeded);
}

#[tokio::test]
async fn an_agent_that_died_is_lost_once() {
    let mut house = House::new(1);
    house.start("r1-train", 1).await;
    house.running("r1-train").await;
    house.play("r1-train", "kill -9 $$");
    let result = house.done("r1-train").await;
    let failure = result.failure.unwrap();
    assert_eq!(
        (failure.kind, failure.step.as_str()),
        (FailureKind::Lost, "train")
    );
    assert_eq!(
        (result.tail, result.duration_ms),
        (vec!["epoch 1".to_owned()], 2_000)
    );
    house.restart();
    assert_eq!(house.backend.tend().await, ["r1-train"]);
    assert!(house.backend.tend().await.is_empty());
    let begun = std::fs::read_to_string(house.file("r1-train", "log.txt")).unwrap();
    assert_eq!(begun, "begun\n");
}

#[tokio::test]
async fn an_agent_that_died_while_nobody_looked_is_lost() {
    let mut house = House::new(1);
    house.start("r1-train", 1).await;
    house.running("r1-train").await;
    house.play("r1-train", "kill -9 $$");
    house.restart();
    assert_eq!(house.failure("r1-train").await.0, FailureKind::Lost);
}

#[tokio::test]
async fn an_agent_that_never_begins_is_started_three_times() {
    let house = House::new(1);
    std::fs::write(house.dir.path().join("parts/r1-train.fails"), "").unwrap();
    house.start("r1-train", 1).await;
    let (kind, message) = house.failure("r1-train").await;
    assert_eq!(kind, FailureKind::Lost);
    assert!(message.contains("no agent could be started"), "{message}");
    let started = std::fs::read_to_string(house.file("r1-train", "started.json")).unwrap();
    assert!(started.contains("\"attempts\": 3"), "{started}");
}

#[tokio::test]
async fn a_cancelled_stage_ends_whether_it_waits_or_runs() {
    let house = House::new(1);
    house.start("s1", 1).await;
    house.start("s2", 1).await;
    house.running("s1").await;
    house.backend.cancel("s2").await.unwrap();
    assert_eq!(house.done("s2").await.outcome, Outcome::Cancelled);
    assert!(!house.file("s2", "log.txt").exists());
    std::fs::write(
        house.file("s1", "success.json"),
        SUCCESS.replace("ID", "s1").replace("OUTPUTS", ""),
    )
    .unwrap();
    house.backend.cancel("s1").await.unwrap();
    assert_eq!(house.done("s1").await.outcome, Outcome::Cancelled);
    // Neither changes what is over, nor what never was.
    house.backend.cancel("s1").await.unwrap();
    house.backend.cancel("none").await.unwrap();
    assert_eq!(house.backend.view("none"), StageView::Unknown);
}

/// A stage's name and script, its list of outputs, and words of the failure that follows.
type Case<'a> = (&'a str, &'a str, String, &'a str);

async fn check_failures(kind: FailureKind, cases: &[Case<'_>]) {
    let house = House::new(cases.len());
    std::fs::write(house.dir.path().join("secret"), "outside").unwrap();
    for (stage, _, _, _) in cases {
        house.start(stage, 1).await;
    }
    for (stage, script, outputs, words) in cases {
        house.running(stage).await;
        house.succeed(stage, script, outputs);
        let (seen, message) = house.failure(stage).await;
        assert!(
            seen == kind && message.contains(words),
            "{stage}: {seen:?} {message}"
        );
    }
    let secret = Digest::of(b"outside");
    assert!(!house.artifacts.has(&secret).await.unwrap());
}

#[tokio::test]
async fn a_result_that_cannot_be_meant_is_a_failure() {
    let twice = [listed("x", b"x"), listed("x", b"x")].join(",");
    let up = listed("../../../secret", b"outside");
    let huge = "head -c 1100000 /dev/zero | tr '\\0' ' ' > $dir/success.json";
    let other = "sed -i s/other/another/ $dir/success.json";
    let undone = "sed -i s/exit_code.:0/exit_code\\\":1/ $dir/success.json";
    let none = String::new;
    check_failures(
        FailureKind::Agent,
        &[
            ("traversal", "", up, "cannot understand"),
            ("absolute", "", listed("/etc/x", b""), "cannot understand"),
            ("twice", "printf x > x", twice, "twice"),
            ("huge", huge, none(), "larger than"),
            ("other", other, none(), "another stage"),
            ("undone", undone, none(), "did not all end well"),
        ],
    )
    .await;
}

#[tokio::test]
async fn an_output_that_is_not_what_the_result_says_is_a_failure() {
    let link = "ln -s ../../../../secret x";
    let behind = "ln -s ../../../.. d";
    let (leads, through) = (listed("x", b"outside"), listed("d/secret", b"outside"));
    check_failures(
        FailureKind::Corrupt,
        &[
            ("missing", "", listed("x", b"x"), "cannot be kept"),
            ("digest", "printf y > x", listed("x", b"x"), "the digest"),
            ("size", "printf xx > x", listed("x", b"x"), "has 2 bytes"),
            ("link", link, leads, "link"),
            ("behind", behind, through, "link"),
            ("pipe", "mkfifo x", listed("x", b""), "regular"),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_status_that_cannot_be_read_is_passed_over() {
    let house = House::new(1);
    house.start("s1", 1).await;
    house.running("s1").await;
    std::fs::write(house.file("s1", "status.json"), vec![b' '; 2 << 20]).unwrap();
    house
        .until(
            "s1",
            |view| matches!(view, StageView::Running(status) if status.phase == Phase::Fetching),
        )
        .await;
    house.succeed("s1", "", "");
    house.done("s1").await;
}

#[tokio::test]
async fn what_cannot_be_given_is_refused() {
    let house = House::new(1);
    let mut missing = plan("s1", 1);
    missing.models = vec![model(b"nowhere")];
    let mut other = plan("s1", 1);
    other.models = vec![ModelFiles {
        digest: Digest::of(b"other"),
        ..model(b"nowhere")
    }];
    let mut cases = vec![
        (missing, "model `live`"),
        (missing_digest(), "sha256:"),
        (other, "does not have the digest"),
    ];
    cases.extend(
        ["", "../x", "a/b", "a.b", "a b"].map(|stage| (plan(stage, 1), "is not the id of a stage")),
    );
    for (plan, words) in cases {
        match house.backend.start(&plan, house.snapshot("x")).await {
            Err(StartError::Refused(reason)) => assert!(reason.contains(words), "{reason}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(house.backend.view(&plan.stage), StageView::Unknown);
    }
    assert!(
        house
            .backend
            .log_path("../x")
            .starts_with(house.dir.path().join("state/runs"))
    );
}

fn missing_digest() -> StagePlan {
    let mut plan = plan("s1", 1);
    plan.models = vec![model(b"nowhere")];
    plan
}

#[tokio::test]
async fn sweeping_keeps_what_pages_show() {
    let mut house = House::new(2);
    house.start("s1", 1).await;
    house.start("s2", 1).await;
    house.running("s1").await;
    house.running("s2").await;
    house.succeed("s1", "printf x > x", &listed("x", b"x"));
    house.done("s1").await;
    house.backend.tend().await;
    house.backend.sweep(Duration::from_secs(3_600)).await;
    assert!(house.file("s1", "outputs/x").exists());
    house.backend.sweep(Duration::ZERO).await;
    for (name, stays) in [
        ("log.txt", true),
        ("result.json", true),
        ("spec.json", true),
        ("outputs", false),
        ("snapshot.tar", false),
    ] {
        assert_eq!(house.file("s1", name).exists(), stays, "{name}");
    }
    assert!(house.file("s2", "outputs").exists() && house.file("s2", "snapshot.tar").exists());
    house.restart();
    assert_eq!(house.backend.tend().await, ["s2"]);
    assert_eq!(house.done("s1").await.outcome, Outcome::Succeeded);
}
