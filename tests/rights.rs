//! Holds the rules that the chart grants against what an API server saw the bot do, in its audit log.
//!
//! Without more said, the log is one that was kept from a cluster. With `BOWSPRIT_AUDIT_LOG=FILE` it is that one, after stories
//! that ran with the chart's roles; `BOWSPRIT_AUDIT_USER` tells who the bot was there.

use bowsprit_core::rbac::{Place, rules};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Who the bot is where the chart is installed as `bowsprit` in the namespace `bowsprit`.
const BOT: &str = "system:serviceaccount:bowsprit:bowsprit";

/// What is granted for features that the story of the chart's installation leaves out, by group and resource; stories of
/// `tests/cluster` use them with the same rules, all but Kueue and routes, which the bed cannot have.
/// Reading Secrets that are copied is no part of any kept log: a place where nothing was done is not held.
const ELSEWHERE: [(&str, &str); 8] = [
    ("", "configmaps"),
    ("autoscaling", "horizontalpodautoscalers"),
    ("batch", "jobs"),
    ("gateway.networking.k8s.io", "httproutes"),
    ("kueue.x-k8s.io", "workloads"),
    ("networking.k8s.io", "ingresses"),
    ("policy", "poddisruptionbudgets"),
    ("visibility.kueue.x-k8s.io", "localqueues/pendingworkloads"),
];

/// One verb on one resource in one kind of namespace; a subresource stands behind a slash.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Deed {
    place: Place,
    group: String,
    resource: String,
    verb: String,
}

impl Deed {
    fn new(place: Place, group: &str, resource: &str, verb: &str) -> Deed {
        Deed {
            place,
            group: group.to_owned(),
            resource: resource.to_owned(),
            verb: verb.to_owned(),
        }
    }
}

fn granted() -> BTreeSet<Deed> {
    let of_place = |place: Place| {
        rules(place).flat_map(move |rule| {
            let verbs = rule.verbs.iter();
            verbs.map(move |verb| Deed::new(place, rule.group, rule.resource, verb))
        })
    };
    Place::ALL.into_iter().flat_map(of_place).collect()
}

/// The kind of a namespace, by the names that the chart gives; `home` is the bot's own.
fn place_of(namespace: &str, home: &str) -> Option<Place> {
    if namespace == home {
        return Some(Place::Home);
    }
    let (_, kind) = namespace.rsplit_once('-')?;
    match kind {
        "training" | "untrusted" => Some(Place::Runs),
        "build" => Some(Place::Builds),
        "environments" => Some(Place::Environments),
        _ => None,
    }
}

/// What a user did in namespaces of ours, refused or not.
fn deeds(log: &str, user: &str) -> BTreeSet<Deed> {
    let mut found = BTreeSet::new();
    let home = user.split(':').nth(2).unwrap_or_default();
    for line in log.lines() {
        let event: Value = serde_json::from_str(line).expect("a line of an audit log");
        let text = |at: &str| {
            event
                .pointer(at)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let Some(place) = place_of(text("/objectRef/namespace"), home) else {
            continue;
        };
        if text("/user/username") != user {
            continue;
        }
        let (resource, below) = (text("/objectRef/resource"), text("/objectRef/subresource"));
        let resource = match below {
            "" => resource.to_owned(),
            below => format!("{resource}/{below}"),
        };
        let deed = Deed::new(place, text("/objectRef/apiGroup"), &resource, text("/verb"));
        // An apply that makes an object is a `patch` in the log, and is asked for `create` too.
        if deed.verb == "patch" && event.pointer("/responseStatus/code") == Some(&201.into()) {
            found.insert(Deed {
                verb: "create".to_owned(),
                ..deed.clone()
            });
        }
        found.insert(deed);
    }
    found
}

/// What was done without being granted, then what is granted and was not done where something was.
fn difference(done: &BTreeSet<Deed>, granted: &BTreeSet<Deed>) -> (Vec<Deed>, Vec<Deed>) {
    let places: BTreeSet<Place> = done.iter().map(|deed| deed.place).collect();
    let missing = done.difference(granted).cloned().collect();
    let unused = granted.difference(done);
    let unused = unused.filter(|deed| places.contains(&deed.place)).cloned();
    (missing, unused.collect())
}

#[test]
fn the_bot_does_what_the_chart_grants_and_no_more() {
    let kept = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/helm/audit.jsonl"
    ));
    let path = std::env::var_os("BOWSPRIT_AUDIT_LOG").map_or(kept, PathBuf::from);
    let user = std::env::var("BOWSPRIT_AUDIT_USER").unwrap_or_else(|_| BOT.to_owned());
    let log = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let done = deeds(&log, &user);
    assert!(!done.is_empty(), "{user} did nothing in {}", path.display());
    let (missing, unused) = difference(&done, &granted());
    assert_eq!(missing, [], "done, and granted by no rule");
    let is_elsewhere = |deed: &Deed| ELSEWHERE.contains(&(deed.group.as_str(), &deed.resource));
    let unused: Vec<Deed> = unused
        .into_iter()
        .filter(|deed| !is_elsewhere(deed))
        .collect();
    assert_eq!(unused, [], "granted, and done in no story");
}

/// A line as the API server writes it.
fn line(user: &str, verb: &str, namespace: &str, resource: &str, code: u16) -> String {
    let (resource, below) = resource.split_once('/').unwrap_or((resource, ""));
    serde_json::json!({
        "kind": "Event", "stage": "ResponseComplete", "verb": verb, "user": {"username": user},
        "objectRef": {"resource": resource, "subresource": below, "namespace": namespace, "apiVersion": "v1"},
        "responseStatus": {"code": code},
    })
    .to_string()
}

#[test]
fn what_was_done_is_read_from_the_log() {
    let log = [
        line(BOT, "get", "x-training", "pods/log", 200),
        line(BOT, "patch", "x-untrusted", "secrets", 201),
        line(BOT, "patch", "x-build", "secrets", 200),
        line(BOT, "list", "x-environments", "secrets", 403),
        line(BOT, "list", "kube-system", "secrets", 200),
        line(BOT, "get", "bowsprit", "secrets", 200),
        line("somebody", "list", "x-training", "secrets", 200),
        line(BOT, "create", "", "selfsubjectaccessreviews", 201),
    ];
    let wanted = [
        Deed::new(Place::Runs, "", "pods/log", "get"),
        Deed::new(Place::Runs, "", "secrets", "create"),
        Deed::new(Place::Runs, "", "secrets", "patch"),
        Deed::new(Place::Builds, "", "secrets", "patch"),
        Deed::new(Place::Environments, "", "secrets", "list"),
        Deed::new(Place::Home, "", "secrets", "get"),
    ];
    assert_eq!(deeds(&log.join("\n"), BOT), wanted.into());
}

#[test]
fn a_difference_is_seen_from_both_sides() {
    let one = |verb: &str| Deed::new(Place::Runs, "batch", "jobs", verb);
    let elsewhere = Deed::new(Place::Builds, "batch", "jobs", "get");
    let granted = [one("create"), one("get"), elsewhere].into();
    let (missing, unused) = difference(&[one("create"), one("delete")].into(), &granted);
    assert_eq!((missing, unused), (vec![one("delete")], vec![one("get")]));
    let (missing, unused) = difference(&BTreeSet::new(), &granted);
    assert_eq!((missing, unused), (vec![], vec![]));
}
