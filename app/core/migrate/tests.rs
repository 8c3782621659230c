//! A whole pair of files, and what becomes of every key.

mod contexts;
mod hostile;

use super::*;
use crate::contract::{Said, Setting, chatops_of, parse_part};
use crate::habits::{Compatibility, Habits, Switch};
use expect_test::{expect, expect_file};

const PLUGINS: &str = include_str!("tests/plugins.yaml");
const CONFIG: &str = include_str!("tests/config.yaml");
const JOBS: &str = include_str!("tests/jobs.yaml");

fn of(plugins: &str, config: &str, jobs: &[(&str, &str)]) -> Result<Migration, Vec<Unreadable>> {
    let source = |name, text| Source { name, text };
    let jobs: Vec<Source<'_>> = jobs
        .iter()
        .map(|(name, text)| source(*name, *text))
        .collect();
    prow(
        source("plugins.yaml", plugins),
        source("config.yaml", config),
        &jobs,
    )
}

fn good(plugins: &str, config: &str) -> Migration {
    of(plugins, config, &[]).expect("both are read")
}

/// What the server's part says for a repository, read as the server reads it.
fn habits(migration: &Migration, name: &str) -> Habits {
    let file: toml::Table = migration.server.parse().expect("it is TOML");
    let owner = name.split('/').next().expect("an owner");
    let places = [("owners", owner), ("repositories", name)];
    let mut habits = Habits::of(Compatibility::Own);
    for (section, place) in places {
        let said = file
            .get("chatops")
            .and_then(|all| all.get(section))
            .and_then(|all| all.get(place));
        let mut settings = Vec::new();
        for (key, value) in said.and_then(toml::Value::as_table).into_iter().flatten() {
            flatten(&mut settings, vec![key.clone()], value);
        }
        habits = habits.with(&chatops_of(&settings).expect("our reader takes it"));
    }
    habits
}

fn flatten(into: &mut Vec<Setting>, keys: Vec<String>, value: &toml::Value) {
    let text = |one: &toml::Value| one.as_str().map_or(one.to_string(), str::to_owned);
    let said = match value {
        toml::Value::Table(fields) => {
            for (key, value) in fields {
                let keys = keys.iter().cloned().chain([key.clone()]).collect();
                flatten(into, keys, value);
            }
            return;
        }
        toml::Value::Array(items) => Said::Many(items.iter().map(text).collect()),
        one => Said::One(text(one)),
    };
    into.push(Setting { keys, said });
}

/// How many places of a file the report has, each of them once in one of the lists.
fn keys(migration: &Migration) -> Vec<String> {
    let carried = migration.carried.iter().map(|one| one.from.key.clone());
    let left = migration.left.iter().map(|one| one.from.key.clone());
    carried.chain(left).collect()
}

#[test]
fn a_pair_of_files_is_said_in_our_words() {
    let found = of(PLUGINS, CONFIG, &[("jobs/tools.yaml", JOBS)]).expect("they are read");
    expect_file!["tests/server.toml"].assert_eq(&found.server);
    let mut contracts = String::new();
    for (name, part) in &found.contracts {
        parse_part(part).unwrap_or_else(|problems| panic!("{name}: {problems:?}\n{part}"));
        contracts.push_str(&format!("--- # {name}\n{part}"));
    }
    expect_file!["tests/contracts.txt"].assert_eq(&contracts);
    expect_file!["tests/report.txt"].assert_eq(&found.report());
    let (vision, tools) = ("fjord-labs/harbour-vision", "fjord-labs/harbour-tools");
    let (vision, tools) = (habits(&found, vision), habits(&found, tools));
    assert!(vision.has(Switch::SkipCollaborators) && !vision.has(Switch::RequireIssue));
    assert!(tools.has(Switch::OnlyOrgMembers) && tools.has(Switch::RequireIssue));
}

