//! What the operator's own cargo is told about registries and the network, as far as a fetch and a build need it.
//!
//! Everything else of that file, such as a wrapper around the compiler, is meant for the operator's own work.

use super::super::NETWORK;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use toml::{Table, Value};

/// Settings of the environment that a fetch gets beside those of the network: by their beginning.
const PASSED_PREFIXES: &[&str] = &[
    "CARGO_HTTP_",
    "CARGO_NET_",
    "CARGO_REGISTRIES_",
    "CARGO_REGISTRY_",
];
/// Of all these, the ones that name certificates.
const CERTIFICATES: &[&str] = &[
    "CARGO_HTTP_CAINFO",
    "CURL_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
];
/// Largest file of settings. Units: bytes.
const BYTES_MAX: u64 = 1 << 20;

/// The operator's settings.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    table: Table,
    environment: Vec<(String, String)>,
}

impl Settings {
    /// Those of this process. Errors: a file that is no TOML, as a phrase for a person.
    pub(super) fn read() -> Result<Settings, String> {
        let table = match file() {
            Some(path) => parse(&path).map_err(|why| format!("{}: {why}", path.display()))?,
            None => Table::new(),
        };
        let environment = std::env::vars_os().filter_map(passed).collect();
        Ok(Settings { table, environment })
    }

    /// For a fetch: registries with their tokens, and how the network is reached.
    pub(super) fn for_fetch(&self) -> String {
        self.only(&["source", "registries", "registry", "http", "net"])
            .to_string()
    }

    /// For a build, which foreign code may read: where crates stand in for which, and no token.
    pub(super) fn for_build(&self) -> String {
        let mut kept = self.only(&["source"]);
        let indexes = self.indexes().map(|(name, index)| {
            let index = Table::from_iter([("index".to_owned(), Value::String(index.to_owned()))]);
            (name.to_owned(), Value::Table(index))
        });
        kept.insert("registries".to_owned(), Value::Table(indexes.collect()));
        kept.to_string()
    }

    /// Addresses of the registries that it names.
    pub(super) fn registries(&self) -> BTreeSet<String> {
        self.indexes().map(|(_, index)| index.to_owned()).collect()
    }

    /// Variables of a fetch.
    pub(super) fn environment(&self) -> impl Iterator<Item = (String, String)> + '_ {
        self.environment.iter().cloned()
    }

    /// Files with certificates that a fetch must be able to read.
    pub(super) fn certificates(&self) -> Vec<PathBuf> {
        let named = self.environment.iter();
        let named = named.filter(|(name, _)| CERTIFICATES.contains(&name.as_str()));
        let told = self.table.get("http").and_then(|http| http.get("cainfo"));
        let told = told.and_then(Value::as_str);
        named
            .map(|(_, path)| path.as_str())
            .chain(told)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute() && path.exists())
            .collect()
    }

    fn only(&self, keys: &[&str]) -> Table {
        let kept = self.table.iter();
        kept.filter(|(key, _)| keys.contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }

    fn indexes(&self) -> impl Iterator<Item = (&str, &str)> {
        let named = self.table.get("registries").and_then(Value::as_table);
        named.into_iter().flatten().filter_map(|(name, registry)| {
            let index = registry.get("index")?.as_str()?;
            Some((name.as_str(), index))
        })
    }
}

/// Source: the Cargo book, "Configuration", hierarchical structure.
fn file() -> Option<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")))?;
    let names = ["config", "config.toml"].map(|name| home.join(name));
    names.into_iter().find(|path| path.is_file())
}

fn parse(path: &PathBuf) -> Result<Table, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let bytes = crate::files::read_capped(file, BYTES_MAX).map_err(|error| error.to_string())?;
    let text = String::from_utf8(bytes).map_err(|error| error.to_string())?;
    toml::from_str(&text).map_err(|error| error.message().to_owned())
}

fn passed((name, value): (OsString, OsString)) -> Option<(String, String)> {
    let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
    let is_passed = NETWORK.contains(&name.as_str())
        || PASSED_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix));
    is_passed.then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_sees_no_token_and_nobody_sees_a_wrapper() {
        let table = toml::from_str(
            r#"
            [build]
            rustc-wrapper = "sccache"
            [registries.corp]
            index = "sparse+https://crates.corp.example/"
            token = "s3cret"
            [source.crates-io]
            replace-with = "corp"
            [http]
            proxy = "http://me:s3cret@proxy.example"
            "#,
        );
        let settings = Settings {
            table: table.unwrap(),
            environment: Vec::new(),
        };
        let (fetch, build) = (settings.for_fetch(), settings.for_build());
        assert!(
            fetch.contains("s3cret") && fetch.contains("proxy"),
            "{fetch}"
        );
        assert!(!build.contains("s3cret"), "{build}");
        for text in [&fetch, &build] {
            assert!(text.contains("replace-with = \"corp\""), "{text}");
            assert!(
                text.contains("sparse+https://crates.corp.example/"),
                "{text}"
            );
            assert!(!text.contains("sccache"), "{text}");
        }
        let known = settings.registries();
        assert!(known.contains("sparse+https://crates.corp.example/"));
    }

    #[test]
    fn the_environment_of_a_fetch_has_no_secret_of_ours() {
        let is_passed = |name: &str| passed((name.into(), "x".into())).is_some();
        assert!(is_passed("CARGO_REGISTRIES_CORP_TOKEN") && is_passed("HTTPS_PROXY"));
        assert!(!is_passed("CARGO_BUILD_RUSTC_WRAPPER") && !is_passed("BOWSPRIT_KEY"));
    }
}
