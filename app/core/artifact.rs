//! Files known by their bytes: a model's digest, and the lists that carry it.

use crate::name::{Digest, RepoPath};
use serde::{Deserialize, Serialize};

/// One file of an artifact.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Path inside the artifact.
    pub path: RepoPath,
    /// The digest of its bytes.
    pub sha256: Digest,
    /// Its size. Units: bytes.
    pub bytes: u64,
    /// Its media type, by extension; `application/octet-stream` where unknown.
    pub media_type: String,
}

/// Largest file of an evaluation that is read, or committed with a version. Units: bytes.
pub const EVIDENCE_BYTES_MAX: u64 = 1 << 20;

/// The digest of a set of files: sha256 over the lines `<sha256 hex> <bytes> <path>\n`, sorted by path.
pub fn digest(files: &[File]) -> Digest {
    let mut sorted: Vec<&File> = files.iter().collect();
    sorted.sort_by(|a, b| a.path.cmp(&b.path));
    let text: String = sorted
        .iter()
        .map(|f| format!("{} {} {}\n", f.sha256.hex(), f.bytes, f.path))
        .collect();
    Digest::of(text.as_bytes())
}

/// The media type of a path, by its extension.
pub fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("json") => "application/json",
        Some("jsonl") => "application/jsonl",
        Some("yaml" | "yml") => "application/yaml",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("md") => "text/markdown",
        Some("txt" | "log" | "csv") => "text/plain",
        Some("onnx") => "application/onnx",
        Some(_) | None => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_does_not_matter_but_bytes_do() {
        let file = |path: &str, body: &[u8]| File {
            path: RepoPath::parse(path).unwrap(),
            sha256: Digest::of(body),
            bytes: body.len() as u64,
            media_type: media_type(path).to_owned(),
        };
        let (a, b) = (file("a.onnx", b"1"), file("b.json", b"2"));
        assert_eq!(
            digest(&[a.clone(), b.clone()]),
            digest(&[b.clone(), a.clone()])
        );
        assert_ne!(digest(&[a.clone(), b]), digest(&[a, file("b.json", b"3")]));
    }
}
