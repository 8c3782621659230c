//! The Job as it is sent, and who in it may do what.

use super::*;
use crate::image::reference::Place;
use expect_test::expect_file;

fn order() -> BuildOrder {
    let key = Digest::of(b"recipe");
    let place = |path: &str| Place::new("registry.example:5000", path).unwrap();
    BuildOrder {
        kind: Kind::Runtime,
        trust: Trust::Untrusted,
        context: Source {
            uri: "http://bowsprit.example/builds/x/context".to_owned(),
            sha256: Digest::of(b"context"),
        },
        base: Some(place("library/python").at(Digest::of(b"base"))),
        target: place("bowsprit/untrusted/runtime").tagged(&key),
        key,
    }
}

fn context() -> BuildContext {
    let builder = format!("registry.example:5000/builder@{}", Digest::of(b"builder"));
    BuildContext {
        namespace: "bowsprit-builds".to_owned(),
        builder: Pinned::parse(&builder).unwrap(),
        service_account: "bowsprit-build".to_owned(),
        pull_secrets: vec!["registry".to_owned()],
        secret: "bowsprit-image-x-1".to_owned(),
        has_auth: true,
        insecure: vec!["registry.example:5000".to_owned()],
        settings: Some("build-settings".to_owned()),
        sandbox_class: Some("gvisor".to_owned()),
    }
}

fn pod_of(job: &Job) -> &PodSpec {
    let spec = job.spec.as_ref().unwrap();
    spec.template.spec.as_ref().unwrap()
}

fn all(pod: &PodSpec) -> impl Iterator<Item = &Container> {
    pod.init_containers.iter().flatten().chain(&pod.containers)
}

#[test]
fn a_build_is_sent_like_this() {
    let text = serde_json::to_string_pretty(&job(&order(), &context())).unwrap() + "\n";
    expect_file!["tests/job.json"].assert_eq(&text);
}

#[test]
fn a_trusted_build_on_no_known_base_has_no_sandbox_and_pulls_nothing_first() {
    let order = BuildOrder {
        trust: Trust::Trusted,
        base: None,
        ..order()
    };
    let job = job(&order, &context());
    let pod = pod_of(&job);
    assert_eq!(pod.runtime_class_name, None);
    let names: Vec<&str> = all(pod).map(|container| container.name.as_str()).collect();
    assert_eq!(names, ["fetch", "build", "push"]);
}

#[test]
fn only_the_build_has_more_than_the_restricted_standard_gives() {
    let job = job(&order(), &context());
    for container in all(pod_of(&job)) {
        let own = container.security_context.as_ref().unwrap();
        let is_build = container.name == BUILD;
        assert_eq!(own.allow_privilege_escalation, Some(is_build));
        assert_eq!(own.privileged, Some(false));
        assert_eq!(own.run_as_non_root, Some(true));
        assert_eq!(own.read_only_root_filesystem, Some(true));
        let capabilities = own.capabilities.as_ref().unwrap();
        assert_eq!(capabilities.drop.as_deref(), Some(&["ALL".to_owned()][..]));
        assert_eq!(capabilities.add.is_some(), is_build);
        let kind = &own.seccomp_profile.as_ref().unwrap().type_;
        assert_eq!(kind == "Unconfined", is_build, "{}", container.name);
    }
}

#[test]
fn code_of_users_meets_no_token_and_no_credential() {
    let job = job(&order(), &context());
    let pod = pod_of(&job);
    assert_eq!(pod.automount_service_account_token, Some(false));
    for container in all(pod) {
        let mounts = container.volume_mounts.iter().flatten();
        let mut held: Vec<&str> = mounts.map(|mount| mount.name.as_str()).collect();
        held.retain(|name| ["token", "auth"].contains(name));
        let expected: &[&str] = match container.name.as_str() {
            "fetch" => &["token"],
            "pull" | "push" => &["auth"],
            _ => &[],
        };
        assert_eq!(held, expected, "{}", container.name);
    }
    // Nor does the one with the credential see what the build could have planted, but the archive.
    let push = &pod.containers[0];
    let mounts = push.volume_mounts.iter().flatten();
    let held: Vec<&str> = mounts.map(|mount| mount.name.as_str()).collect();
    assert_eq!(held, ["out", "tmp", "auth"]);
}

#[test]
fn the_same_key_is_the_same_job() {
    let name = job_name(&Digest::of(b"recipe"));
    assert_eq!(name, job_name(&Digest::of(b"recipe")));
    assert_ne!(name, job_name(&Digest::of(b"another")));
    assert!(name.len() <= 63, "{name}");
}

#[test]
fn a_last_word_is_a_digest_or_nothing() {
    let digest = Digest::of(b"image");
    assert_eq!(claimed_digest(&format!("{digest}\n")), Some(digest.clone()));
    for bad in [
        "",
        "sha256:00",
        "x",
        &format!("{digest} {digest}"),
        &format!(" {digest}"),
    ] {
        assert_eq!(claimed_digest(bad), None, "{bad}");
    }
}

#[test]
fn last_lines_are_few_plain_and_the_last() {
    let many: String = (0..100).map(|n| format!("line {n}\n")).collect();
    let shown = last_lines(&many);
    assert_eq!(shown.lines().count(), 12);
    assert!(shown.ends_with("line 99"));
    assert_eq!(last_lines("a\u{1b}[31m\n\n  \nb\0"), "a[31m\nb");
    assert_eq!(last_lines(""), "");
    let long = "ü".repeat(10_000);
    assert!(last_lines(&long).chars().count() <= 300);
}
