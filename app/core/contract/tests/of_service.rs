//! Contracts of repositories that serve.

use super::*;

fn service() -> Service {
    match parse(SERVICE) {
        Ok(Contract::Service(service)) => service,
        other => panic!("not a service contract: {other:?}"),
    }
}

#[test]
fn service_contract_is_read_whole() {
    let service = service();
    assert_eq!(
        (service.serve.ready.as_str(), service.serve.predict.as_str()),
        ("/readyz", "/v1/predict")
    );
    assert_eq!(
        (
            service.serve.resources.cpu_millis,
            service.serve.ready_timeout_s
        ),
        (250, 60)
    );
    let names: Vec<&str> = service
        .environments
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(names, ["preview", "staging", "production"]);
    assert_eq!(
        service.environments[0].role,
        Role::Preview {
            ttl_ms: 72 * 3_600_000
        }
    );
    let Role::After {
        environment,
        approvals,
        soak_ms,
        windows,
    } = &service.environments[2].role
    else {
        panic!("no promotion");
    };
    assert_eq!(
        (environment.as_str(), *approvals, *soak_ms, windows.len()),
        ("staging", 1, 600_000, 1)
    );
    let staging = &service.environments[1];
    assert_eq!(
        (
            staging.auth,
            staging.queue,
            staging.concurrency,
            staging.allow_self_reported
        ),
        (true, 10, 8, false)
    );
    assert_eq!(staging.replicas, Replicas { min: 1, max: 1 });
    assert!(
        service
            .environment(&Slug::parse("staging").expect("name"))
            .is_some()
    );
}

#[test]
fn a_server_has_no_graphics_processor() {
    served("memory: 256Mi}", "memory: 256Mi, gpu: 0}", expect!["fine"]);
    served(
        "memory: 256Mi}",
        "memory: 256Mi, gpu: 1}",
        expect![
            "8:14 `gpu` is for steps, the judge and checks; a server serves without one: leave `gpu` out here"
        ],
    );
}

