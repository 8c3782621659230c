//! What a cluster is for, and whether it has room for that.

use super::Finding;
use super::quota::amount;
use k8s_openapi::api::core::v1::{Node, Taint};

/// Least that pods of a cluster for production may have. Units: vCPU.
const PRODUCTION_VCPU_MIN: f64 = 12.0;
/// From less than this on, development is slow. Units: vCPU.
const DEVELOPMENT_VCPU_MIN: f64 = 2.0;

/// What a cluster is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To try things out: one node is fine, and nobody relies on it.
    Development,
    /// People rely on it.
    Production,
}

impl Purpose {
    /// As it stands in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Purpose::Development => "development",
            Purpose::Production => "production",
        }
    }

    /// What this word means; `None` for another.
    pub fn parse(word: &str) -> Option<Purpose> {
        let all = [Purpose::Development, Purpose::Production];
        all.into_iter().find(|purpose| purpose.word() == word)
    }
}

/// A taint that our pods bear: its key, its value and its effect, any where absent.
pub type Borne<'a> = (&'a str, Option<&'a str>, Option<&'a str>);

/// Whether the nodes that take our pods have room enough for what the cluster is for. Errors: why they cannot be seen.
pub fn room(purpose: Purpose, borne: &[Borne<'_>], seen: Result<&[Node], &str>) -> Finding {
    const ABOUT: &str = "room of the cluster";
    let nodes = match seen {
        Ok(nodes) => nodes,
        Err(error) => {
            return Finding::warning(
                ABOUT,
                format!("its nodes cannot be seen: {error}"),
                format!(
                    "they belong to no namespace: run `bowsprit doctor` once with an administrator's kubeconfig, to see whether it is fit for {}",
                    purpose.word()
                ),
            );
        }
    };
    let (taking, others): (Vec<&Node>, Vec<&Node>) =
        nodes.iter().partition(|node| takes(node, borne));
    // In whole thousandths, so that sums are exact.
    let millis = taking.iter().filter_map(|node| cpu_millis(node));
    let millis = millis.fold(0.0, |sum, one| sum + one);
    let cpu = millis / 1_000.0;
    let left_out = match others.len() {
        0 => String::new(),
        count => format!(", {count} more take no pods of ours"),
    };
    let nodes = match taking.len() {
        1 => "1 node".to_owned(),
        count => format!("{count} nodes"),
    };
    // Down to a hundredth: what is left out would not change what is said.
    let told = (millis / 10.0).floor() / 100.0;
    let says = format!("{told} vCPU for pods on {nodes}{left_out}");
    match purpose {
        Purpose::Production if cpu < PRODUCTION_VCPU_MIN => Finding::problem(
            ABOUT,
            format!("{says}; production needs {PRODUCTION_VCPU_MIN} vCPU"),
            "add nodes, or larger ones; uncordon those that are held back; to try things out set `cluster.purpose = \"development\"`",
        ),
        Purpose::Production => Finding::ok(ABOUT, format!("{says}, enough for production")),
        Purpose::Development if cpu < DEVELOPMENT_VCPU_MIN => Finding::warning(
            ABOUT,
            format!("{says}; not for production"),
            format!(
                "below {DEVELOPMENT_VCPU_MIN} vCPU runs and servers wait for each other: give it more"
            ),
        ),
        Purpose::Development => Finding::ok(
            ABOUT,
            format!("{says}; for development, not for production"),
        ),
    }
}

/// What pods of a node may have together. Units: thousandths of a vCPU.
fn cpu_millis(node: &Node) -> Option<f64> {
    let allocatable = node.status.as_ref()?.allocatable.as_ref()?;
    Some((amount(&allocatable.get("cpu")?.0)? * 1_000.0).round())
}

fn takes(node: &Node, borne: &[Borne<'_>]) -> bool {
    let spec = node.spec.as_ref();
    let conditions = node
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    let is_ready = conditions
        .into_iter()
        .flatten()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True");
    let is_cordoned = spec.and_then(|spec| spec.unschedulable).unwrap_or(false);
    let taints = spec.and_then(|spec| spec.taints.as_ref());
    let mut hard = taints
        .into_iter()
        .flatten()
        .filter(|taint| matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute"));
    is_ready && !is_cordoned && hard.all(|taint| is_borne(taint, borne))
}

fn is_borne(taint: &Taint, borne: &[Borne<'_>]) -> bool {
    borne.iter().any(|(key, value, effect)| {
        *key == taint.key
            && value.is_none_or(|value| taint.value.as_deref() == Some(value))
            && effect.is_none_or(|effect| effect == taint.effect)
    })
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;
    use serde_json::json;

    fn node(cpu: &str) -> Node {
        let written = json!({"status": {"allocatable": {"cpu": cpu},
            "conditions": [{"type": "Ready", "status": "True"}]}});
        serde_json::from_value(written).expect("a node")
    }

    fn with(cpu: &str, spec: serde_json::Value) -> Node {
        Node {
            spec: Some(serde_json::from_value(spec).expect("a spec")),
            ..node(cpu)
        }
    }

    #[test]
    fn a_purpose_is_one_of_two_words() {
        for (word, want) in [
            ("development", Some(Purpose::Development)),
            ("production", Some(Purpose::Production)),
            ("Production", None),
            ("", None),
        ] {
            assert_eq!(Purpose::parse(word), want, "{word}");
        }
    }

    #[test]
    fn room_is_enough_for_what_a_cluster_is_for() {
        use Purpose::{Development, Production};
        use Verdict::{Ok as Fine, Problem, Warning};
        for (purpose, cpus, verdict, says) in [
            (
                Production,
                &["12"][..],
                Fine,
                "12 vCPU for pods on 1 node, enough for production",
            ),
            (
                Production,
                &["4", "4", "3920m"],
                Problem,
                "11.92 vCPU for pods on 3 nodes; production needs 12 vCPU",
            ),
            (
                Production,
                &["4", "4", "4"],
                Fine,
                "12 vCPU for pods on 3 nodes, enough for production",
            ),
            (
                Production,
                &[],
                Problem,
                "0 vCPU for pods on 0 nodes; production needs 12 vCPU",
            ),
            (
                Development,
                &["1999m"],
                Warning,
                "1.99 vCPU for pods on 1 node; not for production",
            ),
            (
                Development,
                &["2"],
                Fine,
                "2 vCPU for pods on 1 node; for development, not for production",
            ),
            (
                Development,
                &["64"],
                Fine,
                "64 vCPU for pods on 1 node; for development, not for production",
            ),
        ] {
            let nodes: Vec<Node> = cpus.iter().map(|cpu| node(cpu)).collect();
            let found = room(purpose, &[], Ok(&nodes));
            assert_eq!(
                (found.verdict, found.says.as_str()),
                (verdict, says),
                "{purpose:?}"
            );
            assert_eq!(found.advice.is_some(), verdict != Fine);
        }
        for purpose in [Development, Production] {
            let unseen = room(purpose, &[], Err("forbidden"));
            assert_eq!(unseen.verdict, Warning);
            let advice = unseen.advice.expect("advice");
            assert!(advice.ends_with(purpose.word()), "{advice}");
        }
    }

    #[test]
    fn only_nodes_that_take_our_pods_count() {
        let taint = |key: &str, effect: &str| json!({"taints": [{"key": key, "value": "yes", "effect": effect}]});
        let away: Node = serde_json::from_value(json!({"status": {"allocatable": {"cpu": "12"},
            "conditions": [{"type": "Ready", "status": "Unknown"}]}}))
        .expect("a node");
        for (node, borne, counts) in [
            (node("12"), None, true),
            (away, None, false),
            (with("12", json!({"unschedulable": true})), None, false),
            (with("12", taint("gpu", "NoSchedule")), None, false),
            (with("12", taint("gpu", "PreferNoSchedule")), None, true),
            (
                with("12", taint("gpu", "NoSchedule")),
                Some(("gpu", None, None)),
                true,
            ),
            (
                with("12", taint("gpu", "NoSchedule")),
                Some(("gpu", Some("yes"), Some("NoSchedule"))),
                true,
            ),
            (
                with("12", taint("gpu", "NoSchedule")),
                Some(("gpu", Some("no"), None)),
                false,
            ),
            (
                with("12", taint("gpu", "NoExecute")),
                Some(("gpu", None, Some("NoSchedule"))),
                false,
            ),
        ] {
            let borne: Vec<Borne<'_>> = borne.into_iter().collect();
            let found = room(Purpose::Production, &borne, Ok(std::slice::from_ref(&node)));
            assert_eq!(found.verdict == Verdict::Ok, counts, "{node:?}");
            assert_eq!(
                found.says.contains("1 more take"),
                !counts,
                "{}",
                found.says
            );
        }
    }
}
