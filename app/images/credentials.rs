//! Who we are at registries: the credential file, and what a registry asks for.
//!
//! Source: containers-auth.json(5); Distribution, "Token Authentication Specification", v2.8; RFC 7235, `WWW-Authenticate`.

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Largest credential file. Units: bytes.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// Longest challenge that is read. Units: bytes.
const CHALLENGE_BYTES_MAX: usize = 4_096;

/// Names and passwords, by registry.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    text: Option<SecretString>,
    basic: BTreeMap<String, SecretString>,
}

#[derive(Deserialize)]
struct Document {
    auths: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    auth: Option<String>,
}

/// What a registry wants to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// Name and password.
    Basic,
    /// A token that is had at an address.
    Bearer {
        realm: String,
        service: Option<String>,
        scope: Option<String>,
    },
}

impl Credentials {
    /// Reads a file as `docker login` and `podman login` write it. Errors: it cannot be read, or has no `auths` of that form.
    pub fn read(path: &Path) -> anyhow::Result<Credentials> {
        let shown = path.display();
        let bytes = crate::files::read_bytes(path, FILE_BYTES_MAX)?
            .with_context(|| format!("there is no `{shown}`"))?;
        let text = String::from_utf8(bytes).with_context(|| format!("`{shown}` is not text"))?;
        // The parser's own error would show what stands there.
        let Ok(document) = serde_json::from_str::<Document>(&text) else {
            bail!("`{shown}` is not a credential file such as `podman login --authfile` writes");
        };
        let mut basic = BTreeMap::new();
        for (registry, entry) in document.auths {
            let auth = entry.auth.unwrap_or_default();
            if STANDARD.decode(auth.trim()).is_err() {
                bail!("`auth` of `{registry}` in `{shown}` is not base64");
            }
            let registry = registry
                .trim_start_matches("https://")
                .split('/')
                .next()
                .unwrap_or_default()
                .to_owned();
            basic.insert(registry, auth.trim().to_owned().into());
        }
        Ok(Credentials {
            text: Some(text.into()),
            basic,
        })
    }

    /// The file's own text, for a builder; `None` where there is no file.
    pub(super) fn text(&self) -> Option<&str> {
        self.text.as_ref().map(ExposeSecret::expose_secret)
    }

    /// The value of `Authorization` by name and password; `None` for a registry that we do not know.
    pub(super) fn basic(&self, registry: &str) -> Option<String> {
        let known = self.basic.get(registry)?;
        Some(format!("Basic {}", known.expose_secret()))
    }
}

impl Challenge {
    /// Reads `WWW-Authenticate`. `None` for something else than `Basic` and `Bearer` with an address.
    pub(super) fn parse(header: &str) -> Option<Challenge> {
        if header.len() > CHALLENGE_BYTES_MAX {
            return None;
        }
        let (scheme, rest) = header.split_once(' ').unwrap_or((header, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Challenge::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let mut fields = parameters(rest);
        Some(Challenge::Bearer {
            realm: fields.remove("realm")?,
            service: fields.remove("service"),
            scope: fields.remove("scope"),
        })
    }
}

/// `name="value"` separated by commas; quoted values may hold commas.
fn parameters(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rest = text;
    while let Some((name, tail)) = rest.split_once('=') {
        let name = name.trim_matches([' ', ',']).to_ascii_lowercase();
        let (value, after) = match tail.strip_prefix('"') {
            Some(quoted) => match quoted.split_once('"') {
                Some((value, after)) => (value, after),
                None => return found,
            },
            None => tail.split_once(',').unwrap_or((tail, "")),
        };
        found.insert(name, value.trim().to_owned());
        rest = after;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read_or_refused() {
        let bearer = r#"Bearer realm="https://auth.example/token",service="registry",scope="repository:a/b:pull,push""#;
        assert_eq!(
            Challenge::parse(bearer),
            Some(Challenge::Bearer {
                realm: "https://auth.example/token".to_owned(),
                service: Some("registry".to_owned()),
                scope: Some("repository:a/b:pull,push".to_owned()),
            })
        );
        assert_eq!(Challenge::parse("basic realm=x"), Some(Challenge::Basic));
        let long = format!("Bearer realm=\"{}\"", "x".repeat(5_000));
        for bad in [
            "",
            "Negotiate",
            "Bearer",
            "Bearer scope=\"x\"",
            "Bearer realm=\"x",
            &long,
        ] {
            assert_eq!(Challenge::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_credential_file_is_read_and_never_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.json");
        let secret = STANDARD.encode("robot:password");
        let text =
            format!(r#"{{"auths": {{"https://registry.example/v1/": {{"auth": "{secret}"}}}}}}"#);
        std::fs::write(&path, &text).unwrap();
        let credentials = Credentials::read(&path).unwrap();
        assert_eq!(
            credentials.basic("registry.example"),
            Some(format!("Basic {secret}"))
        );
        assert_eq!(credentials.basic("other.example"), None);
        assert_eq!(credentials.text(), Some(text.as_str()));
        assert!(!format!("{credentials:?}").contains(&secret));
        for bad in [
            r#"{"auths": {"x": {"auth": "not base64 secret"}}}"#,
            "secret",
            "{}",
        ] {
            std::fs::write(&path, bad).unwrap();
            let error = format!("{:#}", Credentials::read(&path).unwrap_err());
            assert!(!error.contains("secret"), "{error}");
        }
        assert!(Credentials::read(&dir.path().join("none")).is_err());
    }
}