/// Every value of a file that nothing was told of, itself or what holds it; the places that entries name stand with what
/// the entries say.
fn untold(found: &Migration, (file, text): (&str, &str)) -> Vec<String> {
    fn leaves(spot: &Spot<'_>, into: &mut Vec<String>) {
        let fields = spot.fields().into_iter().map(|(_, inner)| inner);
        let inner: Vec<Spot<'_>> = fields.chain(spot.items()).collect();
        if inner.is_empty() && !spot.is_empty() {
            into.push(spot.key().to_owned());
        }
        inner.iter().for_each(|one| leaves(one, into));
    }
    let root = tree::read_within(text, LIMITS).expect("it is YAML");
    let mut all = Vec::new();
    leaves(&Spot::root(file, &root), &mut all);
    let told = keys(found);
    let is_told = |path: &String| {
        told.iter().any(|key| {
            let rest = path.strip_prefix(key.as_str());
            key == "(the file)"
                || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
    };
    all.retain(|path| !is_told(path) && !path.contains("].repos"));
    all
}

#[test]
fn nothing_is_dropped_silently() {
    let found = of(PLUGINS, CONFIG, &[("jobs/tools.yaml", JOBS)]).expect("they are read");
    for file in [("plugins", PLUGINS), ("config", CONFIG), ("jobs", JOBS)] {
        assert_eq!(untold(&found, file), [""; 0], "{file:?}");
    }
    // Each where something else is wanted, or where it holds nowhere.
    for plugins in [
        "- a",
        "a",
        "plugins: [a]",
        "plugins: {acme: lgtm}",
        "plugins: {acme: {plugins: lgtm, excluded_repos: 1}}",
        "approve: {repos: [acme]}",
        "approve: [{repos: ['a b'], issue_required: true}]",
        "lgtm: [acme]",
        "triggers: [{repos: [acme], trusted_apps: {a: b}}]",
        "blunderbuss: {request_count: 2}",
        "plugins: {acme: [blunderbuss]}\nblunderbuss: {request_count: x, ignore_drafts: 3}",
        "label: {additional_labels: [a], restricted_labels: {'*': [{label: x}]}}",
        "label: {restricted_labels: {acme: [{label: x}], Acme: [{label: y}]}}",
        "label: {restricted_labels: [x]}",
        "owners: [skip_collaborators]",
        "external_plugins: {acme: cherrypicker}",
    ] {
        let found = good(plugins, "{}");
        assert_eq!(untold(&found, ("plugins", plugins)), [""; 0], "{plugins}");
    }
    for config in [
        "tide: squash",
        "tide: {queries: {labels: [lgtm]}}",
        "tide: {queries: [{labels: lgtm, missingLabels: x, orgs: [a]}]}",
        "presubmits: 1",
        "presubmits: {acme: [{name: x}], acme/one: {name: x}, acme/two: [x, 1]}",
        "postsubmits: {acme/one: 1}",
        "periodics: x",
    ] {
        let found = good("{}", config);
        assert_eq!(untold(&found, ("config", config)), [""; 0], "{config}");
    }
}

/// Lines under `plugins.yaml`, and whether the switch is on in `acme/one`, and in another repository of `acme`.
const OPTIONS: &[(&str, Switch, bool, bool)] = &[
    ("", Switch::StickyApprove, true, true),
    (
        "approve: [{repos: [acme], issue_required: true}]",
        Switch::RequireIssue,
        true,
        true,
    ),
    (
        "approve: [{repos: [acme/one], issue_required: true}]",
        Switch::RequireIssue,
        true,
        false,
    ),
    // There an entry for a repository stands alone.
    (
        "approve: [{repos: [acme], issue_required: true}, {repos: [acme/one]}]",
        Switch::RequireIssue,
        false,
        true,
    ),
    (
        "approve: [{repos: [acme/one]}, {repos: [acme], issue_required: true}]",
        Switch::RequireIssue,
        false,
        true,
    ),
    (
        "approve: [{repos: [acme], ignore_review_state: true}]",
        Switch::ReviewActsAsApprove,
        false,
        false,
    ),
    (
        "approve: [{repos: [acme], ignore_review_state: true}, {repos: [acme/one]}]",
        Switch::ReviewActsAsApprove,
        true,
        false,
    ),
    (
        "approve: [{repos: [acme], lgtm_acts_as_approve: true}, {repos: [acme], lgtm_acts_as_approve: false}]",
        Switch::LgtmActsAsApprove,
        true,
        true,
    ),
    (
        "lgtm: [{repos: [ACME], review_acts_as_lgtm: true}]",
        Switch::ReviewActsAsLgtm,
        true,
        true,
    ),
    (
        "lgtm: [{review_acts_as_lgtm: true}]",
        Switch::ReviewActsAsLgtm,
        false,
        false,
    ),
    (
        "triggers: [{repos: [acme], only_org_members: true}]",
        Switch::OnlyOrgMembers,
        true,
        true,
    ),
    (
        "triggers: [{repos: [acme/one], ignore_ok_to_test: true}]",
        Switch::IgnoreOkToTest,
        true,
        false,
    ),
    (
        "owners: {skip_collaborators: [acme/one]}",
        Switch::SkipCollaborators,
        true,
        false,
    ),
    ("", Switch::WipTitles, true, true),
];

#[test]
fn options_become_switches_where_they_hold_there() {
    let on = "plugins: {acme: [approve, lgtm, trigger, wip]}\n";
    for (lines, switch, one, all) in OPTIONS {
        let found = good(&format!("{on}{lines}\n"), "{}");
        for (name, want) in [("acme/one", one), ("acme/two", all)] {
            assert_eq!(
                habits(&found, name).has(*switch),
                *want,
                "{name}: {lines}\n{}",
                found.server
            );
        }
    }
    let found = good("plugins: {acme: [lgtm], acme/one: [wip]}\n", "{}");
    assert!(habits(&found, "acme/one").has(Switch::WipTitles));
    assert!(!habits(&found, "acme/two").has(Switch::WipTitles));
}

#[test]
fn lists_and_reviewers_are_carried() {
    let found = good(
        "plugins: {acme: [blunderbuss, label], acme/one: [label]}\n\
         lgtm: [{repos: [acme], trusted_team_for_sticky_lgtm: core}, {repos: [acme/one]}]\n\
         label: {additional_labels: [a, b], restricted_labels: {'*': [{label: x, allowed_teams: [t]}], acme: [{label: y, allowed_users: [bo]}]}}\n",
        "{}",
    );
    let (one, all) = (habits(&found, "acme/one"), habits(&found, "acme/two"));
    let asked = all.ask_reviewers.clone().expect("they are asked");
    assert_eq!(
        (asked.count, asked.max, asked.ignore_drafts),
        (2, 15, false)
    );
    assert_eq!((all.labels.len(), one.labels.len()), (2, 2));
    let members: Vec<String> = all.sticky_lgtm.iter().map(ToString::to_string).collect();
    assert_eq!(members, ["acme/core"]);
    assert!(one.sticky_lgtm.is_empty());
    assert!(
        all.restricted["x"].is_empty(),
        "a team's label is nobody's until people are named"
    );
    assert_eq!(all.restricted["y"].len(), 1);
}

/// What a job says beside its name, and the check that comes of it, or why none does.
#[track_caller]
fn check(job: &str, want: expect_test::Expect) {
    let text = format!("presubmits: {{acme/one: [{{name: unit, {job}}}]}}\n");
    let found = good("{}", &text);
    let part = found.contracts.get("acme/one").cloned().unwrap_or_default();
    let lines = part.lines().filter(|line| !line.starts_with('#'));
    let mut told: Vec<String> = lines.map(str::to_owned).collect();
    told.extend(
        found
            .left
            .iter()
            .map(|one| format!("left {}: {}", one.from.key, one.why)),
    );
    want.assert_eq(&told.join("\n"));
}

#[test]
fn jobs_become_checks() {
    let spec = "spec: {containers: [{image: a, command: [run, it]}]}";
    check(
        spec,
        expect![[r#"
        checks:
        - name: unit
          run:
          - run
          - it
          always_run: false
        left presubmits.acme/one[0].spec.containers[0].image: `a` is not the name of an image: it begins with its registry, such as `docker.io/library/python@sha256:…`"#]],
    );
    check(
        &format!("always_run: false, run_if_changed: x, {spec}"),
        expect![[r#"
            checks:
            - name: unit
              run:
              - run
              - it
              run_if_changed: x
            left presubmits.acme/one[0].spec.containers[0].image: `a` is not the name of an image: it begins with its registry, such as `docker.io/library/python@sha256:…`"#]],
    );
    check(
        &format!("always_run: true, run_if_changed: x, {spec}"),
        expect![[r#"
            left presubmits.acme/one[0].spec.containers[0].image: `a` is not the name of an image: it begins with its registry, such as `docker.io/library/python@sha256:…`
            left presubmits.acme/one[0]: a check has one of `always_run`, `run_if_changed` and `skip_if_only_changed`"#]],
    );
    check(
        &format!("decoration_config: {{timeout: 1.5h}}, {spec}"),
        expect![[r#"
            checks:
            - name: unit
              run:
              - run
              - it
              always_run: false
            left presubmits.acme/one[0].decoration_config.timeout: write a span of time such as `5s`, `30m`, `72h` or `1h30m`
            left presubmits.acme/one[0].spec.containers[0].image: `a` is not the name of an image: it begins with its registry, such as `docker.io/library/python@sha256:…`"#]],
    );
}

#[test]
fn jobs_without_a_command_do_not() {
    check(
        "spec: {containers: [{image: a, command: ['']}]}",
        expect![[r#"
            left presubmits.acme/one[0].spec.containers[0].image: `a` is not the name of an image: it begins with its registry, such as `docker.io/library/python@sha256:…`
            left presubmits.acme/one[0]: `run` of a check: the program's name is empty"#]],
    );
    check(
        "agent: jenkins",
        expect!["left presubmits.acme/one[0]: it has no container"],
    );
    check(
        "name2: x, spec: {containers: [{command: [x], args: ['null', '~', 'true', '- a: b', \"two\\nlines\"]}]}",
        expect![[r#"
            checks:
            - name: unit
              run:
              - x
              - "null"
              - "~"
              - "true"
              - "- a: b"
              - |-
                two
                lines
              always_run: false
            left presubmits.acme/one[0].name2: it is not known here"#]],
    );
}

#[test]
fn names_are_made_fit_and_stay_apart() {
    let spec = "spec: {containers: [{command: [x]}]}";
    let jobs: Vec<String> = [
        "Pull_A", "pull-a", "all", "train", "1.2", "é", "unit", "unit",
    ]
    .iter()
    .map(|name| format!("{{name: '{name}', {spec}}}"))
    .chain((0..20).map(|number| format!("{{name: many-{number}, {spec}}}")))
    .collect();
    let found = good(
        "{}",
        &format!("presubmits: {{acme/one: [{}]}}\n", jobs.join(", ")),
    );
    let (_, checks) = parse_part(&found.contracts["acme/one"]).expect("our reader takes it");
    let names: Vec<String> = checks.iter().map(|check| check.name.to_string()).collect();
    assert_eq!(
        names[..7],
        [
            "pull-a",
            "pull-a-2",
            "all-check",
            "train-check",
            "check",
            "check-2",
            "unit"
        ]
    );
    assert_eq!(checks.len(), 20);
    let why = |part: &str| {
        found
            .left
            .iter()
            .filter(|one| one.why.contains(part))
            .count()
    };
    assert_eq!(why("at most 20 checks"), 7);
    assert_eq!(why("another job of this name"), 1);
}
