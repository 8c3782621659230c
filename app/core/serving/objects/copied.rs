//! Secrets of the operator's that an environment's own namespace is given: credentials of registries, and certificates.
//!
//! A namespace that the bot makes has none, and pods and ingresses look for Secrets in their own alone. Only what the
//! configuration names, and what is of a kind made for this, leaves the bot's namespace.

use super::{Expose, ServingContext, Site, owner_account};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// Credentials of registries. Source: Kubernetes, "Secrets", "Docker config Secrets".
const PULL_TYPES: [&str; 2] = ["kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg"];
/// Certificates. Source: Kubernetes, "Secrets", "TLS Secrets".
const TLS_TYPE: &str = "kubernetes.io/tls";

/// The names of the Secrets that are brought to an environment: those of the list that something of it uses.
pub fn copies<'a>(site: &Site, context: &'a ServingContext) -> Vec<&'a str> {
    let tls = match &context.expose {
        Expose::Ingress { tls_secret, .. } => tls_secret.as_ref(),
        Expose::ClusterIp | Expose::NodePort | Expose::HttpRoute { .. } => None,
    };
    let is_used = |name: &&String| tls == Some(*name) || context.pull_secrets.contains(*name);
    let named = context.copied_secrets.iter().filter(is_used);
    match site.owns_namespace {
        true => named.map(String::as_str).collect(),
        // A namespace that was there before is its owner's to furnish.
        false => Vec::new(),
    }
}

/// Whether a Secret is of a kind that may be copied. Errors: why not, with what would work.
pub fn copyable(source: &Secret) -> Result<(), String> {
    let kind = source.type_.as_deref().unwrap_or("Opaque");
    if PULL_TYPES.contains(&kind) || kind == TLS_TYPE {
        return Ok(());
    }
    Err(format!(
        "is of type `{kind}`, and only credentials of registries and certificates are copied: make it by `kubectl create secret docker-registry` or `kubectl create secret tls`"
    ))
}

/// The Secret as an environment's namespace gets it: name, type and data, and nothing else of the first.
///
/// It goes with the account, whose `uid` the cluster told: a namespace may stay, since others live in it. Errors: as
/// [`copyable`].
pub fn copied(site: &Site, source: &Secret, account_uid: &str) -> Result<Secret, String> {
    copyable(source)?;
    Ok(Secret {
        metadata: ObjectMeta {
            name: source.metadata.name.clone(),
            namespace: Some(site.namespace.clone()),
            labels: Some(site.labels()),
            owner_references: Some(vec![owner_account(site, account_uid)]),
            ..ObjectMeta::default()
        },
        type_: source.type_.clone(),
        data: source.data.clone(),
        ..Secret::default()
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{context, site};
    use super::*;
    use serde_json::json;

    fn secret(kind: Option<&str>) -> Secret {
        let written = json!({"metadata": {"name": "registry", "namespace": "bowsprit", "uid": "u", "resourceVersion": "7",
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}, "labels": {"team": "ml"},
            "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "p"}]},
            "type": kind, "data": {".dockerconfigjson": "e30="}});
        serde_json::from_value(written).expect("a Secret")
    }

    #[test]
    fn only_what_is_named_and_used_is_brought_to_a_namespace_of_ours() {
        let (own, mut shared) = (site(), site());
        shared.owns_namespace = false;
        for (copied, site, expose, want) in [
            (&[][..], &own, None, ""),
            (&["registry"], &own, None, "registry"),
            (
                &["registry", "models-tls"],
                &own,
                None,
                "registry models-tls",
            ),
            (
                &["registry", "models-tls"],
                &own,
                Some(Expose::ClusterIp),
                "registry",
            ),
            (&["registry", "other"], &own, None, "registry"),
            (&["registry", "models-tls"], &shared, None, ""),
        ] {
            let mut context = context();
            context.copied_secrets = copied.iter().map(|name| (*name).to_owned()).collect();
            context.expose = expose.unwrap_or(context.expose);
            assert_eq!(copies(site, &context).join(" "), want, "{copied:?}");
        }
    }

    #[test]
    fn a_copy_is_the_same_secret_with_the_labels_of_its_environment() {
        let source = secret(Some("kubernetes.io/dockerconfigjson"));
        let copy = copied(&site(), &source, "uid");
        let copy = serde_json::to_value(copy.expect("a copy")).expect("JSON");
        let want = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "registry", "namespace": site().namespace, "labels": site().labels(),
                "ownerReferences": [{"apiVersion": "v1", "kind": "ServiceAccount", "name": site().name, "uid": "uid"}]},
            "type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "e30="}});
        assert_eq!(copy, want);
    }

    #[test]
    fn a_secret_of_another_kind_stays_where_it_is() {
        for (kind, may) in [
            (Some("kubernetes.io/dockerconfigjson"), true),
            (Some("kubernetes.io/dockercfg"), true),
            (Some("kubernetes.io/tls"), true),
            (Some("kubernetes.io/service-account-token"), false),
            (Some("helm.sh/release.v1"), false),
            (Some("Opaque"), false),
            (None, false),
        ] {
            let found = copied(&site(), &secret(kind), "uid");
            assert_eq!(found.is_ok(), may, "{kind:?}");
            if let Err(words) = found {
                assert!(words.contains("kubectl create secret tls"), "{words}");
            }
        }
    }
}
