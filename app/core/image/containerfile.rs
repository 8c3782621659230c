//! The texts that images are built from.
//!
//! Every command is an argument list in JSON, so that no shell and no line of a Containerfile reads what a contract wrote.
//! Source: Dockerfile reference, "Shell and exec form"; Containerfile(5).

use super::recipe::trust_name;
use super::recipe::{DockerfileImage, Gpu, Kind, Recipe, RuntimeImage, ServiceBase, ServiceImage};
use crate::name::Digest;
use crate::training::requirements;
use std::fmt::Write as _;

/// The text of the image in the build's context.
pub const IMAGE_FILE: &str = "Containerfile";
/// The text of its tests in the build's context.
pub const TEST_FILE: &str = "Containerfile.test";
/// The repository's own Dockerfile in the build's context.
pub const FIRST_FILE: &str = "Containerfile.first";
/// The snapshot in the build's context; it is unpacked to [`CODE_DIR`].
pub const CODE_FILE: &str = "code.tar";
/// The lock in the build's context.
pub const LOCK_FILE: &str = "requirements.lock";
/// The snapshot in the build's context.
pub const CODE_DIR: &str = "code";
/// The models in the build's context, one folder each.
pub const MODELS_DIR: &str = "models";
/// The name of what the repository's own Dockerfile made, while the build goes on.
pub const FIRST: &str = "localhost/first";
/// The name of what was made, while its tests run.
pub const MADE: &str = "localhost/made";

/// The user and group of every process in the image.
const USER: &str = "10001:10001";
/// The virtual environment of a runtime image; `/opt/bowsprit` is where the agent is brought.
const VENV: &str = "/opt/bowsprit-runtime/venv";
/// Where the code of a service lies in its image.
const CODE: &str = "/srv/code";
/// Where the models of a service lie in its image.
pub const MODELS: &str = "/srv/models";
/// Label of the key.
pub const KEY_LABEL: &str = "dev.bowsprit.key";
/// Label of the kind.
const KIND_LABEL: &str = "dev.bowsprit.kind";
/// Label of the trust.
const TRUST_LABEL: &str = "dev.bowsprit.trust";
/// Beginning of the label with a model's digest; its name follows.
const MODEL_LABEL: &str = "dev.bowsprit.model.";
/// Label of the commit. Source: OCI Image 1.1, "Pre-Defined Annotation Keys".
const REVISION_LABEL: &str = "org.opencontainers.image.revision";

/// The texts of one build, in the order in which they are built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texts {
    /// The image itself; it begins with the base, or with what the repository's Dockerfile made.
    pub image: String,
    /// Built on top and thrown away: fails where the tests fail.
    pub test: Option<String>,
}

/// The texts for a recipe.
pub fn texts(recipe: &Recipe) -> Texts {
    let key = recipe.key();
    match recipe {
        Recipe::Runtime(image) => Texts {
            image: runtime(image, &key),
            test: None,
        },
        Recipe::Dockerfile(image) => Texts {
            image: dockerfile(image, &key),
            test: None,
        },
        Recipe::Service(image) => Texts {
            image: service(image, &key),
            test: image.test.as_deref().map(|test| tested(image, test)),
        },
    }
}

fn runtime(image: &RuntimeImage, key: &Digest) -> String {
    let mut text = Text::from(&image.base.to_string());
    text.line("USER 0:0");
    for step in &image.steps {
        text.words("RUN", step);
    }
    if let Some(python) = &image.python {
        text.words("RUN", &["python3", "-c", &version_check(python)]);
    }
    if let Some(lock) = &image.lock {
        let mut venv = vec!["python3", "-m", "venv"];
        if image.python.is_none() {
            // A base of the contract's own choice was chosen for what is in it.
            venv.push("--system-site-packages");
        }
        venv.push(VENV);
        text.words("RUN", &venv);
        text.words(
            "COPY",
            &[LOCK_FILE, "/opt/bowsprit-runtime/requirements.lock"],
        );
        text.words("RUN", &installation(lock));
        text.line(&format!("ENV VIRTUAL_ENV={VENV} PATH={VENV}/bin:$PATH"));
    }
    if let Some(gpu) = &image.gpu {
        text.gpu(gpu);
    }
    text.labels(&label_of(Kind::Runtime, trust_name(image.trust), key));
    text.line(&format!("USER {USER}"));
    text.0
}

fn dockerfile(image: &DockerfileImage, key: &Digest) -> String {
    let mut text = Text::from(FIRST);
    text.labels(&label_of(Kind::Runtime, trust_name(image.trust), key));
    text.line(&format!("USER {USER}"));
    text.0
}

