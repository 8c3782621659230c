//! Contracts of repositories that train.

use super::*;
use crate::training::parts::PARTS_MAX;

fn training() -> Training {
    match parse(TRAINING) {
        Ok(Contract::Training(training)) => training,
        other => panic!("not a training contract: {other:?}"),
    }
}

#[test]
fn training_contract_is_read_whole() {
    let training = training();
    let step = &training.steps[0];
    assert_eq!(step.run, ["python", "train.py"]);
    assert_eq!((step.timeout_s, step.network), (1_800, false));
    assert_eq!(
        step.resources,
        Resources {
            cpu_millis: 1_000,
            memory_bytes: 1 << 30,
            gpu: 0
        }
    );
    assert_eq!(step.env.get("EPOCHS").map(String::as_str), Some("20"));
    assert_eq!(step.secrets, ["DATASET_KEY"]);
    let Evaluate::Judge(judge) = &training.evaluate else {
        panic!("no judge");
    };
    assert_eq!(judge.data, [path("holdout")]);
    assert_eq!(
        training.gates[0].with.get("min"),
        Some(&serde_json::json!(0.95))
    );
    assert_eq!(
        training.gates[0].with.get("metric"),
        Some(&serde_json::json!("accuracy"))
    );
    assert_eq!(training.gates[2].mode, crate::gate::Mode::Warn);
    assert_eq!(
        training.checks[0].when,
        CheckWhen::RunIfChanged(r"\.py$".to_owned())
    );
    assert!(
        training
            .triggers
            .ignores(&[path("a.md"), path("docs/b.md")])
    );
    assert!(!training.triggers.ignores(&[path("a.md"), path("train.py")]));
    assert!(!training.triggers.ignores(&[]));
}

#[test]
fn defaults_are_what_the_types_say() {
    let text = "kind: training\nmodel: m\nservice: s\nsteps: [{name: a, run: python 'a b.py' --x=1}]\nevaluate: self\n";
    let Ok(Contract::Training(training)) = parse(text) else {
        panic!("not read");
    };
    assert_eq!(training.steps[0].run, ["python", "a b.py", "--x=1"]);
    assert_eq!(training.steps[0].resources, Resources::default());
    assert_eq!(training.evaluate, Evaluate::SelfReported);
    assert_eq!(
        training
            .triggers
            .push
            .iter()
            .map(BranchName::as_str)
            .collect::<Vec<_>>(),
        ["main"]
    );
    assert!(
        training.triggers.pull_request && training.runtime.is_none() && training.gates.is_empty()
    );
}

#[test]
fn a_judge_is_retired_by_its_digest() {
    let retired = |digits: &str| {
        let text = format!("{TRAINING}retire_judge: {digits}\n");
        match parse(&text) {
            Ok(Contract::Training(training)) => training.retire_judge,
            other => panic!("not read: {other:?}"),
        }
    };
    let whole = "51b0c9e2f7d84a6390ee1c7740ab35d2268c9f03e4b17a5dd06f8832c1e94b77";
    for digits in ["51b0c9e2f7d8", "510009020708", whole] {
        assert_eq!(retired(digits).as_deref(), Some(digits));
        assert_eq!(
            retired(&format!("sha256:{digits}")).as_deref(),
            Some(digits)
        );
    }
    assert_eq!(training().retire_judge, None);
    for digits in ["51b0c9e2f7d", "51B0C9E2F7D8", "all", &format!("{whole}0")] {
        let text = format!("{TRAINING}retire_judge: {digits}\n");
        assert!(parse(&text).is_err(), "{digits}");
    }
    trained(
        "gates:",
        "retire_judge: old\ngates:",
        expect![
            "15:15 `retire_judge`: `old` is no judge: give the first 12 or more hex digits of its digest, as a check or a manifest shows it"
        ],
    );
}

