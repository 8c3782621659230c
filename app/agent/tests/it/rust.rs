//! A cargo workspace as the software of steps: fetched, built shut in, found again, refused with a reason.

use crate::order::{Order, assert_succeeded};
use bowsprit_core::name::RepoPath;
use bowsprit_core::training::spec::{Failure, FailureKind, MetricValue, RuntimeSpec};

const MANIFEST: &str = r#"[package]
name = "digits"
version = "0.1.0"
edition = "2021"

[dependencies]
cfg-if = "1.0.0"
"#;

const LOCK: &str = r#"version = 4

[[package]]
name = "cfg-if"
version = "1.0.5"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "4e7648175b45a9a48536d676f68d918270699102aa8dab5496df06904c914600"

[[package]]
name = "digits"
version = "0.1.0"
dependencies = [
 "cfg-if",
]
"#;

const TRAIN: &str = r#"
cfg_if::cfg_if! { if #[cfg(unix)] { const SEED: &str = include_str!("seed.txt"); } }
fn main() { println!("seed={}", SEED.trim()); println!("{}", env!("SEEN")); }
"#;

/// Looks for what a build must not find, and says so to the compiler.
const BUILD: &str = r#"
use std::net::TcpStream;
fn main() {
    let secret = std::env::var("PLANTED_SECRET").is_ok();
    let files = ["SHELF/other/file", "/etc/shadow"].iter().any(|path| std::fs::read(path).is_ok());
    let other = std::fs::write("SHELF/cargo/poison", "x").is_ok();
    let network = TcpStream::connect("127.0.0.1:9").is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionRefused);
    println!("cargo::rustc-env=SEEN=secret={secret} files={files} other={other} network={network}");
}
"#;

/// Would run instead of the compiler, and ask for another one.
const TRAPS: [(&str, &str); 2] = [
    (
        ".cargo/config.toml",
        "[build]\nrustc-wrapper = \"/bin/false\"\n",
    ),
    ("rust-toolchain.toml", "[toolchain]\nchannel = \"1.0.0\"\n"),
];

fn order(files: &[(&str, &str)]) -> Order {
    let mut order = Order::new(files).step(&["digits"]);
    order.spec.runtime = Some(RuntimeSpec::Rust {
        lock: RepoPath::parse("Cargo.lock").unwrap(),
    });
    order
}

fn with<'a>(changed: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let usual = [
        ("Cargo.toml", MANIFEST),
        ("Cargo.lock", LOCK),
        ("src/main.rs", TRAIN),
        ("src/seed.txt", "7\n"),
    ];
    let kept = usual
        .into_iter()
        .filter(|(path, _)| changed.iter().all(|(other, _)| other != path));
    kept.chain(changed.iter().copied()).chain(TRAPS).collect()
}

fn count(log: &str, words: &str) -> usize {
    log.lines().filter(|line| line.contains(words)).count()
}

#[test]
fn a_workspace_is_built_once_shut_in_and_its_crates_are_built_once_for_a_lock() {
    let cache = tempfile::tempdir().unwrap();
    let shelf = cache.path().join("trusted");
    std::fs::create_dir_all(shelf.join("other")).unwrap();
    std::fs::write(shelf.join("other/file"), "of another build").unwrap();
    let build = BUILD.replace("SHELF", &shelf.display().to_string());
    let in_cache = |files: &[(&str, &str)]| {
        let mut order = order(&with(files));
        order.spec.cache_dir = cache.path().display().to_string();
        order
    };
    let first = in_cache(&[("build.rs", &build)]);
    let result = first.run();
    assert_succeeded(&first, &result);
    let log = first.log();
    assert_eq!(
        result.steps[0].metrics["seed"].value,
        MetricValue::Number(7.0)
    );
    if bowsprit_agent::confine::look().shortfall.is_none() {
        let seen = "secret=false files=false other=false network=false";
        assert_eq!(count(&log, seen), 1, "{log}");
    }
    assert_eq!(count(&log, "Compiling cfg-if"), 1, "{log}");

    let changed = in_cache(&[("build.rs", &build), ("src/seed.txt", "8\n")]);
    let second = changed.run();
    assert_succeeded(&changed, &second);
    let log = changed.log();
    assert_eq!(count(&log, "seed=8"), 1, "{log}");
    assert_eq!(count(&log, "Compiling cfg-if"), 0, "{log}");
    assert_eq!(count(&log, "Compiling digits"), 1, "{log}");
    assert_ne!(second.runtime, result.runtime);

    let data = in_cache(&[("build.rs", &build), ("train.csv", "1,2\n")]);
    let third = data.run();
    assert_succeeded(&data, &third);
    assert!(third.runtime_cached);
    assert_eq!(third.runtime, result.runtime);
    assert_eq!(count(&data.log(), "Compiling"), 0, "{}", data.log());
}

#[test]
fn what_does_not_build_is_said_with_its_place() {
    let failure = |files: &[(&str, &str)]| -> Failure {
        let order = order(&with(files));
        let found = order
            .run()
            .failure
            .unwrap_or_else(|| panic!("{}", order.log()));
        assert_eq!(found.step, "prepare");
        found
    };
    // No crate of others, so that nothing has to be fetched for a refusal.
    let alone = "[package]\nname = \"digits\"\nversion = \"0.1.0\"\nedition = \"2021\"\n";
    let lock = "version = 4\n\n[[package]]\nname = \"digits\"\nversion = \"0.1.0\"\n";
    let own = [("Cargo.toml", alone), ("Cargo.lock", lock)];
    let elsewhere = format!("{alone}[dependencies]\nx = {{git = \"file:///srv/mirrors/1.git\"}}\n");
    for (files, kind, words) in [
        (
            vec![own[0], own[1], ("src/main.rs", "fn main() {\n    x\n}\n")],
            FailureKind::Install,
            "cannot find value `x` in this scope",
        ),
        (
            vec![own[0], own[1], ("src/lib.rs", ""), ("src/main.rs", "")],
            FailureKind::Install,
            "`main` function not found",
        ),
        (
            vec![("Cargo.toml", elsewhere.as_str()), own[1]],
            FailureKind::Install,
            "`x` is refused: it comes by `git`",
        ),
        (
            vec![
                own[0],
                ("Cargo.lock", "version = 4\n"),
                ("src/main.rs", "fn main() {}"),
            ],
            FailureKind::Install,
            "--locked",
        ),
    ] {
        let found = failure(&files);
        assert_eq!(found.kind, kind, "{found:?}");
        assert!(found.message.contains(words), "{found:?}");
    }
    let mut missing = order(&[("Cargo.toml", alone)]);
    missing.spec.runtime = Some(RuntimeSpec::Rust {
        lock: RepoPath::parse("engine/Cargo.lock").unwrap(),
    });
    let found = missing.run().failure.unwrap();
    assert_eq!(found.kind, FailureKind::MissingFile, "{found:?}");
    assert!(found.message.contains("`engine/Cargo.lock`"), "{found:?}");
}

#[test]
fn a_workspace_of_libraries_alone_is_told_what_is_missing() {
    let alone = "[package]\nname = \"digits\"\nversion = \"0.1.0\"\nedition = \"2021\"\n";
    let lock = "version = 4\n\n[[package]]\nname = \"digits\"\nversion = \"0.1.0\"\n";
    let order = order(&[
        ("Cargo.toml", alone),
        ("Cargo.lock", lock),
        ("src/lib.rs", ""),
    ]);
    let found = order.run().failure.unwrap();
    assert_eq!(found.kind, FailureKind::Install);
    assert!(found.message.contains("makes no executable"), "{found:?}");
}
