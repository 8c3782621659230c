//! Names of images, parsed once: a registry, a path in it, and a digest or a tag.
//!
//! Shorter names, which every tool completes in its own way, are refused: what is pulled is what was written.
//! Source: distribution/reference, grammar of the package comment, v0.6; OCI Distribution 1.1, "Pulling manifests".

use super::recipe::{Kind, trust_name};
use crate::name::Digest;
use crate::training::spec::Trust;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest name without tag and digest. Units: characters.
const NAME_CHARS_MAX: usize = 255;
/// Longest tag. Units: characters.
const TAG_CHARS_MAX: usize = 128;
/// How much of a refused name is shown. Units: characters.
const SHOWN_CHARS: usize = 80;

/// Why a text is not the name of an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not the name of an image: {rule}")]
pub struct ReferenceError {
    /// The text, without control characters, cut.
    pub text: String,
    /// The rule that it broke, with what would be right.
    pub rule: &'static str,
}

/// Where images of one name are kept: a registry, such as `registry.example:5000`, and a path in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    registry: String,
    path: String,
}

/// An image by its digest: always the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pinned {
    /// Where it is kept.
    pub place: Place,
    /// The digest of its manifest.
    pub digest: Digest,
}

/// An image by a tag, which may name other bytes tomorrow.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tagged {
    /// Where it is kept.
    pub place: Place,
    tag: String,
}

/// Any name of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// By digest.
    Pinned(Pinned),
    /// By tag.
    Tagged(Tagged),
}

impl Place {
    /// Checks `registry` (`host` or `host:port`) and `path`. Errors: the rule that one of them broke.
    pub fn new(registry: &str, path: &str) -> Result<Place, ReferenceError> {
        let error = |rule| refused(&format!("{registry}/{path}"), rule);
        if !is_registry(registry) {
            return Err(error(
                "a registry is a host, perhaps with a port, such as `registry.example:5000`",
            ));
        }
        if registry.len() + 1 + path.len() > NAME_CHARS_MAX {
            return Err(error("a name has at most 255 characters"));
        }
        if !is_path(path) {
            return Err(error(
                "a path is of lower-case letters and digits, parts joined by `/`, words by `.`, `_` or `-`",
            ));
        }
        Ok(Place {
            registry: registry.to_owned(),
            path: path.to_owned(),
        })
    }

    /// Where images of ours are kept: `<registry>/<prefix>/<trusted or untrusted>/<kind>`. Errors: as [`Place::new`].
    pub fn of_ours(
        registry: &str,
        prefix: &str,
        kind: Kind,
        trust: Trust,
    ) -> Result<Place, ReferenceError> {
        let path = format!("{prefix}/{}/{}", trust_name(trust), kind.word());
        Place::new(registry, &path)
    }

    /// `host` or `host:port`.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The path in the registry.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The image of that digest here.
    pub fn at(&self, digest: Digest) -> Pinned {
        Pinned {
            place: self.clone(),
            digest,
        }
    }

    /// The image that carries the hex digits of `digest` as its tag: how an image is found by what it was made of.
    pub fn tagged(&self, digest: &Digest) -> Tagged {
        Tagged {
            place: self.clone(),
            tag: digest.hex().to_owned(),
        }
    }
}

impl Tagged {
    /// The tag.
    pub fn tag(&self) -> &str {
        &self.tag
    }
}

impl Pinned {
    /// Reads `registry/path@sha256:…`; a tag before the digest says nothing and is left out.
    ///
    /// Errors: the rule that it broke, also where there is a tag alone.
    pub fn parse(text: &str) -> Result<Pinned, ReferenceError> {
        match Reference::parse(text)? {
            Reference::Pinned(pinned) => Ok(pinned),
            Reference::Tagged(_) => Err(refused(
                text,
                "a tag may name another image tomorrow; write the digest, such as `registry.example/team/image@sha256:…`",
            )),
        }
    }
}

impl Reference {
    /// Reads `registry/path@sha256:…` or `registry/path:tag`. Errors: the rule that it broke.
    pub fn parse(text: &str) -> Result<Reference, ReferenceError> {
        let error = |rule| refused(text, rule);
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (text, None),
        };
        let Some((registry, rest)) = name.split_once('/').filter(|(host, _)| is_explicit(host))
        else {
            return Err(error(
                "it begins with its registry, such as `docker.io/library/python@sha256:…`",
            ));
        };
        let (path, tag) = match rest.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (rest, None),
        };
        let place = Place::new(registry, path)?;
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(error(
                "a tag is of 1 to 128 letters, digits, `_`, `.` and `-`, first no `.` or `-`",
            ));
        }
        match (digest, tag) {
            (Some(digest), _) => {
                let digest = Digest::parse(digest)
                    .map_err(|_| error("a digest is `sha256:` and 64 lower-case hex digits"))?;
                Ok(Reference::Pinned(Pinned { place, digest }))
            }
            (None, Some(tag)) => Ok(Reference::Tagged(Tagged {
                place,
                tag: tag.to_owned(),
            })),
            (None, None) => Err(error(
                "it ends with a digest, such as `@sha256:…`, or a tag",
            )),
        }
    }

    /// Where the image is kept.
    pub fn place(&self) -> &Place {
        match self {
            Reference::Pinned(pinned) => &pinned.place,
            Reference::Tagged(tagged) => &tagged.place,
        }
    }
}

