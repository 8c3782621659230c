//! Small pure helpers for times, identifiers, digests and escaping.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SecureRandom;

/// Seconds since the epoch.
pub(crate) fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// Formats seconds since the epoch the way the REST API shows times.
pub(crate) fn time(second: i64) -> String {
    jiff::Timestamp::from_second(second)
        .map(|stamp| stamp.to_string())
        .unwrap_or_default()
}

/// Reads an RFC 3339 time; `None` when it is not one.
pub(crate) fn parse_time(value: &str) -> Option<i64> {
    value
        .parse::<jiff::Timestamp>()
        .ok()
        .map(|stamp| stamp.as_second())
}

/// An opaque node id that is stable for a kind and a number.
pub(crate) fn node_id(kind: &str, id: u64) -> String {
    STANDARD.encode(format!("{kind}:{id}"))
}

/// Fills `N` bytes from the system's generator.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    ring::rand::SystemRandom::new()
        .fill(&mut bytes)
        .expect("the system has random numbers");
    bytes
}

/// An installation token in the long three-part form; clients must treat it as opaque.
pub(crate) fn installation_token(app_id: u64) -> String {
    let header = URL_SAFE_NO_PAD.encode(random::<24>());
    let payload = URL_SAFE_NO_PAD.encode(random::<150>());
    let signature = URL_SAFE_NO_PAD.encode(random::<192>());
    format!("ghs_{app_id}_{header}.{payload}.{signature}")
}

/// SHA-256 as lower-case hex.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(ring::digest::digest(&ring::digest::SHA256, bytes))
}

/// Escapes text for HTML content and attribute values.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// Decodes `%XX` in a path segment; `+` stays a plus.
pub(crate) fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let decoded = (byte == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match decoded {
            Some(value) => {
                out.push(value);
                at += 3;
            }
            None => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Encodes everything but unreserved characters.
pub(crate) fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Splits `a=b&c=d` and decodes both sides (`+` is a space here).
pub(crate) fn parse_query(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (
                percent_decode(&key.replace('+', " ")),
                percent_decode(&value.replace('+', " ")),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installation_tokens_are_long_with_two_dots() {
        let token = installation_token(7);
        assert!(token.starts_with("ghs_7_"));
        assert!((480..=560).contains(&token.len()), "{}", token.len());
        assert_eq!(token.matches('.').count(), 2);
    }

    #[test]
    fn percent_round_trip() {
        let text = "a b/ü%&+";
        assert_eq!(percent_decode(&percent_encode(text)), text);
        assert_eq!(percent_decode("100%"), "100%");
        assert_eq!(
            parse_query("a=1+2&b=%2F"),
            vec![("a".into(), "1 2".into()), ("b".into(), "/".into())]
        );
    }
}
