//! Every key of the configuration, as CONFIGURATION.md shows it. A test holds it against what the reader asks for.

use serde_json::{Value, json};
use std::fmt::Write as _;

/// One key: its name, its default, what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Such as `github.api_url`.
    pub name: &'static str,
    /// The value where none is given; empty for a key that must be given.
    pub default: &'static str,
    /// What it is.
    pub what: &'static str,
}

macro_rules! keys {
    ($($name:literal $default:literal $what:literal;)*) => {
        &[$(Key { name: $name, default: $default, what: $what }),*]
    };
}

/// The keys, in the order in which an operator meets them.
#[rustfmt::skip]
pub const REFERENCE: &[Key] = keys! {
    "listen" "127.0.0.1:8080" "Where the server listens.";
    "public_url" "http://<listen>" "How people and GitHub reach it; links in comments and checks begin with it.";
    "state_dir" "bowsprit-state" "Everything that the server keeps. Made at the first start, for its own user only.";
    "github.api_url" "https://api.github.com" "The REST API; of a GitHub Enterprise Server `https://<host>/api/v3`. `http://` works to this machine only.";
    "github.git_url" "https://github.com" "git over HTTPS; of a GitHub Enterprise Server `https://<host>`. `http://` works to this machine only.";
    "github.web_url" "<github.git_url>" "Pages for people.";
    "github.app_id" "" "The number that GitHub shows as App ID.";
    "github.private_key_file" "" "The App's private key, a PEM file.";
    "github.webhook_secret_files" "" "Files with the secret that signs webhooks; two while the secret changes. A secret has 16 bytes or more.";
    "github.ca_file" "none" "A certificate to trust beside the system's, PEM.";
    "runs.backend" "local" "Who trains: `local`, this machine, or `kubernetes`, the cluster of `[cluster]`.";
    "runs.slots" "<cores>" "Stages of runs at work at once, 1 to 1024; 100 with `kubernetes`, whose quotas and queues hold back the rest.";
    "secrets.\"<owner/name>\".<NAME>" "none" "A file with the value of the secret that steps of this repository call `NAME`: text of 8 bytes to 64 KiB. Read at the start.";
    "releases.backend" "local" "Who serves: `local`, this machine, or `kubernetes`, the cluster of `[cluster]`.";
    "releases.ports" "any free port" "Ports that environments may listen on, such as `20000-20999`.";
    "cluster.kubeconfig" "none" "How the cluster is reached. Where absent: the pod's own service account, else the user's usual file.";
    "cluster.context" "<the current one>" "Which context of that file.";
    "cluster.bot_url" "<public_url>" "How pods reach this server; agents in pods fetch their orders there, and upload what they made.";
    "cluster.bot_ca_file" "none" "A certificate that pods trust when they call this server, PEM.";
    "cluster.namespace" "bowsprit-training" "Where trusted commits train. Keep it free of other Secrets and accounts.";
    "cluster.untrusted_namespace" "bowsprit-untrusted" "Where all other commits do.";
    "cluster.build_namespace" "bowsprit-build" "Where images are built.";
    "cluster.base_image" "none" "The image that steps run in where none was built for them, with Python, by digest. Must be given with `kubernetes`.";
    "cluster.agent_image" "none" "The image that holds the agent, by digest. Must be given with `kubernetes`.";
    "cluster.service_account" "bowsprit-stage" "The account of the pods of stages; it needs no rights.";
    "cluster.pull_secrets" "none" "Names of Secrets by which nodes pull the images, separated by commas.";
    "cluster.copied_secrets" "none" "Names of Secrets, separated by commas, that the bot copies from its own namespace into those that it makes for environments; each stands in `cluster.pull_secrets` or is an `ingress_tls_secret`.";
    "cluster.purpose" "development" "What the cluster is for: `development`, where one node is enough, or `production`, for which `bowsprit doctor` wants 12 vCPU that pods may have.";
    "cluster.node_selector.\"<label>\"" "none" "Stages run on nodes with this label and value.";
    "cluster.tolerations" "none" "Taints of nodes that stages bear, such as `gpu=yes:NoSchedule`, separated by commas.";
    "cluster.priority_class" "none" "The priority class of stages.";
    "cluster.sandbox_class" "none" "The runtime class of untrusted stages, such as gVisor's.";
    "cluster.helm" "`helm` in `PATH`" "The program that renders charts of repositories. Without one a `deploy.chart` is refused.";
    "cluster.user_namespaces" "false" "Whether pods get a user namespace; needs Linux 6.3 and containerd 2.";
    "cluster.gpu_resource" "nvidia.com/gpu" "The resource that `gpu` of a step asks for.";
    "cluster.queue" "none" "Kueue's LocalQueue that stages wait in.";
    "cluster.releases_namespace" "one for each" "The namespace of all environments. Where absent each has its own, `<cluster.releases_prefix>-<service>-<environment>`, which the bot makes and removes.";
    "cluster.releases_prefix" "bowsprit" "What the names of those namespaces begin with.";
    "cluster.expose" "cluster-ip" "How environments are reached: `cluster-ip`, `node-port`, `ingress`, the default where a domain is given, or `httproute`.";
    "cluster.gateway" "none" "With `httproute`: the Gateway by which requests come, as `https://namespace/name`, or with `http` where it speaks no HTTPS; its listener must allow routes from the environments' namespaces.";
    "cluster.node_host" "none" "The name or address under which ports of nodes are reached; `node-port` needs it.";
    "cluster.ingress_domain" "none" "Environments are reached below this domain, such as `models.example.org`: its names must lead to the cluster's ingress controller, or to its Gateway.";
    "cluster.ingress_class" "none" "Which ingress controller; the cluster's default one where absent.";
    "cluster.ingress_tls_secret" "none" "A Secret in the environments' namespace with a certificate for names below the domain; plain HTTP where absent.";
    "clusters.\"<name>\".kubeconfig" "" "How a further cluster is reached; environments choose it by `cluster: <name>` in the contract. All that `[cluster]` says of images and pods holds for it too.";
    "clusters.\"<name>\".context" "<the current one>" "Which context of that file.";
    "clusters.\"<name>\".bot_url" "<cluster.bot_url>" "How its pods reach this server.";
    "clusters.\"<name>\".releases_namespace" "one for each" "As of `[cluster]`, said anew for this one; so are the keys up to `ingress_tls_secret`.";
    "clusters.\"<name>\".releases_prefix" "bowsprit" "What the names of those namespaces begin with.";
    "clusters.\"<name>\".expose" "cluster-ip" "How environments are reached there.";
    "clusters.\"<name>\".gateway" "none" "With `httproute`: its Gateway.";
    "clusters.\"<name>\".node_host" "none" "With `node-port`: the name or address of a node.";
    "clusters.\"<name>\".ingress_domain" "none" "The domain below which environments are reached there.";
    "clusters.\"<name>\".ingress_class" "none" "Its ingress controller.";
    "clusters.\"<name>\".ingress_tls_secret" "none" "Its certificate.";
    "clusters.\"<name>\".gitops_path" "none" "The folder of `gitops.repository` that is synced to it; its environments are applied where absent.";
    "gitops.repository" "none" "The repository, `owner/name`, that Argo CD or Flux brings to the cluster. Releases are then committed there and not applied; the App must be installed on it.";
    "gitops.branch" "main" "The branch that is synced; the App must be able to push to it.";
    "gitops.path" "the root" "The folder below which each environment has its own, `<namespace>/<owner>-<service>/<name of its objects>`.";
    "gitops.environments" "all" "Environments that are written so, separated by commas, `preview` for all previews; the others are applied.";
    "gitops.sync_wait" "15m" "A release that the cluster does not show so long after its commit has failed, 10 s to 24 h.";
    "images.registry" "none" "The project's registry, `host` or `host:port`: runtimes, and releases with their code and models, become images that are kept there. Without it steps and servers run in `cluster.base_image`, and the agent installs what they need each time.";
    "images.shared_registry" "none" "A registry that is read where the project's has nothing; it is never written.";
    "images.repository_prefix" "bowsprit" "First parts of the path of every image: `<prefix>/trusted/…` and `<prefix>/untrusted/…`.";
    "images.auth_file" "none" "The credential of registries, as `podman login --authfile` writes it. It must be able to read and write below the prefix.";
    "images.untrusted_auth_file" "none" "The same for builds of untrusted heads; it should be able to write below `<prefix>/untrusted` alone.";
    "images.builder_image" "none" "The image that builds, by digest, made from `helm/builder`. Needed with `images.registry`.";
    "images.insecure_registries" "none" "Registries that speak plain HTTP, separated by commas.";
    "images.platform" "linux/amd64" "What images run on.";
    "images.build_settings" "none" "A ConfigMap in `cluster.build_namespace` with what builds need in this network and images must not keep: `pip.conf`, `ca-certificates.crt`, `registries.conf`, `sources.list`, `apt.conf`.";
    "logs.pod_labels.\"<label>\"" "none" "A label of the pods of services whose contract says `logs: true`, by which a collector in the cluster chooses what it reads.";
    "logs.pod_annotations.\"<annotation>\"" "none" "The same as an annotation.";
    "logs.push_url" "none" "Where environments are processes: the address that takes the lines of services whose contract says `logs: true`, by POST, as lines of JSON with `time`, `service`, `environment`, `source` and `line`.";
    "reconcile.every" "5m" "How often everything is looked at without being told, 1 s to 24 h. Without webhooks this is the only ear: make it short.";
    "retention.runs" "90d" "How long finished runs that nothing names are kept, and effects that are done; 14d or more. `0` or `never` keeps for ever, here and in the keys below.";
    "retention.deliveries" "30d" "How long handled deliveries are known, 30d or more; their payloads stay 7 days at most.";
    "retention.dead_letters" "365d" "How long deliveries and effects that were given up stay where nobody tries them again or puts them away; 90d or more.";
    "retention.events" "365d" "How long it is listed what happened, 30d or more.";
    "retention.artifacts_unused" "30d" "How long bytes stay that no version, environment, open pull request or unfinished run names, as those of candidates that were refused; 7d or more.";
    "store.url" "sqlite:<state_dir>/bowsprit.db" "The database. `postgres:` is refused: it is not built yet.";
    "front.open_reading" "false" "Whether pages and API may be read without a token. Only where `listen` is reached from this machine alone.";
    "chatops.compatibility" "own" "`own` or `prow`: whose habits commands follow where the two differ. What an owner, a repository or its contract says goes before it.";
    "chatops.owners.\"<owner>\"" "<chatops.compatibility>" "The same for all repositories of an owner; or a table with any key that the contract has under `chatops`.";
    "chatops.repositories.\"<owner/name>\"" "<chatops.owners.\"<owner>\">" "The same for one repository. An owner's name alone stands for all of that owner.";
    "limits.bodies_at_once" "64" "Webhook bodies above 64 KiB read at once, 1 to 1024.";
    "limits.run_disk_bytes" "10737418240" "What a run may write, 1 MiB to 1 PiB.";
    "limits.disk_free_percent" "10" "No delivery is taken while the disk of `state_dir` has less than this part free, and also less than `limits.disk_free_bytes`; 0 to 100, 0 never looks.";
    "limits.disk_free_bytes" "5368709120" "So much free is enough on a disk of any size, 0 to 1 PiB.";
    "limits.github_writes_per_minute" "70" "Writes to GitHub within any minute, per installation. GitHub allows about 80. All calls together keep below 900 points a minute (a read counts 1, a write 5), in proportion more where this is a multiple of the default.";
    "limits.github_writes_per_hour" "450" "Writes to GitHub within any hour, per installation. GitHub allows about 500.";
    "limits.github_unknown_wait" "30s" "After a call whose outcome is unknown, GitHub is not asked to do it again for this long, 1s to 600s.";
};

