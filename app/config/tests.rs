mod clusters;
mod copied;
mod github;
mod gitops;
mod logs;
mod retention;

use super::*;
use bowsprit_core::habits::Switch;
use bowsprit_core::serving::objects::Expose;
use secrecy::ExposeSecret;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn home() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let pem = "-----BEGIN RSA PRIVATE KEY-----\nx\n-----END RSA PRIVATE KEY-----\n";
    std::fs::write(dir.path().join("key.pem"), pem).unwrap();
    std::fs::write(dir.path().join("secret"), format!("{SECRET}\n")).unwrap();
    dir
}

fn good(dir: &TempDir) -> String {
    let dir = dir.path().display();
    format!(
        "state_dir = \"{dir}/state\"\n[github]\napp_id = 7\nprivate_key_file = \"{dir}/key.pem\"\nwebhook_secret_files = [\"{dir}/secret\"]\n"
    )
}

fn load(dir: &TempDir, text: &str, env: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    let path = dir.path().join("bowsprit.toml");
    std::fs::write(&path, text).unwrap();
    let env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    Config::load(Some(&path), env)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

#[test]
fn a_short_file_is_enough_and_the_rest_has_defaults() {
    let dir = home();
    let config = load(&dir, &good(&dir), &[]).unwrap();
    assert_eq!(config.public_url, "http://127.0.0.1:8080");
    assert_eq!(config.github.api_url, "https://api.github.com");
    assert_eq!(config.github.webhook_secrets[0].expose_secret(), SECRET);
    assert_eq!(config.reconcile_every, Duration::from_secs(300));
    assert!(config.store_url.ends_with("/state/bowsprit.db"));
    let mode = std::fs::metadata(&config.state_dir).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o700);
    assert!(!format!("{config:?}").contains(SECRET));
}

#[test]
fn the_environment_wins_and_foreign_variables_are_left_alone() {
    let dir = home();
    let secrets = format!("{0}/secret, {0}/secret", dir.path().display());
    let env = [
        ("BOWSPRIT_GITHUB__API_URL", "https://ghe.example/api/v3/"),
        ("BOWSPRIT_GITHUB__WEBHOOK_SECRET_FILES", secrets.as_str()),
        ("BOWSPRIT_LISTEN", "0.0.0.0:9000"),
        ("BOWSPRIT_SERVICE_PORT", "tcp://10.0.0.1:80"),
        ("BOWSPRIT_RECONCILE__EVERY", "30s"),
        ("HOME", "/"),
    ];
    let config = load(&dir, &good(&dir), &env).unwrap();
    assert_eq!(config.github.api_url, "https://ghe.example/api/v3");
    assert_eq!(config.github.webhook_secrets.len(), 2);
    assert_eq!(config.public_url, "http://0.0.0.0:9000");
    assert_eq!(config.reconcile_every, Duration::from_secs(30));
}

#[test]
fn every_problem_is_told_at_once_with_its_line() {
    let dir = home();
    std::fs::write(dir.path().join("short"), "tooshort\n").unwrap();
    let text = format!(
        "listen = \"here\"\ncolour = 1\n[github]\nwebhook_secret_files = [\"{0}/short\", \"{0}/none\"]\n[runs]\nbackend = \"cloud\"\nslots = 0\n[store]\nurl = \"postgres://x\"\n",
        dir.path().display()
    );
    let problems = load(&dir, &text, &[("BOWSPRIT_GITHUB__TYPO", "x")]).unwrap_err();
    for expected in [
        "line 1: `listen`: `here` is not an address",
        "line 2: `colour`: is not a key",
        "`github.app_id`: is missing",
        "`github.private_key_file`: is missing",
        "shorter than 16 bytes",
        "/none`: No such file",
        "line 6: `runs.backend`: `cloud` is not a backend; use `local` or `kubernetes`",
        "line 7: `runs.slots`: `0` is not a whole number from 1",
        "`store.url`: PostgreSQL is not built yet",
        "`github.typo`: is not a key",
    ] {
        assert!(
            problems.iter().any(|p| p.contains(expected)),
            "{expected}: {problems:#?}"
        );
    }
}

