//! How orders stand, by what a real cluster said of them.
//!
//! `tests/seen.json` was recorded on Kubernetes v1.34: small Deployments with our labels, each in another trouble, shortened
//! to what is read here.

use super::*;
use expect_test::{Expect, expect};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Clone, Deserialize)]
struct Seen {
    deployment: Deployment,
    pods: Vec<Pod>,
}

fn seen(case: &str) -> Seen {
    let all: BTreeMap<String, Seen> =
        serde_json::from_str(include_str!("tests/seen.json")).unwrap();
    all[case].clone()
}

const ORDER: Order<'_> = Order {
    release: "r7",
    generation: 7,
    has_served: false,
};

#[track_caller]
fn check(order: &Order<'_>, seen: &Seen, want: Expect) {
    let view = view(order, Some(&seen.deployment), &seen.pods);
    let reason = view.reason.map(|reason| format!(": {reason}"));
    want.assert_eq(&format!("{:?}{}", view.phase, reason.unwrap_or_default()));
}

#[test]
fn what_a_cluster_shows_is_told_in_words() {
    check(&ORDER, &seen("live"), expect!["Live"]);
    check(&ORDER, &seen("unfit"), expect!["Failed: 3 of 3 samples were answered otherwise"]);
    check(
        &ORDER,
        &seen("unfetched"),
        expect!["Starting: the gateway ended: cannot fetch the order: the bot does not answer"],
    );
    check(&ORDER, &seen("unpulled"), expect![[r#"Starting: the image `docker.io/library/nothing@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa` cannot be pulled: Back-off pulling image "docker.io/library/nothing@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa": ErrImagePull: failed to pull and unpack image "docker.io/library/nothing@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa": failed to resolve reference "docker.io/library/nothing@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa": failed to do request: Head "https://registry-1.docker.io/v2/library/nothing/manifests/sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa": dial tcp: lookup registry-1.docker.io on 10.0.0.10:53: no such host"#]]);
    check(
        &ORDER,
        &seen("unplaced"),
        expect![
            "Starting: no node takes the pod: 0/1 nodes are available: 1 Insufficient memory. no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
        ],
    );
    check(
        &ORDER,
        &seen("oom"),
        expect![
            "Failed: the gateway ended 3 times: it needed more memory than it has; raise `resources.memory` of `serve`"
        ],
    );
    check(
        &ORDER,
        &seen("crash"),
        expect!["Failed: the gateway ended 3 times: broken"],
    );
    check(
        &ORDER,
        &seen("late"),
        expect!["Failed: no pod became ready in time"],
    );
    check(
        &ORDER,
        &seen("quota"),
        expect![[
            r#"Starting: the namespace's quota is used up: pods "quota-5c8488b89-mbdml" is forbidden: exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0"#
        ]],
    );
}

#[test]
fn a_release_that_served_is_not_on_trial() {
    let again = Order {
        has_served: true,
        ..ORDER
    };
    check(&again, &seen("live"), expect!["Live"]);
    check(
        &again,
        &seen("unfit"),
        expect!["Starting: the gateway ended: 3 of 3 samples were answered otherwise"],
    );
    check(&again, &seen("late"), expect!["Starting"]);
}

#[test]
fn what_answers_another_order_says_nothing_of_this_one() {
    let other = Order {
        generation: 8,
        ..ORDER
    };
    let phase =
        |order: &Order<'_>, seen: &Seen| view(order, Some(&seen.deployment), &seen.pods).phase;
    for case in ["live", "unfit", "late"] {
        let mut seen = seen(case);
        assert_eq!(phase(&other, &seen), RolloutPhase::Starting, "{case}");
        // The same Deployment before its controller has looked at the order.
        seen.deployment.metadata.generation = Some(99);
        assert_eq!(phase(&ORDER, &seen), RolloutPhase::Starting, "{case}");
    }
    assert_eq!(view(&ORDER, None, &[]).phase, RolloutPhase::Starting);
    // Pods of another release, or that are going, say nothing of this one.
    let mut former = seen("unfit");
    for pod in &mut former.pods {
        let labels = pod.metadata.labels.as_mut().unwrap();
        labels.insert(RELEASE_LABEL.to_owned(), "r6".to_owned());
    }
    check(&ORDER, &former, expect!["Starting"]);
}

#[test]
fn an_old_pod_that_still_serves_keeps_the_order_from_being_live() {
    let mut both = seen("live");
    let status = both.deployment.status.as_mut().unwrap();
    status.replicas = Some(2);
    check(&ORDER, &both, expect!["Starting"]);
}
