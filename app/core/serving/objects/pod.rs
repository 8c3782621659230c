//! The pod: the gateway supervises the server in one container, and is ready once the server has answered its samples.

use super::{RELEASE_LABEL, Rollout, ServingContext, Site, order_file, release_label};
use crate::pod::{
    BIN_BYTES, TMP_BYTES, empty, install, locked, mount, nobody, pull_secrets, quantity, resources,
    variable, words,
};
use crate::training::job::pod::USER;
use crate::training::job::{TRUST_LABEL, trust};
use crate::training::spec::Trust;
use k8s_openapi::api::core::v1::{
    Container, ContainerPort, HTTPGetAction, PodSpec, PodTemplateSpec, Probe, SecretVolumeSource,
    TopologySpreadConstraint, Volume,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::path::{Component, Path};

/// Where the gateway listens in its pod.
pub const PORT: i32 = 8_080;
/// The port's name.
pub(super) const PORT_NAME: &str = "http";
/// In the mounted Secret: the token by which the pod fetches.
pub const TOKEN_FILE: &str = "token";
/// In the mounted Secret, where the bot has one: a certificate to trust it by, PEM.
pub const CA_FILE: &str = "ca.crt";
/// In the mounted Secret: what the gateway lets in.
pub const DOOR_FILE: &str = "door.json";

/// The container that serves.
pub const SERVE: &str = "serve";
/// Room for the release, its software and what it writes, beside its models twice. Units: bytes.
const RUN_BYTES: u64 = 4 << 30;
/// Where the Secret is mounted.
const SECRETS: &str = "/run/secrets/bowsprit";
/// Volumes of the container that serves: name, where it is mounted, and whether it is only read there.
const MOUNTS: [(&str, &str, bool); 4] = [
    ("bin", "/opt/bowsprit", true),
    ("run", "/run/bowsprit", false),
    ("door", SECRETS, true),
    ("tmp", "/tmp", false),
];
/// What the gateway takes beside the server. Units: bytes.
const GATEWAY_BYTES: u64 = 128 << 20;
/// The same in CPU. Units: thousandths of a core.
const GATEWAY_MILLIS: u32 = 50;
/// What copying the agent's binary takes. Units: thousandths of a core, bytes.
const INSTALL: (u32, u64) = (50, 64 << 20);
/// A gateway asked to end waits so long for the cluster to send requests elsewhere, and ends what is left in as long again.
const LEAVE_S: u64 = 15;
/// A gateway is asked this often whether it is ready. Units: seconds.
const READY_EVERY_S: i32 = 2;
/// A gateway that fetches, and so does not listen yet, is given this long. Units: seconds.
const FETCH_S: i32 = 600;

pub(super) fn template(
    site: &Site,
    rollout: &Rollout,
    context: &ServingContext,
) -> PodTemplateSpec {
    let marks = rollout.logs.then(|| context.log_marks.clone());
    let marks = marks.unwrap_or_default();
    // Ours go before the operator's: by them pods are found and removed.
    let mut labels = marks.labels;
    labels.extend(site.labels());
    labels.insert(RELEASE_LABEL.to_owned(), release_label(&rollout.release));
    labels.insert(TRUST_LABEL.to_owned(), trust(rollout.trust).to_owned());
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels),
            annotations: (!marks.annotations.is_empty()).then_some(marks.annotations),
            ..ObjectMeta::default()
        }),
        spec: Some(pod(site, rollout, context)),
    }
}

