//! What manifests may say, what they may not, and what ours makes of them.

use super::*;
use crate::image::reference::Pinned;
use crate::name::{Digest, RepoId, Slug};
use crate::serving::objects::{
    self, Expose, Objects, Rollout, ServingContext, restricted_problems,
};
use crate::serving::spec::Replicas;
use crate::training::spec::Trust;
use std::collections::BTreeMap;

const SIDECAR: &str = "
    - name: cache
      image: r.example/cache@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
      ports: [{containerPort: 6379}]
      resources:
        requests: {cpu: 50m, memory: 64Mi, ephemeral-storage: 64Mi}
        limits: {memory: 64Mi, ephemeral-storage: 64Mi}
";

fn site() -> Site {
    let staging = Slug::parse("staging").unwrap();
    Site::new(
        (RepoId(7), "digits-service"),
        &staging,
        Some("models"),
        "bowsprit",
    )
}

fn image() -> Pinned {
    Pinned::parse(&format!("r.example/service@sha256:{}", "c".repeat(64))).unwrap()
}

fn values() -> Values {
    let digits = (
        Slug::parse("digits").unwrap(),
        (Some(8), Digest::of(b"weights")),
    );
    Values::new(&site(), "rel-1", &image().to_string(), &[digits].into())
}

fn read_one(text: &str) -> Result<Manifests, String> {
    let files = [("deploy/all.yaml".to_owned(), text.to_owned())];
    read(&files, &site(), &values()).map_err(|problems| problems.join("\n"))
}

fn deployment(pod: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: ${{BOWSPRIT_NAME}}\n  labels: {{team: vision}}\nspec:\n  template:\n   spec:\n    {pod}"
    )
}

fn made(manifests: &Manifests, replicas_now: Option<i32>) -> Objects {
    let rollout = Rollout {
        release: "rel-1".to_owned(),
        generation: 3,
        trust: Trust::Trusted,
        installs: false,
        image: Some(image()),
        is_whole: true,
        has_order: true,
        logs: false,
        cpu_millis: 250,
        memory_bytes: 256 << 20,
        model_bytes: 0,
        ready_timeout_s: 60,
        drain_timeout_s: 20,
        replicas: Replicas { min: 1, max: 1 },
    };
    let context = ServingContext {
        image: image().to_string(),
        agent_image: image().to_string(),
        bot_url: "http://bowsprit:8080".to_owned(),
        bot_ca: None,
        expose: Expose::ClusterIp,
        pull_secrets: Vec::new(),
        copied_secrets: Vec::new(),
        log_marks: crate::serving::objects::LogMarks::default(),
        has_user_namespaces: false,
        sandbox_class: None,
    };
    objects::objects(&site(), Some(&rollout), &context, replicas_now, manifests)
}

#[test]
fn manifests_shape_the_pods_and_the_gateway_stays() {
    let text = [
        &deployment(&format!(
            "nodeSelector: {{gpu: a100}}\n    containers:\n    - name: serve\n      image: ${{BOWSPRIT_IMAGE}}\n      resources: {{requests: {{memory: 1Gi, ephemeral-storage: 1Gi}}, limits: {{memory: 1Gi, ephemeral-storage: 1Gi, nvidia.com/gpu: \"1\"}}}}\n      volumeMounts: [{{name: config, mountPath: /srv/config}}]{SIDECAR}\n    volumes: [{{name: config, configMap: {{name: \"${{BOWSPRIT_NAME}}-config\"}}}}]\n"
        )),
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: \"${BOWSPRIT_NAME}-config\"}\ndata: {model: \"v${BOWSPRIT_MODEL_VERSION} ${BOWSPRIT_MODEL_DIGEST_DIGITS} ${HOME}\"}\n",
        "apiVersion: v1\nkind: Service\nmetadata: {name: \"${BOWSPRIT_NAME}-cache\"}\nspec: {ports: [{port: 6379}]}\n",
        "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: \"${BOWSPRIT_NAME}\"}\nspec: {maxReplicas: 4, scaleTargetRef: {kind: Deployment, name: \"${BOWSPRIT_NAME}\"}}\n",
    ]
    .join("---\n");
    let manifests = read_one(&text).unwrap();
    let Objects {
        deployment,
        policy,
        scaler,
        services,
        config_maps,
        ..
    } = made(&manifests, Some(3));
    let deployment = deployment.unwrap();
    assert_eq!(restricted_problems(&deployment), Vec::<String>::new());
    assert_eq!(
        deployment.metadata.labels.as_ref().unwrap()["team"],
        "vision"
    );
    let spec = deployment.spec.unwrap();
    assert_eq!(spec.replicas, Some(3), "left to their scaler");
    assert_eq!(scaler.unwrap().spec.unwrap().max_replicas, 4);
    let pod = spec.template.spec.unwrap();
    let names: Vec<&str> = pod.containers.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["serve", "cache"]);
    let serve = &pod.containers[0];
    assert!(serve.readiness_probe.is_some() && serve.command.is_some());
    assert!(
        serve
            .resources
            .as_ref()
            .unwrap()
            .limits
            .as_ref()
            .unwrap()
            .contains_key("nvidia.com/gpu")
    );
    assert_eq!(
        pod.service_account_name.as_deref(),
        Some(site().name.as_str())
    );
    assert_eq!(pod.node_selector.unwrap()["gpu"], "a100");
    let open = serde_json::to_string(&policy.spec.unwrap().ingress).unwrap();
    assert!(open.contains("6379") && open.contains("8080"), "{open}");
    assert_eq!(
        services[0].spec.as_ref().unwrap().selector,
        Some(site().labels())
    );
    let told = &config_maps[0].data.as_ref().unwrap()["model"];
    assert_eq!(*told, format!("v8 {} ${{HOME}}", Digest::of(b"weights")));
    for labels in [&services[0].metadata, &config_maps[0].metadata] {
        assert_eq!(labels.labels, Some(site().labels()));
    }
}