#[test]
fn a_cluster_is_described_in_its_own_section() {
    let dir = home();
    let digest = "5".repeat(64);
    let text = format!(
        "{}[runs]\nbackend = \"kubernetes\"\n[cluster]\nbase_image = \"r/python@sha256:{digest}\"\nagent_image = \"r/agent@sha256:{digest}\"\n\
         node_selector.\"pool.example/kind\" = \"train\"\ntolerations = \"gpu=yes:NoSchedule, spot\"\n",
        good(&dir)
    );
    let config = load(&dir, &text, &[]).unwrap();
    let cluster = config.cluster;
    assert_eq!(config.runs.backend, Backend::Kubernetes);
    assert_eq!(config.runs.slots, 100);
    assert_eq!(cluster.bot_url, config.public_url);
    assert_eq!(cluster.namespace, "bowsprit-training");
    assert_eq!(cluster.node_selector["pool.example/kind"], "train");
    let borne = |key: &str, value: Option<&str>, effect: Option<&str>| Toleration {
        key: key.to_owned(),
        value: value.map(str::to_owned),
        effect: effect.map(str::to_owned),
    };
    let wanted = [
        borne("gpu", Some("yes"), Some("NoSchedule")),
        borne("spot", None, None),
    ];
    assert_eq!(cluster.tolerations, wanted);
}

#[test]
fn what_a_cluster_would_refuse_is_told_before() {
    let dir = home();
    let check = |line: &str, expected: &str| {
        let text = format!("{}[cluster]\n{line}\n", good(&dir));
        let problems = load(&dir, &text, &[]).unwrap_err();
        assert!(problems[0].contains(expected), "{line}: {problems:#?}");
    };
    check("namespace = \"Training\"", "is not a name in Kubernetes");
    check("queue = \"-q\"", "is not a name in Kubernetes");
    check("base_image = \"python:3.11\"", "is not an image by digest");
    check("tolerations = \"gpu:Never\"", "is not a taint such as");
    check("node_selector.\"a b\" = \"c\"", "is not a label");
    check("user_namespaces = \"yes\"", "neither `true` nor `false`");
    check("gpu_resource = \"a gpu\"", "is not a resource");
    check("bot_ca_file = \"/none\"", "No such file");
    let text = format!("{}[runs]\nbackend = \"kubernetes\"\n", good(&dir));
    let problems = load(&dir, &text, &[]).unwrap_err();
    for key in ["cluster.base_image", "cluster.agent_image"] {
        let is_told = |p: &String| p.contains(&format!("`{key}`: is missing"));
        assert!(problems.iter().any(is_told), "{problems:#?}");
    }
}

#[test]
fn environments_are_reached_as_the_cluster_can() {
    let dir = home();
    let of = |lines: &str| {
        let loaded = load(&dir, &format!("{}[cluster]\n{lines}\n", good(&dir)), &[]);
        loaded.map(|config| config.releases.serving.expose)
    };
    let domain = "ingress_domain = \"models.example.org\"\n";
    let by_gateway = |gateway: &str| of(&format!("expose = \"httproute\"\n{domain}{gateway}"));
    let route = |has_tls| Expose::HttpRoute {
        domain: "models.example.org".to_owned(),
        gateway: ("gateways".to_owned(), "public".to_owned()),
        has_tls,
    };
    for (gateway, has_tls) in [
        ("https://gateways/public", true),
        ("http://gateways/public", false),
    ] {
        let found = by_gateway(&format!("gateway = \"{gateway}\""));
        assert_eq!(found.unwrap(), route(has_tls));
    }
    assert_eq!(of("").unwrap(), Expose::ClusterIp);
    assert!(matches!(of(domain).unwrap(), Expose::Ingress { .. }));
    for gateway in [
        "",
        "gateway = \"public\"",
        "gateway = \"ftp://a/b\"",
        "gateway = \"https://a/B\"",
    ] {
        let problems = by_gateway(gateway).unwrap_err();
        assert!(
            problems[0].contains("`https://gateways/public`"),
            "{problems:#?}"
        );
    }
    for (lines, told) in [
        (
            "expose = \"httproute\"",
            "`httproute` needs `cluster.ingress_domain`",
        ),
        (
            "expose = \"load-balancer\"",
            "is not `cluster-ip`, `node-port`, `ingress` or `httproute`",
        ),
    ] {
        let problems = of(lines).unwrap_err();
        assert!(problems[0].contains(told), "{problems:#?}");
    }
}

