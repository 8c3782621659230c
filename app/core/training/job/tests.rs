//! The Job as it is sent, and that no order makes another kind of it.

use super::*;
use crate::training::spec::{Limits, SampleSet, ServeProbe, Source, StepSpec};
use expect_test::expect_file;
use k8s_openapi::api::core::v1::PodSpec;
use proptest::prelude::*;

fn context() -> JobContext {
    let pinned =
        |name: &str, digit: &str| format!("registry.example/{name}@sha256:{}", digit.repeat(64));
    JobContext {
        namespace: "bowsprit-trusted".to_owned(),
        image: pinned("python", "a"),
        agent_image: pinned("agent", "b"),
        service_account: "bowsprit-run".to_owned(),
        labels: [
            ("bowsprit.dev/repo", "42"),
            ("team", "digits"),
            ("bad key", "x"),
            ("good", "bad value\n"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into(),
        has_user_namespaces: true,
        priority_class: Some("training".to_owned()),
        sandbox_class: Some("gvisor".to_owned()),
        order: OrderSecret {
            name: "bowsprit-r0123456789ab-train-1".to_owned(),
            items: [
                ("address", "address"),
                ("token", "token"),
                ("secret.KEY", "secrets/KEY"),
            ]
            .map(|(key, path)| (key.to_owned(), path.to_owned()))
            .into(),
        },
        pull_secrets: vec!["registry".to_owned()],
        node_selector: [("pool".to_owned(), "train".to_owned())].into(),
        tolerations: vec![Toleration {
            key: Some("gpu".to_owned()),
            operator: Some("Exists".to_owned()),
            ..Toleration::default()
        }],
        gpu_resource: "nvidia.com/gpu".to_owned(),
        queue: None,
    }
}

fn spec() -> RunSpec {
    RunSpec {
        id: "r0123456789ab-train".to_owned(),
        kind: StageKind::Train,
        snapshot: Source {
            uri: "https://store.example/x".to_owned(),
            sha256: Digest::of(b"x"),
        },
        runtime: None,
        trust: Trust::Trusted,
        model_trust: Trust::Trusted,
        steps: vec![
            step("python train.py", "20", 1_800, 2_000, 1 << 30),
            step("python export.py", "", 60, 500, 4 << 30),
        ],
        models: Vec::new(),
        data: None,
        serve: None,
        limits: Limits::default(),
        cache_dir: "/run/bowsprit/cache".to_owned(),
    }
}

fn step(run: &str, value: &str, timeout_s: u64, cpu_millis: u32, memory_bytes: u64) -> StepSpec {
    StepSpec {
        name: run.to_owned(),
        run: vec![run.to_owned()],
        image: None,
        env: [(value.to_owned(), value.to_owned())].into(),
        timeout_s,
        cpu_millis,
        memory_bytes,
        gpu: 0,
        secrets: Vec::new(),
        network: false,
        model: None,
        outputs: String::new(),
    }
}

#[test]
fn a_job_is_restricted_bounded_and_says_nothing_of_the_order() {
    let job = job(&spec(), &context());
    assert_eq!(restricted_problems(&job), Vec::<String>::new());
    let text = serde_json::to_string_pretty(&job).unwrap() + "\n";
    expect_file!["tests/job.json"].assert_eq(&text);
}

/// The order with a step in another image between two of the stage's own.
fn in_two_images() -> RunSpec {
    let digest = "c".repeat(64);
    let image =
        crate::image::reference::Pinned::parse(&format!("registry.example/tools@sha256:{digest}"));
    let mut spec = spec();
    let mut shape = step("shape rows", "", 60, 500, 1 << 30);
    shape.image = image.ok();
    spec.steps.insert(1, shape);
    spec
}

#[test]
fn steps_in_other_images_are_containers_before_the_last() {
    let spec = in_two_images();
    let made = job(&spec, &context());
    assert_eq!(restricted_problems(&made), Vec::<String>::new());
    let text = serde_json::to_string_pretty(&made).unwrap() + "\n";
    expect_file!["tests/two_images.json"].assert_eq(&text);
    let told: Vec<String> = steps_of_containers(&spec)
        .into_iter()
        .map(|(container, steps)| format!("{container}: {steps}"))
        .collect();
    assert_eq!(
        told,
        [
            "agent: step `python export.py`",
            "steps-1: step `python train.py`",
            "steps-2: step `shape rows`"
        ]
    );
    assert!(steps_of_containers(&self::spec()).is_empty());
    // A failure in any of them is final, and there is time for their images.
    let policy = |spec: &RunSpec| {
        let job = job(spec, &context()).spec.unwrap();
        let ended = job.pod_failure_policy.unwrap().rules.pop().unwrap();
        let deadline = job.template.spec.unwrap().active_deadline_seconds.unwrap();
        (ended.on_exit_codes.unwrap().container_name, deadline)
    };
    let (named, alone) = policy(&self::spec());
    assert_eq!(named.as_deref(), Some("agent"));
    assert_eq!(policy(&spec), (None, alone + 60 + 2 * 600));
}

#[test]
fn code_or_models_of_strangers_are_sandboxed() {
    use Trust::{Trusted, Untrusted};
    for (trust, model_trust, class) in [
        (Trusted, Trusted, None),
        (Untrusted, Untrusted, Some("gvisor")),
        (Trusted, Untrusted, Some("gvisor")),
        (Untrusted, Trusted, Some("gvisor")),
    ] {
        let spec = RunSpec {
            trust,
            model_trust,
            ..spec()
        };
        let job = job(&spec, &context());
        let word = class.map_or("trusted", |_| "untrusted");
        assert_eq!(job.metadata.labels.unwrap()[TRUST_LABEL], word);
        let pod = job.spec.unwrap().template.spec.unwrap();
        assert_eq!(pod.runtime_class_name.as_deref(), class);
    }
}

#[test]
fn a_job_of_a_queue_begins_when_the_queue_says_so() {
    let queued = JobContext {
        queue: Some("team".to_owned()),
        ..context()
    };
    let queued = job(&spec(), &queued);
    assert_eq!(queued.metadata.labels.unwrap()[QUEUE_LABEL], "team");
    assert_eq!(queued.spec.unwrap().suspend, Some(true));
    let plain = job(&spec(), &context());
    assert!(!plain.metadata.labels.unwrap().contains_key(QUEUE_LABEL));
    assert_eq!(plain.spec.unwrap().suspend, None);
}

#[test]
fn devices_are_asked_for_by_the_step_that_needs_most() {
    let mut with_gpus = spec();
    with_gpus.steps[0].gpu = 1;
    with_gpus.steps[1].gpu = 2;
    let asked = |spec: &RunSpec| {
        let pod = job(spec, &context()).spec.unwrap().template.spec.unwrap();
        let resources = pod.containers[0].resources.clone().unwrap();
        let of = |list: Option<BTreeMap<String, _>>| {
            list.unwrap()
                .get("nvidia.com/gpu")
                .cloned()
                .map(|quantity: k8s_openapi::apimachinery::pkg::api::resource::Quantity| quantity.0)
        };
        (of(resources.requests), of(resources.limits))
    };
    let two = Some("2".to_owned());
    assert_eq!(asked(&with_gpus), (two.clone(), two));
    assert_eq!(asked(&spec()), (None, None));
}

#[test]
fn a_name_is_the_stage_or_its_digest_tells_it_apart() {
    assert_eq!(
        job_name("r0123456789ab-train"),
        "bowsprit-r0123456789ab-train"
    );
    let long = "x".repeat(80);
    for other in [
        "",
        "-",
        "A",
        "a",
        "a-",
        "-a",
        "a.b",
        "a-b",
        "a b",
        "é",
        &long,
        &long[..79],
    ] {
        let name = job_name(other);
        assert!((10..=63).contains(&name.len()), "{name}");
    }
    let names = [
        "",
        "-",
        "A",
        "a",
        "a-",
        "a.b",
        "a-b",
        "a b",
        &long,
        &long[..79],
    ]
    .map(job_name);
    let distinct: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), names.len(), "{names:?}");
}

