//! What an image is made of, and the key by which it is found again.
//!
//! A key is the sha256 of a text of fields in a stated order, each with its length, so that no two recipes share a text.

use super::reference::Pinned;
use crate::name::{CommitSha, Digest, NameError, RepoPath, Slug};
use crate::training::spec::Trust;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// First line of a runtime image's text; raised when the same recipe is built in another way.
const RUNTIME: &str = "bowsprit runtime image 1";
/// The same of an image from a repository's Dockerfile.
const DOCKERFILE: &str = "bowsprit dockerfile image 1";
/// The same of a service image.
const SERVICE: &str = "bowsprit service image 1";

/// What an image is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipe {
    /// A base image, steps and a lock file.
    Runtime(RuntimeImage),
    /// The repository's own Dockerfile.
    Dockerfile(DockerfileImage),
    /// A service's code with its models.
    Service(ServiceImage),
}

/// The software of steps: a base image with further steps and locked packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeImage {
    /// What it begins with.
    pub base: Pinned,
    /// Run in it, in order; argument lists, never given to a shell.
    pub steps: Vec<Vec<String>>,
    /// Bytes of the lock file whose wheels are installed.
    pub lock: Option<String>,
    /// What it runs on.
    pub platform: Platform,
    /// Whether all of this comes from a trusted commit.
    pub trust: Trust,
    /// The least Python that the base must have, such as `3.11`.
    pub python: Option<String>,
    /// What it wants of a graphics processor.
    pub gpu: Option<Gpu>,
}

/// An image that a repository builds by a Dockerfile of its own; which of its files that reads nobody knows, so all count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerfileImage {
    /// The Dockerfile in the snapshot.
    pub file: RepoPath,
    /// Digest of the snapshot.
    pub snapshot: Digest,
    /// What it runs on.
    pub platform: Platform,
    /// Whether all of this comes from a trusted commit.
    pub trust: Trust,
}

/// A service's code with its models, ready to serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceImage {
    /// What it begins with.
    pub from: ServiceBase,
    /// Digest of the snapshot that becomes its code.
    pub snapshot: Digest,
    /// The commit of that snapshot.
    pub revision: CommitSha,
    /// The models in it, by name.
    pub models: BTreeMap<Slug, Digest>,
    /// What it runs: an argument list.
    pub run: Vec<String>,
    /// What must succeed in it before it is pushed.
    pub test: Option<Vec<String>>,
    /// What it runs on.
    pub platform: Platform,
    /// Whether all of this comes from a trusted commit.
    pub trust: Trust,
}

/// What a service image begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceBase {
    /// A runtime image; the code is laid into it.
    Runtime(Pinned),
    /// The repository's Dockerfile, which lays its code out itself.
    Dockerfile(RepoPath),
}

/// What a runtime wants of a graphics processor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gpu {
    /// The least release of CUDA that the node's driver must know, such as `12.4`.
    pub cuda: Option<String>,
}

/// An operating system and an architecture, such as `linux/amd64`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform(String);

impl Platform {
    /// Reads `os/architecture`. Errors: it is something else.
    pub fn parse(text: &str) -> Result<Platform, NameError> {
        let is_word = |word: &str| {
            (1..=20).contains(&word.len())
                && word
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        };
        match text.split_once('/') {
            Some((system, architecture)) if is_word(system) && is_word(architecture) => {
                Ok(Platform(text.to_owned()))
            }
            Some(_) | None => Err(NameError {
                what: "platform",
                text: text.chars().take(80).collect(),
                rule: "system and architecture joined by a slash, such as `linux/amd64`",
            }),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Recipe {
    /// The key: equal for equal recipes, and for no others.
    pub fn key(&self) -> Digest {
        match self {
            Recipe::Runtime(image) => runtime_key(image),
            Recipe::Dockerfile(image) => Fields::of(DOCKERFILE)
                .text("snapshot", image.snapshot.as_str())
                .text("file", image.file.as_str())
                .text("platform", image.platform.as_str())
                .text("trust", trust_name(image.trust))
                .digest(),
            Recipe::Service(image) => service_key(image),
        }
    }

    /// Whether everything in it comes from a trusted commit.
    pub fn trust(&self) -> Trust {
        match self {
            Recipe::Runtime(image) => image.trust,
            Recipe::Dockerfile(image) => image.trust,
            Recipe::Service(image) => image.trust,
        }
    }

    /// The same recipe as a trusted commit would have it: what it makes is the same image, and may be read by anybody.
    pub fn trusted(&self) -> Recipe {
        let mut recipe = self.clone();
        match &mut recipe {
            Recipe::Runtime(image) => image.trust = Trust::Trusted,
            Recipe::Dockerfile(image) => image.trust = Trust::Trusted,
            Recipe::Service(image) => image.trust = Trust::Trusted,
        }
        recipe
    }

    /// The last part of the path under which images of this kind are kept.
    pub fn kind(&self) -> Kind {
        match self {
            Recipe::Runtime(_) | Recipe::Dockerfile(_) => Kind::Runtime,
            Recipe::Service(_) => Kind::Service,
        }
    }

    /// The image that must be there before, where it is known by its digest.
    pub fn base(&self) -> Option<&Pinned> {
        match self {
            Recipe::Runtime(image) => Some(&image.base),
            Recipe::Dockerfile(_) => None,
            Recipe::Service(image) => match &image.from {
                ServiceBase::Runtime(base) => Some(base),
                ServiceBase::Dockerfile(_) => None,
            },
        }
    }
}

/// Kinds of image, which are kept apart in a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Software for steps.
    Runtime,
    /// A service with its models.
    Service,
}

impl Kind {
    /// The word in paths and labels.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Runtime => "runtime",
            Kind::Service => "service",
        }
    }
}