#[test]
fn images_are_kept_where_a_registry_is_named() {
    let dir = home();
    assert_eq!(load(&dir, &good(&dir), &[]).unwrap().images, None);
    let digest = "5".repeat(64);
    let base = format!("[cluster]\nbase_image = \"r.example/python@sha256:{digest}\"\n");
    let with = |lines: &str| format!("{}{base}[images]\n{lines}", good(&dir));
    let builder = format!("builder_image = \"r.example/builder@sha256:{digest}\"\n");
    let text = with(&format!(
        "registry = \"10.0.0.1:5000\"\n{builder}insecure_registries = \"10.0.0.1:5000, other:80\"\n"
    ));
    let images = load(&dir, &text, &[]).unwrap().images.unwrap();
    assert_eq!(images.insecure, ["10.0.0.1:5000", "other:80"]);
    assert_eq!(images.prefix, "bowsprit");
    assert_eq!(images.base.place.registry(), "r.example");
    for (lines, told) in [
        (
            "registry = \"https://r.example\"\n".to_owned(),
            "is not a registry",
        ),
        (
            "registry = \"r.example\"\n".to_owned(),
            "`images.builder_image`: is missing",
        ),
        (
            format!("registry = \"r.example\"\nrepository_prefix = \"A b\"\n{builder}"),
            "`images.repository_prefix`",
        ),
        (
            format!("registry = \"r.example\"\nplatform = \"arm\"\n{builder}"),
            "`images.platform`",
        ),
        (
            "registry = \"r.example\"\nbuilder_image = \"r.example/b:1\"\n".to_owned(),
            "write the digest",
        ),
    ] {
        let problems = load(&dir, &with(&lines), &[]).unwrap_err();
        assert!(
            problems.len() == 1 && problems[0].contains(told),
            "{told}: {problems:?}"
        );
    }
}

#[test]
fn secrets_are_one_or_two() {
    let dir = home();
    let text = good(&dir);
    let list = format!("[\"{}/secret\"]", dir.path().display());
    for wrong in ["[]", "[\"a\", \"b\", \"c\"]"] {
        let problems = load(&dir, &text.replace(&list, wrong), &[]).unwrap_err();
        assert!(problems[0].contains("one file, or two"), "{problems:?}");
    }
}

#[test]
fn broken_toml_names_its_line() {
    let dir = home();
    let problems = load(&dir, "listen = \"x\"\nlisten = \"y\"\n", &[]).unwrap_err();
    assert!(problems[0].starts_with("line 2: "), "{problems:?}");
}

#[test]
fn compatibility_is_by_repository() {
    let dir = home();
    let text = format!(
        "{}[chatops]\ncompatibility = \"prow\"\nrepositories.\"Octo/new.team\" = \"own\"\nrepositories.Other = \"own\"\n",
        good(&dir)
    );
    let config = load(&dir, &text, &[]).unwrap();
    let of = |name: &str| config.chatops.habits(name);
    assert_eq!(of("octo/digits"), Habits::of(Compatibility::Prow));
    assert_eq!(of("octo/New.team"), Habits::of(Compatibility::Own));
    assert_eq!(of("other/digits"), Habits::of(Compatibility::Own));
    assert_eq!(of("others/digits"), Habits::of(Compatibility::Prow));
}

#[test]
fn owners_and_repositories_have_the_settings_of_a_contract() {
    let dir = home();
    let text = format!(
        "{}[chatops.owners.Acme]\ncompatibility = \"prow\"\nsticky_approve = false\nlabels = [\"Good First\"]\nask_reviewers = {{}}\ncontexts = {{ required = [\"ci\"], unknown = \"skip\" }}\n\
         restricted_labels = {{ Secret = [\"Ada\"] }}\n\
         [chatops.repositories.\"acme/new.labels\"]\nsticky_approve = true\nask_reviewers.count = 3\nlabels = []\ncontexts.required = []\n",
        good(&dir)
    );
    let env = [(
        "BOWSPRIT_CHATOPS__OWNERS__OTHER__TRUSTED_APPS",
        "Renovate, x",
    )];
    let chatops = load(&dir, &text, &env).unwrap().chatops;
    let (all, one) = (
        chatops.habits("ACME/digits"),
        chatops.habits("acme/New.labels"),
    );
    assert!(all.has(Switch::RawText) && !all.has(Switch::StickyApprove));
    assert!(one.has(Switch::RawText) && one.has(Switch::StickyApprove));
    assert!(all.labels.contains("good first") && one.labels.is_empty());
    assert!(all.restricted.contains_key("secret") && one.restricted.contains_key("secret"));
    let count = |habits: &Habits| habits.ask_reviewers.as_ref().map(|asked| asked.count);
    assert_eq!((count(&all), count(&one)), (Some(2), Some(3)));
    let required = |habits: &Habits| habits.contexts.required().count();
    assert_eq!((required(&all), required(&one)), (1, 0));
    assert!(!one.contexts.is_asking(one.preset));
    let other = chatops.habits("other/digits");
    assert_eq!(other.trusted_apps.len(), 2);
    assert!(!other.has(Switch::RawText) && other.ask_reviewers.is_none());
}

