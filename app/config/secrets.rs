//! The values of named secrets: `[secrets."owner/name"]`, each key a secret's name, each value the file that holds it.

use super::read::Reader;
use super::{Secrets, read_secret};
use bowsprit_core::name::RepoName;
use std::path::Path;

/// A secret must be at least this long: something shorter could not be told from a log's own words. Units: bytes.
const BYTES_MIN: usize = 8;
/// Where the keys begin.
const PREFIX: &str = "secrets.";

/// Reads every secret. What is wrong is the reader's to tell.
pub(super) fn secrets(reader: &mut Reader) -> Secrets {
    let mut secrets = Secrets::new();
    for key in reader.keys_below(PREFIX) {
        let Some(path) = reader.text(&key) else {
            continue;
        };
        let Some((repository, name)) = key.trim_start_matches(PREFIX).rsplit_once('.') else {
            let message = "must stand below a repository: `[secrets.\"owner/name\"]`".to_owned();
            reader.complain(&key, message);
            continue;
        };
        let Ok(repository) = RepoName::parse(repository) else {
            reader.complain(&key, format!("`{repository}` is not `owner/name`"));
            continue;
        };
        if !is_name(name) {
            let message =
                format!("`{name}` is no name of a secret: letters, digits and `_`, first no digit");
            reader.complain(&key, message);
            continue;
        }
        match read_secret(Path::new(&path)) {
            Ok(text) if text.trim().len() < BYTES_MIN => reader.complain(
                &key,
                format!("the secret in `{path}` is shorter than {BYTES_MIN} bytes, so logs could not be kept free of it"),
            ),
            Ok(text) => {
                let of_one = secrets.entry(repository.as_str().to_ascii_lowercase()).or_default();
                if of_one.insert(name.to_owned(), text.into()).is_some() {
                    reader.complain(&key, "stands there twice, in another case".to_owned());
                }
            }
            Err(error) => reader.complain(&key, error),
        }
    }
    secrets
}

fn is_name(text: &str) -> bool {
    !text.starts_with(|c: char| c.is_ascii_digit())
        && !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
