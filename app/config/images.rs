//! `[images]`: where images of ours are kept, and who builds them.

use super::read::Reader;
use bowsprit_core::image::recipe::{Kind, Platform};
use bowsprit_core::image::reference::{Pinned, Place, is_registry};
use bowsprit_core::training::spec::Trust;
use std::path::PathBuf;

/// Images that Bowsprit makes and keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Images {
    /// The project's registry: `host` or `host:port`.
    pub registry: String,
    /// A registry that is read where the project's has nothing.
    pub shared_registry: Option<String>,
    /// First parts of the path of every image.
    pub prefix: String,
    /// Who we are at registries.
    pub auth_file: Option<PathBuf>,
    /// Who builds of untrusted heads are at registries.
    pub untrusted_auth_file: Option<PathBuf>,
    /// The image that builds.
    pub builder: Pinned,
    /// Registries that speak plain HTTP.
    pub insecure: Vec<String>,
    /// What images run on.
    pub platform: Platform,
    /// A ConfigMap with what this network's builds need.
    pub build_settings: Option<String>,
    /// What a Python runtime begins with.
    pub base: Pinned,
}

/// Reads the section; `None` inside where no registry is configured. `base` is `cluster.base_image`.
pub(super) fn images(reader: &mut Reader, base: Option<&str>) -> Option<Option<Images>> {
    let registry = registry(reader, "images.registry");
    let shared_registry = self::registry(reader, "images.shared_registry");
    let prefix = reader.text_or("images.repository_prefix", "bowsprit");
    let auth_file = reader.text("images.auth_file").map(PathBuf::from);
    let untrusted_auth_file = reader.text("images.untrusted_auth_file").map(PathBuf::from);
    let builder = reader.text("images.builder_image");
    let insecure = reader.text_or("images.insecure_registries", "");
    let platform = platform(reader);
    let build_settings = reader.text("images.build_settings");
    let insecure = insecure_registries(reader, &insecure);
    let Some(registry) = registry? else {
        return Some(None);
    };
    if let Err(error) = Place::of_ours(&registry, &prefix, Kind::Service, Trust::Untrusted) {
        reader.complain("images.repository_prefix", error.to_string());
        return None;
    }
    let builder = pinned(reader, "images.builder_image", builder.as_deref());
    let base = pinned(reader, "cluster.base_image", base);
    Some(Some(Images {
        registry,
        shared_registry: shared_registry?,
        prefix,
        auth_file,
        untrusted_auth_file,
        builder: builder?,
        insecure: insecure?,
        platform: platform?,
        build_settings,
        base: base?,
    }))
}

fn registry(reader: &mut Reader, key: &str) -> Option<Option<String>> {
    match reader.text(key) {
        Some(text) if is_registry(&text) => Some(Some(text)),
        Some(text) => {
            let message = format!("`{text}` is not a registry such as `registry.example:5000`");
            reader.complain(key, message);
            None
        }
        None => Some(None),
    }
}

fn insecure_registries(reader: &mut Reader, text: &str) -> Option<Vec<String>> {
    let key = "images.insecure_registries";
    let words = text
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty());
    let words: Vec<String> = words.map(str::to_owned).collect();
    let wrong = words.iter().find(|word| !is_registry(word));
    if let Some(wrong) = wrong {
        let message = format!("`{wrong}` is not a registry such as `registry.example:5000`");
        reader.complain(key, message);
        return None;
    }
    Some(words)
}

fn platform(reader: &mut Reader) -> Option<Platform> {
    let text = reader.text_or("images.platform", "linux/amd64");
    let platform = Platform::parse(&text);
    platform
        .map_err(|error| reader.complain("images.platform", error.to_string()))
        .ok()
}

/// An image by digest, which building needs.
fn pinned(reader: &mut Reader, key: &str, text: Option<&str>) -> Option<Pinned> {
    let Some(text) = text else {
        let message =
            "is missing: `images.registry` needs it, an image by digest, `registry/name@sha256:…`";
        reader.complain(key, message.to_owned());
        return None;
    };
    let pinned = Pinned::parse(text);
    pinned
        .map_err(|error| reader.complain(key, error.to_string()))
        .ok()
}