#[test]
fn what_is_wrong_with_them_is_told_with_its_line() {
    let dir = home();
    let text = format!(
        "{}[chatops.owners.acme]\nsticky_aprove = true\nnot_ours = [\"/sleep\"]\nask_reviewers.count = 99\nraw_text = 1.5\n\
         [chatops.owners.\"a b\"]\nraw_text = true\n[chatops.repositories]\nacme.not_ours = [\"/close\"]\n\"acme/x\" = \"tide\"\n",
        good(&dir)
    );
    let problems = load(&dir, &text, &[]).unwrap_err();
    for expected in [
        "line 7: `chatops.owners.acme.sticky_aprove`: unknown key `sticky_aprove` in `chatops`, did you mean `sticky_approve`?",
        "line 8: `chatops.owners.acme.not_ours`: `not_ours`: `/sleep` is no command",
        "line 9: `chatops.owners.acme.ask_reviewers.count`: `count` must be a whole number from 1 to 15",
        "line 10: `chatops.owners.acme.raw_text`: must be a text, a list or a table, not a time or fraction",
        "line 12: `chatops.owners.a b.raw_text`: `a b` is not a login",
        "line 14: `chatops.repositories.acme.not_ours`: stands there twice",
        "line 15: `chatops.repositories.acme/x`: `compatibility`: `tide` is neither",
    ] {
        assert!(
            problems.iter().any(|p| p.contains(expected)),
            "{expected}: {problems:#?}"
        );
    }
}

#[test]
fn ports_are_a_range() {
    let dir = home();
    let with = |ports: &str| format!("{}[releases]\nports = \"{ports}\"\n", good(&dir));
    let config = load(&dir, &with("20000-20010"), &[]).unwrap();
    assert_eq!(config.releases.ports, Some(20_000..=20_010));
    for wrong in ["20010-20000", "x", "0-5", "1-70000"] {
        assert!(load(&dir, &with(wrong), &[]).is_err(), "{wrong}");
    }
}

#[test]
fn the_reference_names_every_key_and_no_other() {
    let mut reader = Reader::new("", std::iter::empty()).unwrap_or_else(|_| unreachable!());
    let _incomplete = config(&mut reader);
    let named: std::collections::BTreeSet<String> = reference::REFERENCE
        .iter()
        .map(|key| key.name.split('"').next().unwrap().to_owned())
        .collect();
    assert_eq!(&named, reader.asked());
}

#[test]
fn secrets_of_steps_are_files_by_repository_and_name() {
    let dir = home();
    let with = |lines: &str| format!("{}{lines}", good(&dir));
    let file = dir.path().join("secret").display().to_string();
    let text = with(&format!(
        "[secrets.\"Octo/new.team\"]\nDATASET_KEY = {file:?}\n"
    ));
    let config = load(&dir, &text, &[]).unwrap();
    let value = &config.secrets["octo/new.team"]["DATASET_KEY"];
    assert_eq!(value.expose_secret(), format!("{SECRET}\n"));
    assert!(!format!("{config:?}").contains(SECRET));
    std::fs::write(dir.path().join("short"), "1234567\n").unwrap();
    for (lines, told) in [
        (format!("[secrets]\nKEY = {file:?}\n"), "below a repository"),
        (
            format!("[secrets.digits]\nKEY = {file:?}\n"),
            "`digits` is not `owner/name`",
        ),
        (
            format!("[secrets.\"a/b\"]\n\"2-x\" = {file:?}\n"),
            "no name of a secret",
        ),
        (
            "[secrets.\"a/b\"]\nKEY = \"/none\"\n".to_owned(),
            "No such file",
        ),
        (
            format!(
                "[secrets.\"a/b\"]\nKEY = \"{}/short\"\n",
                dir.path().display()
            ),
            "shorter than 8 bytes",
        ),
        (
            format!("[secrets.\"a/b\"]\nKEY = {file:?}\n[secrets.\"A/b\"]\nKEY = {file:?}\n"),
            "twice",
        ),
    ] {
        let problems = load(&dir, &with(&lines), &[]).unwrap_err();
        assert!(
            problems.len() == 1 && problems[0].contains(told),
            "{problems:?}"
        );
    }
}
