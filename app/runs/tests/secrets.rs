//! Handing over named secrets, and clearing away what nobody took.

use super::house::{House, plan};
use crate::hands::StartError;
use bowsprit_core::effect::StagePlan;
use bowsprit_core::training::spec::{Outcome, StageKind, Trust};
use std::os::unix::fs::PermissionsExt as _;

fn naming(stage: &str, name: &str) -> StagePlan {
    let mut plan = plan(stage, 1);
    plan.steps[0].secrets = vec![name.to_owned()];
    plan
}

async fn refusal(house: &House, plan: &StagePlan) -> String {
    match house.backend.start(plan, house.snapshot(&plan.stage)).await {
        Err(StartError::Refused(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_stage_is_handed_what_it_names_as_files_of_this_user_alone() {
    let house = House::new(1);
    let plan = naming("r1-train", "KEY");
    house
        .backend
        .start(&plan, house.snapshot("r1-train"))
        .await
        .unwrap();
    house.start("r2-train", 1).await;
    let dir = house.file("r1-train", "secrets");
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        std::fs::read_to_string(dir.join("KEY")).unwrap(),
        "the value"
    );
    assert_eq!((mode(dir.clone()), mode(dir.join("KEY"))), (0o700, 0o600));
    let spec = std::fs::read_to_string(house.file("r1-train", "spec.json")).unwrap();
    assert!(
        spec.contains("\"KEY\"") && !spec.contains("the value"),
        "{spec}"
    );
    assert!(!house.file("r2-train", "secrets").exists());
}

#[tokio::test]
async fn what_is_not_mapped_or_not_trusted_is_refused() {
    let house = House::new(1);
    let why = refusal(&house, &naming("r1-train", "OTHER")).await;
    for words in [
        "step `train`",
        "`OTHER = \"/path/to/file\"`",
        "`[secrets.\"octo/digits-training\"]`",
    ] {
        assert!(why.contains(words), "{why}");
    }
    let mut untrusted = naming("r2-train", "KEY");
    untrusted.trust = Trust::Untrusted;
    let mut check = naming("r3-check", "KEY");
    check.kind = StageKind::Check;
    for plan in [untrusted, check] {
        let why = refusal(&house, &plan).await;
        assert!(why.contains("only training of trusted commits"), "{why}");
        assert!(!house.file(&plan.stage, "secrets").exists());
    }
}

#[tokio::test]
async fn what_an_agent_left_is_cleared_by_whoever_finds_its_end() {
    let mut house = House::new(1);
    for stage in ["r1-train", "r2-train", "r3-train"] {
        let plan = naming(stage, "KEY");
        house
            .backend
            .start(&plan, house.snapshot(stage))
            .await
            .unwrap();
    }
    let is_there = |house: &House, stage: &str| house.file(stage, "secrets").exists();
    house.running("r1-train").await;
    // Killed while nobody looks; then a bot comes that never saw it.
    house.play("r1-train", "kill -9 $$");
    house.restart();
    assert!(is_there(&house, "r2-train"), "it waits with its secrets");
    house.failure("r1-train").await;
    assert!(!is_there(&house, "r1-train"));
    house.running("r2-train").await;
    house.backend.cancel("r3-train").await.unwrap();
    assert_eq!(house.done("r3-train").await.outcome, Outcome::Cancelled);
    assert!(!is_there(&house, "r3-train"));
    house.succeed("r2-train", "", "");
    house.done("r2-train").await;
    assert!(!is_there(&house, "r2-train"));

    // A bot that died between the secrets and the order.
    let dir = house.file("r4-train", "secrets");
    std::fs::create_dir_all(&dir).unwrap();
    house.restart();
    assert!(!dir.exists());
}
