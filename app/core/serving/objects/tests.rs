//! The objects as they are sent, and that no order makes another kind of them.

use super::*;
use expect_test::expect_file;
use proptest::prelude::*;

pub(super) fn context() -> ServingContext {
    let pinned =
        |name: &str, digit: &str| format!("registry.example/{name}@sha256:{}", digit.repeat(64));
    ServingContext {
        image: pinned("python", "a"),
        agent_image: pinned("agent", "b"),
        bot_url: "http://bowsprit.example:8080".to_owned(),
        bot_ca: Some("PEM".to_owned()),
        expose: Expose::Ingress {
            domain: "models.example.org".to_owned(),
            class: Some("nginx".to_owned()),
            tls_secret: Some("models-tls".to_owned()),
        },
        pull_secrets: vec!["registry".to_owned()],
        copied_secrets: Vec::new(),
        log_marks: LogMarks::default(),
        has_user_namespaces: true,
        sandbox_class: Some("gvisor".to_owned()),
    }
}

pub(super) fn site() -> Site {
    let production = Slug::parse("production").unwrap();
    Site::new(
        (RepoId(42), "Digits-service"),
        &production,
        None,
        "bowsprit",
    )
}

fn rollout() -> Rollout {
    Rollout {
        release: "rel-0123456789ab".to_owned(),
        generation: 7,
        trust: Trust::Trusted,
        installs: false,
        image: None,
        is_whole: false,
        has_order: false,
        logs: false,
        cpu_millis: 250,
        memory_bytes: 256 << 20,
        model_bytes: 1 << 20,
        ready_timeout_s: 60,
        drain_timeout_s: 20,
        replicas: Replicas { min: 2, max: 6 },
    }
}

fn handed() -> Door {
    Door {
        token: "token".to_owned(),
        rules: b"{}".to_vec(),
        orders: BTreeMap::new(),
    }
}

fn deployment_of(rollout: &Rollout, context: &ServingContext) -> Deployment {
    let made = objects(&site(), Some(rollout), context, None, &Manifests::default());
    made.deployment.unwrap()
}

#[test]
fn an_environment_is_restricted_and_whole() {
    let made = objects(
        &site(),
        Some(&rollout()),
        &context(),
        Some(4),
        &Manifests::default(),
    );
    let deployment = made.deployment.clone().unwrap();
    assert_eq!(restricted_problems(&deployment), Vec::<String>::new());
    let all = serde_json::json!([
        namespace(&site()),
        account(&site()),
        door(&site(), &handed(), &context(), "uid-1"),
        made.service,
        made.policy,
        deployment,
        made.scaler,
        made.budget,
        made.ingress,
    ]);
    let text = serde_json::to_string_pretty(&all).unwrap() + "\n";
    expect_file!["tests/production.json"].assert_eq(&text);
}

#[test]
fn what_is_not_asked_for_is_not_there() {
    let single = Rollout {
        replicas: Replicas::default(),
        ..rollout()
    };
    let plain = ServingContext {
        expose: Expose::ClusterIp,
        ..context()
    };
    let made = objects(&site(), Some(&single), &plain, None, &Manifests::default());
    assert_eq!((made.scaler, made.budget, made.ingress), (None, None, None));
    assert_eq!(made.deployment.unwrap().spec.unwrap().replicas, Some(1));
    // No model yet: the address is there, and nothing behind it.
    let waiting = objects(&site(), None, &plain, None, &Manifests::default());
    assert_eq!(waiting.deployment, None);
    assert_eq!(waiting.service, made.service);
}

#[test]
fn a_gateway_of_the_cluster_leads_a_name_to_the_service() {
    let gateway = ServingContext {
        expose: Expose::HttpRoute {
            domain: "models.example.org".to_owned(),
            gateway: ("gateways".to_owned(), "public".to_owned()),
            has_tls: true,
        },
        ..context()
    };
    let made = objects(&site(), None, &gateway, None, &Manifests::default());
    assert_eq!(made.ingress, None);
    assert_eq!(
        made.service.spec.unwrap().type_.as_deref(),
        Some("ClusterIP")
    );
    let route = serde_json::to_string_pretty(&made.route).unwrap() + "\n";
    expect_file!["tests/route.json"].assert_eq(&route);
    let plain = objects(&site(), None, &context(), None, &Manifests::default());
    assert_eq!(plain.route, None);
}

