//! Room for a story: namespaces, and accounts of the bot's that may do what its Role says and no more.

use super::{BOT, Cluster, Extent, FURTHER_PATH, GITOPS, object};
use crate::passage::Passage;
use bowsprit_core::rbac;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use kube::api::{Api, ObjectMeta, PostParams};
use serde_json::{Value, json};

/// What the bot may do in a namespace: what the chart grants there, and nothing else; of what a syncer brings, only look.
fn rules(place: rbac::Place, is_synced: bool) -> Value {
    let rule = |rule: &'static rbac::Rule| {
        let verbs: Vec<&str> = match is_synced {
            true => rbac::synced(rule).collect(),
            false => rule.verbs.to_vec(),
        };
        let rule = json!({"apiGroups": [rule.group], "resources": [rule.resource], "verbs": verbs});
        (!verbs.is_empty()).then_some(rule)
    };
    rbac::rules(place).filter_map(rule).collect()
}

impl Cluster {
    /// Rootless builds need user namespaces, so only their namespace is not restricted.
    pub(super) async fn create_namespace(&self, name: &str, place: rbac::Place) {
        self.create_namespace_with((name, place, false), (BOT, &self.namespace))
            .await;
    }

    /// The same for an account, by its name and namespace.
    async fn create_namespace_with(
        &self,
        (name, place, is_synced): (&str, rbac::Place, bool),
        (account, home): (&str, &str),
    ) {
        let mut labels = json!({});
        let standard = match place {
            rbac::Place::Builds => "privileged",
            rbac::Place::Runs
            | rbac::Place::Environments
            | rbac::Place::Home
            | rbac::Place::Cluster => "restricted",
        };
        for mode in ["enforce", "audit", "warn"] {
            labels[format!("pod-security.kubernetes.io/{mode}")] = standard.into();
        }
        self.whole::<Namespace>()
            .create(
                &PostParams::default(),
                &object(json!({"metadata": {"name": name, "labels": labels}})),
            )
            .await
            .expect("a namespace");
        let stage =
            json!({"metadata": {"name": "bowsprit-stage"}, "automountServiceAccountToken": false});
        self.create::<ServiceAccount>(name, stage).await;
        let rules = rules(place, is_synced);
        self.create::<Role>(name, json!({"metadata": {"name": BOT}, "rules": rules}))
            .await;
        let binding = json!({
            "metadata": {"name": BOT},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": BOT},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": home}],
        });
        self.create::<RoleBinding>(name, binding).await;
    }

    /// Makes room for environments; says so as lines of `[cluster]`, and as further sections.
    pub(super) async fn serve(&mut self, extent: &Extent) -> (String, String) {
        if !extent.serves {
            return (String::new(), String::new());
        }
        let environments = self.environments();
        let place = (
            environments.as_str(),
            rbac::Place::Environments,
            extent.writes,
        );
        self.create_namespace_with(place, (BOT, &self.namespace))
            .await;
        let mut sections = "[releases]\nbackend = \"kubernetes\"\n".to_owned();
        if extent.writes {
            sections.push_str(GITOPS);
        }
        if extent.is_two {
            sections.push_str(&self.add_further(extent.writes).await);
        }
        let line = match extent.is_apart {
            false => format!("releases_namespace = \"{environments}\"\n"),
            true => {
                self.grant_namespaces().await;
                format!("releases_prefix = \"{}\"\n", self.prefix())
            }
        };
        (line, sections)
    }

    /// The bot may make namespaces, one for each environment.
    async fn grant_namespaces(&self) {
        let rules = rules(rbac::Place::Cluster, false);
        let role = json!({"metadata": {"name": self.namespace}, "rules": rules});
        let how = PostParams::default();
        let role = object(role);
        let made = self.whole::<ClusterRole>().create(&how, &role).await;
        made.expect("a role");
        let binding = json!({
            "metadata": {"name": self.namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": self.namespace},
            "subjects": [{"kind": "ServiceAccount", "name": BOT, "namespace": self.namespace}],
        });
        let (binding, all) = (object(binding), self.whole::<ClusterRoleBinding>());
        all.create(&how, &binding).await.expect("a binding");
    }

    /// What the names of environments' own namespaces begin with, where each has one.
    pub(crate) fn prefix(&self) -> String {
        format!("{}-of", self.namespace)
    }

    /// A namespace that stands for a further cluster, with an account of its own; says how the configuration names it.
    async fn add_further(&mut self, writes: bool) -> String {
        const ACCOUNT: &str = "bowsprit-further";
        let namespace = self.further();
        let place = (namespace.as_str(), rbac::Place::Environments, writes);
        self.create_namespace_with(place, (ACCOUNT, &namespace))
            .await;
        let passage = Passage::open().await;
        self.introduce((ACCOUNT, &namespace), &passage, "further")
            .await;
        self.passage_further = Some(passage);
        let kubeconfig = self.dir.path().join("further");
        let written = match writes {
            true => format!("gitops_path = \"{FURTHER_PATH}\"\n"),
            false => String::new(),
        };
        format!(
            "[clusters.further]\nkubeconfig = {kubeconfig:?}\nreleases_namespace = \"{namespace}\"\n{written}"
        )
    }

    /// The namespace that stands for a further cluster, where there is one.
    pub(crate) fn further(&self) -> String {
        format!("{}-further", self.namespace)
    }

    /// The bot gets an account, and a kubeconfig that leads through a passage.
    pub(super) async fn introduce(
        &self,
        (name, namespace): (&str, &str),
        passage: &Passage,
        file: &str,
    ) {
        let accounts: Api<ServiceAccount> = self.all(namespace);
        let account = json!({"metadata": {"name": name}});
        self.create::<ServiceAccount>(namespace, account).await;
        let asked = TokenRequest {
            metadata: ObjectMeta::default(),
            spec: TokenRequestSpec {
                audiences: Vec::new(),
                expiration_seconds: Some(3_600),
                bound_object_ref: None,
            },
            status: None,
        };
        let token = accounts
            .create_token_request(name, &PostParams::default(), &asked)
            .await
            .expect("a token");
        let token = token.status.expect("a token").token;
        let text = passage.kubeconfig(&token);
        std::fs::write(self.dir.path().join(file), text.to_string()).expect("a file");
    }

    /// The namespace of environments, where there are any.
    pub(crate) fn environments(&self) -> String {
        format!("{}-environments", self.namespace)
    }
}
