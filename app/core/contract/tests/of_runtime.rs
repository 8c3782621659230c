//! What a contract may say of the software that steps and servers run in.

use super::*;
use crate::image::recipe::Gpu;
use crate::image::reference::Pinned;

const PYTHON: &str = "python: \"3.11\", requirements: requirements.lock";
const IMAGE: &str = "registry.example:5000/team/torch@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[track_caller]
fn runtime(text: &str) -> Option<RuntimeSpec> {
    match parse(&TRAINING.replacen(PYTHON, text, 1)) {
        Ok(Contract::Training(training)) => training.runtime,
        other => panic!("not read: {other:?}"),
    }
}

fn image() -> Pinned {
    Pinned::parse(IMAGE).expect("test image")
}

#[test]
fn images_are_read_into_values() {
    let written = Some(RuntimeSpec::Image {
        image: image(),
        origin: None,
    });
    assert_eq!(runtime(&format!("image: \"{IMAGE}\"")), written);
    let file = path("docker/train.Dockerfile");
    assert_eq!(
        runtime("dockerfile: docker/train.Dockerfile"),
        Some(RuntimeSpec::Dockerfile { file })
    );
    let bare = RuntimeSpec::Base {
        image: image(),
        steps: Vec::new(),
        requirements: None,
        gpu: None,
    };
    assert_eq!(
        runtime(&format!("base: {{image: \"{IMAGE}\"}}")),
        Some(bare)
    );
    let whole = format!(
        "base: {{image: \"{IMAGE}\", steps: [apt-get update, [sh, -c, \"a && b\"]], requirements: r.lock, cuda: 12.4}}"
    );
    let step = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let expected = RuntimeSpec::Base {
        image: image(),
        steps: vec![step(&["apt-get", "update"]), step(&["sh", "-c", "a && b"])],
        requirements: Some(path("r.lock")),
        gpu: Some(Gpu {
            cuda: Some("12.4".to_owned()),
        }),
    };
    assert_eq!(runtime(&whole), Some(expected));
    let gpu = runtime(&format!("base: {{image: \"{IMAGE}\", gpu: true}}"));
    let Some(RuntimeSpec::Base { gpu, .. }) = gpu else {
        panic!("no base");
    };
    assert_eq!(gpu, Some(Gpu { cuda: None }));
}

#[test]
fn what_is_wrong_with_an_image_is_told() {
    for (text, told) in [
        (
            "image: python",
            expect![
                "4:18 `image`: `python` is not the name of an image: it begins with its registry, such as `docker.io/library/python@sha256:…`"
            ],
        ),
        (
            "image: docker.io/library/python:3.11",
            expect![
                "4:18 `image`: `docker.io/library/python:3.11` is not the name of an image: a tag may name another image tomorrow; write the digest, such as `registry.example/team/image@sha256:…`"
            ],
        ),
        (
            "dockerfile: ../Dockerfile",
            expect![
                "4:23 `dockerfile`: `../Dockerfile` is not a path: relative, at most 400 characters, without `..`, empty parts, backslashes or control characters"
            ],
        ),
        (
            "base: docker.io/library/python",
            expect![
                "4:17 `base` must be a mapping of image, steps, requirements, gpu, cuda, not a single value"
            ],
        ),
        (
            "base: {steps: [x]}",
            expect![
                "4:17 `image` is missing in `base`: what it begins with, such as `image: docker.io/library/python@sha256:…`"
            ],
        ),
        (
            "dockerfile: Dockerfile, python: \"3.11\"",
            expect!["4:23 `dockerfile` says what is in the runtime; take it alone"],
        ),
    ] {
        trained(PYTHON, text, told);
    }
    for (text, told) in [
        (
            "steps: [[]]",
            expect!["4:141 a step of `base`: the command is empty"],
        ),
        ("gpu: 1", expect!["4:138 `gpu` must be true or false"]),
        (
            "cuda: latest",
            expect![[r#"4:139 `cuda`: write major and minor release, such as "12.4""#]],
        ),
        (
            "gpu: false, cuda: \"12.4\"",
            expect!["4:151 `cuda` needs a graphics processor; leave out `gpu: false`"],
        ),
    ] {
        let text = format!("base: {{image: \"{IMAGE}\", {text}}}");
        trained(PYTHON, &text, told);
    }
}

#[test]
fn processes_of_a_machine_take_no_image_and_say_who_does() {
    for text in [
        format!("image: \"{IMAGE}\""),
        "dockerfile: Dockerfile".to_owned(),
        format!("base: {{image: \"{IMAGE}\"}}"),
    ] {
        let refusal = runtime(&text).and_then(|runtime| runtime.local_refusal());
        let key = text.split(':').next().unwrap_or_default();
        let refusal = refusal.expect("refused");
        assert!(refusal.contains(&format!("`runtime.{key}`")), "{refusal}");
        assert!(refusal.contains("backend = \"kubernetes\""), "{refusal}");
        let unbuilt = runtime(&text).and_then(|runtime| runtime.unbuilt_refusal());
        assert_eq!(unbuilt.is_some(), key != "image", "{unbuilt:?}");
    }
    for text in [PYTHON, "conda: environment.yml"] {
        assert_eq!(
            runtime(text).and_then(|runtime| runtime.local_refusal()),
            None
        );
    }
}