fn service(image: &ServiceImage, key: &Digest) -> String {
    let mut text = match &image.from {
        ServiceBase::Runtime(base) => {
            let mut text = Text::from(&base.to_string());
            text.words("COPY", &[CODE_DIR, CODE]);
            text.line(&format!("WORKDIR {CODE}"));
            text
        }
        ServiceBase::Dockerfile(_) => Text::from(FIRST),
    };
    if !image.models.is_empty() {
        text.words("COPY", &[MODELS_DIR, MODELS]);
    }
    text.line(&format!("ENV MODELS_DIR={MODELS}"));
    if let Some(name) = image.models.keys().next() {
        text.line(&format!("ENV MODEL_DIR={MODELS}/{name} MODEL_NAME={name}"));
    }
    let mut labels = label_of(Kind::Service, trust_name(image.trust), key);
    labels.push((REVISION_LABEL.to_owned(), image.revision.to_string()));
    for (name, digest) in &image.models {
        labels.push((format!("{MODEL_LABEL}{name}"), digest.to_string()));
    }
    text.labels(&labels);
    text.line(&format!("USER {USER}"));
    text.line("ENTRYPOINT []");
    text.words("CMD", &image.run);
    text.0
}

/// Tests run as the user of the image; what they write is thrown away with it.
fn tested(image: &ServiceImage, test: &[String]) -> String {
    let mut text = Text::from(MADE);
    if matches!(image.from, ServiceBase::Runtime(_)) {
        // Tests leave caches and reports beside the code.
        text.line("USER 0:0");
        text.words("RUN", &["chown", "-R", USER, CODE]);
        text.line(&format!("USER {USER}"));
    }
    text.line("ENV HOME=/tmp TMPDIR=/tmp PYTHONDONTWRITEBYTECODE=1");
    text.words("RUN", test);
    text.0
}

fn label_of(kind: Kind, trust: &str, key: &Digest) -> Vec<(String, String)> {
    [
        (KEY_LABEL, key.as_str()),
        (KIND_LABEL, kind.word()),
        (TRUST_LABEL, trust),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

/// Wheels only, and every one by its hash where the lock has hashes: nothing of a package runs while it is installed.
fn installation(lock: &str) -> Vec<String> {
    let mut words = vec![
        format!("{VENV}/bin/python"),
        "-I".to_owned(),
        "-m".to_owned(),
        "pip".to_owned(),
        "install".to_owned(),
        "--no-input".to_owned(),
        "--no-cache-dir".to_owned(),
        "--progress-bar=off".to_owned(),
        "--disable-pip-version-check".to_owned(),
        "--only-binary=:all:".to_owned(),
    ];
    if requirements::has_hashes(lock) {
        words.push("--require-hashes".to_owned());
    }
    words.push("-r".to_owned());
    words.push("/opt/bowsprit-runtime/requirements.lock".to_owned());
    words
}

/// `minimum` is two numbers joined by a dot; the contract's reader let nothing else pass.
fn version_check(minimum: &str) -> String {
    let wanted = minimum.replace('.', ", ");
    format!(
        "import sys; sys.version_info >= ({wanted}) or sys.exit('the base image has Python %d.%d, the contract asks for {minimum} or newer' % sys.version_info[:2])"
    )
}

/// A Containerfile in the making.
struct Text(String);

impl Text {
    fn from(image: &str) -> Text {
        Text(format!("FROM {image}\n"))
    }

    fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    /// An instruction whose arguments are a JSON list, on one line.
    fn words<T: AsRef<str>>(&mut self, instruction: &str, words: &[T]) {
        let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        let words = serde_json::Value::from(words);
        self.line(&format!("{instruction} {words}"));
    }

    /// Values of ours only: names, digests and words without anything to escape.
    fn labels(&mut self, labels: &[(String, String)]) {
        let mut line = String::from("LABEL");
        for (name, value) in labels {
            // Writing into a text cannot fail.
            let _ = write!(line, " \"{name}\"=\"{value}\"");
        }
        self.line(&line);
    }

    /// Source: NVIDIA Container Toolkit, "Specialized Configurations with Docker", environment variables.
    fn gpu(&mut self, gpu: &Gpu) {
        self.line("ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility");
        if let Some(cuda) = &gpu.cuda {
            self.line(&format!("ENV NVIDIA_REQUIRE_CUDA=\"cuda>={cuda}\""));
        }
    }
}

#[cfg(test)]
mod tests;
