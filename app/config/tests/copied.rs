//! Secrets that are copied into environments' own namespaces, and what the cluster is for.

use super::*;
use bowsprit_core::doctor::Purpose;

#[test]
fn a_secret_is_copied_where_something_uses_it() {
    let dir = home();
    let read = |lines: &str| load(&dir, &format!("{}{lines}", good(&dir)), &[]);
    assert!(read("").unwrap().cluster.copied_secrets.is_empty());
    let used = "[cluster]\npull_secrets = \"registry\"\ningress_domain = \"m.example\"\ningress_tls_secret = \"wild.m.example\"\n";
    let config = read(&format!(
        "{used}copied_secrets = \"registry, wild.m.example\"\n"
    ))
    .unwrap();
    assert_eq!(
        config.cluster.copied_secrets,
        ["registry", "wild.m.example"]
    );
    // A certificate of a further cluster is copied from here, too.
    let further = "[cluster]\ncopied_secrets = \"eu-tls\"\n[clusters.eu]\nkubeconfig = \"/etc/eu\"\ningress_domain = \"eu.example\"\ningress_tls_secret = \"eu-tls\"\n";
    assert_eq!(read(further).unwrap().cluster.copied_secrets, ["eu-tls"]);
    for (named, told) in [
        ("other", "nothing uses `other`"),
        ("Registry", "`Registry` is not the name of a Secret"),
        ("a/b", "`a/b` is not the name of a Secret"),
    ] {
        let problems = read(&format!("{used}copied_secrets = \"{named}\"\n")).unwrap_err();
        let found = problems[0].contains("`cluster.copied_secrets`") && problems[0].contains(told);
        assert!(found && problems.len() == 1, "{problems:?}");
    }
}

#[test]
fn a_cluster_is_for_development_until_it_is_said_to_be_for_production() {
    let dir = home();
    let read = |lines: &str| load(&dir, &format!("{}{lines}", good(&dir)), &[]);
    assert_eq!(read("").unwrap().cluster.purpose, Purpose::Development);
    for (word, purpose) in [
        ("development", Purpose::Development),
        ("production", Purpose::Production),
    ] {
        let config = read(&format!("[cluster]\npurpose = \"{word}\"\n")).unwrap();
        assert_eq!(config.cluster.purpose, purpose);
    }
    let problems = read("[cluster]\npurpose = \"prod\"\n").unwrap_err();
    let told = "line 8: `cluster.purpose`: `prod` is neither `development` nor `production`";
    assert!(problems[0].ends_with(&told[8..]), "{problems:?}");
}