#[test]
fn what_leaves_the_environment_is_refused() {
    let config = |more: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{{more}}}\n");
    let service = |spec: &str| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: \"${{BOWSPRIT_NAME}}-x\"}}\nspec: {spec}\n"
        )
    };
    let object = |version: &str, kind: &str| {
        format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: \"${{BOWSPRIT_NAME}}\"}}\n")
    };
    for (text, why) in [
        (
            object("rbac.authorization.k8s.io/v1", "ClusterRole"),
            "`ClusterRole` of `rbac",
        ),
        (object("v1", "Secret"), "is not applied"),
        (object("v1", "Namespace"), "is not applied"),
        (object("v1", "Pod"), "is not applied"),
        (object("apps/v1beta1", "Deployment"), "Deployment (apps/v1)"),
        (
            config("name: other"),
            "must be `${BOWSPRIT_NAME}-something`",
        ),
        (
            config("name: \"${BOWSPRIT_NAME}\""),
            "must be `${BOWSPRIT_NAME}-something`",
        ),
        (
            config("name: \"${BOWSPRIT_NAME}-x\", namespace: elsewhere"),
            "leave `namespace` out",
        ),
        (
            config("name: \"${BOWSPRIT_NAME}-x\", finalizers: [a/b]"),
            "only name, namespace",
        ),
        (
            config("name: \"${BOWSPRIT_NAME}-x\", labels: {bowsprit.dev/repo: \"9\"}"),
            "Bowsprit's own",
        ),
        (
            config("name: \"${BOWSPRIT_NAMES}-x\""),
            "is not known; these are: `${BOWSPRIT_ENVIRONMENT}`",
        ),
        (service("{type: NodePort}"), "is of type ClusterIP"),
        (service("{externalIPs: [10.0.0.1]}"), "is of type ClusterIP"),
        (
            service("{type: ExternalName, externalName: x}"),
            "is of type ClusterIP",
        ),
        (service("{prots: []}"), "there is no field `spec.prots`"),
        (
            format!("{0}---\n{0}", config("name: \"${BOWSPRIT_NAME}-x\"")),
            "stands there twice",
        ),
        ("a: [".to_owned(), "`deploy/all.yaml` is not YAML"),
        ("# nothing\n".to_owned(), "no object"),
    ] {
        let told = read_one(&text).unwrap_err();
        assert!(told.contains(why), "{text}\n{told}");
    }
}

#[test]
fn what_a_pod_must_not_have_or_is_not_theirs_to_say_is_refused() {
    for (text, why) in [
        (
            deployment("hostNetwork: true\n    containers: []"),
            "of the pod only",
        ),
        (
            deployment("serviceAccountName: admin\n    containers: []"),
            "of the pod only",
        ),
        (
            deployment("imagePullSecrets: [{name: x}]\n    containers: []"),
            "of the pod only",
        ),
        (
            deployment("containers: []\n    volumes: [{name: x, hostPath: {path: /}}]"),
            "volume `x`: take an emptyDir",
        ),
        (
            deployment("containers: []\n    volumes: [{name: x, secret: {secretName: y}}]"),
            "volume `x`",
        ),
        (
            deployment("containers: []\n    volumes: [{name: x, configMap: {name: other}}]"),
            "volume `x`",
        ),
        (
            deployment("containers: []\n    volumes: [{name: door, emptyDir: {}}]"),
            "volume `door`",
        ),
        (
            deployment("containers: [{name: serve, command: [sh]}]"),
            "the contract's `serve`",
        ),
        (
            deployment("containers: [{name: serve, image: other}]"),
            "${BOWSPRIT_IMAGE}",
        ),
        (
            deployment("containers: []\n  replicas: 3"),
            "the contract's `replicas`",
        ),
    ] {
        let told = read_one(&text).unwrap_err();
        assert!(told.contains(why), "{text}\n{told}");
    }
}