#[test]
fn a_number_that_follows_the_load_is_left_within_its_limits() {
    let replicas = |min, max, now| {
        let rollout = Rollout {
            replicas: Replicas { min, max },
            ..rollout()
        };
        let made = objects(
            &site(),
            Some(&rollout),
            &context(),
            now,
            &Manifests::default(),
        );
        made.deployment.unwrap().spec.unwrap().replicas.unwrap()
    };
    assert_eq!(replicas(2, 6, None), 2);
    assert_eq!(replicas(2, 6, Some(4)), 4);
    assert_eq!(replicas(2, 6, Some(1)), 2);
    assert_eq!(replicas(2, 6, Some(9)), 6);
    assert_eq!(replicas(3, 3, Some(1)), 3);
}

#[test]
fn the_same_release_again_is_the_same_pod() {
    let template = |rollout: &Rollout| deployment_of(rollout, &context()).spec.unwrap().template;
    let again = Rollout {
        generation: 8,
        replicas: Replicas { min: 3, max: 9 },
        ..rollout()
    };
    assert_eq!(template(&rollout()), template(&again));
    let other = Rollout {
        release: "rel-other".to_owned(),
        ..rollout()
    };
    assert_ne!(template(&rollout()), template(&other));
}

#[test]
fn a_release_that_is_an_image_runs_in_it_and_is_handed_its_order() {
    let image = Pinned::parse(&format!("r.example/service@sha256:{}", "c".repeat(64))).unwrap();
    let whole = |has_order| Rollout {
        image: Some(image.clone()),
        is_whole: true,
        has_order,
        ..rollout()
    };
    for has_order in [true, false] {
        let deployment = deployment_of(&whole(has_order), &context());
        assert_eq!(restricted_problems(&deployment), Vec::<String>::new());
        let pod = deployment.spec.unwrap().template.spec.unwrap();
        let serve = &pod.containers[0];
        assert_eq!(serve.image, Some(image.to_string()));
        assert_eq!(serve.working_dir, None, "where the image begins");
        let command = serve.command.clone().unwrap();
        let order = &command[command.iter().position(|word| word == "--order").unwrap() + 1];
        assert_eq!(
            *order == "order-rel-0123456789ab.json",
            has_order,
            "{order}"
        );
        assert_eq!(
            order.starts_with("http://bowsprit.example:8080/"),
            !has_order
        );
    }
    let orders = BTreeMap::from([("rel-0123456789ab".to_owned(), b"{}".to_vec())]);
    let made = door(&site(), &Door { orders, ..handed() }, &context(), "uid-1");
    assert!(
        made.data
            .unwrap()
            .contains_key("order-rel-0123456789ab.json")
    );
}

#[test]
fn packages_are_fetched_only_where_the_pod_installs_some() {
    let ports = |installs| {
        let rollout = Rollout {
            installs,
            ..rollout()
        };
        let policy = objects(
            &site(),
            Some(&rollout),
            &context(),
            None,
            &Manifests::default(),
        )
        .policy;
        serde_json::to_string(&policy.spec.unwrap().egress).unwrap()
    };
    assert!(ports(true).contains("443"));
    assert!(!ports(false).contains("443"));
    for installs in [true, false] {
        assert!(ports(installs).contains("8080"), "the bot");
        assert!(
            ports(installs).contains("169.254.0.0/16"),
            "no credentials of a cloud"
        );
    }
}

#[test]
fn untrusted_code_is_sandboxed() {
    let class = |trust| {
        let rollout = Rollout { trust, ..rollout() };
        let pod = deployment_of(&rollout, &context()).spec.unwrap().template;
        pod.spec.unwrap().runtime_class_name
    };
    assert_eq!(class(Trust::Untrusted).as_deref(), Some("gvisor"));
    assert_eq!(class(Trust::Trusted), None);
}