/// The page of all keys as Markdown.
pub fn reference_markdown() -> String {
    let mut page = String::from(
        "# Configuration\n\n\
         The server reads one TOML file and lays the environment over it.\n\
         `BOWSPRIT_GITHUB__API_URL` is `api_url` of `[github]`: upper case, two underscores for each dot; lists are separated by commas.\n\
         An unknown key is an error, and all problems are told at once, each with its key and line.\n\
         Secrets are files; no secret stands in the configuration itself.\n\n\
         ```toml\n\
         listen = \"127.0.0.1:8080\"\n\
         public_url = \"https://bowsprit.example.org\"\n\
         state_dir = \"/var/lib/bowsprit\"\n\n\
         [github]\n\
         app_id = 123456\n\
         private_key_file = \"/etc/bowsprit/app.pem\"\n\
         webhook_secret_files = [\"/etc/bowsprit/webhook-secret\"]\n\n\
         [secrets.\"octo/digits-training\"]\n\
         DATASET_KEY = \"/etc/bowsprit/dataset-key\"\n\n\
         [chatops.owners.octo]\n\
         compatibility = \"prow\"\n\
         sticky_approve = false\n\n\
         [chatops.repositories.\"octo/digits-training\"]\n\
         labels = [\"good first issue\"]\n\
         ```\n\n\
         What is said about commands is read in this order, and a later place goes before an earlier one:\n\
         `chatops.compatibility`, the owner, the repository, and the contract of the base branch.\n\
         In each place the preset, `compatibility`, sets every switch, and the switches that stand beside it then set theirs.\n\
         A list or a table of a later place replaces the whole one of an earlier place.\n\
         [COMMANDS](COMMANDS.md#habits-of-prow) names the keys.\n\n\
         For a GitHub Enterprise Server at `ghe.example.org`:\n\n\
         ```toml\n\
         [github]\n\
         api_url = \"https://ghe.example.org/api/v3\"\n\
         git_url = \"https://ghe.example.org\"\n\
         ca_file = \"/etc/bowsprit/ghe-ca.pem\" # where its certificate is of your own authority\n\
         ```\n\n\
         | key | default | what it is |\n\
         | --- | --- | --- |\n",
    );
    for key in REFERENCE {
        let default = match key.default {
            "" => "must be given".to_owned(),
            "none" | "any free port" => key.default.to_owned(),
            value => format!("`{value}`"),
        };
        // Writing into a text cannot fail.
        let _ = writeln!(page, "| `{}` | {default} | {} |", key.name, key.what);
    }
    page
}

