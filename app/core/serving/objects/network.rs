//! Who reaches an environment, and whom it reaches.

use super::pod::PORT_NAME;
use super::{Expose, PORT, Rollout, ServingContext, Site};
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, IPBlock, Ingress, IngressBackend, IngressRule,
    IngressServiceBackend, IngressSpec, IngressTLS, NetworkPolicy, NetworkPolicyEgressRule,
    NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
    ServiceBackendPort,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// The port of the Service.
pub(super) const SERVICE_PORT: i32 = 80;
/// Where names are asked for.
const DNS_PORT: i32 = 53;
/// Where packages are fetched.
const HTTPS_PORT: i32 = 443;
/// Where clouds tell a machine its credentials.
const METADATA: &str = "169.254.0.0/16";

pub(super) fn service(site: &Site, expose: &Expose) -> Service {
    let kind = match expose {
        Expose::ClusterIp | Expose::Ingress { .. } | Expose::HttpRoute { .. } => "ClusterIP",
        Expose::NodePort => "NodePort",
    };
    Service {
        metadata: site.metadata(),
        spec: Some(ServiceSpec {
            type_: Some(kind.to_owned()),
            selector: Some(site.labels()),
            ports: Some(vec![ServicePort {
                name: Some(PORT_NAME.to_owned()),
                port: SERVICE_PORT,
                protocol: Some("TCP".to_owned()),
                target_port: Some(IntOrString::String(PORT_NAME.to_owned())),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

/// In: to the gateway. Out: names, the bot, and packages where the pod installs some. Everything else is closed.
pub(super) fn policy(
    site: &Site,
    rollout: Option<&Rollout>,
    context: &ServingContext,
) -> NetworkPolicy {
    let names = NetworkPolicyEgressRule {
        ports: Some(vec![port("UDP", DNS_PORT), port("TCP", DNS_PORT)]),
        to: None,
    };
    let mut beyond = vec![port("TCP", bot_port(&context.bot_url))];
    if rollout.is_some_and(|rollout| rollout.installs) {
        beyond.push(port("TCP", HTTPS_PORT));
    }
    let outside = |cidr: &str, except: Option<Vec<String>>| NetworkPolicyPeer {
        ip_block: Some(IPBlock {
            cidr: cidr.to_owned(),
            except,
        }),
        ..NetworkPolicyPeer::default()
    };
    let beyond = NetworkPolicyEgressRule {
        ports: Some(beyond),
        to: Some(vec![
            outside("0.0.0.0/0", Some(vec![METADATA.to_owned()])),
            outside("::/0", None),
        ]),
    };
    NetworkPolicy {
        metadata: site.metadata(),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(site.pods()),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ingress: Some(vec![NetworkPolicyIngressRule {
                ports: Some(vec![port("TCP", PORT)]),
                from: None,
            }]),
            egress: Some(vec![names, beyond]),
        }),
    }
}

/// Lets further ports of the pods be reached.
pub(super) fn open(policy: &mut NetworkPolicy, ports: &[i32]) {
    let rules = policy.spec.as_mut().and_then(|spec| spec.ingress.as_mut());
    if let Some(rule) = rules.and_then(|rules| rules.first_mut()) {
        let further = ports.iter().map(|number| port("TCP", *number));
        rule.ports.get_or_insert_default().extend(further);
    }
}

fn port(protocol: &str, port: i32) -> NetworkPolicyPort {
    NetworkPolicyPort {
        protocol: Some(protocol.to_owned()),
        port: Some(IntOrString::Int(port)),
        end_port: None,
    }
}

/// The port of an address that the configuration has checked.
fn bot_port(url: &str) -> i32 {
    let (usual, rest) = match url.strip_prefix("http://") {
        Some(rest) => (80, rest),
        None => (HTTPS_PORT, url.strip_prefix("https://").unwrap_or(url)),
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let port = authority.rsplit_once(':').map(|(_, port)| port);
    port.and_then(|port| port.parse().ok()).unwrap_or(usual)
}

pub(super) fn ingress(site: &Site, expose: &Expose) -> Option<Ingress> {
    let Expose::Ingress {
        domain,
        class,
        tls_secret,
    } = expose
    else {
        return None;
    };
    let host = site.host(domain);
    let path = HTTPIngressPath {
        path: Some("/".to_owned()),
        path_type: "Prefix".to_owned(),
        backend: IngressBackend {
            service: Some(IngressServiceBackend {
                name: site.name.clone(),
                port: Some(ServiceBackendPort {
                    name: Some(PORT_NAME.to_owned()),
                    number: None,
                }),
            }),
            resource: None,
        },
    };
    Some(Ingress {
        metadata: site.metadata(),
        spec: Some(IngressSpec {
            ingress_class_name: class.clone(),
            rules: Some(vec![IngressRule {
                host: Some(host.clone()),
                http: Some(HTTPIngressRuleValue { paths: vec![path] }),
            }]),
            tls: tls_secret.as_ref().map(|secret| {
                vec![IngressTLS {
                    hosts: Some(vec![host]),
                    secret_name: Some(secret.clone()),
                }]
            }),
            default_backend: None,
        }),
        status: None,
    })
}
