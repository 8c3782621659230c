//! Where the lines of servers go.

use super::*;

#[test]
fn lines_go_where_the_operator_says() {
    let dir = home();
    let read = |lines: &str| load(&dir, &format!("{}{lines}", good(&dir)), &[]);
    assert_eq!(read("").unwrap().logs, Logs::default());
    let config = read(
        "[logs]\npush_url = \"http://127.0.0.1:9428/insert/jsonline?_msg_field=line\"\n[logs.pod_labels]\n\"logs.example.org/gather\" = \"yes\"\n[logs.pod_annotations]\n\"fluentbit.io/parser\" = \"json, or so\"\n",
    )
    .unwrap();
    let logs = config.logs;
    let push = "http://127.0.0.1:9428/insert/jsonline?_msg_field=line";
    assert_eq!(logs.push_url.as_deref(), Some(push));
    assert_eq!(logs.marks.labels["logs.example.org/gather"], "yes");
    assert_eq!(logs.marks.annotations["fluentbit.io/parser"], "json, or so");
}

#[test]
fn what_no_collector_or_cluster_would_take_is_refused() {
    let dir = home();
    for (lines, key, told) in [
        (
            "push_url = \"127.0.0.1:9\"",
            "logs.push_url",
            "is not an address such as",
        ),
        (
            "push_url = \"file:///x\"",
            "logs.push_url",
            "is not an address such as",
        ),
        (
            "pod_labels.\"a b\" = \"x\"",
            "logs.pod_labels.a b",
            "is not a label",
        ),
        (
            "pod_labels.a = \"x y\"",
            "logs.pod_labels.a",
            "is not a label",
        ),
        (
            "pod_annotations.\"a b\" = \"x\"",
            "logs.pod_annotations.a b",
            "is not an annotation",
        ),
        (
            "pod_labels.\"bowsprit.dev/repo\" = \"1\"",
            "logs.pod_labels.bowsprit.dev/repo",
            "belongs to Kubernetes or to Bowsprit",
        ),
        (
            "pod_labels.\"app.kubernetes.io/managed-by\" = \"x\"",
            "logs.pod_labels.app.kubernetes.io/managed-by",
            "belongs to Kubernetes or to Bowsprit",
        ),
    ] {
        let problems = load(&dir, &format!("{}[logs]\n{lines}\n", good(&dir)), &[]).unwrap_err();
        assert!(problems[0].contains(&format!("`{key}`: ")), "{problems:?}");
        assert!(
            problems[0].contains(told) && problems.len() == 1,
            "{problems:?}"
        );
    }
}
