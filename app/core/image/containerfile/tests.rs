//! The texts as they are built, and that no contract writes a line of them.

use super::*;
use crate::image::recipe::Platform;
use crate::image::reference::{Pinned, Place};
use crate::name::{CommitSha, RepoPath, Slug};
use crate::training::spec::Trust;
use expect_test::expect;

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn base() -> Pinned {
    let place = Place::new("docker.io", "library/python").unwrap();
    place.at(Digest::of(b""))
}

fn platform() -> Platform {
    Platform::parse("linux/amd64").unwrap()
}

fn runtime() -> RuntimeImage {
    RuntimeImage {
        base: base(),
        steps: vec![words(&["apt-get", "install", "-y", "libgomp1"])],
        lock: Some("numpy==2.1.0 --hash=sha256:00\n".to_owned()),
        platform: platform(),
        trust: Trust::Untrusted,
        python: None,
        gpu: Some(Gpu {
            cuda: Some("12.4".to_owned()),
        }),
    }
}

fn service() -> ServiceImage {
    ServiceImage {
        from: ServiceBase::Runtime(base()),
        snapshot: Digest::of(b"code"),
        revision: CommitSha::parse(&"a".repeat(40)).unwrap(),
        models: [(Slug::parse("digits").unwrap(), Digest::of(b""))].into(),
        run: words(&["python", "-m", "app"]),
        test: Some(words(&["python", "-m", "pytest", "-q"])),
        platform: platform(),
        trust: Trust::Trusted,
    }
}

fn shown(recipe: Recipe) -> String {
    let key = recipe.key();
    let texts = texts(&recipe);
    let test = texts.test.map(|test| format!("---\n{test}"));
    (texts.image + &test.unwrap_or_default()).replace(key.as_str(), "KEY")
}