#[test]
fn what_the_standard_refuses_is_found() {
    type Spoil = fn(&mut PodSpec);
    let cases: &[(&str, Spoil)] = &[
        ("hostNetwork", |pod| pod.host_network = Some(true)),
        ("hostPID", |pod| pod.host_pid = Some(true)),
        ("automountServiceAccountToken", |pod| {
            pod.automount_service_account_token = None
        }),
        ("restartPolicy", |pod| {
            pod.restart_policy = Some("OnFailure".to_owned())
        }),
        ("allowPrivilegeEscalation", |pod| {
            pod.containers[0].security_context = None
        }),
        ("capabilities", |pod| {
            let context = pod.containers[0].security_context.as_mut().unwrap();
            context.capabilities.as_mut().unwrap().add = Some(vec!["SYS_ADMIN".to_owned()]);
        }),
        ("runAsUser", |pod| {
            pod.containers[0]
                .security_context
                .as_mut()
                .unwrap()
                .run_as_user = Some(0)
        }),
        ("digest", |pod| {
            pod.containers[0].image = Some("python:3.12".to_owned())
        }),
        ("digest", |pod| {
            pod.init_containers.as_mut().unwrap()[0].image = Some("agent@sha256:1".to_owned())
        }),
        ("environment variable", |pod| {
            pod.containers[0].env.as_mut().unwrap()[0].name = "A=B".to_owned()
        }),
        ("capped", |pod| pod.containers[0].resources = None),
        ("volume", |pod| {
            pod.volumes.as_mut().unwrap()[0].host_path = Some(Default::default());
        }),
        ("volume", |pod| {
            pod.volumes.as_mut().unwrap()[0].empty_dir = Some(Default::default())
        }),
    ];
    for (word, spoil) in cases {
        let mut job = job(&spec(), &context());
        spoil(job.spec.as_mut().unwrap().template.spec.as_mut().unwrap());
        let problems = restricted_problems(&job).join("; ");
        assert!(problems.contains(word), "{word}: {problems}");
    }
    let mut unnamed = job(&spec(), &context());
    unnamed.metadata.name = Some("-".to_owned());
    assert_eq!(restricted_problems(&unnamed).len(), 1);
    assert_eq!(
        restricted_problems(&Job::default())
            .last()
            .map(String::as_str),
        Some("spec: missing")
    );
}