/// Of the base the digest alone counts: the same image may be kept in several places.
fn runtime_key(image: &RuntimeImage) -> Digest {
    let gpu = match &image.gpu {
        Some(gpu) => vec![gpu.cuda.clone().unwrap_or_default()],
        None => Vec::new(),
    };
    Fields::of(RUNTIME)
        .text("base", image.base.digest.as_str())
        .lists("steps", &image.steps)
        .list("lock", image.lock.as_slice())
        .text("platform", image.platform.as_str())
        .text("trust", trust_name(image.trust))
        .list("python", image.python.as_slice())
        .list("gpu", &gpu)
        .digest()
}

fn service_key(image: &ServiceImage) -> Digest {
    let (kind, from) = match &image.from {
        ServiceBase::Runtime(base) => ("runtime", base.digest.as_str()),
        ServiceBase::Dockerfile(file) => ("dockerfile", file.as_str()),
    };
    let models: Vec<Vec<String>> = image
        .models
        .iter()
        .map(|(name, digest)| vec![name.to_string(), digest.to_string()])
        .collect();
    Fields::of(SERVICE)
        .text(kind, from)
        .text("snapshot", image.snapshot.as_str())
        .text("revision", image.revision.as_str())
        .lists("models", &models)
        .list("run", &image.run)
        .lists("test", image.test.as_slice())
        .text("platform", image.platform.as_str())
        .text("trust", trust_name(image.trust))
        .digest()
}

/// The text of a key, field by field.
struct Fields(String);

impl Fields {
    fn of(version: &str) -> Fields {
        Fields(format!("{version}\n"))
    }

    fn text(mut self, name: &str, value: &str) -> Fields {
        self.0
            .push_str(&format!("{name} {}\n{value}\n", value.len()));
        self
    }

    fn list(mut self, name: &str, values: &[String]) -> Fields {
        self.0.push_str(&format!("{name} list {}\n", values.len()));
        for value in values {
            self = self.text("-", value);
        }
        self
    }

    fn lists(mut self, name: &str, values: &[Vec<String>]) -> Fields {
        self.0.push_str(&format!("{name} lists {}\n", values.len()));
        for value in values {
            self = self.list("-", value);
        }
        self
    }

    fn digest(self) -> Digest {
        Digest::of(self.0.as_bytes())
    }
}

