//! Where environments are served: ports of this machine, and the keys of `[cluster]` that only serving reads.

use super::cluster::{checked_name, is_name};
use super::read::Reader;
use bowsprit_core::serving::objects::Expose;
use std::ops::RangeInclusive;

/// Where environments live in the cluster, and how they are reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serving {
    /// One namespace for all of them; where absent each has its own.
    pub namespace: Option<String>,
    /// What the names of their own namespaces begin with.
    pub prefix: String,
    /// How they are reached.
    pub expose: Expose,
    /// The host under which ports of nodes are reached.
    pub node_host: Option<String>,
}

/// Ports of this machine that environments may listen on; `None` inside for any.
pub(super) fn ports(reader: &mut Reader) -> Option<Option<RangeInclusive<u16>>> {
    match reader.text("releases.ports") {
        None => Some(None),
        Some(text) => {
            let range = text.split_once('-').and_then(|(first, last)| {
                let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
                (first > 0 && first <= last).then_some(first..=last)
            });
            if range.is_none() {
                reader.complain(
                    "releases.ports",
                    format!("`{text}` is not a range such as `20000-20999`"),
                );
            }
            range.map(Some)
        }
    }
}

/// Reads the keys of a section, `cluster` or that of another cluster.
pub(super) fn serving(reader: &mut Reader, section: &str) -> Option<Serving> {
    let key = |key: &str| format!("{section}.{key}");
    let namespace = reader.text(&key("releases_namespace"));
    let is_namespace = namespace
        .as_ref()
        .is_none_or(|name| checked_name(reader, &key("releases_namespace"), name));
    let prefix = reader.text_or(&key("releases_prefix"), "bowsprit");
    let is_prefix = checked_name(reader, &key("releases_prefix"), &prefix);
    let node_host = reader.text(&key("node_host"));
    let expose = expose(reader, section, node_host.is_some());
    (is_namespace && is_prefix).then_some(Serving {
        namespace,
        prefix,
        expose: expose?,
        node_host,
    })
}

fn expose(reader: &mut Reader, section: &str, has_node_host: bool) -> Option<Expose> {
    let of = |key: &str| format!("{section}.{key}");
    let key = &of("expose");
    let domain = reader.text(&of("ingress_domain"));
    let class = reader.text(&of("ingress_class"));
    let tls_secret = reader.text(&of("ingress_tls_secret"));
    let gateway = gateway(reader, &of("gateway"));
    let usual = if domain.is_some() {
        "ingress"
    } else {
        "cluster-ip"
    };
    let text = reader.text_or(key, usual);
    match (text.as_str(), domain) {
        ("cluster-ip", None) => return Some(Expose::ClusterIp),
        ("node-port", None) if has_node_host => return Some(Expose::NodePort),
        ("node-port", None) => reader.complain(
            key,
            format!("`node-port` needs `{section}.node_host`, the name or address of a node"),
        ),
        ("ingress" | "httproute", Some(domain)) if !domain.split('.').all(is_name) => reader
            .complain(
                &of("ingress_domain"),
                format!("`{domain}` is not a domain such as `models.example.org`"),
            ),
        ("ingress", Some(domain)) => {
            return Some(Expose::Ingress {
                domain,
                class,
                tls_secret,
            });
        }
        ("httproute", Some(domain)) => match gateway {
            Some((gateway, has_tls)) => {
                return Some(Expose::HttpRoute {
                    domain,
                    gateway,
                    has_tls,
                });
            }
            None => reader.complain(
                &of("gateway"),
                "`httproute` needs a Gateway, such as `https://gateways/public`: its namespace and its name"
                    .to_owned(),
            ),
        },
        ("ingress" | "httproute", None) => reader.complain(
            key,
            format!("`{text}` needs `{section}.ingress_domain`, such as `models.example.org`"),
        ),
        ("cluster-ip" | "node-port", Some(_)) => reader.complain(
            &of("ingress_domain"),
            format!("is for `{section}.expose = \"ingress\"` and `\"httproute\"`"),
        ),
        (other, _) => reader.complain(
            key,
            format!("`{other}` is not `cluster-ip`, `node-port`, `ingress` or `httproute`"),
        ),
    }
    None
}

/// A Gateway, and whether it speaks HTTPS: `https://namespace/name`, or with `http`.
fn gateway(reader: &mut Reader, key: &str) -> Option<((String, String), bool)> {
    let text = reader.text(key)?;
    let (scheme, rest) = text.split_once("://")?;
    let (namespace, name) = rest.split_once('/')?;
    let is_known = ["http", "https"].contains(&scheme) && is_name(namespace) && is_name(name);
    let gateway = (namespace.to_owned(), name.to_owned());
    is_known.then_some((gateway, scheme == "https"))
}
