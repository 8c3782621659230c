//! What holds for every contract, whatever its kind.

use super::*;
use crate::contexts::Unknown;
use crate::habits::{Compatibility, Switch};
use proptest::prelude::*;

#[test]
fn every_problem_is_told_at_once_with_its_place() {
    check(
        "kind: training\nmodle: digits\nservice: octo/digits-service\nsteps:\n  - nmae: train\n    run: python train.py && rm x\n    \
         timeout: 30\n    resources: {cpu: lots, memory: 1Gib}\n    env: {PORT: 1, BOWSPRIT_X: 2, a-b: 3}\n",
        expect![[r#"
            1:1 `model` is missing in the training contract: the name of the model, such as `model: digits`
            1:1 `evaluate` is missing in the training contract: write `evaluate: {run: [python, evaluate.py], data: [holdout/]}` for an independent evaluation on held-out data, or `evaluate: self` to trust the figures that training reports
            2:1 unknown key `modle` in the training contract, did you mean `model`? (allowed: kind, model, service, runtime, steps, evaluate, gates, retire_judge, checks, triggers, chatops)
            3:10 `service`: write the repository's name without its owner, both belong to the same one
            5:5 unknown key `nmae` in a step, did you mean `name`? (allowed: name, run, image, resources, timeout, env, secrets, network)
            5:5 `name` is missing in a step: such as `name: train`
            6:10 `run` of a step: `&&` needs a shell and none is used; put the line into a script, or write a list
            7:14 `timeout` of a step: write a span of time such as `5s`, `30m`, `72h` or `1h30m`
            8:22 `cpu`: write cores such as `1`, `0.5` or `250m`, at most 256
            8:36 `memory`: write an amount of memory such as `512Mi`, `1Gi` or `500M`, from 1Mi to 4Ti
            9:11 `PORT` is set by Bowsprit or the system, choose another name
            9:20 `BOWSPRIT_X` is set by Bowsprit or the system, choose another name
            9:35 `a-b` is no name of an environment variable: letters, digits and `_`, first no digit"#]],
    );
}

#[test]
fn structure_is_strict() {
    check("", expect!["1:1 the file is empty"]);
    check(
        "- a\n",
        expect!["1:1 the contract must be a mapping, not a list"],
    );
    check(
        "kind: [\n",
        expect!["1:7 this is not YAML: unclosed bracket '['"],
    );
    check(
        "kind: training\nkind: service\n",
        expect!["2:1 `kind` stands here twice, first on line 1"],
    );
    check(
        "kind: model\nserve: 1\n",
        expect![[r#"
        1:1 `models` is missing in the service contract: the model to serve, such as `digits: {from: digits-training}`
        1:1 `environments` is missing in the service contract: where the service runs, such as `{preview: {ttl: 72h}, staging: {tracks: main}}`
        1:7 `kind` must be `training` or `service`
        2:8 `serve` must be a mapping of run, ready, predict, test, resources, env, ready_timeout, score, not a single value"#]],
    );
    trained(
        "model: digits",
        "model: !!str digits",
        expect!["2:14 tags (`!…`) are not supported"],
    );
    trained(
        "model: digits",
        "model: digits\n<<: {a: b}",
        expect!["3:1 merge keys (`<<`) are not supported, write the keys out"],
    );
    trained(
        "model: digits",
        "model: *nobody",
        expect!["2:8 this is not YAML: while parsing node, found unknown anchor"],
    );
    check(
        &format!("{TRAINING}---\nkind: training\n"),
        expect!["22:1 only one document is read, remove the second `---`"],
    );
    check(
        &format!("a: {}1{}", "[".repeat(20), "]".repeat(20)),
        expect!["1:19 nested deeper than 16 levels"],
    );
    check(
        &"x".repeat(CONTRACT_BYTES_MAX + 1),
        expect!["1:1 the file has 262145 bytes, at most 262144 are read"],
    );
}

#[test]
fn alias_bombs_are_refused_and_plain_aliases_are_not() {
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
                d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n";
    check(bomb, expect!["4:29 more than 10000 values"]);
    check(
        "a: &a [*a]\n",
        expect!["1:8 an alias may not stand inside the value that it repeats"],
    );
    let twice = "env: &env {EPOCHS: \"20\"}\n  - {name: again, run: [x], env: *env}\n  - name: last\n    run: [x]";
    trained("env: {EPOCHS: \"20\"}", twice, expect![["fine"]]);
}

#[test]
fn a_runtime_is_of_one_kind() {
    let python = "python: \"3.11\", requirements: requirements.lock";
    trained(python, "rust: Cargo.lock", expect![["fine"]]);
    trained(python, "rust: engine/Cargo.lock", expect![["fine"]]);
    trained(
        python,
        "rust: Cargo.toml",
        expect!["4:17 `rust` names the lock file of a cargo workspace, such as `Cargo.lock`"],
    );
    trained(
        python,
        "rust: ../Cargo.lock",
        expect![
            "4:17 `rust`: `../Cargo.lock` is not a path: relative, at most 400 characters, without `..`, empty parts, backslashes or control characters"
        ],
    );
    trained(
        python,
        "rust: Cargo.lock, python: \"3.11\"",
        expect!["4:17 `rust` says what is in the runtime; take it alone"],
    );
    trained(
        "python: \"3.11\"",
        "python: 2.7",
        expect![[r#"4:19 `python`: write major and minor version, such as "3.11""#]],
    );
    trained(
        "python: \"3.11\", ",
        "",
        expect![[
            r#"4:10 `python` is missing in `runtime`: the least version, such as `python: "3.11"`"#
        ]],
    );
}

#[test]
fn schema_names_the_keys_that_the_reader_takes() {
    let schema = schema();
    let keys = |name: &str| -> BTreeMap<String, ()> {
        let properties = schema["$defs"][name]["properties"]
            .as_object()
            .expect("properties");
        properties.keys().map(|key| (key.clone(), ())).collect()
    };
    let check = |name: &str, known: &[&str]| {
        let known = known.iter().map(|key| ((*key).to_owned(), ())).collect();
        assert_eq!(keys(name), known, "{name}");
    };
    check("training", &training::KEYS);
    check("chatops", &chatops::keys());
    let contexts = &schema["$defs"]["chatops"]["properties"]["contexts"]["properties"];
    let contexts = contexts.as_object().expect("properties").keys();
    let mut known = contexts::CONTEXTS_KEYS;
    known.sort_unstable();
    assert_eq!(contexts.collect::<Vec<_>>(), known);
    check("step", &training::STEP_KEYS);
    check("judge", &training::JUDGE_KEYS);
    check("triggers", &training::TRIGGER_KEYS);
    check("service", &service::KEYS);
    check("serve", &service::SERVE_KEYS);
    check("environment", &service::ENVIRONMENT_KEYS);
    check("deploy", &deploy::DEPLOY_KEYS);
    check("model", &service::MODEL_KEYS);
    check("check", &shared::CHECK_KEYS);
    check("resources", &shared::RESOURCE_KEYS);
    check("runtime", &runtime::RUNTIME_KEYS);
    check("base", &runtime::BASE_KEYS);
    let gate = schema["$defs"]["gate"]["oneOf"][1]["properties"]
        .as_object()
        .expect("properties");
    assert_eq!(gate.len(), training::GATE_KEYS.len());
    assert!(
        training::GATE_KEYS
            .iter()
            .all(|key| gate.contains_key(*key))
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reading_any_text_ends_without_panic(text in "[\\PC\n\t]{0,200}") {
        let _ = parse(&text);
    }

    #[test]
    fn a_damaged_contract_is_told_or_read(at in 0..SERVICE.len(), with in "[ -~\n]{0,3}") {
        let mut text = SERVICE.to_owned();
        text.insert_str(at, &with);
        if let Err(problems) = parse(&text) {
            prop_assert!(!problems.is_empty());
            prop_assert!(problems.iter().all(|problem| problem.line >= 1 && problem.column >= 1 && problem.line <= 30));
        }
    }
}

#[test]
fn a_conda_file_stands_alone() {
    let python = "{python: \"3.11\", requirements: requirements.lock}";
    trained(python, "{conda: environment.yml}", expect!["fine"]);
    trained(
        python,
        "{conda: environment.yml, python: \"3.11\"}",
        expect!["4:18 `conda` says what is in the runtime; take it alone"],
    );
    let outside = TRAINING.replacen(python, "{conda: ../environment.yml}", 1);
    assert!(parse(&outside).is_err());
}

#[test]
fn commands_follow_what_the_contract_says() {
    let before = "kind: training\n";
    let chatops = |lines: &str| format!("{before}chatops: {lines}\n");
    let good = "{compatibility: prow, review_acts_as_lgtm: true, labels: [Tide/Low], restricted_labels: {Secret: [Ada]}, not_ours: [/assign]}";
    trained(before, &chatops(good), expect!["fine"]);
    let contract = parse(&TRAINING.replacen(before, &chatops(good), 1)).expect("it is fine");
    let said = contract.chatops();
    assert_eq!(said.compatibility, Some(Compatibility::Prow));
    assert_eq!(said.switches.get(&Switch::ReviewActsAsLgtm), Some(&true));
    let labels = said.labels.as_ref().expect("they stand there");
    let restricted = said.restricted.as_ref().expect("they stand there");
    assert!(labels.contains("tide/low") && restricted.contains_key("secret"));
    let lists = "{contexts: {required: [CI/x], required_if_present: [], optional: ['a b'], unknown: require}}";
    let contract = parse(&TRAINING.replacen(before, &chatops(lists), 1)).expect("it is fine");
    let said = contract.chatops().contexts.clone();
    assert_eq!(said.required().collect::<Vec<_>>(), ["CI/x"]);
    assert!(said.if_present.is_some_and(|all| all.is_empty()));
    assert_eq!(said.unknown, Some(Unknown::Require));
    trained(
        before,
        &chatops(
            "{contexts: {required: [a, ''], required_if_present: b, optional: [a], unknown: wait, mandatory: []}}",
        ),
        expect![[r#"
            2:36 a context: must have 1 to 255 characters, none of them a control character
            2:62 `required_if_present` must be a list, not a single value
            2:76 the context `a` stands in another list too; leave it in one
            2:89 `unknown`: `wait` is neither `require` nor `skip`
            2:95 unknown key `mandatory` in `contexts` (allowed: required, required_if_present, optional, unknown)"#]],
    );
    served(
        "kind: service\n",
        "kind: service\nchatops: {compatibility: prow}\n",
        expect!["fine"],
    );
    trained(
        before,
        &chatops(
            "{compatibility: tide, raw_txt: true, sticky_approve: 1, labels: ['', 1], restricted_labels: {a: [b c]}, not_ours: [/sleep]}",
        ),
        expect![[r#"
            2:26 `compatibility`: `tide` is neither `own` nor `prow`
            2:32 unknown key `raw_txt` in `chatops`, did you mean `raw_text`? (allowed: compatibility, raw_text, review_acts_as_lgtm, review_acts_as_approve, sticky_approve, sticky_ok_to_test, fixed_order, approve_with_words, labels_by_hand, require_issue, require_self_approval, lgtm_acts_as_approve, assign_on_lgtm, skip_collaborators, required_reviewers_block, ignore_ok_to_test, wip_titles, only_org_members, override_by_top_level_owners, merge_check, labels, restricted_labels, not_ours, sticky_lgtm, overriders, trusted_apps, ask_reviewers, merge_method, priority_labels, blocker_label, merge_tests, github_blocked, contexts)
            2:63 `sticky_approve` must be true or false
            2:75 a label: must have 1 to 50 characters, none of them a control character
            2:107 a person: `b c` is not a login: 1 to 64 letters, digits, `-` and `_`, perhaps followed by `[bot]`
            2:125 `not_ours`: `/sleep` is no command of Bowsprit's, see `/help`"#]],
    );
}
