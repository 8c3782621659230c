//! Further clusters, as an operator describes them.

use super::*;

#[test]
fn further_clusters_have_names_and_say_where_environments_live() {
    let dir = home();
    let read = |lines: &str| load(&dir, &format!("{}{lines}", good(&dir)), &[]);
    assert!(read("").unwrap().clusters.is_empty());
    let config = read(
        "[cluster]\nbot_url = \"http://bot:8080\"\nexpose = \"node-port\"\nnode_host = \"node\"\n[clusters.us]\nkubeconfig = \"/etc/us\"\n[clusters.eu]\nkubeconfig = \"/etc/eu\"\ncontext = \"live\"\nbot_url = \"https://bot.example\"\nreleases_namespace = \"models\"\ningress_domain = \"models.example.org\"\ngitops_path = \"clusters/eu/\"\n",
    )
    .unwrap();
    let names: Vec<&str> = config.clusters.keys().map(|name| name.as_str()).collect();
    assert_eq!(names, ["eu", "us"]);
    let [eu, us] = ["eu", "us"].map(|name| {
        let found = config.clusters.iter().find(|(key, _)| key.as_str() == name);
        found.unwrap().1.clone()
    });
    assert_eq!(eu.way.kubeconfig.unwrap().to_str(), Some("/etc/eu"));
    assert_eq!(eu.way.context.as_deref(), Some("live"));
    assert_eq!(eu.way.bot_url, "https://bot.example");
    assert_eq!(eu.serving.namespace.as_deref(), Some("models"));
    assert!(matches!(eu.serving.expose, Expose::Ingress { .. }));
    assert_eq!(eu.gitops_path.unwrap().as_str(), "clusters/eu");
    // What is not said is the usual cluster's way to the bot, and never how its environments are reached.
    assert_eq!(us.way.bot_url, "http://bot:8080");
    assert_eq!((us.way.context, us.serving.namespace), (None, None));
    assert_eq!(
        (us.serving.expose, us.gitops_path),
        (Expose::ClusterIp, None)
    );
}

#[test]
fn what_is_wrong_with_a_further_cluster_is_told_with_its_key() {
    let dir = home();
    for (lines, told) in [
        (
            "[clusters.eu]\ncontext = \"x\"\n",
            "`clusters.eu.kubeconfig`: is missing",
        ),
        ("[clusters.EU]\nkubeconfig = \"x\"\n", "`EU` is not a"),
        (
            "[clusters.eu]\nkubeconfig = \"x\"\nnamespace = \"y\"\n",
            "`clusters.eu.namespace`: is not a key",
        ),
        (
            "[clusters.eu]\nkubeconfig = \"x\"\nexpose = \"node-port\"\n",
            "`clusters.eu.expose`: `node-port` needs `clusters.eu.node_host`",
        ),
        (
            "[clusters.eu]\nkubeconfig = \"x\"\ngitops_path = \"../x\"\n",
            "without `..`",
        ),
    ] {
        let problems = load(&dir, &format!("{}{lines}", good(&dir)), &[]).unwrap_err();
        let found = problems.iter().any(|problem| problem.contains(told));
        assert!(found, "{lines}: {problems:?}");
    }
}