#[test]
fn a_runtime_has_steps_then_wheels_and_no_root() {
    expect![[r#"
        FROM docker.io/library/python@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
        USER 0:0
        RUN ["apt-get","install","-y","libgomp1"]
        RUN ["python3","-m","venv","--system-site-packages","/opt/bowsprit-runtime/venv"]
        COPY ["requirements.lock","/opt/bowsprit-runtime/requirements.lock"]
        RUN ["/opt/bowsprit-runtime/venv/bin/python","-I","-m","pip","install","--no-input","--no-cache-dir","--progress-bar=off","--disable-pip-version-check","--only-binary=:all:","--require-hashes","-r","/opt/bowsprit-runtime/requirements.lock"]
        ENV VIRTUAL_ENV=/opt/bowsprit-runtime/venv PATH=/opt/bowsprit-runtime/venv/bin:$PATH
        ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
        ENV NVIDIA_REQUIRE_CUDA="cuda>=12.4"
        LABEL "dev.bowsprit.key"="KEY" "dev.bowsprit.kind"="runtime" "dev.bowsprit.trust"="untrusted"
        USER 10001:10001
    "#]].assert_eq(&shown(Recipe::Runtime(runtime())));
}

#[test]
fn a_python_of_the_base_image_is_held_against_the_contract() {
    let image = RuntimeImage {
        steps: Vec::new(),
        lock: Some("numpy==2.1.0\n".to_owned()),
        python: Some("3.11".to_owned()),
        gpu: None,
        trust: Trust::Trusted,
        ..runtime()
    };
    expect![[r#"
        FROM docker.io/library/python@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
        USER 0:0
        RUN ["python3","-c","import sys; sys.version_info >= (3, 11) or sys.exit('the base image has Python %d.%d, the contract asks for 3.11 or newer' % sys.version_info[:2])"]
        RUN ["python3","-m","venv","/opt/bowsprit-runtime/venv"]
        COPY ["requirements.lock","/opt/bowsprit-runtime/requirements.lock"]
        RUN ["/opt/bowsprit-runtime/venv/bin/python","-I","-m","pip","install","--no-input","--no-cache-dir","--progress-bar=off","--disable-pip-version-check","--only-binary=:all:","-r","/opt/bowsprit-runtime/requirements.lock"]
        ENV VIRTUAL_ENV=/opt/bowsprit-runtime/venv PATH=/opt/bowsprit-runtime/venv/bin:$PATH
        LABEL "dev.bowsprit.key"="KEY" "dev.bowsprit.kind"="runtime" "dev.bowsprit.trust"="trusted"
        USER 10001:10001
    "#]].assert_eq(&shown(Recipe::Runtime(image)));
}

#[test]
fn a_service_has_its_code_its_model_and_their_names() {
    expect![[r#"
        FROM docker.io/library/python@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
        COPY ["code","/srv/code"]
        WORKDIR /srv/code
        COPY ["models","/srv/models"]
        ENV MODELS_DIR=/srv/models
        ENV MODEL_DIR=/srv/models/digits MODEL_NAME=digits
        LABEL "dev.bowsprit.key"="KEY" "dev.bowsprit.kind"="service" "dev.bowsprit.trust"="trusted" "org.opencontainers.image.revision"="aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" "dev.bowsprit.model.digits"="sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        USER 10001:10001
        ENTRYPOINT []
        CMD ["python","-m","app"]
        ---
        FROM localhost/made
        USER 0:0
        RUN ["chown","-R","10001:10001","/srv/code"]
        USER 10001:10001
        ENV HOME=/tmp TMPDIR=/tmp PYTHONDONTWRITEBYTECODE=1
        RUN ["python","-m","pytest","-q"]
    "#]].assert_eq(&shown(Recipe::Service(service())));
}

#[test]
fn a_dockerfile_of_the_repository_gets_the_model_on_top() {
    let from = ServiceBase::Dockerfile(RepoPath::parse("Dockerfile").unwrap());
    let image = ServiceImage { from, ..service() };
    expect![[r#"
        FROM localhost/first
        COPY ["models","/srv/models"]
        ENV MODELS_DIR=/srv/models
        ENV MODEL_DIR=/srv/models/digits MODEL_NAME=digits
        LABEL "dev.bowsprit.key"="KEY" "dev.bowsprit.kind"="service" "dev.bowsprit.trust"="trusted" "org.opencontainers.image.revision"="aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" "dev.bowsprit.model.digits"="sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        USER 10001:10001
        ENTRYPOINT []
        CMD ["python","-m","app"]
        ---
        FROM localhost/made
        ENV HOME=/tmp TMPDIR=/tmp PYTHONDONTWRITEBYTECODE=1
        RUN ["python","-m","pytest","-q"]
    "#]].assert_eq(&shown(Recipe::Service(image)));
    let image = DockerfileImage {
        file: RepoPath::parse("train.Dockerfile").unwrap(),
        snapshot: Digest::of(b"code"),
        platform: platform(),
        trust: Trust::Trusted,
    };
    expect![[r#"
        FROM localhost/first
        LABEL "dev.bowsprit.key"="KEY" "dev.bowsprit.kind"="runtime" "dev.bowsprit.trust"="trusted"
        USER 10001:10001
    "#]]
    .assert_eq(&shown(Recipe::Dockerfile(image)));
}

#[test]
fn no_word_of_a_contract_becomes_a_line_or_leaves_its_list() {
    let hostile = [
        "x\nUSER 0:0",
        "\"]\nRUN [\"evil\"",
        "\\",
        "x\\\n",
        "# escape=`",
        "<<EOF",
        "$(id)",
        "${PATH}",
        "\u{2028}RUN evil",
        "\0",
    ];
    for word in hostile {
        let image = RuntimeImage {
            steps: vec![words(&[word, word])],
            ..runtime()
        };
        let text = texts(&Recipe::Runtime(image)).image;
        let plain = texts(&Recipe::Runtime(runtime())).image;
        assert_eq!(text.lines().count(), plain.lines().count(), "{word:?}");
        let line = text
            .lines()
            .nth(2)
            .and_then(|line| line.strip_prefix("RUN "));
        let read: Vec<String> = serde_json::from_str(line.unwrap()).unwrap();
        assert_eq!(read, [word, word]);
        let image = ServiceImage {
            run: words(&[word]),
            test: Some(words(&[word])),
            ..service()
        };
        let made = texts(&Recipe::Service(image));
        let last = |text: &str| -> Vec<String> {
            let line = text.lines().last().unwrap();
            serde_json::from_str(line.split_once(' ').unwrap().1).unwrap()
        };
        assert_eq!(last(&made.image), [word]);
        assert_eq!(last(&made.test.unwrap()), [word]);
    }
}