#[test]
fn only_what_carries_all_our_labels_is_ours() {
    let ours = site().metadata();
    let environment = Slug::parse("production").unwrap();
    assert_eq!(owner(&ours), Some((RepoId(42), environment)));
    for key in [MANAGED_BY, REPO_LABEL, ENVIRONMENT_LABEL] {
        for value in [None, Some("Helm!")] {
            let mut other = ours.clone();
            let labels = other.labels.as_mut().unwrap();
            labels.remove(key);
            labels.extend(value.map(|value| (key.to_owned(), value.to_owned())));
            assert_eq!(owner(&other), None, "{key}: {value:?}");
        }
    }
    assert_eq!(owner(&ObjectMeta::default()), None);
}

#[test]
fn two_repositories_of_one_name_do_not_meet() {
    let staging = Slug::parse("staging").unwrap();
    let name = |repo| Site::new((RepoId(repo), "x-service"), &staging, Some("shared"), "p").name;
    assert_ne!(name(1), name(2));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_order_makes_another_kind_of_pod(
        release in "\\PC{0,90}",
        service in "[A-Za-z0-9._-]{1,100}",
        numbers in (any::<u64>(), any::<u32>(), any::<u64>(), any::<u64>(), any::<u32>()),
        is_trusted in any::<bool>(),
    ) {
        let (seconds, cpu_millis, memory_bytes, model_bytes, min) = numbers;
        let rollout = Rollout {
            release,
            trust: if is_trusted { Trust::Trusted } else { Trust::Untrusted },
            cpu_millis,
            memory_bytes,
            model_bytes,
            ready_timeout_s: seconds,
            drain_timeout_s: seconds,
            replicas: Replicas { min, max: min },
            ..rollout()
        };
        let environment = Slug::parse("pr-12").unwrap();
        let site = Site::new((RepoId(u64::MAX), &service), &environment, None, "bowsprit");
        let made = objects(&site, Some(&rollout), &context(), None, &Manifests::default());
        let deployment = made.deployment.unwrap();
        prop_assert_eq!(restricted_problems(&deployment), Vec::<String>::new());
        prop_assert!(site.name.len() <= 63 && site.namespace.len() <= 63);
        let pods = deployment.spec.unwrap().template.metadata.unwrap().labels.unwrap();
        for (key, value) in made.service.spec.unwrap().selector.unwrap() {
            prop_assert_eq!(pods.get(&key), Some(&value));
        }
        let text = serde_json::to_string(&(&made.policy, account(&site))).unwrap();
        prop_assert!(rollout.release.len() < 12 || !text.contains(&rollout.release));
    }
}

#[test]
fn only_pods_of_services_that_want_it_are_marked_for_a_collector() {
    let mark = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
    let mut context = context();
    context.log_marks = LogMarks {
        labels: mark("logs.example.org/gather", "yes"),
        annotations: mark("fluentbit.io/parser", "json"),
    };
    context
        .log_marks
        .labels
        .insert(REPO_LABEL.to_owned(), "99".to_owned());
    for logs in [true, false] {
        let rollout = Rollout { logs, ..rollout() };
        let made = objects(
            &site(),
            Some(&rollout),
            &context,
            None,
            &Manifests::default(),
        );
        let spec = made.deployment.and_then(|made| made.spec).expect("a spec");
        let pod = spec.template.metadata.expect("metadata");
        let labels = pod.labels.expect("labels");
        assert_eq!(labels.contains_key("logs.example.org/gather"), logs);
        assert_eq!(pod.annotations.is_some(), logs);
        // By our own labels pods are found, whatever an operator writes.
        assert_eq!(labels[REPO_LABEL], "42");
        let chosen = spec.selector.match_labels.expect("labels");
        assert!(!chosen.contains_key("logs.example.org/gather"));
    }
}
