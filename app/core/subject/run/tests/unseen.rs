//! What a step may not see, and what cannot be seen at all.

use super::judging::{started, versions};
use super::*;

#[test]
fn a_check_sees_no_held_out_data() {
    let left_out = |trigger: Trigger, own: &str| {
        let (mut world, cause) = pulled();
        world.head(TRAINING, "main", 'a');
        world.contract(TRAINING, 'b', own);
        let cause = Cause {
            what: What::Check(slug("unit")),
            trigger,
            ..cause
        };
        started(&world, &cause).leave_out
    };
    let pull = || Trigger::Pull {
        pr: PrNumber(7),
        base: sha('a'),
        retargeted_ms: None,
    };
    let again = || Trigger::Again {
        branch: Some(branch("side")),
        pr: None,
        nonce: "n".to_owned(),
    };
    let easy = TRAINING_TEXT.replace("data: [holdout/]", "data: [easy/]");
    let judge = "evaluate: {run: [python, evaluate.py], data: [holdout/]}";
    let own = TRAINING_TEXT.replace(judge, "evaluate: self");
    for trigger in [&pull as &dyn Fn() -> Trigger, &again] {
        assert_eq!(left_out(trigger(), TRAINING_TEXT), [path("holdout")]);
        assert_eq!(left_out(trigger(), &easy), [path("easy"), path("holdout")]);
        assert_eq!(left_out(trigger(), &own), [path("holdout")]);
    }
}

#[test]
fn what_cannot_be_seen_is_not_taken_for_a_first_version() {
    let ends = |live: &[(&str, u64)], change: &dyn Fn(&mut World)| {
        let (mut world, cause) = pushed();
        serving(&mut world, live);
        if live.is_empty() {
            versions(&mut world, &[]);
        }
        judged(&mut world, &cause, 0.95);
        change(&mut world);
        let run = wanted(&world, &cause).state;
        let failure = run.failure.map(|failure| (failure.step, failure.message));
        match failure {
            None => format!("{:?}", run.phase),
            Some((step, message)) => format!("{step}: {message}"),
        }
    };
    let hidden = |world: &mut World| {
        let query = Query::RepositoryNamed(repo(SERVICE).name);
        world.tell(query, Answer::Repository(None));
    };
    let contract = |text: &str| {
        let text = text.to_owned();
        move |world: &mut World| {
            world.contract(SERVICE, '1', &text);
        }
    };
    let other = SERVICE_TEXT.replace("from: digits-training", "from: other-training");
    let lost = |world: &mut World| versions(world, &[version(1, "one")]);
    let told = |live: &[(&str, u64)]| {
        [
            ends(live, &|_| ()),
            ends(live, &hidden),
            ends(live, &contract("kind: service\nmodles: {}\n")),
            ends(live, &contract("")),
            ends(live, &contract(TRAINING_TEXT)),
            ends(live, &contract(&other)),
        ]
        .join("\n")
    };
    expect![[r#"
        Succeeded
        live: the service repository `digits-service` is not shown to Bowsprit, so what is live cannot be told; install the App on it, or name another repository in `service`
        live: `bowsprit.yaml` of `o/digits-service` at `1111111` cannot be read, so what is live cannot be told; mend it: `models` is missing in the service contract: the model to serve, such as `digits: {from: digits-training}`
        Succeeded
        Succeeded
        Succeeded"#]].assert_eq(&told(&[]));
    expect![[r#"
        Failed
        live: the service repository `digits-service` is not shown to Bowsprit, so what is live cannot be told; install the App on it, or name another repository in `service`
        live: `bowsprit.yaml` of `o/digits-service` at `1111111` cannot be read, so what is live cannot be told; mend it: `models` is missing in the service contract: the model to serve, such as `digits: {from: digits-training}`
        live: `o/digits-service` has no `bowsprit.yaml`, and yet it has versions of `digits`, so which one is live cannot be told; mend that contract on the default branch
        live: `bowsprit.yaml` of `o/digits-service` at `1111111` is no service's, and yet it has versions of `digits`, so which one is live cannot be told; mend that contract on the default branch
        live: `bowsprit.yaml` of `o/digits-service` at `1111111` does not name `digits-training` as the source of `digits`, and yet it has versions of `digits`, so which one is live cannot be told; mend that contract on the default branch"#]].assert_eq(&told(&[("production", 2)]));
    expect!["live: nothing is known of v2 of `digits`, so nothing can be compared with it; bring back the tag `digits/v2` of `o/digits-service`, or have `production`, where it is live, serve another version"].assert_eq(&ends(&[("production", 2)], &lost));
    expect!["live: nothing is known of v9 of `digits`, so nothing can be compared with it; bring back the tag `digits/v9` of `o/digits-service`, or have `staging`, where it is live, serve another version"].assert_eq(&ends(&[("staging", 9)], &|_| ()));
}

#[test]
fn a_change_is_held_against_what_is_live_in_the_service_of_its_base() {
    let (mut world, cause) = pulled();
    serving(&mut world, &[("production", 2)]);
    judged(&mut world, &cause, 0.95);
    let moved = TRAINING_TEXT.replace("service: digits-service", "service: empty-service");
    world.contract(TRAINING, 'b', &moved);
    let run = wanted(&world, &cause).state;
    assert_eq!(run.live.map(|(number, _)| number), Some(2));
}