/// The word for a trust, in keys, paths and labels.
pub fn trust_name(trust: Trust) -> &'static str {
    match trust {
        Trust::Trusted => "trusted",
        Trust::Untrusted => "untrusted",
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::reference::Place;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn base(registry: &str, bytes: &str) -> Pinned {
        let place = Place::new(registry, "library/python").unwrap();
        place.at(Digest::of(bytes.as_bytes()))
    }

    fn runtime() -> RuntimeImage {
        RuntimeImage {
            base: base("docker.io", "python"),
            steps: vec![words(&["apt-get", "install", "libgomp1"])],
            lock: Some("numpy==2.1.0\n".to_owned()),
            platform: Platform::parse("linux/amd64").unwrap(),
            trust: Trust::Trusted,
            python: Some("3.11".to_owned()),
            gpu: None,
        }
    }

    fn service() -> ServiceImage {
        ServiceImage {
            from: ServiceBase::Runtime(base("docker.io", "runtime")),
            snapshot: Digest::of(b"code"),
            revision: CommitSha::parse(&"a".repeat(40)).unwrap(),
            models: [(Slug::parse("digits").unwrap(), Digest::of(b"model"))].into(),
            run: words(&["python", "-m", "app"]),
            test: None,
            platform: Platform::parse("linux/amd64").unwrap(),
            trust: Trust::Trusted,
        }
    }

    #[test]
    fn the_key_of_a_known_recipe_never_changes() {
        let key = Recipe::Runtime(runtime()).key();
        expect_test::expect![
            "sha256:6cfa9df6f19001dbabdacd6aeaea02a4d6e2aa8c5977d0a420d3b2f00b76c4d9"
        ]
        .assert_eq(key.as_str());
        let key = Recipe::Service(service()).key();
        expect_test::expect![
            "sha256:262703ac7a68c83b96c0390805b8fe6460ac8414155daf34c848b28a91112463"
        ]
        .assert_eq(key.as_str());
    }

    #[test]
    fn where_the_base_is_kept_does_not_count() {
        let moved = RuntimeImage {
            base: base("mirror.example", "python"),
            ..runtime()
        };
        assert_eq!(
            Recipe::Runtime(moved).key(),
            Recipe::Runtime(runtime()).key()
        );
    }

    #[test]
    fn every_part_of_a_runtime_counts() {
        let change = |change: &dyn Fn(&mut RuntimeImage)| {
            let mut image = runtime();
            change(&mut image);
            Recipe::Runtime(image).key()
        };
        let keys = [
            change(&|_| {}),
            change(&|image| image.base = base("docker.io", "other")),
            change(&|image| image.steps.clear()),
            change(&|image| image.steps = vec![words(&["apt-get", "install libgomp1"])]),
            change(&|image| {
                image.steps = vec![words(&["apt-get"]), words(&["install", "libgomp1"])]
            }),
            change(&|image| image.steps.push(Vec::new())),
            change(&|image| image.lock = None),
            change(&|image| image.lock = Some(String::new())),
            change(&|image| image.lock = Some("numpy==2.1.1\n".to_owned())),
            change(&|image| image.platform = Platform::parse("linux/arm64").unwrap()),
            change(&|image| image.trust = Trust::Untrusted),
            change(&|image| image.python = None),
            change(&|image| image.python = Some("3.12".to_owned())),
            change(&|image| image.gpu = Some(Gpu { cuda: None })),
            change(&|image| {
                image.gpu = Some(Gpu {
                    cuda: Some("12.4".to_owned()),
                })
            }),
        ];
        let unique: std::collections::BTreeSet<&Digest> = keys.iter().collect();
        assert_eq!(unique.len(), keys.len());
    }

    #[test]
    fn every_part_of_a_service_counts() {
        let change = |change: &dyn Fn(&mut ServiceImage)| {
            let mut image = service();
            change(&mut image);
            Recipe::Service(image).key()
        };
        let keys = [
            change(&|_| {}),
            change(&|image| image.from = ServiceBase::Runtime(base("docker.io", "other"))),
            change(&|image| {
                image.from = ServiceBase::Dockerfile(RepoPath::parse("Dockerfile").unwrap());
            }),
            change(&|image| image.snapshot = Digest::of(b"other")),
            change(&|image| image.revision = CommitSha::parse(&"b".repeat(40)).unwrap()),
            change(&|image| image.models.clear()),
            change(&|image| image.run.clear()),
            change(&|image| image.test = Some(words(&["pytest"]))),
            change(&|image| image.trust = Trust::Untrusted),
        ];
        let unique: std::collections::BTreeSet<&Digest> = keys.iter().collect();
        assert_eq!(unique.len(), keys.len());
    }

    #[test]
    fn what_an_untrusted_head_wants_may_be_there_from_a_trusted_one() {
        let head = Recipe::Runtime(RuntimeImage {
            trust: Trust::Untrusted,
            ..runtime()
        });
        assert_ne!(head.key(), Recipe::Runtime(runtime()).key());
        assert_eq!(head.trusted().key(), Recipe::Runtime(runtime()).key());
    }

    #[test]
    fn platforms_are_two_words() {
        assert!(Platform::parse("linux/arm64").is_ok());
        for bad in [
            "",
            "linux",
            "linux/",
            "linux/arm64/v8",
            "linux/a b",
            "/x",
            "--os/x",
        ] {
            assert!(Platform::parse(bad).is_err(), "{bad}");
        }
    }
}
