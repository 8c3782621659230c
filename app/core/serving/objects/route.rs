//! An HTTPRoute of the Gateway API, as far as an environment needs one.
//!
//! Source: Gateway API v1.4, "HTTPRoute", which the types of Kubernetes itself do not have.

use super::{Expose, Site};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::{Metadata, NamespaceResourceScope, Resource};
use serde::{Deserialize, Serialize};

/// Leads requests for a name to a Service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpRoute {
    api_version: String,
    kind: String,
    /// Its name, labels and the like.
    pub metadata: ObjectMeta,
    /// Which requests it takes, and where they go.
    pub spec: HttpRouteSpec,
}

/// Which requests a route takes, and where they go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteSpec {
    /// The Gateways that requests come by.
    pub parent_refs: Vec<ParentRef>,
    /// The names that are asked for.
    #[serde(default)]
    pub hostnames: Vec<String>,
    /// Where they go.
    #[serde(default)]
    pub rules: Vec<Rule>,
}

/// A Gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParentRef {
    /// Its name.
    pub name: String,
    /// Its namespace; the route's own where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// Where requests go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// The Services.
    #[serde(default)]
    pub backend_refs: Vec<BackendRef>,
}

/// A Service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendRef {
    /// Its name.
    pub name: String,
    /// Its port.
    pub port: i32,
}

impl Resource for HttpRoute {
    const API_VERSION: &'static str = "gateway.networking.k8s.io/v1";
    const GROUP: &'static str = "gateway.networking.k8s.io";
    const KIND: &'static str = "HTTPRoute";
    const VERSION: &'static str = "v1";
    const URL_PATH_SEGMENT: &'static str = "httproutes";
    type Scope = NamespaceResourceScope;
}

impl Metadata for HttpRoute {
    type Ty = ObjectMeta;

    fn metadata(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn metadata_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// The route of an environment, where the cluster has a Gateway for it.
pub(super) fn route(site: &Site, expose: &Expose, service_port: i32) -> Option<HttpRoute> {
    let Expose::HttpRoute {
        domain,
        gateway: (namespace, name),
        ..
    } = expose
    else {
        return None;
    };
    Some(HttpRoute {
        api_version: HttpRoute::API_VERSION.to_owned(),
        kind: HttpRoute::KIND.to_owned(),
        metadata: site.metadata(),
        spec: HttpRouteSpec {
            parent_refs: vec![ParentRef {
                name: name.clone(),
                namespace: Some(namespace.clone()),
            }],
            hostnames: vec![site.host(domain)],
            rules: vec![Rule {
                backend_refs: vec![BackendRef {
                    name: site.name.clone(),
                    port: service_port,
                }],
            }],
        },
    })
}
