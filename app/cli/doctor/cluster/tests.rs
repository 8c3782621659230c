//! What of a configuration the doctor asks a cluster about.

use super::*;
use bowsprit_core::doctor::Verdict;

fn images() -> config::Images {
    let image = bowsprit_core::image::reference::Pinned::parse(&format!(
        "r:5000/python@sha256:{}",
        "a".repeat(64)
    ))
    .unwrap();
    config::Images {
        registry: "r:5000".to_owned(),
        shared_registry: None,
        prefix: "bowsprit".to_owned(),
        auth_file: None,
        untrusted_auth_file: None,
        builder: image.clone(),
        insecure: vec!["r:5000".to_owned()],
        platform: bowsprit_core::image::recipe::Platform::parse("linux/amd64").unwrap(),
        build_settings: None,
        base: image,
    }
}

#[test]
fn only_what_the_configuration_uses_is_looked_at() {
    let mut config = crate::hands::tests::config(std::path::Path::new("/nowhere"), 1);
    config.runs.backend = Backend::Kubernetes;
    let places = |config: &Config| -> Vec<Place> {
        namespaces(config).iter().map(|(_, place)| *place).collect()
    };
    assert_eq!(places(&config), [Place::Runs, Place::Runs]);
    assert!(!is_plain(&config, "r:5000") && is_plain(&config, "localhost:5000"));
    assert_eq!(exposed(&config), None);
    config.images = Some(images());
    config.releases.backend = Backend::Kubernetes;
    assert_eq!(places(&config), [Place::Runs, Place::Runs, Place::Builds]);
    assert!(is_plain(&config, "r:5000") && !is_plain(&config, "r"));
    assert_eq!(exposed(&config), Some(&Expose::ClusterIp));
    let route = Expose::HttpRoute {
        domain: "models.example.org".to_owned(),
        gateway: ("gateways".to_owned(), "public".to_owned()),
        has_tls: true,
    };
    for (queue, expose, resource, is_asked) in [
        (None, None, "workloads", false),
        (Some("team"), None, "workloads", true),
        (Some("team"), None, "httproutes", false),
        (None, Some(&route), "httproutes", true),
    ] {
        let uses = uses(queue, expose);
        let mut asked = [Place::Runs, Place::Environments]
            .into_iter()
            .flat_map(|place| asked(place, false, uses));
        let found = asked.any(|(rule, _)| rule.resource == resource);
        assert_eq!(found, is_asked, "{queue:?} {expose:?} {resource}");
    }
}

#[tokio::test]
async fn the_class_of_ingresses_is_the_one_that_is_named() {
    let fake = crate::cluster::fake::serve(|asked| {
        let class = serde_json::json!({"metadata": {"name": "nginx"}});
        let is_it = asked.line() == "GET /apis/networking.k8s.io/v1/ingressclasses";
        is_it.then(|| crate::cluster::fake::list(&[class]))
    })
    .await;
    let client = fake.cluster.client();
    for (class, wanted) in [
        (Some("nginx"), Verdict::Ok),
        (Some("traefik"), Verdict::Problem),
        (None, Verdict::Warning),
    ] {
        let expose = Expose::Ingress {
            domain: "models.example.org".to_owned(),
            class: class.map(str::to_owned),
            tls_secret: None,
        };
        let found = ingress_class(&client, &expose).await.unwrap();
        assert_eq!(found.verdict, wanted, "{class:?}");
    }
    assert_eq!(ingress_class(&client, &Expose::NodePort).await, None);
}

#[test]
fn a_registry_is_the_first_part_of_a_name_that_is_a_host() {
    for (image, wanted) in [
        ("r.example.org/team/a@sha256:1", "r.example.org"),
        ("r:5000/a", "r:5000"),
        ("localhost/a", "localhost"),
        ("library/python", "registry-1.docker.io"),
        ("python", "registry-1.docker.io"),
    ] {
        assert_eq!(host(image), wanted, "{image}");
    }
}

#[tokio::test]
async fn room_is_counted_where_nodes_may_be_listed() {
    let fake = crate::cluster::fake::serve(|asked| {
        let node = serde_json::json!({"metadata": {"name": "n"}, "status": {"allocatable": {"cpu": "11"},
            "conditions": [{"type": "Ready", "status": "True"}]}});
        let is_it = asked.line() == "GET /api/v1/nodes";
        is_it.then(|| crate::cluster::fake::list(&[node]))
    })
    .await;
    let mut settings = config::Cluster::unused();
    for (purpose, wanted) in [
        (doctor::Purpose::Development, Verdict::Ok),
        (doctor::Purpose::Production, Verdict::Problem),
    ] {
        settings.purpose = purpose;
        let found = room(&fake.cluster.client(), &settings).await;
        assert_eq!(found.verdict, wanted, "{found:?}");
    }
    let blind = crate::cluster::fake::serve(|_| {
        let words = "nodes is forbidden: User \"bot\" cannot list resource \"nodes\" in API group \"\" at the cluster scope";
        Some(crate::cluster::fake::refused(403, "Forbidden", words))
    })
    .await;
    let found = room(&blind.cluster.client(), &settings).await;
    assert_eq!(found.verdict, Verdict::Warning, "{found:?}");
}

#[tokio::test]
async fn a_secret_that_is_copied_is_read_by_its_name_in_the_bots_namespace() {
    let fake = crate::cluster::fake::serve(|asked| {
        let secret = serde_json::json!({"metadata": {"name": "registry"}, "type": "kubernetes.io/dockerconfigjson"});
        match asked.line().as_str() {
            "GET /api/v1/namespaces/default/secrets/registry" => Some((200, secret.to_string())),
            "GET /api/v1/namespaces/default/secrets/tls" => Some(crate::cluster::fake::missing()),
            _ => None,
        }
    })
    .await;
    let mut config = crate::hands::tests::config(std::path::Path::new("/nowhere"), 1);
    assert_eq!(copied(&fake.cluster, &config).await, []);
    config.cluster.copied_secrets = vec!["registry".to_owned(), "tls".to_owned()];
    let verdicts = copied(&fake.cluster, &config).await;
    let verdicts: Vec<Verdict> = verdicts.iter().map(|one| one.verdict).collect();
    assert_eq!(verdicts, [Verdict::Ok, Verdict::Problem]);
}
