//! A service with several models: each with its own version and its own path.

use super::*;
use crate::effect::{DeployPlan, Effect};

const TEXT: &str = "kind: service
models:
  digits: {from: digits-training}
  cats: {from: cats-training, predict: /v1/cats}
serve: {run: [python, -m, zoo], predict: /v1/digits}
environments:
  staging: {tracks: main}
  production: {after: staging, soak: 10m}
";

fn at(name: &str, number: u64, bytes: &str) -> ModelAt {
    let mut at = model_at(name, number, bytes);
    at.samples = vec![Sample {
        input: serde_json::json!({ "of": name }),
        output: serde_json::json!({}),
        tolerance: 0.0,
    }];
    at
}

fn deployed(models: Vec<ModelAt>) -> (Environment, DeployPlan) {
    let mut world = World::pair();
    world.contract(SERVICE, '1', TEXT);
    world.tell(Query::Models(SERVICE, sha('1')), Answer::Models(models));
    let act = look(&world, "staging", &given(None, vec![]));
    let plan = act.intents.iter().find_map(|intent| match &intent.effect {
        Effect::Deploy(plan) => Some((**plan).clone()),
        _ => None,
    });
    (act.state, plan.expect("a deployment"))
}

#[test]
fn each_model_is_held_against_its_samples_at_its_path() {
    let models = vec![at("cats", 3, "meow"), at("digits", 8, "one")];
    let (state, plan) = deployed(models);
    assert_eq!(state.wanted.unwrap().shown(), "cats v3, digits v8");
    let names: Vec<_> = plan
        .models
        .iter()
        .map(|m| (&m.name[..], m.version))
        .collect();
    assert_eq!(names, [("cats", Some(3)), ("digits", Some(8))]);
    let serve = plan.serve.unwrap();
    let sets = serve.sample_sets.iter();
    let asked: Vec<_> = sets
        .map(|set| {
            (
                &set.predict[..],
                set.samples[0].input["of"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(asked, [("/v1/cats", "cats"), ("/v1/digits", "digits")]);
}

#[test]
fn a_service_starts_with_the_models_that_have_a_version() {
    let (state, plan) = deployed(vec![at("digits", 8, "one"), at("birds", 1, "tweet")]);
    assert_eq!(
        state.wanted.unwrap().shown(),
        "v8",
        "no contract names birds"
    );
    assert_eq!(plan.serve.unwrap().sample_sets.len(), 1);
    assert_eq!(deployed(Vec::new()).1.serve, None, "it waits for the first");
}

#[test]
fn a_version_is_named_with_its_model() {
    let zoo = |cats: u64, digits: u64| {
        let of = |version, bytes: &str| ModelRef {
            version,
            digest: model_files(bytes).digest,
        };
        Release {
            id: format!("rel-{cats}-{digits}"),
            commit: sha('1'),
            models: [
                (slug("cats"), of(cats, "meow")),
                (slug("digits"), of(digits, "one")),
            ]
            .into(),
        }
    };
    let before = [zoo(1, 2), zoo(2, 2)];
    for (version, told) in [
        (Some("cats/v1"), Ok("cats v1, digits v2")),
        (Some("digits/v2"), Ok("cats v2, digits v2")),
        (None, Ok("cats v2, digits v2")),
        (
            Some("2"),
            Err(
                "there are several models here; name the one that is meant: `cats/v2` or `digits/v2`",
            ),
        ),
        (
            Some("digits/v1"),
            Err("there is no such release to go back to"),
        ),
        (
            Some("birds/v2"),
            Err("there is no such release to go back to"),
        ),
    ] {
        let (mut world, _) = chain(NOW_MS);
        gateway(&mut world, "production", 1, RolloutPhase::Live);
        let state = serves("production", &before, &zoo(2, 3), 0);
        let hint = rollback("rita", 9, version, false);
        let told_now = super::told(&look(&world, "production", &given(Some(state), vec![hint])));
        let wanted = match told {
            Ok(release) => format!("propose Roll back production to {release} on"),
            Err(why) => format!("reply on #5: {why}"),
        };
        assert!(told_now.contains(&wanted), "{version:?}: {told_now}");
    }
}
