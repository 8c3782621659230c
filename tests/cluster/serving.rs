//! Environments on the real cluster: served, switched under load, held against samples, taken back, removed.

mod aside;
mod asking;
mod copied;
mod house;
mod look;
mod several;

use bowsprit_core::serving::spec::RolloutPhase;
use house::{House, Release};
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use secrecy::ExposeSecret as _;

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_is_served_switched_rolled_back_and_removed() {
    let Some(house) =
        House::open("an_environment_is_served_switched_rolled_back_and_removed").await
    else {
        return;
    };
    house.deploy(1, &Release::good("r1", 10)).await;
    let first = house.settled(1, RolloutPhase::Live).await;
    assert_eq!(first.serving.as_ref().unwrap().release, "r1");
    assert_eq!(house.predict(&first.url, 5).await, Some(15));
    assert_eq!(house.asked_without_key(&first.url).await, 401);

    // A switch under load costs no request, and the address stays.
    let load = house.load(&first.url);
    house.deploy(2, &Release::good("r2", 20)).await;
    let second = house.settled(2, RolloutPhase::Live).await;
    assert_eq!(second.url, first.url);
    load.until_answered(25).await;
    // A release that answers otherwise than its samples leaves the one before.
    let wrong = Release {
        expected: 99,
        ..Release::good("r3", 30)
    };
    house.deploy(3, &wrong).await;
    let third = house.settled(3, RolloutPhase::Failed).await;
    let reason = third.reason.unwrap();
    assert!(reason.contains("3 of 3 samples"), "{reason}");
    assert_eq!(third.serving.unwrap().release, "r2");
    house.pods_are_of("r2").await;
    assert_eq!(house.predict(&first.url, 5).await, Some(25));
    // Back to the first, and again under the same address and keys.
    house.deploy(4, &Release::good("r1", 10)).await;
    house.settled(4, RolloutPhase::Live).await;
    load.until_answered(15).await;
    let (answered, failed) = load.end().await;
    assert!(answered > 50, "{answered}");
    assert_eq!(failed, Vec::<String>::new());
    let log = house.log();
    assert!(
        log.contains(" server r1 is starting") && log.contains(" server r2 is starting"),
        "{log}"
    );

    house.leave_something_foreign().await;
    house.remove().await;
    house.only_the_foreign_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_release_that_cannot_serve_leaves_an_address_and_a_reason() {
    let Some(house) =
        House::open("a_first_release_that_cannot_serve_leaves_an_address_and_a_reason").await
    else {
        return;
    };
    let crashing = Release {
        env: &[("CRASH_AT_START", "1")],
        ..Release::good("r1", 10)
    };
    house.deploy(1, &crashing).await;
    let live = house.settled(1, RolloutPhase::Failed).await;
    let reason = live.reason.unwrap();
    assert!(reason.contains("no weights today"), "{reason}");
    assert!(live.serving.is_none());
    house.pods_are_of("nothing").await;
    house.deploy(2, &Release::good("r2", 20)).await;
    let second = house.settled(2, RolloutPhase::Live).await;
    assert_eq!(second.url, live.url);
    assert_eq!(house.predict(&second.url, 1).await, Some(21));
    house.remove().await;
    house.is_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_that_comes_again_finds_its_environments_and_those_that_nobody_knows() {
    let name = "a_bot_that_comes_again_finds_its_environments_and_those_that_nobody_knows";
    let Some(mut house) = House::open(name).await else {
        return;
    };
    house.deploy(1, &Release::good("r1", 10)).await;
    let first = house.settled(1, RolloutPhase::Live).await;
    house.restart().await;
    house.news().await;
    let again = house.settled(1, RolloutPhase::Live).await;
    assert_eq!(again.serving, first.serving);
    // Somebody deletes the Deployment; it is made again.
    house.delete_deployment().await;
    house.settled(1, RolloutPhase::Starting).await;
    house.settled(1, RolloutPhase::Live).await;
    assert_eq!(house.predict(&first.url, 5).await, Some(15));
    // The bot forgets everything; what the cluster still has is told to whoever decides, and can be removed.
    house.forget().await;
    house.sweep().await;
    house.news().await;
    assert_eq!(house.live().unwrap().generation, 1);
    house.remove().await;
    house.is_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_replaced_without_a_new_pod() {
    let Some(house) = House::open("a_key_is_replaced_without_a_new_pod").await else {
        return;
    };
    house.deploy(1, &Release::good("r1", 10)).await;
    let live = house.settled(1, RolloutPhase::Live).await;
    let before = house.pod_names().await;
    let old = house.key();
    house.rotate().await;
    assert_ne!(old.expose_secret(), house.key().expose_secret());
    house.until_refused(&live.url, &old).await;
    assert_eq!(house.predict(&live.url, 5).await, Some(15));
    assert_eq!(house.pod_names().await, before);
    house.remove().await;
    house.is_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_of_its_own_goes_with_its_environment_but_not_with_what_others_have_in_it() {
    let name =
        "a_namespace_of_its_own_goes_with_its_environment_but_not_with_what_others_have_in_it";
    let Some(house) = House::open_apart(name).await else {
        return;
    };
    house.deploy(1, &Release::good("r1", 10)).await;
    let live = house.settled(1, RolloutPhase::Live).await;
    assert_eq!(house.predict(&live.url, 5).await, Some(15));
    house.remove().await;
    house.namespace_goes().await;

    house.deploy(2, &Release::good("r2", 20)).await;
    house.settled(2, RolloutPhase::Live).await;
    house.leave_something_foreign().await;
    house.remove().await;
    house.only_the_foreign_is_left().await;
}

const CACHE: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: \"${BOWSPRIT_NAME}\", labels: {team: vision}}
spec:
  template:
    spec:
      containers:
      - name: serve
        volumeMounts: [{name: words, mountPath: /srv/words}]
      volumes: [{name: words, configMap: {name: \"${BOWSPRIT_NAME}-${BOWSPRIT_RELEASE}\"}}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: \"${BOWSPRIT_NAME}-${BOWSPRIT_RELEASE}\"}
data: {model: \"v${BOWSPRIT_MODEL_VERSION} at ${BOWSPRIT_ENVIRONMENT}\"}
";
const ADDRESS: &str = "apiVersion: v1
kind: Service
metadata: {name: \"${BOWSPRIT_NAME}-direct\"}
spec: {ports: [{port: 8080}]}
";
const ROLE: &str = "apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: \"${BOWSPRIT_NAME}-all\"}
rules: [{apiGroups: [\"*\"], resources: [\"*\"], verbs: [\"*\"]}]
";

#[tokio::test(flavor = "multi_thread")]
async fn manifests_of_the_repository_shape_its_pods_and_go_with_their_release() {
    let name = "manifests_of_the_repository_shape_its_pods_and_go_with_their_release";
    let Some(house) = House::open(name).await else {
        return;
    };
    let with = |id, offset, manifests| Release {
        manifests,
        ..Release::good(id, offset)
    };
    let both: &[_] = &[("all.yaml", CACHE), ("address.yml", ADDRESS)];
    house.deploy(1, &with("r1", 10, both)).await;
    let live = house.settled(1, RolloutPhase::Live).await;
    assert_eq!(house.predict(&live.url, 5).await, Some(15));
    let deployment = house.deployment().await;
    assert_eq!(deployment.metadata.labels.unwrap()["team"], "vision");
    let pod = deployment.spec.unwrap().template.spec.unwrap();
    let mounts = pod.containers[0].volume_mounts.clone().unwrap();
    assert!(mounts.iter().any(|mount| mount.mount_path == "/srv/words"));
    house.until_named::<ConfigMap>(&["-r1"]).await;
    house.until_named::<Service>(&["", "-direct"]).await;

    // What the next release does not want goes once it is live.
    house
        .deploy(2, &with("r2", 20, &[("all.yaml", CACHE)]))
        .await;
    house.settled(2, RolloutPhase::Live).await;
    house.pods_are_of("r2").await;
    house.until_named::<ConfigMap>(&["-r2"]).await;
    house.until_named::<Service>(&[""]).await;

    // What leaves the environment is refused, and nothing of it is applied.
    let refused: &[_] = &[("all.yaml", CACHE), ("role.yaml", ROLE)];
    let refused = house.try_deploy(3, &with("r3", 30, refused)).await;
    let told = refused.unwrap_err().to_string();
    assert!(
        told.contains("`deploy/role.yaml`: `Role` of `rbac"),
        "{told}"
    );
    house.until_named::<ConfigMap>(&["-r2"]).await;
    assert_eq!(house.predict(&live.url, 5).await, Some(25));

    // What cannot serve is taken back, with its manifests as they were.
    let wrong = Release {
        expected: 99,
        ..with("r4", 40, both)
    };
    house.deploy(4, &wrong).await;
    house.settled(4, RolloutPhase::Failed).await;
    house.pods_are_of("r2").await;
    house.until_named::<ConfigMap>(&["-r2"]).await;
    house.until_named::<Service>(&[""]).await;
    assert_eq!(house.predict(&live.url, 5).await, Some(25));
    house.remove().await;
    house.is_empty().await;
}

const CHART: &str = "apiVersion: v2\nname: adder\nversion: 1.0.0\n";
const COMMON: &str = "apiVersion: v2\nname: common\nversion: 2.0.0\ntype: library\n";
const HELPERS: &str = "{{- define \"common.labels\" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
team: {{ .Values.team | quote }}
{{- end }}
{{- define \"common.fullname\" -}}
{{- .Values.fullnameOverride | default .Release.Name | trunc 63 | trimSuffix \"-\" }}
{{- end }}
";
const TEMPLATE: &str = "{{- $name := include \"common.fullname\" . -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $name }}
  namespace: {{ .Release.Namespace }}
  labels: {{- include \"common.labels\" . | nindent 4 }}
spec:
  selector: {matchLabels: {app: {{ .Chart.Name }}}}
  template:
    metadata:
      labels: {app: {{ .Chart.Name }}}
    spec:
      containers:
      - name: serve
        image: {{ .Values.bowsprit.image | quote }}
        volumeMounts: [{name: words, mountPath: {{ .Values.words }}}]
      volumes: [{name: words, configMap: {name: \"{{ $name }}-{{ .Values.bowsprit.release }}\"}}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: \"{{ $name }}-{{ .Values.bowsprit.release }}\"}
data:
  model: v{{ .Values.bowsprit.models.adder.version }} of {{ .Values.bowsprit.environment }}
  seen: {{ (lookup \"v1\" \"Secret\" .Release.Namespace \"\").items | default list | len | quote }}
{{- if .Values.broken }}
{{ required \"say `team`\" .Values.nothing }}
{{- end }}
";
const HOOK: &str = "apiVersion: v1
kind: Pod
metadata: {name: x, annotations: {\"helm.sh/hook\": test}}
";
const OWN_VALUES: &str = "team: none\nwords: /srv/words\nbroken: false\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_chart_of_the_repository_is_rendered_and_held_to_the_same_rules() {
    let name = "a_chart_of_the_repository_is_rendered_and_held_to_the_same_rules";
    let Some(house) = House::open(name).await else {
        return;
    };
    let with = |id, offset, manifests| Release {
        manifests,
        ..Release::good(id, offset)
    };
    const LIVE: (&str, &str) = ("live.yaml", "team: vision\n");
    macro_rules! chart {
        ($($more:expr),*) => {
            &[
                ("Chart.yaml", CHART),
                ("values.yaml", OWN_VALUES),
                ("charts/common/Chart.yaml", COMMON),
                ("charts/common/templates/_helpers.tpl", HELPERS),
                ("templates/all.yaml", TEMPLATE),
                ("templates/tests/test.yaml", HOOK),
                $($more),*
            ]
        };
    }
    house.deploy(1, &with("r1", 10, chart!(LIVE))).await;
    let live = house.settled(1, RolloutPhase::Live).await;
    assert_eq!(house.predict(&live.url, 5).await, Some(15));
    let labels = house.deployment().await.metadata.labels.unwrap();
    let said = ["team", "helm.sh/chart", "app.kubernetes.io/managed-by"].map(|key| &*labels[key]);
    assert_eq!(said, ["vision", "adder-1.0.0", "bowsprit"]);
    house.until_named::<ConfigMap>(&["-r1"]).await;
    let words = house.config_map("-r1").await;
    assert_eq!((&*words["model"], &*words["seen"]), ("v1 of staging", "0"));

    // Helm's own words, and what leaves the environment; what serves goes on.
    const BROKEN: (&str, &str) = ("live.yaml", "team: vision\nbroken: true\n");
    const FURTHER: (&str, &str) = ("templates/role.yaml", ROLE);
    for (generation, files, why) in [
        (2, chart!(BROKEN), "say `team`"),
        (
            3,
            chart!(LIVE, FURTHER),
            "`adder/templates/role.yaml`: `Role` of `rbac",
        ),
    ] as [(u64, &'static [_], &str); 2]
    {
        let refused = house.try_deploy(generation, &with("r2", 20, files)).await;
        let told = refused.unwrap_err().to_string();
        assert!(told.contains(why), "{told}");
    }
    assert_eq!(house.predict(&live.url, 5).await, Some(15));
    house.remove().await;
    house.is_empty().await;
}