/// Text that would do harm in a name, a label, YAML or a shell; it begins so that it can be found again.
const HOSTILE: &str = "hostile-zz(\\PC{0,90}|[a-z/.:=${}\"'\n\t -]{0,90})";

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_order_makes_another_kind_of_job(
        id in "\\PC{0,90}|[a-zA-Z0-9-]{1,80}",
        texts in prop::collection::vec(HOSTILE, 1..5),
        label in ("\\PC{0,80}|[a-z./-]{0,80}", "\\PC{0,80}|[a-zA-Z0-9._-]{0,80}"),
        numbers in (any::<u64>(), any::<u32>(), any::<u64>(), any::<u64>()),
        is_trusted in any::<bool>(),
        in_images in any::<bool>(),
    ) {
        let (timeout_s, cpu_millis, memory_bytes, disk_bytes) = numbers;
        let mut spec = spec();
        spec.id = id;
        spec.steps = texts.iter().map(|text| step(text, text, timeout_s, cpu_millis, memory_bytes)).collect();
        if in_images {
            spec.steps.extend(in_two_images().steps);
        }
        spec.trust = if is_trusted { Trust::Trusted } else { Trust::Untrusted };
        spec.limits.disk_bytes = disk_bytes;
        spec.cache_dir = texts[0].clone();
        spec.serve = Some(ServeProbe {
            run: texts.clone(),
            ready: texts[0].clone(),
            env: [(texts[0].clone(), texts[0].clone())].into(),
            sample_sets: vec![SampleSet::new(&texts[0], Vec::new())],
            ready_timeout_s: timeout_s,
            cpu_millis,
            memory_bytes,
            model: Some(texts[0].clone()),
        });
        let mut context = context();
        context.labels.insert(label.0, label.1);
        let made = job(&spec, &context);
        prop_assert_eq!(restricted_problems(&made), Vec::<String>::new());
        prop_assert_eq!(&made, &job(&spec, &context));
        prop_assert_eq!(made.metadata.labels.as_ref().map(|labels| labels[MANAGED_BY].clone()), Some("bowsprit".to_owned()));
        let mut bare = made;
        for labels in [&mut bare.metadata.labels, &mut bare.spec.as_mut().unwrap().template.metadata.as_mut().unwrap().labels] {
            *labels = None;
        }
        bare.metadata.name = None;
        bare.spec.as_mut().unwrap().template.spec.as_mut().unwrap().volumes = None;
        let text = serde_json::to_string(&bare).unwrap();
        for hostile in texts {
            let written = serde_json::to_string(&hostile).unwrap();
            prop_assert!(!text.contains(written.trim_matches('"')), "{}", hostile);
        }
    }
}