#[test]
fn environments_have_one_role_each() {
    let production = "{after: staging, approvals: 1, soak: 10m, windows: [\"Mon-Thu 09:00-16:00 Europe/Madrid\"]}";
    served(
        production,
        "{after: nowhere, approvals: 99, soak: long, windows: [never]}",
        expect![[r#"
        12:23 `after` must name an environment that stands above, `nowhere` does not
        12:43 `approvals` must be a whole number from 0 to 10
        12:53 `soak`: write a span of time such as `5s`, `30m`, `72h` or `1h30m`
        12:69 `windows`: write a window such as `Mon-Thu 09:00-16:00 Europe/Madrid`"#]],
    );
    served(
        production,
        "{after: preview}",
        expect!["12:23 `after` cannot be `preview`, which belongs to pull requests"],
    );
    served(
        production,
        "{tracks: main, after: staging}",
        expect![
            "12:3 the environment `production`: it needs exactly one of `ttl` (preview), `tracks` (a branch) and `after` (another environment)"
        ],
    );
    served(
        production,
        "{}",
        expect![
            "12:3 the environment `production`: it needs exactly one of `ttl` (preview), `tracks` (a branch) and `after` (another environment)"
        ],
    );
    served(
        production,
        "{ttl: 3h}",
        expect![
            "12:21 `ttl` is for the environment `preview`; it needs exactly one of `ttl` (preview), `tracks` (a branch) and `after` (another environment)"
        ],
    );
    served(
        production,
        "{tracks: main, approvals: 1}",
        expect!["12:41 `approvals` needs `after` in the environment `production`"],
    );
    served(
        "preview: {ttl: 72h}",
        "preview: {tracks: main}",
        expect![
            "10:3 `preview` is the environment of pull requests and has `ttl`, such as `{ttl: 72h}`"
        ],
    );
    served(
        "preview: {ttl: 72h}",
        "Preview: {ttl: 72h}",
        expect![[r#"
        10:3 the name of an environment: `Preview` is not a name: 1 to 40 lower-case letters, digits and `-`, first a letter
        10:18 `ttl` is for the environment `preview`; it needs exactly one of `ttl` (preview), `tracks` (a branch) and `after` (another environment)"#]],
    );
    served(
        "{tracks: main, ",
        "{tracks: main, auth: maybe, queue: -1, concurrency: 0, ",
        expect![[r#"
        11:33 `auth` must be true or false
        11:47 `queue` must be a whole number from 0 to 10000
        11:64 `concurrency` must be a whole number from 1 to 1000"#]],
    );
}

#[test]
fn an_environment_may_choose_a_cluster_by_name() {
    let cluster = |more: &str| {
        let text = SERVICE.replace("{tracks: main, ", &format!("{{tracks: main, {more}"));
        let Ok(Contract::Service(service)) = parse(&text) else {
            panic!("{more} is refused");
        };
        service.environments[1].cluster.clone()
    };
    assert_eq!(cluster(""), None);
    let eu = cluster("cluster: eu, ");
    assert_eq!(eu.as_ref().map(Slug::as_str), Some("eu"));
    served(
        "{tracks: main, ",
        "{tracks: main, cluster: EU, ",
        expect![
            "11:36 `cluster`: `EU` is not a name: 1 to 40 lower-case letters, digits and `-`, first a letter"
        ],
    );
}

#[test]
fn replicas_have_a_least_and_a_most() {
    let staging = |keys: &str| {
        let text = SERVICE.replace("{tracks: main, ", &format!("{{tracks: main, {keys}, "));
        let Ok(Contract::Service(service)) = parse(&text) else {
            panic!("{keys} is refused");
        };
        let replicas = service.environments[1].replicas;
        (replicas.min, replicas.max)
    };
    assert_eq!(staging("replicas: 3"), (3, 3));
    assert_eq!(staging("replicas_max: 4"), (1, 4));
    assert_eq!(staging("replicas: 2, replicas_max: 4"), (2, 4));
    served(
        "{tracks: main, ",
        "{tracks: main, replicas: 4, replicas_max: 2, ",
        expect!["11:54 `replicas_max` must be at least `replicas`, which is 4"],
    );
    served(
        "{tracks: main, ",
        "{tracks: main, replicas: 0, ",
        expect![[r#"11:37 `replicas` must be a whole number from 1 to 50"#]],
    );
}

#[test]
fn serve_paths_stay_out_of_the_gateway() {
    served(
        "  test: [python, -m, pytest, -q]",
        "  ready: /.bowsprit/live\n  predict: v1",
        expect![[r#"
        7:10 `ready`: `/.bowsprit` belongs to the gateway
        8:12 `predict`: write the path of an address, such as `/v1/predict`"#]],
    );
}

#[test]
fn a_scoring_file_stands_in_for_a_command() {
    let run = "  run: [python, -m, digits_service]";
    served(run, "  score: app/score.py", expect!["fine"]);
    served(
        run,
        &format!("{run}\n  score: score.py"),
        expect!["7:10 `run` and `score` are two ways to serve; take one"],
    );
    for file in ["../score.py", "/score.py", "score.sh"] {
        served(
            run,
            &format!("  score: {file}"),
            expect!["6:10 `score`: name a Python file of the repository, such as `score.py`"],
        );
    }
}

#[test]
fn a_service_may_have_several_models_each_with_its_path() {
    let two = SERVICE.replacen(
        "from: digits-training}",
        "from: digits-training}\n  cats: {from: cats-training, predict: /v1/cats}",
        1,
    );
    let Ok(Contract::Service(service)) = parse(&two) else {
        panic!("{:?}", parse(&two));
    };
    let path = |name: &str| {
        service
            .predict(&Slug::parse(name).expect("a name"))
            .to_owned()
    };
    assert_eq!(
        (path("digits"), path("cats")),
        ("/v1/predict".to_owned(), "/v1/cats".to_owned())
    );
    served(
        "from: digits-training}",
        "from: digits-training, predict: v1}",
        expect!["3:44 `predict`: write the path of an address, such as `/v1/predict`"],
    );
    let many: String = (0..16).map(|n| format!("  m{n}: {{from: t}}\n")).collect();
    served(
        "  digits: {from: digits-training}\n",
        &format!("  digits: {{from: digits-training}}\n{many}"),
        expect!["19:3 `models` takes at most 16 models; divide the service"],
    );
}

#[test]
fn what_a_cluster_gets_is_a_folder_of_manifests_or_a_chart() {
    let read = |deploy: &str| parse(&format!("{SERVICE}deploy: {deploy}\n"));
    for folder in ["deploy", "deploy/"] {
        let Ok(Contract::Service(service)) = read(&format!("{{manifests: {folder}}}")) else {
            panic!("not a service contract");
        };
        let path = |text: &str| RepoPath::parse(text).unwrap();
        assert_eq!(service.deploy, Some(Deploy::Manifests(path("deploy"))));
        let chart = |values: Option<&str>| {
            Deploy::Chart(Chart {
                folder: path("deploy"),
                values: values.map(path),
            })
        };
        for (more, wanted) in [
            ("", chart(None)),
            (", values: a/v.yaml", chart(Some("a/v.yaml"))),
        ] {
            let Ok(Contract::Service(service)) = read(&format!("{{chart: {folder}{more}}}")) else {
                panic!("not a service contract");
            };
            assert_eq!(service.deploy, Some(wanted));
        }
    }
    assert_eq!(service().deploy, None);
    for (deploy, why) in [
        ("{chart: x, manifests: y}", "not both"),
        ("{chart: /x}", "`chart`"),
        ("{chart: x, values: ../y}", "`values`"),
        (
            "{manifests: x, values: y}",
            "`values` are those of a `chart`",
        ),
        ("{}", "`manifests` is missing in `deploy`"),
        ("{manifests: ../x}", "`manifests`"),
        ("{manifests: deploy, image: x}", "image"),
    ] {
        let problems = read(deploy).unwrap_err();
        let told = format!("{problems:?}");
        assert!(told.contains(why), "{deploy}: {told}");
    }
}

#[test]
fn logs_are_gathered_and_requests_counted_as_the_service_says() {
    for (lines, logs, telemetry) in [
        ("", false, true),
        ("logs: true\n", true, true),
        ("telemetry: false\n", false, false),
        ("logs: false\ntelemetry: true\n", false, true),
    ] {
        match parse(&format!("{SERVICE}\n{lines}")) {
            Ok(Contract::Service(service)) => {
                assert_eq!(
                    (service.logs, service.telemetry),
                    (logs, telemetry),
                    "{lines}"
                );
            }
            other => panic!("not a service contract: {other:?}"),
        }
    }
    for key in ["logs", "telemetry"] {
        let problems = parse(&format!("{SERVICE}\n{key}: some\n")).expect_err("no word for it");
        assert!(
            problems[0].message.starts_with(&format!("`{key}` must be")),
            "{problems:?}"
        );
    }
}