#[test]
fn what_would_reach_the_gateway_or_go_before_the_cluster_is_refused() {
    for (text, why) in [
        (
            deployment(
                "containers: [{name: serve, volumeMounts: [{name: c, mountPath: /run/secrets/bowsprit/door.json, subPath: door.json}]}]",
            ),
            "volume `c` at `/run/secrets/bowsprit/door.json`",
        ),
        (
            deployment(
                "containers: [{name: serve, volumeMounts: [{name: c, mountPath: /srv/../run}]}]",
            ),
            "volume `c` at `/srv/../run`",
        ),
        (
            deployment("containers: [{name: serve, volumeMounts: [{name: c, mountPath: /run}]}]"),
            "volume `c` at `/run`",
        ),
        (
            deployment(
                "initContainers: [{name: first, volumeMounts: [{name: bin, mountPath: /b}]}]\n    containers: []",
            ),
            "container `first`: volume `bin`",
        ),
        (
            deployment("containers: [{name: beside, volumeMounts: [{name: door, mountPath: /d}]}]"),
            "container `beside`: volume `door`",
        ),
        (
            deployment("priorityClassName: system-cluster-critical\n    containers: []"),
            "`system-` is the cluster's own",
        ),
    ] {
        let told = read_one(&text).unwrap_err();
        assert!(told.contains(why), "{text}\n{told}");
    }
}

#[test]
fn a_container_beside_the_server_is_held_to_the_standard() {
    let problems = |container: &str| {
        let manifests = read_one(&deployment(&format!("containers: [{container}]"))).unwrap();
        restricted_problems(&made(&manifests, None).deployment.unwrap()).join("\n")
    };
    let plain = "name: x, image: x, resources: {}";
    for (container, why) in [
        (format!("{{{plain}}}"), "image must be named by its digest"),
        (
            format!("{{{plain}}}"),
            "memory must be asked for and capped",
        ),
        (
            format!("{{{plain}, securityContext: {{privileged: true}}}}"),
            "privileged must be off",
        ),
        (
            format!("{{{plain}, securityContext: {{capabilities: {{add: [SYS_ADMIN]}}}}}}"),
            "capabilities must drop ALL",
        ),
        (
            format!("{{{plain}, ports: [{{containerPort: 1, hostPort: 1}}]}}"),
            "hostPort must be none",
        ),
        (
            format!("{{{plain}, envFrom: [{{secretRef: {{name: y}}}}]}}"),
            "environment must be written out",
        ),
        (
            format!(
                "{{{plain}, env: [{{name: A, valueFrom: {{secretKeyRef: {{name: y, key: z}}}}}}]}}"
            ),
            "must have a plain value",
        ),
    ] {
        let told = problems(&container);
        assert!(told.contains(why), "{container}\n{told}");
    }
}

#[test]
fn several_models_have_values_of_their_own() {
    let model = |name: &str, version| {
        (
            Slug::parse(name).unwrap(),
            (version, Digest::of(name.as_bytes())),
        )
    };
    let models: BTreeMap<_, _> = [model("left-eye", Some(2)), model("right", None)].into();
    let values = Values::new(&site(), "rel-1", "image", &models);
    let filled = |text: &str| {
        let mut value = Value::from(text);
        values.fill(&mut value).map(|()| value)
    };
    assert_eq!(filled("${BOWSPRIT_MODEL_VERSION_LEFT_EYE}").unwrap(), "2");
    assert_eq!(filled("x${BOWSPRIT_MODEL_VERSION_RIGHT}y").unwrap(), "xy");
    assert!(
        filled("${BOWSPRIT_MODEL_VERSION}").is_err(),
        "of which one?"
    );
    assert!(filled("${BOWSPRIT_NAME").is_err());
}

/// A stranger's release takes no place from others: it comes after them, on plain nodes, in the contract's number.
#[test]
fn manifests_of_a_stranger_place_nothing_before_others() {
    let text = deployment(
        "priorityClassName: high\n    tolerations: [{operator: Exists}]\n    nodeSelector: {gpu: a100}\n    containers: []",
    ) + "\n---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: \"${BOWSPRIT_NAME}\"}\nspec: {maxReplicas: 500, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: \"${BOWSPRIT_NAME}\"}}\n---\napiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: \"${BOWSPRIT_NAME}\"}\nspec: {maxUnavailable: 0}";
    let found = read_one(&text).unwrap();
    let of = |found: &Manifests| {
        let deployment = made(found, None).deployment.expect("a deployment");
        let pod = deployment.spec.and_then(|spec| spec.template.spec);
        let pod = pod.expect("a pod");
        let is_placed = pod.priority_class_name.is_some() || pod.tolerations.is_some();
        let is_kept = found.scaler.is_some() || found.budget.is_some();
        (is_placed, is_kept, pod.node_selector.is_some())
    };
    assert_eq!(of(&found), (true, true, true));
    assert_eq!(of(&found.of_a_stranger()), (false, false, true));
}