fn pod(site: &Site, rollout: &Rollout, context: &ServingContext) -> PodSpec {
    let sandbox = match rollout.trust {
        Trust::Trusted => None,
        Trust::Untrusted => context.sandbox_class.clone(),
    };
    let pull = pull_secrets(&context.pull_secrets);
    let grace_s = rollout.drain_timeout_s.saturating_add(2 * LEAVE_S);
    PodSpec {
        restart_policy: Some("Always".to_owned()),
        termination_grace_period_seconds: Some(i64::try_from(grace_s).unwrap_or(i64::MAX)),
        service_account_name: Some(site.name.clone()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        host_users: context.has_user_namespaces.then_some(false),
        runtime_class_name: sandbox,
        image_pull_secrets: (!pull.is_empty()).then_some(pull),
        security_context: Some(nobody(USER)),
        topology_spread_constraints: (rollout.replicas.max > 1).then(|| vec![spread(site)]),
        init_containers: Some(vec![install(&context.agent_image, INSTALL)]),
        containers: vec![serve(site, rollout, context)],
        volumes: Some(volumes(site, rollout)),
        ..PodSpec::default()
    }
}

/// Several pods stand on several nodes where there are some.
fn spread(site: &Site) -> TopologySpreadConstraint {
    TopologySpreadConstraint {
        label_selector: Some(site.pods()),
        max_skew: 1,
        topology_key: "kubernetes.io/hostname".to_owned(),
        when_unsatisfiable: "ScheduleAnyway".to_owned(),
        ..TopologySpreadConstraint::default()
    }
}

fn serve(site: &Site, rollout: &Rollout, context: &ServingContext) -> Container {
    let env = [("HOME", "/tmp"), ("TMPDIR", "/tmp"), ("LANG", "C.UTF-8")];
    let order = if rollout.has_order {
        order_file(&rollout.release)
    } else {
        format!(
            "{}/agent/releases/{}/{}/{}",
            context.bot_url,
            site.repo,
            site.environment,
            release_label(&rollout.release)
        )
    };
    let image = rollout.image.as_ref().map(ToString::to_string);
    let listen = format!("0.0.0.0:{PORT}");
    Container {
        name: SERVE.to_owned(),
        image: Some(image.unwrap_or_else(|| context.image.clone())),
        command: Some(words(&[
            "/opt/bowsprit/bowsprit-agent",
            "gateway",
            "--dir",
            "/run/bowsprit",
            "--order",
            &order,
            "--secrets",
            SECRETS,
            "--listen",
            &listen,
        ])),
        env: Some(env.map(|(name, value)| variable(name, value)).to_vec()),
        ports: Some(vec![ContainerPort {
            name: Some(PORT_NAME.to_owned()),
            container_port: PORT,
            protocol: Some("TCP".to_owned()),
            ..ContainerPort::default()
        }]),
        // Whether it listens at all; then whether it still does; and whether it answers rightly.
        startup_probe: Some(probe(
            "/.bowsprit/alive",
            READY_EVERY_S,
            FETCH_S / READY_EVERY_S,
        )),
        liveness_probe: Some(probe("/.bowsprit/alive", 10, 6)),
        readiness_probe: Some(probe("/.bowsprit/health", READY_EVERY_S, 3)),
        resources: Some(resources(
            rollout.cpu_millis.saturating_add(GATEWAY_MILLIS),
            quantity(rollout.memory_bytes.saturating_add(GATEWAY_BYTES)),
            quantity(run_bytes(rollout).saturating_add(TMP_BYTES + BIN_BYTES)),
        )),
        security_context: Some(locked()),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(
            MOUNTS
                .map(|(name, path, is_read)| mount(name, path, is_read))
                .to_vec(),
        ),
        // An image with code begins where that lies.
        working_dir: (!rollout.is_whole).then(|| "/run/bowsprit".to_owned()),
        ..Container::default()
    }
}

/// Whether a volume of this name is the gateway's.
pub(crate) fn is_ours(volume: &str) -> bool {
    MOUNTS.iter().any(|(name, ..)| *name == volume)
}

/// Whether a mount there would cover something of the gateway's, or change it.
pub(crate) fn covers_ours(path: &str) -> bool {
    let theirs = Path::new(path);
    let is_plain = theirs
        .components()
        .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    let mut ours = MOUNTS.iter().map(|(_, path, _)| Path::new(path));
    !is_plain || ours.any(|ours| ours.starts_with(theirs) || theirs.starts_with(ours))
}

fn probe(path: &str, every_s: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String(PORT_NAME.to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(every_s),
        timeout_seconds: Some(5),
        failure_threshold: Some(failures),
        ..Probe::default()
    }
}

/// Models are fetched first and then laid out.
fn run_bytes(rollout: &Rollout) -> u64 {
    RUN_BYTES.saturating_add(rollout.model_bytes.saturating_mul(2))
}

fn volumes(site: &Site, rollout: &Rollout) -> Vec<Volume> {
    let door = Volume {
        name: "door".to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(site.name.clone()),
            default_mode: Some(0o440),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    };
    vec![
        empty("bin", BIN_BYTES),
        empty("run", quantity(run_bytes(rollout))),
        door,
        empty("tmp", TMP_BYTES),
    ]
}
