//! What the bot does at an API server, as rules of RBAC: the chart grants these and no others, and the doctor asks for each.

use std::fmt::Write as _;

/// A kind of namespace, or the cluster as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Where runs train: the trusted and the untrusted namespace.
    Runs,
    /// Where images are built.
    Builds,
    /// Where models are served.
    Environments,
    /// The bot's own namespace: only Secrets that `cluster.copied_secrets` names, each by its name.
    Home,
    /// All namespaces: only where each environment has one of its own, which the bot makes.
    Cluster,
}

impl Place {
    /// Every place.
    pub const ALL: [Place; 5] = [
        Place::Runs,
        Place::Builds,
        Place::Environments,
        Place::Home,
        Place::Cluster,
    ];

    /// Its name in file names and words.
    pub fn word(self) -> &'static str {
        match self {
            Place::Runs => "runs",
            Place::Builds => "builds",
            Place::Environments => "environments",
            Place::Home => "home",
            Place::Cluster => "cluster",
        }
    }
}

/// One resource, and what is done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Where.
    pub places: &'static [Place],
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// In plural, with a subresource behind a slash.
    pub resource: &'static str,
    /// In the words of RBAC.
    pub verbs: &'static [&'static str],
    /// What for.
    pub why: &'static str,
}

macro_rules! rules {
    ($([$($place:ident),*] $group:literal $resource:literal [$($verb:ident),*] $why:literal;)*) => {
        &[$(Rule {
            places: &[$(Place::$place),*],
            group: $group,
            resource: $resource,
            verbs: &[$(stringify!($verb)),*],
            why: $why,
        }),*]
    };
}

/// The rules. `create` stands beside `patch`, since a server-side apply that makes an object needs both.
#[rustfmt::skip]
pub const RULES: &[Rule] = rules! {
    [Runs] "batch" "jobs" [create, delete, get, list, patch, watch] "stages of runs";
    [Builds] "batch" "jobs" [create, delete, get] "builds of images";
    [Runs, Environments, Cluster] "" "pods" [list, watch] "how far something is, and why it waits or failed";
    [Builds] "" "pods" [list] "how far a build is, and the digest that it ends with";
    [Environments, Cluster] "" "pods/log" [get] "the logs of servers";
    [Runs] "" "events" [list] "why a pod waits";
    [Runs, Builds] "" "secrets" [create] "one-run tokens, and what a stage is confided; never read back";
    [Runs] "kueue.x-k8s.io" "workloads" [list] "why a stage waits, where Kueue is";
    [Runs] "visibility.kueue.x-k8s.io" "localqueues/pendingworkloads" [get] "how many wait before it, where Kueue is";
    [Environments, Cluster] "apps" "deployments" [create, delete, get, list, patch, watch] "servers with their gateway";
    [Environments, Cluster] "" "services" [create, delete, get, list, patch] "the address that stays";
    [Environments, Cluster] "" "serviceaccounts" [create, delete, list, patch] "who a server is: nobody with rights";
    [Environments, Cluster] "" "secrets" [create, patch] "the gateway's token and rules; never read back";
    [Home] "" "secrets" [get] "what environments' own namespaces get copies of; the chart adds `resourceNames`, and grants nothing where none is named";
    [Environments, Cluster] "autoscaling" "horizontalpodautoscalers" [create, delete, list, patch] "how many servers";
    [Environments, Cluster] "policy" "poddisruptionbudgets" [create, delete, list, patch] "servers that stay while nodes are drained";
    [Environments, Cluster] "networking.k8s.io" "networkpolicies" [create, delete, list, patch] "who may call a server";
    [Environments, Cluster] "networking.k8s.io" "ingresses" [create, delete, list, patch] "the address outside";
    [Environments, Cluster] "gateway.networking.k8s.io" "httproutes" [create, delete, list, patch] "the same, where `cluster.expose` is `httproute`";
    [Cluster] "" "namespaces" [create, delete, get, list, patch] "a namespace for each environment";
    [Environments, Cluster] "" "configmaps" [create, delete, get, list, patch] "those of a repository's own manifests";
    [Cluster] "" "persistentvolumeclaims" [list] "whether a namespace holds something of others before it goes";
    [Cluster] "apps" "daemonsets" [list] "the same";
    [Cluster] "apps" "statefulsets" [list] "the same";
    [Cluster] "batch" "cronjobs" [list] "the same";
    [Cluster] "batch" "jobs" [list] "the same";
    [Runs, Builds, Environments] "" "namespaces" [get] "`bowsprit doctor`: the labels of Pod Security";
    [Runs, Builds, Environments] "" "resourcequotas" [list] "`bowsprit doctor`: how much room is left";
};