/// Whether a text is a registry: a host name or IPv4 address, perhaps with a port.
pub fn is_registry(text: &str) -> bool {
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let is_part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let is_port = |port: &str| {
        port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    host.len() <= NAME_CHARS_MAX && host.split('.').all(is_part) && port.is_none_or(is_port)
}

/// Whether a first part cannot be taken for the first part of a path.
fn is_explicit(host: &str) -> bool {
    host.contains(['.', ':']) || host == "localhost"
}

fn is_path(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_joint =
        |joint: &str| matches!(joint, "" | "." | "_" | "__") || joint.bytes().all(|b| b == b'-');
    let is_part = |part: &str| {
        part.starts_with(is_plain) && part.ends_with(is_plain) && part.split(is_plain).all(is_joint)
    };
    text.split('/').all(is_part)
}

fn is_tag(text: &str) -> bool {
    (1..=TAG_CHARS_MAX).contains(&text.len())
        && !text.starts_with(['.', '-'])
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

fn refused(text: &str, rule: &'static str) -> ReferenceError {
    let plain = text.chars().filter(|c| !c.is_control());
    ReferenceError {
        text: plain.take(SHOWN_CHARS).collect(),
        rule,
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.path)
    }
}

impl fmt::Display for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.place, self.digest)
    }
}

impl fmt::Display for Tagged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.place, self.tag)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reference::Pinned(pinned) => pinned.fmt(f),
            Reference::Tagged(tagged) => tagged.fmt(f),
        }
    }
}

impl TryFrom<String> for Pinned {
    type Error = ReferenceError;
    fn try_from(text: String) -> Result<Pinned, ReferenceError> {
        Pinned::parse(&text)
    }
}

impl From<Pinned> for String {
    fn from(pinned: Pinned) -> String {
        pinned.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn whole_names_are_read_and_written_alike() {
        for text in [
            "docker.io/library/python:3.11-slim".to_owned(),
            "localhost/x:1".to_owned(),
            "10.0.0.1:5000/a/b-c/d__e.f@sha256:".to_owned() + HEX,
            "registry.example:443/team/a--b:_x".to_owned(),
        ] {
            let read = Reference::parse(&text).unwrap();
            assert_eq!(read.to_string(), text);
        }
        let both = format!("docker.io/library/python:3.11@sha256:{HEX}");
        assert_eq!(
            Pinned::parse(&both).unwrap().to_string(),
            both.replace(":3.11", "")
        );
    }

    #[test]
    fn untrusted_images_are_kept_apart() {
        let at = |kind, trust| Place::of_ours("r.example", "bowsprit", kind, trust).unwrap();
        assert_eq!(
            at(Kind::Runtime, Trust::Trusted).to_string(),
            "r.example/bowsprit/trusted/runtime"
        );
        assert_eq!(
            at(Kind::Service, Trust::Untrusted).to_string(),
            "r.example/bowsprit/untrusted/service"
        );
    }

    #[test]
    fn hostile_and_half_names_are_refused() {
        let digest = format!("sha256:{HEX}");
        for bad in [
            "",
            "python",
            "python:3.11",
            "library/python:3.11",
            "docker.io/python",
            "docker.io/:x",
            "docker.io//x:1",
            "docker.io/x:",
            "docker.io/x:.a",
            "docker.io/x:a b",
            "docker.io/x:a\nRUN evil",
            "docker.io/X:1",
            "docker.io/-x:1",
            "docker.io/x-:1",
            "docker.io/x..y:1",
            "docker.io/x___y:1",
            "docker.io/../x:1",
            "docker.io/x:1:2",
            "docker.io:0/x:1",
            "docker.io:99999/x:1",
            "docker.io:+1/x:1",
            "-host.example/x:1",
            "user@host.example/x:1",
            "http://host.example/x:1",
            "--flag.example/x:1",
            "host.example/ü:1",
            "host.example/x@sha256:00",
            "host.example/x@md5:00",
            &format!("host.example/x@{digest}@{digest}"),
            &format!("host.example/x@{}", digest.to_uppercase()),
            &format!("host.example/{}:1", "a".repeat(300)),
            &format!("host.example/x:{}", "a".repeat(129)),
        ] {
            assert!(Reference::parse(bad).is_err(), "{bad}");
        }
        let error = Pinned::parse("docker.io/x:1").unwrap_err().to_string();
        assert!(error.contains("write the digest"), "{error}");
        let error = Reference::parse("docker.io/x:a\n\u{7}b").unwrap_err();
        assert_eq!(error.text, "docker.io/x:ab");
    }
}