#[test]
fn evaluation_must_be_chosen() {
    trained(
        "evaluate:\n  run: [python, evaluate.py]\n  data: [holdout/]\n",
        "",
        expect![
            "1:1 `evaluate` is missing in the training contract: write `evaluate: {run: [python, evaluate.py], data: [holdout/]}` for an independent evaluation on held-out data, or `evaluate: self` to trust the figures that training reports"
        ],
    );
    trained(
        "evaluate:\n  run: [python, evaluate.py]\n  data: [holdout/]\n",
        "evaluate: yes\n",
        expect![
            "12:11 `evaluate` must be a mapping or `self`: write `evaluate: {run: [python, evaluate.py], data: [holdout/]}` for an independent evaluation on held-out data, or `evaluate: self` to trust the figures that training reports"
        ],
    );
    trained(
        "  data: [holdout/]\n",
        "  network: true\n",
        expect![[r#"
        13:3 `data` is missing in `evaluate`: the held-out files or folders, such as `[holdout/]`
        14:3 unknown key `network` in `evaluate` (allowed: run, data, code, resources, timeout, env)"#]],
    );
    trained("data: [holdout/]", "data: holdout", expect![["fine"]]);
    trained(
        "  data: [holdout/]\n",
        "  data: [holdout/]\n  code: [scoring/, evaluate.py]\n",
        expect![["fine"]],
    );
    trained(
        "  data: [holdout/]\n",
        "  data: [holdout/]\n  code: []\n",
        expect!["15:9 `code` needs at least one file or folder"],
    );
    trained(
        "runtime: {python: \"3.11\", requirements: requirements.lock}",
        "runtime: {dockerfile: Dockerfile}",
        expect![["fine"]],
    );
    let code = TRAINING.replace(
        "  data: [holdout/]\n",
        "  data: [holdout/]\n  code: evaluate.py\n",
    );
    let image = "runtime: {dockerfile: Dockerfile}";
    check(
        &code.replace(
            "runtime: {python: \"3.11\", requirements: requirements.lock}",
            image,
        ),
        expect![
            "15:9 `code` cannot say what a Dockerfile's image holds; leave it out, so that every file counts, or take a runtime of another kind"
        ],
    );
    trained(
        "data: [holdout/]",
        "data: [../x, /etc/]",
        expect![[r#"
        14:10 `data`: `../x` is not a path: relative, at most 400 characters, without `..`, empty parts, backslashes or control characters
        14:16 `data`: `/etc` is not a path: relative, at most 400 characters, without `..`, empty parts, backslashes or control characters"#]],
    );
    trained(
        "data: [holdout/]",
        "data: []",
        expect!["14:9 `data` needs at least one file or folder"],
    );
}

#[test]
fn names_of_secrets_are_checked() {
    trained(
        "secrets: [DATASET_KEY]",
        "secrets: [EPOCHS, A, A, PATH]",
        expect![[r#"
        11:15 `EPOCHS` is already set for this step
        11:26 `A` is already set for this step
        11:29 `PATH` is set by Bowsprit or the system, choose another name"#]],
    );
    trained(
        "env: {EPOCHS: \"20\"}",
        "env: {DATASET_KEY_FILE: x, SECRETS_DIR: y}",
        expect![[r#"
        10:32 `SECRETS_DIR` is set by Bowsprit or the system, choose another name
        11:15 `DATASET_KEY_FILE` is the secret's file; take it out of `env`"#]],
    );
}

#[test]
fn steps_and_gates_are_checked() {
    trained(
        "run: [python, train.py]",
        "run: []",
        expect!["7:10 `run` of a step: the command is empty"],
    );
    trained(
        "run: [python, train.py]",
        "run: \"python 'x\"",
        expect!["7:10 `run` of a step: a quote is not closed"],
    );
    trained(
        "run: [python, train.py]",
        "run: [python, [x]]",
        expect!["7:19 an argument of `run` of a step must be a text, not a list"],
    );
    trained("gpu: 0", "gpu: 1", expect![["fine"]]);
    trained(
        "gpu: 0",
        "gpu: -1",
        expect!["8:43 `gpu` must be a whole number from 0 to 16"],
    );
    trained(
        "mode: warn",
        "mode: maybe",
        expect!["18:40 `mode` must be `block` or `warn`"],
    );
    trained(
        "min: 0.95",
        "min: {a: 1}, 9x: 1",
        expect![[r#"
        16:52 a parameter must be a number, a text, a boolean or a list of such
        16:60 `9x` is no name of a parameter: letters, digits and `_`, first no digit"#]],
    );
    trained(
        "steps:\n",
        "steps: []\nxsteps:\n",
        expect![[r#"
            5:8 `steps` needs at least one step
            6:1 unknown key `xsteps` in the training contract, did you mean `steps`? (allowed: kind, model, service, runtime, steps, evaluate, gates, retire_judge, checks, triggers, chatops)"#]],
    );
    trained(
        "timeout: 30m",
        "timeout: 0s",
        expect!["9:14 `timeout` of a step must be from 1s to 7d"],
    );
    trained(
        "push: [main]",
        "push: [-x]",
        expect![
            "21:19 `push`: `-x` is not a branch name: as git allows, at most 200 characters, not starting with `-`"
        ],
    );
    trained(
        "\"**.md\"",
        "\"[a]\"",
        expect![
            "21:61 `paths-ignore`: `[` has no meaning in a path pattern; `*`, `**` and `?` have"
        ],
    );
}

#[test]
fn checks_have_one_condition_and_a_name_of_their_own() {
    let before = "- {name: unit, run: [python, -m, pytest, -q], run_if_changed: '\\.py$'}";
    trained(
        before,
        "- {name: all, run: [x], run_if_changed: a, skip_if_only_changed: b}",
        expect![[r#"
        20:5 a check has one of `always_run`, `run_if_changed` and `skip_if_only_changed`
        20:12 `all` means something else to `/test`, choose another name"#]],
    );
    trained(
        before,
        "- {name: a, run: [x], always_run: false}\n  - {name: a, run: [y], runtime: {python: 2}}",
        expect![[r#"
            21:12 `name` of a check: `a` stands here twice
            21:43 `python`: write major and minor version, such as "3.11""#]],
    );
    trained(
        before,
        "- {name: a, run: [x], runtime: {rust: Cargo.lock}}",
        expect![["fine"]],
    );
    trained(
        before,
        "- {name: a, run: [x], run_if_changed: '('}",
        expect!["20:41 `run_if_changed`: not a regular expression: unclosed group"],
    );
    trained(
        before,
        "- {name: a, run: [x], always_run: true}",
        expect![["fine"]],
    );
}

#[test]
fn check_conditions_look_at_the_changed_paths() {
    let (py, md) = (path("a/b.py"), path("README.md"));
    let run_if = CheckWhen::RunIfChanged(r"\.py$".to_owned());
    assert!(
        run_if.applies(&[md.clone(), py.clone()]) && !run_if.applies(std::slice::from_ref(&md))
    );
    let skip_if = CheckWhen::SkipIfOnlyChanged(r"\.md$".to_owned());
    assert!(skip_if.applies(&[md.clone(), py]) && !skip_if.applies(&[md]));
    assert!(CheckWhen::Always.applies(&[]));
}

#[test]
fn a_step_may_name_its_image_by_digest() {
    let image = format!("registry.example/a@sha256:{}", "0".repeat(64));
    let text = TRAINING.replacen(
        "run: [python, train.py]",
        &format!("image: \"{image}\"\n    run: [python, train.py]"),
        1,
    );
    let Ok(Contract::Training(read)) = parse(&text) else {
        panic!("not read");
    };
    assert_eq!(
        read.steps[0].image,
        crate::image::reference::Pinned::parse(&image).ok()
    );
    assert_eq!(training().steps[0].image, None);
    for (image, told) in [
        (
            "registry.example/a:latest",
            expect![
                "7:12 `image` of a step: `registry.example/a:latest` is not the name of an image: a tag may name another image tomorrow; write the digest, such as `registry.example/team/image@sha256:…`"
            ],
        ),
        (
            "[a]",
            expect!["7:12 `image` of a step must be a text, not a list"],
        ),
    ] {
        trained(
            "run: [python, train.py]",
            &format!("image: {image}\n    run: [python, train.py]"),
            told,
        );
    }
    trained(
        "run: [python, train.py]",
        "run: [python, train.py]\n    imag: x",
        expect![
            "8:5 unknown key `imag` in a step, did you mean `image`? (allowed: name, run, image, resources, timeout, env, secrets, network)"
        ],
    );
}

#[test]
fn steps_change_their_image_a_few_times_only() {
    let steps = |count: usize| {
        let step = |number: usize| {
            let digest = format!("{number:064x}");
            format!(
                "  - {{name: s{number}, image: \"registry.example/a@sha256:{digest}\", run: [x]}}\n"
            )
        };
        let steps: String = (0..count).map(step).collect();
        format!("kind: training\nmodel: digits\nservice: s\nsteps:\n{steps}evaluate: self\n")
    };
    // One container more does what comes after the steps.
    check(&steps(PARTS_MAX - 1), expect!["fine"]);
    check(
        &steps(PARTS_MAX),
        expect![
            "5:3 `steps` change their image too often: 11 containers follow each other, the last for what comes after the steps, and at most 10 may; put steps of one image next to each other"
        ],
    );
    let same = (0..15).fold(steps(15), |text, number| {
        text.replace(&format!("{number:064x}"), &"1".repeat(64))
    });
    check(&same, expect!["fine"]);
}
