//! What a contract comes to, and where images are kept.

use super::*;
use bowsprit_core::image::recipe::Platform;
use bowsprit_core::name::RepoPath;
use std::path::Path;

fn base(name: &str) -> Pinned {
    let place = Place::new("docker.io", name).unwrap();
    place.at(Digest::of(name.as_bytes()))
}

fn planner() -> Planner {
    Planner {
        base: base("library/python"),
        platform: Platform::parse("linux/amd64").unwrap(),
    }
}

fn snapshot(dir: &Path, files: &[(&str, &str)]) -> Source {
    let path = dir.join("snapshot.tar");
    let mut archive = tar::Builder::new(File::create(&path).unwrap());
    for (name, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        archive
            .append_data(&mut header, name, text.as_bytes())
            .unwrap();
    }
    archive.finish().unwrap();
    Source {
        sha256: Digest::of(&std::fs::read(&path).unwrap()),
        uri: path.display().to_string(),
    }
}

fn python(requirements: &str) -> RuntimeSpec {
    RuntimeSpec::Python {
        minimum: "3.11".to_owned(),
        requirements: Some(RepoPath::parse(requirements).unwrap()),
    }
}

fn made(software: Software) -> Wanted {
    match software {
        Software::Made(wanted) => *wanted,
        other => panic!("not made: {other:?}"),
    }
}

#[test]
fn a_python_runtime_begins_with_the_configured_image() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = snapshot(dir.path(), &[("requirements.lock", "numpy==2.1.0\n")]);
    let plan = |runtime: &RuntimeSpec, trust| planner().runtime(Some(runtime), &snapshot, trust);
    let wanted = made(plan(&python("requirements.lock"), Trust::Trusted).unwrap());
    assert_eq!(wanted.recipe.base(), Some(&base("library/python")));
    assert_eq!(wanted.parts.lock.as_deref(), Some("numpy==2.1.0\n"));
    assert_eq!(wanted.parts.code, None);
    let refused = plan(&python("other.lock"), Trust::Trusted);
    assert!(
        matches!(refused, Err(StartError::Refused(_))),
        "{refused:?}"
    );
    let image = base("team/torch");
    let given = plan(
        &RuntimeSpec::Image {
            image: image.clone(),
            origin: None,
        },
        Trust::Untrusted,
    );
    assert!(matches!(given, Ok(Software::Given(found)) if found == image));
    let own = RuntimeSpec::Base {
        image: image.clone(),
        steps: vec![vec!["true".to_owned()]],
        requirements: None,
        gpu: None,
    };
    let wanted = made(plan(&own, Trust::Trusted).unwrap());
    assert_eq!(wanted.recipe.base(), Some(&image));
    let lock = RepoPath::parse("Cargo.lock").unwrap();
    let refused = plan(&RuntimeSpec::Rust { lock }, Trust::Trusted);
    assert!(
        matches!(&refused, Err(StartError::Refused(why)) if why.contains("`runtime: {dockerfile: Dockerfile}`")),
        "{refused:?}"
    );
}

#[test]
fn a_lock_that_would_build_or_choose_its_index_is_refused_before_any_build() {
    let dir = tempfile::tempdir().unwrap();
    let files = [
        ("path.lock", "-e .\n"),
        (
            "index.lock",
            "--index-url https://example.org/simple\nx==1\n",
        ),
    ];
    let snapshot = snapshot(dir.path(), &files);
    for (file, trust, is_taken) in [
        ("path.lock", Trust::Trusted, false),
        ("index.lock", Trust::Trusted, true),
        ("index.lock", Trust::Untrusted, false),
    ] {
        let plan = planner().runtime(Some(&python(file)), &snapshot, trust);
        assert_eq!(plan.is_ok(), is_taken, "{file}: {plan:?}");
    }
}

#[test]
fn a_dockerfile_brings_its_text_and_all_files() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = snapshot(dir.path(), &[("docker/Dockerfile", "FROM x\n")]);
    let file = RepoPath::parse("docker/Dockerfile").unwrap();
    let plan = planner().runtime(
        Some(&RuntimeSpec::Dockerfile { file }),
        &snapshot,
        Trust::Trusted,
    );
    let wanted = made(plan.unwrap());
    assert_eq!(wanted.parts.first.as_deref(), Some("FROM x\n"));
    assert_eq!(wanted.parts.code, Some(PathBuf::from(&snapshot.uri)));
    assert_eq!(wanted.recipe.base(), None);
}

#[test]
fn the_log_says_where_an_image_came_from() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = snapshot(dir.path(), &[("r.lock", "")]);
    let plan = planner().runtime(Some(&python("r.lock")), &snapshot, Trust::Trusted);
    let recipe = made(plan.unwrap()).recipe;
    let short = recipe.key().short().to_owned();
    let image = base("x");
    for (found, words) in [
        (Found::Project, "found in the project's registry"),
        (Found::Shared, "found in the shared registry"),
        (Found::Built { seconds: 41 }, "built in 41 s"),
    ] {
        let line = Ensured::Ready {
            image: image.clone(),
            found,
        }
        .line(&recipe);
        assert_eq!(line, format!("runtime image {short} {words}: {image}"));
    }
    let waiting = Some("no node takes it".to_owned());
    let line = Ensured::Building { waiting }.line(&recipe);
    assert_eq!(
        line,
        format!("runtime image {short} waits to be built: no node takes it")
    );
}
