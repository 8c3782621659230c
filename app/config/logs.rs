//! `[logs]`: where the lines of servers go whose services want them gathered.

use super::cluster::{is_label_key, is_label_value};
use super::read::Reader;
use bowsprit_core::serving::objects::LogMarks;
use std::collections::BTreeMap;

/// Longest value of an annotation. Units: bytes.
const ANNOTATION_BYTES_MAX: usize = 4 << 10;
/// Domains whose labels mean something to a cluster or to us.
const RESERVED: [&str; 3] = ["bowsprit.dev", "kubernetes.io", "k8s.io"];

/// Where lines go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Logs {
    /// What marks the pods of such services for a collector in the cluster.
    pub marks: LogMarks,
    /// Who is sent the lines of such services on this machine.
    pub push_url: Option<String>,
}

/// Reads the section.
pub(super) fn logs(reader: &mut Reader) -> Option<Logs> {
    let labels = marks(reader, "logs.pod_labels.", is_label_value, "a label");
    let is_text = |text: &str| text.len() <= ANNOTATION_BYTES_MAX;
    let annotations = marks(reader, "logs.pod_annotations.", is_text, "an annotation");
    Some(Logs {
        marks: LogMarks {
            labels: labels?,
            annotations: annotations?,
        },
        push_url: push_url(reader)?,
    })
}

fn marks(
    reader: &mut Reader,
    prefix: &str,
    is_value: impl Fn(&str) -> bool,
    what: &str,
) -> Option<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for key in reader.keys_below(prefix) {
        let value = reader.text(&key)?;
        let name = key.trim_start_matches(prefix).to_owned();
        let domain = name.split_once('/').map(|(domain, _)| domain);
        let is_reserved = |domain: &str| {
            RESERVED.iter().any(|reserved| {
                let rest = domain.strip_suffix(reserved);
                rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            })
        };
        if !is_label_key(&name) || !is_value(&value) {
            let message = format!("`{name}={value}` is not {what} of Kubernetes");
            reader.complain(&key, message);
            return None;
        }
        if domain.is_some_and(is_reserved) {
            reader.complain(
                &key,
                format!("`{name}` belongs to Kubernetes or to Bowsprit; take a name of your own, such as `logs.example.org/gather`"),
            );
            return None;
        }
        found.insert(name, value);
    }
    Some(found)
}

/// An address with its path and query as they are: log services take fields there.
fn push_url(reader: &mut Reader) -> Option<Option<String>> {
    let key = "logs.push_url";
    let Some(text) = reader.text(key) else {
        return Some(None);
    };
    let parsed = url::Url::parse(&text).ok();
    let is_address =
        parsed.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if !is_address {
        reader.complain(
            key,
            format!("`{text}` is not an address such as `http://127.0.0.1:9428/insert/jsonline`"),
        );
        return None;
    }
    Some(Some(text))
}