/// The keys as a JSON schema of nested tables, as the chart takes them: an unknown key is refused before anything is installed.
pub fn reference_schema() -> Value {
    let mut root = json!({});
    for key in REFERENCE {
        let mut at = &mut root;
        for part in parts(key.name) {
            table(at);
            // A part that a person names stands for any key.
            at = match part.starts_with('<') {
                true => &mut at["additionalProperties"],
                false => &mut at["properties"][part],
            };
        }
        *at = json!({
            "description": key.what,
            "items": {"type": "string"},
            "type": ["string", "integer", "boolean", "array"],
        });
        if key.name.starts_with("chatops.") && key.name.ends_with('"') {
            at["type"] = json!(["string", "object"]);
        }
    }
    root
}

fn table(at: &mut Value) {
    if at["type"] != "object" {
        *at = json!({"type": "object", "additionalProperties": false, "properties": {}});
    }
}

/// `secrets."<owner/name>".<NAME>` without its quotes.
fn parts(name: &str) -> impl Iterator<Item = &str> {
    // No key has a dot within quotes.
    name.split('.').map(|part| part.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_holds_every_key_and_refuses_others() {
        let schema = reference_schema();
        let github = &schema["properties"]["github"];
        assert_eq!(github["additionalProperties"], false);
        let of = |key: &str| {
            REFERENCE
                .iter()
                .find(|one| one.name == key)
                .map(|one| one.what)
        };
        let app = &github["properties"]["app_id"]["description"];
        assert_eq!(app.as_str(), of("github.app_id"));
        let secret = &schema["properties"]["secrets"]["additionalProperties"];
        assert_eq!(secret["type"], "object");
        let value = &secret["additionalProperties"]["description"];
        assert_eq!(value.as_str(), of("secrets.\"<owner/name>\".<NAME>"));
        for key in REFERENCE {
            let mut at = &schema;
            for part in parts(key.name) {
                at = match part.starts_with('<') {
                    true => &at["additionalProperties"],
                    false => &at["properties"][part],
                };
            }
            assert_eq!(at["description"], key.what, "{}", key.name);
        }
    }
}