/// The rules of a place, in the order of the table.
pub fn rules(place: Place) -> impl Iterator<Item = &'static Rule> {
    RULES
        .iter()
        .filter(move |rule| rule.places.contains(&place))
}

/// What of a cluster a configuration uses that not every one does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Uses {
    /// Kueue, by a queue.
    pub queue: bool,
    /// The Gateway API, by routes.
    pub routes: bool,
}

impl Uses {
    /// Whether what a rule grants is ever done.
    pub fn needs(self, rule: &Rule) -> bool {
        match rule.group {
            "kueue.x-k8s.io" | "visibility.kueue.x-k8s.io" => self.queue,
            "gateway.networking.k8s.io" => self.routes,
            _ => true,
        }
    }
}

/// What the bot applies itself where a syncer brings the objects of environments.
const OWN: [&str; 2] = ["serviceaccounts", "secrets"];
/// What it looks at there, to judge what came; the last two only for `bowsprit doctor`.
const SEEN: [&str; 6] = [
    "deployments",
    "services",
    "pods",
    "pods/log",
    "namespaces",
    "resourcequotas",
];

/// The verbs of a rule that are used where a syncer brings the objects of environments: what it brings is looked at alone.
pub fn synced(rule: &Rule) -> impl Iterator<Item = &'static str> {
    let is_own = OWN.contains(&rule.resource);
    let is_seen = SEEN.contains(&rule.resource);
    let verbs = rule.verbs.iter().copied();
    verbs.filter(move |verb| is_own || (is_seen && ["get", "list", "watch"].contains(verb)))
}

/// The rules of a place as they stand in a Role, each with what it is for.
pub fn rules_yaml(place: Place) -> String {
    let mut text = String::new();
    for rule in rules(place) {
        // Writing into a text cannot fail.
        let _ = writeln!(
            text,
            "# {}\n- {{apiGroups: [\"{}\"], resources: [{}], verbs: [{}]}}",
            rule.why,
            rule.group,
            rule.resource,
            rule.verbs.join(", ")
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_rule_opens_more_than_it_should() {
        for rule in RULES {
            let Rule {
                resource, verbs, ..
            } = rule;
            for never in ["*", "escalate", "bind", "impersonate", "deletecollection"] {
                assert!(!verbs.contains(&never), "{resource}: {never}");
            }
            for never in ["*", "pods/exec", "pods/attach", "roles", "rolebindings"] {
                assert_ne!(*resource, never);
            }
            assert!(verbs.is_sorted(), "{resource}: verbs in order");
            assert!(!rule.why.is_empty() && !rule.places.is_empty());
        }
        let reads = |rule: &Rule| {
            rule.verbs
                .iter()
                .any(|verb| ["get", "list", "watch"].contains(verb))
        };
        let (at_home, secrets): (Vec<&Rule>, Vec<&Rule>) = RULES
            .iter()
            .filter(|rule| rule.resource == "secrets")
            .partition(|rule| rule.places.contains(&Place::Home));
        assert!(!secrets.is_empty() && !secrets.into_iter().any(reads));
        // By name alone: a list or a watch would show all that is there.
        let verbs: Vec<_> = at_home
            .iter()
            .map(|rule| (rule.places, rule.verbs))
            .collect();
        assert_eq!(verbs, [(&[Place::Home][..], &["get"][..])]);
    }

    #[test]
    fn what_is_not_configured_needs_no_right() {
        let all = Uses {
            queue: true,
            routes: true,
        };
        let left_out = |uses: Uses| -> Vec<&str> {
            let rules = RULES.iter().filter(|rule| !uses.needs(rule));
            rules.map(|rule| rule.resource).collect()
        };
        assert_eq!(left_out(all), Vec::<&str>::new());
        assert_eq!(
            left_out(Uses::default()),
            ["workloads", "localqueues/pendingworkloads", "httproutes"]
        );
        let routes = Uses {
            routes: true,
            ..Uses::default()
        };
        assert!(!left_out(routes).contains(&"httproutes"));
    }

    #[test]
    fn what_a_syncer_brings_is_only_looked_at() {
        for (resource, want) in [
            ("deployments", "get list watch"),
            ("services", "get list"),
            ("serviceaccounts", "create delete list patch"),
            ("secrets", "create patch"),
            ("configmaps", ""),
            ("networkpolicies", ""),
        ] {
            let rule = rules(Place::Environments).find(|rule| rule.resource == resource);
            let verbs: Vec<&str> = rule.into_iter().flat_map(synced).collect();
            assert_eq!(verbs.join(" "), want, "{resource}");
        }
    }

    #[test]
    fn a_resource_stands_once_in_a_place() {
        for place in Place::ALL {
            let mut seen = BTreeSet::new();
            for rule in rules(place) {
                assert!(seen.insert((rule.group, rule.resource)), "{rule:?}");
            }
        }
    }
}
